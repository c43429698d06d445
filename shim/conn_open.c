/* conn_open.c - how a connection comes to be: routes, ports and pairs for
 * active and passive opens. What it does from then on is in conn.c.
 */
#include "conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../engine/addr.h"
#include "held.h"
#include "listener.h"
#include "pair.h"
#include "sockcall.h"
#include "stranger.h"

/* So many shared ports are tried before another one is opened. */
#define PICK_TRIES 8

uint32_t conn_pair_sndbuf(const struct sock_opts *opts)
{
	uint32_t want = opts->tcp.rcvbuf_bytes;

	return want && want < PAIR_SNDBUF_BYTES ? want : PAIR_SNDBUF_BYTES;
}

/* ---- active -------------------------------------------------------------------- */

/* "Any" as a destination is this host, as it is for the kernel. */
static struct endpoint destination(const struct endpoint *remote)
{
	static const uint8_t v4[4] = {127, 0, 0, 1};
	static const struct ip_addr v6 = {.b = {[15] = 1}};
	struct endpoint to = *remote;

	if (addr_is_any(&to.addr))
		to.addr = addr_is_v4(&to.addr) ? addr_from_v4(v4) : v6;
	return to;
}

/* Without a binding, but for IP_BIND_ADDRESS_NO_PORT, that is nowhere in particular. */
static const struct endpoint *bound_to(const struct conn *c)
{
	return c->binding ? guard_local(c->binding->port->guard) : &c->s->bound_to;
}

/* Where to connect from, if the program has not said: "any" of the right kind. */
static struct ip_addr source(const struct conn *c, const struct ip_addr *to)
{
	static const uint8_t v4[4];
	static const struct ip_addr v6;
	struct ip_addr any = addr_is_v4(to) ? addr_from_v4(v4) : v6;
	const struct endpoint *bound = bound_to(c);

	return addr_is_any(&bound->addr) || addr_is_v4(&bound->addr) != addr_is_v4(to)
		       ? any : bound->addr;
}

/* An address of IPv4, "any" included, is the source of IPv4 only; "::" of both. */
static bool can_start_from(const struct conn *c, const struct ip_addr *to)
{
	return addr_is_v4(to) || !addr_is_v4(&bound_to(c)->addr);
}

static int open_on(struct conn *c, struct port *p, struct flow *flow,
		   const struct tcp_path *path)
{
	struct stack *st = c->st;
	struct tcp_opts opts;
	int err;

	stack_tcp_opts(st, &c->opts, &opts);
	flow->local.port = guard_local(p->guard)->port;
	err = tcp_open(st->engine, flow, path, &opts, c, st->now_us, &c->tcb);
	if (err)
		return err;
	port_get(&st->ports, p);
	c->port = p;
	return 0;
}

static int open_bound(struct conn *c, struct flow *flow,
		      const struct tcp_path *path)
{
	struct port *p = c->binding->port;
	int err = port_connect(p);

	if (!err)
		err = open_on(c, p, flow, path);
	return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}

static int open_anywhere(struct conn *c, struct flow *flow,
			 const struct tcp_path *path)
{
	struct stack *st = c->st;
	struct port *p;
	int err, i;

	for (i = 0; i < PICK_TRIES; i++) {
		p = ports_pick(&st->ports, &flow->local.addr, c->opts.ifindex);
		if (!p)
			break;
		flow->local.port = guard_local(p->guard)->port;
		if (engine_gone_lately(st->engine, flow, c->opts.ifindex, st->now_us))
			continue; /* the peer may be in SYN-RECEIVED there */
		err = open_on(c, p, flow, path);
		if (err != -EADDRINUSE)
			return err;
	}
	err = ports_ephemeral(&st->ports, &flow->local.addr, c->opts.ifindex, &p);
	if (err)
		return err;
	err = open_on(c, p, flow, path);
	port_put(&st->ports, p);
	return err;
}

static int find_route(struct conn *c, struct flow *flow, struct tcp_path *path)
{
	struct stack *st = c->st;
	int err;

	do
		err = link_route(st->link, &flow->remote.addr, c->opts.ifindex,
				 &flow->local.addr, path);
	while (ports_make_room(&st->ports, err));
	return err;
}

static int open_active(struct conn *c, const struct endpoint *remote)
{
	struct flow flow = {.remote = destination(remote)};
	struct tcp_path path = {0};
	int err;

	flow.local.addr = source(c, &flow.remote.addr);
	err = find_route(c, &flow, &path);
	if (!can_start_from(c, &flow.remote.addr))
		err = !err ? -EAFNOSUPPORT : err == -EADDRNOTAVAIL ? -ENETUNREACH : err;
	if (!err && !flow.remote.port)
		return -ECONNREFUSED; /* nobody can listen there */
	if (!err)
		err = c->binding ? open_bound(c, &flow, &path)
				 : open_anywhere(c, &flow, &path);
	if (err)
		return err;
	c->s->local = flow.local;
	c->s->remote = flow.remote;
	return conn_watch(c);
}

/* The socket, if nothing is in the way; or a negative errno. */
static int new_active(struct stack *st, struct sock *s, int fd, struct conn **out)
{
	struct handle *h;
	struct conn *c;

	conn_forget(s);
	h = s->driver;
	if (h && h->kind != HANDLE_BINDING)
		return -EISCONN;
	c = conn_new(st);
	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->s = sock_get(s);
	c->sock_id = atomic_load(&s->id);
	c->binding = (struct binding *)h;
	c->opts = s->opts;
	c->connecting = true;
	c->filler = pair_queued(fd);
	s->driver = &c->h;
	pair_setup(fd, conn_pair_sndbuf(&c->opts));
	*out = c;
	return 0;
}

