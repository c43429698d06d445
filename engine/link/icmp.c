/* icmp.c - ICMP errors about our segments (RFC 792, RFC 1122 3.2.2), and those of
 * ICMPv6 together with icmp6.c.
 *
 * The filters of the raw ICMP sockets pass errors only. The kernel has not looked at
 * what arrives here: the checksum and every length are checked.
 * A message counts if it quotes the first eight bytes of TCP or more (ports and
 * sequence number), sent from the address that the message came to and from a
 * guarded port; whether the sequence number is in flight, the engine decides.
 */
#include <errno.h>
#include <netinet/in.h> /* before what of Linux's would replace it */

#include <linux/icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

/* Errors are at most 576 bytes long (RFC 1812 4.3.2.3), most hosts keep to it. */
#define ICMP_MSG_MAX 2048
#define ICMP_ROUNDS_MAX 64

/* icmp_err_convert[] in Linux's net/ipv4/icmp.c; 0: not known. */
static int icmp_errno(uint8_t type, uint8_t code)
{
	static const uint8_t unreach[] = {
		[ICMP_NET_UNREACH] = ENETUNREACH,  [ICMP_HOST_UNREACH] = EHOSTUNREACH,
		[ICMP_PROT_UNREACH] = ENOPROTOOPT, [ICMP_PORT_UNREACH] = ECONNREFUSED,
		[ICMP_FRAG_NEEDED] = EMSGSIZE,     [ICMP_SR_FAILED] = EOPNOTSUPP,
		[ICMP_NET_UNKNOWN] = ENETUNREACH,  [ICMP_HOST_UNKNOWN] = EHOSTDOWN,
		[ICMP_HOST_ISOLATED] = ENONET,     [ICMP_NET_ANO] = ENETUNREACH,
		[ICMP_HOST_ANO] = EHOSTUNREACH,    [ICMP_NET_UNR_TOS] = ENETUNREACH,
		[ICMP_HOST_UNR_TOS] = EHOSTUNREACH, [ICMP_PKT_FILTERED] = EHOSTUNREACH,
		[ICMP_PREC_VIOLATION] = EHOSTUNREACH, [ICMP_PREC_CUTOFF] = EHOSTUNREACH,
	};

	switch (type) {
	case ICMP_DEST_UNREACH:
		return code < sizeof(unreach) ? unreach[code] : 0;
	case ICMP_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP_PARAMETERPROB:
		return EPROTO;
	default:
		return 0;
	}
}

static bool sum_is_good(const uint8_t *p, size_t len_bytes)
{
	uint32_t sum = 0;

	for (; len_bytes > 1; p += 2, len_bytes -= 2)
		sum += get_be16(p);
	if (len_bytes)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* Length of the IPv4 header at ip, 0 if there is none in len_bytes. */
static size_t ip4_hdr_len(const uint8_t *ip, size_t len_bytes)
{
	size_t hdr_len;

	if (len_bytes < IP4_HDR_BYTES || ip[0] >> 4 != 4)
		return 0;
	hdr_len = (ip[0] & 15) * 4u;
	return hdr_len < IP4_HDR_BYTES || hdr_len > len_bytes ? 0 : hdr_len;
}

static bool icmp4_parse(const struct link *l, const uint8_t *ip, size_t len,
		       struct engine_icmp *msg)
{
	size_t hdr_len = ip4_hdr_len(ip, len);
	const uint8_t *icmp = ip + hdr_len, *quoted = icmp + ICMP_HDR_BYTES, *tcp;

	len -= hdr_len;
	if (!hdr_len || len < ICMP_HDR_BYTES || !sum_is_good(icmp, len))
		return false;
	*msg = (struct engine_icmp){.err = icmp_errno(icmp[0], icmp[1])};
	len -= ICMP_HDR_BYTES;
	hdr_len = ip4_hdr_len(quoted, len);
	if (!msg->err || !hdr_len || len - hdr_len < QUOTED_TCP_BYTES ||
	    quoted[9] != IPPROTO_TCP || (get_be16(quoted + 6) & 0x1fff) != 0 ||
	    memcmp(quoted + 12, ip + 16, 4) != 0)
		return false;
	tcp = quoted + hdr_len;
	msg->flow.local = (struct endpoint){addr_from_v4(quoted + 12), get_be16(tcp)};
	msg->flow.remote = (struct endpoint){addr_from_v4(quoted + 16), get_be16(tcp + 2)};
	msg->seq = get_be32(tcp + 4);
	if (msg->err == EMSGSIZE) {
		msg->mtu_bytes = get_be16(icmp + 6);
		msg->pkt_bytes = get_be16(quoted + 2);
	}
	return ports_has(l, V4, msg->flow.local.port);
}

/* Reads a message into buf; its length or a negative errno. *to: the address that
 * it came to, for ICMPv6. */
static ssize_t icmp_read(struct link *l, int family, uint8_t *buf, struct in6_pktinfo *to)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(*to))];
	} ctl;
	struct iovec iov = {buf, ICMP_MSG_MAX};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.room,
			   .msg_controllen = sizeof(ctl.room)};
	ssize_t len = recvmsg(icmp_fd(l, family), &m, MSG_DONTWAIT | MSG_TRUNC);
	struct cmsghdr *c;

	if (len < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	*to = (struct in6_pktinfo){.ipi6_ifindex = 0};
	if (c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		memcpy(to, CMSG_DATA(c), sizeof(*to));
	return len;
}

static int icmp_recv(struct link *l, int family, struct engine_icmp *msgs, int n)
{
	uint8_t buf[ICMP_MSG_MAX];
	struct in6_pktinfo to;
	int out = 0;

	for (int round = 0; out < n && round < ICMP_ROUNDS_MAX; round++) {
		ssize_t len = icmp_read(l, family, buf, &to);

		if (len == -EINTR)
			continue;
		if (len < 0)
			return out || len == -EAGAIN ? out : (int)len;
		if (len > ICMP_MSG_MAX)
			l->stats.truncated++;
		else
			out += family == V4 ? icmp4_parse(l, buf, len, &msgs[out])
					    : icmp6_parse(l, buf, len, &to, &msgs[out]);
	}
	return out;
}

int link_recv_icmp(struct link *l, struct engine_icmp *msgs, int n)
{
	int out = tx_take_too_big(l, msgs, n), err = 0;

	for (int i = 0; i < FAMILIES && out < n; i++) {
		int got = icmp_fd(l, i) < 0 ? 0 : icmp_recv(l, i, msgs + out, n - out);

		if (got < 0)
			err = got;
		else
			out += got;
	}
	return out ? out : err;
}
