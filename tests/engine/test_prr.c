/* test_prr.c - proportional rate reduction, RFC 6937 and its revision, RFC 9937, with
 * Reno: ssthresh is half of what was in flight. And RFC 6675 where RACK is off. */
#include "segs.h"

#define RTT_US (100 * US_PER_MS)

#define FLIGHT 20

static struct harness *start(void **state)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.initcwnd_segs = FLIGHT;
	cfg.sndbuf_bytes = 1 << 20;
	return start_sack(state, &cfg, RTT_US);
}

/* A window full, and more to send than will be. */
static void fill(struct harness *h)
{
	app_write(h, 3 * FLIGHT * MSS);
	for (uint32_t i = 0; i < FLIGHT; i++)
		expect(h, ACK, seq_of(i), 1, MSS);
	expect_none(h);
	advance_us(h, RTT_US);
}

/* One loss of 20: every second ACK lets a segment out, and in the end cwnd is
 * ssthresh, reached without a pause and without a burst. */
static void every_second_ack(void **state)
{
	struct harness *h = start(state);
	uint32_t sent = 0, most = 0;
	struct tcp_status st;

	fill(h);
	for (uint32_t i = 2; i <= 20; i++) {
		uint32_t now;

		sack(h, 0, 1, i);
		now = pending(h);
		forget(h);
		sent += now;
		most = now > most ? now : most;
	}
	st = status(h);
	assert_int_equal(st.recovery, RECOVERY);
	assert_int_equal(st.snd_ssthresh_bytes, 10 * MSS);
	/* 19 were delivered: ceil(19 / 2) went out, the retransmission among them;
	 * two more by limited transmit, before there was a loss */
	assert_in_range(sent, 10, 12);
	assert_in_range(most, 1, 2);
	assert_int_equal(st.total_retrans, 1);
	advance_us(h, RTT_US);
	ack_to(h, 22); /* with the two of limited transmit */
	st = status(h);
	assert_int_equal(st.recovery, OPEN);
	assert_int_equal(st.snd_cwnd_bytes, 10 * MSS);
}

/* Most of the flight is lost at once: what is left of it is far below ssthresh. With
 * further losses found, no more leaves than was delivered (conservative bound)... */
static void conservative_after_heavy_loss(void **state)
{
	struct harness *h = start(state);

	fill(h);
	sack(h, 0, 17, 20);
	assert_int_equal(status(h).recovery, RECOVERY);
	assert_int_equal(count_below(h, 20), 3);
	assert_int_equal(status(h).snd_cwnd_bytes, 3 * MSS);
}

/* ...and an ACK that advances without any lets one more out: slow start. */
static void slow_start_when_safe(void **state)
{
	struct harness *h = start(state);

	fill(h);
	sack(h, 0, 17, 20);
	assert_int_equal(count_below(h, 20), 3);
	advance_us(h, RTT_US);
	for (uint32_t i = 1; i <= 3; i++) {
		sack(h, i, 17, 20);
		assert_int_equal(count_below(h, 20), 2);
	}
	assert_int_equal(status(h).recovery, RECOVERY);
}

/* A retransmission that is lost again is a further loss: no slow start. */
static void not_safe_when_more_is_lost(void **state)
{
	struct harness *h = start(state);

	fill(h);
	sack(h, 0, 17, 20);
	assert_int_equal(count_below(h, 20), 3); /* 0, 1, 2 */
	advance_us(h, RTT_US);
	sack(h, 1, 17, 20); /* 0 */
	assert_int_equal(count_below(h, 20), 2); /* 3, 4 */
	advance_us(h, RTT_US);
	{
		struct seg_options o = {.wscale = -1, .sack_n = 2};

		o.sack[0] = (struct seq_range){seq_of(3), seq_of(4)};
		o.sack[1] = (struct seq_range){seq_of(17), seq_of(20)};
		inject_opt(h, ACK, 1, seq_of(2), WND, 0, &o);
	}
	/* 1 and 3 arrived, so 2, sent between them, is lost again */
	assert_int_equal(expect(h, ACK, ANY, 1, MSS)->seq, seq_of(2));
	assert_int_equal(count_below(h, 20), 1);
}

/* The first retransmission leaves, however full the network is. */
static void first_at_once(void **state)
{
	struct harness *h = start(state);

	fill(h);
	sack(h, 0, 1, 2);
	sack(h, 0, 1, 3);
	forget(h);
	sack(h, 0, 1, 4);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
}

/* RFC 3042: with SACK and without, the first two duplicates let one new segment out
 * each; cwnd stays what it is. */
