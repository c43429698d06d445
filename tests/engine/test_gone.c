/* test_gone.c - connections that were given up or reset, and their peers who do not
 * know it yet. */
#include "harness.h"

static struct flow flow_of(const struct harness *h)
{
	return (struct flow){h->local, h->remote};
}

static bool is_gone(const struct harness *h)
{
	struct flow flow = flow_of(h);

	return engine_gone_lately(h->e, &flow, 0, h->now_us);
}

/* An open whose SYN has left is closed: CLOSED, and nobody's. */
static void give_up(struct harness *h)
{
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	app_release(h);
	expect_none(h);
}

/* The SYN,ACK comes late: RST at SEG.ACK, without a question to anybody. */
static void late_syn_ack_is_refused(void **state)
{
	struct harness *h = *state;

	give_up(h);
	assert_true(is_gone(h));
	assert_int_equal(inject(h, SYN | ACK, 0, 1, WND, 0), DROP_GONE);
	expect(h, RST, 1, ANY, 0);
	/* It was lost: the peer repeats itself. */
	assert_int_equal(inject(h, SYN | ACK, 0, 1, WND, 0), DROP_GONE);
	expect(h, RST, 1, ANY, 0);
	expect_none(h);
}

/* However many there are: strangers cannot provoke these. */
static void without_limit(void **state)
{
	struct harness *h = *state;
	uint32_t n = 3 * h->cfg.resets_max;

	give_up(h);
	for (uint32_t i = 0; i < n; i++) {
		inject(h, SYN | ACK, 0, 1, WND, 0);
		expect(h, RST, 1, ANY, 0);
	}
	assert_int_equal(engine_stats(h->e)->resets_held, 0);
}

/* What does not acknowledge our SYN may be for another stack with the port. */
static void the_rest_is_asked_about(void **state)
{
	struct harness *h = *state;

	give_up(h);
	assert_int_equal(inject(h, SYN | ACK, 0, 0, WND, 0), DROP_CLOSED);
	assert_int_equal(inject(h, SYN | ACK, 0, 2, WND, 0), DROP_CLOSED);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_CLOSED);
	assert_int_equal(inject(h, RST | ACK, 0, 1, 0, 0), DROP_CLOSED);
	h->remote.port++;
	assert_int_equal(inject(h, SYN | ACK, 0, 1, WND, 0), DROP_CLOSED);
}

/* A SYN that never left leaves nothing behind. */
static void unsent(void **state)
{
	struct harness *h = *state;
	struct flow flow = flow_of(h);

	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	tcp_release(h->t, h->now_us);
	h->t = NULL;
	assert_false(is_gone(h));
	expect_none(h);
}

/* Whom the peer has refused he has forgotten. */
static void refused(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, RST | ACK, 0, 1, 0, 0);
	assert_int_equal(tcp_error(h->t), ECONNREFUSED);
	assert_false(is_gone(h));
}

static void after_a_minute(void **state)
{
	struct harness *h = *state;

	give_up(h);
	advance_us(h, 62 * US_PER_S);
	assert_true(is_gone(h));
	advance_us(h, 2 * US_PER_S);
	assert_false(is_gone(h));
	assert_int_equal(inject(h, SYN | ACK, 0, 1, WND, 0), DROP_CLOSED);
}

/* On the wire, of the segment that expect() took last. */
static uint32_t iss_of(const struct harness *h)
{
	const uint8_t *seq = h->last.hdr + 4;

	return (uint32_t)seq[0] << 24 | seq[1] << 16 | seq[2] << 8 | seq[3];
}

/* The same ports again, which a bound socket must use: the SYN is just outside the
 * window of a peer in SYN-RECEIVED, so that it answers with an ACK and not with a RST;
 * the RST that follows clears it, and the next SYN follows at once. */
static void opened_again(void **state)
{
	struct harness *h = *state;
	struct flow flow = flow_of(h);
	uint32_t iss;

	give_up(h);
	iss = iss_of(h);
	advance_us(h, 700);
	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	assert_false(is_gone(h));
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(iss_of(h), iss - 1);
	/* the peer's challenge acknowledges the first SYN: one too many for this one */
	assert_int_equal(inject(h, ACK, 1, 2, WND, 0), DROP_SYN_SENT_ACK);
	expect(h, RST, 2, ANY, 0);
	assert_true(time_to_segment_us(h, US_PER_S) < 10 * US_PER_MS);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	expect_state(h, TCPS_ESTABLISHED);
}

/* Text that is under way when the user resets the connection: each segment is told. */
static void text_after_a_reset(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	expect(h, ACK, 1, 1, 100);
	app_abort(h);
	expect(h, RST | ACK, 101, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 500), DROP_GONE);
	expect(h, RST, 1, ANY, 0);
	assert_int_equal(inject(h, ACK, 501, 101, WND, 500), DROP_GONE);
	expect(h, RST, 101, ANY, 0);
	assert_int_equal(inject(h, ACK, 1001, 102, WND, 500), DROP_CLOSED);
	assert_int_equal(inject(h, ACK, 1001, 0, WND, 500), DROP_CLOSED);
}

/* At a listener's port, too. */
static void child_of_a_listener(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	establish_passive(h);
	app_abort(h);
	expect(h, RST | ACK, 1, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 500), DROP_GONE);
	expect(h, RST, 1, ANY, 0);
	assert_int_equal(inject(h, ACK, 1, 77, WND, 500), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, ANY, ANY, 0);
}

/* More than there is room for: the memory is bounded, the newest are known. */
static void many(void **state)
{
	struct harness *h = *state;
	size_t bytes;

	give_up(h);
	bytes = engine_stats(h->e)->memory_bytes;
	for (int i = 0; i < 5000; i++) {
		h->remote.port++;
		give_up(h);
	}
	assert_true(is_gone(h));
	assert_true(engine_stats(h->e)->memory_bytes < bytes + 100000);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(late_syn_ack_is_refused),
		TEST(without_limit),
		TEST(the_rest_is_asked_about),
		TEST(unsent),
		TEST(refused),
		TEST(after_a_minute),
		TEST(opened_again),
		TEST(text_after_a_reset),
		TEST(child_of_a_listener),
		TEST(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
