/* test_hooks_connect.c - connect() behind the hooks: at once, in the background, again.
 */
#include "hooked.h"

static void connect_in_the_background(void **state)
{
	int fd = nonblocking(), err = -1;
	struct sock *s = fdtab_peek(fd);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(err);
	struct sockaddr_in sin;

	(void)state;
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	assert_true(fake.filler >= 2 && fake.filler < 64);
	assert_int_equal(fake.remote.port, 80);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_fails(write(fd, "x", 1), EAGAIN);
	assert_fails(read(fd, &err, 1), EAGAIN);
	assert_fails(try_connect(fd, 80), EALREADY);
	assert_fails(getpeername(fd, (struct sockaddr *)&sin, &len), ENOTCONN);
	fake_established(s, fake.engine_end);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT);
	len = sizeof(err);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, 0);
	assert_int_equal(try_connect(fd, 80), 0);
	assert_fails(try_connect(fd, 80), EISCONN);
	assert_fails(listen(fd, 1), EINVAL);
	len = sizeof(sin);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(sin.sin_port, htons(80));
	close(fd);
	close(fake.engine_end);
}

/* The driver's listener is full, and the driver busy. */
static void connect_in_the_background_waits_for_nobody(void **state)
{
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);
	int fd = nonblocking(), flags = fcntl(fd, F_GETFL), other[64], n = 0;

	(void)state;
	do
		other[n] = real()->socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (real()->connect(other[n++], (struct sockaddr *)&sun, len) == 0);
	alarm(5);
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	alarm(0);
	assert_int_equal(fake.let_in, 1);
	assert_int_equal(fcntl(fd, F_GETFL), flags);
	while (n--)
		close(other[n]);
	close(fd);
	close(fake.engine_end);
}

static sigjmp_buf before;

static void leave(int sig)
{
	(void)sig;
	siglongjmp(before, 1);
}

/* Whoever leaves by siglongjmp() has made the call all the same. */
static void calls_are_whole(void **state)
{
	int fd = nonblocking(), other = nonblocking();
	struct sockaddr_in at = v4(8080);

	(void)state;
	signal(SIGUSR1, leave);
	fake.signal = SIGUSR1;
	if (sigsetjmp(before, 1) == 0)
		try_connect(fd, 80);
	assert_int_equal(fake.connects, 1);
	assert_fails(try_connect(fd, 80), EALREADY);
	fake_established(fdtab_peek(fd), fake.engine_end);
	assert_int_equal(try_connect(fd, 80), 0);
	fake.signal = SIGUSR1;
	if (sigsetjmp(before, 1) == 0)
		bind(other, (struct sockaddr *)&at, sizeof(at));
	assert_fails(bind(other, (struct sockaddr *)&at, sizeof(at)), EINVAL);
	assert_int_equal(fake.binds, 1);
	fake.signal = SIGUSR1;
	if (sigsetjmp(before, 1) == 0)
		listen(other, 5);
	assert_int_equal(listen(other, 6), 0);
	assert_int_equal(fake.listens, 2);
	assert_fails(accept(other, NULL, NULL), EAGAIN);
	signal(SIGUSR1, SIG_DFL);
	close(other);
	close(fd);
	close(fake.engine_end);
}

/* The send buffer that connect() made tiny is large again at the first write. */
static void connect_restores_the_send_buffer(void **state)
{
	int fd = nonblocking(), size = 0;
	struct sock *s = fdtab_peek(fd);
	socklen_t len = sizeof(size);
	char byte = 0;

	(void)state;
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	fake_established(s, fake.engine_end);
	assert_int_equal(write(fd, "A", 1), 1);
	real()->getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	assert_int_equal(size, 425984);
	assert_int_equal(read(fake.engine_end, &byte, 1), 1);
	assert_int_equal(byte, 0); /* the filler byte that stays */
	assert_int_equal(read(fake.engine_end, &byte, 1), 1);
	assert_int_equal(byte, 'A');
	close(fd);
	close(fake.engine_end);
}

