/* test_ports.c - the driver's fds: guards that are kept for the next connection,
 * and what happens when there are no fds left.
 */
#include <sys/prctl.h>

#include "app.h"

/* For good: what the hard limit was cannot be had back without a capability. So
 * the tests with the lower limits come last. */
static void limit_fds(rlim_t n)
{
	struct rlimit low = {.rlim_cur = n, .rlim_max = n};

	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
}

/* Listening sockets in this network namespace. */
static unsigned count_listening(void)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	unsigned n = 0, st;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, " %*u: %*s %*s %x", &st) == 1 && st == 10;
	fclose(f);
	return n;
}

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* A connection that the server closes first, so that TIME-WAIT is there. */
static uint16_t one_short_connection(int l, uint16_t port)
{
	struct app a = app_connect(port);
	int peer = kernel_accept(l);
	uint16_t local = a.s->local.port;

	send_pattern(a.fd, 0, 100);
	expect_pattern(peer, 0, 100);
	close(peer);
	expect_eof(a.fd);
	app_close(&a);
	return local;
}

static void short_connections_share_few_guards(void **state)
{
	enum { N = 600, FDS = 100, IDLE = FDS / 4, SLOW_MS = 900 };
	static uint8_t seen[65536];
	unsigned ports = 0, most = 0, slow = 0, n, i;
	int l = kernel_listen(24000, 8);

	(void)state;
	limit_fds(FDS);
	for (i = 0; i < N; i++) {
		uint64_t began = clock_ms();

		ports += seen[one_short_connection(l, 24000)]++ == 0;
		slow += clock_ms() - began >= SLOW_MS;
		n = count_listening() - 1;
		most = n > most ? n : most;
	}
	/* Two may be in use at a time: the last connection and this one. */
	assert_in_range(most, 1, IDLE + 2);
	/* RFC 6056: no port is shared for long. */
	assert_in_range(ports, N / 32 + 10, N / 2);
	/* A SYN that meets the server's TIME-WAIT does not wait for a timeout. */
	assert_in_range(slow, 0, 5);
	close(l);
}

/* RFC 6056 2: within the range that the administrator set, and neither one after
 * the other nor near to each other. */
static void ports_are_hard_to_guess(void **state)
{
	enum { N = 64 };
	unsigned low, high, lower = 0, rising = 0, near = 0;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	int l = kernel_listen(24004, N), peer[N], i;
	struct app a[N];

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u %u", &low, &high), 2);
	fclose(f);
	for (i = 0; i < N; i++) {
		a[i] = app_connect(24004);
		peer[i] = kernel_accept(l);
	}
	for (i = 0; i < N; i++) {
		int port = a[i].s->local.port, last = i ? a[i - 1].s->local.port : 0;

		assert_in_range(port, low, high);
		lower += (unsigned)port < (low + high) / 2;
		rising += port > last;
		near += abs(port - last) < 10;
	}
	assert_in_range(lower, N / 8, N - N / 8);
	assert_in_range(rising, N / 8, N - N / 8);
	assert_in_range(near, 0, N / 8);
	for (i = 0; i < N; i++) {
		close(peer[i]);
		app_close(&a[i]);
	}
	close(l);
}

static void many_at_once_leave_few_guards(void **state)
{
	enum { N = 30, FDS = 100, IDLE = FDS / 4 };
	int l = kernel_listen(24001, N), peer[N], i;
	struct app a[N];

	(void)state;
	limit_fds(FDS);
	for (i = 0; i < N; i++) {
		a[i] = app_connect(24001);
		peer[i] = kernel_accept(l);
	}
	assert_in_range(count_listening() - 1, N, FDS);
	for (i = 0; i < N; i++) {
		close(peer[i]);
		expect_eof(a[i].fd);
		app_close(&a[i]);
	}
	for (i = 0; i < 10; i++)
		one_short_connection(l, 24001);
	assert_in_range(count_listening() - 1, 1, IDLE + 2);
	close(l);
}

