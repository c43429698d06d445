/* test_send.c - sending segments and bursts, and the routes they take. Needs
 * root: makes network namespaces of its own.
 */
#include "net.h"

#include <time.h>

#define PORT 5000

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- sending ------------------------------------------------------------ */

static void handshake(struct link *l, const char *here, const char *there)
{
	struct endpoint any = ep(here, 0), from, to = ep(there, PORT);
	struct engine_pkt_out syn;
	struct engine_pkt_in in[4];
	struct segment s;
	struct guard *g;

	assert_int_equal(guard_open(l, &any, 0, 0, &g), 0);
	assert_int_equal(guard_listen(g), 0);
	from = *guard_local(g);
	syn = segment(&from, &to, 0x01020304, SEG_SYN, NULL, 0);
	assert_int_equal(link_send(l, &syn, 1), 0);
	assert_int_equal(recv_wait(l, in, 4, 1000), 1);
	assert_int_equal(segment_parse(&s, &in[0].src, &in[0].dst, in[0].tcp,
				       in[0].tcp_len_bytes), DROP_NONE);
	assert_int_equal(s.flags, SEG_SYN | SEG_ACK);
	assert_int_equal(s.ack, 0x01020305);
	assert_int_equal(s.sport, PORT);
	assert_true(addr_eq(&in[0].src, &to.addr));
	assert_true(addr_eq(&in[0].dst, &from.addr));
	guard_close(g);
}

static void the_kernel_answers_our_syn(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *l = open_link(true);
	int near = kernel_listen(ip->any, PORT), far;

	ns_enter(n.b);
	far = kernel_listen(ip->any, PORT);
	ns_enter(n.a);
	handshake(l, ip->lo, ip->lo);
	handshake(l, ip->a, ip->a);
	handshake(l, ip->a, ip->b);
	if (ip->v6) {
		handshake(l, A_LINK "%va", B_LINK "%va");
		handshake(l, A_LINK "%va", A_LINK "%va");
	}
	close(near);
	close(far);
	link_close(l);
	net_free(&n);
}

/* [MUST-48] [MUST-49] [SHLD-22] */
static void tos_ttl_and_df_on_the_wire(void **state)
{
	int ns = ns_new(), raw;
	struct link *l = open_link(false);
	struct endpoint from = ep("127.0.0.1", 9), to = ep("127.0.0.1", PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, "abc", 3);
	uint8_t ip[128];

	(void)state;
	raw = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	assert_return_code(raw, errno);
	p.tos = 0x2e << 2 | 2;
	p.ttl = 7;
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(recv(raw, ip, sizeof(ip), 0), 43);
	assert_int_equal(ip[1], p.tos);
	assert_int_equal(ip[8], 7);
	assert_int_equal(ip[6], 0x40);
	assert_memory_equal(ip + 40, "abc", 3);
	p.ttl = 0;
	assert_int_equal(recv(raw, ip, sizeof(ip), 0), 40); /* the kernel's RST */
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(recv(raw, ip, sizeof(ip), 0), 43);
	assert_int_equal(ip[8], 64);
	/* RFC 6864 4.1: what may be cut has an identification */
	p.may_fragment = true;
	assert_int_equal(recv(raw, ip, sizeof(ip), 0), 40);
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(recv(raw, ip, sizeof(ip), 0), 43);
	assert_int_equal(ip[6], 0);
	assert_true(ip[4] || ip[5]);
	close(raw);
	link_close(l);
	close(ns);
}

