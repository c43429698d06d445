/* listener.c - owns listening sockets: the engine's queue of established
 * connections is emptied into the queue of the app's AF_UNIX listener.
 *
 * The kernel's backlog decides how many wait there; one more is kept in limbo. While
 * there is one, the engine is told that the queue is full: TCP takes no more.
 */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inaddr.h"

#define BACKLOG_MAX 4096 /* net.core.somaxconn's default */
#define RETRY_MIN_US 500u
#define RETRY_MAX_US 20000u

/* What is negative or huge is the maximum. */
static int sane_backlog(int backlog)
{
	return backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
}

/* ---- opening --------------------------------------------------------------------- */

static int bind_anywhere(struct stack *st, struct sock *s)
{
	struct endpoint any = {.addr = s->bound_to.addr};

	return stack_reserve(st, s, &any);
}

static int new_group(struct listener *l)
{
	struct stack *st = l->st;
	struct port *p = l->binding->port;
	struct listener_group *g = calloc(1, sizeof(*g));
	struct tcp_opts opts;
	int err = -ENOMEM;

	if (!g)
		return err;
	g->h.kind = HANDLE_GROUP;
	stack_tcp_opts(st, &l->opts, &opts);
	err = port_listen(p);
	if (!err) {
		err = tcp_listen(st->engine, guard_local(p->guard), l->backlog, &opts, g,
				 st->now_us, &g->tcb);
		if (err)
			port_unlisten(p);
	}
	if (err) {
		free(g);
		return err;
	}
	p->group = g;
	tcp_set_fastopen_keys(g->tcb, &l->opts.fastopen_keys); /* else the stack's will do */
	return 0;
}

/* So many connections wait where the engine does not see them. */
static void count_elsewhere(struct listener_group *g)
{
	const struct listener *l;
	uint32_t n = 0;

	for (l = g->first; l; l = l->mate)
		n += (l->limbo ? 1 : 0) + (l->full ? l->room : 0);
	tcp_wait_elsewhere(g->tcb, n);
}

static void set_backlog(struct listener_group *g)
{
	struct listener *l;
	int sum = 0;

	for (l = g->first; l; l = l->mate) {
		l->room = (uint32_t)sock_native_backlog(l->backlog) + 1;
		sum += l->backlog;
	}
	tcp_set_backlog(g->tcb, sum < BACKLOG_MAX ? sum : BACKLOG_MAX);
}

static int join_group(struct listener *l)
{
	struct port *p = l->binding->port;
	int err = 0;

	if (!p->group)
		err = new_group(l);
	else if (!p->reuseport)
		err = -EADDRINUSE;
	if (err)
		return err;
	l->group = p->group;
	l->mate = l->group->first;
	l->group->first = l;
	l->group->n++;
	set_backlog(l->group);
	return 0;
}

static void leave_group(struct listener *l)
{
	struct listener_group *g = l->group;
	struct listener **at = &g->first;
	struct port *p = l->binding->port;

	while (*at && *at != l)
		at = &(*at)->mate;
	if (*at)
		*at = l->mate;
	if (--g->n) {
		set_backlog(g);
		count_elsewhere(g);
		return;
	}
	tcp_release(g->tcb, l->st->now_us);
	p->group = NULL;
	port_unlisten(p);
	free(g);
}

static struct listener *new_listener(struct stack *st, struct sock *s, int backlog)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->h.kind = HANDLE_LISTENER;
	l->st = st;
	l->wait_us = RETRY_MIN_US;
	l->s = sock_get(s);
	l->binding = s->driver;
	l->backlog = s->backlog = backlog;
	l->opts = s->opts;
	l->name = s->name;
	l->name_len = s->name_len;
	l->user = s->user;
	l->next = st->listeners;
	if (l->next)
		l->next->prev = l;
	st->listeners = l;
	s->driver = &l->h;
	return l;
}

static void free_listener(struct listener *l)
{
	if (l->prev)
		l->prev->next = l->next;
	else
		l->st->listeners = l->next;
	if (l->next)
		l->next->prev = l->prev;
	sock_put(l->s);
	free(l);
}

static int make(struct stack *st, struct sock *s, int backlog)
{
	struct listener *l = new_listener(st, s, backlog);
	int err;

	if (!l)
		return -ENOMEM;
	err = join_group(l);
	if (err) {
		s->driver = l->binding;
		free_listener(l);
		return err;
	}
	s->local = *guard_local(l->binding->port->guard);
	atomic_store(&s->state, SOCK_LISTENING);
	return 0;
}

