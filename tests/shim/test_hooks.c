/* test_hooks.c - which sockets the hooks take, and what sockets, listeners and fds do
 * behind them.
 */
#include "hooked.h"

#include <sys/epoll.h>

/* ---- which sockets -------------------------------------------------- */

static void takes_tcp_and_leaves_the_rest(void **state)
{
	static const int others[][3] = {
		{AF_INET, SOCK_DGRAM, 0}, {AF_UNIX, SOCK_STREAM, 0},
		{AF_INET, SOCK_RAW, IPPROTO_ICMP}, {AF_INET6, SOCK_DGRAM, 0},
	};
	unsigned i;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	(void)state;
	assert_non_null(fdtab_peek(fd));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(close(fd), 0);
	assert_null(fdtab_peek(fd));
	for (i = 0; i < 4; i++) {
		fd = socket(others[i][0], others[i][1], others[i][2]);
		assert_true(fd >= 0);
		assert_null(fdtab_peek(fd));
		close(fd);
	}
	fd = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	assert_non_null(fdtab_peek(fd));
	close(fd);
	fake.start_err = -EPERM;
	assert_fails(socket(AF_INET, SOCK_STREAM, 0), EPERM);
}

static void keeps_errno_on_success(void **state)
{
	struct sock *s;
	int fd, one = 1;
	socklen_t len = sizeof(one);

	(void)state;
	errno = EXDEV;
	fd = listening(&s);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &one, &len), 0);
	assert_int_equal(close(fd), 0);
	fd = connected(&s);
	errno = EXDEV;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(errno, EXDEV);
	close(fake.engine_end);
}

/* ---- fresh sockets -------------------------------------------------- */

static void fresh_socket(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), n = -1;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	char byte;

	(void)state;
	assert_fails(read(fd, &byte, 1), ENOTCONN);
	assert_fails(recv(fd, &byte, 1, 0), ENOTCONN);
	assert_int_equal(sigpipes, 0);
	assert_fails(write(fd, "x", 1), EPIPE);
	assert_int_equal(sigpipes, 1);
	assert_fails(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(sigpipes, 1);
	assert_fails(shutdown(fd, SHUT_RDWR), ENOTCONN);
	assert_fails(shutdown(fd, 3), EINVAL);
	assert_fails(accept(fd, NULL, NULL), EINVAL);
	assert_fails(getpeername(fd, (struct sockaddr *)&sin, &len), ENOTCONN);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(len, sizeof(sin));
	assert_int_equal(sin.sin_family, AF_INET);
	assert_int_equal(sin.sin_port, 0);
	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT | POLLHUP);
	close(fd);
	assert_int_equal(fake.closed, 0);
}

/* Whichever comes first, the driver hears of a socket that it knows. */
static void closed_by_another_thread_in_the_middle(void **state)
{
	struct sockaddr_in sin = v4(1234);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	fake.closes = fd;
	assert_fails(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), EBADF);
	assert_int_equal(fake.closed, 1);

	fd = socket(AF_INET, SOCK_STREAM, 0);
	fake.closes = fd;
	listen(fd, 1);
	assert_int_equal(fake.closed, 2);

	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 1), 0);
	fake.closes = fd;
	shutdown(fd, SHUT_RDWR);
	assert_int_equal(fake.closed, 4); /* by close(), and when the call was done */
	assert_fails(fcntl(fd, F_GETFD), EBADF);
}

static void bind_checks(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sin = v4(1234);
	socklen_t len = 6;

	(void)state;
	assert_fails(bind(fd, (struct sockaddr *)&sin, 15), EINVAL);
	sin.sin_family = AF_UNSPEC;
	assert_fails(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), EAFNOSUPPORT);
	sin.sin_addr.s_addr = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_fails(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), EINVAL);
	assert_int_equal(fake.binds, 1);
	memset(&sin, 0xee, sizeof(sin));
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(len, sizeof(sin));
	assert_int_equal(sin.sin_port, htons(1234));
	assert_int_equal(((uint8_t *)&sin)[6], 0xee); /* cut */
	len = -1;
	assert_fails(getsockname(fd, (struct sockaddr *)&sin, &len), EINVAL);
	close(fd);
	assert_int_equal(fake.closed, 1);
}

/* ---- listen and accept ---------------------------------------------- */

