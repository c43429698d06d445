/* test_hooks.c - the hooks and what is behind them, up to the driver: this
 * program's own calls are hooked, as the hooks are part of it; the driver is a
 * fake. Errnos are those that the kernel's TCP gives.
 */
#include "../../shim/hooks_io.c"

#include "../../shim/hooks.c"
#include "../../shim/hooks_fd.c"
#include "../../shim/hooks_sys.c"
#include "../../shim/init.c"
/* This sanitizer asks for limits before it is ready for anybody's code. */
#ifndef __SANITIZE_ADDRESS__
#include "../../shim/hooks_limit.c"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_driver.h"

#define assert_fails(call, err) \
	do { \
		errno = 0; \
		assert_int_equal(call, -1); \
		assert_int_equal(errno, err); \
	} while (0)

static volatile sig_atomic_t sigpipes;

static void count_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static struct sockaddr_in v4(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int try_connect(int fd, uint16_t port)
{
	struct sockaddr_in to = v4(port);

	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int setup(void **state)
{
	struct sigaction act = {.sa_handler = count_sigpipe};

	(void)state;
	fake_reset();
	sigpipes = 0;
	return sigaction(SIGPIPE, &act, NULL);
}

static int nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	return fd;
}

/* A connected socket; its engine end is fake.engine_end. */
static int connected(struct sock **s)
{
	int fd = nonblocking();

	*s = fdtab_peek(fd);
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	fake_established(*s, fake.engine_end);
	assert_int_equal(try_connect(fd, 80), 0);
	return fd;
}

static int listening(struct sock **s)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = v4(8080);

	*s = fdtab_peek(fd);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* ---- which sockets ------------------------------------------------------ */

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

/* ---- fresh sockets ------------------------------------------------------ */

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

/* ---- connect ------------------------------------------------------------ */

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
	assert_int_equal(fake.aborted, 1);
	assert_int_equal(fake.closed, 1);
	assert_fails(read(fd, &byte, 1), ECONNRESET);
	assert_fails(read(fd, &byte, 1), ENOTCONN);
	close(fake.engine_end);
	assert_fails(try_connect(fd, 81), EINPROGRESS);
	close(fd);
	close(fake.engine_end);
}

/* ---- bytes -------------------------------------------------------------- */

static void reset_is_reported_once(void **state)
{
	struct sock *s;
	int fd, err = -1;
	socklen_t len = sizeof(err);
	char buf[8];
	struct iovec iov = {buf, 1};

	(void)state;
	fd = connected(&s); /* by a read, after what was queued */
	assert_int_equal(send(fake.engine_end, "abc", 3, 0), 3);
	fake_died(s, fake.engine_end, ECONNRESET);
	assert_int_equal(read(fd, buf, 8), 3);
	assert_fails(read(fd, buf, 8), ECONNRESET);
	assert_int_equal(read(fd, buf, 8), 0);
	assert_fails(getpeername(fd, (struct sockaddr *)buf, &len), ENOTCONN);
	close(fd);
	fd = connected(&s); /* by a write: no signal the first time */
	fake_died(s, fake.engine_end, ECONNRESET);
	assert_fails(write(fd, "x", 1), ECONNRESET);
	assert_int_equal(sigpipes, 0);
	assert_fails(write(fd, "x", 1), EPIPE);
	assert_int_equal(sigpipes, 1);
	assert_int_equal(read(fd, buf, 8), 0);
	close(fd);
	fd = connected(&s); /* by SO_ERROR */
	fake_died(s, fake.engine_end, ETIMEDOUT);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, ETIMEDOUT);
	assert_int_equal(recv(fd, buf, 8, 0), 0);
	assert_fails(writev(fd, &iov, 1), EPIPE);
	assert_int_equal(sigpipes, 2);
	assert_fails(try_connect(fd, 80), EISCONN);
	close(fd);
}

