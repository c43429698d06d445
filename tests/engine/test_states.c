/* test_states.c - the eleven states of RFC 9293 3.3.2, as STATUS and the trace
 * show them, and every combination of flags in every one of them. */
#include "harness.h"

static const enum tcp_state all_states[] = {
	TCPS_CLOSED, TCPS_LISTEN, TCPS_SYN_SENT, TCPS_SYN_RECEIVED,
	TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_CLOSE_WAIT,
	TCPS_CLOSING, TCPS_LAST_ACK, TCPS_TIME_WAIT,
};
#define STATES (sizeof(all_states) / sizeof(all_states[0]))

/* Each by a real exchange; reach() asks tcp_status() on the way. */
static void all_eleven(void **state)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < STATES; i++) {
		struct harness *h = harness_again(state, NULL);

		reach(h, all_states[i]);
		if (all_states[i] == TCPS_LISTEN) {
			h->t = h->listener;
			assert_int_equal(status(h).state, TCPS_LISTEN);
			h->t = NULL;
		}
		if (h->t) {
			app_abort(h);
			assert_int_equal(status(h).state, TCPS_CLOSED);
		}
		seen |= h->seen_states;
	}
	for (unsigned i = 0; i < STATES; i++)
		assert_true(seen & 1u << all_states[i]);
}

/* The names are the RFC's, the numbers Linux's. */
static void names_and_numbers(void **state)
{
	static const char *const names[] = {
		"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",
		"FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK",
		"TIME-WAIT",
	};

	(void)state;
	for (unsigned i = 0; i < STATES; i++)
		assert_string_equal(tcp_state_name(all_states[i]), names[i]);
	assert_int_equal(TCPS_ESTABLISHED, 1);
	assert_int_equal(TCPS_CLOSE_WAIT, 8);
	assert_int_equal(TCPS_CLOSING, 11);
	for (int d = 0; d < DROP_COUNT; d++)
		assert_true(strlen(drop_name((enum drop)d)) > 0);
}

/* A trace record for every segment, both ways, with its header, and the states
 * it led from and to. */
static void trace_of_a_connection(void **state)
{
	struct harness *h = *state;
	struct flow flow = {h->local, h->remote};
	struct engine_pkt_out out;
	struct trace_rec rec;
	unsigned in = 0, outs = 0, conn = 0;
	enum tcp_state last = TCPS_CLOSED;

	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	assert_int_equal(engine_output(h->e, &out, 1, h->now_us), 1);
	while (engine_trace(h->e, &rec)) {
		assert_true(flow_eq(&rec.flow, &flow));
		assert_int_equal(rec.before, last);
		last = rec.after;
		conn = rec.conn;
		if (rec.kind != TRACE_OUT)
			continue;
		outs++;
		assert_int_equal(rec.hdr_len_bytes, out.hdr_len_bytes);
		assert_memory_equal(rec.hdr, out.hdr, out.hdr_len_bytes);
		assert_int_equal(rec.payload_len_bytes, 0);
		assert_int_equal(rec.time_us, h->now_us);
		assert_true(rec.iss_known);
		assert_int_equal(rec.iss, (uint32_t)out.hdr[4] << 24 | out.hdr[5] << 16 |
						  out.hdr[6] << 8 | out.hdr[7]);
	}
	assert_int_equal(last, TCPS_SYN_SENT);
	assert_int_equal(outs, 1);
	assert_true(conn > 0);
	h->peers[h->remote.port].iss = rec.iss;
	{
		uint8_t tcp[TCP_HDR_MAX];
		struct seg_options none = {.wscale = -1};
		size_t len = craft(h, tcp, SYN | ACK, 0, 1, WND, 0, &none);
		struct iovec iov = {tcp + len, 0};
		uint16_t sum = segment_checksum(&h->remote.addr, &h->local.addr, tcp,
						len, &iov, 1);
		struct engine_pkt_in pkt = {.src = h->remote.addr, .dst = h->local.addr,
					    .tcp = tcp, .tcp_len_bytes = len};

		tcp[16] = (uint8_t)(sum >> 8);
		tcp[17] = (uint8_t)sum;
		assert_int_equal(engine_input(h->e, &pkt, h->now_us), DROP_NONE);
	}
	while (engine_trace(h->e, &rec)) {
		assert_int_equal(rec.conn, conn);
		assert_int_equal(rec.before, last);
		last = rec.after;
		if (rec.kind == TRACE_IN) {
			in++;
			assert_int_equal(rec.drop, DROP_NONE);
			assert_true(rec.irs_known);
			assert_int_equal(rec.irs, h->irs);
		}
	}
	assert_int_equal(in, 1);
	assert_int_equal(last, TCPS_ESTABLISHED);
}

