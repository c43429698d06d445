/* cases_io.c - reading and writing, flags and odd arguments. */
#include "sockapi.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/time.h>

CASE(talks)
{
	int fd = joined(), n = -1;
	struct addr a = addr_of(there, nobody());
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	P(fd, POLLOUT);
	peer_send("hellohellohello");
	P(fd, POLLIN);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	B(fd, 3, MSG_PEEK);
	R(recvfrom(fd, buf, 3, 0, (struct sockaddr *)&from, &len));
	LOG("%u", len);
	R(recv(fd, NULL, 4, MSG_TRUNC));
	R(recv(fd, NULL, 100, MSG_TRUNC | MSG_PEEK));
	B(fd, 100, 0);
	B(fd, 1, MSG_DONTWAIT);
	B(fd, 1, MSG_OOB);
	B(fd, 1, MSG_ERRQUEUE);
	R(write(fd, "abc", 3));
	R(sendto(fd, "def", 3, 0, &a.sa, a.len));
	peer_says(6);
	R(ioctl(fd, SIOCATMARK, &n));
	LOG("%d", n);
	R(accept(fd, NULL, NULL));
	R(to(fd, nobody()));
}

CASE(flags_of_recv)
{
	static const int flags[] = {0, MSG_DONTROUTE, MSG_CTRUNC, MSG_PROXY, MSG_EOR,
				    MSG_FIN, MSG_SYN, MSG_CONFIRM, MSG_RST, MSG_NOSIGNAL,
				    MSG_MORE, MSG_BATCH, MSG_ZEROCOPY, MSG_FASTOPEN,
				    MSG_CMSG_CLOEXEC, 0x400000, 0x80000000 - 0x1000000};
	int fd = joined();
	unsigned i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		peer_send("data");
		await(fd, POLLIN);
		LOG("%x", flags[i]);
		B(fd, 100, flags[i] & ~MSG_OOB & ~MSG_ERRQUEUE & ~MSG_WAITALL & ~MSG_TRUNC);
	}
}

CASE(flags_of_send)
{
	static const int flags[] = {0, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_PROXY, MSG_TRUNC,
				    MSG_DONTWAIT, MSG_EOR, MSG_WAITALL, MSG_FIN, MSG_SYN,
				    MSG_CONFIRM, MSG_RST, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_BATCH,
				    MSG_ZEROCOPY, MSG_CMSG_CLOEXEC, 0x400000};
	int fd = joined();
	unsigned i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		LOG("%x", flags[i]);
		R(send(fd, "data", 4, flags[i]));
		peer_says(4);
	}
}

CASE(peeks)
{
	int fd = joined();
	struct timeval t = {.tv_usec = 30000};

	peer_send("abcdef");
	B(fd, 3, MSG_PEEK);
	B(fd, 100, MSG_PEEK);
	B(fd, 3, 0);
	B(fd, 100, MSG_PEEK | MSG_DONTWAIT);
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	B(fd, 100, MSG_PEEK | MSG_WAITALL);
	B(fd, 100, 0);
	B(fd, 100, MSG_PEEK);
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	B(fd, 100, MSG_PEEK);
	B(fd, 100, 0);
}

CASE(waits_for_all)
{
	int fd = joined();
	struct timeval t = {.tv_usec = 30000};

	peer_send("abc");
	await(fd, POLLIN);
	peer_later(30);
	peer_send("def");
	B(fd, 6, MSG_WAITALL);
	peer_send("gh");
	await(fd, POLLIN);
	B(fd, 6, MSG_WAITALL | MSG_DONTWAIT);
	peer_send("ij");
	await(fd, POLLIN);
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	B(fd, 6, MSG_WAITALL);
	B(fd, 6, MSG_WAITALL);
	peer_send("kl");
	peer_shutdown(SHUT_WR);
	B(fd, 6, MSG_WAITALL);
	B(fd, 6, MSG_WAITALL);
}

CASE(truncates)
{
	int fd = joined(), n;
	struct iovec iov = {buf, 4};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	peer_send("abcdefghijklmnopqrstuvwxyz");
	await(fd, POLLIN);
	R(recv(fd, buf, 5, MSG_TRUNC));
	R(recvmsg(fd, &m, MSG_TRUNC));
	LOG("%x", m.msg_flags);
	R(recv(fd, buf, 5, MSG_TRUNC | MSG_PEEK));
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	R(recv(fd, NULL, 1000, MSG_TRUNC));
	R(recv(fd, NULL, 1000, MSG_TRUNC | MSG_DONTWAIT));
	peer_later(10);
	peer_send_much(3000000);
	R(recv(fd, NULL, 2000000, MSG_TRUNC | MSG_WAITALL));
}

