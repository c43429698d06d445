/* test_listener.c - listening sockets: the app's AF_UNIX listener and the ports
 * behind it. The kernel's TCP, or our own, are the clients.
 */
#include "app.h"

#include <sys/prctl.h>

static void accepts_the_kernel(void **state)
{
	struct app l = app_listen(22000, 5, false), a;
	int peer = kernel_connect(22000);
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct name n;

	(void)state;
	send_pattern(peer, 0, 200000);
	a = app_accept(&l, &n);
	getsockname(peer, (struct sockaddr *)&sin, &len);
	assert_int_equal(n.flow.remote.port, ntohs(sin.sin_port));
	assert_int_equal(n.flow.local.port, 22000);
	assert_true(endpoint_eq(&a.s->remote, &n.flow.remote));
	assert_true(endpoint_eq(&a.s->local, &n.flow.local));
	expect_pattern(a.fd, 0, 200000);
	send_pattern(a.fd, 0, 200000);
	app_close(&a);
	expect_pattern(peer, 0, 200000);
	expect_eof(peer);
	close(peer);
	app_close(&l);
}

static void accepts_ourselves(void **state)
{
	struct app l = app_listen(0, 5, false), a, b;
	struct name n;

	(void)state;
	assert_int_not_equal(l.s->local.port, 0);
	b = app_connect(l.s->local.port);
	a = app_accept(&l, &n);
	send_pattern(a.fd, 0, 100000);
	expect_pattern(b.fd, 0, 100000);
	send_pattern(b.fd, 0, 100000);
	expect_pattern(a.fd, 0, 100000);
	app_close(&b);
	expect_eof(a.fd);
	app_close(&a);
	app_close(&l);
}

/* A static program that inherited the listener has no hooks. */
static void without_the_mark_the_first_byte_is_data(void **state)
{
	struct app l = app_listen(22001, 5, false);
	int peer = kernel_connect(22001), fd;

	(void)state;
	wait_for(l.fd, POLLIN);
	fd = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);
	send_pattern(fd, 0, 1);
	expect_pattern(peer, 0, 1);
	send_pattern(fd, 1, 500);
	expect_pattern(peer, 1, 500);
	close(fd);
	expect_eof(peer);
	close(peer);
	app_close(&l);
}

static void a_full_backlog_loses_nobody(void **state)
{
	struct app l = app_listen(22002, 16, false), a;
	struct tcp_status st;
	int peers[4], i;
	struct name n;

	(void)state;
	/* The app's queue takes one more than that, and one is in the driver's hands. */
	assert_return_code(listen(l.fd, 2), errno);
	for (i = 0; i < 4; i++) {
		peers[i] = kernel_connect(22002);
		send_pattern(peers[i], i, 10);
	}
	for (i = 0; i < PATIENCE_MS && !atomic_load(&l.s->backlog_full); i++)
		nap_ms(1);
	assert_true(atomic_load(&l.s->backlog_full));
	assert_int_equal(driver_status(l.s, &st), 0);
	assert_int_equal(st.accept_waiting, 16 + 1); /* TCP's is full as well */
	for (i = 0; i < 4; i++) {
		a = app_accept(&l, &n);
		expect_pattern(a.fd, i, 10);
		app_close(&a);
		expect_eof(peers[i]);
		close(peers[i]);
	}
	assert_false(atomic_load(&l.s->backlog_full));
	assert_int_equal(driver_status(l.s, &st), 0);
	assert_int_equal(st.accept_waiting, 0);
	app_close(&l);
}

static void a_reset_in_the_queue_is_seen_after_accept(void **state)
{
	struct app l = app_listen(22003, 5, false), a;
	int peer = kernel_connect(22003);
	struct name n;

	(void)state;
	send_pattern(peer, 0, 10);
	wait_for(l.fd, POLLIN);
	nap_ms(50);
	close_with_rst(peer);
	nap_ms(50);
	a = app_accept(&l, &n);
	expect_pattern(a.fd, 0, 10);
	expect_error(a.fd, ECONNRESET);
	assert_int_equal(atomic_load(&a.s->err), ECONNRESET);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CLOSED);
	app_close(&a);
	app_close(&l);
}

