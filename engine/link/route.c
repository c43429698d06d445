/* route.c - the kernel's answer to "which way to this peer".
 *
 * A UDP socket that is connected, and sends nothing, gets route, source address
 * and MTU by the same lookups as a TCP socket would. IPv6 lets it be bound to an
 * address only if a device has it; local is all that a route says so of (ip-route(8):
 * "local"), so that is asked, and the socket is bound in any case.
 *
 * Owns two caches, direct-mapped, with entries that hold for CACHE_TTL_MS: of paths back
 * to those with whom a connection begins, ROUTES_N, without failures; and of our own
 * addresses to which SYNs come, with the devices by which they come, DOORS_N. A SYN
 * looks into the second alone, and whatever its source is, that costs one question a
 * second: a flood that the engine answers with cookies, or not at all, must not cost more.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

#define ROUTES_N 256
#define DOORS_N 64
#define PORT_DISCARD 9

struct path_entry {
	struct ip_addr src, dst;
	uint32_t ifindex; /* by which the packet came that wants to be answered */
	uint64_t until_ms; /* 0: empty */
	struct tcp_path path;
};

struct door {
	struct ip_addr dst; /* our own */
	uint32_t ifindex;   /* by which SYNs come to it */
	uint64_t until_ms;  /* 0: empty */
	uint32_t mtu_bytes; /* of the device */
	bool accepts;       /* it is no anycast address */
};

struct routes {
	struct path_entry path[ROUTES_N];
	struct door door[DOORS_N];
};

int routes_open(struct link *l)
{
	l->routes = calloc(1, sizeof(*l->routes));
	return l->routes ? 0 : -ENOMEM;
}

void routes_close(struct link *l)
{
	free(l->routes);
}

/* Where UDP says EACCES for a broadcast address without SO_BROADCAST, TCP says
 * ENETUNREACH; an administrator's "prohibit" route is EACCES to both. */
static int udp_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	int on = 1;

	if (connect(fd, to, len) == 0)
		return 0;
	if (errno != EACCES)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) == 0 &&
	    connect(fd, to, len) == 0)
		return -ENETUNREACH;
	return -errno;
}

/* Fills in *src and *mtu_bytes through fd, a fresh UDP socket. */
static int udp_route(int fd, const struct ip_addr *dst, uint32_t ifindex,
		     struct ip_addr *src, uint32_t *mtu_bytes)
{
	union sockaddr_ip from, to;
	socklen_t from_len = addr_sockaddr(src, 0, &from);
	socklen_t to_len = addr_sockaddr(dst, PORT_DISCARD, &to), len = sizeof(int);
	int device = ifindex, mtu = 0, on = 1, err;
	bool v4 = addr_is_v4(dst);

	if (ifindex &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof(device)) < 0)
		return -errno;
	if (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
	if (!addr_is_any(src) && bind(fd, &from.sa, from_len) < 0)
		return -errno;
	err = udp_connect(fd, &to.sa, to_len);
	if (err < 0)
		return err;
	from_len = sizeof(from);
	if (getsockname(fd, &from.sa, &from_len) < 0 ||
	    getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu,
		       &len) < 0)
		return -errno;
	*src = v4 ? addr_from_v4(&from.v4.sin_addr)
		  : addr_from_v6(&from.v6.sin6_addr, from.v6.sin6_scope_id);
	*mtu_bytes = mtu;
	return 0;
}

int route_ask(struct link *l, const struct ip_addr *src, const struct ip_addr *dst,
	      uint32_t ifindex, union netlink_answer *a)
{
	bool v4 = addr_is_v4(dst);
	uint8_t skip = v4 ? 12 : 0, len = 16 - skip;
	struct {
		struct nlmsghdr h;
		struct rtmsg rt;
		char attrs[2 * RTA_SPACE(16) + RTA_SPACE(sizeof(uint32_t))];
	} q = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(q.rt)), .nlmsg_type = RTM_GETROUTE},
		.rt = {.rtm_family = family_af(addr_family(dst)), .rtm_dst_len = 8 * len},
	};
	struct ip_addr to = addr_wire(dst), from;
	int err;

	netlink_add(&q.h, RTA_DST, to.b + skip, len);
	if (src && (v4 || !ifindex)) { /* see slot_address() in send.c */
		from = addr_wire(src);
		netlink_add(&q.h, RTA_SRC, from.b + skip, len);
		q.rt.rtm_src_len = 8 * len;
		ifindex = addr_scope(src) ? addr_scope(src) : ifindex;
	}
	ifindex = addr_scope(dst) ? addr_scope(dst) : ifindex;
	if (ifindex)
		netlink_add(&q.h, RTA_OIF, &ifindex, sizeof(ifindex));
	err = netlink_ask(&l->route, &q.h, a);
	if (err < 0)
		return err;
	if (a->msg.nlmsg_type != RTM_NEWROUTE ||
	    a->msg.nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)))
		return -EBADMSG;
	return 0;
}

