/* test_memory.c - what connections cost: idle ones, busy ones, those of a hostile
 * peer, and that all of it comes back. */
#include "harness.h"

#define IDLE_MAX_BYTES 1024
#define CONNS 1000

/* Connections from(port 10000 on) to an accepting listener; 0: not accepted. */
static struct tcb *connect_from(struct harness *h, uint16_t port)
{
	struct tcb *t;

	h->remote.port = port;
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	t = tcp_accept(h->listener, h);
	assert_non_null(t);
	return t;
}

static struct harness *untraced(void **state)
{
	struct harness *h = *state;

	h->cfg.trace = false;
	strcpy(h->cfg.cc, "cubic"); /* the default */
	h->cfg.timestamps = h->cfg.sack = h->cfg.window_scaling = true;
	h = harness_again(state, &h->cfg);
	h->syn.sack_ok = true;
	h->syn.wscale = 7;
	h->ts = true;
	app_listen(h, 16);
	return h;
}

static size_t memory_of(struct harness *h)
{
	return engine_stats(h->e)->memory_bytes;
}

/* At most 1 KiB each, before any data and after it has flowed and drained. The
 * tables that grow by doubling are part of it. */
static void idle_connections(void **state)
{
	struct harness *h = untraced(state);
	static struct tcb *t[CONNS];
	size_t before = memory_of(h), most = before + (size_t)CONNS * IDLE_MAX_BYTES;

	for (unsigned i = 0; i < CONNS; i++)
		t[i] = connect_from(h, (uint16_t)(10000 + i));
	assert_int_equal(engine_stats(h->e)->connections, CONNS);
	print_message("idle connection: %zu bytes\n", (memory_of(h) - before) / CONNS);
	assert_true(memory_of(h) <= most);

	for (unsigned i = 0; i < CONNS; i++) {
		h->t = t[i];
		h->remote.port = (uint16_t)(10000 + i);
		h->written = h->read = 0;
		inject(h, ACK, 1001, 1, 1000, 1000); /* out of order too */
		inject(h, ACK, 1, 1, 1000, 1000);
		assert_int_equal(app_read(h, 5000), 2000);
		app_write(h, 3000);
		forget(h);
		inject(h, ACK, 2001, 3001, 1000, 0);
		assert_int_equal(status(h).unacked_bytes, 0);
	}
	advance_ms(h, 2000);
	forget(h);
	print_message("after data: %zu bytes\n", (memory_of(h) - before) / CONNS);
	assert_true(memory_of(h) <= most);
	for (unsigned i = 0; i < CONNS; i++)
		tcp_release(t[i], h->now_us);
	h->t = NULL;
}

/* Wave after wave of connections: what one leaves the next one uses. */
static void nothing_leaks(void **state)
{
	struct harness *h = untraced(state);
	static struct tcb *t[50];
	size_t after_first = 0;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 50; i++)
			t[i] = connect_from(h, (uint16_t)(10000 + i));
		for (unsigned i = 0; i < 50; i++) {
			h->t = t[i];
			h->remote.port = (uint16_t)(10000 + i);
			h->written = h->read = 0;
			inject(h, ACK, 3001, 1, 1000, 1000);
			inject(h, ACK, 1, 1, 1000, 1000);
			app_write(h, 100000);
			forget(h);
			if (i % 3)
				app_abort(h);
			else if (i % 2)
				inject(h, RST, 1001, 0, 0, 0);
			app_release(h);
			forget(h);
		}
		advance_us(h, 10000 * US_PER_S);
		forget(h);
		assert_int_equal(engine_stats(h->e)->connections, 0);
		if (!round)
			after_first = memory_of(h);
	}
	assert_int_equal(memory_of(h), after_first);
}

/* Bytes that come out of order are bounded by the window that we offered, the
 * number of holes by the configuration. */
static void out_of_order_flood(void **state)
{
	struct harness *h = untraced(state);
	size_t before;

	h->t = connect_from(h, 10000);
	before = memory_of(h);
	for (uint32_t i = 0; i < 200000; i++) {
		inject(h, ACK, 3 + 2 * i, 1, 1000, 1);
		forget(h);
	}
	assert_true(engine_stats(h->e)->drops[DROP_REASSEMBLY] > 0);
	assert_true(memory_of(h) - before <= 2 * h->cfg.rcvbuf_bytes + (1u << 16));
	assert_int_equal(app_read(h, 10), 0);
	inject(h, ACK, 1, 1, 1000, 1000); /* and the connection still works */
	assert_true(app_read(h, 5000) >= 1000);
}

