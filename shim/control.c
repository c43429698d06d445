/* control.c - owns the control socket's clients, and carries out what they ask.
 *
 * A request is another process's word: every field is checked, and the fd that
 * came with it must be the very app end of the socket that it names. Anybody can
 * read our names, and give them to sockets of another network namespace. So the
 * inode of the app end counts; where only the accepting process knows that, the
 * app end's peer must have been made by this stack's process.
 *
 * Invariants: a client's fd is in the epoll set; every fd that came with a request
 * is closed when the request is done.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/addr.h"
#include "conn.h"
#include "held.h"
#include "listener.h"
#include "sockcall.h"
#include "stack.h"

#define ACCEPT_MAX 16

struct message {
	struct control_request req;
	int fd[CONTROL_FDS_MAX]; /* -1: none */
	bool short_of_fds;       /* some could not be received */
};

/* ---- which socket ------------------------------------------------------------------ */

static ino_t inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static bool is_ours(const struct stack *st, const struct name *n, enum name_kind kind)
{
	return n->kind == kind && memcmp(n->stack, st->id, sizeof(st->id)) == 0;
}

/* An engine end's name is of the abstract namespace, and so its alone, but only in
 * this network namespace. */
static bool made_here(const struct stack *st, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.pid == getpid() || cred.pid == st->creator);
}

/* The socket whose app end this is, with a reference; NULL: none of this stack's. */
static struct sock *identify(const struct stack *st, int fd)
{
	struct sockaddr_un own_sun, peer_sun;
	socklen_t own_len = sizeof(own_sun), peer_len = sizeof(peer_sun);
	struct name own, peer;
	struct sock *s = NULL;
	bool right;

	if (getpeername(fd, (struct sockaddr *)&peer_sun, &peer_len) == 0 &&
	    name_decode(&peer_sun, peer_len, &peer) && is_ours(st, &peer, NAME_ENGINE)) {
		s = sock_by_id(peer.sock_id);
		right = s && made_here(st, fd) && endpoint_eq(&s->local, &peer.flow.local) &&
			endpoint_eq(&s->remote, &peer.flow.remote) &&
			(!atomic_load(&s->ino) || atomic_load(&s->ino) == inode(fd));
	} else if (getsockname(fd, (struct sockaddr *)&own_sun, &own_len) == 0 &&
		   name_decode(&own_sun, own_len, &own) && is_ours(st, &own, NAME_APP)) {
		s = sock_by_id(own.sock_id);
		right = s && atomic_load(&s->ino) == inode(fd);
	}
	if (!s || right)
		return s;
	sock_put(s);
	return NULL;
}

/* ---- what is asked ------------------------------------------------------------------ */

static void note_bound(struct sock *s)
{
	s->bound = true;
	s->bound_to = s->local;
}

static int bind_it(struct stack *st, struct sock *s, const struct message *m)
{
	int err;

	if (s->bound || atomic_load(&s->state) != SOCK_FRESH || atomic_load(&s->connecting))
		return -EINVAL;
	err = stack_bind(st, s, &m->req.endpoint);
	if (!err)
		note_bound(s);
	return err;
}

static int listen_it(struct stack *st, struct sock *s, const struct message *m)
{
	enum sock_state state = atomic_load(&s->state);
	int err;

	if ((state != SOCK_FRESH && state != SOCK_LISTENING) || atomic_load(&s->connecting))
		return -EINVAL;
	err = listener_open(st, s, m->req.arg);
	if (!err)
		note_bound(s);
	return err;
}

/* To this stack's own listener, which has room: it was emptied just now. Who fills
 * it meanwhile must not make us wait. */
static int connect_app_end(struct stack *st, int fd)
{
	struct sockaddr_un sun;
	socklen_t len = stack_name(st, NAME_DRIVER, NULL, NULL, &sun);
	int flags = fcntl(fd, F_GETFL), err = 0;

	visitors_accept(&st->visitors);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (connect(fd, (struct sockaddr *)&sun, len) != 0)
		err = errno == EAGAIN ? -ENOBUFS : -errno;
	fcntl(fd, F_SETFL, flags);
	return err;
}

