/* test_fastopen.c - TCP Fast Open, RFC 7413: the client, its cache of cookies, and
 * the server. */
#include "harness.h"

#define CLIENT 1
#define SERVER 2
#define COOKIE 8
#define HOUR_MS 3600000ull

static struct harness *with(void **state, uint16_t how)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.fastopen = how;
	h = harness_again(state, &cfg);
	h->opts.fastopen = true;
	return h;
}

/* ---- the client ------------------------------------------------------------- */

static void next_port(struct harness *h)
{
	h->remote.port++;
	h->ev = 0;
}

/* The server's SYN,ACK for ack, with a cookie of so many bytes. */
static void answer(struct harness *h, uint32_t ack, uint8_t cookie_len)
{
	struct seg_options o = h->syn;

	o.fastopen = cookie_len > 0;
	o.cookie_len_bytes = cookie_len;
	for (uint8_t i = 0; i < cookie_len; i++)
		o.cookie[i] = (uint8_t)(cookie_len + i);
	assert_int_equal(inject_opt(h, SYN | ACK, 0, ack, WND, 0, &o), DROP_NONE);
}

/* A connection that brings a cookie home. */
static void get_cookie(struct harness *h, uint8_t cookie_len)
{
	app_open(h);
	assert_false(tcp_syn_waits(h->t));
	expect(h, SYN, 0, 0, 0);
	assert_true(h->last.opt.fastopen);
	assert_int_equal(h->last.opt.cookie_len_bytes, 0);
	answer(h, 1, cookie_len);
	expect(h, ACK, 1, 1, 0);
	assert_int_equal(status(h).fastopen_fail, FASTOPEN_FAIL_NO_COOKIE);
	app_abort(h);
	app_release(h);
	forget(h);
	next_port(h);
}

/* ... and one that uses it, with so many bytes in its SYN. */
static void open_with(struct harness *h, uint32_t len)
{
	h->peers[h->remote.port].mss = PEER_MSS;
	app_open(h);
	assert_true(tcp_syn_waits(h->t));
	expect_none(h);
	app_write(h, len);
	assert_false(tcp_syn_waits(h->t));
	expect(h, SYN, 0, 0, len);
}

/* 3.1: a cookie is asked for, kept, and shown the next time, with data. */
static void client_with_cookie(void **state)
{
	static const uint8_t lens[] = {4, 8, 16};

	for (unsigned i = 0; i < 3; i++) {
		struct harness *h = with(state, CLIENT);

		get_cookie(h, lens[i]);
		open_with(h, 500);
		assert_true(h->last.opt.fastopen);
		assert_int_equal(h->last.opt.cookie_len_bytes, lens[i]);
		for (uint8_t n = 0; n < lens[i]; n++)
			assert_int_equal(h->last.opt.cookie[n], lens[i] + n);
		answer(h, 501, 0);
		expect(h, ACK, 501, 1, 0);
		expect_none(h);
		expect_state(h, TCPS_ESTABLISHED);
		assert_true(status(h).syn_data);
		assert_int_equal(status(h).fastopen_fail, FASTOPEN_FAIL_NONE);
		assert_int_equal(status(h).unacked_bytes, 0);
		assert_int_equal(engine_stats(h->e)->fastopens_active, 1);
		app_write(h, 100);
		expect(h, ACK, 501, 1, 100);
		advance_ms(h, 10);
		inject(h, ACK, 1, 601, WND, 0);
		assert_int_equal(status(h).total_retrans, 0);
	}
}

/* 4.1.3: no more than the MSS that the server announced last time, options of
 * the SYN included; the rest follows when the handshake is complete. */
static void syn_holds_one_segment(void **state)
{
	struct harness *h = with(state, CLIENT);

	h->syn.mss = 1000;
	get_cookie(h, COOKIE);
	h->peers[h->remote.port].mss = 1000;
	app_open(h);
	app_write(h, 3000);
	expect(h, SYN, 0, 0, 1000 - 4 - 12); /* MSS, cookie */
	expect_none(h);
	answer(h, 985, 0);
	expect(h, ACK, 985, 1, 1000);
	expect(h, ACK, 1985, 1, 1000);
	expect(h, ACK, 2985, 1, 16);
}

