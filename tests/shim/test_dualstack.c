/* test_dualstack.c - AF_INET6 sockets: their ports in both families, who may be
 * where beside whom, and where they can connect to. The kernel's TCP is the peer.
 */
#include "app.h"

static const struct ip_addr any6, loopback6 = {.b = {[15] = 1}};

static struct endpoint at6(const struct ip_addr *addr, uint16_t port)
{
	return (struct endpoint){.addr = *addr, .port = port};
}

static struct app app_socket6(bool v6only, bool reuseaddr)
{
	struct app a = app_socket();

	sock_put(a.s);
	a.s = sock_new(AF_INET6);
	assert_non_null(a.s);
	memcpy(a.s->stack, driver_stack_id(), sizeof(a.s->stack));
	app_has_fd(&a);
	a.s->opts.v6only = v6only;
	a.s->opts.reuseaddr = reuseaddr;
	return a;
}

static int app_bind6(struct app *a, const struct ip_addr *addr, uint16_t port)
{
	struct endpoint local = at6(addr, port);

	return driver_bind(a->s, &local);
}

static void start_listening(struct app *a)
{
	app_name(a);
	assert_return_code(listen(a->fd, 5), errno);
	assert_int_equal(driver_listen(a->s, 5), 0);
	assert_int_equal(atomic_load(&a->s->state), SOCK_LISTENING);
}

static struct app app_listen6(uint16_t port, bool v6only, bool reuseaddr)
{
	struct app a = app_socket6(v6only, reuseaddr);

	assert_int_equal(app_bind6(&a, &any6, port), 0);
	start_listening(&a);
	return a;
}

/* ---- the kernel ----------------------------------------------------------------- */

static struct sockaddr_in6 sin6_of(const struct ip_addr *addr, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memcpy(&a.sin6_addr, addr->b, sizeof(addr->b));
	return a;
}

