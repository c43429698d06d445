/* stack.c - owns the engine, the link and the loop, and moves work between
 * them.
 *
 * The work of one turn is bounded: packets are taken in batches, and after each
 * batch the ACKs and data that follow from it leave (RFC 9293 3.10.7.4 wants
 * the ACKs of a batch combined). The kernel is asked only so many times a
 * second who owns a stray segment (budget.h); strays beyond that go unanswered.
 */
#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "../engine/addr.h"
#include "conn.h"
#include "inaddr.h"
#include "linger.h"
#include "listener.h"
#include "privs.h"
#include "stranger.h"

#define RECV_BATCH 64
#define RECV_ROUNDS 8
#define ICMP_BATCH 16
#define SEND_BATCH 64
#define PAIR_BATCH 64
#define UPKEEP_US 1000000u
#define UPKEEP_SOON_US 100000u

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * (uint64_t)1000000 + ts.tv_nsec / 1000;
}

void stack_update_now(struct stack *st)
{
	st->in_turn = true;
	st->now_us = clock_us();
}

/* ---- packets in ---------------------------------------------------------------- */

struct flow stack_flow(const struct engine_pkt_in *pkt)
{
	const uint8_t *tcp = pkt->tcp;

	return (struct flow){
		.local = {.addr = pkt->dst, .port = tcp[2] << 8 | tcp[3]},
		.remote = {.addr = pkt->src, .port = tcp[0] << 8 | tcp[1]},
	};
}

/* A question to the kernel, of which there are only so many. */
static bool may_ask(struct stack *st, const struct engine_pkt_in *pkt)
{
	return budget_take(&st->budget, st->token, &pkt->src, st->now_us);
}

/* A whole segment for nobody we know may be for somebody the kernel knows. */
static bool is_ours_to_refuse(struct stack *st, const struct engine_pkt_in *pkt)
{
	struct flow flow = stack_flow(pkt);
	uint8_t flags = pkt->tcp[13]; /* TH_SYN and the like */

	return !(flags & TH_RST) && may_ask(st, pkt) &&
	       link_kernel_owns(st->link, &flow, pkt->ifindex,
				(flags & (TH_SYN | TH_ACK)) == TH_SYN) == 0;
}

/* Is it to be left to another stack on the port? To one that lingers, too: it may
 * have listened when the segment came. */
static bool is_for_others(struct stack *st, const struct engine_pkt_in *pkt)
{
	struct flow flow = stack_flow(pkt);

	return !may_ask(st, pkt) || link_others(st->link, &flow.local) > 0;
}

static void arrive(struct stack *st, struct engine_pkt_in *pkt)
{
	enum drop d;

	st->arriving = pkt;
	pkt->ask = true;
	d = engine_input(st->engine, pkt, st->now_us);
	if (d == DROP_ASK) {
		pkt->ask = false;
		if (is_for_others(st, pkt))
			engine_yield(st->engine, pkt, st->now_us);
		else
			d = engine_input(st->engine, pkt, st->now_us);
	}
	if (d == DROP_NO_PATH && link_path(st->link, pkt) == 0)
		d = engine_input(st->engine, pkt, st->now_us);
	if ((d == DROP_CLOSED || d == DROP_LISTEN_ACK) &&
	    is_ours_to_refuse(st, pkt))
		engine_refuse(st->engine, pkt, st->now_us);
}

static void take_icmp(struct stack *st)
{
	struct engine_icmp msgs[ICMP_BATCH];
	int n = link_recv_icmp(st->link, msgs, ICMP_BATCH), i;

	for (i = 0; i < n; i++)
		engine_icmp(st->engine, &msgs[i], st->now_us);
}

/* ---- what follows from it -------------------------------------------------------- */

static void tell(const struct engine_event *ev)
{
	const struct handle *h = ev->user;

	if (h->kind == HANDLE_CONN)
		conn_tcp_event(ev->user, ev->what);
	else if (h->kind == HANDLE_GROUP && ev->what & TCP_EV_INCOMING)
		listener_incoming(ev->user);
}

void stack_send(struct stack *st)
{
	struct engine_pkt_out pkts[SEND_BATCH];
	int n;

	/* Payloads point into send buffers: nothing may come between these two. */
	while ((n = engine_output(st->engine, pkts, SEND_BATCH, st->now_us)) > 0) {
		if (link_send(st->link, pkts, n) < 0)
			take_icmp(st);
		ladder_print(&st->ladder, st->engine);
	}
}

static void run_commands(struct stack *st)
{
	struct command *c = commands_take(st->commands), *next;

	for (; c; c = next) {
		next = c->next; /* c is its caller's again after run() */
		c->run(st, c);
	}
}

