/* test_busy.c - how long a connection had something to send, and what for it
 * waited; and the counters that only TCP_INFO shows. */
#include "harness.h"

static uint64_t ms_of(struct harness *h, enum busy what)
{
	struct tcp_status st = status(h);
	uint64_t us = st.busy_us[what - 1];

	return (us + (st.busy == what ? h->now_us - st.busy_since_us : 0)) / US_PER_MS;
}

static void the_network(void **state)
{
	struct harness *h = *state;

	establish(h);
	advance_ms(h, 50);
	assert_int_equal(status(h).busy, BUSY_NOT);
	app_write(h, 100);
	assert_int_equal(status(h).busy, BUSY_NETWORK);
	advance_ms(h, 30);
	inject(h, ACK, 1, 101, WND, 0);
	pull(h);
	assert_int_equal(status(h).busy, BUSY_NOT);
	advance_ms(h, 500);
	assert_int_equal(ms_of(h, BUSY_NETWORK), 30);
	forget(h);
	app_write(h, 100); /* another time on top of it */
	advance_ms(h, 5);
	assert_int_equal(ms_of(h, BUSY_NETWORK), 35);
	assert_int_equal(ms_of(h, BUSY_RWND), 0);
	forget(h);
}

static void the_peers_window(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 1000);
	app_write(h, 3000);
	advance_ms(h, 20);
	inject(h, ACK, 1, 1001, 0, 0); /* it has stopped reading */
	pull(h);
	assert_int_equal(status(h).busy, BUSY_RWND);
	advance_ms(h, 70);
	inject(h, ACK, 1, 1001, WND, 0);
	pull(h);
	assert_int_equal(status(h).busy, BUSY_NETWORK);
	assert_in_range(ms_of(h, BUSY_RWND), 70, 90);
	forget(h);
}

/* The user has filled the buffer, and all of it is on its way. */
static void the_send_buffer(void **state)
{
	struct harness *h = *state;

	h->opts.sndbuf_bytes = 2000;
	establish(h);
	assert_int_equal(app_write(h, 5000), 2000);
	pull(h);
	inject(h, ACK, 1, 101, WND, 0); /* the room is too small to be told of */
	pull(h);
	assert_int_equal(status(h).busy, BUSY_SNDBUF);
	advance_ms(h, 40);
	assert_int_equal(ms_of(h, BUSY_SNDBUF), 40);
	inject(h, ACK, 1, 2001, WND, 0);
	pull(h);
	assert_int_equal(status(h).busy, BUSY_NOT);
	forget(h);
}

/* With our FIN acknowledged nothing is left to wait for. */
static void until_the_end(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 10);
	app_shutdown(h);
	pull(h);
	assert_int_equal(status(h).busy, BUSY_NETWORK);
	inject(h, ACK, 1, 12, WND, 0);
	pull(h);
	assert_int_equal(status(h).busy, BUSY_NOT);
	forget(h);
}

static void counters(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 201, 1, WND, 100);
	inject(h, ACK, 401, 1, WND, 100);
	inject(h, ACK, 1, 1, WND, 200);
	assert_int_equal(status(h).ooo_segs, 2);
	assert_int_equal(status(h).total_timeouts, 0);
	app_write(h, 100);
	advance_ms(h, 10000);
	assert_in_range(status(h).total_timeouts, 2, 5);
	assert_int_equal(status(h).total_timeouts, status(h).timeouts);
	assert_int_equal(status(h).stalls, 1);
	assert_int_equal(status(h).stalled_ms, 0); /* told when it is over */
	inject(h, ACK, 501, 101, WND, 0);
	assert_int_equal(status(h).timeouts, 0);
	assert_in_range(status(h).total_timeouts, 2, 5);
	assert_int_equal(status(h).stalls, 1);
	assert_in_range(status(h).stalled_ms, 9000, 10000);
	forget(h);
	advance_ms(h, 5000);
	assert_in_range(status(h).stalled_ms, 9000, 10000);
}

/* Segments, however small, with the SYN and the FIN; each once. */
static void delivered_segments(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_int_equal(status(h).delivered_segs, 1);
	app_write(h, 2 * PEER_MSS + 1);
	inject(h, ACK, 1, 1 + PEER_MSS, WND, 0);
	assert_int_equal(status(h).delivered_segs, 2);
	inject(h, ACK, 1, 2 * PEER_MSS + 2, WND, 0);
	assert_int_equal(status(h).delivered_segs, 4);
	app_write(h, 1);
	inject(h, ACK, 1, 2 * PEER_MSS + 3, WND, 0);
	assert_int_equal(status(h).delivered_segs, 5);
	app_shutdown(h);
	inject(h, ACK, 1, 2 * PEER_MSS + 4, WND, 0);
	assert_int_equal(status(h).delivered_segs, 6);
	forget(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_network),
		TEST(the_peers_window),
		TEST(the_send_buffer),
		TEST(until_the_end),
		TEST(counters), TEST(delivered_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
