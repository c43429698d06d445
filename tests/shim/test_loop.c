/* test_loop.c - the driver's loop: how exactly it keeps a deadline, what comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../shim/loop.h"

#define TRIES 50

static struct {
	struct loop *loop;
	uint64_t set_us, best_us;
	unsigned tries;
	uint32_t after_us;
	bool due; /* to be set again */
} t;

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000) + (uint64_t)ts.tv_nsec / 1000;
}

static void woken(void *arg)
{
	(void)arg;
}

/* May be called before the deadline, as the driver expects. */
static void expired(void *arg)
{
	uint64_t took_us = clock_us() - t.set_us;

	(void)arg;
	if (took_us < t.after_us || t.due)
		return;
	if (took_us < t.best_us)
		t.best_us = took_us;
	t.due = true;
	if (++t.tries == TRIES)
		loop_stop(t.loop);
}

static void settle(void *arg)
{
	(void)arg;
	if (t.due)
		t.set_us = clock_us();
	t.due = false;
	loop_set_deadline(t.loop, t.set_us + t.after_us);
}

static uint64_t best_us(uint32_t after_us)
{
	const struct loop_calls calls = {.woken = woken, .expired = expired,
					 .settle = settle};

	t.tries = 0;
	t.best_us = UINT64_MAX;
	t.after_us = after_us;
	t.due = true;
	t.loop = loop_new(&calls);
	assert_non_null(t.loop);
	loop_run(t.loop);
	loop_free(t.loop);
	return t.best_us;
}

/* A busy machine may be late, but not every time: libev alone would never wake
 * before a whole millisecond is over. */
static void deadlines_are_exact(void **state)
{
	(void)state;
	assert_in_range(best_us(100), 100, 600);
	assert_in_range(best_us(1200), 1200, 1700);
	assert_in_range(best_us(15000), 15000, 15500);
}

static struct {
	struct loop *loop;
	int fds[2];
	bool packet_first;
	unsigned settled, n;
	char order[3];
} late;

static void note(char what)
{
	late.order[late.n++] = what;
	if (late.n == 2)
		loop_stop(late.loop);
}

static void late_packet(void *arg)
{
	char byte;

	(void)arg;
	assert_int_equal(read(late.fds[0], &byte, 1), 1);
	note('p');
}

static void late_deadline(void *arg)
{
	(void)arg;
	note('d');
}

/* The first time the loop only begins to watch; then both are due before it gets to
 * look. */
static void late_settle(void *arg)
{
	(void)arg;
	if (!late.settled++) {
		loop_wake(late.loop);
		return;
	}
	if (late.n)
		return;
	if (late.packet_first)
		assert_int_equal(write(late.fds[1], "", 1), 1);
	loop_set_deadline(late.loop, clock_us());
	usleep(10000);
	if (!late.packet_first)
		assert_int_equal(write(late.fds[1], "", 1), 1);
}

/* A thread that the machine lets wait finds the ACK and the deadline of the
 * retransmission that it makes needless, in whatever order they came. */
static void what_has_arrived_counts_before_deadlines(void **state)
{
	const struct loop_calls calls = {.woken = woken, .expired = late_deadline,
					 .settle = late_settle};
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		memset(&late, 0, sizeof(late));
		late.packet_first = round;
		late.loop = loop_new(&calls);
		assert_non_null(late.loop);
		assert_int_equal(pipe(late.fds), 0);
		assert_int_equal(loop_watch(late.loop, late.fds[0], late_packet, NULL), 0);
		loop_run(late.loop);
		loop_free(late.loop);
		close(late.fds[0]);
		close(late.fds[1]);
		assert_string_equal(late.order, "pd");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_are_exact),
		cmocka_unit_test(what_has_arrived_counts_before_deadlines),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
