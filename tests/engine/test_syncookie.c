/* test_syncookie.c - SYN cookies: RFC 4987 3.6, and what Linux's keep in the
 * timestamp. The SYN queue's limits that call for them. */
#include "harness.h"

#define TS_BITS 0x3fu

static struct harness *with_cookies(void **state, uint8_t when, bool options)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.syncookies = when;
	cfg.timestamps = cfg.sack = cfg.window_scaling = options;
	h = harness_again(state, &cfg);
	h->ts = options;
	h->syn.sack_ok = options;
	h->syn.wscale = options ? 7 : -1;
	app_listen(h, 4);
	return h;
}

static void stop_listening(struct harness *h)
{
	tcp_abort(h->listener, h->now_us);
	tcp_release(h->listener, h->now_us);
	h->listener = NULL;
}

static struct harness *plain(void **state)
{
	return with_cookies(state, 2, false);
}

/* No window is scaled in a SYN. */
static uint16_t first_window(const struct harness *h)
{
	uint32_t bytes = h->opts.rcvbuf_bytes ? h->opts.rcvbuf_bytes : h->cfg.rcvbuf_bytes;

	return bytes < 0xffff ? (uint16_t)bytes : 0xffff;
}

/* A SYN, and the answer that keeps nothing. */
static const struct got *ask(struct harness *h)
{
	uint32_t half_open = engine_stats(h->e)->half_open;
	uint64_t sent = engine_stats(h->e)->cookies_sent;
	const struct got *g;

	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	g = expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(g->wnd, first_window(h));
	assert_string_equal(h->note, "SYN cookie");
	assert_int_equal(engine_stats(h->e)->half_open, half_open);
	assert_int_equal(engine_stats(h->e)->cookies_sent, sent + 1);
	return g;
}

static void is_accepted(struct harness *h)
{
	h->written = h->read = 0;
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	expect_state(h, TCPS_ESTABLISHED);
}

/* RFC 4987 3.6: the ACK alone makes the connection, which then is one like any
 * other: data both ways, FIN. */
static void a_whole_connection(void **state)
{
	struct harness *h = plain(state);
	size_t before = engine_stats(h->e)->memory_bytes;

	ask(h);
	assert_int_equal(engine_stats(h->e)->memory_bytes, before);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	assert_true(h->listener_ev & TCP_EV_INCOMING);
	is_accepted(h);
	assert_int_equal(engine_stats(h->e)->cookies_taken, 1);
	assert_int_equal(inject(h, ACK | PSH, 1, 1, WND, 700), DROP_NONE);
	assert_int_equal(app_read(h, 1000), 700);
	app_write(h, 900);
	forget(h);
	assert_int_equal(inject(h, ACK, 701, 901, WND, 0), DROP_NONE);
	app_shutdown(h);
	expect(h, FIN | ACK, 901, ANY, 0);
	assert_int_equal(inject(h, FIN | ACK, 701, 902, WND, 0), DROP_NONE);
	expect_state(h, TCPS_TIME_WAIT);
}

/* The first ACK may be lost: the first segment with text, or FIN, does as well. */
static void ack_with_text_and_fin(void **state)
{
	struct harness *h = plain(state);

	ask(h);
	assert_int_equal(inject(h, ACK | FIN, 1, 1, WND, 100), DROP_NONE);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	expect_state(h, TCPS_CLOSE_WAIT);
	assert_int_equal(app_read(h, 1000), 100);
}

/* It and the first text are lost, but not what follows: no RST for that, and the
 * repetition makes the connection. */
static void text_that_comes_early(void **state)
{
	struct harness *h = plain(state);

	ask(h);
	assert_int_equal(inject(h, ACK, 1001, 1, WND, 1000), DROP_LISTEN);
	assert_int_equal(inject(h, ACK | FIN, 2001, 1, WND, 0), DROP_LISTEN);
	expect_none(h);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 1000), DROP_NONE);
	is_accepted(h);
	assert_int_equal(app_read(h, 5000), 1000);
}

/* RFC 9293 3.8.6: what the cookie offers is accepted to its last byte, at once, and
 * nothing behind it. */
