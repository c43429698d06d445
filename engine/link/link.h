/* link.h - how packets leave and arrive: raw sockets, guards, routes.
 *
 * Theory of operation
 *
 * A raw socket per address family sends and receives TCP beside the kernel's
 * own. The kernel sees each arriving segment too, and would answer RST: for
 * each local port in use a guard, an ordinary kernel socket in LISTEN with a
 * filter that drops everything, keeps it quiet and makes the kernel the owner
 * of the port space. A BPF filter on the raw socket lets only the guards'
 * ports pass. Bursts leave through a packet socket with GSO where that is
 * possible (see gso.c), else cut into single segments through the raw socket.
 *
 * On a kernel without IPv6 all that concerns it fails with -EAFNOSUPPORT; IPv4 goes
 * on. Link-local addresses carry their device (addr_scope() in addr.h), those that
 * come in as well as those that go out.
 *
 * Two stacks on a port
 *
 * A server that has ended may have left connections to a background process, with the
 * guard they need; the server that was started after it has a guard of its own at the
 * same port. Each raw socket hears all that comes to the port, the kernel is kept quiet
 * by either, and no stack knows the other's connections. Who answers?
 * - A segment of a connection: the stack that has it.
 * - A SYN: the stack that listens. Only one can: a guard that lingers lets others in, one
 *   that is in use lets nobody in (SO_REUSEPORT is one stack's, see ports.h). Where the
 *   other stack has the same flow in TIME-WAIT, it says nothing and lets go of it as
 *   RFC 6191 permits, as if it were its own listener's.
 * - A SYN where nobody listens any more: of the stacks that linger the one whose guard
 *   sock_diag names for that flow refuses it. It cannot hurt a connection that another one
 *   has: a RST that answers a SYN is nothing to a peer that has sent more than that.
 * - Another segment of no connection: nobody while there are two, because neither can tell.
 *   A stack sends RST only where link_kernel_owns() finds nobody else: no kernel socket
 *   with this flow, and no other listener, guard or not, at the port.
 * - An ACK that fits no SYN-ACK of a connection in SYN-RECEIVED: nobody, too. The SYN was a
 *   duplicate of one that the other stack had answered.
 * Kernel sockets that are left of a server on the kernel's TCP go on undisturbed: the
 * kernel finds them before it finds the guard, and sock_diag shows them.
 *
 * The link belongs to one thread and to the network namespace in which that
 * thread opened it. Nothing here blocks, but for link_send(): it waits up to
 * 20 ms for a full socket buffer. Functions return 0 or a count, or a negative
 * errno value.
 */
#ifndef MYTCP_LINK_H
#define MYTCP_LINK_H

#include "../engine.h"

struct link;

struct link_config {
	uint32_t rcvbuf_bytes; /* of the raw socket, by SO_RCVBUFFORCE or what
				  the system allows */
	bool gso;              /* may bursts bypass the IP layer's output? */
};

struct link_stats {
	uint64_t pkts_in;     /* handed out by link_recv() */
	uint64_t pkts_out;    /* IP packets sent; a burst by GSO counts as one */
	uint64_t gso_out;     /* of these: bursts by GSO */
	uint64_t truncated;   /* in: longer than a buffer, or lengths that lie */
	uint64_t not_local;   /* in: to a broadcast or multicast address; or IPv6
				 addresses that no packet should have */
	uint64_t no_route;    /* link_path(): packets to whose sender no route leads */
	uint64_t questions;   /* of routes and devices to the kernel, for what came in */
	uint64_t send_errors; /* out: lost here */
};

/* -EPERM: no CAP_NET_RAW. */
int link_open(struct link **out, const struct link_config *cfg);
/* With sockets that were opened earlier, which the link takes over, also when it
 * returns an error. */
struct link_sockets;
int link_open_with(struct link **out, const struct link_config *cfg,
		   struct link_sockets *sockets);
/* The thread is about to lose its privileges: opens what is still missing. */
void link_before_drop(struct link *l);
/* Closes its guards too. */
void link_close(struct link *l);
const struct link_stats *link_stats(const struct link *l);

/* The descriptors that become readable when link_recv() or link_recv_icmp()
 * has something; returns how many. */
#define LINK_FDS_MAX 4
int link_fds(const struct link *l, int fds[LINK_FDS_MAX]);

/* What the raw socket really can hold, in bytes of kernel memory (truesize). */
uint32_t link_rcvbuf_bytes(const struct link *l);

/* Takes up to n packets whose destination is one of this host's own addresses
 * (not broadcast, not multicast, nor a SYN to an anycast one) and a guarded port. IPv6
 * extension headers are not seen here; fragments are put together. They point into the link's
 * buffers, valid until the next call. path is left empty, see link_path(). Returns 0
 * when nothing waits. */
int link_recv(struct link *l, struct engine_pkt_in *pkts, int n);
/* Fills in pkt->path, for a packet of link_recv()'s that opens a connection
 * (DROP_NO_PATH): the way back to its sender. At most a second old. A negative errno:
 * no route leads there. */
int link_path(struct link *l, struct engine_pkt_in *pkt);
/* Does the link drop SYNs, because there were more than were taken? Then link_relax() is to
 * be called ten times a second, which lets more of them in as there is room. */
bool link_sheds(const struct link *l);
void link_relax(struct link *l);
/* A connection from there was accepted: its SYNs are not dropped. */
void link_know(struct link *l, const struct ip_addr *source);
/* Takes up to n ICMP errors that quote a TCP segment from a guarded port; and
 * what ICMP would say of segments that were too large for our own device (after
 * link_send() has returned an error). */
