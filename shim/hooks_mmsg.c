/* hooks_mmsg.c - the program's calls that move several messages. Owns nothing.
 *
 * They are loops around recvmsg() and sendmsg(), as in Linux.
 */
#include "hooks.h"

#include <limits.h>
#include <time.h>

#include "adopt.h"
#include "io.h"
#include "usermem.h"

#define SECOND_NS 1000000000

/* What is left of the time until end; false: nothing. */
static bool time_left(const struct timespec *end, struct timespec *left)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left->tv_sec = end->tv_sec - now.tv_sec;
	left->tv_nsec = end->tv_nsec - now.tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_sec--;
		left->tv_nsec += SECOND_NS;
	}
	if (left->tv_sec < 0)
		*left = (struct timespec){0};
	return left->tv_sec || left->tv_nsec;
}

/* How many are received, or -1 if the first is not. */
static int receive_many(int fd, struct mmsghdr *vec, unsigned n, int flags,
			const struct timespec *end, struct timespec *left)
{
	struct mmsghdr probe;
	unsigned i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		ssize_t r;

		if (user_get_near(fd, &probe, &vec[i], sizeof(probe)) != 0)
			errno = EFAULT, r = -1;
		else
			r = recvmsg(fd, &vec[i].msg_hdr, flags & ~MSG_WAITFORONE);
		if (r < 0) {
			/* The next call tells it, unless that is just "no more". */
			if (i && errno != EAGAIN)
				io_remember(fd, errno);
			return i ? (int)i : -1;
		}
		vec[i].msg_len = r;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if ((left && !time_left(end, left)) || vec[i].msg_hdr.msg_flags & MSG_OOB)
			return i + 1;
	}
	return i;
}

/* Of a socket that is none of ours, with fds in it, perhaps. */
static int receive_plain_many(int fd, struct mmsghdr *vec, unsigned n, int flags,
			      struct timespec *timeout)
{
	int r = real()->recvmmsg(fd, vec, n, flags, timeout), i;

	for (i = 0; i < r; i++)
		if (vec[i].msg_hdr.msg_controllen)
			adopt_received(&vec[i].msg_hdr);
	return r;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags,
		    struct timespec *timeout)
{
	struct timespec end = {0};
	struct hook h;
	int err = 0;

	if (!hook_enter(&h, fd))
		return receive_plain_many(fd, vec, n, flags, timeout);
	if (timeout && user_get_near(fd, &end, timeout, sizeof(end)) != 0)
		err = -EFAULT;
	else if (end.tv_sec < 0 || end.tv_nsec < 0 || end.tv_nsec >= SECOND_NS)
		err = -EINVAL;
	else if (!(flags & MSG_ERRQUEUE))
		err = -sock_take_err(h.s, fd, 0);
	hook_leave(&h, err);
	if (err)
		return -1;
	if (timeout) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		end.tv_sec += now.tv_sec + (end.tv_nsec + now.tv_nsec) / SECOND_NS;
		end.tv_nsec = (end.tv_nsec + now.tv_nsec) % SECOND_NS;
	}
	return receive_many(fd, vec, n, flags, &end, timeout);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	struct mmsghdr probe;
	unsigned i;
	ssize_t r;

	if (!fdtab_peek(fd))
		return real()->sendmmsg(fd, vec, n, flags);
	for (i = 0; i < n && i < IOV_MAX; i++) {
		if (user_get_near(fd, &probe, &vec[i], sizeof(probe)) != 0)
			errno = EFAULT, r = -1;
		else
			r = sendmsg(fd, &vec[i].msg_hdr, flags);
		if (r < 0)
			return i ? (int)i : -1;
		vec[i].msg_len = r;
	}
	return i;
}
