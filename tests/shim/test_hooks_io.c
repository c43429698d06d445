/* test_hooks_io.c - the calls that move bytes, behind the hooks.
 */
#include "hooked.h"

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
	assert_int_equal(recv(fd, NULL, 100, MSG_TRUNC | MSG_PEEK), 6);
	assert_int_equal(recv(fd, NULL, 4, MSG_TRUNC), 4);
	assert_int_equal(recv(fd, buf, 8, 0), 2);
	assert_memory_equal(buf, "ef", 2);
	assert_fails(recv(fd, NULL, 4, MSG_TRUNC | MSG_DONTWAIT), EAGAIN);
	close(fd);
	close(fake.engine_end);
}

/* The app end has urgent data as TCP has it; where it has none, the errors are
 * TCP's. */
static void urgent_data(void **state)
{
	struct sock *s;
	int fd = socket(AF_INET, SOCK_STREAM, 0), mark = -1, one = 1;
	struct pollfd p = {.events = POLLPRI};
	char buf[8];

	(void)state;
	assert_fails(recv(fd, buf, 1, MSG_OOB), EINVAL);
	assert_fails(send(fd, "x", 1, MSG_OOB | MSG_NOSIGNAL), EPIPE);
	close(fd);
	fd = listening(&s);
	assert_fails(recv(fd, buf, 1, MSG_OOB), ENOTCONN);
	close(fd);
	p.fd = fd = connected(&s);
	assert_fails(recv(fd, buf, 1, MSG_OOB), EINVAL);
	assert_int_equal(send(fake.engine_end, "ab", 2, 0), 2);
	assert_int_equal(send(fake.engine_end, "!", 1, MSG_OOB), 1);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(recv(fd, buf, 8, 0), 2);
	assert_int_equal(ioctl(fd, SIOCATMARK, &mark), 0);
	assert_int_equal(mark, 1);
	assert_int_equal(recv(fd, buf, 8, MSG_OOB | MSG_PEEK), 1);
	assert_int_equal(recv(fd, buf, 8, MSG_OOB), 1);
	assert_int_equal(buf[0], '!');
	assert_fails(recv(fd, buf, 1, MSG_OOB), EINVAL);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, 4), 0);
	assert_int_equal(send(fake.engine_end, "?", 1, MSG_OOB), 1);
	assert_int_equal(recv(fd, buf, 8, 0), 1);
	assert_int_equal(buf[0], '?');
	assert_int_equal(send(fd, "xyz", 3, MSG_OOB), 3);
	assert_int_equal(send(fd, "", 0, MSG_OOB), 0);
	assert_int_equal(read(fake.engine_end, buf, 8), 3); /* and the one that stays */
	assert_int_equal(recv(fake.engine_end, buf, 8, MSG_OOB), 1);
	assert_int_equal(buf[0], 'z');
	close(fd);
	close(fake.engine_end);
}

static void assert_more(const struct sock *s, uint64_t from, uint64_t to, uint64_t sent)
{
	assert_int_equal(atomic_load(&s->sent_bytes), sent);
	assert_int_equal(atomic_load(&s->more_to), to);
	if (to)
		assert_int_equal(atomic_load(&s->more_from), from);
}

/* Whatever the bytes are sent with. */
static void msg_more_belongs_to_its_bytes(void **state)
{
	char text[] = "abc";
	struct iovec iov[2] = {{text, 2}, {text + 2, 1}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct mmsghdr many[2] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
	struct sock *s;
	int fd = connected(&s), pipes[2], file = open("/dev/zero", O_RDONLY);

	(void)state;
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_more(s, 0, 0, 3);
	assert_int_equal(send(fd, "de", 2, MSG_MORE), 2);
	assert_more(s, 3, 5, 5);
	assert_int_equal(sendmsg(fd, &msg, MSG_MORE), 3);
	assert_more(s, 3, 8, 8);
	assert_int_equal(sendmmsg(fd, many, 2, MSG_MORE), 2);
	assert_more(s, 3, 14, 14);
	assert_int_equal(writev(fd, iov, 2), 3);
	assert_more(s, 3, 14, 17);
	assert_int_equal(sendto(fd, "x", 1, MSG_MORE, NULL, 0), 1);
	assert_more(s, 17, 18, 18);
	assert_int_equal(sendfile(fd, file, NULL, 10), 10);
	assert_more(s, 17, 18, 28);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "0123456789", 10), 10);
	assert_int_equal(splice(pipes[0], NULL, fd, NULL, 4, SPLICE_F_MORE), 4);
	assert_more(s, 28, 32, 32);
	assert_int_equal(splice(pipes[0], NULL, fd, NULL, 4, 0), 4);
	assert_more(s, 28, 32, 36);
	close(pipes[0]);
	close(pipes[1]);
	close(file);
	close(fd);
	close(fake.engine_end);
}

/* Less was sent than was to be, or nothing. */
static void msg_more_of_what_was_not_sent(void **state)
{
	static char much[1 << 20];
	struct sock *s;
	int fd = connected(&s);
	ssize_t n;

	(void)state;
	n = send(fd, much, sizeof(much), MSG_MORE);
	assert_in_range(n, 1, sizeof(much) - 1);
	assert_fails(send(fd, much, 100, MSG_MORE), EAGAIN);
	while (recv(fake.engine_end, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_more(s, 0, n, n + 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reset_is_reported_once),
		TEST(addresses_and_ancillary_data_stay_out),
		TEST(unusual_flags),
		TEST(urgent_data),
		TEST(msg_more_belongs_to_its_bytes),
		TEST(msg_more_of_what_was_not_sent),
		TEST(many_messages),
		TEST(sendfile_after_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
