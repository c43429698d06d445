/* sock.c - the meaning of socket, bind, listen, shutdown, ioctl and the two
 * getXname calls.
 *
 * The state of a socket is split. What the kernel's AF_UNIX socket, the app end,
 * knows by itself (is it connected, what is queued, who waits) is left to it.
 * What only TCP has (addresses, errors, the reasons why a call is refused) is
 * in struct sock. An AF_UNIX socket cannot go back to being unconnected or stop
 * listening as a TCP socket can, so these are "rebirths": a new app end takes
 * the place of the old one behind all its fds.
 */
#include "sockcall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/addr.h"
#include "alias.h"
#include "driver.h"
#include "epolls.h"
#include "fdtab.h"
#include "heir.h"
#include "inaddr.h"
#include "pass.h"
#include "remote.h"
#include "signals.h"
#include "stranger.h"
#include "usermem.h"

bool sock_is_mine(const struct sock *s)
{
	return driver_is_this_thread() || /* for another process */
	       (driver_is_mine() &&
		(memcmp(s->stack, driver_stack_id(), sizeof(s->stack)) == 0 ||
		 atomic_load(&s->heir) == alias_tag(driver_stack_id())));
}

/* The names of one that was taken over are still its first stack's. */
static bool has_own_name(const struct sock *s)
{
	return sock_is_mine(s) && memcmp(s->stack, driver_stack_id(), sizeof(s->stack)) == 0;
}

bool sock_lost_stack(const struct sock *s)
{
	return atomic_load(&s->orphan) && atomic_load(&s->state) == SOCK_CLOSED &&
	       !sock_is_mine(s);
}

bool sock_is_nobodys(const struct sock *s)
{
	static const uint8_t none[sizeof(s->stack)];

	return memcmp(s->stack, none, sizeof(none)) == 0;
}

/* Another process that shares the socket may have bound it. */
static bool find_stack(struct sock *s, int fd)
{
	socklen_t len = sizeof(s->name);
	struct name n;

	if (real()->getsockname(fd, (struct sockaddr *)&s->name, &len) != 0 ||
	    !name_decode(&s->name, len, &n) || n.kind != NAME_APP)
		return false;
	s->name_len = len;
	memcpy(s->stack, n.stack, sizeof(s->stack));
	return true;
}

/* A forked child that may not have a stack of its own uses its parent's. */
static int take(struct sock *s, int fd)
{
	const struct stack_key *parent = driver_parent();
	int err;

	if (!fdtab_is_mine())
		return -EOPNOTSUPP; /* vfork() */
	err = driver_start();
	if (!err)
		memcpy(s->stack, driver_stack_id(), sizeof(s->stack));
	else if (parent && remote_join(s, fd, parent) == 0)
		err = 0;
	else
		driver_explain(err);
	return err;
}

int sock_own(struct sock *s, int fd)
{
	if (sock_is_nobodys(s) && !find_stack(s, fd))
		return take(s, fd);
	remote_refresh(s, fd);
	return 0;
}

