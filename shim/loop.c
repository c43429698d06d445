/* loop.c - owns libev; alone in including <ev.h>.
 *
 * The deadline is a timerfd's: libev's own timers round up to whole milliseconds,
 * and a connection that sends by a clock would be late with each burst. It comes
 * after whatever else there is to do: an ACK that has arrived stops a timer.
 *
 * libev calls abort() when it has no memory. All it ever needs for our handful
 * of watchers comes from an arena in .bss that is large enough, so that does
 * not happen to a program that could have gone on. The arena is given out from
 * front to back and never reused but as a whole: a loop lives as long as its
 * process's driver.
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
	struct ev_io timer;
	int timer_fd;
	uint64_t armed_us; /* UINT64_MAX: not */
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

/* The timer may have been set for a deadline that moved since. */
static void on_timer(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct loop *l = io->data;
	uint64_t expirations;

	(void)ev;
	(void)events;
	if (read(l->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	l->armed_us = UINT64_MAX;
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
	l->armed_us = UINT64_MAX;
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timer_fd >= 0)
		l->ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOINOTIFY | EVFLAG_NOTIMERFD |
				    EVBACKEND_EPOLL);
	if (!l->ev) {
		if (l->timer_fd >= 0)
			close(l->timer_fd);
		free(l);
		return NULL;
	}
	ev_async_init(&l->wake, on_wake);
	ev_io_init(&l->timer, on_timer, l->timer_fd, EV_READ);
	ev_set_priority(&l->timer, EV_MINPRI);
	ev_prepare_init(&l->prepare, on_prepare);
	l->wake.data = l->timer.data = l->prepare.data = l;
	ev_async_start(l->ev, &l->wake);
	ev_io_start(l->ev, &l->timer);
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
	ev_io_stop(l->ev, &l->timer);
	ev_prepare_stop(l->ev, &l->prepare);
	ev_async_stop(l->ev, &l->wake);
	ev_loop_destroy(l->ev);
	close(l->timer_fd);
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

static void arm(struct loop *l, uint64_t at_us)
{
	struct itimerspec at = {.it_value = {(time_t)(at_us / 1000000),
					     (long)(at_us % 1000000 * 1000)}};

	l->armed_us = at_us ? at_us : UINT64_MAX;
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Deadlines mostly move away, with each ACK. The timer is left alone then: it
 * comes too early once, and is set again. */
void loop_set_deadline(struct loop *l, uint64_t deadline_us)
{
	if (deadline_us < l->armed_us)
		arm(l, deadline_us ? deadline_us : 1);
}

void loop_no_deadline(struct loop *l)
{
	if (l->armed_us != UINT64_MAX)
		arm(l, 0);
}

void loop_wake(struct loop *l)
{
	ev_async_send(l->ev, &l->wake);
}

void loop_run(struct loop *l)
{
	ev_break(l->ev, EVBREAK_CANCEL); /* of a run that never came back (watcher.h) */
	ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}
