/* test_undo.c - reactions to losses that were none: Eifel (RFC 3522, 4015), DSACK (RFC
 * 2883, 3708), F-RTO (RFC 5682); and what must not be taken back. */
#include "segs.h"

#define RTT_US (100 * US_PER_MS)
#define TS_MSS (MSS - 12)

static void assert_undone(struct harness *h, const struct tcp_status *before)
{
	struct tcp_status st = status(h);

	assert_int_equal(st.recovery, OPEN);
	assert_true(st.snd_cwnd_bytes >= before->snd_cwnd_bytes);
	assert_int_equal(st.snd_ssthresh_bytes, before->snd_ssthresh_bytes);
	assert_int_equal(st.lost_segs, 0);
}

static void assert_not_undone(struct harness *h, const struct tcp_status *before)
{
	assert_true(status(h).snd_ssthresh_bytes < before->snd_ssthresh_bytes);
}

/* ---- Eifel --------------------------------------------------------------------------- */

static struct harness *start_ts(void **state, bool sack)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.timestamps = true;
	cfg.sack = sack;
	h = harness_again(state, &cfg);
	h->syn.sack_ok = sack;
	h->ts = true;
	establish_rtt(h, RTT_US);
	return h;
}

/* An ACK that echoes ecr, for n segments, perhaps with a SACK block of [from, to). */
static void ack_echo(struct harness *h, uint32_t n, uint32_t ecr, uint32_t from,
		     uint32_t to)
{
	struct seg_options o = {.wscale = -1, .ts = true, .ts_ecr = ecr};

	o.ts_val = h->ts_base + (uint32_t)(h->now_us / 1000);
	o.sack_n = from < to;
	o.sack[0] = (struct seq_range){1 + from * TS_MSS, 1 + to * TS_MSS};
	inject_opt(h, ACK, 1, 1 + n * TS_MSS, WND, 0, &o);
}

/* RFC 3522 3.2 (5): the echo is older than the retransmission; RFC 4015 3.2 (cwnd,
 * ssthresh), 3.3 (RTO), and new data goes on where it was. */
static void eifel_timeout(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct harness *h = start_ts(state, false);
		struct tcp_status before;
		uint32_t first, again;

		app_write(h, 5 * TS_MSS);
		forget(h);
		before = status(h);
		first = h->ts_recent;
		time_to_segment_us(h, US_PER_S);
		expect(h, ACK, 1, 1, TS_MSS);
		again = h->ts_recent;
		assert_int_equal(status(h).snd_cwnd_bytes, TS_MSS);
		advance_us(h, 50000);
		ack_echo(h, 1, late ? first : again, 0, 0);
		if (!late) {
			assert_not_undone(h, &before);
			continue;
		}
		assert_undone(h, &before);
		expect_none(h);
		assert_int_equal(status(h).backoff, 0);
		/* SRTT is at least what this took: 350 ms and more */
		assert_true(status(h).srtt_us >= 350000);
		assert_true(status(h).rto_us >= 2 * 350000);
		app_write(h, TS_MSS);
		expect(h, ACK, 1 + 5 * TS_MSS, 1, TS_MSS);
	}
}

/* (4): only the first ACK that advances decides. */
static void eifel_first_ack_only(void **state)
{
	struct harness *h = start_ts(state, false);
	struct tcp_status before;
	uint32_t first;

	app_write(h, 5 * TS_MSS);
	forget(h);
	before = status(h);
	first = h->ts_recent;
	time_to_segment_us(h, US_PER_S);
	forget(h);
	ack_echo(h, 1, h->ts_recent, 0, 0);
	forget(h);
	ack_echo(h, 2, first, 0, 0);
	assert_not_undone(h, &before);
}

/* (6): an ACK for everything may be the answer to a needless retransmission, after
 * all ACKs were lost: no reason to undo, as long as the peer has shown no DSACK. */
static void eifel_all_acks_lost(void **state)
{
	struct harness *h = start_ts(state, false);
	struct tcp_status before;
	uint32_t first;

	app_write(h, 5 * TS_MSS);
	forget(h);
	before = status(h);
	first = h->ts_recent;
	time_to_segment_us(h, US_PER_S);
	forget(h);
	ack_echo(h, 5, first, 0, 0);
	assert_not_undone(h, &before);
}

/* The same after a fast retransmission: the segment was only overtaken. From now on
 * RACK is patient. */