bool sock_nonblocking(int fd)
{
	int flags = real()->fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

bool sock_app_end_listens(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return real()->getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes;
}

static void remember_inode(struct sock *s, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		atomic_store(&s->ino, st.st_ino);
}

/* A kernel may be without; then socket() is where programs find out. */
static bool has_ipv6(void)
{
	static atomic_bool known;
	int fd;

	if (atomic_load(&known))
		return true;
	fd = real()->socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno != EAFNOSUPPORT; /* the rest is for the real call to say */
	real()->close(fd);
	atomic_store(&known, true);
	return true;
}

int sock_socket(int domain, int type)
{
	struct sock *s;
	int fd, err;

	if (!fdtab_is_mine() || fdtab_is_elsewhere)
		return -ENOBUFS; /* vfork: the table is the parent's */
	if (domain == AF_INET6 && !has_ipv6())
		return -EAFNOSUPPORT;
	err = driver_start();
	if (err && !driver_parent())
		return err;
	driver_refresh();
	fd = real()->socket(AF_UNIX, type, 0);
	if (fd < 0)
		return -errno;
	s = sock_new(domain);
	if (!s) {
		real()->close(fd);
		return -ENOBUFS;
	}
	sock_opts_init(s);
	remember_inode(s, fd);
	return sock_attach(fd, s);
}

uint64_t sock_pass(struct sock *s, int fd)
{
	if (has_own_name(s))
		return driver_pass();
	if (!atomic_load(&s->pass))
		atomic_store(&s->pass, pass_of(fd));
	return atomic_load(&s->pass);
}

void sock_make_name(struct sock *s, uint64_t id)
{
	struct name n = {.kind = NAME_APP, .sock_id = id, .family = s->family};

	n.pass = has_own_name(s) ? driver_pass() : atomic_load(&s->pass);

	memcpy(n.stack, s->stack, sizeof(n.stack));
	s->name_len = name_encode(&n, &s->name);
}

/* Gives the app end its name; id is what the stack knows it by. */
static int give_name(struct sock *s, int fd, uint64_t id)
{
	sock_make_name(s, id);
	if (real()->bind(fd, (struct sockaddr *)&s->name, s->name_len) == 0) {
		pass_give(fd, sock_pass(s, fd));
		return 0;
	}
	s->name_len = 0;
	return -errno;
}

int sock_name(struct sock *s, int fd)
{
	return s->name_len ? 0 : give_name(s, fd, atomic_load(&s->id));
}

/* ---- rebirth ------------------------------------------------------------ */

/* What a program can have set on the app end itself. */
static void copy_file_state(int from, int to)
{
	static const int opts[] = {SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT,
				   SO_OOBINLINE, SO_PEEK_OFF};
	struct f_owner_ex owner;
	unsigned i;

	for (i = 0; i < sizeof(opts) / sizeof(opts[0]); i++) {
		char val[sizeof(struct timeval)];
		socklen_t len = sizeof(val);

		if (real()->getsockopt(from, SOL_SOCKET, opts[i], val, &len) == 0)
			real()->setsockopt(to, SOL_SOCKET, opts[i], val, len);
	}
	if (real()->fcntl(from, F_GETOWN_EX, &owner) == 0 && owner.pid)
		real()->fcntl(to, F_SETOWN_EX, &owner);
	real()->fcntl(to, F_SETSIG, real()->fcntl(from, F_GETSIG));
	real()->fcntl(to, F_SETFL, real()->fcntl(from, F_GETFL));
}

static int new_app_end(int fd)
{
	int fresh = real()->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fresh < 0)
		return -errno;
	copy_file_state(fd, fresh);
	return fresh;
}

/* As dup3(), which may be the last close of the app end that was at. */
static void put_at(int fresh, int at, int flags)
{
	struct stranger_hold h;

	if (!sock_app_end_listens(at) || pass_keeps_fds_out(at)) {
		real()->dup3(fresh, at, flags);
		return;
	}
	stranger_hold(&h);
	real()->dup3(fresh, at, flags);
	stranger_let_go(&h);
}

