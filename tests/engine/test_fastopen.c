/* test_fastopen.c - TCP Fast Open, RFC 7413: the client and its cache of cookies. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client_with_cookie), TEST(syn_holds_one_segment),
		TEST(data_not_taken), TEST(black_hole), TEST(syn_without_data),
		TEST(data_in_syn_ack), TEST(another_cookie), TEST(other_modes),
		TEST(cache_is_bounded), TEST(simultaneous_open),
	};

	return cmocka_run_group_tests_name("fastopen", tests, NULL, NULL);
}
