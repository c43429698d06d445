/* cases_six.c - AF_INET6 sockets that speak IPv4: v4-mapped addresses, listeners for
 * both, who may share a port. Where a host's IPv6 addresses would show, what is
 * compared with is a host without any.
 */
#include "sockapi.h"

static int tcp6(int v6only)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	return fd;
}

static struct sockaddr_in6 sin6_of(const char *addr, uint16_t port_be)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = port_be};

	inet_pton(AF_INET6, addr, &a.sin6_addr);
	return a;
}

/* IPv4 address text and port as one of IPv6. */
static struct sockaddr_in6 mapped(const char *text, uint16_t port)
{
	struct sockaddr_in6 a = sin6_of("::ffff:0.0.0.0", htons(port));

	inet_pton(AF_INET, text, &a.sin6_addr.s6_addr[12]);
	return a;
}

static int to6(int fd, const struct sockaddr_in6 *a)
{
	return connect(fd, (const struct sockaddr *)a, sizeof(*a));
}

static int bind6(int fd, const struct sockaddr_in6 *a)
{
	return bind(fd, (const struct sockaddr *)a, sizeof(*a));
}

/* Cases where a host's IPv6 addresses would show: one without any is what our
 * TCP is. */
static bool host_has_ipv6(void)
{
	struct sockaddr_in6 a = sin6_of("::1", 0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool has = bind6(fd, &a) == 0;

	close(fd);
	return has;
}

CASE(kinds6)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (family != AF_INET)
		return;
	R(fcntl(fd, F_GETFD));
	get_int(fd, SOL_SOCKET, SO_DOMAIN);
	get_int(fd, SOL_SOCKET, SO_TYPE);
	get_int(fd, SOL_SOCKET, SO_PROTOCOL);
	LOCAL(fd);
	REMOTE(fd);
	close(fd);
	R(socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
	R(close(socket(AF_INET6, SOCK_DGRAM, 0)));
}

CASE(bad_arguments6)
{
	struct sockaddr_in6 any = sin6_of("::", 0), a = any;
	int fd = tcp6(0);

	if (family != AF_INET)
		return;
	R(bind(fd, (struct sockaddr *)&any, 23));
	R(connect(fd, (struct sockaddr *)&any, 23));
	R(bind(fd, (struct sockaddr *)&any, 1000));
	a.sin6_family = AF_INET;
	R(bind6(fd, &a));
	R(to6(fd, &a));
	a.sin6_family = AF_UNSPEC;
	R(bind6(fd, &a));
	R(to6(fd, &a));
	a = sin6_of("ff02::1", 0);
	R(bind6(fd, &a));
	R(to6(fd, &a));
	a = sin6_of("fe80::1", 0);
	R(bind6(fd, &a));
	R(to6(fd, &a));
	a = sin6_of("2001:db8::1", 0);
	R(bind6(fd, &a));
	a = sin6_of("::ffff:192.0.2.1", 0);
	R(bind6(fd, &a));
	R(bind(fd, (struct sockaddr *)&any, 24));
	LOCAL(fd);
	R(bind6(fd, &any));
	close(fd);
}

CASE(without_a_route6)
{
	static const char *const addrs[] = {"::1", "::", "2001:db8::1", "::127.0.0.1"};
	struct sockaddr_in6 loop = sin6_of("::ffff:127.0.0.1", 0), a;
	unsigned i;
	int fd;

	if (family != AF_INET)
		return;
	if (host_has_ipv6())
		return;
	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		a = sin6_of(addrs[i], htons(nobody()));
		fd = tcp6(0);
		R(to6(fd, &a));
		LOCAL(fd);
		R(bind6(fd, &a));
		close(fd);
		fd = tcp6(1);
		R(to6(fd, &a));
		close(fd);
		fd = tcp6(0);
		R(bind6(fd, &loop));
		R(to6(fd, &a));
		close(fd);
	}
}

