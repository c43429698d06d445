/* test_delack.c - what waits on purpose: ACKs (RFC 9293 3.8.6.3, TCP_QUICKACK),
 * small segments (TCP_CORK, MSG_MORE), accept() (TCP_DEFER_ACCEPT), and the window
 * that is held down (TCP_WINDOW_CLAMP). */
#include "harness.h"

#define MSS PEER_MSS

static struct harness *with_quickacks(void **state)
{
	struct harness *h = *state;

	h->cfg.quickacks = 16;
	return harness_again(state, &h->cfg);
}

/* One segment; was it acknowledged at once? */
static bool acked_at_once(struct harness *h, uint32_t *at)
{
	bool at_once;

	inject(h, ACK, *at, 1 + status(h).bytes_acked, WND, MSS);
	*at += MSS;
	app_read(h, MSS);
	at_once = pending(h) > 0;
	advance_ms(h, 100);
	assert_int_equal(pending(h), 1);
	expect(h, ACK, ANY, *at, 0);
	return at_once;
}

/* A new sender is in slow start and counts ACKs: the first ones do not wait. Nor
 * do they after a pause, or when something is missing. */
static void quick_at_the_start(void **state)
{
	struct harness *h = with_quickacks(state);
	uint32_t at = 1, n = 0;

	establish(h);
	while (acked_at_once(h, &at))
		n++;
	assert_in_range(n, 8, 16);
	assert_false(acked_at_once(h, &at));
	advance_ms(h, 5000);
	assert_true(acked_at_once(h, &at));
	for (n = 0; acked_at_once(h, &at); n++)
		;
	inject(h, ACK, at + MSS, 1, WND, MSS);
	expect(h, ACK, 1, at, 0);
	inject(h, ACK, at, 1, WND, MSS);
	at += 2 * MSS;
	app_read(h, 2 * MSS);
	expect(h, ACK, 1, at, 0);
	assert_true(acked_at_once(h, &at));
}

/* [SHLD-18] Who answers what it reads needs no ACKs besides. [MUST-40] When there
 * is no answer after all, the ACK leaves within half a second. */
static void pingpong(void **state)
{
	struct harness *h = with_quickacks(state);
	uint32_t at = 1;

	establish(h);
	inject(h, ACK, at, 1, WND, 100);
	forget(h);
	app_write(h, 50); /* an answer within the time of a delayed ACK */
	expect(h, ACK, 1, 101, 50);
	inject(h, ACK, 101, 51, WND, 100);
	expect_none(h);
	app_write(h, 50);
	expect(h, ACK, 51, 201, 50);
	inject(h, ACK, 201, 101, WND, 100);
	expect_none(h);
	assert_in_range(time_to_segment_us(h, US_PER_S), 1, 500 * US_PER_MS - 1);
	expect(h, ACK, 101, 301, 0);
	inject(h, ACK, 301, 101, WND, 100); /* no conversation any more */
	expect(h, ACK, 101, 401, 0);
}

/* TCP_QUICKACK: 1 sends what waits, and does not wait for a while; 0 waits. */
static void quickack_by_the_user(void **state)
{
	struct harness *h = with_quickacks(state);

	h->opts.pingpong = true;
	establish(h);
	assert_false(status(h).quickack);
	inject(h, ACK, 1, 1, WND, 100);
	expect_none(h);
	tcp_quickack(h->t, true, h->now_us);
	expect(h, ACK, 1, 101, 0);
	assert_true(status(h).quickack);
	inject(h, ACK, 101, 1, WND, 100);
	expect(h, ACK, 1, 201, 0);
	tcp_quickack(h->t, false, h->now_us);
	inject(h, ACK, 201, 1, WND, 100);
	expect_none(h);
}

/* ---- corks ------------------------------------------------------------------------------ */

