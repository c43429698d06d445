/* test_dualstack.c - the ports of AF_INET6 sockets: IPv4 comes to those that are
 * not IPV6_V6ONLY; IPv6 is refused by the kernel, at once, while the port is ours
 * there too.
 */
#include "app.h"

static struct endpoint any6(uint16_t port)
{
	return (struct endpoint){.port = port};
}

static struct app app_socket6(bool v6only, bool reuseaddr)
{
	struct app a = app_socket();

	sock_put(a.s);
	a.s = sock_new(AF_INET6);
	assert_non_null(a.s);
	a.s->opts.v6only = v6only;
	a.s->opts.reuseaddr = reuseaddr;
	return a;
}

static int app_bind6(struct app *a, uint16_t port)
{
	struct endpoint local = any6(port);

	return driver_bind(a->s, &local);
}

static struct app app_listen6(uint16_t port, bool v6only, bool reuseaddr)
{
	struct app a = app_socket6(v6only, reuseaddr);

	assert_int_equal(app_bind6(&a, port), 0);
	app_name(&a);
	assert_return_code(listen(a.fd, 5), errno);
	assert_int_equal(driver_listen(a.s, 5), 0);
	assert_int_equal(atomic_load(&a.s->state), SOCK_LISTENING);
	return a;
}

/* A kernel socket of IPv6 alone on the port, or the errno of bind(). */
static int kernel_bind6(uint16_t port)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, err;

	assert_return_code(fd, errno);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static void assert_free_in_ipv6(uint16_t port)
{
	int fd = kernel_bind6(port);

	assert_return_code(fd, -fd);
	close(fd);
}

static void assert_refused(int family, uint16_t port)
{
	struct sockaddr_in sin = sin_of(port);
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(family == AF_INET
				 ? connect(fd, (struct sockaddr *)&sin, sizeof(sin))
				 : connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)),
			 -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
}

static void assert_talks(struct app *l, uint16_t port)
{
	int peer = kernel_connect(port);
	struct name n;
	struct app a = app_accept(l, &n);

	assert_true(addr_is_v4(&n.flow.local.addr));
	assert_int_equal(a.s->family, AF_INET6);
	send_pattern(peer, 0, 1000);
	expect_pattern(a.fd, 0, 1000);
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

static void both_is_ipv4_for_us_and_refused_in_ipv6(void **state)
{
	struct app l = app_listen6(23000, false, false);
	const struct endpoint shown = any6(23000);

	(void)state;
	assert_true(endpoint_eq(&l.s->local, &shown));
	assert_talks(&l, 23000);
	assert_refused(AF_INET6, 23000);
	assert_int_equal(kernel_bind6(23000), -EADDRINUSE);
	app_close(&l);
	assert_free_in_ipv6(23000);
}

static void the_kernels_choice_is_free_in_both(void **state)
{
	struct app l = app_listen6(0, false, false), only = app_listen6(0, true, true);

	(void)state;
	assert_int_not_equal(l.s->local.port, 0);
	assert_talks(&l, l.s->local.port);
	assert_int_equal(kernel_bind6(l.s->local.port), -EADDRINUSE);
	assert_int_not_equal(only.s->local.port, 0);
	assert_int_equal(kernel_bind6(only.s->local.port), -EADDRINUSE);
	assert_refused(AF_INET6, only.s->local.port);
	app_close(&only);
	app_close(&l);
}

static void ipv6_alone_hears_nothing(void **state)
{
	struct app l = app_listen6(23001, true, true);
	struct app v4 = app_listen(23001, 5, false), again = app_socket6(true, true);
	struct sockaddr_in sin = sin_of(23001);
	struct pollfd p = {.fd = l.fd, .events = POLLIN};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_refused(AF_INET6, 23001);
	assert_int_equal(kernel_bind6(23001), -EADDRINUSE);
	assert_int_equal(app_bind6(&again, 23001), -EADDRINUSE);
	/* The engine sees this SYN, as the port is somebody's, and refuses it. */
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(poll(&p, 1, 50), 0);
	assert_int_equal(driver_listen(l.s, 7), 0);
	close(fd);
	app_close(&again);
	app_close(&l);
	assert_free_in_ipv6(23001);
	app_close(&v4);
	assert_refused(AF_INET, 23001);
}

static void taken_in_either_is_taken(void **state)
{
	int v6 = kernel_bind6(23002), v4;
	struct app a = app_socket6(false, false);

	(void)state;
	assert_int_equal(app_bind6(&a, 23002), -EADDRINUSE);
	/* Nothing of the attempt is left. */
	v4 = kernel_listen(23002, 1);
	close(v6);
	assert_int_equal(app_bind6(&a, 23002), -EADDRINUSE);
	assert_free_in_ipv6(23002);
	a.s->opts.v6only = true;
	assert_int_equal(app_bind6(&a, 23002), 0);
	app_close(&a);
	close(v4);
}

static void other_addresses_are_nobodys(void **state)
{
	struct endpoint local = {.addr = {.b = {[15] = 1}}};
	struct app a = app_socket6(false, false);

	(void)state;
	assert_int_equal(driver_bind(a.s, &local), -EADDRNOTAVAIL);
	a.s->opts.v6only = true;
	assert_int_equal(driver_bind(a.s, &local), -EADDRNOTAVAIL);
	app_close(&a);
}

/* While connections keep the IPv4 port of a closed listener. */
static void a_closed_listener_holds_nothing_in_ipv6(void **state)
{
	struct app l = app_listen6(23003, false, true), a, only;
	int peer = kernel_connect(23003), fd = -1, i;
	struct name n;

	(void)state;
	a = app_accept(&l, &n);
	app_close(&l);
	for (i = 0; i < PATIENCE_MS && (fd = kernel_bind6(23003)) < 0; i++)
		nap_ms(1);
	assert_return_code(fd, -fd);
	close(fd);
	only = app_listen6(23003, true, false);
	app_close(&only);
	l = app_socket6(false, false);
	assert_int_equal(app_bind6(&l, 23003), -EADDRINUSE);
	app_close(&l);
	l = app_listen6(23003, false, true);
	assert_int_equal(kernel_bind6(23003), -EADDRINUSE);
	assert_talks(&l, 23003);
	app_close(&l);
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_is_ipv4_for_us_and_refused_in_ipv6),
		cmocka_unit_test(the_kernels_choice_is_free_in_both),
		cmocka_unit_test(ipv6_alone_hears_nothing),
		cmocka_unit_test(taken_in_either_is_taken),
		cmocka_unit_test(other_addresses_are_nobodys),
		cmocka_unit_test(a_closed_listener_holds_nothing_in_ipv6),
	};

	setenv("MYTCP_LINGER_MS", "2000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