CASE(connects6)
{
	struct sockaddr_in6 good = mapped(there, peer_listen()), bad = mapped(there, nobody());
	struct sockaddr_in6 any = sin6_of("::", 0);
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = tcp6(1);

	if (family != AF_INET)
		return;
	R(to6(fd, &good));
	close(fd);
	fd = tcp6(0);
	R(bind6(fd, &any));
	R(to6(fd, &bad));
	LOCAL(fd);
	R(to6(fd, &good));
	set_get(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	REMOTE(fd);
	LOCAL(fd);
	peer_accept();
	peer_send("hello");
	P(fd, POLLIN);
	B(fd, 100, 0);
	R(connect(fd, &none, sizeof(none)));
	LOCAL(fd);
	REMOTE(fd);
	close(fd);
}

/* Somebody connects by IPv4 to the port that fd listens at. */
static void visited6(int fd)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	int conn;

	peer_connect(NULL, port_of(fd));
	conn = accept(fd, (struct sockaddr *)&from, &len);
	log_sockaddr("from", &from, len);
	get_int(conn, SOL_SOCKET, SO_DOMAIN);
	get_int(conn, IPPROTO_IPV6, IPV6_V6ONLY);
	set_get(conn, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	LOCAL(conn);
	REMOTE(conn);
	peer_send("hello");
	P(conn, POLLIN);
	B(conn, 100, 0);
	close(conn);
}

CASE(accepts6)
{
	struct sockaddr_in6 any = sin6_of("::", 0);
	struct sockaddr_in6 any4 = sin6_of("::ffff:0.0.0.0", 0);
	int fd = tcp6(0);

	if (family != AF_INET)
		return;
	R(bind6(fd, &any));
	R(listen(fd, 5));
	LOCAL(fd);
	visited6(fd);
	R(close(fd));
	fd = tcp6(0);
	R(listen(fd, 5)); /* without bind() */
	LOCAL(fd);
	visited6(fd);
	R(close(fd));
	fd = tcp6(0);
	R(bind6(fd, &any4));
	R(listen(fd, 5));
	LOCAL(fd);
	visited6(fd);
	R(close(fd));
}

/* IPv4 and IPv6 apart at one port, as many servers do it. */
CASE(listens_twice)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct sockaddr_in6 any = sin6_of("::", 0), any4 = sin6_of("::ffff:0.0.0.0", 0);
	socklen_t len = sizeof(at);
	int v4 = tcp(0), v6 = tcp6(1), fd, n;

	if (family != AF_INET)
		return;
	R(bind(v4, (struct sockaddr *)&at, sizeof(at)));
	getsockname(v4, (struct sockaddr *)&at, &len);
	any.sin6_port = any4.sin6_port = at.sin_port;
	R(bind6(v6, &any4));
	R(bind6(v6, &any));
	set_get(v6, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	R(listen(v4, 5));
	R(listen(v6, 5));
	R(listen(v6, 6));
	LOCAL(v6);
	get_int(v6, SOL_SOCKET, SO_ACCEPTCONN);
	R(ioctl(v6, TIOCOUTQ, &n));
	P(v6, 0);
	R(to6(v6, &any));
	fcntl(v6, F_SETFL, O_NONBLOCK);
	R(accept(v6, NULL, NULL));
	fd = tcp6(0);
	R(bind6(fd, &any));
	R(bind6(fd, &any4));
	close(fd);
	fd = tcp6(1);
	R(bind6(fd, &any));
	R(close(v6));
	R(bind6(fd, &any));
	R(listen(fd, 1));
	R(shutdown(fd, SHUT_RD));
	R(listen(fd, 1));
	close(fd);
	close(v4);
}

/* Who may be where beside whom: every two of these sockets, with and without
 * SO_REUSEADDR, one of them, both or none listening. */
CASE(share_a_port)
{
	static const struct {
		int domain, v6only;
		const char *addr;
	} who[] = {{AF_INET, 0, "::ffff:0.0.0.0"}, {AF_INET, 0, "::ffff:127.0.0.1"},
		   {AF_INET6, 0, "::"}, {AF_INET6, 1, "::"},
		   {AF_INET6, 0, "::ffff:0.0.0.0"}, {AF_INET6, 0, "::ffff:127.0.0.1"},
		   {AF_INET6, 0, "::1"}};
	const int n = sizeof(who) / sizeof(who[0]);
	int i, side, fd[2];

	for (i = 0; i < n * n * 8; i++) {
		uint16_t port = htons(20000 + i);
		int on = i >> 2 & 1;

		printf("  %d beside %d%s:", i / 8 % n, i / 8 / n, on ? ", reuse" : "");
		for (side = 0; side < 2; side++) {
			int w = side ? i / 8 % n : i / 8 / n;
			struct sockaddr_in6 a = sin6_of(who[w].addr, port);
			struct sockaddr_in a4 = {.sin_family = AF_INET,
						 .sin_port = port};

			memcpy(&a4.sin_addr, &a.sin6_addr.s6_addr[12], 4);
			fd[side] = who[w].domain == AF_INET
					   ? socket(AF_INET, SOCK_STREAM, 0)
					   : tcp6(who[w].v6only);
			setsockopt(fd[side], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
			if ((who[w].domain == AF_INET
				     ? bind(fd[side], (struct sockaddr *)&a4, sizeof(a4))
				     : bind6(fd[side], &a)) != 0)
				printf(" bind %s", strerrorname_np(errno));
			else if (i >> side & 1 && listen(fd[side], 1) != 0)
				printf(" listen %s", strerrorname_np(errno));
			else
				printf(" fine");
		}
		printf("\n");
		close(fd[0]);
		close(fd[1]);
	}
}

CASE(options6)
{
	static const int names[] = {IPV6_V6ONLY, IPV6_UNICAST_HOPS, IPV6_TCLASS,
				    IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_RECVTCLASS,
				    IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_DONTFRAG,
				    IPV6_MTU, 999};
	static const int values[][2] = {
		{IPV6_V6ONLY, 7}, {IPV6_V6ONLY, 0}, {IPV6_UNICAST_HOPS, 0},
		{IPV6_UNICAST_HOPS, 9}, {IPV6_UNICAST_HOPS, 256},
		{IPV6_UNICAST_HOPS, -1}, {IPV6_TCLASS, 0xff}, {IPV6_TCLASS, -2},
		{IPV6_TCLASS, -1}, {IPV6_RECVERR, 3}, {IPV6_MTU_DISCOVER, 6},
		{IPV6_MTU_DISCOVER, 2}, {999, 1},
	};
	char name[sizeof(struct sockaddr_in6) + 1];
	int fd = tcp6(0), v = 1;
	struct sockaddr_in6 good = mapped(there, peer_listen());
	socklen_t len;
	unsigned i;

	if (family != AF_INET)
		return;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		get_int(fd, IPPROTO_IPV6, names[i]);
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		set_get(fd, IPPROTO_IPV6, values[i][0], values[i][1]);
	R(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, 1));
	set_get(fd, IPPROTO_IP, IP_TOS, 0x10);
	set_get(fd, IPPROTO_IP, IP_TTL, 33);
	R(to6(fd, &good));
	for (i = 15; i <= sizeof(name); i++) {
		len = i;
		R(getsockopt(fd, SOL_SOCKET, SO_PEERNAME, name, &len));
		LOG("%u of %u", (unsigned)len, i);
	}
	close(fd);
	fd = tcp(0);
	set_get(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	close(fd);
}

