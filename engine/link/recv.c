/* recv.c - takes packets from the raw sockets.
 *
 * Owns the receive buffers: RX_BATCH slots that hold any packet, in
 * memory that costs nothing until a packet is written there. They grow when a host
 * shows that it makes larger aggregates (gro_max_size of ip-link(8)), which costs
 * the first one. Packets are handed out in place. Nothing of a packet is believed but
 * what the kernel's IP layer has checked. IPv4 comes with its header: version, header
 * length and total length are compared with what was received. IPv6 comes without any
 * header, those of extensions included; addresses and traffic class are told beside it.
 *
 * What is not addressed to this host alone is dropped: with IPv4 a destination is
 * local if IP_PKTINFO's "address to answer from" equals it; with IPv6 there are
 * multicasts and, for SYNs alone, as in Linux, anycasts to tell from the rest.
 */
#include <errno.h>
#include <sys/socket.h>

#include "../segment.h"
#include "inside.h"

#define RX_BATCH 64
/* Not a multiple of 4096: the headers of all slots would share a cache set. */
#define RX_SLOT_BYTES (65536 + 192)
#define RX_SLOT_LARGE_BYTES (8 * 65536 + 192) /* Linux's GRO_MAX_SIZE */
/* A flood of packets that are not for us must not keep link_recv() busy. */
#define RX_ROUNDS_MAX 16

struct rx {
	uint8_t *mem;
	size_t slot_bytes;
	bool too_small; /* a packet did not fit */
	struct mmsghdr msgs[RX_BATCH];
	struct iovec iov[RX_BATCH];
	struct sockaddr_in6 from[RX_BATCH]; /* IPv6 only */
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
	} ctl[RX_BATCH];
	int turn; /* the family that goes first */
};

/* What is in the slots is lost. */
static int rx_resize(struct rx *rx, size_t slot_bytes)
{
	uint8_t *mem = calloc(RX_BATCH, slot_bytes);

	if (!mem)
		return -ENOMEM;
	free(rx->mem);
	rx->mem = mem;
	rx->slot_bytes = slot_bytes;
	for (int i = 0; i < RX_BATCH; i++)
		rx->iov[i] = (struct iovec){mem + (size_t)i * slot_bytes, slot_bytes};
	return 0;
}

int rx_open(struct link *l)
{
	struct rx *rx = calloc(1, sizeof(*rx));

	if (!rx)
		return -ENOMEM;
	l->rx = rx;
	for (int i = 0; i < RX_BATCH; i++) {
		struct msghdr *m = &rx->msgs[i].msg_hdr;

		m->msg_iov = &rx->iov[i];
		m->msg_iovlen = 1;
		m->msg_control = rx->ctl[i].room;
		m->msg_name = &rx->from[i];
	}
	return rx_resize(rx, RX_SLOT_BYTES);
}

void rx_close(struct link *l)
{
	if (!l->rx)
		return;
	free(l->rx->mem);
	free(l->rx);
}

/* The device by which a packet came, if its destination is an address of this
 * host; else 0. fib_compute_spec_dst() in the kernel: broadcasts and multicasts
 * get one of our addresses instead of their own destination. */
static uint32_t ip4_device(struct msghdr *m, const uint8_t *ip)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct in_pktinfo info;

	if (!c || c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
		return 0;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (info.ipi_spec_dst.s_addr != info.ipi_addr.s_addr ||
	    memcmp(&info.ipi_addr, ip + 16, 4) != 0)
		return 0;
	return info.ipi_ifindex;
}

/* Was the packet in slot i longer than that? Then the next one may fit. */
static bool rx_truncated(struct link *l, int i)
{
	if (!(l->rx->msgs[i].msg_hdr.msg_flags & MSG_TRUNC))
		return false;
	l->stats.truncated++;
	l->rx->too_small = l->rx->slot_bytes < RX_SLOT_LARGE_BYTES;
	return true;
}

/* Makes *p of what lies in slot i; the device by which it came, 0: not for us. */
static uint32_t rx_ip4(struct link *l, int i, struct engine_pkt_in *p)
{
	struct msghdr *m = &l->rx->msgs[i].msg_hdr;
	const uint8_t *ip = l->rx->iov[i].iov_base;
	size_t len = l->rx->msgs[i].msg_len, hdr_len, total;
	uint32_t ifindex;

	if (rx_truncated(l, i))
		return 0;
	hdr_len = len >= IP4_HDR_BYTES ? (ip[0] & 15) * 4u : 0;
	total = len >= IP4_HDR_BYTES ? get_be16(ip + 2) : 0;
	if (total == 0 && len > IP_TOTAL_MAX) /* an aggregate whose length it cannot say */
		total = len;
	if (hdr_len < IP4_HDR_BYTES || ip[0] >> 4 != 4 ||
	    total > len || total < hdr_len) {
		l->stats.truncated++;
		return 0;
	}
	ifindex = ip4_device(m, ip);
	if (!ifindex)
		l->stats.not_local++;
	*p = (struct engine_pkt_in){
		.src = addr_from_v4(ip + 12),
		.dst = addr_from_v4(ip + 16),
		.tcp = ip + hdr_len,
		.tcp_len_bytes = total - hdr_len,
		.tos = ip[1], /* of an aggregate too: GRO joins equals only */
		.ttl = ip[8],
	};
	return ifindex;
}

