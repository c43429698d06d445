/* cases_options.c - socket options: defaults, ranges, what is kept and inherited;
 * TCP_INFO. */
#include "sockapi.h"

#include <sys/time.h>


CASE(option_defaults)
{
	static const int sol[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_REUSEADDR,
				  SO_REUSEPORT, SO_KEEPALIVE, SO_ACCEPTCONN,
				  SO_OOBINLINE, SO_BROADCAST, SO_RCVLOWAT,
				  SO_SNDLOWAT, SO_PRIORITY, SO_MARK, SO_SNDBUF,
				  SO_RCVBUF, SO_LINGER, SO_MAX_PACING_RATE, 999};
	static const int tcp_opts[] = {TCP_NODELAY, TCP_MAXSEG, TCP_CORK,
				       TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
				       TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT,
				       TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_ULP,
				       TCP_NOTSENT_LOWAT, TCP_WINDOW_CLAMP, 999};
	static const int ip[] = {IP_TOS, IP_TTL, IP_RECVERR, IP_MTU_DISCOVER, IP_MTU,
				 IP_BIND_ADDRESS_NO_PORT, 999};
	int fd = tcp(0);
	unsigned i;

	for (i = 0; i < sizeof(sol) / sizeof(sol[0]); i++)
		get_int(fd, SOL_SOCKET, sol[i]);
	for (i = 0; i < sizeof(tcp_opts) / sizeof(tcp_opts[0]); i++)
		get_int(fd, IPPROTO_TCP, tcp_opts[i]);
	for (i = 0; i < sizeof(ip) / sizeof(ip[0]); i++)
		get_int(fd, IPPROTO_IP, ip[i]);
	get_int(fd, IPPROTO_IPV6, 26);
	close(fd);
}

CASE(option_values)
{
	static const int values[][3] = {
		{SOL_SOCKET, SO_REUSEADDR, 5}, {SOL_SOCKET, SO_KEEPALIVE, 1},
		{SOL_SOCKET, SO_TYPE, 1}, {SOL_SOCKET, SO_SNDBUF, 30000},
		{SOL_SOCKET, SO_RCVBUF, 30000}, {SOL_SOCKET, SO_SNDBUF, 1},
		{SOL_SOCKET, SO_RCVBUF, 1}, {SOL_SOCKET, SO_RCVLOWAT, 5},
		{IPPROTO_TCP, TCP_NODELAY, 3}, {IPPROTO_TCP, TCP_MAXSEG, 1000},
		{IPPROTO_TCP, TCP_MAXSEG, 10}, {IPPROTO_TCP, TCP_MAXSEG, 70000},
		{IPPROTO_TCP, TCP_KEEPIDLE, 0}, {IPPROTO_TCP, TCP_KEEPIDLE, 30},
		{IPPROTO_TCP, TCP_KEEPINTVL, 32768}, {IPPROTO_TCP, TCP_KEEPCNT, 128},
		{IPPROTO_TCP, TCP_KEEPCNT, 3}, {IPPROTO_TCP, TCP_SYNCNT, 0},
		{IPPROTO_TCP, TCP_SYNCNT, 2}, {IPPROTO_TCP, TCP_CORK, 1},
		{IPPROTO_TCP, TCP_LINGER2, -5}, {IPPROTO_TCP, TCP_LINGER2, 30},
		{IPPROTO_TCP, TCP_LINGER2, 500}, {IPPROTO_TCP, TCP_LINGER2, 0},
		{IPPROTO_TCP, TCP_DEFER_ACCEPT, 1}, {IPPROTO_TCP, TCP_DEFER_ACCEPT, 5},
		{IPPROTO_TCP, TCP_DEFER_ACCEPT, 200}, {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, -1},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, 5000}, {IPPROTO_TCP, 999, 1},
		{IPPROTO_IP, IP_TOS, 0x13}, {IPPROTO_IP, IP_TOS, 0x10},
		{IPPROTO_IP, IP_TTL, 0}, {IPPROTO_IP, IP_TTL, 10},
		{IPPROTO_IP, IP_TTL, -1}, {IPPROTO_IP, IP_TTL, 256},
		{IPPROTO_IP, IP_MTU_DISCOVER, 6}, {IPPROTO_IP, IP_MTU_DISCOVER, 2},
	};
	int fd = tcp(0), v = 1;
	unsigned i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		set_get(fd, values[i][0], values[i][1], values[i][2]);
	R(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, 2));
	R(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 2));
	R(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
	R(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8));
	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	close(fd);
}

