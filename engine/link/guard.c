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
 * A guard of IPv6 alone holds its port and does not listen: what comes there is
 * the kernel's to refuse.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

struct guard {
	struct link *link;
	struct guard *next, **pprev;
	int fd, family;
	unsigned flags;
	bool port_given; /* not chosen by the kernel */
	bool listening, lingers;
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

static int drop_by_signature(int fd, int family)
{
	struct tcp_md5sig all = {
		.tcpm_addr.ss_family = family,
		.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX,
		.tcpm_prefixlen = 0,
		.tcpm_keylen = 16,
	};

	if (getrandom(all.tcpm_key, all.tcpm_keylen, 0) != all.tcpm_keylen)
		return -errno;
	return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &all,
			  sizeof(all)) < 0 ? -errno : 0;
}

static int guard_configure(const struct guard *g, uint32_t ifindex)
{
	int device = ifindex, err = drop_by_filter(g->fd);

	if (err == -EPERM && drop_by_signature(g->fd, g->family) == 0)
		err = 0;
	if (err)
		return err;
	if (g->family == AF_INET6 && setsockopt(g->fd, IPPROTO_IPV6, IPV6_V6ONLY,
						&(int){1}, sizeof(int)) < 0)
		return -errno;
	if (ifindex && setsockopt(g->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device,
				  sizeof(device)) < 0)
		return -errno;
	if (g->flags & GUARD_REUSEADDR)
		err = set_flag(g->fd, SO_REUSEADDR, 1);
	if (!err && g->flags & GUARD_REUSEPORT)
		err = set_flag(g->fd, SO_REUSEPORT, 1);
	return err;
}

/* Where only guards that linger are in the way, SO_REUSEADDR is to be enough,
 * as it would be if the kernel's own connections lingered there. They have
 * SO_REUSEPORT on; so has the new one until it listens. */
static int guard_bind(struct guard *g, const struct endpoint *local)
{
	struct sockaddr_in sa = addr_sockaddr(&local->addr, local->port);
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons(local->port)};
	int err;

	if (g->family == AF_INET6)
		return bind(g->fd, (struct sockaddr *)&any, sizeof(any)) < 0
			       ? -errno : 0;
	if (bind(g->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	err = -errno;
	if (err != -EADDRINUSE || local->port == 0 ||
	    (g->flags & (GUARD_REUSEADDR | GUARD_REUSEPORT)) != GUARD_REUSEADDR ||
	    diag_live_listener(g->link, local) != 0)
		return err;
	err = set_flag(g->fd, SO_REUSEPORT, 1);
	if (!err && bind(g->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		err = -errno;
	return err;
}

static int guard_learn(struct guard *g, const struct endpoint *local)
{
	struct sockaddr_in6 sa = {0};
	socklen_t len = sizeof(sa);

	if (getsockname(g->fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	g->port_given = local->port != 0;
	g->local.addr = local->addr;
	g->local.port = ntohs(sa.sin6_port); /* where sin_port is, too */
	len = sizeof(g->cookie);
	if (getsockopt(g->fd, SOL_SOCKET, SO_COOKIE, &g->cookie, &len) < 0)
		return -errno;
	return 0;
}

int guard_open(struct link *l, const struct endpoint *local, uint32_t ifindex,
	       unsigned flags, struct guard **out)
{
	struct guard *g;
	int err;

	if (!addr_is_v4(&local->addr) &&
	    !(flags & GUARD_V6ONLY && addr_is_any(&local->addr)))
		return -EAFNOSUPPORT;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->link = l;
	g->flags = flags;
	g->family = addr_is_v4(&local->addr) ? AF_INET : AF_INET6;
	g->next = l->guards;
	g->pprev = &l->guards;
	if (g->next)
		g->next->pprev = &g->next;
	l->guards = g;
	g->fd = socket(g->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = g->fd < 0 ? -errno : guard_configure(g, ifindex);
	if (!err)
		err = guard_bind(g, local);
	if (!err)
		err = guard_learn(g, local);
	if (err) {
		guard_close(g);
		return err;
	}
	*out = g;
	return 0;
}

/* Takes the port as a listener does, which SO_REUSEADDR does not let others
 * share, and leaves the segments to the kernel, which refuses them.
 * A port that the kernel chose would be lost by that; nobody shares it yet. */
static int guard_listen_v6(struct guard *g)
{
	if (g->port_given && (listen(g->fd, GUARD_BACKLOG) < 0 ||
			      shutdown(g->fd, SHUT_RD) < 0))
		return -errno;
	return set_flag(g->fd, SO_REUSEADDR, 0);
}

int guard_listen(struct guard *g)
{
	int err;

	if (g->family == AF_INET6)
		return guard_listen_v6(g);
	if (g->listening && !g->lingers)
		return 0;
	if (listen(g->fd, GUARD_BACKLOG) < 0)
		return -errno;
	if (!(g->flags & GUARD_REUSEPORT))
		set_flag(g->fd, SO_REUSEPORT, 0);
	g->lingers = false;
	if (g->listening)
		return 0;
	err = ports_add(g->link, g->local.port);
	g->listening = err == 0;
	return err;
}

const struct endpoint *guard_local(const struct guard *g)
{
	return &g->local;
}

void guard_linger(struct guard *g)
{
	set_flag(g->fd, SO_REUSEPORT, 1);
	g->lingers = true;
	if (g->listening)
		listen(g->fd, GUARD_BACKLOG_LINGER);
}

void guard_close(struct guard *g)
{
	if (!g)
		return;
	if (g->listening)
		ports_del(g->link, g->local.port);
	if (g->fd >= 0)
		close(g->fd);
	*g->pprev = g->next;
	if (g->next)
		g->next->pprev = g->pprev;
	free(g);
}

bool guard_has_cookie(const struct link *l, uint64_t cookie)
{
	for (const struct guard *g = l->guards; g; g = g->next)
		if (g->cookie == cookie)
			return true;
	return false;
}
