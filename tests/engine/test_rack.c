/* test_rack.c - losses by time, RFC 8985 6. */
#include "segs.h"

#define RTT_US (100 * US_PER_MS)

static struct harness *start(void **state)
{
	return start_sack(state, NULL, RTT_US);
}

/* 6.2: one segment sent later has arrived; after a quarter of the RTT the hole is
 * no reordering any more. No three duplicate ACKs are needed. */
static void one_sack_is_enough_in_time(void **state)
{
	struct harness *h = start(state);
	uint64_t us;

	send_segments(h, 0, 2);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 2);
	expect_none(h);
	us = time_to_segment_us(h, US_PER_S);
	assert_in_range(us, RTT_US / 4 - 1000, RTT_US / 4 + 1000);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).recovery, RECOVERY);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(2), WND, 0);
	assert_int_equal(status(h).recovery, OPEN);
}

/* What is only reordered within that time is not repeated. */
static void reordering_is_awaited(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 2);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 2);
	advance_us(h, RTT_US / 5);
	inject(h, ACK, 1, seq_of(2), WND, 0);
	expect_none(h);
	advance_us(h, 10 * US_PER_S);
	expect_none(h);
	assert_int_equal(status(h).total_retrans, 0);
}

/* A retransmission that is lost too: something sent after it has arrived. RFC 6675
 * alone would wait for the timeout. */
static void lost_retransmission(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 7);
	expect(h, ACK, seq_of(0), 1, MSS); /* lost again */
	app_write(h, 2 * MSS);
	expect(h, ACK, seq_of(10), 1, MSS);
	forget(h);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 11);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).backoff, 0);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(12), WND, 0);
	assert_int_equal(status(h).recovery, OPEN);
}

/* 6.2 step 4: without any reordering seen, three segments above the hole are proof
 * at once. */
static void duplicates_are_proof(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 2);
	sack(h, 0, 1, 3);
	expect_none(h);
	sack(h, 0, 1, 4);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
}

/* The first segment of a new flight of n does not come, those behind it do. Returns
 * after how long it is repeated. */
static uint64_t repeated_after_us(struct harness *h, uint32_t from, uint32_t n)
{
	uint64_t us;

	send_segments(h, from, n);
	advance_us(h, RTT_US);
	sack(h, from, from + 1, from + n);
	us = time_to_segment_us(h, 2 * RTT_US);
	expect(h, ACK, seq_of(from), 1, MSS);
	expect_none(h);
	return us;
}

/* Step 3 and 4: after reordering was seen, no number of duplicates is proof, only
 * time is: a quarter of the RTT. */
static void reordering_seen(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 2);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 2);
	ack_to(h, 2); /* the first was late, and had not been sent again */
	assert_in_range(repeated_after_us(h, 2, 8), RTT_US / 4, RTT_US / 4 + 1000);
}

/* Step 4: every round trip with a DSACK adds a quarter, up to SRTT; after 16
 * recoveries without one it is a quarter again. */
static void window_grows_by_dsack(void **state)
{
	struct harness *h = start(state);
	uint32_t at = 0;

	for (unsigned round = 1; round < 7; round++) {
		uint64_t want = (round < 4 ? round : 4) * RTT_US / 4;
		uint64_t us = repeated_after_us(h, at, 2);

		assert_in_range(us, want - 1000, want + 1000);
		advance_us(h, RTT_US / 10); /* the late one arrives, then its copy */
		ack_to(h, at + 2);
		dsack(h, at + 2, at, at + 1);
		dsack(h, at + 2, at, at + 1); /* counts once in a round */
		at += 2;
		advance_us(h, US_PER_S);
	}
	for (unsigned round = 0; round < 17; round++) {
		uint64_t us = repeated_after_us(h, at, 2);

		if (round < 16)
			assert_in_range(us, RTT_US - 2000, RTT_US + 1000);
		else
			assert_in_range(us, RTT_US / 4 - 1000, RTT_US / 4 + 1000);
		advance_us(h, RTT_US);
		ack_to(h, at + 2);
		at += 2;
	}
}

/* What the network duplicated was never sent again: it says nothing of us. */
static void duplicates_of_the_network(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 4);
	advance_us(h, RTT_US);
	for (unsigned i = 1; i < 4; i++) {
		ack_to(h, i);
		dsack(h, i, i - 1, i);
	}
	ack_to(h, 4);
	assert_in_range(repeated_after_us(h, 4, 2), RTT_US / 4 - 1000, RTT_US / 4 + 1000);
}

/* A path that delays some segments by up to a quarter of the RTT: one recovery is
 * for nothing, then it has been learned, and there is no other. */
