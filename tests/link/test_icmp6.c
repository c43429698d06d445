/* test_icmp6.c - what link_recv_icmp() makes of ICMPv6 (RFC 4443). Needs root: makes
 * network namespaces of its own.
 */
#include "net.h"

#include <netinet/icmp6.h>

#define PORT 5000
#define QUOTED_MAX 200

/* ---- from routers ------------------------------------------------------- */

static struct engine_icmp told(struct link *l, const struct engine_pkt_out *p)
{
	struct engine_icmp m[4];

	assert_int_equal(link_send(l, p, 1), 0);
	assert_int_equal(icmp_wait(l, m, 4, 2000), 1);
	return m[0];
}

static void routers_complain(void **state)
{
	struct net n = net_new();
	struct link *l = open_link(true);
	static const char data[1400];
	struct endpoint from = ep(A_IP6, PORT), to = ep("fd99::1", 80);
	struct engine_pkt_out p = segment(&from, &to, 0xabcdef01, SEG_ACK, data, sizeof(data));
	struct engine_icmp m;

	(void)state;
	sh("echo 0 > /proc/sys/net/ipv6/icmp/ratelimit; ip route add fd00::/8 via " B_IP6);
	ns_enter(n.b);
	sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
	   "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit;"
	   "ip link add d0 mtu 1280 type veth peer name d1; ip link set d1 up;"
	   "ip link set d0 up; ip addr add fd98::1/64 dev d0 nodad;"
	   "ip -6 route add prohibit fd97::/64;"
	   "nft 'add table ip6 t; add chain ip6 t f { type filter hook forward priority 0; };"
	   "add rule ip6 t f ip6 daddr fd96::/64 reject with icmpv6 port-unreachable;"
	   "add rule ip6 t f ip6 daddr fd95::/64 reject with icmpv6 addr-unreachable'");
	ns_enter(n.a);
	/* about a port that is not ours */
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(icmp_wait(l, &m, 1, 300), 0);
	open_guard(l, A_IP6, PORT, 0);
	m = told(l, &p);
	assert_int_equal(m.err, ENETUNREACH);
	assert_int_equal(m.seq, 0xabcdef01);
	assert_true(endpoint_eq(&m.flow.local, &from));
	assert_true(endpoint_eq(&m.flow.remote, &to));
	p.dst = addr("fd97::1");
	assert_int_equal(told(l, &p).err, EACCES);
	p.dst = addr("fd98::2");
	for (int i = 0; i < 2; i++) { /* the kernel has taken note; we may send again */
		m = told(l, &p);
		assert_int_equal(m.err, EMSGSIZE);
		assert_int_equal(m.mtu_bytes, 1280);
		assert_int_equal(m.pkt_bytes, 40 + 20 + 1400);
		assert_false(m.local);
	}
	p.ttl = 1;
	assert_int_equal(told(l, &p).err, EHOSTUNREACH);
	link_close(l);
	net_free(&n);
}

/* A link-local host's port: the message comes with the scope of the flow. */
static void a_neighbour_complains(void **state)
{
	struct net n = net_new();
	struct link *l = open_link(true);
	struct endpoint from = ep(A_LINK "%va", PORT), to = ep(B_LINK "%va", 80);
	struct engine_pkt_out p = segment(&from, &to, 7, SEG_SYN, NULL, 0);
	struct engine_icmp m;

	(void)state;
	ns_enter(n.b);
	sh("nft 'add table ip6 t; add chain ip6 t i { type filter hook input priority 0; };"
	   "add rule ip6 t i tcp dport 80 reject with icmpv6 port-unreachable'");
	ns_enter(n.a);
	open_guard(l, A_LINK "%va", PORT, 0);
	m = told(l, &p);
	assert_int_equal(m.err, ECONNREFUSED);
	assert_true(endpoint_eq(&m.flow.local, &from));
	assert_true(endpoint_eq(&m.flow.remote, &to));
	link_close(l);
	net_free(&n);
}

/* ---- hand-made ---------------------------------------------------------- */

/* An ICMPv6 message that quotes a segment from [::1]:PORT to [::1]:80. */
struct quote {
	uint8_t icmp[8];
	uint8_t ip[40];
	uint8_t rest[QUOTED_MAX];
};

static void put_ports(uint8_t *tcp)
{
	const uint8_t begin[8] = {PORT >> 8, PORT & 255, 0, 80, 0, 0, 0, 9};

	memcpy(tcp, begin, sizeof(begin));
}

static struct quote quote(uint8_t type, uint8_t code)
{
	struct quote q = {
		.icmp = {type, code, [6] = 1300 >> 8, [7] = 1300 & 255},
		.ip = {[0] = 0x60, [5] = 20, [6] = IPPROTO_TCP, [23] = 1, [39] = 1},
	};

	put_ports(q.rest);
	return q;
}

/* The kernel fills in the checksum. */
static void quote_send(const struct quote *q, size_t rest_len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = sockaddr_any("::1", 0, &sa);
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	size_t len = sizeof(q->icmp) + sizeof(q->ip) + rest_len;

	assert_return_code(fd, errno);
	assert_int_equal(sendto(fd, q, len, 0, (struct sockaddr *)&sa, sa_len), len);
	close(fd);
}

