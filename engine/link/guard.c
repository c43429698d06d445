/* guard.c - the kernel sockets that keep the kernel quiet and hold our ports.
 *
 * A guard is a kernel TCP socket with a filter that drops everything. Once it
 * listens, the kernel finds it for each segment to its port that belongs to no
 * connection of the kernel's own, runs the filter and forgets the segment: no
 * SYN-ACK, no RST. The filter is in place before the socket can be found.
 *
 * Recent kernels let nobody without CAP_NET_ADMIN attach a filter to a TCP socket.
 * There the guard asks for TCP MD5 signatures (RFC 2385) from everybody, with a
 * key that nobody knows: the kernel drops all unsigned and wrongly signed
 * segments at the same place and as silently.
 *
 * A guard that lingers for connections of a closed listener differs from one
 * in use by its backlog, which sock_diag shows to other processes.
 *
 * A guard at "::" without GUARD_V6ONLY is the kernel's for both families.
 *
 * Its socket needs no number in the table of fds while nothing is changed about it: where
 * these are scarce it lies on a shelf (shelf.c). Invariant: fd >= 0, or "on" says which.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"
#include "shelf.h"

struct guard_shelf {
	struct guard_shelf *next;
	struct shelf *shelf;
};

struct guard {
	struct link *link;
	struct guard *next, **pprev;
	int fd;
	struct guard_shelf *on;
	unsigned flags;
	bool hears[FAMILIES]; /* whose packets come to it */
	bool listening, lingers;
	bool others;      /* of another process, which has its socket, too */
	uint32_t ifindex; /* SO_BINDTODEVICE, or 0 */
	uint64_t cookie; /* SO_COOKIE, sock_diag's name for the socket */
	struct endpoint local;
};

static int set_flag(int fd, int option, int on)
{
	return setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int drop_by_filter(int fd)
{
	struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop_all};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog)) < 0 ? -errno : 0;
}

/* From all addresses of the family of any; a socket of IPv6 wants IPv4's mapped. */
static int sign_all(int fd, const struct ip_addr *any, bool v6_socket)
{
	struct tcp_md5sig all = {
		.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX,
		.tcpm_prefixlen = 0,
		.tcpm_keylen = 16,
	};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	all.tcpm_addr.ss_family = AF_INET;
	if (v6_socket) {
		memcpy(&v6.sin6_addr, any->b, sizeof(any->b));
		memcpy(&all.tcpm_addr, &v6, sizeof(v6));
	}
	if (getrandom(all.tcpm_key, all.tcpm_keylen, 0) != all.tcpm_keylen)
		return -errno;
	return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &all,
			  sizeof(all)) < 0 ? -errno : 0;
}

static int drop_by_signature(const struct guard *g)
{
	static const struct ip_addr any[FAMILIES] = {
		[V4] = {.b = {[10] = 0xff, [11] = 0xff}},
	};
	bool v6_socket = !addr_is_v4(&g->local.addr);
	int err = 0;

	for (int i = 0; i < FAMILIES && !err; i++)
		if (g->hears[i])
			err = sign_all(g->fd, &any[i], v6_socket);
	return err;
}

