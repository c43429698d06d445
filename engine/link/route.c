/* route.c - the kernel's answer to "which way to this peer".
 *
 * A UDP socket that is connected, and sends nothing, gets route, source address
 * and MTU by the same lookups as a TCP socket would. Owns a cache of paths for
 * the SYNs that arrive: direct-mapped, ROUTES_N entries, each at most
 * CACHE_TTL_MS old; failures are not kept.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

#define ROUTES_N 256
#define PORT_DISCARD 9

struct routes {
	struct {
		struct ip_addr src, dst;
		uint64_t until_ms; /* 0: empty */
		struct tcp_path path;
	} e[ROUTES_N];
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
static int udp_connect(int fd, const struct sockaddr_in *to)
{
	int on = 1;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
		return 0;
	if (errno != EACCES)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) == 0 &&
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
		return -ENETUNREACH;
	return -errno;
}

/* Fills in *src and *mtu_bytes through fd, a fresh UDP socket. */
static int udp_route(int fd, const struct ip_addr *dst, uint32_t ifindex,
		     struct ip_addr *src, uint32_t *mtu_bytes)
{
	struct sockaddr_in from = addr_sockaddr(src, 0), to = addr_sockaddr(dst, PORT_DISCARD);
	int device = ifindex, mtu = 0, err;
	socklen_t len = sizeof(from);

	if (ifindex &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof(device)) < 0)
		return -errno;
	if (!addr_is_any(src) && bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		return -errno;
	err = udp_connect(fd, &to);
	if (err < 0)
		return err;
	if (getsockname(fd, (struct sockaddr *)&from, &len) < 0)
		return -errno;
	len = sizeof(mtu);
	if (getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len) < 0)
		return -errno;
	*src = addr_from_v4(&from.sin_addr);
	*mtu_bytes = mtu;
	return 0;
}

int link_route(struct link *l, const struct ip_addr *dst, uint32_t ifindex,
	       struct ip_addr *src, struct tcp_path *path)
{
	int fd, err;

	if (!addr_is_v4(dst) || (!addr_is_v4(src) && !addr_is_any(src)))
		return -EAFNOSUPPORT;
	if (IN_MULTICAST(ntohl(addr_v4(dst))))
		return -ENETUNREACH;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*path = (struct tcp_path){0};
	err = udp_route(fd, dst, ifindex, src, &path->mtu_bytes);
	close(fd);
	/* Bursts leave by the route that any socket would take. */
	if (err == 0 && ifindex == 0)
		path->gso_max_bytes = gso_max_bytes(l, src, dst);
	return err;
}

int route_path(struct link *l, const struct ip_addr *src,
	       const struct ip_addr *dst, struct tcp_path *path)
{
	unsigned i = addr_pair_hash(src, dst, ROUTES_N);
	struct ip_addr from = *src;
	uint64_t now_ms = clock_ms();
	int err;

	if (l->routes->e[i].until_ms <= now_ms || !addr_eq(&l->routes->e[i].src, src) ||
	    !addr_eq(&l->routes->e[i].dst, dst)) {
		l->routes->e[i].until_ms = 0;
		err = link_route(l, dst, 0, &from, &l->routes->e[i].path);
		if (err < 0)
			return err;
		l->routes->e[i].src = *src;
		l->routes->e[i].dst = *dst;
		l->routes->e[i].until_ms = now_ms + CACHE_TTL_MS;
	}
	*path = l->routes->e[i].path;
	return 0;
}

void route_forget(struct link *l, const struct ip_addr *src,
		  const struct ip_addr *dst)
{
	l->routes->e[addr_pair_hash(src, dst, ROUTES_N)].until_ms = 0;
}
