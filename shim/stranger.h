/* stranger.h - how to close what strangers may have put something into.
 *
 * Theory of operation
 *
 * Whoever connects to an AF_UNIX listener, or is connected to, can send fds (SCM_RIGHTS).
 * Those that nobody has received go when the socket is closed, or the listener in whose
 * queue it is. Is one of them the last reference to a socket with SO_LINGER and unsent
 * bytes, then Linux waits in that close(), for as long as the stranger wants; but not in a
 * task that is exiting (PF_EXITING in inet_release() and its like). So a thread is started
 * that has a table of the same fds, they are closed here, and the thread exits: its
 * references are the last.
 *
 * Since Linux 6.16 such fds are kept out (pass_no_fds()), and close() is all there is to do.
 */
#ifndef MYTCP_STRANGER_H
#define MYTCP_STRANGER_H

#include <signal.h>
#include <stdatomic.h>

/* From stranger_hold() to stranger_let_go() no file that the calling thread closes is
 * closed for the last time, unless there can be no thread: then close() may wait. Both
 * leave errno alone; in between no signal is taken, and little is to be done, as other
 * threads' files stay open, too. */
struct stranger_hold {
	atomic_uint tid;  /* 0: there is none, or none any more */
	int thread;       /* the same for good; or negative */
	atomic_uint over;
	int errno_before;
	sigset_t mask;
	char stack[2048] __attribute__((aligned(16)));
};
void stranger_hold(struct stranger_hold *h);
void stranger_let_go(struct stranger_hold *h);

/* Closes a connection, or a listener, which no other process has. */
void stranger_close(int fd);
/* The same of a listener that others may have, if somebody waits there; as close(). */
int stranger_close_shared(int fd);
/* No such threads from now on: the program confines itself to a few system calls, or
 * valgrind(1) runs it, which ends when it sees one. */
void stranger_forbid(void);

#endif
