/* segment.c - TCP segments on the wire.
 *
 * It keeps no state. Bytes of a packet are read only after their place was
 * compared with the packet's length; struct segment holds numbers in host order.
 *
 * One's complement sums do not care about byte order (RFC 1071 2): they are
 * taken over words as they lie in memory, 64 bits at a time, and swapped once
 * when folded.
 */
#include "segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "addr.h"

enum { /* offsets in the fixed header */
	OFF_SPORT = 0,
	OFF_DPORT = 2,
	OFF_SEQ = 4,
	OFF_ACK = 8,
	OFF_HDRLEN = 12,
	OFF_FLAGS = 13,
	OFF_WND = 14,
	OFF_SUM = 16,
	OFF_UP = 18,
};

enum { /* option kinds */
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
	OPT_UTO = 28,
	OPT_FASTOPEN = 34,
	OPT_ACCECN0 = 172,
	OPT_ACCECN1 = 174,
};

enum { /* their lengths */
	LEN_MSS = 4,
	LEN_WSCALE = 3,
	LEN_SACK_OK = 2,
	LEN_SACK_BASE = 2,
	LEN_SACK_BLOCK = 8,
	LEN_TS = 10,
	LEN_UTO = 4,
	LEN_FASTOPEN_BASE = 2,
	LEN_FASTOPEN_MIN = 6,
	LEN_FASTOPEN_MAX = 18,
	LEN_ACCECN_BASE = 2,
	LEN_ACCECN_COUNTER = 3,
};

#define WSCALE_MAX 14

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

/* ---- checksum ----------------------------------------------------------- */

/* One's complement addition: the carry comes back in at the bottom. */
static inline uint64_t sum_add(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < b);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Sum of the n bytes at p, padded with zeroes to whole words. */
static uint64_t sum_bytes(const uint8_t *p, size_t n)
{
	/* independent chains, or each addition would wait for the one before;
	 * carries pile up in the high halves */
	unsigned __int128 a = 0, b = 0, c = 0, d = 0;
	uint64_t sum;

	for (; n >= 32; n -= 32, p += 32) {
		a += load64(p);
		b += load64(p + 8);
		c += load64(p + 16);
		d += load64(p + 24);
	}
	a += b;
	c += d;
	a += c;
	sum = sum_add((uint64_t)a, (uint64_t)(a >> 64));

	for (; n >= 8; n -= 8, p += 8)
		sum = sum_add(sum, load64(p));
	if (n) {
		uint8_t tail[8] = {0};

		memcpy(tail, p, n);
		sum = sum_add(sum, load64(tail));
	}
	return sum;
}

/* Folds to 16 bits, in host order. */
static uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ntohs((uint16_t)sum);
}

/* Source, destination, length and protocol (RFC 9293 3.1, RFC 8200 8.1). The
 * order and width of the fields differ between IPv4 and IPv6, but not the sum
 * of their 16-bit words. The prefix of v4-mapped addresses, and the scope of
 * link-local ones, are not part of the packet. */
static uint64_t sum_pseudo(const struct ip_addr *src, const struct ip_addr *dst,
			   size_t tcp_len_bytes)
{
	bool v4 = addr_is_v4(src) && addr_is_v4(dst);
	size_t skip = v4 ? 12 : 0;
	struct ip_addr from = addr_wire(src), to = addr_wire(dst);
	uint64_t sum;

	sum = (uint64_t)htonl((uint32_t)tcp_len_bytes) + htonl(IPPROTO_TCP);
	sum = sum_add(sum, sum_bytes(from.b + skip, 16 - skip));
	return sum_add(sum, sum_bytes(to.b + skip, 16 - skip));
}

uint16_t segment_pseudo_sum(const struct ip_addr *src,
			    const struct ip_addr *dst, size_t tcp_len_bytes)
{
	return sum_fold(sum_pseudo(src, dst, tcp_len_bytes));
}

/* Sum of the iovs, the first of which begins at an even offset. */
static uint64_t sum_iovs(const struct iovec *iov, int iovs, size_t *len_bytes)
{
	uint64_t sum = 0;

	*len_bytes = 0;
	for (int i = 0; i < iovs; i++) {
		uint64_t part = sum_bytes(iov[i].iov_base, iov[i].iov_len);

		/* at an odd offset high and low bytes change places */
		if (*len_bytes % 2)
			part = part << 8 | part >> 56;
		sum = sum_add(sum, part);
		*len_bytes += iov[i].iov_len;
	}
	return sum;
}

