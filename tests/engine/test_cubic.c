/* test_cubic.c - CUBIC in numbers, against the formulae of RFC 9438, and HyStart++
 * (RFC 9406). The network is a loop that acknowledges a window per round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "../../engine/congestion.h"
#include "oom.h"

#define MSS 1000
#define MS 1000u
#define S 1000000u
#define C 0.4
#define BETA 0.7
#define N_RTT_SAMPLE 8

struct net {
	struct cc cc;
	size_t memory_bytes;
	uint64_t now_us;
	uint32_t rtt_us;
	bool limited;
};

static int setup(void **state)
{
	static struct net n;
	const struct cc_start start = {.now_us = 1};

	n = (struct net){.now_us = S, .rtt_us = 100 * MS, .limited = true};
	cc_begin(&n.cc, &cc_cubic, MSS, 10, &start, &n.memory_bytes);
	*state = &n;
	return 0;
}

static int teardown(void **state)
{
	struct net *n = *state;

	cc_end(&n->cc, &n->memory_bytes);
	assert_int_equal(n->memory_bytes, 0);
	return 0;
}

static void ack(struct net *n, uint32_t bytes, bool round_start)
{
	struct cc_ack a = {.now_us = n->now_us, .acked_bytes = bytes,
			   .flight_bytes = n->cc.cwnd_bytes,
			   .rtt_us = n->rtt_us, .srtt_us = n->rtt_us,
			   .round_start = round_start, .cwnd_limited = n->limited};

	n->cc.ops->on_ack(&n->cc, &a);
}

/* One window, an ack for every segment, spread over the round trip. */
static void round_trip(struct net *n)
{
	uint32_t segments = n->cc.cwnd_bytes / MSS, i;
	uint64_t start_us = n->now_us;

	for (i = 0; i < segments; i++) {
		n->now_us = start_us + (uint64_t)n->rtt_us * (i + 1) / segments;
		ack(n, MSS, i == 0);
	}
}

static void run_until(struct net *n, uint64_t at_us)
{
	while (n->now_us < at_us)
		round_trip(n);
}

static double segments(const struct net *n)
{
	return (double)n->cc.cwnd_bytes / MSS;
}

static void congest(struct net *n)
{
	cc_congestion(&n->cc, CC_LOSS, n->cc.cwnd_bytes, n->now_us);
}

/* In congestion avoidance after a loss at so many segments. */
static void lose_at(struct net *n, uint32_t segs)
{
	n->cc.cwnd_bytes = segs * MSS;
	congest(n);
}

#define assert_near(a, b, tolerance) \
	assert_in_range((int64_t)((a) * 1000), (int64_t)(((b) - (tolerance)) * 1000), \
			(int64_t)(((b) + (tolerance)) * 1000))

/* Equations 1 and 2: concave up to W_max after K seconds, then convex. */
static void growth(void **state)
{
	static const double at_s[] = {1, 3, 5, 7, 9, 10, 12, 14};
	struct net *n = *state;
	double k = cbrt(1000 * (1 - BETA) / C);
	uint64_t from_us;

	lose_at(n, 1000);
	assert_near(segments(n), 700, 0.001);
	assert_int_equal(n->cc.ssthresh_bytes, 700 * MSS);
	from_us = n->now_us + n->rtt_us / 700; /* the first ack */
	for (unsigned i = 0; i < sizeof(at_s) / sizeof(at_s[0]); i++) {
		double t;

		run_until(n, from_us + (uint64_t)(at_s[i] * S));
		t = (double)(n->now_us - from_us) / S;
		assert_near(segments(n), C * pow(t - k, 3) + 1000, 6);
	}
	assert_true(segments(n) > 1000);
}

/* 4.2: never faster than half a window per round trip. */
static void growth_is_bounded(void **state)
{
	struct net *n = *state;
	double before;

	lose_at(n, 10);
	n->rtt_us = 10 * S;
	for (unsigned i = 0; i < 10; i++) {
		before = segments(n);
		round_trip(n);
		assert_true(segments(n) <= before * 1.66); /* 1.5 of what grows */
	}
	assert_true(segments(n) > 100);
}

/* 4.3: where W(t) is slower, alpha = 9/17 segments per round trip up to what it
 * was before the loss, then one, like Reno. */
static void reno_friendly(void **state)
{
	struct net *n = *state;
	double before;

	n->rtt_us = MS;
	lose_at(n, 40);
	assert_near(segments(n), 28, 0.001);
	for (unsigned i = 0; i < 20; i++) {
		before = segments(n);
		round_trip(n);
		assert_near(segments(n) - before, 9. / 17, 0.03);
	}
	while (segments(n) < 40)
		round_trip(n);
	for (unsigned i = 0; i < 20; i++) {
		before = segments(n);
		round_trip(n);
		assert_near(segments(n) - before, 1, 0.05);
	}
}

