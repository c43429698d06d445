/* hooks_io.c - the program's calls that move bytes. Owns nothing.
 *
 * They cost nothing but the real call while that succeeds. Receiving ones try
 * it first and look at the fd only when it failed; sending ones must know
 * before, for SIGPIPE. Addresses and ancillary data are kept from the pair,
 * where they would mean something: TCP ignores them.
 */
#undef _FORTIFY_SOURCE
#include "hooks.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "adopt.h"
#include "io.h"
#include "msg.h"
#include "usermem.h"

/* ---- receiving ---------------------------------------------------------- */

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	io_want(fd, n);
	return io_received(fd, real()->read(fd, buf, n));
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	io_want(fd, SIZE_MAX);
	return io_received(fd, real()->readv(fd, iov, n));
}

/* Flags with which the pair does not do what TCP does. */
#define UNUSUAL (MSG_ERRQUEUE | MSG_TRUNC)

static ssize_t receive_unusual(int fd, size_t n, int flags)
{
	int err = io_check_receive(flags);

	if (err)
		return hook_fail(err);
	return io_received(fd, io_discard(fd, n, flags));
}

EXPORT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	io_want(fd, n);
	if (flags & MSG_OOB && fdtab_peek(fd))
		return io_received_urgent(fd, real()->recv(fd, buf, n, flags));
	if (flags & UNUSUAL && fdtab_peek(fd))
		return receive_unusual(fd, n, flags);
	return io_received(fd, real()->recv(fd, buf, n, flags));
}

/* TCP has no address to give. */
static int put_no_address(int fd, socklen_t *len)
{
	socklen_t room;

	if (user_get_near(fd, &room, len, sizeof(room)) != 0)
		return -EFAULT;
	if ((int)room < 0)
		return -EINVAL;
	*len = 0;
	return 0;
}

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags,
			__SOCKADDR_ARG addr, socklen_t *restrict len)
{
	struct hook h;
	ssize_t r;
	int err;

	if (!addr.__sockaddr__ || !hook_enter(&h, fd)) {
		if (fdtab_peek(fd))
			return recv(fd, buf, n, flags);
		return real()->recvfrom(fd, buf, n, flags, addr.__sockaddr__, len);
	}
	hook_leave(&h, 0);
	r = recv(fd, buf, n, flags);
	if (r < 0)
		return r;
	err = put_no_address(fd, len);
	return err ? hook_fail(err) : r;
}

static size_t total(const struct iovec *iov, size_t n)
{
	size_t sum = 0;

	while (n--)
		sum += iov[n].iov_len;
	return sum;
}

/* Of a socket that is none of ours, with fds in it, perhaps. */
static ssize_t receive_plain(int fd, struct msghdr *msg, int flags)
{
	ssize_t r = real()->recvmsg(fd, msg, flags);

	if (r >= 0 && msg->msg_controllen)
		adopt_received(msg);
	return r;
}

static void receive_done(int fd, struct msghdr *msg, const struct msghdr *bare, bool some)
{
	const struct sock *s = fdtab_peek(fd);

	msg_received(fd, msg, bare, some && s ? s->opts.stamp : 0,
		     s ? atomic_load(&s->stamp_ns) : 0);
}

static ssize_t receive_msg(int fd, struct msghdr *msg, int flags)
{
	struct msghdr bare;
	struct hook h;
	bool plain;
	ssize_t r;
	int err = msg_to_receive(fd, msg, &bare, &plain);

	if (err || !plain) {
		if (!hook_enter(&h, fd))
			return receive_plain(fd, msg, flags);
		if (hook_leave(&h, err) != 0)
			return -1;
	}
	io_want(fd, SIZE_MAX);
	if (flags & MSG_OOB)
		r = io_received_urgent(fd, real()->recvmsg(fd, &bare, flags));
	else if (flags & UNUSUAL)
		r = receive_unusual(fd, total(bare.msg_iov, bare.msg_iovlen), flags);
	else
		r = io_received(fd, real()->recvmsg(fd, &bare, flags));
	if (r >= 0)
		receive_done(fd, msg, &bare, r > 0);
	return r;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	return fdtab_peek(fd) ? receive_msg(fd, msg, flags) : receive_plain(fd, msg, flags);
}

/* What _FORTIFY_SOURCE makes of them; they never return when n > size. */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags,
		       struct sockaddr *addr, socklen_t *len);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t size)
{
	return n > size ? real()->__read_chk(fd, buf, n, size) : read(fd, buf, n);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
	return n > size ? real()->__recv_chk(fd, buf, n, size, flags)
			: recv(fd, buf, n, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags,
			      struct sockaddr *addr, socklen_t *len)
{
	return n > size ? real()->__recvfrom_chk(fd, buf, n, size, flags, addr, len)
			: recvfrom(fd, buf, n, flags, addr, len);
}

/* ---- sending ------------------------------------------------------------ */

EXPORT ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	struct sock *s = fdtab_peek(fd);
	ssize_t r;

