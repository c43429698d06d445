/* visitors.c - owns the private listener and the engine ends nobody claimed.
 *
 * Invariant: every visitor's process was this one when it connected
 * (SO_PEERCRED). A visitor leaves by being claimed, or when its app end is gone.
 * Who cannot be let in for want of fds waits outside until there is a claim; an
 * fd in reserve serves to turn them all away then.
 */
#include "visitors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pass.h"
#include "stranger.h"

/* What visitors_claim() finds of one who could not be let in. */
#define REFUSED (-EMFILE)

struct visitor {
	struct visitor *next;
	int fd; /* or REFUSED */
	socklen_t len;
	struct sockaddr_un name; /* of the app end */
};

/* Any fd will do; in the driver these numbers are always open. */
static void hold_spare(struct visitors *v)
{
	v->spare = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
}

static void drop_spare(struct visitors *v)
{
	if (v->spare >= 0)
		close(v->spare);
	v->spare = -1;
}

int visitors_open(struct visitors *v, const struct sockaddr_un *sun,
		  socklen_t len)
{
	int err;

	v->first = NULL;
	v->n = 0;
	v->missed = 0;
	v->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (v->fd < 0)
		return -errno;
	pass_no_fds(v->fd);
	if (bind(v->fd, (const struct sockaddr *)sun, len) == 0 &&
	    listen(v->fd, SOMAXCONN) == 0) {
		hold_spare(v);
		return 0;
	}
	err = -errno;
	stranger_close(v->fd);
	v->fd = -1;
	return err;
}

static int take_out(struct visitors *v, struct visitor **at)
{
	struct visitor *one = *at;
	int fd = one->fd;

	*at = one->next;
	v->n--;
	free(one);
	return fd;
}

static void close_end(int fd)
{
	if (fd != REFUSED)
		close(fd);
}

void visitors_close(struct visitors *v)
{
	while (v->first)
		close_end(take_out(v, &v->first));
	if (v->fd < 0)
		return;
	drop_spare(v);
	stranger_close(v->fd);
	v->fd = -1;
}

static bool from_this_process(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.pid == getpid();
}

static int accept_one(struct visitors *v)
{
	int fd = accept4(v->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* NULL: this is nobody, and fd is closed. */
static struct visitor *let_in(struct visitors *v, int fd)
{
	bool welcome = from_this_process(fd);
	struct visitor *one = welcome ? malloc(sizeof(*one)) : NULL;

	if (welcome && !one)
		v->missed = -ENOMEM;
	if (one) {
		one->fd = fd;
		one->len = sizeof(one->name);
	}
	if (!one || getpeername(fd, (struct sockaddr *)&one->name, &one->len)) {
		stranger_close(fd);
		free(one);
		return NULL;
	}
	one->next = v->first;
	v->first = one;
	v->n++;
	return one;
}

/* The last one, or a negative errno. */
static int accept_up_to(struct visitors *v, int max)
{
	int fd = 0;

	while (max-- > 0 && (fd = accept_one(v)) >= 0)
		let_in(v, fd);
	return fd;
}

/* Whoever waits now is within the queue's length, however fast others come. */
int visitors_accept(struct visitors *v)
{
	int fd = accept_up_to(v, SOMAXCONN + 1);

	return fd >= 0 || fd == -EAGAIN ? 0 : fd;
}

bool visitors_turn(struct visitors *v)
{
	return accept_up_to(v, VISITORS_TURN_MAX) >= 0;
}

/* A listener that the kernel names, for as long as it has something to accept. */
static int listen_anywhere(struct sockaddr_un *sun, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	pass_no_fds(fd);
	if (bind(fd, (struct sockaddr *)sun, sizeof(sun->sun_family)) == 0 &&
	    listen(fd, SOMAXCONN) == 0 && getsockname(fd, (struct sockaddr *)sun, len) == 0)
		return fd;
	err = -errno;
	stranger_close(fd);
	return err;
}

/* With an fd in reserve: what has been connected must be accepted. */
static int bring_through(struct visitors *door, const struct sockaddr_un *sun,
			 socklen_t len, int app_end)
{
	int reserve = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0), err = 0;

	if (reserve < 0)
		return -errno;
	if (connect(app_end, (const struct sockaddr *)sun, len) != 0)
		err = -errno;
	close(reserve);
	return err ? err : visitors_accept(door);
}

/* At the private listener others may be waiting, and connect() knows no MSG_DONTWAIT. */
int visitors_bring(struct visitors *v, int app_end)
{
	struct visitors door = *v;
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int err;

	door.fd = listen_anywhere(&sun, &len);
	if (door.fd < 0)
		return door.fd;
	err = bring_through(&door, &sun, len, app_end);
	stranger_close(door.fd);
	v->first = door.first;
	v->n = door.n;
	v->missed = door.missed;
	return err;
}

void visitors_refuse(struct visitors *v)
{
	struct visitor *one;
	int fd, left = SOMAXCONN + 1;

	drop_spare(v);
	while (left-- && (fd = accept_one(v)) >= 0) {
		one = let_in(v, fd);
		if (!one)
			continue;
		close(fd);
		one->fd = REFUSED;
	}
	hold_spare(v);
}

int visitors_claim(struct visitors *v, const struct sockaddr_un *name,
		   socklen_t len)
{
	int err = visitors_accept(v);
	struct visitor **at;

	for (at = &v->first; *at; at = &(*at)->next)
		if ((*at)->len == len && memcmp(&(*at)->name, name, len) == 0)
			return take_out(v, at);
	if (!err)
		err = v->missed ? v->missed : -ENOENT;
	v->missed = 0;
	return err;
}

void visitors_sweep(struct visitors *v)
{
	struct visitor **at = &v->first;

	while (*at) {
		struct pollfd p = {.fd = (*at)->fd};

		if (p.fd == REFUSED || (poll(&p, 1, 0) == 1 && p.revents & POLLHUP))
			close_end(take_out(v, at));
		else
			at = &(*at)->next;
	}
}
