/* sockopt.c - socket options: one table says what each is, what it may be set
 * to, and where its value lives.
 *
 * An option's value is in s->extra at the index of its row, unless its row has
 * functions of its own: what the driver must know is in s->opts, what the kernel
 * can do on the app end is left to it. What is not in the table does not exist
 * (ENOPROTOOPT), as with Linux. Ranges and errors are Linux's (net/core/sock.c,
 * tcp.c, ip_sockglue.c).
 */
#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#include "driver.h"
#include "fdtab.h"
#include "optval.h"
#include "sockcall.h"

/* ---- values that the driver must know ----------------------------------- */

/* Tells the driver, if it knows the socket already. */
static int changed(struct sock *s)
{
	if (atomic_load(&s->state) != SOCK_FRESH && sock_is_mine(s))
		driver_set_opts(s);
	return 0;
}

static int get_v6only(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_int(s->opts.v6only, val, len);
}

static int set_v6only(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err || s->local.port)
		return -EINVAL;
	s->opts.v6only = v != 0;
	return 0;
}

/* Linux doubles what is set, for its own overhead, and says so. */
static int get_sndbuf(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct engine_config cfg;

	(void)fd;
	engine_config_defaults(&cfg);
	return optval_put_int(s->opts.tcp.sndbuf_bytes
				      ? (int)s->opts.tcp.sndbuf_bytes * 2
				      : (int)cfg.sndbuf_bytes, val, len);
}

static int get_rcvbuf(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct engine_config cfg;

	(void)fd;
	engine_config_defaults(&cfg);
	return optval_put_int(s->opts.tcp.rcvbuf_bytes
				      ? (int)s->opts.tcp.rcvbuf_bytes * 2
				      : (int)cfg.rcvbuf_bytes, val, len);
}

#define SNDBUF_MIN 2304 /* half of Linux's SOCK_MIN_SNDBUF */
#define RCVBUF_MIN 1152
#define BUF_LIMIT (1 << 26)

static int clamp(int v, int min, int max)
{
	return v < min ? min : v > max ? max : v;
}

static int set_sndbuf(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err)
		return err;
	s->opts.tcp.sndbuf_bytes = clamp(v, SNDBUF_MIN, BUF_LIMIT);
	return changed(s);
}

static int set_rcvbuf(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err)
		return err;
	s->opts.tcp.rcvbuf_bytes = clamp(v, RCVBUF_MIN, BUF_LIMIT);
	return changed(s);
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
	return changed(s);
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
	return changed(s);
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
	return changed(s);
}

static int get_tos(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_byte(s->opts.tcp.tos, val, len);
}

static int set_tos(struct sock *s, int fd, const void *val, socklen_t len)
{
	(void)fd;
	/* The ECN bits are TCP's. */
	s->opts.tcp.tos = optval_get_byte(val, len) & ~3;
	return changed(s);
}

#define TTL_DEFAULT 64 /* Linux's IPDEFTTL */

static int get_ttl(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)fd;
	return optval_put_byte(s->opts.tcp.ttl ? s->opts.tcp.ttl : TTL_DEFAULT,
			       val, len);
}

static int set_ttl(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v = optval_get_byte(val, len);

	(void)fd;
	if (len < 1 || (v != -1 && (v < 1 || v > 255)))
		return -EINVAL;
	s->opts.tcp.ttl = v == -1 ? 0 : v;
	return changed(s);
}

#define MSS_FRESH 536 /* RFC 9293 3.7.1: without an MSS option */

static int get_maxseg(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;
	int mss = s->opts.tcp.mss_max_bytes;

	(void)fd;
	if (atomic_load(&s->state) == SOCK_CONNECTED && sock_is_mine(s) &&
	    driver_status(s, &st) == 0)
		mss = (int)st.snd_mss;
	return optval_put_int(mss ? mss : MSS_FRESH, val, len);
}