static void accepts(void **state)
{
	struct sock *l, *s, *got;
	int fd = listening(&l), engine, conn, one = 1;
	struct endpoint peer = {.addr = {.b = {[10] = 0xff, 0xff, 10, 1, 2, 3}},
				.port = 5555};
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct timeval t = {.tv_sec = 7}, t2 = {0};
	char ctl[64], byte[8];
	struct iovec iov = {byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = sizeof(ctl)};

	(void)state;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 4), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
	engine = fake_incoming(l, &peer, &s);
	assert_true(engine >= 0);
	atomic_store(&l->backlog_full, true);
	conn = accept4(fd, (struct sockaddr *)&sin, &len, SOCK_CLOEXEC);
	assert_true(conn >= 0);
	got = fdtab_peek(conn);
	assert_ptr_equal(got, s);
	assert_int_equal(fake.kicks, 1);
	assert_int_equal(len, sizeof(sin));
	assert_int_equal(sin.sin_port, htons(5555));
	assert_int_equal(sin.sin_addr.s_addr, inet_addr("10.1.2.3"));
	assert_int_equal(getsockname(conn, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(sin.sin_port, htons(8080));
	assert_true(s->opts.tcp.nodelay);
	len = sizeof(t2);
	assert_int_equal(getsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &t2, &len), 0);
	assert_int_equal(t2.tv_sec, 7);
	assert_int_equal(recvmsg(engine, &msg, 0), 1); /* the mark */
	assert_int_equal(CMSG_FIRSTHDR(&msg)->cmsg_type, SCM_RIGHTS);
	memcpy(&one, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(one));
	close(one);
	assert_int_equal(recv(engine, byte, sizeof(byte), 0), PAIR_MARK_BYTES - 1);
	assert_int_equal(send(conn, "x", 1, 0), 1);
	close(conn);
	close(engine);
	close(fd);
}

/* Whoever is not the driver cannot put a connection into the queue. */
static void accept_turns_strangers_away(void **state)
{
	struct sock *l;
	int fd = listening(&l), stranger = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd p = {.fd = stranger, .events = POLLIN};

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(connect(stranger, (struct sockaddr *)&l->name, l->name_len), 0);
	assert_fails(accept(fd, NULL, NULL), EAGAIN);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_true(p.revents & POLLHUP);
	close(stranger);
	close(fd);
}

/* A stranger comes whenever one is turned away: the queue is never empty. */
static struct sock *besieged;
static __typeof__(real_calls.accept4) libc_accept4;

static void stranger_comes(void)
{
	int stranger = real()->socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(real()->connect(stranger, (struct sockaddr *)&besieged->name,
					 besieged->name_len), 0);
	real()->close(stranger);
}

static int accept_under_siege(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	stranger_comes();
	return libc_accept4(fd, addr, len, flags);
}

static int lay_siege(void)
{
	int fd = listening(&besieged);

	libc_accept4 = real()->accept4;
	real_calls.accept4 = accept_under_siege;
	alarm(20); /* for an accept() that would never end */
	stranger_comes();
	return fd;
}

static void lift_siege(void)
{
	alarm(0);
	real_calls.accept4 = libc_accept4;
}

static void accept_ends_under_siege(void **state)
{
	int fd = lay_siege(), epoll = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(epoll_wait(epoll, &ev, 1, 0), 1);
	assert_fails(accept(fd, NULL, NULL), EAGAIN);
	lift_siege();
	assert_int_equal(epoll_wait(epoll, &ev, 1, 0), 1); /* who came meanwhile */
	close(epoll);
	close(fd);
}

static void strangers_do_not_prolong_a_timeout(void **state)
{
	const struct timeval t = {.tv_usec = 20000};
	int fd = lay_siege();

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
	assert_fails(accept(fd, NULL, NULL), EAGAIN);
	lift_siege();
	close(fd);
}

static const struct endpoint far = {.addr = {.b = {[10] = 0xff, 0xff, 10, 1, 2, 3}},
				    .port = 5555};

