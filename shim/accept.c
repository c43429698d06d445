/* accept.c - the meaning of accept().
 *
 * The driver connects an engine end to our AF_UNIX listener once per
 * established TCP connection. Its name says which, and is signed with the listener's pass;
 * the kernel says which process it comes from, which must be the stack's.
 * What that process's user is at the moment, or ours, does not count: programs change
 * theirs. Whoever else connects is turned away. The first bytes through the new pair are
 * ours: one keeps the engine end's queue from being empty (see the
 * byte that stays in README.md), and an fd that travels with the one before it tells
 * the driver that they are none of the program's.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cancel.h"
#include "driver.h"
#include "fdtab.h"
#include "heir.h"
#include "names.h"
#include "pair.h"
#include "pass.h"
#include "remote.h"
#include "sockcall.h"
#include "stranger.h"

/* Sends the mark. The fd that it needs is fd itself: accept() may have taken the last
 * one that there was. */
static int send_mark(int fd)
{
	char bytes[PAIR_MARK_BYTES] = {0}, ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = ctl, .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int err;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	err = real()->sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno
									 : 0;
	/* Reset already: the program finds out by its first read or write. */
	return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}

/* Of a connection: who connected; of a listener: who called listen(). */
static struct ucred peer_of(int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);

	if (real()->getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return (struct ucred){.uid = (uid_t)-1};
	return cred;
}

uid_t sock_peer_user(int fd)
{
	return peer_of(fd).uid;
}

/* The effective user may be another one for a moment only. */
static bool is_own_user(uid_t uid)
{
	uid_t real_uid, effective, saved;

	return getresuid(&real_uid, &effective, &saved) == 0 &&
	       (uid == real_uid || uid == saved);
}

bool sock_peer_is_trusted(int at, int fd)
{
	uid_t uid = peer_of(at).uid;

	return uid != (uid_t)-1 &&
	       (uid == 0 || is_own_user(uid) || uid == peer_of(fd).uid);
}

bool sock_is_engine_end(const struct name *n, uint64_t pass, int fd, pid_t pid)
{
	return n->kind == NAME_ENGINE && name_is_signed(n, pass) && pid && peer_of(fd).pid == pid;
}

/* Is the peer of fd one of the listener's, which another process's stack has? That process
 * may be in another PID namespace; it may have become another (handover.c), and its pid a
 * stranger's, who repeats a name; and a worker that holds the pass can sign names. So the
 * stack itself is asked, once for each process that it is. */
static bool stack_made(struct sock *listener, int listen_fd, int fd, const struct name *n)
{
	pid_t pid = peer_of(fd).pid; /* 0: outside of this PID namespace */
	int err;

	if (pid ? pid == atomic_load(&listener->maker) : sock_peer_is_trusted(fd, listen_fd))
		return true;
	err = remote_made(listener, listen_fd, fd);
	if (!err)
		atomic_store(&listener->maker, pid);
	if (!err || err == -ESRCH)
		return !err;
	return pid && (uint32_t)pid == n->pid; /* nobody can be asked */
}

/* Is the peer of fd, whose name is n, an engine end of the listener's stack? */
static bool from_driver(struct sock *listener, int listen_fd, int fd, const struct name *n)
{
	if (n->kind != NAME_ENGINE ||
	    memcmp(n->stack, listener->stack, sizeof(n->stack)) != 0 ||
	    !name_is_signed(n, sock_pass(listener, listen_fd)))
		return false;
	return sock_is_mine(listener) ? peer_of(fd).pid == getpid()
				      : stack_made(listener, listen_fd, fd, n);
}

/* The sock of an accepted connection: the driver's own, if the driver is this
 * process's and has not forgotten it, which it does when it was reset. */
static struct sock *accepted_sock(struct sock *listener, const struct name *n)
{
	/* Of those that wait in a listener that was taken over some are of the stack before. */
	bool mine = sock_is_mine(listener) &&
		    (!atomic_load(&listener->heir) || n->pid == (uint32_t)getpid());
	struct sock *s = mine ? sock_by_id(n->sock_id) : NULL;

	/* What the driver has written there precedes the state; that its connect() precedes
	 * our accept() orders them for the kernel alone. */
	if (s) {
		(void)atomic_load(&s->state);
		return s;
	}
	s = sock_new(listener->family);
	if (!s)
		return NULL;
	memcpy(s->stack, listener->stack, sizeof(s->stack));
	atomic_store(&s->heir, mine ? atomic_load(&listener->heir) : 0);
	s->local = n->flow.local;
	s->remote = n->flow.remote;
	atomic_store(&s->err, mine ? ECONNRESET : 0);
	atomic_store(&s->state, mine ? SOCK_CLOSED : SOCK_CONNECTED);
	return s;
}

