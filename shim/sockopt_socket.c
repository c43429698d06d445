/* sockopt_socket.c - SOL_SOCKET. Owns nothing.
 */
#include "sockopt.h"

#include <errno.h>
#include <string.h>

#include "driver.h"
#include "sockcall.h"

/* ---- values that the driver must know ----------------------------------- */

/* Linux doubles what is set, for its own overhead, and says so. Buffers of which
 * nobody has set the size are as large as they have grown. */
static int get_sndbuf(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint32_t bytes = s->opts.tcp.sndbuf_bytes * 2;
	struct tcp_status st;

	(void)fd;
	if (!bytes)
		bytes = sockopt_status(s, &st) ? st.sndbuf_bytes
					       : sockopt_engine_config()->sndbuf_bytes;
	return optval_put_int((int)bytes, val, len);
}

static int get_rcvbuf(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint32_t bytes = s->opts.tcp.rcvbuf_bytes * 2;
	struct tcp_status st;

	(void)fd;
	if (!bytes)
		bytes = sockopt_status(s, &st) ? st.rcvbuf_bytes
					       : sockopt_engine_config()->rcvbuf_bytes;
	return optval_put_int((int)bytes, val, len);
}

#define SNDBUF_MIN 2304 /* half of Linux's SOCK_MIN_SNDBUF */
#define RCVBUF_MIN 1152
#define BUF_LIMIT (1 << 26)

static int set_sndbuf(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err)
		return err;
	s->opts.tcp.sndbuf_bytes = sockopt_clamp(v, SNDBUF_MIN, BUF_LIMIT);
	return sockopt_changed(s);
}

static int set_rcvbuf(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err)
		return err;
	s->opts.tcp.rcvbuf_bytes = sockopt_clamp(v, RCVBUF_MIN, BUF_LIMIT);
	return sockopt_changed(s);
}

static int get_linger(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct linger l = {.l_onoff = s->opts.linger,
			   .l_linger = s->opts.linger_s};

	(void)fd;
	return optval_put(&l, sizeof(l), val, len);
}

static int set_linger(struct sock *s, int fd, const void *val, socklen_t len)
{
	struct linger l;

	(void)fd;
	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, val, sizeof(l));
	s->opts.linger = l.l_onoff != 0;
	if (l.l_onoff)
		s->opts.linger_s = l.l_linger;
	return sockopt_changed(s);
}

static int get_device(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_device(s->opts.ifindex, val, len);
}

static int set_device(struct sock *s, int fd, const void *val, socklen_t len)
{
	uint32_t ifindex;
	int err = optval_get_device(val, len, &ifindex);

	(void)fd;
	if (err)
		return err;
	s->opts.ifindex = ifindex;
	return sockopt_changed(s);
}

static int get_ifindex(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_int((int)s->opts.ifindex, val, len);
}

static int set_ifindex(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err || v < 0)
		return err ? err : -EINVAL;
	s->opts.ifindex = v;
	return sockopt_changed(s);
}

/* As an int, which cannot say more than "no limit", or as a 64-bit number. */
static int get_pacing_rate(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint64_t rate = s->opts.max_pacing_rate;

	(void)fd;
	if (*len >= sizeof(rate))
		return optval_put(&rate, sizeof(rate), val, len);
	return optval_put_int((int)(rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX), val,
			      len);
}

static int set_pacing_rate(struct sock *s, int fd, const void *val, socklen_t len)
{
	uint64_t rate;
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err)
		return err;
	rate = (uint32_t)v == UINT32_MAX ? UINT64_MAX : (uint32_t)v;
	if (len == sizeof(rate))
		memcpy(&rate, val, sizeof(rate));
	s->opts.max_pacing_rate = rate;
	return sockopt_changed(s);
}

/* ---- values that are asked for ------------------------------------------ */

static int get_error(struct sock *s, int fd, void *val, socklen_t *len)
{
	sock_settle(s, fd);
	return optval_put_int(sock_take_err(s, fd, 0), val, len);
}

static int get_domain(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_int(s->family, val, len);
}

