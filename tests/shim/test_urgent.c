/* test_urgent.c - urgent data (RFC 6093) between an app end and the kernel's TCP,
 * through the driver and over the wire. */
#include "app.h"

#include <linux/sockios.h>

static bool at_mark(int fd)
{
	int yes = -1;

	assert_return_code(ioctl(fd, SIOCATMARK, &yes), errno);
	return yes;
}

static void expect_text(int fd, const char *want)
{
	char got[64] = "";

	wait_for(fd, POLLIN);
	assert_return_code(recv(fd, got, sizeof(got) - 1, 0), errno);
	assert_string_equal(got, want);
}

static void expect_urgent(int fd, char want)
{
	char got = 0;

	wait_for(fd, POLLPRI);
	assert_int_equal(recv(fd, &got, 1, MSG_OOB), 1);
	assert_int_equal(got, want);
}

static void say(int fd, const char *text, int flags)
{
	assert_int_equal(send(fd, text, strlen(text), flags | MSG_NOSIGNAL), strlen(text));
}

/* Both ends behave alike: a text, an urgent byte, a text behind it. */
static void exchange(int from, int to)
{
	say(from, "before", 0);
	say(from, "!", MSG_OOB);
	expect_urgent(to, '!');
	expect_text(to, "before");
	assert_true(at_mark(to));
	say(from, "after", 0);
	expect_text(to, "after");
	assert_false(at_mark(to));
	say(from, "text?", MSG_OOB); /* only its last byte is urgent */
	expect_urgent(to, '?');
	expect_text(to, "text");
}

static void to_the_peer(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	exchange(a.fd, peer);
	exchange(a.fd, peer);
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

static void from_the_peer(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	exchange(peer, a.fd);
	exchange(peer, a.fd);
	close(peer);
	expect_eof(a.fd);
	app_close(&a);
}

/* The first byte of all, and nothing else. */
static void alone(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	say(a.fd, "1", MSG_OOB);
	expect_urgent(peer, '1');
	say(peer, "2", MSG_OOB);
	expect_urgent(a.fd, '2');
	say(a.fd, "3", MSG_OOB);
	expect_urgent(peer, '3');
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

/* SO_OOBINLINE at the app end: a read stops before the byte, the next begins
 * with it. */
static void in_line(void **state)
{
	int peer, one = 1;
	struct app a = app_and_peer(&peer);

	(void)state;
	setsockopt(a.fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	say(peer, "before", 0);
	say(peer, "!", MSG_OOB);
	wait_for(a.fd, POLLPRI);
	say(peer, "after", 0);
	nap_ms(50);
	expect_text(a.fd, "before");
	assert_true(at_mark(a.fd));
	expect_text(a.fd, "!after");
	app_close(&a);
	close(peer);
}

/* Much data around it, which fills every buffer on the way. */
static void in_a_stream(void **state)
{
	const size_t half = 3 << 20;
	int peer, status;
	struct app a = app_and_peer(&peer);
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		close(a.fd);
		_exit(!(put(peer, 0, half) && send(peer, "!", 1, MSG_OOB) == 1 &&
			put(peer, half, half)));
	}
	close(peer);
	nap_ms(100);
	expect_pattern(a.fd, 0, half);
	wait_for(a.fd, POLLPRI);
	expect_urgent(a.fd, '!');
	expect_pattern(a.fd, half, half);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_eof(a.fd);
	app_close(&a);
}

/* To nobody who reads: it must not keep the end of the stream back. */
static void after_shut_rd(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	app_shutdown(&a, SHUT_RD);
	say(peer, "text!", MSG_OOB);
	say(a.fd, "reply", 0);
	expect_text(peer, "reply");
	close(peer);
	app_shutdown(&a, SHUT_WR);
	await_state(a.s, SOCK_CLOSED);
	app_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_the_peer),
		cmocka_unit_test(from_the_peer),
		cmocka_unit_test(alone),
		cmocka_unit_test(in_line),
		cmocka_unit_test(in_a_stream),
		cmocka_unit_test(after_shut_rd),
	};

	setenv("MYTCP_LINGER_MS", "1000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