CASE(timeouts_of_recv)
{
	int fd = joined();
	struct timeval t = {.tv_usec = 20000};
	socklen_t len = sizeof(t);
	double began = now_s();

	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	R(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	LOG("%ld.%06ld", (long)t.tv_sec, (long)t.tv_usec);
	R(read(fd, buf, 1));
	LOG("%d", now_s() - began >= 0.02);
	R(recv(fd, buf, 1, MSG_PEEK));
	R(readv(fd, &(struct iovec){buf, 1}, 1));
	t = (struct timeval){0, 1000000};
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	t = (struct timeval){-1, 0};
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, 3));
	R(read(fd, buf, 1));
}

CASE(timeouts_of_send)
{
	int fd = joined();
	struct timeval t = {.tv_usec = 20000};
	size_t n = fill(fd);

	R(n > 0);
	R(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)));
	R(send(fd, buf, sizeof(buf), 0));
	R(write(fd, buf, sizeof(buf)));
	R(peer_recv(n) == (long)n);
	R(write(fd, buf, 10));
	peer_says(10);
}

CASE(timeout_of_accept)
{
	int fd = listener(0);
	struct timeval t = {.tv_usec = 20000};

	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	R(accept(fd, NULL, NULL));
	peer_connect(NULL, port_of(fd));
	fd = accept(fd, NULL, NULL);
	R(read(fd, buf, 1)); /* inherited */
}

CASE(nothing_at_all)
{
	int fd = joined();
	struct iovec iov[2] = {{buf, 0}, {NULL, 0}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2}, none = {0};

	R(read(fd, buf, 0));
	R(read(fd, NULL, 0));
	R(recv(fd, buf, 0, MSG_DONTWAIT));
	R(write(fd, buf, 0));
	R(write(fd, NULL, 0));
	R(send(fd, NULL, 0, 0));
	R(writev(fd, iov, 2));
	R(writev(fd, NULL, 0));
	R(readv(fd, iov, 2));
	R(readv(fd, NULL, 0));
	R(sendmsg(fd, &m, 0));
	R(sendmsg(fd, &none, 0));
	peer_send("x");
	await(fd, POLLIN);
	R(recv(fd, buf, 0, 0));
	R(read(fd, buf, 0));
	R(recvmsg(fd, &none, MSG_DONTWAIT));
	R(recv(fd, buf, 0, MSG_TRUNC));
	B(fd, 1, 0);
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	R(recv(fd, buf, 0, 0));
	peer_reset();
	await(fd, POLLERR);
	R(read(fd, buf, 0));
	R(write(fd, buf, 0));
	E(fd);
}

CASE(bad_pointers)
{
	char *bad = (char *)8, *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = joined();
	struct iovec iov[2] = {{buf, 2}, {bad, 2}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	munmap(page + 4096, 4096);
	R(write(fd, bad, 5));
	R(send(fd, bad, 5, 0));
	R(writev(fd, (struct iovec *)bad, 1));
	R(sendmsg(fd, (struct msghdr *)bad, 0));
	R(sendto(fd, "x", 1, 0, (struct sockaddr *)bad, 16));
	peer_send("abcdef");
	await(fd, POLLIN);
	R(read(fd, bad, 5));
	R(recv(fd, bad, 5, 0));
	R(readv(fd, (struct iovec *)bad, 1));
	R(recvmsg(fd, (struct msghdr *)bad, 0));
	R(recvfrom(fd, buf, 1, 0, (struct sockaddr *)buf, (socklen_t *)bad));
	B(fd, 100, 0);
	R(write(fd, page + 4090, 10));
	peer_send("0123456789");
	await(fd, POLLIN);
	R(read(fd, page + 4090, 10));
	peer_says(100);
	R(sendmsg(fd, &m, 0));
	R(ioctl(fd, FIONREAD, bad));
	R(ioctl(fd, SIOCOUTQ, bad));
	R(ioctl(fd, SIOCATMARK, bad));
	R(ioctl(fd, FIONBIO, bad));
	R(getsockname(fd, (struct sockaddr *)bad, &(socklen_t){16}));
	R(getsockname(fd, (struct sockaddr *)buf, (socklen_t *)bad));
	R(getpeername(fd, NULL, NULL));
	R(getsockopt(fd, SOL_SOCKET, SO_ERROR, bad, &(socklen_t){4}));
	R(getsockopt(fd, SOL_SOCKET, SO_ERROR, buf, (socklen_t *)bad));
	R(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bad, 4));
	R(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, bad, 4));
	R(connect(fd, (struct sockaddr *)bad, 16));
	R(bind(fd, (struct sockaddr *)bad, 16));
	R(poll((struct pollfd *)bad, 1, 0));
}

