/* test_flood.c - a million segments that mean us no good: what they may cost in
 * memory, and in work. Work is counted, not timed: the records and ranges that
 * one segment can make us walk along, what is allocated, what is answered. */
#include "../../engine/tcb.h"

#include "harness.h"
#include "oom.h"
#include "rnd.h"

#define MANY 200000u
#define CONN_BYTES 1100u /* a connection that has no data yet */

struct cost {
	size_t bytes;
	unsigned long allocations;
	uint64_t segs_out;
};

static struct cost cost_of(struct harness *h)
{
	return (struct cost){engine_stats(h->e)->memory_bytes, oom_allocations(),
			     engine_stats(h->e)->segs_out};
}

/* What it has cost since. */
static struct cost since(struct harness *h, const struct cost *before)
{
	struct cost now = cost_of(h);

	now.bytes = now.bytes > before->bytes ? now.bytes - before->bytes : 0;
	now.allocations -= before->allocations;
	now.segs_out -= before->segs_out;
	return now;
}

static struct harness *quiet(void **state, void (*change)(struct engine_config *cfg))
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.trace = false;
	cfg.timestamps = cfg.sack = cfg.window_scaling = true;
	if (change)
		change(&cfg);
	h = harness_again(state, &cfg);
	h->quiet = true;
	h->syn.sack_ok = true;
	h->syn.wscale = 10;
	h->opts.rcvbuf_bytes = 1u << 20;
	h->opts.sndbuf_bytes = 1u << 20;
	return h;
}

/* The sender is another one each time, and cannot be found. */
static void spoof(struct harness *h, struct rnd *r)
{
	uint32_t a = 1 + rnd_below(r, 0x7fffffff);

	memcpy(&h->remote.addr.b[12], &a, 4);
	h->remote.addr.b[12] = 10;
	h->remote.port = (uint16_t)(1 + rnd_below(r, 65535));
}

static void no_cookies(struct engine_config *cfg)
{
	cfg->syncookies = 0;
	cfg->max_syn_backlog = 1000;
}

/* RFC 4987: with cookies a flood leaves as many half-open connections as the
 * backlog has places, without them as many as configured. */
static void syns(void **state)
{
	struct rnd r = {1};

	for (unsigned cookies = 0; cookies < 2; cookies++) {
		struct harness *h = quiet(state, cookies ? NULL : no_cookies);
		unsigned max = cookies ? 129 : 750;
		struct cost before, cost;

		app_listen(h, cookies ? 128 : 4000);
		before = cost_of(h);
		for (uint32_t i = 0; i < MANY; i++) {
			spoof(h, &r);
			inject(h, SYN, 0, 0, WND, 0);
			forget(h);
		}
		cost = since(h, &before);
		assert_int_equal(engine_stats(h->e)->half_open, max);
		assert_true(cost.bytes <= max * CONN_BYTES + (64u << 10));
		/* a connection each, tables and the harness' own */
		assert_true(cost.allocations <= 2 * max + 100);
		assert_int_equal(cost.segs_out, cookies ? MANY : max);
	}
}

/* SYNs with data for a Fast Open without cookies: no more than may be pending. */
static void fast_open(struct engine_config *cfg)
{
	cfg->fastopen = 0x602 | 1;
}

static void fast_syns(void **state)
{
	struct harness *h = quiet(state, fast_open);
	struct cost before, cost;
	struct rnd r = {2};

	h->opts.fastopen_queue = 64;
	app_listen(h, 128);
	before = cost_of(h);
	for (uint32_t i = 0; i < MANY / 2; i++) {
		spoof(h, &r);
		inject(h, SYN, 0, 0, WND, 1000);
		if (i % 2) /* the sender's own RST does not make room */
			inject(h, RST, 1001, 0, 0, 0);
		forget(h);
	}
	cost = since(h, &before);
	assert_int_equal(engine_stats(h->e)->fastopens_passive, 64);
	assert_true(cost.bytes <= 129 * CONN_BYTES + 64 * 8192 + (64u << 10));
	assert_true(cost.allocations <= MANY); /* children that end again */
}