static void eifel_fast(void **state)
{
	struct harness *h = start_ts(state, true);
	struct tcp_status before;
	uint32_t first;

	app_write(h, 8 * TS_MSS);
	forget(h);
	before = status(h);
	first = h->ts_recent;
	advance_us(h, RTT_US);
	ack_echo(h, 0, first, 1, 4);
	expect(h, ACK, 1, 1, TS_MSS);
	assert_not_undone(h, &before);
	advance_us(h, RTT_US / 5);
	ack_echo(h, 4, first, 0, 0);
	assert_undone(h, &before);
	expect_none(h);
	ack_echo(h, 8, h->ts_recent, 0, 0);
	app_write(h, 8 * TS_MSS);
	forget(h);
	advance_us(h, RTT_US);
	ack_echo(h, 8, h->ts_recent, 9, 14);
	expect_none(h); /* five above the hole, but reordering was seen */
}

/* ---- DSACK --------------------------------------------------------------------------- */

/* All that was sent again in the episode is reported as duplicate: undone, even when
 * the episode is over. */
static void dsack_fast(void **state)
{
	for (int all = 0; all < 2; all++) {
		struct harness *h = start_sack(state, NULL, RTT_US);
		struct tcp_status before;

		send_segments(h, 0, 10);
		before = status(h);
		advance_us(h, RTT_US);
		sack(h, 0, 2, 10); /* 0 and 1 are late */
		expect(h, ACK, seq_of(0), 1, MSS);
		expect(h, ACK, seq_of(1), 1, MSS);
		advance_us(h, RTT_US / 4);
		ack_to(h, 10);
		assert_not_undone(h, &before);
		assert_int_equal(status(h).recovery, OPEN);
		advance_us(h, RTT_US);
		dsack(h, 10, 0, 1);
		assert_not_undone(h, &before);
		if (all) {
			dsack(h, 10, 1, 2);
			assert_undone(h, &before);
		} else {
			dsack(h, 10, 4, 5); /* of something else */
			dsack2(h, 10, 12, 13, 12, 14);
			assert_not_undone(h, &before);
		}
	}
}

/* After a timeout too: the late ACKs were lost, the copy was not needed. */
static void dsack_timeout(void **state)
{
	struct harness *h = start_sack(state, NULL, RTT_US);
	struct tcp_status before;

	h->cfg.rack = false;
	h = start_sack(state, &h->cfg, RTT_US);
	send_segments(h, 0, 3);
	before = status(h);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	dsack(h, 3, 0, 1);
	assert_undone(h, &before);
	assert_int_equal(status(h).backoff, 0);
}

/* A further reason to reduce has its own right: nothing of before is restored. */
static void dsack_too_late(void **state)
{
	struct harness *h = start_sack(state, NULL, RTT_US);
	struct tcp_status st;

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 10);
	expect(h, ACK, seq_of(0), 1, MSS);
	advance_us(h, RTT_US);
	ack_to(h, 10);
	send_segments(h, 10, 5);
	advance_us(h, RTT_US);
	sack(h, 10, 11, 15);
	forget(h);
	st = status(h);
	dsack2(h, 10, 0, 1, 11, 15);
	assert_int_equal(status(h).snd_ssthresh_bytes, st.snd_ssthresh_bytes);
	assert_int_equal(status(h).recovery, RECOVERY);
}

/* Two segments of ten go again, and prove needless. mark: the ACK of the first of them
 * has ECE. cc: the user changes to that while they are under way. */
static struct tcp_status two_for_nothing(void **state, bool mark, const char *cc,
					 struct tcp_status *before)
{
	struct harness *h = start_ecn(state, RTT_US);
	struct tcp_opts o;

	send_segments(h, 0, 10);
	*before = status(h);
	advance_us(h, RTT_US);
	sack(h, 0, 2, 10);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect(h, ACK, seq_of(1), 1, MSS);
	tcp_get_opts(h->t, &o);
	o.cc = cc ? cc_find(&h->cfg, cc) : NULL;
	tcp_set_opts(h->t, &o, h->now_us);
	advance_us(h, RTT_US / 4);
	inject(h, ACK | (mark ? ECE : 0), 1, seq_of(1), WND, 0);
	ack_to(h, 10);
	dsack(h, 10, 0, 1);
	dsack(h, 10, 1, 2);
	return status(h);
}

/* RFC 4015 3: not if there is congestion for another reason; and not where the window
 * before was another algorithm's. */
static void not_to_be_undone(void **state)
{
	struct tcp_status before, st;

	st = two_for_nothing(state, false, NULL, &before);
	assert_int_equal(st.snd_ssthresh_bytes, before.snd_ssthresh_bytes);
	st = two_for_nothing(state, true, NULL, &before);
	assert_true(st.snd_ssthresh_bytes < before.snd_ssthresh_bytes);
	st = two_for_nothing(state, false, "cubic", &before);
	assert_string_equal(st.cc, "cubic");
	assert_true(st.snd_ssthresh_bytes < before.snd_ssthresh_bytes);
}

/* ---- F-RTO --------------------------------------------------------------------------- */

