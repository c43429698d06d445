/* test_patience.c - how long a connection waits: R1 and R2, the user timeout and
 * its option, keepalive, FIN-WAIT-2 (RFC 9293 3.8.3, 3.8.4, RFC 5482). */
#include "harness.h"

#define MSS PEER_MSS

static struct harness *with_options(void **state)
{
	struct harness *h = *state;

	h->opts.keepalive = true;
	h->opts.keepalive_idle_s = 60;
	h->opts.keepalive_interval_s = 10;
	h->opts.keepalive_probes = 3;
	return h;
}

/* ---- R1, R2 --------------------------------------------------------------------- */

/* [MUST-20] [SHLD-9] [SHLD-10] R1: after three retransmissions whoever knows the
 * routes is told, long before the end. [SHLD-11] R2: not within 100 seconds, the
 * 924.6 of tcp(7) where the RTO begins at 200 ms. */
static void two_thresholds(void **state)
{
	struct harness *h = *state;
	uint64_t start_us;

	establish(h);
	events(h);
	start_us = h->now_us;
	app_write(h, 100);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(events(h), 0);
		forget(h);
		time_to_segment_us(h, 10 * US_PER_S);
	}
	assert_int_equal(events(h), TCP_EV_TROUBLE);
	expect_state(h, TCPS_ESTABLISHED);
	time_to_state_us(h, TCPS_CLOSED, 2000 * US_PER_S);
	assert_int_equal(events(h), TCP_EV_ERROR); /* told once */
	assert_in_range(h->now_us - start_us, 924600 * US_PER_MS, 925000 * US_PER_MS);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);
}

/* A slow path gets the same time, not the same number of attempts. */
static void patience_is_a_time(void **state)
{
	struct harness *h = *state;
	uint64_t start_us;

	establish_rtt(h, 900 * US_PER_MS); /* RTO: 2.7 seconds */
	start_us = h->now_us;
	app_write(h, 100);
	time_to_state_us(h, TCPS_CLOSED, 2000 * US_PER_S);
	assert_in_range(h->now_us - start_us, 924 * US_PER_S, 924 * US_PER_S + 120 * US_PER_S);
}

/* [MUST-21] [MUST-22] The user sets R2, to less or to more; what is late by then
 * fails at that time, not at the next retransmission. */
static void user_timeout(void **state)
{
	static const uint32_t ms[] = {700, 5000, 30000, 3600000};

	for (int i = 0; i < 4; i++) {
		struct harness *h = harness_again(state, NULL);
		uint64_t start_us;

		h->opts.user_timeout_ms = ms[i];
		establish(h);
		advance_ms(h, 20000); /* idle time does not count */
		start_us = h->now_us;
		app_write(h, 100);
		time_to_state_us(h, TCPS_CLOSED, 4000 * US_PER_S);
		assert_int_equal(h->now_us - start_us, ms[i] * US_PER_MS);
		assert_int_equal(tcp_error(h->t), ETIMEDOUT);
	}
}

/* It counts from the last progress, and an ACK of something is progress. */
static void user_timeout_and_progress(void **state)
{
	struct harness *h = *state;

	h->opts.user_timeout_ms = 3000;
	establish(h);
	app_write(h, 4 * MSS);
	for (uint32_t i = 1; i <= 3; i++) {
		advance_ms(h, 2500);
		forget(h);
		inject(h, ACK, 1, 1 + i * MSS, WND, 0);
		expect_state(h, TCPS_ESTABLISHED);
	}
	assert_in_range(time_to_state_us(h, TCPS_CLOSED, 10 * US_PER_S),
			2990 * US_PER_MS, 3000 * US_PER_MS);
}

/* A closed window is no excuse, though the peer answers every probe. */
static void user_timeout_at_closed_window(void **state)
{
	struct harness *h = *state;

	h->opts.user_timeout_ms = 10000;
	establish_wnd(h, 0);
	app_write(h, 100);
	for (int i = 0; i < 100 && state_of(h) != TCPS_CLOSED; i++) {
		advance_ms(h, 200);
		if (pending(h))
			inject(h, ACK, 1, 1, 0, 0);
		forget(h);
	}
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(h->now_us, 1000 * US_PER_S + 10 * US_PER_S);
}

/* And it limits an attempt to connect. TCP_SYNCNT does so by number. */
static void limits_of_an_open(void **state)
{
	struct harness *h = *state;
	uint32_t syns = 0;

	h->opts.user_timeout_ms = 4000;
	app_open(h);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 500 * US_PER_S), 4 * US_PER_S);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);

	h = harness_again(state, NULL);
	h->opts.syn_retries = 2;
	app_open(h);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 500 * US_PER_S), 7 * US_PER_S);
	while (pending(h)) {
		expect(h, SYN, 0, 0, 0);
		syns++;
	}
	assert_int_equal(syns, 3);
}