uint16_t segment_checksum(const struct ip_addr *src, const struct ip_addr *dst,
			  const uint8_t *hdr, size_t hdr_len_bytes,
			  const struct iovec *payload, int iovs)
{
	size_t len_bytes;
	uint64_t sum = sum_iovs(payload, iovs, &len_bytes);

	sum = sum_add(sum, sum_pseudo(src, dst, hdr_len_bytes + len_bytes));
	sum = sum_add(sum, sum_bytes(hdr, OFF_SUM));
	sum = sum_add(sum, sum_bytes(hdr + OFF_UP, hdr_len_bytes - OFF_UP));
	return (uint16_t)~sum_fold(sum);
}

static bool checksum_ok(const struct ip_addr *src, const struct ip_addr *dst,
			const uint8_t *tcp, size_t len_bytes)
{
	uint64_t pseudo = sum_pseudo(src, dst, len_bytes);

	if (get16(tcp + OFF_SUM) == sum_fold(pseudo))
		return true;
	return sum_fold(sum_add(pseudo, sum_bytes(tcp, len_bytes))) == 0xffff;
}

/* ---- parsing ------------------------------------------------------------ */

static void parse_sack(struct seg_options *o, const uint8_t *opt, unsigned len)
{
	unsigned n = (len - LEN_SACK_BASE) / LEN_SACK_BLOCK;

	/* no more than four can be in a header */
	if (n == 0 || (len - LEN_SACK_BASE) % LEN_SACK_BLOCK)
		return;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *block = opt + LEN_SACK_BASE + i * LEN_SACK_BLOCK;

		o->sack[i] = (struct seq_range){get32(block), get32(block + 4)};
	}
	o->sack_n = (uint8_t)n;
}

/* Whole counters count, be the length a known one or not (RFC 9768 3.2.3). */
static void parse_accecn(struct seg_options *o, const uint8_t *opt, unsigned len)
{
	unsigned n = (len - LEN_ACCECN_BASE) / LEN_ACCECN_COUNTER;
	uint32_t *at[3] = {&o->ecn_e0b, &o->ecn_ceb, &o->ecn_e1b};

	o->ecn = true;
	o->ecn_order = opt[0] == OPT_ACCECN1;
	o->ecn_n = n < 3 ? (uint8_t)n : 3;
	for (unsigned i = 0; i < o->ecn_n; i++) {
		const uint8_t *p = opt + LEN_ACCECN_BASE + i * LEN_ACCECN_COUNTER;

		*at[o->ecn_order ? 2 - i : i] = (uint32_t)p[0] << 16 | get16(p + 1);
	}
}

/* RFC 7413 4.1.1: nothing, or 4 to 16 bytes and an even number. */
static void parse_fastopen(struct seg_options *o, const uint8_t *opt, unsigned len)
{
	if (len != LEN_FASTOPEN_BASE &&
	    (len < LEN_FASTOPEN_MIN || len > LEN_FASTOPEN_MAX || len % 2))
		return;
	o->fastopen = true;
	o->cookie_len_bytes = (uint8_t)(len - LEN_FASTOPEN_BASE);
	memcpy(o->cookie, opt + LEN_FASTOPEN_BASE, o->cookie_len_bytes);
}

/* One option with its kind and length bytes, all of it within the header. */
static void parse_option(struct seg_options *o, bool syn, const uint8_t *opt,
			 unsigned len)
{
	switch (opt[0]) {
	case OPT_MSS:
		if (syn && len == LEN_MSS)
			o->mss = get16(opt + 2);
		break;
	case OPT_WSCALE:
		if (syn && len == LEN_WSCALE)
			o->wscale = opt[2] > WSCALE_MAX ? WSCALE_MAX
							: (int8_t)opt[2];
		break;
	case OPT_SACK_OK:
		if (syn && len == LEN_SACK_OK)
			o->sack_ok = true;
		break;
	case OPT_SACK:
		parse_sack(o, opt, len);
		break;
	case OPT_TS:
		if (len == LEN_TS) {
			o->ts = true;
			o->ts_val = get32(opt + 2);
			o->ts_ecr = get32(opt + 6);
		}
		break;
	case OPT_FASTOPEN:
		if (syn)
			parse_fastopen(o, opt, len);
		break;
	case OPT_UTO:
		if (len == LEN_UTO)
			o->uto = get16(opt + 2);
		break;
	case OPT_ACCECN0:
	case OPT_ACCECN1:
		parse_accecn(o, opt, len);
		break;
	default: /* MUST-6 */
		break;
	}
}

