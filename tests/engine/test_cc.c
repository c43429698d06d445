/* test_cc.c - the windows of RFC 5681, 6582 and 6928 in numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../engine/congestion.h"

#define MSS 1000

static void begin(struct cc *cc, uint32_t mss_bytes, uint32_t initcwnd_segs)
{
	const struct cc_start s = {.now_us = 1};
	size_t memory_bytes = 0;

	cc_begin(cc, &cc_newreno, mss_bytes, initcwnd_segs, &s, &memory_bytes);
	assert_int_equal(memory_bytes, 0);
}

static struct cc start(void)
{
	struct cc cc;

	begin(&cc, MSS, 10);
	return cc;
}

static void ack(struct cc *cc, uint32_t bytes, bool limited)
{
	struct cc_ack a = {.acked_bytes = bytes,
			   .flight_bytes = limited ? cc->cwnd_bytes : cc->cwnd_bytes / 3,
			   .cwnd_limited = limited};

	cc->ops->on_ack(cc, &a);
}

static void initial_window(void **state)
{
	struct cc cc;

	(void)state;
	begin(&cc, 1460, 10);
	assert_int_equal(cc.cwnd_bytes, 14600);
	begin(&cc, 536, 10);
	assert_int_equal(cc.cwnd_bytes, 5360);
	begin(&cc, 9000, 10); /* never less than two */
	assert_int_equal(cc.cwnd_bytes, 18000);
	begin(&cc, 1460, 3);
	assert_int_equal(cc.cwnd_bytes, 4380);
	assert_int_equal(cc.ssthresh_bytes, UINT32_MAX);
}

static void slow_start(void **state)
{
	struct cc cc = start();

	(void)state;
	ack(&cc, 10 * MSS, true);
	assert_int_equal(cc.cwnd_bytes, 20 * MSS); /* doubles per round trip */
	ack(&cc, 5 * MSS, false); /* not what held the sender back */
	assert_int_equal(cc.cwnd_bytes, 20 * MSS);
	cc.ssthresh_bytes = 22 * MSS;
	ack(&cc, 5 * MSS, true);
	assert_int_equal(cc.cwnd_bytes, 22 * MSS);
}

static void congestion_avoidance(void **state)
{
	struct cc cc = start();

	(void)state;
	cc.ssthresh_bytes = cc.cwnd_bytes;
	for (int i = 0; i < 9; i++)
		ack(&cc, MSS, true);
	assert_int_equal(cc.cwnd_bytes, 10 * MSS);
	ack(&cc, MSS, true); /* a window's worth: one segment more */
	assert_int_equal(cc.cwnd_bytes, 11 * MSS);
	for (int i = 0; i < 11; i++)
		ack(&cc, MSS, true);
	assert_int_equal(cc.cwnd_bytes, 12 * MSS);
	for (int i = 0; i < 20; i++)
		ack(&cc, MSS, false);
	assert_int_equal(cc.cwnd_bytes, 12 * MSS);
}

static void loss(void **state)
{
	struct cc cc = start();

	(void)state;
	cc.ops->on_congestion(&cc, CC_LOSS, 8 * MSS, 1);
	assert_int_equal(cc.ssthresh_bytes, 4 * MSS);
	assert_int_equal(cc.cwnd_bytes, 4 * MSS);
	cc.ops->on_recovered(&cc, 0, 2); /* no burst of what has been drained */
	assert_int_equal(cc.cwnd_bytes, 4 * MSS);
	cc.ssthresh_bytes = 100 * MSS;
	cc.ops->on_recovered(&cc, 2 * MSS, 3);
	assert_int_equal(cc.cwnd_bytes, 6 * MSS);
	cc.ops->on_congestion(&cc, CC_LOSS, 3 * MSS, 4); /* RFC 5681 (4): two segments */
	assert_int_equal(cc.ssthresh_bytes, 2 * MSS);
}

static void timeout(void **state)
{
	struct cc cc = start();

	(void)state;
	cc.ops->on_timeout(&cc, 10 * MSS, true, 1);
	assert_int_equal(cc.ssthresh_bytes, 5 * MSS);
	assert_int_equal(cc.cwnd_bytes, MSS);
	cc.ops->on_timeout(&cc, MSS, false, 2); /* the same loss: ssthresh stays */
	assert_int_equal(cc.ssthresh_bytes, 5 * MSS);
	assert_int_equal(cc.cwnd_bytes, MSS);
}

static void idle(void **state)
{
	struct cc cc = start();

	(void)state;
	cc.ops->on_idle(&cc, 1);
	assert_int_equal(cc.cwnd_bytes, 10 * MSS);
	cc.cwnd_bytes = 50 * MSS;
	cc.ops->on_idle(&cc, 1);
	assert_int_equal(cc.cwnd_bytes, 10 * MSS);
	cc.cwnd_bytes = 3 * MSS;
	cc.ops->on_idle(&cc, 1);
	assert_int_equal(cc.cwnd_bytes, 3 * MSS);
}

static void limits(void **state)
{
	struct cc cc = start();

	(void)state;
	for (int i = 0; i < 100; i++)
		ack(&cc, cc.cwnd_bytes, true);
	assert_int_equal(cc.cwnd_bytes, 1u << 30);
	cc.cwnd_bytes = 500;
	cc_set_mss(&cc, 700);
	assert_int_equal(cc.cwnd_bytes, 700);
	cc.ssthresh_bytes = 1000;
	cc_set_mss(&cc, 700); /* RFC 5681 3.1 (4): two segments */
	assert_int_equal(cc.ssthresh_bytes, 1400);
	cc_set_mss(&cc, 60000); /* nor does an idle time leave less */
	cc.ops->on_idle(&cc, 0);
	assert_int_equal(cc.cwnd_bytes, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_window),
		cmocka_unit_test(slow_start),
		cmocka_unit_test(congestion_avoidance),
		cmocka_unit_test(loss),
		cmocka_unit_test(timeout),
		cmocka_unit_test(idle),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("cc", tests, NULL, NULL);
}
