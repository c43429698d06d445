/* pair.c - the system calls on an engine end. It owns no state. */
#include "pair.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

/* Larger than any number of bytes that the connect hook fills a pair with. */
#define SCRATCH_BYTES 512

void pair_setup(int fd, uint32_t sndbuf_bytes)
{
	const int one = 1, sndbuf = sndbuf_bytes;

	/* Neither can fail on a stream socket; the defaults would do. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
}

uint32_t pair_queued(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCINQ, &n) == 0 && n > 0 ? n : 0;
}

void pair_skip(int fd, uint32_t n)
{
	char scratch[SCRATCH_BYTES];
	ssize_t got;

	while (n) {
		got = recv(fd, scratch, n < sizeof(scratch) ? n : sizeof(scratch),
			   MSG_DONTWAIT);
		if (got <= 0)
			return;
		n -= got;
	}
}

bool pair_starts_with_mark(int fd)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	/* There is no room for ancillary data: the kernel says so if there is any. */
	return recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT) == 1 &&
	       msg.msg_flags & MSG_CTRUNC;
}

bool pair_take_mark(int fd)
{
	if (!pair_starts_with_mark(fd))
		return false;
	pair_skip(fd, PAIR_MARK_BYTES - 1);
	return true;
}

/* Was the first byte of the queue sent with MSG_OOB? Reading stops before it. */
static bool at_mark(int fd)
{
	int yes = 0;

	return ioctl(fd, SIOCATMARK, &yes) == 0 && yes; /* since Linux 5.15 */
}

static ssize_t peek_last(int fd, uint8_t *held, const struct iovec *room, bool *urgent)
{
	ssize_t got;
	char byte;

	if (*held && recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
		return -errno;
	*held = 0;
	*urgent = at_mark(fd);
	got = recv(fd, room->iov_base, 1, MSG_PEEK | MSG_DONTWAIT);
	if (got < 0)
		return -errno;
	*held = got;
	return got;
}

ssize_t pair_take(int fd, uint8_t *held, uint32_t fresh,
		  const struct iovec *room, int rooms, bool *urgent)
{
	char byte;
	struct iovec iov[3] = {{.iov_base = &byte, .iov_len = *held}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1};
	size_t left = fresh - 1;
	ssize_t got;
	int i;

	if (fresh == 1)
		return peek_last(fd, held, room, urgent);
	/* A held byte before it has been taken, and a held one at it too. */
	*urgent = !*held && at_mark(fd);
	if (*urgent)
		left = 1;
	for (i = 0; i < rooms && i < 2 && left; i++) {
		iov[i + 1] = room[i];
		if (iov[i + 1].iov_len > left)
			iov[i + 1].iov_len = left;
		left -= iov[i + 1].iov_len;
		msg.msg_iovlen++;
	}
	got = recvmsg(fd, &msg, MSG_DONTWAIT);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	got -= *held;
	if (*held && !got) { /* the kernel stops after ancillary data, and at a mark */
		*held = 0;
		return pair_take(fd, held, fresh, room, rooms, urgent);
	}
	*held = 0;
	return got;
}

ssize_t pair_give(int fd, const struct iovec *iov, int iovs)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = iovs};
	ssize_t sent = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	return sent < 0 ? -errno : sent;
}

ssize_t pair_give_urgent(int fd, uint8_t byte)
{
	ssize_t sent = send(fd, &byte, 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT);

	return sent < 0 ? -errno : sent;
}

unsigned pair_bits(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};

	return poll(&p, 1, 0) == 1 ? (unsigned short)p.revents : 0;
}

int pair_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 ? err : 0;
}