static void window_as_offered(void **state)
{
	static const uint32_t rcvbuf_bytes[] = {0, 5000, 65535, 300000};

	for (unsigned i = 0; i < 16; i++) {
		struct harness *h = with_cookies(state, 2, i & 1);
		uint32_t wnd;

		stop_listening(h);
		if (i & 2) {
			h->local.addr = (struct ip_addr){{0x20, 1, [15] = 1}};
			h->remote.addr = (struct ip_addr){{0x20, 1, [15] = 2}};
		}
		h->opts.rcvbuf_bytes = rcvbuf_bytes[i / 4];
		app_listen(h, 4);
		for (uint32_t past = 0; past < 2; past++) {
			h->remote.port++;
			wnd = ask(h)->wnd;
			assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
			is_accepted(h);
			assert_int_equal(inject(h, ACK, wnd + past, 1, WND, 1),
					 past ? DROP_WINDOW : DROP_NONE);
			forget(h);
		}
		h->listener = NULL;
	}
}

/* Also where memory has become short since: what is offered stays offered. */
static void window_when_memory_is_short(void **state)
{
	struct harness *h = plain(state);

	h->cfg.memory_max_bytes = 400000;
	h = harness_again(state, &h->cfg);
	app_listen(h, 100);
	h->remote.port = 6000;
	ask(h);
	while (engine_stats(h->e)->memory_bytes <= 300000) {
		h->remote.port++;
		ask(h);
		for (uint32_t seq = 1; seq < 40001; seq += 1000)
			inject(h, ACK, seq, 1, WND, 1000);
		forget(h);
	}
	h->remote.port = 6000;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	for (uint32_t seq = 1; seq < 60001; seq += 1000)
		assert_int_equal(inject(h, ACK, seq, 1, WND, 1000), DROP_NONE);
}

/* ECN of RFC 3168 comes back too: the congestion that we mark is answered. */
static void ecn_in_the_timestamp(void **state)
{
	for (unsigned asked = 0; asked < 2; asked++) {
		struct harness *h = with_cookies(state, 2, true);
		struct seg_options o;
		uint16_t flags = asked ? SYN | SEG_ECE | SEG_CWR : SYN;

		h->cfg.ecn = 2;
		h = harness_again(state, &h->cfg);
		h->ts = true;
		app_listen(h, 4);
		o = h->syn;
		o.ts = true;
		o.ts_val = 7;
		inject_opt(h, flags, 0, 0, WND, 0, &o);
		expect(h, asked ? SYN | ACK | SEG_ECE : SYN | ACK, 0, 1, 0);
		assert_int_equal(h->last.opt.ts_val & 0x20, asked ? 0x20 : 0);
		assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
		is_accepted(h);
		assert_int_equal(status(h).ecn, asked);
		h->listener = NULL;
	}
}

/* The window scale and SACK come back in the timestamp's low bits; the clock is
 * set back for that, never forward (PAWS, RFC 7323 5). */
static void options_in_the_timestamp(void **state)
{
	for (int8_t scale = -1; scale <= 14; scale++) {
		struct harness *h = with_cookies(state, 2, true);
		struct tcp_status st;
		const struct got *g;
		uint32_t cookie_ts;

		h->syn.wscale = scale;
		h->syn.sack_ok = scale % 2 == 0;
		g = ask(h);
		assert_true(g->opt.ts);
		assert_int_equal(g->opt.sack_ok, h->syn.sack_ok);
		assert_int_equal(g->opt.wscale >= 0, scale >= 0);
		cookie_ts = g->opt.ts_val;
		assert_int_equal(cookie_ts & 0x0f, scale >= 0 ? scale : 15);
		assert_int_equal(cookie_ts & 0x10, scale % 2 == 0 ? 0x10 : 0);
		assert_int_equal(inject(h, ACK, 1, 1, 5, 0), DROP_NONE);
		is_accepted(h);
		st = status(h);
		assert_true(st.timestamps);
		assert_int_equal(st.sack, scale % 2 == 0);
		assert_int_equal(st.window_scaling, scale >= 0);
		assert_int_equal(st.snd_wscale, scale >= 0 ? scale : 0);
		assert_int_equal(st.snd_wnd_bytes, 5u << st.snd_wscale);
		assert_int_equal(st.srtt_us, 0);
		inject(h, ACK, 1, 1, 500, 3000);
		g = expect(h, ACK, 1, 3001, 0);
		assert_in_range(g->opt.ts_val - cookie_ts, 0, TS_BITS + 1);
		h->listener = NULL;
	}
}

