/* test_guard.c - guards, the port filter, and who owns a flow. Needs root: makes
 * network namespaces of its own.
 */
#include "net.h"

#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/syscall.h>

#define PORT 5000

/* Switches the capability cap of this thread off or on again. */
static void set_cap(int cap, bool on)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{0}};
	uint32_t bit = 1u << cap % 32;

	assert_return_code(syscall(SYS_capget, &h, d), errno);
	d[cap / 32].effective = on ? d[cap / 32].effective | bit
				   : d[cap / 32].effective & ~bit;
	assert_return_code(syscall(SYS_capset, &h, d), errno);
}

/* Runs fn(arg) in a child without the capability cap; what it returned. */
static int without_cap(int cap, int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status = 0;

	assert_return_code(pid, errno);
	if (pid == 0) {
		set_cap(cap, false);
		_exit(-fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* ---- guards ------------------------------------------------------------- */

/* Counts the TCP packets from source port that a packet socket has seen. */
static int seen_from(int fd, uint16_t port)
{
	uint8_t ip[2048];
	int n = 0;

	while (recv(fd, ip, sizeof(ip), MSG_DONTWAIT) > 0) {
		bool v6 = ip[0] >> 4 == 6;
		const uint8_t *tcp = ip + (v6 ? 40 : (ip[0] & 15) * 4);

		n += (v6 ? ip[6] : ip[9]) == IPPROTO_TCP && (tcp[0] << 8 | tcp[1]) == port;
	}
	return n;
}

static int capture(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_return_code(fd, errno);
	return fd;
}

static void guard_keeps_the_kernel_quiet(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new(), cap = capture(), err, fd, soerr = 0;
	struct link *l = open_link(true);
	struct guard *g = open_guard(l, ip->lo, PORT, 0);
	struct engine_pkt_in in[8];
	struct segment s;
	struct pollfd p = {.events = POLLOUT};
	socklen_t len = sizeof(soerr);

	fd = p.fd = kernel_connect(ip->lo, PORT, &err);
	assert_int_equal(err, -EINPROGRESS);
	assert_int_equal(recv_wait(l, in, 8, 1000), 1);
	assert_int_equal(segment_parse(&s, &in[0].src, &in[0].dst, in[0].tcp,
				       in[0].tcp_len_bytes), DROP_NONE);
	assert_int_equal(s.flags, SEG_SYN);
	assert_int_equal(s.dport, PORT);
	assert_int_equal(link_path(l, &in[0]), 0);
	assert_int_equal(in[0].path.mtu_bytes, ip->v6 ? 65536 : 65535);
	assert_int_equal(in[0].path.gso_max_bytes, 0);
	assert_int_equal(poll(&p, 1, 300), 0);
	assert_int_equal(seen_from(cap, PORT), 0);
	close(fd);

	/* Without it the kernel does answer, and the capture would show that. */
	guard_close(g);
	fd = kernel_connect(ip->lo, PORT, &err);
	p.fd = fd;
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_return_code(getsockopt(fd, SOL_SOCKET, SO_ERROR, &soerr, &len), errno);
	assert_int_equal(soerr, ECONNREFUSED);
	assert_true(seen_from(cap, PORT) > 0);
	close(fd);
	close(cap);
	link_close(l);
	close(ns);
}

static int received(struct link *l)
{
	struct engine_pkt_in in[32];
	int n, all = 0;

	while ((n = recv_wait(l, in, 32, 20)) > 0)
		all += n;
	return all;
}

static void send_all_flags(struct link *l, const char *lo)
{
	struct endpoint from = ep(lo, 9), to = ep(lo, PORT);

	for (int flags = 0; flags < 256; flags++) {
		struct engine_pkt_out p = segment(&from, &to, 1, flags, "x", 1);

		assert_int_equal(link_send(l, &p, 1), 0);
	}
}

/* Every combination of flags, with the filter and with what takes its place for
 * those who may not attach one. */
static void guard_answers_nothing(void **state)
{
	const struct ip_kind *ip = *state;
	for (int admin = 0; admin < 2; admin++) {
		int ns = ns_new(), cap = capture();
		struct link *l = open_link(true);

		set_cap(CAP_NET_ADMIN, admin);
		open_guard(l, ip->lo, PORT, 0);
		set_cap(CAP_NET_ADMIN, true);
		send_all_flags(l, ip->lo);
		assert_int_equal(received(l), 256);
		assert_int_equal(seen_from(cap, PORT), 0);
		close(cap);
		link_close(l);
		close(ns);
	}
}

/* One guard at "::" keeps the kernel quiet in both families, with IPV6_V6ONLY in its
 * own only; both do so with the filter and with what takes its place. */
static void one_guard_for_both_families(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		int ns = ns_new(), cap = capture();
		struct link *l = open_link(true);
		unsigned flags = how & 2 ? GUARD_V6ONLY : 0;
		struct guard *g;

		sh("echo %d > /proc/sys/net/ipv6/bindv6only", how & 1); /* not asked */
		set_cap(CAP_NET_ADMIN, how & 1);
		g = open_guard(l, "::", PORT, flags);
		set_cap(CAP_NET_ADMIN, true);
		send_all_flags(l, "::1");
		assert_int_equal(received(l), 256);
		assert_int_equal(seen_from(cap, PORT), 0);
		send_all_flags(l, "127.0.0.1");
		assert_int_equal(received(l), flags ? 0 : 256);
		assert_int_equal(seen_from(cap, PORT) > 0, flags != 0);
		guard_close(g);
		send_all_flags(l, "::1");
		assert_int_equal(received(l), 0);
		close(cap);
		link_close(l);
		close(ns);
	}
}

/* Whose port it is where families meet. */
static void families_share_the_port_space(void **state)
{
	int ns = ns_new();
	struct link *l = open_link(false);
	struct endpoint any4 = ep("0.0.0.0", PORT), any6 = ep("::", PORT);
	struct guard *g, *h;

	(void)state;
	g = open_guard(l, "::", PORT, 0);
	assert_int_equal(guard_open(l, &any4, 0, 0, &h), -EADDRINUSE);
	assert_int_equal(guard_open(l, &any6, 0, GUARD_V6ONLY, &h), -EADDRINUSE);
	guard_close(g);
	g = open_guard(l, "::", PORT, GUARD_V6ONLY);
	h = open_guard(l, "0.0.0.0", PORT, 0);
	guard_close(g);
	assert_int_equal(guard_open(l, &any6, 0, 0, &g), -EADDRINUSE);
	guard_linger(h);
	guard_close(h);
	/* one that lingers makes way for the other family's, if that is asked for */
	h = open_guard(l, "0.0.0.0", PORT, GUARD_REUSEADDR);
	assert_int_equal(guard_open(l, &any6, 0, GUARD_REUSEADDR, &g), -EADDRINUSE);
	guard_linger(h);
	assert_int_equal(guard_open(l, &any6, 0, GUARD_REUSEADDR, &g), 0);
	link_close(l);
	close(ns);
}

static void guard_must_listen_to_receive(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *l = open_link(false);
	struct endpoint from = ep(ip->lo, 9), to = ep(ip->lo, PORT);
	struct engine_pkt_out syn = segment(&from, &to, 1, SEG_SYN, NULL, 0);
	struct engine_pkt_in in[2];
	struct guard *g;

	assert_int_equal(guard_open(l, &to, 0, 0, &g), 0);
	assert_int_equal(link_send(l, &syn, 1), 0);
	assert_int_equal(recv_wait(l, in, 2, 100), 0);
	assert_int_equal(guard_listen(g), 0);
	assert_int_equal(guard_listen(g), 0);
	assert_int_equal(link_send(l, &syn, 1), 0);
	assert_int_equal(recv_wait(l, in, 2, 1000), 1);
	link_close(l);
	close(ns);
}

static int bind_port_80(void *arg)
{
	struct endpoint local = ep("0.0.0.0", 80);
	struct guard *g;

	return guard_open(arg, &local, 0, 0, &g);
}

static void guard_gives_the_errors_of_bind(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new(), srv = kernel_listen(ip->lo, PORT), n;
	struct link *l = open_link(false);
	struct endpoint taken = ep(ip->lo, PORT), alien = ep(ip->v6 ? "2001:db8::77" : "192.0.2.77", PORT);
	struct endpoint any = ep(ip->any, 0);
	struct guard *g;

	assert_int_equal(guard_open(l, &taken, 0, 0, &g), -EADDRINUSE);
	assert_int_equal(guard_open(l, &taken, 0, GUARD_REUSEADDR, &g), -EADDRINUSE);
	assert_int_equal(guard_open(l, &alien, 0, 0, &g), -EADDRNOTAVAIL);
	assert_int_equal(without_cap(CAP_NET_BIND_SERVICE, bind_port_80, l), -EACCES);

	/* port 0: the kernel chooses, and holds the port for us */
	assert_int_equal(guard_open(l, &any, 0, 0, &g), 0);
	assert_true(guard_local(g)->port != 0);
	any.port = guard_local(g)->port;
	assert_int_equal(guard_open(l, &any, 0, 0, &g), -EADDRINUSE);
	/* bound to a device */
	n = guard_open(l, &taken, 1, 0, &g);
	assert_int_equal(n, -EADDRINUSE);
	taken.port++;
	assert_int_equal(guard_open(l, &taken, 1, 0, &g), 0);
	link_close(l);
	close(srv);
	close(ns);
}

/* Two links stand for two processes. */
static void a_lingering_guard_makes_way(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new(), fd, on = 1;
	struct link *old = open_link(false), *new = open_link(false);
	struct endpoint local = ep(ip->any, PORT), peer = ep(ip->lo, 9);
	struct endpoint here = ep(ip->lo, PORT);
	struct engine_pkt_out syn = segment(&peer, &here, 1, SEG_SYN, NULL, 0);
	struct guard *g = open_guard(old, ip->any, PORT, GUARD_REUSEADDR), *h, *i;
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_any(ip->any, PORT, &sa);
	struct engine_pkt_in in[2];

	assert_int_equal(guard_open(new, &local, 0, GUARD_REUSEADDR, &h), -EADDRINUSE);
	guard_linger(g);
	assert_int_equal(guard_open(new, &local, 0, 0, &h), -EADDRINUSE);
	assert_int_equal(guard_open(new, &local, 0, GUARD_REUSEADDR, &h), 0);
	assert_int_equal(guard_listen(h), 0);
	/* that one is in use, nobody may join it */
	assert_int_equal(guard_open(old, &local, 0, GUARD_REUSEADDR, &i), -EADDRINUSE);
	guard_close(g);
	assert_int_equal(guard_open(old, &local, 0, GUARD_REUSEADDR, &i), -EADDRINUSE);
	fd = socket(sa.ss_family, SOCK_STREAM, 0);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(fd);
	assert_int_equal(link_send(new, &syn, 1), 0);
	assert_int_equal(recv_wait(new, in, 2, 1000), 1);
	assert_int_equal(recv_wait(old, in, 2, 50), 0);
	link_close(old);
	link_close(new);
	close(ns);
}

static void reuseport_shares_a_port(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *l = open_link(false);
	struct endpoint local = ep(ip->lo, PORT);
	struct guard *g = open_guard(l, ip->lo, PORT, GUARD_REUSEPORT), *h;

	assert_int_equal(guard_open(l, &local, 0, 0, &h), -EADDRINUSE);
	assert_int_equal(guard_open(l, &local, 0, GUARD_REUSEPORT, &h), 0);
	assert_int_equal(guard_listen(h), 0);
	guard_close(g);
	link_close(l);
	close(ns);
}

/* ---- the filter ---------------------------------------------------------- */

static void ports_through(struct link *l, const struct ip_kind *ip, unsigned n)
{
	struct endpoint from = ep(ip->lo, 9), to = ep(ip->lo, 0);
	struct guard **g = calloc(n, sizeof(*g));
	struct engine_pkt_in in[32];
	unsigned total = 0;
	int got;

	for (unsigned i = 0; i < n; i++) /* every other port is ours */
		g[i] = open_guard(l, ip->lo, 20000 + 2 * i, 0);
	for (unsigned port = 19990; port <= 20010 + 2 * n; port++) {
		struct engine_pkt_out out;
		bool ours = port >= 20000 && port < 20000 + 2 * n && port % 2 == 0;

		to.port = port;
		out = segment(&from, &to, port, SEG_ACK, NULL, 0);
		assert_int_equal(link_send(l, &out, 1), 0);
		/* what lies outside the range does not even pass the filter */
		if (port < 20000 || port > 20000 + 2 * n)
			assert_false(readable(l, 0));
		got = recv_wait(l, in, 32, 0);
		assert_int_equal(got, ours);
		total += got;
		if (got)
			assert_int_equal(in[0].tcp[2] << 8 | in[0].tcp[3], port);
	}
	assert_int_equal(total, n);
	/* fewer again, some of them reopened, then none */
	for (unsigned i = 1; i < n; i++)
		guard_close(g[i]);
	to.port = 20000;
	for (int i = 0; i < 2; i++) {
		struct engine_pkt_out out = segment(&from, &to, 1, SEG_ACK, NULL, 0);

		assert_int_equal(link_send(l, &out, 1), 0);
		assert_int_equal(recv_wait(l, in, 32, 0), i == 0);
		assert_false(readable(l, 0));
		if (i == 0)
			guard_close(g[0]);
	}
	free(g);
}

static void filter_passes_guarded_ports_only(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *l = open_link(false);

	ports_through(l, ip, 1);
	ports_through(l, ip, 40);
	ports_through(l, ip, 300);
	ports_through(l, ip, 32);
	assert_int_equal(link_stats(l)->pkts_in, 1 + 40 + 300 + 32 + 4);
	link_close(l);
	close(ns);
}

/* ---- who owns it? ------------------------------------------------------- */

static void kernel_sockets_are_told_from_guards(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new(), srv = kernel_listen(ip->lo, 6000), err, cli, acc;
	struct link *l = open_link(false), *other = open_link(false);
	struct sockaddr_in6 sa; /* the port is where IPv4 has it */
	socklen_t len = sizeof(sa);
	struct flow f = {ep(ip->lo, 6000), ep(ip->lo, 0)};
	char c;

	cli = kernel_connect(ip->lo, 6000, &err);
	acc = accept(srv, NULL, NULL);
	assert_return_code(acc, errno);
	assert_return_code(getsockname(cli, (struct sockaddr *)&sa, &len), errno);
	f.remote.port = ntohs(sa.sin6_port);
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 1);
	f = (struct flow){f.remote, f.local};
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 1);
	/* nobody there: the kernel says so itself */
	f.remote.port = 1;
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 1);
	/* TIME-WAIT: the client closes first */
	f.remote.port = 6000;
	close(cli);
	assert_int_equal(read(acc, &c, 1), 0);
	close(acc);
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 1);
	/* A listener answers for itself, */
	f = (struct flow){ep(ip->lo, 6000), ep(ip->lo, 77)};
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 1);
	close(srv);
	open_guard(l, ip->lo, 6000, GUARD_REUSEADDR);
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 0);
	/* and so does another stack's guard; ours is us. */
	open_guard(l, ip->any, PORT, 0);
	open_guard(other, ip->any, PORT + 1, 0);
	f.local.port = PORT;
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 0);
	assert_int_equal(link_kernel_owns(other, &f, 0, false), 1);
	f.local.port = PORT + 1;
	assert_int_equal(link_kernel_owns(l, &f, 0, false), 1);
	link_close(l);
	link_close(other);
	close(ns);
}

