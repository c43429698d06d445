/* test_data.c - bytes in both directions without loss: reassembly, the silly
 * window on both sides, Nagle, the delayed ACK, numbers that wrap. */
#include "harness.h"

#define MSS PEER_MSS

/* ---- receiving ----------------------------------------------------------- */

/* RFC 9293 3.8.6.3: an ACK waits at most delack_ms ... [SHLD-18] [MUST-40] */
static void delayed_ack(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_true(h->cfg.delack_ms <= 500);
	assert_int_equal(inject(h, ACK | PSH, 1, 1, WND, 100), DROP_NONE);
	assert_true(events(h) & TCP_EV_READABLE);
	expect_none(h);
	assert_true(time_to_segment_us(h, US_PER_S) <= h->cfg.delack_ms * US_PER_MS);
	expect(h, ACK, 1, 101, 0);
	expect_none(h);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
	assert_int_equal(status(h).readable_bytes, 100);
	assert_int_equal(app_read(h, 1000), 100);
}

/* ... and every second full-sized segment is acknowledged at once. [SHLD-19] */
static void ack_every_second_segment(void **state)
{
	struct harness *h = *state;
	uint32_t acks = 0, at = 1;

	establish(h);
	for (unsigned i = 0; i < 20; i++, at += MSS) {
		assert_int_equal(inject(h, ACK, at, 1, WND, MSS), DROP_NONE);
		app_read(h, MSS);
		if (i % 2)
			assert_true(pending(h));
		while (pending(h)) {
			expect(h, ACK, 1, at + MSS, 0);
			acks++;
		}
	}
	assert_in_range(acks, 10, 20);
}

/* The delayed ACK rides on data that leaves meanwhile. */
static void ack_rides_on_data(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 1, 1, WND, 100);
	expect_none(h);
	app_write(h, 50);
	expect(h, ACK, 1, 101, 50);
	inject(h, ACK, 101, 51, WND, 0);
	advance_ms(h, 2000);
	expect_none(h);
}

/* RFC 5681 4.2: out of order, and filling a hole, is acknowledged at once.
 * [SHLD-31] [MAY-13] */
static void out_of_order(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_int_equal(inject(h, ACK, 101, 1, WND, 100), DROP_NONE);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(inject(h, ACK, 301, 1, WND, 100), DROP_NONE);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(app_read(h, 1000), 0);
	assert_int_equal(events(h) & TCP_EV_READABLE, 0);
	inject(h, ACK, 1, 1, WND, 100);
	expect(h, ACK, 1, 201, 0);
	assert_true(events(h) & TCP_EV_READABLE);
	assert_int_equal(app_read(h, 1000), 200);
	inject(h, ACK, 201, 1, WND, 100);
	expect(h, ACK, 1, 401, 0);
	assert_int_equal(app_read(h, 1000), 200);
}

/* Segments that overlap what is there on either side, or cover it. */
static void overlaps(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 1, 1, WND, 100);
	inject(h, ACK, 51, 1, WND, 100);  /* new: 101..150 */
	inject(h, ACK, 201, 1, WND, 100); /* hole: 151..200 */
	inject(h, ACK, 181, 1, WND, 200); /* around it: 181..380 */
	inject(h, ACK, 401, 1, WND, 50);
	inject(h, ACK, 1, 1, WND, 600); /* everything */
	assert_int_equal(app_read(h, 1000), 600);
	assert_int_equal(h->out[h->out_n - 1].ack, 601);
}

/* Any cut, any order, any repetition: the bytes come once and in order. */
static void random_pieces(void **state)
{
	const uint32_t total = 20000;
	uint32_t x = 1;

	for (unsigned round = 0; round < 30; round++) {
		struct harness *h = harness_again(state, NULL);
		uint32_t reached = 0;

		establish(h);
		for (unsigned i = 0; i < 5000 && h->read < total; i++) {
			uint32_t at, len;

			x = x * 1664525 + 1013904223;
			len = 1 + (x >> 16) % 1400;
			x = x * 1664525 + 1013904223;
			at = h->read + (x >> 8) % 6000;
			at = at > 2000 ? at - 2000 : 0; /* some of it old */
			if (at + len > total)
				len = at < total ? total - at : 0;
			if (!len)
				continue;
			inject(h, ACK, 1 + at, 1, WND, len);
			assert_true(pending(h) || h->drop == DROP_NONE);
			reached = app_read(h, 700);
			forget(h);
		}
		while (h->read < total) {
			inject(h, ACK, 1 + h->read, 1, WND,
			       total - h->read > 1000 ? 1000 : total - h->read);
			app_read(h, total);
		}
		assert_true(reached <= 700);
		assert_int_equal(h->read, total);
	}
}

