/* test_window.c - the peer's window: closed and probed, reopened, shrunk, scaled
 * (RFC 9293 3.8.6, 3.8.6.1, RFC 7323 2). */
#include "harness.h"

#define MSS PEER_MSS

static uint64_t to_probe_us(struct harness *h)
{
	uint64_t us = time_to_segment_us(h, 400 * US_PER_S);

	expect(h, ACK, 1, 1, 1);
	expect_none(h);
	assert_string_equal(h->note, "zero window probe");
	return us;
}

/* [from, to) in order and in any cut (a probe's byte may come alone again), and
 * the last segment with these flags. */
static void expect_bytes(struct harness *h, uint32_t from, uint32_t to, uint8_t flags)
{
	while (from < to) {
		const struct got *g = expect(h, pending(h) > 1 ? ACK : flags, from, 1, ANY);

		assert_true(g->len_bytes > 0);
		from += g->len_bytes;
	}
	assert_int_equal(from, to);
	expect_none(h);
}

/* MUST-36, MUST-37, SHLD-29 and 30: the first probe after an RTO, the next at
 * growing distance, and for as long as the peer answers.
 * [MUST-36] [MUST-37] [SHLD-29] [SHLD-30] */
static void probes_of_closed_window(void **state)
{
	struct harness *h = *state;
	uint64_t last_us = 0, max_us = h->cfg.rto_max_ms * US_PER_MS;

	establish_wnd(h, 0);
	assert_int_equal(app_write(h, 1000), 1000);
	expect_none(h);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t us = to_probe_us(h);

		if (i)
			assert_int_equal(us, last_us * 2 < max_us ? last_us * 2 : max_us);
		else
			assert_in_range(us, h->cfg.rto_min_ms * US_PER_MS, US_PER_S);
		last_us = us;
		inject(h, ACK, 1, 1, 0, 0);
		expect_none(h);
	}
	expect_state(h, TCPS_ESTABLISHED);
	inject(h, ACK, 1, 1, WND, 0);
	expect_bytes(h, 1, 1001, ACK);
	inject(h, ACK, 1, 1001, WND, 0);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* Without any answer it is like lost data: the connection fails. */
static void probes_without_answer(void **state)
{
	struct harness *h = *state;
	unsigned n = 0;

	establish_wnd(h, 0);
	app_write(h, 1000);
	advance_us(h, 4000 * US_PER_S);
	while (pending(h)) {
		expect(h, ACK, 1, 1, 1);
		n++;
	}
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);
	assert_int_equal(n, h->cfg.retries);
}

/* The peer had room for the probe's byte after all. */
static void probe_accepted(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 0);
	app_write(h, 1000);
	to_probe_us(h);
	inject(h, ACK, 1, 2, 0, 0);
	expect_none(h);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 2, 1, 1);
	inject(h, ACK, 1, 3, 500, 0);
	expect(h, ACK, 3, 1, 500);
}

/* SHLD-30, whether or not the peer takes the byte: as long as it offers nothing, the
 * distance grows. */
static void probes_accepted_back_off(void **state)
{
	struct harness *h = *state;
	uint64_t last_us = 0, us, max_us = h->cfg.rto_max_ms * US_PER_MS;

	establish_wnd(h, 0);
	app_write(h, 1000);
	for (uint32_t i = 0; i < 20; i++) {
		us = time_to_segment_us(h, 400 * US_PER_S);
		expect(h, ACK, 1 + i, 1, 1);
		if (i)
			assert_true(us >= last_us * 3 / 2 || us == max_us);
		last_us = us;
		advance_us(h, 100);
		inject(h, ACK, 1, 2 + i, 0, 0);
	}
	assert_int_equal(us, max_us);
}

/* The timer of long probing is not the one of what leaves when the window opens. */
static void timer_of_reopened_window(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 0);
	app_write(h, 2 * MSS);
	for (uint32_t i = 0; i < 8; i++) {
		time_to_segment_us(h, 400 * US_PER_S);
		expect(h, ACK, 1 + i, 1, 1);
		inject(h, ACK, 1, 2 + i, 0, 0);
	}
	inject(h, ACK, 1, 9, WND, 0);
	forget(h); /* lost */
	assert_in_range(time_to_segment_us(h, 300 * US_PER_S), 100 * US_PER_MS,
			status(h).rto_us + 1);
}

