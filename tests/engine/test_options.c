/* test_options.c - options on the segments of a connection: timestamps, PAWS,
 * SACK blocks, and everything unknown or malformed. Their negotiation is in
 * test_open.c. */
#include "harness.h"

#define MSS PEER_MSS

static struct harness *with(void **state, bool timestamps, bool sack)
{
	struct harness *h = *state;

	h->cfg.timestamps = timestamps;
	h->cfg.sack = sack;
	h = harness_again(state, &h->cfg);
	h->syn.sack_ok = sack;
	h->ts = timestamps;
	establish(h);
	return h;
}

static enum drop inject_ts(struct harness *h, uint32_t seq, uint32_t ack,
			   uint32_t len_bytes, uint32_t val, uint32_t ecr)
{
	struct seg_options o = {.wscale = -1, .ts = true, .ts_val = val, .ts_ecr = ecr};

	return inject_opt(h, ACK, seq, ack, WND, len_bytes, &o);
}

static uint32_t peer_clock(const struct harness *h)
{
	return h->ts_base + (uint32_t)(h->now_us / 1000);
}

/* ---- timestamps ----------------------------------------------------------- */

/* RFC 7323 3.2: TSopt on every segment; the clock ticks milliseconds. */
static void on_every_segment(void **state)
{
	struct harness *h = with(state, true, false);
	uint32_t first;

	app_write(h, 100);
	assert_true(expect(h, ACK, 1, 1, 100)->opt.ts);
	first = h->last.opt.ts_val;
	assert_int_equal(h->last.opt.ts_ecr, peer_clock(h));
	time_to_segment_us(h, 10 * US_PER_S);
	assert_true(expect(h, ACK, 1, 1, 100)->opt.ts);
	assert_int_equal(h->last.opt.ts_val - first,
			 (uint32_t)(h->now_us / 1000 - 1000 * US_PER_S / 1000));
	inject(h, ACK, 1, 101, WND, 0);
	inject(h, ACK, 101, 101, WND, 100);
	assert_true(expect(h, ACK, 101, 1, 0)->opt.ts);
	app_shutdown(h);
	assert_true(expect(h, FIN | ACK, 101, 1, 0)->opt.ts);
}

/* RFC 7323 5.4, 7.1: what one connection sees tells nothing of another's clock;
 * the next one of the same ports goes on where the last one was. */
static void clock_offset_per_flow(void **state)
{
	struct harness *h = *state;
	uint32_t a, b;

	h->cfg.timestamps = true;
	h = harness_again(state, &h->cfg);
	app_open(h);
	a = expect(h, SYN, 0, 0, 0)->opt.ts_val;
	app_release(h);
	advance_ms(h, 7);
	app_open(h);
	b = expect(h, SYN, 0, 0, 0)->opt.ts_val;
	assert_int_equal(b, a + 7);
	h->remote.port++;
	app_open(h);
	assert_int_not_equal(expect(h, SYN, 0, 0, 0)->opt.ts_val, b);
	h->remote.port--;
	h->remote.addr.b[15]++;
	app_open(h);
	assert_int_not_equal(expect(h, SYN, 0, 0, 0)->opt.ts_val, b);
}

/* RFC 7323 4.3, the three cases of its text: delayed ACKs echo the earliest, a
 * hole the last in order, its filling the filler. */
static void which_timestamp_is_echoed(void **state)
{
	struct harness *h = with(state, true, false);
	uint32_t v = peer_clock(h);

	inject_ts(h, 1, 1, 100, v + 1, h->ts_recent);
	expect_none(h);
	inject_ts(h, 101, 1, 100, v + 2, h->ts_recent);
	time_to_segment_us(h, US_PER_S);
	while (pending(h))
		assert_int_equal(expect(h, ACK, 1, ANY, 0)->opt.ts_ecr, v + 1);

	inject_ts(h, 301, 1, 100, v + 4, h->ts_recent); /* beyond a hole */
	assert_int_equal(expect(h, ACK, 1, 201, 0)->opt.ts_ecr, v + 1);
	inject_ts(h, 201, 1, 100, v + 3, h->ts_recent); /* fills it */
	assert_int_equal(expect(h, ACK, 1, 401, 0)->opt.ts_ecr, v + 3);
}

