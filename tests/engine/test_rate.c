/* test_rate.c - what congestion control is told: delivery rate, round trips,
 * losses, application limits; and which algorithm it is that is told. */
#include <stdio.h>

#include "spy.h"

#define MSS PEER_MSS
#define RTT_US (100 * US_PER_MS)
#define WIDE (WND - 1)

static uint32_t seq_of(uint32_t segment) /* of the n-th full segment, from 0 */
{
	return 1 + segment * MSS;
}

static void send_segments(struct harness *h, uint32_t n)
{
	assert_int_equal(app_write(h, n * MSS), n * MSS);
	forget(h);
}

static void ack_to(struct harness *h, uint32_t segment)
{
	inject(h, ACK, 1, seq_of(segment), WIDE, 0);
	forget(h);
}

static void sack(struct harness *h, uint32_t ack, uint32_t from, uint32_t to)
{
	struct seg_options o = {.wscale = -1, .sack_n = 1};

	o.sack[0] = (struct seq_range){seq_of(from), seq_of(to)};
	inject_opt(h, ACK, 1, seq_of(ack), WIDE, 0, &o);
	forget(h);
}

static struct harness *start(void **state)
{
	return spied(state, 1000 * MSS, RTT_US, 0, 0);
}

static void algorithm_starts(void **state)
{
	struct harness *h = start(state);

	assert_int_equal(spy.starts, 1);
	assert_true(spy.start.sack && !spy.start.live);
	assert_int_equal(spy.start.srtt_us, RTT_US);
	assert_string_equal(status(h).cc, "spy");
}

/* draft-ietf-ccwg-bbr, "Estimating Delivery Rate": what was delivered between the
 * sending of a segment and its ACK, over the longer of send and ack interval. */
static void ack_rate(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 10); /* at once: the send interval is 0 */
	assert_int_equal(spy.sends, 10);
	assert_int_equal(spy.send.pipe_bytes, 9 * MSS);
	advance_us(h, RTT_US);
	ack_to(h, 1);
	assert_int_equal(spy.ack.rate.delivered_bytes, MSS);
	assert_int_equal(spy.ack.rate.interval_us, RTT_US);
	assert_int_equal(spy.ack.rate.bytes_s, MSS * 10);
	assert_int_equal(spy.ack.rate.in_flight_bytes, MSS);
	for (unsigned i = 2; i <= 10; i++) {
		advance_us(h, 10 * US_PER_MS);
		ack_to(h, i);
	}
	assert_int_equal(spy.ack.rate.delivered_bytes, 10 * MSS);
	assert_int_equal(spy.ack.rate.interval_us, RTT_US + 90 * US_PER_MS);
	assert_int_equal(spy.ack.rate.in_flight_bytes, 10 * MSS);
	assert_int_equal(spy.ack.pipe_before_bytes, MSS);
	assert_int_equal(spy.ack.pipe_bytes, 0);
	assert_int_equal(status(h).delivery_bytes_s, 10ull * MSS * 1000000 / 190000);
	assert_int_equal(status(h).delivered_bytes, 10 * MSS);
}

/* "Send Rate": ACKs that were held back and come at once must not look like a
 * fast path. */
static void send_rate(void **state)
{
	struct harness *h = start(state);

	for (unsigned i = 0; i < 10; i++) {
		send_segments(h, 1);
		advance_us(h, 20 * US_PER_MS);
	}
	ack_to(h, 1); /* from here on samples start at segment 0's sending */
	send_segments(h, 1);
	advance_us(h, 150 * US_PER_MS);
	ack_to(h, 11);
	assert_int_equal(spy.ack.rate.delivered_bytes, 10 * MSS);
	assert_int_equal(spy.ack.rate.interval_us, 200 * US_PER_MS);
}

/* "Upon receiving an ACK": an interval below the shortest RTT cannot be true. */
static void implausible_sample(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 1, 10); /* segment 0 is sent again */
	assert_int_equal(spy.ack.rate.bytes_s, 9 * MSS * 10);
	advance_us(h, 1000);
	ack_to(h, 10); /* the answer to its first transmission */
	assert_int_equal(spy.ack.rate.bytes_s, 0);
	assert_int_equal(spy.ack.acked_bytes, MSS);
}

static void rounds(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 4);
	advance_us(h, RTT_US);
	ack_to(h, 1);
	assert_true(spy.ack.round_start);
	send_segments(h, 1);
	ack_to(h, 2);
	assert_false(spy.ack.round_start);
	ack_to(h, 4);
	assert_false(spy.ack.round_start);
	advance_us(h, RTT_US);
	ack_to(h, 5); /* sent after the round began */
	assert_true(spy.ack.round_start);
}