/* The edges of what each may be, and what is read back. */
CASE(option_ranges)
{
	static const struct {
		int level, name;
		int values[10];
	} sets[] = {
		{IPPROTO_TCP, TCP_KEEPIDLE, {-1, 0, 1, 32767, 32768}},
		{IPPROTO_TCP, TCP_KEEPINTVL, {-1, 0, 1, 32767, 32768}},
		{IPPROTO_TCP, TCP_KEEPCNT, {-1, 0, 1, 127, 128, 300}},
		{IPPROTO_TCP, TCP_SYNCNT, {-1, 0, 1, 127, 128}},
		{IPPROTO_TCP, TCP_LINGER2, {-2, -1, 0, 1, 60, 119, 120, 121, 1 << 30}},
		{IPPROTO_TCP, TCP_DEFER_ACCEPT, {-1, 0, 1, 2, 3, 4, 10, 63, 64, 100000}},
		{IPPROTO_TCP, TCP_QUICKACK, {0, 1, 2, 3, -1}},
		{IPPROTO_TCP, TCP_CORK, {-1, 0, 2}},
		{IPPROTO_TCP, TCP_MAXSEG, {0, 1, 87, 88, 536, 32767, 32768, -1}},
		{IPPROTO_TCP, TCP_WINDOW_CLAMP, {0, 1, 1151, 1152, 1153, 100000, -1}},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, {-1, 0, 1, 1 << 30}},
		{IPPROTO_TCP, TCP_NOTSENT_LOWAT, {-1, 0, 1, 1 << 30}},
		{IPPROTO_TCP, TCP_FASTOPEN, {-1, 0, 5, 4096, 4097, 100000}},
		{IPPROTO_TCP, TCP_FASTOPEN_CONNECT, {-1, 0, 1, 2}},
		{SOL_SOCKET, SO_KEEPALIVE, {-1, 0, 2}},
		{SOL_SOCKET, SO_OOBINLINE, {-1, 0, 2}},
		{SOL_SOCKET, SO_MAX_PACING_RATE, {0, 1, 1 << 30, -2, -1}},
		{SOL_IP, IP_MTU_DISCOVER, {-1, 0, 1, 2, 3, 4, 5, 6}},
		{SOL_IP, IP_MINTTL, {-1, 0, 1, 255, 256}},
		{SOL_IP, IP_TTL, {-2, -1, 0, 1, 255, 256}},
		{SOL_IP, IP_TOS, {0, 1, 2, 3, 4, 0xff, 0x100, -1}},
	};
	unsigned i, j;

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		int fd = tcp(0);

		for (j = 0; j < 10; j++)
			set_get(fd, sets[i].level, sets[i].name, sets[i].values[j]);
		close(fd);
	}
}

static const int kept[][3] = {
	{SOL_SOCKET, SO_KEEPALIVE, 1}, {SOL_SOCKET, SO_OOBINLINE, 1},
	{SOL_SOCKET, SO_SNDBUF, 40000}, {SOL_SOCKET, SO_RCVBUF, 40000},
	{SOL_SOCKET, SO_PRIORITY, 3}, {SOL_SOCKET, SO_MAX_PACING_RATE, 5000000},
	{IPPROTO_TCP, TCP_NODELAY, 1}, {IPPROTO_TCP, TCP_CORK, 1},
	{IPPROTO_TCP, TCP_KEEPIDLE, 50}, {IPPROTO_TCP, TCP_KEEPINTVL, 8},
	{IPPROTO_TCP, TCP_KEEPCNT, 4}, {IPPROTO_TCP, TCP_SYNCNT, 3},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, 30000}, {IPPROTO_TCP, TCP_LINGER2, 20},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, 9000}, {IPPROTO_TCP, TCP_DEFER_ACCEPT, 3},
	{SOL_IP, IP_TOS, 0x10}, {SOL_IP, IP_TTL, 33}, {SOL_IP, IP_MTU_DISCOVER, 2},
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

CASE(options_of_a_connection)
{
	int fd = joined();
	unsigned i;

	get_int(fd, SOL_IP, IP_MTU);
	if (!on_loopback()) /* the kernel's is half the peer's window there */
		get_int(fd, IPPROTO_TCP, TCP_MAXSEG);
	for (i = 0; i < KEPT; i++)
		set_get(fd, kept[i][0], kept[i][1], kept[i][2]);
	R(setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &(int){0}, sizeof(int)));
	set_get(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 30000);
	set_get(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	set_get(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	R(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int)));
	peer_send("hello");
	await(fd, POLLIN);
	R(read(fd, buf, sizeof(buf)));
	close(fd);
}