static void inherit(const struct sock *listener, int listen_fd, struct sock *s,
		    int fd)
{
	static const int opts[] = {SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT,
				   SO_OOBINLINE, SO_PEEK_OFF};
	unsigned i;

	sock_opts_inherit(s, listener);
	if (!atomic_load(&listener->timeouts))
		return;
	atomic_store(&s->timeouts, true);
	for (i = 0; i < sizeof(opts) / sizeof(opts[0]); i++) {
		char val[sizeof(struct timeval)];
		socklen_t len = sizeof(val);

		if (real()->getsockopt(listen_fd, SOL_SOCKET, opts[i], val, &len) == 0)
			real()->setsockopt(fd, SOL_SOCKET, opts[i], val, len);
	}
}

/* Makes fd, connected to the engine end called n, a socket of ours. Returns fd
 * or, with fd closed, an error. */
static int adopt(struct sock *listener, int listen_fd, int fd,
		 const struct name *n)
{
	struct sock *s = accepted_sock(listener, n);
	struct stat st;
	int err;

	if (!s || fstat(fd, &st) != 0) {
		err = -ENOBUFS;
		goto fail;
	}
	atomic_store(&s->ino, st.st_ino);
	inherit(listener, listen_fd, s, fd);
	sock_pin_sndbuf(s, fd);
	atomic_store(&s->pass, sock_pass(listener, listen_fd));
	pass_give(fd, atomic_load(&s->pass));
	err = send_mark(fd);
	if (err)
		goto fail;
	return sock_attach(fd, s);
fail:
	if (s)
		sock_put(s);
	real()->close(fd);
	return err;
}

/* The longest that accept() waits for somebody who means it. Strangers who come again and
 * again have the kernel begin its SO_RCVTIMEO anew. */
struct patience {
	bool ends;
	struct timespec begin, span;
};

static void patience_begin(struct patience *p, const struct sock *s, int fd)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	*p = (struct patience){0};
	if (!atomic_load(&s->timeouts) ||
	    real()->getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) != 0)
		return;
	p->span = (struct timespec){tv.tv_sec, tv.tv_usec * 1000};
	p->ends = tv.tv_sec || tv.tv_usec;
	clock_gettime(CLOCK_MONOTONIC, &p->begin);
}

static bool patience_is_over(const struct patience *p)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (now.tv_sec - p->begin.tv_sec - p->span.tv_sec) * INT64_C(1000000000) +
	     now.tv_nsec - p->begin.tv_nsec - p->span.tv_nsec;
	return ns >= 0;
}

/* So many have been turned away: may accept() end, though others may have come? All who
 * were in the queue when it began are out of it, as it holds no more. Who has come since
 * makes an edge that epoll tells of after this. */
static bool enough(int fd, int strangers, const struct patience *p)
{
	if (strangers <= SOMAXCONN && !p->ends)
		return false;
	return sock_nonblocking(fd) ? strangers > SOMAXCONN : patience_is_over(p);
}

/* An engine end and its name, or a negative errno. */
static int next(struct sock *s, int fd, int flags, struct name *n)
{
	struct sockaddr_un sun;
	struct patience patience;
	socklen_t sun_len;
	int conn, strangers = 0, err;

	patience_begin(&patience, s, fd);
	heir_consider(s, fd);
	for (;;) {
		if (sock_fd_limit_reached(fd))
			return -EMFILE;
		err = heir_await(s, fd);
		if (err)
			return err;
		if (sock_lost_stack(s))
			return -EINVAL; /* nobody will ever come */
		sun_len = sizeof(sun);
		conn = cancel_accept4(s, fd, (struct sockaddr *)&sun, &sun_len, flags);
		if (conn < 0)
			return -errno;
		if (atomic_load(&s->backlog_full) && sock_is_mine(s))
			driver_accept_kick(s);
		if (name_decode(&sun, sun_len, n) && from_driver(s, fd, conn, n))
			return conn;
		stranger_close(conn);
		if (enough(fd, ++strangers, &patience))
			return -EAGAIN;
	}
}

int sock_accept(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len,
		int flags)
{
	struct name n = {0};
	int err, conn = next(s, fd, flags, &n);

	if (conn < 0)
		return conn;
	conn = adopt(s, fd, conn, &n);
	if (conn < 0 || !addr)
		return conn;
	err = sock_put_name(s, fd, &n.flow.remote, addr, len);
	if (err)
		sock_close(conn); /* as Linux does: nobody else will get it */
	return err ? err : conn;
}