int device_ask(struct link *l, uint32_t ifindex, union netlink_answer *a)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} q = {
		.h = {.nlmsg_len = sizeof(q), .nlmsg_type = RTM_GETLINK},
		.i = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex},
	};
	int err = netlink_ask(&l->route, &q.h, a);

	if (err < 0)
		return err;
	return a->msg.nlmsg_type == RTM_NEWLINK &&
	       a->msg.nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)) ? 0 : -EBADMSG;
}

static uint32_t device_mtu(struct link *l, uint32_t ifindex)
{
	union netlink_answer answer;
	const void *mtu;
	uint32_t mtu_bytes = 0;

	if (device_ask(l, ifindex, &answer) < 0)
		return 0;
	mtu = netlink_attr(&answer.msg, sizeof(struct ifinfomsg), IFLA_MTU, sizeof(mtu_bytes));
	if (mtu)
		memcpy(&mtu_bytes, mtu, sizeof(mtu_bytes));
	return mtu_bytes;
}

bool route_is_local(struct link *l, const struct ip_addr *dst)
{
	union netlink_answer answer;
	const struct rtmsg *rt = NLMSG_DATA(&answer.msg);

	return route_ask(l, NULL, dst, 0, &answer) == 0 && rt->rtm_type == RTN_LOCAL;
}

int link_route(struct link *l, const struct ip_addr *dst, uint32_t ifindex,
	       struct ip_addr *src, struct tcp_path *path)
{
	int fd, err, family = addr_family(dst);

	if (!addr_is_any(src) && addr_family(src) != family)
		return -EAFNOSUPPORT;
	if (family == V4 ? IN_MULTICAST(ntohl(addr_v4(dst))) : dst->b[0] == 0xff)
		return -ENETUNREACH;
	if (family == V6 && !addr_is_any(src) && !route_is_local(l, src))
		return -EADDRNOTAVAIL;
	fd = socket(family_af(family), SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*path = (struct tcp_path){0};
	err = udp_route(fd, dst, ifindex, src, &path->mtu_bytes);
	close(fd);
	if (err == 0)
		path->gso_max_bytes = gso_max_bytes(l, src, dst, ifindex);
	return err;
}

static int ask_path(struct link *l, const struct engine_pkt_in *pkt, struct tcp_path *path)
{
	struct ip_addr from = pkt->dst;
	int err = link_route(l, &pkt->src, 0, &from, path);

	/* By the device that it came by, if we are at home there. */
	if (err < 0 && guard_at_device(l, get_be16(pkt->tcp + 2), pkt->ifindex))
		err = link_route(l, &pkt->src, pkt->ifindex, &from, path);
	return err;
}

int link_path(struct link *l, struct engine_pkt_in *pkt)
{
	struct path_entry *at = &l->routes->path[addr_pair_hash(&pkt->dst, &pkt->src, ROUTES_N)];
	uint64_t now_ms = clock_ms();
	int err;

	if (at->until_ms <= now_ms || !addr_eq(&at->src, &pkt->dst) ||
	    !addr_eq(&at->dst, &pkt->src) || at->ifindex != pkt->ifindex) {
		*at = (struct path_entry){.src = pkt->dst, .dst = pkt->src,
					  .ifindex = pkt->ifindex};
		l->stats.questions++;
		err = ask_path(l, pkt, &at->path);
		if (err < 0) {
			l->stats.no_route++;
			return err;
		}
		at->until_ms = now_ms + CACHE_TTL_MS;
	}
	pkt->path = at->path;
	gso_new_connection(l); /* behind the look that the path has taken */
	return 0;
}

bool route_accepts(struct link *l, struct engine_pkt_in *pkt)
{
	struct door *d = &l->routes->door[addr_hash(&pkt->dst, pkt->ifindex) % DOORS_N];
	uint64_t now_ms = clock_ms();

	if (d->until_ms <= now_ms || d->ifindex != pkt->ifindex || !addr_eq(&d->dst, &pkt->dst)) {
		*d = (struct door){
			.dst = pkt->dst,
			.ifindex = pkt->ifindex,
			.until_ms = now_ms + CACHE_TTL_MS,
			.mtu_bytes = device_mtu(l, pkt->ifindex),
			/* IPv4's IP_PKTINFO has told */
			.accepts = addr_is_v4(&pkt->dst) || route_is_local(l, &pkt->dst),
		};
		l->stats.questions++;
	}
	pkt->device_mtu_bytes = d->mtu_bytes;
	return d->accepts;
}

void route_forget(struct link *l, const struct ip_addr *src,
		  const struct ip_addr *dst)
{
	l->routes->path[addr_pair_hash(src, dst, ROUTES_N)].until_ms = 0;
}
