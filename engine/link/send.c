/* send.c - sends segments through the raw sockets, bursts cut into pieces.
 *
 * Owns a batch for each family, of up to TX_BATCH packets that go out by one
 * sendmmsg(2). They are empty between two calls of link_send(). Order is kept
 * within a family: a burst that leaves by the packet socket waits until the batch
 * has gone.
 *
 * A segment that is too large for the device by now is reported as a router would
 * report it, through link_recv_icmp().
 *
 * The IP header is ours (IP_HDRINCL, IPV6_HDRINCL). The source address is given in
 * a control message too, because the kernel chooses the route by that one and not
 * by the header.
 *
 * Each flow of IPv6 has a label (RFC 6437 3): a keyed hash, so that nobody can tell
 * one flow's from another's. It is in the upper half of the numbers, which Linux
 * keeps for labels that nobody has asked for (net.ipv6.flowlabel_state_ranges).
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "../random.h"
#include "../segment.h"
#include "inside.h"

#define TX_BATCH 64
/* How long one link_send() may wait for the socket's buffer to drain. */
#define TX_WAIT_MS 20
#define IP4_DF 0x40
#define TOO_BIG_MAX 16
#define LABEL_MASK 0x7ffff
#define LABEL_UPPER_HALF 0x80000

struct tx_slot {
	uint8_t hdr[IP_HDR_MAX + TCP_HDR_MAX];
	struct iovec iov[3];
	union sockaddr_ip to;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} ctl;
};

struct tx_batch {
	int fd; /* -1: not to be had */
	int n;
	struct mmsghdr msgs[TX_BATCH];
	struct tx_slot slots[TX_BATCH];
};

struct tx {
	struct tx_batch batch[FAMILIES];
	int wait_left_ms; /* of this link_send() */
	int err;          /* last loss of this link_send(), negative errno */
	struct engine_icmp too_big[TOO_BIG_MAX]; /* refused for their size */
	int too_big_n;
};

static void batch_open(struct tx_batch *b, int fd, int family)
{
	size_t info_len = family == V4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo);

	b->fd = fd;
	for (int i = 0; i < TX_BATCH; i++) {
		struct tx_slot *s = &b->slots[i];
		struct msghdr *m = &b->msgs[i].msg_hdr;
		struct cmsghdr *c = &s->ctl.align;

		c->cmsg_level = family == V4 ? IPPROTO_IP : IPPROTO_IPV6;
		c->cmsg_type = family == V4 ? IP_PKTINFO : IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(info_len);
		m->msg_name = &s->to;
		m->msg_iov = s->iov;
		m->msg_control = s->ctl.room;
		m->msg_controllen = CMSG_SPACE(info_len);
	}
}

int tx_open(struct link *l)
{
	l->tx = calloc(1, sizeof(*l->tx));
	if (!l->tx)
		return -ENOMEM;
	for (int i = 0; i < FAMILIES; i++)
		batch_open(&l->tx->batch[i], raw_fd(l, i), i);
	return 0;
}

void tx_close(struct link *l)
{
	free(l->tx);
}

static uint16_t ip4_checksum(const uint8_t ip[IP4_HDR_BYTES])
{
	uint32_t sum = 0;

	for (int i = 0; i < IP4_HDR_BYTES; i += 2)
		sum += get_be16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void ip4_header(uint8_t *ip, const struct link *l,
		       const struct engine_pkt_out *pkt, size_t len_bytes)
{
	size_t total = IP4_HDR_BYTES + len_bytes;
	uint16_t sum;

	memset(ip, 0, IP4_HDR_BYTES);
	ip[0] = 4 << 4 | IP4_HDR_BYTES / 4;
	ip[1] = pkt->tos;
	ip[2] = total >> 8;
	ip[3] = total;
	ip[6] = pkt->may_fragment ? 0 : IP4_DF;
	ip[8] = pkt->ttl ? pkt->ttl : l->default_ttl[V4];
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, pkt->src.b + 12, 4);
	memcpy(ip + 16, pkt->dst.b + 12, 4);
	sum = ip4_checksum(ip);
	ip[10] = sum >> 8;
	ip[11] = sum;
}

static uint32_t flow_label(const struct link *l, const struct engine_pkt_out *pkt)
{
	uint8_t flow[36];

	if (!l->flow_labels || pkt->no_flow_label)
		return 0;
	memcpy(flow, pkt->src.b, 16);
	memcpy(flow + 16, pkt->dst.b, 16);
	memcpy(flow + 32, pkt->hdr, 4); /* ports */
	return LABEL_UPPER_HALF | (siphash(l->label_key, flow, sizeof(flow)) & LABEL_MASK);
}

