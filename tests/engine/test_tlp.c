/* test_tlp.c - the tail loss probe, RFC 8985 7. */
#include "segs.h"

#define RTT_US (100 * US_PER_MS)

static struct harness *start(void **state)
{
	return start_sack(state, NULL, RTT_US);
}

/* 7.2, 7.3: silence for two RTTs, and the last segment goes again; its SACK shows
 * what else is missing. */
static void probe_repeats_the_last(void **state)
{
	struct harness *h = start(state);
	uint64_t us;

	send_segments(h, 0, 5); /* all lost but the first three */
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(3), WND, 0);
	us = time_to_segment_us(h, US_PER_S);
	assert_in_range(us, RTT_US, RTT_US + 5000); /* two since the tail left */
	expect(h, ACK, seq_of(4), 1, MSS);
	assert_string_equal(h->note, "tail loss probe");
	advance_us(h, RTT_US);
	sack(h, 3, 4, 5);
	us = time_to_segment_us(h, US_PER_S);
	assert_true(us <= RTT_US / 4 + 1000);
	expect(h, ACK, seq_of(3), 1, MSS);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(5), WND, 0);
	assert_int_equal(status(h).backoff, 0);
	assert_int_equal(status(h).total_retrans, 2);
}

/* 7.3: new data serves better, when there is some and the window lets it. */
static void probe_with_new_data(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	app_write(h, 3 * MSS); /* cwnd is full */
	expect_none(h);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(10), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).total_retrans, 0);
	/* one probe for each flight: then it is the timer's turn */
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
}

/* 7.4: the probe repaired the only loss, so nothing else will tell of it. With a
 * duplicate block it was not needed, and cwnd stays. */
static void masked_loss(void **state)
{
	for (int needed = 0; needed < 2; needed++) {
		struct harness *h = start(state);
		struct seg_options dsack = {.wscale = -1, .sack_n = 1};
		uint32_t cwnd;

		send_segments(h, 0, 5);
		cwnd = status(h).snd_cwnd_bytes;
		time_to_segment_us(h, US_PER_S);
		expect(h, ACK, seq_of(4), 1, MSS);
		advance_us(h, RTT_US);
		dsack.sack[0] = (struct seq_range){seq_of(4), seq_of(5)};
		if (needed) {
			inject(h, ACK, 1, seq_of(5), WND, 0);
			assert_true(status(h).snd_cwnd_bytes >= cwnd);
			send_segments(h, 5, 1); /* no second copy was reported */
			inject(h, ACK, 1, seq_of(6), WND, 0);
			assert_true(status(h).snd_cwnd_bytes < cwnd);
		} else {
			inject_opt(h, ACK, 1, seq_of(5), WND, 0, &dsack);
			assert_true(status(h).snd_cwnd_bytes >= cwnd);
		}
	}
}

/* 7.2: with one segment in flight the peer may be delaying its ACK. Alone, and with
 * nothing known of this peer, it is given 200 ms. */
static void no_early_probe_of_one(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 1);
	assert_true(time_to_segment_us(h, US_PER_S) > 2 * RTT_US + 50000);
	expect(h, ACK, seq_of(0), 1, MSS);
}

/* How long after its transmission the last of n segments is probed, when only it is
 * lost. */
static uint64_t tail_lost(struct harness *h, uint32_t from, uint32_t n)
{
	uint64_t us = h->now_us;

	send_segments(h, from, n);
	advance_us(h, RTT_US);
	if (n > 1)
		ack_to(h, from + n - 1);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(from + n - 1), 1, MSS);
	us = h->now_us - us;
	advance_us(h, RTT_US);
	ack_to(h, from + n);
	return us;
}

/* The tail of a flight: two round trips and a little slack after it left, whatever
 * number of segments the flight had. */
static void tail_of_a_flight(void **state)
{
	for (uint32_t n = 2; n <= 10; n++) {
		struct harness *h = start(state);

		assert_in_range(tail_lost(h, 0, n), 2 * RTT_US, 2 * RTT_US + 10000);
		assert_int_equal(status(h).backoff, 0);
		assert_int_equal(status(h).total_retrans, 1);
	}
}

/* TLP.max_ack_delay is what the peer shows: prompt ACKs of single segments make the
 * probe of one prompt too, late ones make it wait. */
