/* control.c - owns the control socket's clients, and carries out what they ask.
 *
 * A request is another process's word: every field is checked, and the fd that
 * came with it must be the very app end of the socket that it names. Anybody can
 * read our names, and give them to sockets of another network namespace. So the
 * inode of the app end counts; where only the accepting process knows that, the
 * app end's peer must have been made by this stack's process, whose word its name is.
 *
 * Clients are strangers until they have shown the stack's pass, or are of a user whom
 * we trust: until then nothing of theirs is taken but that one word, they cannot send
 * fds (pass.h), and they give way to others. Their turn is short: so many are let in at
 * once, then the loop serves the others.
 *
 * Invariants: a client's fd is in the epoll set; every fd that came with a request
 * is closed when the request is done.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/addr.h"
#include "alias.h"
#include "conn.h"
#include "estate.h"
#include "held.h"
#include "legacy.h"
#include "listener.h"
#include "pass.h"
#include "sockcall.h"
#include "stack.h"
#include "stranger.h"

#define ACCEPT_MAX 16
#define SCM_MAX_FD 253 /* of a message; Linux's include/net/scm.h */

struct message {
	struct control_request req;
	bool trusted;            /* of the user that this stack is of */
	uid_t user;              /* of whom it is */
	int fd[CONTROL_FDS_MAX]; /* -1: none */
	bool heir;               /* and legacy_admits() it */
	bool short_of_fds;       /* some could not be received */
	bool known;              /* the first is an app end of this stack's */
};

/* ---- which socket ------------------------------------------------------------------ */

static ino_t inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static bool is_ours(const struct stack *st, const struct name *n, enum name_kind kind)
{
	return n->kind == kind && alias_knows(st, n->stack);
}

static const struct conn *conn_of(const struct sock *s)
{
	const struct handle *h = s->driver;

	return h && h->kind == HANDLE_CONN ? s->driver : NULL;
}

/* An engine end's name is of the abstract namespace, and so its alone, but only in
 * this network namespace; and who holds the pass can sign others. */
static bool made_here(const struct stack *st, const struct sock *s, int fd,
		      const struct name *engine)
{
	const struct conn *c = conn_of(s);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return name_is_signed(engine, alias_pass(st, engine->stack)) &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (uint32_t)cred.pid == (c ? (uint32_t)c->pid : engine->pid);
}

/* What was forked has copies of its parent's socks, with the same ids. */
static struct sock *owned_sock(const struct stack *st, uint64_t id)
{
	struct sock *s = sock_by_id(id);

	if (!s || alias_owns(st, s))
		return s;
	sock_put(s);
	return NULL;
}

/* A listener that was another stack's had its id there. */
static struct sock *listener_by_ino(const struct stack *st, const struct name *own, ino_t ino)
{
	const struct listener *l;

	for (l = st->listeners; l; l = l->next)
		if (atomic_load(&l->s->ino) == ino &&
		    memcmp(l->s->stack, own->stack, sizeof(own->stack)) == 0)
			return sock_get(l->s);
	return NULL;
}

static struct sock *bare_sock(const struct stack *st, const struct name *own, ino_t ino)
{
	struct sock *s = owned_sock(st, own->sock_id);

	if (s && atomic_load(&s->ino) == ino)
		return s;
	if (s)
		sock_put(s);
	return listener_by_ino(st, own, ino);
}

/* The socket whose app end this is, with a reference; NULL: none that this stack has.
 * *rest: then, and not NULL, the stack to ask. */
static struct sock *identify(const struct stack *st, int fd, const uint8_t **rest)
{
	struct sockaddr_un own_sun, peer_sun;
	socklen_t own_len = sizeof(own_sun), peer_len = sizeof(peer_sun);
	struct name own, peer;
	struct sock *s = NULL;
	bool right = false;

