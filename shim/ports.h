/* ports.h - the local ports in use: one guard each, shared by many connections.
 *
 * A port is referred to by the sockets bound to it and by the connections that
 * use it. When nobody refers to it any more it may still be needed, by
 * connections that their users have released and by TIME-WAIT: it stays, idle,
 * until the engine has no use for it.
 */
#ifndef MYTCP_PORTS_H
#define MYTCP_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/link/link.h"
#include "sock.h"

struct port {
	struct port *next, *prev;
	struct guard *guard;
	struct guard *twin; /* see port_make_twin(); or NULL */
	unsigned refs;     /* connections and sockets */
	unsigned owners;   /* of these: sockets bound to it */
	uint32_t ifindex;
	bool v6only;       /* what else was said when it was bound */
	bool reuse;        /* all of them asked for SO_REUSEADDR */
	bool reuseport;    /* all of them asked for SO_REUSEPORT */
	struct listener_group *group; /* listener.c */
	bool quiet;        /* the kernel is; segments arrive here */
	bool listens;      /* a listener uses it */
	bool listened;     /* or has used it */
	bool pooled;       /* opened for connect(): others may share it */
	uint32_t pool_at, picks;
};

struct port_list {
	struct port *first, *last;
};

struct ports {
	struct link *link;
	struct engine *engine;
	const uint64_t *now_us; /* the stack's */
	struct port_list busy, idle; /* refs > 0; refs == 0 */
	uint32_t idle_n;
	struct port **pool;
	uint32_t pool_n, pool_max;
};

/* bind(2), port 0 included, with the flags of opts. *out is referred to and
 * owned. An own port that only lingers is taken over if opts.reuseaddr, and one
 * in use is shared if all its owners asked for that and none of them listens, or if
 * they and opts asked for SO_REUSEPORT.
 * "::" is every IPv4 and IPv6 address, or with opts.v6only every IPv6 address. */
int ports_bind(struct ports *ps, const struct endpoint *local,
	       const struct sock_opts *opts, struct port **out);
/* listen(2): the kernel is quiet from now on. -EADDRINUSE: somebody listens. */
int port_listen(struct port *p);
/* The listener is gone; whoever asks for SO_REUSEADDR may have the port. */
void port_unlisten(struct port *p);
/* For a connection of a socket that is bound to p: the kernel is quiet. */
int port_connect(struct port *p);
/* A new port for connections from src, referred to; it keeps the kernel quiet
 * already. The kernel chooses it as for its own connections, at random from
 * ip_local_port_range (RFC 6056 3.3.1). -EADDRNOTAVAIL: there are no more. */
int ports_ephemeral(struct ports *ps, const struct ip_addr *src,
		    uint32_t ifindex, struct port **out);
/* A port at random that ports_ephemeral() has opened for src, or NULL: either
 * there is none, or it is better to open one more (RFC 6056: the next port
 * should be hard to guess). After some picks a port is shared no more. Not referred to.
 * Whether the remote in mind is still connected to it, or in TIME-WAIT here, is for
 * tcp_open() to say. */
struct port *ports_pick(struct ports *ps, const struct ip_addr *src,
			uint32_t ifindex);
void port_get(struct ports *ps, struct port *p);
void port_put(struct ports *ps, struct port *p);
/* The socket that is bound to it lets go. */
void port_disown(struct ports *ps, struct port *p);
/* The idle ports that the engine needs, up to max of them; returns how many there
 * are. */
size_t ports_needed(const struct ports *ps, struct port **out, size_t max);
/* An idle port around a guard of another process: guard_adopt(). */
int ports_adopt(struct ports *ps, int fd, uint32_t ifindex, uint16_t *number);
/* What a port is like, for another process that is to have it with its guard. */
struct port_terms {
	uint32_t ifindex, guard_flags;
	bool v6only, reuse, reuseport;
};
void port_terms(const struct port *p, struct port_terms *terms);
/* That process's port; referred to, and owned by nobody yet. fd: of a guard that is in use;
 * the port's then, or with an error still the caller's. */
int ports_inherit(struct ports *ps, int fd, const struct port_terms *terms, struct port **out);
/* Its guard is to be the other process's: what stays here shall have another one. */
int port_make_twin(struct port *p);
void port_drop_twin(struct port *p);
/* The guard is the other process's now. Without a twin nobody needs the port here. */
void port_lose_guard(struct port *p);
/* Gives idle ports back to the kernel; looks at a bounded number of them. */
void ports_collect(struct ports *ps);
/* For every call of the driver's that makes an fd: is it worthwhile to repeat
 * it after this negative errno? For -EMFILE and -ENFILE it gives back some idle
 * ports, or else raises the limit, or has guards do without fds, or ends the oldest
 * TIME-WAITs of connect(). False at last, however often it is asked. */
bool ports_make_room(struct ports *ps, int err);
void ports_free(struct ports *ps); /* all of them, whoever uses them */

#endif
