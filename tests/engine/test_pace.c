/* test_pace.c - data leaves by the clock where congestion control or the user
 * wants that: gaps and bursts in virtual time. */
#include "spy.h"

#define MSS PEER_MSS
#define RTT_US (100 * US_PER_MS)
#define CWND (1000 * MSS)

/* How many full segments leave now, without any time passing. */
static uint32_t leaves_now(struct harness *h)
{
	uint32_t n = 0;

	pull(h);
	while (pending(h)) {
		n += harness_expect(h, ACK, ANY, 1, ANY, __FILE__, __LINE__)->len_bytes;
	}
	return n / MSS;
}

/* "Send Quantum": about 1 ms of the rate, and the next one when its time has
 * come, not before. */
static void quantum_per_ms(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 10 * MSS * 1000ull, 0);

	app_write(h, 200 * MSS);
	assert_int_equal(leaves_now(h), 10);
	for (unsigned i = 0; i < 3; i++) { /* the peer's window holds 44 */
		assert_in_range(time_to_segment_us(h, US_PER_S), 999, 1000);
		assert_int_equal(leaves_now(h), 10);
	}
}

static void at_least_two_segments(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 100 * MSS, 0);

	app_write(h, 40 * MSS);
	assert_int_equal(leaves_now(h), 2);
	for (unsigned i = 0; i < 5; i++) {
		assert_in_range(time_to_segment_us(h, US_PER_S), 19999, 20000);
		assert_int_equal(leaves_now(h), 2);
	}
}

/* Where the link takes bursts, a packet is no larger than the quantum, nor than
 * 64 KiB; its rate is kept. */
static void bursts(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 10 * MSS * 1000ull, 65000);

	app_write(h, 40 * MSS);
	pull(h);
	assert_int_equal(pending(h), 10); /* the harness cuts it */
	assert_int_equal(leaves_now(h), 10);
	assert_in_range(time_to_segment_us(h, US_PER_S), 999, 1000);
	h = spied(state, CWND, RTT_US, 1000ull * MSS * 1000, 1u << 20);
	app_write(h, 500 * MSS);
	assert_in_range(leaves_now(h), 40, 44); /* 64 KiB */
}

/* A timer that comes late is made up for, but not more than 10 ms. */
static void late_timer(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 10 * MSS * 1000ull, 0);

	app_write(h, 300 * MSS);
	assert_int_equal(leaves_now(h), 10);
	inject(h, ACK, 1, 1 + MSS, WND - 1, 0);
	h->now_us += 1500; /* 500 us late */
	engine_expire(h->e, h->now_us);
	assert_int_equal(leaves_now(h), 10 + 5);
	inject(h, ACK, 1, 1 + 20 * MSS, WND - 1, 0);
	h->now_us += 6000; /* 5 ms late */
	engine_expire(h->e, h->now_us);
	assert_int_equal(leaves_now(h), 10 + 50);
	inject(h, ACK, 1, 1 + 60 * MSS, WND - 1, 0);
	h->now_us += 50000;
	engine_expire(h->e, h->now_us);
	assert_int_equal(leaves_now(h), 10 + 100);
}

/* A gap that the window made, and not the timer, is made up for by 1 ms. */
static void gap_by_the_window(void **state)
{
	struct harness *h = spied(state, 30 * MSS, RTT_US, 5 * MSS * 1000ull, 0);

	app_write(h, 300 * MSS);
	assert_int_equal(leaves_now(h), 5);
	advance_us(h, 6000);
	assert_int_equal(leaves_now(h), 25); /* cwnd is full */
	h->now_us += 50000;
	inject(h, ACK, 1, 1 + 29 * MSS, WND - 1, 0);
	assert_int_equal(leaves_now(h), 5 + 5);
}

/* After silence there is no credit. */
static void no_burst_after_silence(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 10 * MSS * 1000ull, 0);

	app_write(h, 10 * MSS);
	assert_int_equal(leaves_now(h), 10);
	inject(h, ACK, 1, 1 + 10 * MSS, WND - 1, 0);
	advance_us(h, US_PER_S);
	forget(h);
	app_write(h, 100 * MSS);
	assert_int_equal(leaves_now(h), 10);
}

/* The repetition that fast retransmit calls for does not wait, what else is lost
 * does. */
static void retransmissions(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 100 * MSS, 0);
	struct seg_options o = {.wscale = -1, .sack_n = 1};

	app_write(h, 20 * MSS);
	for (unsigned i = 0; i < 9; i++) {
		leaves_now(h);
		time_to_segment_us(h, US_PER_S);
	}
	leaves_now(h); /* 20 segments are out */
	o.sack[0] = (struct seq_range){1 + 4 * MSS, 1 + 12 * MSS};
	inject_opt(h, ACK, 1, 1, WND - 1, 0, &o);
	expect(h, ACK, 1, 1, MSS);
	expect_none(h);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, 1 + MSS, 1, MSS);
}

