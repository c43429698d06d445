/* test_listen.c - LISTEN and what comes of it until tcp_accept(): RFC 9293
 * 3.10.7.2, SYN-RECEIVED in 3.10.7.4, RFC 4987, listen(2). */
#include "harness.h"

/* Like Linux's tcp_synack_retries. Nobody hears of a connection that never was. */
static void synack_retransmission(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	for (unsigned i = 0; i < h->cfg.synack_retries; i++) {
		assert_int_equal(time_to_segment_us(h, 200 * US_PER_S), US_PER_S << i);
		expect(h, SYN | ACK, 0, 1, 0);
	}
	assert_int_equal(engine_stats(h->e)->half_open, 1);
	advance_us(h, US_PER_S << h->cfg.synack_retries);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->half_open, 0);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	assert_int_equal(h->listener_ev, 0);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* The peer did not hear our SYN,ACK and repeats its SYN: it gets an answer that
 * lets it go on, and no second connection is born. */
static void repeated_syn(void **state)
{
	struct harness *h = *state;
	const struct got *g;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, SYN, 0, 0, WND, 0);
	g = expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(g->opt.mss, 1460);
	assert_int_equal(engine_stats(h->e)->half_open, 1);
	inject(h, ACK, 1, 1, WND, 0);
	assert_non_null(tcp_accept(h->listener, h));
	assert_null(tcp_accept(h->listener, h));
}

/* RFC 4987 3: half-open connections are bounded; the peer may try again. */
static void syn_queue_limit(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.half_open_max = 3;
	cfg.syncookies = 0; /* test_syncookie.c has them */
	h = harness_again(state, &cfg);
	app_listen(h, 64);
	for (uint16_t i = 0; i < 6; i++) {
		h->remote.port = (uint16_t)(6000 + i);
		assert_int_equal(inject(h, SYN, 0, 0, WND, 0),
				 i < 3 ? DROP_NONE : DROP_SYN_QUEUE);
		if (i < 3)
			expect(h, SYN | ACK, 0, 1, 0);
		expect_none(h);
	}
	assert_int_equal(engine_stats(h->e)->half_open, 3);
	assert_int_equal(engine_stats(h->e)->drops[DROP_SYN_QUEUE], 3);
	h->remote.port = 6001;
	inject(h, ACK, 1, 1, WND, 0);
	h->remote.port = 6005;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* listen(2): the backlog and, as with Linux, one more wait; first come, first served. */
static void accept_queue_limit(void **state)
{
	struct harness *h = *state;
	struct tcb *a, *b;

	app_listen(h, 1);
	for (uint16_t i = 0; i < 2; i++) {
		h->remote.port = (uint16_t)(6000 + i);
		inject(h, SYN, 0, 0, WND, 0);
		expect(h, SYN | ACK, 0, 1, 0);
		inject(h, ACK, 1, 1, WND, 0);
	}
	h->remote.port = 6002;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_ACCEPT_QUEUE);
	expect_none(h);
	h->t = h->listener;
	assert_int_equal(status(h).accept_waiting, 2);
	assert_int_equal(status(h).accept_max, 1);
	h->t = NULL;
	a = tcp_accept(h->listener, h);
	b = tcp_accept(h->listener, h);
	assert_int_equal(tcp_flow(a)->remote.port, 6000);
	assert_int_equal(tcp_flow(b)->remote.port, 6001);
	assert_null(tcp_accept(h->listener, h));
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* The queue filled while the handshake was under way: the last ACK is dropped
 * and the connection completes at a later one. */
static void accept_queue_full_at_ack(void **state)
{
	struct harness *h = *state;

	app_listen(h, 0);
	tcp_set_backlog(h->listener, 1);
	for (uint16_t i = 0; i < 2; i++) {
		h->remote.port = (uint16_t)(6000 + i);
		inject(h, SYN, 0, 0, WND, 0);
		expect(h, SYN | ACK, 0, 1, 0);
	}
	tcp_set_backlog(h->listener, 0);
	h->remote.port = 6000;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	h->remote.port = 6001;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_ACCEPT_QUEUE);
	expect_none(h);
	assert_non_null(tcp_accept(h->listener, h));
	assert_null(tcp_accept(h->listener, h));
	h->listener_ev = 0;
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	assert_true(h->listener_ev & TCP_EV_INCOMING);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	assert_int_equal(tcp_flow(h->t)->remote.port, 6001);
}

