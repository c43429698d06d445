/* ladder.c - owns the trace's fd and collects lines into large writes.
 *
 * A reader who does not keep up may hold the driver for a moment, but not for
 * ever: lines that cannot be written in time are lost, and the next ones wait for
 * nobody until he reads again.
 */
#include "ladder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_PATIENCE_MS 200

/* Waits for nobody: a FIFO without a reader takes what it has room for, and whoever
 * comes to read later gets that and the rest. Opened for reading too, it lets us. */
static int open_file(const char *to)
{
	const int flags = O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
	int fd = open(to, O_WRONLY | flags, 0666);

	return fd < 0 && errno == ENXIO ? open(to, O_RDWR | flags, 0666) : fd;
}

int ladder_file(const char *to)
{
	int fd;

	if (strcmp(to, "-") == 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	else
		fd = open_file(to);
	return fd < 0 ? -errno : fd;
}

void ladder_open(struct ladder *l, int fd)
{
	const char *no_color = getenv("NO_COLOR");

	l->fd = fd;
	l->style.color = isatty(fd) && !(no_color && *no_color);
}

static bool has_room(struct ladder *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLOUT};

	l->deaf = poll(&p, 1, l->deaf ? 0 : WRITE_PATIENCE_MS) != 1;
	return !l->deaf;
}

static void flush(struct ladder *l)
{
	size_t at = 0;

	while (at < l->used) {
		ssize_t n = write(l->fd, l->buf + at, l->used - at);

		if (n > 0)
			at += n;
		else if (errno != EAGAIN || !has_room(l))
			break;
	}
	l->used = 0;
}

static void add(struct ladder *l, const struct trace_rec *rec)
{
	if (l->used + 2 * TRACE_LINE_MAX > sizeof(l->buf))
		flush(l);
	if (rec->conn > 1)
		l->style.numbered = true;
	if (!l->started) {
		l->started = true;
		l->style.start_us = rec->time_us;
		l->used += trace_header(&l->style, l->buf, TRACE_LINE_MAX);
	}
	l->used += trace_line(rec, &l->style, l->buf + l->used,
			      sizeof(l->buf) - l->used);
}

void ladder_print(struct ladder *l, struct engine *e)
{
	struct trace_rec rec;

	if (l->fd < 0)
		return;
	while (engine_trace(e, &rec))
		add(l, &rec);
	if (l->used)
		flush(l);
}

void ladder_close(struct ladder *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
