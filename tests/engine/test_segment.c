/* test_segment.c - segments: against captured ones, against what was built, and
 * against hostile bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "packets.h"

/* ---- parsing ------------------------------------------------------------ */

/* [MUST-4] */
static void test_parse_syn(void **state)
{
	struct segment s;

	(void)state;
	assert_int_equal(segment_parse(&s, &v4_lo, &v4_lo, linux_syn,
				       sizeof(linux_syn)), DROP_NONE);
	assert_int_equal(s.sport, 45470);
	assert_int_equal(s.dport, 5555);
	assert_int_equal(s.seq, 2218282824);
	assert_int_equal(s.ack, 0);
	assert_int_equal(s.flags, SEG_SYN);
	assert_int_equal(s.wnd, 65495);
	assert_int_equal(s.up, 0);
	assert_int_equal(s.opt.mss, 65495);
	assert_int_equal(s.opt.wscale, 10);
	assert_true(s.opt.sack_ok && s.opt.ts);
	assert_int_equal(s.opt.ts_val, 3173528067);
	assert_int_equal(s.opt.ts_ecr, 0);
	assert_int_equal(s.opt.sack_n, 0);
	assert_int_equal(s.hdr_len_bytes, 40);
	assert_int_equal(s.data_len_bytes, 0);
	assert_int_equal(seg_len(&s), 1);
}

static void test_parse_data(void **state)
{
	struct segment s;

	(void)state;
	assert_int_equal(segment_parse(&s, &v4_lo, &v4_lo, linux_hello,
				       sizeof(linux_hello)), DROP_NONE);
	assert_int_equal(s.seq, 2218282825);
	assert_int_equal(s.ack, 1046477832);
	assert_int_equal(s.flags, SEG_PSH | SEG_ACK);
	assert_int_equal(s.opt.ts_ecr, 3719470085);
	assert_int_equal(s.opt.mss, 0);
	assert_int_equal(s.opt.wscale, -1);
	assert_int_equal(s.data_len_bytes, 6);
	assert_ptr_equal(s.data, linux_hello + 32);
	assert_int_equal(seg_len(&s), 6);
	s.flags = SEG_SYN | SEG_FIN;
	assert_int_equal(seg_len(&s), 8);
}

static void test_parse_too_short(void **state)
{
	struct segment s;

	(void)state;
	for (size_t len = 0; len < sizeof(linux_syn); len++)
		assert_int_equal(parse_copy(&v4_lo, linux_syn, len, &s),
				 len < TCP_HDR_MIN ? DROP_SHORT : DROP_OFFSET);
}

static void test_parse_offset(void **state)
{
	struct segment s;

	(void)state;
	for (unsigned words = 0; words < 16; words++) {
		uint8_t tcp[44] = {[16] = 0, [20] = 1, 1, 1, 1, 0};
		enum drop want = words < 5 || words > 11 ? DROP_OFFSET : DROP_NONE;

		tcp[12] = (uint8_t)(words << 4);
		set_sum(tcp, segment_pseudo_sum(&v4_lo, &v4_lo, sizeof(tcp)));
		assert_int_equal(parse_copy(&v4_lo, tcp, sizeof(tcp), &s), want);
		if (want == DROP_NONE)
			assert_int_equal(s.data_len_bytes, 44 - words * 4);
	}
}

/* Parses a header with these options, filled up with zeroes to whole words. */
static enum drop parse_options_of(struct segment *s, uint8_t flags,
				  const uint8_t *opt, size_t opt_len)
{
	uint8_t tcp[TCP_HDR_MAX] = {[13] = flags};
	size_t len = TCP_HDR_MIN + (opt_len + 3) / 4 * 4;

	assert_true(len <= sizeof(tcp));
	memcpy(tcp + TCP_HDR_MIN, opt, opt_len);
	tcp[12] = (uint8_t)(len / 4 << 4);
	set_sum(tcp, segment_pseudo_sum(&v6_lo, &v6_lo, len));
	return parse_copy(&v6_lo, tcp, len, s);
}

struct options {
	size_t len;
	uint8_t bytes[40];
};

