/* signals.h - calls of the kernel's are whole: a signal's handler runs before or after
 * them, and may leave by siglongjmp(). What is several steps here takes no signal
 * between the first and the last, or the socket would stay half made.
 */
#ifndef MYTCP_SIGNALS_H
#define MYTCP_SIGNALS_H

#include <signal.h>

/* All but libc's own, which pthread_sigmask() lets through. */
static inline void signals_hold(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

static inline void signals_let(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

#endif