CASE(bad_pointer_of_accept)
{
	int fd = listener(SOCK_NONBLOCK);
	socklen_t len = 16;

	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	R(accept(fd, (struct sockaddr *)8, &len));
	R(accept(fd, NULL, NULL));
	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	R(accept(fd, (struct sockaddr *)buf, (socklen_t *)8));
	R(accept4(fd, NULL, NULL, 1));
	R(accept4(fd, NULL, NULL, SOCK_NONBLOCK) >= 0);
}

CASE(huge_lengths)
{
	int fd = joined();
	struct iovec many[IOV_MAX + 1];
	struct iovec huge[2] = {{buf, SSIZE_MAX}, {buf, SSIZE_MAX}};
	struct msghdr m = {.msg_iov = many, .msg_iovlen = IOV_MAX};
	int i;

	for (i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){buf, 1};
	R(writev(fd, many, IOV_MAX));
	R(writev(fd, many, IOV_MAX + 1));
	R(writev(fd, many, -1));
	R(readv(fd, many, IOV_MAX + 1));
	R(sendmsg(fd, &m, 0));
	m.msg_iovlen++;
	R(sendmsg(fd, &m, 0));
	R(recvmsg(fd, &m, 0));
	m.msg_iovlen = SIZE_MAX;
	R(sendmsg(fd, &m, 0));
	R(writev(fd, huge, 2));
	R(readv(fd, huge, 2));
	R(peer_recv(2 * IOV_MAX));
	peer_send("hello");
	await(fd, POLLIN);
	R(recv(fd, buf, SIZE_MAX, 0));
	peer_send("hello");
	await(fd, POLLIN);
	R(read(fd, buf, SSIZE_MAX));
}

CASE(vectors)
{
	int fd = joined();
	char a[4] = "", b[8] = "";
	struct iovec out[3] = {{(char *)"one ", 4}, {NULL, 0}, {(char *)"two", 3}};
	struct iovec in[2] = {{a, 3}, {b, 7}};

	R(writev(fd, out, 3));
	peer_says(7);
	peer_send("threefour");
	await(fd, POLLIN);
	R(readv(fd, in, 2));
	LOG("%s %s", a, b);
}

CASE(large)
{
	int fd = joined();
	size_t n = 0;
	ssize_t r;

	peer_later(10);
	peer_send_much(5000000);
	while (n < 5000000 && (r = read(fd, buf, sizeof(buf))) > 0)
		n += r;
	LOG("%zu", n);
}

/* MSG_MORE and TCP_CORK hold back, for less than a segment. */
CASE(more)
{
	int fd = joined(), n = -1;

	R(send(fd, "a", 1, MSG_MORE));
	R(send(fd, "b", 1, MSG_MORE));
	usleep(20000);
	R(ioctl(fd, SIOCOUTQNSD, &n));
	LOG("%d not sent", n);
	R(send(fd, "c", 1, 0));
	peer_says(3);
	set_int(fd, IPPROTO_TCP, TCP_CORK, 1);
	R(write(fd, "d", 1));
	usleep(20000);
	R(ioctl(fd, SIOCOUTQNSD, &n));
	LOG("%d not sent", n);
	set_int(fd, IPPROTO_TCP, TCP_CORK, 0);
	peer_says(1);
	R(send(fd, "e", 1, MSG_MORE));
	R(shutdown(fd, SHUT_WR));
	peer_says(2);
}

CASE(queues)
{
	int fd = joined(), n = -1;
	size_t filled;

	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d", n);
	R(ioctl(fd, SIOCINQ, &n));
	LOG("%d", n);
	filled = fill(fd);
	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d", n > 0 && (size_t)n <= filled);
	R(ioctl(fd, SIOCOUTQNSD, &n));
	LOG("%d", n > 0 && (size_t)n < filled);
	R(peer_recv(filled) == (long)filled);
	settle();
	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d", n);
	peer_send("abc");
	await(fd, POLLIN);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	R(ioctl(fd, FIONREAD, NULL));
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	R(shutdown(fd, SHUT_WR));
	settle();
	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d", n);
	R(ioctl(fd, 0x5fff, &n));
	R(ioctl(fd, TCGETS, buf));
	R(ioctl(fd, TIOCGWINSZ, buf));
}

CASE(queues_of_a_listener)
{
	int fd = listener(0), n = -1;

	R(ioctl(fd, FIONREAD, &n));
	R(ioctl(fd, SIOCOUTQ, &n));
	R(ioctl(fd, SIOCOUTQNSD, &n));
	R(ioctl(fd, SIOCATMARK, &n));
	R(recv(fd, buf, 1, MSG_OOB));
	R(recv(fd, buf, 1, MSG_ERRQUEUE));
	R(recv(fd, buf, 1, MSG_PEEK));
	R(shutdown(fd, SHUT_RDWR));
	R(ioctl(fd, FIONREAD, &n));
	R(ioctl(fd, SIOCOUTQ, &n));
}
