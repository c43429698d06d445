/* legacy.c - owns the heirs of a stack, and how its listeners leave it.
 *
 * What is offered stays this stack's until the heir has said that it has it; in the meantime
 * no SYN is heard. Who does not answer is heard no more either, so that both sides know what
 * was said.
 *
 * Invariants: a listener is `moving`, and its port may have a twin guard, exactly while the
 * phase is LEGACY_OFFERED. heir[0] is an heir if there is any.
 */
#include "legacy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "heir.h"
#include "listener.h"
#include "pass.h"
#include "stack.h"

/* So long the listeners may come to rest by themselves, and then without new SYNs. */
#define REST_US 1000000u
#define PAUSE_US 300000u
/* Of the heir. */
#define ANSWER_US 1000000u
/* Before another try with another heir, when one has ended; else, and each time twice as much, as
 * who begins handshakes and does not finish them must not have SYNs dropped again and again. */
#define NEXT_US 20000u
#define AGAIN_US 4000000u
#define TRIES_MAX 6

union fds { /* ancillary data */
	struct cmsghdr align;
	char bytes[CMSG_SPACE(HEIR_FDS_MAX * sizeof(int))];
};

struct will {
	struct heir_offer o;
	int fd[HEIR_FDS_MAX];
	size_t fds;
	const struct port *port[HEIR_LISTENERS_MAX];
};

void legacy_init(struct legacy *g)
{
	int i;

	*g = (struct legacy){0};
	for (i = 0; i < LEGACY_HEIRS_MAX; i++)
		g->heir[i] = -1;
}

/* ---- heirs --------------------------------------------------------------------------- */

/* Of another PID namespace it may not outlive us as it seems. */
static bool is_trusted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid;
}

static int heirs(const struct legacy *g)
{
	int n = 0;

	while (n < LEGACY_HEIRS_MAX && g->heir[n] >= 0)
		n++;
	return n;
}

/* Of a daemon that forks twice the process between may have been one, and asks no more. */
static bool has_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int legacy_wants(const struct stack *st, bool daemon)
{
	int i, n = heirs(&st->legacy);

	for (i = 0; i < n && has_ended(st->legacy.heir[i]); i++)
		;
	return st->background || daemon || i == n ? 0 : -EALREADY;
}

bool legacy_admits(const struct stack *st, int fd)
{
	return heirs(&st->legacy) < LEGACY_HEIRS_MAX && is_trusted(fd);
}

void legacy_add(struct stack *st, int fd)
{
	pass_no_fds(fd);
	st->legacy.heir[heirs(&st->legacy)] = fd;
}

static void drop_heir(struct legacy *g, int i)
{
	close(g->heir[i]); /* which takes it out of the epoll set */
	memmove(&g->heir[i], &g->heir[i + 1], (LEGACY_HEIRS_MAX - 1 - i) * sizeof(int));
	g->heir[LEGACY_HEIRS_MAX - 1] = -1;
}

/* ---- rest ---------------------------------------------------------------------------- */

static bool at_rest(const struct stack *st)
{
	const struct listener *l;

	for (l = st->listeners; l; l = l->next)
		if (l->limbo || tcp_unaccepted(l->group->tcb))
			return false;
	return true;
}

static void pause_all(struct stack *st, bool on)
{
	struct listener *l;

	for (l = st->listeners; l; l = l->next)
		tcp_pause(l->group->tcb, on);
}

static void set_phase(struct stack *st, enum legacy_phase phase, uint32_t us)
{
	st->legacy.phase = phase;
	st->legacy.until_us = st->now_us + us;
}

/* Everything is as before. soon: it is not the listeners that were in the way. */
static void go_on(struct stack *st, bool soon)
{
	struct legacy *g = &st->legacy;
	struct listener *l;

	for (l = st->listeners; l; l = l->next) {
		l->moving = false;
		port_drop_twin(l->binding->port);
	}
	pause_all(st, false);
	set_phase(st, LEGACY_WAITS, soon ? NEXT_US : AGAIN_US << g->tries);
	if (!soon && g->tries < TRIES_MAX)
		g->tries++;
}

/* ---- the offer ------------------------------------------------------------------------ */