/* [MUST-7] */
static void test_parse_impossible_options(void **state)
{
	static const struct options cases[] = {
		{4, {2, 0, 5, 180}},          /* length 0 */
		{4, {99, 1, 0, 0}},           /* length 1 */
		{4, {2, 5, 5, 180}},          /* one beyond the header */
		{4, {1, 1, 1, 2}},            /* no room for the length */
		{4, {1, 8, 10, 0}},           /* timestamps cut off */
		{8, {5, 10, 0, 0, 0, 0, 0, 0}},
		{4, {253, 255, 0, 0}},
		{8, {2, 4, 5, 180, 4, 0, 0, 0}}, /* after a good one */
	};
	struct segment s;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(parse_options_of(&s, SEG_SYN, cases[i].bytes,
						  cases[i].len), DROP_OPTION);
}

/* Known options of a wrong length, unknown ones, and what follows the end. */
static void test_parse_ignored_options(void **state)
{
	static const struct options cases[] = {
		{0, {0}},
		{4, {2, 3, 5, 0}},
		{5, {2, 5, 5, 180, 1}},
		{4, {3, 2, 1, 1}},
		{4, {3, 4, 7, 7}},
		{4, {4, 3, 0, 0}},
		{9, {8, 9, 1, 2, 3, 4, 5, 6, 7}},
		{4, {8, 2, 1, 1}},
		{4, {5, 2, 1, 1}},
		{9, {5, 9, 1, 2, 3, 4, 5, 6, 7}},
		{11, {5, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{6, {254, 6, 0xf9, 0x89, 2, 4}},
		{4, {0, 2, 4, 5}},
		{4, {1, 0, 2, 0}},
	};
	struct segment s;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(parse_options_of(&s, SEG_SYN,
						  cases[i].bytes,
						  cases[i].len), DROP_NONE);
		assert_int_equal(s.opt.mss, 0);
		assert_int_equal(s.opt.wscale, -1);
		assert_false(s.opt.sack_ok || s.opt.ts);
		assert_int_equal(s.opt.sack_n, 0);
	}
}

/* RFC 7413 4.1.1: no cookie, or 4 to 16 bytes, an even number; with SYN only. */
static void test_fastopen_option(void **state)
{
	uint8_t opt[20] = {34}, hdr[TCP_HDR_MAX];
	struct segment s, out;

	(void)state;
	for (uint8_t i = 2; i < sizeof(opt); i++)
		opt[i] = (uint8_t)(i * 3);
	for (uint8_t n = 0; n <= 18; n++) {
		bool good = n == 0 || (n >= 4 && n <= 16 && n % 2 == 0);

		opt[1] = (uint8_t)(2 + n);
		assert_int_equal(parse_options_of(&s, SEG_SYN, opt, 2u + n), DROP_NONE);
		assert_int_equal(s.opt.fastopen, good);
		assert_int_equal(s.opt.cookie_len_bytes, good ? n : 0);
		assert_memory_equal(s.opt.cookie, opt + 2, s.opt.cookie_len_bytes);
		assert_int_equal(parse_options_of(&s, SEG_ACK, opt, 2u + n), DROP_NONE);
		assert_false(s.opt.fastopen);
		if (!good)
			continue;
		out = (struct segment){.flags = SEG_SYN, .opt = {.wscale = -1, .fastopen = true}};
		out.opt.cookie_len_bytes = n;
		memcpy(out.opt.cookie, opt + 2, n);
		assert_int_equal(segment_build(&out, hdr), 20 + (n + 2 + 3) / 4 * 4);
		assert_memory_equal(hdr + 20, opt, 2u + n);
		for (unsigned i = 22u + n; i % 4; i++)
			assert_int_equal(hdr[i], 1);
	}
}

/* [MUST-6] */
static void test_parse_unknown_option_skipped(void **state)
{
	static const uint8_t opt[] = {253, 4, 2, 4, 2, 4, 5, 180};
	struct segment s;

	(void)state;
	assert_int_equal(parse_options_of(&s, SEG_SYN, opt, sizeof(opt)), DROP_NONE);
	assert_int_equal(s.opt.mss, 1460);
}

/* The last one counts, unless its length is wrong. */
static void test_parse_repeated_option(void **state)
{
	static const uint8_t opt[] = {
		5, 10, 0, 0, 0, 1, 0, 0, 0, 2,
		5, 18, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6,
		5, 2, 2, 4, 5, 180, 2, 4, 2, 24,
	};
	struct segment s;

	(void)state;
	assert_int_equal(parse_options_of(&s, SEG_SYN, opt, sizeof(opt)), DROP_NONE);
	assert_int_equal(s.opt.sack_n, 2);
	assert_int_equal(s.opt.sack[0].start, 3);
	assert_int_equal(s.opt.sack[0].end, 4);
	assert_int_equal(s.opt.sack[1].end, 6);
	assert_int_equal(s.opt.mss, 536);
}

static void test_parse_wscale(void **state)
{
	struct segment s;

	(void)state;
	for (unsigned shift = 0; shift < 256; shift++) {
		const uint8_t opt[] = {1, 3, 3, (uint8_t)shift};

		assert_int_equal(parse_options_of(&s, SEG_SYN, opt, 4), DROP_NONE);
		assert_int_equal(s.opt.wscale, shift > 14 ? 14 : shift);
	}
}

/* [MUST-65] */
static void test_parse_syn_options_need_syn(void **state)
{
	static const uint8_t opt[] = {2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 8, 10,
				      0, 0, 0, 1, 0, 0, 0, 2};
	struct segment s;

	(void)state;
	assert_int_equal(parse_options_of(&s, SEG_ACK, opt, sizeof(opt)), DROP_NONE);
	assert_int_equal(s.opt.mss, 0);
	assert_int_equal(s.opt.wscale, -1);
	assert_false(s.opt.sack_ok);
	assert_true(s.opt.ts);
	assert_int_equal(parse_options_of(&s, SEG_SYN | SEG_ACK, opt, sizeof(opt)),
			 DROP_NONE);
	assert_int_equal(s.opt.mss, 1460);
	assert_int_equal(s.opt.wscale, 7);
	assert_true(s.opt.sack_ok);
	assert_int_equal(s.opt.ts_val, 1);
	assert_int_equal(s.opt.ts_ecr, 2);
}

/* ---- hostile bytes ------------------------------------------------------ */

static void check_bounds(const struct segment *s, const uint8_t *tcp, size_t len)
{
	assert_in_range(s->hdr_len_bytes, TCP_HDR_MIN, TCP_HDR_MAX);
	assert_ptr_equal(s->data, tcp + s->hdr_len_bytes);
	assert_int_equal(s->hdr_len_bytes + s->data_len_bytes, len);
	assert_in_range(s->opt.sack_n, 0, SACK_BLOCKS_MAX);
	assert_true(s->opt.wscale >= -1 && s->opt.wscale <= 14);
}

static void test_parse_random_bytes(void **state)
{
	unsigned seen[DROP_COUNT] = {0};
	struct rnd rnd = {3};

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct ip_addr src = random_addr(&rnd), dst = random_addr(&rnd);
		size_t len = rnd_below(&rnd, 90);
		uint8_t *tcp = malloc(len ? len : 1); /* exact, for ASan */
		struct segment s;
		enum drop d;

		assert_non_null(tcp);
		rnd_fill(&rnd, tcp, len);
		/* option bytes that mean something, likelier than by chance */
		for (size_t k = TCP_HDR_MIN; k < len && i % 4; k++)
			tcp[k] = (uint8_t)rnd_below(&rnd, i % 4 == 1 ? 12 : 64);
		if (len >= TCP_HDR_MIN && i % 3)
			set_sum(tcp, naive_pseudo(&src, &dst, len));
		d = segment_parse(&s, &src, &dst, tcp, len);
		if (d != DROP_SHORT && d != DROP_OFFSET)
			check_bounds(&s, tcp, len);
		assert_in_range(d, 0, DROP_COUNT - 1);
		seen[d]++;
		free(tcp);
	}
	assert_true(seen[DROP_NONE] > 1000 && seen[DROP_SHORT] > 1000 &&
		    seen[DROP_OFFSET] > 1000 && seen[DROP_CHECKSUM] > 1000 &&
		    seen[DROP_OPTION] > 1000);
}