static enum drop parse_options(struct seg_options *o, bool syn,
			       const uint8_t *opt, unsigned left)
{
	while (left > 0 && opt[0] != OPT_END) {
		unsigned len;

		if (opt[0] == OPT_NOP) {
			opt++;
			left--;
			continue;
		}
		if (left < 2 || opt[1] < 2 || opt[1] > left) /* MUST-7 */
			return DROP_OPTION;
		len = opt[1];
		parse_option(o, syn, opt, len);
		opt += len;
		left -= len;
	}
	return DROP_NONE;
}

enum drop segment_parse(struct segment *s, const struct ip_addr *src,
			const struct ip_addr *dst, const uint8_t *tcp,
			size_t len_bytes)
{
	unsigned hdr_len_bytes;

	*s = (struct segment){.opt.wscale = -1};
	if (len_bytes < TCP_HDR_MIN)
		return DROP_SHORT;
	hdr_len_bytes = (tcp[OFF_HDRLEN] >> 4) * 4u;
	if (hdr_len_bytes < TCP_HDR_MIN || hdr_len_bytes > len_bytes)
		return DROP_OFFSET;

	s->sport = get16(tcp + OFF_SPORT);
	s->dport = get16(tcp + OFF_DPORT);
	s->seq = get32(tcp + OFF_SEQ);
	s->ack = get32(tcp + OFF_ACK);
	s->flags = (uint16_t)((tcp[OFF_HDRLEN] << 8 & SEG_AE) | tcp[OFF_FLAGS]);
	s->wnd = get16(tcp + OFF_WND);
	s->up = get16(tcp + OFF_UP);
	s->hdr_len_bytes = (uint8_t)hdr_len_bytes;
	s->data = tcp + hdr_len_bytes;
	s->data_len_bytes = (uint32_t)(len_bytes - hdr_len_bytes);
	if (!checksum_ok(src, dst, tcp, len_bytes))
		return DROP_CHECKSUM;
	return parse_options(&s->opt, s->flags & SEG_SYN, tcp + TCP_HDR_MIN,
			     hdr_len_bytes - TCP_HDR_MIN);
}

/* ---- building ----------------------------------------------------------- */

/* Two bytes of padding or SACK permitted, then the timestamps: Linux puts them
 * so, and a middlebox that knows nothing else must not be surprised. */
static uint8_t *build_ts(uint8_t *p, const struct seg_options *o)
{
	p[0] = o->sack_ok ? OPT_SACK_OK : OPT_NOP;
	p[1] = o->sack_ok ? LEN_SACK_OK : OPT_NOP;
	p[2] = OPT_TS;
	p[3] = LEN_TS;
	put32(p + 4, o->ts_val);
	put32(p + 8, o->ts_ecr);
	return p + 12;
}

static uint8_t *build_sack(uint8_t *p, const uint8_t *end,
			   const struct seg_options *o)
{
	unsigned room = (unsigned)(end - p);
	unsigned fit = room < 4 ? 0 : (room - 4) / LEN_SACK_BLOCK;
	unsigned n = o->sack_n < fit ? o->sack_n : fit;

	if (n == 0)
		return p;
	p[0] = OPT_NOP;
	p[1] = OPT_NOP;
	p[2] = OPT_SACK;
	p[3] = (uint8_t)(LEN_SACK_BASE + n * LEN_SACK_BLOCK);
	p += 4;
	for (unsigned i = 0; i < n; i++, p += LEN_SACK_BLOCK) {
		put32(p, o->sack[i].start);
		put32(p + 4, o->sack[i].end);
	}
	return p;
}

static int accecn_bytes(unsigned counters)
{
	return (int)((LEN_ACCECN_BASE + counters * LEN_ACCECN_COUNTER + 3) & ~3u);
}

/* Padded to whole words, where SACK blocks and the payload begin. */
static uint8_t *build_accecn(uint8_t *p, const struct seg_options *o)
{
	const uint32_t value[3] = {o->ecn_order ? o->ecn_e1b : o->ecn_e0b, o->ecn_ceb,
				   o->ecn_order ? o->ecn_e0b : o->ecn_e1b};
	unsigned n = o->ecn_n < 3 ? o->ecn_n : 3;
	unsigned len = LEN_ACCECN_BASE + n * LEN_ACCECN_COUNTER;

	p[0] = o->ecn_order ? OPT_ACCECN1 : OPT_ACCECN0;
	p[1] = (uint8_t)len;
	for (unsigned i = 0; i < n; i++) {
		uint32_t v = value[i];
		uint8_t *at = p + LEN_ACCECN_BASE + i * LEN_ACCECN_COUNTER;

		at[0] = (uint8_t)(v >> 16);
		put16(at + 1, (uint16_t)v);
	}
	for (; len % 4; len++)
		p[len] = OPT_NOP;
	return p + len;
}

