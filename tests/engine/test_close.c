/* test_close.c - how connections end: RFC 9293 3.6, 3.10.4, 3.10.5 and the FIN
 * and TIME-WAIT parts of 3.10.7.4. */
#include "harness.h"

static uint64_t two_msl_us(const struct harness *h)
{
	return 2 * h->cfg.msl_ms * US_PER_MS;
}

/* RFC 9293 3.6, figure 12, from the side that closes first. [MUST-13] */
static void active_close(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	expect_state(h, TCPS_FIN_WAIT_1);
	assert_int_equal(inject(h, ACK, 1, 2, WND, 0), DROP_NONE);
	expect_state(h, TCPS_FIN_WAIT_2);
	expect_none(h);
	assert_int_equal(events(h) & (TCP_EV_CLOSED | TCP_EV_PEER_CLOSED), 0);
	assert_int_equal(inject(h, FIN | ACK, 1, 2, WND, 0), DROP_NONE);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(events(h) & (TCP_EV_CLOSED | TCP_EV_PEER_CLOSED | TCP_EV_ERROR),
			 TCP_EV_CLOSED | TCP_EV_PEER_CLOSED);
	assert_int_equal(engine_stats(h->e)->time_wait, 1);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 1000 * US_PER_S), two_msl_us(h));
	expect_none(h);
	assert_int_equal(tcp_error(h->t), 0);
	assert_int_equal(engine_stats(h->e)->time_wait, 0);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	app_release(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* The same figure from the other side. */
static void passive_close(void **state)
{
	struct harness *h = *state;

	establish_passive(h);
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 1, 2, 0);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_true(events(h) & TCP_EV_PEER_CLOSED);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 2, 0);
	expect_state(h, TCPS_LAST_ACK);
	assert_int_equal(events(h) & TCP_EV_CLOSED, 0);
	assert_int_equal(inject(h, ACK, 2, 2, WND, 0), DROP_NONE);
	expect_none(h);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(events(h) & (TCP_EV_CLOSED | TCP_EV_ERROR), TCP_EV_CLOSED);
	assert_int_equal(tcp_error(h->t), 0);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* RFC 9293 3.6, figure 13. */
static void simultaneous_close(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_CLOSING);
	assert_true(events(h) & TCP_EV_PEER_CLOSED);
	inject(h, ACK, 2, 2, WND, 0);
	expect_none(h);
	expect_state(h, TCPS_TIME_WAIT);
	assert_true(events(h) & TCP_EV_CLOSED);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 1000 * US_PER_S), two_msl_us(h));
}

/* 3.10.7.4, eighth: FIN that also acknowledges ours: FIN-WAIT-1 to TIME-WAIT. */
static void fin_and_ack_in_one(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
}

/* The peer's FIN while our data and FIN are both still unacknowledged: only the
 * ACK of the FIN leads out of CLOSING. */
static void closing_with_data_in_flight(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	expect(h, ACK, 1, 1, 100);
	app_shutdown(h);
	expect(h, FIN | ACK, 101, 1, 0);
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 102, 2, 0);
	expect_state(h, TCPS_CLOSING);
	inject(h, ACK, 2, 101, WND, 0);
	expect_state(h, TCPS_CLOSING);
	inject(h, ACK, 2, 102, WND, 0);
	expect_state(h, TCPS_TIME_WAIT);
	expect_none(h);
}

/* An ACK for the data alone leaves FIN-WAIT-1 as it is. */
static void fin_wait_1_needs_ack_of_fin(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	app_shutdown(h);
	forget(h);
	inject(h, ACK, 1, 101, WND, 0);
	expect_state(h, TCPS_FIN_WAIT_1);
	inject(h, ACK, 1, 102, WND, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
}

/* Who waits in CLOSE-WAIT may go on sending for as long as it likes. */
static void sending_in_close_wait(void **state)
{
	struct harness *h = *state;
	uint32_t at = 1;

	establish(h);
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 1, 2, 0);
	for (unsigned i = 0; i < 20; i++) {
		advance_us(h, 100 * US_PER_S);
		assert_int_equal(app_write(h, 1000), 1000);
		expect(h, ACK, at, 2, 1000);
		at += 1000;
		inject(h, ACK, 2, at, WND, 0);
		expect_none(h);
		expect_state(h, TCPS_CLOSE_WAIT);
	}
	app_shutdown(h);
	expect(h, FIN | ACK, at, 2, 0);
	inject(h, ACK, 2, at + 1, WND, 0);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), 0);
}

