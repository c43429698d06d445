/* diag.c - asks sock_diag(7) who in the kernel owns a flow or a port.
 *
 * An exact lookup finds what the kernel's TCP would find for a segment of that
 * flow: a connection, also one in TIME-WAIT or SYN-RECEIVED, else a listener.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "inside.h"

struct diag_request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

static struct diag_request diag_request(int family)
{
	struct diag_request q = {
		.h = {.nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.r = {.sdiag_family = family_af(family), .sdiag_protocol = IPPROTO_TCP,
		      .idiag_states = UINT32_MAX},
	};

	q.r.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	q.r.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return q;
}

static uint64_t diag_cookie(const struct inet_diag_msg *d)
{
	return (uint64_t)d->id.idiag_cookie[1] << 32 | d->id.idiag_cookie[0];
}

static void diag_address(__be32 to[4], const struct ip_addr *a)
{
	struct ip_addr wire = addr_wire(a);

	if (addr_is_v4(a))
		to[0] = addr_v4(a);
	else
		memcpy(to, wire.b, sizeof(wire));
}

struct wanted {
	const struct link *link;
	struct endpoint local;
	bool v6only;
	bool own; /* our guards count, too */
	bool lingers; /* a guard that lingers was seen */
};

static struct ip_addr diag_local(const struct inet_diag_msg *d)
{
	return d->idiag_family == AF_INET ? addr_from_v4(d->id.idiag_src)
					  : addr_from_v6(d->id.idiag_src, d->id.idiag_if);
}

/* Does a socket at a take what comes to b? "::" is both families', unless it says
 * that it is not. */
static bool covers(const struct ip_addr *a, bool v6only, const struct ip_addr *b)
{
	if (!addr_is_any(a))
		return addr_eq(a, b);
	return addr_is_v4(a) == addr_is_v4(b) || (!addr_is_v4(a) && !v6only);
}

/* Looks for a listener in use, and notes those that linger; arg is the struct wanted. */
static int diag_is_live(const struct nlmsghdr *h, void *arg)
{
	struct wanted *w = arg;
	const uint8_t *v6only;
	struct inet_diag_msg d;
	struct ip_addr theirs;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(d)))
		return 0;
	memcpy(&d, NLMSG_DATA(h), sizeof(d));
	if (ntohs(d.id.idiag_sport) != w->local.port || d.idiag_state != TCPS_LISTEN)
		return 0;
	theirs = diag_local(&d);
	v6only = netlink_attr(h, sizeof(d), INET_DIAG_SKV6ONLY, sizeof(*v6only));
	if (!covers(&theirs, v6only && *v6only, &w->local.addr) &&
	    !covers(&w->local.addr, w->v6only, &theirs))
		return 0;
	if (!w->own && guard_has_cookie(w->link, diag_cookie(&d)))
		return 0;
	if (d.idiag_wqueue != GUARD_BACKLOG_LINGER)
		return LINK_OTHERS_LISTEN;
	w->lingers = true;
	return 0;
}

static int find_listeners(struct link *l, struct wanted *w)
{
	int found = 0;

	for (int i = 0; i < FAMILIES && found == 0; i++) {
		struct diag_request q = diag_request(i);

		q.r.idiag_states = 1 << TCPS_LISTEN;
		q.r.id.idiag_sport = htons(w->local.port);
		found = netlink_dump(&l->diag, &q.h, diag_is_live, w);
	}
	if (found == 0 && w->lingers)
		found = LINK_OTHERS_LINGER;
	return found;
}

int link_others(struct link *l, const struct endpoint *local)
{
	return find_listeners(l, &(struct wanted){.link = l, .local = *local, .v6only = true});
}

int diag_listeners(struct link *l, const struct endpoint *local, bool v6only)
{
	return find_listeners(l, &(struct wanted){.link = l, .local = *local,
						  .v6only = v6only, .own = true});
}

/* Asks for the exact flow. 1: a socket that is no guard of ours has it, or none, so that
 * the kernel itself refuses what comes (our guard is at another address, or another
 * device's); 0: our guard; or a negative errno. */
static int find_owner(struct link *l, const struct flow *f, uint32_t ifindex)
{
	int err, family = addr_family(&f->local.addr);
	struct diag_request q = diag_request(family);
	union netlink_answer answer;
	struct inet_diag_msg d;

	if (family != addr_family(&f->remote.addr))
		return -EAFNOSUPPORT;
	diag_address(q.r.id.idiag_src, &f->local.addr);
	diag_address(q.r.id.idiag_dst, &f->remote.addr);
	q.r.id.idiag_sport = htons(f->local.port);
	q.r.id.idiag_dport = htons(f->remote.port);
	/* Sockets bound to a device are found for that device only. */
	q.r.id.idiag_if = ifindex;
	if (!q.r.id.idiag_if)
		q.r.id.idiag_if = addr_scope(&f->remote.addr);
	err = netlink_ask(&l->diag, &q.h, &answer);
	if (err < 0)
		return err == -ENOENT ? 1 : err; /* the kernel answers by itself */
	if (answer.msg.nlmsg_len < NLMSG_LENGTH(sizeof(d)))
		return -EBADMSG;
	memcpy(&d, NLMSG_DATA(&answer.msg), sizeof(d));
	/* A listener that is no guard of ours answers for itself. */
	return d.idiag_state != TCPS_LISTEN || !guard_has_cookie(l, diag_cookie(&d));
}

int link_kernel_owns(struct link *l, const struct flow *f, uint32_t ifindex, bool opens)
{
	int found = find_owner(l, f, ifindex);

	if (found)
		return found;
	/* Of several guards at the port, sock_diag has named ours, and to the other stacks,
	 * if they ask for the same flow, too. */
	found = link_others(l, &f->local);
	if (found == LINK_OTHERS_LINGER && opens)
		found = 0;
	return found > 0 ? 1 : found;
}

static int find_inode(struct link *l, uint32_t inode)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} q = {
		.h = {.nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.r = {.sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX, .udiag_ino = inode,
		      .udiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	union netlink_answer answer;

	return netlink_ask(&l->diag, &q.h, &answer);
}

/* A kernel without unix_diag has no socket at all (ENOENT). */
int link_unix_exists(struct link *l, uint32_t inode, uint32_t known)
{
	int err = find_inode(l, inode);

	if (err == -ENOENT && find_inode(l, known) == 0)
		return 0;
	return err ? err : 1;
}