static void losses_are_counted_and_told(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *l = open_link(false);
	static const char big[3000];
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT), shut = ep(ip->b, PORT + 1);
	struct engine_pkt_out p[3];
	struct engine_icmp msg;

	sh("nft 'add table inet t; add chain inet t o { type filter hook output priority 0; };"
	   "add rule inet t o tcp dport %d drop'", PORT + 1);
	p[0] = p[2] = segment(&from, &to, 1, SEG_ACK, "x", 1);
	p[1] = segment(&from, &shut, 1, SEG_ACK, "x", 1);
	assert_int_equal(link_send(l, p, 3), -EPERM);
	assert_int_equal(link_stats(l)->send_errors, 1);
	assert_int_equal(link_stats(l)->pkts_out, 2);
	p[1] = segment(&from, &to, 1, SEG_ACK, big, sizeof(big));
	p[1].mss_bytes = sizeof(big);
	assert_int_equal(link_send(l, p, 3), -EMSGSIZE);
	/* what a router would have said, had it come that far */
	assert_int_equal(link_recv_icmp(l, &msg, 1), 1);
	assert_int_equal(msg.err, EMSGSIZE);
	assert_int_equal(msg.mtu_bytes, 1500);
	assert_int_equal(msg.seq, 1);
	assert_int_equal(msg.pkt_bytes, ip->hdr_bytes + 3020);
	assert_true(msg.local);
	assert_true(endpoint_eq(&msg.flow.local, &from) && endpoint_eq(&msg.flow.remote, &to));
	assert_int_equal(link_recv_icmp(l, &msg, 1), 0);
	p[1].mss_bytes = 0;
	assert_int_equal(link_send(l, p + 1, 1), -EINVAL);
	p[1].src = addr(ip->v6 ? A_IP : A_IP6); /* two families */
	assert_int_equal(link_send(l, p + 1, 1), -EAFNOSUPPORT);
	assert_int_equal(link_stats(l)->send_errors, 4);
	assert_int_equal(link_stats(l)->pkts_out, 4);
	link_close(l);
	net_free(&n);
}

#define BURST 60001
#define SEG_BYTES 1428

/* Sends a burst from a, receives it at b; returns how many packets it took. */
static int burst_arrives(struct link *a, struct link *b, const struct endpoint *from,
			 const struct endpoint *to, uint32_t ifindex)
{
	static uint8_t data[BURST], got[BURST];
	struct engine_pkt_out p;
	int pkts = 0, fins = 0;
	uint32_t bytes = 0;

	for (unsigned i = 0; i < BURST; i++)
		data[i] = i * 7 + i / 251;
	memset(got, 0, sizeof(got));
	p = segment(from, to, 0xfffff000, SEG_ACK | SEG_PSH | SEG_FIN, data, BURST);
	p.mss_bytes = SEG_BYTES;
	p.ifindex = ifindex;
	assert_int_equal(link_send(a, &p, 1), 0);
	while (bytes < BURST) {
		struct engine_pkt_in in[32];
		int n = recv_wait(b, in, 32, 1000);

		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			struct segment s;
			uint32_t off;

			assert_int_equal(segment_parse(&s, &in[i].src, &in[i].dst, in[i].tcp,
						       in[i].tcp_len_bytes), DROP_NONE);
			off = s.seq - 0xfffff000;
			assert_true(off < BURST && s.data_len_bytes <= BURST - off);
			memcpy(got + off, s.data, s.data_len_bytes);
			bytes += s.data_len_bytes;
			fins += (s.flags & SEG_FIN) != 0;
			assert_int_equal((s.flags & SEG_FIN) != 0,
					 off + s.data_len_bytes == BURST);
		}
		pkts += n;
	}
	assert_int_equal(bytes, BURST);
	assert_int_equal(fins, 1);
	assert_memory_equal(got, data, BURST);
	return pkts;
}

/* RFC 3168 6.1.2: CWR on the first segment alone; RFC 9768 3.3.4: as a bit of ACE
 * on all of them. Segments that routers may cut go out one by one too. */