/* 4.7: a loss before the old W_max was reached again means that there is less
 * room: the next plateau is at (1 + beta) / 2 of where the loss was. */
static void fast_convergence(void **state)
{
	struct net *n = *state;
	double k, max = 700 * (1 + BETA) / 2;
	uint64_t from_us;

	lose_at(n, 1000);
	congest(n);
	assert_near(segments(n), 490, 0.001);
	k = cbrt((max - 490) / C);
	from_us = n->now_us;
	run_until(n, from_us + (uint64_t)(k * S));
	assert_near(segments(n), max, 2);
}

/* 4.6: at least two segments. */
static void floor_of_two(void **state)
{
	struct net *n = *state;

	lose_at(n, 2);
	assert_int_equal(n->cc.ssthresh_bytes, 2 * MSS);
	assert_int_equal(n->cc.cwnd_bytes, 2 * MSS);
}

/* 5.8: time in which the application was the limit is no time. */
static void application_limited(void **state)
{
	struct net *n = *state;
	double before, k = cbrt(1000 * (1 - BETA) / C);
	uint64_t from_us = n->now_us;

	lose_at(n, 1000);
	run_until(n, n->now_us + 2 * S);
	before = segments(n);
	n->limited = false;
	run_until(n, n->now_us + 60 * S);
	assert_near(segments(n), before, 0.001);
	n->now_us += 60 * S; /* and silence */
	n->cc.ops->on_send(&n->cc, &(struct cc_send){.now_us = n->now_us});
	n->limited = true;
	run_until(n, n->now_us + 2 * S);
	assert_near(segments(n), C * pow((double)(n->now_us - from_us) / S - 120 - k, 3) + 1000,
		    8);
}

/* 4.8. */
static void timeout(void **state)
{
	struct net *n = *state;
	uint64_t from_us;

	n->cc.cwnd_bytes = 1000 * MSS;
	n->cc.ssthresh_bytes = 500 * MSS;
	cc_timeout(&n->cc, 1000 * MSS, true, n->now_us);
	assert_int_equal(n->cc.cwnd_bytes, MSS);
	assert_int_equal(n->cc.ssthresh_bytes, 700 * MSS);
	cc_timeout(&n->cc, MSS, false, n->now_us); /* again: no further */
	assert_int_equal(n->cc.ssthresh_bytes, 700 * MSS);
	while (n->cc.cwnd_bytes < 700 * MSS)
		round_trip(n); /* slow start, without HyStart++ */
	from_us = n->now_us;
	run_until(n, from_us + 10 * S); /* K = 0, W_max = 700 */
	assert_near(segments(n), C * pow((double)(n->now_us - from_us) / S, 3) + 700, 15);
}

/* 4.9: the epoch goes on as if nothing had been. */
static void undo(void **state)
{
	struct net *n = *state;
	double k = cbrt(1000 * (1 - BETA) / C);
	uint64_t from_us = n->now_us;
	uint32_t cwnd_bytes;

	lose_at(n, 1000);
	run_until(n, n->now_us + 3 * S);
	cwnd_bytes = n->cc.cwnd_bytes;
	congest(n);
	assert_true(n->cc.cwnd_bytes < cwnd_bytes);
	run_until(n, n->now_us + S);
	cc_undo(&n->cc, n->now_us);
	assert_int_equal(n->cc.cwnd_bytes, cwnd_bytes);
	assert_int_equal(n->cc.ssthresh_bytes, 700 * MSS);
	run_until(n, n->now_us + 5 * S);
	assert_near(segments(n), C * pow((double)(n->now_us - from_us) / S - k, 3) + 1000, 8);
}

/* What came later stays when the window is larger already. */
static void undo_too_late(void **state)
{
	struct net *n = *state;
	double before;

	lose_at(n, 100);
	run_until(n, n->now_us + 20 * S);
	before = segments(n);
	assert_true(before > 300);
	cc_undo(&n->cc, n->now_us);
	assert_near(segments(n), before, 0.001);
	round_trip(n);
	assert_true(segments(n) >= before);
}

static void idle(void **state)
{
	struct net *n = *state;

	lose_at(n, 1000);
	n->cc.ops->on_idle(&n->cc, n->now_us);
	assert_int_equal(n->cc.cwnd_bytes, 10 * MSS);
	for (unsigned i = 0; i < 20 && n->cc.cwnd_bytes < 700 * MSS; i++)
		round_trip(n);
	assert_in_range(n->cc.cwnd_bytes, 700 * MSS, 720 * MSS); /* by slow start */
}

/* ---- HyStart++, RFC 9406 4.2 ------------------------------------------------------ */