static void addresses_and_ancillary_data_stay_out(void **state)
{
	struct sock *s;
	int fd = connected(&s), pipefd[2];
	struct sockaddr_in to = v4(99);
	char buf[8], name[128], ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = name,
			     .msg_namelen = sizeof(name)};
	struct cmsghdr *c;
	socklen_t len = sizeof(name);

	(void)state;
	memset(name, 0x55, sizeof(name));
	assert_int_equal(send(fake.engine_end, "abcdef", 6, 0), 6);
	assert_int_equal(recvfrom(fd, buf, 3, 0, (struct sockaddr *)name, &len), 3);
	assert_int_equal(len, 0);
	assert_int_equal(recvmsg(fd, &msg, 0), 3);
	assert_int_equal(msg.msg_namelen, 0);
	assert_int_equal((uint8_t)name[0], 0x55);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_int_equal(pipe(pipefd), 0);
	msg = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			      .msg_controllen = sizeof(ctl)};
	iov.iov_len = 1;
	c = CMSG_FIRSTHDR(&msg);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(c), pipefd, sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, 0), 1);
	assert_int_equal(read(fake.engine_end, buf, 1), 1); /* the one that stays */
	iov.iov_len = sizeof(buf);
	assert_int_equal(recvmsg(fake.engine_end, &msg, 0), 2);
	assert_int_equal(msg.msg_controllen, 0);
	close(pipefd[0]);
	close(pipefd[1]);
	close(fd);
	close(fake.engine_end);
}

static void unusual_flags(void **state)
{
	struct sock *s;
	int fd = connected(&s);
	char buf[8];

	(void)state;
	assert_int_equal(send(fake.engine_end, "abcdef", 6, 0), 6);
	assert_fails(recv(fd, buf, 1, MSG_OOB), EINVAL);
	assert_fails(recv(fd, buf, 1, MSG_ERRQUEUE), EAGAIN);
	assert_fails(send(fd, buf, 1, MSG_OOB), EOPNOTSUPP);
	assert_int_equal(recv(fd, NULL, 100, MSG_TRUNC | MSG_PEEK), 6);
	assert_int_equal(recv(fd, NULL, 4, MSG_TRUNC), 4);
	assert_int_equal(recv(fd, buf, 8, 0), 2);
	assert_memory_equal(buf, "ef", 2);
	assert_fails(recv(fd, NULL, 4, MSG_TRUNC | MSG_DONTWAIT), EAGAIN);
	close(fd);
	close(fake.engine_end);
}

static void many_messages(void **state)
{
	struct sock *s;
	int fd = connected(&s);
	char in[2][2], name[2][32];
	struct iovec iov[2] = {{in[0], 2}, {in[1], 2}};
	struct mmsghdr vec[2] = {
		{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1,
			     .msg_name = name[0], .msg_namelen = 32}},
		{.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1,
			     .msg_name = name[1], .msg_namelen = 32}},
	};

	(void)state;
	assert_int_equal(send(fake.engine_end, "abc", 3, 0), 3);
	assert_int_equal(recvmmsg(fd, vec, 2, 0, NULL), 2);
	assert_int_equal(vec[0].msg_len, 2);
	assert_int_equal(vec[1].msg_len, 1);
	assert_int_equal(vec[1].msg_hdr.msg_namelen, 0);
	assert_fails(recvmmsg(fd, vec, 2, 0, NULL), EAGAIN);
	assert_int_equal(sendmmsg(fd, vec, 2, 0), 2);
	assert_int_equal(vec[0].msg_len, 2);
	close(fd);
	close(fake.engine_end);
}

static void sendfile_after_a_reset(void **state)
{
	struct sock *s;
	int fd = connected(&s), file = open("/proc/self/exe", O_RDONLY);
	off_t at = 0;
	sigset_t pending;

	(void)state;
	assert_int_equal(sendfile(fd, file, &at, 100), 100);
	fake_died(s, fake.engine_end, ECONNRESET);
	assert_fails(sendfile(fd, file, &at, 100), ECONNRESET);
	assert_int_equal(sigpipes, 0);
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	assert_fails(sendfile(fd, file, &at, 100), EPIPE);
	assert_int_equal(sigpipes, 1);
	close(file);
	close(fd);
}

/* ---- listen and accept -------------------------------------------------- */

