/* listener.h - a listening tcb <-> the app's AF_UNIX listener.
 *
 * It lives while anybody holds the app's listener (see held.h).
 */
#ifndef MYTCP_LISTENER_H
#define MYTCP_LISTENER_H

#include "conn.h"

/* The sockets that listen at the same address and port: one, or with SO_REUSEPORT
 * several, which share what comes by a hash of the addresses, as with Linux. Only to
 * one whose queue is full nothing more is given. */
struct listener_group {
	struct handle h; /* HANDLE_GROUP; must be first */
	struct tcb *tcb;
	struct listener *first;
	unsigned n;
};

struct listener {
	struct handle h; /* HANDLE_LISTENER; must be first */
	struct listener *next, *prev;
	struct stack *st;
	struct sock *s;        /* referred to */
	struct listener_group *group;
	struct listener *mate; /* the next in the group */
	int backlog;
	struct binding *binding;
	struct sock_opts opts; /* for the connections to come */
	struct sockaddr_un name; /* of the app's listener */
	socklen_t name_len;
	uid_t user;            /* of whom the app's listener is, to the kernel */
	struct conn *limbo;    /* accepted, waits for room in the app's queue */
	uint32_t room;         /* so many wait in the app's queue when it is full */
	bool full;             /* the app's queue was */
	bool blocked;          /* try again soon */
	bool moving;           /* offered to another process (legacy.c) */
	uint32_t wait_us;      /* this soon */
};

/* listen(2); see driver_listen(). */
int listener_open(struct stack *st, struct sock *s, int backlog);
/* Offers waiting connections to the app until there are none or its queue is
 * full. May end the listener. */
/* The driver was killed while it may have offered a connection to the app. */
void listener_mend(struct listener *l);
void listener_pump(struct listener *l);
/* There are new connections. */
void listener_incoming(struct listener_group *g);
/* Whose is a connection with these addresses? One is without limbo. */
struct listener *listener_for(const struct listener_group *g, const struct flow *flow);
void listener_set_opts(struct listener *l, const struct sock_opts *opts);
/* Stops listening; connections that wait are reset. */
void listener_stop(struct listener *l);

#endif