/* Its name for each key, as who asks knows the pass of one. What stays is asked for there. */
static int name_rest(struct stack *st)
{
	struct name n = {.kind = NAME_CONTROL};
	struct sockaddr_un sun;
	unsigned i;
	int fd = 0;

	if (st->legacy.named)
		return 0;
	if (getrandom(st->legacy.rest, sizeof(st->legacy.rest), 0) !=
	    sizeof(st->legacy.rest))
		return -EAGAIN;
	memcpy(n.stack, st->legacy.rest, sizeof(n.stack));
	for (i = 0; i <= st->aliases && fd >= 0; i++) {
		n.pass = i ? st->alias[i - 1].key.pass : st->pass;
		fd = control_hear_at(&st->control, &sun, name_encode(&n, &sun));
		if (fd == -EADDRINUSE) /* the same pass as another's */
			fd = 0;
	}
	st->legacy.named = fd >= 0;
	return fd < 0 ? fd : 0;
}

static void add_key(struct will *w, const struct stack_key *key, int fd)
{
	w->o.key[w->o.keys++] = *key;
	w->fd[w->fds++] = fd;
}

static bool is_named_by_some(const struct stack *st, const uint8_t id[16])
{
	const struct listener *l;

	for (l = st->listeners; l; l = l->next)
		if (memcmp(l->s->stack, id, sizeof(l->s->stack)) == 0)
			return true;
	return false;
}

static int add_keys(const struct stack *st, struct will *w)
{
	struct stack_key own = {.pass = st->pass};
	unsigned i;

	memcpy(own.id, st->id, sizeof(own.id));
	memcpy(own.token, st->token, sizeof(own.token));
	add_key(w, &own, st->control.listener);
	for (i = 0; i < st->aliases; i++) {
		if (!is_named_by_some(st, st->alias[i].key.id))
			continue;
		if (w->o.keys == HEIR_KEYS_MAX)
			return -E2BIG;
		add_key(w, &st->alias[i].key, st->alias[i].fd);
	}
	memcpy(w->o.rest, st->legacy.rest, sizeof(w->o.rest));
	return 0;
}

/* The place of p among the guards of the offer, where it is from now on. Connections need
 * one that stays; without any the guard may be of a user that this process is no longer. */
static int guard_place(const struct stack *st, struct will *w, struct port *p)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < w->o.guards; i++)
		if (w->port[i] == p)
			return (int)i;
	if (engine_stats(st->engine)->connections)
		err = port_make_twin(p);
	if (err)
		return err;
	w->port[i] = p;
	port_terms(p, &w->o.guard[i]);
	w->fd[w->fds++] = guard_fd(p->guard);
	return (int)w->o.guards++;
}

static int add_listener(const struct stack *st, struct will *w, struct listener *l)
{
	struct heir_listener *h = &w->o.listener[w->o.listeners];
	int guard = guard_place(st, w, l->binding->port);

	if (guard < 0)
		return guard;
	*h = (struct heir_listener){
		.ino = atomic_load(&l->s->ino), .name_len = l->name_len, .name = l->name,
		.family = l->s->family, .backlog = l->backlog, .guard = (uint32_t)guard,
		.bound_to = l->s->bound_to, .opts = l->opts, .kept = l->s->kept,
	};
	h->opts.tcp.cc = NULL;
	if (l->opts.tcp.cc)
		strncpy(h->cc, l->opts.tcp.cc->name, sizeof(h->cc) - 1);
	w->o.listeners++;
	l->moving = true;
	return 0;
}

static void add_doors(const struct stack *st, struct will *w)
{
	const struct control_door *d;
	const struct listener *l;
	uint32_t i;

	for (l = st->listeners; l; l = l->next) {
		d = l->binding->door;
		for (i = 0; d && i < w->o.doors && w->o.door[i] != d->port; i++)
			;
		if (!d || d->fd < 0 || i < w->o.doors)
			continue;
		w->o.door[w->o.doors++] = d->port;
		w->fd[w->fds++] = d->fd;
	}
}

static int make_will(struct stack *st, struct will *w)
{
	struct listener *l;
	int err = name_rest(st);

	w->o.size = sizeof(w->o);
	if (!err)
		err = add_keys(st, w);
	for (l = st->listeners; l && !err; l = l->next)
		err = w->o.listeners < HEIR_LISTENERS_MAX ? add_listener(st, w, l) : -E2BIG;
	if (!err)
		add_doors(st, w);
	return err;
}

