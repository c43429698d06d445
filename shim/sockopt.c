/* sockopt.c - getsockopt() and setsockopt(): what the rows of the option tables
 * have in common.
 *
 * What is not in a table does not exist (ENOPROTOOPT), as with Linux. Ranges,
 * errors and what is read back are Linux's (net/core/sock.c, tcp.c,
 * ip_sockglue.c). Values without a meaning here are kept in s->extra, at the
 * index that counts through all tables, to be given back.
 */
#include "sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "driver.h"
#include "fdtab.h"
#include "sockcall.h"

static const struct option_table *const tables[] = {
	&sockopt_socket, &sockopt_tcp, &sockopt_ip,
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

int sockopt_changed(struct sock *s)
{
	if (atomic_load(&s->state) != SOCK_FRESH && sock_is_mine(s))
		driver_set_opts(s);
	return 0;
}

bool sockopt_status(struct sock *s, struct tcp_status *st)
{
	return atomic_load(&s->state) == SOCK_CONNECTED && sock_is_mine(s) &&
	       driver_status(s, st) == 0;
}

const struct engine_config *sockopt_engine_config(void)
{
	return &driver_config()->engine;
}

int sockopt_get_nothing(struct sock *s, int fd, void *val, socklen_t *len)
{
	(void)s;
	(void)fd;
	(void)val;
	*len = 0;
	return 0;
}

/* AF_INET sockets know nothing of IPv6; the others know both. */
static bool is_known_level(const struct sock *s, int level)
{
	return level == SOL_SOCKET || level == IPPROTO_TCP || level == SOL_IP ||
	       (level == SOL_IPV6 && s->family == AF_INET6);
}

/* *extra: its place, should it be kept there. */
static const struct option *find(const struct sock *s, int level, int name,
				 size_t *extra)
{
	size_t t, i, before = 0;

	if (!is_known_level(s, level))
		return NULL;
	for (t = 0; t < TABLES; t++) {
		for (i = 0; i < tables[t]->n; i++) {
			const struct option *o = &tables[t]->rows[i];

			*extra = before + i;
			if (o->level == level && o->name == name)
				return o;
		}
		before += tables[t]->n;
	}
	return NULL;
}

void sock_opts_init(struct sock *s)
{
	size_t t, i, extra = 0;

	for (t = 0; t < TABLES; t++)
		for (i = 0; i < tables[t]->n && extra < SOCK_EXTRA_MAX; i++)
			s->extra[extra++] = tables[t]->rows[i].dflt;
	s->opts.max_pacing_rate = UINT64_MAX;
	s->opts.tcp.ip.mtu_discover = (uint8_t)driver_config()->mtu_discover;
	s->opts.v6only = s->family == AF_INET6 && driver_config()->v6only;
	s->opts.tcp.ip6.mtu_discover = IPV6_PMTUDISC_WANT;
}

/* Linux clones the listener, but for what belongs to its queue, or to packets. */
void sock_opts_inherit(struct sock *s, const struct sock *listener)
{
	size_t extra;

	s->opts = listener->opts;
	s->opts.tcp.defer_accept_s = 0;
	memcpy(s->extra, listener->extra, sizeof(s->extra));
	if (find(s, SOL_SOCKET, SO_PRIORITY, &extra))
		s->extra[extra] = 0;
}

static int load(const struct sock *s, const struct option *o, size_t extra)
{
	const char *at = (const char *)&s->opts + o->at;
	int v = 0;

	if (!o->size)
		return s->extra[extra];
	if (o->size == sizeof(v))
		memcpy(&v, at, sizeof(v));
	else
		v = *(const uint8_t *)at; /* bool is one too */
	if (!v && o->configured)
		memcpy(&v, (const char *)sockopt_engine_config() + o->configured, sizeof(v));
	return v;
}

static int store(struct sock *s, const struct option *o, size_t extra, int v)
{
	char *at = (char *)&s->opts + o->at;

	if (!o->size) {
		s->extra[extra] = v;
		return 0;
	}
	if (o->size == sizeof(v))
		memcpy(at, &v, sizeof(v));
	else
		*(uint8_t *)at = (uint8_t)v;
	return sockopt_changed(s);
}

int sock_getsockopt(struct sock *s, int fd, int level, int name, void *val,
		    socklen_t *len)
{
	size_t extra;
	const struct option *o = find(s, level, name, &extra);

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
	case OPT_BYTE:
		return optval_put_byte(load(s, o, extra), val, len);
	default:
		return optval_put_int(load(s, o, extra), val, len);
	}
}

int sock_setsockopt(struct sock *s, int fd, int level, int name, const void *val,
		    socklen_t len)
{
	size_t extra;
	const struct option *o = find(s, level, name, &extra);
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
	if (o->kind == OPT_BOOL)
		v = v != 0;
	else if (v < o->min || v > o->max)
		return -EINVAL;
	return store(s, o, extra, o->adjust ? o->adjust(v) : v);
}
