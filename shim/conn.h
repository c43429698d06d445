/* conn.h - one connection: the engine end of a pair <-> a tcb.
 *
 * A connection is made by conn_connect() or conn_incoming() and ends by itself,
 * when neither the program nor the engine needs it any more. It is freed by
 * conn_free_dead(), so a pointer stays good until the batch of work is done.
 */
#ifndef MYTCP_CONN_H
#define MYTCP_CONN_H

#include "stack.h"

struct listener_group;

struct conn {
	struct handle h; /* HANDLE_CONN; must be first */
	struct conn *next, *prev;
	struct stack *st;
	struct sock *s;          /* referred to; NULL when over */
	uint64_t sock_id;        /* of s in this life, see conn_forget() */
	struct tcb *tcb;         /* NULL after tcp_release() */
	struct port *port;
	struct binding *binding; /* active, after bind(); else NULL */
	struct listener *listener; /* passive, until the app's listener took it */
	struct sock_opts opts;
	int fd;                  /* engine end, -1: none */
	pid_t pid;               /* passive: of the process that connected it */
	uint32_t filler;         /* active: bytes in the queue that are no data */
	uint8_t held;            /* see pair.h */
	uint64_t taken_bytes;    /* of the program's, from the pair */
	bool over;
	uint64_t linger_until_us; /* linger.c; 0: has not begun, ENGINE_NEVER: over */
	struct conn *linger_next;

	/* the pair */
	bool connecting : 1;    /* active, not established yet */
	bool mark_due : 1;      /* passive: the queue's first byte may be the mark */
	bool bytes_in : 1;      /* the queue may hold bytes that are not taken */
	bool pair_full : 1;     /* wait until the app has read */
	bool watch_out : 1;     /* the epoll set tells when it has */
	bool starved : 1;       /* see conn_starved() */

	/* the app's side */
	bool app_eof : 1;       /* nothing will be added to the queue */
	bool app_gone : 1;      /* nobody holds the app end */
	bool app_reset : 1;     /* closed with unread data in it */
	bool app_deaf : 1;      /* SHUT_RD: received data goes nowhere */

	/* TCP's side */
	bool fin_queued : 1;    /* tcp_shutdown() was called */
	bool peer_fin : 1;      /* TCP_EV_PEER_CLOSED */
	bool eof_passed : 1;    /* the app reads EOF */
	bool finished : 1;      /* TCP_EV_CLOSED */
	bool failed : 1;        /* TCP_EV_ERROR, once established */
	bool writers_stopped : 1; /* failed: the app's writes fail already */
};

/* Everybody who waits at the driver's listener comes in, or is turned away for want of
 * fds. */
void conn_let_in(struct stack *st);
/* Active OPEN; see driver_connect(). */
int conn_connect(struct stack *st, struct sock *s, const struct endpoint *remote);
/* Passive: the oldest connection that waits in the engine's listener, with a
 * struct sock and its listener but without a pair yet. NULL: none, or -ENOMEM in
 * *err. */
struct conn *conn_incoming(struct listener_group *g, int *err);
/* l, which has none yet, is to offer it to the app; another one may have been. */
void conn_set_listener(struct conn *c, struct listener *l);
/* Makes the pair by connecting to the app's listener. -EAGAIN: its queue is
 * full; -ECONNREFUSED: it is gone; others: out of fds or memory. */
int conn_pair(struct conn *c);

/* Facts. TCP_EV_* of the tcb; epoll's bits of the engine end. */
void conn_tcp_event(struct conn *c, unsigned what);
void conn_pair_event(struct conn *c, unsigned bits);
/* After a while, those that are starved. */
void conn_retry_starved(struct stack *st);
/* This process has closed its last fd of the app end. */
void conn_process_closed(struct conn *c);
void conn_set_opts(struct conn *c, const struct sock_opts *opts);
int conn_status(const struct conn *c, struct tcp_status *status);

/* RST where TCP has one, and the end. */
void conn_reset(struct conn *c);
/* A socket whose connection was closed by the peer's doing may be given a new
 * app end, and another id, by the hooks while the old connection still has data
 * for the old app end. Ends that one if it is in the way. */
void conn_forget(struct sock *s);
/* Is there anything that the program wrote and the peer has not acknowledged? */
bool conn_unsent(const struct conn *c);
void conn_free_dead(struct stack *st);

/* ---- between conn.c, conn_open.c and conn_give.c --------------------------------- */

struct conn *conn_new(struct stack *st); /* all zero, in st's list; or NULL */
int conn_watch(struct conn *c);          /* puts fd into the epoll set */
uint32_t conn_pair_sndbuf(const struct sock_opts *opts);
/* Is there anything for the program, and may it be given it? */
bool conn_readable(const struct conn *c);
bool conn_receives(const struct conn *c);
/* Gives it what there is, as far as the pair has room. May end the connection. */
void conn_give(struct conn *c);
/* Bits of the engine end become facts. */
void conn_note_bits(struct conn *c, unsigned bits);
/* There was no memory for it, here or in the kernel. That is no fact about the app, and
 * nothing will tell when to try again. */
void conn_starved(struct conn *c);
/* The bytes of `t` had begun to move when the driver was killed: they are in the send
 * buffer's free space, or in the pair. */
void conn_repair(struct conn *c, const struct taking *t);
/* Does what the facts allow. */
void conn_step(struct conn *c);
/* The SYN waits for bytes of the program: it may write. */
void conn_open_fast(struct conn *c);
/* Lets go of everything; the engine finishes what was not finished. */
void conn_end(struct conn *c);
/* connect() did not succeed; err: SO_ERROR from now on. */
void conn_connect_failed(struct conn *c, int err);

#endif