	*rest = NULL;
	if (getpeername(fd, (struct sockaddr *)&peer_sun, &peer_len) == 0 &&
	    name_decode(&peer_sun, peer_len, &peer) && is_ours(st, &peer, NAME_ENGINE)) {
		s = owned_sock(st, peer.sock_id);
		right = s && made_here(st, s, fd, &peer) && endpoint_eq(&s->local, &peer.flow.local) &&
			endpoint_eq(&s->remote, &peer.flow.remote) &&
			(!atomic_load(&s->ino) || atomic_load(&s->ino) == inode(fd));
		*rest = alias_rest(st, peer.stack);
	} else if (getsockname(fd, (struct sockaddr *)&own_sun, &own_len) == 0 &&
		   name_decode(&own_sun, own_len, &own) && is_ours(st, &own, NAME_APP)) {
		s = bare_sock(st, &own, inode(fd));
		right = s;
		*rest = alias_rest(st, own.stack);
	}
	if (!s || right)
		return s;
	sock_put(s);
	return NULL;
}

/* ---- what is asked ------------------------------------------------------------------ */

static int bind_it(struct stack *st, struct sock *s, const struct message *m)
{
	uint16_t port = m->req.endpoint.port;
	int err;

	/* The privilege that counts is this process's, which the asker may not have. */
	if (port && port < IPPORT_RESERVED && !m->trusted)
		return -EACCES;
	if (sock_has_port(s) || atomic_load(&s->state) != SOCK_FRESH || atomic_load(&s->connecting))
		return -EINVAL;
	sock_use_scope(s, &m->req.endpoint.addr);
	err = stack_bind(st, s, &m->req.endpoint);
	if (!err)
		sock_note_bound(s);
	return err;
}

static int listen_it(struct stack *st, struct sock *s, const struct message *m)
{
	enum sock_state state = atomic_load(&s->state);
	int err;

	if ((state != SOCK_FRESH && state != SOCK_LISTENING) || atomic_load(&s->connecting))
		return -EINVAL;
	s->user = m->user;
	err = listener_open(st, s, m->req.arg);
	if (!err)
		sock_note_bound(s);
	return err;
}

static int connect_app_end(struct stack *st, int fd)
{
	int err;

	do
		err = visitors_bring(&st->visitors, fd);
	while (ports_make_room(&st->ports, err));
	return err == -EMFILE || err == -ENFILE ? -ENOBUFS : err;
}

static int connect_it(struct stack *st, struct sock *s, const struct message *m)
{
	int err;

	if (atomic_load(&s->state) != SOCK_FRESH)
		return -EISCONN;
	if (atomic_exchange(&s->connecting, true))
		return -EALREADY;
	sock_use_scope(s, &m->req.endpoint.addr);
	err = connect_app_end(st, m->fd[0]);
	if (!err)
		err = sock_fill(m->fd[0]);
	atomic_store(&s->filled, !err);
	return err ? err : conn_connect(st, s, &m->req.endpoint);
}

static int shut_it(struct sock *s, const struct message *m)
{
	if (atomic_load(&s->state) != SOCK_CONNECTED)
		return -ENOTCONN;
	if (m->req.arg != SHUT_WR)
		atomic_store(&s->shut_rd, true);
	if (m->req.arg != SHUT_RD)
		atomic_store(&s->shut_wr, true);
	return 0;
}

static int undo(struct stack *st, struct sock *s, const struct message *m)
{
	ino_t fresh = m->fd[1] >= 0 ? inode(m->fd[1]) : 0;

	if (!fresh)
		return -EBADF;
	stack_undo(st, s);
	sock_reset(s);
	atomic_store(&s->ino, fresh);
	sock_make_name(s, atomic_load(&s->id));
	return 0;
}

static int get_option(struct sock *s, const struct message *m, struct control_reply *r)
{
	socklen_t len = m->req.data_len;
	int err;

	if (!sockopt_is_the_stacks(s, m->req.arg, m->req.arg2))
		return -EINVAL;
	err = sock_getsockopt(s, m->fd[0], m->req.arg, m->req.arg2, r->data, &len);
	r->data_len = err ? 0 : len;
	return err;
}

static int set_option(struct sock *s, const struct message *m)
{
	if (!sockopt_is_the_stacks(s, m->req.arg, m->req.arg2))
		return -EINVAL;
	return sock_setsockopt(s, m->fd[0], m->req.arg, m->req.arg2, m->req.data,
			       m->req.data_len);
}