static void smaller_and_larger_backlog(void **state)
{
	struct harness *h = *state;

	app_listen(h, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	h->remote.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_ACCEPT_QUEUE);
	tcp_set_backlog(h->listener, 1);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* Those that the user has taken from here, but has waiting in a queue of its own. */
static void backlog_of_two_queues(void **state)
{
	struct harness *h = *state;

	app_listen(h, 2);
	tcp_wait_elsewhere(h->listener, 2);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	h->t = h->listener;
	assert_int_equal(status(h).accept_waiting, 3);
	h->t = NULL;
	h->remote.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_ACCEPT_QUEUE);
	tcp_wait_elsewhere(h->listener, 1);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* Who has begun comes in; nobody else begins until it goes on. */
static void paused_listener(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(tcp_unaccepted(h->listener), 1);
	tcp_pause(h->listener, true);
	h->remote.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_ACCEPT_QUEUE);
	expect_none(h);
	h->remote.port--;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	assert_int_equal(tcp_unaccepted(h->listener), 1);
	assert_non_null(tcp_accept(h->listener, h));
	assert_int_equal(tcp_unaccepted(h->listener), 0);
	tcp_pause(h->listener, false);
	h->remote.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
}

/* A listener that goes takes its waiting connections with it: RST to each. */
static void listener_released(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	tcp_release(h->listener, h->now_us);
	h->listener = NULL;
	expect_reset(h, 1);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	h->remote.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_CLOSED);
}

/* SYN-RECEIVED by a listener has no user yet, but the peer may already send. */
static void data_with_last_ack(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(inject(h, ACK | PSH, 1, 1, WND, 50), DROP_NONE);
	assert_int_equal(inject(h, ACK | FIN, 51, 1, WND, 0), DROP_NONE);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	h->ev = 0;
	assert_int_equal(events(h) & (TCP_EV_READABLE | TCP_EV_PEER_CLOSED),
			 TCP_EV_READABLE | TCP_EV_PEER_CLOSED);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_int_equal(app_read(h, 1000), 50);
}

/* RFC 9293 3.10.7.2, third: other control or text in the SYN may be taken or left for
 * the retransmission; never lost, never doubled. */
static void data_in_syn(void **state)
{
	struct harness *h = *state;
	uint32_t acked;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 20);
	acked = expect(h, SYN | ACK, 0, ANY, 0)->ack;
	assert_true(acked == 1 || acked == 21);
	inject(h, ACK, acked, 1, WND, 0);
	inject(h, ACK, 1, 1, WND, 30);
	h->t = tcp_accept(h->listener, h);
	assert_int_equal(app_read(h, 1000), 30);
	advance_ms(h, 1000);
	assert_int_equal(h->out[h->out_n - 1].ack, 31);
}

static void fin_with_last_ack(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 1, 2, 0);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_true(events(h) & TCP_EV_PEER_CLOSED);
}

/* Reset before anybody accepted: accept(2) returns it with its error, or the
 * queue has forgotten it; it never stays as a live one. */
