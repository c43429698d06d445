/* test_reset.c - RST in every state, and the answers that a blind attacker may
 * not exploit: RFC 9293 3.5.2, 3.5.3, 3.10.7.4, RFC 5961. */
#include "harness.h"

/* States with a connection in them, the relative RCV.NXT, and what the user
 * learns from a RST there. */
static const struct { enum tcp_state state; uint32_t rcv_nxt; int error; } cases[] = {
	{TCPS_ESTABLISHED, 1, ECONNRESET},
	{TCPS_FIN_WAIT_1, 1, ECONNRESET},
	{TCPS_FIN_WAIT_2, 1, ECONNRESET},
	{TCPS_CLOSE_WAIT, 2, EPIPE}, /* Linux: the peer had finished */
	{TCPS_CLOSING, 2, ECONNRESET},
	{TCPS_LAST_ACK, 2, ECONNRESET},
	{TCPS_TIME_WAIT, 2, 0},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

/* Each challenge gets its answer; the limits have tests of their own. */
static struct harness *unlimited(void **state)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.invalid_ratelimit_ms = 0;
	return harness_again(state, &cfg);
}

/* RFC 5961 3.2 (1): exactly RCV.NXT resets. [MUST-12] */
static void exact_reset(void **state)
{
	for (unsigned i = 0; i < CASES; i++)
		for (unsigned with_ack = 0; with_ack < 2; with_ack++) {
			struct harness *h = harness_again(state, NULL);

			if (cases[i].state == TCPS_TIME_WAIT)
				continue; /* assassination() */
			reach(h, cases[i].state);
			events(h);
			assert_int_equal(inject(h, with_ack ? RST | ACK : RST,
						cases[i].rcv_nxt, 1, 0, 0), DROP_NONE);
			expect_none(h);
			expect_state(h, TCPS_CLOSED);
			assert_int_equal(tcp_error(h->t), cases[i].error);
			if (cases[i].error)
				assert_true(events(h) & TCP_EV_ERROR);
			assert_int_equal(engine_stats(h->e)->connections, 0);
			assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
		}
}

/* (2): in the window elsewhere gets a challenge ACK and nothing else. [MAY-12] */
static void reset_in_window(void **state)
{
	for (unsigned i = 0; i < CASES; i++) {
		struct harness *h = unlimited(state);

		if (cases[i].rcv_nxt == 2)
			continue; /* no window is left behind a FIN */
		reach(h, cases[i].state);
		assert_int_equal(inject(h, RST, cases[i].rcv_nxt + 1, 0, 0, 0),
				 DROP_RST_BLIND);
		expect(h, ACK, ANY, cases[i].rcv_nxt, 0);
		assert_string_equal(h->note, "challenge ACK");
		assert_int_equal(inject(h, RST, cases[i].rcv_nxt + 60000, 0, 0, 0),
				 DROP_RST_BLIND);
		expect(h, ACK, ANY, cases[i].rcv_nxt, 0);
		expect_none(h);
		expect_state(h, cases[i].state);
	}
}

/* (3): outside it nothing happens at all. */
static void reset_outside_window(void **state)
{
	for (unsigned i = 0; i < CASES; i++) {
		struct harness *h = harness_again(state, NULL);

		reach(h, cases[i].state);
		assert_int_equal(inject(h, RST, cases[i].rcv_nxt - 1, 0, 0, 0),
				 DROP_RST_WINDOW);
		assert_int_equal(inject(h, RST, cases[i].rcv_nxt + (1u << 30), 0, 0, 0),
				 DROP_RST_WINDOW);
		expect_none(h);
		expect_state(h, cases[i].state);
	}
}

/* 3.10.7.4, first: RST counts at the edge of a closed window too. [MUST-66] */
static void reset_at_closed_window(void **state)
{
	struct harness *h = *state;

	h->opts.rcvbuf_bytes = 1000;
	establish(h);
	inject(h, ACK, 1, 1, WND, 1000);
	forget(h);
	assert_int_equal(inject(h, RST, 1002, 0, 0, 0), DROP_RST_WINDOW);
	expect_state(h, TCPS_ESTABLISHED);
	assert_int_equal(inject(h, RST, 1001, 0, 0, 0), DROP_NONE);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(app_read(h, 2000), 1000); /* came before: can be read */
}

