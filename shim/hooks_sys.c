/* hooks_sys.c - the program's calls that end the process or a thread, that want it
 * to have one thread only, or another network, and what stdio must have written by
 * the end. Owns nothing.
 */
#include "hooks.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/nsfs.h>
#include <time.h>
#include <unistd.h>

#include "init.h"
#include "lastthread.h"
#include "privs.h"

EXPORT void _exit(int status)
{
	init_leave();
	real()->_exit(status);
}

EXPORT void _Exit(int status)
{
	init_leave();
	real()->_Exit(status);
}

EXPORT void pthread_exit(void *result)
{
	if (!real_only && gettid() == getpid())
		lastthread_main_ends();
	real()->pthread_exit(result);
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	if (fdtab_peek(fd))
		init_note_stdio();
	return real()->fdopen(fd, mode);
}

/* ---- namespaces --------------------------------------------------------------------- */

/* One thread only (unshare(2), setns(2)), or sockets of another network from now on. */
#define ALONE (CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWNET | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

#define GONE_TRIES 100

/* A thread that was joined may be counted for a moment longer. */
static bool try_again(int *tries)
{
	const struct timespec nap = {.tv_nsec = 100000};

	if (errno != EINVAL || --*tries <= 0)
		return false;
	nanosleep(&nap, NULL);
	return true;
}

EXPORT int unshare(int flags)
{
	int r, tries = flags & ALONE && init_be_alone() ? GONE_TRIES : 0;

	if (flags & CLONE_NEWUSER)
		privs_before_drop();
	do
		r = real()->unshare(flags);
	while (r < 0 && try_again(&tries));
	return r;
}

EXPORT int setns(int fd, int type)
{
	int saved = errno, r, tries;
	int kind = type ? type : real()->ioctl(fd, NS_GET_NSTYPE);

	errno = saved;
	tries = kind > 0 && kind & ALONE && init_be_alone() ? GONE_TRIES : 0;
	do
		r = real()->setns(fd, type);
	while (r < 0 && try_again(&tries));
	return r;
}
