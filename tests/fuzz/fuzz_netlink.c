/* fuzz_netlink.c - what netlink.c, route.c and diag.c make of the kernel's answers.
 *
 * They are part of this program, and the input is what recvfrom() gives them: datagrams
 * of any bytes, most of them with the sequence number that is waited for. Answers are
 * trusted in what they say, not in how long they say that they are.
 */
#include <sys/socket.h>

#include "fuzz.h"

#include "../../engine/link/inside.h"

static struct input answers;

static ssize_t fake_sendto(int fd, const void *p, size_t len, int flags,
			   const struct sockaddr *to, socklen_t to_len);
static ssize_t fake_recvfrom(int fd, void *p, size_t len, int flags, struct sockaddr *from,
			     socklen_t *from_len);
#define sendto fake_sendto
#define recvfrom fake_recvfrom
#include "../../engine/link/netlink.c"
#undef sendto
#undef recvfrom
#include "../../engine/link/diag.c"
#include "../../engine/link/route.c"

/* ---- the kernel --------------------------------------------------------------------- */

static uint32_t seq_asked;

static ssize_t fake_sendto(int fd, const void *p, size_t len, int flags,
			   const struct sockaddr *to, socklen_t to_len)
{
	const struct nlmsghdr *h = p;

	(void)fd;
	(void)flags;
	(void)to;
	(void)to_len;
	check(len == h->nlmsg_len && len % NLMSG_ALIGNTO == 0);
	seq_asked = h->nlmsg_seq;
	return (ssize_t)len;
}

/* A header by the input's wish, and bytes; often what follows is one whole message. */
static ssize_t fake_recvfrom(int fd, void *p, size_t len, int flags, struct sockaddr *from,
			     socklen_t *from_len)
{
	static const uint16_t types[8] = {NLMSG_DONE, NLMSG_ERROR, RTM_NEWROUTE, RTM_NEWLINK,
					  SOCK_DIAG_BY_FAMILY, NLMSG_NOOP, 0, RTM_NEWADDR};
	uint8_t how = take8(&answers);
	size_t n = take16(&answers) % 600;
	struct nlmsghdr h = {.nlmsg_type = types[how & 7], .nlmsg_seq = seq_asked};

	(void)fd;
	(void)flags;
	(void)from_len;
	if (!answers.left) {
		errno = EAGAIN;
		return -1;
	}
	((struct sockaddr_nl *)from)->nl_pid = how == 0xf8;
	n = n < answers.left ? n : answers.left;
	memcpy(p, answers.p, n < len ? n : len);
	answers.p += n;
	answers.left -= n;
	h.nlmsg_len = how & 8 && n >= 4 ? get_be16(p) % 700 : (uint32_t)n;
	if (!(how & 16) && n >= sizeof(h))
		memcpy(p, &h, sizeof(h));
	return how == 0xf0 ? (ssize_t)len + 1 : (ssize_t)n;
}

/* ---- neighbours of route.c and diag.c ----------------------------------------------- */

bool guard_has_cookie(const struct link *l, uint64_t cookie)
{
	(void)l;
	return cookie & 1;
}

bool guard_at_device(const struct link *l, uint16_t port, uint32_t ifindex)
{
	(void)l;
	(void)port;
	return ifindex & 1;
}

uint32_t gso_max_bytes(struct link *l, const struct ip_addr *src, const struct ip_addr *dst,
		       uint32_t ifindex)
{
	(void)l;
	(void)src;
	(void)dst;
	(void)ifindex;
	return 0;
}

void gso_new_connection(struct link *l)
{
	(void)l;
}

/* ---- questions ------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t what = take8(&in), last = take8(&in);
	uint8_t v4[4] = {127, 0, 0, last};
	struct ip_addr addr = what & 8 ? (struct ip_addr){{0xfe, 0x80, [15] = last}}
				       : addr_from_v4(v4);
	struct flow f = {{addr, 80}, {addr, 0x1000}};
	struct link l = {.diag.fd = -1, .route.fd = -1};
	struct engine_pkt_in pkt = {.src = addr, .dst = addr, .ifindex = last};

	answers = in;
	switch (what & 7) {
	case 0:
		check(link_kernel_owns(&l, &f, last, what & 16) <= 1);
		break;
	case 1:
		check(link_others(&l, &f.local) <= LINK_OTHERS_LISTEN + LINK_OTHERS_LINGER);
		break;
	case 2:
		diag_listeners(&l, &f.local, what & 16);
		break;
	case 3:
		route_is_local(&l, &addr);
		break;
	default:
		check(routes_open(&l) == 0);
		route_accepts(&l, &pkt);
		routes_close(&l);
		break;
	}
	return 0;
}