/* TCP_CORK: full segments only, whatever TCP_NODELAY says, until it is pulled. */
static void cork(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;

	h->opts.cork = h->opts.nodelay = true;
	establish(h);
	app_write(h, 100);
	expect_none(h);
	app_write(h, 2 * MSS);
	expect(h, ACK, 1, 1, MSS);
	expect(h, ACK, 1 + MSS, 1, MSS);
	expect_none(h);
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	expect_none(h);
	tcp_get_opts(h->t, &o);
	o.cork = false;
	tcp_set_opts(h->t, &o, h->now_us);
	expect(h, PSH | ACK, 1 + 2 * MSS, 1, 100);
}

/* tcp(7): 200 ms at most. That is no timeout: the RTO does not back off. */
static void cork_for_200_ms(void **state)
{
	struct harness *h = *state;

	h->opts.cork = true;
	establish(h);
	app_write(h, 100);
	assert_int_equal(time_to_segment_us(h, US_PER_S), 200 * US_PER_MS);
	expect(h, ACK, 1, 1, 100);
	assert_int_equal(status(h).backoff, 0);
	inject(h, ACK, 1, 101, WND, 0);
	advance_ms(h, 1000);
	app_write(h, 100); /* and the next one waits again */
	expect_none(h);
	assert_int_equal(time_to_segment_us(h, US_PER_S), 200 * US_PER_MS);
	expect(h, ACK, 101, 1, 100);
	inject(h, ACK, 1, 201, WND, 0);
	app_write(h, 10); /* CLOSE pulls the cork */
	expect_none(h);
	app_shutdown(h);
	expect(h, FIN | ACK, 201, 1, 10);
}

/* Nothing is sent before something is expected. */
static void queue_bytes(struct harness *h, uint32_t len_bytes,
			void (*send)(struct tcb *, size_t, uint64_t))
{
	struct iovec iov[2];

	assert_int_equal(tcp_send_iov(h->t, len_bytes, iov), 1);
	for (uint32_t i = 0; i < len_bytes; i++)
		((uint8_t *)iov[0].iov_base)[i] = pattern_byte(1 + h->written + i);
	send(h->t, len_bytes, h->now_us);
	h->written += len_bytes;
}

static void send_more(struct harness *h, uint32_t len_bytes)
{
	queue_bytes(h, len_bytes, tcp_send_more);
}

static void send_all(struct harness *h, uint32_t len_bytes)
{
	queue_bytes(h, len_bytes, tcp_send_commit);
}

/* What was sent without MSG_MORE waits for nobody. */
static void more_belongs_to_its_bytes(void **state)
{
	struct harness *h = *state;

	establish(h);
	send_all(h, 100);
	send_more(h, 50);
	expect(h, ACK, 1, 1, 100);
	expect_none(h);
	assert_int_equal(time_to_segment_us(h, US_PER_S), 200 * US_PER_MS);
	expect(h, PSH | ACK, 101, 1, 50);
	inject(h, ACK, 1, 151, WND, 0);
	send_all(h, PEER_MSS + 10);
	send_more(h, 50);
	expect(h, ACK, 151, 1, PEER_MSS);
	expect(h, ACK, 151 + PEER_MSS, 1, 10);
	inject(h, ACK, 1, 161 + PEER_MSS, WND, 0);
	expect_none(h);
	send_more(h, 50);
	expect_none(h);
	send_all(h, 50);
	expect(h, PSH | ACK, 161 + PEER_MSS, 1, 150);
}

/* Nagle holds it all the same: there is a small segment under way. */
static void before_more_nagle_holds(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 10);
	expect(h, PSH | ACK, 1, 1, 10);
	send_all(h, 100);
	send_more(h, 50);
	expect_none(h);
	inject(h, ACK, 1, 11, WND, 0);
	expect(h, ACK, 11, 1, 100);
}

/* MSG_MORE: a cork for one call. [SHLD-28] Together they fill segments. */
static void more_follows(void **state)
{
	struct harness *h = *state;

	h->opts.nodelay = true;
	establish(h);
	send_more(h, 100);
	expect_none(h);
	send_more(h, 200);
	expect_none(h);
	app_write(h, 300);
	expect(h, PSH | ACK, 1, 1, 600);
	send_more(h, 100);
	assert_int_equal(time_to_segment_us(h, US_PER_S), 200 * US_PER_MS);
}