static void flagged_bursts(struct link *a, struct link *b, const struct endpoint *from,
			   const struct endpoint *to)
{
	static const char data[10 * SEG_BYTES];
	uint64_t gso_out = link_stats(a)->gso_out;

	for (int how = 0; how < 3; how++) {
		uint16_t flags = how < 2 ? SEG_ACK | SEG_CWR : SEG_ACK;
		struct engine_pkt_out p = segment(from, to, 1, flags, data, sizeof(data));
		int got = 0, cwr = 0;

		p.mss_bytes = SEG_BYTES;
		p.ace = how == 1;
		p.may_fragment = how == 2;
		assert_int_equal(link_send(a, &p, 1), 0);
		while (got < 10) {
			struct engine_pkt_in in[32];
			int n = recv_wait(b, in, 32, 1000);

			assert_true(n > 0);
			for (int i = 0; i < n; i++)
				cwr += (in[i].tcp[13] & SEG_CWR) != 0;
			got += n;
		}
		assert_int_equal(cwr, how == 0 ? 1 : how == 1 ? 10 : 0);
	}
	assert_int_equal(link_stats(a)->gso_out, gso_out);
}

static void bursts_arrive_byte_exact(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *cut = open_link(false), *gso = open_link(true), *b;
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT);
	int whole = (BURST + (SEG_BYTES - 1)) / SEG_BYTES;

	ns_enter(n.b);
	b = open_link(true);
	open_guard(b, ip->b, PORT, 0);
	ns_enter(n.a); /* where the first burst will open the packet socket */
	assert_int_equal(burst_arrives(cut, b, &from, &to, 0), whole);
	assert_int_equal(link_stats(cut)->pkts_out, whole);
	assert_int_equal(link_stats(cut)->gso_out, 0);
	/* The first goes through the raw socket, the next ones as they are, until
	 * a second has passed. */
	assert_int_equal(burst_arrives(gso, b, &from, &to, 0), whole);
	assert_int_equal(link_stats(gso)->gso_out, 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(burst_arrives(gso, b, &from, &to, 0), 1);
		assert_int_equal(link_stats(gso)->gso_out, i);
	}
	usleep(1100000);
	assert_int_equal(burst_arrives(gso, b, &from, &to, 0), whole);
	assert_int_equal(link_stats(gso)->gso_out, 3);
	assert_int_equal(burst_arrives(gso, b, &from, &to, 0), 1);
	flagged_bursts(gso, b, &from, &to);
	ns_enter(n.a); /* cut in the kernel, with checksums of its making */
	sh("ip link set va gso_max_size 8000");
	assert_int_equal(burst_arrives(gso, b, &from, &to, 0), whole);
	assert_int_equal(link_stats(gso)->gso_out, 5);
	/* a segment size that the device cannot carry is refused as ever */
	ns_enter(n.a);
	sh("ip link set va mtu 1400");
	usleep(1100000);
	for (int i = 0; i < 2; i++) {
		static const char zero[9000];
		struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, zero, sizeof(zero));

		assert_int_equal(link_send(gso, &p, 1), -EMSGSIZE);
	}
	link_close(cut);
	link_close(gso);
	link_close(b);
	net_free(&n);
}

/* A neighbour that nobody knows is asked for by the raw socket's packets. */
static void no_gso_without_a_neighbour(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *a = open_link(true), *b;
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT);

	ns_enter(n.b);
	b = open_link(true);
	open_guard(b, ip->b, PORT, 0);
	ns_enter(n.a);
	assert_true(burst_arrives(a, b, &from, &to, 0) > 1);
	usleep(100000); /* it was unknown when asked for, the next time it is not */
	assert_true(burst_arrives(a, b, &from, &to, 0) > 1);
	assert_int_equal(link_stats(a)->gso_out, 0);
	assert_int_equal(burst_arrives(a, b, &from, &to, 0), 1);
	assert_int_equal(link_stats(a)->gso_out, 1);
	/* and when it stops answering it is not used for longer than a second */
	sh("ip neigh replace %s dev va lladdr 02:00:00:00:00:01 nud none", ip->b);
	usleep(1100000);
	assert_true(burst_arrives(a, b, &from, &to, 0) > 1);
	link_close(a);
	link_close(b);
	net_free(&n);
}