static void accept_turns_away(uid_t uid, uint64_t pass, pid_t pid)
{
	int done[2], status, fd, engine;
	struct sock *l, *s;
	pid_t child;

	fd = listening(&l);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pipe(done), 0);
	child = fork();
	if (child == 0) {
		bool ok = setuid(uid) == 0 &&
			  fake_incoming_from(l, &far, &s, pass, pid ? pid : getpid()) >= 0;

		close(done[1]);
		while (read(done[0], &status, 1) > 0)
			;
		real()->_exit(!ok);
	}
	close(done[0]);
	for (int i = 0; i < 100 && poll(&(struct pollfd){fd, POLLIN, 0}, 1, 50) == 0; i++)
		;
	assert_fails(accept(fd, NULL, NULL), EAGAIN);
	close(done[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	engine = fake_incoming(l, &far, &s); /* the same, from the driver's process */
	assert_true(engine >= 0);
	close(accept(fd, NULL, NULL));
	close(engine);
	close(fd);
}

/* Names are public, passes are not: who repeats the name of an engine end that is gone
 * has the signature, but not the process; who makes one up has not the signature, or, with
 * the pass, not the process.
 * Neither another user nor another process of this one's. */
static void accept_turns_forgers_away(void **state)
{
	static const uid_t users[] = {65534, 0};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (int i = 0; i < 2; i++) {
		accept_turns_away(users[i], driver_pass(), getpid());
		accept_turns_away(users[i], driver_pass(), 0);
		accept_turns_away(users[i], driver_pass() + 1, 0);
		accept_turns_away(users[i], driver_pass() + 1, getpid());
		accept_turns_away(users[i], 0, 0);
	}
}

static void connections_get_through_a_siege(void **state)
{
	int fd = lay_siege(), nonblock, engine, conn;
	struct sock *s;

	(void)state;
	for (nonblock = 0; nonblock < 2; nonblock++) {
		assert_int_equal(fcntl(fd, F_SETFL, nonblock ? O_NONBLOCK : 0), 0);
		engine = fake_incoming(besieged, &far, &s);
		assert_true(engine >= 0);
		conn = accept(fd, NULL, NULL);
		assert_return_code(conn, errno);
		assert_ptr_equal(fdtab_peek(conn), s);
		close(conn);
		close(engine);
	}
	lift_siege();
	close(fd);
}

/* The driver has been another user when it called listen(), is one as it connects, and
 * who accepts is a third. */
static void users_of_the_moment_do_not_count(void **state)
{
	struct sock *l, *s;
	int fd, engine, conn;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(seteuid(1), 0);
	fd = listening(&l);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(seteuid(2), 0);
	engine = fake_incoming(l, &far, &s);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(seteuid(3), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	conn = accept(fd, NULL, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_return_code(conn, errno);
	close(conn);
	close(engine);
	close(fd);
}

static void listener_rules(void **state)
{
	struct sock *s;
	int fd = listening(&s), yes = 0;
	socklen_t len = sizeof(yes);
	char byte;

	(void)state;
	assert_int_equal(listen(fd, 50), 0);
	assert_int_equal(fake.listens, 2);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len), 0);
	assert_int_equal(yes, 1);
	assert_fails(try_connect(fd, 80), EISCONN);
	assert_fails(read(fd, &byte, 1), ENOTCONN);
	assert_fails(write(fd, "x", 1), EPIPE);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	assert_int_equal(fake.undone, 1);
	assert_fails(accept(fd, NULL, NULL), EINVAL);
	assert_fails(shutdown(fd, SHUT_RD), ENOTCONN);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(fake.closed, 1);
}

static void listen_fails(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	fake.listen_err = -EADDRINUSE;
	assert_fails(listen(fd, 1), EADDRINUSE);
	assert_fails(accept(fd, NULL, NULL), EINVAL);
	fake.listen_err = 0;
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
}

/* ---- fds ------------------------------------------------------------ */

static void dups_share_the_socket(void **state)
{
	struct sock *s;
	int fd = connected(&s), a = dup(fd), b, c, d;

	(void)state;
	b = fcntl(fd, F_DUPFD_CLOEXEC, 600);
	assert_true(b >= 600);
	c = open("/dev/null", O_RDONLY);
	assert_int_equal(dup2(fd, c), c);
	d = dup3(fd, 650, O_CLOEXEC);
	assert_int_equal(dup2(fd, fd), fd);
	assert_int_equal(atomic_load(&s->fds), 5);
	assert_ptr_equal(fdtab_peek(a), s);
	assert_ptr_equal(fdtab_peek(b), s);
	assert_ptr_equal(fdtab_peek(c), s);
	assert_ptr_equal(fdtab_peek(d), s);
	assert_int_equal(dup2(STDIN_FILENO, c), c);
	assert_null(fdtab_peek(c));
	close(c);
	assert_int_equal(close_range(600, 700, 0), 0);
	assert_null(fdtab_peek(b));
	assert_null(fdtab_peek(d));
	close(fd);
	assert_int_equal(fake.closed, 0);
	assert_int_equal(write(a, "x", 1), 1);
	close(a);
	assert_int_equal(fake.closed, 1);
	assert_fails(close(a), EBADF);
	close(fake.engine_end);
}

static void *acknowledge_later(void *arg)
{
	struct sock *s = arg;

	usleep(50000);
	atomic_store(&s->lingering, 0);
	futex_wake_all(&s->lingering);
	return NULL;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* close() waits while the driver says that the connection lingers. */
static void lingering_waits(void **state)
{
	struct sock *s;
	int fd = connected(&s), copy = dup(fd);
	uint64_t began = now_ms();
	pthread_t t;

	(void)state;
	sock_get(s);
	atomic_store(&s->lingering, 1);
	close(copy); /* not the last one */
	assert_int_equal(fake.closed, 0);
	assert_int_equal(pthread_create(&t, NULL, acknowledge_later, s), 0);
	assert_int_equal(close(fd), 0);
	assert_in_range(now_ms() - began, 40, 5000);
	assert_int_equal(fake.closed, 1);
	pthread_join(t, NULL);
	sock_put(s);
	close(fake.engine_end);
}

static void no_action(int sig)
{
	(void)sig;
}

/* Linux's sk_stream_wait_close(): a signal ends it. */
static void a_signal_ends_lingering(void **state)
{
	struct sigaction act = {.sa_handler = no_action}, old;
	struct itimerval soon = {.it_value.tv_usec = 30000};
	struct sock *s;
	int fd = connected(&s);

	(void)state;
	sigaction(SIGALRM, &act, &old);
	atomic_store(&s->lingering, 1);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(close(fd), 0);
	sigaction(SIGALRM, &old, NULL);
	close(fake.engine_end);
}

/* stdio closes fds behind our back; the number then is somebody else's. */
static void a_foreign_fd_is_never_ours(void **state)
{
	struct sock *s;
	int fd = connected(&s), pipefd[2];
	FILE *f = fdopen(fd, "w");
	char byte;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(fdtab_peek(fd));
	assert_int_equal(real()->dup2(pipefd[1], fd), fd);
	close(pipefd[1]);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	assert_fails(shutdown(fd, SHUT_WR), ENOTSOCK);
	assert_fails(read(fd, &byte, 1), EBADF);
	close(pipefd[0]);
	close(fd);
	assert_null(fdtab_peek(fd));
	close(fake.engine_end);
}

static void vfork_child_leaves_the_table_alone(void **state)
{
	struct sock *s;
	int fd = connected(&s), status;
	pid_t child = vfork();

	(void)state;
	if (child == 0) {
		close(fd);
		close_range(3, ~0u, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(fake.left[LEAVE_EXIT], 0);
	assert_int_equal(fake.closed, 0);
	assert_ptr_equal(fdtab_peek(fd), s);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	close(fake.engine_end);
}

#ifndef __SANITIZE_ADDRESS__
static void the_program_keeps_its_own_fd_limit(void **state)
{
	struct rlimit lim, was;
	int fd, next;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	next = dup(STDIN_FILENO);
	close(next);
	fake.raised = true;
	fake.soft = next + 1;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_int_equal(lim.rlim_cur, next + 1);
	assert_int_equal(sysconf(_SC_OPEN_MAX), next + 1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(fd, next);
	assert_fails(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
	assert_fails(dup(fd), EMFILE);
	lim.rlim_cur = next + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_int_equal(lim.rlim_cur, next + 2);
	next = dup(fd);
	assert_true(next >= 0);
	close(next);
	close(fd);
	fake.raised = false;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_tcp_and_leaves_the_rest),
		TEST(keeps_errno_on_success),
		TEST(fresh_socket),
		TEST(closed_by_another_thread_in_the_middle),
		TEST(bind_checks),
		TEST(accepts),
		TEST(accept_turns_strangers_away),
		TEST(accept_ends_under_siege),
		TEST(strangers_do_not_prolong_a_timeout),
		TEST(connections_get_through_a_siege),
		TEST(accept_turns_forgers_away),
		TEST(users_of_the_moment_do_not_count),
		TEST(listener_rules),
		TEST(listen_fails),
		TEST(dups_share_the_socket),
		TEST(lingering_waits),
		TEST(a_signal_ends_lingering),
		TEST(a_foreign_fd_is_never_ours),
		TEST(vfork_child_leaves_the_table_alone),
#ifndef __SANITIZE_ADDRESS__
		TEST(the_program_keeps_its_own_fd_limit),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
