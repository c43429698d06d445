/* ports.c - owns the guards, and decides which connections share one.
 *
 * Invariants: a port is on the busy list while refs > 0, else on the idle list;
 * owners <= refs; pool[p->pool_at] == p exactly for pooled ports. A port of a
 * bound socket is given back at once when the engine does not need it, so that
 * the program or another process can bind it again. A pooled one stays for the
 * next connection, until ports_collect() or until too many are idle: each costs
 * an fd, and many listeners make the kernel slow.
 */
#include "ports.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "../engine/addr.h"
#include "nofile.h"

/* So many ports are opened for an address before connections share one. */
#define POOL_MIN 16
/* So many connections share a port: the numbers in use do not stay the same. */
#define PICKS_MAX 32
/* So many shared ports are looked at for one with the right address. */
#define PICK_LOOKS 8
/* Idle ports beyond so many, or this part of the fd limit, are closed. */
#define IDLE_MAX 1024
#define IDLE_PART 4
/* Idle ports looked at for each one more: two, so that their number shrinks. */
#define TRIM_LOOKS 2
/* Idle ports closed at a time for want of fds. */
#define ROOM_MAX 16
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

static bool needed(const struct ports *ps, const struct port *p)
{
	const struct endpoint *at = guard_local(p->guard);
	bool v4 = addr_is_v4(&at->addr);

	return engine_port_in_use(ps->engine, at->port, !v4) ||
	       (!v4 && !p->v6only && addr_is_any(&at->addr) &&
		engine_port_in_use(ps->engine, at->port, false));
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

static void make_idle(struct ports *ps, struct port *p)
{
	list_remove(&ps->busy, p);
	list_append(&ps->idle, p);
	ps->idle_n++;
}

static void leave_idle(struct ports *ps, struct port *p)
{
	list_remove(&ps->idle, p);
	ps->idle_n--;
}

/* p is idle. */
static void close_port(struct ports *ps, struct port *p)
{
	if (p->pooled)
		pool_remove(ps, p);
	leave_idle(ps, p);
	guard_close(p->twin);
	guard_close(p->guard);
	free(p);
}

void port_get(struct ports *ps, struct port *p)
{
	if (p->refs++)
		return;
	leave_idle(ps, p);
	list_append(&ps->busy, p);
}

/* Closes idle ports, oldest first; those still needed go to the end of the
 * queue. How many were closed. */
static unsigned collect(struct ports *ps, unsigned looks, unsigned close_max)
{
	unsigned closed = 0;
	struct port *p;

	if (looks > ps->idle_n)
		looks = ps->idle_n;
	for (; (p = ps->idle.first) && looks && closed < close_max; looks--) {
		if (!needed(ps, p)) {
			close_port(ps, p);
			closed++;
			continue;
		}
		list_remove(&ps->idle, p);
		list_append(&ps->idle, p);
	}
	return closed;
}

void ports_collect(struct ports *ps)
{
	collect(ps, COLLECT_MAX, COLLECT_MAX);
}

static unsigned stow(const struct port_list *list, unsigned max)
{
	unsigned n = 0;

	for (struct port *p = list->last; p && n < max; p = p->prev)
		n += p->quiet && !p->owners && !p->listened && guard_stow(p->guard) == 0;
	return n;
}

/* Guards that nobody but connections needs; the newest have fds of their own. */
static bool stow_some(struct ports *ps)
{
	unsigned n = stow(&ps->busy, GUARD_STOW_MAX);

	n += stow(&ps->idle, GUARD_STOW_MAX - n);
	if (n)
		guard_shelf_ready(ps->link);
	return n;
}

/* The idle ports that are first have been so for longest. A port that was listened at is
 * one guard, however many TIME-WAITs there are. */
static bool cut_time_waits(struct ports *ps)
{
	uint16_t oldest[ROOM_MAX];
	size_t n = 0;

	for (struct port *p = ps->idle.first; p && n < ROOM_MAX; p = p->next)
		if (!p->listened)
			oldest[n++] = guard_local(p->guard)->port;
	return engine_end_timewaits(ps->engine, oldest, n, *ps->now_us) &&
	       collect(ps, ps->idle_n, ROOM_MAX);
}

bool ports_make_room(struct ports *ps, int err)
{
	if (err != -EMFILE && err != -ENFILE)
		return false;
	return collect(ps, ps->idle_n, ROOM_MAX) ||
	       (err == -EMFILE && (nofile_raise() || stow_some(ps))) || cut_time_waits(ps);
}

/* Asks the kernel, and again while there is a chance that it says yes now. */
static int open_guard(struct ports *ps, const struct endpoint *local,
		      uint32_t ifindex, unsigned flags, struct guard **out)
{
	int err;

	do
		err = guard_open(ps->link, local, ifindex, flags, out);
	while (ports_make_room(ps, err));
	if (err == -EADDRINUSE && !local->port) {
		ports_collect(ps);
		err = guard_open(ps->link, local, ifindex, flags, out);
	}
	return err;
}

size_t ports_needed(const struct ports *ps, struct port **out, size_t max)
{
	struct port *p;
	size_t n = 0;

	for (p = ps->idle.first; p; p = p->next)
		if (needed(ps, p) && n++ < max)
			out[n - 1] = p;
	return n;
}

int ports_adopt(struct ports *ps, int fd, uint32_t ifindex, uint16_t *number)
{
	struct port *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	err = guard_adopt(ps->link, fd, ifindex, &p->guard);
	if (err) {
		free(p);
		return err;
	}
	p->ifindex = ifindex;
	p->quiet = true;
	list_append(&ps->idle, p);
	ps->idle_n++;
	*number = guard_local(p->guard)->port;
	return 0;
}

void port_terms(const struct port *p, struct port_terms *terms)
{
	*terms = (struct port_terms){.ifindex = p->ifindex, .guard_flags = guard_flags(p->guard),
				     .v6only = p->v6only, .reuse = p->reuse,
				     .reuseport = p->reuseport};
}

int ports_inherit(struct ports *ps, int fd, const struct port_terms *terms, struct port **out)
{
	struct port *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	err = guard_take(ps->link, fd, terms->ifindex, terms->guard_flags, &p->guard);
	if (err) {
		free(p);
		return err;
	}
	p->refs = 1;
	p->ifindex = terms->ifindex;
	p->v6only = terms->v6only;
	p->reuse = terms->reuse;
	p->reuseport = terms->reuseport;
	p->quiet = true;
	list_append(&ps->busy, p);
	*out = p;
	return 0;
}

int port_make_twin(struct port *p)
{
	struct guard *twin;
	int err = p->twin ? 0 : guard_twin(p->guard, &twin);

	if (!p->twin && !err)
		p->twin = twin;
	return err;
}

void port_drop_twin(struct port *p)
{
	guard_close(p->twin);
	p->twin = NULL;
}

void port_lose_guard(struct port *p)
{
	guard_let_go(p->guard);
	if (!p->twin)
		return;
	guard_close(p->guard);
	p->guard = p->twin;
	p->twin = NULL;
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
	p->v6only = flags & GUARD_V6ONLY;
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

/* The own port at this very endpoint that another socket may join, if it asks for
 * SO_REUSEADDR: its socket is closed while its connections live on, or it is
 * shared by sockets that do not listen. Or the sockets all share by SO_REUSEPORT. */
static struct port *find_joinable(struct ports *ps, const struct endpoint *local,
				  const struct sock_opts *opts)
{
	struct port *lists[] = {ps->busy.first, ps->idle.first}, *p;
	int i;

	for (i = 0; i < 2; i++)
		for (p = lists[i]; p; p = p->next)
			if (!p->pooled && p->ifindex == opts->ifindex &&
			    (!addr_is_any(&local->addr) || p->v6only == opts->v6only) &&
			    (!p->owners || (p->reuse && !p->listens) ||
			     (p->reuseport && opts->reuseport)) &&
			    endpoint_eq(guard_local(p->guard), local))
				return p;
	return NULL;
}

int ports_bind(struct ports *ps, const struct endpoint *local,
	       const struct sock_opts *opts, struct port **out)
{
	unsigned flags = (opts->reuseaddr ? GUARD_REUSEADDR : 0) |
			 (opts->reuseport ? GUARD_REUSEPORT : 0) |
			 (opts->v6only ? GUARD_V6ONLY : 0) |
			 (opts->freebind ? GUARD_FREEBIND : 0);
	struct port *p = NULL;
	int err;

	if (local->port) {
		make_way(ps, local->port);
		p = find_joinable(ps, local, opts);
		if (p && !opts->reuseaddr && !(p->reuseport && opts->reuseport))
			return -EADDRINUSE;
	}
	if (p) {
		port_get(ps, p);
	} else {
		err = new_port(ps, local, opts->ifindex, flags, &p);
		if (err)
			return err;
	}
	if (!p->owners++)
		p->reuse = p->reuseport = true;
	p->reuse &= opts->reuseaddr;
	p->reuseport &= opts->reuseport;
	*out = p;
	return 0;
}

int port_listen(struct port *p)
{
	int err = p->listens ? -EADDRINUSE : 0;

	if (!err)
		err = guard_listen(p->guard);
	if (!err)
		p->quiet = p->listens = p->listened = true;
	return err;
}

void port_unlisten(struct port *p)
{
	p->listens = false;
	guard_linger(p->guard);
}

int port_connect(struct port *p)
{
	int err = 0;

	if (!p->quiet)
		err = p->reuse ? guard_share(p->guard) : guard_listen(p->guard);
	if (!err)
		p->quiet = true;
	return err;
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
	p->quiet = true;
	pool_add(ps, p); /* without memory for it, the port is not shared */
	if (ps->pool_n >= POOL_MIN)
		guard_shelf_ready(ps->link); /* if it cannot, fds end sooner */
	*out = p;
	return 0;
}

/* A caller that finds it in use asks again, for another one. */
struct port *ports_pick(struct ports *ps, const struct ip_addr *src,
			uint32_t ifindex)
{
	uint32_t random, i;

	if (ps->pool_n < POOL_MIN ||
	    getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return NULL;
	for (i = 0; i < PICK_LOOKS; i++) {
		struct port *p = ps->pool[(random + i) % ps->pool_n];

		if (p->ifindex != ifindex ||
		    !addr_eq(&guard_local(p->guard)->addr, src))
			continue;
		if (++p->picks == PICKS_MAX)
			pool_remove(ps, p);
		return p;
	}
	return NULL;
}

static bool too_many_idle(const struct ports *ps)
{
	return ps->idle_n > IDLE_MAX || ps->idle_n > driver_nofile_soft() / IDLE_PART;
}

void port_put(struct ports *ps, struct port *p)
{
	if (--p->refs)
		return;
	make_idle(ps, p);
	if (!p->pooled && !needed(ps, p))
		close_port(ps, p);
	else if (too_many_idle(ps))
		collect(ps, TRIM_LOOKS, TRIM_LOOKS);
}

void port_disown(struct ports *ps, struct port *p)
{
	/* Whoever listens here next shall find the port free, although
	 * connections keep the guard. */
	if (--p->owners == 0 && p->listened)
		port_unlisten(p);
	port_put(ps, p);
}

void ports_free(struct ports *ps)
{
	struct port *p;

	while ((p = ps->busy.first))
		make_idle(ps, p);
	while (ps->idle.first)
		close_port(ps, ps->idle.first);
	free(ps->pool);
}