/* A trace that nobody reads does not grow without end. */
static void trace_is_bounded(void **state)
{
	struct harness *h = *state;
	static uint8_t tcp[64];
	struct seg_options none = {.wscale = -1};
	struct trace_rec rec;
	size_t len, memory_bytes;
	unsigned n = 0;

	establish(h);
	len = craft(h, tcp, ACK, 1, 1, WND, 0, &none);
	for (unsigned i = 0; i < 100000; i++) {
		struct engine_pkt_in pkt = {.src = h->remote.addr, .dst = h->local.addr,
					    .tcp = tcp, .tcp_len_bytes = len};

		engine_input(h->e, &pkt, h->now_us); /* its checksum is wrong */
		if (i == 50000)
			memory_bytes = engine_stats(h->e)->memory_bytes;
	}
	assert_int_equal(engine_stats(h->e)->memory_bytes, memory_bytes);
	while (engine_trace(h->e, &rec))
		n++;
	assert_in_range(n, 1, 99999);
}

/* ---- every combination of flags -------------------------------------------- */

static void check_sane(struct harness *h)
{
	const struct engine_stats *st = engine_stats(h->e);

	assert_true(st->connections <= 3);
	assert_true(st->half_open <= st->connections);
	assert_true(st->time_wait <= st->connections);
	if (h->t) {
		struct tcp_status s = status(h);

		assert_true(s.state >= TCPS_ESTABLISHED && s.state <= TCPS_CLOSING);
		assert_true(s.rcv_wnd_bytes <= h->cfg.rcvbuf_max_bytes);
		assert_int_equal(s.state == TCPS_CLOSED && tcp_error(h->t), tcp_error(h->t) != 0);
	}
}

/* 256 combinations at several places, with and without data. The connection may
 * end, as the RFC says; it may not break. */
static void flags_at(void **state, enum tcp_state s, uint32_t seq, uint32_t ack,
		     uint32_t len_bytes)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		struct harness *h = harness_again(state, NULL);

		reach(h, s);
		h->quiet = true;
		inject(h, (uint8_t)flags, seq, ack, 1000, len_bytes);
		check_sane(h);
		if (h->drop == DROP_CLOSED || h->drop == DROP_LISTEN_ACK)
			refuse(h, (uint8_t)flags, seq, ack, len_bytes);
		inject(h, (uint8_t)flags, seq, ack, 1000, len_bytes);
		if (!(flags & RST) && s == TCPS_ESTABLISHED && !(flags & FIN) &&
		    !(flags & SYN))
			expect_state(h, TCPS_ESTABLISHED);
		advance_ms(h, 5000);
		check_sane(h);
		if (h->t)
			app_release(h);
		if (h->listener)
			tcp_release(h->listener, h->now_us);
		h->listener = NULL;
		advance_us(h, 4000 * US_PER_S);
		if (engine_stats(h->e)->connections)
			print_error("flags %02x in %s leave a connection\n", flags,
				    tcp_state_name(s));
		assert_int_equal(engine_stats(h->e)->connections, 0);
	}
}

static void every_flag_in_every_state(void **state)
{
	for (unsigned i = 0; i < STATES; i++) {
		flags_at(state, all_states[i], 1, 1, 0);
		flags_at(state, all_states[i], 2, 2, 10);
		flags_at(state, all_states[i], 0, 1, 0);
		flags_at(state, all_states[i], 1, 2, 1460);
		flags_at(state, all_states[i], 70000, 70000, 3);
	}
}

/* Truncated headers and impossible offsets in every state: counted, unanswered. */
static void truncated_headers(void **state)
{
	static uint8_t tcp[64];
	struct seg_options none = {.wscale = -1};

	for (unsigned i = 0; i < STATES; i++) {
		struct harness *h = harness_again(state, NULL);

		reach(h, all_states[i]);
		for (size_t len = 0; len < TCP_HDR_MIN; len++) {
			craft(h, tcp, ACK, 1, 1, WND, 0, &none);
			assert_int_equal(inject_raw(h, tcp, len), DROP_SHORT);
		}
		for (unsigned offset = 0; offset < 16; offset++) {
			if (offset == 5)
				continue;
			craft(h, tcp, ACK, 1, 1, WND, 0, &none);
			tcp[12] = (uint8_t)(offset << 4);
			assert_int_equal(inject_raw(h, tcp, TCP_HDR_MIN), DROP_OFFSET);
		}
		expect_none(h);
		assert_int_equal(engine_stats(h->e)->drops[DROP_SHORT], TCP_HDR_MIN);
		assert_int_equal(engine_stats(h->e)->drops[DROP_OFFSET], 15);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_eleven), TEST(names_and_numbers),
		TEST(trace_of_a_connection), TEST(trace_is_bounded),
		TEST(every_flag_in_every_state), TEST(truncated_headers),
	};

	return cmocka_run_group_tests_name("states", tests, NULL, NULL);
}