static int set_maxseg(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(val, len, &v);

	(void)fd;
	if (err)
		return err;
	if (v && (v < 88 || v > 32767)) /* TCP_MIN_MSS, MAX_TCP_WINDOW */
		return -EINVAL;
	s->opts.tcp.mss_max_bytes = v;
	return changed(s);
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

static int get_mtu(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;
	int err;

	(void)fd;
	if (atomic_load(&s->state) != SOCK_CONNECTED)
		return -ENOTCONN;
	err = sock_is_mine(s) ? driver_status(s, &st) : -EOPNOTSUPP;
	return err ? err : optval_put_int((int)st.path_mtu, val, len);
}

static int get_info(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_info info = {
		.tcpi_state = atomic_load(&s->state) == SOCK_LISTENING
				      ? TCPS_LISTEN : TCPS_CLOSED,
	};
	struct tcp_status st;
	int err = sock_is_mine(s) ? driver_status(s, &st) : -EOPNOTSUPP;

	(void)fd;
	if (err && err != -ENOTCONN)
		return err;
	if (!err)
		optval_tcp_info(&st, &info);
	return optval_put(&info, sizeof(info), val, len);
}

#define CC_NAME "reno"
#define CC_NAME_MAX 16 /* Linux's TCP_CA_NAME_MAX */

static int get_congestion(struct sock *s, int fd, void *val, socklen_t *len)
{
	const char name[CC_NAME_MAX] = CC_NAME;

	(void)s;
	(void)fd;
	return optval_put(name, sizeof(name), val, len);
}

static int set_congestion(struct sock *s, int fd, const void *val, socklen_t len)
{
	char name[CC_NAME_MAX] = "";

	(void)s;
	(void)fd;
	if (len < 1)
		return -EINVAL;
	memcpy(name, val, len < sizeof(name) ? len : sizeof(name) - 1);
	return strcmp(name, CC_NAME) == 0 ? 0 : -ENOENT;
}

static int get_nothing(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)s;
	(void)fd;
	(void)val;
	*len = 0;
	return 0;
}

static int set_unknown_ulp(struct sock *s, int fd, const void *val, socklen_t len)
{
	(void)s;
	(void)fd;
	(void)val;
	return len < 1 ? -EINVAL : -ENOENT;
}

/* ---- values that are not kept as they are --------------------------------- */

#define FIN_TIMEOUT_S 60
#define FIN_TIMEOUT_MAX_S 120

static int fin_timeout(int v)
{
	if (v < 0)
		return -1;
	return v ? clamp(v, 1, FIN_TIMEOUT_MAX_S) : FIN_TIMEOUT_S;
}

#define RTO_INITIAL_S 1
#define RTO_MAX_S 120

/* TCP_DEFER_ACCEPT: Linux counts in retransmissions of the SYN-ACK, and says when
 * the first that is late enough happens. */
static int retransmission_times(int v)
{
	int timeout = RTO_INITIAL_S, at = RTO_INITIAL_S, n;

	if (v <= 0)
		return 0;
	for (n = 1; at < v && n < 255; n++) {
		timeout = clamp(timeout * 2, 1, RTO_MAX_S);
		at += timeout;
	}
	return at;
}

#define HOPS_DEFAULT 64

static int unicast_hops(int v)
{
	return v == -1 ? HOPS_DEFAULT : v;
}

/* The ECN bits are TCP's. */
static int traffic_class(int v)
{
	return v == -1 ? 0 : v & ~3;
}

/* ---- the table ---------------------------------------------------------- */

enum opt_kind {
	OPT_INT,    /* within [min, max], else EINVAL */
	OPT_BOOL,   /* anything but 0 is 1 */
	OPT_FLAG,   /* the same, a bool in s->opts that the driver must know */
	OPT_BYTE,   /* as OPT_INT; one byte will do, as with all of IPPROTO_IP */
	OPT_CONST,  /* can only be asked for */
	OPT_NATIVE, /* the kernel's, on the app end */
	OPT_OWN,    /* by get and set; one that is NULL: ENOPROTOOPT */
};

