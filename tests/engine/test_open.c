/* test_open.c - the handshake: RFC 9293 3.5, 3.10.1, 3.10.7.3. The called side's
 * queues are in test_listen.c, what is agreed on in test_negotiation.c. */
#include "harness.h"

/* RFC 9293 3.5, figure 6, seen from the side that calls. */
static void active_open(void **state)
{
	struct harness *h = *state;
	const struct got *g;

	app_open(h);
	expect_state(h, TCPS_SYN_SENT);
	g = expect(h, SYN, 0, 0, 0);
	assert_int_equal(g->opt.mss, 1460);
	assert_int_equal(g->ack, 0);
	assert_true(g->wnd > 0);
	expect_none(h);
	assert_int_equal(inject(h, SYN | ACK, 0, 1, WND, 0), DROP_NONE);
	expect(h, ACK, 1, 1, 0);
	expect_none(h);
	expect_state(h, TCPS_ESTABLISHED);
	assert_true(events(h) & TCP_EV_ESTABLISHED);
	assert_int_equal(tcp_error(h->t), 0);
	assert_int_equal(engine_stats(h->e)->connections, 1);
	assert_true(flow_eq(tcp_flow(h->t), &(struct flow){h->local, h->remote}));
}

/* The same from the side that is called; the listener stays. */
static void passive_open(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	assert_int_equal(expect(h, SYN | ACK, 0, 1, 0)->opt.mss, 1460);
	assert_int_equal(engine_stats(h->e)->half_open, 1);
	assert_null(tcp_accept(h->listener, h));
	assert_int_equal(h->listener_ev, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	expect_none(h);
	assert_int_equal(h->listener_ev, TCP_EV_INCOMING);
	assert_int_equal(engine_stats(h->e)->half_open, 0);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	expect_state(h, TCPS_ESTABLISHED);
	assert_null(tcp_accept(h->listener, h));
	assert_true(flow_eq(tcp_flow(h->t), &(struct flow){h->local, h->remote}));
}

/* RFC 9293 3.5, figure 8. [MUST-10] */
static void simultaneous_open(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	expect_state(h, TCPS_SYN_RECEIVED);
	assert_int_equal(events(h) & TCP_EV_ESTABLISHED, 0);
	/* The peer's SYN,ACK; its SYN is known already. */
	inject(h, SYN | ACK, 0, 1, WND, 0);
	forget(h);
	inject(h, ACK, 1, 1, WND, 0);
	expect_state(h, TCPS_ESTABLISHED);
	assert_true(events(h) & TCP_EV_ESTABLISHED);
	assert_int_equal(app_write(h, 10), 10);
	expect(h, ACK, 1, 1, 10);
}

/* In the simultaneous open the SYN,ACK is retransmitted too. */
static void simultaneous_open_retransmits(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	time_to_segment_us(h, 4 * US_PER_S);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	expect_state(h, TCPS_ESTABLISHED);
}

/* RFC 6298 5.5: each timeout is twice the last; 6 retransmissions as in Linux's
 * tcp_syn_retries make 1+2+4+...+64 = 127 s. [MUST-22] */
static void syn_retransmission(void **state)
{
	struct harness *h = *state;
	uint64_t start_us = h->now_us;

	assert_int_equal(h->cfg.syn_retries, 6);
	assert_int_equal(h->cfg.rto_initial_ms, 1000);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(time_to_segment_us(h, 200 * US_PER_S), US_PER_S << i);
		assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.mss, 1460);
	}
	time_to_state_us(h, TCPS_CLOSED, 200 * US_PER_S);
	assert_int_equal(h->now_us - start_us, 127 * US_PER_S);
	expect_none(h);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);
	assert_true(events(h) & TCP_EV_ERROR);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* RFC 6298 5.7: when the SYN was lost, the RTO starts again at 3 s. */
static void rto_after_lost_syn(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	time_to_segment_us(h, 2 * US_PER_S);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(status(h).rto_us, 3 * US_PER_S);
	app_write(h, 1);
	expect(h, ACK, 1, 1, 1);
	assert_int_equal(time_to_segment_us(h, 10 * US_PER_S), 3 * US_PER_S);
	expect(h, ACK, 1, 1, 1);
}

