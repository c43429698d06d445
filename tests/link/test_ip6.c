/* test_ip6.c - what only IPv6 has: extension headers, scopes, flow labels, addresses
 * that are local in other ways, hosts without it. Needs root: makes network
 * namespaces of its own.
 */
#include "net.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <net/ethernet.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define PORT 5000
#define HDR 40

/* Sends a packet in a frame to 02:00:00:00:00:0b, or to lo itself. */
static void send_frame(const char *dev, const uint8_t *ip, size_t len)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6),
				 .sll_ifindex = if_nametoindex(dev), .sll_halen = ETH_ALEN};
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);

	assert_return_code(fd, errno);
	if (strcmp(dev, "lo") != 0)
		memcpy(to.sll_addr, (uint8_t[]){2, 0, 0, 0, 0, 0x0b}, ETH_ALEN);
	assert_int_equal(sendto(fd, ip, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	close(fd);
}

/* Header of a packet from ::1 to ::1 with len bytes behind it. */
static void lo_header(uint8_t ip[HDR], uint8_t next, size_t len)
{
	memset(ip, 0, HDR);
	ip[0] = 6 << 4;
	ip[4] = len >> 8;
	ip[5] = len;
	ip[6] = next;
	ip[7] = 64;
	ip[23] = ip[39] = 1;
}

/* TCP from port 9 to PORT with n bytes of payload. */
static size_t put_tcp(uint8_t *tcp, uint8_t flags, size_t n)
{
	memset(tcp, 0, 20);
	tcp[1] = 9;
	tcp[2] = PORT >> 8;
	tcp[3] = PORT & 255;
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	for (size_t i = 0; i < n; i++)
		tcp[20 + i] = i;
	return 20 + n;
}

/* ---- receiving ---------------------------------------------------------- */

/* RFC 8200 4: each of them alone, and in a row. */
static void extension_headers_are_skipped(void **state)
{
	static const uint8_t chains[][4] = {
		{IPPROTO_HOPOPTS, IPPROTO_TCP}, {IPPROTO_DSTOPTS, IPPROTO_TCP},
		{IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_TCP},
	};
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_pkt_in in[2];

	(void)state;
	open_guard(l, "::", PORT, 0);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t ip[256] = {0};
		size_t at = HDR, n;

		for (const uint8_t *next = chains[i]; *next != IPPROTO_TCP; next++) {
			ip[at] = next[1];
			ip[at + 2] = 1; /* PadN of 4 */
			ip[at + 3] = 4;
			at += 8;
		}
		n = put_tcp(ip + at, SEG_ACK, 10);
		lo_header(ip, chains[i][0], at - HDR + n);
		send_frame("lo", ip, at + n);
		assert_int_equal(recv_wait(l, in, 2, 1000), 1);
		assert_int_equal(in[0].tcp_len_bytes, n);
		assert_memory_equal(in[0].tcp, ip + at, n);
	}
	link_close(l);
	close(ns);
}

static void fragments_come_as_one(void **state)
{
	enum { DATA = 2000, FIRST = 1208 };
	static uint8_t tcp[20 + DATA], ip[HDR + 8 + FIRST];
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_pkt_in in[2];
	size_t n = put_tcp(tcp, SEG_ACK, DATA);

	(void)state;
	open_guard(l, "::1", PORT, 0);
	for (size_t off = 0; off < n; off += FIRST) {
		size_t part = n - off < FIRST ? n - off : FIRST;
		uint8_t frag[8] = {IPPROTO_TCP, 0, off >> 8, (off & 0xf8) | (off + part < n),
				   0, 0, 0, 7};

		assert_int_equal(recv_wait(l, in, 2, 0), 0);
		lo_header(ip, IPPROTO_FRAGMENT, 8 + part);
		memcpy(ip + HDR, frag, 8);
		memcpy(ip + HDR + 8, tcp + off, part);
		send_frame("lo", ip, HDR + 8 + part);
	}
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	assert_int_equal(in[0].tcp_len_bytes, n);
	assert_memory_equal(in[0].tcp, tcp, n);
	link_close(l);
	close(ns);
}

