/* test_neighbours.c - two stacks on one port: who may join, and what each knows of the
 * other. Two links of this process stand for two stacks. Needs root: makes network
 * namespaces of its own.
 */
#include "net.h"

#define PORT 5000

static int others(struct link *l, const char *ip, uint16_t port)
{
	struct endpoint local = ep(ip, port);

	return link_others(l, &local);
}

static int owned(struct link *l, const char *ip)
{
	struct flow f = {ep(ip, PORT), ep(ip, 7)};

	return link_kernel_owns(l, &f, 0, false);
}

/* Would l refuse a SYN from port remote? */
static bool refuses(struct link *l, const char *ip, uint16_t remote)
{
	struct flow f = {ep(ip, PORT), ep(ip, remote)};

	return link_kernel_owns(l, &f, 0, true) == 0;
}

/* A server ends, one that takes its place runs, and the first one's connections end. */
static void restart(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *old = open_link(false), *new = open_link(false);
	struct guard *g;

	assert_int_equal(others(new, ip->lo, PORT), LINK_OTHERS_NONE);
	g = open_guard(old, ip->any, PORT, GUARD_REUSEADDR);
	assert_int_equal(others(old, ip->lo, PORT), LINK_OTHERS_NONE);
	assert_int_equal(others(new, ip->lo, PORT), LINK_OTHERS_LISTEN);
	assert_int_equal(others(new, ip->lo, PORT + 1), LINK_OTHERS_NONE);
	assert_int_equal(owned(old, ip->lo), 0);

	guard_linger(g);
	assert_int_equal(others(new, ip->lo, PORT), LINK_OTHERS_LINGER);
	open_guard(new, ip->any, PORT, GUARD_REUSEADDR);
	assert_int_equal(others(new, ip->lo, PORT), LINK_OTHERS_LINGER);
	assert_int_equal(others(old, ip->lo, PORT), LINK_OTHERS_LISTEN);
	/* whichever of the two sock_diag names */
	assert_int_equal(owned(new, ip->lo), 1);
	assert_int_equal(owned(old, ip->lo), 1);

	guard_close(g);
	assert_int_equal(others(new, ip->lo, PORT), LINK_OTHERS_NONE);
	assert_int_equal(owned(new, ip->lo), 0);
	link_close(old);
	link_close(new);
	close(ns);
}

/* Each of many restarts leaves something behind. */
static void many_restarts(void **state)
{
	enum { TIMES = 20 };
	const struct ip_kind *ip = *state;
	struct link *l[TIMES];
	struct guard *g = NULL, *second;
	struct endpoint local = ep(ip->any, PORT);
	int ns = ns_new();

	for (int i = 0; i < TIMES; i++) {
		if (g)
			guard_linger(g);
		l[i] = open_link(false);
		g = open_guard(l[i], ip->any, PORT, GUARD_REUSEADDR);
		assert_int_equal(guard_open(l[0], &local, 0, GUARD_REUSEADDR, &second),
				 -EADDRINUSE);
	}
	for (int i = 0; i < TIMES; i++) {
		assert_int_equal(owned(l[TIMES - 1], ip->lo), i < TIMES - 1);
		link_close(l[i]);
	}
	close(ns);
}

/* While one listens, a SYN is its; when both linger, one of them refuses it. */
static void a_syn_for_nobody(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *a = open_link(false), *b = open_link(false);
	struct guard *g = open_guard(a, ip->any, PORT, GUARD_REUSEADDR), *h;

	guard_linger(g);
	assert_true(refuses(a, ip->lo, 7));
	h = open_guard(b, ip->any, PORT, GUARD_REUSEADDR);
	for (uint16_t remote = 1; remote < 50; remote++)
		assert_false(refuses(a, ip->lo, remote));
	guard_linger(h);
	for (uint16_t remote = 1; remote < 50; remote++)
		assert_int_equal(refuses(a, ip->lo, remote) + refuses(b, ip->lo, remote), 1);
	link_close(a);
	link_close(b);
	close(ns);
}

static struct guard *bound(struct link *l, const char *ip, unsigned flags)
{
	struct endpoint local = ep(ip, PORT);
	struct guard *g = NULL;

