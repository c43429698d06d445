/* test_conn.c - the rules between the two sides of a connection, the kernel's
 * TCP being the peer: every line of the table at the head of conn.c.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "app.h"

/* ---- opening -------------------------------------------------------------------- */

static void connect_is_not_writable_before_it_is_established(void **state)
{
	struct app a = app_socket();
	struct endpoint nobody = {addr_from_v4((uint8_t[]){127, 0, 0, 1}), 21000};
	int l = kernel_listen(21000, 0), fill[4], i;

	(void)state;
	/* A full accept queue leaves our SYN without an answer. */
	for (i = 0; i < 4; i++) {
		struct sockaddr_in sin = sin_of(21000);

		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	nap_ms(20);
	assert_int_equal(app_begin_connect(&a, &nobody), 0);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTING);
	assert_int_equal(poll(&(struct pollfd){.fd = a.fd, .events = POLLOUT | POLLIN}, 1, 50), 0);
	for (i = 0; i < 4; i++)
		close_with_rst(fill[i]);
	for (i = 0; i < 2; i++)
		if (poll(&(struct pollfd){.fd = l, .events = POLLIN}, 1, 50) == 1)
			close(accept(l, NULL, NULL));
	wait_for(a.fd, POLLOUT); /* the SYN is repeated after a second */
	assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTED);
	app_close(&a);
	close(l);
}

static void connect_tells_the_addresses(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	(void)state;
	getpeername(peer, (struct sockaddr *)&sin, &len);
	assert_int_equal(ntohs(sin.sin_port), a.s->local.port);
	len = sizeof(sin);
	getsockname(peer, (struct sockaddr *)&sin, &len);
	assert_int_equal(ntohs(sin.sin_port), a.s->remote.port);
	assert_true(addr_eq(&a.s->local.addr, &a.s->remote.addr));
	app_close(&a);
	close(peer);
}

static void refused(void **state)
{
	struct app a = app_socket();
	struct endpoint to = loopback(21001);
	short bits;

	(void)state;
	assert_int_equal(app_begin_connect(&a, &to), 0);
	bits = wait_for(a.fd, POLLHUP);
	assert_int_equal(bits & (POLLHUP | POLLERR), POLLHUP | POLLERR);
	assert_int_equal(atomic_load(&a.s->state), SOCK_FAILED);
	assert_int_equal(atomic_load(&a.s->err), ECONNREFUSED);
	app_close(&a);
}

/* ---- bytes ------------------------------------------------------------------------ */

static void bytes_pass_in_all_sizes(void **state)
{
	static const size_t sizes[] = {1, 1, 2, 3, 1, 1000, 1, 70000, 1, 300000, 2};
	int peer;
	struct app a = app_and_peer(&peer);
	size_t at = 0, i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		send_pattern(a.fd, at, sizes[i]);
		expect_pattern(peer, at, sizes[i]);
		send_pattern(peer, at, sizes[i] % 100000);
		expect_pattern(a.fd, at, sizes[i] % 100000);
		at += sizes[i];
	}
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