static int ask_queue(struct sock *s, const struct message *m, struct control_reply *r)
{
	int n = 0, err;

	if (m->req.arg != SIOCOUTQ && m->req.arg != SIOCOUTQNSD)
		return -EINVAL;
	err = sock_ioctl(s, m->fd[0], (unsigned)m->req.arg, &n);
	memcpy(r->data, &n, sizeof(n));
	r->data_len = sizeof(n);
	return err;
}

/* An unnamed, unconnected app end? */
static bool is_fresh(int fd)
{
	struct sockaddr_un sun = {0};
	socklen_t len = sizeof(sun), type_len = sizeof(int);
	int type = 0;

	return getsockname(fd, (struct sockaddr *)&sun, &len) == 0 &&
	       sun.sun_family == AF_UNIX && len == sizeof(sun.sun_family) &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
	       type == SOCK_STREAM && getpeername(fd, (struct sockaddr *)&sun, &len) != 0;
}

/* The stack takes in a socket of another process, and names its app end. */
static struct sock *take_in(struct stack *st, const struct message *m)
{
	bool welcome = m->trusted || (m->req.data_len == sizeof(st->token) &&
				      alias_has_token(st, m->req.data));
	struct sock *s;

	if (!welcome || (m->req.arg != AF_INET && m->req.arg != AF_INET6) ||
	    !is_fresh(m->fd[0]))
		return NULL;
	s = sock_new(m->req.arg);
	if (!s)
		return NULL;
	sock_opts_init(s);
	memcpy(s->stack, st->id, sizeof(s->stack));
	atomic_store(&s->ino, inode(m->fd[0]));
	sock_make_name(s, atomic_load(&s->id));
	if (bind(m->fd[0], (struct sockaddr *)&s->name, s->name_len) == 0) {
		pass_give(m->fd[0], st->pass);
		return s;
	}
	sock_put(s);
	return NULL;
}

static int carry_out(struct stack *st, struct sock *s, const struct message *m,
		     struct control_reply *r)
{
	switch (m->req.op) {
	case CONTROL_NEW:
	case CONTROL_STATUS:
		return 0;
	case CONTROL_MADE:
		return conn_of(s) && conn_of(s)->pid ? 0 : -ESRCH;
	case CONTROL_TOLD:
		atomic_store(&s->connecting, false);
		return 0;
	case CONTROL_BIND:
		return bind_it(st, s, m);
	case CONTROL_LISTEN:
		return listen_it(st, s, m);
	case CONTROL_CONNECT:
		return connect_it(st, s, m);
	case CONTROL_SHUTDOWN:
		return shut_it(s, m);
	case CONTROL_UNDO:
		return undo(st, s, m);
	case CONTROL_TAKE_ERR:
		return sock_take_err(s, m->fd[0], m->req.arg);
	case CONTROL_GETSOCKOPT:
		return get_option(s, m, r);
	case CONTROL_SETSOCKOPT:
		return set_option(s, m);
	case CONTROL_IOCTL:
		return ask_queue(s, m, r);
	case CONTROL_INHERIT:
		return m->trusted ? legacy_wants(st, m->req.arg2) : -EPERM;
	}
	return -EINVAL;
}

static void describe(const struct sock *s, struct control_reply *r)
{
	memcpy(r->stack, s->stack, sizeof(r->stack));
	r->state = atomic_load(&s->state);
	r->bound = s->bound;
	r->connecting = atomic_load(&s->connecting);
	r->family = s->family;
	r->pid = getpid();
	r->id = atomic_load(&s->id);
	r->bound_to = s->bound_to;
	r->local = s->local;
	r->remote = s->remote;
}

/* Without an app end. */
static bool is_about_no_socket(const struct message *m)
{
	return m->req.op == CONTROL_INHERIT && m->req.arg == 1;
}