/* [MUST-57] */
static void groups_are_not_us(void **state)
{
	struct net n = net_new();
	struct engine_pkt_in in[2];
	uint8_t ip[HDR + 20];
	struct link *b;

	(void)state;
	ns_enter(n.b);
	sh("ip link set vb address 02:00:00:00:00:0b");
	b = open_link(false);
	open_guard(b, "::", PORT, 0);
	ns_enter(n.a);
	lo_header(ip, IPPROTO_TCP, 20);
	put_tcp(ip + HDR, SEG_SYN, 0);
	memcpy(ip + 8, addr(A_IP6).b, 16);
	memcpy(ip + 24, (uint8_t[16]){0xff, 0x02, [15] = 1}, 16);
	send_frame("va", ip, sizeof(ip));
	assert_int_equal(recv_wait(b, in, 2, 100), 0);
	assert_int_equal(link_stats(b)->not_local, 1);
	memcpy(ip + 24, addr(B_IP6).b, 16);
	send_frame("va", ip, sizeof(ip));
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	link_close(b);
	net_free(&n);
}

/* What names hosts of IPv4, which would be
 * taken for IPv4's own, or link-local hosts that leave no room for a scope. */
static void odd_addresses_are_ignored(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_pkt_in in[2];
	uint8_t ip[HDR + 20];
	size_t n;

	(void)state;
	open_guard(l, "::", PORT, 0);
	for (int how = 1; how < 4; how++) {
		lo_header(ip, IPPROTO_TCP, 20);
		n = HDR + put_tcp(ip + HDR, SEG_SYN, 0);
		if (how == 1)
			memcpy(ip + 8, addr("10.1.2.3").b, 16);
		if (how == 2)
			memcpy(ip + 8, (uint8_t[16]){0xfe, 0x80, 1, 2, 3, 4, [15] = 1}, 16);
		send_frame("lo", ip, n);
		assert_int_equal(recv_wait(l, in, 2, how == 3 ? 1000 : 100), how == 3);
	}
	assert_int_equal(link_stats(l)->not_local, 2);
	/* shorter than a TCP header, for the engine to count; and without ports */
	put_tcp(ip + HDR, SEG_ACK, 0);
	lo_header(ip, IPPROTO_TCP, 10);
	send_frame("lo", ip, HDR + 10);
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	assert_int_equal(in[0].tcp_len_bytes, 10);
	lo_header(ip, IPPROTO_TCP, 3);
	send_frame("lo", ip, HDR + 3);
	assert_int_equal(recv_wait(l, in, 2, 100), 0);
	link_close(l);
	close(ns);
}

/* As in Linux, connections come to addresses of a routed local prefix too, but not to
 * anycast ones. */