static void conntrack_switches_gso_off(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *a = open_link(true), *b;
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT);
	struct engine_pkt_out syn = segment(&from, &to, 1, SEG_SYN, NULL, 0);
	struct ip_addr src = from.addr;
	struct engine_pkt_in in[2];
	struct tcp_path path;

	ns_enter(n.b);
	b = open_link(true);
	open_guard(b, ip->b, PORT, 0);
	assert_int_equal(link_send(a, &syn, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	ns_enter(n.a);
	burst_arrives(a, b, &from, &to, 0);
	assert_int_equal(burst_arrives(a, b, &from, &to, 0), 1);
	assert_int_equal(link_route(a, &to.addr, 0, &src, &path), 0);
	assert_true(path.gso_max_bytes > 60000);
	/* The SYN makes an entry, which is found at once. */
	sh("nft 'add table inet t; add chain inet t o { type filter hook output priority 0; };"
	   "add rule inet t o ct state established counter accept'");
	ns_enter(n.b);
	assert_int_equal(link_send(a, &syn, 1), 0);
	assert_int_equal(recv_wait(b, in, 2, 1000), 1);
	ns_enter(n.a);
	assert_true(burst_arrives(a, b, &from, &to, 0) > 1);
	assert_int_equal(link_stats(a)->gso_out, 1);
	assert_int_equal(link_route(a, &to.addr, 0, &src, &path), 0);
	assert_int_equal(path.gso_max_bytes, 0);
	link_close(a);
	link_close(b);
	net_free(&n);
}

/* A queue that hardly moves: the socket's buffer fills, link_send() waits a
 * little and then loses packets instead of the driver's time. */
static void full_buffers_cost_packets_not_time(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *l[2] = {open_link(false), open_link(true)};
	static const char data[60000];
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT);
	struct engine_pkt_out one = segment(&from, &to, 1, SEG_ACK, data, 1);
	struct engine_pkt_out p[4];

	for (int i = 0; i < 4; i++)
		p[i] = segment(&from, &to, 1, SEG_ACK, data, sizeof(data));
	assert_int_equal(link_send(l[1], &one, 1), 0);
	usleep(50000);
	assert_int_equal(link_send(l[1], p, 1), 0);
	for (int i = 0; i < 2; i++) {
		int err = 0, calls = 0;

		sh("tc qdisc replace dev va root tbf rate 8kbit burst 2000 limit 100mb");
		while (err == 0 && calls++ < 200) {
			uint64_t before_us = now_us();

			err = link_send(l[i], p, 4);
			assert_true(now_us() - before_us < 500000);
			if (err < 0)
				assert_true(now_us() - before_us >= 19000);
		}
		assert_int_equal(err, -EAGAIN);
		assert_true(link_stats(l[i])->send_errors > 0);
		assert_int_equal(link_stats(l[i])->gso_out > 0, i);
		sh("tc qdisc del dev va root");
		/* the kernel forgets what was queued in its own time */
		for (calls = 0; link_send(l[i], p, 1) != 0; calls++)
			assert_true(calls < 100);
	}
	link_close(l[0]);
	link_close(l[1]);
	net_free(&n);
}

/* What is bound to a device leaves by it, in pieces and in bursts, although the route
 * goes elsewhere; and what arrives says which device it came by. */
