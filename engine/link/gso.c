/* gso.c - bursts of up to 64 KiB in one packet, cut by the kernel at the last
 * moment or by the network card (generic segmentation offload).
 *
 * Owns the use of the packet socket, opened with the first burst, and a cache of
 * where bursts go: direct-mapped, GSO_ROUTES_N entries, each valid for CACHE_TTL_MS.
 *
 * Theory of operation
 *
 * A packet socket with PACKET_VNET_HDR takes a frame larger than the MTU
 * together with the segment size. It is handed to the device below the IP
 * layer, so what that layer would have done is done here or avoided:
 * - Routing: the device and the next hop are asked of the kernel.
 * - Neighbours: a burst is sent only to a link address that the kernel holds
 *   for usable. The kernel does not see that we use it and would let it grow
 *   old; so each time an entry is renewed one burst takes the other way,
 *   through the raw socket, and the kernel does what it does for any packet.
 * - Connection tracking and the firewall's output rules: they see neither. A
 *   flow of which conntrack sees only a part would look invalid to it, so
 *   nothing leaves here while conntrack has entries in this network namespace.
 *   They are looked for once per CACHE_TTL_MS, and when a connection begins, because
 *   that is what makes conntrack's first entry.
 * Loopback is left out: its MTU lets full-sized segments pass the raw socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../segment.h"
#include "inside.h"

#define GSO_ROUTES_N 256
#define NEIGHBOUR_WAIT_MS 20
#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | \
		    NUD_PERMANENT | NUD_NOARP)

/* The device towards a next hop and what goes before the IP header there. */
struct gso_device {
	uint32_t ifindex, mtu_bytes;
	uint8_t eth_len_bytes; /* 0: no link header */
	struct ether_header eth;
};

struct gso_route {
	struct ip_addr src, dst;
	uint32_t ifindex; /* asked for */
	uint64_t until_ms; /* 0: empty */
	bool usable;
	struct gso_device dev;
};

struct gso {
	struct link_sockets *sockets;
	bool refused; /* the system gives us no packet socket */
	uint64_t conntrack_until_ms; /* 0: look again */
	bool conntrack;              /* in use, or nobody can tell */
	struct gso_route routes[GSO_ROUTES_N];
};

static bool packet_ready(struct gso *g)
{
	if (!g->refused)
		g->refused = link_sockets_packet(g->sockets) < 0;
	return !g->refused;
}

int gso_open(struct link *l)
{
	struct gso *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	l->gso = g;
	g->sockets = &l->sockets;
	return 0;
}

void gso_close(struct link *l)
{
	if (!l->gso)
		return;
	free(l->gso);
	l->gso = NULL;
}

/* ---- where to ----------------------------------------------------------- */

/* Finds the device, and the next hop's address in *hop, for packets from src
 * to dst; *ifindex is the device asked for, or 0. -EOPNOTSUPP where the route is more
 * than that. */
static int ask_route(struct link *l, const struct ip_addr *src,
		     const struct ip_addr *dst, uint32_t *ifindex, struct ip_addr *hop)
{
	union netlink_answer answer;
	const struct nlmsghdr *h = &answer.msg;
	const struct rtmsg *rt = NLMSG_DATA(h);
	const void *a;
	int err = route_ask(l, src, dst, *ifindex, &answer);

	if (err < 0)
		return err;
	a = netlink_attr(h, sizeof(*rt), RTA_OIF, sizeof(*ifindex));
	if (rt->rtm_type != RTN_UNICAST || !a || netlink_attr(h, sizeof(*rt), RTA_VIA, 0) ||
	    netlink_attr(h, sizeof(*rt), RTA_ENCAP, 0))
		return -EOPNOTSUPP;
	memcpy(ifindex, a, sizeof(*ifindex));
	*hop = addr_wire(dst);
	a = netlink_attr(h, sizeof(*rt), RTA_GATEWAY, addr_is_v4(dst) ? 4 : 16);
	if (a)
		*hop = addr_is_v4(dst) ? addr_from_v4(a) : addr_from_v6(a, 0);
	return 0;
}

/* Learns dev->ifindex's MTU, and the head of its frames but for the
 * destination. -EOPNOTSUPP if frames cannot simply be given to it. */
