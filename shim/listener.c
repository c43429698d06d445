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
	struct endpoint any = inaddr_any(s->family);

	return stack_bind(st, s, &any);
}

static int start(struct listener *l, int backlog)
{
	struct stack *st = l->st;
	struct guard *g = l->binding->port->guard;
	struct tcp_opts opts;

	stack_tcp_opts(st, &l->opts, &opts);
	return tcp_listen(st->engine, guard_local(g), backlog, &opts, l,
			  st->now_us, &l->tcb);
}

static void set_room(struct listener *l, int backlog)
{
	l->room = (uint32_t)sock_native_backlog(backlog) + 1;
}

static struct listener *new_listener(struct stack *st, struct sock *s)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->h.kind = HANDLE_LISTENER;
	l->st = st;
	l->wait_us = RETRY_MIN_US;
	l->s = sock_get(s);
	l->binding = s->driver;
	l->opts = s->opts;
	l->name = s->name;
	l->name_len = s->name_len;
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

static int make_listener(struct stack *st, struct sock *s, int backlog)
{
	struct listener *l = new_listener(st, s);
	int err;

	if (!l)
		return -ENOMEM;
	set_room(l, backlog);
	err = start(l, backlog);
	if (err) {
		s->driver = l->binding;
		free_listener(l);
	}
	return err;
}

static void set_backlog(struct listener *l, int backlog)
{
	set_room(l, backlog);
	tcp_set_backlog(l->tcb, backlog);
	listener_pump(l);
}

static int make(struct stack *st, struct sock *s, int backlog)
{
	struct port *p = ((struct binding *)s->driver)->port;
	int err = port_listen(p);

	if (err)
		return err;
	err = make_listener(st, s, backlog);
	if (err) {
		port_unlisten(p);
		return err;
	}
	s->local = *guard_local(p->guard);
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
		set_backlog((struct listener *)h, sane_backlog(backlog));
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

void listener_pump(struct listener *l)
{
	int err = 0;

	l->blocked = false;
	for (;;) {
		if (!l->limbo)
			l->limbo = conn_incoming(l, &err);
		if (!l->limbo)
			break;
		err = offer(l);
		if (err)
			break;
		l->limbo = NULL;
		l->wait_us = RETRY_MIN_US;
		atomic_store(&l->s->backlog_full, false);
	}
	if (err == -ECONNREFUSED) {
		listener_stop(l); /* the app's listener is closed or shut down */
		return;
	}
	tcp_wait_elsewhere(l->tcb, (l->limbo ? 1 : 0) + (err == -EAGAIN ? l->room : 0));
	if (err)
		block(l);
}

/* ---- the end -------------------------------------------------------------------- */

void listener_stop(struct listener *l)
{
	struct stack *st = l->st;

	if (l->limbo)
		conn_reset(l->limbo);
	tcp_release(l->tcb, st->now_us);
	port_unlisten(l->binding->port);
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
	tcp_set_opts(l->tcb, &tcp, l->st->now_us);
}