int link_recv_icmp(struct link *l, struct engine_icmp *msgs, int n);

/* Sends n packets, cutting bursts and filling in checksums. Order is kept among those
 * of one family. IPv6 flows get a label (RFC 6437). A packet that
 * cannot be sent is counted and lost, as in any network; the errno of the last
 * such loss is returned as a negative value, 0 when all left. */
int link_send(struct link *l, const struct engine_pkt_out *pkts, int n);

/* Route, source address and MTU towards dst. *src is filled in when it is
 * "any", of whichever family. ifindex: the device the socket is bound to, or 0. dst
 * may be "any": that is this host itself, and the connection goes to the address in
 * *src ("::": to ::1, as in Linux, whatever the source).
 * -ENETUNREACH (broadcast and multicast too), -EHOSTUNREACH, -EACCES (a
 * "prohibit" route), -EINVAL (link-local without a device), -EADDRNOTAVAIL ... as
 * connect(2) on a TCP socket gives; -EAFNOSUPPORT for two families. */
int link_route(struct link *l, const struct ip_addr *dst, uint32_t ifindex,
	       struct ip_addr *src, struct tcp_path *path);

/* Is it not ours to refuse this flow's segments? So it is if a kernel TCP socket that is no
 * guard of ours owns the flow (asked through sock_diag for the exact 4-tuple): a
 * connection (TIME-WAIT and SYN-RECEIVED included), or a listener that would answer a
 * SYN; or no socket does, so that the kernel refuses them itself; or if another stack has
 * the port, too; opens: a SYN (without ACK), which is left only to stacks that listen.
 * ifindex: the device by which the segment came, engine_pkt_in's; sockets bound to a
 * device are found for that one alone. 1, 0, or a negative errno. */
int link_kernel_owns(struct link *l, const struct flow *f, uint32_t ifindex, bool opens);

/* Who else in this network namespace listens where segments for local come to, guards
 * of other links included and our own not? A negative errno, or: */
enum link_others {
	LINK_OTHERS_NONE,
	LINK_OTHERS_LINGER, /* guards that linger, see guard_linger() */
	LINK_OTHERS_LISTEN, /* somebody who answers SYNs */
};
int link_others(struct link *l, const struct endpoint *local);

/* Is there an AF_UNIX socket with this inode in this network namespace? known is that of
 * one which is there. 1, 0, or a negative errno: the kernel cannot say. */
int link_unix_exists(struct link *l, uint32_t inode, uint32_t known);

/* ---- guards ------------------------------------------------------------- */

struct guard;

enum {
	GUARD_REUSEADDR = 1 << 0,
	GUARD_REUSEPORT = 1 << 1,
	GUARD_V6ONLY = 1 << 2, /* a guard at "::" is there for IPv6 alone */
	GUARD_FREEBIND = 1 << 3, /* the address may come to this host later */
};

/* Binds a kernel TCP socket to local (port 0: the kernel chooses), with a
 * filter that drops all. ifindex: SO_BINDTODEVICE's device, 0 for none.
 * At "::" it is there for both families, unless GUARD_V6ONLY.
 * With GUARD_REUSEADDR guards that linger, whichever process has them, are not
 * in the way. Errors are bind(2)'s: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL,
 * -EMFILE ..., and -EAFNOSUPPORT on a kernel without IPv6. */
int guard_open(struct link *l, const struct endpoint *local, uint32_t ifindex,
	       unsigned flags, struct guard **out);
/* listen(2), so that the kernel keeps quiet; packets to the port begin to
 * arrive at link_recv(). -EADDRINUSE. Calling it again only ends what
 * guard_linger() began. */
int guard_listen(struct guard *g);
/* Address and port as bound. */
const struct endpoint *guard_local(const struct guard *g);
/* The same for connections alone: whoever asks for SO_REUSEADDR may have the port, too,
 * as after guard_linger(). */
int guard_share(struct guard *g);
/* Nobody listens any more, but there are connections: lets the next socket that asks
 * for SO_REUSEADDR have the port (SO_REUSEPORT on). */
void guard_linger(struct guard *g);
void guard_close(struct guard *g);
/* Its descriptor, to be given to another process, and what that makes of it: a
 * guard whose port's packets begin to arrive here. ifindex is as in guard_open().
 * -EINVAL: it is no listening TCP socket. fd is the guard's then, else the caller's.
 * guard_fd() says -EMFILE if the guard is stowed, and there is no room for it. */
int guard_fd(struct guard *g);
int guard_adopt(struct link *l, int fd, uint32_t ifindex, struct guard **out);
/* The same of a guard that is in use, as guard_flags() said there. */
int guard_take(struct link *l, int fd, uint32_t ifindex, unsigned flags, struct guard **out);
unsigned guard_flags(const struct guard *g);
/* A second guard at the place of g, which listens: one that lingers, for connections that
 * stay here when g goes to another process. */
int guard_twin(struct guard *g, struct guard **out);
/* The guard is another process's from now on: guard_linger() has no effect on it. */
void guard_let_go(struct guard *g);

/* Where fds are scarce. Makes a guard that listens do without one, until something is to be
 * changed about it: 0, or a negative errno, as it was. -EALREADY: it does. */
int guard_stow(struct guard *g);
/* Room for so many more of them, which takes fds itself: to be had before it is needed. */
#define GUARD_STOW_MAX 16
int guard_shelf_ready(struct link *l);

#endif
