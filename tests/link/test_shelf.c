/* test_shelf.c - files without numbers, and guards that lie on shelves. */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "net.h"

#include "../../engine/link/shelf.h"

#define FULL 128

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A pipe's writing end goes there; its reading end tells when it is closed. */
static int put_pipe(struct shelf *s, uint64_t id)
{
	int end[2];

	assert_return_code(pipe2(end, O_CLOEXEC | O_NONBLOCK), errno);
	assert_int_equal(shelf_put(s, end[1], id), 0);
	return end[0];
}

static bool is_closed(int end)
{
	char byte;

	return read(end, &byte, 1) == 0;
}

static void any_file_can_be_had(void **state)
{
	unsigned before = open_fds(), i;
	struct shelf *s;
	int end[FULL], fd, more;

	(void)state;
	assert_int_equal(shelf_open(&s), 0);
	for (i = 0; i < FULL; i++)
		end[i] = put_pipe(s, 1000 + i);
	assert_int_equal(open_fds(), before + 2 + FULL);
	assert_int_equal(shelf_room(s), 0);
	more = dup(end[0]);
	assert_int_equal(shelf_put(s, more, 7), -ENOSPC);
	close(more); /* was not taken */
	for (i = 0; i < FULL; i++) {
		unsigned at = i * 37 % FULL;

		assert_false(is_closed(end[at]));
		fd = shelf_take(s, 1000 + at);
		assert_return_code(fd, errno);
		assert_int_equal(write(fd, &(char){(char)at}, 1), 1);
		if (i % 2) {
			assert_int_equal(shelf_put(s, fd, 1000 + at), 0);
			shelf_drop(s, 1000 + at);
		} else {
			close(fd);
		}
		assert_int_equal(read(end[at], &(char){0}, 1), 1);
		assert_true(is_closed(end[at]));
		close(end[at]);
	}
	assert_int_equal(shelf_used(s), 0);
	assert_int_equal(shelf_room(s), FULL);
	assert_int_equal(shelf_take(s, 1000), -ENOENT);
	end[0] = put_pipe(s, 1);
	shelf_close(s);
	assert_true(is_closed(end[0]));
	close(end[0]);
	assert_int_equal(open_fds(), before);
}

/* Nothing is lost, but that who is not the first may be closed later. */
static void without_numbers_all_stays(void **state)
{
	struct rlimit was, none = {.rlim_cur = 0};
	int end[3], i;
	struct shelf *s;

	(void)state;
	assert_int_equal(shelf_open(&s), 0);
	for (i = 0; i < 3; i++)
		end[i] = put_pipe(s, (uint64_t)i);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &was), errno);
	none.rlim_max = was.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	assert_int_equal(shelf_take(s, 0), -EMFILE);
	assert_int_equal(shelf_take(s, 2), -EMFILE);
	shelf_drop(s, 0);
	assert_true(is_closed(end[0]));
	shelf_drop(s, 2);
	assert_false(is_closed(end[2]));
	assert_int_equal(shelf_used(s), 1);
	assert_int_equal(shelf_room(s), FULL - 2);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &was), errno);
	close(shelf_take(s, 1));
	assert_true(is_closed(end[1]));
	shelf_close(s);
	assert_true(is_closed(end[2]));
	for (i = 0; i < 3; i++)
		close(end[i]);
}

static bool port_is_free(const char *ip, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_any(ip, port, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM, 0);
	bool is = bind(fd, (struct sockaddr *)&sa, len) == 0;

	close(fd);
	return is;
}

/* The kernel keeps quiet, and the port is ours, until it is closed. */
static void a_guard_without_an_fd_is_as_good(void **state)
{
	enum { N = 300 };
	const struct ip_kind *ip = *state;
	int ns = ns_new(), i;
	unsigned before = open_fds();
	struct link *l = open_link(false);
	unsigned with_link = open_fds();
	struct endpoint peer = ep(ip->lo, 9);
	struct engine_pkt_in in[2];
	struct guard *g[N];

	for (i = 0; i < N; i++) {
		g[i] = open_guard(l, ip->lo, 20000 + i, 0);
		assert_int_equal(guard_shelf_ready(l), 0);
		assert_int_equal(guard_stow(g[i]), 0);
		assert_int_equal(guard_stow(g[i]), -EALREADY);
	}
	assert_int_equal(open_fds(), with_link + 3 * 2);
	for (i = 0; i < N; i += 10) {
		struct engine_pkt_out syn = segment(&peer, guard_local(g[i]), 1, SEG_SYN, NULL, 0);

		assert_false(port_is_free(ip->lo, 20000 + i));
		assert_int_equal(link_send(l, &syn, 1), 0);
		assert_int_equal(recv_wait(l, in, 2, 1000), 1);
		assert_int_equal(recv_wait(l, in, 2, 5), 0);
	}
	for (i = 0; i < N; i += 3) {
		guard_close(g[i]);
		assert_true(port_is_free(ip->lo, 20000 + i));
	}
	assert_true(guard_fd(g[1]) >= 0);
	assert_int_equal(guard_share(g[2]), 0);
	assert_true(guard_fd(g[2]) >= 0);
	for (i = 1; i < N; i += 3)
		guard_close(g[i]);
	assert_int_equal(open_fds(), with_link + 3 * 2 + 1); /* g[2]'s */
	for (i = 2; i < N; i += 3)
		guard_close(g[i]);
	assert_int_equal(open_fds(), with_link + 2); /* for the next */
	link_close(l);
	assert_int_equal(open_fds(), before);
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_file_can_be_had),
		cmocka_unit_test(without_numbers_all_stays),
		IP4_AND_IP6(a_guard_without_an_fd_is_as_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