/* Where nothing would remember them they are not negotiated. */
static void without_timestamps_no_options(void **state)
{
	struct harness *h = with_cookies(state, 2, true);
	const struct got *g;

	h->ts = false;
	g = ask(h);
	assert_false(g->opt.ts);
	assert_false(g->opt.sack_ok);
	assert_int_equal(g->opt.wscale, -1);
	assert_int_equal(inject(h, ACK, 1, 1, 1000, 0), DROP_NONE);
	is_accepted(h);
	assert_int_equal(status(h).snd_wnd_bytes, 1000);
	assert_false(status(h).sack);
}

/* The peer's MSS is rounded down to one of eight; without the option it is 536
 * [MUST-15]. */
static void mss_rounds_down(void **state)
{
	static const uint16_t is[][2] = {{100, 48}, {256, 256}, {0, 536}, {1219, 536},
					 {1300, 1220}, {1400, 1360}, {1452, 1440},
					 {1460, 1460}};

	for (unsigned i = 0; i < 8; i++) {
		struct harness *h = plain(state);

		h->syn.mss = is[i][0];
		assert_int_equal(ask(h)->opt.mss, 1460);
		assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
		is_accepted(h);
		assert_int_equal(status(h).snd_mss, is[i][1]);
	}
}

/* RFC 4987 3.6: a cookie grows old. */
static void lifetime(void **state)
{
	struct harness *h = plain(state);

	for (unsigned s = 0; s < 180; s += 10) {
		ask(h);
		advance_ms(h, s * 1000);
		if (s >= 120) {
			refuse(h, ACK, 1, 1, 0);
			expect(h, RST, 1, 0, 0);
			continue;
		}
		/* between one and two minutes, it depends on when it was made */
		if (s > 60 && inject(h, ACK, 1, 1, WND, 0) == DROP_LISTEN_ACK)
			continue;
		if (s <= 60)
			assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
		is_accepted(h);
		inject(h, RST, 1, 0, 0, 0);
		app_release(h);
	}
}

/* A new minute has another secret: the same SYN, another cookie. */
static void secrets_change(void **state)
{
	struct harness *h = plain(state);
	uint32_t first;

	ask(h);
	first = h->peers[h->remote.port].iss;
	advance_ms(h, 1000);
	ask(h);
	assert_int_equal(h->peers[h->remote.port].iss, first);
	for (unsigned i = 0; i < 8; i++) {
		advance_ms(h, 60000);
		ask(h);
		assert_int_not_equal(h->peers[h->remote.port].iss, first);
	}
}

/* It is worth nothing with another number, port or ISN. */
static void forgeries(void **state)
{
	struct harness *h = plain(state);
	uint32_t iss;

	ask(h);
	iss = h->peers[h->remote.port].iss;
	for (unsigned bit = 0; bit < 32; bit++)
		assert_int_equal(inject(h, ACK, 1, 1 + (1u << bit), WND, 0),
				 DROP_LISTEN_ACK);
	assert_int_equal(inject(h, ACK, 2, 1, WND, 0), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, ACK, 0, 1, WND, 2), DROP_LISTEN);
	assert_int_equal(inject(h, ACK | FIN, 0, 1, WND, 0), DROP_LISTEN);
	assert_int_equal(inject(h, ACK, 0, 2, WND, 0), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, ACK, (uint32_t)-1, 1, WND, 0), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, SYN | ACK, 1, 1, WND, 0), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, RST | ACK, 1, 1, WND, 0), DROP_LISTEN);
	h->remote.port++;
	h->peers[h->remote.port].iss = iss;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_LISTEN_ACK);
	h->remote.port--;
	assert_int_equal(engine_stats(h->e)->cookies_bad, 38);
	assert_int_equal(engine_stats(h->e)->connections, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
}