struct option {
	int level, name;
	enum opt_kind kind;
	int min, max, dflt;
	size_t at;            /* OPT_FLAG: where in s->opts */
	int (*adjust)(int v); /* OPT_INT: what is kept of a value, if not itself */
	int (*get)(struct sock *s, int fd, void *val, socklen_t *len);
	int (*set)(struct sock *s, int fd, const void *val, socklen_t len);
};

#define INT(lvl, nm, lo, hi, def) \
	{.level = lvl, .name = nm, .kind = OPT_INT, .min = lo, .max = hi, .dflt = def}
#define ADJUSTED(lvl, nm, lo, hi, fn, def) \
	{.level = lvl, .name = nm, .kind = OPT_INT, .min = lo, .max = hi, \
	 .dflt = def, .adjust = fn}
#define FLAG(lvl, nm, member) \
	{.level = lvl, .name = nm, .kind = OPT_FLAG, \
	 .at = offsetof(struct sock_opts, member)}
#define BOOL(lvl, nm, def) {.level = lvl, .name = nm, .kind = OPT_BOOL, .dflt = def}
#define BYTE(nm, lo, hi, def) \
	{.level = SOL_IP, .name = nm, .kind = OPT_BYTE, .min = lo, .max = hi, .dflt = def}
#define CONST(lvl, nm, def) {.level = lvl, .name = nm, .kind = OPT_CONST, .dflt = def}
#define NATIVE(nm) {.level = SOL_SOCKET, .name = nm, .kind = OPT_NATIVE}
#define OWN(lvl, nm, g, s) \
	{.level = lvl, .name = nm, .kind = OPT_OWN, .get = g, .set = s}

