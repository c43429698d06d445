/* shelf.c - owns a pair of sockets in whose queue files lie that are on their way from the
 * one to the other (SCM_RIGHTS), and stay there: open, with no number in any table.
 *
 * Each is a message of its own, its id. Only the first in the queue can be had; those
 * before the one that is wanted go to the end. For that a message is looked at, sent
 * again, and only then taken away: whatever fails, it is there.
 *
 * Invariant: used + lost messages are in the queue; the lost ones are files that nobody
 * knows any more, as there was no fd to get at them when they were dropped.
 */
#include "shelf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a queue of any system's size takes; and turning it is to be no work. */
#define SHELF_MAX 128

struct shelf {
	int in, out;
	unsigned used, lost;
};

/* One fd beside a message. */
union one_fd {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

int shelf_open(struct shelf **out)
{
	struct shelf *s = calloc(1, sizeof(*s));
	int fd[2];

	if (!s)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0) {
		free(s);
		return -errno;
	}
	s->in = fd[0];
	s->out = fd[1];
	*out = s;
	return 0;
}

void shelf_close(struct shelf *s)
{
	if (!s)
		return;
	close(s->in);
	close(s->out);
	free(s);
}

unsigned shelf_room(const struct shelf *s)
{
	return SHELF_MAX - s->used - s->lost;
}

unsigned shelf_used(const struct shelf *s)
{
	return s->used;
}

static int send_one(const struct shelf *s, int fd, uint64_t id)
{
	union one_fd ctl = {.room = {0}};
	struct iovec iov = {&id, sizeof(id)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = sizeof(ctl.room)};

	ctl.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)),
				    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&ctl.head), &fd, sizeof(fd));
	return sendmsg(s->in, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool first_is(const struct shelf *s, uint64_t *id)
{
	return recv(s->out, id, sizeof(*id), MSG_PEEK) == sizeof(*id);
}

/* The first one's file, which stays there. */
static int first_fd(const struct shelf *s)
{
	union one_fd ctl;
	uint64_t id;
	struct iovec iov = {&id, sizeof(id)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = sizeof(ctl.room)};
	int fd;

	if (recvmsg(s->out, &msg, MSG_PEEK | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	if (!CMSG_FIRSTHDR(&msg) || ctl.head.cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(&ctl.head), sizeof(fd));
	return fd;
}

static void discard_first(struct shelf *s)
{
	uint64_t id;

	recv(s->out, &id, sizeof(id), 0); /* the file goes with it */
}

static int turn(struct shelf *s, uint64_t id)
{
	int fd = first_fd(s), err;

	if (fd < 0)
		return fd;
	err = send_one(s, fd, id);
	close(fd);
	if (!err)
		discard_first(s);
	return err;
}

/* Makes it the first one. */
static int bring(struct shelf *s, uint64_t id)
{
	unsigned left = s->used + s->lost;
	uint64_t first;
	int err;

	for (; left && first_is(s, &first); left--) {
		if (first == id)
			return 0;
		err = turn(s, first);
		if (err)
			return err;
	}
	return -ENOENT;
}

int shelf_put(struct shelf *s, int fd, uint64_t id)
{
	int err = shelf_room(s) ? send_one(s, fd, id) : -ENOSPC;

	if (err)
		return err;
	close(fd);
	s->used++;
	return 0;
}

int shelf_take(struct shelf *s, uint64_t id)
{
	int fd = bring(s, id);

	if (!fd)
		fd = first_fd(s);
	if (fd < 0)
		return fd;
	discard_first(s);
	s->used--;
	return fd;
}

void shelf_drop(struct shelf *s, uint64_t id)
{
	if (bring(s, id) == 0)
		discard_first(s);
	else
		s->lost++;
	s->used--;
}
