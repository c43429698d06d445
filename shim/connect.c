/* connect.c - the meaning of connect().
 *
 * While a TCP connection is being opened, its app end is connected to the
 * engine end but full: it cannot be written to, so poll() and a blocking write
 * wait. Full means a few bytes, because the app end's SO_SNDBUF is 1 meanwhile.
 * The driver takes the filler out when the connection is there; then the first
 * of us who comes by makes the send buffer large (sock_settle()).
 *
 * s->connecting is Linux's SS_CONNECTING: from the first connect() until some
 * connect() has told the program how it ended. Who sets it owns the first half
 * of the work.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "cancel.h"
#include "driver.h"
#include "fdtab.h"
#include "inaddr.h"
#include "remote.h"
#include "signals.h"
#include "sockcall.h"
#include "usermem.h"

/* What setsockopt() takes for the 425984 bytes that getsockopt() then says. */
#define PINNED_SNDBUF 212992
/* With TCP_NOTSENT_LOWAT. Writable is what has a quarter of twice this in it: the
 * least that is more than the last piece of memory, which is 64 KiB of sendfile()'s
 * and what describes them. */
#define PINNED_LOWAT 139264

static bool has_notsent_lowat(const struct sock *s)
{
	uint32_t lowat = s->opts.tcp.notsent_lowat_bytes;

	return (lowat ? lowat : driver_config()->engine.notsent_lowat_bytes) <= INT32_MAX;
}

void sock_pin_sndbuf(const struct sock *s, int fd)
{
	int set = has_notsent_lowat(s) ? PINNED_LOWAT : PINNED_SNDBUF, is = 0;
	socklen_t len = sizeof(is);

	real()->setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &set, sizeof(set));
	if (real()->getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &is, &len) != 0 ||
	    is >= 2 * set)
		return;
	/* The host's wmem_max is lower than usual. */
	real()->setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &set, sizeof(set));
}

void sock_settle_slow(struct sock *s, int fd)
{
	int saved = errno;

	if (atomic_load(&s->state) == SOCK_CONNECTING)
		remote_refresh(s, fd);
	if (atomic_load(&s->state) != SOCK_CONNECTING && fdtab_is_current(fd, s) &&
	    atomic_exchange(&s->filled, false))
		sock_pin_sndbuf(s, fd);
	errno = saved;
}

/* Connects the app end to the driver's listener. Its backlog may be full of
 * other threads' sockets: the driver takes them. With O_NONBLOCK it is asked to; that
 * flag stays as it is, for it is that of all who share the description. */
static int connect_pair(int fd)
{
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);
	int err;

	do {
		err = real()->connect(fd, (struct sockaddr *)&sun, len) == 0
			      ? 0 : -errno;
		if (err == -EAGAIN && driver_let_in() != 0)
			return -ECONNREFUSED;
	} while (err == -EINTR || err == -EAGAIN);
	return err;
}

int sock_fill(int fd)
{
	int small = 1;

	if (real()->setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) != 0)
		return -errno;
	while (real()->send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
	return errno == EAGAIN ? 0 : -errno;
}

static int begin(struct sock *s, int fd, const struct endpoint *remote)
{
	int err;

	atomic_store(&s->err, 0);
	if (!sock_is_mine(s))
		return remote_connect(s, fd, remote);
	err = sock_name(s, fd);
	if (!err)
		err = connect_pair(fd);
	if (!err)
		err = sock_fill(fd);
	if (err)
		return err;
	atomic_store(&s->filled, true);
	return driver_connect(s, remote);
}