static bool send_will(int fd, struct will *w)
{
	union fds ctl = {0};
	struct iovec iov = {.iov_base = &w->o, .iov_len = sizeof(w->o)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = CMSG_SPACE(w->fds * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(w->fds * sizeof(int));
	memcpy(CMSG_DATA(c), w->fd, w->fds * sizeof(int));
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(w->o);
}

static void offer(struct stack *st)
{
	struct will *w = calloc(1, sizeof(*w));
	bool good;

	pause_all(st, true);
	good = w && make_will(st, w) == 0;
	if (good && send_will(st->legacy.heir[0], w)) {
		set_phase(st, LEGACY_OFFERED, ANSWER_US);
	} else {
		if (good)
			drop_heir(&st->legacy, 0);
		go_on(st, good);
	}
	free(w);
}

/* ---- the answer ------------------------------------------------------------------------ */

/* The app end is as it was, and so is its name, but none of this stack's. */
static void give_away(struct stack *st, struct listener *l)
{
	struct sock *s = sock_get(l->s);

	if (l->binding->door)
		control_unhear(&st->control, &l->binding->door->fd);
	port_lose_guard(l->binding->port);
	listener_stop(l);
	s->name_len = 0; /* see held.c */
	sock_put(s);
}

static void complete(struct stack *st)
{
	struct listener *l, *next;
	unsigned i;

	for (l = st->listeners; l; l = next) {
		next = l->next;
		if (l->moving)
			give_away(st, l);
	}
	control_unhear(&st->control, &st->control.listener);
	for (i = 0; i < st->aliases; i++)
		control_unhear(&st->control, &st->alias[i].fd);
	control_turn_away(&st->control);
	while (st->legacy.heir[0] >= 0)
		drop_heir(&st->legacy, 0); /* they find the one who has it now */
	set_phase(st, LEGACY_WAITS, 0);
}

/* heir[0] has said something, or nothing for too long. */
static void end_offer(struct stack *st)
{
	int fd = st->legacy.heir[0];
	char word = 0;

	shutdown(fd, SHUT_RD); /* what it says from now on it knows to be unheard */
	if (recv(fd, &word, 1, MSG_DONTWAIT) == 1 && word == 'k') {
		complete(st);
		return;
	}
	drop_heir(&st->legacy, 0);
	go_on(st, st->now_us < st->legacy.until_us);
}

bool legacy_serves(struct stack *st, int fd)
{
	struct legacy *g = &st->legacy;
	int i;

	for (i = 0; i < LEGACY_HEIRS_MAX && g->heir[i] != fd; i++)
		;
	if (i == LEGACY_HEIRS_MAX)
		return false;
	if (i == 0 && g->phase == LEGACY_OFFERED)
		end_offer(st);
	else
		drop_heir(g, i);
	return true;
}

/* ---- when ------------------------------------------------------------------------------- */

static bool may_give(const struct stack *st)
{
	return st->background && st->legacy.heir[0] >= 0 && st->listeners &&
	       st->control.listener >= 0;
}

static void come_to_rest(struct stack *st)
{
	struct legacy *g = &st->legacy;

	if (at_rest(st))
		offer(st);
	else if (st->now_us >= g->until_us)
		go_on(st, false);
	else if (g->until_us - st->now_us <= PAUSE_US)
		pause_all(st, true);
}

void legacy_turn(struct stack *st)
{
	struct legacy *g = &st->legacy;

	if (g->phase == LEGACY_OFFERED) {
		if (st->now_us >= g->until_us)
			end_offer(st);
		return;
	}
	if (!may_give(st)) {
		if (g->phase == LEGACY_RESTS)
			go_on(st, true);
		return;
	}
	if (g->phase == LEGACY_WAITS) {
		if (st->now_us < g->until_us)
			return;
		set_phase(st, LEGACY_RESTS, REST_US + PAUSE_US);
	}
	come_to_rest(st);
}

uint64_t legacy_deadline_us(const struct stack *st)
{
	const struct legacy *g = &st->legacy;

	if (g->phase == LEGACY_RESTS && g->until_us - st->now_us > PAUSE_US)
		return g->until_us - PAUSE_US;
	return g->phase != LEGACY_WAITS || may_give(st) ? g->until_us : ENGINE_NEVER;
}

void legacy_close(struct stack *st)
{
	while (st->legacy.heir[0] >= 0)
		drop_heir(&st->legacy, 0);
}