static void slow_start_doubles(void **state)
{
	struct net *n = *state;

	for (unsigned i = 0; i < 6; i++)
		round_trip(n);
	assert_int_equal(n->cc.cwnd_bytes, 640 * MSS);
	assert_int_equal(n->cc.ssthresh_bytes, UINT32_MAX);
}

/* An RTT longer by an eighth, within 4 and 16 ms, over 8 samples: a quarter of
 * the growth for five rounds, then congestion avoidance without a loss. */
static void delay_ends_slow_start(void **state)
{
	struct net *n = *state;
	uint32_t before;

	round_trip(n);
	round_trip(n); /* 40 */
	n->rtt_us = 112 * MS; /* below the threshold of 12.5 ms */
	round_trip(n);
	assert_int_equal(n->cc.cwnd_bytes, 80 * MSS);
	n->rtt_us = 126 * MS;
	before = n->cc.cwnd_bytes;
	round_trip(n); /* eight samples pass before it is seen */
	assert_int_equal(n->cc.cwnd_bytes, before + 7 * MSS + 73 * MSS / 4);
	for (unsigned i = 1; i < 5; i++) {
		before = n->cc.cwnd_bytes;
		round_trip(n);
		assert_in_range(n->cc.cwnd_bytes, before + before / 4 - MSS,
				before + before / 4 + MSS);
	}
	assert_int_equal(n->cc.ssthresh_bytes, UINT32_MAX);
	before = n->cc.cwnd_bytes;
	ack(n, MSS, true); /* the sixth begins */
	assert_int_equal(n->cc.ssthresh_bytes, before);
	assert_int_equal(n->cc.cwnd_bytes, before);
	round_trip(n); /* congestion avoidance, K = 0: slow at first */
	assert_true(n->cc.cwnd_bytes < before + 2 * MSS);
}

/* The delay went away: it was jitter, and slow start goes on. */
static void jitter_does_not_end_it(void **state)
{
	struct net *n = *state;
	uint32_t before;

	round_trip(n);
	round_trip(n);
	n->rtt_us = 130 * MS;
	round_trip(n);
	n->rtt_us = 100 * MS;
	round_trip(n); /* after eight samples */
	before = n->cc.cwnd_bytes;
	round_trip(n);
	assert_int_equal(n->cc.cwnd_bytes, 2 * before);
	assert_int_equal(n->cc.ssthresh_bytes, UINT32_MAX);
}

/* MIN_RTT_THRESH: on a short path 4 ms, not an eighth; MAX_RTT_THRESH: on a long
 * one 16 ms. */
static void thresholds(void **state)
{
	static const struct {
		uint32_t rtt_us, still_us, over_us;
	} paths[] = {{MS, 4900, 5000}, {400 * MS, 415900, 416000}};

	for (unsigned i = 0; i < 2; i++) {
		struct net *n = *state;

		teardown(state);
		setup(state);
		n->rtt_us = paths[i].rtt_us;
		round_trip(n);
		n->rtt_us = paths[i].still_us;
		round_trip(n);
		assert_int_equal(n->cc.cwnd_bytes, 40 * MSS);
		teardown(state);
		setup(state);
		n->rtt_us = paths[i].rtt_us;
		round_trip(n);
		n->rtt_us = paths[i].over_us;
		round_trip(n);
		assert_true(n->cc.cwnd_bytes < 35 * MSS);
	}
}

/* Without memory for its state a connection has NewReno, which needs none, or keeps
 * what it has. */
static void no_memory(void **state)
{
	struct net *n = *state;
	const struct cc_start start = {.now_us = 1};

	oom_after(0);
	assert_int_equal(cc_change(&n->cc, &cc_bbr, &start, &n->memory_bytes), -ENOMEM);
	assert_true(oom_happened());
	assert_ptr_equal(n->cc.ops, &cc_cubic);
	round_trip(n);
	assert_int_equal(n->cc.cwnd_bytes, 20 * MSS);
	teardown(state);
	oom_after(0);
	cc_begin(&n->cc, &cc_cubic, MSS, 10, &start, &n->memory_bytes);
	assert_true(oom_happened());
	assert_string_equal(n->cc.ops->name, "reno");
	round_trip(n);
	assert_int_equal(n->cc.cwnd_bytes, 20 * MSS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(growth), TEST(growth_is_bounded), TEST(reno_friendly),
		TEST(fast_convergence), TEST(floor_of_two), TEST(application_limited),
		TEST(timeout), TEST(undo), TEST(undo_too_late), TEST(idle),
		TEST(slow_start_doubles), TEST(delay_ends_slow_start),
		TEST(jitter_does_not_end_it), TEST(thresholds), TEST(no_memory),
	};

	return cmocka_run_group_tests_name("cubic", tests, NULL, NULL);
}