/* RFC 8200 3. */
static void ip6_header(uint8_t *ip, const struct link *l,
		       const struct engine_pkt_out *pkt, size_t len_bytes)
{
	struct ip_addr src = addr_wire(&pkt->src), dst = addr_wire(&pkt->dst);
	uint32_t label = flow_label(l, pkt);

	ip[0] = 6 << 4 | pkt->tos >> 4;
	ip[1] = (uint8_t)(pkt->tos << 4) | label >> 16;
	ip[2] = label >> 8;
	ip[3] = label;
	ip[4] = len_bytes >> 8;
	ip[5] = len_bytes;
	ip[6] = IPPROTO_TCP;
	ip[7] = pkt->ttl ? pkt->ttl : l->default_ttl[V6];
	memcpy(ip + 8, src.b, 16);
	memcpy(ip + 24, dst.b, 16);
}

size_t ip_header(uint8_t ip[IP_HDR_MAX], const struct link *l,
		 const struct engine_pkt_out *pkt, size_t len_bytes)
{
	if (addr_is_v4(&pkt->src)) {
		ip4_header(ip, l, pkt, len_bytes);
		return IP4_HDR_BYTES;
	}
	ip6_header(ip, l, pkt, len_bytes);
	return IP6_HDR_BYTES;
}

static void tx_lost(struct link *l, int err)
{
	l->stats.send_errors++;
	l->tx->err = err;
}

static void tx_too_big(struct link *l, const struct tx_slot *s)
{
	bool v4 = s->hdr[0] >> 4 == 4;
	const uint8_t *ip = s->hdr, *tcp = ip + (v4 ? IP4_HDR_BYTES : IP6_HDR_BYTES);
	struct in6_pktinfo info;
	struct engine_icmp *msg;

	if (l->tx->too_big_n == TOO_BIG_MAX)
		return; /* they will be sent, and refused, again */
	memcpy(&info, CMSG_DATA(&s->ctl.align), sizeof(info));
	msg = &l->tx->too_big[l->tx->too_big_n++];
	*msg = (struct engine_icmp){
		.flow.local = {v4 ? addr_from_v4(ip + 12)
				  : addr_from_v6(ip + 8, info.ipi6_ifindex),
			       get_be16(tcp)},
		.flow.remote = {v4 ? addr_from_v4(ip + 16)
				   : addr_from_v6(ip + 24, info.ipi6_ifindex),
				get_be16(tcp + 2)},
		.seq = get_be32(tcp + 4),
		.err = EMSGSIZE,
		.pkt_bytes = v4 ? get_be16(ip + 2) : IP6_HDR_BYTES + get_be16(ip + 4),
		.local = true,
	};
}

int tx_take_too_big(struct link *l, struct engine_icmp *msgs, int n)
{
	int out = 0;

	while (out < n && l->tx->too_big_n) {
		struct engine_icmp *msg = &msgs[out++];
		struct tcp_path path = {0};
		struct ip_addr src;

		*msg = l->tx->too_big[--l->tx->too_big_n];
		src = msg->flow.local.addr;
		route_forget(l, &src, &msg->flow.remote.addr);
		link_route(l, &msg->flow.remote.addr, 0, &src, &path);
		msg->mtu_bytes = path.mtu_bytes; /* 0 when it has no route now */
	}
	return out;
}

/* Waits, within what this link_send() may still wait, for room in the buffer of
 * the socket fd. */
static bool tx_wait(struct link *l, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint64_t before_ms = clock_ms();
	int ready;

	if (l->tx->wait_left_ms <= 0)
		return false;
	ready = poll(&p, 1, l->tx->wait_left_ms);
	l->tx->wait_left_ms -= (int)(clock_ms() - before_ms);
	return ready > 0;
}

/* Empties the batch. A packet that the kernel refuses is lost, the next ones
 * are tried all the same. */
static void tx_flush(struct link *l, struct tx_batch *b)
{
	int i = 0;

	while (i < b->n) {
		int sent = sendmmsg(b->fd, b->msgs + i, b->n - i, MSG_DONTWAIT);

		if (sent > 0) {
			l->stats.pkts_out += sent;
			i += sent;
		} else if (errno == EAGAIN ? !tx_wait(l, b->fd) : errno != EINTR) {
			tx_lost(l, -errno);
			if (l->tx->err == -EMSGSIZE)
				tx_too_big(l, &b->slots[i]);
			i++;
		}
	}
	b->n = 0;
}

