/* sockopt_socket.c - SOL_SOCKET. Owns nothing.
 */
#include "sockopt.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "driver.h"
#include "inaddr.h"
#include "nativeopt.h"
#include "real.h"
#include "sockcall.h"

/* ---- values that the driver must know ----------------------------------- */

/* Linux doubles what is set, for its own overhead, and says so. Buffers of which
 * nobody has set the size are as large as they have grown. */
static int get_sndbuf(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint32_t bytes = s->opts.tcp.sndbuf_bytes * 2;
	struct tcp_status st;

	if (!bytes)
		bytes = sockopt_status(s, &st) ? st.sndbuf_bytes
					       : sockopt_engine_config()->sndbuf_bytes;
	return optval_put_int(fd, (int)bytes, val, len);
}

static int get_rcvbuf(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint32_t bytes = s->opts.tcp.rcvbuf_bytes * 2;
	struct tcp_status st;

	if (!bytes)
		bytes = sockopt_status(s, &st) ? st.rcvbuf_bytes
					       : sockopt_engine_config()->rcvbuf_bytes;
	return optval_put_int(fd, (int)bytes, val, len);
}

/* The kernel's limits, and for the FORCE variants its permission, are ours. */
static int set_buffer(struct sock *s, int fd, int set_name, const void *val,
		      socklen_t len, uint32_t *bytes)
{
	const struct native_option set = {.family = s->family, .level = SOL_SOCKET,
					  .name = set_name};
	bool sends = set_name == SO_SNDBUF || set_name == SO_SNDBUFFORCE;
	int v, is, err = optval_get_int(fd, val, len, &v);

	if (!err)
		err = native_adjust(&set, sends ? SO_SNDBUF : SO_RCVBUF, v, &is);
	if (err)
		return err;
	*bytes = (uint32_t)is / 2;
	return sockopt_changed(s);
}

static int set_sndbuf(struct sock *s, int fd, const void *val, socklen_t len)
{
	return set_buffer(s, fd, SO_SNDBUF, val, len, &s->opts.tcp.sndbuf_bytes);
}

static int set_sndbufforce(struct sock *s, int fd, const void *val, socklen_t len)
{
	return set_buffer(s, fd, SO_SNDBUFFORCE, val, len, &s->opts.tcp.sndbuf_bytes);
}

static int set_rcvbuf(struct sock *s, int fd, const void *val, socklen_t len)
{
	return set_buffer(s, fd, SO_RCVBUF, val, len, &s->opts.tcp.rcvbuf_bytes);
}

static int set_rcvbufforce(struct sock *s, int fd, const void *val, socklen_t len)
{
	return set_buffer(s, fd, SO_RCVBUFFORCE, val, len, &s->opts.tcp.rcvbuf_bytes);
}

/* The app end knows what a blocking read waits for, the driver what poll() tells. */
static int get_rcvlowat(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.rcvlowat ? s->opts.rcvlowat : 1, val, len);
}

/* The app end would take any number; a connection of TCP has room for so many. */
static int set_rcvlowat(struct sock *s, int fd, const void *val, socklen_t len)
{
	const struct native_option set = {.family = s->family, .level = SOL_SOCKET,
					  .name = SO_RCVLOWAT};
	int v, err = optval_get_int(fd, val, len, &v);

	if (!err)
		err = native_adjust(&set, SO_RCVLOWAT, v, &v);
	if (err)
		return err;
	s->opts.rcvlowat = v;
	if (real()->setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)) != 0)
		return -errno;
	atomic_store(&s->timeouts, true);
	return sockopt_changed(s);
}

/* One of them at a time; what switches one off switches off the other. */
static int set_stamp(struct sock *s, int fd, int name, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.stamp = v ? name : 0;
	return sockopt_changed(s);
}

static int get_timestamp(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.stamp == SO_TIMESTAMP_OLD, val, len);
}

static int set_timestamp(struct sock *s, int fd, const void *val, socklen_t len)
{
	return set_stamp(s, fd, SO_TIMESTAMP_OLD, val, len);
}

static int get_timestampns(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.stamp == SO_TIMESTAMPNS_OLD, val, len);
}

static int set_timestampns(struct sock *s, int fd, const void *val, socklen_t len)
{
	return set_stamp(s, fd, SO_TIMESTAMPNS_OLD, val, len);
}

static int get_linger(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct linger l = {.l_onoff = s->opts.linger,
			   .l_linger = s->opts.linger_s};

	return optval_put(fd, &l, sizeof(l), val, len);
}

static int set_linger(struct sock *s, int fd, const void *val, socklen_t len)
{
	struct linger l;
	int err = optval_get_int(fd, val, len, &l.l_onoff); /* EFAULT before EINVAL */

	if (!err)
		err = optval_get(fd, val, len, &l, sizeof(l));
	if (err)
		return err;
	s->opts.linger = l.l_onoff != 0;
	if (l.l_onoff)
		s->opts.linger_s = l.l_linger;
	return sockopt_changed(s);
}

static int get_device(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_device(fd, s->opts.ifindex, val, len);
}

static int set_device(struct sock *s, int fd, const void *val, socklen_t len)
{
	uint32_t ifindex;
	int err = optval_get_device(fd, val, len, &ifindex);

	if (err)
		return err;
	s->opts.ifindex = ifindex;
	return sockopt_changed(s);
}

static int get_ifindex(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, (int)s->opts.ifindex, val, len);
}