static void accepts(void **state)
{
	struct sock *l, *s, *got;
	int fd = listening(&l), engine, conn, one = 1;
	struct endpoint peer = {.addr = {.b = {[10] = 0xff, 0xff, 10, 1, 2, 3}},
				.port = 5555};
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct timeval t = {.tv_sec = 7}, t2 = {0};
	char ctl[64], byte;
	struct iovec iov = {&byte, 1};
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
	assert_int_equal(fake.closed, 1);
	assert_fails(accept(fd, NULL, NULL), EINVAL);
	assert_fails(shutdown(fd, SHUT_RD), ENOTCONN);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(fake.closed, 2);
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

/* ---- fds ---------------------------------------------------------------- */

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

static void lingering_zero_aborts(void **state)
{
	struct sock *s;
	int fd = connected(&s);
	struct linger l = {.l_onoff = 1};

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close(fd);
	assert_int_equal(fake.aborted, 1);
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
	assert_int_equal(fake.drained, 0);
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

/* ---- options ------------------------------------------------------------ */

static int get_int(int fd, int level, int name)
{
	int v = -77;
	socklen_t len = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	assert_int_equal(len, sizeof(v));
	return v;
}

static void options(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), v = 5;
	struct sock *s = fdtab_peek(fd);
	socklen_t len = 1;
	uint8_t byte = 0;
	char name[32] = "";

	(void)state;
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 4), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	assert_true(s->opts.reuseaddr);
	v = 100000;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, 4), 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_RCVBUF), 200000);
	assert_int_equal(s->opts.tcp.rcvbuf_bytes, 100000);
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, 3), EINVAL);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_TYPE, &v, 4), ENOPROTOOPT);
	v = 32768;
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, 4), EINVAL);
	v = 30;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, 4), 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_fails(setsockopt(fd, IPPROTO_TCP, 999, &v, 4), ENOPROTOOPT);
	assert_fails(setsockopt(fd, IPPROTO_IPV6, 26, &v, 4), ENOPROTOOPT);
	v = 0xff;
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TOS, &v, 4), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &byte, &len), 0);
	assert_int_equal(byte, 0xfc);
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6), ENOENT);
	len = sizeof(name);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "reno");
	len = sizeof(name);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8), ENODEV);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, "lo");
	assert_int_equal(fake.opts, 0);
	close(fd);
}

static void tcp_info_is_cut_to_what_is_asked_for(void **state)
{
	struct sock *s;
	int fd = connected(&s), n = 0;
	struct tcp_info info;
	socklen_t len = sizeof(info.tcpi_state);

	(void)state;
	fake.status.state = TCPS_CLOSE_WAIT;
	fake.status.srtt_us = 1234;
	fake.status.notsent_bytes = 10;
	fake.status.unacked_bytes = 5;
	memset(&info, 0xee, sizeof(info));
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_state, TCP_CLOSE_WAIT);
	assert_int_equal(info.tcpi_ca_state, 0xee);
	len = sizeof(info);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_rtt, 1234);
	assert_int_equal(ioctl(fd, TIOCOUTQ, &n), 0);
	assert_int_equal(n, 15);
	n = 7;
	assert_int_equal(ioctl(fd, SIOCATMARK, &n), 0);
	assert_int_equal(n, 0);
	n = 1;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &n, 4), 0);
	assert_int_equal(fake.opts, 1);
	close(fd);
	close(fake.engine_end);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(takes_tcp_and_leaves_the_rest),
		TEST(keeps_errno_on_success),
		TEST(fresh_socket),
		TEST(bind_checks),
		TEST(connect_in_the_background),
		TEST(connect_restores_the_send_buffer),
		TEST(connect_fails_later),
		TEST(connect_fails_at_once),
		TEST(connect_waits),
		TEST(connect_times_out),
		TEST(connect_to_nobody),
		TEST(reset_is_reported_once),
		TEST(addresses_and_ancillary_data_stay_out),
		TEST(unusual_flags),
		TEST(many_messages),
		TEST(sendfile_after_a_reset),
		TEST(accepts),
		TEST(accept_turns_strangers_away),
		TEST(listener_rules),
		TEST(listen_fails),
		TEST(dups_share_the_socket),
		TEST(lingering_zero_aborts),
		TEST(a_foreign_fd_is_never_ours),
		TEST(vfork_child_leaves_the_table_alone),
		TEST(options),
		TEST(tcp_info_is_cut_to_what_is_asked_for),
#ifndef __SANITIZE_ADDRESS__
		TEST(the_program_keeps_its_own_fd_limit),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
