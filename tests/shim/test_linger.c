/* test_linger.c - SO_LINGER with a time, at the driver: how long a connection
 * whose app end is closed counts as lingering. The peer is the kernel's TCP.
 */
#include "app.h"

/* A connection that lingers, and whose peer takes in nothing by itself; sent is
 * what is on its way to it. Nobody holds the app end any more. */
static struct sock *close_full(int linger_s, int *peer, size_t *sent)
{
	struct app a = app_and_peer(peer);
	struct sock *s = sock_get(a.s);
	uint8_t buf[16384];
	ssize_t n;

	s->opts.linger = true;
	s->opts.linger_s = linger_s;
	s->opts.tcp.sndbuf_bytes = 200000;
	driver_set_opts(s);
	*sent = 0;
	do {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = pattern(*sent + i);
		n = send(a.fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			nap_ms(50); /* the driver may be about to take some */
			n = send(a.fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		}
		*sent += n > 0 ? n : 0;
	} while (n > 0);
	app_close(&a);
	return s;
}

static bool lingers(struct sock *s)
{
	return atomic_load(&s->lingering);
}

static void await_end(struct sock *s)
{
	for (int i = 0; i < PATIENCE_MS && lingers(s); i++)
		nap_ms(1);
	assert_false(lingers(s));
}

static void until_the_peer_has_it_all(void **state)
{
	size_t sent;
	int peer;
	struct sock *s = close_full(60, &peer, &sent);

	(void)state;
	assert_true(lingers(s));
	nap_ms(300);
	assert_true(lingers(s));
	expect_pattern(peer, 0, sent);
	expect_eof(peer); /* the FIN is acknowledged by now, or about to be */
	await_end(s);
	await_tcp_state(peer, TCPS_CLOSE_WAIT);
	close(peer);
	sock_put(s);
}

static void until_the_time_is_over(void **state)
{
	size_t sent;
	int peer;
	struct sock *s = close_full(1, &peer, &sent);

	(void)state;
	assert_true(lingers(s));
	nap_ms(700);
	assert_true(lingers(s));
	await_end(s);
	expect_pattern(peer, 0, sent); /* nothing is lost by that */
	expect_eof(peer);
	close(peer);
	sock_put(s);
}

static void until_the_connection_fails(void **state)
{
	size_t sent;
	int peer;
	struct sock *s = close_full(60, &peer, &sent);

	(void)state;
	assert_true(lingers(s));
	close_with_rst(peer);
	await_end(s);
	sock_put(s);
}

static void a_time_of_zero_resets(void **state)
{
	size_t sent;
	int peer;
	struct sock *s = close_full(0, &peer, &sent);

	(void)state;
	assert_false(lingers(s));
	await_tcp_state(peer, TCPS_CLOSED);
	close(peer);
	sock_put(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(until_the_peer_has_it_all, stop_driver),
		cmocka_unit_test_teardown(until_the_time_is_over, stop_driver),
		cmocka_unit_test_teardown(until_the_connection_fails, stop_driver),
		cmocka_unit_test_teardown(a_time_of_zero_resets, stop_driver),
	};

	setenv("MYTCP_LINGER_MS", "1000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