/* RFC 7323 5.2, 5.3: an old timestamp means an old segment: ACK, and drop. */
static void paws(void **state)
{
	struct harness *h = with(state, true, false);
	uint32_t v = peer_clock(h);

	inject_ts(h, 1, 1, 100, v + 10, h->ts_recent);
	assert_int_equal(app_read(h, 100), 100);
	advance_ms(h, 600);
	forget(h);
	assert_int_equal(inject_ts(h, 101, 1, 100, v + 9, h->ts_recent), DROP_PAWS);
	expect(h, ACK, 1, 101, 0);
	assert_int_equal(inject_ts(h, 101, 1, 100, v - 1000000, h->ts_recent), DROP_PAWS);
	expect(h, ACK, 1, 101, 0);
	assert_int_equal(app_read(h, 100), 0);
	assert_int_equal(inject_ts(h, 101, 1, 100, v + 10, h->ts_recent), DROP_NONE);
	assert_int_equal(app_read(h, 100), 100);
	assert_int_equal(engine_stats(h->e)->drops[DROP_PAWS], 2);
}

/* 5.2: but RST is not tested. */
static void paws_spares_rst(void **state)
{
	struct harness *h = with(state, true, false);
	struct seg_options o = {.wscale = -1, .ts = true, .ts_val = peer_clock(h) - 100};

	assert_int_equal(inject_opt(h, RST, 1, 0, 0, 0, &o), DROP_NONE);
	expect_state(h, TCPS_CLOSED);
}

/* 5.5: idle for more than 24 days, the peer's clock may have wrapped. */
static void paws_after_long_idle(void **state)
{
	struct harness *h = with(state, true, false);
	uint32_t v = peer_clock(h);

	inject_ts(h, 1, 1, 100, v, h->ts_recent);
	app_read(h, 100);
	advance_us(h, 25ull * 24 * 3600 * US_PER_S);
	forget(h);
	assert_int_equal(inject_ts(h, 101, 1, 100, v - 5000, h->ts_recent), DROP_NONE);
	assert_int_equal(app_read(h, 100), 100);
}

/* The clock of a busy connection wraps without any harm. */
static void peers_clock_wraps(void **state)
{
	struct harness *h = *state;
	uint32_t v, at = 1;

	h->cfg.timestamps = true;
	h = harness_again(state, &h->cfg);
	h->ts = true;
	h->ts_base = 0u - (uint32_t)(h->now_us / 1000) - 5;
	establish(h);
	v = peer_clock(h);
	assert_int_equal(v, UINT32_MAX - 4);
	for (uint32_t i = 0; i < 10; i++, at += 100) {
		assert_int_equal(inject_ts(h, at, 1, 100, v + i, h->ts_recent), DROP_NONE);
		assert_int_equal(app_read(h, 100), 100);
	}
	assert_int_equal(inject_ts(h, at, 1, 100, v, h->ts_recent), DROP_PAWS);
}

/* RFC 7323 3.2: a segment that should have them and has not may be dropped, or
 * taken: no crash, and the connection goes on. */
static void missing_after_negotiation(void **state)
{
	struct harness *h = with(state, true, false);

	h->ts = false;
	inject(h, ACK, 1, 1, WND, 100);
	h->ts = true;
	inject(h, ACK, 1, 1, WND, 100);
	assert_int_equal(app_read(h, 200), 100);
	expect_state(h, TCPS_ESTABLISHED);
}

/* And one that must not have them changes nothing. */
static void unwanted_timestamps(void **state)
{
	struct harness *h = with(state, false, false);

	assert_int_equal(inject_ts(h, 1, 1, 100, 1000, 5), DROP_NONE);
	assert_int_equal(inject_ts(h, 101, 1, 100, 1, 5), DROP_NONE);
	assert_int_equal(app_read(h, 200), 200);
	while (pending(h))
		assert_false(expect(h, ACK, 1, ANY, 0)->opt.ts);
}