static void settle(struct stack *st)
{
	struct engine_event ev;

	do {
		run_commands(st);
		ladder_print(&st->ladder, st->engine);
		while (engine_event(st->engine, &ev))
			tell(&ev);
		linger_check(st);
		stack_send(st);
	} while (atomic_load(&st->commands->head));
	ladder_print(&st->ladder, st->engine);
	conn_free_dead(st);
}

static uint64_t min_us(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void set_deadline(struct stack *st)
{
	uint64_t at = min_us(engine_deadline(st->engine),
			     min_us(st->retry_us, st->upkeep_us));

	at = min_us(at, linger_deadline_us(st));
	at = min_us(at, min_us(leave_deadline_us(st), legacy_deadline_us(st)));
	if (at == ENGINE_NEVER)
		loop_no_deadline(st->loop);
	else
		loop_set_deadline(st->loop, at);
}

/* ---- the loop's calls -------------------------------------------------------------- */

static void on_settle(void *arg)
{
	struct stack *st = arg;

	st->in_turn = true;
	settle(st);
	if (st->ports.idle.first || st->visitors.first || st->background)
		stack_upkeep_later(st);
	if (link_sheds(st->link))
		stack_upkeep_soon(st);
	legacy_turn(st);
	leave_check(st);
	set_deadline(st);
	watcher_check(st);
	st->in_turn = false;
}

static void on_packets(void *arg)
{
	struct engine_pkt_in pkts[RECV_BATCH];
	struct stack *st = arg;
	int round, n = RECV_BATCH, i;

	stack_update_now(st);
	take_icmp(st);
	for (round = 0; round < RECV_ROUNDS && n == RECV_BATCH; round++) {
		n = link_recv(st->link, pkts, RECV_BATCH);
		for (i = 0; i < n; i++)
			arrive(st, &pkts[i]);
		st->arriving = NULL;
		settle(st);
		stack_update_now(st);
	}
}

/* By its edges: for want of fds a visitor may have to wait outside until its
 * claim comes, and the listener is readable all the time. */
static int watch_visitors(struct stack *st, int op)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};

	return epoll_ctl(st->pairs_fd, op, st->visitors.fd, &ev) ? -errno : 0;
}

static void on_pairs(void *arg)
{
	struct epoll_event evs[PAIR_BATCH];
	struct stack *st = arg;
	int n, i;

	stack_update_now(st);
	n = epoll_wait(st->pairs_fd, evs, PAIR_BATCH, 0);
	for (i = 0; i < n; i++) {
		if (evs[i].data.ptr)
			conn_pair_event(evs[i].data.ptr, evs[i].events);
		else if (visitors_turn(&st->visitors))
			watch_visitors(st, EPOLL_CTL_MOD); /* there is an edge for the rest */
	}
}

static void on_control(void *arg)
{
	struct stack *st = arg;

	stack_update_now(st);
	control_serve(st);
}

static void on_woken(void *arg)
{
	struct stack *st = arg;

	stack_update_now(st); /* on_settle() runs the commands */
}

static void retry_blocked(struct stack *st)
{
	struct listener *l, *next;

	st->retry_us = ENGINE_NEVER;
	for (l = st->listeners; l; l = next) {
		next = l->next;
		if (l->blocked)
			listener_pump(l);
	}
	conn_retry_starved(st);
}

static void upkeep(struct stack *st)
{
	st->upkeep_us = ENGINE_NEVER;
	link_relax(st->link);
	ports_collect(&st->ports);
	visitors_sweep(&st->visitors);
	held_check(st);
	estate_upkeep(st);
}

static void on_expired(void *arg)
{
	struct stack *st = arg;

	stack_update_now(st);
	if (engine_deadline(st->engine) <= st->now_us)
		engine_expire(st->engine, st->now_us);
	if (st->retry_us <= st->now_us)
		retry_blocked(st);
	if (st->upkeep_us <= st->now_us)
		upkeep(st);
}

void stack_retry(struct stack *st, uint32_t wait_us)
{
	st->retry_us = min_us(st->retry_us, st->now_us + wait_us);
}

void stack_upkeep_later(struct stack *st)
{
	if (st->upkeep_us == ENGINE_NEVER)
		st->upkeep_us = st->now_us + UPKEEP_US;
}

void stack_upkeep_soon(struct stack *st)
{
	st->upkeep_us = min_us(st->upkeep_us, st->now_us + UPKEEP_SOON_US);
}

/* ---- birth and death ---------------------------------------------------------------- */

struct stack *stack_new(const struct config *cfg, const struct stack_key *key,
			struct command_queue *commands)
{
	struct stack *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->cfg = *cfg;
	watcher_init(&st->watcher, cfg);
	memcpy(st->id, key->id, sizeof(st->id));
	memcpy(st->token, key->token, sizeof(st->token));
	st->commands = commands;
	st->pass = key->pass;
	st->claim_fd = st->visitors.fd = st->control.epoll = -1;
	st->pairs_fd = st->ladder.fd = st->proc_fd = st->keeper_fd = -1;
	st->retry_us = st->upkeep_us = ENGINE_NEVER;
	estate_init(st);
	legacy_init(&st->legacy);
	stack_update_now(st);
	return st;
}