/* [MUST-55] */
static void icmp6_becomes_errno(void **state)
{
	static const struct {
		uint8_t type, code;
		int err;
	} want[] = {
		{1, 0, ENETUNREACH}, {1, 1, EACCES}, {1, 2, EHOSTUNREACH}, {1, 3, EHOSTUNREACH},
		{1, 4, ECONNREFUSED}, {1, 5, EACCES}, {1, 6, EACCES}, {1, 7, EPROTO},
		{1, 255, EPROTO}, {2, 0, EMSGSIZE}, {3, 0, EHOSTUNREACH}, {3, 1, EHOSTUNREACH},
		{4, 0, EPROTO}, {4, 2, EPROTO}, {5, 0, 0}, {128, 0, 0}, {129, 0, 0}, {134, 0, 0},
	};
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_icmp m[4];

	(void)state;
	open_guard(l, "::1", PORT, 0);
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct quote q = quote(want[i].type, want[i].code);

		quote_send(&q, 8);
		assert_int_equal(icmp_wait(l, m, 4, 0), want[i].err != 0);
		if (!want[i].err)
			continue;
		assert_int_equal(m[0].err, want[i].err);
		assert_int_equal(m[0].seq, 9);
		assert_int_equal(m[0].flow.local.port, PORT);
		assert_int_equal(m[0].flow.remote.port, 80);
		assert_int_equal(m[0].mtu_bytes, want[i].err == EMSGSIZE ? 1300 : 0);
		assert_int_equal(m[0].pkt_bytes, want[i].err == EMSGSIZE ? 60 : 0);
	}
	link_close(l);
	close(ns);
}

/* Headers that something on the way has added to the packet quoted. */
static void quoted_extension_headers(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_icmp m[4];
	struct quote q = quote(1, 4);

	(void)state;
	open_guard(l, "::1", PORT, 0);
	q.ip[6] = IPPROTO_HOPOPTS;
	memset(q.rest, 0, sizeof(q.rest));
	q.rest[0] = IPPROTO_DSTOPTS;
	q.rest[8] = IPPROTO_FRAGMENT;
	q.rest[9] = 1; /* 16 bytes */
	q.rest[24] = IPPROTO_TCP;
	q.rest[27] = 1; /* the first of more fragments */
	put_ports(q.rest + 32);
	quote_send(&q, 40);
	assert_int_equal(icmp_wait(l, m, 4, 1000), 1);
	assert_int_equal(m[0].flow.local.port, PORT);
	for (size_t len = 0; len < 40; len++)
		quote_send(&q, len);
	q.rest[27] = 9; /* not the first */
	quote_send(&q, 40);
	q.rest[27] = 0;
	q.rest[9] = 255; /* longer than the message */
	quote_send(&q, 40);
	memset(q.rest, 0, sizeof(q.rest)); /* hop-by-hop options without end */
	quote_send(&q, sizeof(q.rest));
	assert_int_equal(icmp_wait(l, m, 4, 100), 0);
	link_close(l);
	close(ns);
}

static void bad_icmp6_is_ignored(void **state)
{
	int ns = ns_new(), fd;
	struct link *l = open_link(false);
	struct sockaddr_storage sa;
	socklen_t sa_len = sockaddr_any("::1", 0, &sa);
	uint8_t raw[40 + sizeof(struct quote)] = {[0] = 0x60, [5] = 56, [6] = IPPROTO_ICMPV6,
						 [7] = 64, [23] = 1, [39] = 1};
	struct engine_icmp m[4];
	struct quote q = quote(1, 0);

	(void)state;
	open_guard(l, "::1", PORT, 0);
	for (size_t len = 0; len < 8; len++)
		quote_send(&q, len); /* cut short */
	q.ip[0] = 0x45;
	quote_send(&q, 8);
	q = quote(1, 0);
	q.ip[6] = IPPROTO_UDP;
	quote_send(&q, 8);
	q = quote(1, 0);
	q.ip[23] = 2; /* not sent by whom it came to */
	quote_send(&q, 8);
	q = quote(1, 0);
	q.rest[1]++; /* not our port */
	quote_send(&q, 8);
	/* a wrong checksum, and after it a message that counts */
	q = quote(1, 0);
	memcpy(raw + 40, &q, 56);
	fd = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	assert_return_code(fd, errno);
	assert_int_equal(sendto(fd, raw, 96, 0, (struct sockaddr *)&sa, sa_len), 96);
	close(fd);
	assert_int_equal(icmp_wait(l, m, 4, 100), 0);
	quote_send(&q, 8);
	assert_int_equal(icmp_wait(l, m, 4, 1000), 1);
	link_close(l);
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routers_complain),
		cmocka_unit_test(a_neighbour_complains),
		cmocka_unit_test(icmp6_becomes_errno),
		cmocka_unit_test(quoted_extension_headers),
		cmocka_unit_test(bad_icmp6_is_ignored),
	};

	return cmocka_run_group_tests_name("link/icmp6", tests, NULL, NULL);
}