static void reset_in_accept_queue(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	inject(h, RST, 1, 0, 0, 0);
	expect_none(h);
	h->t = tcp_accept(h->listener, h);
	if (h->t) {
		assert_true(events(h) & TCP_EV_ERROR);
		assert_int_equal(tcp_error(h->t), ECONNRESET);
		app_release(h);
	}
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* RFC 9293 3.10.7.2. */
static void what_a_listener_drops(void **state)
{
	struct harness *h = *state;

	app_listen(h, 8);
	assert_int_equal(inject(h, RST, 0, 0, 0, 0), DROP_LISTEN);
	assert_int_equal(inject(h, RST | ACK, 0, 1, 0, 0), DROP_LISTEN);
	assert_int_equal(inject(h, RST | SYN, 0, 1, 0, 0), DROP_LISTEN);
	assert_int_equal(inject(h, 0, 0, 0, 0, 0), DROP_LISTEN);
	assert_int_equal(inject(h, FIN, 0, 0, 0, 10), DROP_LISTEN);
	assert_int_equal(inject(h, SYN | FIN, 0, 0, WND, 0), DROP_LISTEN);
	assert_int_equal(inject(h, SYN | FIN | PSH, 0, 0, WND, 10), DROP_LISTEN);
	assert_int_equal(inject(h, ACK, 0, 1, 0, 0), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, SYN | ACK, 0, 1, 0, 0), DROP_LISTEN_ACK);
	expect_none(h);
	refuse(h, ACK, 5, 77, 0);
	expect(h, RST, 77, 0, 0);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* RFC 9293 3.10.7.4: RST takes a passive SYN-RECEIVED back to LISTEN ... [MUST-11] */
static void reset_in_syn_received(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_SYN_RECEIVED);
	inject(h, RST, 1, 0, 0, 0);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	assert_null(tcp_accept(h->listener, h));
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* 3.10.7.4, fifth: an unacceptable ACK in SYN-RECEIVED is answered by RST. */
static void bad_ack_in_syn_received(void **state)
{
	struct harness *h = *state;

	reach(h, TCPS_SYN_RECEIVED);
	inject(h, ACK, 1, 50, WND, 0);
	expect(h, RST, 50, 0, 0);
	assert_null(tcp_accept(h->listener, h));
	inject(h, ACK, 1, 1, WND, 0);
	assert_non_null(tcp_accept(h->listener, h));
}

/* A listener on "any" takes what comes to each address; one on the address
 * itself goes before it. [MUST-45] */
static void wildcard_listener(void **state)
{
	struct harness *h = *state;
	struct endpoint any = {addr_from_v4("\0\0\0"), h->local.port};
	struct tcb *wild;

	assert_int_equal(tcp_listen(h->e, &any, 4, &h->opts, h, h->now_us, &wild), 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	h->t = tcp_accept(wild, h);
	assert_non_null(h->t);
	assert_true(endpoint_eq(&tcp_flow(h->t)->local, &h->local));
	app_listen(h, 4);
	h->remote.port++;
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	assert_null(tcp_accept(wild, h));
	assert_non_null(tcp_accept(h->listener, h));
}

/* "::" takes both families, or with IPV6_V6ONLY its own; a listener of IPv4 goes
 * before it. */
static void listeners_of_both_families(void **state)
{
	struct harness *h = *state;
	struct endpoint any6 = {.port = h->local.port}, v4 = h->local, v4_peer = h->remote;
	struct tcp_opts opts = h->opts;
	struct tcb *dual, *only;

	assert_int_equal(tcp_listen(h->e, &any6, 4, &opts, h, h->now_us, &dual), 0);
	any6.port++;
	opts.v6only = true;
	assert_int_equal(tcp_listen(h->e, &any6, 4, &opts, h, h->now_us, &only), 0);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	h->local.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_CLOSED);
	h->local.addr = (struct ip_addr){{0x20, 1, [15] = 1}};
	h->remote.addr = (struct ip_addr){{0x20, 1, [15] = 2}};
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	h->local = v4;
	h->remote = v4_peer;
	app_listen(h, 4);
	h->remote.port++;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	assert_null(tcp_accept(dual, h));
	assert_non_null(tcp_accept(h->listener, h));
}

/* SO_BINDTODEVICE: each device has its listener; its connections belong to it, take
 * nothing from elsewhere and leave by it. Others are as if nobody listened. */
static void listeners_of_two_devices(void **state)
{
	struct harness *h = *state;
	struct tcp_opts opts = h->opts;
	struct tcb *l[2], *t;

	for (uint32_t i = 0; i < 2; i++) {
		opts.ifindex = 2 + i;
		opts.ip.no_flow_label = i;
		assert_int_equal(tcp_listen(h->e, &h->local, 4, &opts, h, h->now_us, &l[i]), 0);
		assert_int_equal(tcp_listen(h->e, &h->local, 4, &opts, h, h->now_us, &t),
				 -EADDRINUSE);
	}
	h->ifindex = 4;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_CLOSED);
	for (uint32_t i = 0; i < 2; i++) { /* the same flow on both */
		h->ifindex = 2 + i;
		assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
		assert_int_equal(expect(h, SYN | ACK, 0, 1, 0)->ifindex, 2 + i);
		assert_int_equal(h->last.no_flow_label, i);
		h->ifindex = 3 - i;
		assert_int_not_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
		forget(h);
		assert_null(tcp_accept(l[i], h));
		h->ifindex = 2 + i;
		assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
		assert_null(tcp_accept(l[1 - i], h));
		t = tcp_accept(l[i], h);
		assert_non_null(t);
		tcp_abort(t, h->now_us);
		pull(h);
		assert_int_equal(expect(h, RST | ACK, 1, 1, 0)->ifindex, 2 + i);
		tcp_release(t, h->now_us);
	}
}

