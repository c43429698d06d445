/* test_sockopt.c - getsockopt() and setsockopt() behind the hooks.
 */
#include "hooked.h"

static int get_int(int fd, int level, int name)
{
	int v = -77;
	socklen_t len = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	assert_int_equal(len, sizeof(v));
	return v;
}

static void options(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), v = 5;
	struct sock *s = fdtab_peek(fd);
	socklen_t len = 1;
	uint8_t byte = 0;
	char name[32] = "";

	(void)state;
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 4), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	assert_true(s->opts.reuseaddr);
	v = 100000;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, 4), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_RCVBUF), 200000);
	assert_int_equal(s->opts.tcp.rcvbuf_bytes, 100000);
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, 3), EINVAL);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_TYPE, &v, 4), ENOPROTOOPT);
	v = 32768;
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, 4), EINVAL);
	v = 30;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, 4), 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_fails(setsockopt(fd, IPPROTO_TCP, 999, &v, 4), ENOPROTOOPT);
	assert_fails(setsockopt(fd, IPPROTO_IPV6, 26, &v, 4), ENOPROTOOPT);
	v = 0xff;
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TOS, &v, 4), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &byte, &len), 0);
	assert_int_equal(byte, 0xfc);
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6), ENOENT);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), 0);
	len = sizeof(name);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "bbr");
	assert_string_equal(s->opts.tcp.cc->name, "bbr");
	len = sizeof(name);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8), ENODEV);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, "lo");
	assert_int_equal(fake.opts, 0);
	close(fd);
}

static int set_int(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v));
}

/* What the engine must know reaches it, and reads back as it does on Linux. */
static void values_for_the_engine(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const struct tcp_opts *o = &fdtab_peek(fd)->opts.tcp;

	(void)state;
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 2), 0);
	assert_true(o->keepalive);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_CORK, 1), 0);
	assert_true(o->cork);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30), 0);
	assert_int_equal(o->keepalive_idle_s, 30);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 7), 0);
	assert_int_equal(o->keepalive_interval_s, 7);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 127), 0);
	assert_int_equal(o->keepalive_probes, 127);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 3), 0);
	assert_int_equal(o->syn_retries, 3);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1234), 0);
	assert_int_equal(o->user_timeout_ms, 1234);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1), 0);
	assert_int_equal(o->notsent_lowat_bytes, UINT32_MAX);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), -1);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5), 0);
	assert_int_equal(o->window_clamp_bytes, 1152);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_LINGER2, -7), 0);
	assert_int_equal(o->fin_timeout_s, -1);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5), 0);
	assert_int_equal(o->defer_accept_s, 7); /* 1 + 2 + 4 */
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	assert_true(o->pingpong);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_QUICKACK), 0);
	assert_int_equal(set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, 3), 0);
	assert_int_equal(o->ip.mtu_discover, 3);
	close(fd);
}

/* What nobody has set reads as the stack is configured. */
static void values_as_configured(void **state)
{
	struct engine_config *e = &fake.cfg.engine;
	int fd;

	(void)state;
	e->keepalive_idle_s = 11;
	e->keepalive_interval_s = 12;
	e->keepalive_probes = 13;
	e->syn_retries = 14;
	e->fin_timeout_ms = 15000;
	e->sndbuf_bytes = 16000;
	e->rcvbuf_bytes = 17000;
	fake.cfg.ttl = 18;
	fake.cfg.mtu_discover = IP_PMTUDISC_DONT;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 11);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL), 12);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPCNT), 13);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_SYNCNT), 14);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_LINGER2), 15);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_SNDBUF), 16000);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_RCVBUF), 17000);
	assert_int_equal(get_int(fd, IPPROTO_IP, IP_TTL), 18);
	assert_int_equal(get_int(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5), 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 5);
	assert_int_equal(fdtab_peek(fd)->opts.tcp.keepalive_interval_s, 0);
	close(fd);
}

/* Where the administrator has switched Fast Open off, its client side does not
 * exist; the server's length of queue is only remembered. */
static void fast_open(void **state)
{
	struct sockaddr_in to = v4(80);
	static const uint8_t keys[32] = {1, [16] = 2, [31] = 3};
	struct sock *s;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), 0);
	assert_true(fdtab_peek(fd)->opts.tcp.fastopen);
	fake.cfg.engine.fastopen = 2;
	assert_fails(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), EOPNOTSUPP);
	assert_fails(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)),
		     EOPNOTSUPP);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 7), 0);
	assert_int_equal(fdtab_peek(fd)->opts.tcp.fastopen_queue, 7);
	assert_return_code(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 32), errno);
	assert_int_equal(fdtab_peek(fd)->opts.fastopen_keys.n, 2);
	assert_memory_equal(fdtab_peek(fd)->opts.fastopen_keys.key, keys, 32);
	close(fd);
	fake.cfg.engine.fastopen = 1;
	fd = connected(&s);
	assert_fails(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 7), EINVAL);
	assert_fails(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), EINVAL);
	close(fd);
	close(fake.engine_end);
}