/* A guard beside live connections of the kernel's own at the same port. */
static void kernel_connections_at_a_guarded_port(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new(), srv = kernel_listen(ip->lo, PORT), err, cli, acc, on = 1;
	struct link *l = open_link(false);
	struct engine_pkt_in in[8];
	struct flow f;
	int dev = 1;

	cli = kernel_connect(ip->lo, PORT, &err);
	acc = accept(srv, NULL, NULL);
	assert_return_code(acc, errno);
	/* found by the device on which its segments arrive */
	assert_return_code(setsockopt(acc, SOL_SOCKET, SO_BINDTOIFINDEX, &dev, sizeof(dev)),
			   errno);
	assert_return_code(setsockopt(acc, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	close(srv);
	open_guard(l, ip->lo, PORT, GUARD_REUSEADDR);
	assert_int_equal(write(cli, "x", 1), 1);
	assert_int_equal(recv_wait(l, in, 8, 1000), 1);
	f.local = (struct endpoint){in[0].dst, in[0].tcp[2] << 8 | in[0].tcp[3]};
	f.remote = (struct endpoint){in[0].src, in[0].tcp[0] << 8 | in[0].tcp[1]};
	assert_int_equal(link_kernel_owns(l, &f, in[0].ifindex, false), 1);
	f.remote.port ^= 1;
	assert_int_equal(link_kernel_owns(l, &f, in[0].ifindex, false), 0);
	close(cli);
	close(acc);
	link_close(l);
	close(ns);
}

/* ---- opening ------------------------------------------------------------ */

static int try_open(void *arg)
{
	struct link *l;

	return link_open(&l, arg);
}

static void raw_sockets_need_the_capability(void **state)
{
	struct link_config cfg = {.rcvbuf_bytes = 1 << 20, .gso = true};

	(void)state;
	assert_int_equal(without_cap(CAP_NET_RAW, try_open, &cfg), -EPERM);
	assert_int_equal(without_cap(CAP_NET_ADMIN, try_open, &cfg), 0);
}

static int rcvbuf_kib(void *arg)
{
	struct link *l;

	if (link_open(&l, arg) < 0)
		return 0;
	return -(int)(link_rcvbuf_bytes(l) >> 20);
}

static void the_receive_buffer_is_read_back(void **state)
{
	struct link_config cfg = {.rcvbuf_bytes = 100 << 20};
	struct link *l;
	FILE *f = fopen("/proc/sys/net/core/rmem_max", "r");
	int max = 0;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &max), 1);
	fclose(f);
	assert_int_equal(link_open(&l, &cfg), 0);
	assert_int_equal(link_rcvbuf_bytes(l), 200 << 20);
	link_close(l);
	/* what it is without CAP_NET_ADMIN */
	assert_int_equal(-without_cap(CAP_NET_ADMIN, rcvbuf_kib, &cfg), 2 * max >> 20);
}

