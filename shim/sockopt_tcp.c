/* sockopt_tcp.c - IPPROTO_TCP. Owns nothing.
 */
#include "sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "driver.h"
#include "sockcall.h"
#include "tcpinfo.h"

/* Linux's TCP_CLOSE and TCP_LISTEN. */
static bool is_unused(struct sock *s)
{
	enum sock_state state = atomic_load(&s->state);

	return state == SOCK_FRESH || state == SOCK_FAILED || state == SOCK_CLOSED;
}

#define MSS_FRESH 536 /* RFC 9293 3.7.1: without an MSS option */

static int get_maxseg(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;
	int mss = s->opts.tcp.mss_max_bytes;

	if (sockopt_status(s, &st))
		mss = (int)st.snd_mss;
	return optval_put_int(fd, mss ? mss : MSS_FRESH, val, len);
}

static int set_maxseg(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (v && (v < 88 || v > 32767)) /* TCP_MIN_MSS, MAX_TCP_WINDOW */
		return -EINVAL;
	s->opts.tcp.mss_max_bytes = v;
	return sockopt_changed(s);
}

/* Of a socket that has no connection: how the last one ended, or what Linux begins
 * with. */
static struct tcp_status unused_status(struct sock *s)
{
	const struct engine_config *cfg = sockopt_engine_config();
	struct tcp_status st = s->final;

	if (atomic_load(&s->state) == SOCK_CLOSED && st.snd_mss) {
		st.state = TCPS_CLOSED;
		return st;
	}
	return (struct tcp_status){
		.state = atomic_load(&s->state) == SOCK_LISTENING ? TCPS_LISTEN
								  : TCPS_CLOSED,
		.rto_us = cfg->rto_initial_ms * 1000,
		.snd_mss = MSS_FRESH,
		.snd_cwnd_bytes = cfg->initcwnd_segs * MSS_FRESH,
		.snd_ssthresh_bytes = UINT32_MAX,
	};
}

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* the driver's clock */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int get_info(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;
	int err = sock_is_mine(s) ? driver_status(s, &st) : -ENOTCONN;
	uint8_t info[TCPINFO_BYTES];

	if (err && err != -ENOTCONN)
		return err;
	if (err)
		st = unused_status(s);
	tcpinfo_fill(&st, s->opts.max_pacing_rate, clock_us(), info);
	return optval_put(fd, info, sizeof(info), val, len);
}

/* What it runs on, or what was chosen for it. */
static int get_congestion(struct sock *s, int fd, void *val, socklen_t *len)
{
	const char *cc = sockopt_engine_config()->cc;
	char name[CC_NAME_MAX] = "";
	struct tcp_status st;

	if (sockopt_status(s, &st))
		cc = st.cc;
	else if (s->opts.tcp.cc)
		cc = s->opts.tcp.cc->name;
	memcpy(name, cc, strnlen(cc, sizeof(name) - 1));
	return optval_put(fd, name, sizeof(name), val, len);
}

static int set_congestion(struct sock *s, int fd, const void *val, socklen_t len)
{
	char name[CC_NAME_MAX];
	const struct cc_ops *ops;
	int err = len < 1 ? -EINVAL : optval_get_name(fd, val, len, name, sizeof(name));

	if (err)
		return err;
	ops = cc_find(sockopt_engine_config(), name);
	if (!ops)
		return -ENOENT;
	s->opts.tcp.cc = ops;
	return sockopt_changed(s);
}

/* As without the modules. */
static int set_unknown_ulp(struct sock *s, int fd, const void *val, socklen_t len)
{
	char name[16];
	int err = len < 1 ? -EINVAL : optval_get_name(fd, val, len, name, sizeof(name));

	(void)s;
	return err ? err : -ENOENT;
}

/* ---- acknowledgments, windows --------------------------------------------- */

/* What is set holds until traffic says otherwise. */
static int get_quickack(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;

	return optval_put_int(fd, sockopt_status(s, &st) ? st.quickack : !s->opts.tcp.pingpong,
			      val, len);
}

static int set_quickack(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.pingpong = !v;
	if (atomic_load(&s->state) == SOCK_CONNECTED && sock_is_mine(s))
		driver_quickack(s, v != 0);
	return 0;
}

#define CLAMP_MIN 1152 /* half of Linux's SOCK_MIN_RCVBUF */

static int set_window_clamp(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (!v && !is_unused(s))
		return -EINVAL;
	s->opts.tcp.window_clamp_bytes = v && v < CLAMP_MIN ? CLAMP_MIN : v;
	return sockopt_changed(s);
}

static int get_window_clamp(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, (int)s->opts.tcp.window_clamp_bytes, val, len);
}

/* ---- Fast Open, RFC 7413 ------------------------------------------------------ */

static int get_fastopen_connect(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.tcp.fastopen, val, len);
}

static int set_fastopen_connect(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (v < 0 || v > 1)
		return -EINVAL;
	if (!(sockopt_engine_config()->fastopen & SOCK_FASTOPEN_CLIENT))
		return -EOPNOTSUPP;
	if (!is_unused(s))
		return -EINVAL;
	s->opts.tcp.fastopen = v;
	return 0;
}

static int get_fastopen(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.tcp.fastopen_queue, val, len);
}

static int set_fastopen(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (v < 0 || (!is_unused(s) && atomic_load(&s->state) != SOCK_LISTENING))
		return -EINVAL;
	s->opts.tcp.fastopen_queue = v < SOMAXCONN ? v : SOMAXCONN;
	return sockopt_changed(s);
}

