/* test_timewait.c - the next connection of a flow in TIME-WAIT: RFC 6191, RFC
 * 9293 3.6.1. What a SYN from the peer may do is in test_open.c. */
#include "harness.h"

static struct harness *in_time_wait(void **state, uint8_t reuse, bool timestamps,
				    bool loopback)
{
	static const uint8_t here[4] = {127, 0, 0, 1};
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.tw_reuse = reuse;
	cfg.timestamps = timestamps;
	h = harness_again(state, &cfg);
	h->ts = timestamps;
	if (loopback)
		h->local.addr = h->remote.addr = addr_from_v4(here);
	reach(h, TCPS_TIME_WAIT);
	return h;
}

static int open_again(struct harness *h, struct tcb **out)
{
	struct flow flow = {h->local, h->remote};

	return tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, out);
}

/* After a second, with timestamps; by default to this host only, as in Linux. */
static void when(void **state)
{
	for (unsigned i = 0; i < 3 * 2 * 2; i++) {
		uint8_t reuse = i % 3;
		bool ts = i / 3 % 2, loopback = i / 6;
		struct harness *h = in_time_wait(state, reuse, ts, loopback);
		bool may = ts && (reuse == 1 || (reuse == 2 && loopback));
		struct tcb *t = NULL;

		advance_ms(h, 999);
		assert_int_equal(open_again(h, &t), -EADDRINUSE);
		advance_ms(h, 1);
		assert_int_equal(open_again(h, &t), may ? 0 : -EADDRINUSE);
		assert_int_equal(engine_stats(h->e)->time_wait, !may);
	}
}

/* In no other state. */
static void only_time_wait(void **state)
{
	static const enum tcp_state others[] = {
		TCPS_SYN_SENT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2,
		TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_LAST_ACK,
	};

	for (unsigned i = 0; i < 7; i++) {
		struct harness *h = *state;
		struct tcb *t;

		h->cfg.tw_reuse = 1;
		h->cfg.timestamps = true;
		h = harness_again(state, &h->cfg);
		h->ts = true;
		reach(h, others[i]);
		h->now_us += 2 * US_PER_S;
		assert_int_equal(open_again(h, &t), -EADDRINUSE);
	}
}

/* Its numbers are beyond the old ones, and its clock goes on; the old one's user
 * still holds what it held. */
static void what_it_sends(void **state)
{
	struct harness *h = in_time_wait(state, 1, true, false);
	struct peer *p = &h->peers[h->remote.port];
	uint32_t old_iss = p->iss, old_ts = h->ts_recent;
	struct tcb *old = h->t;
	const struct got *g;

	advance_ms(h, 1500);
	h->irs += 1u << 20;
	app_open(h);
	g = expect(h, SYN, 0, 0, 0);
	assert_true(seq_gt(p->iss, old_iss + 2 + 65535));
	assert_int_equal(g->opt.ts_val, old_ts + 1500);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	expect_state(h, TCPS_ESTABLISHED);
	assert_int_equal(tcp_error(old), 0);
	tcp_release(old, h->now_us);
	assert_int_equal(engine_stats(h->e)->connections, 1);
}

/* A connection that was faster than the clock of the ISS, 250 kB/s, is no
 * exception (RFC 6528 3). */
static void after_much_data(void **state)
{
	struct engine_config cfg;
	struct harness *h;
	uint32_t old_iss, sent = 0;

	harness_config(&cfg);
	cfg.tw_reuse = 1;
	cfg.timestamps = true;
	h = harness_again(state, &cfg);
	h->ts = true;
	establish(h);
	old_iss = h->peers[h->remote.port].iss;
	while (sent < 2000000) {
		sent += app_write(h, 10000);
		forget(h);
		inject(h, ACK, 1, 1 + sent, WND, 0);
	}
	app_release(h);
	expect(h, FIN | ACK, 1 + sent, 1, 0);
	inject(h, FIN | ACK, 1, 2 + sent, WND, 0);
	expect(h, ACK, 2 + sent, 2, 0);
	advance_ms(h, 1000);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(h->peers[h->remote.port].iss, old_iss + sent + 2 + 65537);
}

/* What lingers of nobody's connections is limited: the oldest stay, the next is
 * reset (RFC 6429 2, Linux's tcp_max_orphans). */
static void orphans(void **state)
{
	struct harness *h = *state;

	h->cfg.orphans_max = 3;
	h = harness_again(state, &h->cfg);
	for (unsigned i = 0; i < 5; i++) {
		h->remote.port++;
		establish_wnd(h, 0);
		app_write(h, 100);
		app_release(h);
		if (i >= 3)
			expect_reset(h, 1);
		expect_none(h);
	}
	assert_int_equal(engine_stats(h->e)->lingering, 3);
	h->remote.port++;
	establish(h);
	assert_int_equal(engine_stats(h->e)->connections, 4);
}