/* RFC 5961 4: SYN in a synchronized state, wherever it points. */
static void syn_gets_challenge_ack(void **state)
{
	static const uint32_t seqs[] = {0, 1, 2, 1000, 1u << 30};

	for (unsigned i = 0; i < CASES; i++)
		for (unsigned j = 0; j < 5; j++) {
			struct harness *h = unlimited(state);

			if (cases[i].state == TCPS_TIME_WAIT && j >= 2)
				continue; /* may begin a new connection */
			reach(h, cases[i].state);
			assert_int_not_equal(inject(h, SYN, seqs[j], 0, WND, 0), DROP_NONE);
			expect(h, ACK, ANY, cases[i].rcv_nxt, 0);
			assert_int_not_equal(inject(h, SYN | ACK, seqs[j], 1, WND, 0),
					     DROP_NONE);
			expect(h, ACK, ANY, cases[i].rcv_nxt, 0);
			expect_none(h);
			expect_state(h, cases[i].state);
		}
}

/* RFC 5961 5: an ACK outside [SND.UNA - MAX.SND.WND, SND.NXT] is a challenge,
 * and what comes with it is not taken. */
static void ack_out_of_range(void **state)
{
	struct harness *h = unlimited(state);

	establish_wnd(h, 1000);
	assert_int_equal(inject(h, ACK, 1, 2, 1000, 10), DROP_ACK_FUTURE);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1u - 1001, 1000, 10), DROP_ACK_OLD);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(app_read(h, 100), 0);
	assert_int_equal(inject(h, ACK, 1, 1u - 999, 1000, 10), DROP_NONE);
	assert_int_equal(app_read(h, 100), 10);
}

/* How many of n challenges are answered, within one second. */
static unsigned answered(struct harness *h, unsigned n)
{
	unsigned got;

	h->now_us += US_PER_S - h->now_us % US_PER_S;
	for (unsigned i = 0; i < n; i++)
		inject(h, SYN, 1, 0, WND, 0);
	got = pending(h);
	forget(h);
	return got;
}

/* RFC 5961 7: one connection answers no more than once in 500 ms, and so cannot
 * use up what all of them share. Text is no challenge. */
static void limit_of_a_connection(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_int_equal(answered(h, 5000), 1);
	advance_ms(h, 499);
	inject(h, RST, 2, 0, 0, 0);
	inject(h, ACK, 1u << 30, 1, WND, 0);
	inject(h, ACK, 1, 1u << 30, WND, 0);
	expect_none(h);
	inject(h, ACK, 1u - 100, 1, WND, 100);
	expect(h, ACK, 1, 1, 0);
	advance_ms(h, 1);
	inject(h, SYN, 1, 0, WND, 0);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(engine_stats(h->e)->challenges_sent, 2);
	assert_int_equal(engine_stats(h->e)->challenges_held, 5002);
	expect_state(h, TCPS_ESTABLISHED);
}

/* The shared limit is another one each second (CVE-2016-5696: a fixed one lets
 * a stranger count whether his guesses were right), about what is configured. */
static void shared_limit_is_drawn(void **state)
{
	struct harness *h = unlimited(state);
	unsigned got[20], different = 0, sum = 0;

	establish(h);
	for (unsigned i = 0; i < 20; i++) {
		got[i] = answered(h, 3000);
		assert_in_range(got[i], 500, 1500);
		sum += got[i];
		for (unsigned j = 0; j < i; j++)
			different += got[i] != got[j];
	}
	assert_in_range(sum / 20, 800, 1200);
	assert_true(different > 150); /* of 190 pairs */
	assert_int_equal(engine_stats(h->e)->challenges_sent, sum);
	assert_int_equal(engine_stats(h->e)->challenges_held, 20 * 3000 - sum);
	h->cfg.challenge_acks_max = 0;
	h = harness_again(state, &h->cfg);
	establish(h);
	assert_int_equal(answered(h, 100), 0);
}

/* RFC 1337: TIME-WAIT is not ended by the RST that its own ACK provoked; with
 * timestamps, which protect the next connection, only if so configured. */
static void assassination(void **state)
{
	for (unsigned ts = 0; ts < 2; ts++)
		for (unsigned always = 0; always < 2; always++) {
			struct engine_config cfg;
			struct harness *h;

			harness_config(&cfg);
			cfg.timestamps = ts;
			cfg.rfc1337 = always;
			h = harness_again(state, &cfg);
			h->ts = ts;
			reach(h, TCPS_TIME_WAIT);
			assert_int_equal(inject(h, ACK, 1u - 100, 1, WND, 100),
					 DROP_DUPLICATE);
			expect(h, ACK, 2, 2, 0);
			assert_int_equal(inject(h, RST, 2, 0, 0, 0),
					 ts && !always ? DROP_NONE : DROP_STATE);
			assert_int_equal(engine_stats(h->e)->time_wait,
					 ts && !always ? 0 : 1);
			expect_none(h);
		}
}