static void packets_leave_by_their_device(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *a = open_link(true), *b;
	struct endpoint from = ep(ip->a, 9), to = ep(ip->v6 ? "fd66::1" : "10.66.0.1", PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, NULL, 0);
	struct ip_addr src = {{0}};
	struct engine_pkt_in in[4];
	struct tcp_path path;
	uint32_t vb, va = if_nametoindex("va");
	int whole = (BURST + SEG_BYTES - 1) / SEG_BYTES;

	ns_enter(n.b);
	sh("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter;"
	   "ip addr add 10.66.0.1/32 dev vb; ip addr add fd66::1/128 dev vb nodad");
	vb = if_nametoindex("vb");
	b = open_link(false);
	open_guard(b, ip->any, PORT, 0);
	ns_enter(n.a);
	sh("ip link add dum type veth peer name dee; ip link set dee up;"
	   "ip link set dum up; ip route add 10.66.0.1 dev dum;"
	   "ip route add fd66::1 dev dum; ip route add 10.66.0.1 dev va metric 900;"
	   "ip route add fd66::1 dev va metric 9000");
	assert_int_equal(link_send(a, &p, 1), 0);
	assert_int_equal(recv_wait(b, in, 4, 100), 0);
	p.ifindex = va;
	assert_int_equal(link_send(a, &p, 1), 0);
	assert_int_equal(recv_wait(b, in, 4, 1000), 1);
	assert_int_equal(in[0].ifindex, vb);
	assert_int_equal(link_route(a, &to.addr, va, &src, &path), 0);
	assert_true(path.gso_max_bytes > 60000);
	for (int i = 0; i < 2; i++)
		assert_int_equal(burst_arrives(a, b, &from, &to, va), i ? 1 : whole);
	assert_int_equal(link_stats(a)->gso_out, 1);
	link_close(a);
	link_close(b);
	net_free(&n);
}

static void a_burst_dropped_by_the_queue_is_lost(void **state)
{
	const struct ip_kind *ip = *state;
	struct net n = net_new();
	struct link *l = open_link(true);
	static const char data[60000];
	struct endpoint from = ep(ip->a, 9), to = ep(ip->b, PORT);
	struct engine_pkt_out p = segment(&from, &to, 1, SEG_ACK, data, sizeof(data));
	struct engine_pkt_out one = segment(&from, &to, 1, SEG_ACK, data, 1);

	assert_int_equal(link_send(l, &one, 1), 0);
	usleep(50000);
	assert_int_equal(link_send(l, &p, 1), 0);
	assert_int_equal(link_stats(l)->gso_out, 0);
	sh("tc qdisc replace dev va root bfifo limit 1000");
	assert_int_equal(link_send(l, &p, 1), -ENOBUFS);
	assert_int_equal(link_stats(l)->send_errors, 1);
	link_close(l);
	net_free(&n);
}

/* ---- routes ------------------------------------------------------------- */

/* [MUST-46] */
static void route_errors_are_those_of_connect(void **state)
{
	static const char *const to[] = {
		A_IP, B_IP, "127.0.0.1", "0.0.0.0", "192.0.2.1", "10.1.0.1", "10.2.0.1",
		"10.3.0.1", "10.77.0.255", "255.255.255.255", "224.0.0.5", "127.255.255.255",
		"0.1.2.3", "240.0.0.1", A_IP6, B_IP6, "::1", "::", "fd01::1", "2001:db8:1::1",
		"2001:db8:2::1", "2001:db8:3::1", "fd77::", "ff02::1", "ff0e::1", "fe80::b",
		"fe80::b%va", "fe80::a%va", "fe80::77%va", "::9", "64:ff9b::1",
	};
	struct net n = net_new();
	struct link *l = open_link(true);

	(void)state;
	sh("ip route add unreachable 10.1.0.0/16; ip route add prohibit 10.2.0.0/16;"
	   "ip route add blackhole 10.3.0.0/16; ip route add 224.0.0.0/4 dev va;"
	   "ip -6 route add unreachable 2001:db8:1::/48; ip -6 route add prohibit 2001:db8:2::/48;"
	   "ip -6 route add blackhole 2001:db8:3::/48");
	for (unsigned i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		struct ip_addr dst = addr(to[i]), src = {0};
		struct tcp_path path;
		int err, fd = kernel_connect(to[i], 1, &err);
		int ours = link_route(l, &dst, 0, &src, &path);

		close(fd);
		if (err == -EINPROGRESS || err == -ECONNREFUSED)
			err = 0;
		if (ours != err)
			fail_msg("%s: kernel %d, ours %d", to[i], err, ours);
	}
	link_close(l);
	net_free(&n);
}