/* Connects until that fails; how many did not. peer: their other ends, or NULL. */
static int use_up(struct app *a, int *peer, int n_max, int l, uint16_t port)
{
	struct endpoint to = loopback(port);
	int n, err;

	for (n = 0; n < n_max; n++) {
		a[n] = app_socket();
		err = app_begin_connect(&a[n], &to);
		if (err) {
			assert_int_equal(err, -ENOBUFS);
			app_close(&a[n]);
			break;
		}
		await_state(a[n].s, SOCK_CONNECTED);
		app_pin(&a[n]);
		if (peer)
			peer[n] = kernel_accept(l);
	}
	return n;
}

static void without_fds_connect_fails_and_the_others_live(void **state)
{
	enum { N = 20, FDS = 26 };
	int l = kernel_listen(24002, N), peer[N], n, again, i;
	struct app a[N];

	(void)state;
	limit_fds(FDS);
	n = use_up(a, peer, N, l, 24002);
	assert_in_range(n, 1, N - 1);
	for (i = 0; i < 5; i++)
		assert_int_equal(use_up(&a[n], &peer[n], 1, l, 24002), 0);
	for (i = 0; i < n; i++) {
		send_pattern(a[i].fd, 0, 1000);
		expect_pattern(peer[i], 0, 1000);
		close(peer[i]);
		expect_eof(a[i].fd);
		app_close(&a[i]);
	}
	for (i = 0; i < 20; i++)
		one_short_connection(l, 24002);
	again = use_up(a, peer, n, l, 24002);
	assert_int_equal(again, n);
	for (i = 0; i < n; i++) {
		close(peer[i]);
		app_close(&a[i]);
	}
	close(l);
}

/* Says back what it is told, on all connections at once. */
static pid_t echo_all(int l)
{
	enum { ECHOES_MAX = 2 * 200 + 1 };
	struct pollfd p[ECHOES_MAX] = {{.fd = l, .events = POLLIN}};
	pid_t child = fork();
	nfds_t n = 1;
	char buf[64];

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		poll(p, n, -1);
		if (p[0].revents && n < ECHOES_MAX)
			p[n++] = (struct pollfd){accept(l, NULL, NULL), POLLIN, 0};
		for (nfds_t i = 1; i < n; i++) {
			ssize_t got = p[i].revents ? read(p[i].fd, buf, sizeof(buf)) : -1;

			p[i].revents = 0;
			if (got > 0 && write(p[i].fd, buf, (size_t)got) == got)
				continue;
			if (got == 0) {
				close(p[i].fd);
				p[i].fd = -1;
			}
		}
	}
}

/* One fd of the driver's for each, and few for all; and the kernel keeps quiet. */
static void nearly_every_fd_is_a_connection(void **state)
{
	enum { FDS = 200, OTHERS = 32 };
	int l = kernel_listen(24009, FDS), n[2], round, i;
	struct app a[FDS];
	pid_t server;

	(void)state;
	server = echo_all(l);
	limit_fds(FDS);
	for (round = 0; round < 2; round++) {
		n[round] = use_up(a, NULL, FDS, -1, 24009);
		assert_in_range(n[round], FDS - OTHERS, FDS - 1);
		for (i = 0; i < 2 * n[round]; i++) {
			send_pattern(a[i / 2].fd, 0, 50);
			expect_pattern(a[i / 2].fd, 0, 50);
		}
		for (i = 0; i < n[round]; i++) /* no order is the shelves' */
			app_close(&a[i % 2 ? i : (n[round] - 1) / 2 * 2 - i]);
	}
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(l);
}

static struct app app_bound(uint16_t port, bool reuseaddr, int *err)
{
	struct app a = app_socket();
	struct endpoint local = loopback(port);

