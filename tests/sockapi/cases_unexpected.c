/* cases_unexpected.c - bind(), listen(), connect(), accept() and shutdown() where they
 * are not expected. */
#include "sockapi.h"

#define NO_POLLERR "poll() does not show the error that connect() to AF_UNSPEC or " \
		   "shutdown() has left"
#define KEEPS_PORT "The port that bind() to port 0 has chosen stays the socket's"

static int connect_to(int fd, const struct addr *a)
{
	return connect(fd, &a->sa, a->len);
}

static bool await_ms(int fd, short bits, int ms)
{
	struct pollfd p = {.fd = fd, .events = bits};

	return poll(&p, 1, ms) == 1 && p.revents & bits;
}

/* Where nobody answers: a listener of ours whose queue is full. */
static struct addr silence(void)
{
	int fd = bound(0), i;
	struct addr a = addr_of(here, port_of(fd));

	listen(fd, 1);
	for (i = 0; i < 3; i++) {
		connect_to(tcp(SOCK_NONBLOCK), &a);
		usleep(20000);
	}
	return a;
}

static int bind_to(int fd, const struct addr *a)
{
	return bind(fd, &a->sa, a->len);
}

CASE(binds)
{
	struct addr any = addr_of(NULL, 0), a = addr_of(here, 0), b;
	int fd = tcp(0), other = tcp(0);

	LOCAL(fd);
	R(bind_to(fd, &any));
	name_port("first", port_of(fd));
	LOCAL(fd);
	R(bind_to(fd, &any));
	R(bind_to(fd, &a));
	b = addr_of(here, port_of(fd));
	R(bind_to(other, &b));
	b = addr_of(NULL, port_of(fd));
	R(bind_to(other, &b));
	R(listen(fd, 1));
	R(bind_to(other, &b));
	R(bind_to(fd, &any));
	close(fd);
	R(bind_to(other, &b));
	LOCAL(other);
	E(other);
}

CASE(binds_to_foreign_addresses)
{
	static const char *const v4[] = {"203.0.113.9", "224.0.0.1", "255.255.255.255",
					 "127.1.2.3", "10.77.0.255", "0.0.0.1", "240.0.0.1"};
	static const char *const v6[] = {"2001:db8::9", "ff02::1", "fe80::1", "::2"};
	unsigned i, n = family == AF_INET ? 7 : 4;

	for (i = 0; i < n; i++) {
		struct addr a = addr_of(family == AF_INET ? v4[i] : v6[i], 0);
		int fd = tcp(0);

		LOG("%s", family == AF_INET ? v4[i] : v6[i]);
		R(bind_to(fd, &a));
		LOCAL(fd);
		R(listen(fd, 1));
		close(fd);
	}
}