static const struct option options[] = {
	CONST(SOL_SOCKET, SO_TYPE, SOCK_STREAM),
	OWN(SOL_SOCKET, SO_DOMAIN, get_domain, NULL),
	CONST(SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP),
	CONST(SOL_SOCKET, SO_SNDLOWAT, 1),
	OWN(SOL_SOCKET, SO_ERROR, get_error, NULL),
	OWN(SOL_SOCKET, SO_ACCEPTCONN, get_acceptconn, NULL),
	OWN(SOL_SOCKET, SO_PEERNAME, get_peername, NULL),
	OWN(SOL_SOCKET, SO_PEERCRED, get_peercred, NULL),
	FLAG(SOL_SOCKET, SO_REUSEADDR, reuseaddr),
	FLAG(SOL_SOCKET, SO_REUSEPORT, reuseport),
	OWN(SOL_SOCKET, SO_SNDBUF, get_sndbuf, set_sndbuf),
	OWN(SOL_SOCKET, SO_RCVBUF, get_rcvbuf, set_rcvbuf),
	OWN(SOL_SOCKET, SO_SNDBUFFORCE, NULL, set_sndbuf),
	OWN(SOL_SOCKET, SO_RCVBUFFORCE, NULL, set_rcvbuf),
	OWN(SOL_SOCKET, SO_LINGER, get_linger, set_linger),
	OWN(SOL_SOCKET, SO_BINDTODEVICE, get_device, set_device),
	OWN(SOL_SOCKET, SO_BINDTOIFINDEX, get_ifindex, set_ifindex),
	NATIVE(SO_RCVTIMEO_OLD), NATIVE(SO_SNDTIMEO_OLD),
	NATIVE(SO_RCVTIMEO_NEW), NATIVE(SO_SNDTIMEO_NEW),
	NATIVE(SO_RCVLOWAT), NATIVE(SO_COOKIE),
	BOOL(SOL_SOCKET, SO_DEBUG, 0),
	BOOL(SOL_SOCKET, SO_DONTROUTE, 0),
	BOOL(SOL_SOCKET, SO_BROADCAST, 0),
	BOOL(SOL_SOCKET, SO_KEEPALIVE, 0),
	BOOL(SOL_SOCKET, SO_OOBINLINE, 0),
	BOOL(SOL_SOCKET, SO_NO_CHECK, 0),
	BOOL(SOL_SOCKET, SO_TIMESTAMP_OLD, 0),
	BOOL(SOL_SOCKET, SO_TIMESTAMPNS_OLD, 0),
	INT(SOL_SOCKET, SO_PRIORITY, INT32_MIN, INT32_MAX, 0),
	INT(SOL_SOCKET, SO_MARK, INT32_MIN, INT32_MAX, 0),
	INT(SOL_SOCKET, SO_BUSY_POLL, 0, INT32_MAX, 0),
	INT(SOL_SOCKET, SO_MAX_PACING_RATE, INT32_MIN, INT32_MAX, -1),
	INT(SOL_SOCKET, SO_INCOMING_CPU, INT32_MIN, INT32_MAX, -1),

	FLAG(IPPROTO_TCP, TCP_NODELAY, tcp.nodelay),
	OWN(IPPROTO_TCP, TCP_MAXSEG, get_maxseg, set_maxseg),
	OWN(IPPROTO_TCP, TCP_INFO, get_info, NULL),
	OWN(IPPROTO_TCP, TCP_CONGESTION, get_congestion, set_congestion),
	OWN(IPPROTO_TCP, TCP_ULP, get_nothing, set_unknown_ulp),
	OWN(IPPROTO_TCP, TCP_CC_INFO, get_nothing, NULL),
	BOOL(IPPROTO_TCP, TCP_CORK, 0),
	BOOL(IPPROTO_TCP, TCP_QUICKACK, 1),
	INT(IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, 7200),
	INT(IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, 75),
	INT(IPPROTO_TCP, TCP_KEEPCNT, 1, 127, 9),
	INT(IPPROTO_TCP, TCP_SYNCNT, 1, 127, 6),
	ADJUSTED(IPPROTO_TCP, TCP_DEFER_ACCEPT, INT32_MIN, INT32_MAX,
		 retransmission_times, 0),
	ADJUSTED(IPPROTO_TCP, TCP_LINGER2, INT32_MIN, INT32_MAX, fin_timeout,
		 FIN_TIMEOUT_S),
	INT(IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, INT32_MAX, 0),
	INT(IPPROTO_TCP, TCP_USER_TIMEOUT, 0, INT32_MAX, 0),
	INT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, INT32_MIN, INT32_MAX, 0),
	INT(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1, 0),
	INT(IPPROTO_TCP, TCP_THIN_DUPACK, 0, 1, 0),

	OWN(SOL_IP, IP_TOS, get_tos, set_tos),
	OWN(SOL_IP, IP_TTL, get_ttl, set_ttl),
	OWN(SOL_IP, IP_MTU, get_mtu, NULL),
	OWN(SOL_IP, IP_OPTIONS, get_nothing, NULL),
	BYTE(IP_MTU_DISCOVER, 0, 5, 1),
	BYTE(IP_RECVERR, INT32_MIN, INT32_MAX, 0),
	BYTE(IP_RECVTTL, INT32_MIN, INT32_MAX, 0),
	BYTE(IP_RECVTOS, INT32_MIN, INT32_MAX, 0),
	BYTE(IP_PKTINFO, INT32_MIN, INT32_MAX, 0),
	BYTE(IP_BIND_ADDRESS_NO_PORT, INT32_MIN, INT32_MAX, 0),

	OWN(SOL_IPV6, IPV6_V6ONLY, get_v6only, set_v6only),
	OWN(SOL_IPV6, IPV6_MTU, get_mtu, NULL),
	ADJUSTED(SOL_IPV6, IPV6_UNICAST_HOPS, -1, 255, unicast_hops, HOPS_DEFAULT),
	ADJUSTED(SOL_IPV6, IPV6_TCLASS, -1, 255, traffic_class, 0),
	INT(SOL_IPV6, IPV6_MTU_DISCOVER, 0, 5, 1),
	INT(SOL_IPV6, IPV6_MINHOPCOUNT, 0, 255, 0),
	BOOL(SOL_IPV6, IPV6_RECVERR, 0),
	BOOL(SOL_IPV6, IPV6_RECVPKTINFO, 0),
	BOOL(SOL_IPV6, IPV6_RECVHOPLIMIT, 0),
	BOOL(SOL_IPV6, IPV6_RECVTCLASS, 0),
	BOOL(SOL_IPV6, IPV6_DONTFRAG, 0),
	BOOL(SOL_IPV6, IPV6_AUTOFLOWLABEL, 1),
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))
_Static_assert(OPTIONS <= SOCK_EXTRA_MAX, "a place for every value");