/* 4.2.2: data that the SYN,ACK does not acknowledge goes again at once. */
static void data_not_taken(void **state)
{
	static const uint32_t taken[] = {0, 200};

	for (unsigned i = 0; i < 2; i++) {
		struct harness *h = with(state, CLIENT);

		get_cookie(h, COOKIE);
		open_with(h, 500);
		answer(h, 1 + taken[i], 0);
		expect(h, ACK, 1 + taken[i], 1, 500 - taken[i]);
		expect_none(h);
		assert_int_equal(status(h).syn_data, i);
		assert_int_equal(status(h).fastopen_fail,
				 i ? FASTOPEN_FAIL_NONE : FASTOPEN_FAIL_NOT_ACKED);
		inject(h, ACK, 1, 501, WND, 0);
		assert_int_equal(status(h).unacked_bytes, 0);
	}
}

/* 4.1.3.1: what is lost goes again without data and option; after a second time
 * in a row nothing of the kind is tried for a minute, then two, ... */
static void black_hole(void **state)
{
	struct harness *h = with(state, CLIENT);

	get_cookie(h, COOKIE);
	for (unsigned i = 0; i < 4; i++) {
		open_with(h, 500);
		assert_int_equal(time_to_segment_us(h, 5 * US_PER_S), US_PER_S);
		expect(h, SYN, 0, 0, 0);
		assert_false(h->last.opt.fastopen);
		answer(h, 1, 0);
		assert_int_equal(status(h).fastopen_fail, FASTOPEN_FAIL_RESENT);
		expect(h, ACK, 1, 1, 500);
		inject(h, ACK, 1, 501, WND, 0);
		app_abort(h);
		forget(h);
		app_release(h);
		next_port(h);
		if (i == 0)
			continue;
		advance_ms(h, (30000ull << i) - 1);
		app_open(h);
		expect(h, SYN, 0, 0, 0);
		assert_false(h->last.opt.fastopen);
		app_release(h);
		next_port(h);
		advance_ms(h, 1);
	}
	open_with(h, 500);
	answer(h, 501, 0);
	forget(h);
	next_port(h);
	open_with(h, 500); /* and all is well */
}

/* The user may have nothing to send. */
static void syn_without_data(void **state)
{
	struct harness *h = with(state, CLIENT);

	get_cookie(h, COOKIE);
	app_open(h);
	advance_ms(h, 100000);
	expect_none(h);
	tcp_syn_go(h->t);
	expect(h, SYN, 0, 0, 0);
	assert_int_equal(h->last.opt.cookie_len_bytes, COOKIE);
	answer(h, 1, 0);
	expect(h, ACK, 1, 1, 0);
	assert_false(status(h).syn_data);
}

/* Data may come with the SYN,ACK, and right behind it (4.2.2). */
static void data_in_syn_ack(void **state)
{
	struct harness *h = with(state, CLIENT);

	get_cookie(h, COOKIE);
	open_with(h, 100);
	assert_int_equal(inject(h, SYN | ACK, 0, 101, WND, 300), DROP_NONE);
	expect(h, ACK, 101, 301, 0);
	assert_int_equal(app_read(h, 1000), 300);
	inject(h, ACK, 301, 101, WND, 200);
	assert_int_equal(app_read(h, 1000), 200);
}

/* A cookie that the server knows no more: it sends another one. */
static void another_cookie(void **state)
{
	struct harness *h = with(state, CLIENT);

	get_cookie(h, COOKIE);
	open_with(h, 100);
	answer(h, 1, 16);
	forget(h);
	next_port(h);
	open_with(h, 100);
	assert_int_equal(h->last.opt.cookie_len_bytes, 16);
}

/* tcp_fastopen's bit 4: data to whom one never got a cookie from; and off. */
static void other_modes(void **state)
{
	struct harness *h = with(state, CLIENT | 4);

	h->peers[h->remote.port].mss = PEER_MSS;
	app_open(h);
	assert_true(tcp_syn_waits(h->t));
	app_write(h, 100);
	expect(h, SYN, 0, 0, 100);
	assert_false(h->last.opt.fastopen);
	answer(h, 101, 0);
	expect(h, ACK, 101, 1, 0);

	h = with(state, SERVER);
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_false(h->last.opt.fastopen);

	h = with(state, CLIENT);
	h->opts.fastopen = false;
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	assert_false(h->last.opt.fastopen);
}