/* A cork before a closed window: what holds the bytes is the window, and it is
 * probed. */
static void cork_at_a_closed_window(void **state)
{
	struct harness *h = *state;

	h->opts.cork = true;
	establish_wnd(h, 0);
	app_write(h, 100);
	expect_none(h);
	time_to_segment_us(h, 2 * US_PER_S);
	expect(h, ACK, 1, 1, 1);
	assert_string_equal(h->note, "zero window probe");
	inject(h, ACK, 1, 2, WND, 0);
	assert_int_equal(time_to_segment_us(h, US_PER_S), 200 * US_PER_MS);
	expect(h, ACK, 2, 1, 99);
}

/* ---- TCP_DEFER_ACCEPT --------------------------------------------------------------------- */

static void begin_deferred(struct harness *h)
{
	h->opts.defer_accept_s = 10;
	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_DEFERRED);
	expect_none(h);
	assert_int_equal(h->listener_ev, 0);
	assert_null(tcp_accept(h->listener, h));
}

/* The listener hears of the connection with its first text. */
static void accepted_with_text(void **state)
{
	struct harness *h = *state;

	begin_deferred(h);
	advance_ms(h, 5000);
	expect_none(h); /* the SYN,ACK has arrived: not again */
	inject(h, ACK, 1, 1, WND, 100);
	assert_int_equal(h->listener_ev & TCP_EV_INCOMING, TCP_EV_INCOMING);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	assert_int_equal(app_read(h, 200), 100);
}

/* A client that waits for our first word gets it when the time is over. */
static void accepted_after_the_time(void **state)
{
	struct harness *h = *state;

	begin_deferred(h);
	assert_int_equal(time_to_segment_us(h, 100 * US_PER_S), 10 * US_PER_S);
	expect(h, SYN | ACK, 0, 1, 0);
	inject(h, ACK, 1, 1, WND, 0);
	assert_int_equal(h->listener_ev & TCP_EV_INCOMING, TCP_EV_INCOMING);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	expect_state(h, TCPS_ESTABLISHED);
	advance_us(h, 1000 * US_PER_S);
	expect_state(h, TCPS_ESTABLISHED);
}

/* One that is silent from then on costs what a half-open one costs. */
static void deferred_and_forgotten(void **state)
{
	struct harness *h = *state;

	begin_deferred(h);
	advance_us(h, 1000 * US_PER_S);
	forget(h);
	assert_int_equal(engine_stats(h->e)->connections, 0);
}

/* ---- TCP_WINDOW_CLAMP ------------------------------------------------------------------------ */

static void clamped_window(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;

	h->cfg.window_scaling = true;
	h = harness_again(state, &h->cfg);
	h->syn.wscale = 7;
	h->opts.window_clamp_bytes = 10000;
	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->wnd, 10000);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	forget(h);
	assert_in_range(status(h).rcv_wnd_bytes, 9000, 10000);
	tcp_get_opts(h->t, &o);
	o.window_clamp_bytes = 0;
	tcp_set_opts(h->t, &o, h->now_us);
	inject(h, ACK, 1, 1, WND, 5000);
	app_read(h, 5000);
	assert_true(status(h).rcv_wnd_bytes > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(quick_at_the_start), TEST(pingpong), TEST(quickack_by_the_user),
		TEST(cork), TEST(cork_for_200_ms), TEST(more_follows), TEST(more_belongs_to_its_bytes),
		TEST(before_more_nagle_holds), TEST(cork_at_a_closed_window),
		TEST(accepted_with_text), TEST(accepted_after_the_time),
		TEST(deferred_and_forgotten), TEST(clamped_window),
	};

	return cmocka_run_group_tests_name("delack", tests, NULL, NULL);
}