/* A kernel socket of IPv6 alone on the port, or the errno of bind(). */
static int kernel_bind6(uint16_t port)
{
	struct sockaddr_in6 sin6 = sin6_of(&any6, port);
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

static int kernel_listen6(uint16_t port)
{
	int fd = kernel_bind6(port);

	assert_return_code(fd, -fd);
	assert_return_code(listen(fd, 5), errno);
	return fd;
}

/* A connected kernel socket, or the errno of connect(). */
static int kernel_connect_by(int family, uint16_t port)
{
	struct sockaddr_in sin = sin_of(port);
	struct sockaddr_in6 sin6 = sin6_of(&loopback6, port);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if ((family == AF_INET ? connect(fd, (struct sockaddr *)&sin, sizeof(sin))
			       : connect(fd, (struct sockaddr *)&sin6, sizeof(sin6))) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static void assert_refused(int family, uint16_t port)
{
	assert_int_equal(kernel_connect_by(family, port), -ECONNREFUSED);
}

/* The kernel connects by this family, and l gets the connection. */
static void assert_talks(struct app *l, int family, uint16_t port)
{
	const struct ip_addr here = family == AF_INET ? loopback(0).addr : loopback6;
	int peer = kernel_connect_by(family, port);
	struct name n;
	struct app a;

	assert_return_code(peer, -peer);
	a = app_accept(l, &n);
	assert_true(addr_eq(&n.flow.local.addr, &here));
	assert_true(addr_eq(&n.flow.remote.addr, &here));
	assert_int_equal(a.s->family, l->s->family);
	send_pattern(peer, 0, 1000);
	expect_pattern(a.fd, 0, 1000);
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

/* ---- listening -------------------------------------------------------------------- */

static void both_families_at_one_port(void **state)
{
	struct app l = app_listen6(23000, false, false);
	const struct endpoint shown = at6(&any6, 23000);

	(void)state;
	assert_true(endpoint_eq(&l.s->local, &shown));
	app_close(&l);
	assert_free_in_ipv6(23000);
	l = app_listen6(23000, false, false);
	assert_talks(&l, AF_INET, 23000);
	assert_talks(&l, AF_INET6, 23000);
	assert_int_equal(kernel_bind6(23000), -EADDRINUSE);
	app_close(&l);
}

static void the_kernels_choice_is_free_in_both(void **state)
{
	struct app l = app_listen6(0, false, false), only = app_listen6(0, true, true);

	(void)state;
	assert_int_not_equal(l.s->local.port, 0);
	assert_talks(&l, AF_INET, l.s->local.port);
	assert_talks(&l, AF_INET6, l.s->local.port);
	assert_int_equal(kernel_bind6(l.s->local.port), -EADDRINUSE);
	assert_int_not_equal(only.s->local.port, 0);
	assert_int_equal(kernel_bind6(only.s->local.port), -EADDRINUSE);
	assert_talks(&only, AF_INET6, only.s->local.port);
	assert_refused(AF_INET, only.s->local.port);
	app_close(&only);
	app_close(&l);
}

static void ipv6_alone_beside_ipv4(void **state)
{
	struct app only = app_listen6(23001, true, true), again = app_socket6(true, true), v4;
	struct sockaddr_in sin = sin_of(23001);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_refused(AF_INET, 23001);
	v4 = app_listen(23001, 5, false);
	assert_talks(&only, AF_INET6, 23001);
	assert_talks(&v4, AF_INET, 23001);
	assert_int_equal(app_bind6(&again, &any6, 23001), -EADDRINUSE);
	/* The engine sees this SYN, as the port is somebody's, and refuses it. */
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	app_close(&again);
	app_close(&only);
	assert_talks(&v4, AF_INET, 23001);
	app_close(&v4);
	assert_refused(AF_INET, 23001);
}

static void one_address_of_ipv6(void **state)
{
	const struct ip_addr nobodys = {.b = {0x20, 1, 0x0d, 0xb8, [15] = 1}};
	struct app l = app_socket6(false, false), beside = app_socket6(false, false);

	(void)state;
	assert_int_equal(app_bind6(&l, &nobodys, 23004), -EADDRNOTAVAIL);
	assert_int_equal(app_bind6(&l, &loopback6, 23004), 0);
	start_listening(&l);
	assert_talks(&l, AF_INET6, 23004);
	assert_refused(AF_INET, 23004);
	assert_int_equal(app_bind6(&beside, &any6, 23004), -EADDRINUSE);
	app_close(&beside);
	app_close(&l);
}

static void taken_in_either_is_taken(void **state)
{
	int v6 = kernel_bind6(23002), v4;
	struct app a = app_socket6(false, false);

	(void)state;
	assert_int_equal(app_bind6(&a, &any6, 23002), -EADDRINUSE);
	/* Nothing of the attempt is left. */
	v4 = kernel_listen(23002, 1);
	close(v6);
	assert_int_equal(app_bind6(&a, &any6, 23002), -EADDRINUSE);
	assert_free_in_ipv6(23002);
	a.s->opts.v6only = true;
	assert_int_equal(app_bind6(&a, &any6, 23002), 0);
	app_close(&a);
	close(v4);
}

/* While connections of either family keep the port of a closed listener. */
static void a_server_restarts(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct app l = app_listen6(23003, false, true), a[2], other;
	struct name n;
	int peer[2], i;

	(void)state;
	for (i = 0; i < 2; i++) {
		peer[i] = kernel_connect_by(families[i], 23003);
		a[i] = app_accept(&l, &n);
	}
	app_close(&l);
	other = app_socket6(false, false);
	assert_int_equal(app_bind6(&other, &any6, 23003), -EADDRINUSE);
	app_close(&other);
	l = app_listen6(23003, false, true);
	assert_int_equal(kernel_bind6(23003), -EADDRINUSE);
	for (i = 0; i < 2; i++) {
		assert_talks(&l, families[i], 23003);
		send_pattern(peer[i], 0, 1000);
		expect_pattern(a[i].fd, 0, 1000);
		app_close(&a[i]);
		expect_eof(peer[i]);
		close(peer[i]);
	}
	app_close(&l);
}

/* ---- connecting -------------------------------------------------------------------- */

/* Connects a to what listens at the kernel's l, and talks. */
static void assert_connects(struct app *a, const struct endpoint *to, int l)
{
	int peer;

	assert_int_equal(app_begin_connect(a, to), 0);
	await_state(a->s, SOCK_CONNECTED);
	app_pin(a);
	peer = kernel_accept(l);
	send_pattern(a->fd, 0, 1000);
	expect_pattern(peer, 0, 1000);
	close(peer);
	expect_eof(a->fd);
}

static void connects_by_either_family(void **state)
{
	int l6 = kernel_listen6(23005), l4 = kernel_listen(23005, 5), i;
	const struct endpoint to[] = {at6(&loopback6, 23005), at6(&any6, 23005),
				      loopback(23005)};

	(void)state;
	for (i = 0; i < 6; i++) {
		const struct endpoint *dst = &to[i / 2];
		bool v4 = addr_is_v4(&dst->addr);
		struct app a = app_socket6(false, false);

		if (i & 1) /* "::" is every address of both */
			assert_int_equal(app_bind6(&a, &any6, 0), 0);
		assert_connects(&a, dst, v4 ? l4 : l6);
		assert_true(addr_eq(&a.s->remote.addr, v4 ? &dst->addr : &loopback6));
		assert_true(addr_eq(&a.s->local.addr, v4 ? &dst->addr : &loopback6));
		app_close(&a);
	}
	close(l4);
	close(l6);
}

/* First the route, then the family: that is how Linux looks at it. */
static void an_ipv4_source_is_no_source_for_ipv6(void **state)
{
	static const struct ip_addr any4 = {.b = {[10] = 0xff, [11] = 0xff}};
	const struct ip_addr here[] = {loopback(0).addr, any4};
	const struct endpoint to[] = {{{{0x20, 1, [15] = 1}}, 80}, at6(&loopback6, 80)};
	const int want[] = {-ENETUNREACH, -EAFNOSUPPORT};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct app a = app_socket6(false, false);

		assert_int_equal(app_bind6(&a, &here[i / 2], 0), 0);
		assert_int_equal(app_begin_connect(&a, &to[i % 2]), want[i % 2]);
		app_close(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_at_one_port),
		cmocka_unit_test(the_kernels_choice_is_free_in_both),
		cmocka_unit_test(ipv6_alone_beside_ipv4),
		cmocka_unit_test(one_address_of_ipv6),
		cmocka_unit_test(taken_in_either_is_taken),
		cmocka_unit_test(a_server_restarts),
		cmocka_unit_test(connects_by_either_family),
		cmocka_unit_test(an_ipv4_source_is_no_source_for_ipv6),
	};

	setenv("MYTCP_LINGER_MS", "2000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