CASE(binds_to_a_port_in_use)
{
	static const int both[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
	struct addr a;
	unsigned i, listens;

	for (listens = 0; listens < 2; listens++)
		for (i = 0; i < 4; i++) {
			int fd = tcp(0), other = tcp(0);

			LOG("SO_REUSEADDR %d, %d, listening %u", both[i][0], both[i][1],
			    listens);
			set_int(fd, SOL_SOCKET, SO_REUSEADDR, both[i][0]);
			set_int(other, SOL_SOCKET, SO_REUSEADDR, both[i][1]);
			a = addr_of(here, 0);
			R(bind_to(fd, &a));
			if (listens)
				R(listen(fd, 1));
			a = addr_of(here, port_of(fd));
			R(bind_to(other, &a));
			a = addr_of(NULL, port_of(fd));
			R(bind_to(other, &a));
			R(listen(other, 1));
			close(fd);
			close(other);
		}
}

CASE(listens_without_bind)
{
	int fd = tcp(0), other = tcp(0);
	struct addr a;

	R(listen(fd, 3));
	name_port("listener", port_of(fd));
	LOCAL(fd);
	REMOTE(fd);
	P(fd, 0);
	a = addr_of(NULL, port_of(fd));
	R(bind_to(other, &a));
	R(bind_to(fd, &a));
	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	R(listen(fd, 0));
	R(listen(fd, -1));
	P(fd, POLLIN);
	R(accept(fd, NULL, NULL) >= 0);
	P(fd, 0);
	R(listen(fd, 1 << 30));
	E(fd);
}

CASE(listens_in_other_states)
{
	int fd = joined(), background = tcp(SOCK_NONBLOCK);

	R(listen(fd, 1));
	peer_shutdown(SHUT_WR);
	P(fd, POLLRDHUP);
	R(listen(fd, 1));
	R(shutdown(fd, SHUT_WR));
	P(fd, POLLHUP);
	R(listen(fd, 1));
	R(to(background, nobody()));
	P(background, POLLOUT);
	R(listen(background, 1));
	E(background);
	R(listen(background, 1));
	R(to(background, nobody()));
	R(to(background, nobody()));
	R(listen(background, 1));
}

CASE(connects_twice)
{
	uint16_t port = peer_listen();
	int fd = tcp(0);

	R(to(fd, port));
	R(to(fd, port));
	R(to(fd, nobody()));
	R(shutdown(fd, SHUT_WR));
	R(to(fd, port));
	peer_accept();
	peer_close();
	P(fd, POLLRDHUP);
	R(to(fd, port));
	R(read(fd, buf, 1));
	R(to(fd, port));
}

CASE(connects_after_a_failure)
{
	uint16_t port = peer_listen();
	int fd = tcp(0);

	R(to(fd, nobody()));
	E(fd);
	ALLOW(KEEPS_PORT);
	LOCAL(fd);
	REMOTE(fd);
	R(to(fd, nobody()));
	R(to(fd, port));
	REMOTE(fd);
	name_port("local", port_of(fd));
	LOCAL(fd);
	peer_accept();
	peer_send("x");
	P(fd, POLLIN);
	B(fd, 10, 0);
}

CASE(connects_bound_after_a_failure)
{
	uint16_t port = peer_listen();
	int fd = bound(0);

	name_port("bound", port_of(fd));
	R(to(fd, nobody()));
	LOCAL(fd);
	P(fd, 0);
	R(to(fd, port));
	ALLOW(KEEPS_PORT);
	LOCAL(fd);
	P(fd, 0);
	R(shutdown(fd, SHUT_RDWR));
	P(fd, 0);
}

CASE(connects_in_the_background_and_asks_again)
{
	uint16_t port = peer_listen();
	int fd = tcp(SOCK_NONBLOCK);

	R(to(fd, port));
	P(fd, POLLOUT);
	R(to(fd, port));
	R(to(fd, port));
	E(fd);
	close(fd);
	fd = tcp(SOCK_NONBLOCK);
	R(to(fd, nobody()));
	P(fd, POLLOUT);
	R(to(fd, port));
	R(to(fd, port));
	P(fd, POLLOUT);
	R(to(fd, port));
	R(to(fd, port));
	P(fd, 0);
	close(fd);
	fd = tcp(SOCK_NONBLOCK);
	R(to(fd, nobody()));
	P(fd, POLLOUT);
	E(fd);
	R(to(fd, port));
	R(to(fd, port));
	P(fd, POLLOUT);
	R(to(fd, port));
}

CASE(connects_where_nobody_answers)
{
	struct addr a = silence();
	int fd = tcp(SOCK_NONBLOCK);

	R(connect_to(fd, &a));
	P(fd, 0);
	R(connect_to(fd, &a));
	R(listen(fd, 1));
	R(accept(fd, NULL, NULL));
	a = addr_of(NULL, 0);
	R(bind_to(fd, &a));
	R(read(fd, buf, 1));
	R(write(fd, "x", 1));
	E(fd);
	REMOTE(fd);
	R(shutdown(fd, SHUT_RD));
	R(read(fd, buf, 1));
	P(fd, 0);
	E(fd);
}

CASE(shuts_down_while_connecting)
{
	static const int how[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
	struct addr a = silence();
	unsigned i;

	for (i = 0; i < 3; i++) {
		int fd = tcp(SOCK_NONBLOCK);

		LOG("%d", how[i]);
		R(connect_to(fd, &a));
		R(shutdown(fd, how[i]));
		ALLOW(NO_POLLERR);
		P(fd, 0);
		R(write(fd, "x", 1));
		R(read(fd, buf, 1));
		E(fd);
		P(fd, 0);
		ALLOW(KEEPS_PORT);
		LOCAL(fd);
		R(to(fd, peer_listen()));
		P(fd, POLLOUT);
		R(to(fd, peer_listen()));
		close(fd);
	}
}

CASE(connects_to_odd_addresses)
{
	static const char *const v4[] = {"224.0.0.5", "255.255.255.255", "10.77.0.255",
					 "240.0.0.1", "203.0.113.1", "0.0.0.1",
					 "127.255.255.255"};
	static const char *const v6[] = {"ff02::1", "2001:db8::1", "fe80::1"};
	unsigned i, n = family == AF_INET ? 7 : 3;

	for (i = 0; i < n; i++) {
		struct addr a = addr_of(family == AF_INET ? v4[i] : v6[i], 9);
		int fd = tcp(SOCK_NONBLOCK);

		LOG("%s", family == AF_INET ? v4[i] : v6[i]);
		R(connect_to(fd, &a));
		E(fd);
		R(write(fd, "x", 1));
		P(fd, 0);
		close(fd);
	}
}

CASE(connects_to_port_0)
{
	int fd = tcp(0);

	R(to(fd, 0));
	P(fd, 0);
	E(fd);
	close(fd);
	fd = tcp(SOCK_NONBLOCK);
	R(to(fd, 0));
	P(fd, POLLOUT);
	E(fd);
}

CASE(connects_to_any)
{
	struct addr a = addr_of(NULL, nobody());
	int fd = tcp(0), to_self = listener(0);

	R(connect_to(fd, &a));
	close(to_self);
	to_self = tcp(0);
	R(listen(to_self, 1));
	a = addr_of(NULL, port_of(to_self));
	fd = tcp(0);
	R(connect_to(fd, &a));
	name_port("listener", port_of(to_self));
	REMOTE(fd);
}

CASE(connects_to_itself)
{
	int fd = bound(0);
	struct addr a = addr_of(here, port_of(fd));

	name_port("self", port_of(fd));
	R(connect_to(fd, &a));
	LOCAL(fd);
	REMOTE(fd);
	P(fd, 0);
	R(write(fd, "echo", 4));
	P(fd, POLLIN);
	B(fd, 10, 0);
	R(shutdown(fd, SHUT_WR));
	P(fd, POLLRDHUP);
	R(read(fd, buf, 1));
}

CASE(disconnects_in_each_state)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = tcp(0), conn;
	uint16_t port;

	R(connect(fd, &none, sizeof(none)));
	E(fd);
	close(fd);
	fd = bound(0);
	name_port("bound", port_of(fd));
	R(connect(fd, &none, sizeof(none)));
	LOCAL(fd);
	R(listen(fd, 1));
	R(connect(fd, &none, sizeof(none)));
	LOCAL(fd);
	get_int(fd, SOL_SOCKET, SO_ACCEPTCONN);
	R(accept(fd, NULL, NULL));
	R(listen(fd, 1));
	port = port_of(fd);
	name_port("again", port);
	ALLOW(KEEPS_PORT);
	LOCAL(fd);
	peer_connect(NULL, port);
	R((conn = accept(fd, NULL, NULL)) >= 0);
	R(connect(conn, &none, sizeof(none)));
	R(peer_recv(1));
	ALLOW(NO_POLLERR);
	P(conn, 0);
	E(conn);
	ALLOW(KEEPS_PORT);
	LOCAL(conn);
	REMOTE(conn);
	R(write(conn, "x", 1));
	R(listen(conn, 1));
	close(conn);
	fd = tcp(0);
	R(to(fd, nobody()));
	R(connect(fd, &none, sizeof(none)));
	E(fd);
	P(fd, 0);
	R(connect(fd, &none, 1));
}

CASE(accepts_in_other_states)
{
	struct addr a = {.len = sizeof(a.in6)};
	int fd = tcp(0);

	R(accept(fd, NULL, NULL));
	R(accept(fd, &a.sa, &a.len));
	R(accept4(fd, NULL, NULL, 0x4000000));
	fd = bound(0);
	R(accept(fd, NULL, NULL));
	fd = joined();
	R(accept(fd, &a.sa, &a.len));
	R(accept(-1, NULL, NULL));
	fd = listener(SOCK_NONBLOCK);
	R(accept(fd, &a.sa, &a.len));
	R(accept4(fd, NULL, NULL, 0x4000000));
	R(accept(fd, (struct sockaddr *)8, &a.len));
	R(accept(fd, &a.sa, (socklen_t *)8));
}

CASE(accepts_to_bad_addresses)
{
	int fd = listener(0), i;
	socklen_t len = -1;
	struct addr a;

	for (i = 0; i < 3; i++) {
		peer_connect(NULL, port_of(fd));
		P(fd, POLLIN);
		if (i == 0)
			R(accept(fd, (struct sockaddr *)8, &(socklen_t){16}));
		if (i == 1)
			R(accept(fd, &a.sa, &len));
		if (i == 2)
			R(accept(fd, &a.sa, NULL));
		R(peer_recv(1));
		P(fd, 0);
	}
}

CASE(accepts_into_little_room)
{
	int fd = listener(0), i;

	for (i = 0; i < 30; i += 3) {
		struct addr a = {.len = i};

		memset(&a.in6, 0xee, sizeof(a.in6));
		peer_connect(NULL, port_of(fd));
		a.in6.sin6_port = 0;
		LOG("%d: %d", i, accept(fd, &a.sa, &a.len) >= 0);
		a.in.sin_port = 0;
		LOG("%u bytes: %02x %02x %02x %02x %02x", a.len, ((uint8_t *)&a.sa)[0],
		    ((uint8_t *)&a.sa)[4], ((uint8_t *)&a.sa)[7], ((uint8_t *)&a.sa)[15],
		    ((uint8_t *)&a.sa)[27]);
	}
}

CASE(accepts_with_flags)
{
	static const int flags[] = {0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC};
	int fd = listener(SOCK_NONBLOCK | SOCK_CLOEXEC), conn;
	unsigned i;

	for (i = 0; i < 4; i++) {
		peer_connect(NULL, port_of(fd));
		P(fd, POLLIN);
		conn = accept4(fd, NULL, NULL, flags[i]);
		LOG("%d, %x %x", conn >= 0, fcntl(conn, F_GETFL), fcntl(conn, F_GETFD));
	}
}

/* How many connections may wait; nobody else can be asked without waiting. */
CASE(backlog)
{
	static const int sizes[] = {1, 2, 5, 0};
	unsigned i, k, open;

	for (i = 0; i < 4; i++) {
		int fd = bound(SOCK_NONBLOCK), fds[10], accepted = 0;
		struct addr a = addr_of(here, port_of(fd));

		R(listen(fd, sizes[i]));
		for (k = open = 0; k < 10; k++) {
			fds[k] = tcp(SOCK_NONBLOCK);
			connect_to(fds[k], &a);
			open += await_ms(fds[k], POLLOUT, 100);
			usleep(30000);
		}
		while (accept(fd, NULL, NULL) >= 0)
			accepted++;
		if (!sizes[i])
			ALLOW("listen() with a backlog of 0 lets two connections wait");
		LOG("backlog %d: %u are open, %d accepted", sizes[i], open, accepted);
		for (k = 0; k < 10; k++)
			close(fds[k]);
		close(fd);
	}
}

CASE(peer_resets_before_accept)
{
	int fd = listener(0), conn;

	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	peer_send("last words");
	peer_reset();
	settle();
	P(fd, POLLIN);
	R((conn = accept(fd, NULL, NULL)) >= 0);
	P(conn, POLLHUP);
	REMOTE(conn);
	B(conn, 20, 0);
	R(read(conn, buf, 1));
	R(read(conn, buf, 1));
}

CASE(listener_closes_with_some_waiting)
{
	int fd = listener(0);

	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	close(fd);
	R(peer_recv(1));
}

CASE(shuts_down_a_listener)
{
	int fd = listener(0), other = tcp(0);
	struct addr a;

	name_port("listener", port_of(fd));
	a = addr_of(here, port_of(fd));
	R(shutdown(fd, SHUT_WR));
	P(fd, 0);
	R(shutdown(fd, SHUT_RDWR));
	P(fd, 0);
	LOCAL(fd);
	R(accept(fd, NULL, NULL));
	E(fd);
	ALLOW(KEEPS_PORT);
	R(bind_to(other, &a));
	R(listen(fd, 2));
	ALLOW(KEEPS_PORT);
	LOCAL(fd);
	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
}

CASE(shuts_down_in_each_state)
{
	int fd = joined();

	R(shutdown(fd, SHUT_RD));
	P(fd, 0);
	R(shutdown(fd, SHUT_RD));
	R(shutdown(fd, SHUT_WR));
	P(fd, 0);
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_RDWR));
	REMOTE(fd);
	peer_close();
	settle();
	P(fd, 0);
	R(shutdown(fd, SHUT_WR));
	REMOTE(fd);
	fd = joined();
	peer_reset();
	P(fd, POLLHUP);
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_RD));
	E(fd);
	R(shutdown(fd, 7));
	R(shutdown(-1, SHUT_RD));
	R(shutdown(tcp(0), SHUT_RD));
}