/* ---- building ----------------------------------------------------------- */

static void test_build_as_linux(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(captured); i++) {
		const struct captured *c = &captured[i];
		uint8_t hdr[TCP_HDR_MAX], want[TCP_HDR_MAX];
		struct segment s;

		assert_int_equal(segment_parse(&s, &v4_lo, &v4_lo, c->tcp,
					       c->len_bytes), DROP_NONE);
		memcpy(want, c->tcp, s.hdr_len_bytes);
		set_sum(want, 0);
		memset(hdr, 0xee, sizeof(hdr));
		assert_int_equal(segment_build(&s, hdr), s.hdr_len_bytes);
		assert_memory_equal(hdr, want, s.hdr_len_bytes);
	}
}

/* RFC 9768 3.2.3: of a length that nobody knows, the whole counters count. */
static void test_parse_accecn_lengths(void **state)
{
	struct segment s;

	(void)state;
	for (uint8_t len = 2; len <= 20; len++) {
		uint8_t opt[40] = {172, len, 0, 0, 1, 0, 0, 2, 0, 0, 3, 9, 9, 9};
		unsigned n = (len - 2) / 3 < 3 ? (len - 2) / 3 : 3;

		assert_int_equal(parse_options_of(&s, SEG_ACK, opt, len), DROP_NONE);
		assert_true(s.opt.ecn);
		assert_int_equal(s.opt.ecn_n, n);
		assert_int_equal(s.opt.ecn_e0b, n > 0 ? 1 : 0);
		assert_int_equal(s.opt.ecn_ceb, n > 1 ? 2 : 0);
		assert_int_equal(s.opt.ecn_e1b, n > 2 ? 3 : 0);
		opt[0] = 174;
		assert_int_equal(parse_options_of(&s, SEG_ACK, opt, len), DROP_NONE);
		assert_int_equal(s.opt.ecn_order, 1);
		assert_int_equal(s.opt.ecn_e1b, n > 0 ? 1 : 0);
		assert_int_equal(s.opt.ecn_e0b, n > 2 ? 3 : 0);
	}
}