/* "Detecting application-limited phases". */
static void application_limited(void **state)
{
	struct harness *h = spied(state, 10 * MSS, RTT_US, 0, 0);

	send_segments(h, 30); /* cwnd is the limit */
	advance_us(h, RTT_US);
	ack_to(h, 10);
	assert_true(spy.ack.rate.app_limited); /* before it there was nothing */
	assert_true(spy.ack.cwnd_limited);
	advance_us(h, RTT_US);
	ack_to(h, 20);
	assert_false(spy.ack.rate.app_limited);
	advance_us(h, RTT_US);
	ack_to(h, 30);
	assert_false(spy.ack.rate.app_limited);
	assert_false(status(h).delivery_app_limited);
	send_segments(h, 2); /* after a pause with nothing to send */
	assert_true(spy.send.app_limited);
	advance_us(h, RTT_US);
	ack_to(h, 32);
	assert_true(spy.ack.rate.app_limited);
	assert_false(spy.ack.cwnd_limited);
	assert_false(status(h).delivery_app_limited); /* and its low rate not taken */
}

/* Until the gap has left the network, all samples are of that kind. */
static void bubble_passes(void **state)
{
	struct harness *h = spied(state, 10 * MSS, RTT_US, 0, 0);

	send_segments(h, 2);
	advance_us(h, RTT_US / 2);
	send_segments(h, 38);
	advance_us(h, RTT_US / 2);
	ack_to(h, 2);
	advance_us(h, RTT_US / 2);
	ack_to(h, 10);
	assert_true(spy.ack.rate.app_limited); /* sent while 0 and 1 were under way */
	advance_us(h, RTT_US);
	ack_to(h, 20);
	assert_false(spy.ack.rate.app_limited);
}

/* An algorithm that sends less than it could says so. */
static void holding_back(void **state)
{
	struct harness *h = spied(state, 10 * MSS, RTT_US, 0, 0);

	send_segments(h, 40);
	advance_us(h, RTT_US);
	spy.holds_back = true;
	ack_to(h, 10);
	advance_us(h, RTT_US);
	ack_to(h, 20);
	assert_true(spy.ack.rate.app_limited);
}

/* Nor are samples a measure of the path while the peer's window or the user's own pace
 * is the limit, though there is enough to send. */
static void window_limited(void **state)
{
	struct harness *h = start(state);
	uint32_t wnd = 10 * MSS / 128 + 1, acked = 34;

	send_segments(h, 90);
	for (unsigned round = 0; round < 4; round++) {
		acked += 10; /* of 44: the SYN,ACK had its own window */
		advance_us(h, RTT_US);
		assert_int_equal(inject(h, ACK, 1, seq_of(acked), wnd, 0), DROP_NONE);
		forget(h);
		assert_true(spy.ack.rate.app_limited);
		assert_false(spy.ack.cwnd_limited);
	}
}

static void users_pace(void **state)
{
	struct harness *h = spied(state, 20 * MSS, RTT_US, 1000 * MSS, 0);
	struct tcp_opts o;
	uint32_t end = 1;

	tcp_get_opts(h->t, &o);
	o.pacing_max_bytes_s = 20 * MSS;
	tcp_set_opts(h->t, &o, h->now_us);
	app_write(h, 60 * MSS);
	for (unsigned i = 0; i < 10; i++) {
		advance_us(h, RTT_US);
		while (pending(h))
			end = expect(h, ACK, ANY, 1, ANY)->seq + h->last.len_bytes;
		inject(h, ACK, 1, end, WIDE, 0);
	}
	assert_true(end > 10 * MSS);
	assert_true(spy.ack.rate.app_limited);
	assert_false(spy.ack.cwnd_limited);
}

/* What the peer refused was not lost: text beyond a window that it has taken back, and
 * probes. One that was repeated tells no round-trip time. */
static void refused_text(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 10);
	inject(h, ACK, 1, 1, 0, 0);
	time_to_segment_us(h, 10 * US_PER_S);
	forget(h);
	inject(h, ACK, 1, 1, 0, 0);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, 1, WIDE, 0);
	forget(h);
	for (unsigned i = 1; i <= 10; i++) {
		advance_us(h, RTT_US / 10);
		ack_to(h, i);
	}
	assert_int_equal(spy.losses + spy.congestions, 0);
	assert_int_equal(spy.ack.rate.lost_bytes, 0);
}

static void repeated_probe(void **state)
{
	struct harness *h = start(state);
	uint32_t srtt_us = status(h).srtt_us;

	inject(h, ACK, 1, 1, 0, 0);
	send_segments(h, 4);
	for (unsigned i = 0; i < 4; i++) { /* lost, refused, whatever */
		time_to_segment_us(h, 10 * US_PER_S);
		forget(h);
	}
	advance_us(h, RTT_US);
	inject(h, ACK, 1, 2, WIDE, 0);
	forget(h);
	assert_int_equal(status(h).srtt_us, srtt_us);
	assert_int_equal(spy.ack.rtt_us, 0);
}