/* ACKs that may be answers to cookies: nothing is kept, no RST without being asked. */
static void acks_at_a_listener(void **state)
{
	struct harness *h = quiet(state, NULL);
	struct cost before, cost;
	struct rnd r = {3};

	app_listen(h, 0);
	for (unsigned i = 0; i < 2; i++) { /* so that cookies are expected */
		spoof(h, &r);
		inject(h, SYN, 0, 0, WND, 0);
	}
	assert_int_equal(engine_stats(h->e)->cookies_sent, 1);
	forget(h);
	before = cost_of(h);
	for (uint32_t i = 0; i < MANY; i++) {
		spoof(h, &r);
		h->irs = (uint32_t)rnd_u64(&r);
		assert_int_equal(inject(h, ACK, 1, (uint32_t)rnd_u64(&r), WND, 0),
				 DROP_LISTEN_ACK);
	}
	cost = since(h, &before);
	assert_int_equal(engine_stats(h->e)->cookies_bad, MANY);
	assert_int_equal(cost.bytes, 0);
	assert_int_equal(cost.allocations, 0);
	assert_int_equal(cost.segs_out, 0);
}

static void establish_quiet(struct harness *h)
{
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	h->ts = true;
	inject(h, SYN | ACK, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	expect_state(h, TCPS_ESTABLISHED);
}

/* Text out of order, in pieces that overlap in every way: single bytes, every
 * other one, from both ends, over each other. */
static void overlaps(void **state)
{
	struct harness *h = quiet(state, NULL);
	struct cost before, cost;
	struct rnd r = {4};

	establish_quiet(h);
	before = cost_of(h);
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t at = 2 + rnd_below(&r, 60000), len = 1;

		if (i % 4 == 1)
			at = 2 + 2 * (i / 4 % 30000);
		else if (i % 4 == 2)
			at = 60000 - 2 * (i / 4 % 30000);
		else if (i % 1000 == 3)
			len = 1 + rnd_below(&r, 3000);
		inject(h, ACK, at, 1, 1000, len);
		forget(h);
		assert_true(h->t->rcv.ooo.n <= h->cfg.ooo_ranges_max);
	}
	cost = since(h, &before);
	assert_true(engine_stats(h->e)->drops[DROP_REASSEMBLY] > 0);
	assert_true(cost.bytes <= 2 * h->opts.rcvbuf_bytes + (64u << 10));
	assert_true(cost.allocations <= 100);
	assert_true(cost.segs_out <= MANY); /* a duplicate ACK each, RFC 5681 4.2 */
	inject(h, ACK, 1, 1, 1000, 1); /* still it can go on */
	assert_true(app_read(h, 100000) > 0);
}

/* SACK blocks anywhere in what is outstanding, and beyond: the records that they
 * leave are as many as segments at most (the family of CVE-2019-11477). */
static void sack_blocks(void **state)
{
	struct harness *h = quiet(state, NULL);
	struct cost before, cost;
	struct rnd r = {5};
	uint32_t out, at = 1;

	h->path.gso_max_bytes = 65000; /* records of many segments each */
	establish_quiet(h);
	while (status(h).unacked_bytes < 500000) { /* until cwnd is that large */
		app_write(h, 1u << 20);
		forget(h);
		if (status(h).snd_cwnd_bytes >= 600000)
			break;
		at += status(h).unacked_bytes;
		advance_ms(h, 20);
		inject(h, ACK, 1, at, WND, 0);
	}
	forget(h);
	out = status(h).unacked_bytes;
	assert_true(out >= 300000);
	before = cost_of(h);
	for (uint32_t i = 0; i < MANY; i++) {
		struct seg_options o = {.wscale = -1, .ts = true, .sack_n = 3};

		o.ts_val = h->ts_base + (uint32_t)(h->now_us / 1000);
		o.ts_ecr = h->ts_recent;
		for (unsigned n = 0; n < 3; n++) {
			uint32_t start = at + rnd_below(&r, out + out / 8);

			o.sack[n] = (struct seq_range){start, start + 1 +
						       rnd_below(&r, i % 3 ? 2 : 5000)};
		}
		inject_opt(h, ACK, 1, at, WND, 0, &o);
		forget(h);
		assert_true(h->t->snd.sb.n <= 2 * (out / 1448 + out / 65000) + 64);
	}
	cost = since(h, &before);
	assert_true(status(h).sacked_segs > 100);
	assert_true(cost.bytes <= 1u << 20);
	assert_true(cost.allocations <= 200);
	assert_true(cost.segs_out <= MANY / 20); /* no storm of retransmissions */
}

