/* hooks.c - the program's calls about sockets as such: made, named, connected,
 * accepted, asked and told. Owns nothing.
 */
#include "hooks.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "heir.h"
#include "init.h"

/* Does the call ask for what this library is for? */
static bool is_tcp(int domain, int type, int protocol)
{
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~flags) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP);
}

EXPORT int socket(int domain, int type, int protocol)
{
	int saved = errno, fd;
	struct cancel c;

	if (!real_only && is_tcp(domain, type, protocol)) {
		init_note_socket();
		cancel_hold(&c);
		fd = sock_socket(domain, type);
		cancel_release(&c);
		return hook_result(saved, fd);
	}
	fd = real()->socket(domain, type, protocol);
	if (fd >= 0)
		sock_replaced(fd);
	return fd;
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->bind(fd, addr.__sockaddr__, len);
	return hook_leave(&h, sock_bind(h.s, fd, addr.__sockaddr__, len));
}

EXPORT int listen(int fd, int backlog)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->listen(fd, backlog);
	return hook_leave(&h, sock_listen(h.s, fd, backlog));
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	struct hook h;

	if (fdtab_peek(fd))
		pthread_testcancel(); /* as libc's does: without anything done */
	if (!hook_enter(&h, fd))
		return real()->connect(fd, addr.__sockaddr__, len);
	return hook_leave(&h, sock_connect(h.s, fd, addr.__sockaddr__, len));
}

EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	struct hook h;
	int conn;

	if (!hook_enter(&h, fd)) {
		conn = real()->accept4(fd, addr.__sockaddr__, len, flags);
		if (conn >= 0)
			sock_replaced(conn);
		return conn;
	}
	return hook_leave(&h, sock_accept(h.s, fd, addr.__sockaddr__, len, flags));
}

/* Who waits for a listener will not call accept() before somebody comes. */
EXPORT int epoll_ctl(int set, int op, int fd, struct epoll_event *ev)
{
	const struct sock *s = op == EPOLL_CTL_ADD ? fdtab_peek(fd) : NULL;
	struct hook h;

	if (s && heir_concerns(s) && hook_enter(&h, fd)) {
		heir_consider(h.s, fd);
		hook_end(&h);
		errno = h.saved_errno;
	}
	return real()->epoll_ctl(set, op, fd, ev);
}

EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	return accept4(fd, addr, len, 0);
}

EXPORT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->getsockname(fd, addr.__sockaddr__, len);
	return hook_leave(&h, sock_getsockname(h.s, fd, addr.__sockaddr__, len));
}

EXPORT int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->getpeername(fd, addr.__sockaddr__, len);
	return hook_leave(&h, sock_getpeername(h.s, fd, addr.__sockaddr__, len));
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict val,
		      socklen_t *restrict len)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->getsockopt(fd, level, name, val, len);
	return hook_leave(&h, sock_getsockopt(h.s, fd, level, name, val, len));
}

EXPORT int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->setsockopt(fd, level, name, val, len);
	return hook_leave(&h, sock_setsockopt(h.s, fd, level, name, val, len));
}

EXPORT int shutdown(int fd, int how)
{
	struct hook h;

	if (!hook_enter(&h, fd))
		return real()->shutdown(fd, how);
	return hook_leave(&h, sock_shutdown(h.s, fd, how));
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct hook h;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!hook_enter(&h, fd))
		return real()->ioctl(fd, request, arg);
	return hook_leave(&h, sock_ioctl(h.s, fd, request, arg));
}
