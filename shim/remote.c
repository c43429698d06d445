/* remote.c - asks other processes' drivers. It owns no state but whether that is
 * allowed.
 *
 * A question is: socket, connect, show the pass, hear that it is right, send with the app
 * end, receive, close. Its fd is
 * open only meanwhile. An owner that dies leaves no listener: ECONNREFUSED; one that
 * had no time for us, or no fds, ends the connection without an answer, and is asked
 * again.
 */
#include "remote.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "cancel.h"
#include "control.h"
#include "driver.h"
#include "names.h"
#include "pass.h"
#include "real.h"
#include "sockcall.h"
#include "stranger.h"

#define TRIES 3
#define ERRNO_MAX 4095 /* Linux's */
#define HOPS_MAX 8
#define PATIENCE_S 10 /* the owner may be stopped by a signal or a debugger */

static atomic_bool forbidden;

void remote_forbid(void)
{
	atomic_store(&forbidden, true);
}

bool remote_can(const struct sock *s)
{
	return !sock_is_nobodys(s) && !sock_is_mine(s) && !atomic_load(&s->orphan) &&
	       !atomic_load(&forbidden);
}

/* ---- one question ------------------------------------------------------------------- */

struct whom {
	struct sockaddr_un sun;
	socklen_t len;
	uint64_t pass; /* 0: unknown */
	int like;      /* may be of the user of this fd's peer, or who listens there */
};

static struct whom stack_at(const uint8_t id[16], uint64_t pass, int like)
{
	struct name n = {.kind = NAME_CONTROL, .pass = pass};
	struct whom w = {.pass = pass, .like = like};

	memcpy(n.stack, id, sizeof(n.stack));
	w.len = name_encode(&n, &w.sun);
	return w;
}

/* A connection to the control socket. -ECONNREFUSED: nobody is there, or somebody
 * who has no business there. */