/* RFC 7323 4.1: TSecr gives a sample also for what was sent twice. */
static void rtt_from_timestamps(void **state)
{
	struct harness *h = with(state, true, false);
	uint32_t srtt;

	app_write(h, 100);
	forget(h);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 1, 1, 100);
	advance_ms(h, 150);
	srtt = status(h).srtt_us;
	inject(h, ACK, 1, 101, WND, 0);
	assert_in_range(status(h).srtt_us, srtt + 15000, 152000);
}

/* ---- SACK blocks that we send ---------------------------------------------- */

static void check_sack(const struct got *g, unsigned n, const uint32_t *edges)
{
	assert_int_equal(g->opt.sack_n, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(g->opt.sack[i].start, edges[2 * i]);
		assert_int_equal(g->opt.sack[i].end, edges[2 * i + 1]);
	}
}

/* RFC 2018 4: the block with the newest segment first, then the most recent
 * others; three with timestamps, four without; none when there is no hole. */
static void sack_blocks(void **state)
{
	struct harness *h = with(state, false, true);

	inject(h, ACK, 1, 1, WND, 100);
	assert_int_equal(app_read(h, 100), 100);
	inject(h, ACK, 201, 1, WND, 100);
	check_sack(expect(h, ACK, 1, 101, 0), 1, (uint32_t[]){201, 301});
	inject(h, ACK, 401, 1, WND, 100);
	check_sack(expect(h, ACK, 1, 101, 0), 2, (uint32_t[]){401, 501, 201, 301});
	inject(h, ACK, 301, 1, WND, 50);
	check_sack(expect(h, ACK, 1, 101, 0), 2, (uint32_t[]){201, 351, 401, 501});
	inject(h, ACK, 601, 1, WND, 100);
	inject(h, ACK, 801, 1, WND, 100);
	inject(h, ACK, 1001, 1, WND, 100);
	expect(h, ACK, 1, 101, 0);
	expect(h, ACK, 1, 101, 0);
	check_sack(expect(h, ACK, 1, 101, 0), 4,
		   (uint32_t[]){1001, 1101, 801, 901, 601, 701, 201, 351});
	inject(h, ACK, 101, 1, WND, 1100); /* and a part of it came again, RFC 2883 */
	check_sack(expect(h, ACK, 1, 1201, 0), 1, (uint32_t[]){201, 351});
	assert_int_equal(app_read(h, 5000), 1100);
}

static void sack_blocks_with_timestamps(void **state)
{
	struct harness *h = with(state, true, true);

	for (uint32_t i = 0; i < 6; i++) {
		inject(h, ACK, 101 + 200 * i, 1, WND, 100);
		assert_int_equal(expect(h, ACK, 1, 1, 0)->opt.sack_n, i < 3 ? i + 1 : 3);
		assert_int_equal(h->last.opt.sack[0].start, 101 + 200 * i);
		assert_true(h->last.opt.ts);
	}
}

/* RFC 2883 4: what came twice is told once, in front of the other blocks. */
static void duplicate_blocks(void **state)
{
	struct harness *h = with(state, false, true);

	inject(h, ACK, 1, 1, WND, 300);
	advance_ms(h, 100);
	forget(h);
	inject(h, ACK, 101, 1, WND, 100);
	check_sack(expect(h, ACK, 1, 301, 0), 1, (uint32_t[]){101, 201});
	inject(h, ACK, 501, 1, WND, 100);
	check_sack(expect(h, ACK, 1, 301, 0), 1, (uint32_t[]){501, 601});
	inject(h, ACK, 501, 1, WND, 50); /* a duplicate of what waits */
	check_sack(expect(h, ACK, 1, 301, 0), 2,
		   (uint32_t[]){501, 551, 501, 601});
	assert_int_equal(app_read(h, 5000), 300);
}

/* RFC 2018 3: a block ends behind the last number that was kept, and that is the
 * FIN's where text before it is missing. */