static int set_ifindex(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err || v < 0)
		return err ? err : -EINVAL;
	s->opts.ifindex = v;
	return sockopt_changed(s);
}

/* As an int, which cannot say more than "no limit", or as a 64-bit number. */
static int get_pacing_rate(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint64_t rate = s->opts.max_pacing_rate;

	if (*len >= sizeof(rate))
		return optval_put(fd, &rate, sizeof(rate), val, len);
	return optval_put_int(fd, (int)(rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX), val,
			      len);
}

static int set_pacing_rate(struct sock *s, int fd, const void *val, socklen_t len)
{
	uint64_t rate;
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	rate = (uint32_t)v == UINT32_MAX ? UINT64_MAX : (uint32_t)v;
	if (len == sizeof(rate))
		err = optval_get(fd, val, len, &rate, sizeof(rate));
	if (err)
		return err;
	s->opts.max_pacing_rate = rate;
	return sockopt_changed(s);
}

/* ---- values that are asked for ------------------------------------------ */

static int get_error(struct sock *s, int fd, void *val, socklen_t *len)
{
	sock_settle(s, fd);
	return optval_put_int(fd, sock_take_err(s, fd, 0), val, len);
}

static int get_domain(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->family, val, len);
}

static int get_acceptconn(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, atomic_load(&s->state) == SOCK_LISTENING, val, len);
}

static int get_peername(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct sockaddr_storage addr;
	socklen_t size = sizeof(addr);

	if (atomic_load(&s->state) != SOCK_CONNECTED)
		return -ENOTCONN;
	inaddr_put(s->family, &s->remote, (struct sockaddr *)&addr, &size);
	return *len > size ? -EINVAL : optval_put(fd, &addr, size, val, len);
}

/* As sock_diag(7) numbers them. */
static int get_meminfo(struct sock *s, int fd, void *val, socklen_t *len)
{
	const struct engine_config *cfg = sockopt_engine_config();
	struct tcp_status st = {.sndbuf_bytes = cfg->sndbuf_bytes,
				.rcvbuf_bytes = cfg->rcvbuf_bytes};
	uint32_t info[SK_MEMINFO_VARS] = {0};

	sockopt_status(s, &st);
	info[SK_MEMINFO_RMEM_ALLOC] = st.readable_bytes;
	info[SK_MEMINFO_RCVBUF] = st.rcvbuf_bytes;
	info[SK_MEMINFO_SNDBUF] = st.sndbuf_bytes;
	info[SK_MEMINFO_WMEM_QUEUED] = st.unacked_bytes + st.notsent_bytes;
	if (s->opts.tcp.sndbuf_bytes)
		info[SK_MEMINFO_SNDBUF] = s->opts.tcp.sndbuf_bytes * 2;
	if (s->opts.tcp.rcvbuf_bytes)
		info[SK_MEMINFO_RCVBUF] = s->opts.tcp.rcvbuf_bytes * 2;
	return optval_put(fd, info, sizeof(info), val, len);
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
	OWN(SOL_SOCKET, SO_MEMINFO, get_meminfo, NULL),
	BOOL_OF(SOL_SOCKET, SO_REUSEADDR, reuseaddr),
	BOOL_OF(SOL_SOCKET, SO_REUSEPORT, reuseport),
	OWN(SOL_SOCKET, SO_SNDBUF, get_sndbuf, set_sndbuf),
	OWN(SOL_SOCKET, SO_RCVBUF, get_rcvbuf, set_rcvbuf),
	OWN(SOL_SOCKET, SO_SNDBUFFORCE, NULL, set_sndbufforce),
	OWN(SOL_SOCKET, SO_RCVBUFFORCE, NULL, set_rcvbufforce),
	OWN(SOL_SOCKET, SO_RCVLOWAT, get_rcvlowat, set_rcvlowat),
	OWN(SOL_SOCKET, SO_TIMESTAMP_OLD, get_timestamp, set_timestamp),
	OWN(SOL_SOCKET, SO_TIMESTAMPNS_OLD, get_timestampns, set_timestampns),
	OWN(SOL_SOCKET, SO_LINGER, get_linger, set_linger),
	OWN(SOL_SOCKET, SO_BINDTODEVICE, get_device, set_device),
	OWN(SOL_SOCKET, SO_BINDTOIFINDEX, get_ifindex, set_ifindex),
	OWN(SOL_SOCKET, SO_MAX_PACING_RATE, get_pacing_rate, set_pacing_rate),
	BOOL_OF(SOL_SOCKET, SO_KEEPALIVE, tcp.keepalive),
	NATIVE(SO_RCVTIMEO_OLD), NATIVE(SO_SNDTIMEO_OLD),
	NATIVE(SO_RCVTIMEO_NEW), NATIVE(SO_SNDTIMEO_NEW),
	NATIVE(SO_OOBINLINE), NATIVE(SO_PEEK_OFF),
	NATIVE(SO_COOKIE),
	REFUSED(SOL_SOCKET, SO_ATTACH_FILTER, EOPNOTSUPP),
	REFUSED(SOL_SOCKET, SO_ATTACH_BPF, EOPNOTSUPP),
	REFUSED(SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, EOPNOTSUPP),
	REFUSED(SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, EOPNOTSUPP),
	REFUSED(SOL_SOCKET, SO_ZEROCOPY, EOPNOTSUPP),
};

const struct option_table sockopt_socket = {rows, sizeof(rows) / sizeof(rows[0])};