static void limited_transmit(void **state)
{
	for (int with_sack = 0; with_sack < 2; with_sack++) {
		struct harness *h;
		uint32_t cwnd;

		if (with_sack) {
			h = start_sack(state, NULL, RTT_US);
		} else {
			h = harness_again(state, NULL);
			establish_rtt(h, RTT_US);
		}
		cwnd = status(h).snd_cwnd_bytes;
		app_write(h, 20 * MSS);
		forget(h);
		advance_us(h, RTT_US);
		for (uint32_t i = 1; i <= 2; i++) {
			if (with_sack)
				sack(h, 0, 1, 1 + i);
			else
				ack_to(h, 0);
			expect(h, ACK, seq_of(9 + i), 1, MSS);
			expect_none(h);
		}
		assert_int_equal(status(h).snd_cwnd_bytes, cwnd);
	}
}

/* ---- RFC 6675 alone ---------------------------------------------------------------- */

static struct harness *start_6675(void **state)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.rack = false;
	return start_sack(state, &cfg, RTT_US);
}

/* 4 NextSeg(): (1) what is lost, in order, (2) new data, (3) what is below a SACKed
 * byte and not proven lost, (4) the last segment, once. */
static void next_seg(void **state)
{
	struct harness *h = start_6675(state);

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	/* above 0 and 2 are three; above 6 and 8 fewer */
	{
		struct seg_options o = {.wscale = -1, .sack_n = 3};

		o.sack[0] = (struct seq_range){seq_of(7), seq_of(8)};
		o.sack[1] = (struct seq_range){seq_of(3), seq_of(6)};
		o.sack[2] = (struct seq_range){seq_of(1), seq_of(2)};
		inject_opt(h, ACK, 1, 1, WND, 0, &o);
	}
	assert_int_equal(status(h).recovery, RECOVERY);
	expect(h, ACK, seq_of(0), 1, MSS); /* (1) */
	expect(h, ACK, seq_of(2), 1, MSS);
	forget(h);
	advance_us(h, RTT_US);
	sack(h, 2, 3, 6);
	app_write(h, MSS);
	forget(h);
	assert_int_equal(status(h).recovery, RECOVERY);
	for (uint32_t i = 0; i < 3; i++)
		sack(h, 2, 7, 8);
	sack(h, 6, 7, 8);
	while (pending(h)) { /* (3), then (4); nothing that was sacked */
		uint32_t seq = expect(h, ACK, ANY, 1, MSS)->seq;

		assert_true(seq == seq_of(6) || seq == seq_of(10) || seq == seq_of(9));
	}
	assert_in_range(status(h).total_retrans, 3, 4);
}

/* (4): the loss of the last segment, which nothing will show, needs no timeout: the
 * rescue retransmission repairs it. It happens once. */
static void rescue(void **state)
{
	struct harness *h = start_6675(state);
	uint32_t rescued = 0;

	send_segments(h, 0, 10); /* 0 and 9 are lost */
	advance_us(h, RTT_US);
	for (uint32_t i = 2; i <= 9; i++) {
		sack(h, 0, 1, i);
		while (pending(h))
			rescued += expect(h, ACK, ANY, 1, MSS)->seq == seq_of(9);
	}
	advance_us(h, RTT_US);
	ack_to(h, 9);
	while (pending(h))
		rescued += expect(h, ACK, ANY, 1, MSS)->seq == seq_of(9);
	assert_int_equal(rescued, 1);
	assert_int_equal(status(h).total_retrans, 2);
	advance_us(h, RTT_US);
	ack_to(h, 10);
	assert_int_equal(status(h).unacked_bytes, 0);
	assert_int_equal(status(h).backoff, 0);
}

/* Lost retransmissions are the timer's: RFC 6675 does not see them. */
static void lost_again(void **state)
{
	struct harness *h = start_6675(state);

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 7);
	expect(h, ACK, seq_of(0), 1, MSS);
	forget(h);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 10);
	expect_none(h);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).recovery, LOSS);
	/* what was sacked before the timeout is not sent again after it */
	advance_us(h, RTT_US);
	ack_to(h, 10);
	expect_none(h);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* An algorithm that keeps cwnd itself takes over in the middle of a reduction. */
static void gives_way(void **state)
{
	struct harness *h = start_ecn(state, RTT_US);
	struct tcp_opts o;

	send_segments(h, 0, 10);
	inject(h, ACK | ECE, 1, seq_of(2), WND, 0);
	assert_int_equal(status(h).recovery, REDUCING);
	tcp_get_opts(h->t, &o);
	o.cc = cc_find(&h->cfg, "bbr");
	tcp_set_opts(h->t, &o, h->now_us);
	assert_int_equal(status(h).recovery, OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_second_ack), TEST(conservative_after_heavy_loss),
		TEST(slow_start_when_safe), TEST(not_safe_when_more_is_lost),
		TEST(first_at_once), TEST(limited_transmit), TEST(next_seg),
		TEST(rescue), TEST(lost_again), TEST(gives_way),
	};

	return cmocka_run_group_tests_name("prr", tests, NULL, NULL);
}
