/* epolls.c - finds the epoll sets that watch an fd. Owns nothing.
 *
 * What they are is read from /proc/self: nothing has to be kept while the program
 * works with them. Without /proc nothing is found.
 */
#include "epolls.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "procfds.h"
#include "real.h"

#define LINE_BYTES 128 /* of fdinfo; ours are shorter */

struct search {
	int fd;
	struct stat file;
	struct epolls *found;
};

static bool is_epoll(int fd)
{
	static const char is[] = "anon_inode:[eventpoll]";
	char path[32], to[sizeof(is)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, to, sizeof(to)) == sizeof(is) - 1 &&
	       memcmp(to, is, sizeof(is) - 1) == 0;
}

/* "tfd: 5 events: 19 data: 5 pos:0 ino:2d sdev:8": is that what we look for? */
static bool is_watch(const char *line, const struct search *s, struct epoll_event *ev)
{
	unsigned long long data, ino;
	unsigned events;
	int fd;

	if (sscanf(line, "tfd: %d events: %x data: %llx pos:%*d ino:%llx", &fd, &events,
		   &data, &ino) != 4 ||
	    fd != s->fd || ino != s->file.st_ino)
		return false;
	ev->events = events;
	ev->data.u64 = data;
	return true;
}

static bool find_in(int info, const struct search *s, struct epoll_event *ev)
{
	char line[LINE_BYTES], buf[2048];
	size_t len = 0;
	ssize_t n, i;

	while ((n = real()->read(info, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++) {
			if (buf[i] != '\n') {
				line[len] = buf[i];
				len += len < sizeof(line) - 1;
				continue;
			}
			line[len] = 0;
			len = 0;
			if (is_watch(line, s, ev))
				return true;
		}
	}
	return false;
}

static void look_at(void *arg, int fd)
{
	struct search *s = arg;
	struct epolls *e = s->found;
	struct epoll_event ev;
	char path[40];
	bool found;
	int info;

	if (e->n == EPOLLS_MAX || !is_epoll(fd))
		return;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return;
	found = find_in(info, s, &ev);
	real()->close(info);
	/* A copy of an epoll set's fd that was looked at before: not there any more. */
	if (!found || real()->epoll_ctl(fd, EPOLL_CTL_DEL, s->fd, NULL) != 0)
		return;
	e->set[e->n].epoll = fd;
	e->set[e->n++].ev = ev;
}

void epolls_take(int fd, struct epolls *e)
{
	struct search s = {.fd = fd, .found = e};

	e->n = 0;
	if (fstat(fd, &s.file) == 0)
		procfds_each(look_at, &s);
}

void epolls_give(int fd, const struct epolls *e)
{
	struct epoll_event ev;
	int i;

	for (i = 0; i < e->n; i++) {
		ev = e->set[i].ev;
		real()->epoll_ctl(e->set[i].epoll, EPOLL_CTL_ADD, fd, &ev);
	}
}
