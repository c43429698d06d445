/* control.h - requests of other processes: what is said over the control socket,
 * and the driver's side of it.
 *
 * Theory of operation
 *
 * A process that holds an app end but does not run its stack (a forked child, for
 * instance) connects to the stack's control socket, an AF_UNIX SOCK_SEQPACKET
 * listener named NAME_CONTROL, and shows the stack's pass, eight bytes, which every app
 * end brings with it (pass.h). One byte tells it that it is welcome, as it does the
 * stack's own user, who may have none. Only then can it send its one request with the app
 * end's fd (SCM_RIGHTS). Whoever can show an app end may command it. There is one
 * answer, then the connection ends. remote.c asks; control.c answers, in the driver's loop
 * and without ever waiting for anybody.
 *
 * Both sides are the same library or refuse each other: size is the version.
 */
#ifndef MYTCP_CONTROL_H
#define MYTCP_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sock.h"

struct stack;

enum control_op {
	CONTROL_NEW,        /* the app end is nobody's: becomes this stack's. arg: family;
			       data: the stack's token, unless the asker is of its user */
	CONTROL_CHECK,      /* sockets that nobody holds any more shall end now; without
			       an app end */
	CONTROL_STATUS,     /* nothing but what every answer says */
	CONTROL_MADE,       /* is the app end's peer the engine end of a connection that
			       this stack has accepted? */
	CONTROL_TOLD,       /* the program has been told how connect() ended */
	CONTROL_BIND,       /* driver_bind(): endpoint */
	CONTROL_LISTEN,     /* driver_listen(): arg is the backlog */
	CONTROL_CONNECT,    /* connects and fills the app end; driver_connect() */
	CONTROL_SHUTDOWN,   /* arg: how; the app end itself is the asker's to shut */
	CONTROL_UNDO,       /* what there is ends, by RST where TCP has one; a second
			       fd is the new app end, which keeps what bind() made */
	CONTROL_TAKE_ERR,   /* result: the pending error, positive, taken */
	CONTROL_GETSOCKOPT, /* arg: level, arg2: name, data_len: room */
	CONTROL_SETSOCKOPT, /* arg: level, arg2: name, data */
	CONTROL_IOCTL,      /* arg: SIOCOUTQ, SIOCOUTQNSD; the answer in data */
	CONTROL_INHERIT,    /* arg 0: is the asker wanted as an heir of the listener's stack?
			       arg2: it is a daemon. arg 1, without an app end: it is one from
			       now on (heir.h) */
};

/* An option's value; those of TCP are shorter. */
#define CONTROL_DATA_MAX 512
#define CONTROL_FDS_MAX 2

struct control_request {
	uint32_t size; /* of this struct */
	uint32_t op;
	int32_t arg, arg2;
	struct endpoint endpoint;
	uint32_t data_len;
	uint8_t data[CONTROL_DATA_MAX];
};

struct control_reply {
	uint32_t size;
	int32_t result;   /* 0, or a negative errno value; -ESRCH: the stack knows no
			     such socket, and nothing below means anything; -EREMOTE:
			     `stack` is to be asked, nothing else means anything */
	/* How the socket is now. */
	uint32_t state;   /* enum sock_state */
	uint8_t bound, connecting;
	uint16_t family;
	uint8_t stack[16];
	int32_t pid;      /* of the stack's process */
	uint64_t id;      /* in its name */
	struct endpoint bound_to, local, remote;
	uint32_t data_len;
	uint8_t data[CONTROL_DATA_MAX];
};

#define CONTROL_CLIENTS_MAX 32

/* The driver's side. Clients come and go quickly; when there are too many, the
 * one that has been silent longest is turned away. */
struct control {
	int listener;
	int epoll;     /* the loop watches it; -1: nothing is open */
	struct control_client {
		int fd; /* -1: free */
		uint64_t since; /* order of arrival */
		bool welcome;
	} client[CONTROL_CLIENTS_MAX];
	uint64_t arrivals;
	struct control_door *doors;
};

/* For a port that sockets of this stack are bound to. Other processes of the same user
 * find the stack by the door's name, NAME_PORT: to share the port by SO_REUSEPORT, or to
 * ask whether these sockets are still there. */
struct control_door {
	struct control_door *next;
	uint16_t port;
	unsigned refs;
	int fd;
};
/* Opens it, or refers to it once more. -EALREADY: another stack has it; others: it
 * cannot be had. */
int control_open_door(struct stack *st, uint16_t port, struct control_door **out);
void control_close_door(struct stack *st, struct control_door *d); /* d may be NULL */
/* The one at this port, or NULL. Not referred to. */
struct control_door *control_find_door(const struct stack *st, uint16_t port);
/* Another process's becomes this one's, and is referred to. fd is its listening socket, the
 * door's then, or with an error still the caller's. */
int control_take_door(struct stack *st, uint16_t port, int fd, struct control_door **out);

/* Listens. 0 or a negative errno; control_close() is due in both cases. */
int control_open(struct control *c, const struct sockaddr_un *name, socklen_t len);
void control_close(struct control *c);
/* Requests come by this listening socket, too. 0 or a negative errno. */
int control_hear(struct control *c, int fd);
/* No longer, and *fd is closed and -1: other processes may have that socket, too. */
void control_unhear(struct control *c, int *fd);
/* A listening socket of this name, heard. An fd or a negative errno. */
int control_hear_at(struct control *c, const struct sockaddr_un *name, socklen_t len);
/* Whoever is being served asks again, whoever that reaches then. */
void control_turn_away(struct control *c);
/* c->epoll is readable. */
void control_serve(struct stack *st);

#endif
