/* test_visitors.c - who comes to the driver's private listener. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../shim/names.h"
#include "../../shim/visitors.h"

#define BACKLOG 4
#define MANY 64

static struct visitors visitors;
static struct sockaddr_un at;
static socklen_t at_len;

static int setup(void **state)
{
	struct name n = {.kind = NAME_DRIVER};

	(void)state;
	at_len = name_encode(&n, &at);
	return visitors_open(&visitors, &at, at_len);
}

static int teardown(void **state)
{
	(void)state;
	visitors_close(&visitors);
	return 0;
}

static int set_backlog(int n)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "w");

	return f && fprintf(f, "%d", n) > 0 && fclose(f) == 0 ? 0 : -1;
}

/* A small backlog. */
static int own_network(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET) != 0 ? -1 : set_backlog(BACKLOG);
}

static int named(uint64_t id, int flags, struct sockaddr_un *sun, socklen_t *len)
{
	struct name n = {.kind = NAME_APP, .sock_id = id};
	int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);

	*len = name_encode(&n, sun);
	assert_return_code(bind(fd, (struct sockaddr *)sun, *len), errno);
	return fd;
}

/* Until nobody else has room there; how many. */
static int fill(int fd[MANY])
{
	int n = 0;

	do {
		assert_in_range(n, 0, MANY - 1);
		fd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(fd[n++], (struct sockaddr *)&at, at_len) == 0);
	assert_int_equal(errno, EAGAIN);
	return n;
}

static void who_is_brought_does_not_wait(void **state)
{
	struct sockaddr_un name;
	socklen_t len;
	int waiting[MANY], n = fill(waiting), fd = named(7, 0, &name, &len), end;
	int flags = fcntl(fd, F_GETFL);
	char byte;

	(void)state;
	alarm(5);
	assert_int_equal(visitors_bring(&visitors, fd), 0);
	alarm(0);
	assert_int_equal(fcntl(fd, F_GETFL), flags);
	end = visitors_claim(&visitors, &name, len);
	assert_return_code(end, errno);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(end, &byte, 1), 1);
	close(end);
	close(fd);
	while (n--)
		close(waiting[n]);
}

/* Who was refused for want of fds may be brought later. */
static void who_is_not_brought_is_left_alone(void **state)
{
	struct rlimit lim, low;
	struct sockaddr_un name;
	socklen_t len;
	int fd = named(8, 0, &name, &len), lowest = dup(fd), spare;

	(void)state;
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &lim);
	for (spare = 0; spare < 2; spare++) {
		low = (struct rlimit){lowest + spare, lim.rlim_max};
		setrlimit(RLIMIT_NOFILE, &low);
		assert_int_equal(visitors_bring(&visitors, fd), -EMFILE);
	}
	setrlimit(RLIMIT_NOFILE, &lim);
	assert_int_equal(visitors_bring(&visitors, fd), 0);
	close(visitors_claim(&visitors, &name, len));
	close(fd);
}

/* A turn is bounded; whoever is claimed is found behind all the others. */
static void a_crowd_is_let_in_by_turns(void **state)
{
	struct sockaddr_un name;
	socklen_t len;
	int waiting[MANY], n, last, end;

	(void)state;
	assert_int_equal(set_backlog(MANY - 2), 0);
	setup(NULL);
	last = named(9, SOCK_NONBLOCK, &name, &len);
	for (n = 0; n < MANY - 3; n++) {
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_return_code(connect(waiting[n], (struct sockaddr *)&at, at_len), errno);
	}
	assert_return_code(connect(last, (struct sockaddr *)&at, at_len), errno);
	assert_true(visitors_turn(&visitors));
	assert_int_equal(visitors.n, VISITORS_TURN_MAX);
	end = visitors_claim(&visitors, &name, len);
	assert_return_code(end, -end);
	assert_int_equal(visitors.n, MANY - 3);
	assert_false(visitors_turn(&visitors));
	close(end);
	close(last);
	while (n--)
		close(waiting[n]);
	teardown(NULL);
	assert_int_equal(set_backlog(BACKLOG), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_brought_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_not_brought_is_left_alone, setup, teardown),
		cmocka_unit_test(a_crowd_is_let_in_by_turns),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
