/* send.c - sends segments through the raw socket, bursts cut into pieces.
 *
 * Owns a batch of up to TX_BATCH packets that go out by one sendmmsg(2). The
 * batch is empty between two calls of link_send(). Order is kept: a burst that
 * leaves by the packet socket waits until the batch has gone.
 *
 * A segment that is too large for the device by now is reported as a router would
 * report it, through link_recv_icmp().
 *
 * The IP header is ours (IP_HDRINCL). The source address is given in IP_PKTINFO
 * too, because the kernel chooses the route by that one and not by the header.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "../segment.h"
#include "inside.h"

#define TX_BATCH 64
/* How long one link_send() may wait for the socket's buffer to drain. */
#define TX_WAIT_MS 20
#define IP4_DF 0x40
#define TOO_BIG_MAX 16

struct tx_slot {
	uint8_t hdr[IP4_HDR_BYTES + TCP_HDR_MAX];
	struct iovec iov[3];
	struct sockaddr_in to;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} ctl;
};

struct tx {
	struct mmsghdr msgs[TX_BATCH];
	struct tx_slot slots[TX_BATCH];
	int n;
	int wait_left_ms; /* of this link_send() */
	int err;          /* last loss of this link_send(), negative errno */
	struct engine_icmp too_big[TOO_BIG_MAX]; /* refused for their size */
	int too_big_n;
};

int tx_open(struct link *l)
{
	struct tx *tx = calloc(1, sizeof(*tx));

	if (!tx)
		return -ENOMEM;
	l->tx = tx;
	for (int i = 0; i < TX_BATCH; i++) {
		struct tx_slot *s = &tx->slots[i];
		struct msghdr *m = &tx->msgs[i].msg_hdr;
		struct cmsghdr *c = &s->ctl.align;

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
		m->msg_name = &s->to;
		m->msg_namelen = sizeof(s->to);
		m->msg_iov = s->iov;
		m->msg_control = s->ctl.room;
		m->msg_controllen = sizeof(s->ctl.room);
	}
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

void ip4_header(uint8_t ip[IP4_HDR_BYTES], const struct link *l,
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
	ip[8] = pkt->ttl ? pkt->ttl : l->default_ttl;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, pkt->src.b + 12, 4);
	memcpy(ip + 16, pkt->dst.b + 12, 4);
	sum = ip4_checksum(ip);
	ip[10] = sum >> 8;
	ip[11] = sum;
}

static void tx_lost(struct link *l, int err)
{
	l->stats.send_errors++;
	l->tx->err = err;
}

static void tx_too_big(struct link *l, const struct tx_slot *s)
{
	const uint8_t *ip = s->hdr, *tcp = ip + IP4_HDR_BYTES;
	struct engine_icmp *msg;

	if (l->tx->too_big_n == TOO_BIG_MAX)
		return; /* they will be sent, and refused, again */
	msg = &l->tx->too_big[l->tx->too_big_n++];
	*msg = (struct engine_icmp){
		.flow.local = {addr_from_v4(ip + 12), get_be16(tcp)},
		.flow.remote = {addr_from_v4(ip + 16), get_be16(tcp + 2)},
		.seq = get_be32(tcp + 4),
		.err = EMSGSIZE,
		.pkt_bytes = get_be16(ip + 2),
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
static void tx_flush(struct link *l)
{
	struct tx *tx = l->tx;
	int i = 0;

	while (i < tx->n) {
		int sent = sendmmsg(l->sockets.fd[SOCKET_RAW], tx->msgs + i, tx->n - i, MSG_DONTWAIT);

		if (sent > 0) {
			l->stats.pkts_out += sent;
			i += sent;
		} else if (errno == EAGAIN ? !tx_wait(l, l->sockets.fd[SOCKET_RAW]) : errno != EINTR) {
			tx_lost(l, -errno);
			if (l->tx->err == -EMSGSIZE)
				tx_too_big(l, &tx->slots[i]);
			i++;
		}
	}
	tx->n = 0;
}

/* Puts one wire segment into the batch: the piece of pkt that starts at off.
 * Returns where the next one starts. */
static uint32_t tx_segment(struct link *l, const struct engine_pkt_out *pkt,
			   uint32_t off)
{
	struct tx_slot *s = &l->tx->slots[l->tx->n];
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = addr_v4(&pkt->src)};
	uint8_t *tcp = s->hdr + IP4_HDR_BYTES;
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
	ip4_header(s->hdr, l, pkt, pkt->hdr_len_bytes + len);
	s->iov[0] = (struct iovec){s->hdr, IP4_HDR_BYTES + pkt->hdr_len_bytes};
	s->to = addr_sockaddr(&pkt->dst, 0);
	memcpy(CMSG_DATA(&s->ctl.align), &info, sizeof(info));
	l->tx->msgs[l->tx->n].msg_hdr.msg_iovlen = 1 + iovs;
	if (++l->tx->n == TX_BATCH)
		tx_flush(l);
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
	tx_flush(l);
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

static int tx_check(const struct engine_pkt_out *pkt)
{
	if (!addr_is_v4(&pkt->src) || !addr_is_v4(&pkt->dst))
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
		int err = tx_check(&pkts[i]);

		if (err < 0)
			tx_lost(l, err);
		else if (!tx_whole(l, &pkts[i]))
			tx_cut(l, &pkts[i]);
		if (pkts[i].hdr[13] & SEG_SYN)
			gso_new_connection(l);
	}
	tx_flush(l);
	return l->tx->err;
}