/* While no cookie can be under way nobody may guess one. */
static void not_expected(void **state)
{
	struct harness *h = with_cookies(state, 1, false);

	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_LISTEN_ACK);
	assert_int_equal(engine_stats(h->e)->cookies_bad, 0);
}

/* Every SYN that comes, from another port each. */
static enum drop flood(struct harness *h, unsigned n)
{
	enum drop d = DROP_NONE;

	for (unsigned i = 0; i < n; i++) {
		h->remote.port = (uint16_t)(10000 + i);
		d = inject(h, SYN, 0, 0, WND, 0);
		if (!d)
			expect(h, SYN | ACK, 0, 1, 0);
	}
	return d;
}

/* As in Linux the SYN queue is as long as the backlog; then cookies begin, and
 * they end when it has room again. */
static void when_the_queue_is_full(void **state)
{
	struct harness *h = with_cookies(state, 1, false);

	assert_int_equal(flood(h, 5), DROP_NONE);
	assert_int_equal(engine_stats(h->e)->half_open, 5);
	assert_int_equal(engine_stats(h->e)->cookies_sent, 0);
	h->remote.port = 6000;
	ask(h);
	h->remote.port = 10002;
	inject(h, ACK, 1, 1, WND, 0);
	assert_non_null(tcp_accept(h->listener, h));
	h->remote.port = 6001;
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(engine_stats(h->e)->cookies_sent, 1);
	h->remote.port = 6000;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	is_accepted(h);
}

/* Two copies of a SYN: a cookie answers the first, and for the second there is room. The
 * peer acknowledges whichever answer comes first. As in Linux, both are good. */
static void room_for_the_second_copy(void **state)
{
	for (int cookie_first = 0; cookie_first < 2; cookie_first++) {
		struct harness *h = with_cookies(state, 1, false);
		uint32_t cookie;

		assert_int_equal(flood(h, 5), DROP_NONE);
		h->remote.port = 6000;
		ask(h);
		cookie = h->peers[6000].iss;
		h->remote.port = 10002;
		inject(h, ACK, 1, 1, WND, 0);
		assert_non_null(tcp_accept(h->listener, h));
		h->remote.port = 6000;
		inject(h, SYN, 0, 0, WND, 0);
		expect(h, SYN | ACK, 0, 1, 0);
		assert_int_not_equal(h->peers[6000].iss, cookie);
		h->ask = true; /* that is no other stack's */
		if (cookie_first)
			h->peers[6000].iss = cookie;
		assert_int_equal(inject(h, ACK, 1, 1, WND, 100), DROP_NONE);
		is_accepted(h);
		forget(h);
		assert_int_equal(app_read(h, 1000), 100);
		assert_int_equal(engine_stats(h->e)->half_open, 4);
		assert_int_equal(engine_stats(h->e)->cookies_taken, cookie_first);
		/* Anything else is refused. */
		h->ask = false;
		h->remote.port = 10003;
		assert_int_equal(inject(h, ACK, 1, 4711, WND, 0), DROP_ACK_FUTURE);
		expect_reset(h, 4711);
	}
}

/* Without cookies: dropped beyond the backlog, or beyond three quarters of
 * max_syn_backlog; the total of all listeners is limited too. */
static void limits_without_cookies(void **state)
{
	struct harness *h = with_cookies(state, 0, false);

	assert_int_equal(flood(h, 20), DROP_SYN_QUEUE);
	assert_int_equal(engine_stats(h->e)->half_open, 5);
	h->cfg.max_syn_backlog = 12;
	h = harness_again(state, &h->cfg);
	app_listen(h, 100);
	assert_int_equal(flood(h, 20), DROP_SYN_QUEUE);
	assert_int_equal(engine_stats(h->e)->half_open, 9);
	h->cfg.half_open_max = 7;
	h = harness_again(state, &h->cfg);
	app_listen(h, 100);
	assert_int_equal(flood(h, 20), DROP_SYN_QUEUE);
	assert_int_equal(engine_stats(h->e)->half_open, 7);
}