/* What a listener has been told holds for what it accepts. */
CASE(options_inherited)
{
	struct linger l = {.l_onoff = 1, .l_linger = 7};
	int fd = bound(0), conn;
	socklen_t len = sizeof(l);
	unsigned i;

	for (i = 0; i < KEPT; i++)
		set_int(fd, kept[i][0], kept[i][1], kept[i][2]);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	R(listen(fd, 5));
	peer_connect(NULL, port_of(fd));
	peer_send("back"); /* TCP_DEFER_ACCEPT */
	await(fd, POLLIN);
	conn = accept(fd, NULL, NULL);
	for (i = 0; i < KEPT; i++)
		get_int(conn, kept[i][0], kept[i][1]);
	R(getsockopt(conn, SOL_SOCKET, SO_LINGER, &l, &len));
	LOG("%d %d", l.l_onoff, l.l_linger);
	B(conn, 100, 0);
}

/* Of TCP_INFO, what does not depend on time and chance. */
static void show_info(int fd)
{
	struct tcp_info i;
	socklen_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	R(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len));
	LOG("%u bytes, state %u, ca %u, retransmits %u, probes %u, backoff %u",
	       (unsigned)len, i.tcpi_state, i.tcpi_ca_state, i.tcpi_retransmits,
	       i.tcpi_probes, i.tcpi_backoff);
	LOG("options %u, unacked %u, sacked %u, lost %u, retrans %u, total %u",
	       i.tcpi_options, i.tcpi_unacked, i.tcpi_sacked, i.tcpi_lost,
	       i.tcpi_retrans, i.tcpi_total_retrans);
	if (on_loopback())
		i.tcpi_snd_mss = 0;
	LOG("mss %u, pmtu %u, advmss %u, ssthresh %u, reordering %u",
	       i.tcpi_snd_mss, i.tcpi_pmtu, i.tcpi_advmss, i.tcpi_snd_ssthresh,
	       i.tcpi_reordering);
	LOG("bytes: acked %llu, received %llu, sent %llu, again %llu, notsent %u",
	       (unsigned long long)i.tcpi_bytes_acked,
	       (unsigned long long)i.tcpi_bytes_received,
	       (unsigned long long)i.tcpi_bytes_sent,
	       (unsigned long long)i.tcpi_bytes_retrans, i.tcpi_notsent_bytes);
	LOG("data segments out %u, in %u, out of order %u; dsacks %u; reordered %u",
	       i.tcpi_data_segs_out, i.tcpi_data_segs_in, i.tcpi_rcv_ooopack,
	       i.tcpi_dsack_dups, i.tcpi_reord_seen);
	LOG("max rate %llx; held by the window %d, by the buffer %d",
	       (unsigned long long)i.tcpi_max_pacing_rate, i.tcpi_rwnd_limited > 0,
	       i.tcpi_sndbuf_limited > 0);
	if (i.tcpi_state != 7 || i.tcpi_bytes_sent)
		LOG("sent %s ago, received %s ago",
		       i.tcpi_last_data_sent >= 400 ? "long" : "a little",
		       i.tcpi_last_data_recv >= 400 ? "long" : "a little");
}

CASE(info)
{
	int fd = tcp(0);

	show_info(fd);
	close(fd);
	fd = joined();
	peer_send("hello");
	await(fd, POLLIN);
	R(read(fd, buf, sizeof(buf)));
	show_info(fd);
	usleep(400000);
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	show_info(fd);
	usleep(400000);
	R(shutdown(fd, SHUT_WR));
	settle();
	show_info(fd);
	close(fd);
}

CASE(info_of_a_listener)
{
	show_info(listener(0));
}

CASE(timeouts)
{
	int fd = joined();
	struct timeval t = {.tv_usec = 20000};

	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	R(read(fd, buf, 1));
}

/* close() waits for the peer, but not longer than it was told to. */
CASE(lingers)
{
	struct linger l = {.l_onoff = 1, .l_linger = 10};
	int fd = joined();
	double began;

	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	began = now_s();
	R(close(fd));
	LOG("%s", now_s() - began < 0.5 ? "at once" : "late");
	fd = joined(); /* where nobody reads */
	l.l_linger = 1;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	fill(fd);
	began = now_s();
	R(close(fd));
	LOG("after %.0f s", now_s() - began);
}
