/* test_recv.c - what link_recv() and link_recv_icmp() hand out. Needs root: makes
 * network namespaces of its own.
 */
#include "net.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/ip_icmp.h>
#include <sys/utsname.h>

#define PORT 5000

/* ---- receiving ---------------------------------------------------------- */

/* Sends ip, hdr_len bytes of IPv4 header (checksum by the kernel) and tcp. */
static void send_raw(const char *to, const uint8_t *ip, size_t len)
{
	struct sockaddr_in sa = sockaddr(to, 0);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), on = 1;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), errno);
	assert_int_equal(sendto(fd, ip, len, 0, (struct sockaddr *)&sa, sizeof(sa)), len);
	close(fd);
}

/* [MUST-57] */
static void broadcasts_are_ignored(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct guard *g = open_guard(l, "0.0.0.0", PORT, 0);
	uint8_t ip[40] = {[0] = 0x45, [8] = 64, [9] = IPPROTO_TCP, [12] = 127, [15] = 1,
			  [16] = 127, [17] = 255, [18] = 255, [19] = 255,
			  [21] = 9, [22] = PORT >> 8, [23] = PORT & 255, [32] = 0x50,
			  [33] = SEG_SYN};
	struct engine_pkt_in in[2];

	(void)state;
	send_raw("127.255.255.255", ip, sizeof(ip));
	assert_int_equal(recv_wait(l, in, 2, 100), 0);
	assert_int_equal(link_stats(l)->not_local, 1);
	ip[17] = ip[18] = 0;
	ip[19] = 1;
	send_raw("127.0.0.1", ip, sizeof(ip));
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	guard_close(g);
	link_close(l);
	close(ns);
}

/* [MUST-50] */
static void ip_options_and_short_segments(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct guard *g = open_guard(l, "0.0.0.0", PORT, 0);
	uint8_t ip[44] = {[0] = 0x46, [1] = 0x2e << 2 | 3, [8] = 64, [9] = IPPROTO_TCP,
			  [12] = 127, [15] = 1,
			  [16] = 127, [19] = 1, [20] = 1, [21] = 1, [22] = 1,
			  [25] = 9, [26] = PORT >> 8, [27] = PORT & 255, [36] = 0x50,
			  [37] = SEG_ACK};
	struct engine_pkt_in in[2];

	(void)state;
	send_raw("127.0.0.1", ip, sizeof(ip));
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	assert_int_equal(in[0].tcp_len_bytes, 20);
	assert_int_equal(in[0].tos, 0x2e << 2 | 3);
	assert_memory_equal(in[0].tcp, ip + 24, 20);
	send_raw("127.0.0.1", ip, 24 + 10); /* the engine is to count that */
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	assert_int_equal(in[0].tcp_len_bytes, 10);
	send_raw("127.0.0.1", ip, 24 + 3); /* not even a port */
	assert_int_equal(recv_wait(l, in, 2, 100), 0);
	guard_close(g);
	link_close(l);
	close(ns);
}

/* A SYN tells of the device, and costs a question a second, wherever it comes from; the
 * path back is asked for when a connection begins. */