/* ---- RFC 5482 ----------------------------------------------------------------------- */

static struct harness *with_uto(void **state)
{
	struct harness *h = *state;

	h->cfg.uto = true;
	return harness_again(state, &h->cfg);
}

/* RFC 5482 3.1: told on the SYN, after it, and again when it changes; what our
 * user has set is not changed by what the peer wishes. */
static void tells_the_user_timeout(void **state)
{
	struct harness *h = with_uto(state);
	struct seg_options wish = {.wscale = -1, .uto = 600};
	struct tcp_opts o;

	h->opts.user_timeout_ms = 130000;
	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.uto, 130);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	assert_int_equal(expect(h, ACK, 1, 1, 0)->opt.uto, 130);
	inject(h, ACK, 1, 1, WND, MSS);
	inject_opt(h, ACK, 1 + MSS, 1, WND, MSS, &wish);
	assert_int_equal(expect(h, ACK, 1, 1 + 2 * MSS, 0)->opt.uto, 0);
	tcp_get_opts(h->t, &o);
	o.user_timeout_ms = 40000 * 1000; /* too many seconds: minutes */
	tcp_set_opts(h->t, &o, h->now_us);
	assert_int_equal(expect(h, ACK, 1, ANY, 0)->opt.uto, 0x8000 | 667);
	o.user_timeout_ms = 5000;
	tcp_set_opts(h->t, &o, h->now_us);
	assert_int_equal(expect(h, ACK, 1, ANY, 0)->opt.uto, 5);
	app_write(h, 100);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 1000 * US_PER_S), 5 * US_PER_S);
}

/* 3.1, 3.2: adopted between a lower limit and an hour. Without the knob no option
 * is sent, and none heeded. */
static void adopts_the_peers(void **state)
{
	static const struct {
		uint16_t field;
		bool on;
		uint32_t s; /* R2 then */
	} c[] = {{2000, true, 2000}, {0x8000 | 40, true, 2400}, {1, true, 924},
		 {0xffff, true, 3600}, {2000, false, 924}, {0, true, 924}};

	for (int i = 0; i < 6; i++) {
		struct harness *h = *state;

		h->cfg.uto = c[i].on;
		h = harness_again(state, &h->cfg);
		h->syn.uto = c[i].field;
		app_open(h);
		assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.uto, c[i].on ? 925 : 0);
		inject(h, SYN | ACK, 0, 1, WND, 0);
		app_write(h, 100);
		assert_in_range(time_to_state_us(h, TCPS_CLOSED, 5000 * US_PER_S) / US_PER_S,
				c[i].s, c[i].s + (c[i].s == 924 ? 1 : 0));
	}
}

/* ---- keepalive ------------------------------------------------------------------------ */

/* [MUST-24] [MUST-25] [MUST-28] [MAY-5] [SHLD-12] Off unless asked for; then two hours. */
static void keepalive_by_default(void **state)
{
	struct harness *h = *state;

	establish(h);
	advance_us(h, 100 * 3600 * US_PER_S);
	expect_none(h);

	h = harness_again(state, NULL);
	h->opts.keepalive = true;
	establish(h);
	assert_int_equal(time_to_segment_us(h, 100 * 3600 * US_PER_S), 7200 * US_PER_S);
	expect(h, ACK, 0, 1, 0);
}

/* [MUST-27] The times are the user's. An answered probe begins anew. [MUST-29] One
 * unanswered probe is not the end; as many as configured are, and the peer that
 * may still be there gets a RST. */
static void keepalive_probes(void **state)
{
	struct harness *h = with_options(state);

	establish(h);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(time_to_segment_us(h, 3600 * US_PER_S), 60 * US_PER_S);
		expect(h, ACK, 0, 1, 0);
		if (i == 1) { /* lost: again after the interval */
			assert_int_equal(time_to_segment_us(h, 3600 * US_PER_S), 10 * US_PER_S);
			expect(h, ACK, 0, 1, 0);
		}
		inject(h, ACK, 1, 1, WND, 0);
		expect_none(h);
		assert_int_equal(status(h).probes, 0);
	}
	assert_int_equal(time_to_segment_us(h, 3600 * US_PER_S), 60 * US_PER_S);
	expect(h, ACK, 0, 1, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(time_to_segment_us(h, 3600 * US_PER_S), 10 * US_PER_S);
		expect(h, ACK, 0, 1, 0);
		expect_state(h, TCPS_ESTABLISHED);
	}
	assert_int_equal(time_to_segment_us(h, 3600 * US_PER_S), 10 * US_PER_S);
	expect_reset(h, 1);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);
}