static void at_most_one_spurious_recovery(void **state)
{
	struct harness *h = start(state);
	uint32_t at = 0, repeated = 0;

	for (unsigned round = 0; round < 40; round++) {
		uint64_t late_us = RTT_US / 4 * (round % 5) / 4;

		send_segments(h, at, 6);
		advance_us(h, RTT_US);
		if (late_us) {
			sack(h, at, at + 1, at + 6);
			advance_us(h, late_us - 1);
			repeated += pending(h) > 0;
			forget(h);
		}
		ack_to(h, at + 6);
		if (late_us && status(h).total_retrans > 0 && round < 3)
			dsack(h, at + 6, at, at + 1);
		forget(h);
		at += 6;
	}
	assert_int_equal(repeated, 1);
	assert_int_equal(status(h).total_retrans, 1);
	assert_int_equal(status(h).recovery, OPEN);
}

/* Step 2, second condition: what comes sooner than any RTT answers the first
 * transmission; taken for the second's, all that was sent before it were lost. */
static void answer_to_the_original(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 4);
	expect(h, ACK, seq_of(0), 1, MSS);
	advance_us(h, RTT_US / 20);
	sack(h, 1, 2, 4);
	expect_none(h);
	assert_int_equal(status(h).lost_segs, 0);
	/* in time it is another matter */
	advance_us(h, RTT_US);
	sack(h, 5, 9, 10);
	count_below(h, 10);
	assert_true(status(h).total_retrans > 1);
}

/* Step 2, first condition: the echoed timestamp is older than the retransmission. */
static void echo_of_the_original(void **state)
{
	struct engine_config cfg;
	struct harness *h;
	uint32_t first;

	harness_config(&cfg);
	cfg.sack = cfg.timestamps = true;
	for (int original = 0; original < 2; original++) {
		const uint32_t mss = MSS - 12, at = 1;
		struct seg_options o = {.wscale = -1, .ts = true, .sack_n = 1};

		h = harness_again(state, &cfg);
		h->syn.sack_ok = h->ts = true;
		establish_rtt(h, RTT_US);
		app_write(h, 9 * mss);
		forget(h);
		first = h->ts_recent;
		advance_us(h, RTT_US);
		o.ts_val = h->ts_base + (uint32_t)(h->now_us / 1000);
		o.ts_ecr = first;
		o.sack[0] = (struct seq_range){at + mss, at + 4 * mss};
		inject_opt(h, ACK, 1, at, WND, 0, &o);
		expect(h, ACK, at, 1, mss);
		expect_none(h);
		advance_us(h, RTT_US * 3 / 2);
		o.ts_val += 150;
		o.ts_ecr = original ? first : h->ts_recent;
		o.sack_n = 0;
		inject_opt(h, ACK, 1, at + 4 * mss, WND, 0, &o);
		/* the rest was sent before the retransmission */
		assert_int_equal(pending(h) > 0, !original);
		forget(h);
		inject(h, ACK, 1, h->written + 1, WND, 0);
		assert_int_equal(status(h).unacked_bytes, 0);
	}
}

/* 6.3: at a timeout the first is lost; what left a moment ago is not. */
static void timeout_marks_the_old(void **state)
{
	struct harness *h = start(state);
	struct tcp_status st;

	send_segments(h, 0, 1);
	advance_us(h, RTT_US);
	ack_to(h, 1); /* so RACK knows how long a delivery takes */
	send_segments(h, 1, 4);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(4), 1, MSS); /* the probe */
	advance_us(h, status(h).rto_us - RTT_US / 2);
	send_segments(h, 5, 2);
	assert_int_equal(time_to_segment_us(h, US_PER_S), RTT_US / 2);
	expect(h, ACK, seq_of(1), 1, MSS);
	expect_none(h);
	st = status(h);
	assert_int_equal(st.recovery, LOSS);
	assert_int_equal(st.snd_cwnd_bytes, MSS);
	assert_int_equal(st.lost_segs, 4);
	assert_int_equal(st.unacked_segs, 6);
}

/* Without RACK: neither reordering timer nor probe. */
static void switched_off(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.rack = false;
	h = start_sack(state, &cfg, RTT_US);
	send_segments(h, 0, 3);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 2);
	assert_int_equal(time_to_segment_us(h, US_PER_S), status(h).rto_us - RTT_US);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).recovery, LOSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_sack_is_enough_in_time), TEST(reordering_is_awaited),
		TEST(lost_retransmission), TEST(duplicates_are_proof),
		TEST(reordering_seen), TEST(window_grows_by_dsack),
		TEST(duplicates_of_the_network), TEST(at_most_one_spurious_recovery),
		TEST(answer_to_the_original), TEST(echo_of_the_original),
		TEST(timeout_marks_the_old), TEST(switched_off),
	};

	return cmocka_run_group_tests_name("rack", tests, NULL, NULL);
}
