/* icmp6.c - ICMPv6 errors about our segments (RFC 4443 3). Owns nothing.
 *
 * The kernel has verified the checksum when it hands out a message, and taken the
 * IPv6 header off; of the rest it has looked at nothing.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>

#include "inside.h"

/* Headers before the TCP of a quoted packet; we send none, tunnels may add some. */
#define EXTENSIONS_MAX 8

/* icmpv6_err_convert() in Linux's net/ipv6/icmp.c; 0: not known. */
static int icmp6_errno(uint8_t type, uint8_t code)
{
	static const uint8_t unreach[] = {
		[ICMP6_DST_UNREACH_NOROUTE] = ENETUNREACH,
		[ICMP6_DST_UNREACH_ADMIN] = EACCES,
		[ICMP6_DST_UNREACH_BEYONDSCOPE] = EHOSTUNREACH,
		[ICMP6_DST_UNREACH_ADDR] = EHOSTUNREACH,
		[ICMP6_DST_UNREACH_NOPORT] = ECONNREFUSED,
		[5] = EACCES, /* source address failed policy */
		[6] = EACCES, /* reject route */
	};

	switch (type) {
	case ICMP6_DST_UNREACH:
		return code < sizeof(unreach) ? unreach[code] : EPROTO;
	case ICMP6_PACKET_TOO_BIG:
		return EMSGSIZE;
	case ICMP6_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP6_PARAM_PROB:
		return EPROTO;
	default:
		return 0;
	}
}

/* Where TCP begins in the quoted packet of len bytes, 0: nowhere. */
static size_t quoted_tcp(const uint8_t *ip, size_t len)
{
	uint8_t next = ip[6];
	size_t at = IP6_HDR_BYTES;

	for (int i = 0; i < EXTENSIONS_MAX && next != IPPROTO_TCP; i++) {
		if (at + 8 > len)
			return 0;
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			next = ip[at];
			at += 8 * (ip[at + 1] + 1u);
			break;
		case IPPROTO_FRAGMENT:
			if (get_be16(ip + at + 2) & 0xfff8)
				return 0; /* not the first one */
			next = ip[at];
			at += 8;
			break;
		default:
			return 0;
		}
	}
	return next == IPPROTO_TCP && at + QUOTED_TCP_BYTES <= len ? at : 0;
}

bool icmp6_parse(const struct link *l, const uint8_t *icmp, size_t len,
		 const struct in6_pktinfo *to, struct engine_icmp *msg)
{
	const uint8_t *ip = icmp + ICMP_HDR_BYTES, *tcp;
	size_t at;

	if (len < ICMP_HDR_BYTES + IP6_HDR_BYTES)
		return false;
	*msg = (struct engine_icmp){.err = icmp6_errno(icmp[0], icmp[1])};
	at = quoted_tcp(ip, len - ICMP_HDR_BYTES);
	if (!msg->err || !at || ip[0] >> 4 != 6 || memcmp(ip + 8, &to->ipi6_addr, 16) != 0)
		return false;
	tcp = ip + at;
	msg->flow.local = (struct endpoint){addr_from_v6(ip + 8, to->ipi6_ifindex),
					    get_be16(tcp)};
	msg->flow.remote = (struct endpoint){addr_from_v6(ip + 24, to->ipi6_ifindex),
					     get_be16(tcp + 2)};
	msg->seq = get_be32(tcp + 4);
	if (msg->err == EMSGSIZE) {
		msg->mtu_bytes = get_be32(icmp + 4);
		msg->pkt_bytes = IP6_HDR_BYTES + get_be16(ip + 4);
	}
	return ports_has(l, V6, msg->flow.local.port);
}