static int get_fastopen_key(struct sock *s, int fd, void *val, socklen_t *len)
{
	const struct fastopen_keys *k = &s->opts.fastopen_keys;

	return optval_put(fd, k->key, k->n * sizeof(k->key[0]), val, len);
}

static int set_fastopen_key(struct sock *s, int fd, const void *val, socklen_t len)
{
	struct fastopen_keys k = {.n = (uint8_t)(len / sizeof(k.key[0]))};
	int err;

	if (len != sizeof(k.key[0]) && len != sizeof(k.key))
		return -EINVAL;
	err = optval_get(fd, val, len, k.key, len);
	if (err)
		return err;
	s->opts.fastopen_keys = k;
	return sockopt_changed(s);
}

static int set_no_cookie(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (!is_unused(s) && atomic_load(&s->state) != SOCK_LISTENING)
		return -EINVAL;
	return sockopt_set_native(s, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, val, len);
}

/* ---- times ------------------------------------------------------------------ */

#define FIN_TIMEOUT_MAX_S 120

static int get_linger2(struct sock *s, int fd, void *val, socklen_t *len)
{
	int own = s->opts.tcp.fin_timeout_s;

	return optval_put_int(fd, own ? own : (int)(sockopt_engine_config()->fin_timeout_ms / 1000),
			      val, len);
}

static int set_linger2(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.fin_timeout_s = sockopt_clamp(v, -1, FIN_TIMEOUT_MAX_S);
	return sockopt_changed(s);
}

#define RTO_INITIAL_S 1

/* Linux counts in retransmissions of the SYN-ACK, and says when the first that
 * is late enough happens. */
static int retransmission_times(int v)
{
	int max = (int)(sockopt_engine_config()->rto_max_ms / 1000);
	int timeout = RTO_INITIAL_S, at = RTO_INITIAL_S, n;

	if (v <= 0)
		return 0;
	for (n = 1; at < v && n < 255; n++) {
		timeout = sockopt_clamp(timeout * 2, 1, max);
		at += timeout;
	}
	return at;
}

static int get_defer_accept(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, (int)s->opts.tcp.defer_accept_s, val, len);
}

static int set_defer_accept(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.defer_accept_s = retransmission_times(v);
	return sockopt_changed(s);
}

static int get_notsent_lowat(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, (int)s->opts.tcp.notsent_lowat_bytes, val, len);
}

static int set_notsent_lowat(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.notsent_lowat_bytes = (uint32_t)v;
	if (atomic_load(&s->state) == SOCK_CONNECTED && !atomic_load(&s->filled))
		sock_pin_sndbuf(s, fd);
	return sockopt_changed(s);
}

static int get_nodelay(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.tcp.nodelay, val, len);
}

/* To ask again is an event, too: it sends what a cork holds. */
static int set_nodelay(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.nodelay = v != 0;
	s->opts.tcp.nodelay_asked++;
	return sockopt_changed(s);
}

/* ---- the table ---------------------------------------------------------- */

static const struct option rows[] = {
	OWN(IPPROTO_TCP, TCP_NODELAY, get_nodelay, set_nodelay),
	BOOL_OF(IPPROTO_TCP, TCP_CORK, tcp.cork),
	OWN(IPPROTO_TCP, TCP_QUICKACK, get_quickack, set_quickack),
	OWN(IPPROTO_TCP, TCP_MAXSEG, get_maxseg, set_maxseg),
	OWN(IPPROTO_TCP, TCP_INFO, get_info, NULL),
	OWN(IPPROTO_TCP, TCP_CONGESTION, get_congestion, set_congestion),
	OWN(IPPROTO_TCP, TCP_ULP, NULL, set_unknown_ulp),
	INT_OR(IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, tcp.keepalive_idle_s, keepalive_idle_s),
	INT_OR(IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, tcp.keepalive_interval_s,
	       keepalive_interval_s),
	INT_OR(IPPROTO_TCP, TCP_KEEPCNT, 1, 127, tcp.keepalive_probes, keepalive_probes),
	INT_OR(IPPROTO_TCP, TCP_SYNCNT, 1, 127, tcp.syn_retries, syn_retries),
	OWN(IPPROTO_TCP, TCP_DEFER_ACCEPT, get_defer_accept, set_defer_accept),
	OWN(IPPROTO_TCP, TCP_LINGER2, get_linger2, set_linger2),
	OWN(IPPROTO_TCP, TCP_FASTOPEN, get_fastopen, set_fastopen),
	OWN(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, get_fastopen_connect, set_fastopen_connect),
	OWN(IPPROTO_TCP, TCP_FASTOPEN_KEY, get_fastopen_key, set_fastopen_key),
	OWN(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, NULL, set_no_cookie),
	OWN(IPPROTO_TCP, TCP_WINDOW_CLAMP, get_window_clamp, set_window_clamp),
	INT_OF(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1, tcp.thin_linear),
	INT_OF(IPPROTO_TCP, TCP_USER_TIMEOUT, 0, INT32_MAX, tcp.user_timeout_ms),
	OWN(IPPROTO_TCP, TCP_NOTSENT_LOWAT, get_notsent_lowat, set_notsent_lowat),
	REFUSED(IPPROTO_TCP, TCP_MD5SIG, ENOPROTOOPT),
	REFUSED(IPPROTO_TCP, TCP_MD5SIG_EXT, ENOPROTOOPT),
	REFUSED(IPPROTO_TCP, TCP_REPAIR, EPERM),
};

const struct option_table sockopt_tcp = {rows, sizeof(rows) / sizeof(rows[0])};