/* Given away, it goes on being one, for the other link. */
static void a_guard_changes_hands(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new(), fd;
	struct link *from = open_link(false), *to = open_link(false);
	struct endpoint local = ep(ip->lo, PORT), peer = ep(ip->lo, 9);
	struct engine_pkt_out syn = segment(&peer, &local, 1, SEG_SYN, NULL, 0);
	struct engine_pkt_in in[2];
	struct guard *g, *adopted;

	assert_int_equal(guard_open(from, &local, 0, 0, &g), 0);
	fd = dup(guard_fd(g));
	assert_int_equal(guard_adopt(to, fd, 0, &adopted), -EINVAL); /* not yet */
	assert_int_equal(guard_listen(g), 0);
	assert_int_equal(guard_adopt(to, ns, 0, &adopted), -ENOTSOCK);
	assert_int_equal(guard_adopt(to, fd, 0, &adopted), 0);
	assert_true(endpoint_eq(guard_local(adopted), &local));
	link_close(from);
	assert_int_equal(guard_open(to, &local, 0, 0, &g), -EADDRINUSE);
	assert_int_equal(link_send(to, &syn, 1), 0);
	assert_int_equal(recv_wait(to, in, 2, 1000), 1);
	assert_int_equal(recv_wait(to, in, 2, 50), 0); /* the kernel is quiet */
	guard_close(adopted);
	assert_int_equal(guard_open(to, &local, 0, 0, &g), 0);
	link_close(to);
	close(ns);
}

