/* fuzz_segment.c - segment_parse() on any bytes: what it accepts lies within the
 * packet, and what segment_build() makes of it parses to the same again. */
#include "fuzz.h"

#include "../../engine/addr.h"
#include "../../engine/segment.h"

static struct ip_addr address(uint8_t last, bool v6)
{
	uint8_t v4[4] = {10, 0, 0, last};

	if (v6)
		return (struct ip_addr){{0xfd, [15] = last}};
	return addr_from_v4(v4);
}

static void check_bounds(const struct segment *s, const uint8_t *tcp, size_t len)
{
	check(s->hdr_len_bytes >= TCP_HDR_MIN && s->hdr_len_bytes <= TCP_HDR_MAX);
	check(s->hdr_len_bytes <= len);
	check(s->data == tcp + s->hdr_len_bytes || s->data_len_bytes == 0);
	check(s->hdr_len_bytes + (size_t)s->data_len_bytes == len);
	check(s->opt.sack_n <= SACK_BLOCKS_MAX);
	check(s->opt.ecn_n <= 3);
	check(s->opt.wscale >= -1 && s->opt.wscale <= 14);
	if (!(s->flags & SEG_SYN))
		check(!s->opt.mss && s->opt.wscale < 0 && !s->opt.sack_ok);
}

static void check_rebuilt(const struct segment *s, const struct ip_addr *src,
			  const struct ip_addr *dst)
{
	uint8_t hdr[TCP_HDR_MAX];
	struct segment again;
	uint8_t len = segment_build(s, hdr);
	uint16_t sum = segment_checksum(src, dst, hdr, len, NULL, 0);

	check(len >= TCP_HDR_MIN && len <= TCP_HDR_MAX && len % 4 == 0);
	hdr[16] = (uint8_t)(sum >> 8);
	hdr[17] = (uint8_t)sum;
	check(segment_parse(&again, src, dst, hdr, len) == DROP_NONE);
	check(again.seq == s->seq && again.ack == s->ack && again.wnd == s->wnd);
	check(again.sport == s->sport && again.dport == s->dport);
	check(again.flags == s->flags);
	check(again.opt.ts == s->opt.ts && again.opt.mss == s->opt.mss);
	check(again.opt.wscale == s->opt.wscale && again.opt.sack_ok == s->opt.sack_ok);
	check(!s->opt.ts || again.opt.ts_val == s->opt.ts_val);
	check(again.opt.fastopen == s->opt.fastopen &&
	      again.opt.cookie_len_bytes == s->opt.cookie_len_bytes);
	check(!memcmp(again.opt.cookie, s->opt.cookie, s->opt.cookie_len_bytes));
	if (s->opt.fastopen)
		return; /* the padding may leave no room for the others */
	check(again.opt.ecn == s->opt.ecn && again.opt.ecn_n == s->opt.ecn_n);
	check(s->opt.ecn_n < 2 || again.opt.ecn_ceb == s->opt.ecn_ceb);
	check(again.opt.sack_n <= s->opt.sack_n);
	check(!memcmp(again.opt.sack, s->opt.sack, again.opt.sack_n * sizeof(s->opt.sack[0])));
}

/* An exact copy on the heap, so that a sanitizer sees the first byte too many. */
static void parse(const uint8_t *bytes, size_t len, bool v6, bool fix)
{
	struct ip_addr src = address(1, v6), dst = address(2, v6);
	uint8_t *tcp = calloc(1, len ? len : 1);
	struct segment s;

	if (!tcp)
		abort();
	if (len)
		memcpy(tcp, bytes, len);
	if (fix && len >= TCP_HDR_MIN) {
		struct iovec iov = {tcp + TCP_HDR_MIN, len - TCP_HDR_MIN};
		uint16_t sum = segment_checksum(&src, &dst, tcp, TCP_HDR_MIN, &iov, 1);

		tcp[16] = (uint8_t)(sum >> 8);
		tcp[17] = (uint8_t)sum;
	}
	if (segment_parse(&s, &src, &dst, tcp, len) == DROP_NONE) {
		check_bounds(&s, tcp, len);
		check_rebuilt(&s, &src, &dst);
	} else {
		check(!fix || len < TCP_HDR_MIN || tcp[12] >> 4 != 5);
	}
	free(tcp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t tcp[128];
	size_t len;

	parse(data, size, false, false);
	parse(data, size, true, true);
	parse(data, size, false, true);
	/* And with a data offset that fits, which chance seldom gives. */
	len = size < sizeof(tcp) ? size : sizeof(tcp);
	if (len < TCP_HDR_MIN)
		return 0;
	memcpy(tcp, data, len);
	tcp[12] = (uint8_t)((len > TCP_HDR_MAX ? 15 : len / 4) << 4);
	parse(tcp, len, false, true);
	return 0;
}
