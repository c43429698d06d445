/* adopt.c - makes sockets of ours of app ends that come from other processes. Owns
 * nothing.
 *
 * An app end of a passive connection has its addresses in its peer's name. That of
 * an active one may still be connecting: it is taken for that, and as full, so that
 * the first who cares asks the stack.
 *
 * Names can be forged by whoever makes the socket. What a program was started with
 * it got from who could do anything to it; else the peer or listener must be root's
 * or our own, or an engine end of a stack whose pass we know, as with accept().
 */
#include "adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "fdtab.h"
#include "names.h"
#include "procfds.h"
#include "sockcall.h"

/* ---- one fd ------------------------------------------------------------------------- */

struct found {
	struct name own, peer;
	bool has_peer;
	ino_t ino;
};

static bool peer_name(int fd, struct name *n)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	return real()->getpeername(fd, (struct sockaddr *)&sun, &len) == 0 &&
	       name_decode(&sun, len, n);
}

/* Is it an app end, and what is known of it? */
static bool look(int fd, struct found *f)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	struct stat st;

	if (real()->getsockname(fd, (struct sockaddr *)&sun, &len) != 0 ||
	    !name_decode(&sun, len, &f->own) || f->own.kind != NAME_APP ||
	    fstat(fd, &st) != 0)
		return false;
	f->ino = st.st_ino;
	f->has_peer = peer_name(fd, &f->peer);
	if (!f->has_peer)
		return true;
	return memcmp(f->peer.stack, f->own.stack, sizeof(f->own.stack)) == 0 &&
	       (f->peer.kind == NAME_ENGINE || f->peer.kind == NAME_DRIVER);
}

/* Of the stack of this process or of the one that it was forked from? */
static bool is_known(int fd, const struct found *f)
{
	const struct stack_key *parent = driver_parent();
	const struct name *n = &f->peer;

	if (!f->has_peer)
		return false;
	if (driver_is_mine() && memcmp(n->stack, driver_stack_id(), sizeof(n->stack)) == 0)
		return sock_is_engine_end(n, driver_pass(), fd, getpid());
	return parent && memcmp(n->stack, parent->id, sizeof(n->stack)) == 0 &&
	       sock_is_engine_end(n, parent->pass, fd, (pid_t)n->pid);
}

/* The one that other fds of this process have already, with a reference. */
static struct sock *known(const struct found *f)
{
	int fd;

	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		struct sock *s = fdtab_get(fd);

		if (s && atomic_load(&s->ino) == f->ino)
			return s;
		if (s)
			sock_put(s);
	}
	return NULL;
}

/* Back in the process that runs its stack. */
static struct sock *own(const struct found *f)
{
	bool passive = f->has_peer && f->peer.kind == NAME_ENGINE;
	struct sock *s;
	ino_t none = 0;

	if (!driver_is_mine() || (passive && f->peer.pid != (uint32_t)getpid()))
		return NULL;
	s = sock_by_id(passive ? f->peer.sock_id : f->own.sock_id);
	if (!s)
		return NULL;
	if (sock_is_mine(s) && memcmp(s->stack, f->own.stack, sizeof(s->stack)) == 0) {
		if (passive)
			atomic_compare_exchange_strong(&s->ino, &none, f->ino);
		if (atomic_load(&s->ino) == f->ino)
			return s;
	}
	sock_put(s);
	return NULL;
}

static struct sock *new_sock(int fd, const struct found *f)
{
	struct sock *s = sock_new(f->has_peer ? f->peer.family : f->own.family);
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	if (!s)
		return NULL;
	sock_opts_init(s);
	memcpy(s->stack, f->own.stack, sizeof(s->stack));
	atomic_store(&s->ino, f->ino);
	atomic_store(&s->timeouts, true); /* for all we know */
	if (f->has_peer && f->peer.kind == NAME_ENGINE) {
		s->local = f->peer.flow.local;
		s->remote = f->peer.flow.remote;
		atomic_store(&s->state, SOCK_CONNECTED);
	} else if (f->has_peer) {
		atomic_store(&s->filled, true);
		atomic_store(&s->state, SOCK_CONNECTING);
	} else {
		s->bound = true;
		atomic_store(&s->state, sock_app_end_listens(fd) ? SOCK_LISTENING : SOCK_FRESH);
	}
	if (real()->getsockname(fd, (struct sockaddr *)&sun, &len) == 0) {
		s->name = sun;
		s->name_len = len;
	}
	return s;
}

static void adopt(int fd, bool trusted)
{
	int saved = errno;
	struct sock *s;
	struct found f;

	if (!fdtab_is_mine())
		return;
	sock_replaced(fd);
	if (look(fd, &f) &&
	    (trusted || (!f.has_peer && !sock_app_end_listens(fd)) || sock_peer_is_trusted(fd, -1) ||
	     is_known(fd, &f))) {
		s = own(&f);
		if (!s)
			s = known(&f);
		if (!s)
			s = new_sock(fd, &f);
		if (s)
			sock_enter(fd, s);
	}
	errno = saved;
}

void adopt_fd(int fd)
{
	if (!real_only && fd >= 0)
		adopt(fd, false);
}

void adopt_received(const struct msghdr *msg)
{
	struct cmsghdr *c;
	size_t n, i;
	int fd;

	if (real_only)
		return;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			adopt_fd(fd);
		}
	}
}

/* ---- all of them ---------------------------------------------------------------------- */

#define WITHOUT_PROC 64 /* fds that are looked at where /proc is not there */

static void adopt_listed(void *arg, int fd)
{
	(void)arg;
	adopt(fd, true);
}

void adopt_inherited(void)
{
	bool done = procfds_each(adopt_listed, NULL);
	int fd;

	for (fd = 0; !done && fd < WITHOUT_PROC; fd++)
		adopt(fd, true);
}