static void connect_fails_later(void **state)
{
	int fd = nonblocking(), err = 0;
	struct sock *s = fdtab_peek(fd);
	socklen_t len = sizeof(err);
	char byte;

	(void)state;
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	fake_failed(s, fake.engine_end, ECONNREFUSED);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, ECONNREFUSED);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_fails(write(fd, "x", 1), EPIPE);
	assert_int_equal(sigpipes, 1);
	assert_fails(try_connect(fd, 80), ECONNABORTED);
	assert_fails(read(fd, &byte, 1), ENOTCONN);
	/* And now once more, from the start. */
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	fake_failed(s, fake.engine_end, ECONNREFUSED);
	assert_fails(try_connect(fd, 80), ECONNREFUSED);
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	fake_failed(s, fake.engine_end, ETIMEDOUT);
	assert_fails(read(fd, &byte, 1), ETIMEDOUT);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

static void connect_fails_at_once(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), copy = dup(fd);
	struct sockaddr_in to = v4(80);

	(void)state;
	assert_fails(connect(fd, (struct sockaddr *)&to, 15), EINVAL);
	assert_fails(connect(fd, (struct sockaddr *)&to, 1), EINVAL);
	to.sin_family = AF_INET6;
	assert_fails(connect(fd, (struct sockaddr *)&to, sizeof(to)), EAFNOSUPPORT);
	fake.connect_err = -ENETUNREACH;
	assert_fails(try_connect(fd, 80), ENETUNREACH);
	/* Every fd has the new app end, with the flags it had. */
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(copy, F_GETFD) & FD_CLOEXEC);
	fake.connect_err = 0;
	assert_int_equal(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
	assert_fails(try_connect(copy, 80), EINPROGRESS);
	fake_established(fdtab_peek(copy), fake.engine_end);
	assert_int_equal(try_connect(fd, 80), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	close(fd);
	close(copy);
	close(fake.engine_end);
}

struct later {
	struct sock *s;
	int err;
};

static void *answer_later(void *arg)
{
	struct later *l = arg;

	while (atomic_load(&l->s->state) != SOCK_CONNECTING)
		usleep(1000);
	usleep(20000);
	if (l->err)
		fake_failed(l->s, fake.engine_end, l->err);
	else
		fake_established(l->s, fake.engine_end);
	return NULL;
}

static void connect_waits(void **state)
{
	static const int errs[] = {0, ECONNREFUSED, ETIMEDOUT};
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct later l = {.s = fdtab_peek(fd), .err = errs[i]};
		pthread_t t;

		assert_int_equal(pthread_create(&t, NULL, answer_later, &l), 0);
		if (l.err)
			assert_fails(try_connect(fd, 80), l.err);
		else
			assert_int_equal(try_connect(fd, 80), 0);
		pthread_join(t, NULL);
		close(fd);
		if (!l.err)
			close(fake.engine_end);
	}
}

static void connect_times_out(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval t = {.tv_usec = 30000};

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)), 0);
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	close(fd);
	close(fake.engine_end);
}

static void connect_to_nobody(void **state)
{
	struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	struct sock *s;
	int fd = connected(&s);
	char byte;

	(void)state;
	assert_int_equal(connect(fd, (struct sockaddr *)&none, sizeof(none)), 0);
	assert_int_equal(fake.undone, 1);
	assert_fails(read(fd, &byte, 1), ECONNRESET);
	assert_fails(read(fd, &byte, 1), ENOTCONN);
	close(fake.engine_end);
	assert_fails(try_connect(fd, 81), EINPROGRESS);
	close(fd);
	close(fake.engine_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connect_in_the_background),
		TEST(connect_in_the_background_waits_for_nobody),
		TEST(calls_are_whole),
		TEST(connect_restores_the_send_buffer),
		TEST(connect_fails_later),
		TEST(connect_fails_at_once),
		TEST(connect_waits),
		TEST(connect_times_out),
		TEST(connect_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
