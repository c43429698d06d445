/* test_fastopen_server.c - TCP Fast Open, RFC 7413: the server and its cookies. */
#include "harness.h"

#define CLIENT 1
#define SERVER 2
#define COOKIE 8
#define HOUR_MS 3600000ull

static struct harness *with(void **state, uint16_t how)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.fastopen = how;
	return harness_again(state, &cfg);
}

static void next_port(struct harness *h)
{
	h->remote.port++;
	h->ev = 0;
}

static struct harness *serving(void **state, int queue)
{
	struct harness *h = with(state, SERVER);

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

/* Linux's own, of its key 00112233-44556677-8899aabb-ccddeeff: what its server gave to
 * clients at 10.0.0.2 and fd00::2 who came to 10.0.0.1 and fd00::1. */
static const struct fastopen_keys linux_key = {
	1, {{0x33, 0x22, 0x11, 0x00, 0x77, 0x66, 0x55, 0x44,
	     0xbb, 0xaa, 0x99, 0x88, 0xff, 0xee, 0xdd, 0xcc}},
};
static const struct {
	bool v6;
	uint8_t cookie[COOKIE];
} linux_cookie[] = {
	{false, {0xdc, 0x60, 0xbf, 0x54, 0x7b, 0xe9, 0xbb, 0x12}},
	{true, {0x18, 0x9a, 0xa7, 0x9a, 0x43, 0x16, 0x15, 0x3b}},
};

static struct ip_addr at(bool v6, uint8_t last)
{
	uint8_t v4[4] = {10, 0, 0, last};

	return v6 ? (struct ip_addr){{0xfd, [15] = last}} : addr_from_v4(v4);
}

/* keys are the engine's, or the listener's own. */
static struct harness *serving_with(void **state, const struct fastopen_keys *keys, bool own,
				    bool v6)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.fastopen = SERVER;
	if (!own)
		cfg.fastopen_keys = *keys;
	h = harness_again(state, &cfg);
	h->opts.fastopen_queue = 8;
	h->local.addr = at(v6, 1);
	h->remote.addr = at(v6, 2);
	app_listen(h, 8);
	if (own)
		assert_int_equal(tcp_set_fastopen_keys(h->listener, keys), 0);
	return h;
}

static void cookie_of_linux(void **state)
{
	for (int i = 0; i < 4; i++) {
		const uint8_t *want = linux_cookie[i / 2].cookie;
		struct harness *h = serving_with(state, &linux_key, i % 2, linux_cookie[i / 2].v6);
		struct seg_options o = ask_cookie(h);

		assert_memory_equal(o.cookie, want, COOKIE);
		advance_ms(h, 3 * HOUR_MS); /* it stays good */
		memcpy(o.cookie, want, COOKIE);
		fast_syn(h, &o, 100);
		expect(h, SYN | ACK, 0, 101, 0);
		assert_false(h->last.opt.fastopen);
	}
}

/* What the backup key has made is taken, and answered with one of the first key's. */
static void backup_key(void **state)
{
	struct fastopen_keys both = {2, {{1, 2, 3}}};

	memcpy(both.key[1], linux_key.key[0], sizeof(both.key[1]));
	for (int own = 0; own < 2; own++) {
		struct harness *h = serving_with(state, &both, own, false);
		struct seg_options first = ask_cookie(h), o = first;

		memcpy(o.cookie, linux_cookie[0].cookie, COOKIE);
		assert_memory_not_equal(first.cookie, o.cookie, COOKIE);
		fast_syn(h, &o, 100);
		expect(h, SYN | ACK, 0, 101, 0);
		assert_int_equal(h->last.opt.cookie_len_bytes, COOKIE);
		assert_memory_equal(h->last.opt.cookie, first.cookie, COOKIE);
		next_port(h);
		o.cookie[0] ^= 1; /* nobody's */
		fast_syn(h, &o, 100);
		expect(h, SYN | ACK, 0, 1, 0);
	}
}

/* A link-local address's device is not on the wire. */
static void cookie_without_scope(void **state)
{
	struct seg_options o[2];

	for (uint32_t i = 0; i < 2; i++) {
		struct harness *h = with(state, SERVER);

			h->opts.fastopen_queue = 8;
		h->local.addr = (struct ip_addr){{0xfe, 0x80, [15] = 1}};
		h->remote.addr = (struct ip_addr){{0xfe, 0x80, [15] = 2}};
		addr_set_scope(&h->local.addr, i + 1);
		addr_set_scope(&h->remote.addr, i + 1);
		app_listen(h, 8);
		o[i] = ask_cookie(h);
	}
	assert_memory_equal(o[0].cookie, o[1].cookie, COOKIE);
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
		TEST(server_answers_in_one_trip), TEST(syn_ack_lost),
		TEST(whose_cookie), TEST(cookie_lifetime), TEST(cookie_of_linux),
		TEST(backup_key), TEST(cookie_without_scope), TEST(not_asked_to),
		TEST(server_modes), TEST(pending_limit), TEST(ends),
		TEST(accept_queue), TEST(rtt_of_the_handshake),
	};

	return cmocka_run_group_tests_name("fastopen_server", tests, NULL, NULL);
}