/* What we have already is acknowledged again, at once (3.10.7.4, first). */
static void duplicates(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject(h, ACK, 1, 1, WND, 100);
	assert_int_equal(app_read(h, 100), 100);
	advance_ms(h, 1000);
	forget(h);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 100), DROP_DUPLICATE);
	expect(h, ACK, 1, 101, 0);
	assert_int_equal(inject(h, ACK, 51, 1, WND, 50), DROP_DUPLICATE);
	expect(h, ACK, 1, 101, 0);
	assert_int_equal(app_read(h, 100), 0);
	assert_int_equal(engine_stats(h->e)->drops[DROP_DUPLICATE], 2);
}

/* RFC 9293 3.10.7.4: what has arrived is taken, all of it, before an ACK leaves;
 * one ACK is then enough. [MUST-58] [MUST-59] */
static void one_ack_for_all_that_waits(void **state)
{
	struct harness *h = *state;
	struct engine_pkt_out out;
	uint8_t tcp[TCP_HDR_MAX + 1000];
	struct seg_options none = {.wscale = -1};

	establish(h);
	for (uint32_t i = 0; i < 5; i++) {
		size_t len = craft(h, tcp, ACK, 1 + i * 1000, 1, WND, 1000, &none);
		uint16_t sum;
		struct iovec iov = {tcp + TCP_HDR_MIN, len - TCP_HDR_MIN};
		struct engine_pkt_in in = {.src = h->remote.addr, .dst = h->local.addr,
					   .path = h->path, .tcp = tcp,
					   .tcp_len_bytes = len};

		sum = segment_checksum(&in.src, &in.dst, tcp, TCP_HDR_MIN, &iov, 1);
		tcp[16] = (uint8_t)(sum >> 8);
		tcp[17] = (uint8_t)sum;
		assert_int_equal(engine_input(h->e, &in, h->now_us), DROP_NONE);
	}
	assert_int_equal(status(h).readable_bytes, 5000);
	assert_int_equal(engine_output(h->e, &out, 1, h->now_us), 1);
	assert_int_equal(out.hdr[8] << 24 | out.hdr[9] << 16 | out.hdr[10] << 8 | out.hdr[11],
			 h->irs + 5001);
	assert_int_equal(engine_output(h->e, &out, 1, h->now_us), 0);
}

/* What GRO makes of a burst is one segment of many times the MSS. [MUST-58] */
static void larger_than_mss(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 20000), DROP_NONE);
	expect(h, ACK, 1, 20001, 0);
	assert_int_equal(app_read(h, 100000), 20000);
	inject(h, ACK, 20001, 1, WND, 60000);
	assert_int_equal(app_read(h, 100000), 60000);
}

/* Only what lies in the window is taken; the rest must come again. */
static void trimmed_to_window(void **state)
{
	struct harness *h = *state;
	uint32_t wnd;

	h->opts.rcvbuf_bytes = 4000;
	app_open(h);
	wnd = expect(h, SYN, 0, 0, 0)->wnd;
	assert_true(wnd > 0 && wnd <= 4000);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	inject(h, ACK, 1, 1, WND, wnd + 500);
	assert_int_equal(expect(h, ACK, 1, wnd + 1, 0)->wnd, 0);
	assert_int_equal(inject(h, ACK, wnd + 1, 1, WND, 500), DROP_WINDOW);
	assert_int_equal(expect(h, ACK, 1, wnd + 1, 0)->wnd, 0);
	assert_int_equal(inject(h, ACK, wnd + 5001, 1, WND, 0), DROP_WINDOW);
	expect(h, ACK, 1, wnd + 1, 0);
	assert_int_equal(app_read(h, 100000), wnd);
	assert_true(expect(h, ACK, 1, wnd + 1, 0)->wnd > 0);
	inject(h, ACK, wnd + 1, 1, WND, 500);
	assert_int_equal(app_read(h, 100000), 500);
}