/* RFC 9293 3.10.7.3, second: RST with an acceptable ACK refuses. [MUST-12] */
static void refused(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, RST | ACK, 0, 1, 0, 0);
	expect_none(h);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ECONNREFUSED);
	assert_int_equal(events(h) & (TCP_EV_ERROR | TCP_EV_ESTABLISHED), TCP_EV_ERROR);
	app_release(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* ... and RST without ACK, or with a wrong one, does nothing (RFC 5961). */
static void blind_reset_in_syn_sent(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(inject(h, RST, 0, 0, 0, 0), DROP_SYN_SENT);
	assert_int_equal(inject(h, RST | ACK, 0, 2, 0, 0), DROP_SYN_SENT_ACK);
	assert_int_equal(inject(h, RST | ACK, 0, 0, 0, 0), DROP_SYN_SENT_ACK);
	expect_none(h);
	expect_state(h, TCPS_SYN_SENT);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect_state(h, TCPS_ESTABLISHED);
}

/* RFC 9293 3.10.7.3, first: an unacceptable ACK gets <SEQ=SEG.ACK><CTL=RST>. */
static void bad_ack_in_syn_sent(void **state)
{
	struct harness *h = *state;
	static const uint32_t acks[] = {0, 2, 1000, UINT32_MAX};
	static const uint8_t flags[] = {ACK, SYN | ACK, FIN | ACK};

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	for (unsigned f = 0; f < 3; f++)
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(inject(h, flags[f], 0, acks[i], WND, 0),
					 DROP_SYN_SENT_ACK);
			expect(h, RST, acks[i], 0, 0);
			expect_none(h);
			expect_state(h, TCPS_SYN_SENT);
		}
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
}

/* A right ACK without SYN or RST is dropped (3.10.7.3, fifth). */
static void ack_alone_in_syn_sent(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(inject(h, ACK, 0, 1, WND, 0), DROP_SYN_SENT);
	assert_int_equal(inject(h, 0, 0, 0, WND, 0), DROP_SYN_SENT);
	expect_none(h);
	expect_state(h, TCPS_SYN_SENT);
}

/* RFC 9293 3.10.4: CLOSE in SYN-SENT deletes the connection, data and all. */
static void close_in_syn_sent(void **state)
{
	struct harness *h = *state;

	app_open(h);
	assert_int_equal(app_write(h, 100), 100);
	expect(h, SYN, 0, 0, 0);
	app_shutdown(h);
	expect_none(h);
	expect_state(h, TCPS_CLOSED);
	app_release(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* RFC 9293 3.10.2: SEND in SYN-SENT queues. */
static void data_queued_in_syn_sent(void **state)
{
	struct harness *h = *state;
	const struct got *g;

	app_open(h);
	assert_int_equal(app_write(h, 100), 100);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	g = expect(h, ACK, 1, 1, ANY);
	if (!g->len_bytes)
		g = expect(h, ACK, 1, 1, 100);
	assert_int_equal(g->len_bytes, 100);
	expect_none(h);
}

static void data_in_syn_ack(void **state)
{
	struct harness *h = *state;
	uint32_t acked;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK, 0, 1, WND, 20);
	expect_state(h, TCPS_ESTABLISHED);
	acked = expect(h, ACK, 1, ANY, 0)->ack;
	assert_true(acked == 1 || acked == 21);
	inject(h, ACK, 1, 1, WND, 20);
	assert_int_equal(app_read(h, 1000), 20);
}

/* ... and refuses an active one. [MUST-11] */
static void reset_in_simultaneous_open(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, RST, 1, 0, 0, 0);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ECONNREFUSED);
	expect_none(h);
}

/* The same flow twice, the same listener twice. */
static void address_in_use(void **state)
{
	struct harness *h = *state;
	struct flow flow = {h->local, h->remote};
	struct endpoint any = {addr_from_v4("\0\0\0"), h->local.port};
	struct tcb *t;

	app_open(h);
	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &t),
			 -EADDRINUSE);
	app_listen(h, 1);
	assert_int_equal(tcp_listen(h->e, &h->local, 1, &h->opts, h, h->now_us, &t),
			 -EADDRINUSE);
	assert_int_equal(tcp_listen(h->e, &any, 1, &h->opts, h, h->now_us, &t), 0);
	tcp_release(t, h->now_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(active_open), TEST(passive_open), TEST(simultaneous_open),
		TEST(simultaneous_open_retransmits), TEST(syn_retransmission),
		TEST(rto_after_lost_syn), TEST(refused),
		TEST(blind_reset_in_syn_sent), TEST(bad_ack_in_syn_sent),
		TEST(ack_alone_in_syn_sent), TEST(close_in_syn_sent),
		TEST(data_queued_in_syn_sent), TEST(data_in_syn_ack),
		TEST(reset_in_simultaneous_open), TEST(address_in_use),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