/* The byte keeps its place in the stream (RFC 6093); see test_urgent.c. */
static void urgent_data_is_data(void **state)
{
	int peer, one = 1;
	struct app a = app_and_peer(&peer);
	char buf[8] = "";

	(void)state;
	setsockopt(peer, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	assert_int_equal(send(a.fd, "ab", 2, 0), 2);
	assert_int_equal(send(a.fd, "c", 1, MSG_OOB), 1);
	assert_int_equal(send(a.fd, "de", 2, 0), 2);
	assert_int_equal(recv(peer, buf, 2, MSG_WAITALL), 2);
	assert_int_equal(recv(peer, buf + 2, 3, MSG_WAITALL), 3);
	assert_string_equal(buf, "abcde");
	app_close(&a);
	close(peer);
}

/* Of who has accepted: from the others the driver takes no fds (pass.h). */
static void ancillary_data_does_not_disturb(void **state)
{
	struct app l = app_listen(22990, 5, false), a = app_connect(22990), s;
	char buf[8] = "";
	struct name n;

	(void)state;
	s = app_accept(&l, &n);
	assert_int_equal(send(s.fd, "a", 1, 0), 1);
	app_send_mark(s.fd);
	app_send_mark(s.fd);
	assert_int_equal(send(s.fd, "b", 1, 0), 1);
	assert_int_equal(recv(a.fd, buf, 6, MSG_WAITALL), 6);
	assert_memory_equal(buf, "a\0\0\0\0b", 6);
	app_close(&s);
	app_close(&a);
	app_close(&l);
}

/* ---- MSG_MORE -------------------------------------------------------------------- */

/* The driver waits in it until the test has done what the driver shall find. */
static struct gate {
	struct command c; /* first */
	atomic_uint entered, open;
} gate;

static void run_gate(struct stack *st, struct command *c)
{
	(void)st;
	atomic_store(&gate.entered, 1);
	futex_wake_all(&gate.entered);
	while (!atomic_load(&gate.open))
		futex_wait(&gate.open, 0);
	command_done(c, 0);
}

static void *hold_driver(void *arg)
{
	gate.c.run = run_gate;
	driver_command(&gate.c);
	return arg;
}

static pthread_t close_gate(void)
{
	pthread_t t;

	atomic_store(&gate.entered, 0);
	atomic_store(&gate.open, 0);
	pthread_create(&t, NULL, hold_driver, NULL);
	while (!atomic_load(&gate.entered))
		futex_wait(&gate.entered, 0);
	return t;
}

static void open_gate(pthread_t t)
{
	atomic_store(&gate.open, 1);
	futex_wake_all(&gate.open);
	pthread_join(t, NULL);
}

/* Sends text, and the driver takes all of it at once; bytes from..to of what has been
 * sent so far are those of MSG_MORE, as the hooks note it. The first n that arrive are
 * first. */
static void expect_first(struct app *a, int peer, const char *text, uint64_t from,
			 uint64_t to, const char *first)
{
	pthread_t t = close_gate();
	char got[16] = "";

	assert_int_equal(send(a->fd, text, strlen(text), 0), strlen(text));
	atomic_store(&a->s->more_from, from);
	atomic_store(&a->s->more_to, to);
	open_gate(t);
	wait_for(peer, POLLIN);
	assert_int_equal(recv(peer, got, sizeof(got), 0), strlen(first));
	assert_string_equal(got, first);
}

static void more_belongs_to_its_bytes(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	char got[16] = "";

	(void)state;
	expect_first(&a, peer, "ab", 0, 0, "ab");
	expect_first(&a, peer, "cde", 4, 5, "cd");
	wait_for(peer, POLLIN);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 1);
	assert_string_equal(got, "e");
	expect_first(&a, peer, "fgh", 5, 7, "fgh");
	expect_first(&a, peer, "ijkl", 9, 10, "ijkl");
	/* Somebody has sent 5 bytes that no hook has seen. */
	expect_first(&a, peer, "mno", 7, 8, "mno");
	app_close(&a);
	close(peer);
}

static void an_app_that_does_not_read_closes_the_window(void **state)
{
	const size_t total = 24 << 20;
	int peer;
	struct app a = app_and_peer(&peer);
	pid_t writer = fork();

	(void)state;
	if (writer == 0)
		_exit(!put(peer, 0, total));
	nap_ms(300);
	assert_int_equal(waitpid(writer, NULL, WNOHANG), 0);
	close(peer);
	expect_pattern(a.fd, 0, total);
	expect_eof(a.fd);
	expect_success(writer);
	app_close(&a);
}

static void a_peer_that_does_not_read_blocks_the_app(void **state)
{
	const size_t total = 24 << 20;
	int peer;
	struct app a = app_and_peer(&peer);
	pid_t writer = fork();

	(void)state;
	if (writer == 0)
		_exit(!put(a.fd, 0, total));
	nap_ms(300);
	assert_int_equal(waitpid(writer, NULL, WNOHANG), 0);
	app_close(&a); /* the writer holds it still */
	expect_pattern(peer, 0, total);
	expect_eof(peer);
	expect_success(writer);
	close(peer);
}

static void status_counts_bytes(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	struct tcp_status st;

	(void)state;
	send_pattern(a.fd, 0, 5000);
	expect_pattern(peer, 0, 5000);
	send_pattern(peer, 0, 100);
	expect_pattern(a.fd, 0, 100);
	nap_ms(100);
	assert_int_equal(driver_status(a.s, &st), 0);
	assert_int_equal(st.state, TCPS_ESTABLISHED);
	assert_int_equal(st.bytes_acked, 5000);
	assert_int_equal(st.bytes_received, 100);
	assert_int_equal(st.unacked_bytes + st.notsent_bytes, 0);
	app_close(&a);
	close(peer);
}

/* ---- ends --------------------------------------------------------------------------- */

static void half_close_by_the_app(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	send_pattern(a.fd, 0, 100000);
	app_shutdown(&a, SHUT_WR);
	expect_pattern(peer, 0, 100000);
	expect_eof(peer);
	send_pattern(peer, 0, 100000);
	expect_pattern(a.fd, 0, 100000);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTED);
	close(peer);
	expect_eof(a.fd);
	await_state(a.s, SOCK_CLOSED);
	assert_int_equal(atomic_load(&a.s->err), 0);
	expect_eof(a.fd); /* and not ECONNRESET */
	app_close(&a);
}