/* [MUST-44] */
static void route_gives_source_and_mtu(void **state)
{
	struct net n = net_new();
	struct link *l = open_link(true), *plain = open_link(false);
	struct ip_addr src = {0}, far = addr(B_IP), any = addr("0.0.0.0"), lo = addr("127.0.0.1");
	struct ip_addr near = addr(A_IP), alien = addr("10.5.5.5");
	struct tcp_path path;

	(void)state;
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &near));
	assert_int_equal(path.mtu_bytes, 1500);
	assert_int_equal(path.gso_max_bytes, 65535 - 20 - 60);
	assert_int_equal(link_route(plain, &far, 0, &src, &path), 0);
	assert_int_equal(path.gso_max_bytes, 0);
	assert_int_equal(link_route(l, &far, 0, &alien, &path), -EADDRNOTAVAIL);
	src = (struct ip_addr){0};
	assert_int_equal(link_route(l, &any, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &lo));
	assert_int_equal(path.mtu_bytes, 65535);
	assert_int_equal(path.gso_max_bytes, 0);
	src = any;
	assert_int_equal(link_route(l, &near, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &near));
	assert_int_equal(path.gso_max_bytes, 0);
	sh("ip route add 10.8.0.0/16 via " B_IP " mtu 1280");
	src = any;
	far = addr("10.8.0.1");
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_int_equal(path.mtu_bytes, 1280);
	link_close(l);
	link_close(plain);
	net_free(&n);
}

/* RFC 6724: of several addresses the one that Linux's TCP would take. */
static void route_gives_source_and_mtu_of_ip6(void **state)
{
	struct net n = net_new();
	struct link *l = open_link(true);
	struct ip_addr src = {{0}}, far = addr(B_IP6), near = addr(A_IP6), any = {{0}};
	struct ip_addr lo = addr("::1"), alien = addr("2001:db8::5"), global = addr("2001:db8:9::1");
	struct tcp_path path;

	(void)state;
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &near));
	assert_int_equal(path.mtu_bytes, 1500);
	assert_int_equal(path.gso_max_bytes, 65535 - 40 - 60);
	assert_int_equal(link_route(l, &far, 0, &alien, &path), -EADDRNOTAVAIL);
	src = addr("0.0.0.0"); /* "any" is any, in either form */
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &near));
	src = addr(A_IP);
	assert_int_equal(link_route(l, &far, 0, &src, &path), -EAFNOSUPPORT);
	src = any;
	assert_int_equal(link_route(l, &any, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &lo));
	assert_int_equal(path.mtu_bytes, 65536);
	assert_int_equal(path.gso_max_bytes, 0);
	sh("ip addr add 2001:db8:9::1/64 dev va nodad;"
	   "ip -6 route add 2000::/3 via " B_IP6 " mtu 1300");
	src = any;
	far = addr("2001:db8:77::1");
	assert_int_equal(link_route(l, &far, 0, &src, &path), 0);
	assert_true(addr_eq(&src, &global));
	assert_int_equal(path.mtu_bytes, 1300);
	link_close(l);
	net_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IP4_AND_IP6(the_kernel_answers_our_syn),
		cmocka_unit_test(tos_ttl_and_df_on_the_wire),
		IP4_AND_IP6(losses_are_counted_and_told),
		IP4_AND_IP6(bursts_arrive_byte_exact),
		IP4_AND_IP6(no_gso_without_a_neighbour),
		IP4_AND_IP6(conntrack_switches_gso_off),
		IP4_AND_IP6(full_buffers_cost_packets_not_time),
		IP4_AND_IP6(packets_leave_by_their_device),
		IP4_AND_IP6(a_burst_dropped_by_the_queue_is_lost),
		cmocka_unit_test(route_errors_are_those_of_connect),
		cmocka_unit_test(route_gives_source_and_mtu),
		cmocka_unit_test(route_gives_source_and_mtu_of_ip6),
	};

	return cmocka_run_group_tests_name("link/send", tests, NULL, NULL);
}