static void learns_the_delay(void **state)
{
	struct harness *h = start(state);
	uint32_t at = 0;

	for (; at < 8; at++) {
		send_segments(h, at, 1);
		advance_us(h, RTT_US);
		ack_to(h, at + 1);
	}
	assert_in_range(tail_lost(h, at++, 1), 2 * RTT_US, 2 * RTT_US + 10000);
	for (; at < 12; at++) {
		send_segments(h, at, 1);
		advance_us(h, RTT_US + 40000);
		ack_to(h, at + 1);
	}
	assert_true(tail_lost(h, at, 1) > 2 * RTT_US + 35000);
}

/* A probe that was faster than a delayed ACK: the peer has the segment twice. From
 * then on the worst is assumed until it is known better. It was not reordering. */
static void misjudged(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 3);
	advance_us(h, RTT_US);
	ack_to(h, 2);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(2), 1, MSS);
	advance_us(h, RTT_US);
	dsack(h, 3, 2, 3);
	send_segments(h, 3, 3);
	advance_us(h, RTT_US);
	ack_to(h, 5);
	assert_true(time_to_segment_us(h, US_PER_S) > 150000);
	forget(h);
	ack_to(h, 6);
	send_segments(h, 6, 2);
	advance_us(h, RTT_US);
	sack(h, 6, 7, 8);
	assert_true(time_to_segment_us(h, US_PER_S) <= RTT_US / 4 + 1000);
}

/* 7.2: where the retransmission timer would be sooner, the probe takes its place,
 * and the timer starts again. */
static void instead_of_the_timeout(void **state)
{
	struct engine_config cfg;
	struct harness *h;
	uint64_t rto_us;

	harness_config(&cfg);
	cfg.rto_min_ms = 10;
	h = start_sack(state, &cfg, RTT_US);
	for (uint32_t i = 0; i < 30; i++) { /* steady: the variance goes to 0 */
		send_segments(h, i, 1);
		advance_us(h, RTT_US);
		ack_to(h, i + 1);
	}
	rto_us = status(h).rto_us;
	assert_true(rto_us < 2 * RTT_US);
	send_segments(h, 30, 3);
	assert_int_equal(time_to_segment_us(h, US_PER_S), rto_us);
	expect(h, ACK, seq_of(32), 1, MSS);
	assert_int_equal(status(h).recovery, OPEN);
	assert_int_equal(time_to_segment_us(h, US_PER_S), rto_us);
	expect(h, ACK, seq_of(30), 1, MSS);
	assert_int_equal(status(h).recovery, LOSS);
}

/* 7.3: no second probe while one is unanswered, nor before an RTT was measured. */
static void one_probe_at_a_time(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 4);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(3), 1, MSS);
	advance_us(h, RTT_US);
	ack_to(h, 4); /* was it the probe's answer? No sample (Karn) */
	send_segments(h, 4, 2);
	assert_int_equal(time_to_segment_us(h, US_PER_S), status(h).rto_us);
	expect(h, ACK, seq_of(4), 1, MSS);
	assert_int_equal(status(h).recovery, LOSS);
}

/* 7.4.2, case 2: a peer without DSACK says it with a plain duplicate. */
static void plain_duplicate(void **state)
{
	struct harness *h = start(state);
	uint32_t cwnd;

	send_segments(h, 0, 5);
	cwnd = status(h).snd_cwnd_bytes;
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(4), 1, MSS);
	ack_to(h, 5);
	app_write(h, MSS);
	forget(h);
	ack_to(h, 5); /* with something outstanding, else it is no duplicate */
	ack_to(h, 6);
	assert_true(status(h).snd_cwnd_bytes >= cwnd);
}

/* The last segment has the FIN in it; both go together. */
static void with_fin(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	app_write(h, MSS + 100);
	app_shutdown(h);
	expect_none(h); /* cwnd is full */
	ack_to(h, 10);
	expect(h, ACK, seq_of(10), 1, MSS);
	expect(h, ACK | FIN, seq_of(11), 1, 100);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK | FIN, seq_of(11), 1, 100);
	assert_string_equal(h->note, "tail loss probe");
}

/* ---- our extension: recovery is probed too ------------------------------------- */

/* The next transmission is of segment n, after us (and a little). */
static void probed_after(struct harness *h, uint32_t n, uint64_t us)
{
	assert_in_range(time_to_segment_us(h, 10 * US_PER_S), us - 1000, us + 1000);
	expect(h, ACK, seq_of(n), 1, MSS);
	expect_none(h);
}