static void block_with_fin(void **state)
{
	struct harness *h = with(state, false, true);

	inject(h, FIN | ACK, 101, 1, WND, 100);
	check_sack(expect(h, ACK, 1, 1, 0), 1, (uint32_t[]){101, 202});
	inject(h, ACK, 1, 1, WND, 100);
	check_sack(expect(h, ACK, 1, 202, 0), 0, NULL);
	assert_int_equal(app_read(h, 5000), 200);
}

/* The first transmission arrived, its ACK was lost. What the duplicate block
 * answers is the second, and only that one's time is a round trip. */
static void rtt_of_a_repetition(void **state)
{
	struct harness *h = with(state, true, true);
	struct seg_options opt = {.wscale = -1, .ts = true, .sack_n = 1};
	uint32_t first_ts, srtt;

	srtt = status(h).srtt_us;
	app_write(h, 100);
	first_ts = expect(h, ACK, 1, 1, 100)->opt.ts_val;
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, 1, 1, 100);
	advance_ms(h, 10);
	opt.ts_val = h->ts_base + (uint32_t)(h->now_us / US_PER_MS);
	opt.ts_ecr = first_ts;
	opt.sack[0] = (struct seq_range){1, 101};
	inject_opt(h, ACK, 1, 101, WND, 0, &opt);
	assert_int_equal(status(h).unacked_bytes, 0);
	assert_in_range(status(h).srtt_us, (srtt * 7 + 10000) / 8 - 1000,
			(srtt * 7 + 10000) / 8 + 1000);
}

/* [MUST-18] Without any of that, what was sent twice gives no sample, and neither
 * does an ACK that covers others as well: they have waited for the repetition. */
static void no_rtt_beside_a_repetition(void **state)
{
	struct harness *h = *state;

	establish_rtt(h, 100 * US_PER_MS);
	app_write(h, 5 * MSS);
	forget(h);
	advance_ms(h, 100);
	for (int i = 0; i < 3; i++)
		inject(h, ACK, 1, 1, WND, 0);
	expect(h, ACK, 1, 1, MSS);
	advance_ms(h, 100);
	inject(h, ACK, 1, 1 + 5 * MSS, WND, 0);
	assert_int_equal(status(h).srtt_us, 100000);
}

/* Data shares its segment with the blocks and still fits the MSS. */
static void sack_blocks_on_data(void **state)
{
	struct harness *h = with(state, true, true);

	inject(h, ACK, 101, 1, WND, 100);
	forget(h);
	app_write(h, 3 * MSS);
	while (pending(h)) {
		const struct got *g = expect(h, ACK, ANY, 1, ANY);

		assert_int_equal(g->opt.sack_n, 1);
		assert_true(g->len_bytes + g->hdr_len_bytes - TCP_HDR_MIN <= MSS);
	}
}

static void no_sack_without_permission(void **state)
{
	struct harness *h = with(state, false, false);

	inject(h, ACK, 201, 1, WND, 100);
	assert_int_equal(expect(h, ACK, 1, 1, 0)->opt.sack_n, 0);
	assert_int_equal(h->last.hdr_len_bytes, TCP_HDR_MIN);
}

/* ---- IP's fields -------------------------------------------------------------- */

static void expect_ip_fields(struct harness *h, uint8_t tos, uint8_t ttl)
{
	struct engine_pkt_out pkt;

	assert_int_equal(engine_output(h->e, &pkt, 1, h->now_us), 1);
	assert_int_equal(pkt.tos & ~3, tos);
	assert_int_equal(pkt.ttl, ttl);
}

/* [MUST-48] [MUST-49] [SHLD-21] [SHLD-22] The user's DSCP and TTL are on every
 * packet, SYN and RST included, and change when he changes them. */
static void dscp_and_ttl(void **state)
{
	struct harness *h = *state;
	struct flow flow = {h->local, h->remote};
	struct tcp_opts o;

	h->opts.ip.tos = 0x48;
	h->opts.ip.ttl = 7;
	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	expect_ip_fields(h, 0x48, 7);
	tcp_abort(h->t, h->now_us);
	tcp_release(h->t, h->now_us);
	pull(h);

	establish(h);
	tcp_get_opts(h->t, &o);
	o.ip.tos = 0xb8;
	o.ip.ttl = 255;
	tcp_set_opts(h->t, &o, h->now_us);
	pull(h);
	tcp_shutdown(h->t, h->now_us);
	expect_ip_fields(h, 0xb8, 255);
	tcp_abort(h->t, h->now_us);
	expect_ip_fields(h, 0xb8, 255);
}

