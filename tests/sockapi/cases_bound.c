/* cases_bound.c - options that say where a socket is: devices, addresses, ports; and
 * what accept() takes over. */
#include "sockapi.h"

#include <net/if.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static void device(int fd)
{
	char name[IFNAMSIZ] = "?";
	socklen_t len = sizeof(name);
	int index = -1;

	R(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	LOG("%u \"%s\"", len, len ? name : "");
	len = sizeof(index);
	getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, &len);
	LOG("index %d", index == (int)if_nametoindex("lo") ? 1 : index);
}

CASE(devices)
{
	int fd = tcp(0), big = 9999;
	char name[40] = "lo";
	socklen_t len;

	device(fd);
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	device(fd);
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)));
	device(fd);
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 1));
	device(fd);
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "l", 1));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, NULL, 0));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0123456789", 16));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", -1));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &big, sizeof(big)));
	device(fd);
	set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, 1);
	device(fd);
	for (len = 0; len < 20; len += 5) {
		socklen_t l = len;

		R(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &l));
		LOG("%u", l);
	}
}

CASE(connects_by_a_device)
{
	uint16_t port = peer_listen();
	int fd = tcp(0);

	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	if (on_loopback())
		R(to(fd, port));
}

CASE(listens_at_a_device)
{
	int fd = bound(0), conn;

	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, on_loopback() ? "lo" : "va", 3));
	R(listen(fd, 3));
	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	conn = accept(fd, NULL, NULL);
	R(conn >= 0);
	if (on_loopback())
		device(conn);
}

CASE(shares_a_port_at_devices)
{
	int fd = tcp(0), other = tcp(0);
	struct addr a = addr_of(NULL, 0);

	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	R(bind(fd, &a.sa, a.len));
	a = addr_of(NULL, port_of(fd));
	R(bind(other, &a.sa, a.len));
	R(setsockopt(other, SOL_SOCKET, SO_BINDTODEVICE, "va", 3));
	R(bind(other, &a.sa, a.len));
	R(listen(fd, 1));
	R(listen(other, 1));
}

CASE(free_addresses)
{
	const char *nowhere = family == AF_INET ? "203.0.113.77" : "2001:db8::77";
	struct addr a = addr_of(nowhere, 0);
	int fd = tcp(0);

	R(bind(fd, &a.sa, a.len));
	set_int(fd, SOL_IP, IP_FREEBIND, 1);
	R(bind(fd, &a.sa, a.len));
	LOCAL(fd);
	R(listen(fd, 1));
}

#define WITH_A_PORT "IP_LOCAL_PORT_RANGE has no influence"

