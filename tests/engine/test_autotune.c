/* test_autotune.c - buffers that grow with the path: what is offered follows what
 * the user takes per round trip, what is buffered follows cwnd. */
#include "harness.h"

#define MSS PEER_MSS
#define START (128u << 10)
#define MOST (6u << 20)

static struct harness *small_buffers(void **state, bool timestamps)
{
	struct harness *h = *state;

	h->cfg.window_scaling = true;
	h->cfg.timestamps = timestamps;
	h->cfg.rcvbuf_bytes = START;
	h->cfg.rcvbuf_max_bytes = MOST;
	h->cfg.sndbuf_bytes = 16384;
	h->cfg.sndbuf_max_bytes = 4u << 20;
	h = harness_again(state, &h->cfg);
	h->syn.wscale = 7;
	h->ts = timestamps;
	return h;
}

/* One round trip of a peer whose window is wnd_bytes, read at once: segments at
 * the beginning of it, ACKs at the end. Returns the next number. */
static uint32_t round_trip(struct harness *h, uint32_t at, uint32_t wnd_bytes,
			   uint64_t rtt_us)
{
	uint32_t room = status(h).rcv_wnd_bytes;
	uint32_t end = at + (wnd_bytes < room ? wnd_bytes : room - MSS);
	uint32_t echo = h->ts_recent; /* of what released this window */

	while (at < end) {
		h->ts_recent = echo;
		inject(h, ACK, at, 1, WND, MSS);
		at += MSS;
		app_read(h, MSS);
		forget(h);
	}
	advance_us(h, rtt_us);
	forget(h);
	return at;
}

/* A sender that doubles per round trip is never held back by the window, from the
 * start to the limit; and there it stays. */
static void receive_buffer_keeps_ahead(void **state)
{
	for (int ts = 0; ts < 2; ts++) {
		struct harness *h = small_buffers(state, ts);
		uint32_t at = 1, wnd = 10 * MSS;

		establish_rtt(h, 50000);
		assert_int_equal(status(h).rcvbuf_bytes, START);
		for (; wnd < MOST / 4; wnd *= 2) {
			uint32_t next = round_trip(h, at, wnd, 50000);

			assert_true(next - at >= wnd);
			at = next;
		}
		assert_in_range(status(h).rcvbuf_bytes, wnd, MOST);
		assert_in_range(status(h).rcv_rtt_us, 30000, 100000);
		assert_true(status(h).rcv_space_bytes >= wnd / 4);
		for (int i = 0; i < 6; i++)
			at = round_trip(h, at, MOST, 50000);
		assert_int_equal(status(h).rcvbuf_bytes, MOST);
		assert_true(status(h).rcv_wnd_bytes > MOST - MOST / 8);
	}
}

/* A user who reads slowly, or a sender with little to say, costs no memory. */
static void only_as_much_as_is_needed(void **state)
{
	struct harness *h = small_buffers(state, true);
	uint32_t at = 1;

	establish_rtt(h, 50000);
	for (int i = 0; i < 50; i++)
		at = round_trip(h, at, 20 * MSS, 50000);
	assert_int_equal(status(h).rcvbuf_bytes, START);
	for (int i = 0; i < 20; i++) { /* unread, it fills and stays as it is */
		inject(h, ACK, at, 1, WND, MSS);
		at += MSS;
		advance_us(h, 50000);
		forget(h);
	}
	assert_int_equal(status(h).rcvbuf_bytes, START);
}

/* SO_RCVBUF, and tcp_moderate_rcvbuf: a size that is set stays. */
static void fixed_receive_buffers(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct harness *h = small_buffers(state, false);
		uint32_t at = 1;

		if (i) {
			h->opts.rcvbuf_bytes = START;
		} else {
			h->cfg.moderate_rcvbuf = false;
			h = harness_again(state, &h->cfg);
			h->syn.wscale = 7;
		}
		establish_rtt(h, 50000);
		for (int j = 0; j < 10; j++)
			at = round_trip(h, at, MOST, 50000);
		assert_int_equal(status(h).rcvbuf_bytes, START);
		assert_true(status(h).rcv_wnd_bytes <= START);
	}
}

/* RFC 7323 2.3: the scale is chosen once, for the largest window. */
static void scale_for_the_largest(void **state)
{
	struct harness *h = small_buffers(state, false);

	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.wscale, 7);
	h->opts.rcvbuf_bytes = START;
	h->remote.port++;
	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.wscale, 2);
}

/* Without timestamps a receiver knows only how long a window takes to come: that
 * is no less than a round trip, and the shortest of them counts. */
