/* wire.h - what other processes say to a real driver's control socket, by hand.
 */
#ifndef TEST_SHIM_WIRE_H
#define TEST_SHIM_WIRE_H

#include "app.h"

/* ---- the wire ------------------------------------------------------------------------ */

static inline int knock_as_stranger(void)
{
	struct name n = {.kind = NAME_CONTROL, .pass = driver_pass()};
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct sockaddr_un sun;
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(n.stack, driver_stack_id(), sizeof(n.stack));
	len = name_encode(&n, &sun);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_return_code(connect(fd, (struct sockaddr *)&sun, len), errno);
	return fd;
}

static inline bool show_pass(int at, uint64_t pass)
{
	char welcome;

	return send(at, &pass, sizeof(pass), MSG_NOSIGNAL) == sizeof(pass) &&
	       recv(at, &welcome, 1, 0) == 1;
}

static inline int knock(void)
{
	int at = knock_as_stranger();

	assert_true(show_pass(at, driver_pass()));
	return at;
}

#define FDS_SAID_MAX 100

/* Sends the first size bytes of a request, or of an offer, with n fds. */
static inline void say_raw(int at, const void *said, size_t size, const int *fds, size_t n)
{
	char ctl[CMSG_SPACE(FDS_SAID_MAX * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)said, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	assert_in_range(n, 0, FDS_SAID_MAX);
	if (n) {
		msg.msg_control = ctl;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(at, &msg, MSG_NOSIGNAL), size);
}

static inline struct control_reply ask_raw(const struct control_request *req, size_t size,
				    const int *fds, size_t n)
{
	struct control_reply r = {0};
	int at = knock();

	say_raw(at, req, size, fds, n);
	assert_int_equal(recv(at, &r, sizeof(r), 0), sizeof(r));
	close(at);
	return r;
}

static inline int result_of(struct control_request req, int fd)
{
	req.size = sizeof(req);
	return ask_raw(&req, sizeof(req), &fd, fd >= 0).result;
}

#endif
