/* fds.c - keeps the fd table true to what the program does with its fds.
 *
 * An entry is taken out before the fd is closed, and put in after it was made:
 * a thread that races with that sees a plain fd, never another's socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "cancel.h"
#include "command.h"
#include "driver.h"
#include "fdtab.h"
#include "nofile.h"
#include "sockcall.h"
#include "stranger.h"

static _Atomic rlim_t asked_soft; /* set by the program since it was raised */
static atomic_bool asked;

/* s has lost its last fd in this process. */
static void after_last_close(struct sock *s)
{
	/* The driver knows nothing of a socket that was never used. */
	if (atomic_load(&s->state) == SOCK_FRESH && !s->bound)
		return;
	if (sock_is_mine(s))
		driver_closed(s);
}

/* SO_LINGER; as in Linux, also with O_NONBLOCK, and a signal ends it. With the caller's
 * reference the thread may be cancelled. */
static void wait_lingering(struct sock *s, bool may_cancel)
{
	while (driver_is_mine() && atomic_load(&s->lingering))
		if ((may_cancel ? cancel_futex_wait(s, &s->lingering, 1)
				: futex_wait(&s->lingering, 1)) == -EINTR)
			break;
}

rlim_t sock_soft_limit(void)
{
	return atomic_load(&asked) ? atomic_load(&asked_soft)
				   : driver_nofile_soft();
}

void sock_set_soft_limit(rlim_t soft)
{
	atomic_store(&asked_soft, soft);
	atomic_store(&asked, true);
}

static bool beyond_limit(int fd)
{
	return driver_nofile_raised() && (rlim_t)fd >= sock_soft_limit();
}

bool sock_fd_limit_reached(int any_fd)
{
	int fd;

	if (!driver_nofile_raised())
		return false;
	fd = real()->fcntl(any_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE;
	real()->close(fd);
	return beyond_limit(fd);
}

/* Are the fds of the calling thread those that the table is about? */
static bool is_my_table(void)
{
	return fdtab_is_mine() && !fdtab_is_elsewhere;
}

/* Makes s (with the caller's reference) the entry of fd, which is open. */
static void enter(int fd, struct sock *s)
{
	bool last;
	struct sock *old = fdtab_swap(fd, s, &last);

	if (!old)
		return;
	if (last) {
		after_last_close(old);
		wait_lingering(old, false); /* dup2() is no cancellation point */
	}
	sock_put(old);
}

int sock_attach(int fd, struct sock *s)
{
	int err = 0;

	if (beyond_limit(fd))
		err = -EMFILE;
	else if (fdtab_reserve(fd) != 0)
		err = -ENOMEM;
	if (err)
		real()->close(fd);
	if (err || !is_my_table())
		sock_put(s);
	else
		enter(fd, s);
	return err ? err : fd;
}

void sock_enter(int fd, struct sock *s)
{
	if (fdtab_reserve(fd) == 0)
		enter(fd, s);
	else
		sock_put(s);
}

void sock_replaced(int newfd)
{
	if (fdtab_peek(newfd) && is_my_table())
		enter(newfd, NULL);
}

/* Strangers wait in the queue of a listener, whose last close this may be. */
static int close_file(const struct sock *s, int fd)
{
	return s && atomic_load(&s->state) == SOCK_LISTENING ? stranger_close_shared(fd)
							     : real()->close(fd);
}

static int close_fd(int fd, bool wait)
{
	struct sock *s;
	bool last;
	int r;

	if (!is_my_table())
		return real()->close(fd) == 0 ? 0 : -errno;
	s = fdtab_swap(fd, NULL, &last);
	r = close_file(s, fd) == 0 ? 0 : -errno;
	if (s && last)
		after_last_close(s);
	if (s && last && wait)
		wait_lingering(s, true);
	if (s)
		sock_put(s);
	return r;
}

int sock_close(int fd)
{
	return close_fd(fd, true);
}

int sock_dup_done(struct sock *s, int newfd)
{
	/* fd may have been closed and reused since s was looked up. */
	if (!fdtab_is_current(newfd, s))
		return newfd;
	return sock_attach(newfd, sock_get(s));
}

void sock_close_all(void)
{
	int fd;

	/* driver_leave() sees to all at once. */
	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL))
		close_fd(fd, false);
}

void sock_close_range(unsigned first, unsigned last)
{
	int fd;

	if (first > INT_MAX || !is_my_table())
		return;
	for (fd = fdtab_next(first, NULL); fd >= 0 && (unsigned)fd <= last;
	     fd = fdtab_next(fd + 1, NULL))
		sock_close(fd);
}