/* The other half: the user still listens in FIN-WAIT-2, so no timeout. */
static void receiving_in_fin_wait_2(void **state)
{
	struct harness *h = *state;
	uint32_t at = 1;

	reach(h, TCPS_FIN_WAIT_2);
	for (unsigned i = 0; i < 20; i++) {
		advance_us(h, 100 * US_PER_S);
		assert_int_equal(inject(h, ACK, at, 2, WND, 1000), DROP_NONE);
		at += 1000;
		assert_int_equal(app_read(h, 5000), 1000);
		time_to_segment_us(h, US_PER_S);
		expect(h, ACK, 2, at, 0);
		expect_state(h, TCPS_FIN_WAIT_2);
	}
	inject(h, FIN | ACK, at, 2, WND, 10);
	expect(h, ACK, 2, at + 11, 0);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(app_read(h, 100), 10);
}

/* Data that crosses our FIN is still taken in FIN-WAIT-1. */
static void receiving_in_fin_wait_1(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_FIN_WAIT_1);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 500), DROP_NONE);
	assert_int_equal(app_read(h, 1000), 500);
	expect_state(h, TCPS_FIN_WAIT_1);
	assert_int_equal(inject(h, ACK, 501, 2, WND, 500), DROP_NONE);
	assert_int_equal(app_read(h, 1000), 500);
	expect_state(h, TCPS_FIN_WAIT_2);
}

/* 3.10.7.4, eighth, TIME-WAIT: acknowledge the FIN again, restart 2 MSL. */
static void fin_again_in_time_wait(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_TIME_WAIT);
	advance_us(h, two_msl_us(h) - 1000);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 1000 * US_PER_S), two_msl_us(h));
}

/* 3.6.1: what TIME-WAIT is for. Old duplicates are never data to anybody. */
static void old_duplicates_in_time_wait(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 1, 1, WND, 100);
	assert_int_equal(app_read(h, 100), 100);
	app_shutdown(h);
	inject(h, FIN | ACK, 101, 2, WND, 0);
	expect_state(h, TCPS_TIME_WAIT);
	forget(h);
	events(h);
	assert_int_not_equal(inject(h, ACK, 1, 1, WND, 100), DROP_NONE);
	assert_int_not_equal(inject(h, ACK, 102, 2, WND, 100), DROP_NONE);
	assert_int_equal(app_read(h, 100), 0);
	while (pending(h))
		expect(h, ACK, 2, 102, 0);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(events(h), 0);
}

/* A released connection stays in TIME-WAIT all the same. [MUST-13] */
static void time_wait_outlives_its_user(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_TIME_WAIT);
	app_release(h);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->time_wait, 1);
	assert_int_equal(engine_stats(h->e)->lingering, 0);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	advance_us(h, two_msl_us(h) - 1);
	assert_int_equal(engine_stats(h->e)->time_wait, 1);
	advance_us(h, 2);
	assert_int_equal(engine_stats(h->e)->time_wait, 0);
	assert_int_equal(inject(h, ACK, 2, 2, WND, 0), DROP_CLOSED);
}

/* Our FIN is retransmitted like data. */
static void fin_retransmission(void **state)
{
	struct harness *h = *state;
	uint32_t rto_us;

	establish(h);
	rto_us = status(h).rto_us;
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(time_to_segment_us(h, 100 * US_PER_S), (uint64_t)rto_us << i);
		expect(h, FIN | ACK, 1, 1, 0);
	}
	inject(h, ACK, 1, 2, WND, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

static void fin_retransmission_in_last_ack(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_LAST_ACK);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, FIN | ACK, 1, 2, 0);
	inject(h, FIN | ACK, 1, 1, WND, 0); /* it has not heard us either */
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_LAST_ACK);
	inject(h, ACK, 2, 2, WND, 0);
	expect_state(h, TCPS_CLOSED);
}

/* The last bytes and the FIN share a segment, and the FIN frees what Nagle
 * held. */
static void fin_with_data(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 1);
	expect(h, ACK, 1, 1, 1);
	app_write(h, 10);
	expect_none(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 2, 1, 10);
	expect_none(h);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 1, 1, ANY);
	inject(h, ACK, 1, 13, WND, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
}

