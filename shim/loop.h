/* loop.h - the driver's event loop: libev behind a few functions.
 *
 * One loop per process, run by the driver's thread. All functions but
 * loop_wake() belong to that thread. libev never aborts the program and never
 * writes to its standard error.
 */
#ifndef MYTCP_LOOP_H
#define MYTCP_LOOP_H

#include <stdint.h>

struct loop;

struct loop_calls {
	void (*woken)(void *arg);   /* loop_wake() was called */
	void (*expired)(void *arg); /* the deadline has passed */
	void (*settle)(void *arg);  /* before every sleep */
	void *arg;
};

/* NULL when there is no memory, no epoll or no timerfd. */
struct loop *loop_new(const struct loop_calls *calls);
void loop_free(struct loop *l);

/* Calls fn(arg) whenever fd is readable. At most LOOP_WATCHES_MAX, never taken
 * back. -ENOSPC. */
#define LOOP_WATCHES_MAX 8
int loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg);
/* Sets the one timer, on CLOCK_MONOTONIC. expired() may come earlier too. */
void loop_set_deadline(struct loop *l, uint64_t deadline_us);
void loop_no_deadline(struct loop *l);
/* From any thread that shares the loop's fd table. */
void loop_wake(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop() */
void loop_stop(struct loop *l);

#endif