static void anycast_is_not_ours_but_a_local_prefix_is(void **state)
{
	struct net n = net_new();
	struct link *a = open_link(false), *b;
	struct endpoint from = ep(A_IP6, 9), to = ep("2001:db8:a::77", PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_SYN, NULL, 0);
	struct engine_pkt_in in[2];

	(void)state;
	open_guard(a, A_IP6, 9, 0);
	sh("ip route add 2001:db8:a::/48 via " B_IP6);
	ns_enter(n.b);
	sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
	   "ip -6 route add local 2001:db8:a::/48 dev lo");
	b = open_link(false);
	open_guard(b, "::", PORT, 0);
	assert_int_equal(link_send(a, &p, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	assert_int_equal(link_path(b, &in[0]), 0);
	assert_int_equal(in[0].path.mtu_bytes, 1500);
	assert_true(addr_eq(&in[0].dst, &to.addr));
	p = segment(&to, &from, 1, SEG_SYN | SEG_ACK, NULL, 0);
	assert_int_equal(link_send(b, &p, 1), 0);
	assert_int_equal(recv_wait(a, in, 2, 1000), 1);
	assert_true(addr_eq(&in[0].src, &to.addr));
	p = segment(&from, &to, 1, SEG_SYN, NULL, 0);
	p.dst = addr("fd77::"); /* RFC 4291 2.6.1 */
	assert_int_equal(link_send(a, &p, 1), 0);
	/* RFC 4861 7.2.7: neighbours of that name take their time */
	for (int i = 0; i < 30 && !link_stats(b)->not_local; i++)
		assert_int_equal(recv_wait(b, in, 2, 100), 0);
	assert_int_equal(link_stats(b)->not_local, 1);
	link_close(a);
	link_close(b);
	net_free(&n);
}

/* A connection outlives its address. */
static void a_lost_address_still_sends(void **state)
{
	struct net n = net_new();
	struct link *a = open_link(false), *b;
	struct endpoint from = ep("fd77::1:1", 9), to = ep(B_IP6, PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, NULL, 0);
	struct engine_pkt_in in[2];

	(void)state;
	ns_enter(n.b);
	b = open_link(false);
	open_guard(b, "::", PORT, 0);
	ns_enter(n.a);
	assert_int_equal(link_send(a, &p, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	assert_true(addr_eq(&in[0].src, &from.addr));
	link_close(a);
	link_close(b);
	net_free(&n);
}

/* ---- scopes ------------------------------------------------------------- */

/* The same two addresses on two links: which is meant, their scope says. */
static void link_local_addresses_have_a_scope(void **state)
{
	static const char *const at_a[] = {A_LINK "%va", A_LINK "%vc"};
	static const char *const at_b[] = {B_LINK "%vb", B_LINK "%vd"};
	struct net n = net_new();
	struct link *a = open_link(true), *b;
	struct engine_pkt_in in[2];
	struct guard *g;

	(void)state;
	sh("ip link add vc type veth peer name vd netns /proc/%d/fd/%d;"
	   "ip addr add " A_LINK "/64 dev vc nodad; ip link set vc up", getpid(), n.b);
	ns_enter(n.b);
	sh("ip addr add " B_LINK "/64 dev vd nodad; ip link set vd up");
	await_up("vd");
	b = open_link(true);
	for (int i = 0; i < 2; i++) {
		struct endpoint here, there, seen;
		struct engine_pkt_out p;

		ns_enter(n.a);
		await_up("vc");
		here = ep(at_a[i], 9);
		there = ep(B_LINK, PORT);
		addr_set_scope(&there.addr, addr_scope(&here.addr));
		g = open_guard(a, at_a[i], 9, 0);
		ns_enter(n.b);
		seen = ep(at_b[i], PORT);
		open_guard(b, at_b[i], PORT, 0); /* one address, one port, two links */
		p = segment(&here, &there, 1, SEG_SYN, NULL, 0);
		assert_int_equal(link_send(a, &p, 1), 0);
		assert_int_equal(recv_wait(b, in, 2, 1000), 1);
		assert_true(addr_eq(&in[0].dst, &seen.addr));
		assert_int_equal(addr_scope(&in[0].src), addr_scope(&seen.addr));
		assert_int_equal(link_path(b, &in[0]), 0);
		assert_int_equal(in[0].path.mtu_bytes, 1500);
		assert_true(in[0].path.gso_max_bytes > 60000);
		p = segment(&seen, &(struct endpoint){in[0].src, 9}, 1, SEG_SYN | SEG_ACK,
			    NULL, 0);
		assert_int_equal(link_send(b, &p, 1), 0);
		assert_int_equal(recv_wait(a, in, 2, 1000), 1);
		assert_true(addr_eq(&in[0].src, &there.addr));
		assert_true(addr_eq(&in[0].dst, &here.addr));
		guard_close(g);
	}
	link_close(a);
	link_close(b);
	net_free(&n);
}

static void routes_with_a_scope(void **state)
{
	struct net n = net_new();
	struct link *l = open_link(true);
	struct ip_addr far = addr(B_LINK "%va"), near = addr(A_LINK "%va"), src = {{0}};
	struct ip_addr bare = addr(B_LINK), global = addr(A_IP6);
	uint32_t va = addr_scope(&near);
	struct tcp_path path;

	(void)state;
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &near));
	assert_int_equal(path.mtu_bytes, 1500);
	assert_true(path.gso_max_bytes > 60000);
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_int_equal(link_route(l, &far, 0, &global, &path), 0);
	src = (struct ip_addr){{0}};
	assert_int_equal(link_route(l, &bare, 0, &src, &path), -EINVAL);
	assert_int_equal(link_route(l, &bare, va, &src, &path), 0);
	assert_true(addr_eq(&src, &near));
	/* somebody else's, or ours elsewhere */
	assert_int_equal(link_route(l, &far, 0, &far, &path), -EADDRNOTAVAIL);
	link_close(l);
	net_free(&n);
}

/* ---- the header --------------------------------------------------------- */

static int capture(void)
{
	struct timeval tv = {.tv_sec = 2};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), errno);
	return fd;
}

