/* estate.c - owns what a driver wants to inherit, and makes its own of it.
 *
 * An offer is taken as a whole or not at all. What was made of it is only this process's when
 * the giver has been told: until then sockets of the program's are as before to its threads,
 * and to undo it leaves the guards, which are the giver's too, alone.
 */
#include "estate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fdtab.h"
#include "heir.h"
#include "listener.h"
#include "sockcall.h"
#include "stack.h"

/* ---- a seek ----------------------------------------------------------------------------- */

/* The stack answers in no time, or it is being handed over. */
#define ANSWER_S 3

void estate_init(struct stack *st)
{
	int i;

	for (i = 0; i < ESTATE_SEEKS_MAX; i++)
		st->seek[i].fd = -1;
}

static struct seek *seek_of(struct stack *st, const uint8_t id[16])
{
	int i;

	for (i = 0; i < ESTATE_SEEKS_MAX; i++)
		if (st->seek[i].fd >= 0 && memcmp(st->seek[i].key.id, id, sizeof(st->id)) == 0)
			return &st->seek[i];
	return NULL;
}

static struct seek *free_seek(struct stack *st)
{
	int i;

	for (i = 0; i < ESTATE_SEEKS_MAX; i++)
		if (st->seek[i].fd < 0 && !st->seek[i].lost)
			return &st->seek[i];
	return NULL;
}

static void end_seek(struct seek *k)
{
	close(k->fd); /* which takes it out of the epoll set */
	k->fd = -1;
}

/* A connection to the control socket of this stack, which is of a user that we trust. */
static int reach(const struct stack_key *key)
{
	const struct timeval patience = {.tv_sec = ANSWER_S};
	struct name n = {.kind = NAME_CONTROL, .pass = key->pass};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err = 0;
	struct sockaddr_un sun;
	socklen_t len;

	if (fd < 0)
		return -errno;
	memcpy(n.stack, key->id, sizeof(n.stack));
	len = name_encode(&n, &sun);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (struct sockaddr *)&sun, len) != 0)
		err = -errno;
	else if (!sock_peer_is_trusted(fd, -1))
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* 0: the stack counts us among its heirs. */
static int announce(int fd, uint64_t pass)
{
	struct control_request req = {.size = sizeof(req), .op = CONTROL_INHERIT, .arg = 1};
	struct control_reply r;
	char welcome;

	if (send(fd, &pass, sizeof(pass), MSG_NOSIGNAL) != sizeof(pass) ||
	    recv(fd, &welcome, 1, 0) != 1 ||
	    send(fd, &req, sizeof(req), MSG_NOSIGNAL) != sizeof(req) ||
	    recv(fd, &r, sizeof(r), 0) != sizeof(r) || r.size != sizeof(r))
		return -EAGAIN;
	return r.result;
}