/* So is what a peer can have us hold that never acknowledges. */
static void send_buffer_is_bounded(void **state)
{
	struct harness *h = untraced(state);
	size_t before;

	h->t = connect_from(h, 10000);
	before = memory_of(h);
	assert_int_equal(app_write(h, 100u << 20), h->cfg.sndbuf_bytes);
	forget(h);
	assert_true(memory_of(h) - before <= 2 * h->cfg.sndbuf_bytes + (1u << 16));
}

/* A window of many tiny segments does not cost a record each for ever. */
static void tiny_segments(void **state)
{
	struct harness *h = *state;
	size_t before;

	h->opts.nodelay = true;
	establish(h);
	before = memory_of(h);
	for (unsigned i = 0; i < 10000; i++) {
		app_write(h, 1);
		forget(h);
	}
	assert_true(memory_of(h) - before <= 2u << 20);
	inject(h, ACK, 1, 1 + status(h).unacked_bytes - status(h).notsent_bytes, WND, 0);
	expect_state(h, TCPS_ESTABLISHED);
}

/* Half-open connections are bounded in number, so in memory. */
static void syn_flood(void **state)
{
	struct harness *h = untraced(state);
	size_t before = memory_of(h);
	uint32_t max = h->cfg.half_open_max;

	for (uint32_t i = 0; i < 60000; i++) {
		h->remote.port = (uint16_t)(1 + i);
		inject(h, SYN, 0, 0, WND, 0);
		forget(h);
	}
	assert_true(engine_stats(h->e)->half_open <= max);
	assert_true(memory_of(h) - before <= (size_t)max * IDLE_MAX_BYTES + (1u << 16));
	advance_us(h, 1000 * US_PER_S);
	forget(h);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* All together: when memory is short, text out of order is not kept, windows stop
 * growing, writers wait; and whoever is there gets his bytes through. */
static void many_greedy_connections(void **state)
{
	struct harness *h = *state;
	const size_t max = 8u << 20;
	static struct tcb *t[200];

	h->cfg.memory_max_bytes = max;
	h = harness_again(state, &h->cfg);
	h = untraced(state);
	for (uint32_t i = 0; i < 200; i++) {
		h->t = t[i] = connect_from(h, (uint16_t)(10000 + i));
		h->written = h->read = 0;
		app_write(h, 1u << 20);
		forget(h);
		inject(h, ACK, 3001, 1, 1000, 1000); /* behind a hole */
		forget(h);
	}
	assert_true(engine_stats(h->e)->drops[DROP_REASSEMBLY] > 100);
	print_message("greedy connections: %zu of %zu bytes\n", memory_of(h), max);
	assert_true(memory_of(h) <= max);
	for (uint32_t i = 0; i < 200; i += 40) {
		uint32_t sent = 0, want;

		h->t = t[i];
		h->remote.port = (uint16_t)(10000 + i);
		h->written = status(h).unacked_bytes + status(h).notsent_bytes;
		h->read = 0;
		inject(h, ACK, 1, 1, 1000, 1000);
		assert_int_equal(app_read(h, 5000), 1000);
		want = h->written;
		assert_true(want > 0);
		for (int k = 0; k < 2000 && sent < want; k++) {
			uint32_t unacked = status(h).unacked_bytes;

			if (!unacked)
				advance_ms(h, 300);
			sent += unacked;
			forget(h);
			inject(h, ACK, 1001, 1 + sent, 1000, 0);
		}
		assert_int_equal(sent, want);
	}
	for (unsigned i = 0; i < 200; i++)
		tcp_abort(t[i], h->now_us);
	for (unsigned i = 0; i < 200; i++)
		tcp_release(t[i], h->now_us);
	h->t = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle_connections), TEST(nothing_leaks), TEST(out_of_order_flood),
		TEST(send_buffer_is_bounded), TEST(tiny_segments), TEST(syn_flood),
		TEST(many_greedy_connections),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
