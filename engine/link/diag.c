/* diag.c - asks sock_diag(7) who in the kernel owns a flow or a port.
 *
 * An exact lookup finds what the kernel's TCP would find for a segment of that
 * flow: a connection, also one in TIME-WAIT or SYN-RECEIVED, else a listener.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "inside.h"

struct diag_request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

static struct diag_request diag_request(void)
{
	struct diag_request q = {
		.h = {.nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.r = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP,
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

int link_kernel_owns(struct link *l, const struct flow *f)
{
	struct diag_request q = diag_request();
	union netlink_answer answer;
	struct inet_diag_msg d;
	int err;

	if (!addr_is_v4(&f->local.addr) || !addr_is_v4(&f->remote.addr))
		return -EAFNOSUPPORT;
	q.r.id.idiag_src[0] = addr_v4(&f->local.addr);
	q.r.id.idiag_dst[0] = addr_v4(&f->remote.addr);
	q.r.id.idiag_sport = htons(f->local.port);
	q.r.id.idiag_dport = htons(f->remote.port);
	/* Sockets bound to a device are found for that device only. */
	q.r.id.idiag_if = link_arrived_on(l, f);
	err = netlink_ask(&l->diag, &q.h, &answer);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	if (answer.msg.nlmsg_len < NLMSG_LENGTH(sizeof(d)))
		return -EBADMSG;
	memcpy(&d, NLMSG_DATA(&answer.msg), sizeof(d));
	/* A listener that is no guard of ours answers for itself. */
	return d.idiag_state != TCPS_LISTEN || !guard_has_cookie(l, diag_cookie(&d));
}

/* Looks for a listener in use; arg is the struct endpoint that wants the port. */
static int diag_is_live(const struct nlmsghdr *h, void *arg)
{
	const struct endpoint *local = arg;
	struct inet_diag_msg d;
	in_addr_t theirs, ours = addr_v4(&local->addr);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(d)))
		return 0;
	memcpy(&d, NLMSG_DATA(h), sizeof(d));
	theirs = d.id.idiag_src[0];
	if (ntohs(d.id.idiag_sport) != local->port || d.idiag_state != TCPS_LISTEN)
		return 0;
	if (theirs != INADDR_ANY && ours != INADDR_ANY && theirs != ours)
		return 0;
	return d.idiag_wqueue != GUARD_BACKLOG_LINGER;
}

int diag_live_listener(struct link *l, const struct endpoint *local)
{
	struct diag_request q = diag_request();
	struct endpoint wanted = *local;

	q.r.idiag_states = 1 << TCPS_LISTEN;
	q.r.id.idiag_sport = htons(local->port);
	return netlink_dump(&l->diag, &q.h, diag_is_live, &wanted);
}