/* Two are asked, and the ACK of the second finds no room: 6001, whose turn it is then. */
static void no_room_for_the_second(struct harness *h)
{
	uint32_t heard;

	h->remote.port = 6001;
	ask(h);
	heard = h->ts_recent;
	h->remote.port = 6000;
	ask(h);
	tcp_set_backlog(h->listener, 0);
	inject(h, ACK, 1, 1, WND, 0);
	h->remote.port = 6001;
	h->ts_recent = heard;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_ACCEPT_QUEUE);
}

/* The accept queue has no room when the ACK comes: dropped, and the next segment
 * is as good; or a RST, if so configured. */
static void accept_queue_full(void **state)
{
	struct harness *h = plain(state);

	no_room_for_the_second(h);
	expect_none(h);
	assert_non_null(tcp_accept(h->listener, h));
	assert_int_equal(inject(h, ACK, 1, 1, WND, 10), DROP_NONE);
	is_accepted(h);
	assert_int_equal(app_read(h, 100), 10);
}

/* The ACK was dropped, and the client says nothing: its keep-alive, with a byte or
 * without, has the number of its SYN. It is dropped like the ACK, or taken like it, and
 * then answered; a RST would end what the client holds for open. */
static void probe_instead_of_the_ack(void **state)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct harness *h = with_cookies(state, 2, i & 1);
		uint32_t bytes = i / 2;

		no_room_for_the_second(h);
		assert_int_equal(inject(h, ACK, 0, 1, WND, bytes), DROP_ACCEPT_QUEUE);
		expect_none(h);
		assert_non_null(tcp_accept(h->listener, h));
		assert_int_equal(inject(h, ACK, 0, 1, WND, bytes), DROP_NONE);
		is_accepted(h);
		expect(h, ACK, 1, 1, 0);
		assert_int_equal(inject(h, ACK | PSH, 1, 1, WND, 700), DROP_NONE);
		assert_int_equal(app_read(h, 1000), 700);
		h->listener = NULL;
	}
}

/* ACK and text were dropped. A second SYN,ACK, for a SYN that was sent twice, is answered
 * by the client from behind its text: a RST for that would end what it holds for open. Who
 * repeats no time of ours is refused, though: it may be of an old connection. */
static void answer_from_behind_the_text(void **state)
{
	for (uint32_t ts = 0; ts < 2; ts++) {
		struct harness *h = with_cookies(state, 2, ts);
		uint32_t heard;

		no_room_for_the_second(h);
		heard = h->ts_recent;
		assert_int_equal(inject(h, ACK | PSH, 1, 1, WND, 700), DROP_ACCEPT_QUEUE);
		assert_int_equal(inject(h, ACK, 701, 1, WND, 0), ts ? DROP_LISTEN : DROP_LISTEN_ACK);
		expect_none(h);
		advance_ms(h, 121000);
		h->remote.port = 6002;
		tcp_set_backlog(h->listener, 4);
		ask(h);
		h->remote.port = 6001;
		h->ts_recent = heard;
		assert_int_equal(inject(h, ACK, 701, 1, WND, 0), DROP_LISTEN_ACK);
		h->listener = NULL;
	}
}

/* Whoever comes back when the listener is gone is refused. */
static void listener_is_gone(void **state)
{
	for (uint32_t seq = 0; seq < 2; seq++) {
		struct harness *h = plain(state);

		ask(h);
		stop_listening(h);
		assert_int_equal(inject(h, ACK, seq, 1, WND, 0), DROP_CLOSED);
		refuse(h, ACK, seq, 1, 0);
		expect_reset(h, 1);
		assert_int_equal(engine_stats(h->e)->connections, 0);
	}
}