CASE(an_address_without_a_port)
{
	struct addr a = addr_of(here, 0);
	uint16_t port = peer_listen();
	int fd = tcp(0), other = tcp(0);

	set_get(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	R(bind(fd, &a.sa, a.len));
	LOCAL(fd);
	R(bind(fd, &a.sa, a.len));
	R(to(fd, port));
	LOG("a port: %d", port_of(fd) != 0);
	REMOTE(fd);
	set_int(other, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	R(bind(other, &a.sa, a.len));
	R(listen(other, 1));
	LOG("a port: %d", port_of(other) != 0);
}

/* Of many ports that the system would choose, few are in so small a range. */
CASE(a_range_of_ports)
{
	struct addr a = addr_of(here, 0);
	uint16_t port = peer_listen();
	int fd = tcp(0), other = tcp(0), third = tcp(0), range = 40123u << 16 | 40120;

	set_get(fd, SOL_IP, IP_LOCAL_PORT_RANGE, (int)(20u << 16 | 30));
	set_get(fd, SOL_IP, IP_LOCAL_PORT_RANGE, range);
	R(bind(fd, &a.sa, a.len));
	ALLOW(WITH_A_PORT);
	LOG("%d", port_of(fd) >= 40120 && port_of(fd) <= 40123);
	set_int(other, SOL_IP, IP_LOCAL_PORT_RANGE, range);
	R(to(other, port));
	ALLOW(WITH_A_PORT);
	LOG("%d", port_of(other) >= 40120 && port_of(other) <= 40123);
	set_int(third, SOL_IP, IP_LOCAL_PORT_RANGE, range);
	R(listen(third, 1));
	ALLOW(WITH_A_PORT);
	LOG("%d", port_of(third) >= 40120 && port_of(third) <= 40123);
}

static const int told[][3] = {
	{SOL_IP, IP_TOS, 8}, /* before SO_PRIORITY, which it changes */
	{SOL_SOCKET, SO_DEBUG, 1}, {SOL_SOCKET, SO_REUSEADDR, 1}, {SOL_SOCKET, SO_DONTROUTE, 1},
	{SOL_SOCKET, SO_BROADCAST, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1},
	{SOL_SOCKET, SO_OOBINLINE, 1}, {SOL_SOCKET, SO_NO_CHECK, 1},
	{SOL_SOCKET, SO_PRIORITY, 4}, {SOL_SOCKET, SO_REUSEPORT, 1},
	{SOL_SOCKET, SO_RCVLOWAT, 2}, {SOL_SOCKET, SO_MARK, 7}, {SOL_SOCKET, SO_TIMESTAMP, 1},
	{SOL_SOCKET, SO_RXQ_OVFL, 1}, {SOL_SOCKET, SO_NOFCS, 1}, {SOL_SOCKET, SO_LOCK_FILTER, 1},
	{SOL_SOCKET, SO_BUSY_POLL, 9}, {SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30},
	{SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1}, {SOL_SOCKET, SO_PEEK_OFF, 0},
	{SOL_SOCKET, SO_SNDBUF, 50000}, {SOL_SOCKET, SO_RCVBUF, 50000},
	{IPPROTO_TCP, TCP_NODELAY, 1}, {IPPROTO_TCP, TCP_CORK, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 9},
	{IPPROTO_TCP, TCP_KEEPINTVL, 8}, {IPPROTO_TCP, TCP_KEEPCNT, 7}, {IPPROTO_TCP, TCP_SYNCNT, 6},
	{IPPROTO_TCP, TCP_LINGER2, 5}, {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, 4000}, {IPPROTO_TCP, TCP_FASTOPEN, 3},
	{IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 60000},
	{IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1}, {IPPROTO_TCP, TCP_INQ, 1},
	{IPPROTO_TCP, TCP_TX_DELAY, 0}, {IPPROTO_TCP, TCP_SAVE_SYN, 0},
	{SOL_IP, IP_TTL, 77}, {SOL_IP, IP_MTU_DISCOVER, 2},
	{SOL_IP, IP_RECVERR, 1}, {SOL_IP, IP_RECVTTL, 1}, {SOL_IP, IP_RECVTOS, 1},
	{SOL_IP, IP_PKTINFO, 1}, {SOL_IP, IP_MINTTL, 1}, {SOL_IP, IP_FREEBIND, 1},
	{SOL_IP, IP_MULTICAST_ALL, 0}, {SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1},
};
#define TOLD (sizeof(told) / sizeof(told[0]))

CASE(what_accept_takes_over)
{
	struct linger l = {.l_onoff = 1, .l_linger = 3};
	struct timeval t = {.tv_sec = 8};
	socklen_t len = sizeof(l);
	int fd = bound(0), conn;
	unsigned i;

	for (i = 0; i < TOLD; i++)
		set_int(fd, told[i][0], told[i][1], told[i][2]);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	R(listen(fd, 2));
	peer_connect(NULL, port_of(fd));
	conn = accept(fd, NULL, NULL);
	for (i = 0; i < TOLD; i++) {
		get_int(fd, told[i][0], told[i][1]);
		get_int(conn, told[i][0], told[i][1]);
	}
	R(getsockopt(conn, SOL_SOCKET, SO_LINGER, &l, &len));
	LOG("%d %d", l.l_onoff, l.l_linger);
	len = sizeof(t);
	R(getsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	LOG("%ld", (long)t.tv_sec);
	len = 16;
	R(getsockopt(conn, IPPROTO_TCP, TCP_CONGESTION, buf, &len));
	LOG("%s", buf);
	LOG("%x", fcntl(conn, F_GETFL));
	R(setsockopt(conn, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &l.l_onoff, sizeof(int)));
	R(setsockopt(conn, IPPROTO_TCP, TCP_FASTOPEN, &l.l_onoff, sizeof(int)));
	R(setsockopt(conn, IPPROTO_TCP, TCP_ULP, "tls", 3));
	R(setsockopt(conn, IPPROTO_TCP, TCP_ULP, "tls", 4));
	R(setsockopt(conn, IPPROTO_TCP, TCP_REPAIR_QUEUE, &l.l_onoff, sizeof(int)));
}