/* IPv4's are not IPv6's; a listener for both keeps both. */
static void ip_fields_of_each_family(void **state)
{
	static const struct ip_addr v6[2] = {{{0x20, 1, [15] = 1}}, {{0x20, 1, [15] = 2}}};
	struct harness *h = *state;
	struct flow flow = {h->local, h->remote}, flow6 = flow;

	flow6.local.addr = v6[0];
	flow6.remote.addr = v6[1];
	h->opts.ip = (struct ip_fields){.tos = 0x48, .ttl = 7};
	h->opts.ip6 = (struct ip_fields){.tos = 0xb8, .ttl = 9};
	assert_int_equal(tcp_open(h->e, &flow6, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	expect_ip_fields(h, 0xb8, 9);
	tcp_abort(h->t, h->now_us);
	tcp_release(h->t, h->now_us);
	pull(h);
	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	expect_ip_fields(h, 0x48, 7);
	tcp_abort(h->t, h->now_us);
}

/* RFC 5082: who is farther away than the user allows is not heard, whatever it is. */
static void who_is_too_far_away(void **state)
{
	struct harness *h = *state;
	struct tcp_opts o;

	establish(h);
	tcp_get_opts(h->t, &o);
	o.ip.min_ttl = 255;
	tcp_set_opts(h->t, &o, h->now_us);
	h->ttl = 254;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 100), DROP_TTL);
	assert_int_equal(inject(h, RST, 1, 0, 0, 0), DROP_TTL);
	assert_int_equal(state_of(h), TCPS_ESTABLISHED);
	h->ttl = 255;
	assert_int_equal(inject(h, ACK, 1, 1, WND, 100), DROP_NONE);
	assert_int_equal(inject(h, RST, 101, 0, 0, 0), DROP_NONE);
	assert_int_equal(state_of(h), TCPS_CLOSED);
}

static void who_is_too_far_away_for_a_listener(void **state)
{
	struct harness *h = *state;

	h->opts.ip.min_ttl = 2;
	app_listen(h, 1);
	h->ttl = 1;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_TTL);
	expect_none(h);
	h->ttl = 2;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* ---- what options a hostile peer may send ---------------------------------- */

/* A segment with these bytes as options. */
static enum drop inject_bytes(struct harness *h, uint8_t flags, uint32_t seq,
			      const uint8_t *opt, size_t opt_len, uint32_t len_bytes)
{
	static uint8_t tcp[2048];
	struct seg_options none = {.wscale = -1};
	size_t padded = (opt_len + 3) / 4 * 4;

	craft(h, tcp, flags, seq, 1, WND, 0, &none);
	memset(tcp + TCP_HDR_MIN, 0, padded);
	memcpy(tcp + TCP_HDR_MIN, opt, opt_len);
	tcp[12] = (uint8_t)((TCP_HDR_MIN + padded) / 4 << 4);
	for (uint32_t i = 0; i < len_bytes; i++)
		tcp[TCP_HDR_MIN + padded + i] = pattern_byte(seq + i);
	return inject_raw(h, tcp, TCP_HDR_MIN + padded + len_bytes);
}

/* RFC 9293 3.1, MUST-4 to 6, MUST-64 to 68: options we do not know are skipped.
 * [MUST-5] [MUST-6] [MUST-64] */
static void unknown_options(void **state)
{
	static const uint8_t opts[][8] = {
		{1, 1, 1, 1}, {0, 99, 99, 99}, {253, 4, 1, 2}, {99, 2, 1, 0},
		{1, 254, 3, 7, 0, 5, 5, 5}, {19, 8, 1, 2, 3, 4, 5, 6},
	};
	struct harness *h = *state;

	establish(h);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(inject_bytes(h, ACK, 1 + 10 * i, opts[i], 8, 10), DROP_NONE);
		assert_int_equal(app_read(h, 100), 10);
	}
}

