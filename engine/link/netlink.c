/* netlink.c - questions to the kernel over netlink and their answers.
 *
 * Requests are served by the kernel within the send call, so an answer waits
 * when send() returns and no call here blocks. Answers to an earlier question
 * that nobody read to its end are told by their sequence number and skipped.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

int netlink_open(struct netlink *nl, int protocol)
{
	nl->seq = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	return nl->fd < 0 ? -errno : 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

static int netlink_send(struct netlink *nl, struct nlmsghdr *req)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	req->nlmsg_seq = ++nl->seq;
	req->nlmsg_flags |= NLM_F_REQUEST;
	if (sendto(nl->fd, req, req->nlmsg_len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

/* One datagram of answers to the last question; its length or an error. Other
 * senders than the kernel (port 0) have no say. */
static int netlink_recv(struct netlink *nl, union netlink_answer *a)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(nl->fd, a, sizeof(*a), MSG_TRUNC,
				     (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0 || n < (ssize_t)sizeof(a->msg) ||
		    a->msg.nlmsg_seq != nl->seq)
			continue;
		return n > (ssize_t)sizeof(*a) ? -EMSGSIZE : (int)n;
	}
}

/* What an NLMSG_ERROR or NLMSG_DONE says: 0 or a negative errno. Nothing else, or what
 * each() may return would be taken for it. */
static int netlink_verdict(const struct nlmsghdr *h)
{
	int err = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
		memcpy(&err, NLMSG_DATA(h), sizeof(err));
	return err < 0 ? err : 0;
}

int netlink_ask(struct netlink *nl, struct nlmsghdr *req, union netlink_answer *a)
{
	int n = netlink_send(nl, req);

	if (n < 0)
		return n;
	n = netlink_recv(nl, a);
	if (n < 0)
		return n;
	if (!NLMSG_OK(&a->msg, (unsigned)n))
		return -EBADMSG;
	if (a->msg.nlmsg_type == NLMSG_ERROR) {
		int err = netlink_verdict(&a->msg);
		return err < 0 ? err : -EBADMSG;
	}
	return 0;
}

/* Reads to the end in any case: a dump that is left unfinished would keep the
 * next one from starting (EBUSY). */
int netlink_dump(struct netlink *nl, struct nlmsghdr *req,
		 int (*each)(const struct nlmsghdr *msg, void *arg), void *arg)
{
	union netlink_answer answer;
	int ret = 0, n;

	req->nlmsg_flags |= NLM_F_DUMP;
	n = netlink_send(nl, req);
	while (n >= 0) {
		const struct nlmsghdr *h = &answer.msg;

		n = netlink_recv(nl, &answer);
		for (int left = n; left > 0 && NLMSG_OK(h, (unsigned)left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return ret ? ret : netlink_verdict(h);
			if (ret == 0)
				ret = each(h, arg);
		}
	}
	return n;
}

void netlink_add(struct nlmsghdr *req, uint16_t type, const void *data,
		 size_t len_bytes)
{
	struct rtattr *a = (struct rtattr *)((char *)req + NLMSG_ALIGN(req->nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len_bytes);
	memcpy(RTA_DATA(a), data, len_bytes);
	req->nlmsg_len = NLMSG_ALIGN(req->nlmsg_len) + RTA_ALIGN(a->rta_len);
}

const void *netlink_attr(const struct nlmsghdr *msg, size_t hdr_bytes,
			 uint16_t type, size_t min_bytes)
{
	size_t skip = NLMSG_LENGTH(NLMSG_ALIGN(hdr_bytes));
	const struct rtattr *a = (const struct rtattr *)((const char *)msg + skip);
	int left = (int)msg->nlmsg_len - (int)skip;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type && RTA_PAYLOAD(a) >= min_bytes)
			return RTA_DATA(a);
	return NULL;
}