static void peers_fin_with_data(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, FIN | ACK, 1, 1, WND, 100);
	expect(h, ACK, 1, 102, 0);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_int_equal(events(h) & (TCP_EV_READABLE | TCP_EV_PEER_CLOSED),
			 TCP_EV_READABLE | TCP_EV_PEER_CLOSED);
	assert_int_equal(app_read(h, 1000), 100);
}

/* A FIN beyond a hole waits until the hole is filled. */
static void fin_out_of_order(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, FIN | ACK, 101, 1, WND, 50);
	expect(h, ACK, 1, 1, 0);
	expect_state(h, TCPS_ESTABLISHED);
	assert_int_equal(events(h) & TCP_EV_PEER_CLOSED, 0);
	inject(h, ACK, 1, 1, WND, 100);
	if (state_of(h) == TCPS_ESTABLISHED) { /* a FIN beyond a hole may be dropped */
		forget(h);
		inject(h, FIN | ACK, 151, 1, WND, 0);
	}
	expect(h, ACK, 1, 152, 0);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_true(events(h) & TCP_EV_PEER_CLOSED);
	assert_int_equal(app_read(h, 1000), 150);
}

/* 3.10.7.4, seventh: in CLOSE-WAIT and later no text can come. */
static void nothing_after_fin(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_CLOSE_WAIT);
	events(h);
	assert_int_equal(inject(h, ACK, 2, 1, WND, 100), DROP_AFTER_FIN);
	assert_int_equal(app_read(h, 100), 0);
	assert_int_equal(events(h) & TCP_EV_READABLE, 0);
	expect_state(h, TCPS_CLOSE_WAIT);
	forget(h);
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 1, 2, 0);
	expect_state(h, TCPS_CLOSE_WAIT);
}

/* FIN follows the bytes queued, however long the window keeps them. */
static void fin_waits_for_data(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 100);
	assert_int_equal(app_write(h, 250), 250);
	expect(h, ACK, 1, 1, 100);
	app_shutdown(h);
	expect_none(h);
	inject(h, ACK, 1, 101, 100, 0);
	expect(h, ACK, 101, 1, 100);
	expect_none(h);
	inject(h, ACK, 1, 201, 100, 0);
	expect(h, FIN | ACK, 201, 1, 50);
	inject(h, ACK, 1, 252, 100, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
}