static void receivers_round_trip(void **state)
{
	struct harness *h = small_buffers(state, false);
	uint32_t at = 1;

	h->opts.rcvbuf_bytes = START;
	establish_rtt(h, 400000);
	assert_int_equal(status(h).rcv_rtt_us, 400000);
	for (int i = 0; i < 8; i++)
		at = round_trip(h, at, START / 2, 30000);
	assert_in_range(status(h).rcv_rtt_us, 30000, 61000);
	for (int i = 0; i < 8; i++)
		at = round_trip(h, at, START / 8, 30000);
	assert_in_range(status(h).rcv_rtt_us, 30000, 61000);
}

/* Two windows fit: one under way, one behind it; within the limit. */
static void send_buffer_follows_cwnd(void **state)
{
	struct harness *h = small_buffers(state, false);
	uint32_t acked = 1;

	h->syn.wscale = 10;
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(app_write(h, MOST), 16384);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	assert_int_equal(status(h).sndbuf_bytes, 20 * MSS);
	assert_true(app_write(h, MOST) > 0);
	for (int i = 0; i < 20; i++) {
		struct tcp_status st = status(h);
		uint32_t want = 2 * st.snd_cwnd_bytes;

		assert_true(st.sndbuf_bytes >= (want < 4u << 20 ? want : 4u << 20));
		acked += st.unacked_bytes;
		forget(h);
		inject(h, ACK, 1, acked, WND, 0);
		events(h);
		assert_true(app_write(h, 2 * MOST) > 0);
		forget(h);
	}
	assert_int_equal(status(h).sndbuf_bytes, 4u << 20);
	assert_int_equal(status(h).unacked_bytes + status(h).notsent_bytes, 4u << 20);
}

/* SO_SNDBUF: a size that is set stays. */
static void fixed_send_buffer(void **state)
{
	struct harness *h = small_buffers(state, false);
	uint32_t acked = 1;

	h->opts.sndbuf_bytes = 8000;
	establish(h);
	for (int i = 0; i < 10; i++) {
		app_write(h, MOST);
		acked += status(h).unacked_bytes;
		forget(h);
		inject(h, ACK, 1, acked, WND, 0);
		assert_int_equal(status(h).sndbuf_bytes, 8000);
	}
	assert_true(app_write(h, MOST) <= 8000);
}

/* The writer is woken when a quarter of the buffer is free, not before. */
static void writable_at_a_quarter(void **state)
{
	struct harness *h = small_buffers(state, false);

	h->opts.sndbuf_bytes = 8 * MSS;
	establish(h);
	assert_int_equal(app_write(h, MOST), 8 * MSS);
	forget(h);
	inject(h, ACK, 1, 1 + MSS, WND, 0);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, 0);
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, TCP_EV_WRITABLE);
	inject(h, ACK, 1, 1 + 3 * MSS, WND, 0); /* nobody waits any more */
	assert_int_equal(events(h) & TCP_EV_WRITABLE, 0);
}

/* TCP_NOTSENT_LOWAT: what the network cannot take yet stays with the user, who is
 * woken when less than half of the mark waits. */
static void unsent_bytes_are_bounded(void **state)
{
	struct harness *h = small_buffers(state, false);

	h->syn.wscale = -1;
	h->opts.notsent_lowat_bytes = 4 * MSS;
	establish_wnd(h, 2 * MSS);
	assert_int_equal(app_write(h, MOST), 4 * MSS);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, TCP_EV_WRITABLE); /* two left */
	assert_int_equal(app_write(h, MOST), 2 * MSS);
	forget(h);
	assert_int_equal(status(h).notsent_bytes, 4 * MSS);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, 0);
	inject(h, ACK, 1, 1 + MSS, 2 * MSS, 0);
	assert_int_equal(status(h).notsent_bytes, 3 * MSS);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, 0);
	inject(h, ACK, 1, 1 + 2 * MSS, 2 * MSS, 0);
	assert_int_equal(status(h).notsent_bytes, 2 * MSS);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, TCP_EV_WRITABLE);
	forget(h);
	assert_int_equal(app_write(h, MOST), 2 * MSS);
}

/* The same for all connections, by configuration (tcp_notsent_lowat). */
static void unsent_bytes_by_configuration(void **state)
{
	struct harness *h = small_buffers(state, false);

	h->cfg.notsent_lowat_bytes = 1;
	h = harness_again(state, &h->cfg);
	establish_wnd(h, MSS);
	assert_int_equal(app_write(h, MOST), MSS);
	assert_int_equal(app_write(h, MOST), MSS); /* the first one has left */
	assert_int_equal(app_write(h, MOST), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(receive_buffer_keeps_ahead), TEST(only_as_much_as_is_needed),
		TEST(fixed_receive_buffers), TEST(scale_for_the_largest),
		TEST(receivers_round_trip), TEST(send_buffer_follows_cwnd),
		TEST(fixed_send_buffer), TEST(writable_at_a_quarter),
		TEST(unsent_bytes_are_bounded), TEST(unsent_bytes_by_configuration),
	};

	return cmocka_run_group_tests_name("autotune", tests, NULL, NULL);
}