static int guard_configure(const struct guard *g)
{
	int device = (int)g->ifindex, err = drop_by_filter(g->fd), v6only = !g->hears[V4];

	if (g->hears[V6] &&
	    setsockopt(g->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		return -errno;
	if (err == -EPERM && drop_by_signature(g) == 0)
		err = 0;
	if (err)
		return err;
	if (device && setsockopt(g->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device,
				  sizeof(device)) < 0)
		return -errno;
	if (g->flags & GUARD_FREEBIND && setsockopt(g->fd, IPPROTO_IP, IP_FREEBIND, &(int){1},
						    sizeof(int)) < 0)
		return -errno;
	if (g->flags & GUARD_REUSEADDR)
		err = set_flag(g->fd, SO_REUSEADDR, 1);
	if (!err && g->flags & GUARD_REUSEPORT)
		err = set_flag(g->fd, SO_REUSEPORT, 1);
	return err;
}

/* Where only guards that linger are in the way, SO_REUSEADDR is to be enough, as it
 * would be if the kernel's own connections lingered there. They have SO_REUSEPORT
 * on; so has the new one until it listens. After -EADDRINUSE: is it worthwhile to try
 * again? */
static bool guard_may_join(const struct guard *g, const struct endpoint *local)
{
	return local->port != 0 &&
	       (g->flags & (GUARD_REUSEADDR | GUARD_REUSEPORT)) == GUARD_REUSEADDR &&
	       diag_listeners(g->link, local, !g->hears[V4]) == LINK_OTHERS_LINGER &&
	       set_flag(g->fd, SO_REUSEPORT, 1) == 0;
}

static int guard_bind(struct guard *g, const struct endpoint *local)
{
	union sockaddr_ip sa;
	socklen_t len = addr_sockaddr(&local->addr, local->port, &sa);

	if (bind(g->fd, &sa.sa, len) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	if (!guard_may_join(g, local))
		return -EADDRINUSE;
	return bind(g->fd, &sa.sa, len) < 0 ? -errno : 0;
}

static int guard_learn(struct guard *g)
{
	union sockaddr_ip sa = {0};
	socklen_t len = sizeof(sa);

	if (getsockname(g->fd, &sa.sa, &len) < 0)
		return -errno;
	g->local.port = ntohs(addr_is_v4(&g->local.addr) ? sa.v4.sin_port : sa.v6.sin6_port);
	len = sizeof(g->cookie);
	if (getsockopt(g->fd, SOL_SOCKET, SO_COOKIE, &g->cookie, &len) < 0)
		return -errno;
	return 0;
}

static struct guard *guard_new(struct link *l, const struct endpoint *local,
			       uint32_t ifindex, unsigned flags)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->link = l;
	g->fd = -1;
	g->flags = flags;
	g->ifindex = ifindex;
	g->local = *local;
	g->hears[V6] = !addr_is_v4(&local->addr);
	g->hears[V4] = !g->hears[V6] || (addr_is_any(&local->addr) && !(flags & GUARD_V6ONLY));
	g->next = l->guards;
	g->pprev = &l->guards;
	if (g->next)
		g->next->pprev = &g->next;
	l->guards = g;
	return g;
}

int guard_open(struct link *l, const struct endpoint *local, uint32_t ifindex,
	       unsigned flags, struct guard **out)
{
	struct guard *g = guard_new(l, local, ifindex, flags);
	int err;

	if (!g)
		return -ENOMEM;
	g->fd = socket(family_af(addr_family(&local->addr)),
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = g->fd < 0 ? -errno : guard_configure(g);
	if (!err)
		err = guard_bind(g, local);
	if (!err)
		err = guard_learn(g);
	if (err) {
		guard_close(g);
		return err;
	}
	*out = g;
	return 0;
}

static int hear(struct guard *g)
{
	int err = 0;

	for (int i = 0; i < FAMILIES && !err; i++) {
		if (g->hears[i])
			err = ports_add(g->link, i, g->local.port);
		if (err && i == V6 && g->hears[V4])
			ports_del(g->link, V4, g->local.port);
	}
	return err;
}

/* Where fd is bound, if it is a TCP socket that listens. */
static int listens_at(int fd, struct endpoint *local, unsigned *flags)
{
	int protocol = 0, accepts = 0, v6only = 0;
	socklen_t len = sizeof(int), sa_len = sizeof(union sockaddr_ip);
	union sockaddr_ip sa = {0};

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) < 0 ||
	    getsockname(fd, &sa.sa, &sa_len) < 0)
		return -errno;
	if (protocol != IPPROTO_TCP || !accepts)
		return -EINVAL;
	if (sa.sa.sa_family == AF_INET) {
		*local = (struct endpoint){addr_from_v4(&sa.v4.sin_addr),
					   ntohs(sa.v4.sin_port)};
		return 0;
	}
	memcpy(local->addr.b, &sa.v6.sin6_addr, sizeof(local->addr.b));
	addr_set_scope(&local->addr, sa.v6.sin6_scope_id);
	local->port = ntohs(sa.v6.sin6_port);
	if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len) < 0)
		return -errno;
	*flags |= v6only ? GUARD_V6ONLY : 0;
	return 0;
}

/* Others may have been bound to the port before they listened. */
static int start_listening(struct guard *g, int backlog)
{
	int err;

	if (listen(g->fd, backlog) < 0 &&
	    (errno != EADDRINUSE || !guard_may_join(g, &g->local) ||
	     listen(g->fd, backlog) < 0))
		return -errno;
	g->lingers = backlog == GUARD_BACKLOG_LINGER;
	if (g->listening)
		return 0;
	err = hear(g);
	g->listening = err == 0;
	return err;
}

/* ---- shelves -------------------------------------------------------------------------- */

/* The table has no room when one is needed: so there is one before that. */
int guard_shelf_ready(struct link *l)
{
	struct guard_shelf *s;
	int err;

	if (l->shelves && shelf_room(l->shelves->shelf) >= GUARD_STOW_MAX)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	err = shelf_open(&s->shelf);
	if (err) {
		free(s);
		return err;
	}
	s->next = l->shelves;
	l->shelves = s;
	return 0;
}

int guard_stow(struct guard *g)
{
	struct guard_shelf *s = g->link->shelves;
	int err = g->fd < 0 ? -EALREADY : !s ? -ENOSPC : shelf_put(s->shelf, g->fd, g->cookie);

	if (err)
		return err;
	g->fd = -1;
	g->on = s;
	return 0;
}

static void free_shelf(struct link *l, struct guard_shelf *s)
{
	struct guard_shelf **at = &l->shelves;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	shelf_close(s->shelf);
	free(s);
}