static void answer(struct stack *st, struct message *m, struct control_reply *r)
{
	const uint8_t *rest = NULL;
	struct sock *s;

	if (m->short_of_fds) {
		ports_make_room(&st->ports, -EMFILE);
		r->result = -EAGAIN;
		return;
	}
	if (m->req.size != sizeof(m->req) || m->req.data_len > CONTROL_DATA_MAX ||
	    (m->fd[0] < 0 && !is_about_no_socket(m))) {
		r->result = -EINVAL;
		return;
	}
	if (is_about_no_socket(m)) {
		r->result = m->heir ? 0 : m->trusted ? -EBUSY : -EPERM;
		return;
	}
	if (m->req.op == CONTROL_CHECK) {
		r->result = held_check(st) ? 0 : -ENOENT;
		return;
	}
	s = m->req.op == CONTROL_NEW ? take_in(st, m) : identify(st, m->fd[0], &rest);
	if (!s) {
		r->result = rest ? -EREMOTE : -ESRCH;
		if (rest)
			memcpy(r->stack, rest, sizeof(r->stack));
		return;
	}
	m->known = true;
	r->result = carry_out(st, s, m, r);
	describe(s, r);
	held_look(st, s);
	sock_put(s);
}

/* ---- clients ------------------------------------------------------------------------ */

static void drop_all(const int *fds, size_t n)
{
	struct stranger_hold h;

	if (!n)
		return;
	stranger_hold(&h);
	while (n--)
		if (fds[n] >= 0)
			close(fds[n]);
	stranger_let_go(&h);
}

/* All fds of a message come together. */
static void take_fds(struct msghdr *msg, struct message *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fds[SCM_MAX_FD];
	size_t n, taken;

	m->short_of_fds = msg->msg_flags & MSG_CTRUNC;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	taken = n < CONTROL_FDS_MAX ? n : CONTROL_FDS_MAX;
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	memcpy(m->fd, fds, taken * sizeof(int));
	drop_all(fds + taken, n - taken);
}

/* false: nothing is there yet. */
static bool receive(int fd, struct message *m)
{
	char ctl[CMSG_SPACE(SCM_MAX_FD * sizeof(int))]; /* else the kernel drops some */
	struct iovec iov = {.iov_base = &m->req, .iov_len = sizeof(m->req)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = sizeof(ctl)};
	ssize_t n;

	memset(m, 0, sizeof(*m));
	m->fd[0] = m->fd[1] = -1;
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno != EAGAIN;
	take_fds(&msg, m);
	if (n != sizeof(m->req))
		m->req.size = 0;
	return true;
}