/* 3.10.2, 3.10.4: no SEND after CLOSE, no second FIN. */
static void after_shutdown(void **state)
{
	struct harness *h = *state;
	struct iovec iov[2];

	establish(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	app_shutdown(h);
	expect_none(h);
	assert_int_equal(tcp_send_iov(h->t, 10, iov), -EPIPE);
	inject(h, RST, 1, 0, 0, 0);
	assert_int_equal(tcp_send_iov(h->t, 10, iov), -EPIPE);
}

/* 3.10.4, SYN-RECEIVED: CLOSE leads to FIN-WAIT-1, now or once established. */
static void close_in_syn_received(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	app_shutdown(h);
	inject(h, ACK, 1, 1, WND, 0);
	expect(h, FIN | ACK, 1, 1, 0);
	expect_state(h, TCPS_FIN_WAIT_1);
	inject(h, ACK, 1, 2, WND, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
}

/* ---- the user is gone ---------------------------------------------------- */

/* What was written before arrives, then FIN. */
static void released_with_data_queued(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 1000);
	app_write(h, 3000);
	app_release(h);
	expect(h, ACK, 1, 1, 1000);
	assert_int_equal(engine_stats(h->e)->lingering, 1);
	inject(h, ACK, 1, 1001, 1000, 0);
	expect(h, ACK, 1001, 1, 1000);
	inject(h, ACK, 1, 2001, 1000, 0);
	expect(h, FIN | ACK, 2001, 1, 1000);
	inject(h, FIN | ACK, 1, 3002, 1000, 0);
	expect(h, ACK, 3002, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
	advance_us(h, two_msl_us(h));
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* 3.6.1: data for a user who is gone gets a RST. [MAY-1] [SHLD-3] */
static void data_after_release(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_release(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, ACK, 1, 2, WND, 0);
	expect_none(h);
	assert_int_equal(inject(h, ACK, 1, 2, WND, 10), DROP_AFTER_CLOSE);
	expect_reset(h, 2);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* RFC 2525 2.17, RFC 9293 3.6.1 SHLD-3: bytes that nobody read. [SHLD-3] [MAY-1] */
static void released_with_unread_data(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 1, 1, WND, 10);
	forget(h);
	assert_int_equal(app_read(h, 4), 4);
	app_release(h);
	expect_reset(h, 1);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

static void released_with_all_read(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, FIN | ACK, 1, 1, WND, 10);
	forget(h);
	assert_int_equal(app_read(h, 10), 10);
	app_release(h);
	expect(h, FIN | ACK, 1, 12, 0);
	inject(h, ACK, 12, 2, WND, 0);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* Like Linux's tcp_fin_timeout: only without a user. */
static void fin_wait_2_timeout(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_FIN_WAIT_2);
	advance_ms(h, 10 * h->cfg.fin_timeout_ms);
	expect_state(h, TCPS_FIN_WAIT_2);
	app_release(h);
	advance_ms(h, h->cfg.fin_timeout_ms - 1);
	assert_int_equal(engine_stats(h->e)->connections, 1);
	advance_ms(h, 2);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	expect_none(h);
}

/* Nobody waits for it: fewer retries (tcp_orphan_retries), then silence. */
static void orphan_gives_up(void **state)
{
	struct harness *h = *state;
	unsigned n = 0;

	establish(h);
	app_release(h);
	expect(h, FIN | ACK, 1, 1, 0);
	advance_us(h, 3600 * US_PER_S);
	while (pending(h)) {
		if (h->out[h->out_head].flags & RST) {
			expect_reset(h, ANY);
			continue;
		}
		expect(h, FIN | ACK, 1, 1, 0);
		n++;
	}
	assert_int_equal(n, h->cfg.orphan_retries);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* ---- ABORT, RFC 9293 3.10.5 ---------------------------------------------- */

static void abort_in(void **state, enum tcp_state s, uint32_t reset_seq)
{
	struct harness *h = harness_again(state, NULL);

	reach(h, s);
	app_abort(h);
	if (reset_seq)
		expect_reset(h, reset_seq);
	expect_none(h);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ECONNABORTED);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	app_release(h);
	expect_none(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

static void abort_in_every_state(void **state)
{
	struct harness *h;

	abort_in(state, TCPS_SYN_SENT, 0);
	abort_in(state, TCPS_ESTABLISHED, 1);
	abort_in(state, TCPS_FIN_WAIT_1, 2);
	abort_in(state, TCPS_FIN_WAIT_2, 2);
	abort_in(state, TCPS_CLOSE_WAIT, 1);
	abort_in(state, TCPS_CLOSING, 0);
	abort_in(state, TCPS_LAST_ACK, 0);
	abort_in(state, TCPS_TIME_WAIT, 0);

	h = harness_again(state, NULL);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	app_abort(h);
	expect_reset(h, 1);
	expect_state(h, TCPS_CLOSED);
}

/* ABORT throws queued data away at once. */
static void abort_with_data(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 100);
	app_write(h, 1000);
	expect(h, ACK, 1, 1, 100);
	app_abort(h);
	expect_reset(h, 101);
	expect_none(h);
}

/* A peer has one FIN: another one, elsewhere, must not move it. */
static void the_first_fin_counts(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, FIN | ACK, 101, 1, WND, 0);
	inject(h, FIN | ACK, 51, 1, WND, 0);
	forget(h);
	inject(h, ACK, 1, 1, WND, 100);
	expect(h, ACK, 1, 102, 0);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_int_equal(app_read(h, 1000), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(active_close), TEST(passive_close), TEST(simultaneous_close),
		TEST(fin_and_ack_in_one), TEST(closing_with_data_in_flight),
		TEST(fin_wait_1_needs_ack_of_fin), TEST(sending_in_close_wait),
		TEST(receiving_in_fin_wait_2), TEST(receiving_in_fin_wait_1),
		TEST(fin_again_in_time_wait), TEST(old_duplicates_in_time_wait),
		TEST(time_wait_outlives_its_user), TEST(fin_retransmission),
		TEST(fin_retransmission_in_last_ack), TEST(fin_with_data),
		TEST(peers_fin_with_data), TEST(fin_out_of_order),
		TEST(nothing_after_fin), TEST(fin_waits_for_data),
		TEST(after_shutdown), TEST(close_in_syn_received),
		TEST(released_with_data_queued), TEST(data_after_release),
		TEST(released_with_unread_data), TEST(released_with_all_read),
		TEST(fin_wait_2_timeout), TEST(orphan_gives_up),
		TEST(abort_in_every_state), TEST(the_first_fin_counts),
		TEST(abort_with_data),
	};

	return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}
