/* link.c - opens and closes the link, and receives.
 *
 * Owns the sockets (see sockets.h) and the receive buffers: RX_BATCH slots that
 * hold any IPv4 packet, in memory that costs nothing until a packet is written
 * there. Packets are handed out in place. Nothing of a packet is believed but what
 * the kernel's IP layer has checked: version, header length and total length are
 * compared with what was received, and a destination is local if IP_PKTINFO's
 * "address to answer from" equals it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "../segment.h"
#include "inside.h"

#define RX_BATCH 32
/* Not a multiple of 4096: the headers of all slots would share a cache set. */
#define RX_SLOT_BYTES (65536 + 192)
/* A flood of packets that are not for us must not keep link_recv() busy. */
#define RX_ROUNDS_MAX 16

struct rx {
	uint8_t *mem;
	struct mmsghdr msgs[RX_BATCH];
	struct iovec iov[RX_BATCH];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} ctl[RX_BATCH];
	struct { /* of the packets handed out last */
		struct flow flow;
		uint32_t ifindex;
	} last[RX_BATCH];
	int last_n;
};

static int rx_open(struct link *l)
{
	struct rx *rx = calloc(1, sizeof(*rx));

	if (!rx)
		return -ENOMEM;
	l->rx = rx;
	rx->mem = calloc(RX_BATCH, RX_SLOT_BYTES);
	if (!rx->mem)
		return -ENOMEM;
	for (int i = 0; i < RX_BATCH; i++) {
		rx->iov[i].iov_base = rx->mem + (size_t)i * RX_SLOT_BYTES;
		rx->iov[i].iov_len = RX_SLOT_BYTES;
		rx->msgs[i].msg_hdr.msg_iov = &rx->iov[i];
		rx->msgs[i].msg_hdr.msg_iovlen = 1;
		rx->msgs[i].msg_hdr.msg_control = rx->ctl[i].room;
	}
	return 0;
}

static void rx_close(struct link *l)
{
	if (!l->rx)
		return;
	free(l->rx->mem);
	free(l->rx);
}

/* What the sockets really are, whoever has opened them. */
static int raw_learn(struct link *l)
{
	int fd = l->sockets.fd[SOCKET_RAW], bytes = 0, ttl = 0;
	socklen_t len = sizeof(bytes);

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) < 0)
		return -errno;
	len = sizeof(ttl);
	if (getsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, &len) < 0)
		return -errno;
	l->rcvbuf_bytes = bytes;
	l->default_ttl = ttl;
	return 0;
}

int link_open_with(struct link **out, const struct link_config *cfg,
		   struct link_sockets *sockets)
{
	struct link *l = calloc(1, sizeof(*l));
	int err;

	if (!l) {
		link_sockets_close(sockets);
		return -ENOMEM;
	}
	l->cfg = *cfg;
	l->sockets = *sockets;
	l->diag.fd = -1;
	err = raw_learn(l);
	if (!err)
		err = ports_open(l);
	if (!err)
		err = rx_open(l);
	if (!err)
		err = tx_open(l);
	if (!err)
		err = routes_open(l);
	if (!err)
		err = netlink_open(&l->diag, NETLINK_SOCK_DIAG);
	if (!err && cfg->gso)
		err = gso_open(l);
	if (err) {
		link_close(l);
		return err;
	}
	*out = l;
	return 0;
}

int link_open(struct link **out, const struct link_config *cfg)
{
	struct link_sockets sockets;
	int err = link_sockets_open(&sockets, cfg);

	return err ? err : link_open_with(out, cfg, &sockets);
}

void link_before_drop(struct link *l)
{
	if (l->gso)
		link_sockets_packet(&l->sockets);
}

void link_close(struct link *l)
{
	if (!l)
		return;
	while (l->guards)
		guard_close(l->guards);
	gso_close(l);
	netlink_close(&l->diag);
	routes_close(l);
	tx_close(l);
	rx_close(l);
	ports_close(l);
	link_sockets_close(&l->sockets);
	free(l);
}