/* Segments of 48 bytes, and thousands of holes among them: what an ACK may cost is bounded
 * by what a peer gets with such segments, in records that are looked at or moved. */
static void sack_blocks_of_tiny_segments(void **state)
{
	struct harness *h = quiet(state, NULL);
	struct rnd r = {7};
	uint32_t out, at = 1, before, most = 0;

	h->syn.mss = 48;
	h->opts.sndbuf_bytes = 4u << 20;
	establish_quiet(h);
	for (unsigned i = 0; i < 200; i++) { /* until cwnd is as large as can be */
		app_write(h, 1u << 20);
		forget(h);
		at += status(h).unacked_bytes;
		advance_ms(h, 20);
		inject(h, ACK, 1, at, WND, 0);
	}
	app_write(h, 1u << 20);
	forget(h);
	out = status(h).unacked_bytes;
	assert_true(out >= 30000);
	for (uint32_t i = 0; i < MANY; i++) {
		struct seg_options o = {.wscale = -1, .ts = true, .sack_n = 3};

		o.ts_val = h->ts_base + (uint32_t)(h->now_us / 1000);
		o.ts_ecr = h->ts_recent;
		for (unsigned n = 0; n < 3; n++) {
			uint32_t start = at + rnd_below(&r, out) / 36 * 36;

			o.sack[n] = (struct seq_range){start, start + 36 +
						       rnd_below(&r, i % 100 ? 2 : 5000)};
		}
		before = h->t->snd.sb.work;
		inject_opt(h, ACK, 1, at, WND, 0, &o);
		forget(h); /* with what it lets out */
		most = h->t->snd.sb.work - before > most ? h->t->snd.sb.work - before : most;
		assert_true(h->t->snd.sb.n <= 1024);
	}
	assert_true(status(h).sacked_segs > 100);
	print_message("records looked at or moved for one ACK: %u at most\n", most);
	assert_in_range(most, 512, 10 * 1024);
}

/* Blind guesses: SYN, RST and ACK in and around the window. */
static void challenges(void **state)
{
	struct harness *h = quiet(state, NULL);
	struct cost before, cost;
	struct rnd r = {6};

	establish_quiet(h);
	before = cost_of(h);
	for (uint32_t i = 0; i < MANY; i++) {
		static const uint8_t flags[] = {SYN, RST, ACK, SYN | ACK, ACK};
		uint32_t seq = 2 + rnd_below(&r, i % 2 ? 1u << 16 : 1u << 30);

		inject(h, flags[i % 5], seq, 1u << 31, 1000, 0);
		if (i % 1000 == 0)
			advance_ms(h, 10); /* two seconds in all */
	}
	cost = since(h, &before);
	assert_in_range(cost.segs_out, 2, 5);
	assert_int_equal(cost.bytes, 0);
	expect_state(h, TCPS_ESTABLISHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(syns), TEST(fast_syns), TEST(acks_at_a_listener), TEST(overlaps),
		TEST(sack_blocks), TEST(sack_blocks_of_tiny_segments), TEST(challenges),
	};

	return cmocka_run_group_tests_name("flood", tests, NULL, NULL);
}