	a.s->opts.reuseaddr = reuseaddr;
	*err = driver_bind(a.s, &local);
	return a;
}

/* As FTP clients do: several connections from one port, and a listener there. */
static void sockets_that_ask_for_it_share_a_port(void **state)
{
	int l1 = kernel_listen(24007, 1), l2 = kernel_listen(24008, 1), err, peer[2];
	struct endpoint to[2] = {loopback(24007), loopback(24008)};
	struct app a, b, c, d, e;

	(void)state;
	a = app_bound(24100, true, &err);
	assert_int_equal(err, 0);
	b = app_bound(24100, true, &err);
	assert_int_equal(err, 0);
	c = app_bound(24100, false, &err);
	assert_int_equal(err, -EADDRINUSE);
	assert_int_equal(app_begin_connect(&a, &to[0]), 0);
	await_state(a.s, SOCK_CONNECTED);
	peer[0] = kernel_accept(l1);
	assert_int_equal(app_begin_connect(&b, &to[1]), 0);
	await_state(b.s, SOCK_CONNECTED);
	peer[1] = kernel_accept(l2);
	app_pin(&a);
	app_pin(&b);
	send_pattern(peer[0], 0, 1000);
	send_pattern(peer[1], 1000, 1000);
	expect_pattern(a.fd, 0, 1000);
	expect_pattern(b.fd, 1000, 1000);
	d = app_listen(24100, 1, true);
	e = app_bound(24100, true, &err);
	assert_int_equal(err, -EADDRINUSE); /* not beside a listener */
	close(kernel_connect(24100));
	for (int i = 0; i < 2; i++)
		close(peer[i]);
	app_close(&a);
	app_close(&b);
	app_close(&c);
	app_close(&d);
	app_close(&e);
	close(l1);
	close(l2);
}

/* An app end at the driver's door whose connect command does not come. */
static struct app knock(void)
{
	struct app a = app_socket();
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);

	app_name(&a);
	assert_return_code(connect(a.fd, (struct sockaddr *)&sun, len), errno);
	return a;
}

/* The driver has nothing to do: it must not look at the door all the time. */
static void expect_idle(void)
{
	uint64_t began_us = cpu_us();

	nap_ms(200);
	assert_in_range(cpu_us() - began_us, 0, 100000);
}

static void who_cannot_be_let_in_is_turned_away(void **state)
{
	enum { N = 20, KNOCKS = 4, FDS = 26 };
	int l = kernel_listen(24003, N), peer[N], n, i;
	struct app a[N], waiting[KNOCKS];

	(void)state;
	limit_fds(FDS);
	n = use_up(a, peer, N, l, 24003);
	assert_in_range(n, 1, N - 1);
	for (i = 0; i < KNOCKS; i++)
		waiting[i] = knock();
	expect_idle();
	assert_int_equal(use_up(&a[n], &peer[n], 1, l, 24003), 0);
	expect_idle();
	for (i = 0; i < KNOCKS; i++)
		app_close(&waiting[i]);
	for (i = 0; i < n; i++) {
		send_pattern(a[i].fd, 0, 1000);
		expect_pattern(peer[i], 0, 1000);
		close(peer[i]);
		app_close(&a[i]);
	}
	close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ports_are_hard_to_guess, stop_driver),
		cmocka_unit_test_teardown(nearly_every_fd_is_a_connection, stop_driver),
		cmocka_unit_test_teardown(short_connections_share_few_guards, stop_driver),
		cmocka_unit_test_teardown(many_at_once_leave_few_guards, stop_driver),
		cmocka_unit_test_teardown(sockets_that_ask_for_it_share_a_port,
					  stop_driver),
		cmocka_unit_test_teardown(without_fds_connect_fails_and_the_others_live,
					  stop_driver),
		cmocka_unit_test_teardown(who_cannot_be_let_in_is_turned_away, stop_driver),
	};

	setenv("MYTCP_LINGER_MS", "1000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