int link_fds(const struct link *l, int fds[LINK_FDS_MAX])
{
	fds[0] = l->sockets.fd[SOCKET_RAW];
	fds[1] = l->sockets.fd[SOCKET_ICMP];
	return 2;
}

uint32_t link_rcvbuf_bytes(const struct link *l)
{
	return l->rcvbuf_bytes;
}

const struct link_stats *link_stats(const struct link *l)
{
	return &l->stats;
}

/* The device by which a packet came, if its destination is an address of this
 * host; else 0. fib_compute_spec_dst() in the kernel: broadcasts and multicasts
 * get one of our addresses instead of their own destination. */
static uint32_t rx_local_device(struct msghdr *m, const uint8_t *ip)
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

/* Makes *p of what lies in slot i; false: not for us. */
static bool rx_take(struct link *l, int i, struct engine_pkt_in *p)
{
	struct msghdr *m = &l->rx->msgs[i].msg_hdr;
	const uint8_t *ip = l->rx->iov[i].iov_base;
	size_t len = l->rx->msgs[i].msg_len, hdr_len, total;
	uint32_t ifindex;

	hdr_len = len >= IP4_HDR_BYTES ? (ip[0] & 15) * 4u : 0;
	total = len >= IP4_HDR_BYTES ? get_be16(ip + 2) : 0;
	if (m->msg_flags & MSG_TRUNC || hdr_len < IP4_HDR_BYTES || ip[0] >> 4 != 4 ||
	    total > len || total < hdr_len) {
		l->stats.truncated++;
		return false;
	}
	ifindex = rx_local_device(m, ip);
	if (!ifindex) {
		l->stats.not_local++;
		return false;
	}
	*p = (struct engine_pkt_in){
		.src = addr_from_v4(ip + 12),
		.dst = addr_from_v4(ip + 16),
		.tcp = ip + hdr_len,
		.tcp_len_bytes = total - hdr_len,
		.tos = ip[1], /* of an aggregate too: GRO joins equals only */
	};
	if (p->tcp_len_bytes < TCP_HDR_MIN) /* the engine counts those */
		return p->tcp_len_bytes >= 4 && ports_has(l, get_be16(p->tcp + 2));
	if (!ports_has(l, get_be16(p->tcp + 2)))
		return false;
	if ((p->tcp[13] & (SEG_SYN | SEG_ACK)) == SEG_SYN) {
		gso_new_connection(l);
		if (route_path(l, &p->dst, &p->src, &p->path) < 0) {
			l->stats.no_route++;
			return false;
		}
	}
	l->rx->last[l->rx->last_n].ifindex = ifindex;
	l->rx->last[l->rx->last_n++].flow = (struct flow){
		.local = {p->dst, get_be16(p->tcp + 2)},
		.remote = {p->src, get_be16(p->tcp)},
	};
	return true;
}

int link_recv(struct link *l, struct engine_pkt_in *pkts, int n)
{
	struct rx *rx = l->rx;
	int out = 0;

	if (n > RX_BATCH)
		n = RX_BATCH;
	rx->last_n = 0;
	for (int round = 0; out == 0 && round < RX_ROUNDS_MAX; round++) {
		int got;

		for (int i = 0; i < n; i++)
			rx->msgs[i].msg_hdr.msg_controllen = sizeof(rx->ctl[i]);
		got = recvmmsg(l->sockets.fd[SOCKET_RAW], rx->msgs, n, MSG_DONTWAIT, NULL);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (int i = 0; i < got; i++)
			out += rx_take(l, i, &pkts[out]);
		if (got < n)
			break;
	}
	l->stats.pkts_in += out;
	return out;
}

uint32_t link_arrived_on(const struct link *l, const struct flow *f)
{
	for (int i = 0; i < l->rx->last_n; i++)
		if (flow_eq(&l->rx->last[i].flow, f))
			return l->rx->last[i].ifindex;
	return 0;
}