/* Puts it behind every fd of s. */
static void replace_app_end(struct sock *s, int fresh)
{
	struct epolls watching;
	int at;

	remember_inode(s, fresh);
	for (at = fdtab_next(0, s); at >= 0; at = fdtab_next(at + 1, s)) {
		int flags = real()->fcntl(at, F_GETFD);

		/* Closed behind our back: not ours to open again. */
		if (flags < 0)
			continue;
		epolls_take(at, &watching);
		put_at(fresh, at, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
		epolls_give(at, &watching);
	}
	real()->close(fresh);
}

void sock_reset(struct sock *s)
{
	sock_renew_id(s);
	s->name_len = 0;
	atomic_store(&s->err, 0);
	atomic_store(&s->filled, false);
	atomic_store(&s->backlog_full, false);
	atomic_store(&s->shut_rd, false);
	atomic_store(&s->shut_wr, false);
	atomic_store(&s->peer_done, false);
	atomic_store(&s->sent_bytes, 0);
	atomic_store(&s->more_from, 0);
	atomic_store(&s->more_to, 0);
	s->remote = inaddr_any(s->family);
	s->local = s->bound_to;
	atomic_store(&s->state, SOCK_FRESH);
	atomic_store(&s->connecting, false);
}

/* Where another process's stack keeps nothing of it, it is nobody's again. */
static int rebirth_foreign(struct sock *s, int fd, int fresh)
{
	uint64_t id;

	if (remote_undo(s, fd, fresh, &id) != 0)
		s->bound = false;
	if (!s->bound)
		s->bound_to = inaddr_any(s->family);
	replace_app_end(s, fresh);
	sock_reset(s);
	if (s->bound)
		return give_name(s, fd, id);
	memset(s->stack, 0, sizeof(s->stack));
	atomic_store(&s->pass, 0);
	atomic_store(&s->orphan, false);
	return 0;
}

int sock_rebirth(struct sock *s, int fd)
{
	int fresh = new_app_end(fd);

	if (fresh < 0)
		return fresh;
	if (!sock_is_mine(s))
		return rebirth_foreign(s, fd, fresh);
	replace_app_end(s, fresh);
	sock_reset(s);
	return s->bound && fdtab_is_current(fd, s) ? sock_name(s, fd) : 0;
}

/* What a call has made of s. Another thread may have closed the last fd meanwhile, before
 * there was anything that ends with it. */
static void look_after_close(struct sock *s)
{
	if (!atomic_load(&s->fds) && sock_is_mine(s))
		driver_closed(s);
}

int sock_undo(struct sock *s, int fd)
{
	enum sock_state state = atomic_load(&s->state);
	int err;

	if (sock_is_mine(s))
		driver_undo(s);
	err = sock_rebirth(s, fd);
	look_after_close(s);
	/* Linux's tcp_disconnect() */
	if (!err && (state == SOCK_CONNECTED || state == SOCK_CONNECTING))
		atomic_store(&s->err, ECONNRESET);
	return err;
}

/* ---- names -------------------------------------------------------------- */

int sock_put_name(const struct sock *s, int fd, const struct endpoint *e,
		  struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_storage name = {0};
	socklen_t size = sizeof(name);

	inaddr_put(s->family, e, (struct sockaddr *)&name, &size);
	return user_put_addr(fd, &name, size, addr, len);
}

int sock_getsockname(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len)
{
	if (!s->local.port)
		remote_refresh(s, fd);
	return sock_put_name(s, fd, &s->local, addr, len);
}

int sock_getpeername(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len)
{
	remote_refresh(s, fd);
	if (atomic_load(&s->state) != SOCK_CONNECTED)
		return -ENOTCONN;
	return sock_put_name(s, fd, &s->remote, addr, len);
}

/* ---- bind, listen, shutdown --------------------------------------------- */

void sock_use_scope(struct sock *s, const struct ip_addr *addr)
{
	uint32_t scope = addr_scope(addr);

	if (scope)
		s->opts.ifindex = scope;
}

void sock_note_bound(struct sock *s)
{
	if (!addr_is_v4(&s->local.addr) && !addr_is_any(&s->local.addr))
		s->opts.v6only = true;
	s->bound = true;
	s->bound_to = s->local;
}

#define BIND_TRIES 3

/* Another stack has sockets at the port. With SO_REUSEPORT s becomes one of them, if
 * that stack is still there when it is asked. Else their last holder may have gone
 * without a word. */
static int bind_beside(struct sock *s, int fd, const struct endpoint *local)
{
	int err = -EALREADY, tries;

	for (tries = 0; err == -EALREADY && tries < BIND_TRIES; tries++) {
		if (s->opts.reuseport && remote_join_port(s, fd, local->port) == 0)
			return remote_bind(s, fd, local);
		if (!s->opts.reuseport && !remote_port_let_go(fd, local->port))
			break;
		err = driver_bind(s, local);
	}
	return err == -EALREADY ? -EADDRINUSE : err;
}

static int bind_mine(struct sock *s, int fd, const struct endpoint *local)
{
	int err = driver_bind(s, local);

	if (err == -EALREADY)
		err = bind_beside(s, fd, local);
	if (err || !sock_is_mine(s))
		return err;
	err = sock_name(s, fd);
	if (err)
		driver_undo(s);
	return err;
}

static int tell_bound(struct sock *s, int fd, const struct endpoint *local)
{
	sigset_t mask;
	int err;

	signals_hold(&mask);
	err = sock_is_mine(s) ? bind_mine(s, fd, local) : remote_bind(s, fd, local);
	if (!err)
		sock_note_bound(s);
	look_after_close(s);
	signals_let(&mask);
	return err;
}

int sock_bind(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_storage to;
	struct endpoint local;
	int err = user_get_addr(fd, addr, len, &to);

	if (!err)
		err = inaddr_to_bind(s->family, &s->opts, (struct sockaddr *)&to, len, &local);
	if (!err)
		err = sock_own(s, fd);
	if (err)
		return err;
	if (sock_has_port(s) || atomic_load(&s->state) != SOCK_FRESH ||
	    atomic_load(&s->connecting))
		return -EINVAL;
	sock_use_scope(s, &local.addr);
	return tell_bound(s, fd, &local);
}

static int tell_listening(struct sock *s, int fd, int backlog)
{
	int err;

	if (sock_is_mine(s))
		return driver_listen(s, backlog);
	err = remote_listen(s, fd, backlog);
	if (!err) {
		s->backlog = backlog;
		heir_consider(s, fd);
	}
	if (err == -ESRCH)
		err = !heir_revive(s, fd) ? -EINVAL
		      : sock_is_mine(s)   ? driver_listen(s, backlog)
					  : remote_listen(s, fd, backlog);
	return err;
}

/* Makes the app end a listener and tells the driver. */
static int start_listening(struct sock *s, int fd, int backlog)
{
	sigset_t mask;
	int err;

	signals_hold(&mask);
	err = sock_name(s, fd);
	if (!err)
		pass_no_fds(fd);
	if (!err && real()->listen(fd, sock_native_backlog(backlog)) != 0)
		err = -errno;
	if (!err)
		err = tell_listening(s, fd, backlog);
	if (!err) {
		s->bound = true;
		s->bound_to = s->local;
		/* For the children that will accept, too. */
		atomic_store(&s->maker, sock_is_mine(s) ? getpid() : 0);
	} else {
		sock_rebirth(s, fd);
	}
	look_after_close(s);
	signals_let(&mask);
	return err;
}

int sock_listen(struct sock *s, int fd, int backlog)
{
	/* The kernel takes it as unsigned and cuts it. */
	int n = (unsigned)backlog > SOMAXCONN ? SOMAXCONN : backlog;
	int err = sock_own(s, fd);

	if (err)
		return err;
	if (atomic_load(&s->connecting))
		return -EINVAL;
	switch (atomic_load(&s->state)) {
	case SOCK_FRESH:
		return start_listening(s, fd, n);
	case SOCK_LISTENING:
		if (real()->listen(fd, sock_native_backlog(n)) != 0)
			return -errno;
		return tell_listening(s, fd, n);
	default:
		return -EINVAL;
	}
}

int sock_shutdown(struct sock *s, int fd, int how)
{
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	remote_refresh(s, fd);
	switch (atomic_load(&s->state)) {
	case SOCK_LISTENING:
		if (how == SHUT_WR)
			return 0;
		/* Wakes threads that wait in accept(): EINVAL there. */
		real()->shutdown(fd, SHUT_RD);
		return sock_undo(s, fd);
	case SOCK_CONNECTING:
		return sock_undo(s, fd);
	case SOCK_CONNECTED:
		break;
	default:
		return -ENOTCONN;
	}
	sock_settle(s, fd);
	if (remote_can(s)) /* hints for the driver, see hup_means_gone() */
		remote_shutdown(s, fd, how);
	if (how != SHUT_WR)
		atomic_store(&s->shut_rd, true);
	if (how != SHUT_RD)
		atomic_store(&s->shut_wr, true);
	return real()->shutdown(fd, how) == 0 ? 0 : -errno;
}

/* ---- ioctl -------------------------------------------------------------- */

static int unsent(struct sock *s, int fd, unsigned long request, int *out)
{
	struct tcp_status st;
	int err;

	if (atomic_load(&s->state) == SOCK_LISTENING)
		return -EINVAL;
	if (remote_can(s) && (err = remote_queue(s, fd, request, out)) != -ESRCH)
		return err;
	err = sock_is_mine(s) ? driver_status(s, &st) : -ENOTCONN;
	if (err && err != -ENOTCONN)
		return err;
	*out = err ? 0 : (int)st.notsent_bytes;
	if (!err && request == SIOCOUTQ)
		*out += (int)st.unacked_bytes;
	return 0;
}

/* With SO_RCVLOWAT some of it may be in the driver. */
static int unread(struct sock *s, int fd, int *out)
{
	struct tcp_status st;

	if (real()->ioctl(fd, SIOCINQ, out) < 0)
		return -errno;
	if (s->opts.rcvlowat > 1 && sock_is_mine(s) && driver_status(s, &st) == 0)
		*out += (int)st.readable_bytes;
	return 0;
}

/* Requests about interfaces and addresses, which any IP socket answers. */
static int ask_ip_socket(int family, unsigned long request, void *arg)
{
	int fd = real()->socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = real()->ioctl(fd, request, arg);
	if (r < 0)
		r = -errno;
	real()->close(fd);
	return r;
}

int sock_ioctl(struct sock *s, int fd, unsigned long request, void *arg)
{
	int r, n = 0;

	switch (request) {
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		r = unsent(s, fd, request, &n);
		return r ? r : user_put(fd, arg, &n, sizeof(n));
	case SIOCINQ:
		r = unread(s, fd, &n);
		return r ? r : user_put(fd, arg, &n, sizeof(n));
	case SIOCATMARK:
		if (real()->ioctl(fd, request, &n) < 0) /* before Linux 5.15 */
			n = 0;
		return user_put(fd, arg, &n, sizeof(n));
	case SIOCGSTAMP_OLD:
	case SIOCGSTAMPNS_OLD:
	case SIOCGSTAMP_NEW:
	case SIOCGSTAMPNS_NEW: /* of no packet, as with any TCP socket */
		return ask_ip_socket(s->family, request, arg);
	}
	if (request >= SIOCADDRT && request <= SIOCPROTOPRIVATE)
		return ask_ip_socket(s->family, request, arg);
	r = real()->ioctl(fd, request, arg);
	return r < 0 ? -errno : r;
}