/* [MUST-68] [MUST-69] */
static void test_build_layouts(void **state)
{
	static const struct {
		struct seg_options o;
		struct options want;
	} cases[] = {
		{{.wscale = -1}, {0, {0}}},
		{{.wscale = 0}, {4, {1, 3, 3, 0}}},
		{{.mss = 536, .wscale = -1}, {4, {2, 4, 2, 24}}},
		{{.sack_ok = true, .wscale = -1}, {4, {1, 1, 4, 2}}},
		{{.mss = 1460, .sack_ok = true, .wscale = 7},
		 {12, {2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7}}},
		{{.ts = true, .ts_val = 0x01020304, .ts_ecr = 5, .wscale = -1},
		 {12, {1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 5}}},
		{{.wscale = -1, .ecn = true, .ecn_n = 3, .ecn_e0b = 0x010203,
		  .ecn_ceb = 0x040506, .ecn_e1b = 0x070809},
		 {12, {172, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1}}},
		{{.wscale = -1, .ecn = true, .ecn_order = 1, .ecn_n = 2,
		  .ecn_ceb = 0x040506, .ecn_e1b = 0x070809},
		 {8, {174, 8, 7, 8, 9, 4, 5, 6}}},
		{{.wscale = -1, .ecn = true, .ecn_n = 1, .ecn_e0b = 0x010203},
		 {8, {172, 5, 1, 2, 3, 1, 1, 1}}},
		{{.wscale = -1, .ecn = true}, {4, {172, 2, 1, 1}}},
		{{.wscale = -1, .sack_n = 1, .sack = {{0x10, 0x20}}},
		 {12, {1, 1, 5, 10, 0, 0, 0, 0x10, 0, 0, 0, 0x20}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct segment s = {.opt = cases[i].o};
		uint8_t hdr[TCP_HDR_MAX];

		assert_int_equal(segment_build(&s, hdr), TCP_HDR_MIN + cases[i].want.len);
		assert_int_equal(hdr[12] >> 4, 5 + cases[i].want.len / 4);
		assert_memory_equal(hdr + TCP_HDR_MIN, cases[i].want.bytes,
				    cases[i].want.len);
	}
}

static struct segment random_segment(struct rnd *rnd)
{
	uint32_t bits = rnd_below(rnd, 16);
	struct segment s = {
		.sport = (uint16_t)rnd_u64(rnd), .dport = (uint16_t)rnd_u64(rnd),
		.seq = (uint32_t)rnd_u64(rnd), .ack = (uint32_t)rnd_u64(rnd),
		.flags = rnd_u64(rnd) & 0x1ff, .wnd = (uint16_t)rnd_u64(rnd),
		.up = (uint16_t)rnd_u64(rnd), .opt.wscale = -1,
	};

	if (s.flags & SEG_SYN) {
		s.opt.mss = bits & 1 ? (uint16_t)rnd_u64(rnd) : 0;
		s.opt.wscale = bits & 2 ? (int8_t)rnd_below(rnd, 15) : -1;
		s.opt.sack_ok = bits & 4;
	}
	if (bits & 8) {
		s.opt.ts = true;
		s.opt.ts_val = (uint32_t)rnd_u64(rnd);
		s.opt.ts_ecr = (uint32_t)rnd_u64(rnd);
	}
	if (rnd_below(rnd, 2)) {
		uint32_t v[3];

		rnd_fill(rnd, v, sizeof(v));
		s.opt.ecn = true;
		s.opt.ecn_order = (uint8_t)rnd_below(rnd, 2);
		s.opt.ecn_n = (uint8_t)rnd_below(rnd, 4);
		if (s.opt.ecn_n > (s.opt.ecn_order ? 2 : 0))
			s.opt.ecn_e0b = v[0] >> 8;
		if (s.opt.ecn_n > 1)
			s.opt.ecn_ceb = v[1] >> 8;
		if (s.opt.ecn_n > (s.opt.ecn_order ? 0 : 2))
			s.opt.ecn_e1b = v[2] >> 8;
	}
	s.opt.sack_n = (uint8_t)rnd_below(rnd, SACK_BLOCKS_MAX + 1);
	for (int i = 0; i < s.opt.sack_n; i++)
		rnd_fill(rnd, &s.opt.sack[i], sizeof(s.opt.sack[i]));
	return s;
}

/* Of the blocks as many as the other options leave room for, 60 bytes in all. */
static unsigned sack_fit(const struct seg_options *o)
{
	unsigned used = 4u * !!o->mss + 12u * o->ts + 4u * (o->wscale >= 0) +
			4u * (o->sack_ok && !o->ts) +
			(o->ecn ? (2u + 3u * o->ecn_n + 3) / 4 * 4 : 0);
	unsigned fit = used > 36 ? 0 : (36 - used) / 8;

	return o->sack_n < fit ? o->sack_n : fit;
}

static void check_same(const struct segment *a, const struct segment *b)
{
	assert_int_equal(a->sport, b->sport);
	assert_int_equal(a->dport, b->dport);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->ack, b->ack);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->wnd, b->wnd);
	assert_int_equal(a->up, b->up);
	assert_int_equal(a->opt.mss, b->opt.mss);
	assert_int_equal(a->opt.wscale, b->opt.wscale);
	assert_int_equal(a->opt.sack_ok, b->opt.sack_ok);
	assert_int_equal(a->opt.ts, b->opt.ts);
	assert_int_equal(a->opt.ts_val, b->opt.ts_val);
	assert_int_equal(a->opt.ts_ecr, b->opt.ts_ecr);
	assert_int_equal(a->opt.ecn, b->opt.ecn);
	assert_int_equal(a->opt.ecn_order, b->opt.ecn_order);
	assert_int_equal(a->opt.ecn_n, b->opt.ecn_n);
	assert_int_equal(a->opt.ecn_e0b, b->opt.ecn_e0b);
	assert_int_equal(a->opt.ecn_ceb, b->opt.ecn_ceb);
	assert_int_equal(a->opt.ecn_e1b, b->opt.ecn_e1b);
	assert_int_equal(a->opt.sack_n, b->opt.sack_n);
	assert_memory_equal(a->opt.sack, b->opt.sack,
			    a->opt.sack_n * sizeof(a->opt.sack[0]));
}