/* Silences of PTO, 2 PTO, 4 PTO: the first segment again each time, one at a time, as
 * long as the RTO is farther away; the RTO comes when it would have come. */
static void silence_in_recovery(void **state)
{
	struct harness *h = start_sack(state, NULL, 5000);
	const uint64_t pto_us = 2 * 5000 + 2000;
	uint64_t start_us, rto_us;

	send_segments(h, 0, 5);
	advance_us(h, 5000);
	sack(h, 0, 1, 5);
	expect(h, ACK, seq_of(0), 1, MSS);
	start_us = h->now_us;
	rto_us = status(h).rto_us;
	for (unsigned i = 0; (2 << i) * pto_us < rto_us; i++)
		probed_after(h, 0, pto_us << i);
	assert_int_equal(status(h).recovery, RECOVERY);
	assert_int_equal(status(h).backoff, 0);
	time_to_segment_us(h, US_PER_S);
	assert_int_equal(h->now_us, start_us + rto_us);
	assert_int_equal(status(h).recovery, LOSS);
}

/* News begins it anew. */
static void news_in_recovery(void **state)
{
	struct harness *h = start_sack(state, NULL, 5000);
	const uint64_t pto_us = 2 * 5000 + 2000;

	send_segments(h, 0, 6);
	advance_us(h, 5000);
	sack(h, 0, 2, 5);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect(h, ACK, seq_of(1), 1, MSS);
	probed_after(h, 0, pto_us);
	probed_after(h, 0, 2 * pto_us);
	sack(h, 1, 2, 5);
	forget(h);
	assert_true(time_to_segment_us(h, US_PER_S) <= pto_us + 1000);
	expect(h, ACK, seq_of(1), 1, MSS);
}

/* After a timeout the series is not begun again: the RTO has gone as far. */
static void silence_after_timeout(void **state)
{
	struct harness *h = start_sack(state, NULL, 5000);
	uint32_t n = 0;

	send_segments(h, 0, 5);
	for (uint64_t end_us = h->now_us + 20 * US_PER_S; h->now_us < end_us; n++) {
		time_to_segment_us(h, 60 * US_PER_S);
		forget(h);
	}
	assert_true(status(h).backoff >= 5);
	/* 200 ms << 7 is more than 20 s: no more than two for each RTO, and those
	 * before the first */
	assert_true(n <= 5 + 2 * 7);
}

/* For a second after a recovery, a probe of the tail without an answer is followed by
 * such a series; later on RFC 8985 7.3 holds: it is the timer's turn. */
static void probe_lost_too(void **state)
{
	for (int later = 0; later < 2; later++) {
		struct harness *h = start_sack(state, NULL, 5000);
		const uint64_t pto_us = 2 * 5000 + 2000;
		uint64_t rto_us;

		send_segments(h, 0, 5);
		advance_us(h, 5000);
		sack(h, 0, 1, 5);
		expect(h, ACK, seq_of(0), 1, MSS);
		advance_us(h, 5000);
		ack_to(h, 5);
		assert_int_equal(status(h).recovery, OPEN);
		send_segments(h, 5, 2);
		advance_us(h, 5000);
		ack_to(h, 7); /* a sample */
		if (later)
			advance_us(h, 2 * US_PER_S);
		send_segments(h, 7, 2);
		time_to_segment_us(h, US_PER_S);
		expect(h, ACK, seq_of(8), 1, MSS);
		rto_us = status(h).rto_us;
		probed_after(h, 7, later ? rto_us : 2 * pto_us);
		assert_int_equal(status(h).recovery, later ? LOSS : OPEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probe_repeats_the_last), TEST(probe_with_new_data),
		TEST(masked_loss), TEST(no_early_probe_of_one),
		TEST(tail_of_a_flight), TEST(learns_the_delay), TEST(misjudged),
		TEST(instead_of_the_timeout), TEST(one_probe_at_a_time),
		TEST(plain_duplicate), TEST(with_fin),
		TEST(silence_in_recovery), TEST(news_in_recovery),
		TEST(silence_after_timeout), TEST(probe_lost_too),
	};

	return cmocka_run_group_tests_name("tlp", tests, NULL, NULL);
}
