/* loop.c - owns libev; alone in including <ev.h>.
 *
 * libev calls abort() when it has no memory. All it ever needs for our handful
 * of watchers comes from an arena in .bss that is large enough, so that does
 * not happen to a program that could have gone on. The arena is given out from
 * front to back and never reused but as a whole: a loop lives as long as its
 * process's driver.
 *
 * libev sleeps in milliseconds, rounded up; paced data needs better. A deadline
 * that is near gets a timerfd as well, set only when it changes.
 */
#include "loop.h"

#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* libev.a's one relocation that cannot go into a shared object is the address
 * of stderr; the Makefile gives that symbol this name. Unused: see on_error(). */
__attribute__((visibility("hidden"))) FILE *mytcp_ev_stderr;

struct watch {
	struct ev_io io;
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct ev_loop *ev;
	struct loop_calls calls;
	struct ev_async wake;
	struct ev_timer timer;
	struct ev_io fine;   /* on fine_fd */
	int fine_fd;
	uint64_t fine_at_us; /* for which it is set; 0: not */
	struct ev_prepare prepare;
	struct watch watches[LOOP_WATCHES_MAX];
	int watches_n;
};

#define ARENA_BYTES (128 * 1024)
static struct {
	size_t used;
	char bytes[ARENA_BYTES] __attribute__((aligned(64)));
} arena;

static bool in_arena(const void *p)
{
	return (const char *)p >= arena.bytes &&
	       (const char *)p < arena.bytes + ARENA_BYTES;
}

/* Each piece is preceded by its size, to be able to move it. */
static void *arena_alloc(size_t size)
{
	const size_t head = 16;
	size_t need = head + ((size + 15) & ~(size_t)15);
	char *p = arena.bytes + arena.used;

	if (size > ARENA_BYTES || need > ARENA_BYTES - arena.used)
		return NULL;
	arena.used += need;
	memcpy(p, &size, sizeof(size));
	return p + head;
}

/* libev's allocator: realloc() and, for size 0, free(). */
static void *on_alloc(void *old, long size)
{
	size_t want = size < 0 ? 0 : (size_t)size, had;
	void *p;

	if (!want) {
		if (!in_arena(old))
			free(old);
		return NULL;
	}
	if (old && !in_arena(old))
		return realloc(old, want);
	p = arena_alloc(want);
	if (!p)
		p = malloc(want);
	if (p && old) {
		memcpy(&had, (char *)old - 16, sizeof(had));
		memcpy(p, old, had < want ? had : want);
	}
	return p;
}

/* A system call failed that libev believes in. It carries on: the loop looks
 * again at the next event or deadline. */
static void on_error(const char *msg)
{
	(void)msg;
}

static void on_readable(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct watch *w = (struct watch *)io;

	(void)ev;
	(void)events;
	w->fn(w->arg);
}

static void on_wake(struct ev_loop *ev, struct ev_async *a, int events)
{
	struct loop *l = a->data;

	(void)ev;
	(void)events;
	l->calls.woken(l->calls.arg);
}

static void on_timer(struct ev_loop *ev, struct ev_timer *t, int events)
{
	struct loop *l = t->data;

	(void)ev;
	(void)events;
	l->calls.expired(l->calls.arg);
}

static void on_fine(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct loop *l = io->data;
	uint64_t times;

	(void)ev;
	(void)events;
	l->fine_at_us = 0;
	if (read(l->fine_fd, &times, sizeof(times)) == sizeof(times))
		l->calls.expired(l->calls.arg);
}

static void on_prepare(struct ev_loop *ev, struct ev_prepare *p, int events)
{
	struct loop *l = p->data;

	(void)ev;
	(void)events;
	l->calls.settle(l->calls.arg);
}

struct loop *loop_new(const struct loop_calls *calls)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	arena.used = 0;
	ev_set_allocator(on_alloc);
	ev_set_syserr_cb(on_error);
	l->calls = *calls;
	l->fine_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->fine_fd < 0) {
		free(l);
		return NULL;
	}
	l->ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOINOTIFY | EVFLAG_NOTIMERFD |
			    EVBACKEND_EPOLL);
	if (!l->ev) {
		close(l->fine_fd);
		free(l);
		return NULL;
	}
	ev_async_init(&l->wake, on_wake);
	ev_timer_init(&l->timer, on_timer, 0., 0.);
	ev_prepare_init(&l->prepare, on_prepare);
	ev_io_init(&l->fine, on_fine, l->fine_fd, EV_READ);
	l->wake.data = l->timer.data = l->fine.data = l->prepare.data = l;
	ev_io_start(l->ev, &l->fine);
	ev_async_start(l->ev, &l->wake);
	ev_prepare_start(l->ev, &l->prepare);
	return l;
}

void loop_free(struct loop *l)
{
	int i;

	if (!l)
		return;
	for (i = 0; i < l->watches_n; i++)
		ev_io_stop(l->ev, &l->watches[i].io);
	ev_io_stop(l->ev, &l->fine);
	ev_timer_stop(l->ev, &l->timer);
	ev_prepare_stop(l->ev, &l->prepare);
	ev_async_stop(l->ev, &l->wake);
	ev_loop_destroy(l->ev);
	close(l->fine_fd);
	free(l);
}

int loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *w;

	if (l->watches_n == LOOP_WATCHES_MAX)
		return -ENOSPC;
	w = &l->watches[l->watches_n++];
	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	ev_io_init(&w->io, on_readable, fd, EV_READ);
	ev_io_start(l->ev, &w->io);
	return 0;
}

/* More than this is for libev alone: it may be a millisecond late. */
#define FINE_US 10000

static void set_fine(struct loop *l, uint64_t now_us, uint64_t deadline_us)
{
	struct itimerspec at = {0};

	if (deadline_us <= now_us || deadline_us - now_us > FINE_US ||
	    deadline_us == l->fine_at_us)
		return;
	l->fine_at_us = deadline_us;
	at.it_value.tv_nsec = (long)(deadline_us - now_us) * 1000;
	timerfd_settime(l->fine_fd, 0, &at, NULL);
}

void loop_set_deadline(struct loop *l, uint64_t now_us, uint64_t deadline_us)
{
	double after_s = deadline_us > now_us ? (deadline_us - now_us) / 1e6 : 0.;

	set_fine(l, now_us, deadline_us);
	ev_timer_stop(l->ev, &l->timer);
	/* libev counts from when it last looked at the clock. */
	ev_now_update(l->ev);
	ev_timer_set(&l->timer, after_s, 0.);
	ev_timer_start(l->ev, &l->timer);
}

void loop_no_deadline(struct loop *l)
{
	ev_timer_stop(l->ev, &l->timer);
}

void loop_wake(struct loop *l)
{
	ev_async_send(l->ev, &l->wake);
}

void loop_run(struct loop *l)
{
	ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}