static void test_build_then_parse(void **state)
{
	struct rnd rnd = {4};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct ip_addr src = random_addr(&rnd), dst = random_addr(&rnd);
		struct segment s = random_segment(&rnd), parsed;
		uint8_t hdr[TCP_HDR_MAX];
		uint8_t len = segment_build(&s, hdr);

		assert_in_range(len, TCP_HDR_MIN, TCP_HDR_MAX);
		set_sum(hdr, segment_checksum(&src, &dst, hdr, len, NULL, 0));
		s.opt.sack_n = (uint8_t)sack_fit(&s.opt);
		assert_int_equal(segment_parse(&parsed, &src, &dst, hdr, len),
				 DROP_NONE);
		assert_int_equal(parsed.hdr_len_bytes, len);
		check_same(&parsed, &s);
	}
}

/* ---- cutting ------------------------------------------------------------ */

/* A burst of len bytes in two parts, with every flag. */
static struct engine_pkt_out make_burst(uint8_t *data, uint32_t len, uint32_t split,
					uint16_t mss)
{
	struct segment s = {.seq = 0xffffff00, .ack = 7, .flags = 0x1ff & ~SEG_SYN,
			    .opt = {.ts = true, .ts_val = 9, .wscale = -1}};
	struct engine_pkt_out pkt = {.mss_bytes = mss, .payload_len_bytes = len};

	pkt.hdr_len_bytes = segment_build(&s, pkt.hdr);
	if (split > 0)
		pkt.payload[pkt.payload_iovs++] = (struct iovec){data, split};
	if (len > split)
		pkt.payload[pkt.payload_iovs++] =
			(struct iovec){data + split, len - split};
	return pkt;
}

