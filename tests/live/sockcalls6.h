/* sockcalls6.h - the cases of AF_INET6 sockets, a part of sockcalls.c. Where a
 * host's IPv6 addresses would show, what is compared with is a host without any.
 */
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

static struct sockaddr_in6 mapped(const struct sockaddr_in *sin)
{
	struct sockaddr_in6 a = sin6_of("::ffff:0.0.0.0", sin->sin_port);

	memcpy(&a.sin6_addr.s6_addr[12], &sin->sin_addr, 4);
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

/* What a getXname call says, without the port that the kernel chose. */
static void name6(int (*call)(int, struct sockaddr *, socklen_t *), int fd)
{
	struct sockaddr_in6 a = {0};
	socklen_t len = sizeof(a);
	char text[INET6_ADDRSTRLEN];
	int r = call(fd, (struct sockaddr *)&a, &len);

	printf("    %d %s, %u bytes: %d %s%s\n", r, r ? strerrorname_np(errno) : "",
	       (unsigned)len, a.sin6_family,
	       inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof(text)),
	       a.sin6_port ? " port" : "");
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

static void kinds6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	T(fcntl(fd, F_GETFD));
	get_int(fd, SOL_SOCKET, SO_DOMAIN);
	get_int(fd, SOL_SOCKET, SO_TYPE);
	get_int(fd, SOL_SOCKET, SO_PROTOCOL);
	name6(getsockname, fd);
	name6(getpeername, fd);
	close(fd);
	T(socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
	T(close(socket(AF_INET6, SOCK_DGRAM, 0)));
}

static void bad_arguments6(void)
{
	struct sockaddr_in6 any = sin6_of("::", 0), a = any;
	int fd = tcp6(0);

	T(bind(fd, (struct sockaddr *)&any, 23));
	T(connect(fd, (struct sockaddr *)&any, 23));
	T(bind(fd, (struct sockaddr *)&any, 1000));
	a.sin6_family = AF_INET;
	T(bind6(fd, &a));
	T(to6(fd, &a));
	a.sin6_family = AF_UNSPEC;
	T(bind6(fd, &a));
	T(to6(fd, &a));
	a = sin6_of("ff02::1", 0);
	T(bind6(fd, &a));
	T(to6(fd, &a));
	a = sin6_of("fe80::1", 0);
	T(bind6(fd, &a));
	T(to6(fd, &a));
	a = sin6_of("2001:db8::1", 0);
	T(bind6(fd, &a));
	a = sin6_of("::ffff:192.0.2.1", 0);
	T(bind6(fd, &a));
	T(bind(fd, (struct sockaddr *)&any, 24));
	name6(getsockname, fd);
	T(bind6(fd, &any));
	close(fd);
}

static void without_a_route6(void)
{
	static const char *const addrs[] = {"::1", "::", "2001:db8::1", "::127.0.0.1"};
	struct sockaddr_in6 here = sin6_of("::ffff:127.0.0.1", 0), a;
	unsigned i;
	int fd;

	if (host_has_ipv6())
		return;
	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		a = sin6_of(addrs[i], nobody.sin_port);
		fd = tcp6(0);
		T(to6(fd, &a));
		name6(getsockname, fd);
		T(bind6(fd, &a));
		close(fd);
		fd = tcp6(1);
		T(to6(fd, &a));
		close(fd);
		fd = tcp6(0);
		T(bind6(fd, &here));
		T(to6(fd, &a));
		close(fd);
	}
}

