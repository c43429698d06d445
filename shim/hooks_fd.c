/* hooks_fd.c - the program's calls that make, copy and close fds. Owns nothing.
 *
 * Fds that are none of ours are the kernel's business, except that a number
 * which one of these calls gives out can have no stale entry in the table.
 */
#include "adopt.h"
#include "hooks.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lastthread.h"
#include "privs.h"

EXPORT int close(int fd)
{
	int saved = errno, r;
	struct cancel c;

	if (privs_hides(fd))
		return hook_fail(-EBADF);
	if (!fdtab_peek(fd))
		return real()->close(fd);
	pthread_testcancel(); /* the fd is open still */
	cancel_hold(&c);
	r = sock_close(fd);
	cancel_release(&c);
	return hook_result(saved, r);
}

/* newfd is what a real call of the dup family returned for fd. */
static int dup_done(int fd, int newfd)
{
	struct hook h;

	if (newfd < 0 || newfd == fd)
		return newfd;
	if (hook_enter(&h, fd))
		return hook_leave(&h, sock_dup_done(h.s, newfd));
	sock_replaced(newfd);
	return newfd;
}

EXPORT int dup(int fd)
{
	if (privs_hides(fd))
		return hook_fail(-EBADF);
	return dup_done(fd, real()->dup(fd));
}

EXPORT int dup2(int fd, int newfd)
{
	if (privs_hides(fd))
		return hook_fail(-EBADF);
	privs_make_way(newfd);
	return dup_done(fd, real()->dup2(fd, newfd));
}

EXPORT int dup3(int fd, int newfd, int flags)
{
	if (privs_hides(fd))
		return hook_fail(-EBADF);
	privs_make_way(newfd);
	return dup_done(fd, real()->dup3(fd, newfd, flags));
}

static bool is_dup(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (privs_hides(fd))
		return hook_fail(-EBADF);
	if (is_dup(cmd))
		privs_make_way((int)(intptr_t)arg);
	r = real()->fcntl(fd, cmd, arg);
	return is_dup(cmd) ? dup_done(fd, r) : r;
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (privs_hides(fd))
		return hook_fail(-EBADF);
	if (is_dup(cmd))
		privs_make_way((int)(intptr_t)arg);
	r = real()->fcntl64(fd, cmd, arg);
	return is_dup(cmd) ? dup_done(fd, r) : r;
}

EXPORT int pidfd_getfd(int pidfd, int target, unsigned flags)
{
	int fd = real()->pidfd_getfd(pidfd, target, flags);

	if (fd >= 0)
		adopt_fd(fd);
	return fd;
}

/* With CLOSE_RANGE_UNSHARE other threads keep what this one closes. */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	bool apart = !real_only && flags & CLOSE_RANGE_UNSHARE && !lastthread_is_this();
	int r;

	if (!real_only && first <= last && !apart && !(flags & ~CLOSE_RANGE_UNSHARE))
		sock_close_range(first, last);
	r = privs_close_range(first, last, flags);
	if (r == 0 && apart)
		fdtab_is_elsewhere = true;
	return r;
}

EXPORT void closefrom(int first)
{
	if (!real_only)
		sock_close_range(first < 0 ? 0 : first, ~0u);
	/* libc's falls back to /proc before Linux 5.9, which we do not know. */
	privs_close_range(first < 0 ? 0 : first, ~0u, 0);
}
