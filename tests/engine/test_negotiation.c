/* test_negotiation.c - what the two SYNs agree on: options, MSS, numbers. */
#include "harness.h"

/* RFC 7323 2.2, 3.2, RFC 2018 2: an option is on when both SYNs have it; a
 * SYN,ACK carries it only if the SYN did. Either side may lack any of them. */
static void negotiate(void **state, bool passive, unsigned ours, unsigned theirs)
{
	struct engine_config cfg;
	struct harness *h;
	struct tcp_status st;
	unsigned both = ours & theirs, shown = passive ? both : ours;
	struct seg_options o;

	harness_config(&cfg);
	cfg.timestamps = ours & 1;
	cfg.sack = ours & 2;
	cfg.window_scaling = ours & 4;
	h = harness_again(state, &cfg);
	h->syn.ts = theirs & 1;
	h->syn.ts_val = 77;
	h->syn.sack_ok = theirs & 2;
	h->syn.wscale = theirs & 4 ? 3 : -1;
	if (passive) {
		app_listen(h, 1);
		inject(h, SYN, 0, 0, WND, 0);
		o = expect(h, SYN | ACK, 0, 1, 0)->opt;
	} else {
		app_open(h);
		o = expect(h, SYN, 0, 0, 0)->opt;
		h->syn.ts = both & 1;
		h->syn.ts_ecr = o.ts_val;
		inject(h, SYN | ACK, 0, 1, WND, 0);
		assert_int_equal(expect(h, ACK, 1, 1, 0)->opt.ts, both & 1);
	}
	assert_int_equal(o.ts, shown & 1);
	assert_int_equal(o.sack_ok, !!(shown & 2));
	assert_int_equal(o.wscale >= 0, !!(shown & 4));
	h->ts = both & 1;
	h->ts_base = 77;
	if (passive) {
		assert_int_equal(o.ts ? o.ts_ecr : 77, 77);
		inject(h, ACK, 1, 1, 100, 0);
		h->t = tcp_accept(h->listener, h);
		assert_non_null(h->t);
	} else {
		inject(h, ACK, 1, 1, 100, 0);
	}
	st = status(h);
	assert_int_equal(st.state, TCPS_ESTABLISHED);
	assert_int_equal(st.timestamps, both & 1);
	assert_int_equal(st.sack, !!(both & 2));
	assert_int_equal(st.window_scaling, !!(both & 4));
	assert_int_equal(st.snd_wscale, both & 4 ? 3 : 0);
	assert_int_equal(st.snd_wnd_bytes, both & 4 ? 800 : 100);
	if (!(both & 4))
		assert_int_equal(st.rcv_wscale, 0);
}

static void negotiation(void **state)
{
	for (unsigned ours = 0; ours < 8; ours++)
		for (unsigned theirs = 0; theirs < 8; theirs++) {
			negotiate(state, false, ours, theirs);
			negotiate(state, true, ours, theirs);
		}
}

/* RFC 7323 2.2: the window in a SYN is never scaled. */
static void window_of_syn_is_unscaled(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.window_scaling = true;
	h = harness_again(state, &cfg);
	h->syn.wscale = 7;
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK, 0, 1, 1000, 0);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(status(h).snd_wnd_bytes, 1000);
	inject(h, ACK, 1, 1, 1000, 0);
	assert_int_equal(status(h).snd_wnd_bytes, 128000);
}

/* RFC 9293 3.7.1, MUST-14 to 16: what we announce fits the path and the user's
 * limit; what we send fits what the peer announced, 536 if nothing.
 * [MUST-14] [MUST-15] [MUST-16] [MUST-67] [SHLD-5] [SHLD-6] [MAY-3] */
static void mss_option(void **state)
{
	static const struct { uint32_t mtu; uint16_t limit, adv; } ours[] = {
		{1500, 0, 1460}, {1500, 1000, 1000}, {576, 0, 536}, {9000, 0, 8960},
		{65535, 0, 65495}, {1500, 9000, 1460},
	};
	static const struct { uint16_t peer; uint32_t snd; } theirs[] = {
		{0, 536}, {1460, 1460}, {1000, 1000}, {65535, 1460},
	};

	for (unsigned i = 0; i < 6; i++) {
		struct harness *h = harness_again(state, NULL);

		h->path.mtu_bytes = ours[i].mtu;
		h->opts.mss_max_bytes = ours[i].limit;
		app_open(h);
		assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.mss, ours[i].adv);
	}
	for (unsigned i = 0; i < 4; i++) {
		struct harness *h = harness_again(state, NULL);

		h->syn.mss = theirs[i].peer;
		establish(h);
		assert_int_equal(status(h).snd_mss, theirs[i].snd);
		app_write(h, 3000);
		expect(h, ACK, 1, 1, theirs[i].snd);
		expect(h, ACK, 1 + theirs[i].snd, 1, theirs[i].snd);
	}
}

/* RFC 6691: the MSS option counts no options, so data makes room for them. [MUST-16] */
static void timestamps_take_from_mss(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.timestamps = true;
	h = harness_again(state, &cfg);
	h->ts = true;
	establish(h);
	app_write(h, 5000);
	assert_true(expect(h, ACK, 1, 1, 1448)->opt.ts);
	assert_int_equal(status(h).snd_mss, 1448);
}

/* [MUST-15] [SHLD-5] */
static void ipv6_mss(void **state)
{
	struct harness *h = *state;
	static const uint8_t a[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	static const uint8_t b[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

	memcpy(h->local.addr.b, a, 16);
	memcpy(h->remote.addr.b, b, 16);
	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.mss, 1440);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	app_write(h, 2000);
	expect(h, ACK, 1, 1, 1440);
}

/* RFC 6528: ISNs of one flow grow with a clock of 4 us, those of different
 * flows have nothing to do with each other, and the key decides. */
static uint32_t iss_of(const struct engine_config *cfg, uint64_t now_us, uint16_t port)
{
	struct harness *h = harness_new_at(cfg, now_us);
	uint32_t iss;

	h->remote.port = port;
	app_open(h);
	iss = h->peers[port].iss;
	harness_free(h);
	return iss;
}

/* [MUST-8] [MUST-9] [SHLD-1] */
static void initial_sequence_number(void **state)
{
	struct engine_config cfg;
	uint32_t a;

	(void)state;
	harness_config(&cfg);
	a = iss_of(&cfg, 5 * US_PER_S, 5000);
	assert_int_equal(iss_of(&cfg, 5 * US_PER_S, 5000), a);
	assert_int_equal(iss_of(&cfg, 6 * US_PER_S, 5000), a + 250000);
	assert_int_not_equal(iss_of(&cfg, 5 * US_PER_S, 5001), a);
	cfg.seed[9] ^= 1;
	assert_int_not_equal(iss_of(&cfg, 5 * US_PER_S, 5000), a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(negotiation), TEST(window_of_syn_is_unscaled),
		TEST(mss_option), TEST(timestamps_take_from_mss), TEST(ipv6_mss),
		TEST(initial_sequence_number),
	};

	return cmocka_run_group_tests_name("negotiation", tests, NULL, NULL);
}
