/* test_cancel.c - threads that are cancelled in a hook: in the middle of it nothing
 * happens, where it waits they end and leave nothing behind.
 */
#include "hooked.h"

static int the_fd, conn;

/* A cancellation that comes when libc's call has just done its work. */
#define THEN_CANCEL(type, name, params, args) \
	static type(*libc_##name) params; \
	static type name##_then_cancel params \
	{ \
		type r = libc_##name args; \
\
		pthread_cancel(pthread_self()); \
		return r; \
	}

THEN_CANCEL(int, accept4, (int fd, struct sockaddr *sa, socklen_t *len, int flags),
	    (fd, sa, len, flags))
THEN_CANCEL(int, connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
THEN_CANCEL(int, socket, (int domain, int type, int protocol), (domain, type, protocol))

static void *accepts(void *arg)
{
	conn = accept(the_fd, NULL, NULL);
	return arg;
}

static void *connects(void *arg)
{
	int was;

	conn = try_connect(the_fd, 80) == 0 ? 0 : errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	*(int *)arg = was;
	return arg;
}

static void *makes(void *arg)
{
	conn = socket(AF_INET, SOCK_STREAM, 0);
	return arg;
}

static void *result_of(void *(*fn)(void *), void *arg, bool cancel)
{
	pthread_t t;
	void *result;

	conn = -1;
	assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
	if (cancel)
		pthread_cancel(t);
	assert_int_equal(pthread_join(t, &result), 0);
	return result;
}

static void accept_keeps_what_it_has_taken(void **state)
{
	struct endpoint peer = {.addr = {.b = {[10] = 0xff, [11] = 0xff, 10, 1, 2, 3}},
				.port = 5555};
	struct sock *l, *s;
	int engine, arg;

	(void)state;
	the_fd = listening(&l);
	engine = fake_incoming(l, &peer, &s);
	assert_true(engine >= 0);
	libc_accept4 = real_calls.accept4;
	real_calls.accept4 = accept4_then_cancel;
	assert_ptr_equal(result_of(accepts, &arg, false), &arg);
	real_calls.accept4 = libc_accept4;
	assert_true(conn >= 0);
	assert_ptr_equal(fdtab_peek(conn), s);
	close(conn);
	close(the_fd);
	close(engine);
}

/* And the program's own state is as it was. */
static void connect_is_not_left_halfway(void **state)
{
	int was = -1;

	(void)state;
	the_fd = nonblocking();
	libc_connect = real_calls.connect;
	real_calls.connect = connect_then_cancel;
	assert_ptr_equal(result_of(connects, &was, false), &was);
	real_calls.connect = libc_connect;
	assert_int_equal(conn, EINPROGRESS);
	assert_int_equal(was, PTHREAD_CANCEL_ENABLE);
	assert_int_equal(fake.connects, 1);
	close(the_fd);
	close(fake.engine_end);
}

static void socket_is_no_cancellation_point(void **state)
{
	int arg;

	(void)state;
	libc_socket = real_calls.socket;
	real_calls.socket = socket_then_cancel;
	assert_ptr_equal(result_of(makes, &arg, false), &arg);
	real_calls.socket = libc_socket;
	assert_true(conn >= 0);
	close(conn);
}

/* Where it waits, the thread ends, and with it the call's reference to the socket. */
static void who_waits_is_cancelled(void **state)
{
	struct sock *s;
	int was = -1;

	(void)state;
	the_fd = listening(&s);
	assert_int_equal(atomic_load(&s->refs), 1);
	assert_ptr_equal(result_of(accepts, &was, true), PTHREAD_CANCELED);
	assert_int_equal(atomic_load(&s->refs), 1);
	close(the_fd);
	the_fd = socket(AF_INET, SOCK_STREAM, 0);
	s = fdtab_peek(the_fd);
	assert_ptr_equal(result_of(connects, &was, true), PTHREAD_CANCELED);
	assert_int_equal(atomic_load(&s->refs), 1);
	assert_int_equal(was, -1);
	close(the_fd);
	if (fake.connects)
		close(fake.engine_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(accept_keeps_what_it_has_taken),
		TEST(connect_is_not_left_halfway),
		TEST(socket_is_no_cancellation_point),
		TEST(who_waits_is_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