/* Both windows are closed, and our probe was refused: that our user has read must be
 * said by a segment that the peer can accept. If it has taken the byte, it listens all
 * the same, as we do. */
static void update_behind_probe(void **state)
{
	struct harness *h = *state;

	h->opts.rcvbuf_bytes = 3000;
	establish_wnd(h, 0);
	for (uint32_t at = 1; at <= 2001; at += 1000)
		inject(h, ACK, at, 1, 0, 1000);
	forget(h);
	app_write(h, 100);
	time_to_segment_us(h, 400 * US_PER_S);
	expect(h, ACK, 1, 3001, 1);
	inject(h, ACK, 3001, 1, 0, 0);
	app_read(h, 3000);
	assert_int_equal(expect(h, ACK, 1, 3001, 0)->wnd, 3000);
}

/* A receiver that has scaled its window, by 32 as a rule. */
static struct harness *scaled(void **state, unsigned *shift)
{
	struct harness *h = *state;

	h->cfg.window_scaling = true;
	h = harness_again(state, &h->cfg);
	h->opts.rcvbuf_bytes = 1u << 20;
	h->syn.wscale = 0;
	app_open(h);
	*shift = (unsigned)expect(h, SYN, 0, 0, 0)->opt.wscale;
	assert_true(*shift > 2);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	return h;
}

/* The peer sends; returns the window that the ACK offers, and *at is where it stands. */
static uint32_t fill(struct harness *h, uint32_t *at, uint32_t len, unsigned shift)
{
	inject(h, ACK, *at, 1, WND, len);
	advance_ms(h, 50);
	pull(h);
	while (pending(h) > 1)
		expect(h, ACK, ANY, ANY, 0);
	*at += len;
	return (uint32_t)expect(h, ACK, ANY, *at, 0)->wnd << shift;
}

/* Until less than a unit is left of what was offered. */
static uint32_t fill_ragged(struct harness *h, uint32_t *at, unsigned shift)
{
	uint32_t wnd = fill(h, at, 1000, shift);

	while (wnd >= 2000)
		wnd = fill(h, at, 1000, shift);
	while (wnd > 1u << shift)
		wnd = fill(h, at, wnd - 3, shift);
	return wnd;
}

/* What is offered is what is accepted: the rest of a unit is rounded up, and a window of
 * 0 takes no byte. [MUST-36] */
static void last_unit(void **state)
{
	unsigned shift;
	struct harness *h = scaled(state, &shift);
	uint32_t at = 1, unit = 1u << shift;

	assert_int_equal(fill_ragged(h, &at, shift), unit);
	assert_int_equal(fill(h, &at, unit, shift), 0);
	assert_int_equal(inject(h, ACK, at, 1, WND, 1), DROP_WINDOW);
	expect(h, ACK, 1, at, 0);
	assert_int_equal(app_read(h, 2u << 20), at - 1);
	assert_in_range(at - 1, (1u << 20) - unit, (1u << 20) + unit);
	assert_true(expect(h, ACK, 1, at, 0)->wnd > 0);
}

/* A peer that leaves a rest every time does not get the buffer to grow. What lies below
 * the edge that was offered is taken even so (RFC 7323 2.4), and the peer is heard that
 * does not know it yet. */
static void rest_of_the_last_unit(void **state)
{
	unsigned shift;
	struct harness *h = scaled(state, &shift);
	uint32_t at = 1, wnd;

	wnd = fill_ragged(h, &at, shift);
	for (unsigned i = 0; wnd; i++) {
		assert_true(i < 100);
		wnd = fill(h, &at, wnd - 1, shift);
	}
	assert_true(at - 1 < (1u << 20) + (1u << shift));
	app_write(h, 100);
	forget(h);
	assert_int_equal(inject(h, ACK, at, 1, WND, 1), DROP_NONE); /* a probe */
	expect(h, ACK, ANY, at + 1, 0);
	assert_int_equal(inject(h, ACK, at, 51, WND, 0), DROP_NONE);
	assert_int_equal(status(h).unacked_bytes, 50);
	assert_int_equal(inject(h, ACK, at - 1, 101, WND, 0), DROP_DUPLICATE);
	assert_int_equal(status(h).unacked_bytes, 50);
	assert_int_equal(inject(h, ACK, at + 1, 1, WND, 1), DROP_WINDOW);
	app_read(h, 2u << 20);
	assert_int_equal(h->read, at);
	forget(h);
	assert_int_equal(inject(h, ACK, at, 101, WND, 0), DROP_DUPLICATE); /* it is open */
}

