/* sockopt.c - getsockopt() and setsockopt(): what the rows of the option tables
 * have in common.
 *
 * Ranges, errors and what is read back are Linux's (net/core/sock.c, tcp.c,
 * ip_sockglue.c), by the tables or, without a row there, by asking the kernel.
 */
#include "sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "control.h"
#include "driver.h"
#include "nativeopt.h"
#include "real.h"
#include "remote.h"
#include "sockcall.h"
#include "usermem.h"

static const struct option_table *const tables[] = {
	&sockopt_socket, &sockopt_tcp, &sockopt_ip, &sockopt_ipv6,
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

/* ---- values that only come back --------------------------------------------- */

/* Its place, or the first free one. */
static unsigned kept_at(const struct sock_kept *k, int level, int name)
{
	unsigned i;

	for (i = 0; i < k->n; i++)
		if (k->level[i] == level && k->name[i] == name)
			break;
	return i;
}

static int keep(struct sock_kept *k, int level, int name, const void *val,
		socklen_t len)
{
	unsigned i = kept_at(k, level, name);

	if (i == SOCK_KEPT_MAX || level > UINT16_MAX || name > UINT16_MAX)
		return -ENOBUFS;
	if (len > sizeof(k->value[i]))
		len = sizeof(k->value[i]);
	k->level[i] = level;
	k->name[i] = name;
	k->len[i] = len;
	memcpy(&k->value[i], val, len);
	if (i == k->n)
		k->n++;
	return 0;
}

static void forget(struct sock_kept *k, int level, int name)
{
	unsigned i = kept_at(k, level, name);

	if (i < k->n)
		k->len[i] = 0;
}

/* ---- the tables ----------------------------------------------------------------- */

/* AF_INET sockets know nothing of IPv6; the others know both. */
static bool is_known_level(const struct sock *s, int level)
{
	return level == SOL_SOCKET || level == IPPROTO_TCP || level == SOL_IP ||
	       (level == SOL_IPV6 && s->family == AF_INET6);
}

static const struct option *find(const struct sock *s, int level, int name)
{
	size_t t, i;

	if (!is_known_level(s, level))
		return NULL;
	for (t = 0; t < TABLES; t++) {
		for (i = 0; i < tables[t]->n; i++) {
			const struct option *o = &tables[t]->rows[i];

			if (o->level == level && o->name == name)
				return o;
		}
	}
	return NULL;
}

void sock_opts_init(struct sock *s)
{
	s->kept.n = 0;
	s->opts.max_pacing_rate = UINT64_MAX;
	s->opts.tcp.ip.mtu_discover = (uint8_t)driver_config()->mtu_discover;
	s->opts.v6only = s->family == AF_INET6 && driver_config()->v6only;
	s->opts.tcp.ip6.mtu_discover = IPV6_PMTUDISC_WANT;
}

/* Linux clones the listener, but for what belongs to its queue, or to packets. */
void sock_opts_inherit(struct sock *s, const struct sock *listener)
{
	s->opts = listener->opts;
	s->opts.tcp.defer_accept_s = 0;
	s->opts.tcp.fastopen_queue = 0;
	s->opts.fastopen_keys.n = 0;
	s->kept = listener->kept;
	forget(&s->kept, SOL_SOCKET, SO_PRIORITY);
	sock_use_scope(s, &s->local.addr);
}

static int load(const struct sock *s, const struct option *o)
{
	const char *at = (const char *)&s->opts + o->at;
	unsigned i = kept_at(&s->kept, o->level, o->name);
	int v = o->dflt;

	if (o->size == sizeof(v))
		memcpy(&v, at, sizeof(v));
	else if (o->size)
		v = *(const uint8_t *)at; /* bool is one too */
	else if (i < s->kept.n && s->kept.len[i])
		memcpy(&v, &s->kept.value[i], sizeof(v));
	if (!v && o->configured)
		memcpy(&v, (const char *)sockopt_engine_config() + o->configured, sizeof(v));
	return v;
}

static int store(struct sock *s, const struct option *o, int v)
{
	char *at = (char *)&s->opts + o->at;

	if (!o->size)
		return keep(&s->kept, o->level, o->name, &v, sizeof(v));
	if (o->size == sizeof(v))
		memcpy(at, &v, sizeof(v));
	else
		*(uint8_t *)at = (uint8_t)v;
	return sockopt_changed(s);
}

/* Of the options that there is a row of: is it for the stack to say or to know? */
static bool is_the_stacks(const struct option *o)
{
	return o->kind != OPT_NATIVE && o->kind != OPT_CONST && o->kind != OPT_REFUSED;
}

bool sockopt_is_the_stacks(const struct sock *s, int level, int name)
{
	const struct option *o = find(s, level, name);

	return o && is_the_stacks(o);
}

/* What the program has set, as it would have to be set again. false: nothing. */
static bool was_set(struct sock *s, struct sock *plain, int fd, const struct option *o,
		    uint8_t *val, socklen_t *len)
{
	uint8_t dflt[CONTROL_DATA_MAX];
	socklen_t dflt_len = sizeof(dflt);
	int v = load(s, o), d = load(plain, o);

	if (!is_the_stacks(o) || (o->kind == OPT_OWN && (!o->get || !o->set)))
		return false;
	*len = sizeof(dflt);
	if (o->kind != OPT_OWN) {
		optval_put_int(fd, v, val, len);
		return v != d;
	}
	if (o->get(s, fd, val, len) != 0 || o->get(plain, fd, dflt, &dflt_len) != 0 ||
	    (*len == dflt_len && memcmp(val, dflt, dflt_len) == 0))
		return false;
	if (o->level == SOL_SOCKET && (o->name == SO_SNDBUF || o->name == SO_RCVBUF)) {
		memcpy(&v, val, sizeof(v)); /* they show the double */
		v /= 2;
		memcpy(val, &v, sizeof(v));
	}
	return true;
}

void sock_opts_tell(struct sock *s, int fd)
{
	struct sock *plain = sock_new(s->family);
	uint8_t val[CONTROL_DATA_MAX];
	socklen_t len;
	size_t t, i;

	if (!plain)
		return;
	sock_opts_init(plain);
	for (t = 0; t < TABLES; t++)
		for (i = 0; i < tables[t]->n; i++) {
			const struct option *o = &tables[t]->rows[i];

			if (is_known_level(s, o->level) &&
			    was_set(s, plain, fd, o, val, &len))
				remote_setsockopt(s, fd, o->level, o->name, val, len);
		}
	sock_put(plain);
}

static int ask_stack(struct sock *s, int fd, const struct option *o, void *val,
		     socklen_t *len)
{
	uint8_t value[CONTROL_DATA_MAX];
	socklen_t n = *len < sizeof(value) ? *len : sizeof(value);
	int err = remote_getsockopt(s, fd, o->level, o->name, value, &n);

	if (!err)
		err = user_put(fd, val, value, n);
	return err ? err : user_put(fd, len, &n, sizeof(n));
}

static int tell_stack(struct sock *s, int fd, const struct option *o, const void *val,
		      socklen_t len)
{
	uint8_t value[CONTROL_DATA_MAX];
	socklen_t n = len < sizeof(value) ? len : sizeof(value);
	int err = user_get(fd, value, val, n);

	return err ? err : remote_setsockopt(s, fd, o->level, o->name, value, n);
}

/* ---- the two calls --------------------------------------------------------------- */

static struct native_option native_option(const struct sock *s, int level, int name)
{
	unsigned i = kept_at(&s->kept, level, name);
	struct native_option o = {.family = s->family, .level = level, .name = name};

	if (i < s->kept.n) {
		o.kept = &s->kept.value[i];
		o.kept_len = s->kept.len[i];
	}
	return o;
}

int sock_getsockopt(struct sock *s, int fd, int level, int name, void *val,
		    socklen_t *len)
{
	const struct native_option native = native_option(s, level, name);
	const struct option *o = find(s, level, name);
	int err;

	if (!o || o->kind == OPT_REFUSED || (o->kind == OPT_OWN && !o->get))
		return native_getsockopt(&native, val, len);
	if (o->kind == OPT_NATIVE)
		return real()->getsockopt(fd, level, name, val, len) == 0 ? 0 : -errno;
	err = user_readable(fd, len, sizeof(*len));
	if (err)
		return err;
	if ((int)*len < 0)
		return -EINVAL;
	if (is_the_stacks(o) && remote_can(s) &&
	    (err = ask_stack(s, fd, o, val, len)) != -ESRCH)
		return err;
	if (o->kind == OPT_OWN)
		return o->get(s, fd, val, len);
	if (o->kind == OPT_BYTE)
		return optval_put_byte(fd, load(s, o), val, len);
	return optval_put_int(fd, load(s, o), val, len);
}

int sockopt_set_native(struct sock *s, int level, int name, const void *val,
		       socklen_t len)
{
	const struct native_option native = native_option(s, level, name);
	int err = native_setsockopt(&native, val, len);

	return err ? err : keep(&s->kept, level, name, val, len);
}

/* To switch off what is not there is no request. */
static int refuse(const struct sock *s, const struct option *o, const void *val,
		  socklen_t len)
{
	const struct native_option native = native_option(s, o->level, o->name);
	int first = 0, err = native_setsockopt(&native, val, len);

	if (err)
		return err;
	if (len)
		memcpy(&first, val, len < sizeof(first) ? len : sizeof(first));
	return first ? -o->dflt : 0;
}

static int set_int(struct sock *s, int fd, const struct option *o, const void *val,
		   socklen_t len)
{
	int v, err = o->kind == OPT_BYTE ? optval_get_byte(fd, val, len, &v)
					 : optval_get_int(fd, val, len, &v);

	if (!err && o->not_empty && !len)
		err = -EINVAL;
	if (err)
		return err;
	if (o->kind == OPT_BOOL)
		v = v != 0;
	else if (v < o->min || v > o->max)
		return -EINVAL;
	return store(s, o, o->adjust ? o->adjust(v) : v);
}

int sock_setsockopt(struct sock *s, int fd, int level, int name, const void *val,
		    socklen_t len)
{
	const struct option *o = find(s, level, name);
	int err;

	if ((int)len < 0)
		return -EINVAL;
	if (!o || o->kind == OPT_CONST || (o->kind == OPT_OWN && !o->set))
		return sockopt_set_native(s, level, name, val, len);
	if (is_the_stacks(o) && remote_can(s) &&
	    (err = tell_stack(s, fd, o, val, len)) != -ESRCH)
		return err;
	switch (o->kind) {
	case OPT_REFUSED:
		return refuse(s, o, val, len);
	case OPT_OWN:
		return o->set(s, fd, val, len);
	case OPT_NATIVE:
		atomic_store(&s->timeouts, true);
		return real()->setsockopt(fd, level, name, val, len) == 0 ? 0 : -errno;
	default:
		return set_int(s, fd, o, val, len);
	}
}