static bool *flag_of(struct sock *s, const struct option *o)
{
	return (bool *)((char *)&s->opts + o->at);
}

/* AF_INET sockets know nothing of IPv6; the others know both. */
static const struct option *find(const struct sock *s, int level, int name)
{
	size_t i;

	if (level == SOL_IPV6 && s->family != AF_INET6)
		return NULL;
	for (i = 0; i < OPTIONS; i++) {
		if (options[i].level == level && options[i].name == name)
			return &options[i];
	}
	return NULL;
}

static bool is_known_level(const struct sock *s, int level)
{
	return level == SOL_SOCKET || level == IPPROTO_TCP || level == SOL_IP ||
	       (level == SOL_IPV6 && s->family == AF_INET6);
}

void sock_opts_init(struct sock *s)
{
	size_t i;

	for (i = 0; i < OPTIONS; i++)
		s->extra[i] = options[i].dflt;
}

int sock_getsockopt(struct sock *s, int fd, int level, int name, void *val,
		    socklen_t *len)
{
	const struct option *o = find(s, level, name);

	if (!val || !len)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	if (!o)
		return is_known_level(s, level) ? -ENOPROTOOPT : -EOPNOTSUPP;
	switch (o->kind) {
	case OPT_NATIVE:
		return real()->getsockopt(fd, level, name, val, len) == 0 ? 0 : -errno;
	case OPT_OWN:
		return o->get ? o->get(s, fd, val, len) : -ENOPROTOOPT;
	case OPT_FLAG:
		return optval_put_int(*flag_of(s, o), val, len);
	case OPT_BYTE:
		return optval_put_byte(s->extra[o - options], val, len);
	default:
		return optval_put_int(s->extra[o - options], val, len);
	}
}

int sock_setsockopt(struct sock *s, int fd, int level, int name, const void *val,
		    socklen_t len)
{
	const struct option *o = find(s, level, name);
	int v, err;

	if (!o || o->kind == OPT_CONST || (o->kind == OPT_OWN && !o->set))
		return -ENOPROTOOPT;
	if ((int)len < 0)
		return -EINVAL;
	if (!val && len)
		return -EFAULT;
	if (o->kind == OPT_OWN)
		return o->set(s, fd, val, len);
	if (o->kind == OPT_NATIVE) {
		atomic_store(&s->timeouts, true);
		return real()->setsockopt(fd, level, name, val, len) == 0 ? 0 : -errno;
	}
	if (o->kind == OPT_BYTE)
		v = optval_get_byte(val, len);
	else if ((err = optval_get_int(val, len, &v)) != 0)
		return err;
	if (o->kind == OPT_FLAG) {
		*flag_of(s, o) = v != 0;
		return changed(s);
	}
	if (o->kind == OPT_BOOL)
		v = v != 0;
	else if (v < o->min || v > o->max)
		return -EINVAL;
	else if (o->adjust)
		v = o->adjust(v);
	s->extra[o - options] = v;
	return 0;
}
