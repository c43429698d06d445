/* test_validate.c - a window that is not used: RFC 5681 4.1, RFC 2861. And what a
 * receiver takes back that it had acknowledged selectively: RFC 2018 8. */
#include "segs.h"

#define RTT_US (100 * US_PER_MS)

/* Slow start up to 40 segments, nothing outstanding. */
static struct harness *start(void **state, bool validate, uint32_t *at)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.slow_start_after_idle = validate;
	cfg.sndbuf_bytes = 1 << 20;
	strcpy(cfg.cc, "reno");
	h = start_sack(state, &cfg, RTT_US);
	app_write(h, 100 * MSS);
	for (*at = 0; *at < 100; advance_us(h, RTT_US)) {
		uint32_t n = pending(h);

		forget(h);
		for (uint32_t i = 0; i < n; i++)
			ack_to(h, ++*at);
	}
	assert_true(status(h).snd_cwnd_bytes >= 40 * MSS);
	return h;
}

/* RFC 5681 4.1: after an RTO without a transmission, the restart window. */
static void idle(void **state)
{
	for (int validate = 0; validate < 2; validate++) {
		uint32_t at, cwnd;
		struct harness *h = start(state, validate, &at);

		cwnd = status(h).snd_cwnd_bytes;
		advance_us(h, 2 * status(h).rto_us);
		app_write(h, 44 * MSS);
		if (validate) {
			assert_int_equal(pending(h), 10);
			assert_int_equal(status(h).snd_cwnd_bytes, 10 * MSS);
		} else {
			assert_true(pending(h) >= 40);
			assert_int_equal(status(h).snd_cwnd_bytes, cwnd);
		}
		forget(h);
	}
}

/* Not idle, but never more than 12 segments in flight: every RTO half of the unused
 * part goes, down to where slow start may use it; ssthresh remembers three quarters. */
static void application_limited(void **state)
{
	for (int validate = 0; validate < 2; validate++) {
		uint32_t at, cwnd, before, first = 0;
		struct harness *h = start(state, validate, &at);

		before = cwnd = status(h).snd_cwnd_bytes;
		for (unsigned round = 0; round < 60; round++) {
			send_segments(h, at, 12);
			advance_us(h, RTT_US);
			ack_to(h, at += 12);
			if (status(h).snd_cwnd_bytes < cwnd && !first)
				first = round + 1;
			assert_true(status(h).snd_cwnd_bytes <= before);
			assert_true(status(h).snd_cwnd_bytes >= 12 * MSS + (cwnd - 12 * MSS) / 2);
			cwnd = status(h).snd_cwnd_bytes;
		}
		if (validate) {
			assert_in_range(cwnd, 12 * MSS, 37 * MSS);
			assert_in_range(first, 2, 4); /* rounds in an RTO */
			assert_true(status(h).snd_ssthresh_bytes >= before / 4 * 3);
		} else {
			assert_int_equal(cwnd, before);
		}
	}
}

/* A window that was the limit stays, however slowly its ACKs come. */
static void used(void **state)
{
	uint32_t at, cwnd;
	struct harness *h = start(state, true, &at);

	cwnd = status(h).snd_cwnd_bytes;
	app_write(h, 3 * cwnd);
	forget(h);
	for (uint32_t i = 0; i < 20; i++) {
		advance_us(h, RTT_US / 2);
		ack_to(h, ++at);
		forget(h);
	}
	assert_true(status(h).snd_cwnd_bytes >= cwnd);
}

/* ---- reneging ------------------------------------------------------------------------ */

/* RFC 2018 8: an ACK that stops in front of what was sacked. After a moment, in which
 * overtaken ACKs may explain it, everything is sent again that is not acknowledged;
 * no RTO is waited for. */
static void reneging_at_the_ack(void **state)
{
	struct harness *h = start_sack(state, NULL, RTT_US);
	uint64_t us;

	send_segments(h, 0, 6);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 6);
	expect(h, ACK, seq_of(0), 1, MSS);
	advance_us(h, RTT_US);
	ack_to(h, 1); /* has forgotten the rest */
	us = time_to_segment_us(h, US_PER_S);
	assert_in_range(us, RTT_US / 2 - 1000, RTT_US / 2 + 1000);
	expect(h, ACK, seq_of(1), 1, MSS);
	assert_int_equal(status(h).sacked_segs, 0);
	ack_to(h, 2);
	expect(h, ACK, seq_of(2), 1, MSS);
	expect(h, ACK, seq_of(3), 1, MSS);
	ack_to(h, 4);
	expect(h, ACK, seq_of(4), 1, MSS);
	expect(h, ACK, seq_of(5), 1, MSS);
	ack_to(h, 6);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* The ACKs had only overtaken each other: nothing is sent again. */
static void no_reneging(void **state)
{
	struct harness *h = start_sack(state, NULL, RTT_US);

	send_segments(h, 0, 6);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 6);
	expect(h, ACK, seq_of(0), 1, MSS);
	advance_us(h, RTT_US);
	ack_to(h, 1);
	advance_us(h, 5000);
	ack_to(h, 6);
	advance_us(h, 10 * US_PER_S);
	expect_none(h);
	assert_int_equal(status(h).recovery, OPEN);
}

/* After a timeout that has nothing to do with it, what was sacked stays so: only the
 * rest is sent again. */
static void timeout_keeps_blocks(void **state)
{
	struct harness *h = start_sack(state, NULL, RTT_US);

	send_segments(h, 0, 8);
	advance_us(h, RTT_US);
	sack(h, 0, 5, 8);
	count_below(h, 8);
	while (status(h).recovery != LOSS) {
		time_to_segment_us(h, US_PER_S);
		count_below(h, 8);
	}
	assert_int_equal(status(h).sacked_segs, 3);
	for (uint32_t n = 1; n < 5; n++) {
		advance_us(h, RTT_US);
		ack_to(h, n);
		while (pending(h))
			assert_true(expect(h, ACK, ANY, 1, MSS)->seq < seq_of(5));
	}
	ack_to(h, 8);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* ---- DSACK, as a receiver -------------------------------------------------------------- */

/* RFC 2883 4: what comes twice is reported once; not with the option off. */
static void dsack_option(void **state)
{
	for (int on = 0; on < 2; on++) {
		struct engine_config cfg;
		struct harness *h;
		const struct got *g;

		harness_config(&cfg);
		cfg.dsack = on;
		h = start_sack(state, &cfg, RTT_US);
		inject(h, ACK, 1, 1, WND, 1000);
		forget(h);
		inject(h, ACK, 1, 1, WND, 1000);
		g = expect(h, ACK, 1, 1001, 0);
		assert_int_equal(g->opt.sack_n, on);
		if (on) {
			assert_int_equal(g->opt.sack[0].start, 1);
			assert_int_equal(g->opt.sack[0].end, 1001);
		}
		inject(h, ACK, 2001, 1, WND, 1000);
		g = expect(h, ACK, 1, 1001, 0);
		assert_int_equal(g->opt.sack_n, 1);
		assert_int_equal(g->opt.sack[0].start, 2001);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle), TEST(application_limited), TEST(used),
		TEST(reneging_at_the_ack), TEST(no_reneging),
		TEST(timeout_keeps_blocks), TEST(dsack_option),
	};

	return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
