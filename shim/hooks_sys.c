/* hooks_sys.c - the program's calls that end the process or a thread, that put it into
 * the background, that want it to have one thread only, or another network, and what
 * stdio must have written by the end. Owns nothing.
 *
 * Libc ends the process by calls of its own, which are not seen here, too: exit() runs
 * init.c's destructor, and quick_exit() what is registered there; whatever libc's
 * children are (system(), posix_spawn(), wordexp()), the stack is not theirs. What
 * daemon() does is done here, as the parent's end would be one of those calls.
 */
#include "hooks.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <paths.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "heir.h"
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

static void thread_ends(void)
{
	if (!real_only && gettid() == getpid())
		lastthread_main_ends();
}

EXPORT void pthread_exit(void *result)
{
	thread_ends();
	real()->pthread_exit(result);
}

EXPORT void thrd_exit(int result)
{
	thread_ends();
	real()->thrd_exit(result);
}

EXPORT int pthread_cancel(pthread_t thread)
{
	int r = real()->pthread_cancel(thread);

	if (r == 0 && !real_only)
		lastthread_cancelled(thread);
	return r;
}

/* ---- a daemon ----------------------------------------------------------------------- */

/* As libc has it: what stands under that name must be that device. */
static int null_streams(void)
{
	const dev_t null = makedev(1, 3);
	int fd = open(_PATH_DEVNULL, O_RDWR), to;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != null) {
		close(fd);
		errno = ENODEV;
		return -1;
	}
	for (to = STDIN_FILENO; to <= STDERR_FILENO; to++)
		dup2(fd, to);
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

EXPORT pid_t setsid(void)
{
	pid_t session = real()->setsid();

	if (session > 0)
		heir_leads();
	return session;
}

EXPORT int daemon(int nochdir, int noclose)
{
	pid_t child = fork();

	if (child < 0)
		return -1;
	if (child > 0)
		_exit(EXIT_SUCCESS);
	if (setsid() < 0)
		return -1;
	heir_is_daemon();
	if (!nochdir && chdir("/") != 0) {
		/* libc does not mind either */
	}
	return noclose ? 0 : null_streams();
}

/* ---- stdio -------------------------------------------------------------------------- */

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
	bool apart = !real_only && flags & CLONE_FILES && !lastthread_is_this();

	if (flags & CLONE_NEWUSER)
		privs_before_drop();
	do
		r = real()->unshare(flags);
	while (r < 0 && try_again(&tries));
	if (r == 0 && apart)
		fdtab_is_elsewhere = true;
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