static void drop_client(struct control *control, struct control_client *c)
{
	/* Its number is another's at once; the file may be there a moment longer. */
	epoll_ctl(control->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	stranger_close(c->fd);
	c->fd = -1;
}

/* What a client says first. It is looked at only: to receive a message is to close the
 * fds that came with it, where the kernel lets them in. */
static void look_at_pass(struct stack *st, struct control_client *c)
{
	uint64_t pass = 0;
	struct iovec iov = {.iov_base = &pass, .iov_len = sizeof(pass)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_PEEK);

	if (n < 0 && errno == EAGAIN)
		return;
	c->welcome = n == sizeof(pass) && !(msg.msg_flags & MSG_CTRUNC) &&
		     (alias_has_pass(st, pass) || sock_peer_is_trusted(c->fd, -1));
	if (!c->welcome) {
		drop_client(&st->control, c);
		return;
	}
	recv(c->fd, &pass, sizeof(pass), MSG_DONTWAIT);
	pass_fds(c->fd);
	send(c->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve_client(struct stack *st, struct control_client *c)
{
	struct control_reply r = {.size = sizeof(r)};
	struct message m;
	int n;

	if (c->fd >= 0 && !c->welcome) {
		look_at_pass(st, c);
		return;
	}
	if (c->fd < 0 || !receive(c->fd, &m))
		return;
	m.trusted = sock_peer_is_trusted(c->fd, -1);
	m.heir = m.trusted && legacy_admits(st, c->fd);
	m.user = sock_peer_user(c->fd);
	answer(st, &m, &r);
	watcher_check(st); /* whoever is killed now leaves somebody to go on */
	if (m.known)
		close(m.fd[0]);
	n = m.fd[1] >= 0 ? 2 : m.fd[0] >= 0;
	drop_all(m.fd + m.known, n - m.known);
	send(c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (is_about_no_socket(&m) && r.result == 0) {
		legacy_add(st, c->fd);
		c->fd = -1;
	} else {
		drop_client(&st->control, c);
	}
}

static bool gives_way(const struct control_client *a, const struct control_client *b)
{
	if (a->fd < 0 || b->fd < 0)
		return a->fd < 0;
	return a->welcome == b->welcome ? a->since < b->since : !a->welcome;
}

/* A free one, or the stranger that has been silent longest, or the client that has. */
static struct control_client *place(struct control *c)
{
	struct control_client *best = &c->client[0];
	int i;

	for (i = 1; i < CONTROL_CLIENTS_MAX; i++)
		if (gives_way(&c->client[i], best))
			best = &c->client[i];
	if (best->fd >= 0)
		drop_client(c, best);
	return best;
}

static int accept_one(struct stack *st, int listener)
{
	int fd;

	do
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (fd < 0 && ports_make_room(&st->ports, -errno));
	return fd;
}

/* The listener is watched by its edges, so who cannot be let in for want of fds
 * does not keep us busy; the next one to come tries again for all. */
static bool let_in(struct stack *st, int listener)
{
	struct control *c = &st->control;
	int fd = accept_one(st, listener);
	struct control_client *one;
	struct epoll_event ev = {.events = EPOLLIN};

	if (fd < 0)
		return false;
	one = place(c);
	one->fd = fd;
	one->since = ++c->arrivals;
	one->welcome = false;
	ev.data.fd = fd;
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		drop_client(c, one);
	else
		serve_client(st, one); /* it will have shown its pass by now */
	return true;
}

static struct control_client *client_of(struct control *c, int fd)
{
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->client[i].fd == fd)
			return &c->client[i];
	return NULL;
}

/* Some, and then others' turn: the edge is told of again if there are more. */
static void let_some_in(struct stack *st, int listener)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = listener};
	int n = 0;

	while (n < ACCEPT_MAX && let_in(st, listener))
		n++;
	if (n == ACCEPT_MAX)
		epoll_ctl(st->control.epoll, EPOLL_CTL_MOD, listener, &ev);
}

void control_serve(struct stack *st)
{
	struct epoll_event evs[ACCEPT_MAX];
	int n = epoll_wait(st->control.epoll, evs, ACCEPT_MAX, 0), i;

	for (i = 0; i < n; i++) {
		struct control_client *c = client_of(&st->control, evs[i].data.fd);

		if (c)
			serve_client(st, c);
		else if (!legacy_serves(st, evs[i].data.fd) &&
			 !estate_serves(st, evs[i].data.fd)) /* a listener or a door */
			let_some_in(st, evs[i].data.fd);
	}
}

/* ---- where they come in --------------------------------------------------------------- */

int control_hear(struct control *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) /* another process may have made it */
		return -errno;
	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) == 0 || errno == EEXIST ? 0 : -errno;
}

void control_unhear(struct control *c, int *fd)
{
	if (*fd < 0)
		return;
	epoll_ctl(c->epoll, EPOLL_CTL_DEL, *fd, NULL);
	stranger_close_shared(*fd); /* it may be another process's now */
	*fd = -1;
}

int control_hear_at(struct control *c, const struct sockaddr_un *name, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	pass_no_fds(fd);
	if (bind(fd, (const struct sockaddr *)name, len) == 0 && listen(fd, SOMAXCONN) == 0)
		err = control_hear(c, fd);
	else
		err = -errno;
	if (!err)
		return fd;
	stranger_close(fd);
	return err;
}

int control_open(struct control *c, const struct sockaddr_un *name, socklen_t len)
{
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->client[i].fd = -1;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return -errno;
	c->listener = control_hear_at(c, name, len);
	return c->listener < 0 ? c->listener : 0;
}

void control_turn_away(struct control *c)
{
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->client[i].fd >= 0)
			drop_client(c, &c->client[i]);
}

void control_close(struct control *c)
{
	if (c->epoll < 0)
		return;
	control_turn_away(c);
	if (c->listener >= 0)
		stranger_close(c->listener);
	close(c->epoll);
	c->epoll = -1;
}