/* How the attempt ended, which is hereby told. -EALREADY: it has not ended. */
static int outcome(struct sock *s, int fd)
{
	int err;

	remote_refresh(s, fd);
	switch (atomic_load(&s->state)) {
	case SOCK_CONNECTED:
		sock_settle(s, fd);
		atomic_store(&s->connecting, false);
		if (remote_can(s))
			remote_told(s, fd);
		return 0;
	case SOCK_FAILED:
	case SOCK_CLOSED:
		err = sock_take_err(s, fd, 0);
		sock_rebirth(s, fd);
		return err ? -err : -ECONNABORTED;
	default:
		return -EALREADY;
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* SO_SNDTIMEO in milliseconds, -1 for none. */
static int64_t send_timeout_ms(int fd)
{
	struct timeval t = {0};
	socklen_t len = sizeof(t);

	if (real()->getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &len) != 0 ||
	    (t.tv_sec == 0 && t.tv_usec == 0))
		return -1;
	return (int64_t)t.tv_sec * 1000 + (t.tv_usec + 999) / 1000;
}

/* Sleeps until the attempt has ended. With SO_SNDTIMEO every signal ends it. */
static int wait_outcome(struct sock *s, int fd)
{
	int64_t timeout = send_timeout_ms(fd), end = now_ms() + timeout, left = -1;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err;

	while ((err = outcome(s, fd)) == -EALREADY) {
		if (atomic_load(&s->state) == SOCK_FRESH) { /* undone by another thread */
			err = sock_take_err(s, fd, 0);
			return err ? -err : -ECONNABORTED;
		}
		if (timeout >= 0) {
			left = end - now_ms();
			if (left <= 0)
				return -EINPROGRESS;
		} else if (sock_is_mine(s) && atomic_load(&s->opening)) {
			/* This goes on after signals whose handlers have SA_RESTART,
			 * as connect() does. */
			if (cancel_futex_wait(s, &s->opening, 1) != 0)
				return -EINTR;
			continue;
		}
		if (cancel_poll(s, &p, left > INT32_MAX ? INT32_MAX : (int)left) < 0)
			return -errno;
		if (p.revents & POLLNVAL)
			return -EBADF;
	}
	return err;
}

/* With Fast Open the bytes of the program start the connection: to the program it
 * is there already. */
static bool is_open_fast(struct sock *s)
{
	return s->opts.tcp.fastopen && atomic_load(&s->state) == SOCK_CONNECTED;
}

static bool is_idle(struct sock *s)
{
	return atomic_load(&s->state) == SOCK_FRESH &&
	       !atomic_load(&s->connecting);
}

static int connect_first(struct sock *s, int fd, const struct sockaddr *addr,
			 socklen_t len)
{
	struct endpoint remote;
	sigset_t mask;
	int err;

	remote_refresh(s, fd);
	if (atomic_load(&s->state) != SOCK_FRESH)
		return -EISCONN;
	err = inaddr_to_connect(s->family, &s->opts, &s->local.addr, addr, len,
				&remote);
	if (!err)
		err = sock_own(s, fd);
	if (err)
		return err;
	signals_hold(&mask);
	if (atomic_exchange(&s->connecting, true)) {
		err = -EALREADY;
	} else {
		sock_use_scope(s, &remote.addr);
		err = begin(s, fd, &remote);
		if (err)
			sock_rebirth(s, fd);
	}
	signals_let(&mask);
	return err;
}

static int start(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len,
		 bool nonblocking)
{
	int err = connect_first(s, fd, addr, len);

	if (err)
		return err;
	if (is_open_fast(s))
		return 0; /* how it ended is told by another connect(), if any */
	/* Even if it has ended by now: that comes by poll(), as with Linux. */
	return nonblocking ? -EINPROGRESS : wait_outcome(s, fd);
}

int sock_connect(struct sock *s, int fd, const struct sockaddr *addr,
		 socklen_t len)
{
	struct sockaddr_storage to;
	int err = user_get_addr(fd, addr, len, &to);

	if (err)
		return err;
	if (len < sizeof(to.ss_family))
		return -EINVAL;
	if (to.ss_family == AF_UNSPEC)
		return is_idle(s) ? 0 : sock_undo(s, fd);
	if (atomic_load(&s->connecting)) {
		err = outcome(s, fd);
		if (err == -EALREADY && !sock_nonblocking(fd))
			err = wait_outcome(s, fd);
		return err == -EINPROGRESS ? -EALREADY : err;
	}
	return start(s, fd, (struct sockaddr *)&to, len, sock_nonblocking(fd));
}

int sock_fastopen(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len,
		  int flags)
{
	bool was = s->opts.tcp.fastopen;
	struct sockaddr_storage to;
	int err = addr ? user_get_addr(fd, addr, len, &to) : 0;

	if (err)
		return err;
	if (!(driver_config()->engine.fastopen & SOCK_FASTOPEN_CLIENT) ||
	    (addr && len >= sizeof(to.ss_family) && to.ss_family == AF_UNSPEC))
		return -EOPNOTSUPP;
	if (atomic_load(&s->connecting))
		return outcome(s, fd);
	if (atomic_load(&s->state) != SOCK_FRESH)
		return -EISCONN;
	if (!addr || len < sizeof(to.ss_family))
		return -EINVAL;
	s->opts.tcp.fastopen = true; /* for this connection */
	err = start(s, fd, (struct sockaddr *)&to, len, flags & MSG_DONTWAIT || sock_nonblocking(fd));
	s->opts.tcp.fastopen = was;
	return err;
}

int sock_await_open(struct sock *s, int fd)
{
	if (sock_nonblocking(fd))
		return 0;
	while (sock_is_mine(s) && atomic_load(&s->opening))
		if (cancel_futex_wait(s, &s->opening, 1) == -EINTR)
			return 0; /* the bytes are on their way */
	return outcome(s, fd);
}
