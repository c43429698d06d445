/* cases_state.c - what calls say in each state: half closed, closed, reset. */
#include "sockapi.h"

#include <sys/sendfile.h>

/* What is left to say on a connection, whatever has become of it. */
static void last_words(int fd)
{
	B(fd, 100, MSG_DONTWAIT);
	R(send(fd, "x", 1, MSG_DONTWAIT));
	R(write(fd, "x", 1));
	R(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	B(fd, 100, MSG_DONTWAIT);
	E(fd);
	P(fd, 0);
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_RDWR));
	REMOTE(fd);
}

CASE(peer_finishes)
{
	int fd = joined();

	peer_send("hello");
	peer_shutdown(SHUT_WR);
	P(fd, POLLIN | POLLRDHUP);
	B(fd, 100, 0);
	B(fd, 100, 0);
	P(fd, 0);
	R(write(fd, "h", 1));
	peer_says(1);
	R(shutdown(fd, SHUT_WR));
	P(fd, POLLHUP);
	R(write(fd, "x", 1));
	P(fd, 0);
	R(read(fd, buf, 1));
	E(fd);
}

CASE(we_finish)
{
	int fd = joined();

	peer_send("hello");
	P(fd, POLLIN);
	R(shutdown(fd, SHUT_WR));
	R(write(fd, "x", 1));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	peer_says(10);
	peer_close();
	P(fd, POLLRDHUP);
	B(fd, 100, 0);
	B(fd, 100, 0);
	R(shutdown(fd, SHUT_RDWR));
}

CASE(both_have_finished)
{
	int fd = joined();

	R(shutdown(fd, SHUT_WR));
	peer_says(1);
	peer_shutdown(SHUT_WR);
	P(fd, POLLHUP);
	settle();
	last_words(fd);
}

CASE(peer_closes)
{
	int fd = joined();

	peer_close();
	P(fd, POLLRDHUP);
	B(fd, 100, 0);
	R(write(fd, "x", 1)); /* answered by a RST */
	P(fd, POLLERR);
	last_words(fd);
}

CASE(peer_closes_unread)
{
	int fd = joined();

	R(write(fd, "unread", 6));
	settle();
	peer_close();
	P(fd, POLLERR);
	last_words(fd);
}

CASE(reset_while_established)
{
	int fd = joined();

	peer_send("hello");
	await(fd, POLLIN);
	peer_reset();
	P(fd, POLLERR);
	last_words(fd);
}

CASE(reset_after_peers_fin)
{
	int fd = joined();

	peer_send("hello");
	peer_shutdown(SHUT_WR);
	P(fd, POLLIN | POLLRDHUP);
	peer_reset();
	P(fd, POLLERR);
	last_words(fd);
}

CASE(reset_after_peers_fin_seen_by_so_error)
{
	int fd = joined();

	peer_shutdown(SHUT_WR);
	P(fd, POLLRDHUP);
	B(fd, 1, 0);
	peer_reset();
	P(fd, POLLERR);
	E(fd);
	P(fd, 0);
	last_words(fd);
}

CASE(reset_after_our_fin)
{
	int fd = joined();

	peer_send("hello");
	R(shutdown(fd, SHUT_WR));
	peer_says(1);
	P(fd, POLLIN);
	peer_reset();
	P(fd, POLLERR);
	last_words(fd);
}

CASE(reset_unread_after_our_fin)
{
	int fd = joined();

	R(write(fd, "unread", 6));
	R(shutdown(fd, SHUT_WR));
	settle();
	peer_close();
	P(fd, POLLERR);
	last_words(fd);
}

CASE(reset_in_last_ack)
{
	int fd = joined();

	R(write(fd, "unread", 6));
	settle();
	peer_shutdown(SHUT_WR);
	P(fd, POLLRDHUP);
	fill(fd);
	R(shutdown(fd, SHUT_WR)); /* the FIN waits behind the bytes */
	peer_reset();
	await(fd, POLLERR);
	await(fd, POLLOUT); /* our pair becomes writable a moment later */
	P(fd, POLLERR);
	last_words(fd);
}

CASE(shut_read)
{
	int fd = joined();

	R(shutdown(fd, SHUT_RD));
	P(fd, 0);
	R(read(fd, buf, 1));
	R(write(fd, "a", 1));
	peer_says(1);
	R(shutdown(fd, SHUT_RD));
	peer_shutdown(SHUT_WR);
	settle();
	P(fd, 0);
	B(fd, 1, 0);
}

CASE(shut_read_with_bytes)
{
	int fd = joined();

	peer_send("hello");
	await(fd, POLLIN);
	R(shutdown(fd, SHUT_RD));
	P(fd, 0);
	B(fd, 2, 0);
	B(fd, 100, 0);
	B(fd, 100, 0);
}

/* Linux takes it in all the same. */
#define DISCARDED "After shutdown(SHUT_RD), what arrives is discarded"

CASE(bytes_after_shut_read)
{
	int fd = joined(), n = -1;

	R(shutdown(fd, SHUT_RD));
	peer_send("hello");
	settle();
	P(fd, 0);
	R(ioctl(fd, FIONREAD, &n));
	ALLOW(DISCARDED);
	LOG("%d", n);
	ALLOW(DISCARDED);
	B(fd, 2, 0);
	ALLOW(DISCARDED);
	B(fd, 100, 0);
	B(fd, 100, 0);
	R(close(fd));
	peer_says(1);
}

/* A reader that is blocked. */
CASE(shut_read_wakes)
{
	int fd = joined();
	struct pollfd p = {fd, POLLIN, 0};

	peer_later(60);
	peer_send("x");
	R(poll(&p, 1, 2000));
	B(fd, 10, 0);
	R(shutdown(fd, SHUT_RD));
	B(fd, 10, 0);
}

