/* cancel.h - hooks and pthread_cancel(3).
 *
 * One call of the program's is several here, and many of them are cancellation points:
 * a thread that ends between two would leave an fd, a reference or half a connection.
 * So a hook is no cancellation point but where the call itself would wait, and where it
 * begins, if the call is one. hooks.h holds and lets go; what waits is one of these.
 *
 * A function here gives up the hook's reference to s when the thread is cancelled in it.
 * Outside of a hook it waits without being a cancellation point.
 */
#ifndef MYTCP_CANCEL_H
#define MYTCP_CANCEL_H

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "sock.h"

/* What the thread was like before the hook. */
struct cancel {
	int state, outer;
};

/* From here on the thread is not cancelled. In a signal handler, too. */
void cancel_hold(struct cancel *c);
void cancel_release(const struct cancel *c);

/* futex_wait() of command.h. */
int cancel_futex_wait(struct sock *s, atomic_uint *word, unsigned seen);
/* poll(2) and libc's own accept4(2) and sendmsg(2). */
int cancel_poll(struct sock *s, struct pollfd *p, int ms);
/* The same for n of them, for ever; if the thread is cancelled in it, own_fd is closed. */
int cancel_poll_many(struct sock *s, struct pollfd *p, nfds_t n, int own_fd);
int cancel_accept4(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len, int flags);
ssize_t cancel_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags);

#endif