static struct harness *start_frto(void **state, bool with_sack, bool frto)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.frto = frto;
	cfg.rack = false; /* no probe: the timeout is the first to act */
	cfg.sack = with_sack;
	h = harness_again(state, &cfg);
	h->syn.sack_ok = with_sack;
	establish_rtt(h, RTT_US);
	send_segments(h, 0, 10);
	app_write(h, 10 * MSS); /* waits for cwnd */
	expect_none(h);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
	return h;
}

/* RFC 5682 2.1 and 3.1: the delayed ACKs come one by one. After the first, two new
 * segments and no retransmission; after the second it is known. */
static void frto_spurious(void **state)
{
	for (int with_sack = 0; with_sack < 2; with_sack++) {
		struct harness *h = start_frto(state, with_sack, true);
		struct tcp_status st;

		ack_to(h, 1);
		expect(h, ACK, seq_of(10), 1, MSS);
		expect(h, ACK, seq_of(11), 1, MSS);
		expect_none(h);
		ack_to(h, 2);
		st = status(h);
		assert_int_equal(st.recovery, OPEN);
		assert_true(st.snd_cwnd_bytes >= 10 * MSS);
		assert_int_equal(st.backoff, 0);
		assert_int_equal(st.total_retrans, 1);
		while (pending(h))
			assert_true(expect(h, ACK, ANY, 1, MSS)->seq > seq_of(11));
		assert_string_equal(h->note, "spurious timeout");
	}
}

/* Known by SACK alone: the timer runs without the backoff from there on. */
static void frto_timer(void **state)
{
	struct harness *h = start_frto(state, true, true);
	struct seg_options o = {.wscale = -1, .sack_n = 1};

	time_to_segment_us(h, 4 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	ack_to(h, 1);
	forget(h);
	assert_int_equal(status(h).backoff, 2);
	o.sack[0] = (struct seq_range){seq_of(2), seq_of(3)};
	inject_opt(h, ACK, 1, seq_of(1), WND, 0, &o);
	forget(h);
	assert_string_equal(h->note, "spurious timeout");
	assert_int_equal(status(h).backoff, 0);
	assert_in_range(time_to_segment_us(h, 10 * US_PER_S), 1, status(h).rto_us);
}

/* (2a) without SACK: a duplicate first, and it was a loss. */
static void frto_duplicate_first(void **state)
{
	struct harness *h = start_frto(state, false, true);

	ack_to(h, 0);
	ack_to(h, 1);
	expect(h, ACK, seq_of(1), 1, MSS);
	expect(h, ACK, seq_of(2), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).recovery, LOSS);
}

/* (3a): after the new data comes a duplicate, or a SACK of nothing but new data. */
static void frto_genuine(void **state)
{
	for (int with_sack = 0; with_sack < 2; with_sack++) {
		struct harness *h = start_frto(state, with_sack, true);

		ack_to(h, 1);
		expect(h, ACK, seq_of(10), 1, MSS);
		expect(h, ACK, seq_of(11), 1, MSS);
		if (with_sack)
			sack(h, 1, 10, 11);
		else
			ack_to(h, 1);
		expect(h, ACK, seq_of(1), 1, MSS);
		assert_int_equal(status(h).recovery, LOSS);
		assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	}
}

/* (3b) with SACK: of the data of before the timeout, some that was not repeated. */
static void frto_sack_of_old(void **state)
{
	struct harness *h = start_frto(state, true, true);

	ack_to(h, 1);
	forget(h);
	sack(h, 1, 3, 5);
	assert_int_equal(status(h).recovery, OPEN);
	assert_true(status(h).snd_cwnd_bytes >= 10 * MSS);
}

/* Everything is acknowledged at once: nothing to find out. No new data: neither. */
static void frto_not_applicable(void **state)
{
	struct harness *h = start_frto(state, true, true);

	ack_to(h, 10);
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	forget(h);
	h->cfg.rack = false;
	h = start_sack(state, &h->cfg, RTT_US);
	send_segments(h, 0, 10);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	ack_to(h, 1);
	expect(h, ACK, seq_of(1), 1, MSS);
	assert_int_equal(status(h).recovery, LOSS);
}

static void frto_off(void **state)
{
	struct harness *h = start_frto(state, true, false);

	ack_to(h, 1);
	expect(h, ACK, seq_of(1), 1, MSS);
	expect(h, ACK, seq_of(2), 1, MSS);
	expect_none(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(eifel_timeout), TEST(eifel_first_ack_only),
		TEST(eifel_all_acks_lost), TEST(eifel_fast), TEST(dsack_fast),
		TEST(dsack_timeout), TEST(dsack_too_late), TEST(not_to_be_undone), TEST(frto_spurious),
		TEST(frto_duplicate_first), TEST(frto_timer), TEST(frto_genuine),
		TEST(frto_sack_of_old), TEST(frto_not_applicable), TEST(frto_off),
	};

	return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
