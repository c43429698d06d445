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
#include <string.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../engine/addr.h"
#include "../../engine/link/link.h"
#include "../../engine/segment.h"

#define A_IP "10.77.0.1"
#define B_IP "10.77.0.2"
#define A_IP6 "fd77::1"
#define B_IP6 "fd77::2"
#define A_LINK "fe80::a" /* link-local */
#define B_LINK "fe80::b"

/* The addresses that a test uses, and what differs besides; what cmocka calls
 * *state. */
struct ip_kind {
	bool v6;
	const char *lo, *any, *a, *b;
	size_t hdr_bytes;
};
static __attribute__((unused)) struct ip_kind ip4 = {false, "127.0.0.1", "0.0.0.0", A_IP, B_IP, 20};
static __attribute__((unused)) struct ip_kind ip6 = {true, "::1", "::", A_IP6, B_IP6, 40};
#define IP4_AND_IP6(f) \
	{#f ", IPv4", f, NULL, NULL, &ip4}, {#f ", IPv6", f, NULL, NULL, &ip6}

/* Two namespaces joined by a veth pair, va with A_IP, A_IP6 and A_LINK, and vb. */
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
	sh("ip link set lo up;"
	   "echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode"); /* none */
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
	sh("ip addr add " A_IP "/24 dev va; ip addr add " A_IP6 "/64 dev va nodad;"
	   "ip addr add " A_LINK "/64 dev va nodad; ip link set va up");
	ns_enter(n.b);
	sh("ip addr add " B_IP "/24 dev vb; ip addr add " B_IP6 "/64 dev vb nodad;"
	   "ip addr add " B_LINK "/64 dev vb nodad; ip link set vb up");
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

/* Link-local ones with their device: "fe80::a%va". */
static inline struct ip_addr addr(const char *text)
{
	const char *dev = strchr(text, '%');
	char host[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return addr_from_v4(&v4);
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(text, "%"), text);
	assert_int_equal(inet_pton(AF_INET6, host, &v6), 1);
	return addr_from_v6(&v6, dev ? if_nametoindex(dev + 1) : 0);
}

static inline struct endpoint ep(const char *text, uint16_t port)
{
	return (struct endpoint){addr(text), port};
}

/* Of either family; its length. */
static inline socklen_t sockaddr_any(const char *text, uint16_t port,
				     struct sockaddr_storage *to)
{
	struct ip_addr a = addr(text), wire = addr_wire(&a);
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port),
				  .sin6_scope_id = addr_scope(&a)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = addr_is_v4(&a) ? sizeof(v4) : sizeof(v6);

	memcpy(&v4.sin_addr, a.b + 12, 4);
	memcpy(&v6.sin6_addr, wire.b, 16);
	memset(to, 0, sizeof(*to));
	memcpy(to, addr_is_v4(&a) ? (void *)&v4 : (void *)&v6, len);
	return len;
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
	struct engine_pkt_out p = {.src = from->addr, .dst = to->addr,
				   .mss_bytes = addr_is_v4(&from->addr) ? 1460 : 1440,
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

/* Is there something to receive within ms? */
static inline bool readable(struct link *l, int ms)
{
	int fds[LINK_FDS_MAX], n = link_fds(l, fds);
	struct pollfd p[LINK_FDS_MAX];

	assert_true(n >= 2);
	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	return poll(p, n, ms) > 0;
}

static inline int64_t net_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Waits up to ms for packets. What wakes it may be for nobody, as a message of the
 * neighbours' that came before its socket had a filter. */
static inline int recv_wait(struct link *l, struct engine_pkt_in *pkts, int n, int ms)
{
	const int64_t end_ms = net_clock_ms() + ms;
	struct engine_icmp msgs[4];
	int got = 0;

	while (!got && readable(l, ms) && !(got = link_recv(l, pkts, n)) &&
	       (ms = (int)(end_ms - net_clock_ms())) > 0)
		link_recv_icmp(l, msgs, 4);
	return got;
}

/* Waits up to ms for what ICMP says. */
static inline int icmp_wait(struct link *l, struct engine_icmp *msgs, int n, int ms)
{
	return readable(l, ms) ? link_recv_icmp(l, msgs, n) : 0;
}

/* A kernel socket that listens. */
static inline int kernel_listen(const char *ip, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_any(ip, port, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, len), errno);
	assert_return_code(listen(fd, 8), errno);
	return fd;
}

/* A kernel socket whose connect() has begun; *err is what connect() said. */
static inline int kernel_connect(const char *ip, uint16_t port, int *err)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_any(ip, port, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_return_code(fd, errno);
	*err = connect(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
	return fd;
}

#endif
