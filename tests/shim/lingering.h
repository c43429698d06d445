/* lingering.h - a kernel socket whose last close() waits, and how to have others do that. */
#ifndef TEST_SHIM_LINGERING_H
#define TEST_SHIM_LINGERING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINGER_S 60

/* A kernel socket with bytes that nobody takes. */
struct lingering {
	int listener, peer, fd;
};

static inline struct lingering make_lingering(void)
{
	const struct linger linger = {1, LINGER_S};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	static char junk[65536];
	struct lingering l = {.listener = socket(AF_INET, SOCK_STREAM, 0),
			      .fd = socket(AF_INET, SOCK_STREAM, 0)};

	assert_int_equal(bind(l.listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(l.listener, 1), 0);
	assert_int_equal(getsockname(l.listener, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(connect(l.fd, (struct sockaddr *)&sin, len), 0);
	l.peer = accept(l.listener, NULL, NULL);
	while (send(l.fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(l.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return l;
}

static inline void forget_lingering(struct lingering *l)
{
	close(l->peer);
	close(l->listener);
}

/* n bytes, and with them fd, which is gone here. */
static inline void send_with(int to, int fd, size_t n, int flags)
{
	char ctl[CMSG_SPACE(sizeof(int))] = {0}, bytes[4096] = {0};
	struct iovec iov = {.iov_base = bytes, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	assert_int_equal(sendmsg(to, &msg, flags), n);
	close(fd);
}

#endif