/* [MUST-26] Only when nothing is outstanding and nothing was heard. */
static void keepalive_only_when_idle(void **state)
{
	struct harness *h = with_options(state);
	uint32_t at = 1;

	establish(h);
	for (int i = 0; i < 10; i++, at += 100) { /* text that comes postpones it */
		advance_ms(h, 50000);
		inject(h, ACK, at, 1, WND, 100);
		app_read(h, 100);
		while (pending(h))
			expect(h, ACK, 1, ANY, 0);
	}
	app_write(h, 100); /* unacknowledged: retransmissions, no keepalives */
	for (int i = 0; i < 5; i++) {
		time_to_segment_us(h, 3600 * US_PER_S);
		expect(h, ACK, 1, ANY, 100);
	}
	advance_us(h, 150 * US_PER_S);
	while (pending(h))
		assert_int_equal(expect(h, ACK, 1, ANY, ANY)->len_bytes, 100);
	inject(h, ACK, at, 101, WND, 0);
	forget(h);
	assert_in_range(time_to_segment_us(h, 3600 * US_PER_S), 60 * US_PER_S, 120 * US_PER_S);
	expect(h, ACK, 100, at, 0);
}

/* tcp(7): the user timeout takes the place of the number of probes. */
static void keepalive_with_user_timeout(void **state)
{
	struct harness *h = with_options(state);

	h->opts.user_timeout_ms = 125000;
	establish(h);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 3600 * US_PER_S), 130 * US_PER_S);
	for (int i = 0; i < 7; i++)
		expect(h, ACK, 0, 1, 0);
	expect_reset(h, 1);
}

/* [MUST-24] Switched on and off while the connection lives; a passive one inherits
 * it. */
static void keepalive_switched(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;

	establish_passive(h);
	advance_us(h, 100 * US_PER_S);
	tcp_get_opts(h->t, &o);
	o.keepalive = true;
	o.keepalive_idle_s = 30; /* long over */
	tcp_set_opts(h->t, &o, h->now_us);
	advance_ms(h, 1);
	expect(h, ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	o.keepalive = false;
	tcp_set_opts(h->t, &o, h->now_us);
	advance_us(h, 3600 * US_PER_S);
	expect_none(h);

	h = harness_again(state, NULL);
	with_options(state);
	establish_passive(h);
	assert_int_equal(time_to_segment_us(h, 100 * US_PER_S), 60 * US_PER_S);
}

/* The other side of it: a probe is old text, and is answered by an ACK. */
static void keepalives_are_answered(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	inject(h, ACK, 0, 1, WND, 1); /* with the garbage octet of old stacks */
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(app_read(h, 10), 0);
}

/* ---- FIN-WAIT-2: TCP_LINGER2 ------------------------------------------------------------ */

static void fin_wait_2_of_the_released(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct harness *h = harness_again(state, NULL);

		h->opts.fin_timeout_s = (int32_t[]){0, 7, -1}[i];
		reach(h, i == 1 ? TCPS_FIN_WAIT_1 : TCPS_FIN_WAIT_2);
		app_release(h);
		if (i == 1) /* released before the FIN was acknowledged */
			inject(h, ACK, 1, 2, WND, 0);
		if (i < 2) {
			assert_int_equal(engine_stats(h->e)->fin_wait_2, 1);
			assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 100 * US_PER_S),
					 (i ? 7 : 60) * US_PER_S);
			expect_none(h);
		} else { /* none at all: the peer learns it by a RST */
			expect_reset(h, 2);
		}
		assert_int_equal(engine_stats(h->e)->connections, 0);
	}
}

/* The host sleeps for 2^32 us and a little: no round trip is that short. */
static void asleep_for_an_hour(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	expect(h, ACK, 1, 1, 100);
	h->now_us += (1ull << 32) + 1000;
	inject(h, ACK, 1, 101, WND, 0);
	assert_true(status(h).srtt_us >= 400 * US_PER_S);
	assert_int_equal(status(h).rto_us, h->cfg.rto_max_ms * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_thresholds), TEST(patience_is_a_time), TEST(user_timeout),
		TEST(user_timeout_and_progress), TEST(user_timeout_at_closed_window),
		TEST(limits_of_an_open), TEST(tells_the_user_timeout),
		TEST(adopts_the_peers), TEST(keepalive_by_default),
		TEST(keepalive_probes), TEST(keepalive_only_when_idle),
		TEST(keepalive_with_user_timeout), TEST(keepalive_switched),
		TEST(keepalives_are_answered), TEST(fin_wait_2_of_the_released),
		TEST(asleep_for_an_hour),
	};

	return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
