/* test_stranger.c - closing what strangers have put a lingering socket into. Whatever
 * lingers does so for longer than the test may take.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../shim/pass.h"
#include "../../shim/stranger.h"
#include "lingering.h"

#define PATIENCE_S 10

static int own_network(void **state)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) != 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	return ioctl(fd, SIOCSIFFLAGS, &ifr) != 0 || close(fd) != 0;
}

static int setup(void **state)
{
	(void)state;
	alarm(PATIENCE_S); /* ends the test that waits in close() */
	return 0;
}

static void make_pair(int type, int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, type, 0, ends), 0);
}

static void close_with(int type, size_t n, int flags)
{
	struct lingering l = make_lingering();
	int ends[2];

	make_pair(type, ends);
	send_with(ends[1], l.fd, n, flags);
	close(ends[1]);
	stranger_close(ends[0]);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	forget_lingering(&l);
}

static void what_is_queued_does_not_keep_us(void **state)
{
	(void)state;
	close_with(SOCK_STREAM, 5, 0);
	close_with(SOCK_STREAM, 1, MSG_OOB);
	close_with(SOCK_SEQPACKET, 5, 0);
	close_with(SOCK_SEQPACKET, 0, 0);
}

/* Behind other messages, and in the queue of a socket that itself is in one. */
static void wherever_it_is(void **state)
{
	struct lingering l = make_lingering();
	int ends[2], inner[2];

	(void)state;
	make_pair(SOCK_STREAM, inner);
	send_with(inner[1], l.fd, 1, 0);
	make_pair(SOCK_SEQPACKET, ends);
	assert_int_equal(send(ends[1], "", 0, 0), 0);
	assert_int_equal(send(ends[1], "x", 1, 0), 1);
	send_with(ends[1], inner[0], 1, 0);
	stranger_close(ends[0]);
	close(ends[1]);
	close(inner[1]);
	forget_lingering(&l);
}

static int listen_at_any(struct sockaddr_un *sun, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	assert_int_equal(bind(fd, (struct sockaddr *)sun, sizeof(sun->sun_family)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sun, len), 0);
	return fd;
}

static void leave_in_backlog(const struct sockaddr_un *sun, socklen_t len, int fd)
{
	int stranger = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(stranger, (struct sockaddr *)sun, len), 0);
	send_with(stranger, fd, 1, 0);
	close(stranger);
}

static void a_listener_goes_at_once(void **state)
{
	int shared, fd;

	(void)state;
	for (shared = 0; shared < 2; shared++) {
		struct lingering l = make_lingering();
		struct sockaddr_un sun;
		socklen_t len = sizeof(sun);

		fd = listen_at_any(&sun, &len);
		leave_in_backlog(&sun, len, l.fd);
		if (shared)
			assert_int_equal(stranger_close_shared(fd), 0);
		else
			stranger_close(fd);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
		forget_lingering(&l);
	}
}

static void what_was_received_goes_at_once(void **state)
{
	struct lingering l = make_lingering();
	struct stranger_hold h;

	(void)state;
	stranger_hold(&h);
	close(l.fd);
	stranger_let_go(&h);
	assert_int_equal(fcntl(l.fd, F_GETFD), -1);
	forget_lingering(&l);
}

/* From Linux 6.16 on nothing gets in. */
static void kept_out(void **state)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int fd = listen_at_any(&sun, &len), stranger = socket(AF_UNIX, SOCK_STREAM, 0), conn;

	(void)state;
	assert_false(pass_keeps_fds_out(fd));
	pass_no_fds(fd);
	if (!pass_keeps_fds_out(fd)) {
		close(stranger);
		close(fd);
		skip();
	}
	assert_int_equal(connect(stranger, (struct sockaddr *)&sun, len), 0);
	conn = accept(fd, NULL, NULL);
	assert_true(pass_keeps_fds_out(conn));
	pass_fds(conn);
	assert_false(pass_keeps_fds_out(conn));
	close(conn);
	close(stranger);
	close(fd);
}

static void nothing_else_changes(void **state)
{
	sigset_t some, is;
	int ends[2];

	(void)state;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_SETMASK, &some, NULL);
	make_pair(SOCK_STREAM, ends);
	send_with(ends[1], dup(ends[1]), 1, 0);
	errno = ENOTTY;
	stranger_close(ends[0]);
	assert_int_equal(errno, ENOTTY);
	sigprocmask(SIG_SETMASK, NULL, &is);
	assert_memory_equal(&is, &some, 8); /* what the kernel has of it */
	assert_int_equal(stranger_close_shared(ends[0]), -1);
	assert_int_equal(errno, EBADF);
	close(ends[1]);
}

/* One that was there before may not be quite gone. */
static void await_threads(unsigned n)
{
	struct stat st;

	do
		assert_int_equal(stat("/proc/self/task", &st), 0);
	while (st.st_nlink - 2 != n);
}

static void where_it_may_not_there_is_no_thread(void **state)
{
	struct stranger_hold h;

	(void)state;
	stranger_hold(&h);
	await_threads(2);
	stranger_let_go(&h);
	stranger_forbid();
	stranger_hold(&h);
	await_threads(1);
	stranger_let_go(&h);
}

/* The thread has copies of all fds. */
static void a_name_is_free_at_once(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX, .sun_path = "\0a name of a test"};
	struct stranger_hold h;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
		stranger_hold(&h);
		stranger_let_go(&h);
		close(fd);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_queued_does_not_keep_us),
		TEST(wherever_it_is),
		TEST(a_listener_goes_at_once),
		TEST(what_was_received_goes_at_once),
		TEST(kept_out),
		TEST(nothing_else_changes),
		TEST(a_name_is_free_at_once),
		TEST(where_it_may_not_there_is_no_thread), /* from then on */
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
