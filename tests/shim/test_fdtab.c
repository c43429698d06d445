/* test_fdtab.c - the fd table and the pool of socks behind it: entries, stale
 * entries, references, and lookups that race with close().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shim/fdtab.h"

static struct sock *new_entry(int *fd)
{
	struct sock *s = sock_new(AF_INET);
	struct stat st;
	bool last;

	*fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_non_null(s);
	assert_int_equal(fstat(*fd, &st), 0);
	atomic_store(&s->ino, st.st_ino);
	assert_int_equal(fdtab_reserve(*fd), 0);
	assert_null(fdtab_swap(*fd, s, &last));
	return s;
}

static void remove_entry(int fd, struct sock *s)
{
	bool last;

	assert_ptr_equal(fdtab_swap(fd, NULL, &last), s);
	assert_true(last);
	sock_put(s);
	close(fd);
}

static void finds_what_was_put_in(void **state)
{
	int fd;
	struct sock *s = new_entry(&fd);

	(void)state;
	assert_ptr_equal(fdtab_peek(fd), s);
	assert_ptr_equal(fdtab_get(fd), s);
	assert_int_equal(atomic_load(&s->refs), 2);
	sock_put(s);
	assert_null(fdtab_get(fd + 1));
	assert_null(fdtab_peek(-1));
	assert_null(fdtab_peek(INT32_MAX));
	remove_entry(fd, s);
	assert_null(fdtab_get(fd));
}

static void tells_the_last_fd(void **state)
{
	int fd, copy;
	struct sock *s = new_entry(&fd);
	bool last;

	(void)state;
	copy = fcntl(fd, F_DUPFD, 9000); /* in another leaf */
	assert_int_equal(fdtab_reserve(copy), 0);
	assert_null(fdtab_swap(copy, sock_get(s), &last));
	assert_int_equal(fdtab_next(0, s), fd);
	assert_int_equal(fdtab_next(fd + 1, s), copy);
	assert_int_equal(fdtab_next(copy + 1, s), -1);
	assert_int_equal(fdtab_next(0, NULL), fd);
	assert_ptr_equal(fdtab_swap(copy, NULL, &last), s);
	assert_false(last);
	sock_put(s);
	close(copy);
	remove_entry(fd, s);
	assert_int_equal(fdtab_next(0, NULL), -1);
}

static void ignores_a_stale_entry(void **state)
{
	int fd, other;
	struct sock *s = new_entry(&fd);
	struct sock *again;

	(void)state;
	other = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(dup2(other, fd), fd); /* behind its back */
	assert_null(fdtab_get(fd));
	assert_int_equal(dup2(STDIN_FILENO, fd), fd);
	assert_null(fdtab_get(fd));
	close(fd);
	assert_null(fdtab_get(fd));
	assert_int_equal(atomic_load(&s->refs), 1);
	again = fdtab_peek(fd);
	assert_ptr_equal(again, s);
	remove_entry(fd, s);
	close(other);
}

static void is_blind_in_the_drivers_thread(void **state)
{
	int fd;
	struct sock *s = new_entry(&fd);

	(void)state;
	real_only = true;
	assert_null(fdtab_peek(fd));
	assert_null(fdtab_get(fd));
	real_only = false;
	assert_ptr_equal(fdtab_peek(fd), s);
	remove_entry(fd, s);
}

static void belongs_to_one_process(void **state)
{
	int status;
	pid_t child;

	(void)state;
	fdtab_set_owner();
	assert_true(fdtab_is_mine());
	child = fork();
	if (child == 0) {
		bool before = fdtab_is_mine();

		fdtab_set_owner();
		_exit(before || !fdtab_is_mine());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void ids_are_never_reused(void **state)
{
	struct sock *s = sock_new(AF_INET), *again;
	uint64_t id = s->id, renewed;

	(void)state;
	again = sock_by_id(id);
	assert_ptr_equal(again, s);
	sock_put(again);
	sock_renew_id(s);
	renewed = s->id;
	assert_true(renewed != id);
	assert_null(sock_by_id(id));
	again = sock_by_id(renewed);
	assert_ptr_equal(again, s);
	sock_put(again);
	sock_put(s);
	assert_null(sock_by_id(renewed));
	again = sock_new(AF_INET);
	assert_ptr_equal(again, s); /* the memory is, the id is not */
	assert_true(again->id != renewed && again->id != id);
	assert_null(sock_by_id(renewed));
	assert_null(sock_by_id(0));
	assert_null(sock_by_id(UINT64_MAX));
	sock_put(again);
}

static void holds_many(void **state)
{
	enum { N = 3000 };
	static struct sock *all[N];
	int i;

	(void)state;
	for (i = 0; i < N; i++) {
		all[i] = sock_new(AF_INET);
		assert_non_null(all[i]);
		assert_int_equal(atomic_load(&all[i]->refs), 1);
	}
	for (i = 0; i < N; i++) {
		struct sock *s = sock_by_id(all[i]->id);

		assert_ptr_equal(s, all[i]);
		sock_put(s);
	}
	for (i = 0; i < N; i++)
		sock_put(all[i]);
}

/* ---- races -------------------------------------------------------------- */

#define RACE_FD 700
static atomic_bool stop;
static atomic_uint found;

/* The kernel's part is left out: ino 0 is no fd's, so lookups end at the
 * comparison, after the references were taken. */
static void *look_up(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		struct sock *s = fdtab_peek(RACE_FD);

		assert_null(fdtab_get(RACE_FD));
		if (s && sock_try_get(s)) {
			atomic_fetch_add(&found, 1);
			sock_put(s);
		}
	}
	return NULL;
}

static void *replace(void *arg)
{
	unsigned i;
	bool last;

	(void)arg;
	for (i = 0; i < 200000; i++) {
		struct sock *s = sock_new(AF_INET), *old;

		assert_non_null(s);
		old = fdtab_swap(RACE_FD, i % 2 ? s : NULL, &last);
		if (i % 2 == 0)
			sock_put(s);
		if (old)
			sock_put(old);
	}
	return NULL;
}

static void survives_races(void **state)
{
	pthread_t readers[2], writers[2];
	struct sock *a, *b;
	bool last;
	int i;

	(void)state;
	assert_int_equal(fdtab_reserve(RACE_FD), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, look_up, NULL), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, replace, NULL), 0);
	for (i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	a = fdtab_swap(RACE_FD, NULL, &last);
	if (a)
		sock_put(a);
	/* The pool is whole: no struct is handed out twice. */
	a = sock_new(AF_INET);
	b = sock_new(AF_INET);
	assert_ptr_not_equal(a, b);
	assert_int_equal(atomic_load(&a->refs), 1);
	assert_int_equal(atomic_load(&b->refs), 1);
	assert_int_equal(atomic_load(&a->fds), 0);
	sock_put(a);
	sock_put(b);
	assert_true(atomic_load(&found) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_put_in),
		cmocka_unit_test(tells_the_last_fd),
		cmocka_unit_test(ignores_a_stale_entry),
		cmocka_unit_test(is_blind_in_the_drivers_thread),
		cmocka_unit_test(belongs_to_one_process),
		cmocka_unit_test(ids_are_never_reused),
		cmocka_unit_test(holds_many),
		cmocka_unit_test(survives_races),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