static int ask_device(struct link *l, int family, struct gso_device *dev)
{
	union netlink_answer answer;
	const struct nlmsghdr *h = &answer.msg;
	const struct ifinfomsg *i;
	const void *mtu, *own;
	int err = device_ask(l, dev->ifindex, &answer);

	if (err < 0)
		return err;
	i = NLMSG_DATA(h);
	mtu = netlink_attr(h, sizeof(*i), IFLA_MTU, sizeof(dev->mtu_bytes));
	own = netlink_attr(h, sizeof(*i), IFLA_ADDRESS, ETH_ALEN);
	if (!mtu || i->ifi_flags & IFF_LOOPBACK || !(i->ifi_flags & IFF_UP))
		return -EOPNOTSUPP;
	memcpy(&dev->mtu_bytes, mtu, sizeof(dev->mtu_bytes));
	if (i->ifi_type == ARPHRD_NONE && i->ifi_flags & IFF_NOARP)
		return 0;
	if (i->ifi_type != ARPHRD_ETHER || !own)
		return -EOPNOTSUPP;
	dev->eth_len_bytes = sizeof(dev->eth);
	dev->eth.ether_type = htons(family == V4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	memcpy(dev->eth.ether_shost, own, ETH_ALEN);
	return 0;
}

/* Fills in the link address of a next hop, if the kernel has one to use. */
static int ask_neighbour(struct link *l, const struct ip_addr *hop, struct gso_device *dev)
{
	struct {
		struct nlmsghdr h;
		struct ndmsg nd;
		char attrs[RTA_SPACE(sizeof(*hop))];
	} q = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(q.nd)), .nlmsg_type = RTM_GETNEIGH},
		.nd = {.ndm_family = family_af(addr_family(hop)), .ndm_ifindex = dev->ifindex},
	};
	union netlink_answer answer;
	const struct nlmsghdr *h = &answer.msg;
	const struct ndmsg *nd;
	const void *lladdr;
	int err;

	if (addr_is_v4(hop))
		netlink_add(&q.h, NDA_DST, hop->b + 12, 4);
	else
		netlink_add(&q.h, NDA_DST, hop->b, 16);
	err = netlink_ask(&l->route, &q.h, &answer);
	if (err < 0)
		return err;
	if (h->nlmsg_type != RTM_NEWNEIGH || h->nlmsg_len < NLMSG_LENGTH(sizeof(*nd)))
		return -EBADMSG;
	nd = NLMSG_DATA(h);
	lladdr = netlink_attr(h, sizeof(*nd), NDA_LLADDR, ETH_ALEN);
	if (!lladdr || !(nd->ndm_state & NUD_USABLE))
		return -EHOSTUNREACH;
	memcpy(dev->eth.ether_dhost, lladdr, ETH_ALEN);
	return 0;
}

static void gso_renew(struct link *l, struct gso_route *r,
		      const struct engine_pkt_out *pkt, uint64_t now_ms)
{
	struct ip_addr hop;

	*r = (struct gso_route){.src = pkt->src, .dst = pkt->dst, .ifindex = pkt->ifindex,
				.until_ms = now_ms + CACHE_TTL_MS,
				.dev.ifindex = pkt->ifindex};
	if (ask_route(l, &pkt->src, &pkt->dst, &r->dev.ifindex, &hop) < 0 ||
	    ask_device(l, addr_family(&pkt->dst), &r->dev) < 0)
		return;
	r->usable = !r->dev.eth_len_bytes || ask_neighbour(l, &hop, &r->dev) == 0;
	if (!r->usable) /* the kernel is about to ask, see above */
		r->until_ms = now_ms + NEIGHBOUR_WAIT_MS;
}

/* ---- may they? ---------------------------------------------------------- */

void gso_new_connection(struct link *l)
{
	if (l->gso)
		l->gso->conntrack_until_ms = 0;
}