/* With its padding. */
static uint8_t *build_fastopen(uint8_t *p, const struct seg_options *o)
{
	uint8_t *end = p + (LEN_FASTOPEN_BASE + o->cookie_len_bytes + 3) / 4 * 4;

	*p++ = OPT_FASTOPEN;
	*p++ = (uint8_t)(LEN_FASTOPEN_BASE + o->cookie_len_bytes);
	memcpy(p, o->cookie, o->cookie_len_bytes);
	for (p += o->cookie_len_bytes; p < end; p++)
		*p = OPT_NOP;
	return p;
}

static uint8_t *build_options(uint8_t *p, const uint8_t *end,
			      const struct seg_options *o)
{
	if (o->mss) {
		p[0] = OPT_MSS;
		p[1] = LEN_MSS;
		put16(p + 2, o->mss);
		p += 4;
	}
	if (o->ts) {
		p = build_ts(p, o);
	} else if (o->sack_ok) {
		p[0] = OPT_NOP;
		p[1] = OPT_NOP;
		p[2] = OPT_SACK_OK;
		p[3] = LEN_SACK_OK;
		p += 4;
	}
	if (o->wscale >= 0) {
		p[0] = OPT_NOP;
		p[1] = OPT_WSCALE;
		p[2] = LEN_WSCALE;
		p[3] = (uint8_t)o->wscale;
		p += 4;
	}
	if (o->fastopen && end - p >= LEN_FASTOPEN_BASE + o->cookie_len_bytes)
		p = build_fastopen(p, o);
	if (o->ecn && end - p >= accecn_bytes(o->ecn_n))
		p = build_accecn(p, o);
	if (o->uto && end - p >= LEN_UTO) {
		p[0] = OPT_UTO;
		p[1] = LEN_UTO;
		put16(p + 2, o->uto);
		p += 4;
	}
	return build_sack(p, end, o);
}

uint8_t segment_build(const struct segment *s, uint8_t hdr[TCP_HDR_MAX])
{
	uint8_t *end = build_options(hdr + TCP_HDR_MIN, hdr + TCP_HDR_MAX, &s->opt);
	uint8_t len_bytes = (uint8_t)(end - hdr);

	put16(hdr + OFF_SPORT, s->sport);
	put16(hdr + OFF_DPORT, s->dport);
	put32(hdr + OFF_SEQ, s->seq);
	put32(hdr + OFF_ACK, s->ack);
	hdr[OFF_HDRLEN] = (uint8_t)(len_bytes / 4 << 4 | s->flags >> 8);
	hdr[OFF_FLAGS] = (uint8_t)s->flags;
	put16(hdr + OFF_WND, s->wnd);
	put16(hdr + OFF_SUM, 0);
	put16(hdr + OFF_UP, s->up);
	return len_bytes;
}

/* ---- cutting ------------------------------------------------------------ */

/* The part [off, off + n) of the payload, which it must contain. */
static int cut_payload(const struct engine_pkt_out *pkt, uint32_t off, uint32_t n,
		       struct iovec iov[2])
{
	int iovs = 0;

	for (int i = 0; i < pkt->payload_iovs && n > 0; i++) {
		const struct iovec *from = &pkt->payload[i];
		size_t len;

		if (off >= from->iov_len) {
			off -= (uint32_t)from->iov_len;
			continue;
		}
		len = from->iov_len - off;
		if (len > n)
			len = n;
		iov[iovs].iov_base = (uint8_t *)from->iov_base + off;
		iov[iovs++].iov_len = len;
		n -= (uint32_t)len;
		off = 0;
	}
	return iovs;
}

int segment_cut(const struct engine_pkt_out *pkt, uint32_t off,
		uint8_t hdr[TCP_HDR_MAX], struct iovec iov[2],
		uint32_t *len_bytes)
{
	uint32_t left = pkt->payload_len_bytes - off;
	bool last = left <= pkt->mss_bytes;

	*len_bytes = last ? left : pkt->mss_bytes;
	memcpy(hdr, pkt->hdr, pkt->hdr_len_bytes);
	put32(hdr + OFF_SEQ, get32(hdr + OFF_SEQ) + off);
	put16(hdr + OFF_SUM, 0);
	if (!last)
		hdr[OFF_FLAGS] &= (uint8_t)~(SEG_FIN | SEG_PSH);
	if (off > 0 && !pkt->ace)
		hdr[OFF_FLAGS] &= (uint8_t)~SEG_CWR;
	return cut_payload(pkt, off, *len_bytes, iov);
}
