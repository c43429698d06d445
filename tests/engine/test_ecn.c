/* test_ecn.c - Explicit Congestion Notification of RFC 3168, updated by RFC 8311,
 * and paths that clear or mirror its bits. */
#include "harness.h"

#define MSS 1460u
#define ECT0 IP_ECT0
#define CE IP_CE

static struct harness *again(void **state, uint8_t ecn)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.ecn = ecn;
	return harness_again(state, &cfg);
}

/* The engine asked, and the peer agreed. */
static struct harness *client(void **state)
{
	struct harness *h = again(state, 1);

	app_open(h);
	expect(h, SYN | ECE | CWR, 0, 0, 0);
	inject(h, SYN | ACK | ECE, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	expect_state(h, TCPS_ESTABLISHED);
	return h;
}

/* [SHLD-8] RFC 3168 6.1.1: an ECN-setup SYN has both flags, its answer ECE alone; neither
 * is ECT, data is ECT(0) (RFC 8311 3), and a bare ACK is not (6.1.4). */
static void active_open(void **state)
{
	struct harness *h = again(state, 1);

	app_open(h);
	assert_int_equal(expect(h, SYN | ECE | CWR, 0, 0, 0)->tos, 0);
	inject(h, SYN | ACK | ECE, 0, 1, WND, 0);
	assert_int_equal(expect(h, ACK, 1, 1, 0)->tos, 0);
	app_write(h, 100);
	assert_int_equal(expect(h, ACK, 1, 1, 100)->tos, ECT0);
	assert_true(status(h).ecn && !status(h).accecn);
}

static void passive_open(void **state)
{
	struct harness *h = again(state, 2);

	app_listen(h, 4);
	inject(h, SYN | ECE | CWR, 0, 0, WND, 0);
	assert_int_equal(expect(h, SYN | ACK | ECE, 0, 1, 0)->tos, 0);
	inject(h, ACK, 1, 1, WND, 0);
	h->t = tcp_accept(h->listener, h);
	app_write(h, 100);
	assert_int_equal(expect(h, ACK, 1, 1, 100)->tos, ECT0);
	assert_true(status(h).ecn);
}

/* The knob's values in their meaning for RFC 3168: 0 off, 1 both ways, 2 when
 * asked. */
static void knob(void **state)
{
	struct harness *h = again(state, 0);

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	h = again(state, 2);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	h = again(state, 4);
	app_open(h);
	expect(h, SYN | ECE | CWR, 0, 0, 0);
	h = again(state, 0);
	app_listen(h, 4);
	inject(h, SYN | ECE | CWR, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* Not asked: the flags of a plain peer mean nothing, data is not ECT. */
static void not_negotiated(void **state)
{
	struct harness *h = again(state, 2);

	establish(h);
	app_write(h, 4 * MSS);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(expect(h, ACK, ANY, 1, MSS)->tos, 0);
	inject(h, ACK | ECE, 1, 1 + 4 * MSS, WND, 0);
	assert_true(status(h).snd_cwnd_bytes >= 10 * MSS);
	h->tos = CE;
	inject(h, ACK | CWR, 1, 1 + 4 * MSS, WND, 10);
	advance_ms(h, 100);
	expect(h, ACK, 1 + 4 * MSS, 11, 0);
	assert_false(status(h).ecn);
}

/* A SYN,ACK without ECE is a peer without ECN; one with both flags comes from a
 * server that mirrors what it does not know (6.1.1): a plain connection. */
static void answers_that_are_none(void **state)
{
	static const uint16_t flags[] = {0, ECE | CWR, CWR, AE, AE | ECE | CWR};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct harness *h = again(state, 1);

		app_open(h);
		expect(h, SYN | ECE | CWR, 0, 0, 0);
		inject(h, SYN | ACK | flags[i], 0, 1, WND, 0);
		expect(h, ACK, 1, 1, 0);
		assert_false(status(h).ecn);
		app_write(h, 100);
		assert_int_equal(expect(h, ACK, 1, 1, 100)->tos, 0);
		h->tos = CE;
		inject(h, ACK, 1, 101, WND, 10);
		advance_ms(h, 100);
		expect(h, ACK, 101, 11, 0);
	}
}

/* An ECN-setup SYN in an ECT packet: the path has written into the field. */
static void ect_on_syn(void **state)
{
	struct harness *h = again(state, 1);

	app_listen(h, 4);
	h->tos = ECT0;
	inject(h, SYN | ECE | CWR, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* 6.1.1.1: a SYN that is not answered is sent again without ECN. If the first
 * one's answer comes after all, data is not ECT but marks are echoed. */
static void fallback(void **state)
{
	struct harness *h = again(state, 1);

	app_open(h);
	expect(h, SYN | ECE | CWR, 0, 0, 0);
	advance_ms(h, 1000);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	assert_false(status(h).ecn);

	h = again(state, 1);
	app_open(h);
	advance_ms(h, 1000);
	forget(h);
	inject(h, SYN | ACK | ECE, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	app_write(h, 100);
	assert_int_equal(expect(h, ACK, 1, 1, 100)->tos, 0);
	h->tos = CE;
	inject(h, ACK, 1, 101, WND, 10);
	expect(h, ACK | ECE, 101, 11, 0);
}

/* The same at the server: after a SYN without ECN its data is not ECT. */
static void peer_falls_back(void **state)
{
	struct harness *h = again(state, 1);

	app_listen(h, 4);
	inject(h, SYN | ECE | CWR, 0, 0, WND, 0);
	expect(h, SYN | ACK | ECE, 0, 1, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK | ECE, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	h->t = tcp_accept(h->listener, h);
	app_write(h, 100);
	assert_int_equal(expect(h, ACK, 1, 1, 100)->tos, 0);
}

/* 6.1.3: from a CE mark until CWR every ACK says ECE, data included. */
static void echo_until_cwr(void **state)
{
	struct harness *h = client(state);

	h->tos = ECT0;
	inject(h, ACK, 1, 1, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK, 1, 101, 0);
	h->tos = CE;
	inject(h, ACK, 101, 1, WND, 100);
	expect(h, ACK | ECE, 1, 201, 0); /* at once */
	h->tos = ECT0;
	inject(h, ACK, 201, 1, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK | ECE, 1, 301, 0);
	app_write(h, 10);
	expect(h, ACK | ECE, 1, 301, 10);
	inject(h, ACK | CWR, 301, 11, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK, 11, 401, 0);
	/* CWR and a new mark in one packet: a new echo */
	h->tos = CE;
	inject(h, ACK | CWR, 401, 11, WND, 100);
	expect(h, ACK | ECE, 11, 501, 0);
	assert_true(status(h).ecn_seen);
}

/* 6.1.5: a mark on what lies outside the window is ignored. */
static void mark_outside_the_window(void **state)
{
	struct harness *h = client(state);

	inject(h, ACK, 1, 1, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK, 1, 101, 0);
	h->tos = CE;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 100), DROP_DUPLICATE);
	expect(h, ACK, 1, 101, 0);
}

static uint32_t fill(struct harness *h, uint32_t segs)
{
	uint32_t n = 0;

	app_write(h, segs * MSS);
	while (pending(h)) {
		expect(h, ACK, ANY, 1, MSS);
		n++;
	}
	return n;
}

/* [SHLD-8] 6.1.2: ECE reduces cwnd like a loss, once per window of data; the next new
 * segment says so by CWR; nothing is retransmitted. */
static void ece_reduces_once(void **state)
{
	struct harness *h = client(state);
	const struct got *g;
	uint32_t cwnd;

	assert_int_equal(fill(h, 10), 10);
	app_write(h, 20 * MSS);
	expect_none(h);
	inject(h, ACK | ECE, 1, 1 + MSS, WND, 0);
	cwnd = status(h).snd_cwnd_bytes;
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	for (uint32_t i = 2; i <= 10; i++)
		inject(h, ACK | ECE, 1, 1 + i * MSS, WND, 0);
	assert_int_equal(status(h).snd_ssthresh_bytes, 5 * MSS);
	assert_true(status(h).snd_cwnd_bytes <= cwnd);
	g = expect(h, ACK | CWR, 1 + 10 * MSS, 1, MSS);
	assert_int_equal(g->tos, ECT0);
	g = expect(h, ACK, 1 + 11 * MSS, 1, MSS);
	assert_int_equal(g->tos, ECT0);
	forget(h);
	/* of the next window: again */
	inject(h, ACK | ECE, 1, 1 + 12 * MSS, WND, 0);
	assert_true(status(h).snd_ssthresh_bytes < 5 * MSS);
	assert_int_equal(status(h).total_retrans, 0);
}

/* In a burst CWR stands on the first segment alone. */
static void cwr_in_a_burst(void **state)
{
	struct harness *h = again(state, 1);

	h->path.gso_max_bytes = 65000;
	app_open(h);
	forget(h);
	inject(h, SYN | ACK | ECE, 0, 1, WND, 0);
	forget(h);
	fill(h, 10);
	inject(h, ACK | ECE, 1, 1 + 10 * MSS, WND, 0);
	app_write(h, 3 * MSS);
	expect(h, ACK | CWR, 1 + 10 * MSS, 1, MSS);
	expect(h, ACK, 1 + 11 * MSS, 1, MSS);
	expect(h, ACK, 1 + 12 * MSS, 1, MSS);
}

/* 6.1.5: a retransmission is not ECT; 6.1.2: a loss in the window counts for
 * ECE too, and CWR tells of it. */
static void loss_and_ece_in_one_window(void **state)
{
	struct harness *h = client(state);
	const struct got *g;
	uint32_t ssthresh;

	fill(h, 10);
	app_write(h, 20 * MSS);
	for (unsigned i = 0; i < 3; i++)
		inject(h, ACK, 1, 1, WND, 0);
	expect(h, ACK, 1 + 10 * MSS, 1, MSS); /* limited transmit */
	expect(h, ACK, 1 + 11 * MSS, 1, MSS);
	g = expect(h, ACK, 1, 1, MSS);
	assert_int_equal(g->tos, 0);
	forget(h);
	ssthresh = status(h).snd_ssthresh_bytes;
	assert_true(ssthresh < 10 * MSS);
	inject(h, ACK | ECE, 1, 1 + 12 * MSS, WND, 0);
	assert_int_equal(status(h).snd_ssthresh_bytes, ssthresh);
	g = expect(h, ACK | CWR, 1 + 12 * MSS, 1, MSS);
	assert_int_equal(g->tos, ECT0);
}

static void timeout_is_not_ect(void **state)
{
	struct harness *h = client(state);

	app_write(h, MSS);
	expect(h, ACK, 1, 1, MSS);
	advance_ms(h, 3000);
	assert_int_equal(expect(h, ACK, 1, 1, MSS)->tos, 0);
	forget(h);
	inject(h, ACK, 1, 1 + MSS, WND, 0);
	app_write(h, 10);
	assert_int_equal(expect(h, ACK | CWR, 1 + MSS, 1, 10)->tos, ECT0);
}

/* 6.1.6: nor are probes of a closed window. */
static void window_probe_is_not_ect(void **state)
{
	struct harness *h = client(state);

	inject(h, ACK, 1, 1, 0, 0);
	app_write(h, 100);
	expect_none(h);
	time_to_segment_us(h, 10 * US_PER_S);
	assert_int_equal(expect(h, ACK, 1, 1, 1)->tos, 0);
}

/* A FIN without data and a RST are not ECT either; the user's DSCP stays. */
static void dscp_is_kept(void **state)
{
	struct harness *h = again(state, 1);

	h->opts.ip.tos = 0x2e << 2 | 3; /* whatever the low bits are */
	app_open(h);
	assert_int_equal(expect(h, SYN | ECE | CWR, 0, 0, 0)->tos, 0x2e << 2);
	inject(h, SYN | ACK | ECE, 0, 1, WND, 0);
	assert_int_equal(expect(h, ACK, 1, 1, 0)->tos, 0x2e << 2);
	app_write(h, 10);
	assert_int_equal(expect(h, ACK, 1, 1, 10)->tos, 0x2e << 2 | ECT0);
	app_shutdown(h);
	assert_int_equal(expect(h, FIN | ACK, 11, 1, 0)->tos, 0x2e << 2);
	app_abort(h);
	expect_reset(h, ANY);
	assert_int_equal(h->last.tos, 0x2e << 2);
}

/* A path that clears the TCP flags after the handshake: no harm, only no echo. */
static void cleared_flags(void **state)
{
	struct harness *h = client(state);

	fill(h, 10);
	h->tos = CE;
	inject(h, ACK, 1, 1 + 10 * MSS, WND, 100);
	expect(h, ACK | ECE, 1 + 10 * MSS, 101, 0);
	/* CWR never arrives: ECE stays, data flows */
	h->tos = 0;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(inject(h, ACK, 101 + i * 100, 1 + 10 * MSS, WND, 100), DROP_NONE);
	assert_int_equal(app_read(h, 5000), 2100);
	forget(h);
	app_write(h, MSS);
	expect(h, ACK | ECE, 1 + 10 * MSS, ANY, MSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(active_open), TEST(passive_open), TEST(knob),
		TEST(not_negotiated), TEST(answers_that_are_none),
		TEST(ect_on_syn), TEST(fallback), TEST(peer_falls_back),
		TEST(echo_until_cwr), TEST(mark_outside_the_window),
		TEST(ece_reduces_once), TEST(cwr_in_a_burst),
		TEST(loss_and_ece_in_one_window), TEST(timeout_is_not_ect),
		TEST(window_probe_is_not_ect), TEST(dscp_is_kept),
		TEST(cleared_flags),
	};

	return cmocka_run_group_tests_name("ecn", tests, NULL, NULL);
}