int listener_open(struct stack *st, struct sock *s, int backlog)
{
	struct handle *h;
	int err;

	conn_forget(s);
	h = s->driver;
	if (h && h->kind == HANDLE_LISTENER) {
		((struct listener *)h)->backlog = s->backlog = sane_backlog(backlog);
		((struct listener *)h)->user = s->user;
		set_backlog(((struct listener *)h)->group);
		listener_pump((struct listener *)h);
		return 0;
	}
	if (h && h->kind != HANDLE_BINDING)
		return -EINVAL;
	err = h ? 0 : bind_anywhere(st, s);
	if (err)
		return err;
	err = make(st, s, sane_backlog(backlog));
	if (err && !h) {
		binding_free(st, s->driver);
		s->driver = NULL;
	}
	return err;
}

/* ---- connections -------------------------------------------------------------- */

/* Other processes that accept do not tell us of it. */
static void block(struct listener *l)
{
	l->blocked = true;
	l->wait_us = l->wait_us < RETRY_MAX_US / 2 ? l->wait_us * 2 : RETRY_MAX_US;
	stack_retry(l->st, l->wait_us);
}

static int offer(struct listener *l)
{
	int err = conn_pair(l->limbo);

	if (err != -EAGAIN)
		return err;
	/* The app may have called accept() just before it could see this. */
	atomic_store(&l->s->backlog_full, true);
	return conn_pair(l->limbo);
}

static bool offer_limbo(struct listener *l, const struct listener_group *g);

/* The app has closed l or shut it down, which only now is seen: as with Linux, who
 * comes later is the others' of the group. Is there any? */
static bool end_and_pass_on(struct listener *l, const struct listener_group *g)
{
	bool alone = g->n == 1;
	struct conn *c = l->limbo;
	struct listener *to;

	if (!alone)
		l->limbo = NULL;
	listener_stop(l);
	to = alone ? NULL : listener_for(g, tcp_flow(c->tcb));
	if (to) {
		conn_set_listener(c, to);
		return offer_limbo(to, g);
	}
	if (!alone) {
		c->listener = NULL;
		conn_reset(c);
	}
	return !alone;
}

/* Offers what waits for l, which may be its end. Is anybody left in the group? */
static bool offer_limbo(struct listener *l, const struct listener_group *g)
{
	int err = l->limbo ? offer(l) : 0;

	if (err == -ECONNREFUSED)
		return end_and_pass_on(l, g);
	if (err) {
		l->full = err == -EAGAIN;
		block(l);
	} else {
		l->limbo = NULL;
		l->full = false;
		l->wait_us = RETRY_MIN_US;
		l->blocked = false;
		atomic_store(&l->s->backlog_full, false);
	}
	return true;
}

static bool takes(const struct listener *l)
{
	return !l->limbo && !l->blocked;
}

struct listener *listener_for(const struct listener_group *g, const struct flow *flow)
{
	const uint8_t *b = (const uint8_t *)flow;
	uint32_t hash = 2166136261u; /* FNV-1a */
	struct listener *l, *any = NULL;
	unsigned at, i;

	for (i = 0; i < sizeof(*flow); i++)
		hash = (hash ^ b[i]) * 16777619u;
	at = (hash ^ hash >> 16) % g->n;
	for (l = g->first, i = 0; l; l = l->mate, i++) {
		if (takes(l) && i == at)
			return l;
		if (takes(l))
			any = l;
	}
	return any;
}

static bool somebody_takes(const struct listener_group *g)
{
	const struct listener *l;

	for (l = g->first; l; l = l->mate)
		if (takes(l))
			return true;
	return false;
}

void listener_incoming(struct listener_group *g)
{
	struct conn *c;
	int err = 0;

	while (somebody_takes(g)) {
		c = conn_incoming(g, &err);
		if (!c && err)
			block(g->first);
		if (!c)
			break;
		if (!offer_limbo(c->listener, g))
			return;
	}
	count_elsewhere(g);
}

void listener_pump(struct listener *l)
{
	struct listener_group *g = l->group;

	l->blocked = false;
	if (offer_limbo(l, g))
		listener_incoming(g);
}

void listener_mend(struct listener *l)
{
	struct conn *c = l->limbo;

	if (!c || c->fd < 0)
		return;
	c->listener = l;
	if (conn_pair(c) == 0)
		l->limbo = NULL;
}

/* ---- the end -------------------------------------------------------------------- */

void listener_stop(struct listener *l)
{
	struct stack *st = l->st;

	if (l->limbo)
		conn_reset(l->limbo);
	leave_group(l);
	binding_free(st, l->binding);
	if (l->s->driver == &l->h)
		l->s->driver = NULL;
	free_listener(l);
}

void listener_set_opts(struct listener *l, const struct sock_opts *opts)
{
	struct tcp_opts tcp;

	l->opts = *opts;
	stack_tcp_opts(l->st, opts, &tcp);
	tcp_set_opts(l->group->tcb, &tcp, l->st->now_us);
	tcp_set_fastopen_keys(l->group->tcb, &opts->fastopen_keys);
}