/* Where to, and from which address. */
static void slot_address(struct tx_slot *s, struct msghdr *m,
			 const struct engine_pkt_out *pkt)
{
	uint32_t device = addr_scope(&pkt->dst);

	m->msg_namelen = addr_sockaddr(&pkt->dst, 0, &s->to);
	if (addr_is_v4(&pkt->src)) {
		struct in_pktinfo info = {
			.ipi_spec_dst.s_addr = addr_v4(&pkt->src),
			.ipi_ifindex = pkt->ifindex,
		};

		memcpy(CMSG_DATA(&s->ctl.align), &info, sizeof(info));
	} else {
		struct ip_addr src = addr_wire(&pkt->src);
		struct in6_pktinfo info = {
			.ipi6_ifindex = device ? device : addr_scope(&pkt->src),
		};

		/* For the kernel the device is only a wish, unless no source is given. */
		if (pkt->ifindex && !info.ipi6_ifindex)
			info.ipi6_ifindex = pkt->ifindex;
		else
			memcpy(&info.ipi6_addr, src.b, sizeof(src));
		memcpy(CMSG_DATA(&s->ctl.align), &info, sizeof(info));
	}
}

/* Puts one wire segment into the batch: the piece of pkt that starts at off.
 * Returns where the next one starts. */
static uint32_t tx_segment(struct link *l, const struct engine_pkt_out *pkt,
			   uint32_t off)
{
	struct tx_batch *b = &l->tx->batch[addr_family(&pkt->src)];
	struct msghdr *m = &b->msgs[b->n].msg_hdr;
	struct tx_slot *s = &b->slots[b->n];
	size_t ip_len = addr_is_v4(&pkt->src) ? IP4_HDR_BYTES : IP6_HDR_BYTES;
	uint8_t *tcp = s->hdr + ip_len;
	uint32_t len = pkt->payload_len_bytes;
	int iovs = pkt->payload_iovs;
	uint16_t sum;

	if (segment_is_burst(pkt)) {
		iovs = segment_cut(pkt, off, tcp, s->iov + 1, &len);
	} else {
		memcpy(tcp, pkt->hdr, pkt->hdr_len_bytes);
		memcpy(s->iov + 1, pkt->payload, iovs * sizeof(s->iov[0]));
	}
	sum = segment_checksum(&pkt->src, &pkt->dst, tcp, pkt->hdr_len_bytes, s->iov + 1, iovs);
	tcp[16] = sum >> 8;
	tcp[17] = sum;
	ip_header(s->hdr, l, pkt, pkt->hdr_len_bytes + len);
	s->iov[0] = (struct iovec){s->hdr, ip_len + pkt->hdr_len_bytes};
	slot_address(s, m, pkt);
	m->msg_iovlen = 1 + iovs;
	if (++b->n == TX_BATCH)
		tx_flush(l, b);
	return off + len;
}

static void tx_cut(struct link *l, const struct engine_pkt_out *pkt)
{
	uint32_t off = 0;

	do
		off = tx_segment(l, pkt, off);
	while (off < pkt->payload_len_bytes);
}

/* Sends a burst as it is where that is possible; false: it has to be cut. */
static bool tx_whole(struct link *l, const struct engine_pkt_out *pkt)
{
	struct gso_route *r = segment_is_burst(pkt) ? gso_ready(l, pkt) : NULL;
	int err;

	if (!r)
		return false;
	tx_flush(l, &l->tx->batch[addr_family(&pkt->src)]);
	do
		err = gso_send(l, r, pkt);
	while (err == -EAGAIN && tx_wait(l, gso_fd(l)));
	/* No room in the device's queue: pieces would fare no better. */
	if (err == -EAGAIN || err == -ENOBUFS) {
		tx_lost(l, err);
		return true;
	}
	return err == 0;
}

static int tx_check(const struct link *l, const struct engine_pkt_out *pkt)
{
	int family = addr_family(&pkt->src);

	if (raw_fd(l, family) < 0 || family != addr_family(&pkt->dst))
		return -EAFNOSUPPORT;
	if (segment_is_burst(pkt) && pkt->mss_bytes == 0)
		return -EINVAL;
	return 0;
}

int link_send(struct link *l, const struct engine_pkt_out *pkts, int n)
{
	l->tx->err = 0;
	l->tx->wait_left_ms = TX_WAIT_MS;
	for (int i = 0; i < n; i++) {
		int err = tx_check(l, &pkts[i]);

		if (err < 0)
			tx_lost(l, err);
		else if (!tx_whole(l, &pkts[i]))
			tx_cut(l, &pkts[i]);
		if ((pkts[i].hdr[13] & (SEG_SYN | SEG_ACK)) == SEG_SYN)
			gso_new_connection(l);
	}
	for (int i = 0; i < FAMILIES; i++)
		tx_flush(l, &l->tx->batch[i]);
	return l->tx->err;
}
