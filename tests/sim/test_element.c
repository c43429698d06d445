/* test_element.c - the parts of a path, each alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "element.h"

#define US_PER_S 1000000ull
#define MS 1000u
#define BYTES 1500u

/* ---- bursts of loss ------------------------------------------------------------ */

/* The share of time in the bad state is to_bad / (to_bad + to_good). */
static void test_burst_rate_and_length(void **state)
{
	struct burst_params p = {.to_bad_ppm = 10000, .to_good_ppm = 190000,
				 .loss_ppm = 800000};
	uint32_t n = 1000000, lost = 0, bad = 0, runs = 0;
	struct burst b = {0};
	struct rng r = {.s = 1};

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		bool before = b.bad;

		lost += burst_loses(&b, &p, &r);
		bad += b.bad;
		runs += b.bad && !before;
	}
	assert_in_range(bad, n / 20 - n / 400, n / 20 + n / 400);
	assert_in_range(lost, n / 25 - n / 400, n / 25 + n / 400);
	assert_in_range(bad * 100 / runs, 500, 552); /* 1 / 0.19 packets */
}

static void test_burst_off(void **state)
{
	struct burst_params p = {.to_good_ppm = 1, .loss_ppm = 1000000};
	struct burst b = {0};
	struct rng r = {.s = 1};

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(burst_loses(&b, &p, &r));
}

/* ---- policer ----------------------------------------------------------------------- */

/* A load above the rate gets the bucket and then the rate; one below, all. */
static uint64_t policed_bytes(const struct policer_params *p, uint64_t load_bytes_s,
			      uint64_t seconds)
{
	uint64_t gap_us = BYTES * US_PER_S / load_bytes_s, passed = 0;
	struct policer b = {0};

	for (uint64_t at_us = 12345; at_us < seconds * US_PER_S; at_us += gap_us)
		if (policer_passes(&b, p, BYTES, at_us))
			passed += BYTES;
	return passed;
}

static void test_policer_rate(void **state)
{
	struct policer_params p = {.rate_bytes_s = 1000000, .bucket_bytes = 50000};

	(void)state;
	assert_in_range(policed_bytes(&p, 5000000, 10), 10000000, 10000000 + 50000);
	assert_in_range(policed_bytes(&p, 500000, 10), 4990000, 5000000);
}

static void test_policer_bucket(void **state)
{
	struct policer_params p = {.rate_bytes_s = 1000000, .bucket_bytes = 4 * BYTES};
	struct policer b = {0};

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(policer_passes(&b, &p, BYTES, 100));
	assert_false(policer_passes(&b, &p, BYTES, 100));
	assert_false(policer_passes(&b, &p, BYTES, 100 + BYTES - 1));
	assert_true(policer_passes(&b, &p, BYTES, 100 + BYTES));
	/* A long silence fills it, and no more than fills it. */
	for (int i = 0; i < 4; i++)
		assert_true(policer_passes(&b, &p, BYTES, 1000 * US_PER_S));
	assert_false(policer_passes(&b, &p, BYTES, 1000 * US_PER_S));
}

static void test_policer_off(void **state)
{
	struct policer_params p = {0};
	struct policer b = {0};

	(void)state;
	assert_true(policer_passes(&b, &p, UINT32_MAX, 1));
}

/* ---- bottleneck ------------------------------------------------------------------------ */

/* One megabyte a second: a byte takes a microsecond. */
static void test_bottleneck_delays_by_its_rate(void **state)
{
	struct bottleneck_params p = {.rate_bytes_s = 1000000, .queue_bytes = 100000};
	struct bottleneck b = {0};
	uint64_t out_us, waited_us;

	(void)state;
	assert_int_equal(bottleneck_takes(&b, &p, BYTES, false, 50, &out_us, &waited_us),
			 PASSES);
	assert_int_equal(waited_us, 0);
	assert_int_equal(out_us, 50 + BYTES);
	assert_int_equal(bottleneck_takes(&b, &p, BYTES, false, 50, &out_us, &waited_us),
			 PASSES);
	assert_int_equal(waited_us, BYTES);
	assert_int_equal(out_us, 50 + 2 * BYTES);
	assert_int_equal(bottleneck_bytes(&b, &p, 50), 2 * BYTES);
	assert_int_equal(bottleneck_bytes(&b, &p, 50 + BYTES), BYTES);
	/* Idle since: no credit is saved up. */
	assert_int_equal(bottleneck_takes(&b, &p, BYTES, false, 9000, &out_us, &waited_us),
			 PASSES);
	assert_int_equal(out_us, 9000 + BYTES);
}

/* Rates that do not divide the second lose nothing over many packets. */
static void test_bottleneck_rate_is_exact(void **state)
{
	struct bottleneck_params p = {.rate_bytes_s = 12500000, .queue_bytes = UINT32_MAX};
	struct bottleneck b = {0};
	uint64_t out_us = 0, waited_us;

	(void)state;
	for (int i = 0; i < 125000; i++)
		bottleneck_takes(&b, &p, 1000, false, 0, &out_us, &waited_us);
	assert_int_equal(out_us, 10 * US_PER_S);
}