/* Bytes that arrive when nobody can ever read them: RST. */
CASE(bytes_after_shut_both)
{
	int fd = joined();

	R(shutdown(fd, SHUT_RDWR));
	P(fd, 0);
	B(fd, 1, 0);
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	peer_says(1);
	peer_send("hello");
	settle();
	P(fd, 0);
	E(fd);
	peer_says(1);
	REMOTE(fd);
	last_words(fd);
}

CASE(unread_bytes_then_shut_both)
{
	int fd = joined();

	peer_send("hello");
	await(fd, POLLIN);
	R(shutdown(fd, SHUT_RDWR));
	P(fd, 0);
	peer_says(1);
	B(fd, 2, 0);
	B(fd, 100, 0);
	B(fd, 100, 0);
}

CASE(close_with_unread)
{
	int fd = joined();

	peer_send("hello");
	await(fd, POLLIN);
	R(close(fd));
	peer_says(1);
}

CASE(close_with_unread_after_fin)
{
	int fd = joined();

	peer_send("hello");
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	R(close(fd));
	peer_says(1);
}

CASE(close_after_shut_write)
{
	int fd = joined();

	R(shutdown(fd, SHUT_WR));
	R(close(fd));
	peer_says(1);
	peer_send("too late");
	settle();
	peer_says(1);
}

CASE(close_sends_all)
{
	int fd = joined(), i;

	for (i = 0; i < 30; i++)
		if (write(fd, buf, 1000) != 1000)
			LOG("cannot write");
	R(close(fd));
	R(peer_recv(100000));
	R(peer_recv(1));
}

CASE(linger_zero)
{
	const struct linger l = {.l_onoff = 1};
	int fd = joined(), copy = dup(fd);

	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	R(close(fd));
	R(write(copy, "x", 1));
	peer_says(1);
	R(close(copy));
	peer_says(1);
}

/* Often, because the driver may be quick. */
CASE(last_words_before_linger_zero)
{
	const struct linger l = {.l_onoff = 1};
	int i, fd;

	for (i = 0; i < 30; i++) {
		fd = joined();
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		if (write(fd, "bye", 3) != 3 || close(fd) != 0)
			LOG("cannot write and close");
		peer_says(10);
		peer_says(10);
	}
}

CASE(last_words_before_close_with_unread)
{
	int i, fd;

	for (i = 0; i < 30; i++) {
		fd = joined();
		peer_send("unread");
		await(fd, POLLIN);
		if (write(fd, "bye", 3) != 3 || close(fd) != 0)
			LOG("cannot write and close");
		peer_says(10);
		peer_says(10);
	}
}

CASE(linger_of_shutdown)
{
	const struct linger l = {.l_onoff = 1, .l_linger = 5};
	int fd = joined();
	double began;

	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	fill(fd);
	began = now_s();
	R(shutdown(fd, SHUT_WR));
	LOG("%s", now_s() - began < 2 ? "at once" : "late");
	peer_reset();
	P(fd, POLLERR | POLLOUT);
	R(close(fd));
	LOG("%s", now_s() - began < 2 ? "at once" : "late");
}

/* Writers that wait for room, when the peer resets. */
CASE(reset_wakes_a_writer)
{
	int fd = joined();

	fill(fd);
	peer_later(40);
	peer_reset();
	R(send(fd, "x", 1, 0));
	R(send(fd, "x", 1, 0));
	P(fd, 0);
}

CASE(reset_wakes_a_reader)
{
	int fd = joined();

	peer_later(40);
	peer_reset();
	B(fd, 1, 0);
	B(fd, 1, 0);
	P(fd, 0);
}

CASE(part_is_written)
{
	int fd = joined();
	size_t n = 30000000, sent;
	char *much = calloc(1, n);

	peer_later(200);
	peer_reset();
	sent = send(fd, much, n, 0);
	LOG("some %d, not all %d", sent > 0, sent < n);
	R(send(fd, much, n, 0));
	R(send(fd, much, n, 0));
	free(much);
}

CASE(sigpipe_rules)
{
	int fd = joined();
	struct iovec v = {buf, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct mmsghdr mm = {m, 0};
	int file = open("/proc/self/exe", O_RDONLY);

	R(shutdown(fd, SHUT_WR));
	R(write(fd, "x", 1));
	R(writev(fd, &v, 1));
	R(send(fd, "x", 1, 0));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(sendto(fd, "x", 1, MSG_NOSIGNAL, NULL, 0));
	R(sendmsg(fd, &m, 0));
	R(sendmsg(fd, &m, MSG_NOSIGNAL));
	R(sendmmsg(fd, &mm, 1, 0));
	R(sendmmsg(fd, &mm, 1, MSG_NOSIGNAL));
	R(sendfile(fd, file, NULL, 10));
	R(write(fd, "", 0));
	R(send(fd, "", 0, 0));
	signal(SIGPIPE, SIG_IGN);
	R(write(fd, "x", 1));
}

/* SIGPIPE of a blocked signal mask waits for its time. */
CASE(sigpipe_blocked)
{
	int fd = joined();
	int file = open("/proc/self/exe", O_RDONLY);
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	R(shutdown(fd, SHUT_WR));
	R(sendfile(fd, file, NULL, 10));
	sigpending(&pending);
	R(sigismember(&pending, SIGPIPE));
	R(write(fd, "x", 1));
	sigpending(&pending);
	R(sigismember(&pending, SIGPIPE));
	R(sigprocmask(SIG_UNBLOCK, &set, NULL));
}