int estate_seek(struct stack *st, const struct stack_key *key)
{
	struct seek *k = free_seek(st);
	struct epoll_event ev = {.events = EPOLLIN};
	int fd, err;

	if (alias_knows(st, key->id) || seek_of(st, key->id))
		return 0;
	if (!k)
		return -ENOSPC;
	fd = reach(key);
	if (fd < 0)
		return fd;
	ev.data.fd = fd;
	err = announce(fd, key->pass);
	if (!err && epoll_ctl(st->control.epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		err = -errno;
	if (err)
		close(fd);
	else
		*k = (struct seek){.fd = fd, .key = *key};
	return err;
}

/* ---- the offer --------------------------------------------------------------------------- */

struct heritage {
	struct heir_offer o;
	int fd[HEIR_FDS_MAX];
	size_t fds;
	struct port *port[HEIR_LISTENERS_MAX];
	struct control_door *door[HEIR_LISTENERS_MAX];
	struct sock *sock[HEIR_LISTENERS_MAX];
	uint32_t ports, doors, socks, keys; /* so many of these have been made */
};

union fds { /* ancillary data */
	struct cmsghdr align;
	char bytes[CMSG_SPACE(HEIR_FDS_MAX * sizeof(int))];
};

static int *key_fds(struct heritage *e)
{
	return e->fd;
}

static int *guard_fds(struct heritage *e)
{
	return e->fd + e->o.keys;
}

static int *door_fds(struct heritage *e)
{
	return e->fd + e->o.keys + e->o.guards;
}

static const struct stack_key *key_named(const struct heir_offer *o, const struct name *n)
{
	uint32_t i;

	for (i = 0; i < o->keys; i++)
		if (memcmp(o->key[i].id, n->stack, sizeof(n->stack)) == 0)
			return &o->key[i];
	return NULL;
}

static bool is_sane_listener(const struct heir_offer *o, const struct heir_listener *h)
{
	struct name n;

	return h->guard < o->guards && (h->family == AF_INET || h->family == AF_INET6) &&
	       h->name_len <= sizeof(h->name) && name_decode(&h->name, h->name_len, &n) &&
	       n.kind == NAME_APP && key_named(o, &n) && h->ino &&
	       memchr(h->cc, '\0', sizeof(h->cc)) && h->kept.n <= SOCK_KEPT_MAX;
}

static bool is_sane(const struct heir_offer *o, size_t fds)
{
	uint32_t i;

	if (o->size != sizeof(*o) || o->keys > HEIR_KEYS_MAX ||
	    o->guards > HEIR_LISTENERS_MAX || o->doors > HEIR_LISTENERS_MAX ||
	    o->listeners > HEIR_LISTENERS_MAX || o->keys + o->guards + o->doors != fds)
		return false;
	for (i = 0; i < o->listeners; i++)
		if (!is_sane_listener(o, &o->listener[i]))
			return false;
	return true;
}

/* 1: an offer; 0: something else, e->fds of which are to be closed; -1: the end. */
static int receive(int fd, struct heritage *e)
{
	union fds ctl;
	struct iovec iov = {.iov_base = &e->o, .iov_len = sizeof(e->o)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = sizeof(ctl)};
	ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = len < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		e->fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(e->fd, CMSG_DATA(c), e->fds * sizeof(int));
	}
	if (len <= 0)
		return len < 0 && errno == EAGAIN ? 0 : -1;
	return len == sizeof(e->o) && !(msg.msg_flags & MSG_CTRUNC) && is_sane(&e->o, e->fds);
}

/* ---- what becomes of it -------------------------------------------------------------------- */

/* Of this app end, if the program has an fd of it; with a reference. */
static struct sock *programs_sock(ino_t ino, const struct sockaddr_un *name, socklen_t len)
{
	struct sock *s;
	int fd;

	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		s = atomic_load(fdtab_slot(fd));
		if (!s || !sock_try_get(s))
			continue;
		if (atomic_load(&s->ino) == ino && s->name_len == len &&
		    memcmp(&s->name, name, len) == 0)
			return s;
		sock_put(s);
	}
	return NULL;
}

/* s, which was another stack's, begins a new life with the driver of this one. What it says
 * of that is a copy of another process's memory. */
static void begin_anew(struct sock *s)
{
	s->driver = NULL;
	s->next_held = NULL;
	s->held = false;
	atomic_store(&s->err, 0);
	atomic_store(&s->backlog_full, false);
	atomic_store(&s->connecting, false);
	atomic_store(&s->orphan, false);
}

static struct sock *new_sock(const struct heir_listener *h)
{
	struct sock *s = sock_new(h->family);

	if (!s)
		return NULL;
	s->name = h->name;
	s->name_len = h->name_len;
	atomic_store(&s->ino, h->ino);
	return s;
}

