/* ports.c - owns the guards, and decides which connections share one.
 *
 * Invariants: a port is on the busy list while refs > 0, else on the idle list;
 * owners <= refs; pool[p->pool_at] == p exactly for pooled ports. A port of a
 * bound socket is given back at once when the engine does not need it, so that
 * the program or another process can bind it again; a pooled one stays until
 * the next ports_collect().
 */
#include "ports.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "../engine/addr.h"
#include "nofile.h"

/* So many ports are opened for an address before connections share one. */
#define POOL_MIN 16
/* So many shared ports are tried before another one is opened. */
#define PICK_TRIES 4
/* So many times the kernel is asked for a port that is free in IPv6 too. */
#define BIND_TRIES 8
/* Idle ports looked at by one ports_collect(). */
#define COLLECT_MAX 256

static void list_append(struct port_list *l, struct port *p)
{
	p->prev = l->last;
	p->next = NULL;
	if (l->last)
		l->last->next = p;
	else
		l->first = p;
	l->last = p;
}

static void list_remove(struct port_list *l, struct port *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		l->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		l->last = p->prev;
}

bool port_hears(const struct port *p)
{
	return addr_is_v4(&guard_local(p->guard)->addr);
}

static bool needed(const struct ports *ps, const struct port *p)
{
	return port_hears(p) && engine_port_in_use(ps->engine, guard_local(p->guard)->port);
}

static bool pool_add(struct ports *ps, struct port *p)
{
	if (ps->pool_n == ps->pool_max) {
		uint32_t max = ps->pool_max ? ps->pool_max * 2 : POOL_MIN;
		struct port **grown = realloc(ps->pool, max * sizeof(*grown));

		if (!grown)
			return false;
		ps->pool = grown;
		ps->pool_max = max;
	}
	p->pooled = true;
	p->pool_at = ps->pool_n;
	ps->pool[ps->pool_n++] = p;
	return true;
}

static void pool_remove(struct ports *ps, struct port *p)
{
	struct port *last = ps->pool[--ps->pool_n];

	ps->pool[p->pool_at] = last;
	last->pool_at = p->pool_at;
	p->pooled = false;
}

/* p is idle. */
static void close_port(struct ports *ps, struct port *p)
{
	if (p->pooled)
		pool_remove(ps, p);
	list_remove(&ps->idle, p);
	guard_close(p->also_v6);
	guard_close(p->guard);
	free(p);
}

void port_get(struct ports *ps, struct port *p)
{
	if (p->refs++)
		return;
	list_remove(&ps->idle, p);
	list_append(&ps->busy, p);
}

/* Asks the kernel, and once more when there is a chance that it says yes now. */
static int open_guard(struct ports *ps, const struct endpoint *local,
		      uint32_t ifindex, unsigned flags, struct guard **out)
{
	int err = guard_open(ps->link, local, ifindex, flags, out);

	if (err == -EMFILE && nofile_raise())
		err = guard_open(ps->link, local, ifindex, flags, out);
	if (err == -EMFILE || (err == -EADDRINUSE && !local->port)) {
		ports_collect(ps);
		err = guard_open(ps->link, local, ifindex, flags, out);
	}
	return err;
}

static int new_port(struct ports *ps, const struct endpoint *local,
		    uint32_t ifindex, unsigned flags, struct port **out)
{
	struct port *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	err = open_guard(ps, local, ifindex, flags, &p->guard);
	if (err) {
		free(p);
		return err;
	}
	p->refs = 1;
	p->ifindex = ifindex;
	p->local = *guard_local(p->guard);
	list_append(&ps->busy, p);
	*out = p;
	return 0;
}

/* Own ports that nobody needs must not stand in the way of a bind(). */
static void make_way(struct ports *ps, uint16_t number)
{
	struct port *p, *next;

	for (p = ps->idle.first; p; p = next) {
		next = p->next;
		if (guard_local(p->guard)->port == number && !needed(ps, p))
			close_port(ps, p);
	}
}

/* The own port at this very endpoint whose socket is closed, while its
 * connections live on. */
static struct port *find_lingering(struct ports *ps, const struct endpoint *local,
				   uint32_t ifindex)
{
	struct port *lists[] = {ps->busy.first, ps->idle.first}, *p;
	int i;

	for (i = 0; i < 2; i++)
		for (p = lists[i]; p; p = p->next)
			if (!p->owners && !p->pooled && p->ifindex == ifindex &&
			    endpoint_eq(guard_local(p->guard), local))
				return p;
	return NULL;
}

/* Holds the port of p in IPv6 too, unless the kernel has none. */
static int reserve_v6(struct ports *ps, struct port *p, unsigned flags)
{
	const struct endpoint any = {.port = p->local.port};
	int err = open_guard(ps, &any, p->ifindex, flags | GUARD_V6ONLY,
			     &p->also_v6);

	return err == -EAFNOSUPPORT ? 0 : err;
}

