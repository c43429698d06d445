/* heir.h - the process that goes on running takes over the listeners that its parent made.
 *
 * Theory of operation
 *
 * A daemon listens, forks, and its first process ends; the stack of its listeners goes on in
 * the background (handover.h), where nobody looks after it. So a process that holds such a
 * listener, and either has become a daemon (setsid(2), daemon(3)) or finds that its parent is
 * gone, when it accepts, adds the listener to an epoll set, forks or gives up root, offers
 * itself to that stack as its heir. It starts a driver of its own, which connects to the
 * stack's control socket, says so (CONTROL_INHERIT), and stays connected. Once the
 * stack is in the background, and none of its listeners has a connection that is on its way
 * to the program, it lets no SYN in and gives all of them (legacy.c): what they are as plain
 * data, and as fds (SCM_RIGHTS) their guards, their doors and its control sockets. The heir
 * makes listeners of its own of that, and one byte says that it has. Connections stay where
 * they are until they end, as where a server is restarted (link.h, "Two stacks on a port").
 *
 * The names of app ends are for ever, so the heir answers for the stack that they name, too
 * (alias.h). What it is asked of a connection that stayed behind it does not know: it tells
 * under which name that one's stack is to be found now.
 *
 * If the stack ends without a word, its background process killed together with its watcher,
 * the heir finds the connection at its end and nobody to connect to: it makes the listeners
 * anew, with fresh guards.
 *
 * Both sides trust only their own user and root, and are the same library: size is the
 * version.
 */
#ifndef MYTCP_HEIR_H
#define MYTCP_HEIR_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "ports.h"
#include "sock.h"

/* ---- in the program's threads ------------------------------------------------------- */

/* In the constructor; around fork(), in the parent and in the child. */
void heir_begin(void);
void heir_before_fork(void);
void heir_after_fork(void);
void heir_forked(void);

/* Can this process become an heir of the stack of s? Before any system call is made for it;
 * the caller need not have a reference. */
bool heir_concerns(const struct sock *s);
/* Somebody is about to wait for s, a listener: becomes an heir of its stack if that is
 * another process's and this one's parent is gone. One system call, if s is foreign. Keeps
 * errno. */
void heir_consider(struct sock *s, int fd);
/* This process has begun a session, as daemons do, and some others: from now on it does not
 * matter whether its parent is gone. */
void heir_leads(void);
/* It is about to lose privileges, and may not be trusted any more then: the same as
 * heir_is_daemon(), if that or its parent's end has made it one. Waits some milliseconds for the
 * latter, once, if it has a foreign listener. */
void heir_before_drop(void);
/* It is a daemon: the same as heir_consider() for all its listeners, at once. */
void heir_is_daemon(void);
/* The stack of s, a listener, is gone, as remote.h has found: makes it anew in this process, if
 * that may. Is there one again, here or in another process? */
bool heir_revive(struct sock *s, int fd);
/* Before accept() sleeps, in a process that was refused as an heir: waits, and watches the
 * process that has the stack. 0: accept() may go on, if it sleeps then it is for a connection
 * that another process was faster to take; -EINTR. A cancellation point. */
int heir_await(struct sock *s, int fd);

/* ---- what is said --------------------------------------------------------------------- */

#define HEIR_LISTENERS_MAX 32
#define HEIR_KEYS_MAX 8
#define HEIR_FDS_MAX (HEIR_KEYS_MAX + 2 * HEIR_LISTENERS_MAX)

struct heir_listener {
	uint64_t ino;           /* of its app end */
	uint32_t name_len;
	struct sockaddr_un name;
	int32_t family, backlog;
	uint32_t guard;         /* its place among the guards */
	struct endpoint bound_to;
	struct sock_opts opts;  /* but for what is a pointer: */
	char cc[16];            /* "": none was asked for */
	struct sock_kept kept;
};

/* With it come as many fds as keys, guards and doors, in this order. */
struct heir_offer {
	uint32_t size;
	uint32_t keys, guards, doors, listeners;
	struct stack_key key[HEIR_KEYS_MAX]; /* each with its control socket */
	uint8_t rest[16]; /* the stack of what stays, signed with each of their passes */
	struct port_terms guard[HEIR_LISTENERS_MAX];
	uint16_t door[HEIR_LISTENERS_MAX]; /* port */
	struct heir_listener listener[HEIR_LISTENERS_MAX];
};

#endif