/* 3.10.7.4, first: with a closed window ACKs, and RST and URG, still count. */
static void ack_counts_at_closed_window(void **state)
{
	struct harness *h = *state;

	h->opts.rcvbuf_bytes = 2000;
	establish(h);
	inject(h, ACK, 1, 1, WND, 2000);
	forget(h);
	app_write(h, 100);
	expect(h, ACK, 1, 2001, 100);
	assert_int_equal(inject(h, ACK, 2001, 101, WND, 0), DROP_NONE);
	assert_int_equal(status(h).unacked_bytes, 0);
	app_write(h, 100);
	expect(h, ACK, 101, 2001, 100);
	inject(h, ACK, 2001, 201, WND, 50); /* so does that of a window probe */
	expect(h, ACK, 201, 2001, 0);
	assert_int_equal(status(h).unacked_bytes, 0);
	assert_int_equal(status(h).readable_bytes, 2000);
}

/* 3.8.6.2.2, MUST-39: the window opens by min(RCV.BUFF / 2, MSS) or not. [MUST-39] */
static void receiver_silly_window(void **state)
{
	struct harness *h = *state;
	uint32_t full;

	h->opts.rcvbuf_bytes = 10000;
	app_open(h);
	full = expect(h, SYN, 0, 0, 0)->wnd;
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	for (uint32_t at = 0; at < full; at += 1000)
		inject(h, ACK, 1 + at, 1, WND, full - at < 1000 ? full - at : 1000);
	advance_ms(h, 1000);
	assert_int_equal(h->out[h->out_n - 1].wnd, 0);
	forget(h);
	for (uint32_t n = 0; n < 900; n += 100)
		assert_int_equal(app_read(h, 100), 100);
	advance_ms(h, 5000);
	expect_none(h);
	app_write(h, 10); /* nor by a segment that leaves anyway */
	assert_int_equal(expect(h, ACK, 1, full + 1, 10)->wnd, 0);
	inject(h, ACK, full + 1, 11, WND, 0);
	assert_int_equal(app_read(h, 560), 560);
	assert_true(expect(h, ACK, 11, full + 1, 0)->wnd >= 1000);
}

static void receiver_silly_window_small_buffer(void **state)
{
	struct harness *h = *state;

	h->opts.rcvbuf_bytes = 1000;
	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->wnd, 1000);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	inject(h, ACK, 1, 1, WND, 1000);
	time_to_segment_us(h, 500 * US_PER_MS);
	assert_int_equal(expect(h, ACK, 1, 1001, 0)->wnd, 0);
	app_read(h, 499);
	expect_none(h);
	app_read(h, 1);
	assert_int_equal(expect(h, ACK, 1, 1001, 0)->wnd, 500);
}

/* A buffer of one byte is a connection too. */
static void receive_buffer_of_one_byte(void **state)
{
	struct harness *h = *state;

	h->opts.rcvbuf_bytes = 1;
	establish(h);
	for (uint32_t at = 1; at < 20; at++) {
		inject(h, ACK, at, 1, WND, 1);
		advance_ms(h, 500);
		assert_int_equal(h->out[h->out_n - 1].ack, at + 1);
		assert_int_equal(app_read(h, 5), 1);
		assert_int_equal(h->out[h->out_n - 1].wnd, 1);
		forget(h);
	}
}

/* RFC 9293 3.10.7.4, sixth, and RFC 6093: the byte stays where it is. */
static void urgent_data_in_line(void **state)
{
	struct harness *h = *state;
	static uint8_t tcp[128];
	struct seg_options none = {.wscale = -1};
	size_t len;

	establish(h);
	len = craft(h, tcp, ACK | URG, 1, 1, WND, 20, &none);
	tcp[18] = 0;
	tcp[19] = 7;
	assert_int_equal(inject_raw(h, tcp, len), DROP_NONE);
	len = craft(h, tcp, ACK | URG, 21, 1, WND, 20, &none);
	tcp[18] = tcp[19] = 0xff;
	assert_int_equal(inject_raw(h, tcp, len), DROP_NONE);
	assert_int_equal(app_read(h, 100), 40);
}