/* 3.10.7.1: a segment for nobody; the two forms of the answer. */
static void refuse_unknown(void **state)
{
	struct harness *h = *state;

	refuse(h, SYN, 100, 0, 0);
	expect(h, RST | ACK, 0, 101, 0);
	refuse(h, FIN, 100, 0, 5);
	expect(h, RST | ACK, 0, 106, 0);
	refuse(h, 0, 100, 0, 0);
	expect(h, RST | ACK, 0, 100, 0);
	refuse(h, ACK, 100, 4711, 10);
	expect(h, RST, 4711, 0, 0);
	refuse(h, SYN | ACK, 100, 4712, 0);
	expect(h, RST, 4712, 0, 0);
	refuse(h, RST, 100, 0, 0);
	refuse(h, RST | ACK, 100, 1, 0);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->drops[DROP_CLOSED], 7);
}

static void refusals_are_limited(void **state)
{
	struct harness *h = *state;

	for (unsigned i = 0; i < 3000; i++)
		refuse(h, ACK, 0, i, 0);
	assert_in_range(pending(h), 500, 1500);
	assert_int_equal(engine_stats(h->e)->resets_sent, pending(h));
	assert_int_equal(engine_stats(h->e)->resets_held, 3000 - pending(h));
	advance_ms(h, 1000);
	forget(h);
	refuse(h, ACK, 0, 1, 0);
	expect(h, RST, 1, 0, 0);
}

/* Nothing is answered unless the caller says that nobody owns the flow. */
static void unknown_is_silent(void **state)
{
	struct harness *h = *state;

	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_CLOSED);
	assert_int_equal(inject(h, ACK, 0, 0, WND, 100), DROP_CLOSED);
	expect_none(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* What a reset leaves: SEND fails, bytes that came can still be read, ABORT and
 * CLOSE do nothing. */
static void after_a_reset(void **state)
{
	struct harness *h = *state;
	struct iovec iov[2];

	establish(h);
	inject(h, ACK, 1, 1, WND, 100);
	inject(h, ACK, 201, 1, WND, 100);
	app_write(h, 5000);
	forget(h);
	inject(h, RST, 101, 0, 0, 0);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_send_iov(h->t, 10, iov), -EPIPE);
	assert_int_equal(app_read(h, 1000), 100);
	app_shutdown(h);
	app_abort(h);
	assert_int_equal(tcp_error(h->t), ECONNRESET);
	assert_int_equal(inject(h, ACK, 101, 1, WND, 10), DROP_CLOSED);
	app_release(h);
	advance_us(h, 100 * US_PER_S);
	expect_none(h);
}

static struct harness *with_timestamps(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.timestamps = true;
	h = harness_again(state, &cfg);
	h->ts = true;
	return h;
}

/* TSval is our clock; TSecr is the peer's, or 0 where there is no ACK. */
static void has_timestamps(struct harness *h, uint32_t before)
{
	bool ack = h->last.flags & ACK;

	assert_true(h->last.flags & RST);
	assert_true(h->last.opt.ts);
	assert_in_range(h->last.opt.ts_val - before, 0, 1000);
	assert_int_equal(h->last.opt.ts_ecr != 0, ack);
}

/* RFC 7323 3.2 [SHOULD]: every RST of a connection that has timestamps. */
static void resets_carry_timestamps(void **state)
{
	struct harness *h = with_timestamps(state);
	uint32_t before;

	establish(h);
	before = h->ts_recent;
	app_abort(h);
	expect_reset(h, 1);
	has_timestamps(h, before);
	inject(h, ACK | PSH, 1, 1, WND, 100); /* it is gone already */
	expect_reset(h, 1);
	has_timestamps(h, before);

	h = with_timestamps(state); /* text after close() */
	establish(h);
	before = h->ts_recent;
	app_release(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, ACK | PSH, 1, 1, WND, 100);
	expect_reset(h, 1);
	has_timestamps(h, before);

	h = with_timestamps(state); /* an ACK that cannot be, in SYN-RECEIVED */
	app_listen(h, 4);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	before = h->ts_recent;
	inject(h, ACK, 1, 5, WND, 0);
	expect_reset(h, 5);
	has_timestamps(h, before);

	h = with_timestamps(state); /* without them there are none */
	h->ts = false;
	establish(h);
	app_abort(h);
	expect_reset(h, 1);
	assert_false(h->last.opt.ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exact_reset), TEST(resets_carry_timestamps), TEST(reset_in_window), TEST(reset_outside_window),
		TEST(reset_at_closed_window), TEST(syn_gets_challenge_ack),
		TEST(ack_out_of_range), TEST(limit_of_a_connection),
		TEST(shared_limit_is_drawn), TEST(assassination),
		TEST(refuse_unknown), TEST(refusals_are_limited),
		TEST(unknown_is_silent), TEST(after_a_reset),
	};

	return cmocka_run_group_tests_name("reset", tests, NULL, NULL);
}