/* cfg.pacing: windows that know no rate, as in Linux: twice cwnd per RTT in slow
 * start, 1.2 times afterwards. */
static void rate_from_cwnd(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.pacing = true;
	h = harness_again(state, &cfg);
	establish_rtt(h, RTT_US);
	assert_int_equal(status(h).pacing_bytes_s, 2 * 10 * MSS * 10);
	app_write(h, 30 * MSS);
	assert_int_equal(leaves_now(h), 2);
	assert_in_range(time_to_segment_us(h, US_PER_S), 9999, 10000);
	assert_int_equal(leaves_now(h), 2);
	advance_us(h, 10 * US_PER_S); /* timeouts: cwnd and ssthresh are small */
	forget(h);
	inject(h, ACK, 1, 1 + 10 * MSS, WND, 0);
	forget(h);
	assert_true(status(h).snd_cwnd_bytes >= status(h).snd_ssthresh_bytes / 2);
	assert_in_range(status(h).pacing_bytes_s * status(h).srtt_us / 10000,
			status(h).snd_cwnd_bytes * 119ull,
			status(h).snd_cwnd_bytes * 121ull);
}

static void set_max(struct harness *h, uint64_t bytes_s)
{
	struct tcp_opts o;

	tcp_get_opts(h->t, &o);
	o.pacing_max_bytes_s = bytes_s;
	tcp_set_opts(h->t, &o, h->now_us);
}

/* SO_MAX_PACING_RATE bounds any algorithm, and takes effect at once. */
static void user_limit(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, RTT_US);
	assert_int_equal(status(h).pacing_bytes_s, 0);
	set_max(h, MSS);
	assert_int_equal(status(h).pacing_bytes_s, MSS);
	app_write(h, 10 * MSS);
	assert_int_equal(leaves_now(h), 2);
	set_max(h, 100 * MSS);
	assert_int_equal(leaves_now(h), 2);
	assert_in_range(time_to_segment_us(h, US_PER_S), 18999, 20000);
	assert_int_equal(leaves_now(h), 2);
	set_max(h, 0);
	assert_int_equal(leaves_now(h), 4);
	h = spied(state, CWND, RTT_US, 10 * MSS, 0);
	set_max(h, 100 * MSS);
	assert_int_equal(status(h).pacing_bytes_s, 10 * MSS);
	set_max(h, 5 * MSS);
	assert_int_equal(status(h).pacing_bytes_s, 5 * MSS);
}

/* A pace slower than the retransmission timer is no reason to suspect a window or
 * to back off. */
static void slower_than_the_timer(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, RTT_US);
	set_max(h, MSS / 10);
	app_write(h, 10 * MSS);
	assert_int_equal(leaves_now(h), 2);
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	assert_in_range(time_to_segment_us(h, 30 * US_PER_S), 19900000, 20100000);
	assert_int_equal(leaves_now(h), 2);
	assert_int_equal(status(h).backoff, 0);
}

/* Data waits for its time, meanwhile the peer closes its window: then it is the
 * window that is probed. [MUST-36] */
static void window_closes_meanwhile(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 100 * MSS, 0);
	uint32_t n;

	app_write(h, 20 * MSS);
	n = leaves_now(h);
	inject(h, ACK, 1, 1 + n * MSS, 0, 0);
	expect_none(h);
	assert_in_range(time_to_segment_us(h, 10 * US_PER_S), 100 * US_PER_MS, US_PER_S);
	expect(h, ACK, 1 + n * MSS, 1, 1);
}

/* What left at an old rate waits by the new one, when that is higher. */
static void rate_rises(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 100 * MSS, 0);

	app_write(h, 40 * MSS);
	assert_int_equal(leaves_now(h), 2); /* the next ones after 20 ms */
	spy.pacing_bytes_s = 10000 * MSS;
	inject(h, ACK, 1, 1 + MSS, WND - 1, 0); /* its ACK says so */
	assert_in_range(time_to_segment_us(h, US_PER_S), 1, 200);
	assert_int_equal(leaves_now(h), 10);
	spy.pacing_bytes_s = 100 * MSS; /* a lower one is for what follows */
	inject(h, ACK, 1, 1 + 12 * MSS, WND - 1, 0);
	assert_in_range(time_to_segment_us(h, US_PER_S), 900, 1000);
	assert_int_equal(leaves_now(h), 2);
	assert_in_range(time_to_segment_us(h, US_PER_S), 19999, 20000);
}

