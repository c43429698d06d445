/* remote.h - calls on foreign sockets: those whose stack runs in another process.
 *
 * They are driver.h's, carried out by that process's driver (control.h). fd is an
 * app end of s in this process. 0 or a negative errno value, -ESRCH if the stack is
 * gone or knows no such socket any more; errno is changed. They do what they do in
 * one go, with signals blocked, and may be called from signal handlers.
 */
#ifndef MYTCP_REMOTE_H
#define MYTCP_REMOTE_H

#include "names.h"
#include "sock.h"

/* Is there another process's stack that can be asked about s? */
bool remote_can(const struct sock *s);
/* No system call from now on that the program itself has not asked for: it is about
 * to confine itself to a few (seccomp). */
void remote_forbid(void);

/* The copy of s that this process has becomes as things are. Costs nothing for a
 * connection whose pair shows that it lives. A stack that is gone took its
 * connections with it: SOCK_CLOSED. */
void remote_refresh(struct sock *s, int fd);

/* s, which is nobody's, and what was set of its options, become that stack's: the one
 * with this key, or the one whose sockets share the port by SO_REUSEPORT. */
int remote_join(struct sock *s, int fd, const struct stack_key *key);
int remote_join_port(struct sock *s, int fd, uint16_t port);
/* Another stack has sockets at the port: have they ended by now? fd: an app end. */
bool remote_port_let_go(int fd, uint16_t port);

/* Is the peer of fd an engine end of the stack that has the listener, listen_fd? -ESRCH: it
 * is none of a connection that is there; others: there is no telling. */
int remote_made(struct sock *listener, int listen_fd, int fd);
int remote_bind(struct sock *s, int fd, const struct endpoint *local);
int remote_listen(struct sock *s, int fd, int backlog);
/* Is this process wanted as an heir of its stack (heir.h), as a daemon, or as one whose parent
 * is gone? -EPERM: never; -EALREADY: not now, the stack's own process is there. */
int remote_inherit(struct sock *s, int fd, bool daemon);
/* Which process has its stack? */
int remote_owner(struct sock *s, int fd, pid_t *pid);
/* Also connects and fills the app end. */
int remote_connect(struct sock *s, int fd, const struct endpoint *remote);
/* The program has been told how that ended. */
void remote_told(struct sock *s, int fd);
int remote_shutdown(struct sock *s, int fd, int how);
/* driver_undo(), for a socket whose new app end will be fresh; *id: for its name. */
int remote_undo(struct sock *s, int fd, int fresh, uint64_t *id);
/* As sock_take_err(). */
int remote_take_err(struct sock *s, int fd, int native);
int remote_getsockopt(struct sock *s, int fd, int level, int name, void *val,
		      socklen_t *len);
int remote_setsockopt(struct sock *s, int fd, int level, int name, const void *val,
		      socklen_t len);
/* SIOCOUTQ, SIOCOUTQNSD */
int remote_queue(struct sock *s, int fd, unsigned long request, int *out);

#endif