/* Cuts at off, compares with data, returns the length. */
static uint32_t check_cut(const struct engine_pkt_out *pkt, const uint8_t *data,
			  uint32_t off)
{
	const uint16_t burst_flags = 0x1ff & ~SEG_SYN;
	uint32_t left = pkt->payload_len_bytes - off, len, got = 0;
	uint8_t hdr[TCP_HDR_MAX];
	uint16_t want = burst_flags;
	struct iovec iov[2];
	struct segment s;
	int iovs = segment_cut(pkt, off, hdr, iov, &len);

	assert_int_equal(len, left < pkt->mss_bytes ? left : pkt->mss_bytes);
	for (int i = 0; i < iovs; i++) {
		assert_true(iov[i].iov_len > 0);
		assert_memory_equal(iov[i].iov_base, data + off + got, iov[i].iov_len);
		got += (uint32_t)iov[i].iov_len;
	}
	assert_int_equal(got, len);
	assert_int_equal(hdr[16] | hdr[17], 0);
	set_sum(hdr, segment_pseudo_sum(&v6_lo, &v6_lo, pkt->hdr_len_bytes));
	assert_int_equal(segment_parse(&s, &v6_lo, &v6_lo, hdr, pkt->hdr_len_bytes),
			 DROP_NONE);
	if (len < left)
		want &= (uint16_t)~(SEG_FIN | SEG_PSH);
	if (off > 0 && !pkt->ace) /* RFC 3168 6.1.2; RFC 9768 3.3.4 */
		want &= (uint16_t)~SEG_CWR;
	assert_int_equal(s.flags, want);
	assert_int_equal(s.seq, 0xffffff00 + off);
	assert_int_equal(s.ack, 7);
	assert_int_equal(s.opt.ts_val, 9);
	return len;
}

static void test_cut(void **state)
{
	enum { ROOM = 5000 };
	static uint8_t data[ROOM];
	struct rnd rnd = {5};

	(void)state;
	rnd_fill(&rnd, data, ROOM);
	for (int i = 0; i < 2000; i++) {
		uint32_t len = 1 + rnd_below(&rnd, ROOM);
		uint16_t mss = (uint16_t)(1 + rnd_below(&rnd, 1460));
		struct engine_pkt_out pkt = make_burst(data, len,
						       rnd_below(&rnd, len + 1), mss);
		uint32_t off = 0, segs = 0;

		pkt.ace = i % 2;
		assert_int_equal(segment_is_burst(&pkt), len > mss);
		while (off < len) {
			off += check_cut(&pkt, data, off);
			segs++;
		}
		assert_int_equal(segs, (len + mss - 1) / mss);
	}
}

static void test_cut_of_nothing(void **state)
{
	struct engine_pkt_out pkt = make_burst(NULL, 0, 0, 1460);

	(void)state;
	assert_false(segment_is_burst(&pkt));
	assert_int_equal(check_cut(&pkt, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_syn),
		cmocka_unit_test(test_parse_data),
		cmocka_unit_test(test_parse_too_short),
		cmocka_unit_test(test_parse_offset),
		cmocka_unit_test(test_parse_impossible_options),
		cmocka_unit_test(test_parse_ignored_options),
		cmocka_unit_test(test_fastopen_option),
		cmocka_unit_test(test_parse_unknown_option_skipped),
		cmocka_unit_test(test_parse_repeated_option),
		cmocka_unit_test(test_parse_wscale),
		cmocka_unit_test(test_parse_syn_options_need_syn),
		cmocka_unit_test(test_parse_random_bytes),
		cmocka_unit_test(test_build_as_linux),
		cmocka_unit_test(test_build_layouts),
		cmocka_unit_test(test_parse_accecn_lengths),
		cmocka_unit_test(test_build_then_parse),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_of_nothing),
	};

	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