/* The window closes in the middle of a transfer; nothing is lost, so neither
 * cwnd nor ssthresh suffer. */
static void closed_and_reopened(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 2 * MSS);
	app_write(h, 4 * MSS);
	expect(h, ACK, 1, 1, MSS);
	expect(h, ACK, 1 + MSS, 1, MSS);
	expect_none(h);
	inject(h, ACK, 1, 1 + 2 * MSS, 0, 0);
	expect_none(h);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 1 + 2 * MSS, 1, 1);
	inject(h, ACK, 1, 1 + 2 * MSS, 2 * MSS, 0);
	expect(h, ACK, 1 + 2 * MSS, 1, ANY);
	while (pending(h))
		expect(h, ACK, ANY, 1, ANY);
	inject(h, ACK, 1, 1 + 4 * MSS, 2 * MSS, 0);
	assert_true(status(h).snd_cwnd_bytes >= 10 * MSS);
	assert_int_equal(status(h).unacked_bytes, 0);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
}

/* The segment that reopens the window is lost; the probe finds it open. */
static void lost_window_update(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 0);
	app_write(h, 5000);
	to_probe_us(h);
	inject(h, ACK, 1, 2, 10000, 0); /* the answer to the probe tells */
	expect(h, ACK, 2, 1, MSS);
}

/* RFC 9293 3.8.6, MUST-34, SHLD-15 to 17: robust when the peer takes back what
 * it offered. [MUST-34] [SHLD-15] [SHLD-16] [SHLD-17] */
static void peer_shrinks_window(void **state)
{
	struct harness *h = *state;
	uint32_t acked;

	establish_wnd(h, 4 * MSS);
	app_write(h, 10 * MSS);
	for (uint32_t i = 0; i < 4; i++)
		expect(h, ACK, 1 + i * MSS, 1, MSS);
	inject(h, ACK, 1, 1 + MSS, 500, 0); /* three segments are beyond it now */
	expect_none(h);
	advance_us(h, 60 * US_PER_S);
	while (pending(h)) {
		const struct got *g = expect(h, ACK, ANY, 1, ANY);

		assert_true(g->seq + g->len_bytes <= 1 + 4 * MSS); /* nothing new */
	}
	expect_state(h, TCPS_ESTABLISHED);
	inject(h, ACK, 1, 1 + MSS, 0, 0); /* to nothing */
	advance_us(h, 60 * US_PER_S);
	forget(h);
	expect_state(h, TCPS_ESTABLISHED);
	acked = 1 + MSS;
	for (unsigned i = 0; i < 200 && acked < 1 + 10 * MSS; i++) {
		inject(h, ACK, 1, acked, 4 * MSS, 0);
		time_to_segment_us(h, 300 * US_PER_S);
		while (pending(h)) {
			const struct got *g = expect(h, ACK, ANY, 1, ANY);

			if (g->seq <= acked && g->seq + g->len_bytes > acked)
				acked = g->seq + g->len_bytes;
		}
	}
	assert_int_equal(acked, 1 + 10 * MSS);
}

/* RFC 9293 3.10.7.4, fifth: old segments do not move the window. */
static void window_of_old_segments(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	app_write(h, MSS);
	forget(h);
	inject(h, ACK, 1, 101, 1000, 0);
	assert_int_equal(status(h).snd_wnd_bytes, 1000);
	inject(h, ACK, 1, 1, 9000, 0); /* older ACK */
	assert_int_equal(status(h).snd_wnd_bytes, 1000);
	inject(h, ACK, 51, 101, 2000, 10); /* newer SEQ */
	assert_int_equal(status(h).snd_wnd_bytes, 2000);
	inject(h, ACK, 1, 101, 9000, 50); /* older SEQ, though it fills the hole */
	assert_int_equal(status(h).snd_wnd_bytes, 2000);
}

