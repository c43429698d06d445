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
	len = sizeof(name);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "reno");
	len = sizeof(name);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8), ENODEV);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, "lo");
	assert_int_equal(fake.opts, 0);
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
	n = 1;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &n, 4), 0);
	assert_int_equal(fake.opts, 1);
	close(fd);
	close(fake.engine_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options),
		TEST(tcp_info_is_cut_to_what_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