static struct sock *sock_for(struct stack *st, const struct heir_offer *o,
			     const struct heir_listener *h)
{
	struct sock *s = programs_sock(h->ino, &h->name, h->name_len);
	struct name n;

	if (!s)
		s = new_sock(h);
	if (!s)
		return NULL;
	name_decode(&h->name, h->name_len, &n);
	begin_anew(s);
	memcpy(s->stack, n.stack, sizeof(s->stack));
	atomic_store(&s->pass, key_named(o, &n)->pass);
	s->bound = true;
	s->bound_to = h->bound_to;
	s->opts = h->opts;
	s->opts.tcp.cc = *h->cc ? cc_find(&st->cfg.engine, h->cc) : NULL;
	s->kept = h->kept;
	return s;
}

/* The binding's references are its own. */
static struct binding *bind_to(struct stack *st, struct port *p)
{
	struct binding *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->h.kind = HANDLE_BINDING;
	b->port = p;
	port_get(&st->ports, p);
	p->owners++;
	b->door = control_find_door(st, guard_local(p->guard)->port);
	if (b->door)
		b->door->refs++;
	return b;
}

static int listen_again(struct stack *st, struct heritage *e, uint32_t i)
{
	const struct heir_listener *h = &e->o.listener[i];
	struct sock *s = sock_for(st, &e->o, h);
	struct binding *b = s ? bind_to(st, e->port[h->guard]) : NULL;
	int err;

	if (s)
		e->sock[e->socks++] = s;
	if (!b)
		return -ENOMEM;
	s->driver = &b->h;
	err = listener_open(st, s, h->backlog);
	if (err) {
		s->driver = NULL;
		guard_let_go(e->port[h->guard]->guard);
		binding_free(st, b);
	}
	return err;
}

static int take_fds(struct stack *st, struct heritage *e)
{
	int err = 0;

	for (; !err && e->ports < e->o.guards; e->ports += !err) {
		err = ports_inherit(&st->ports, guard_fds(e)[e->ports], &e->o.guard[e->ports],
				    &e->port[e->ports]);
		if (!err)
			guard_fds(e)[e->ports] = -1;
	}
	for (; !err && e->doors < e->o.doors; e->doors += !err) {
		err = control_take_door(st, e->o.door[e->doors], door_fds(e)[e->doors],
					&e->door[e->doors]);
		if (!err)
			door_fds(e)[e->doors] = -1;
	}
	for (; !err && e->keys < e->o.keys; e->keys += !err) {
		err = alias_add(st, &e->o.key[e->keys], e->o.rest, key_fds(e)[e->keys]);
		if (!err)
			key_fds(e)[e->keys] = -1;
	}
	return err;
}

static int take(struct stack *st, struct heritage *e)
{
	int err = take_fds(st, e);
	uint32_t i;

	for (i = 0; !err && i < e->o.listeners; i++)
		err = listen_again(st, e, i);
	return err;
}

static void undo(struct stack *st, struct heritage *e)
{
	uint32_t i;

	for (i = 0; i < e->ports; i++)
		guard_let_go(e->port[i]->guard);
	for (i = 0; i < e->socks; i++)
		if (e->sock[i]->driver)
			listener_stop(e->sock[i]->driver);
	for (i = 0; i < e->keys; i++)
		alias_drop(st);
}

/* From here on the program's threads, too, know whose the sockets are. Who has closed one
 * just before that has not told us. */
static void publish(struct stack *st, struct heritage *e)
{
	uint32_t i;

	for (i = 0; i < e->socks; i++) {
		atomic_store(&e->sock[i]->heir, alias_tag(st->id));
		held_look(st, e->sock[i]);
	}
}

/* What was ours only for the time of the taking. */
static void let_go(struct stack *st, struct heritage *e)
{
	uint32_t i;

	for (i = 0; i < e->ports; i++)
		port_put(&st->ports, e->port[i]);
	for (i = 0; i < e->doors; i++)
		control_close_door(st, e->door[i]);
	for (i = 0; i < e->socks; i++)
		sock_put(e->sock[i]);
	for (i = 0; i < e->fds; i++)
		if (e->fd[i] >= 0)
			close(e->fd[i]);
}