/* MUST-7: a length that cannot be. [MUST-7] */
static void impossible_option_lengths(void **state)
{
	static const uint8_t opts[][4] = {
		{99, 0, 0, 0}, {99, 1, 0, 0}, {99, 5, 0, 0}, {1, 1, 1, 99},
		{2, 0, 0, 0}, {8, 10, 0, 0}, {5, 255, 0, 0}, {3, 1, 0, 0},
	};
	struct harness *h = *state;

	establish(h);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(inject_bytes(h, ACK, 1, opts[i], 4, 10), DROP_OPTION);
	expect_none(h);
	assert_int_equal(app_read(h, 100), 0);
	assert_int_equal(engine_stats(h->e)->drops[DROP_OPTION], 8);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 10), DROP_NONE);
}

/* MSS, window scale and SACK-permitted mean nothing outside of a SYN. [MUST-65] */
static void syn_options_elsewhere(void **state)
{
	static const uint8_t opts[12] = {2, 4, 0, 10, 3, 3, 9, 1, 4, 2, 1, 1};
	struct harness *h = *state;

	establish(h);
	inject_bytes(h, ACK, 1, opts, 12, 10);
	assert_int_equal(status(h).snd_mss, MSS);
	assert_int_equal(status(h).snd_wnd_bytes, WND);
	assert_false(status(h).sack);
}

/* RFC 9293 3.7.1: an MSS option too small to work with does not stop us; the
 * header alone never grows into it. Nor does it make us send swarms of tiny
 * segments (CVE-2019-11479): below 48 it is taken for 48, timestamps included. */
static void tiny_mss(void **state)
{
	static const uint16_t mss[] = {1, 7, 20, 63};

	for (unsigned i = 0; i < 4; i++) {
		struct harness *h = *state;
		uint32_t at = 1;

		h->cfg.timestamps = h->cfg.sack = true;
		h = harness_again(state, &h->cfg);
		h->ts = true;
		h->syn.sack_ok = true;
		app_open(h);
		expect(h, SYN, 0, 0, 0);
		h->syn.mss = mss[i];
		inject(h, SYN | ACK, 0, 1, WND, 0);
		h->peers[h->remote.port].mss = 128; /* what no sender can do without */
		expect(h, ACK, 1, 1, 0);
		assert_int_equal(status(h).snd_mss, (mss[i] > 48 ? mss[i] : 48) - 12);
		assert_int_equal(app_write(h, 300), 300);
		for (unsigned n = 0; n < 400 && at < 301; n++) {
			time_to_segment_us(h, 10 * US_PER_S);
			while (pending(h)) {
				const struct got *g = expect(h, ACK, ANY, 1, ANY);

				assert_true(g->len_bytes > 0 && g->len_bytes <= 64);
				if (g->seq == at)
					at += g->len_bytes;
			}
			inject(h, ACK, 1, at, WND, 0);
		}
		assert_int_equal(at, 301);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(on_every_segment), TEST(clock_offset_per_flow),
		TEST(which_timestamp_is_echoed), TEST(paws), TEST(paws_spares_rst),
		TEST(paws_after_long_idle), TEST(peers_clock_wraps),
		TEST(missing_after_negotiation), TEST(unwanted_timestamps),
		TEST(rtt_from_timestamps), TEST(sack_blocks),
		TEST(sack_blocks_with_timestamps), TEST(sack_blocks_on_data),
		TEST(duplicate_blocks), TEST(block_with_fin), TEST(rtt_of_a_repetition),
		TEST(no_rtt_beside_a_repetition),
		TEST(no_sack_without_permission), TEST(unknown_options),
		TEST(impossible_option_lengths), TEST(syn_options_elsewhere),
		TEST(tiny_mss), TEST(dscp_and_ttl), TEST(ip_fields_of_each_family),
		TEST(who_is_too_far_away), TEST(who_is_too_far_away_for_a_listener),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