/* The path is asked for when there is room for a child, and not before. */
static void path_is_asked_for(void **state)
{
	struct harness *h = *state;
	uint64_t in;

	h->cfg.syncookies = 0;
	h = harness_again(state, &h->cfg);
	app_listen(h, 0);
	in = engine_stats(h->e)->segs_in;
	h->path.mtu_bytes = 0;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NO_PATH);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->segs_in, in);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	h->path.mtu_bytes = 1200;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	assert_int_equal(expect(h, SYN | ACK, 0, 1, 0)->opt.mss, 1160);
	h->path.mtu_bytes = 0;
	h->remote.port++; /* the SYN queue is full */
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_SYN_QUEUE);
	h->remote.port--; /* a repeated SYN has its connection */
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_DUPLICATE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* A SYN that ends TIME-WAIT does so when its path is known: the ISS is to be beyond
 * the last one. */
static void path_is_asked_for_in_time_wait(void **state)
{
	struct harness *h = *state;
	struct tcp_path path = h->path;

	app_listen(h, 8);
	establish_passive(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	expect_state(h, TCPS_TIME_WAIT);
	h->path.mtu_bytes = 0;
	assert_int_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_NO_PATH);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(engine_stats(h->e)->time_wait, 1);
	h->path = path;
	assert_int_equal(inject(h, SYN, 5000, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, ANY, 5001, 0);
	assert_int_equal(engine_stats(h->e)->time_wait, 0);
}

/* RFC 9293 3.9.2.3, MUST-57 and 63. [MUST-57] [MUST-63] */
static void bad_addresses(void **state)
{
	struct harness *h = *state;
	static const uint8_t bad[3][4] = {{224, 0, 0, 1}, {255, 255, 255, 255}, {0}};
	struct ip_addr good = h->remote.addr;

	app_listen(h, 4);
	for (unsigned i = 0; i < 3; i++) {
		h->remote.addr = addr_from_v4(bad[i]);
		assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_ADDRESS);
	}
	h->remote.addr = good;
	h->remote.port = 0;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_ADDRESS);
	expect_none(h);
	assert_int_equal(engine_stats(h->e)->drops[DROP_ADDRESS], 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(synack_retransmission), TEST(repeated_syn),
		TEST(syn_queue_limit), TEST(accept_queue_limit),
		TEST(accept_queue_full_at_ack), TEST(smaller_and_larger_backlog),
		TEST(accept_queue_full_at_ack), TEST(backlog_of_two_queues),
		TEST(paused_listener), TEST(listener_released), TEST(data_with_last_ack),
		TEST(data_in_syn), TEST(fin_with_last_ack),
		TEST(reset_in_accept_queue), TEST(what_a_listener_drops),
		TEST(reset_in_syn_received), TEST(bad_ack_in_syn_received),
		TEST(wildcard_listener), TEST(listeners_of_both_families),
		TEST(listeners_of_two_devices),
		TEST(path_is_asked_for), TEST(path_is_asked_for_in_time_wait),
		TEST(bad_addresses),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
