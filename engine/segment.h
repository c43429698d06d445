/* segment.h - TCP segments on the wire: parsing, building, checksums, cutting
 * (RFC 9293 3.1 and 3.2, RFC 7323 2 and 3, RFC 2018 2 and 3).
 */
#ifndef MYTCP_SEGMENT_H
#define MYTCP_SEGMENT_H

#include "engine.h"

enum {
	SEG_FIN = 0x01,
	SEG_SYN = 0x02,
	SEG_RST = 0x04,
	SEG_PSH = 0x08,
	SEG_ACK = 0x10,
	SEG_URG = 0x20,
	SEG_ECE = 0x40,
	SEG_CWR = 0x80,
	SEG_AE = 0x100, /* Accurate ECN, once the nonce sum: RFC 9768 3.1.1 */
};

#define TCP_HDR_MIN 20
#define TCP_HDR_MAX 60
#define SACK_BLOCKS_MAX 4
#define COOKIE_MAX_BYTES 16

/* AE, CWR and ECE read as one number, RFC 9768 3.2.2. */
#define ACE_SHIFT 6
#define ACE_FLAGS (SEG_AE | SEG_CWR | SEG_ECE)

enum ip_ecn { /* the ECN field of an IP header, RFC 3168 5 */
	IP_NOT_ECT = 0,
	IP_ECT1 = 1,
	IP_ECT0 = 2,
	IP_CE = 3,
};
#define IP_ECN_MASK 3

struct seq_range { /* [start, end) */
	uint32_t start, end;
};

/* The options we understand; parsed or to be built. */
struct seg_options {
	uint16_t mss;   /* 0: absent */
	int8_t wscale;  /* -1: absent; above 14 is taken as 14 (RFC 7323 2.3) */
	bool sack_ok;
	bool ts;
	uint32_t ts_val, ts_ecr;
	bool fastopen;  /* RFC 7413, with SYN only; without a cookie: a request */
	uint8_t cookie_len_bytes, cookie[COOKIE_MAX_BYTES];
	uint16_t uto;   /* user timeout as in the option's field, 0: absent */
	uint8_t sack_n;
	struct seq_range sack[SACK_BLOCKS_MAX];
	/* AccECN option, RFC 9768 3.2.3: the first ecn_n of the counters E0B,
	 * CEB, E1B, from the other end with ecn_order 1; 24 bits of each. */
	bool ecn;
	uint8_t ecn_order, ecn_n;
	uint32_t ecn_e0b, ecn_ceb, ecn_e1b;
};

/* One segment, the RFC's SEG.* variables. */
struct segment {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t flags;
	uint16_t wnd;  /* as on the wire, unscaled */
	uint16_t up;   /* urgent pointer, an offset */
	struct seg_options opt;
	uint8_t hdr_len_bytes;
	const uint8_t *data;
	uint32_t data_len_bytes;
	uint8_t ip_ecn; /* of the packet that it came in; segment_parse(): 0 */
};

/* SEG.LEN: payload and one for each of SYN and FIN. */
static inline uint32_t seg_len(const struct segment *s)
{
	return s->data_len_bytes + !!(s->flags & SEG_SYN) + !!(s->flags & SEG_FIN);
}

/* Parses len bytes at tcp and verifies the checksum: the full sum or the folded
 * pseudo-header sum alone, which offloads leave (CHECKSUM_PARTIAL). src and dst
 * both v4-mapped: IPv4's pseudo-header, else IPv6's.
 * Unknown options are skipped (MUST-6). A known option with a wrong length is
 * ignored; an option whose length is 0, 1 or runs beyond the header is
 * DROP_OPTION (MUST-7). MSS, window scale and SACK-permitted count only with
 * SYN. Of an option given twice the last counts. Addresses and ports are not
 * judged. *s points into tcp. On a drop for anything but DROP_SHORT,
 * DROP_OFFSET the fixed header's fields in *s are set. */
enum drop segment_parse(struct segment *s, const struct ip_addr *src,
			const struct ip_addr *dst, const uint8_t *tcp,
			size_t len_bytes);

/* Writes header and options of *s to hdr; returns its length. data and
 * hdr_len_bytes are not looked at, the checksum is 0. Options are laid out as
 * Linux does: MSS; SACK permitted + timestamps, or NOP NOP timestamps; NOP +
 * window scale; AccECN if it fits into 60 bytes, and NOPs to a whole word; user
 * timeout if there is room; NOP NOP + SACK blocks, as many as fit. */
uint8_t segment_build(const struct segment *s, uint8_t hdr[TCP_HDR_MAX]);

/* The one's complement checksum for header (checksum field taken as zero) and
 * payload, in the value to be stored big-endian at offset 16. */
uint16_t segment_checksum(const struct ip_addr *src, const struct ip_addr *dst,
			  const uint8_t *hdr, size_t hdr_len_bytes,
			  const struct iovec *payload, int iovs);
/* The folded, not complemented pseudo-header sum, for CHECKSUM_PARTIAL. */
uint16_t segment_pseudo_sum(const struct ip_addr *src,
			    const struct ip_addr *dst, size_t tcp_len_bytes);

/* Cuts one wire segment out of a burst: payload [off, off + mss) or less at the
 * end. Copies the header with SEG.SEQ advanced by off, FIN and PSH only on the
 * last segment and CWR only on the first, unless it is a bit of ACE; checksum
 * zero; fills iov with the payload. Returns the number of iovs; *len_bytes is the
 * payload's length. */
int segment_cut(const struct engine_pkt_out *pkt, uint32_t off,
		uint8_t hdr[TCP_HDR_MAX], struct iovec iov[2],
		uint32_t *len_bytes);

/* Does the link have to cut it? */
static inline bool segment_is_burst(const struct engine_pkt_out *pkt)
{
	return pkt->payload_len_bytes > pkt->mss_bytes;
}

#endif