/* A retransmission carries an old SEQ, but an ACK that is new: its window says
 * where the right edge is now, and it does not lie further right. */
static void window_with_new_ack_in_old_segment(void **state)
{
	struct harness *h = *state;

	h->opts.nodelay = true;
	establish_wnd(h, 20);
	app_write(h, 100);
	expect(h, ACK, 1, 1, 20);
	inject(h, ACK, 51, 1, 20, 50);   /* beyond a hole: SND.WL1 moves on */
	inject(h, ACK, 1, 21, 10, 50);   /* fills it; the edge is 31 */
	forget(h);
	assert_int_equal(status(h).snd_wnd_bytes, 10);
	advance_us(h, 10 * US_PER_S);
	while (pending(h)) {
		const struct got *g = expect(h, ACK, ANY, ANY, ANY);

		assert_true(g->seq + g->len_bytes <= 31);
	}
}

/* A window that opens bit by bit while segments flow. */
static void window_updates(void **state)
{
	struct harness *h = *state;

	h->opts.nodelay = true;
	establish_wnd(h, 100);
	app_write(h, 1000);
	expect(h, ACK, 1, 1, 100);
	inject(h, ACK, 1, 101, 200, 0);
	expect(h, ACK, 101, 1, 200);
	inject(h, ACK, 1, 301, 300, 0);
	expect(h, ACK, 301, 1, 300);
	inject(h, ACK, 1, 601, 10000, 0);
	expect(h, ACK, 601, 1, 400);
}

/* RFC 7323 2.3: a shift above 14 is 14, and 2^30 is the largest window. */
static void largest_scale(void **state)
{
	static const int8_t shifts[] = {0, 1, 7, 14, 15, 100};

	for (unsigned i = 0; i < 6; i++) {
		struct harness *h = *state;

		h->cfg.window_scaling = true;
		h = harness_again(state, &h->cfg);
		h->syn.wscale = shifts[i];
		establish(h);
		inject(h, ACK, 1, 1, WND, 0);
		assert_int_equal(status(h).snd_wscale, shifts[i] > 14 ? 14 : shifts[i]);
		assert_int_equal(status(h).snd_wnd_bytes,
				 65535u << (shifts[i] > 14 ? 14 : shifts[i]));
		app_write(h, 20 * MSS);
		expect(h, ACK, 1, 1, MSS);
	}
}

/* Our own: the scale lets the whole buffer be offered, and no more is. */
static void our_scale(void **state)
{
	static const uint32_t bufs[] = {1000, 65535, 65536, 1u << 20, 16u << 20, 1u << 25};

	for (unsigned i = 0; i < 6; i++) {
		struct harness *h = *state;
		const struct got *g;
		uint32_t shift, wnd;

		h->cfg.window_scaling = true;
		h = harness_again(state, &h->cfg);
		h->opts.rcvbuf_bytes = bufs[i];
		h->syn.wscale = 7;
		app_open(h);
		g = expect(h, SYN, 0, 0, 0);
		shift = (uint32_t)g->opt.wscale;
		assert_true(shift <= 14);
		assert_int_equal(g->wnd, bufs[i] > 65535 ? 65535 : bufs[i]);
		inject(h, SYN | ACK, 0, 1, WND, 0);
		wnd = (uint32_t)expect(h, ACK, 1, 1, 0)->wnd << shift;
		assert_true(wnd <= bufs[i]);
		assert_true(wnd >= bufs[i] - bufs[i] / 8);
	}
}

/* FIN at a closed window: the data before it goes first, and probes lead there. */
static void close_at_closed_window(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 0);
	app_write(h, 10);
	app_shutdown(h);
	expect_none(h);
	to_probe_us(h);
	inject(h, ACK, 1, 1, 10, 0);
	expect_bytes(h, 1, 11, FIN | ACK);
	inject(h, ACK, 1, 12, 0, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
}

/* All that is offered to those who send must fit the socket that they share; one
 * alone has all of its buffer, and nobody less than 64 KiB. */