static void half_close_by_the_peer(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	send_pattern(peer, 0, 100000);
	shutdown(peer, SHUT_WR);
	expect_pattern(a.fd, 0, 100000);
	expect_eof(a.fd);
	send_pattern(a.fd, 0, 100000);
	expect_pattern(peer, 0, 100000);
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

static void both_half_close_and_the_app_stays(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	send_pattern(peer, 0, 100000);
	shutdown(peer, SHUT_WR);
	expect_pattern(a.fd, 0, 50000);
	send_pattern(a.fd, 0, 1000);
	app_shutdown(&a, SHUT_WR);
	expect_pattern(peer, 0, 1000);
	expect_eof(peer);
	await_state(a.s, SOCK_CLOSED);
	expect_pattern(a.fd, 50000, 50000);
	expect_eof(a.fd);
	assert_int_equal(send(a.fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	app_close(&a);
	close(peer);
}

static void shutdown_of_both_directions(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	send_pattern(a.fd, 0, 1000);
	app_shutdown(&a, SHUT_RDWR);
	expect_pattern(peer, 0, 1000);
	expect_eof(peer);
	await_tcp_state(peer, 8 /* CLOSE-WAIT */);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTED);
	close(peer);
	await_state(a.s, SOCK_CLOSED);
	app_close(&a);
}

static void await_acknowledged(int fd)
{
	int left = 1;

	for (int i = 0; i < PATIENCE_MS && left; i++) {
		assert_return_code(ioctl(fd, SIOCOUTQ, &left), errno);
		nap_ms(1);
	}
	assert_int_equal(left, 0);
}

static void a_deaf_app_may_still_talk(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	app_shutdown(&a, SHUT_RD);
	send_pattern(peer, 0, 8 << 20); /* more than all buffers hold */
	send_pattern(a.fd, 0, 1000);
	expect_pattern(peer, 0, 1000);
	await_acknowledged(peer); /* what comes after close() would be answered by RST */
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

static void close_sends_what_was_written(void **state)
{
	const size_t total = 6 << 20;
	int peer;
	struct app a = app_and_peer(&peer);
	pid_t reader = fork();

	(void)state;
	if (reader == 0) {
		close(a.fd);
		nap_ms(200);
		_exit(!get(peer, 0, total) || recv(peer, &(char){0}, 1, 0) != 0);
	}
	close(peer);
	send_pattern(a.fd, 0, total);
	app_close(&a);
	expect_success(reader);
}

static void close_with_unread_data_resets(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	send_pattern(peer, 0, 1000);
	expect_pattern(a.fd, 0, 10);
	app_close(&a);
	expect_error(peer, ECONNRESET);
	close(peer);
}

static void data_after_close_resets(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	app_close(&a);
	expect_eof(peer);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
	for (int i = 0; i < PATIENCE_MS && send(peer, "x", 1, MSG_NOSIGNAL) == 1; i++)
		nap_ms(1);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	close(peer);
}

static void linger_0_resets_at_the_last_close(void **state)
{
	int peer, other;
	struct app a = app_and_peer(&peer);

	(void)state;
	a.s->opts.linger = true;
	other = dup(a.fd);
	close(a.fd);
	send_pattern(other, 0, 10);
	expect_pattern(peer, 0, 10);
	a.fd = other;
	app_close(&a);
	expect_error(peer, ECONNRESET);
	close(peer);
}

static void undo_resets_at_once(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	driver_undo(a.s);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CLOSED);
	expect_error(peer, ECONNRESET);
	expect_error(a.fd, ECONNRESET);
	assert_int_equal(driver_status(a.s, &(struct tcp_status){0}), -ENOTCONN);
	app_close(&a);
	close(peer);
}

static void reset_by_the_peer_is_no_clean_end(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	send_pattern(peer, 0, 1000);
	wait_for(a.fd, POLLIN);
	nap_ms(20);
	close_with_rst(peer);
	await_state(a.s, SOCK_CLOSED);
	assert_int_equal(atomic_load(&a.s->err), ECONNRESET);
	expect_pattern(a.fd, 0, 1000);
	expect_error(a.fd, ECONNRESET);
	app_close(&a);
}

static void reset_leaves_what_was_received(void **state)
{
	const size_t total = 1 << 20; /* several times what a pair holds */
	int peer, rcvbuf = 4 << 20;
	struct app a = app_and_peer(&peer);
	struct tcp_status st;

	(void)state;
	setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &rcvbuf, sizeof(rcvbuf));
	send_pattern(peer, 0, total);
	do {
		nap_ms(5);
		assert_int_equal(driver_status(a.s, &st), 0);
	} while (st.bytes_received < total);
	close_with_rst(peer);
	await_state(a.s, SOCK_CLOSED);
	nap_ms(20);
	/* Nobody would read it, so writing fails, although there is data left. */
	assert_int_equal(send(a.fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	expect_pattern(a.fd, 0, total);
	expect_error(a.fd, ECONNRESET);
	app_close(&a);
}

/* To readers without hooks, in other processes, it is the end of file that it was;
 * where the hooks are, poll() shows the error, and they make the end of file of it. */
static void reset_after_fin(int holders, int err)
{
	int peer;
	struct app a = app_and_peer(&peer);

	send_pattern(peer, 0, 10);
	shutdown(peer, SHUT_WR);
	expect_pattern(a.fd, 0, 10);
	expect_eof(a.fd);
	atomic_store(&a.s->fds, holders);
	close_with_rst(peer);
	await_state(a.s, SOCK_CLOSED);
	assert_int_equal(atomic_load(&a.s->err), EPIPE);
	if (err)
		expect_error(a.fd, err);
	expect_eof(a.fd);
	app_close(&a);
}

static void reset_after_fin_is_the_end_of_file(void **state)
{
	(void)state;
	reset_after_fin(0, 0);
	reset_after_fin(1, ECONNRESET);
}

static void a_child_keeps_the_connection(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(!get(a.fd, 0, 10) || !put(a.fd, 0, 10));
	app_close(&a);
	send_pattern(peer, 0, 10);
	expect_pattern(peer, 0, 10);
	expect_eof(peer);
	expect_success(child);
	close(peer);
}

static void close_while_connecting(void **state)
{
	struct app a = app_socket();
	struct endpoint to = loopback(21002);
	int l = kernel_listen(21002, 1);

	(void)state;
	assert_int_equal(app_begin_connect(&a, &to), 0);
	app_close(&a);
	close(l);
	a = app_socket();
	assert_int_equal(app_begin_connect(&a, &to), 0);
	shutdown(a.fd, SHUT_WR);
	wait_for(a.fd, POLLIN);
	app_close(&a);
}

/* The hooks give a socket whose connection broke early a second life. */
static void a_socket_lives_twice(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	struct endpoint to = loopback(21003);
	int l = kernel_listen(21003, 1);

	(void)state;
	send_pattern(peer, 0, 1 << 20);
	nap_ms(50);
	close_with_rst(peer);
	await_state(a.s, SOCK_CLOSED);
	close(a.fd);
	a.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sock_renew_id(a.s);
	atomic_store(&a.s->err, 0);
	atomic_store(&a.s->state, SOCK_FRESH);
	assert_int_equal(app_begin_connect(&a, &to), 0);
	wait_for(a.fd, POLLOUT);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTED);
	app_pin(&a);
	peer = kernel_accept(l);
	send_pattern(a.fd, 0, 1000);
	expect_pattern(peer, 0, 1000);
	assert_int_equal(atomic_load(&a.s->err), 0);
	app_close(&a);
	close(peer);
	close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_is_not_writable_before_it_is_established),
		cmocka_unit_test(connect_tells_the_addresses),
		cmocka_unit_test(refused),
		cmocka_unit_test(bytes_pass_in_all_sizes),
		cmocka_unit_test(urgent_data_is_data),
		cmocka_unit_test(ancillary_data_does_not_disturb),
		cmocka_unit_test(more_belongs_to_its_bytes),
		cmocka_unit_test(an_app_that_does_not_read_closes_the_window),
		cmocka_unit_test(a_peer_that_does_not_read_blocks_the_app),
		cmocka_unit_test(status_counts_bytes),
		cmocka_unit_test(half_close_by_the_app),
		cmocka_unit_test(half_close_by_the_peer),
		cmocka_unit_test(both_half_close_and_the_app_stays),
		cmocka_unit_test(shutdown_of_both_directions),
		cmocka_unit_test(a_deaf_app_may_still_talk),
		cmocka_unit_test(close_sends_what_was_written),
		cmocka_unit_test(close_with_unread_data_resets),
		cmocka_unit_test(data_after_close_resets),
		cmocka_unit_test(linger_0_resets_at_the_last_close),
		cmocka_unit_test(undo_resets_at_once),
		cmocka_unit_test(reset_by_the_peer_is_no_clean_end),
		cmocka_unit_test(reset_leaves_what_was_received),
		cmocka_unit_test(reset_after_fin_is_the_end_of_file),
		cmocka_unit_test(a_child_keeps_the_connection),
		cmocka_unit_test(close_while_connecting),
		cmocka_unit_test(a_socket_lives_twice),
	};

	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