/* Not a group's; not IPv4's, whose form would make us take it for one
 * (RFC 4291 2.5.5.2: never on the wire); and with room for a scope. */
static bool ip6_usable(const struct ip_addr *a)
{
	return a->b[0] != 0xff && !addr_is_v4(a) && addr_scope(a) == 0;
}

static uint32_t rx_ip6(struct link *l, int i, struct engine_pkt_in *p)
{
	struct msghdr *m = &l->rx->msgs[i].msg_hdr;
	struct in6_pktinfo info = {.ipi6_ifindex = 0};
	int tclass = 0, hops = 0;

	if (rx_truncated(l, i))
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != IPPROTO_IPV6)
			continue;
		if (c->cmsg_type == IPV6_PKTINFO)
			memcpy(&info, CMSG_DATA(c), sizeof(info));
		else if (c->cmsg_type == IPV6_TCLASS)
			memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
		else if (c->cmsg_type == IPV6_HOPLIMIT)
			memcpy(&hops, CMSG_DATA(c), sizeof(hops));
	}
	*p = (struct engine_pkt_in){
		.tcp = l->rx->iov[i].iov_base,
		.tcp_len_bytes = l->rx->msgs[i].msg_len,
		.tos = tclass,
		.ttl = hops,
	};
	memcpy(p->src.b, &l->rx->from[i].sin6_addr, sizeof(p->src.b));
	memcpy(p->dst.b, &info.ipi6_addr, sizeof(p->dst.b));
	if (!info.ipi6_ifindex || !ip6_usable(&p->src) || !ip6_usable(&p->dst)) {
		l->stats.not_local++;
		return 0;
	}
	addr_set_scope(&p->src, info.ipi6_ifindex);
	addr_set_scope(&p->dst, info.ipi6_ifindex);
	return info.ipi6_ifindex;
}

static bool is_syn(const struct engine_pkt_in *p)
{
	return p->tcp_len_bytes >= TCP_HDR_MIN &&
	       (p->tcp[13] & (SEG_SYN | SEG_ACK)) == SEG_SYN;
}

/* Makes *p of what lies in slot i; false: not for us. */
static bool rx_take(struct link *l, int family, int i, struct engine_pkt_in *p)
{
	uint32_t ifindex = family == V4 ? rx_ip4(l, i, p) : rx_ip6(l, i, p);

	if (!ifindex)
		return false;
	p->ifindex = ifindex;
	if (p->tcp_len_bytes < TCP_HDR_MIN) /* the engine counts those */
		return p->tcp_len_bytes >= 4 && ports_has(l, family, get_be16(p->tcp + 2));
	if (!ports_has(l, family, get_be16(p->tcp + 2)))
		return false;
	if (is_syn(p) && !route_accepts(l, p)) {
		l->stats.not_local++;
		return false;
	}
	return true;
}

/* Appends what is for us of the n slots from i on. more: the socket has others. */
static void rx_take_all(struct link *l, int family, int i, int n, bool more,
			struct engine_pkt_in *pkts, int *out)
{
	unsigned syns = 0;

	for (int k = i; k < i + n; k++) {
		if (!rx_take(l, family, k, &pkts[*out]))
			continue;
		syns += is_syn(&pkts[*out]);
		++*out;
	}
	ports_took(l, family, (unsigned)n, syns, more);
}

/* Fills up to n slots from i on; how many, or a negative errno. */
static int rx_read(struct link *l, int family, int i, int n)
{
	struct rx *rx = l->rx;
	int got;

	if (raw_fd(l, family) < 0)
		return 0;
	for (int k = i; k < i + n; k++) {
		rx->msgs[k].msg_hdr.msg_controllen = sizeof(rx->ctl[k]);
		rx->msgs[k].msg_hdr.msg_namelen = sizeof(rx->from[k]);
	}
	do
		got = recvmmsg(raw_fd(l, family), rx->msgs + i, n, MSG_DONTWAIT, NULL);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return got;
}

int link_recv(struct link *l, struct engine_pkt_in *pkts, int n)
{
	struct rx *rx = l->rx;
	int out = 0, err = 0;

	if (n > RX_BATCH)
		n = RX_BATCH;
	if (rx->too_small) {
		rx->too_small = false;
		rx_resize(rx, RX_SLOT_LARGE_BYTES); /* else as before */
	}
	for (int round = 0; out == 0 && round < RX_ROUNDS_MAX; round++) {
		int used = 0;

		rx->turn ^= 1; /* neither shall wait for ever */
		for (int k = 0; k < FAMILIES && used < n; k++) {
			int family = rx->turn ^ k, got = rx_read(l, family, used, n - used);

			if (got < 0) {
				err = got;
				continue;
			}
			rx_take_all(l, family, used, got, got == n - used, pkts, &out);
			used += got;
		}
		if (used < n)
			break;
	}
	l->stats.pkts_in += out;
	return out ? out : err;
}
