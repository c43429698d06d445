/* link.c - opens and closes the link.
 *
 * Owns the sockets (see sockets.h). Those of IPv6 are missing where the kernel has
 * none, and so is all that needs them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

static int get_int(int fd, int level, int option, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, level, option, value, &len) < 0 ? -errno : 0;
}

/* What the sockets really are, whoever has opened them. */
static int sockets_learn(struct link *l)
{
	int bytes = 0, ttl = 0, hops = 0, err;

	err = get_int(raw_fd(l, V4), SOL_SOCKET, SO_RCVBUF, &bytes);
	if (!err)
		err = get_int(raw_fd(l, V4), IPPROTO_IP, IP_TTL, &ttl);
	if (!err && raw_fd(l, V6) >= 0)
		err = get_int(raw_fd(l, V6), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops);
	l->rcvbuf_bytes = bytes;
	l->default_ttl[V4] = ttl;
	l->default_ttl[V6] = hops;
	return err;
}

/* net.ipv6.auto_flowlabels: with 1 and 3 each flow has one if nobody objects. */
static bool auto_flow_labels(const struct link *l)
{
	char c = '1';
	int fd = openat(l->sockets.fd[SOCKET_SYSCTL], "ipv6/auto_flowlabels",
			O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true;
	if (read(fd, &c, 1) < 1)
		c = '1';
	close(fd);
	return c == '1' || c == '3';
}

static int labels_open(struct link *l)
{
	l->flow_labels = auto_flow_labels(l);
	return getrandom(l->label_key, sizeof(l->label_key), 0) < 0 ? -errno : 0;
}

int link_open_with(struct link **out, const struct link_config *cfg,
		   struct link_sockets *sockets)
{
	static int (*const steps[])(struct link *l) = {
		sockets_learn, labels_open, ports_open, rx_open, tx_open, routes_open,
	};
	struct link *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l) {
		link_sockets_close(sockets);
		return -ENOMEM;
	}
	l->cfg = *cfg;
	l->sockets = *sockets;
	l->diag.fd = l->route.fd = -1;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++)
		err = steps[i](l);
	if (!err)
		err = netlink_open(&l->diag, NETLINK_SOCK_DIAG);
	if (!err)
		err = netlink_open(&l->route, NETLINK_ROUTE);
	if (!err && cfg->gso)
		err = gso_open(l);
	if (err) {
		link_close(l);
		return err;
	}
	*out = l;
	return 0;
}

int link_open(struct link **out, const struct link_config *cfg)
{
	struct link_sockets sockets;
	int err = link_sockets_open(&sockets, cfg);

	return err ? err : link_open_with(out, cfg, &sockets);
}

void link_before_drop(struct link *l)
{
	if (l->gso)
		link_sockets_packet(&l->sockets);
}

void link_close(struct link *l)
{
	if (!l)
		return;
	while (l->guards)
		guard_close(l->guards);
	guard_free_shelves(l);
	gso_close(l);
	netlink_close(&l->route);
	netlink_close(&l->diag);
	routes_close(l);
	tx_close(l);
	rx_close(l);
	ports_close(l);
	link_sockets_close(&l->sockets);
	free(l);
}

int link_fds(const struct link *l, int fds[LINK_FDS_MAX])
{
	int n = 0;

	for (int i = 0; i < FAMILIES; i++) {
		if (raw_fd(l, i) < 0)
			continue;
		fds[n++] = raw_fd(l, i);
		fds[n++] = icmp_fd(l, i);
	}
	return n;
}

uint32_t link_rcvbuf_bytes(const struct link *l)
{
	return l->rcvbuf_bytes;
}

const struct link_stats *link_stats(const struct link *l)
{
	return &l->stats;
}