/* The cache does not grow with the number of servers. */
static void cache_is_bounded(void **state)
{
	struct harness *h = with(state, CLIENT);
	size_t before, after;

	get_cookie(h, 16); /* which makes what there is of tables */
	before = engine_stats(h->e)->memory_bytes;
	for (unsigned i = 0; i < 2000; i++) {
		h->remote.addr.b[14] = (uint8_t)(i >> 8);
		h->remote.addr.b[15] = (uint8_t)i;
		get_cookie(h, 16);
	}
	after = engine_stats(h->e)->memory_bytes;
	assert_true(after - before < 4096);
}

/* Both SYNs cross: what went along is acknowledged by the SYN,ACK's answer. */
static void simultaneous_open(void **state)
{
	struct harness *h = with(state, CLIENT);

	get_cookie(h, COOKIE);
	open_with(h, 100);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(inject(h, SYN | ACK, 0, 101, WND, 0), DROP_NONE);
	expect_state(h, TCPS_ESTABLISHED);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* ---- the server ------------------------------------------------------------- */

static struct harness *serving(void **state, int queue)
{
	struct harness *h = with(state, SERVER);

	h->opts.fastopen = false;
	h->opts.fastopen_queue = queue;
	app_listen(h, 8);
	return h;
}

static struct seg_options no_cookie(void)
{
	struct seg_options o = {.mss = PEER_MSS, .wscale = -1, .fastopen = true};

	return o;
}

/* What the server gives to who asks. */
static struct seg_options ask_cookie(struct harness *h)
{
	struct seg_options o = no_cookie();

	assert_int_equal(inject_opt(h, SYN, 0, 0, WND, 0, &o), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_true(h->last.opt.fastopen);
	assert_int_equal(h->last.opt.cookie_len_bytes, COOKIE);
	o.cookie_len_bytes = COOKIE;
	memcpy(o.cookie, h->last.opt.cookie, COOKIE);
	inject(h, RST, 1, 0, 0, 0);
	next_port(h);
	return o;
}

/* SYN with cookie and data. */
static void fast_syn(struct harness *h, const struct seg_options *o, uint32_t len)
{
	assert_int_equal(inject_opt(h, SYN, 0, 0, WND, len, o), DROP_NONE);
}

static void accept_one(struct harness *h)
{
	h->written = h->read = 0;
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
}

/* 3.1: the request is with the application before the handshake is complete, and
 * the response may leave before that too. */
static void server_answers_in_one_trip(void **state)
{
	struct harness *h = serving(state, 4);
	struct seg_options o = ask_cookie(h);

	h->listener_ev = 0;
	fast_syn(h, &o, 400);
	expect(h, SYN | ACK, 0, 401, 0);
	assert_false(h->last.opt.fastopen);
	assert_true(h->listener_ev & TCP_EV_INCOMING);
	accept_one(h);
	expect_state(h, TCPS_SYN_RECEIVED);
	assert_int_equal(engine_stats(h->e)->half_open, 0);
	assert_true(events(h) & TCP_EV_READABLE);
	assert_int_equal(app_read(h, 1000), 400);
	app_write(h, 3000);
	expect(h, ACK, 1, 401, 1460);
	expect(h, ACK, 1461, 401, 1460);
	expect(h, ACK, 2921, 401, 80);
	advance_ms(h, 50);
	assert_int_equal(inject(h, ACK, 401, 1461, WND, 0), DROP_NONE);
	expect_state(h, TCPS_ESTABLISHED);
	assert_int_equal(status(h).unacked_bytes, 1540);
	inject(h, ACK, 401, 3001, WND, 0);
	assert_int_equal(status(h).unacked_bytes, 0);
	assert_true(status(h).syn_data);
	assert_int_equal(engine_stats(h->e)->fastopens_passive, 1);
	app_shutdown(h);
	expect(h, FIN | ACK, 3001, 401, 0);
	assert_int_equal(inject(h, ACK | FIN, 401, 3002, WND, 0), DROP_NONE);
	expect_state(h, TCPS_TIME_WAIT);
	assert_int_equal(status(h).total_retrans, 0);
}

/* The SYN,ACK is lost: it goes again alone; data behind it is sent again after the
 * handshake. FIN waits for that. */
static void syn_ack_lost(void **state)
{
	struct harness *h = serving(state, 4);
	struct seg_options o = ask_cookie(h);

	fast_syn(h, &o, 100);
	expect(h, SYN | ACK, 0, 101, 0);
	accept_one(h);
	assert_int_equal(app_read(h, 1000), 100);
	app_write(h, 200);
	expect(h, ACK, 1, 101, 200);
	app_shutdown(h);
	expect_none(h);
	assert_int_equal(time_to_segment_us(h, 5 * US_PER_S), US_PER_S);
	expect(h, SYN | ACK, 0, 101, 0);
	/* the peer's timer: another copy of what we have */
	assert_int_equal(inject_opt(h, SYN, 0, 0, WND, 100, &o), DROP_DUPLICATE);
	expect(h, SYN | ACK, 0, 101, 0);
	assert_int_equal(app_read(h, 1000), 0);
	assert_int_equal(inject(h, ACK, 101, 1, WND, 0), DROP_NONE);
	expect(h, FIN | ACK, 201, 101, 0);
	expect_state(h, TCPS_FIN_WAIT_1);
	inject(h, ACK, 101, 1, WND, 0);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 1, 101, 200);
	expect(h, FIN | ACK, 201, 101, 0);
	inject(h, ACK, 101, 202, WND, 0);
	expect_state(h, TCPS_FIN_WAIT_2);
}

/* 4.1.2: the cookie is the address's, not the connection's. */
static void whose_cookie(void **state)
{
	struct harness *h = serving(state, 8);
	struct seg_options o = ask_cookie(h), again = ask_cookie(h), other;

	assert_memory_equal(o.cookie, again.cookie, COOKIE);
	h->remote.addr.b[15]++;
	other = ask_cookie(h);
	assert_memory_not_equal(o.cookie, other.cookie, COOKIE);
	fast_syn(h, &o, 100); /* somebody else's: another one, and no data */
	expect(h, SYN | ACK, 0, 1, 0);
	assert_memory_equal(h->last.opt.cookie, other.cookie, COOKIE);
	assert_null(tcp_accept(h->listener, h));
	assert_int_equal(inject(h, ACK, 1, 1, WND, 100), DROP_NONE);
	accept_one(h);
	assert_int_equal(app_read(h, 1000), 100);
	assert_false(status(h).syn_data);
}

/* 5.1: a cookie grows old; who comes with the last hour's gets a new one. */
static void cookie_lifetime(void **state)
{
	struct harness *h = serving(state, 8);
	struct seg_options o = ask_cookie(h);

	advance_ms(h, HOUR_MS);
	fast_syn(h, &o, 100);
	expect(h, SYN | ACK, 0, 101, 0);
	assert_int_equal(h->last.opt.cookie_len_bytes, COOKIE);
	assert_memory_not_equal(h->last.opt.cookie, o.cookie, COOKIE);
	inject(h, ACK, 101, 1, WND, 0);
	next_port(h);
	advance_ms(h, HOUR_MS);
	fast_syn(h, &o, 100);
	expect(h, SYN | ACK, 0, 1, 0);
	o.cookie_len_bytes = 6;
	next_port(h);
	fast_syn(h, &o, 100);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* A listener without TCP_FASTOPEN, or an engine without the server's bit, behaves
 * as if there were no such option. */
static void not_asked_to(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct harness *h = with(state, i ? CLIENT : SERVER);
		struct seg_options o = no_cookie();

		h->opts.fastopen_queue = i ? 5 : 0;
		app_listen(h, 8);
		fast_syn(h, &o, 100);
		expect(h, SYN | ACK, 0, 1, 0);
		assert_false(h->last.opt.fastopen);
	}
}

/* tcp_fastopen's bits 0x200 and 0x400. */
static void server_modes(void **state)
{
	struct harness *h = with(state, SERVER | 0x400);
	struct seg_options o;

	app_listen(h, 8);
	o = ask_cookie(h);
	fast_syn(h, &o, 100);
	expect(h, SYN | ACK, 0, 101, 0);

	h = with(state, SERVER | 0x200 | 0x400);
	app_listen(h, 8);
	inject(h, SYN, 0, 0, WND, 100);
	expect(h, SYN | ACK, 0, 101, 0);
}

/* 4.2.1, 5.1: no more than so many at a time. One that was reset counts for
 * another minute, or spoofed SYNs and RSTs would get around the limit. */
static void pending_limit(void **state)
{
	struct harness *h = serving(state, 2);
	struct seg_options o = ask_cookie(h);
	uint16_t first = h->remote.port;

	for (unsigned i = 0; i < 3; i++) {
		fast_syn(h, &o, 10);
		expect(h, SYN | ACK, 0, i < 2 ? 11 : 1, 0);
		assert_int_equal(h->last.opt.fastopen, false);
		next_port(h);
	}
	accept_one(h);
	h->remote.port = first;
	inject(h, ACK, 11, 1, WND, 0);
	h->remote.port = 7000;
	fast_syn(h, &o, 10); /* one was completed */
	expect(h, SYN | ACK, 0, 11, 0);
	h->remote.port = first + 1;
	assert_int_equal(inject(h, RST, 11, 0, 0, 0), DROP_NONE);
	h->remote.port = 7001;
	fast_syn(h, &o, 10);
	expect(h, SYN | ACK, 0, 1, 0);
	advance_ms(h, 60000); /* now both places are free */
	forget(h);
	h->remote.port = 7002;
	fast_syn(h, &o, 10);
	expect(h, SYN | ACK, 0, 11, 0);
}

/* RST, the user's ABORT, a timeout, or the listener's end before the handshake is
 * complete, accepted or not. */
static void ends(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct harness *h = serving(state, 2);
		struct seg_options o = ask_cookie(h);
		bool accepted = i & 1;

		fast_syn(h, &o, 10);
		expect(h, SYN | ACK, 0, 11, 0);
		h->t = NULL;
		if (accepted)
			accept_one(h);
		if (i / 2 == 0) {
			inject(h, RST, 11, 0, 0, 0);
		} else if (i / 2 == 1) {
			advance_ms(h, 100000);
			forget(h);
		} else if (i / 2 == 2) {
			tcp_release(h->listener, h->now_us);
			h->listener = NULL;
			forget(h);
			if (accepted)
				inject(h, ACK, 11, 1, WND, 0);
		} else if (accepted) {
			app_release(h); /* with text unread: RST */
			expect_reset(h, 1);
		}
		pull(h);
		if (i / 2 == 0 && accepted)
			assert_int_equal(tcp_error(h->t), ECONNRESET);
		if (i / 2 == 1 && accepted)
			assert_int_equal(tcp_error(h->t), ETIMEDOUT);
		if (i / 2 < 2 && !accepted)
			assert_null(tcp_accept(h->listener, h));
		assert_int_equal(engine_stats(h->e)->connections, i == 5 || i == 6);
		assert_int_equal(engine_stats(h->e)->half_open, 0);
	}
}