/* Sends p and reads what leaves. */
static void on_the_wire(struct link *l, int cap, const struct engine_pkt_out *p,
			uint8_t *ip, size_t room)
{
	struct sockaddr_ll from = {.sll_pkttype = PACKET_HOST};
	socklen_t len = sizeof(from);

	while (recv(cap, ip, room, MSG_DONTWAIT) > 0)
		; /* what earlier ones have left */
	assert_int_equal(link_send(l, p, 1), 0);
	while (from.sll_pkttype != PACKET_OUTGOING || from.sll_protocol != htons(ETH_P_IPV6) ||
	       ip[6] != IPPROTO_TCP)
		assert_return_code(recvfrom(cap, ip, room, 0, (struct sockaddr *)&from, &len),
				   errno);
}

static uint32_t label_of(const uint8_t *ip)
{
	return (ip[1] & 15u) << 16 | ip[2] << 8 | ip[3];
}

/* Traffic class, hop limit, lengths; no scope in the addresses. [MUST-48] [MUST-49] */
static void header_on_the_wire(void **state)
{
	struct net n = net_new();
	int cap = capture();
	struct link *l = open_link(false);
	struct endpoint from = ep(A_LINK "%va", 9), to = ep(B_LINK "%va", PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, "abc", 3);
	struct ip_addr src = addr(A_LINK), dst = addr(B_LINK);
	uint8_t ip[128];

	(void)state;
	p.tos = 0xb8 | 2;
	p.ttl = 7;
	on_the_wire(l, cap, &p, ip, sizeof(ip));
	assert_int_equal(ip[0] >> 4, 6);
	assert_int_equal((ip[0] & 15) << 4 | ip[1] >> 4, p.tos);
	assert_int_equal(ip[4] << 8 | ip[5], 23);
	assert_int_equal(ip[7], 7);
	assert_memory_equal(ip + 8, src.b, 16);
	assert_memory_equal(ip + 24, dst.b, 16);
	assert_memory_equal(ip + 60, "abc", 3);
	p.ttl = 0;
	on_the_wire(l, cap, &p, ip, sizeof(ip));
	assert_int_equal(ip[7], 64);
	close(cap);
	link_close(l);
	net_free(&n);
}

/* And the traffic class arrives, ECN included. */
static void the_traffic_class_arrives(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct endpoint from = ep("::1", 9), to = ep("::1", PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, NULL, 0);
	struct engine_pkt_in in[2];

	(void)state;
	open_guard(l, "::1", PORT, 0);
	for (unsigned tos = 0; tos < 256; tos += 51) {
		p.tos = tos;
		assert_int_equal(link_send(l, &p, 1), 0);
		assert_int_equal(recv_wait(l, in, 2, 1000), 1);
		assert_int_equal(in[0].tos, tos);
	}
	link_close(l);
	close(ns);
}

/* RFC 6437: one label for all packets of a flow, others for others, and for the same
 * flow of another link; none where the host wants none. Bursts have them too. */
static void flows_have_labels(void **state)
{
	static const char data[20000];
	struct net n = net_new();
	int cap = capture();
	struct link *l = open_link(true), *other = open_link(true), *none;
	struct endpoint from = ep(A_IP6, 9), to = ep(B_IP6, PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, data, 1);
	static uint8_t ip[65536];
	uint32_t label;
	int same = 0;

	(void)state;
	on_the_wire(l, cap, &p, ip, sizeof(ip));
	label = label_of(ip);
	assert_true(label & 0x80000);
	p = segment(&from, &to, 2, SEG_ACK, data, sizeof(data));
	usleep(50000); /* the neighbour is known by now */
	for (int i = 0; i < 3; i++) {
		on_the_wire(l, cap, &p, ip, sizeof(ip));
		assert_int_equal(label_of(ip), label);
	}
	assert_true(link_stats(l)->gso_out > 0);
	for (int i = 0; i < 8; i++) {
		from.port = 100 + i;
		p = segment(&from, &to, 1, SEG_ACK, data, 1);
		on_the_wire(l, cap, &p, ip, sizeof(ip));
		same += label_of(ip) == label;
	}
	assert_true(same < 2);
	p.no_flow_label = true;
	on_the_wire(l, cap, &p, ip, sizeof(ip));
	assert_int_equal(label_of(ip), 0);
	from.port = 9;
	p = segment(&from, &to, 1, SEG_ACK, data, 1);
	on_the_wire(other, cap, &p, ip, sizeof(ip));
	assert_int_not_equal(label_of(ip), label); /* once in half a million runs */
	sh("echo 0 > /proc/sys/net/ipv6/auto_flowlabels");
	none = open_link(true);
	on_the_wire(none, cap, &p, ip, sizeof(ip));
	assert_int_equal(label_of(ip), 0);
	close(cap);
	link_close(l);
	link_close(other);
	link_close(none);
	net_free(&n);
}