void conn_let_in(struct stack *st)
{
	int err;

	do
		err = visitors_accept(&st->visitors);
	while (ports_make_room(&st->ports, err));
	if (err == -EMFILE || err == -ENFILE)
		visitors_refuse(&st->visitors);
}

/* The engine end of s, or a negative errno. */
static int claim(struct stack *st, const struct sock *s)
{
	int fd;

	do
		fd = visitors_claim(&st->visitors, &s->name, s->name_len);
	while (fd < 0 && ports_make_room(&st->ports, fd));
	if (fd != -EMFILE && fd != -ENFILE)
		return fd;
	visitors_refuse(&st->visitors);
	return visitors_claim(&st->visitors, &s->name, s->name_len);
}

/* What connect(2) says: it is not the program's fds that there are too many of. */
static int connect_errno(int err)
{
	return err == -EMFILE || err == -ENFILE ? -ENOBUFS : err;
}

int conn_connect(struct stack *st, struct sock *s, const struct endpoint *remote)
{
	int fd = claim(st, s);
	struct conn *c;
	int err;

	err = fd < 0 ? fd : new_active(st, s, fd, &c);
	if (err) {
		if (fd >= 0)
			close(fd);
		atomic_store(&s->state, SOCK_FAILED);
		return connect_errno(err);
	}
	err = open_active(c, remote);
	if (err == -ECONNREFUSED) { /* as if somebody there had said so */
		conn_connect_failed(c, ECONNREFUSED);
		return 0;
	}
	if (err) {
		conn_connect_failed(c, 0);
		return connect_errno(err);
	}
	atomic_store(&s->opening, 1);
	atomic_store(&s->state, SOCK_CONNECTING);
	if (tcp_syn_waits(c->tcb))
		conn_open_fast(c);
	return 0;
}

/* ---- passive --------------------------------------------------------------------- */

void conn_set_listener(struct conn *c, struct listener *l)
{
	c->listener = l;
	c->opts = c->s->opts = l->opts;
	l->limbo = c;
}

struct conn *conn_incoming(struct listener_group *g, int *err)
{
	struct listener *l = g->first;
	struct conn *c = conn_new(l->st);

	*err = c ? 0 : -ENOMEM;
	if (!c)
		return NULL;
	c->tcb = tcp_accept(g->tcb, c);
	if (!c->tcb) {
		conn_end(c);
		return NULL;
	}
	l = listener_for(g, tcp_flow(c->tcb));
	link_know(l->st->link, &tcp_flow(c->tcb)->remote.addr);
	c->s = sock_new(l->s->family);
	if (!c->s) {
		*err = -ENOMEM;
		conn_reset(c);
		return NULL;
	}
	memcpy(c->s->stack, l->s->stack, sizeof(c->s->stack));
	atomic_store(&c->s->pass, atomic_load(&l->s->pass));
	atomic_store(&c->s->heir, atomic_load(&l->s->heir));
	c->sock_id = atomic_load(&c->s->id);
	c->port = l->binding->port;
	port_get(&l->st->ports, c->port);
	c->mark_due = true;
	conn_set_listener(c, l);
	c->s->local = tcp_flow(c->tcb)->local;
	c->s->remote = tcp_flow(c->tcb)->remote;
	c->s->driver = &c->h;
	atomic_store(&c->s->state, SOCK_CONNECTED);
	return c;
}

/* An engine end whose name tells the addresses to whoever accepts it. */
static int new_engine_end(struct conn *c)
{
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	struct sockaddr_un name;
	socklen_t len = stack_name(c->st, NAME_ENGINE, c->s, tcp_flow(c->tcb), &name);
	int fd, err;

	do
		fd = socket(AF_UNIX, type, 0);
	while (fd < 0 && ports_make_room(&c->st->ports, -errno));
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&name, len) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	pair_setup(fd, conn_pair_sndbuf(&c->opts));
	c->fd = fd;
	return 0;
}

/* What was done already was by a driver that was killed (watcher.c). */
static int connect_end(struct conn *c, const struct listener *to)
{
	pid_t before = c->pid;

	c->pid = getpid();
	if (connect(c->fd, (const struct sockaddr *)&to->name, to->name_len) == 0)
		return 0;
	c->pid = before;
	return errno == EISCONN ? 0 : -errno;
}

/* A name is free as soon as the app end is closed, and then may be another user's. One who
 * has the app end may have called listen() again, without our knowing. */
static bool is_program(const struct conn *c, struct listener *to)
{
	uid_t user = sock_peer_user(c->fd);

	if (user != to->user && held_app_end(c->st, to->s) == 0)
		return false;
	to->user = user;
	return true;
}

/* An engine end that is connected to the program's listener. */
static int reach_program(struct conn *c)
{
	int err = c->fd < 0 ? new_engine_end(c) : 0;

	if (!err)
		err = connect_end(c, c->listener);
	if (err || is_program(c, c->listener))
		return err;
	stranger_close(c->fd);
	c->fd = -1;
	return -ECONNREFUSED;
}

int conn_pair(struct conn *c)
{
	int err = reach_program(c);

	if (err)
		return err;
	c->listener = NULL;
	err = conn_watch(c);
	if (err && err != -EEXIST) {
		conn_reset(c);
		return 0;
	}
	c->bytes_in = true;
	conn_step(c);
	return 0;
}
