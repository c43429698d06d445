/* ip.c - see ip.h. */
#include "ip.h"

#include <string.h>

enum {
	IP4_HDR_BYTES = 20, IP6_HDR_BYTES = 40, ICMP_HDR_BYTES = 8,
	IP4_DF = 0x4000, IP4_OFFSET = 0x1fff,
	ECN_NOT = 0, ECN_CE = 3,
	PROTOCOL_ICMP = 1, ICMP_UNREACHABLE = 3, ICMP_FRAGMENTATION_NEEDED = 4,
	ROUTER_TTL = 64,
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1071; the length is even or the last byte is padded. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += get16(p + i);
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Length of the IPv4 header; 0: it is none. */
static size_t ip4_header(const uint8_t *packet, size_t len_bytes)
{
	size_t hdr = len_bytes ? (packet[0] & 15u) * 4u : 0;

	if (len_bytes < IP4_HDR_BYTES || packet[0] >> 4 != 4 || hdr < IP4_HDR_BYTES ||
	    hdr > len_bytes)
		return 0;
	return hdr;
}

static bool is_ect(unsigned ecn)
{
	return ecn != ECN_NOT && ecn != ECN_CE;
}

bool ip_mark_ce(uint8_t *packet, size_t len_bytes)
{
	size_t hdr = ip4_header(packet, len_bytes);

	if (hdr) {
		if (!is_ect(packet[1] & 3u))
			return false;
		packet[1] |= ECN_CE;
		put16(packet + 10, 0);
		put16(packet + 10, checksum(packet, hdr));
		return true;
	}
	/* The traffic class straddles the first two bytes. */
	if (len_bytes < IP6_HDR_BYTES || packet[0] >> 4 != 6 || !is_ect(packet[1] >> 4 & 3u))
		return false;
	packet[1] |= ECN_CE << 4;
	return true;
}

static bool deserves_answer(const uint8_t *packet, size_t hdr, size_t len_bytes)
{
	uint16_t fragment = get16(packet + 6);
	unsigned type;

	if (!(fragment & IP4_DF) || (fragment & IP4_OFFSET))
		return false;
	if (packet[9] != PROTOCOL_ICMP)
		return true;
	type = len_bytes > hdr ? packet[hdr] : ICMP_UNREACHABLE;
	return type == 0 || type == 8; /* of ICMP only echo */
}

size_t ip_too_big(uint8_t out[IP_TOO_BIG_MAX_BYTES], const uint8_t *packet,
		  size_t len_bytes, uint32_t mtu_bytes)
{
	size_t hdr = ip4_header(packet, len_bytes), quoted = len_bytes, n;
	uint8_t *icmp = out + IP4_HDR_BYTES;

	if (!hdr || !deserves_answer(packet, hdr, len_bytes))
		return 0;
	if (quoted > IP_TOO_BIG_MAX_BYTES - IP4_HDR_BYTES - ICMP_HDR_BYTES)
		quoted = IP_TOO_BIG_MAX_BYTES - IP4_HDR_BYTES - ICMP_HDR_BYTES;
	n = IP4_HDR_BYTES + ICMP_HDR_BYTES + quoted;
	memset(out, 0, IP4_HDR_BYTES + ICMP_HDR_BYTES);
	out[0] = 4 << 4 | IP4_HDR_BYTES / 4;
	put16(out + 2, (uint32_t)n);
	out[8] = ROUTER_TTL;
	out[9] = PROTOCOL_ICMP;
	memcpy(out + 12, packet + 16, 4);
	memcpy(out + 16, packet + 12, 4);
	put16(out + 10, checksum(out, IP4_HDR_BYTES));
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = ICMP_FRAGMENTATION_NEEDED;
	put16(icmp + 6, mtu_bytes);
	memcpy(icmp + ICMP_HDR_BYTES, packet, quoted);
	put16(icmp + 2, checksum(icmp, ICMP_HDR_BYTES + quoted));
	return n;
}