static void a_syn_and_its_path(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *a = open_link(true), *b;
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT);
	struct engine_pkt_out syn = segment(&from, &to, 1, SEG_SYN, NULL, 0);
	struct engine_pkt_in in[2];
	struct endpoint here;
	struct guard *g;

	sh("ip addr add 10.66.0.1/32 dev va; ip addr add 2001:db8:66::1/128 dev va nodad");
	ns_enter(n.b);
	sh("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter;"
	   "echo 0 > /proc/sys/net/ipv4/conf/vb/rp_filter; ip link set vb mtu 1400");
	b = open_link(true);
	open_guard(b, ip->any, PORT, 0);
	assert_int_equal(link_send(a, &syn, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	assert_int_equal(in[0].path.mtu_bytes, 0);
	assert_int_equal(in[0].device_mtu_bytes, 1400);
	assert_int_equal(link_path(b, &in[0]), 0);
	assert_int_equal(in[0].path.mtu_bytes, 1400);
	assert_int_equal(in[0].path.gso_max_bytes, 65535 - ip->hdr_bytes - 60);
	/* nobody could answer that one */
	syn.src = addr(ip->v6 ? "2001:db8:66::1" : "10.66.0.1");
	assert_int_equal(link_send(a, &syn, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	assert_in_range(-link_path(b, &in[0]), ENETUNREACH, EHOSTUNREACH);
	assert_int_equal(link_stats(b)->no_route, 1);
	/* but for one who listens at that very device */
	here = ep(ip->b, PORT + 1);
	syn = segment(&(struct endpoint){syn.src, 9}, &here, 1, SEG_SYN, NULL, 0);
	assert_int_equal(guard_open(b, &here, if_nametoindex("vb"), 0, &g), 0);
	assert_int_equal(guard_listen(g), 0);
	sh("ip route add 10.66.0.1 dev vb metric 9; ip route add unreachable 10.66.0.1;"
	   "ip route add 2001:db8:66::1 dev vb metric 9000;"
	   "ip route add unreachable 2001:db8:66::1");
	assert_int_equal(link_send(a, &syn, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	assert_int_equal(link_path(b, &in[0]), 0);
	assert_int_equal(in[0].path.mtu_bytes, 1400);
	link_close(a);
	link_close(b);
	net_free(&n);
}

/* Whoever they say they are: one question for all. */
static void a_flood_costs_no_questions(void **state)
{
	struct net n = net_new();
	uint8_t ip[40] = {[0] = 0x45, [8] = 64, [9] = IPPROTO_TCP, [12] = 10, [13] = 77,
			  [16] = 10, [17] = 77, [19] = 2, [21] = 9, [22] = PORT >> 8,
			  [23] = PORT & 255, [32] = 0x50, [33] = SEG_SYN};
	struct engine_pkt_in in[32];
	struct link *b;

	(void)state;
	ns_enter(n.b);
	b = open_link(true);
	open_guard(b, "0.0.0.0", PORT, 0);
	for (int i = 0; i < 240; i++) {
		ip[15] = (uint8_t)(i + 10);
		ns_enter(n.a);
		send_raw(B_IP, ip, sizeof(ip));
		ns_enter(n.b);
		assert_int_equal(recv_wait(b, in, 32, 1000), 1);
		assert_int_equal(in[0].device_mtu_bytes, 1500);
	}
	assert_in_range(link_stats(b)->questions, 1, 3); /* if it took seconds */
	link_close(b);
	net_free(&n);
}

struct shedding {
	struct net n;
	struct link *a, *b;
	struct endpoint from, to;
};

static struct shedding shedding_new(const struct ip_kind *ip)
{
	struct link_config cfg = {.rcvbuf_bytes = 300000};
	struct shedding t = {.n = net_new(), .a = open_link(false),
			     .from = ep(ip->a, 9), .to = ep(ip->b, PORT)};

	ns_enter(t.n.b);
	assert_int_equal(link_open(&t.b, &cfg), 0);
	open_guard(t.b, ip->any, PORT, 0);
	return t;
}

static void shedding_free(struct shedding *t)
{
	link_close(t->a);
	link_close(t->b);
	net_free(&t->n);
}

/* n segments with these flags are sent; how many are taken: all that come, or one batch. */
static int taken_of(struct shedding *t, int n, uint16_t flags, bool all)
{
	struct engine_pkt_out p = segment(&t->from, &t->to, 1, flags, NULL, 0);
	struct engine_pkt_in in[64];
	int got, sum = 0;

	while (n--)
		assert_int_equal(link_send(t->a, &p, 1), 0);
	do {
		got = recv_wait(t->b, in, 64, 100);
		sum += got;
	} while (got > 0 && all);
	return sum;
}

/* A flood of SYNs that nobody has the time to take costs SYNs, and neither what belongs to
 * connections nor those who have shown that they are there; and it is forgotten. */
static void a_flood_is_shed(void **state)
{
	struct shedding t = shedding_new(*state);

	assert_int_equal(taken_of(&t, 50, SEG_SYN, true), 50);
	assert_false(link_sheds(t.b));
	for (int i = 0; i < 100; i++) /* a batch is taken of each thousand */
		taken_of(&t, 1000, SEG_SYN, false);
	assert_true(link_sheds(t.b));
	taken_of(&t, 0, SEG_SYN, true);
	assert_in_range(taken_of(&t, 200, SEG_SYN, true), 0, 150);
	assert_int_equal(taken_of(&t, 50, SEG_ACK, true), 50);
	for (int i = 0; i < 31; i++)
		link_know(t.b, &(struct ip_addr){.b = {[0] = 0x20, [15] = (uint8_t)i}});
	link_know(t.b, &t.from.addr);
	link_relax(t.b);
	assert_true(link_sheds(t.b));
	assert_int_equal(taken_of(&t, 50, SEG_SYN, true), 50);
	for (int i = 0; i < 15 && link_sheds(t.b); i++)
		link_relax(t.b);
	assert_false(link_sheds(t.b));
	assert_int_equal(taken_of(&t, 50, SEG_SYN, true), 50);
	shedding_free(&t);
}

/* ACKs without end are no reason to shed SYNs. */
static void other_floods_are_not_shed(void **state)
{
	struct shedding t = shedding_new(*state);

	for (int i = 0; i < 40; i++)
		taken_of(&t, 1000, SEG_ACK, false);
	assert_false(link_sheds(t.b));
	shedding_free(&t);
}

/* Completes the handshake with the kernel's socket that connects to us. */
static void answer_syn(struct link *l)
{
	struct engine_pkt_in in[1];
	struct engine_pkt_out p;
	struct segment s, a = {.flags = SEG_SYN | SEG_ACK, .wnd = 65535, .sport = PORT,
			       .opt = {.mss = 65475, .wscale = 14}};

	assert_int_equal(recv_wait(l, in, 1, 1000), 1);
	assert_int_equal(segment_parse(&s, &in[0].src, &in[0].dst, in[0].tcp,
				       in[0].tcp_len_bytes), DROP_NONE);
	a.dport = s.sport;
	a.ack = s.seq + 1;
	p = (struct engine_pkt_out){.src = in[0].dst, .dst = in[0].src, .mss_bytes = 536};
	p.hdr_len_bytes = segment_build(&a, p.hdr);
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(recv_wait(l, in, 1, 1000), 1); /* the ACK */
	a.flags = SEG_ACK; /* the window is scaled from now on */
	a.seq++;
	a.opt = (struct seg_options){.wscale = -1};
	p.hdr_len_bytes = segment_build(&a, p.hdr);
	assert_int_equal(link_send(l, &p, 1), 0);
}

/* 6003 is Linux 6.3, the first that does this with IPv4. */
static int kernel_release(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	assert_return_code(uname(&u), errno);
	assert_int_equal(sscanf(u.release, "%d.%d", &major, &minor), 2);
	return major * 1000 + minor;
}

/* Sets IFLA_GSO_MAX_SIZE or, what no older header knows, IFLA_GSO_IPV4_MAX_SIZE. */
static bool set_gso_max(int ifindex, unsigned short attr)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		struct rtattr a;
		uint32_t value;
	} q = {
		.h = {.nlmsg_len = sizeof(q), .nlmsg_type = RTM_NEWLINK,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.i = {.ifi_index = ifindex},
		.a = {RTA_LENGTH(sizeof(q.value)), attr},
		.value = 250000,
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t room[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	assert_return_code(fd, errno);
	assert_int_equal(send(fd, &q, sizeof(q), 0), sizeof(q));
	assert_return_code(recv(fd, &answer, sizeof(answer), 0), errno);
	close(fd);
	return answer.e.error == 0;
}

/* Aggregates beyond 64 KiB, where the host is set up for them (BIG TCP). */
static void large_aggregates_arrive(void **state)
{
	static const char data[190000];
	const struct ip_kind *ip = *state;
	int ns = ns_new(), err, fd;
	struct link *l = open_link(false);
	struct engine_pkt_in in[4];
	size_t largest = 0;

	if ((!ip->v6 && kernel_release() < 6003) ||
	    !set_gso_max(1, ip->v6 ? IFLA_GSO_MAX_SIZE : 63)) {
		link_close(l);
		close(ns);
		skip();
	}
	open_guard(l, ip->lo, PORT, 0);
	fd = kernel_connect(ip->lo, PORT, &err);
	answer_syn(l);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
		for (int n = 1; n > 0 && readable(l, 100);) {
			struct segment s;

			n = link_recv(l, in, 4);
			for (int k = 0; k < n; k++) {
				assert_int_equal(segment_parse(&s, &in[k].src, &in[k].dst,
							       in[k].tcp, in[k].tcp_len_bytes),
						 DROP_NONE);
				if (s.data_len_bytes > largest)
					largest = s.data_len_bytes;
			}
		}
	}
	assert_true(largest > 130000);
	assert_true(link_stats(l)->truncated > 0);
	close(fd);
	link_close(l);
	close(ns);
}

/* ---- ICMP --------------------------------------------------------------- */

static void routers_complain(void **state)
{
	struct net n = net_new();
	struct link *l = open_link(true);
	static const char data[1000];
	struct endpoint from = ep(A_IP, PORT), to = ep("10.99.0.1", 80);
	struct engine_pkt_out p = segment(&from, &to, 0xabcdef01, SEG_ACK, data, sizeof(data));
	struct engine_icmp m[4];

	(void)state;
	sh("ip route add 10.96.0.0/14 via " B_IP);
	ns_enter(n.b);
	sh("echo 1 > /proc/sys/net/ipv4/ip_forward;"
	   "ip link add d0 mtu 600 type veth peer name d1; ip link set d1 up;"
	   "ip link set d0 up; ip addr add 10.98.0.1/24 dev d0");
	ns_enter(n.a);
	/* about a port that is not ours */
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(icmp_wait(l, m, 4, 200), 0);
	open_guard(l, A_IP, PORT, 0);
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(icmp_wait(l, m, 4, 2000), 1);
	assert_int_equal(m[0].err, ENETUNREACH);
	assert_int_equal(m[0].seq, 0xabcdef01);
	assert_true(endpoint_eq(&m[0].flow.local, &from));
	assert_true(endpoint_eq(&m[0].flow.remote, &to));
	p.dst = addr("10.98.0.2");
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(icmp_wait(l, m, 4, 2000), 1);
	assert_int_equal(m[0].err, EMSGSIZE);
	assert_int_equal(m[0].mtu_bytes, 600);
	assert_int_equal(m[0].pkt_bytes, 1040);
	assert_false(m[0].local);
	/* the kernel has taken note of that; whether we do is for the engine */
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(icmp_wait(l, m, 4, 2000), 1);
	p.ttl = 1;
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(icmp_wait(l, m, 4, 2000), 1);
	assert_int_equal(m[0].err, EHOSTUNREACH);
	link_close(l);
	net_free(&n);
}

/* An ICMP message that quotes a segment from 127.0.0.1:PORT to 127.0.0.1:80. */
struct quote {
	struct icmphdr icmp;
	uint8_t ip[20], tcp[8];
};

static struct quote quote(uint8_t type, uint8_t code)
{
	return (struct quote){
		.icmp = {.type = type, .code = code, .un.frag.mtu = htons(1300)},
		.ip = {[0] = 0x45, [9] = IPPROTO_TCP, [12] = 127, [15] = 1, [16] = 127, [19] = 1},
		.tcp = {PORT >> 8, PORT & 255, 0, 80, 0, 0, 0, 9},
	};
}

static void quote_send(struct quote *q, size_t len, bool sum_ok)
{
	struct sockaddr_in sa = sockaddr("127.0.0.1", 0);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	const uint8_t *b = (const uint8_t *)q;
	uint32_t sum = 0;

	assert_return_code(fd, errno);
	q->icmp.checksum = 0;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : b[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	q->icmp.checksum = htons(sum_ok ? ~sum : sum);
	assert_int_equal(sendto(fd, q, len, 0, (struct sockaddr *)&sa, sizeof(sa)), len);
	close(fd);
}

/* [MUST-55] */
static void icmp_becomes_errno(void **state)
{
	static const struct {
		uint8_t type, code;
		int err;
	} want[] = {
		{3, 0, ENETUNREACH}, {3, 1, EHOSTUNREACH}, {3, 2, ENOPROTOOPT},
		{3, 3, ECONNREFUSED}, {3, 4, EMSGSIZE}, {3, 5, EOPNOTSUPP}, {3, 6, ENETUNREACH},
		{3, 7, EHOSTDOWN}, {3, 8, ENONET}, {3, 9, ENETUNREACH}, {3, 10, EHOSTUNREACH},
		{3, 13, EHOSTUNREACH}, {3, 15, EHOSTUNREACH}, {11, 0, EHOSTUNREACH},
		{12, 0, EPROTO}, {3, 16, 0}, {3, 255, 0}, {8, 0, 0}, {4, 0, 0},
	};
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_icmp m[4];

	(void)state;
	open_guard(l, "127.0.0.1", PORT, 0);
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct quote q = quote(want[i].type, want[i].code);

		quote_send(&q, sizeof(q), true);
		assert_int_equal(icmp_wait(l, m, 4, 0), want[i].err != 0);
		if (!want[i].err)
			continue;
		assert_int_equal(m[0].err, want[i].err);
		assert_int_equal(m[0].seq, 9);
		assert_int_equal(m[0].flow.local.port, PORT);
		assert_int_equal(m[0].flow.remote.port, 80);
		assert_int_equal(m[0].mtu_bytes, want[i].err == EMSGSIZE ? 1300 : 0);
	}
	link_close(l);
	close(ns);
}

static void bad_icmp_is_ignored(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct engine_icmp m[4];
	struct quote q;

	(void)state;
	open_guard(l, "127.0.0.1", PORT, 0);
	for (size_t len = sizeof(q.icmp); len < sizeof(q); len++) { /* cut short */
		q = quote(3, 1);
		quote_send(&q, len, true);
	}
	q = quote(3, 1);
	quote_send(&q, sizeof(q), false); /* wrong checksum */
	q = quote(3, 1);
	q.ip[0] = 0x4f; /* header longer than the message */
	quote_send(&q, sizeof(q), true);
	q.ip[0] = 0x44;
	quote_send(&q, sizeof(q), true);
	q.ip[0] = 0x65;
	quote_send(&q, sizeof(q), true);
	q = quote(3, 1);
	q.ip[7] = 1; /* a later fragment */
	quote_send(&q, sizeof(q), true);
	q = quote(3, 1);
	q.ip[9] = IPPROTO_UDP;
	quote_send(&q, sizeof(q), true);
	q = quote(3, 1);
	q.ip[15] = 2; /* not sent by whom it came to */
	quote_send(&q, sizeof(q), true);
	q = quote(3, 1);
	q.tcp[1]++; /* not our port */
	quote_send(&q, sizeof(q), true);
	assert_int_equal(icmp_wait(l, m, 4, 100), 0);
	q = quote(3, 1);
	quote_send(&q, sizeof(q), true);
	assert_int_equal(icmp_wait(l, m, 4, 1000), 1);
	link_close(l);
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broadcasts_are_ignored),
		cmocka_unit_test(ip_options_and_short_segments),
		IP4_AND_IP6(a_syn_and_its_path),
		cmocka_unit_test(a_flood_costs_no_questions),
		IP4_AND_IP6(a_flood_is_shed),
		IP4_AND_IP6(other_floods_are_not_shed),
		IP4_AND_IP6(large_aggregates_arrive),
		cmocka_unit_test(routers_complain),
		cmocka_unit_test(icmp_becomes_errno),
		cmocka_unit_test(bad_icmp_is_ignored),
	};

	return cmocka_run_group_tests_name("link/recv", tests, NULL, NULL);
}