static int reach(const struct whom *w)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int at, err;

	at = real()->socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (at < 0)
		return -ENOBUFS; /* getsockopt() and its like know no EMFILE */
	pass_no_fds(at);
	real()->setsockopt(at, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	real()->setsockopt(at, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	err = real()->connect(at, (const struct sockaddr *)&w->sun, w->len) == 0 ? 0 : -errno;
	if (!err && !sock_peer_is_trusted(at, w->like))
		err = -ECONNREFUSED;
	if (!err)
		return at;
	stranger_close(at);
	return err;
}

static int say(int at, const int *fds, size_t n, struct control_request *req)
{
	char ctl[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = req, .iov_len = sizeof(*req)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	req->size = sizeof(*req);
	return real()->sendmsg(at, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Whoever says anything else is not the same library. */
static bool makes_sense(const struct control_reply *r)
{
	return r->size == sizeof(*r) && r->state <= SOCK_CLOSED && r->result <= ERRNO_MAX &&
	       r->result >= -ERRNO_MAX && r->data_len <= CONTROL_DATA_MAX;
}

static int hear(int at, struct control_reply *r)
{
	ssize_t n = real()->recv(at, r, sizeof(*r), 0);

	if (n < 0)
		return -errno;
	if (!n)
		return -EPIPE;
	return n == sizeof(*r) && makes_sense(r) ? 0 : -EPROTO;
}

static int show_pass(int at, uint64_t pass)
{
	char welcome;
	ssize_t n;

	if (real()->send(at, &pass, sizeof(pass), MSG_NOSIGNAL) < 0)
		return -errno;
	n = real()->recv(at, &welcome, 1, 0);
	return n < 0 ? -errno : n ? 0 : -EPIPE;
}

static int ask_once(const struct whom *w, const int *fds, size_t n,
		    struct control_request *req, struct control_reply *r)
{
	int at = reach(w), err;

	if (at < 0)
		return at;
	err = show_pass(at, w->pass);
	if (!err)
		err = say(at, fds, n, req);
	if (!err)
		err = hear(at, r);
	real()->close(at);
	return err;
}

static bool worth_another_try(int err, const struct control_reply *r)
{
	return err == -EPIPE || err == -ECONNRESET || (!err && r->result == -EAGAIN);
}

/* Takes over what the answer says of s. */
static void learn(struct sock *s, const struct control_reply *r)
{
	s->bound = r->bound;
	s->bound_to = r->bound_to;
	s->local = r->local;
	s->remote = r->remote;
	atomic_store(&s->connecting, r->connecting);
	atomic_store(&s->state, r->state);
}

/* Of a connection: neither end of the pair has been closed. */
static bool pair_lives(int fd)
{
	struct pollfd p = {.fd = fd};
	struct cancel c;
	bool lives;

	cancel_hold(&c);
	lives = poll(&p, 1, 0) == 0;
	cancel_release(&c);
	return lives;
}

/* The stack is gone; or it is in another network namespace, where the connection
 * goes on without our being able to say anything about it. */
static void lose(struct sock *s, int fd)
{
	atomic_store(&s->orphan, true);
	if (atomic_load(&s->state) == SOCK_LISTENING)
		return; /* it may come back: heir.h */
	if (atomic_load(&s->state) == SOCK_CONNECTED && pair_lives(fd))
		return;
	atomic_store(&s->connecting, false);
	atomic_store(&s->state, SOCK_CLOSED);
}

/* 0: there is an answer. -ECONNREFUSED: nobody is there. */
static int ask_whom(const struct whom *w, const int *fds, size_t n,
		    struct control_request *req, struct control_reply *r)
{
	int err, cancel, tries = TRIES;
	sigset_t all, old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	do
		err = ask_once(w, fds, n, req, r);
	while (worth_another_try(err, r) && --tries);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setcancelstate(cancel, NULL);
	return err ? err : r->result == -EAGAIN ? -ENOBUFS : 0;
}

/* From one who has inherited to who has the rest. */
static int ask_on(struct whom *w, const int *fds, size_t n, struct control_request *req,
		  struct control_reply *r)
{
	int err = ask_whom(w, fds, n, req, r), hops = HOPS_MAX;

	for (; !err && r->result == -EREMOTE && hops; hops--) {
		*w = stack_at(r->stack, w->pass, w->like);
		err = ask_whom(w, fds, n, req, r);
	}
	return err;
}

/* The answer's result. */
static int ask(struct sock *s, const int *fds, size_t n, struct control_request *req,
	       struct control_reply *r)
{
	struct whom w = stack_at(s->stack, sock_pass(s, fds[0]), fds[0]);
	int err;

	if (!remote_can(s)) {
		if (atomic_load(&s->orphan))
			lose(s, fds[0]);
		return -ESRCH;
	}
	err = ask_on(&w, fds, n, req, r);
	if (err == -ECONNREFUSED ||
	    (!err && (r->result == -ESRCH || r->result == -EREMOTE))) {
		lose(s, fds[0]);
		return -ESRCH;
	}
	if (err)
		return -ENOBUFS;
	learn(s, r);
	return r->result;
}

/* s, which is nobody's, becomes a socket of the stack that answers. */
static int join(struct sock *s, int fd, const struct whom *w, struct control_request *req)
{
	struct control_reply r;
	int err;

	req->op = CONTROL_NEW;
	req->arg = s->family;
	err = ask_whom(w, &fd, 1, req, &r);
	if (!err)
		err = r.result;
	if (err)
		return err;
	memcpy(s->stack, r.stack, sizeof(s->stack));
	atomic_store(&s->pass, pass_of(fd));
	sock_make_name(s, r.id);
	sock_opts_tell(s, fd);
	return 0;
}

int remote_join(struct sock *s, int fd, const struct stack_key *key)
{
	struct control_request req = {.data_len = sizeof(key->token)};
	struct whom w = stack_at(key->id, key->pass, fd);

	memcpy(req.data, key->token, sizeof(key->token));
	return join(s, fd, &w, &req);
}

bool remote_port_let_go(int fd, uint16_t port)
{
	struct control_request req = {.op = CONTROL_CHECK};
	struct control_reply r;
	struct whom w = {.like = fd};

	w.len = name_port(port, &w.sun);
	return ask_whom(&w, &fd, 1, &req, &r) == 0 && r.result == 0;
}

int remote_join_port(struct sock *s, int fd, uint16_t port)
{
	struct control_request req = {0};
	struct whom w = {.like = fd};

	w.len = name_port(port, &w.sun);
	return join(s, fd, &w, &req);
}

static int ask_simply(struct sock *s, int fd, struct control_request *req)
{
	struct control_reply r;

	return ask(s, &fd, 1, req, &r);
}

/* ---- the questions ------------------------------------------------------------------ */

void remote_refresh(struct sock *s, int fd)
{
	struct control_request req = {.op = CONTROL_STATUS};
	enum sock_state state = atomic_load(&s->state);

	if (sock_is_nobodys(s) || sock_is_mine(s) || state == SOCK_CLOSED ||
	    (state == SOCK_CONNECTED && pair_lives(fd)))
		return;
	ask_simply(s, fd, &req);
}

int remote_made(struct sock *listener, int listen_fd, int fd)
{
	struct whom w = stack_at(listener->stack, sock_pass(listener, listen_fd), listen_fd);
	struct control_request req = {.op = CONTROL_MADE};
	struct control_reply r;
	int err;

	if (!remote_can(listener))
		return -ENOBUFS;
	err = ask_on(&w, &fd, 1, &req, &r);
	return err ? err : r.result;
}

int remote_bind(struct sock *s, int fd, const struct endpoint *local)
{
	struct control_request req = {.op = CONTROL_BIND, .endpoint = *local};

	return ask_simply(s, fd, &req);
}

int remote_listen(struct sock *s, int fd, int backlog)
{
	struct control_request req = {.op = CONTROL_LISTEN, .arg = backlog};

	return ask_simply(s, fd, &req);
}

int remote_inherit(struct sock *s, int fd, bool daemon)
{
	struct control_request req = {.op = CONTROL_INHERIT, .arg2 = daemon};

	return ask_simply(s, fd, &req);
}

int remote_owner(struct sock *s, int fd, pid_t *pid)
{
	struct control_request req = {.op = CONTROL_STATUS};
	struct control_reply r;
	int err = ask(s, &fd, 1, &req, &r);

	if (!err)
		*pid = r.pid;
	return err;
}

int remote_connect(struct sock *s, int fd, const struct endpoint *remote)
{
	struct control_request req = {.op = CONTROL_CONNECT, .endpoint = *remote};
	int err = ask_simply(s, fd, &req);

	atomic_store(&s->filled, !err);
	return err;
}

void remote_told(struct sock *s, int fd)
{
	struct control_request req = {.op = CONTROL_TOLD};

	ask_simply(s, fd, &req);
}

int remote_shutdown(struct sock *s, int fd, int how)
{
	struct control_request req = {.op = CONTROL_SHUTDOWN, .arg = how};

	return ask_simply(s, fd, &req);
}

int remote_undo(struct sock *s, int fd, int fresh, uint64_t *id)
{
	struct control_request req = {.op = CONTROL_UNDO};
	struct control_reply r;
	int err = ask(s, (int[]){fd, fresh}, 2, &req, &r);

	if (!err)
		*id = r.id;
	return err;
}

int remote_take_err(struct sock *s, int fd, int native)
{
	struct control_request req = {.op = CONTROL_TAKE_ERR, .arg = native};

	return ask_simply(s, fd, &req);
}

int remote_getsockopt(struct sock *s, int fd, int level, int name, void *val,
		      socklen_t *len)
{
	struct control_request req = {.op = CONTROL_GETSOCKOPT, .arg = level, .arg2 = name};
	struct control_reply r;
	int err;

	req.data_len = *len < CONTROL_DATA_MAX ? *len : CONTROL_DATA_MAX;
	err = ask(s, &fd, 1, &req, &r);
	if (err)
		return err;
	*len = r.data_len < req.data_len ? r.data_len : req.data_len;
	memcpy(val, r.data, *len);
	return 0;
}

int remote_setsockopt(struct sock *s, int fd, int level, int name, const void *val,
		      socklen_t len)
{
	struct control_request req = {.op = CONTROL_SETSOCKOPT, .arg = level, .arg2 = name};

	req.data_len = len < CONTROL_DATA_MAX ? len : CONTROL_DATA_MAX;
	memcpy(req.data, val, req.data_len);
	return ask_simply(s, fd, &req);
}

int remote_queue(struct sock *s, int fd, unsigned long request, int *out)
{
	struct control_request req = {.op = CONTROL_IOCTL, .arg = (int)request};
	struct control_reply r;
	int err = ask(s, &fd, 1, &req, &r);

	if (!err)
		memcpy(out, r.data, sizeof(*out));
	return err;
}