static void windows_share_the_total(void **state)
{
	struct harness *h = *state;
	uint32_t n, wnd;

	h->cfg.window_scaling = true;
	h->cfg.rcv_total_bytes = 800000;
	h = harness_again(state, &h->cfg);
	h->syn.wscale = 0;
	h->opts.rcvbuf_bytes = 500000;
	for (n = 1; n <= 20; n++) {
		h->remote.port = (uint16_t)(2000 + n);
		h->written = h->read = 0;
		establish(h);
		inject(h, ACK, 1, 1, WND, 30000);
		app_read(h, 30000);
		inject(h, ACK, 30001, 1, WND, 30000);
		app_read(h, 30000);
		pull(h);
		assert_true(pending(h) > 0);
		forget(h);
		wnd = status(h).rcv_wnd_bytes;
		if (n == 1)
			assert_in_range(wnd, 400000, 500000);
		else if (n > 2) /* those before it have been counted */
			assert_in_range(wnd, 30000, 800000 / (n - 1) > 65535
						    ? 800000 / (n - 1) : 65535);
	}
	advance_ms(h, 3000); /* nobody else sends: all for one again */
	forget(h);
	for (uint32_t at = 60001; at < 600000; at += 30000) {
		inject(h, ACK, at, 1, WND, 30000);
		app_read(h, 30000);
		forget(h);
	}
	assert_true(status(h).rcv_wnd_bytes > 400000);
}

/* A share that is no larger than a segment of the path: what the user has taken
 * must open the window again. */
static void small_share_reopens(void **state)
{
	struct harness *h = *state;

	h->cfg.window_scaling = true;
	h->cfg.rcv_total_bytes = 1;
	h = harness_again(state, &h->cfg);
	h->path.mtu_bytes = 65535;
	h->syn.wscale = 0;
	h->syn.mss = 65495;
	h->opts.rcvbuf_bytes = 2 << 20;
	for (uint32_t n = 0; n < 3; n++) { /* so that there is a share at all */
		h->remote.port = (uint16_t)(2000 + n);
		h->written = h->read = 0;
		establish(h);
		forget(h);
		inject(h, ACK, 1, 1, WND, 100);
		app_read(h, 100);
	}
	for (uint32_t at = 101; at < 3000000;) {
		uint32_t len = status(h).rcv_wnd_bytes;

		assert_true(len > 0);
		if (len > 30000)
			len = 30000;
		inject(h, ACK, at, 1, WND, len);
		at += len;
		assert_int_equal(app_read(h, len), len);
		advance_ms(h, 50);
		forget(h);
	}
}

/* [SHLD-14] What was promised stays promised, also when SO_RCVBUF is lowered below
 * it; the smaller buffer counts from there on. */
static void smaller_buffer(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;
	uint32_t edge, at = 1;

	h->opts.rcvbuf_bytes = 20000;
	establish(h);
	edge = 1 + status(h).rcv_wnd_bytes;
	tcp_get_opts(h->t, &o);
	o.rcvbuf_bytes = 3000;
	tcp_set_opts(h->t, &o, h->now_us);
	for (; at + MSS <= edge; at += MSS) {
		assert_int_equal(inject(h, ACK, at, 1, WND, MSS), DROP_NONE);
		advance_ms(h, 50);
		assert_int_equal(expect(h, ACK, 1, at + MSS, 0)->wnd, edge - at - MSS);
	}
	assert_int_equal(app_read(h, edge), at - 1);
	forget(h);
	inject(h, ACK, at, 1, WND, edge - at);
	app_read(h, edge);
	advance_ms(h, 50);
	assert_in_range(status(h).rcv_wnd_bytes, 1500, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probes_of_closed_window), TEST(probes_without_answer),
		TEST(probe_accepted), TEST(closed_and_reopened),
		TEST(probes_accepted_back_off), TEST(timer_of_reopened_window),
		TEST(update_behind_probe), TEST(last_unit), TEST(rest_of_the_last_unit),
		TEST(lost_window_update), TEST(peer_shrinks_window),
		TEST(window_of_old_segments),
		TEST(window_with_new_ack_in_old_segment), TEST(window_updates),
		TEST(largest_scale), TEST(our_scale), TEST(windows_share_the_total),
		TEST(small_share_reopens), TEST(close_at_closed_window), TEST(smaller_buffer),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