/* 3.10.7.4, fifth: without ACK a segment is nothing. */
static void no_ack_bit(void **state)
{
	struct harness *h = *state;

	establish(h);
	assert_int_equal(inject(h, PSH, 1, 0, WND, 10), DROP_NO_ACK);
	assert_int_equal(inject(h, FIN, 1, 0, WND, 10), DROP_NO_ACK);
	assert_int_equal(app_read(h, 100), 0);
	expect_state(h, TCPS_ESTABLISHED);
}

/* ---- sending ------------------------------------------------------------- */

/* RFC 9293 3.7.4 (Nagle): one small segment in flight, no more. [SHLD-7] [MAY-16] */
static void nagle(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 10);
	expect(h, ACK, 1, 1, 10);
	app_write(h, 10);
	app_write(h, 20);
	expect_none(h);
	app_write(h, MSS); /* a full segment may go */
	expect(h, ACK, 11, 1, MSS);
	expect_none(h);
	inject(h, ACK, 1, 11 + MSS, WND, 0);
	expect(h, ACK, 11 + MSS, 1, 30);
	expect_none(h);
}

/* MUST-17: and the user can turn it off, also later. [MUST-17] */
static void nodelay(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;

	h->opts.nodelay = true;
	establish(h);
	for (uint32_t i = 0; i < 5; i++) {
		app_write(h, 10);
		expect(h, ACK, 1 + 10 * i, 1, 10);
	}
	tcp_get_opts(h->t, &o);
	assert_true(o.nodelay);
	o.nodelay = false;
	tcp_set_opts(h->t, &o, h->now_us);
	app_write(h, 10);
	expect_none(h);
	o.nodelay = true;
	tcp_set_opts(h->t, &o, h->now_us);
	expect(h, ACK, 51, 1, 10);
}

/* 3.8.6.2.1, MUST-38: crumbs of window are not filled while data is in flight,
 * but in the end even they must be used. [MUST-38] */
static void sender_silly_window(void **state)
{
	struct harness *h = *state;

	h->opts.nodelay = true;
	establish_wnd(h, 4000);
	app_write(h, 20000);
	expect(h, ACK, 1, 1, MSS);
	expect(h, ACK, 1 + MSS, 1, MSS);
	forget(h); /* 1080 bytes are left, half of a window would be 2000 */
	inject(h, ACK, 1, 1 + MSS, 2650, 0); /* up to 4110 */
	inject(h, ACK, 1, 1 + MSS, 2660, 0);
	inject(h, ACK, 1, 1 + MSS, 2670, 0);
	while (pending(h))
		assert_true(expect(h, ACK, ANY, 1, ANY)->len_bytes > 100);
	inject(h, ACK, 1, 1 + 2 * MSS, 300, 0);
	expect_none(h);
	assert_true(time_to_segment_us(h, 10 * US_PER_S) >= 100 * US_PER_MS);
	expect(h, ACK, 1 + 2 * MSS, 1, 300);
}

/* MUST-60 and 61: PSH on the last segment of what the user gave. [MUST-60] [MUST-61] */
static void push(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 2 * MSS + 100);
	assert_int_equal(expect(h, ACK, 1, 1, MSS)->flags, ACK);
	assert_int_equal(expect(h, ACK, 1 + MSS, 1, MSS)->flags, ACK);
	expect(h, ACK | PSH, 1 + 2 * MSS, 1, 100);
}

/* The send buffer takes what was promised; WRITABLE tells of room again. */
static void send_buffer_limit(void **state)
{
	struct harness *h = *state;
	struct iovec iov[2];

	h->opts.sndbuf_bytes = 5000;
	establish_wnd(h, 1000);
	events(h);
	assert_int_equal(app_write(h, 20000), 5000);
	assert_int_equal(tcp_send_iov(h->t, 1, iov), 0);
	expect(h, ACK, 1, 1, 1000);
	assert_int_equal(status(h).unacked_bytes, 1000);
	assert_int_equal(status(h).notsent_bytes, 4000);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, 0);
	inject(h, ACK, 1, 1001, 3000, 0);
	inject(h, ACK, 1, 2001, 3000, 0);
	assert_true(events(h) & TCP_EV_WRITABLE);
	inject(h, ACK, 1, 3001, 3000, 0);
	assert_int_equal(events(h) & TCP_EV_WRITABLE, 0);
	assert_int_equal(app_write(h, 20000), 3000);
}