static void abort_on_overflow(void **state)
{
	struct harness *h = *state;

	for (uint8_t when = 0; when <= 2; when += 2) {
		h->cfg.abort_on_overflow = true;
		h->cfg.syncookies = when;
		h = harness_again(state, &h->cfg);
		app_listen(h, 1);
		flood(h, 2);
		tcp_set_backlog(h->listener, 0);
		h->remote.port = 10000;
		inject(h, ACK, 1, 1, WND, 0);
		h->remote.port = 10001;
		assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_ACCEPT_QUEUE);
		expect_reset(h, 1);
		assert_int_equal(engine_stats(h->e)->connections, 1);
	}
}

/* An ACK comes without a path, for nobody looks one up for every stray ACK. */
static void path_is_asked_for(void **state)
{
	struct harness *h = plain(state);
	uint64_t in;

	ask(h);
	in = engine_stats(h->e)->segs_in;
	h->path.mtu_bytes = 0;
	assert_int_equal(inject(h, ACK, 1, 2, WND, 0), DROP_LISTEN_ACK);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NO_PATH);
	h->path.mtu_bytes = 1200;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	is_accepted(h);
	assert_int_equal(status(h).snd_mss, 1160);
	assert_int_equal(engine_stats(h->e)->segs_in, in + 2);
	assert_int_equal(engine_stats(h->e)->drops[DROP_NO_PATH], 0);
}

/* Nor for every SYN: a cookie offers what the device takes, or what every link does. */
static void no_path_for_a_cookie(void **state)
{
	struct harness *h = plain(state);

	h->path.mtu_bytes = 0;
	assert_int_equal(ask(h)->opt.mss, 536);
	h->device_mtu_bytes = 1280;
	h->remote.port++;
	assert_int_equal(ask(h)->opt.mss, 1240);
	h->path.mtu_bytes = 9000;
	h->remote.port++;
	assert_int_equal(ask(h)->opt.mss, 8960);
}

/* RFC 9293 3.6.1 [MAY-2]: after TIME-WAIT the ISS must be beyond the last
 * connection's, which a cookie cannot promise. So the SYN is taken, though it is a flood
 * that fills the queue: as in Linux. */
static void no_cookie_after_time_wait(void **state)
{
	for (uint8_t when = 1; when <= 2; when++) {
		struct harness *h = with_cookies(state, when, false);
		uint16_t port = h->remote.port;
		uint64_t cookies;
		uint32_t half_open;

		if (when == 1)
			flood(h, 6);
		h->remote.port = port;
		ask(h);
		inject(h, ACK, 1, 1, WND, 0);
		is_accepted(h);
		app_release(h);
		expect(h, FIN | ACK, 1, 1, 0);
		inject(h, FIN | ACK, 1, 2, WND, 0);
		expect(h, ACK, 2, 2, 0);
		assert_int_equal(engine_stats(h->e)->time_wait, 1);
		cookies = engine_stats(h->e)->cookies_sent;
		half_open = engine_stats(h->e)->half_open;
		h->irs += 100000;
		assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
		expect(h, SYN | ACK, 0, 1, 0);
		assert_int_equal(engine_stats(h->e)->half_open, half_open + 1);
		assert_int_equal(engine_stats(h->e)->cookies_sent, cookies);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_connection), TEST(ack_with_text_and_fin),
		TEST(text_that_comes_early), TEST(ecn_in_the_timestamp),
		TEST(window_as_offered), TEST(window_when_memory_is_short),
		TEST(probe_instead_of_the_ack), TEST(answer_from_behind_the_text),
		TEST(listener_is_gone),
		TEST(options_in_the_timestamp), TEST(without_timestamps_no_options),
		TEST(mss_rounds_down), TEST(lifetime), TEST(secrets_change),
		TEST(forgeries), TEST(not_expected), TEST(when_the_queue_is_full),
		TEST(room_for_the_second_copy),
		TEST(limits_without_cookies), TEST(accept_queue_full),
		TEST(abort_on_overflow), TEST(path_is_asked_for), TEST(no_path_for_a_cookie),
		TEST(no_cookie_after_time_wait),
	};

	return cmocka_run_group_tests_name("syncookie", tests, NULL, NULL);
}
