/* sock.h - a TCP socket of the program, as its threads and the driver share it.
 *
 * Theory of operation
 *
 * To the kernel the program's socket is an AF_UNIX stream socket, the "app
 * end"; the driver holds the other, the "engine end". A struct sock stands for
 * the open file description: every fd that is a dup of it shares one. The app's
 * threads (hooks -> sock.c) own the app end and the fields marked "app"; the
 * driver thread (driver.c, conn.c) owns the engine end, the tcb and the fields
 * marked "driver". Fields marked atomic are read by both.
 *
 * References: one per entry in the fd table, one for a hook that works with it,
 * one of the driver's while the engine end, the tcb or the listener lives. The
 * memory of a struct sock is reused for another one only, never unmapped: the
 * atomic fields may be read without a reference, by those who can live with
 * another socket's values (the data path, see io.c).
 *
 * A socket belongs to the stack that first bound, listened or connected it, or to
 * its listener's; until then to none. It is "mine" where that stack's driver runs
 * in this process, and "foreign" elsewhere: in a forked child, for instance.
 *
 * Order: the driver stores err before state, and both before what the app end
 * shows of it (drained filler, closed engine end). An app that was woken by the
 * app end thus finds them.
 */
#ifndef MYTCP_SOCK_H
#define MYTCP_SOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "../engine/engine.h"

enum sock_state {
	SOCK_FRESH,      /* app end unconnected; perhaps bound to an address */
	SOCK_LISTENING,
	SOCK_CONNECTING, /* app end connected and filled, so not writable */
	SOCK_CONNECTED,
	SOCK_FAILED,     /* connect failed; connect() may be tried again */
	SOCK_CLOSED,     /* was connected; reset, timed out, or both sides done */
};

/* What setsockopt() has set and the driver must know; app. Values that only
 * getsockopt() gives back are in sock.kept. In tcp, a zero means the stack's
 * default (see stack_tcp_opts()). */
struct sock_opts {
	struct tcp_opts tcp;
	struct fastopen_keys fastopen_keys; /* TCP_FASTOPEN_KEY */
	bool reuseaddr, reuseport, v6only;
	bool bind_no_port;    /* IP_BIND_ADDRESS_NO_PORT */
	bool freebind;        /* IP_FREEBIND, IPV6_FREEBIND */
	bool linger;          /* SO_LINGER l_onoff */
	int linger_s;
	int rcvlowat;         /* SO_RCVLOWAT, 0: 1 */
	int stamp;            /* SO_TIMESTAMP or SO_TIMESTAMPNS, whichever is on, or 0 */
	uint32_t ifindex;     /* SO_BINDTODEVICE */
	uint16_t hops;        /* IPV6_UNICAST_HOPS plus 1; 0: not set */
	uint64_t max_pacing_rate; /* SO_MAX_PACING_RATE, bytes/s; UINT64_MAX: none */
};

/* Values that setsockopt() was given and only getsockopt() gives back; app,
 * sockopt.c. */
#define SOCK_KEPT_MAX 32
struct sock_kept {
	uint64_t value[SOCK_KEPT_MAX]; /* the first bytes of each, as they were given */
	uint16_t level[SOCK_KEPT_MAX], name[SOCK_KEPT_MAX];
	uint8_t len[SOCK_KEPT_MAX];
	uint8_t n;
};

struct sock {
	atomic_uint refs;     /* 0: free */
	atomic_uint next_free; /* pool: index + 1 */
	uint32_t index;       /* pool */
	uint32_t generation;  /* pool */

	_Atomic uint64_t id;  /* never reused in a process; changes when a failed
				 connect() gives the socket a new app end */
	uint8_t stack[16];    /* whose it is; all zero: nobody's yet */
	_Atomic uint64_t pass; /* foreign: that stack's, 0: see sock_pass() */
	_Atomic uint64_t heir; /* driver: alias_tag() of the stack that has taken it over, or 0 */
	atomic_int sought;    /* app: the process that has asked to inherit it (heir.c) */
	int backlog;          /* driver, or app: of a listener, 0: unknown */
	atomic_bool orphan;   /* foreign: that stack is gone */
	atomic_int maker;     /* app: listener: the process that this one's engine ends come
				 from, as it was last, or 0; see accept.c */
	int family;           /* AF_INET or AF_INET6 */
	_Atomic enum sock_state state; /* app until listen or connect, then driver */
	atomic_int err;       /* pending SO_ERROR, positive; driver sets, app takes */
	atomic_bool filled;   /* app: app end is filled and its SO_SNDBUF small; see
				 sock_settle() */
	atomic_bool backlog_full; /* driver: tell it after the next accept() */
	atomic_bool shut_rd, shut_wr; /* app: shutdown() was called */
	atomic_uint wanted;   /* SO_RCVLOWAT: app: bytes a call waits for; driver: less what
				 it has given it */
	_Atomic int64_t stamp_ns; /* driver: when it last gave bytes, realtime */
	atomic_bool peer_done; /* driver: the peer's FIN has arrived */
	atomic_bool connecting; /* app: connect() began and has not told the program
				 how it ended: Linux's SS_CONNECTING */
	atomic_bool timeouts; /* app: SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT or
				 SO_OOBINLINE is set on the app end */
	_Atomic uint64_t sent_bytes; /* app: by calls that we saw */
	_Atomic uint64_t more_from, more_to; /* app: those of them that were last sent
				 with MSG_MORE; see io_will_send() */
	atomic_uint opening;  /* futex; driver: 1 while it connects, also when Fast Open
				 lets the app write before the connection is there */
	atomic_uint lingering; /* futex; driver: a close() may wait while it is 1 */
	atomic_uint fds;      /* fdtab: entries in the fd table */
	_Atomic ino_t ino;    /* app: inode of the app end */
	bool bound;           /* app: local was given by bind() */
	struct endpoint bound_to; /* app: what local is when there is no connection */
	struct endpoint local, remote; /* as getsockname and getpeername say; written
				 by the driver before it stores state, or under
				 a command */
	struct sock_opts opts;
	struct sock_kept kept;
	uid_t user;           /* of who called listen(); written under a command */
	struct sockaddr_un name; /* app end's AF_UNIX name, if it has one */
	_Atomic socklen_t name_len; /* follows name, which it makes valid */
	struct tcp_status final; /* driver: of the connection that has ended */
	void *driver;         /* driver: struct conn or struct listener */
	bool held;            /* driver: see held.h */
	struct sock *next_held;
};

/* The backlog of the app end that listens: one more waits in the driver's hands. */
static inline int sock_native_backlog(int backlog)
{
	return backlog > 0 ? backlog - 1 : backlog;
}

/* Has bind() given it one? With IP_BIND_ADDRESS_NO_PORT it may be called again. */
static inline bool sock_has_port(const struct sock *s)
{
	return s->bound && s->bound_to.port;
}

/* All of these may be called from signal handlers and by any thread. */

/* A new one with one reference, known by its id; NULL when out of memory. */
struct sock *sock_new(int family);
struct sock *sock_get(struct sock *s); /* one more reference; returns s */
/* A reference if s is not free; the caller has none. */
bool sock_try_get(struct sock *s);
void sock_put(struct sock *s);         /* one less; frees */
/* Gives s, to which the caller has a reference, another id. */
void sock_renew_id(struct sock *s);
/* The one with this id, with a reference for the caller, or NULL. */
struct sock *sock_by_id(uint64_t id);
/* Each piece of memory that they lie in. */
void sockpool_each(void (*fn)(void *arg, const void *start, size_t len_bytes), void *arg);

#endif
