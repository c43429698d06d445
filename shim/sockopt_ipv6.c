/* sockopt_ipv6.c - SOL_IPV6. Owns nothing. What holds for the IPv4 that such a
 * socket may speak is in sockopt_ip.c.
 */
#include "sockopt.h"

#include <errno.h>
#include <string.h>

#include "../engine/addr.h"
#include "driver.h"
#include "sockcall.h"

/* linux/in6.h, which does not go with netinet/in.h */
#define IPV6_FLOWLABEL_MGR 32
#define IPV6_FLOWINFO_SEND 33

int sockopt_get_mtu(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;

	return sockopt_status(s, &st) ? optval_put_int(fd, (int)st.path_mtu, val, len)
				  : -ENOTCONN;
}

static int get_path_mtu(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct ip6_mtuinfo info = {.ip6m_mtu = 0};
	struct tcp_status st;

	if (*len < sizeof(info))
		return -EINVAL;
	if (!sockopt_status(s, &st))
		return -ENOTCONN;
	info.ip6m_mtu = st.path_mtu;
	return optval_put(fd, &info, sizeof(info), val, len);
}

static int get_v6only(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->opts.v6only, val, len);
}

static int set_v6only(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err || s->local.port)
		return -EINVAL;
	s->opts.v6only = v != 0;
	return 0;
}

static int get_hops(struct sock *s, int fd, void *val, socklen_t *len)
{
	int own = s->opts.hops;

	return optval_put_int(fd, own ? own - 1 : (int)driver_config()->hop_limit, val, len);
}

static int set_hops(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (v < -1 || v > 255)
		return -EINVAL;
	s->opts.hops = (uint16_t)(v + 1);
	return sockopt_changed(s);
}

/* Short values count as 0. */
static int set_auto_label(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v = 0, err = len < sizeof(v) ? 0 : optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.ip6.no_flow_label = v == 0;
	return sockopt_changed(s);
}

static int get_auto_label(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, !s->opts.tcp.ip6.no_flow_label, val, len);
}

/* The ECN bits are TCP's. */
static int traffic_class(int v)
{
	return v == -1 ? 0 : v & ~3;
}

/* ---- IPV6_ADDRFORM: a connection over IPv4 becomes an AF_INET socket ------------ */

static bool is_established(struct sock *s)
{
	struct tcp_status st;

	return sockopt_status(s, &st) && st.state == TCPS_ESTABLISHED;
}

static int get_form(struct sock *s, int fd, void *val, socklen_t *len)
{
	return is_established(s) ? optval_put_int(fd, s->family, val, len) : -ENOTCONN;
}

static int set_form(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_int(fd, val, len, &v);

	if (err)
		return err;
	if (v != AF_INET)
		return -EINVAL;
	if (!is_established(s))
		return -ENOTCONN;
	if (s->opts.v6only || !addr_is_v4(&s->remote.addr))
		return -EADDRNOTAVAIL;
	s->family = AF_INET;
	return 0;
}

/* ---- the table ------------------------------------------------------------------ */

static const struct option rows[] = {
	OWN(SOL_IPV6, IPV6_V6ONLY, get_v6only, set_v6only),
	OWN(SOL_IPV6, IPV6_ADDRFORM, get_form, set_form),
	OWN(SOL_IPV6, IPV6_MTU, sockopt_get_mtu, NULL),
	OWN(SOL_IPV6, IPV6_PATHMTU, get_path_mtu, NULL),
	OWN(SOL_IPV6, IPV6_UNICAST_HOPS, get_hops, set_hops),
	{.level = SOL_IPV6, .name = IPV6_TCLASS, .kind = OPT_INT, .min = -1, .max = 255,
	 .adjust = traffic_class, OPT_MEMBER(tcp.ip6.tos)},
	INT_OF(SOL_IPV6, IPV6_MTU_DISCOVER, 0, 5, tcp.ip6.mtu_discover),
	INT_OF(SOL_IPV6, IPV6_MINHOPCOUNT, 0, 255, tcp.ip6.min_ttl),
	OWN(SOL_IPV6, IPV6_AUTOFLOWLABEL, get_auto_label, set_auto_label),
	BOOL_OF(SOL_IPV6, IPV6_FREEBIND, freebind),
	REFUSED(SOL_IPV6, IPV6_TRANSPARENT, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_FLOWINFO_SEND, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_FLOWLABEL_MGR, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_HOPOPTS, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_RTHDRDSTOPTS, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_RTHDR, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_DSTOPTS, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_IPSEC_POLICY, EOPNOTSUPP),
	REFUSED(SOL_IPV6, IPV6_XFRM_POLICY, EOPNOTSUPP),
};

const struct option_table sockopt_ipv6 = {rows, sizeof(rows) / sizeof(rows[0])};