static void closing_the_listener_resets_who_waits(void **state)
{
	struct app l = app_listen(22004, 1, false);
	int peers[5], i;

	(void)state;
	for (i = 0; i < 2; i++)
		peers[i] = kernel_connect(22004);
	wait_for(l.fd, POLLIN);
	nap_ms(50);
	app_close(&l);
	for (i = 0; i < 2; i++) {
		expect_error(peers[i], ECONNRESET);
		close(peers[i]);
	}
	peers[0] = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sin = sin_of(22004);
	assert_int_equal(connect(peers[0], (struct sockaddr *)&sin, sizeof(sin)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(peers[0]);
}

static void a_child_keeps_the_listener(void **state)
{
	struct app l = app_listen(22005, 5, false);
	pid_t child = fork();
	int peer, i;

	(void)state;
	if (child == 0) {
		int fd = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);

		_exit(!put(fd, 0, 100));
	}
	app_close(&l);
	peer = kernel_connect(22005);
	expect_pattern(peer, 0, 100);
	expect_eof(peer);
	close(peer);
	expect_success(child);
	/* The child is gone: some seconds later the port is free. */
	for (i = 0; i < 50; i++) {
		struct sockaddr_in sin = sin_of(22005);
		int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, err;

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		err = connect(fd, (struct sockaddr *)&sin, sizeof(sin)) ? errno : 0;
		close(fd);
		if (err == ECONNREFUSED)
			break;
		nap_ms(100);
	}
	assert_in_range(i, 1, 49);
}

static void a_server_restarts_while_connections_linger(void **state)
{
	struct app l = app_listen(22006, 5, true), a, b = app_socket();
	int peer = kernel_connect(22006), peer2;
	struct endpoint local = loopback(22006);
	struct name n;

	(void)state;
	a = app_accept(&l, &n);
	app_close(&l);
	assert_int_equal(driver_bind(b.s, &local), -EADDRINUSE);
	l = app_listen(22006, 5, true);
	send_pattern(a.fd, 0, 100);
	expect_pattern(peer, 0, 100);
	peer2 = kernel_connect(22006);
	app_close(&a);
	a = app_accept(&l, &n);
	send_pattern(a.fd, 0, 100);
	expect_pattern(peer2, 0, 100);
	app_close(&a);
	app_close(&b);
	app_close(&l);
	close(peer);
	close(peer2);
}

static void a_listener_may_listen_again(void **state)
{
	struct app l = app_listen(22007, 1, false);
	struct tcp_status st;

	(void)state;
	assert_int_equal(driver_listen(l.s, 7), 0);
	assert_int_equal(driver_status(l.s, &st), 0);
	assert_int_equal(st.state, TCPS_LISTEN);
	assert_int_equal(st.accept_max, 7);
	assert_int_equal(driver_listen(l.s, -1), 0);
	assert_int_equal(driver_status(l.s, &st), 0);
	assert_int_equal(st.accept_max, 4096);
	assert_int_equal(driver_listen(l.s, 0), 0);
	assert_int_equal(driver_status(l.s, &st), 0);
	assert_int_equal(st.accept_max, 0);
	app_close(&l);
}

static void bind_errors_are_the_kernels(void **state)
{
	struct endpoint taken = loopback(22008), foreign = loopback(22009), any;
	struct app a = app_socket(), b = app_socket();
	int fd = kernel_listen(22008, 1);

	(void)state;
	assert_int_equal(driver_bind(a.s, &taken), -EADDRINUSE);
	foreign.addr.b[12] = 192;
	assert_int_equal(driver_bind(a.s, &foreign), -EADDRNOTAVAIL);
	close(fd);
	assert_int_equal(driver_bind(a.s, &taken), 0);
	assert_int_equal(driver_bind(a.s, &taken), -EINVAL);
	assert_int_equal(driver_bind(b.s, &taken), -EADDRINUSE);
	app_close(&a);
	assert_int_equal(driver_bind(b.s, &taken), 0); /* free at once */
	app_close(&b);
	any = (struct endpoint){.addr = addr_from_v4((uint8_t[4]){0})};
	a = app_socket();
	assert_int_equal(driver_bind(a.s, &any), 0);
	assert_int_not_equal(a.s->local.port, 0);
	app_close(&a);
}

static void a_bound_socket_connects_from_there(void **state)
{
	struct app a = app_socket();
	struct endpoint from = loopback(22010), to = loopback(22011);
	int l, peer;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	(void)state;
	assert_int_equal(driver_bind(a.s, &from), 0);
	a.s->bound = true;
	assert_int_equal(app_begin_connect(&a, &to), 0); /* refused */
	wait_for(a.fd, POLLHUP);
	assert_int_equal(atomic_load(&a.s->state), SOCK_FAILED);
	close(a.fd);
	a.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sock_renew_id(a.s);
	l = kernel_listen(22011, 1);
	assert_int_equal(app_begin_connect(&a, &to), 0);
	peer = kernel_accept(l);
	getpeername(peer, (struct sockaddr *)&sin, &len);
	assert_int_equal(ntohs(sin.sin_port), 22010);
	wait_for(a.fd, POLLOUT);
	app_close(&a);
	expect_eof(peer);
	close(peer);
	close(l);
}

static void connect_errors_are_immediate(void **state)
{
	struct app a = app_socket();
	struct endpoint to = loopback(80);

	(void)state;
	to.addr = addr_from_v4((uint8_t[]){192, 0, 2, 1}); /* no route */
	assert_int_equal(app_begin_connect(&a, &to), -ENETUNREACH);
	assert_int_equal(atomic_load(&a.s->state), SOCK_FAILED);
	wait_for(a.fd, POLLHUP);
	app_close(&a);
	a = app_socket();
	to = loopback(0); /* refused like any other port: in the background */
	assert_int_equal(app_begin_connect(&a, &to), 0);
	wait_for(a.fd, POLLERR);
	assert_int_equal(atomic_load(&a.s->state), SOCK_FAILED);
	assert_int_equal(atomic_load(&a.s->err), ECONNREFUSED);
	app_close(&a);
	a = app_socket(); /* the app end was never connected */
	assert_int_equal(driver_connect(a.s, &to), -ENOENT);
	app_close(&a);
}

static void many_connections_share_ports(void **state)
{
	enum { N = 40 };
	struct app a[N];
	int l[N], peer[N], i, j, distinct = 0;

	(void)state;
	for (i = 0; i < N; i++) {
		l[i] = kernel_listen(22100 + i, 1);
		a[i] = app_connect(22100 + i);
		peer[i] = kernel_accept(l[i]);
		for (j = 0; j < i; j++)
			if (a[j].s->local.port == a[i].s->local.port)
				break;
		distinct += j == i;
	}
	assert_in_range(distinct, 5, N - 1); /* earlier tests left a pool */
	for (i = 0; i < N; i++) {
		send_pattern(a[i].fd, i, 100);
		expect_pattern(peer[i], i, 100);
		app_close(&a[i]);
		expect_eof(peer[i]);
		close(peer[i]);
		close(l[i]);
	}
}

/* One of a group, by SO_REUSEPORT. */
static struct app listen_among(uint16_t port)
{
	struct app a = app_socket();
	struct endpoint local = loopback(port);

	a.s->opts.reuseport = true;
	assert_int_equal(driver_bind(a.s, &local), 0);
	a.s->bound = true;
	app_name(&a);
	assert_return_code(listen(a.fd, 16), errno);
	assert_int_equal(driver_listen(a.s, 16), 0);
	return a;
}

/* Other processes close without a word. Who comes later is the others' of the group. */
static void a_closed_listener_passes_on_who_comes(void **state)
{
	enum { N = 24 };
	struct app l[3], a;
	int peer[N], i;
	struct name n;

	(void)state;
	for (i = 0; i < 3; i++)
		l[i] = listen_among(22308);
	close(l[0].fd);
	close(l[2].fd);
	for (i = 0; i < N; i++) {
		peer[i] = kernel_connect(22308);
		a = app_accept(&l[1], &n);
		send_pattern(a.fd, i, 100);
		expect_pattern(peer[i], i, 100);
		app_close(&a);
		close(peer[i]);
	}
	l[0].fd = l[2].fd = -1;
	for (i = 0; i < 3; i++)
		app_close(&l[i]);
}

/* Another user takes the name of l as soon as the program has closed it, and listens. */
static pid_t inherit(const struct app *l)
{
	int ready[2];
	pid_t child;
	char byte;

	assert_return_code(pipe(ready), errno);
	close(l->fd);
	child = fork();
	if (child == 0) {
		int fd;

		dup2(ready[1], STDIN_FILENO);
		close_range(3, ~0U, 0); /* the listeners, too */
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (setuid(65534) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
		    bind(fd, (struct sockaddr *)&l->s->name, l->s->name_len) != 0 ||
		    listen(fd, 16) != 0 || write(STDIN_FILENO, "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void end_heir(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
}

/* It may be so before connect() has returned. */
static bool is_reset(uint16_t port)
{
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = sin_of(port);
	bool is;
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	is = (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	      recv(fd, &byte, 1, 0) < 0) && errno == ECONNRESET;
	close(fd);
	return is;
}

/* Whoever comes later is reset, or another's of the group. */
static void no_stranger_inherits_connections(void **state)
{
	struct app both[2] = {listen_among(22311), listen_among(22311)}, a;
	struct app l = app_listen(22310, 5, false);
	pid_t heirs[2] = {inherit(&l), inherit(&both[0])};
	struct name n;
	int peer, i;

	(void)state;
	assert_true(is_reset(22310));
	for (i = 0; i < 8; i++) {
		peer = kernel_connect(22311);
		a = app_accept(&both[1], &n);
		send_pattern(a.fd, i, 100);
		expect_pattern(peer, i, 100);
		app_close(&a);
		close(peer);
	}
	l.fd = both[0].fd = -1;
	app_close(&l);
	for (i = 0; i < 2; i++) {
		app_close(&both[i]);
		end_heir(heirs[i]);
	}
}

static void no_stranger_inherits_a_port(void **state)
{
	struct app l = app_listen(22312, 5, false);
	pid_t heir = inherit(&l);

	(void)state;
	l.fd = -1;
	app_close(&l);
	l = app_listen(22312, 5, false);
	app_close(&l);
	end_heir(heir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_kernel),
		cmocka_unit_test(accepts_ourselves),
		cmocka_unit_test(without_the_mark_the_first_byte_is_data),
		cmocka_unit_test(a_full_backlog_loses_nobody),
		cmocka_unit_test(a_reset_in_the_queue_is_seen_after_accept),
		cmocka_unit_test(closing_the_listener_resets_who_waits),
		cmocka_unit_test(a_child_keeps_the_listener),
		cmocka_unit_test(a_server_restarts_while_connections_linger),
		cmocka_unit_test(a_listener_may_listen_again),
		cmocka_unit_test(a_closed_listener_passes_on_who_comes),
		cmocka_unit_test(no_stranger_inherits_connections),
		cmocka_unit_test(no_stranger_inherits_a_port),
		cmocka_unit_test(bind_errors_are_the_kernels),
		cmocka_unit_test(a_bound_socket_connects_from_there),
		cmocka_unit_test(connect_errors_are_immediate),
		cmocka_unit_test(many_connections_share_ports),
	};

	setenv("MYTCP_LINGER_MS", "2000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
