/* cases_ipv6.c - what IPv6 has and IPv4 has not: scopes, sources of either family, the
 * options of ipv6(7). Everything else runs over IPv6 as it does over IPv4.
 */
#include "sockapi.h"

#define IPV6_FLOWINFO_SEND 33 /* linux/in6.h */

static int tcp6(void)
{
	return socket(AF_INET6, SOCK_STREAM, 0);
}

static struct sockaddr_in6 sin6_of(const char *addr, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port),
				 .sin6_scope_id = scope};

	inet_pton(AF_INET6, addr, &a.sin6_addr);
	return a;
}

static int bind6(int fd, const char *addr, uint32_t scope)
{
	struct sockaddr_in6 a = sin6_of(addr, 0, scope);

	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

static int to6(int fd, const char *addr, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 a = sin6_of(addr, port, scope);

	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static void device(int fd)
{
	char name[16] = "";
	socklen_t len = sizeof(name);

	R(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	LOG("device %s", len ? name : "none");
}

CASE(scopes)
{
	int fd = tcp6();

	if (family != AF_INET6)
		return;
	R(bind6(fd, "fe80::1", 0));
	R(bind6(fd, "fe80::1", 1));
	device(fd);
	R(bind6(fd, "fe80::1", 99));
	R(bind6(fd, "ff02::1", 1));
	close(fd);
	fd = tcp6();
	R(to6(fd, "fe80::1", nobody(), 0));
	R(to6(fd, "ff02::1", nobody(), 1));
	R(to6(fd, "fe80::1", nobody(), 1));
	device(fd);
	R(to6(fd, "fe80::1", nobody(), 2));
	close(fd);
	fd = tcp6();
	R(bind6(fd, here, 7)); /* nobody looks at that */
	LOCAL(fd);
	close(fd);
}

/* Which families the sockets bound here and there can reach. */
CASE(sources)
{
	static const char *const from[] = {"::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
	static const char *const where[] = {"::1", "::", "::ffff:127.0.0.1", "2001:db8::1"};
	unsigned i, k;

	if (family != AF_INET6)
		return;
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 4; k++) {
			int fd = tcp6();

			LOG("from %s to %s", from[i], where[k]);
			R(bind6(fd, from[i], 0));
			get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY);
			R(to6(fd, where[k], nobody(), 0));
			if (i < 3) /* where Linux takes IPv4's "any" for a choice */
				LOCAL(fd);
			close(fd);
		}
	}
}

/* "Any" is this host itself. */
CASE(to_nowhere)
{
	uint16_t port = peer_listen();
	int fd = tcp6();

	if (family != AF_INET6 || !on_loopback())
		return;
	R(to6(fd, "::", port, 0));
	REMOTE(fd);
	LOCAL(fd);
	close(fd);
}

static void try_options(int fd)
{
	static const int values[] = {0, 1, -1, 3, 256, 1280, 1279};
	unsigned i;
	int name;

	for (name = 0; name <= 80; name++) {
		/* Linux forgets it with each option that may change the route. */
		if (name == IPV6_MTU)
			continue;
		/* Where the SYN came from, and the hops that were left to it. */
		if (role_server && (name == IPV6_MULTICAST_IF || name == IPV6_MULTICAST_HOPS))
			continue;
		get_int(fd, IPPROTO_IPV6, name);
		if (name == IPV6_TRANSPARENT || name == IPV6_FLOWINFO_SEND ||
		    name == IPV6_HOPOPTS || name == IPV6_RTHDRDSTOPTS ||
		    name == IPV6_RTHDR || name == IPV6_DSTOPTS)
			continue;
		for (i = 0; i < sizeof(values) / sizeof(*values); i++)
			set_get(fd, IPPROTO_IPV6, name, values[i]);
		R(setsockopt(fd, IPPROTO_IPV6, name, "\1", 1));
		R(setsockopt(fd, IPPROTO_IPV6, name, NULL, 0));
	}
}

CASE(ipv6_options)
{
	int fd = tcp6();

	if (family != AF_INET6)
		return;
	try_options(fd);
	close(fd);
	fd = joined();
	try_options(fd);
	close(fd);
}

CASE(path_mtu_info)
{
	int fd = tcp6();
	uint8_t info[32];
	socklen_t len = sizeof(info);

	if (family != AF_INET6)
		return;
	R(getsockopt(fd, IPPROTO_IPV6, IPV6_PATHMTU, info, &len));
	close(fd);
	fd = joined();
	R(getsockopt(fd, IPPROTO_IPV6, IPV6_PATHMTU, info, &len));
	LOG("%u bytes, mtu %d", len, *(int *)(info + 28));
	len = 31;
	R(getsockopt(fd, IPPROTO_IPV6, IPV6_PATHMTU, info, &len));
	close(fd);
}

/* A connection over IPv4 can be made an AF_INET socket. */
CASE(address_form)
{
	uint16_t port = peer_listen();
	char mapped[64];
	int fd = tcp6();

	snprintf(mapped, sizeof(mapped), "::ffff:%s", there);
	set_get(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
	R(to6(fd, family == AF_INET ? mapped : there, port, 0));
	set_get(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET6);
	set_get(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
	get_int(fd, SOL_SOCKET, SO_DOMAIN);
	get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	LOCAL(fd);
	REMOTE(fd);
	peer_accept();
	peer_send("hello");
	P(fd, POLLIN);
	B(fd, 100, 0);
	close(fd);
}

CASE(transparent)
{
	int fd = tcp(0), v = 1, level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int name = family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT;

	get_int(fd, level, name);
	ALLOW("Addresses that are not this host's (IP_TRANSPARENT)");
	R(setsockopt(fd, level, name, &v, sizeof(v)));
	close(fd);
}

/* An address that may come later. */
CASE(freebind)
{
	struct addr a = addr_of(family == AF_INET ? "192.0.2.77" : "2001:db8::77", 0);
	int fd = tcp(0);

	R(bind(fd, &a.sa, a.len));
	if (family == AF_INET)
		set_get(fd, IPPROTO_IP, IP_FREEBIND, 256);
	else
		set_get(fd, IPPROTO_IPV6, IPV6_FREEBIND, 256);
	R(bind(fd, &a.sa, a.len));
	R(listen(fd, 1));
	LOCAL(fd);
	get_int(fd, IPPROTO_IP, IP_FREEBIND);
	close(fd);
}

CASE(flow_labels_of_its_own)
{
	int fd = tcp6(), v = 1;

	if (family != AF_INET6)
		return;
	get_int(fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND);
	R(setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, NULL, 0));
	ALLOW("flow labels of its own (IPV6_FLOWINFO_SEND)");
	R(setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, &v, sizeof(v)));
	close(fd);
}

/* Extension headers to be sent with every segment. */
CASE(sticky_headers)
{
	static const int names[] = {IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_DSTOPTS};
	const uint8_t pad[8] = {0, 0, 1, 4};
	unsigned i;
	int fd = tcp6();

	if (family != AF_INET6)
		return;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		R(setsockopt(fd, IPPROTO_IPV6, names[i], pad, 7));
		R(setsockopt(fd, IPPROTO_IPV6, names[i], NULL, 0));
		ALLOW("extension headers of the program's own");
		R(setsockopt(fd, IPPROTO_IPV6, names[i], pad, 8));
	}
	close(fd);
}