/* 0, or what took the listeners, or the connection, from us. */
static int accept_offer(struct stack *st, int fd, struct heritage *e)
{
	int err = take(st, e);

	if (!err && send(fd, "k", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		err = -errno;
	if (err)
		undo(st, e);
	else
		publish(st, e);
	return err;
}

/* ---- a stack that is gone ----------------------------------------------------------------- */

static bool was_its_listener(const struct stack *st, const struct sock *s,
			     const struct stack_key *key)
{
	return memcmp(s->stack, key->id, sizeof(key->id)) == 0 && s->name_len &&
	       atomic_load(&s->state) == SOCK_LISTENING && !alias_owns(st, s);
}

static bool listen_anew(struct stack *st, struct sock *s, const struct stack_key *key)
{
	int err;

	begin_anew(s);
	atomic_store(&s->pass, key->pass);
	err = stack_reserve(st, s, &s->bound_to);
	if (!err) {
		err = listener_open(st, s, s->backlog ? s->backlog : SOMAXCONN);
		if (err) {
			binding_free(st, s->driver);
			s->driver = NULL;
		}
	}
	if (!err)
		atomic_store(&s->heir, alias_tag(st->id));
	return !err;
}

/* Who has the name of its control socket is the one who does it. */
static bool take_name(struct stack *st, const struct stack_key *key)
{
	static const uint8_t nobody[16];
	struct name n = {.kind = NAME_CONTROL, .pass = key->pass};
	struct sockaddr_un sun;
	int fd;

	memcpy(n.stack, key->id, sizeof(n.stack));
	fd = control_hear_at(&st->control, &sun, name_encode(&n, &sun));
	if (fd >= 0 && alias_add(st, key, nobody, fd) != 0)
		control_unhear(&st->control, &fd);
	return fd >= 0;
}

void estate_heal(struct stack *st, const struct stack_key *key)
{
	unsigned n = 0;
	struct sock *s;
	int fd;

	if (alias_knows(st, key->id) || !take_name(st, key))
		return;
	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		s = atomic_load(fdtab_slot(fd));
		if (!s || !sock_try_get(s))
			continue;
		if (was_its_listener(st, s, key) && listen_anew(st, s, key))
			n++;
		sock_put(s);
	}
	if (!n)
		alias_drop(st);
}

/* It may be another process that has the stack now, or nobody. Who was there and ended before it
 * had an answer for us is gone by the next time. */
static void seek_again(struct stack *st, struct seek *k)
{
	int err;

	k->lost = false;
	err = estate_seek(st, &k->key);
	if (err == -ECONNREFUSED) {
		estate_heal(st, &k->key);
	} else if (err && err != -EPERM && err != -EBUSY) {
		k->lost = true;
		stack_upkeep_soon(st);
	}
}

void estate_upkeep(struct stack *st)
{
	int i;

	for (i = 0; i < ESTATE_SEEKS_MAX; i++)
		if (st->seek[i].lost)
			seek_again(st, &st->seek[i]);
}

bool estate_serves(struct stack *st, int fd)
{
	struct seek *k = &st->seek[0];
	struct heritage *e;
	int said, err = 0;

	while (k < &st->seek[ESTATE_SEEKS_MAX] && k->fd != fd)
		k++;
	if (fd < 0 || k == &st->seek[ESTATE_SEEKS_MAX])
		return false;
	e = calloc(1, sizeof(*e));
	if (!e)
		return true;
	said = receive(fd, e);
	if (said > 0)
		err = accept_offer(st, fd, e);
	let_go(st, e);
	free(e);
	if (said == 0)
		return true;
	end_seek(k);
	if (said < 0 || err == -EPIPE || err == -ECONNRESET)
		seek_again(st, k);
	return true;
}

void estate_close(struct stack *st)
{
	int i;

	for (i = 0; i < ESTATE_SEEKS_MAX; i++)
		if (st->seek[i].fd >= 0)
			end_seek(&st->seek[i]);
}