	if (!s)
		return real()->send(fd, buf, n, flags);
	if (flags & MSG_FASTOPEN)
		return sendto(fd, buf, n, flags, NULL, 0);
	sock_settle(s, fd);
	io_will_send(s, n, flags);
	/* Nothing cannot be urgent; the pair would say EOPNOTSUPP. */
	r = real()->send(fd, buf, n, (n ? flags : flags & ~MSG_OOB) | MSG_NOSIGNAL);
	return io_sent(fd, r, flags);
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	struct sock *s = fdtab_peek(fd);
	ssize_t r;

	if (!s || io_is_confined(s))
		return real()->write(fd, buf, n);
	sock_settle(s, fd);
	io_will_send(s, n, 0);
	r = real()->send(fd, buf, n, MSG_NOSIGNAL);
	return io_is_stale(r) ? real()->write(fd, buf, n) : io_sent(fd, r, 0);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n};
	struct sock *s = fdtab_peek(fd);
	ssize_t r;

	if (!s || n < 0 || n > IOV_MAX || io_is_confined(s))
		return real()->writev(fd, iov, n);
	sock_settle(s, fd);
	io_will_send(s, 0, 0);
	r = real()->sendmsg(fd, &msg, MSG_NOSIGNAL);
	return io_is_stale(r) ? real()->writev(fd, iov, n) : io_sent(fd, r, 0);
}

/* MSG_FASTOPEN: connect() and send() in one. */
static ssize_t send_fast(struct hook *h, int fd, struct iovec *iov, size_t n, int flags,
			 const struct sockaddr *addr, socklen_t len)
{
	const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
	int err = sock_fastopen(h->s, fd, addr, len, flags);
	ssize_t sent;

	if (err)
		return hook_leave(h, err);
	flags &= ~MSG_FASTOPEN;
	sock_settle(h->s, fd);
	io_will_send(h->s, flags & MSG_MORE ? total(iov, n) : 0, flags);
	sent = io_sent(fd, cancel_sendmsg(h->s, fd, &msg, flags | MSG_NOSIGNAL), flags);
	err = flags & MSG_DONTWAIT ? 0 : sock_await_open(h->s, fd);
	if (err)
		return hook_leave(h, err);
	hook_end(h);
	return sent;
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags,
		      __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	struct sockaddr_storage ignored;
	struct hook h;
	int err;

	if (!addr.__sockaddr__ && !(flags & MSG_FASTOPEN))
		return send(fd, buf, n, flags);
	if (!hook_enter(&h, fd))
		return real()->sendto(fd, buf, n, flags, addr.__sockaddr__, len);
	if (flags & MSG_FASTOPEN)
		return send_fast(&h, fd, &(struct iovec){(void *)buf, n}, 1, flags,
				 addr.__sockaddr__, len);
	err = user_get_addr(fd, addr.__sockaddr__, len, &ignored);
	hook_leave(&h, err);
	return err ? -1 : send(fd, buf, n, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sock *s = fdtab_peek(fd);
	struct msghdr bare;
	struct hook h;
	bool plain;
	ssize_t r;
	int err;

	if (!s)
		return real()->sendmsg(fd, msg, flags);
	err = msg_to_send(fd, msg, &bare, &plain);
	if (err || !plain || flags & MSG_FASTOPEN) {
		if (!hook_enter(&h, fd))
			return real()->sendmsg(fd, msg, flags);
		if (!err && flags & MSG_FASTOPEN)
			return send_fast(&h, fd, bare.msg_iov, bare.msg_iovlen, flags,
					 msg->msg_name, msg->msg_namelen);
		if (hook_leave(&h, err) != 0)
			return -1;
	}
	sock_settle(s, fd);
	io_will_send(s, flags & MSG_MORE ? total(bare.msg_iov, bare.msg_iovlen) : 0, flags);
	r = real()->sendmsg(fd, &bare, flags | MSG_NOSIGNAL);
	return io_sent(fd, r, flags);
}

EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t n)
{
	struct io_sigpipe p;
	ssize_t r;

	if (!io_begin_splice(&p, out, n, 0))
		return real()->sendfile(out, in, off, n);
	r = real()->sendfile(out, in, off, n);
	return io_end_splice(&p, out, r);
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *off, size_t n)
{
	struct io_sigpipe p;
	ssize_t r;

	if (!io_begin_splice(&p, out, n, 0))
		return real()->sendfile64(out, in, off, n);
	r = real()->sendfile64(out, in, off, n);
	return io_end_splice(&p, out, r);
}

EXPORT ssize_t splice(int in, off64_t *off_in, int out, off64_t *off_out, size_t n,
		      unsigned flags)
{
	struct io_sigpipe p;
	ssize_t r;

	if (!io_begin_splice(&p, out, n, flags & SPLICE_F_MORE ? MSG_MORE : 0))
		return io_received(in, real()->splice(in, off_in, out, off_out, n, flags));
	r = real()->splice(in, off_in, out, off_out, n, flags);
	return io_end_splice(&p, out, r);
}
