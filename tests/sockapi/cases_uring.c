/* cases_uring.c - io_uring on sockets that were made and connected by calls. */
#include "sockapi.h"

#include <liburing.h>

static struct io_uring ring;

static struct io_uring_sqe *begin(void)
{
	static bool ready;
	int r = ready ? 0 : io_uring_queue_init(8, &ring, 0);

	if (r < 0) {
		LOG("no io_uring here: %s", errno_name(-r));
		exit(0);
	}
	ready = true;
	return io_uring_get_sqe(&ring);
}

/* What the one request says that was begun. */
static int done(void)
{
	struct io_uring_cqe *cqe;
	int r;

	io_uring_submit(&ring);
	r = io_uring_wait_cqe(&ring, &cqe);
	if (r < 0)
		return r;
	r = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return r;
}
#define U(prepare) \
	do { \
		struct io_uring_sqe *sqe = begin(); \
		int r_; \
		prepare; \
		r_ = done(); \
		LOG("%s = %d %s", #prepare, r_, r_ < 0 ? errno_name(-r_) : ""); \
	} while (0)

CASE(uring_moves_bytes)
{
	int fd = joined();
	struct iovec v = {buf, 5};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	U(io_uring_prep_write(sqe, fd, "hello", 5, 0));
	U(io_uring_prep_send(sqe, fd, "hello", 5, 0));
	U(io_uring_prep_writev(sqe, fd, &v, 1, 0));
	U(io_uring_prep_sendmsg(sqe, fd, &m, 0));
	peer_says(20);
	peer_later(40);
	peer_send("0123456789abcdefghij");
	U(io_uring_prep_poll_add(sqe, fd, POLLIN));
	U(io_uring_prep_read(sqe, fd, buf, 5, 0));
	U(io_uring_prep_recv(sqe, fd, buf, 5, 0));
	U(io_uring_prep_recv(sqe, fd, buf, 5, MSG_PEEK));
	U(io_uring_prep_readv(sqe, fd, &v, 1, 0));
	U(io_uring_prep_recvmsg(sqe, fd, &m, MSG_WAITALL));
	LOG("%.5s", buf);
	U(io_uring_prep_recv(sqe, fd, buf, 5, MSG_DONTWAIT));
	peer_later(40);
	peer_send("later");
	U(io_uring_prep_recv(sqe, fd, buf, 5, 0));
	peer_shutdown(SHUT_WR);
	U(io_uring_prep_recv(sqe, fd, buf, 5, 0));
	U(io_uring_prep_shutdown(sqe, fd, SHUT_WR));
	peer_says(1);
	U(io_uring_prep_close(sqe, fd));
	R(write(fd, "x", 1));
	fd = joined();
	R(write(fd, "new", 3));
	peer_says(3);
}

CASE(uring_sees_a_reset)
{
	int fd = joined();

	peer_later(40);
	peer_reset();
	U(io_uring_prep_recv(sqe, fd, buf, 5, 0));
	U(io_uring_prep_send(sqe, fd, "x", 1, MSG_NOSIGNAL));
}

CASE(uring_closes_the_last)
{
	int fd = joined();

	U(io_uring_prep_send(sqe, fd, "bye", 3, 0));
	U(io_uring_prep_close(sqe, fd));
	peer_says(10);
	peer_says(1);
}
