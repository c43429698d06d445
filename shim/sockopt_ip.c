/* sockopt_ip.c - SOL_IP and SOL_IPV6. Owns nothing.
 */
#include "sockopt.h"

#include <errno.h>

#include "driver.h"
#include "sockcall.h"

#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

static int get_tos(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_byte(fd, s->opts.tcp.ip.tos, val, len);
}

static int set_tos(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_byte(fd, val, len, &v);

	if (err)
		return err;
	s->opts.tcp.ip.tos = v & ~3; /* the ECN bits are TCP's */
	return sockopt_changed(s);
}

static int get_ttl(struct sock *s, int fd, void *val, socklen_t *len)
{
	uint8_t own = s->opts.tcp.ip.ttl;

	return optval_put_byte(fd, own ? own : (int)driver_config()->ttl, val, len);
}

static int set_ttl(struct sock *s, int fd, const void *val, socklen_t len)
{
	int v, err = optval_get_byte(fd, val, len, &v);

	if (err)
		return err;
	if (len < 1 || (v != -1 && (v < 1 || v > 255)))
		return -EINVAL;
	s->opts.tcp.ip.ttl = v == -1 ? 0 : v;
	return sockopt_changed(s);
}

static int get_mtu(struct sock *s, int fd, void *val, socklen_t *len)
{
	struct tcp_status st;
	int err;

	if (atomic_load(&s->state) != SOCK_CONNECTED)
		return -ENOTCONN;
	err = sock_is_mine(s) ? driver_status(s, &st) : -ENOTCONN;
	return err ? err : optval_put_int(fd, (int)st.path_mtu, val, len);
}

/* Linux shows a field that is the protocol with raw sockets only. */
static int get_protocol(struct sock *s, int fd, void *val, socklen_t *len)
{
	return optval_put_int(fd, s->local.port, val, len);
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

/* ---- values that are not kept as they are --------------------------------- */

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

static const struct option rows[] = {
	OWN(SOL_IP, IP_TOS, get_tos, set_tos),
	OWN(SOL_IP, IP_TTL, get_ttl, set_ttl),
	OWN(SOL_IP, IP_MTU, get_mtu, NULL),
	OWN(SOL_IP, IP_PROTOCOL, get_protocol, NULL),
	REFUSED(SOL_IP, IP_OPTIONS, EOPNOTSUPP),
	REFUSED(SOL_IP, IP_IPSEC_POLICY, EOPNOTSUPP),
	REFUSED(SOL_IP, IP_XFRM_POLICY, EOPNOTSUPP),
	{.level = SOL_IP, .name = IP_MTU_DISCOVER, .kind = OPT_BYTE, .min = 0, .max = 5,
	 OPT_MEMBER(tcp.ip.mtu_discover)},

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

const struct option_table sockopt_ip = {rows, sizeof(rows) / sizeof(rows[0])};