static int connect_it(struct stack *st, struct sock *s, const struct message *m)
{
	int err;

	if (atomic_load(&s->state) != SOCK_FRESH)
		return -EISCONN;
	if (atomic_exchange(&s->connecting, true))
		return -EALREADY;
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

static int carry_out(struct stack *st, struct sock *s, const struct message *m,
		     struct control_reply *r)
{
	switch (m->req.op) {
	case CONTROL_STATUS:
		return 0;
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
	}
	return -EINVAL;
}

static void describe(const struct sock *s, struct control_reply *r)
{
	r->state = atomic_load(&s->state);
	r->bound = s->bound;
	r->connecting = atomic_load(&s->connecting);
	r->family = s->family;
	r->id = atomic_load(&s->id);
	r->bound_to = s->bound_to;
	r->local = s->local;
	r->remote = s->remote;
}

static void answer(struct stack *st, const struct message *m, struct control_reply *r)
{
	struct sock *s;

	if (m->short_of_fds) {
		ports_make_room(&st->ports, -EMFILE);
		r->result = -EAGAIN;
		return;
	}
	if (m->fd[0] < 0 || m->req.size != sizeof(m->req) ||
	    m->req.data_len > CONTROL_DATA_MAX) {
		r->result = -EINVAL;
		return;
	}
	s = identify(st, m->fd[0]);
	if (!s) {
		r->result = -ESRCH;
		return;
	}
	r->result = carry_out(st, s, m, r);
	describe(s, r);
	held_look(st, s);
	sock_put(s);
}

/* ---- clients ------------------------------------------------------------------------ */

static void take_fds(struct msghdr *msg, struct message *m)
{
	struct cmsghdr *c;
	size_t n = 0, i;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd); i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (n < CONTROL_FDS_MAX)
				m->fd[n++] = fd;
			else
				close(fd);
		}
	}
	m->short_of_fds = msg->msg_flags & MSG_CTRUNC;
}

/* false: nothing is there yet. */
static bool receive(int fd, struct message *m)
{
	char ctl[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
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

static void drop_client(struct control_client *c)
{
	close(c->fd); /* which takes it out of the epoll set */
	c->fd = -1;
}

static void serve_client(struct stack *st, struct control_client *c)
{
	struct control_reply r = {.size = sizeof(r)};
	struct message m;
	int i;

	if (c->fd < 0 || !receive(c->fd, &m))
		return;
	answer(st, &m, &r);
	for (i = 0; i < CONTROL_FDS_MAX; i++)
		if (m.fd[i] >= 0)
			close(m.fd[i]);
	send(c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
	drop_client(c);
}

/* A free one, or the one that has been silent longest. */
static struct control_client *place(struct control *c)
{
	struct control_client *best = &c->client[0];
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX && best->fd >= 0; i++)
		if (c->client[i].fd < 0 || c->client[i].since < best->since)
			best = &c->client[i];
	if (best->fd >= 0)
		drop_client(best);
	return best;
}

static int accept_one(struct stack *st)
{
	int fd;

	do
		fd = accept4(st->control.listener, NULL, NULL, SOCK_CLOEXEC);
	while (fd < 0 && ports_make_room(&st->ports, -errno));
	return fd;
}

/* The listener is watched by its edges, so who cannot be let in for want of fds
 * does not keep us busy; the next one to come tries again for all. */
static bool let_in(struct stack *st)
{
	struct control *c = &st->control;
	int fd = accept_one(st);
	struct control_client *one;
	struct epoll_event ev = {.events = EPOLLIN};

	if (fd < 0)
		return false;
	one = place(c);
	one->fd = fd;
	one->since = ++c->arrivals;
	ev.data.ptr = one;
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		drop_client(one);
	else
		serve_client(st, one); /* it will have asked by now */
	return true;
}

void control_serve(struct stack *st)
{
	struct epoll_event evs[ACCEPT_MAX];
	int n = epoll_wait(st->control.epoll, evs, ACCEPT_MAX, 0), i;

	for (i = 0; i < n; i++) {
		if (evs[i].data.ptr)
			serve_client(st, evs[i].data.ptr);
		else
			while (let_in(st))
				;
	}
}

int control_open(struct control *c, const struct sockaddr_un *name, socklen_t len)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->client[i].fd = -1;
	c->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->listener < 0 || c->epoll < 0 ||
	    bind(c->listener, (const struct sockaddr *)name, len) != 0 ||
	    listen(c->listener, SOMAXCONN) != 0 ||
	    epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->listener, &ev) != 0)
		return -errno;
	return 0;
}

void control_close(struct control *c)
{
	int i;

	if (c->listener < 0)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->client[i].fd >= 0)
			drop_client(&c->client[i]);
	if (c->epoll >= 0)
		close(c->epoll);
	close(c->listener);
	c->listener = -1;
}
