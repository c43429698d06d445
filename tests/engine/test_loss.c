/* test_loss.c - timeouts, fast retransmit and recovery, and the windows that
 * follow from them: RFC 6298, 5681, 6582, 6675, 6928. */
#include "harness.h"

#define MSS PEER_MSS

enum { OPEN = 0, DISORDER = 1, RECOVERY = 3, LOSS = 4 }; /* tcp_status.recovery */

static uint32_t seq_of(uint32_t segment) /* of the n-th full segment, from 0 */
{
	return 1 + segment * MSS;
}

/* n full segments on their way. */
static void send_segments(struct harness *h, uint32_t from, uint32_t n)
{
	assert_int_equal(app_write(h, n * MSS), n * MSS);
	for (uint32_t i = from; i < from + n; i++)
		expect(h, ACK, seq_of(i), 1, MSS);
	expect_none(h);
}

static void dup_acks(struct harness *h, uint32_t ack, unsigned n)
{
	while (n--)
		inject(h, ACK, 1, ack, WND, 0);
}

static struct harness *with_sack(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.sack = true;
	h = harness_again(state, &cfg);
	h->syn.sack_ok = true;
	return h;
}

static void inject_sack(struct harness *h, uint32_t ack, uint32_t from, uint32_t to)
{
	struct seg_options o = {.wscale = -1, .sack_n = 1};

	o.sack[0] = (struct seq_range){seq_of(from), seq_of(to)};
	inject_opt(h, ACK, 1, ack, WND, 0, &o);
}

/* ---- the timer, RFC 6298 ------------------------------------------------- */

/* (2.2) and (2.3) by hand: first R = 100 ms, then 200, 200, 50. The variance
 * here is above the floor, so the floor plays no part. */
static void rto_by_hand(void **state)
{
	struct harness *h = *state;
	static const struct { uint32_t r_ms, srtt_us, rttvar_us, rto_us; } want[] = {
		{200, 112500, 62500, 362500},
		{200, 123437, 68750, 398437},
		{50, 114257, 69921, 393941},
	};
	uint32_t at = 1;

	establish_rtt(h, 100 * US_PER_MS);
	assert_int_equal(status(h).srtt_us, 100000);
	assert_int_equal(status(h).rttvar_us, 50000);
	assert_int_equal(status(h).rto_us, 300000);
	for (unsigned i = 0; i < 3; i++) {
		app_write(h, 100);
		expect(h, ACK, at, 1, 100);
		advance_ms(h, want[i].r_ms);
		at += 100;
		inject(h, ACK, 1, at, WND, 0);
		expect_none(h);
		assert_in_range(status(h).srtt_us, want[i].srtt_us - 2, want[i].srtt_us + 2);
		assert_in_range(status(h).rttvar_us, want[i].rttvar_us - 2,
				want[i].rttvar_us + 2);
		assert_in_range(status(h).rto_us, want[i].rto_us - 10, want[i].rto_us + 10);
	}
	assert_int_equal(status(h).min_rtt_us, 50000);
}

/* (2.4) by the configured floor, (2.5) by the ceiling. */
static void rto_limits(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, 1000);
	assert_in_range(status(h).rto_us, h->cfg.rto_min_ms * 1000,
			h->cfg.rto_min_ms * 1000 + 1000);
	h = harness_again(state, NULL);
	h->cfg.rto_max_ms = 2000;
	h = harness_again(state, &h->cfg);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(time_to_segment_us(h, 10 * US_PER_S) <= 2 * US_PER_S);
		expect(h, SYN, 0, 0, 0);
	}
}

/* (5.5), (5.6): doubled each time up to the ceiling; then ETIMEDOUT.
 * [MUST-20] [SHLD-11] */