static void test_bottleneck_tail_drop(void **state)
{
	struct bottleneck_params p = {.rate_bytes_s = 1000000, .queue_bytes = 10 * BYTES};
	struct bottleneck b = {0};
	uint64_t out_us, waited_us;
	int taken = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		taken += bottleneck_takes(&b, &p, BYTES, true, 7, &out_us, &waited_us) == PASSES;
	assert_int_equal(taken, 11); /* finds ten and is taken */
	assert_int_equal(bottleneck_bytes(&b, &p, 7), 11 * BYTES);
	assert_int_equal(bottleneck_takes(&b, &p, BYTES, true, 7 + BYTES, &out_us, &waited_us),
			 PASSES);
	assert_int_equal(bottleneck_takes(&b, &p, BYTES, true, 7 + BYTES, &out_us, &waited_us),
			 OVERFLOWED);
}

/* ---- CoDel, RFC 8289 ---------------------------------------------------------------------- */

static const struct codel_params codel = {.target_us = 5 * MS, .interval_us = 100 * MS};

/* A packet each millisecond that waited so long; the number of signals. */
static unsigned signals(struct codel *c, uint64_t waited_us, uint64_t from_us,
			uint64_t until_us)
{
	unsigned n = 0;

	for (uint64_t at_us = from_us; at_us < until_us; at_us += MS)
		n += codel_signals(c, &codel, waited_us, at_us);
	return n;
}

static void test_codel_below_target(void **state)
{
	struct codel c = {0};

	(void)state;
	assert_int_equal(signals(&c, codel.target_us - 1, MS, 100 * US_PER_S), 0);
}

/* A whole interval above the target makes the first; below it once, and
 * the interval begins anew. */
static void test_codel_needs_an_interval(void **state)
{
	struct codel c = {0};

	(void)state;
	assert_int_equal(signals(&c, 20 * MS, 1000 * MS, 1100 * MS), 0);
	assert_int_equal(signals(&c, MS, 1100 * MS, 1101 * MS), 0);
	assert_int_equal(signals(&c, 20 * MS, 1101 * MS, 1201 * MS), 0);
	assert_int_equal(signals(&c, 20 * MS, 1201 * MS, 1202 * MS), 1);
}

/* While it stays above, signals come at interval / sqrt(count). */
static void test_codel_control_law(void **state)
{
	uint64_t at_us[5], now_us = MS;
	struct codel c = {0};

	(void)state;
	for (int i = 0; i < 5; now_us++)
		if (codel_signals(&c, &codel, 20 * MS, now_us))
			at_us[i++] = now_us;
	assert_int_equal(at_us[0], MS + 100000);
	assert_int_equal(at_us[1] - at_us[0], 100000);
	assert_in_range(at_us[2] - at_us[1], 70700, 70800);
	assert_in_range(at_us[3] - at_us[2], 57700, 57800);
	assert_int_equal(at_us[4] - at_us[3], 50000);
}

/* Soon after it stopped, it goes on with the rate that it had. */
static void test_codel_remembers_its_rate(void **state)
{
	struct codel c = {0};
	unsigned before, after;

	(void)state;
	signals(&c, 20 * MS, 1000 * MS, 3000 * MS);
	before = signals(&c, 20 * MS, 3000 * MS, 3200 * MS);
	signals(&c, MS, 3200 * MS, 3210 * MS);
	after = signals(&c, 20 * MS, 3210 * MS, 3510 * MS);
	assert_true(before >= 8);
	assert_true(after >= before - 2);
	signals(&c, MS, 3510 * MS, 10000 * MS);
	assert_int_equal(signals(&c, 20 * MS, 10000 * MS, 10201 * MS), 2);
}

/* The queue of a bottleneck: overloaded, it marks what may be marked, which still
 * takes its place, and drops the rest, which does not. */
static void test_codel_marks_or_drops(void **state)
{
	struct bottleneck_params p = {.rate_bytes_s = 1000000, .queue_bytes = 1000000,
				      .codel = codel};
	unsigned marked = 0, dropped = 0;
	struct bottleneck b = {0};

	(void)state;
	for (uint64_t at_us = 0; at_us < 2 * US_PER_S; at_us += 2 * MS) {
		bool ect = at_us / MS % 4 == 0;
		uint64_t had = bottleneck_bytes(&b, &p, at_us), out_us, waited_us;

		switch (bottleneck_takes(&b, &p, 2200, ect, at_us, &out_us, &waited_us)) {
		case MARKED:
			marked++;
			assert_true(ect);
			assert_in_range(bottleneck_bytes(&b, &p, at_us), had + 2199, had + 2200);
			break;
		case SIGNALLED:
			dropped++;
			assert_false(ect);
			assert_int_equal(bottleneck_bytes(&b, &p, at_us), had);
			break;
		case OVERFLOWED:
			fail();
		case PASSES:
			break;
		}
	}
	assert_true(marked > 10);
	assert_true(dropped > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_rate_and_length),
		cmocka_unit_test(test_burst_off),
		cmocka_unit_test(test_policer_rate),
		cmocka_unit_test(test_policer_bucket),
		cmocka_unit_test(test_policer_off),
		cmocka_unit_test(test_bottleneck_delays_by_its_rate),
		cmocka_unit_test(test_bottleneck_rate_is_exact),
		cmocka_unit_test(test_bottleneck_tail_drop),
		cmocka_unit_test(test_codel_below_target),
		cmocka_unit_test(test_codel_needs_an_interval),
		cmocka_unit_test(test_codel_control_law),
		cmocka_unit_test(test_codel_remembers_its_rate),
		cmocka_unit_test(test_codel_marks_or_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