/* The places in the accept queue are limited as ever, and the backlog too. */
static void accept_queue(void **state)
{
	struct harness *h = serving(state, 100);
	struct seg_options o = ask_cookie(h);

	tcp_set_backlog(h->listener, 1);
	for (unsigned i = 0; i < 3; i++) {
		enum drop d = inject_opt(h, SYN, 0, 0, WND, 10, &o);

		assert_int_equal(d, i < 2 ? DROP_NONE : DROP_ACCEPT_QUEUE);
		next_port(h);
	}
	forget(h);
	assert_non_null(tcp_accept(h->listener, h));
	fast_syn(h, &o, 10);
	expect(h, SYN | ACK, 0, 11, 0);
}

/* The RTT is taken from the SYN,ACK, not from data that left behind it. */
static void rtt_of_the_handshake(void **state)
{
	struct harness *h = serving(state, 2);
	struct seg_options o = ask_cookie(h);

	fast_syn(h, &o, 10);
	expect(h, SYN | ACK, 0, 11, 0);
	accept_one(h);
	advance_ms(h, 90);
	app_write(h, 100);
	expect(h, ACK, 1, 11, 100);
	advance_ms(h, 10);
	inject(h, ACK, 11, 1, WND, 0);
	assert_true(status(h).srtt_us == 0 || status(h).srtt_us >= 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client_with_cookie), TEST(syn_holds_one_segment),
		TEST(data_not_taken), TEST(black_hole), TEST(syn_without_data),
		TEST(data_in_syn_ack), TEST(another_cookie), TEST(other_modes),
		TEST(cache_is_bounded), TEST(simultaneous_open),
		TEST(server_answers_in_one_trip), TEST(syn_ack_lost),
		TEST(whose_cookie), TEST(cookie_lifetime), TEST(not_asked_to),
		TEST(server_modes), TEST(pending_limit), TEST(ends),
		TEST(accept_queue), TEST(rtt_of_the_handshake),
	};

	return cmocka_run_group_tests_name("fastopen", tests, NULL, NULL);
}
