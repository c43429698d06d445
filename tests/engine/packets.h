/* packets.h - captured segments, and the plain ways to make and check more. */
#ifndef TEST_PACKETS_H
#define TEST_PACKETS_H

#include <stdlib.h>
#include <string.h>

#include "../../engine/addr.h"
#include "../../engine/segment.h"
#include "rnd.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct ip_addr v4_lo = {{[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
static const struct ip_addr v6_lo = {{[15] = 1}};

/* Linux to itself over loopback. In the capture the checksum field held the
 * pseudo-header sum; `sum` is what tcpdump says it should be. */
static const uint8_t linux_syn[] = {
	0xb1, 0x9e, 0x15, 0xb3, 0x84, 0x38, 0x4f, 0x48, 0x00, 0x00, 0x00, 0x00,
	0xa0, 0x02, 0xff, 0xd7, 0xfe, 0x30, 0x00, 0x00, 0x02, 0x04, 0xff, 0xd7,
	0x04, 0x02, 0x08, 0x0a, 0xbd, 0x28, 0x32, 0x03, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x03, 0x03, 0x0a,
};
static const uint8_t linux_syn_ack[] = {
	0x15, 0xb3, 0xb1, 0x9e, 0x3e, 0x5f, 0xfc, 0x07, 0x84, 0x38, 0x4f, 0x49,
	0xa0, 0x12, 0xff, 0xcb, 0xfe, 0x30, 0x00, 0x00, 0x02, 0x04, 0xff, 0xd7,
	0x04, 0x02, 0x08, 0x0a, 0xdd, 0xb2, 0x9c, 0x05, 0xbd, 0x28, 0x32, 0x03,
	0x01, 0x03, 0x03, 0x0a,
};
static const uint8_t linux_hello[] = {
	0xb1, 0x9e, 0x15, 0xb3, 0x84, 0x38, 0x4f, 0x49, 0x3e, 0x5f, 0xfc, 0x08,
	0x80, 0x18, 0x00, 0x40, 0xfe, 0x2e, 0x00, 0x00, 0x01, 0x01, 0x08, 0x0a,
	0xbd, 0x28, 0x32, 0x03, 0xdd, 0xb2, 0x9c, 0x05, 'h', 'e', 'l', 'l', 'o',
	'\n',
};
static const uint8_t linux_hi[] = { /* odd length */
	0x15, 0xb3, 0xb1, 0x9e, 0x3e, 0x5f, 0xfc, 0x08, 0x84, 0x38, 0x4f, 0x4f,
	0x80, 0x18, 0x00, 0x40, 0xfe, 0x2b, 0x00, 0x00, 0x01, 0x01, 0x08, 0x0a,
	0xdd, 0xb2, 0x9c, 0x05, 0xbd, 0x28, 0x32, 0x03, 'h', 'i', '\n',
};

static const struct captured {
	const uint8_t *tcp;
	size_t len_bytes;
	uint16_t sum;
} captured[] = {
	{linux_syn, sizeof(linux_syn), 0xc600},
	{linux_syn_ack, sizeof(linux_syn_ack), 0x11dc},
	{linux_hello, sizeof(linux_hello), 0xf670},
	{linux_hi, sizeof(linux_hi), 0xc7e0},
};

static inline void set_sum(uint8_t *tcp, uint16_t sum)
{
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
}

/* ---- a checksum as RFC 1071 words it, slowly ---------------------------- */

static inline uint32_t naive_words(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline uint16_t naive_pseudo(const struct ip_addr *src, const struct ip_addr *dst,
			     size_t len)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = memcmp(src, mapped, 12) == 0 && memcmp(dst, mapped, 12) == 0;
	const uint8_t tail[8] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
				 (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, 6};
	size_t skip = v4 ? 12 : 0;
	uint32_t sum = naive_words(0, src->b + skip, 16 - skip);

	sum = naive_words(sum, dst->b + skip, 16 - skip);
	return (uint16_t)naive_words(sum, tail, sizeof(tail));
}

static inline struct ip_addr random_addr(struct rnd *rnd)
{
	struct ip_addr a = v4_lo;

	if (rnd_below(rnd, 3))
		rnd_fill(rnd, a.b + 12, 4);
	else
		rnd_fill(rnd, a.b, 16);
	return addr_wire(&a);
}

/* Parses a copy of exactly len bytes, so that ASan sees every byte read beyond
 * them. s->data is not valid afterwards. */
static inline enum drop parse_copy(const struct ip_addr *addr, const uint8_t *tcp,
				   size_t len, struct segment *s)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum drop d;

	assert_non_null(copy);
	memcpy(copy, tcp, len);
	d = segment_parse(s, addr, addr, copy, len);
	free(copy);
	return d;
}

#endif