/* Whatever an algorithm believes: no wait is longer than an RTO. */
static void absurd_rate(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 1, 0);

	app_write(h, 40 * MSS);
	for (unsigned i = 0, n = 0; i < 10; i++) {
		n += leaves_now(h);
		inject(h, ACK, 1, 1 + n * MSS, WND - 1, 0);
		assert_in_range(time_to_segment_us(h, 30 * US_PER_S), 1, status(h).rto_us);
	}
}

/* An algorithm without a pace takes over. */
static void pace_ends(void **state)
{
	struct harness *h = spied(state, CWND, RTT_US, 10 * MSS, 0);
	struct tcp_opts o;

	app_write(h, 40 * MSS);
	assert_int_equal(leaves_now(h), 2);
	inject(h, ACK, 1, 1 + 2 * MSS, WND - 1, 0);
	assert_int_equal(leaves_now(h), 0);
	tcp_get_opts(h->t, &o);
	o.cc = cc_find(&h->cfg, "reno");
	tcp_set_opts(h->t, &o, h->now_us);
	assert_int_equal(leaves_now(h), 38);
}

/* Held back by the cork or the pace, and the peer's window has no room for a segment:
 * the time after which a silly one may leave counts from there on, not from the end of
 * those. */
static void silly_window_meanwhile(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;

	establish_wnd(h, 10 * MSS);
	app_write(h, 10 * MSS);
	forget(h);
	tcp_get_opts(h->t, &o);
	o.cork = true;
	tcp_set_opts(h->t, &o, h->now_us);
	inject(h, ACK, 1, 1 + 10 * MSS, 300, 0);
	app_write(h, 1000);
	expect_none(h);
	assert_in_range(time_to_segment_us(h, 10 * US_PER_S), status(h).rto_us - 1,
			status(h).rto_us);
	expect(h, ACK, 1 + 10 * MSS, 1, 300);
}

/* BBR, segments of 64 KiB, a window that is closed for a minute and probed, by bytes
 * that the peer takes. They say nothing about the path: when the window opens all of
 * it flows. */
static void probes_are_no_bandwidth(void **state)
{
	const uint32_t mss = 65483;
	struct engine_config cfg;
	struct harness *h;
	uint32_t acked = 1, end;
	uint64_t begin_us;

	harness_config(&cfg);
	cfg.window_scaling = cfg.sack = true;
	strcpy(cfg.cc, "bbr");
	h = harness_again(state, &cfg);
	h->path.mtu_bytes = 65535;
	h->syn.mss = 65495;
	h->syn.wscale = 10;
	h->syn.sack_ok = true;
	h->opts.sndbuf_bytes = 8u << 20;
	establish_rtt(h, 50);
	app_write(h, 4000000);
	for (unsigned i = 0; i < 20; i++) { /* it has carried something before */
		while (pending(h))
			acked = expect(h, ACK, ANY, 1, ANY)->seq + h->last.len_bytes;
		advance_us(h, 50);
		inject(h, ACK, 1, acked, 100, 0);
	}
	while (pending(h))
		acked = expect(h, ACK, ANY, 1, ANY)->seq + h->last.len_bytes;
	inject(h, ACK, 1, acked, 0, 0);
	for (unsigned i = 0; i < 8; i++) {
		time_to_segment_us(h, 300 * US_PER_S);
		expect(h, ACK, acked, 1, 1);
		advance_us(h, 50);
		inject(h, ACK, 1, ++acked, 0, 0);
	}
	begin_us = h->now_us;
	end = acked + 30 * mss < 4000001 ? acked + 30 * mss : 4000001;
	assert_true(end - acked > 1000000);
	while (acked < end) {
		advance_us(h, 50);
		inject(h, ACK, 1, acked, 5000, 0);
		time_to_segment_us(h, 20 * US_PER_MS);
		while (pending(h))
			acked = expect(h, ACK, ANY, 1, ANY)->seq + h->last.len_bytes;
	}
	assert_true(h->now_us - begin_us < 100 * US_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rate_rises), TEST(absurd_rate), TEST(pace_ends),
		TEST(silly_window_meanwhile), TEST(probes_are_no_bandwidth),
		TEST(quantum_per_ms), TEST(at_least_two_segments), TEST(bursts),
		TEST(late_timer), TEST(gap_by_the_window), TEST(no_burst_after_silence), TEST(retransmissions),
		TEST(rate_from_cwnd), TEST(user_limit), TEST(slower_than_the_timer),
		TEST(window_closes_meanwhile),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