/* socket(7): an int cannot say more than "none"; 64 bits can. */
static void pacing_rates(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const struct sock_opts *o = &fdtab_peek(fd)->opts;
	uint64_t rate = 1ull << 40, is = 0;
	socklen_t len = sizeof(is);

	(void)state;
	assert_int_equal(o->max_pacing_rate, UINT64_MAX);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 1000000), 0);
	assert_int_equal(o->max_pacing_rate, 1000000);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate,
				    sizeof(rate)), 0);
	assert_int_equal(o->max_pacing_rate, rate);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &is, &len), 0);
	assert_int_equal(is, rate);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, -1), 0);
	assert_int_equal(o->max_pacing_rate, UINT64_MAX);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 3), EINVAL);
	close(fd);
}

static void tcp_info_is_cut_to_what_is_asked_for(void **state)
{
	struct sock *s;
	int fd = connected(&s), n = 0;
	struct tcp_info info;
	socklen_t len = sizeof(info.tcpi_state);

	(void)state;
	fake.status.state = TCPS_CLOSE_WAIT;
	fake.status.srtt_us = 1234;
	fake.status.notsent_bytes = 10;
	fake.status.unacked_bytes = 5;
	memset(&info, 0xee, sizeof(info));
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_state, TCP_CLOSE_WAIT);
	assert_int_equal(info.tcpi_ca_state, 0xee);
	len = sizeof(info);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_rtt, 1234);
	assert_int_equal(ioctl(fd, TIOCOUTQ, &n), 0);
	assert_int_equal(n, 15);
	n = 7;
	assert_int_equal(ioctl(fd, SIOCATMARK, &n), 0);
	assert_int_equal(n, 0);
	close(fd);
	close(fake.engine_end);
}

/* On a connection, what is set goes to the driver, and what it has now is shown. */
static void on_a_connection(void **state)
{
	struct sock *s;
	int fd = connected(&s);

	(void)state;
	fake.status.sndbuf_bytes = 70000;
	fake.status.rcvbuf_bytes = 80000;
	fake.status.snd_mss = 1448;
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_SNDBUF), 70000);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_RCVBUF), 80000);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_MAXSEG), 1448);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	assert_int_equal(fake.opts, 1);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 1), 0);
	assert_true(fake.status.quickack);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_QUICKACK), 1);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	assert_false(fake.status.quickack);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_QUICKACK), 0);
	assert_fails(set_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), EINVAL);
	close(fd);
	close(fake.engine_end);
}

/* What means nothing here: the kernel's own TCP says what may be set and read. */
static void options_without_a_meaning(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), dup = socket(AF_INET, SOCK_STREAM, 0);
	uint8_t byte = 5;
	socklen_t len = 1;

	(void)state;
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_BROADCAST), 0);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_BROADCAST, 7), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_BROADCAST), 1);
	assert_int_equal(get_int(dup, SOL_SOCKET, SO_BROADCAST), 0);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_BROADCAST, 0), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_BROADCAST), 0);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &byte, 1), EINVAL);
	assert_int_equal(setsockopt(fd, SOL_IP, IP_RECVTTL, &byte, 1), 0);
	assert_int_equal(getsockopt(fd, SOL_IP, IP_RECVTTL, &byte, &len), 0);
	assert_int_equal(byte, 1);
	assert_fails(set_int(fd, SOL_IP, IP_MULTICAST_TTL, 5), EINVAL);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1), 0);
	assert_fails(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 0), EPERM);
	assert_fails(set_int(fd, IPPROTO_UDP, 1, 1), ENOPROTOOPT);
	close(dup);
	close(fd);
}

/* What would change the protocol in a way that it does not know is not taken. */
static void refused_options(void **state)
{
	uint8_t options[4] = {1, 1, 1, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_fails(setsockopt(fd, SOL_IP, IP_OPTIONS, options, 4), EOPNOTSUPP);
	options[0] = 2;
	assert_fails(setsockopt(fd, SOL_IP, IP_OPTIONS, options, 4), EINVAL);
	assert_int_equal(setsockopt(fd, SOL_IP, IP_OPTIONS, NULL, 0), 0);
	assert_int_equal(set_int(fd, IPPROTO_TCP, TCP_REPAIR, 0), 0);
	assert_fails(set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1), EPERM);
	close(fd);
}

/* The kernel takes as much as the host allows, and says what it took. */
static void sizes_of_buffers(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), pair = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(set_int(pair, SOL_SOCKET, SO_RCVBUF, INT32_MAX), 0);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_RCVBUF, INT32_MAX), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_RCVBUF),
			 get_int(pair, SOL_SOCKET, SO_RCVBUF));
	assert_int_equal(set_int(pair, SOL_SOCKET, SO_SNDBUF, 1), 0);
	assert_int_equal(set_int(fd, SOL_SOCKET, SO_SNDBUF, 1), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_SNDBUF),
			 get_int(pair, SOL_SOCKET, SO_SNDBUF));
	close(pair);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options),
		TEST(values_for_the_engine),
		TEST(values_as_configured),
		TEST(fast_open),
		TEST(pacing_rates),
		TEST(tcp_info_is_cut_to_what_is_asked_for),
		TEST(on_a_connection),
		TEST(options_without_a_meaning),
		TEST(refused_options),
		TEST(sizes_of_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