static void connects6(void)
{
	struct sockaddr_in6 there = mapped(&peer), refused_there = mapped(&nobody);
	struct sockaddr_in6 any = sin6_of("::", 0);
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = tcp6(1);

	T(to6(fd, &there));
	close(fd);
	fd = tcp6(0);
	T(bind6(fd, &any));
	T(to6(fd, &refused_there));
	name6(getsockname, fd);
	T(to6(fd, &there));
	set_get(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	name6(getpeername, fd);
	name6(getsockname, fd);
	T(tell(fd, "h"));
	T(read(fd, buf, sizeof(buf)));
	T(connect(fd, &none, sizeof(none)));
	name6(getsockname, fd);
	name6(getpeername, fd);
	close(fd);
}

/* Somebody connects by IPv4 to the port that fd listens at. */
static void visited6(int fd)
{
	struct sockaddr_in6 at, from, there = mapped(&peer);
	socklen_t len = sizeof(at);
	int side = joined(), conn;
	char cmd[3] = "b";

	getsockname(fd, (struct sockaddr *)&at, &len);
	memcpy(cmd + 1, &(uint16_t){ntohs(at.sin6_port)}, 2);
	T(write(side, cmd, 3));
	len = sizeof(from);
	T((conn = accept(fd, (struct sockaddr *)&from, &len)) >= 0);
	from.sin6_port = 0;
	printf("    %u %d %d\n", (unsigned)len, from.sin6_family,
	       memcmp(&from.sin6_addr, &there.sin6_addr, 16));
	get_int(conn, SOL_SOCKET, SO_DOMAIN);
	get_int(conn, IPPROTO_IPV6, IPV6_V6ONLY);
	set_get(conn, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	name6(getsockname, conn);
	name6(getpeername, conn);
	T(read(conn, buf, sizeof(buf)));
	close(conn);
	close(side);
}

static void accepts6(void)
{
	struct sockaddr_in6 any = sin6_of("::", 0);
	struct sockaddr_in6 any4 = sin6_of("::ffff:0.0.0.0", 0);
	int fd = tcp6(0);

	T(bind6(fd, &any));
	T(listen(fd, 5));
	name6(getsockname, fd);
	visited6(fd);
	T(close(fd));
	fd = tcp6(0);
	T(listen(fd, 5)); /* without bind() */
	name6(getsockname, fd);
	visited6(fd);
	T(close(fd));
	fd = tcp6(0);
	T(bind6(fd, &any4));
	T(listen(fd, 5));
	name6(getsockname, fd);
	visited6(fd);
	T(close(fd));
}

/* IPv4 and IPv6 apart at one port, as many servers do it. */
static void listens_twice(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct sockaddr_in6 any = sin6_of("::", 0), any4 = sin6_of("::ffff:0.0.0.0", 0);
	socklen_t len = sizeof(at);
	int v4 = tcp(0), v6 = tcp6(1), fd, n;

	T(bind(v4, (struct sockaddr *)&at, sizeof(at)));
	getsockname(v4, (struct sockaddr *)&at, &len);
	any.sin6_port = any4.sin6_port = at.sin_port;
	T(bind6(v6, &any4));
	T(bind6(v6, &any));
	set_get(v6, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	T(listen(v4, 5));
	T(listen(v6, 5));
	T(listen(v6, 6));
	name6(getsockname, v6);
	get_int(v6, SOL_SOCKET, SO_ACCEPTCONN);
	T(ioctl(v6, TIOCOUTQ, &n));
	bits(v6);
	T(to6(v6, &any));
	fcntl(v6, F_SETFL, O_NONBLOCK);
	T(accept(v6, NULL, NULL));
	fd = tcp6(0);
	T(bind6(fd, &any));
	T(bind6(fd, &any4));
	close(fd);
	fd = tcp6(1);
	T(bind6(fd, &any));
	T(close(v6));
	T(bind6(fd, &any));
	T(listen(fd, 1));
	T(shutdown(fd, SHUT_RD));
	T(listen(fd, 1));
	close(fd);
	close(v4);
}

/* Who may be where beside whom: every two of these sockets, with and without
 * SO_REUSEADDR, one of them, both or none listening. */
static void share_a_port(void)
{
	static const struct {
		int domain, v6only;
		const char *addr;
	} who[] = {{AF_INET, 0, "::ffff:0.0.0.0"}, {AF_INET, 0, "::ffff:127.0.0.1"},
		   {AF_INET6, 0, "::"}, {AF_INET6, 1, "::"},
		   {AF_INET6, 0, "::ffff:0.0.0.0"}, {AF_INET6, 0, "::ffff:127.0.0.1"}};
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
			fd[side] = who[w].domain == AF_INET ? tcp(0)
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

static void options6(void)
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
	struct sockaddr_in6 there = mapped(&peer);
	socklen_t len;
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		get_int(fd, IPPROTO_IPV6, names[i]);
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		set_get(fd, IPPROTO_IPV6, values[i][0], values[i][1]);
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, 1));
	set_get(fd, IPPROTO_IP, IP_TOS, 0x10);
	set_get(fd, IPPROTO_IP, IP_TTL, 33);
	T(to6(fd, &there));
	for (i = 15; i <= sizeof(name); i++) {
		len = i;
		T(getsockopt(fd, SOL_SOCKET, SO_PEERNAME, name, &len));
		printf("    %u of %u\n", (unsigned)len, i);
	}
	close(fd);
	fd = tcp(0);
	set_get(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	close(fd);
}

