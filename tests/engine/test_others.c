/* test_others.c - segments that may be for another stack on the same port. */
#include "harness.h"

#include "../../engine/tcb.h"

/* A SYN for whoever listens now: nothing is said, and TIME-WAIT ends only for one
 * that RFC 6191 would let it end for. */
static void syn_in_time_wait(void **state)
{
	struct harness *h = *state;
	uint64_t segs;

	reach(h, TCPS_TIME_WAIT);
	segs = engine_stats(h->e)->segs_in;
	h->ask = true;
	assert_int_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_ASK);
	expect_none(h);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(engine_stats(h->e)->segs_in, segs);
	assert_int_equal(engine_stats(h->e)->drops[DROP_ASK], 0);
	yield(h, SYN, 1, 0);
	expect_none(h);
	expect_state(h, TCPS_TIME_WAIT);
	yield(h, SYN, 5000, 0);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->time_wait, 0);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* There is nobody else: the answer is what it is without asking. */
static void syn_in_time_wait_is_answered(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_TIME_WAIT);
	assert_int_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_SYN);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
}

/* What only this stack can know of. */
static void the_rest_of_time_wait(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_TIME_WAIT);
	h->ask = true;
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	assert_int_equal(inject(h, SYN | ACK, 5000, 2, WND, 0), DROP_SYN);
	forget(h);
	assert_int_not_equal(inject(h, RST, 2, 0, 0, 0), DROP_ASK);
}

/* Who listens need not ask. */
static void own_listener_replaces_time_wait(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	establish_passive(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
	h->ask = true;
	assert_int_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, ANY, 5001, 0);
}

/* The SYN was a duplicate; the other stack's connection goes on. */
static void other_ack_in_syn_received(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	yield(h, ACK, 1, 77777);
	yield(h, ACK, 1, 0);
	yield(h, ACK | FIN, 500000, 77777); /* out of the window, too */
	expect_none(h);
	h->ask = true;
	assert_int_equal(inject(h, RST, 500000, 0, 0, 0), DROP_RST_WINDOW);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	assert_int_equal(h->listener_ev & TCP_EV_INCOMING, TCP_EV_INCOMING);
}

static void wrong_ack_in_syn_received_is_refused(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 77777, WND, 0), DROP_ACK_FUTURE);
	expect_reset(h, 77777);
}

static void nobody_else_in_other_states(void **state)
{
	static const enum tcp_state others[] = {
		TCPS_SYN_SENT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2,
		TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_LAST_ACK,
	};
	struct harness *h = *state;

	for (unsigned i = 0; i < 7; i++) {
		h = harness_again(state, NULL);
		reach(h, others[i]);
		h->ask = true;
		assert_int_not_equal(inject(h, ACK, 1, 77777, WND, 0), DROP_ASK);
		assert_int_not_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_ASK);
		forget(h);
	}
	/* Nor where both sides open actively. */
	h = harness_again(state, NULL);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	h->ask = true;
	assert_int_equal(inject(h, ACK, 1, 77777, WND, 0), DROP_ACK_FUTURE);
	expect_reset(h, 77777);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(syn_in_time_wait), TEST(syn_in_time_wait_is_answered),
		TEST(the_rest_of_time_wait), TEST(own_listener_replaces_time_wait),
		TEST(other_ack_in_syn_received), TEST(wrong_ack_in_syn_received_is_refused),
		TEST(nobody_else_in_other_states),
	};

	return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}