static int get_acceptconn(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_int(atomic_load(&s->state) == SOCK_LISTENING, val, len);
}

static int get_peername(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct sockaddr_storage addr;
	socklen_t size = sizeof(addr);
	int err = sock_getpeername(s, (struct sockaddr *)&addr, &size);

	(void)fd;
	if (err)
		return err;
	return *len > size ? -EINVAL : optval_put(&addr, size, val, len);
}

/* Nobody: credentials are AF_UNIX's. */
static int get_peercred(struct sock *s, int fd, void *val, socklen_t *len)
{
	const struct ucred nobody = {.pid = 0, .uid = -1, .gid = -1};

	(void)s;
	(void)fd;
	return optval_put(&nobody, sizeof(nobody), val, len);
}

/* ---- the table ---------------------------------------------------------- */

static const struct option rows[] = {
	CONST(SOL_SOCKET, SO_TYPE, SOCK_STREAM),
	OWN(SOL_SOCKET, SO_DOMAIN, get_domain, NULL),
	CONST(SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP),
	CONST(SOL_SOCKET, SO_SNDLOWAT, 1),
	OWN(SOL_SOCKET, SO_ERROR, get_error, NULL),
	OWN(SOL_SOCKET, SO_ACCEPTCONN, get_acceptconn, NULL),
	OWN(SOL_SOCKET, SO_PEERNAME, get_peername, NULL),
	OWN(SOL_SOCKET, SO_PEERCRED, get_peercred, NULL),
	BOOL_OF(SOL_SOCKET, SO_REUSEADDR, reuseaddr),
	BOOL_OF(SOL_SOCKET, SO_REUSEPORT, reuseport),
	OWN(SOL_SOCKET, SO_SNDBUF, get_sndbuf, set_sndbuf),
	OWN(SOL_SOCKET, SO_RCVBUF, get_rcvbuf, set_rcvbuf),
	OWN(SOL_SOCKET, SO_SNDBUFFORCE, NULL, set_sndbuf),
	OWN(SOL_SOCKET, SO_RCVBUFFORCE, NULL, set_rcvbuf),
	OWN(SOL_SOCKET, SO_LINGER, get_linger, set_linger),
	OWN(SOL_SOCKET, SO_BINDTODEVICE, get_device, set_device),
	OWN(SOL_SOCKET, SO_BINDTOIFINDEX, get_ifindex, set_ifindex),
	NATIVE(SO_RCVTIMEO_OLD), NATIVE(SO_SNDTIMEO_OLD),
	NATIVE(SO_RCVTIMEO_NEW), NATIVE(SO_SNDTIMEO_NEW),
	NATIVE(SO_RCVLOWAT), NATIVE(SO_OOBINLINE), NATIVE(SO_COOKIE),
	BOOL(SOL_SOCKET, SO_DEBUG, 0),
	BOOL(SOL_SOCKET, SO_DONTROUTE, 0),
	BOOL(SOL_SOCKET, SO_BROADCAST, 0),
	BOOL_OF(SOL_SOCKET, SO_KEEPALIVE, tcp.keepalive),
	BOOL(SOL_SOCKET, SO_NO_CHECK, 0),
	BOOL(SOL_SOCKET, SO_TIMESTAMP_OLD, 0),
	BOOL(SOL_SOCKET, SO_TIMESTAMPNS_OLD, 0),
	INT(SOL_SOCKET, SO_PRIORITY, INT32_MIN, INT32_MAX, 0),
	INT(SOL_SOCKET, SO_MARK, INT32_MIN, INT32_MAX, 0),
	INT(SOL_SOCKET, SO_BUSY_POLL, 0, INT32_MAX, 0),
	OWN(SOL_SOCKET, SO_MAX_PACING_RATE, get_pacing_rate, set_pacing_rate),
	INT(SOL_SOCKET, SO_INCOMING_CPU, INT32_MIN, INT32_MAX, -1),
};

const struct option_table sockopt_socket = {rows, sizeof(rows) / sizeof(rows[0])};
