/* sockopt_ip.c - SOL_IP. Owns nothing.
 */
#include "sockopt.h"

#include <errno.h>

#include "driver.h"
#include "sockcall.h"

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

static int flag(int v)
{
	return v != 0;
}

/* ---- the table ---------------------------------------------------------- */

static const struct option rows[] = {
	OWN(SOL_IP, IP_TOS, get_tos, set_tos),
	OWN(SOL_IP, IP_TTL, get_ttl, set_ttl),
	OWN(SOL_IP, IP_MTU, sockopt_get_mtu, NULL),
	{.level = SOL_IP, .name = IP_FREEBIND, .kind = OPT_BYTE, .min = INT32_MIN,
	 .max = INT32_MAX, .adjust = flag, .not_empty = true, OPT_MEMBER(freebind)},
	{.level = SOL_IP, .name = IP_BIND_ADDRESS_NO_PORT, .kind = OPT_BYTE, .min = INT32_MIN,
	 .max = INT32_MAX, .adjust = flag, OPT_MEMBER(bind_no_port)},
	{.level = SOL_IP, .name = IP_MINTTL, .kind = OPT_BYTE, .min = 0, .max = 255,
	 .not_empty = true, OPT_MEMBER(tcp.ip.min_ttl)},
	REFUSED(SOL_IP, IP_OPTIONS, EOPNOTSUPP),
	REFUSED(SOL_IP, IP_TRANSPARENT, EOPNOTSUPP),
	REFUSED(SOL_IP, IP_IPSEC_POLICY, EOPNOTSUPP),
	REFUSED(SOL_IP, IP_XFRM_POLICY, EOPNOTSUPP),
	{.level = SOL_IP, .name = IP_MTU_DISCOVER, .kind = OPT_BYTE, .min = 0, .max = 5,
	 OPT_MEMBER(tcp.ip.mtu_discover)},
};

const struct option_table sockopt_ip = {rows, sizeof(rows) / sizeof(rows[0])};
