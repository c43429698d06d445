/* test_starved.c - what has no memory, or is refused by the kernel for want of it, is
 * late and not lost.
 */
#include "app.h"

#include "../engine/oom.h"

/* The next so many calls on an engine end fail. */
static atomic_int fail_sendmsg, fail_send, fail_recvmsg, fail_recv;

static bool takes_one(atomic_int *n)
{
	int was = atomic_load(n);

	return was > 0 && atomic_compare_exchange_strong(n, &was, was - 1);
}

static ssize_t sendmsg_or_not(int fd, const struct msghdr *msg, int flags)
{
	if (!takes_one(&fail_sendmsg))
		return sendmsg(fd, msg, flags);
	errno = ENOBUFS;
	return -1;
}

static ssize_t send_or_not(int fd, const void *buf, size_t n, int flags)
{
	if (!takes_one(&fail_send))
		return send(fd, buf, n, flags);
	errno = ENOBUFS;
	return -1;
}

static ssize_t recvmsg_or_not(int fd, struct msghdr *msg, int flags)
{
	if (!takes_one(&fail_recvmsg))
		return recvmsg(fd, msg, flags);
	errno = ENOMEM;
	return -1;
}

static ssize_t recv_or_not(int fd, void *buf, size_t n, int flags)
{
	if (!takes_one(&fail_recv))
		return recv(fd, buf, n, flags);
	errno = ENOMEM;
	return -1;
}

#define sendmsg sendmsg_or_not
#define send send_or_not
#define recvmsg recvmsg_or_not
#define recv recv_or_not
#include "../../shim/pair.c"
#undef sendmsg
#undef send
#undef recvmsg
#undef recv

static void no_memory_to_send(void **state)
{
	const size_t much = 200000; /* no buffer in the pool is that large */
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	oom_after(0);
	assert_int_equal(send(a.fd, "x", 1, 0), 1);
	wait_for(peer, POLLIN);
	assert_int_equal(recv(peer, &(char){0}, 1, 0), 1);
	oom_happened(); /* the pool may have had something */
	oom_after(0);
	send_pattern(a.fd, 0, much);
	expect_pattern(peer, 0, much);
	assert_true(oom_happened());
	app_close(&a);
	close(peer);
}

static void the_kernel_has_none_to_give(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	for (int times = 1; times < 4; times++) {
		atomic_store(&fail_sendmsg, times);
		send_pattern(peer, 0, 1000);
		expect_pattern(a.fd, 0, 1000);
		assert_int_equal(atomic_load(&fail_sendmsg), 0);
	}
	atomic_store(&fail_send, 1);
	assert_int_equal(send(peer, "u", 1, MSG_OOB), 1);
	wait_for(a.fd, POLLPRI);
	assert_int_equal(recv(a.fd, &(char){0}, 1, MSG_OOB), 1);
	assert_int_equal(atomic_load(&fail_send), 0);
	close(peer);
	expect_eof(a.fd);
	app_close(&a);
}

static void the_kernel_has_none_to_take(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);

	(void)state;
	for (int times = 1; times < 4; times++) {
		atomic_store(&fail_recvmsg, times);
		send_pattern(a.fd, 0, 1000);
		expect_pattern(peer, 0, 1000);
		assert_int_equal(atomic_load(&fail_recvmsg), 0);
		atomic_store(&fail_recv, 2); /* of the byte that was held, and of this one */
		send_pattern(a.fd, 0, 1);
		expect_pattern(peer, 0, 1);
		assert_int_equal(atomic_load(&fail_recv), 0);
	}
	app_close(&a);
	expect_eof(peer);
	close(peer);
}

/* ---- each allocation in turn -------------------------------------------------------- */

#define ALLOCATIONS_MAX 40

static void exchange(int a, int b)
{
	send_pattern(a, 0, 70000);
	expect_pattern(b, 0, 70000);
	send_pattern(b, 0, 70000);
	expect_pattern(a, 0, 70000);
}

/* connect() may say so; after that, everything works. */
static void every_allocation_of_an_active_open(void **state)
{
	int l = kernel_listen(24000, 8), n, peer;
	struct endpoint to = loopback(24000);
	bool happened = true;

	(void)state;
	for (n = 0; happened && n < ALLOCATIONS_MAX; n++) {
		struct app a = app_socket();
		int err;

		oom_after(n);
		err = app_begin_connect(&a, &to);
		if (!err) {
			assert_true(wait_for(a.fd, POLLOUT) & POLLOUT);
			assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTED);
			app_pin(&a);
			peer = kernel_accept(l);
			exchange(a.fd, peer);
			close(peer);
		} else {
			assert_true(err == -ENOMEM || err == -ENOBUFS);
		}
		happened = oom_happened();
		app_close(&a);
	}
	assert_in_range(n, 3, ALLOCATIONS_MAX - 1);
	close(l);
}

static void every_allocation_of_a_passive_open(void **state)
{
	struct app l = app_listen(24001, 5, false), a;
	bool happened = true;
	struct name name;
	int n, peer;

	(void)state;
	for (n = 0; happened && n < ALLOCATIONS_MAX; n++) {
		oom_after(n);
		peer = kernel_connect(24001);
		a = app_accept(&l, &name);
		exchange(a.fd, peer);
		happened = oom_happened();
		app_close(&a);
		expect_eof(peer);
		close(peer);
	}
	assert_in_range(n, 3, ALLOCATIONS_MAX - 1);
	app_close(&l);
}

/* listen() may say so, and can be called again. */
static void every_allocation_of_a_listener(void **state)
{
	bool happened = true;
	int n;

	(void)state;
	for (n = 0; happened && n < ALLOCATIONS_MAX; n++) {
		struct endpoint local = loopback(24010 + n);
		struct app a = app_socket();
		int err;

		oom_after(n);
		err = driver_bind(a.s, &local);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(driver_bind(a.s, &local), 0);
		}
		a.s->bound = true;
		app_name(&a);
		assert_return_code(listen(a.fd, 3), errno);
		err = driver_listen(a.s, 3);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(driver_listen(a.s, 3), 0);
		}
		happened = oom_happened();
		close(kernel_connect(24010 + n));
		app_close(&a);
	}
	assert_in_range(n, 3, ALLOCATIONS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_to_send),
		cmocka_unit_test(the_kernel_has_none_to_give),
		cmocka_unit_test(the_kernel_has_none_to_take),
		cmocka_unit_test(every_allocation_of_an_active_open),
		cmocka_unit_test(every_allocation_of_a_passive_open),
		cmocka_unit_test(every_allocation_of_a_listener),
	};

	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