static int open_loop(struct stack *st)
{
	const struct loop_calls calls = {.woken = on_woken, .expired = on_expired,
					 .settle = on_settle, .arg = st};
	int fds[LINK_FDS_MAX], n = link_fds(st->link, fds), err = 0, i;

	st->loop = loop_new(&calls);
	if (!st->loop)
		return -ENOMEM;
	for (i = 0; i < n && !err; i++)
		err = loop_watch(st->loop, fds[i], on_packets, st);
	if (!err)
		err = loop_watch(st->loop, st->pairs_fd, on_pairs, st);
	if (!err)
		err = loop_watch(st->loop, st->control.epoll, on_control, st);
	return err;
}

/* With sockets of its own, or else those that were left by one with more privileges. */
static int open_link(struct stack *st)
{
	int err = link_open(&st->link, &st->cfg.link), trace = -1;
	struct privs_set spare;

	if (err == -EPERM && privs_claim(&spare) == 0) {
		st->claim_fd = spare.claim;
		trace = spare.trace;
		err = link_open_with(&st->link, &st->cfg.link, &spare.sockets);
	}
	if (!err && *st->cfg.trace && trace < 0)
		trace = ladder_file(st->cfg.trace);
	if (!err && *st->cfg.trace) {
		ladder_open(&st->ladder, trace);
		err = trace < 0 ? trace : 0;
	}
	return err;
}

int stack_open(struct stack *st)
{
	struct sockaddr_un name;
	socklen_t len = stack_name(st, NAME_DRIVER, NULL, NULL, &name);
	int err = open_link(st);

	/* Now: the program may go into a chroot later. */
	st->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (err)
		return err;
	/* The buffer counts the kernel's overhead too; half of it is data. */
	st->cfg.engine.rcv_total_bytes = link_rcvbuf_bytes(st->link) / 2;
	st->engine = engine_new(&st->cfg.engine, st->now_us);
	if (!st->engine)
		return -ENOMEM;
	st->ports.link = st->link;
	st->ports.engine = st->engine;
	st->ports.now_us = &st->now_us;
	st->pairs_fd = epoll_create1(EPOLL_CLOEXEC);
	if (st->pairs_fd < 0)
		return -errno;
	err = visitors_open(&st->visitors, &name, len);
	if (!err)
		err = watch_visitors(st, EPOLL_CTL_ADD);
	if (!err) {
		len = stack_name(st, NAME_CONTROL, NULL, NULL, &name);
		err = control_open(&st->control, &name, len);
	}
	return err ? err : open_loop(st);
}

void stack_run(struct stack *st)
{
	stack_update_now(st);
	loop_run(st->loop);
}

static void abort_all(struct stack *st)
{
	while (st->listeners) {
		listener_stop(st->listeners);
		stack_send(st);
	}
	while (st->conns) {
		conn_reset(st->conns);
		stack_send(st);
	}
	conn_free_dead(st);
}

void stack_free(struct stack *st)
{
	if (st->engine)
		abort_all(st);
	held_free(st);
	estate_close(st);
	legacy_close(st);
	ports_free(&st->ports);
	visitors_close(&st->visitors);
	control_close(&st->control);
	loop_free(st->loop);
	if (st->pairs_fd >= 0)
		close(st->pairs_fd);
	if (st->keeper_fd >= 0)
		stranger_close(st->keeper_fd);
	if (st->proc_fd >= 0)
		close(st->proc_fd);
	if (st->engine)
		engine_free(st->engine);
	if (st->link)
		link_close(st->link);
	ladder_close(&st->ladder);
	if (st->claim_fd >= 0)
		close(st->claim_fd);
	free(st);
}

/* ---- for all ---------------------------------------------------------------------- */

socklen_t stack_name(const struct stack *st, enum name_kind kind, const struct sock *s,
		     const struct flow *flow, struct sockaddr_un *sun)
{
	struct name n = {.kind = kind, .pass = st->pass};

	if (kind == NAME_ENGINE)
		n.pid = (uint32_t)getpid();
	if (s) {
		n.sock_id = atomic_load(&s->id);
		n.family = s->family;
	}
	memcpy(n.stack, st->id, sizeof(n.stack));
	if (s && atomic_load(&s->heir)) { /* it keeps the name of the one it was taken from */
		memcpy(n.stack, s->stack, sizeof(n.stack));
		n.pass = atomic_load(&s->pass);
	}
	if (flow)
		n.flow = *flow;
	return name_encode(&n, sun);
}