/* A guard in use goes to the other link; its twin stays, and lingers. */
static void a_guard_in_use_changes_hands(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *from = open_link(false), *to = open_link(false);
	struct endpoint local = ep(ip->lo, PORT);
	struct guard *g, *twin, *taken, *none;

	assert_int_equal(guard_open(from, &local, 0, GUARD_REUSEADDR, &g), 0);
	assert_int_equal(guard_listen(g), 0);
	assert_int_equal(guard_twin(g, &twin), 0);
	assert_true(endpoint_eq(guard_local(twin), &local));
	assert_int_equal(guard_take(to, dup(guard_fd(g)), 0, guard_flags(g), &taken), 0);
	assert_true(guard_flags(taken) & GUARD_REUSEADDR);
	guard_let_go(g);
	guard_linger(g); /* of no effect: */
	assert_int_equal(link_others(from, &local), LINK_OTHERS_NONE);
	guard_close(g);
	assert_int_equal(link_others(from, &local), LINK_OTHERS_LISTEN);
	assert_int_equal(link_others(to, &local), LINK_OTHERS_LINGER);
	/* nobody joins the one in use, although another lingers */
	assert_int_equal(guard_open(to, &local, 0, GUARD_REUSEADDR, &none), -EADDRINUSE);
	guard_close(twin);
	assert_int_equal(link_others(to, &local), LINK_OTHERS_NONE);
	guard_linger(taken);
	assert_int_equal(link_others(from, &local), LINK_OTHERS_LINGER);
	link_close(from);
	link_close(to);
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IP4_AND_IP6(guard_keeps_the_kernel_quiet),
		IP4_AND_IP6(guard_answers_nothing),
		cmocka_unit_test(one_guard_for_both_families),
		cmocka_unit_test(families_share_the_port_space),
		IP4_AND_IP6(guard_must_listen_to_receive),
		IP4_AND_IP6(guard_gives_the_errors_of_bind),
		IP4_AND_IP6(a_lingering_guard_makes_way),
		IP4_AND_IP6(reuseport_shares_a_port),
		IP4_AND_IP6(a_guard_changes_hands),
		IP4_AND_IP6(a_guard_in_use_changes_hands),
		IP4_AND_IP6(filter_passes_guarded_ports_only),
		IP4_AND_IP6(kernel_sockets_are_told_from_guards),
		IP4_AND_IP6(kernel_connections_at_a_guarded_port),
		cmocka_unit_test(raw_sockets_need_the_capability),
		cmocka_unit_test(the_receive_buffer_is_read_back),
	};

	return cmocka_run_group_tests_name("link/guard", tests, NULL, NULL);
}