void guard_free_shelves(struct link *l)
{
	while (l->shelves)
		free_shelf(l, l->shelves);
}

/* The first one is kept for what comes next. */
static void leave_shelf(struct guard *g)
{
	struct guard_shelf *s = g->on;

	g->on = NULL;
	if (!shelf_used(s->shelf) && s != g->link->shelves)
		free_shelf(g->link, s);
}

/* Whatever is to be done with the socket needs its number. */
static int hold(struct guard *g)
{
	int fd = g->on ? shelf_take(g->on->shelf, g->cookie) : g->fd;

	if (!g->on || fd < 0)
		return fd < 0 ? fd : 0;
	g->fd = fd;
	leave_shelf(g);
	return 0;
}

/* ---- what it does ---------------------------------------------------------------------- */

int guard_listen(struct guard *g)
{
	int err;

	if (g->listening && !g->lingers)
		return 0;
	err = hold(g);
	if (err)
		return err;
	/* The kernel, for which it listens all the time, would not mind. */
	if (g->listening && !(g->flags & GUARD_REUSEPORT) &&
	    diag_listeners(g->link, &g->local, !g->hears[V4]) == LINK_OTHERS_LISTEN)
		return -EADDRINUSE;
	err = start_listening(g, GUARD_BACKLOG);
	if (!err && !(g->flags & GUARD_REUSEPORT))
		set_flag(g->fd, SO_REUSEPORT, 0);
	return err;
}

int guard_share(struct guard *g)
{
	int err = hold(g);

	if (!err)
		err = set_flag(g->fd, SO_REUSEPORT, 1);
	return err ? err : start_listening(g, GUARD_BACKLOG_LINGER);
}

int guard_fd(struct guard *g)
{
	int err = hold(g);

	return err ? err : g->fd;
}

int guard_adopt(struct link *l, int fd, uint32_t ifindex, struct guard **out)
{
	struct endpoint local;
	unsigned flags = 0;
	struct guard *g;
	int err = listens_at(fd, &local, &flags);

	if (err)
		return err;
	g = guard_new(l, &local, ifindex, flags);
	if (!g)
		return -ENOMEM;
	g->fd = fd;
	err = guard_learn(g);
	if (!err)
		err = hear(g);
	g->listening = err == 0;
	g->lingers = true;
	if (err) {
		g->fd = -1; /* the caller's still */
		guard_close(g);
		return err;
	}
	*out = g;
	return 0;
}

int guard_take(struct link *l, int fd, uint32_t ifindex, unsigned flags, struct guard **out)
{
	int err = guard_adopt(l, fd, ifindex, out);

	if (err)
		return err;
	(*out)->flags |= flags;
	(*out)->lingers = false;
	return 0;
}

unsigned guard_flags(const struct guard *g)
{
	return g->flags;
}

/* Both have SO_REUSEPORT on while the new one is bound, as where a guard lingers. */
int guard_twin(struct guard *g, struct guard **out)
{
	unsigned shared = GUARD_REUSEADDR | GUARD_REUSEPORT;
	int err = hold(g);

	if (!err)
		err = set_flag(g->fd, SO_REUSEPORT, 1);
	if (err)
		return err;
	err = guard_open(g->link, &g->local, g->ifindex, g->flags | shared, out);
	if (!err) {
		(*out)->flags = g->flags;
		err = start_listening(*out, GUARD_BACKLOG_LINGER);
		if (err)
			guard_close(*out);
	}
	if (!(g->flags & GUARD_REUSEPORT))
		set_flag(g->fd, SO_REUSEPORT, 0);
	return err;
}

void guard_let_go(struct guard *g)
{
	g->others = true;
}

const struct endpoint *guard_local(const struct guard *g)
{
	return &g->local;
}

void guard_linger(struct guard *g)
{
	if (g->others || hold(g))
		return;
	set_flag(g->fd, SO_REUSEPORT, 1);
	g->lingers = true;
	if (g->listening)
		listen(g->fd, GUARD_BACKLOG_LINGER);
}

void guard_close(struct guard *g)
{
	if (!g)
		return;
	for (int i = 0; i < FAMILIES; i++)
		if (g->listening && g->hears[i])
			ports_del(g->link, i, g->local.port);
	if (g->fd >= 0)
		close(g->fd);
	if (g->on) {
		shelf_drop(g->on->shelf, g->cookie);
		leave_shelf(g);
	}
	*g->pprev = g->next;
	if (g->next)
		g->next->pprev = g->pprev;
	free(g);
}

bool guard_at_device(const struct link *l, uint16_t port, uint32_t ifindex)
{
	for (const struct guard *g = l->guards; g; g = g->next)
		if (g->ifindex == ifindex && g->local.port == port)
			return true;
	return false;
}

bool guard_has_cookie(const struct link *l, uint64_t cookie)
{
	for (const struct guard *g = l->guards; g; g = g->next)
		if (g->cookie == cookie)
			return true;
	return false;
}