/* No such file: the module is not loaded. It may be loaded later. */
static bool conntrack_has_entries(const struct gso *g)
{
	char text[16];
	ssize_t n;
	int fd = openat(g->sockets->fd[SOCKET_SYSCTL], "netfilter/nf_conntrack_count",
			O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno != ENOENT;
	n = read(fd, text, sizeof(text));
	close(fd);
	return n < 1 || text[0] != '0';
}

static bool conntrack_in_use(struct gso *g, uint64_t now_ms)
{
	if (g->conntrack_until_ms <= now_ms) {
		g->conntrack = conntrack_has_entries(g);
		g->conntrack_until_ms = now_ms + CACHE_TTL_MS;
	}
	return g->conntrack;
}

int gso_fd(const struct link *l)
{
	return l->sockets.fd[SOCKET_PACKET];
}

/* With either family: what IPv4's length can say. */
static uint32_t payload_max(const struct ip_addr *dst)
{
	return IP_TOTAL_MAX - (addr_is_v4(dst) ? IP4_HDR_BYTES : IP6_HDR_BYTES) - TCP_HDR_MAX;
}

uint32_t gso_max_bytes(struct link *l, const struct ip_addr *src,
		       const struct ip_addr *dst, uint32_t ifindex)
{
	struct gso_device dev = {.ifindex = ifindex};
	struct ip_addr hop;

	if (!l->gso || l->gso->refused || conntrack_in_use(l->gso, clock_ms()) ||
	    ask_route(l, src, dst, &dev.ifindex, &hop) < 0 ||
	    ask_device(l, addr_family(dst), &dev) < 0)
		return 0;
	return payload_max(dst);
}

struct gso_route *gso_ready(struct link *l, const struct engine_pkt_out *pkt)
{
	struct gso *g = l->gso;
	struct gso_route *r;
	uint64_t now_ms;

	/* CWR stays on the first segment alone (RFC 3168 6.1.2), or as a bit of
	 * ACE on all (RFC 9768 3.3.4): kernels do not agree about which. Packets
	 * that may be cut need identifications that nobody gives them here. */
	if (!g || pkt->payload_len_bytes > payload_max(&pkt->dst) ||
	    pkt->hdr[13] & SEG_CWR || pkt->may_fragment)
		return NULL;
	now_ms = clock_ms();
	if (conntrack_in_use(g, now_ms))
		return NULL;
	r = &g->routes[addr_pair_hash(&pkt->src, &pkt->dst, GSO_ROUTES_N)];
	if (r->until_ms <= now_ms || !addr_eq(&r->src, &pkt->src) ||
	    !addr_eq(&r->dst, &pkt->dst) || r->ifindex != pkt->ifindex) {
		gso_renew(l, r, pkt, now_ms);
		return NULL;
	}
	/* Too large for the device: the raw socket says so, this one would not. */
	if (!r->usable ||
	    0u + (addr_is_v4(&pkt->dst) ? IP4_HDR_BYTES : IP6_HDR_BYTES) + pkt->hdr_len_bytes +
	    pkt->mss_bytes > r->dev.mtu_bytes)
		return NULL;
	return packet_ready(g) ? r : NULL;
}

/* ---- and off ------------------------------------------------------------ */

int gso_send(struct link *l, struct gso_route *r, const struct engine_pkt_out *pkt)
{
	size_t tcp_len = pkt->hdr_len_bytes + pkt->payload_len_bytes;
	uint16_t sum = segment_pseudo_sum(&pkt->src, &pkt->dst, tcp_len);
	uint8_t ip[IP_HDR_MAX], tcp[TCP_HDR_MAX];
	size_t ip_len = ip_header(ip, l, pkt, tcp_len), ip_end = r->dev.eth_len_bytes + ip_len;
	bool v4 = addr_is_v4(&pkt->dst);
	struct virtio_net_hdr v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = ip_end + pkt->hdr_len_bytes,
		.gso_size = pkt->mss_bytes,
		.csum_start = ip_end,
		.csum_offset = 16,
	};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6),
		.sll_ifindex = r->dev.ifindex,
	};
	struct iovec iov[6] = {
		{&v, sizeof(v)}, {&r->dev.eth, r->dev.eth_len_bytes},
		{ip, ip_len}, {tcp, pkt->hdr_len_bytes},
	};
	struct msghdr m = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = iov, .msg_iovlen = 4 + pkt->payload_iovs,
	};

	memcpy(tcp, pkt->hdr, pkt->hdr_len_bytes);
	tcp[16] = sum >> 8;
	tcp[17] = sum;
	memcpy(iov + 4, pkt->payload, pkt->payload_iovs * sizeof(iov[0]));
	while (sendmsg(l->sockets.fd[SOCKET_PACKET], &m, MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		/* A full queue says nothing about the route. */
		if (errno != EAGAIN && errno != ENOBUFS)
			r->usable = false;
		return -errno;
	}
	l->stats.pkts_out++;
	l->stats.gso_out++;
	return 0;
}