/* ---- hosts without IPv6 ------------------------------------------------- */

/* As with ipv6.disable=1: there are no sockets of that family. */
static void forbid_ipv6(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(f) / sizeof(f[0]), f};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(101);
}

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			_exit(__LINE__ % 200 + 1); \
	} while (0)

static void without_ipv6(void)
{
	struct link_config cfg = {.rcvbuf_bytes = 1 << 20, .gso = true};
	struct endpoint v6 = {.port = PORT}, v4 = ep("127.0.0.1", PORT), peer = ep("127.0.0.1", 9);
	struct ip_addr lo6 = {{[15] = 1}}, src = {{0}};
	struct engine_pkt_out p = segment(&peer, &v4, 1, SEG_SYN, NULL, 0);
	struct engine_pkt_in in[2];
	int fds[LINK_FDS_MAX];
	struct tcp_path path;
	struct guard *g;
	struct link *l;

	forbid_ipv6();
	CHECK(link_open(&l, &cfg) == 0);
	CHECK(link_fds(l, fds) == 2);
	CHECK(guard_open(l, &v6, 0, 0, &g) == -EAFNOSUPPORT);
	CHECK(link_route(l, &lo6, 0, &src, &path) == -EAFNOSUPPORT);
	CHECK(guard_open(l, &v4, 0, 0, &g) == 0 && guard_listen(g) == 0);
	CHECK(link_send(l, &p, 1) == 0);
	CHECK(recv_wait(l, in, 2, 1000) == 1);
	p.src = p.dst = lo6;
	CHECK(link_send(l, &p, 1) == -EAFNOSUPPORT);
	link_close(l);
	_exit(0);
}

static void a_kernel_without_ipv6(void **state)
{
	int ns = ns_new(), status = 0;
	pid_t pid = fork();

	(void)state;
	assert_return_code(pid, errno);
	if (pid == 0)
		without_ipv6();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ns);
}

/* net.ipv6.conf.all.disable_ipv6: there are sockets, and no addresses. */
static void a_host_with_ipv6_disabled(void **state)
{
	int ns = ns_new(), err;
	struct ip_addr lo6 = addr("::1"), src = {{0}};
	struct endpoint local = ep("::1", PORT);
	struct engine_pkt_in in[2];
	struct tcp_path path;
	struct guard *g;
	struct link *l;

	(void)state;
	sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
	l = open_link(true);
	close(kernel_connect("::1", 1, &err));
	assert_true(err < 0);
	assert_int_equal(link_route(l, &lo6, 0, &src, &path), err);
	assert_int_equal(guard_open(l, &local, 0, 0, &g), -EADDRNOTAVAIL);
	open_guard(l, "::", PORT, 0);
	close(kernel_connect("127.0.0.1", PORT, &err));
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	link_close(l);
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extension_headers_are_skipped),
		cmocka_unit_test(fragments_come_as_one),
		cmocka_unit_test(groups_are_not_us),
		cmocka_unit_test(odd_addresses_are_ignored),
		cmocka_unit_test(anycast_is_not_ours_but_a_local_prefix_is),
		cmocka_unit_test(a_lost_address_still_sends),
		cmocka_unit_test(link_local_addresses_have_a_scope),
		cmocka_unit_test(routes_with_a_scope),
		cmocka_unit_test(header_on_the_wire),
		cmocka_unit_test(the_traffic_class_arrives),
		cmocka_unit_test(flows_have_labels),
		cmocka_unit_test(a_kernel_without_ipv6),
		cmocka_unit_test(a_host_with_ipv6_disabled),
	};

	return cmocka_run_group_tests_name("link/ip6", tests, NULL, NULL);
}