/* Each lost piece is told once, with what was in flight when it was sent. */
static void losses(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 10);
	advance_us(h, RTT_US);
	sack(h, 0, 2, 5); /* 0 and 1 are missing */
	assert_int_equal(spy.congestions, 1);
	assert_int_equal(spy.losses, 2);
	assert_int_equal(spy.lost.len_bytes, MSS);
	assert_int_equal(spy.lost.in_flight_bytes, 2 * MSS);
	assert_int_equal(spy.lost.lost_bytes, 2 * MSS);
	assert_false(spy.lost.apart); /* adjoins the first */
	assert_int_equal(spy.ack.lost_bytes, 2 * MSS);
	assert_int_equal(spy.ack.rate.lost_bytes, 2 * MSS); /* since 4 was sent */
	sack(h, 0, 6, 9); /* and 5; 9 may be late */
	assert_int_equal(spy.losses, 3);
	assert_true(spy.lost.apart);
	assert_int_equal(spy.lost.in_flight_bytes, 6 * MSS);
	advance_us(h, RTT_US);
	ack_to(h, 10);
	assert_int_equal(spy.losses, 3);
	assert_int_equal(spy.ack.lost_bytes, 0);
	assert_int_equal(spy.recoveries, 1);
}

/* After a timeout all is deemed lost, also what had been sent again. */
static void timeout_tells_losses(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 3);
	advance_us(h, 15 * RTT_US);
	assert_int_equal(spy.timeouts, 2);
	assert_int_equal(spy.losses, 3 + 1);
	assert_true(spy.lost.apart);
}

/* A window below a segment, by an algorithm's mistake or a larger MSS, stops nothing. */
static void a_window_of_one_byte(void **state)
{
	struct harness *h = spied(state, 1, RTT_US, 0, 0);

	app_write(h, 3 * MSS);
	for (uint32_t i = 0; i < 3; i++) {
		expect(h, ACK, seq_of(i), 1, MSS);
		expect_none(h);
		inject(h, ACK, 1, seq_of(i + 1), WIDE, 0);
	}
}

/* TCP_CONGESTION on a live connection: windows stay, as in Linux. */
static void change_of_algorithm(void **state)
{
	struct harness *h = start(state);
	struct tcp_opts o;
	size_t before = engine_stats(h->e)->memory_bytes;

	tcp_get_opts(h->t, &o);
	o.cc = cc_find(&h->cfg, "reno");
	tcp_set_opts(h->t, &o, h->now_us);
	assert_string_equal(status(h).cc, "reno");
	assert_int_equal(status(h).snd_cwnd_bytes, 1000 * MSS);
	o.cc = &spy_ops;
	tcp_set_opts(h->t, &o, h->now_us);
	tcp_set_opts(h->t, &o, h->now_us); /* no change */
	assert_int_equal(spy.starts, 2);
	assert_true(spy.start.live);
	assert_int_equal(engine_stats(h->e)->memory_bytes, before);
}

/* [MAY-18] What a listener chose its connections have; a name nobody knows is the
 * engine's default. */
static void inherited(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	strcpy(cfg.cc, "nobody");
	assert_int_equal(cc_register(&cfg, &spy_ops), 0);
	h = harness_again(state, &cfg);
	spy.cwnd_bytes = 5000;
	h->opts.cc = &spy_ops;
	establish_passive(h);
	assert_string_equal(status(h).cc, "spy");
	assert_int_equal(status(h).snd_cwnd_bytes, 5000);
	h = harness_again(state, &cfg);
	establish(h);
	assert_string_equal(status(h).cc, cc_known(&cfg, 0)->name);
}

static void registration(void **state)
{
	struct engine_config cfg;
	struct cc_ops other = spy_ops;
	char names[CC_LOADED_MAX][8];
	struct cc_ops more[CC_LOADED_MAX];
	unsigned n = 0;

	(void)state;
	harness_config(&cfg);
	assert_null(cc_find(&cfg, "spy"));
	assert_string_equal(cc_find(&cfg, "reno")->name, "reno");
	other.name = "reno";
	assert_int_equal(cc_register(&cfg, &other), -EEXIST);
	other.name = "a name too long for it";
	assert_int_equal(cc_register(&cfg, &other), -EINVAL);
	other.name = NULL;
	assert_int_equal(cc_register(&cfg, &other), -EINVAL);
	other = spy_ops;
	other.abi = CC_ABI + 1;
	assert_int_equal(cc_register(&cfg, &other), -EINVAL);
	assert_non_null(strstr(cc_check(&other), "version"));
	other = spy_ops;
	other.on_ack = NULL;
	assert_int_equal(cc_register(&cfg, &other), -EINVAL);
	other = spy_ops;
	other.state_bytes = 1u << 20;
	assert_int_equal(cc_register(&cfg, &other), -EINVAL);
	for (; n < CC_LOADED_MAX; n++) {
		more[n] = spy_ops;
		snprintf(names[n], sizeof(names[n]), "spy%u", n);
		more[n].name = names[n];
		assert_int_equal(cc_register(&cfg, &more[n]), 0);
	}
	assert_int_equal(cc_register(&cfg, &spy_ops), -ENOSPC);
	assert_ptr_equal(cc_find(&cfg, "spy3"), &more[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(algorithm_starts), TEST(ack_rate), TEST(send_rate),
		TEST(implausible_sample), TEST(rounds), TEST(application_limited),
		TEST(bubble_passes), TEST(holding_back), TEST(losses),
		TEST(window_limited), TEST(users_pace), TEST(refused_text), TEST(repeated_probe),
		TEST(timeout_tells_losses), TEST(a_window_of_one_byte), TEST(change_of_algorithm), TEST(inherited),
		TEST(registration),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