/* ---- from engine to engine ------------------------------------------------------- */

static struct tcp_timewait only_one(struct harness *h)
{
	struct tcp_timewait tw[2];

	assert_int_equal(engine_timewaits(h->e, tw, 2), 1);
	return tw[0];
}

/* Another engine, with other secrets, takes the place of the first. */
static void replace_engine(struct harness *h, const struct tcp_timewait *tw)
{
	engine_free(h->e);
	h->cfg.seed[0] ^= 0xff;
	h->e = engine_new(&h->cfg, h->now_us);
	assert_non_null(h->e);
	h->t = NULL;
	assert_int_equal(engine_add_timewait(h->e, tw, h->now_us), 0);
	assert_int_equal(engine_add_timewait(h->e, tw, h->now_us), -EADDRINUSE);
	assert_int_equal(engine_stats(h->e)->time_wait, 1);
	assert_true(engine_port_in_use(h->e, h->local.port, false));
}

/* To the peer there is no difference. */
static void taken_over(void **state)
{
	for (int ts = 0; ts < 2; ts++) {
		struct harness *h = in_time_wait(state, 0, ts, false);
		uint64_t begin_us = h->now_us;
		struct tcp_timewait tw;
		struct got before, after;

		advance_ms(h, 100);
		inject(h, FIN | ACK, 1, 2, WND, 0);
		before = *expect(h, ACK, 2, 2, 0);
		tw = only_one(h);
		advance_ms(h, 1000);
		replace_engine(h, &tw);
		inject(h, FIN | ACK, 1, 2, WND, 0);
		after = *expect(h, ACK, 2, 2, 0);
		assert_true(after.wnd >= before.wnd); /* its right edge does not go back */
		assert_int_equal(after.opt.ts_val - before.opt.ts_val, ts ? 1000 : 0);
		/* old duplicates stay out */
		inject(h, ACK, 1, 2, WND, 1);
		expect(h, ACK, 2, 2, 0);
		/* the FIN has restarted it */
		advance_us(h, begin_us + 2000ull * h->cfg.msl_ms - h->now_us);
		assert_int_equal(engine_stats(h->e)->time_wait, 1);
		advance_ms(h, 1100);
		assert_int_equal(engine_stats(h->e)->time_wait, 0);
		assert_int_equal(engine_stats(h->e)->connections, 0);
	}
}

static void ends_when_it_would_have(void **state)
{
	struct harness *h = in_time_wait(state, 0, true, false);
	struct tcp_timewait tw = only_one(h);
	uint64_t left_us = 2000ull * h->cfg.msl_ms - 5 * US_PER_S;

	advance_ms(h, 5000);
	replace_engine(h, &tw);
	advance_us(h, left_us - 1);
	assert_int_equal(engine_stats(h->e)->time_wait, 1);
	advance_us(h, 1);
	assert_int_equal(engine_stats(h->e)->time_wait, 0);
}

static void nonsense_is_not_taken(void **state)
{
	struct harness *h = in_time_wait(state, 0, true, false);
	struct tcp_timewait good = only_one(h), tw;

	forget(h);
	replace_engine(h, &good);
	good.flow.remote.port++;
	tw = good;
	tw.flow.local.port = 0;
	assert_int_equal(engine_add_timewait(h->e, &tw, h->now_us), -EINVAL);
	tw = good;
	memset(&tw.flow.remote.addr, 0xff, sizeof(tw.flow.remote.addr));
	assert_int_equal(engine_add_timewait(h->e, &tw, h->now_us), -EINVAL);
	tw = good;
	tw.flow.remote.addr.b[0] = 0x20; /* IPv6's */
	assert_int_equal(engine_add_timewait(h->e, &tw, h->now_us), -EINVAL);
	tw = good;
	tw.rcv_wscale = 15;
	assert_int_equal(engine_add_timewait(h->e, &tw, h->now_us), -EINVAL);
	tw = good;
	tw.rcv_edge = tw.rcv_nxt - 1;
	assert_int_equal(engine_add_timewait(h->e, &tw, h->now_us), -EINVAL);
	tw = good;
	tw.until_us = UINT64_MAX;
	assert_int_equal(engine_add_timewait(h->e, &tw, h->now_us), 0);
	advance_ms(h, 2 * h->cfg.msl_ms);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(when), TEST(only_time_wait), TEST(what_it_sends),
		TEST(after_much_data), TEST(orphans), TEST(taken_over),
		TEST(ends_when_it_would_have), TEST(nonsense_is_not_taken),
	};

	return cmocka_run_group_tests_name("timewait", tests, NULL, NULL);
}