static void retries_exhausted(void **state)
{
	struct harness *h = *state;
	uint64_t rto_us, max_us = h->cfg.rto_max_ms * US_PER_MS;

	establish(h);
	rto_us = status(h).rto_us;
	app_write(h, 100);
	expect(h, ACK, 1, 1, 100);
	for (unsigned i = 0; i < h->cfg.retries; i++) {
		uint64_t want = rto_us << i < max_us ? rto_us << i : max_us;

		assert_int_equal(time_to_segment_us(h, 200 * US_PER_S), want);
		expect(h, ACK, 1, 1, 100);
		expect_none(h);
		assert_int_equal(status(h).backoff, i + 1);
	}
	events(h);
	time_to_state_us(h, TCPS_CLOSED, 200 * US_PER_S);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);
	assert_true(events(h) & TCP_EV_ERROR);
	assert_int_equal(h->cfg.retries, 15);
	forget(h);
	app_release(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* (5.2), (5.3): off when all is acknowledged, restarted by each ACK of new
 * data. */
static void timer_restarts(void **state)
{
	struct harness *h = *state;
	uint64_t rto_us;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 3);
	advance_ms(h, 100);
	inject(h, ACK, 1, seq_of(1), WND, 0);
	rto_us = status(h).rto_us;
	advance_us(h, rto_us - 1000);
	expect_none(h);
	inject(h, ACK, 1, seq_of(2), WND, 0);
	rto_us = status(h).rto_us;
	assert_int_equal(time_to_segment_us(h, 10 * US_PER_S), rto_us);
	expect(h, ACK, seq_of(2), 1, MSS);
	inject(h, ACK, 1, seq_of(3), WND, 0);
	expect_none(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* RFC 6298 3 (Karn): what was sent twice gives no sample. [MUST-18] */
static void karn(void **state)
{
	struct harness *h = *state;
	struct tcp_status a, b;

	establish_rtt(h, 100 * US_PER_MS);
	a = status(h);
	send_segments(h, 0, 1);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 1, 1, MSS);
	advance_us(h, 1000);
	inject(h, ACK, 1, seq_of(1), WND, 0);
	b = status(h);
	assert_int_equal(a.srtt_us, b.srtt_us);
	assert_int_equal(a.rttvar_us, b.rttvar_us);
	send_segments(h, 1, 1);
	advance_ms(h, 100);
	inject(h, ACK, 1, seq_of(2), WND, 0);
	b = status(h);
	assert_int_equal(b.srtt_us, 100000);
	assert_int_equal(b.backoff, 0);
	assert_true(b.rto_us <= 300000);
}

/* RFC 5681 3.1 (4): after a timeout ssthresh is half of the flight, cwnd one
 * segment; the rest is retransmitted in slow start. [MUST-19] */
static void windows_after_timeout(void **state)
{
	struct harness *h = *state;
	struct tcp_status st;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
	st = status(h);
	assert_int_equal(st.snd_ssthresh_bytes, 5 * MSS);
	assert_int_equal(st.snd_cwnd_bytes, MSS);
	assert_int_equal(st.recovery, LOSS);
	assert_int_equal(st.total_retrans, 1);
	/* a second timeout of the same data leaves ssthresh alone */
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	/* nothing came through: go back, two segments per ACK */
	inject(h, ACK, 1, seq_of(1), WND, 0);
	expect(h, ACK, seq_of(1), 1, MSS);
	expect(h, ACK, seq_of(2), 1, MSS);
	expect_none(h);
	inject(h, ACK, 1, seq_of(3), WND, 0);
	for (uint32_t i = 3; pending(h); i++)
		expect(h, ACK, seq_of(i), 1, MSS);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	forget(h);
	assert_int_equal(status(h).recovery, OPEN);
	/* RFC 6298 5: the backed-off RTO stays until there is a new sample */
	assert_int_equal(status(h).backoff, 2);
	send_segments(h, 10, 1);
	advance_ms(h, 100);
	inject(h, ACK, 1, seq_of(11), WND, 0);
	assert_int_equal(status(h).backoff, 0);
	assert_true(status(h).rto_us < 500000);
}

/* The first transmission came through after all: nothing more is repeated. */
static void ack_of_everything_after_timeout(void **state)
{
	struct harness *h = *state;

	establish(h);
	send_segments(h, 0, 10);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	expect_none(h);
	assert_int_equal(status(h).unacked_bytes, 0);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* ---- fast retransmit and fast recovery ----------------------------------- */

/* RFC 5681 3.2: the third duplicate, neither the second nor the fourth. */
static void fast_retransmit(void **state)
{
	struct harness *h = *state;
	struct tcp_status st;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	dup_acks(h, 1, 2);
	expect_none(h);
	assert_true(status(h).recovery <= DISORDER);
	dup_acks(h, 1, 1);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
	st = status(h);
	assert_int_equal(st.recovery, RECOVERY);
	assert_int_equal(st.snd_ssthresh_bytes, 5 * MSS);
	dup_acks(h, 1, 6);
	expect_none(h); /* there is no new data, and nothing is sent twice */
	inject(h, ACK, 1, seq_of(10), WND, 0);
	st = status(h);
	assert_int_equal(st.recovery, OPEN);
	assert_true(st.snd_cwnd_bytes <= 5 * MSS);
	assert_true(st.snd_cwnd_bytes >= MSS);
	assert_int_equal(st.total_retrans, 1);
	assert_int_equal(st.backoff, 0);
}

/* The first retransmission has an RTO of its own (RFC 6298 5.1 leaves the timer as it
 * is; here as in Linux it starts again), or a late third duplicate would be followed
 * by a timeout at once. */
static void timer_of_the_retransmission(void **state)
{
	struct harness *h = *state;
	uint64_t rto_us;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	rto_us = status(h).rto_us;
	advance_us(h, rto_us - 10 * US_PER_MS);
	dup_acks(h, 1, 3);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(time_to_segment_us(h, US_PER_S), rto_us);
	expect(h, ACK, seq_of(0), 1, MSS);
}

/* RFC 5681 3.2 (4): further duplicates let new data out. */
static void new_data_in_recovery(void **state)
{
	struct harness *h = *state;
	uint32_t seq = seq_of(10), n = 0;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	app_write(h, 20 * MSS);
	expect_none(h); /* cwnd is full */
	dup_acks(h, 1, 9);
	while (pending(h)) {
		const struct got *g = expect(h, ACK, ANY, 1, MSS);

		if (g->seq == 1)
			continue;
		assert_int_equal(g->seq, seq);
		seq += MSS;
		n++;
	}
	assert_in_range(n, 3, 6); /* nine left the network, the window is half */
	assert_int_equal(status(h).total_retrans, 1);
}

/* RFC 5681 2: only an ACK that is empty, repeats the number and the window, and
 * has data outstanding is a duplicate. */
static void not_duplicates(void **state)
{
	struct harness *h = *state;

	establish(h);
	dup_acks(h, 1, 5); /* nothing outstanding */
	expect_none(h);
	send_segments(h, 0, 5);
	inject(h, ACK, 1, 1, WND - 100, 0);
	inject(h, ACK, 1, 1, WND - 200, 0);
	inject(h, ACK, 1, 1, WND - 300, 0);
	inject(h, ACK, 1, 1, WND - 400, 0);
	for (uint32_t i = 0; i < 5; i++)
		inject(h, ACK, 1 + i, 1, WND - 400, 1);
	while (pending(h))
		expect(h, ACK, ANY, ANY, 0);
	assert_int_equal(status(h).total_retrans, 0);
}

/* RFC 6582 3.2: each partial ACK sends the next hole at once, one loss of
 * window for all of them. */
static void newreno_partial_acks(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10); /* 0, 3 and 7 will be lost */
	dup_acks(h, 1, 7);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
	advance_ms(h, 100);
	inject(h, ACK, 1, seq_of(3), WND, 0);
	expect(h, ACK, seq_of(3), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).recovery, RECOVERY);
	advance_ms(h, 100);
	inject(h, ACK, 1, seq_of(7), WND, 0);
	expect(h, ACK, seq_of(7), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	assert_int_equal(status(h).recovery, OPEN);
	assert_int_equal(status(h).total_retrans, 3);
}

/* RFC 6582 4.1: duplicates of what came before the recovery's end start no
 * second one. */
static void duplicates_after_recovery(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	inject(h, ACK, 1, seq_of(1), WND, 0);
	forget(h);
	dup_acks(h, seq_of(1), 3);
	while (pending(h))
		assert_int_not_equal(expect(h, ACK, ANY, 1, MSS)->seq, seq_of(1));
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
}

/* The retransmission is lost too: then the timer repairs it. */
static void lost_retransmission(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	dup_acks(h, 1, 9);
	expect(h, ACK, seq_of(0), 1, MSS);
	time_to_segment_us(h, 2 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	expect_none(h);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* ---- SACK ---------------------------------------------------------------- */

/* RFC 6675 5: three segments above the hole mark it lost, several holes are
 * filled in one round trip, nothing that arrived is sent again. */
static void sack_recovery(void **state)
{
	struct harness *h = with_sack(state);
	unsigned seen = 0;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10); /* 0 and 4 are lost */
	advance_ms(h, 100);
	inject_sack(h, 1, 1, 2);
	inject_sack(h, 1, 1, 3);
	expect_none(h);
	inject_sack(h, 1, 1, 4);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).recovery, RECOVERY);
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	for (uint32_t i = 6; i <= 10; i++) {
		struct seg_options o = {.wscale = -1, .sack_n = 2};

		o.sack[0] = (struct seq_range){seq_of(5), seq_of(i)};
		o.sack[1] = (struct seq_range){seq_of(1), seq_of(4)};
		inject_opt(h, ACK, 1, 1, WND, 0, &o);
		while (pending(h)) {
			expect(h, ACK, seq_of(4), 1, MSS);
			seen++;
		}
	}
	assert_int_equal(seen, 1);
	assert_int_equal(status(h).sacked_segs, 8);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	expect_none(h);
	assert_int_equal(status(h).recovery, OPEN);
	assert_int_equal(status(h).total_retrans, 2);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* RFC 6675 4, IsLost(): one SACK that covers three segments is enough. */
static void sack_of_many_at_once(void **state)
{
	struct harness *h = with_sack(state);

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	inject_sack(h, 1, 5, 10);
	expect(h, ACK, seq_of(0), 1, MSS);
	while (pending(h))
		assert_true(expect(h, ACK, ANY, 1, MSS)->seq < seq_of(5));
	assert_int_equal(status(h).recovery, RECOVERY);
}

/* SACK blocks for what was never sent, or upside down, are ignored. */
static void sack_nonsense(void **state)
{
	struct harness *h = with_sack(state);

	establish(h);
	send_segments(h, 0, 10);
	for (unsigned i = 0; i < 5; i++) {
		inject_sack(h, 1, 20 + i, 40);
		inject_sack(h, 1, 8, 2);
		inject_sack(h, 1, 5, 5);
	}
	forget(h);
	assert_int_equal(status(h).sacked_segs, 0);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	expect_none(h);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* RFC 2018 8: the receiver may drop what it had SACKed; a timeout forgets the
 * blocks, so in the end all of it is sent again. */
static void sack_reneging(void **state)
{
	struct harness *h = with_sack(state);
	uint32_t acked = 0;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	inject_sack(h, 1, 1, 10);
	forget(h);
	/* From here on the peer has only segment 0, then takes one at a time. */
	for (unsigned round = 0; round < 100 && acked < 10; round++) {
		time_to_segment_us(h, 100 * US_PER_S);
		while (pending(h)) {
			const struct got *g = expect(h, ACK, ANY, 1, ANY);

			if (g->seq == seq_of(acked) && g->len_bytes == MSS)
				acked++;
		}
		inject(h, ACK, 1, seq_of(acked), WND, 0);
	}
	assert_int_equal(acked, 10);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* ---- the congestion window ----------------------------------------------- */

/* RFC 6928: ten segments. */
static void initial_window(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_int_equal(h->cfg.initcwnd_segs, 10);
	app_write(h, 40 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		expect(h, ACK, seq_of(i), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).snd_cwnd_bytes, 10 * MSS);
}

/* RFC 5681 3.1: doubling per round trip while below ssthresh. [MUST-19] */
static void slow_start(void **state)
{
	struct harness *h = *state;
	uint32_t sent = 10;

	establish(h);
	app_write(h, 44 * MSS);
	forget(h);
	for (uint32_t i = 1; i <= 10; i++) {
		inject(h, ACK, 1, seq_of(i), WND, 0);
		expect(h, ACK, seq_of(sent), 1, MSS);
		expect(h, ACK, seq_of(sent + 1), 1, MSS);
		expect_none(h);
		sent += 2;
	}
	assert_int_equal(status(h).snd_cwnd_bytes, 20 * MSS);
}

/* RFC 5681 3.1: about one segment per round trip above it. [MUST-19] */
static void congestion_avoidance(void **state)
{
	struct harness *h = *state;
	struct tcp_status st;
	uint32_t acked = 10, before;

	establish_rtt(h, 100 * US_PER_MS);
	send_segments(h, 0, 10);
	dup_acks(h, 1, 9);
	forget(h);
	inject(h, ACK, 1, seq_of(10), WND, 0);
	for (unsigned round = 0; round < 12; round++) {
		uint32_t n = 0;

		before = status(h).snd_cwnd_bytes;
		assert_true(app_write(h, 20 * MSS - status(h).notsent_bytes) <= 20 * MSS);
		while (pending(h)) {
			expect(h, ACK, ANY, 1, ANY);
			n++;
		}
		assert_true(n > 0);
		advance_ms(h, 100);
		for (uint32_t i = 0; i < n; i++)
			inject(h, ACK, 1, seq_of(++acked), WND, 0);
		st = status(h);
		if (before >= st.snd_ssthresh_bytes)
			assert_in_range(st.snd_cwnd_bytes, before, before + MSS);
	}
	assert_true(st.snd_cwnd_bytes > st.snd_ssthresh_bytes);
	assert_true(st.snd_cwnd_bytes <= 20 * MSS);
	assert_int_equal(st.total_retrans, 1);
}

/* RFC 7661, RFC 2861: a window that is not used does not grow. */
static void unused_window(void **state)
{
	struct harness *h = *state;
	uint32_t at = 1;

	establish(h);
	for (unsigned i = 0; i < 50; i++) {
		app_write(h, 100);
		at += 100;
		inject(h, ACK, 1, at, WND, 0);
	}
	forget(h);
	assert_true(status(h).snd_cwnd_bytes <= 11 * MSS);
}

/* RFC 5961 5.2: ACKs for what was never sent, or is long past, move nothing. */
static void impossible_acks(void **state)
{
	struct harness *h = *state;

	h->cfg.invalid_ratelimit_ms = 0;
	h = harness_again(state, &h->cfg);
	establish(h);
	send_segments(h, 0, 3);
	assert_int_equal(inject(h, ACK, 1, seq_of(3) + 1, WND, 0), DROP_ACK_FUTURE);
	expect(h, ACK, seq_of(3), 1, 0);
	assert_int_equal(inject(h, ACK, 1, seq_of(3) + (1u << 30), WND, 100),
			 DROP_ACK_FUTURE);
	expect(h, ACK, seq_of(3), 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1u - 200000, WND, 100), DROP_ACK_OLD);
	expect(h, ACK, seq_of(3), 1, 0);
	assert_int_equal(status(h).unacked_bytes, 3 * MSS);
	assert_int_equal(app_read(h, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rto_by_hand), TEST(rto_limits), TEST(retries_exhausted),
		TEST(timer_restarts), TEST(karn), TEST(windows_after_timeout),
		TEST(ack_of_everything_after_timeout), TEST(fast_retransmit), TEST(timer_of_the_retransmission),
		TEST(new_data_in_recovery), TEST(not_duplicates),
		TEST(newreno_partial_acks), TEST(duplicates_after_recovery),
		TEST(lost_retransmission), TEST(sack_recovery),
		TEST(sack_of_many_at_once), TEST(sack_nonsense),
		TEST(sack_reneging), TEST(initial_window), TEST(slow_start),
		TEST(congestion_avoidance), TEST(unused_window),
		TEST(impossible_acks),
	};

	return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
