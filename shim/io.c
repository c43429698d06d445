/* io.c - decides what an error of the pair means on TCP.
 *
 * The pair says EINVAL or ENOTCONN when it is not connected, EPIPE or
 * ECONNRESET when the driver has closed the engine end. Why it did so is in
 * s->err, the sk_err of TCP: reported once, by whichever call comes first. In
 * the process that owns the driver an ECONNRESET without an s->err is an echo
 * of an error that was reported already. Elsewhere it is all there is to know.
 */
#include "io.h"

#include <sys/uio.h>
#include <time.h>

#include "driver.h"
#include "remote.h"
#include "sockcall.h"

int sock_take_err(struct sock *s, int fd, int native)
{
	int err = atomic_exchange(&s->err, 0), pair = 0;
	socklen_t len = sizeof(pair);

	if (!err && remote_can(s)) {
		err = remote_take_err(s, fd, native);
		if (err >= 0)
			return err;
		err = 0;
	}
	if (!err && native)
		return sock_is_mine(s) ? 0 : native;
	/* Clears the pair's own, which would come after it. */
	real()->getsockopt(fd, SOL_SOCKET, SO_ERROR, &pair, &len);
	return err || sock_is_mine(s) ? err : pair;
}

static void put_back(struct sock *s, int err)
{
	int none = 0;

	atomic_compare_exchange_strong(&s->err, &none, err);
}

void io_remember(int fd, int err)
{
	struct sock *s = fdtab_get(fd);

	if (!s)
		return;
	put_back(s, err);
	sock_put(s);
	errno = err;
}

void io_want_slow(int fd, size_t n)
{
	int saved = errno;
	struct sock *s = fdtab_get(fd);

	if (!s)
		return;
	if (sock_is_mine(s)) {
		atomic_store(&s->wanted, n < UINT32_MAX ? (unsigned)n : UINT32_MAX);
		if (n)
			driver_set_opts(s); /* looks again at what it may give */
	}
	sock_put(s);
	errno = saved;
}

ssize_t io_receive_failed(int fd)
{
	int native = errno, err;
	enum sock_state state;
	struct sock *s;

	if (native != ECONNRESET && native != EINVAL && native != ENOTCONN)
		return -1;
	s = fdtab_peek(fd);
	if (s && io_is_confined(s))
		return -1;
	s = fdtab_get(fd);
	if (!s) {
		errno = native;
		return -1;
	}
	state = atomic_load(&s->state);
	err = native;
	if (native == ECONNRESET || state == SOCK_FRESH || state == SOCK_LISTENING)
		err = sock_take_err(s, fd, native == ECONNRESET ? native : 0);
	if (native != ECONNRESET && !err)
		err = ENOTCONN;
	/* After the peer's FIN a reader sees that, and nothing else, for ever. */
	if (err == EPIPE || (err && atomic_load(&s->peer_done))) {
		put_back(s, err);
		err = 0;
	}
	sock_put(s);
	errno = err ? err : native;
	return err ? -1 : 0;
}

ssize_t io_send_failed(int fd, bool signal)
{
	int native = errno, err;
	struct sock *s;

	if (native != EPIPE && native != ECONNRESET && native != ENOTCONN)
		return -1;
	s = fdtab_get(fd);
	if (s) {
		err = sock_take_err(s, fd, native == ECONNRESET ? native : 0);
		sock_put(s);
	} else {
		err = native;
	}
	errno = err ? err : EPIPE;
	if (errno == EPIPE && signal) {
		raise(SIGPIPE);
		errno = EPIPE;
	}
	return -1;
}

int io_check_receive(int flags)
{
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN; /* the error queue is empty */
	return 0;
}

/* EINVAL is TCP's own word for "no urgent data", unless nobody could send any. */
ssize_t io_received_urgent(int fd, ssize_t r)
{
	struct sock *s = fdtab_peek(fd);

	if (r < 0 && errno == EINVAL)
		errno = s && atomic_load(&s->state) == SOCK_LISTENING ? ENOTCONN : EINVAL;
	else if (r < 0)
		r = io_received(fd, r);
	return r;
}

/* Every part goes to the same place. */
static ssize_t discard_some(int fd, size_t n, int flags)
{
	char scratch[16384];
	struct iovec iov[64];
	struct msghdr msg = {.msg_iov = iov};

	while (n && msg.msg_iovlen < 64) {
		struct iovec *v = &iov[msg.msg_iovlen++];

		v->iov_base = scratch;
		v->iov_len = n < sizeof(scratch) ? n : sizeof(scratch);
		n -= v->iov_len;
	}
	return real()->recvmsg(fd, &msg, flags);
}

ssize_t io_discard(int fd, size_t n, int flags)
{
	size_t had = 0;
	ssize_t r;

	flags &= ~MSG_TRUNC;
	do {
		r = discard_some(fd, n - had, flags);
		had += r > 0 ? r : 0;
		if (!(flags & MSG_WAITALL))
			flags |= MSG_DONTWAIT;
	} while (r > 0 && had < n && !(flags & MSG_PEEK));
	return had ? (ssize_t)had : r;
}

bool io_begin_splice(struct io_sigpipe *p, int out, size_t n, int flags)
{
	struct sock *s = fdtab_peek(out);
	sigset_t set;

	if (!s)
		return false;
	sock_settle(s, out);
	io_will_send(s, n, flags);
	sigpending(&set);
	p->pending = sigismember(&set, SIGPIPE);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &p->old);
	return true;
}

ssize_t io_end_splice(const struct io_sigpipe *p, int out, ssize_t r)
{
	const struct timespec now = {0};
	int saved = errno;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (r < 0 && saved == EPIPE && !p->pending)
		sigtimedwait(&set, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &p->old, NULL);
	errno = saved;
	return io_sent(out, r, 0);
}