/* A peer that takes everything, 1 MB long, and one that sends as much. */
static void bulk(void **state)
{
	struct harness *h = *state;
	uint32_t acked = 1, at = 1;

	establish(h);
	while (acked <= 1000000) {
		app_write(h, 1000001 - acked > 30000 ? 30000 : 1000001 - acked);
		while (pending(h)) {
			const struct got *g = expect(h, ACK, ANY, ANY, ANY);

			if (seq_gt(g->seq + g->len_bytes, acked))
				acked = g->seq + g->len_bytes;
		}
		inject(h, ACK, at, acked, WND, 1000);
		at += 1000;
		app_read(h, 1000);
		advance_us(h, 100);
	}
	assert_int_equal(status(h).total_retrans, 0);
	assert_true(status(h).bytes_acked >= 1000000);
	assert_int_equal(h->read, at - 1);
}

/* Bursts for a link that cuts: the same segments as without. */
static void bursts(void **state)
{
	struct harness *h = *state;

	h->path.gso_max_bytes = 65000;
	establish(h);
	app_write(h, 10 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		expect(h, ACK, 1 + i * MSS, 1, MSS);
	expect_none(h);
}

/* ---- wrap-around --------------------------------------------------------- */

/* A time at which the ISS is this many numbers before 2^32 (RFC 6528's clock
 * ticks every 4 us). */
static struct harness *near_wrap(void **state, uint32_t before)
{
	struct harness *h = harness_again(state, NULL);
	uint64_t now_us = h->now_us;
	uint32_t iss;

	app_open(h);
	iss = h->peers[h->remote.port].iss;
	harness_free(h);
	*state = NULL;
	h = harness_new_at(NULL, now_us + 4ull * (0u - before - iss));
	*state = h;
	return h;
}

/* RFC 9293 3.4: our numbers wrap in every place of the first 3000 bytes, with a
 * retransmission across it. */
static void our_numbers_wrap(void **state)
{
	static const uint32_t before[] = {0, 1, 2, 3, 1460, 1461, 1462, 2000};

	for (unsigned i = 0; i < 8; i++) {
		struct harness *h = near_wrap(state, before[i]);

		establish(h);
		assert_int_equal(h->peers[h->remote.port].iss, 0u - before[i]);
		app_write(h, 2 * MSS);
		expect(h, ACK, 1, 1, MSS);
		expect(h, ACK, 1 + MSS, 1, MSS);
		time_to_segment_us(h, 10 * US_PER_S);
		expect(h, ACK, 1, 1, MSS);
		inject(h, ACK, 1, 1 + MSS, WND, 0);
		time_to_segment_us(h, 10 * US_PER_S);
		expect(h, ACK, 1 + MSS, 1, MSS);
		inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
		expect_none(h);
		app_shutdown(h);
		expect(h, FIN | ACK, 1 + 2 * MSS, 1, 0);
		inject(h, ACK, 1, 2 + 2 * MSS, WND, 0);
		expect_state(h, TCPS_FIN_WAIT_2);
	}
}

/* And the peer's, with a hole across it. */
static void peers_numbers_wrap(void **state)
{
	static const uint32_t before[] = {0, 1, 2, 100, 101, 150, 200, 201, 300};

	for (unsigned i = 0; i < 9; i++) {
		struct harness *h = harness_again(state, NULL);

		h->irs = 0u - before[i];
		establish(h);
		inject(h, ACK, 201, 1, WND, 100);
		expect(h, ACK, 1, 1, 0);
		inject(h, ACK, 101, 1, WND, 100);
		expect(h, ACK, 1, 1, 0);
		inject(h, ACK, 1, 1, WND, 100);
		expect(h, ACK, 1, 301, 0);
		assert_int_equal(app_read(h, 1000), 300);
		assert_int_equal(inject(h, ACK, 101, 1, WND, 100), DROP_DUPLICATE);
		expect(h, ACK, 1, 301, 0);
		inject(h, FIN | ACK, 301, 1, WND, 0);
		expect(h, ACK, 1, 302, 0);
		expect_state(h, TCPS_CLOSE_WAIT);
	}
}

struct piece { uint32_t off; const char *text; };

/* Sends it with bytes of its own. */
static void inject_text(struct harness *h, const struct piece *p)
{
	struct seg_options o = {.wscale = -1};
	size_t len = strlen(p->text), n;
	uint8_t tcp[100];

	n = craft(h, tcp, ACK | PSH, 1 + p->off, 1, WND, (uint32_t)len, &o);
	memcpy(tcp + n - len, p->text, len);
	inject_raw(h, tcp, n);
}

/* Whose bytes count where pieces overlap: as in Linux, which tests/live/overlap.py
 * asks, too. What was handed over stays; of what waits the one that begins first counts,
 * unless a later one covers all of it. */
static void whose_bytes(void **state)
{
	static const struct { struct piece p[4]; const char *read; } is[] = {
		{{{0, "aaaa"}, {2, "bbbb"}}, "aaaabb"},
		{{{2, "aaaa"}, {4, "bbbb"}, {0, ".."}}, "..aaaabb"},
		{{{4, "aaaa"}, {2, "bbbb"}, {0, ".."}}, "..bbbbaa"},
		{{{2, "aa"}, {2, "bbbb"}, {0, ".."}}, "..bbbb"},
		{{{2, "aaaa"}, {2, "bb"}, {0, ".."}}, "..aaaa"},
		{{{2, "aaaa"}, {2, "bbbb"}, {0, ".."}}, "..aaaa"},
		{{{2, "aaaaaa"}, {4, "bb"}, {0, ".."}}, "..aaaaaa"},
		{{{4, "aa"}, {2, "bbbbbb"}, {0, ".."}}, "..bbbbbb"},
		{{{2, "aaaa"}, {8, "cccc"}, {4, "bbbbbb"}, {0, ".."}}, "..aaaabbbbcc"},
		{{{2, "aaaa"}, {7, "cc"}, {4, "bbbbbbb"}, {0, ".."}}, "..aaaabbbbb"},
		{{{2, "aaaa"}, {0, "bbbb"}}, "bbbbaa"},
		{{{2, "aa"}, {5, "cccc"}, {0, "bbbbbbb"}}, "bbbbbbbcc"},
		{{{0, "...."}, {6, "aaaa"}, {2, "bbbbbb"}}, "....bbbbaa"},
	};

	for (unsigned i = 0; i < sizeof(is) / sizeof(is[0]); i++) {
		struct harness *h = harness_again(state, NULL);
		size_t len = strlen(is[i].read);
		struct iovec iov[2];

		establish(h);
		for (unsigned k = 0; k < 4 && is[i].p[k].text; k++)
			inject_text(h, &is[i].p[k]);
		assert_int_equal(tcp_recv_iov(h->t, iov), 1);
		assert_int_equal(iov[0].iov_len, len);
		assert_memory_equal(iov[0].iov_base, is[i].read, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delayed_ack), TEST(ack_every_second_segment),
		TEST(ack_rides_on_data), TEST(out_of_order), TEST(overlaps),
		TEST(random_pieces), TEST(duplicates), TEST(one_ack_for_all_that_waits), TEST(larger_than_mss),
		TEST(trimmed_to_window), TEST(ack_counts_at_closed_window),
		TEST(receiver_silly_window), TEST(receiver_silly_window_small_buffer),
		TEST(receive_buffer_of_one_byte), TEST(urgent_data_in_line),
		TEST(no_ack_bit), TEST(nagle), TEST(nodelay),
		TEST(sender_silly_window), TEST(push), TEST(send_buffer_limit),
		TEST(bulk), TEST(bursts), TEST(our_numbers_wrap),
		TEST(peers_numbers_wrap),
		TEST(whose_bytes),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