void stack_tcp_opts(const struct stack *st, const struct sock_opts *o,
		    struct tcp_opts *out)
{
	*out = o->tcp;
	out->v6only = o->v6only;
	out->ifindex = o->ifindex;
	if (!out->ip.ttl)
		out->ip.ttl = (uint8_t)st->cfg.ttl;
	/* A limit of 0 reaches whom 1 does: those on the link. */
	out->ip6.ttl = o->hops == 1 ? 1 : (uint8_t)(o->hops ? o->hops - 1u : st->cfg.hop_limit);
	/* To the engine, 0 is no limit. */
	out->pacing_max_bytes_s = o->max_pacing_rate == UINT64_MAX ? 0 : o->max_pacing_rate;
}

void binding_free(struct stack *st, struct binding *b)
{
	if (!b)
		return;
	port_disown(&st->ports, b->port);
	control_close_door(st, b->door);
	free(b);
}

static int bind_port(struct stack *st, struct sock *s, const struct endpoint *local,
		     struct binding *b)
{
	bool elsewhere;
	int err;

	/* Without a door others are refused the port, that is all. */
	elsewhere = local->port &&
		    control_open_door(st, local->port, &b->door) == -EALREADY;
	if (elsewhere && s->opts.reuseport)
		return -EALREADY;
	err = ports_bind(&st->ports, local, &s->opts, &b->port);
	if (err == -EADDRINUSE && held_check(st)) /* who had it may be gone */
		err = ports_bind(&st->ports, local, &s->opts, &b->port);
	return err == -EADDRINUSE && elsewhere ? -EALREADY : err;
}

int stack_reserve(struct stack *st, struct sock *s, const struct endpoint *local)
{
	struct binding *b;
	int err;

	conn_forget(s);
	if (s->driver)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->h.kind = HANDLE_BINDING;
	err = bind_port(st, s, local, b);
	if (err) {
		control_close_door(st, b->door);
		free(b);
		return err;
	}
	s->driver = &b->h;
	s->local = *guard_local(b->port->guard);
	return 0;
}

int stack_bind(struct stack *st, struct sock *s, const struct endpoint *local)
{
	int err = stack_reserve(st, s, local);

	if (err || local->port || !s->opts.bind_no_port)
		return err;
	binding_free(st, s->driver); /* the address is good; that was the question */
	s->driver = NULL;
	s->local.port = 0;
	return 0;
}

void stack_undo(struct stack *st, struct sock *s)
{
	struct handle *h;

	conn_forget(s);
	h = s->driver;
	if (h && h->kind == HANDLE_CONN)
		conn_reset(s->driver);
	else if (h && h->kind == HANDLE_LISTENER)
		listener_stop(s->driver);
	else if (h && !s->bound) /* bind() failed after all */
		stack_closed(st, s);
	if (!s->bound || s->driver || stack_bind(st, s, &s->bound_to) == 0)
		return;
	s->bound = false;
	s->bound_to = inaddr_any(s->family);
}

void stack_closed(struct stack *st, struct sock *s)
{
	struct handle *h = s->driver;

	if (h && h->kind == HANDLE_CONN) {
		conn_process_closed(s->driver);
	} else if (h) {
		held_closed(st, s);
	}
}

void stack_set_opts(struct stack *st, struct sock *s)
{
	struct handle *h = s->driver;

	(void)st;
	if (h && h->kind == HANDLE_CONN)
		conn_set_opts(s->driver, &s->opts);
	else if (h && h->kind == HANDLE_LISTENER)
		listener_set_opts(s->driver, &s->opts);
}

void stack_quickack(struct stack *st, struct sock *s, bool on)
{
	struct handle *h = s->driver;

	if (h && h->kind == HANDLE_CONN && ((struct conn *)h)->tcb)
		tcp_quickack(((struct conn *)h)->tcb, on, st->now_us);
}

bool stack_refresh(struct stack *st, struct config *cfg)
{
	int dir = st->proc_fd < 0 ? -1
				  : openat(st->proc_fd, "sys/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool changed = dir >= 0 && config_refresh(cfg, dir);

	if (dir >= 0)
		close(dir);
	if (!changed)
		return false;
	st->cfg.ttl = cfg->ttl;
	st->cfg.hop_limit = cfg->hop_limit;
	engine_configure(st->engine, &cfg->engine);
	return true;
}

int stack_status(struct stack *st, struct sock *s, struct tcp_status *status)
{
	struct handle *h = s->driver;

	(void)st;
	if (h && h->kind == HANDLE_CONN)
		return conn_status(s->driver, status);
	if (!h || h->kind != HANDLE_LISTENER)
		return -ENOTCONN;
	tcp_status(((struct listener *)s->driver)->group->tcb, status);
	return 0;
}