	assert_int_equal(guard_open(l, &local, 0, flags, &g), 0);
	return g;
}

/* As FTP's data connections from port 20, of one process each. */
static void connections_share_a_port(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *a = open_link(false), *b = open_link(false), *c = open_link(false);
	struct endpoint local = ep(ip->any, PORT);
	struct guard *g, *h, *i;

	/* bound before either is connected */
	g = bound(a, ip->any, GUARD_REUSEADDR);
	h = bound(b, ip->any, GUARD_REUSEADDR);
	assert_int_equal(guard_share(g), 0);
	assert_int_equal(guard_share(h), 0);
	assert_int_equal(others(a, ip->lo, PORT), LINK_OTHERS_LINGER);
	/* and after */
	i = bound(c, ip->any, GUARD_REUSEADDR);
	assert_int_equal(guard_share(i), 0);
	guard_close(i);
	/* without SO_REUSEADDR not at all */
	assert_int_equal(guard_open(c, &local, 0, 0, &i), -EADDRINUSE);
	/* A server may take the port, but only one. */
	i = bound(c, ip->any, GUARD_REUSEADDR);
	assert_int_equal(guard_listen(i), 0);
	assert_int_equal(others(a, ip->lo, PORT), LINK_OTHERS_LISTEN);
	assert_int_equal(guard_listen(h), -EADDRINUSE);
	link_close(a);
	link_close(b);
	link_close(c);
	close(ns);
}

/* Bound while nobody listened; then somebody does who shares with nobody. */
static void listening_is_decided_late(void **state)
{
	const struct ip_kind *ip = *state;
	int ns = ns_new();
	struct link *a = open_link(false), *b = open_link(false);
	struct guard *g = bound(a, ip->any, GUARD_REUSEADDR);
	struct guard *h = bound(b, ip->any, GUARD_REUSEADDR);

	assert_int_equal(guard_listen(g), 0);
	assert_int_equal(guard_listen(h), -EADDRINUSE);
	guard_linger(g);
	assert_int_equal(guard_listen(h), 0);
	link_close(a);
	link_close(b);
	close(ns);
}

static void addresses_matter(void **state)
{
	struct link *l, *other;
	int ns = ns_new(), srv;

	(void)state;
	l = open_link(false);
	other = open_link(false);
	sh("ip address add 127.0.0.2/8 dev lo");
	open_guard(other, "127.0.0.1", PORT, 0);
	assert_int_equal(others(l, "127.0.0.1", PORT), LINK_OTHERS_LISTEN);
	assert_int_equal(others(l, "127.0.0.2", PORT), LINK_OTHERS_NONE);
	assert_int_equal(others(l, "::1", PORT), LINK_OTHERS_NONE);
	/* one for both families, one for IPv6 alone */
	open_guard(other, "::", PORT + 1, 0);
	assert_int_equal(others(l, "127.0.0.2", PORT + 1), LINK_OTHERS_LISTEN);
	assert_int_equal(others(l, "::1", PORT + 1), LINK_OTHERS_LISTEN);
	open_guard(other, "::", PORT + 2, GUARD_V6ONLY);
	assert_int_equal(others(l, "127.0.0.2", PORT + 2), LINK_OTHERS_NONE);
	assert_int_equal(others(l, "::1", PORT + 2), LINK_OTHERS_LISTEN);
	/* the kernel's */
	srv = kernel_listen("127.0.0.2", PORT + 3);
	assert_int_equal(others(l, "127.0.0.2", PORT + 3), LINK_OTHERS_LISTEN);
	assert_int_equal(others(l, "127.0.0.1", PORT + 3), LINK_OTHERS_NONE);
	close(srv);
	link_close(l);
	link_close(other);
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IP4_AND_IP6(restart),
		IP4_AND_IP6(a_syn_for_nobody),
		IP4_AND_IP6(many_restarts),
		IP4_AND_IP6(connections_share_a_port),
		IP4_AND_IP6(listening_is_decided_late),
		cmocka_unit_test(addresses_matter),
	};

	return cmocka_run_group_tests_name("link/neighbours", tests, NULL, NULL);
}
