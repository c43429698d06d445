/* net.h - network namespaces and hand-made packets for the tests of the link.
 *
 * Namespaces are anonymous: they vanish with the descriptors that hold them,
 * however the test ends.
 */
#ifndef TEST_LINK_NET_H
#define TEST_LINK_NET_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../engine/addr.h"
#include "../../engine/link/link.h"
#include "../../engine/segment.h"

#define A_IP "10.77.0.1"
#define B_IP "10.77.0.2"

/* Two namespaces joined by a veth pair, va with A_IP and vb with B_IP. */
struct net {
	int a, b;
};

static inline void sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		fail_msg("failed: %s", cmd);
}

static inline int ns_new(void)
{
	int fd;

	assert_return_code(unshare(CLONE_NEWNET), errno);
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	sh("ip link set lo up");
	return fd;
}

static inline void ns_enter(int fd)
{
	assert_return_code(setns(fd, CLONE_NEWNET), errno);
}

/* Until a device's carrier has been noticed, what is sent there is lost. */
static inline void await_up(const char *dev)
{
	sh("for i in $(seq 300); do ip -br link show dev %s | grep -q ' UP ' && exit 0;"
	   "sleep 0.01; done; exit 1", dev);
}

static inline struct net net_new(void)
{
	struct net n;

	n.b = ns_new();
	n.a = ns_new();
	sh("ip link add va type veth peer name vb netns /proc/%d/fd/%d", getpid(), n.b);
	sh("ip addr add " A_IP "/24 dev va && ip link set va up");
	ns_enter(n.b);
	sh("ip addr add " B_IP "/24 dev vb && ip link set vb up");
	await_up("vb");
	ns_enter(n.a);
	await_up("va");
	return n;
}

static inline void net_free(struct net *n)
{
	close(n->a);
	close(n->b);
}

static inline struct ip_addr addr(const char *text)
{
	struct in_addr v4;

	assert_int_equal(inet_pton(AF_INET, text, &v4), 1);
	return addr_from_v4(&v4);
}

static inline struct endpoint ep(const char *text, uint16_t port)
{
	return (struct endpoint){addr(text), port};
}

static inline struct sockaddr_in sockaddr(const char *text, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, text, &sa.sin_addr), 1);
	return sa;
}

static inline struct link *open_link(bool gso)
{
	struct link_config cfg = {.rcvbuf_bytes = 8 << 20, .gso = gso};
	struct link *l = NULL;

	assert_int_equal(link_open(&l, &cfg), 0);
	return l;
}

static inline struct guard *open_guard(struct link *l, const char *ip, uint16_t port,
				       unsigned flags)
{
	struct endpoint local = ep(ip, port);
	struct guard *g = NULL;

	assert_int_equal(guard_open(l, &local, 0, flags, &g), 0);
	assert_int_equal(guard_listen(g), 0);
	return g;
}

/* A segment without options; payload may be longer than mss. */
static inline struct engine_pkt_out segment(const struct endpoint *from,
					    const struct endpoint *to, uint32_t seq,
					    uint8_t flags, const void *payload,
					    uint32_t len)
{
	struct segment s = {.sport = from->port, .dport = to->port, .seq = seq,
			    .flags = flags, .wnd = 65535, .opt.wscale = -1};
	struct engine_pkt_out p = {.src = from->addr, .dst = to->addr, .mss_bytes = 1460,
				   .payload_len_bytes = len};

	p.hdr_len_bytes = segment_build(&s, p.hdr);
	if (len) {
		p.payload_iovs = 2;
		p.payload[0] = (struct iovec){(void *)(uintptr_t)payload, len / 3};
		p.payload[1] = (struct iovec){(char *)(uintptr_t)payload + len / 3,
					      len - len / 3};
	}
	return p;
}

/* Waits up to ms for packets. */
static inline int recv_wait(struct link *l, struct engine_pkt_in *pkts, int n, int ms)
{
	int fds[LINK_FDS_MAX];
	struct pollfd p = {.events = POLLIN};

	assert_true(link_fds(l, fds) >= 1);
	p.fd = fds[0];
	if (poll(&p, 1, ms) <= 0)
		return 0;
	return link_recv(l, pkts, n);
}

/* A kernel socket that listens. */
static inline int kernel_listen(const char *ip, uint16_t port)
{
	struct sockaddr_in sa = sockaddr(ip, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(fd, 8), errno);
	return fd;
}

/* A kernel socket whose connect() has begun; *err is what connect() said. */
static inline int kernel_connect(const char *ip, uint16_t port, int *err)
{
	struct sockaddr_in sa = sockaddr(ip, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_return_code(fd, errno);
	*err = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	return fd;
}

#endif