/* ports_bind(), once. */
static int try_bind(struct ports *ps, const struct endpoint *local,
		    const struct sock_opts *opts, struct port **out)
{
	static const uint8_t any_v4[4];
	bool dual = !addr_is_v4(&local->addr) && !opts->v6only;
	struct endpoint at = *local;
	unsigned flags = (opts->reuseaddr ? GUARD_REUSEADDR : 0) |
			 (opts->reuseport ? GUARD_REUSEPORT : 0) |
			 (opts->v6only ? GUARD_V6ONLY : 0);
	struct port *p = NULL;
	int err = 0;

	if (dual)
		at.addr = addr_from_v4(any_v4);
	if (at.port) {
		make_way(ps, at.port);
		p = find_lingering(ps, &at, opts->ifindex);
		if (p && !opts->reuseaddr)
			return -EADDRINUSE;
	}
	if (p) {
		port_get(ps, p);
	} else {
		err = new_port(ps, &at, opts->ifindex, flags, &p);
		if (err)
			return err;
	}
	p->owners++;
	p->local.addr = local->addr;
	if (dual)
		err = reserve_v6(ps, p, flags);
	if (err)
		port_disown(ps, p);
	else
		*out = p;
	return err;
}

int ports_bind(struct ports *ps, const struct endpoint *local,
	       const struct sock_opts *opts, struct port **out)
{
	int tries = BIND_TRIES, err;

	if (!addr_is_v4(&local->addr) && !addr_is_any(&local->addr))
		return -EADDRNOTAVAIL;
	/* The kernel's choice for IPv4 may be taken in IPv6. */
	do
		err = try_bind(ps, local, opts, out);
	while (err == -EADDRINUSE && !local->port && --tries);
	return err;
}

int port_listen(struct port *p)
{
	int err = p->also_v6 ? guard_listen(p->also_v6) : 0;

	return err ? err : guard_listen(p->guard);
}

int ports_ephemeral(struct ports *ps, const struct ip_addr *src,
		    uint32_t ifindex, struct port **out)
{
	struct endpoint local = {.addr = *src};
	struct port *p;
	int err;

	err = new_port(ps, &local, ifindex, 0, &p);
	if (err)
		return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
	err = guard_listen(p->guard);
	if (err) {
		port_put(ps, p);
		return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
	}
	pool_add(ps, p); /* without memory for it, the port is not shared */
	*out = p;
	return 0;
}

/* FNV-1a; a collision costs nothing but another port. */
static uint64_t remote_bit(const struct endpoint *remote)
{
	uint32_t h = 2166136261u ^ remote->port;
	size_t i;

	for (i = 0; i < sizeof(remote->addr.b); i++)
		h = (h ^ remote->addr.b[i]) * 16777619u;
	return 1ull << ((h ^ h >> 16) & 63);
}

static void forget_old_remotes(struct port *p, uint64_t now_us)
{
	uint64_t minute = now_us / 60000000;

	if (minute == p->minute)
		return;
	p->old_remotes = minute == p->minute + 1 ? p->remotes : 0;
	p->remotes = 0;
	p->minute = minute;
}

void port_note_remote(struct port *p, const struct endpoint *remote,
		      uint64_t now_us)
{
	forget_old_remotes(p, now_us);
	p->remotes |= remote_bit(remote);
}

/* Where the last connection with the same four numbers ended not long ago, the
 * remote may be in TIME-WAIT, and would not take the SYN at once. */
static bool fits(struct port *p, const struct flow *flow, uint32_t ifindex,
		 uint64_t now_us)
{
	if (p->ifindex != ifindex ||
	    !addr_eq(&guard_local(p->guard)->addr, &flow->local.addr))
		return false;
	forget_old_remotes(p, now_us);
	return !((p->remotes | p->old_remotes) & remote_bit(&flow->remote));
}

struct port *ports_pick(struct ports *ps, const struct flow *flow,
			uint32_t ifindex, uint64_t now_us)
{
	uint32_t random[PICK_TRIES];
	int i;

	if (ps->pool_n < POOL_MIN ||
	    getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return NULL;
	for (i = 0; i < PICK_TRIES; i++) {
		struct port *p = ps->pool[random[i] % ps->pool_n];

		if (fits(p, flow, ifindex, now_us))
			return p;
	}
	return NULL;
}

void port_put(struct ports *ps, struct port *p)
{
	if (--p->refs)
		return;
	list_remove(&ps->busy, p);
	list_append(&ps->idle, p);
	if (!p->pooled && !needed(ps, p))
		close_port(ps, p);
}

void port_disown(struct ports *ps, struct port *p)
{
	/* Whoever listens here next shall find the port free, although
	 * connections keep the guard. */
	if (--p->owners == 0) {
		guard_close(p->also_v6);
		p->also_v6 = NULL;
		if (p->listened)
			guard_linger(p->guard);
	}
	port_put(ps, p);
}

/* Oldest first; those still needed go to the end of the queue. */
void ports_collect(struct ports *ps)
{
	const struct port *end = ps->idle.last;
	struct port *p = NULL;
	int i;

	for (i = 0; ps->idle.first && p != end && i < COLLECT_MAX; i++) {
		p = ps->idle.first;
		if (!needed(ps, p)) {
			close_port(ps, p);
			continue;
		}
		list_remove(&ps->idle, p);
		list_append(&ps->idle, p);
	}
}

void ports_free(struct ports *ps)
{
	struct port *p;

	while ((p = ps->busy.first)) {
		list_remove(&ps->busy, p);
		list_append(&ps->idle, p);
	}
	while (ps->idle.first)
		close_port(ps, ps->idle.first);
	free(ps->pool);
}
