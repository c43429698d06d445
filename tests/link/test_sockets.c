/* test_sockets.c - a link made of sockets that were opened before the privileges
 * went. Needs root: makes network namespaces of its own.
 */
#include "net.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <sys/syscall.h>

#include "../../engine/link/sockets.h"

#define PORT 5000

static const struct link_config cfg = {.rcvbuf_bytes = 8 << 20, .gso = true};

static void drop_all_caps(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};

	if (syscall(SYS_capset, &h, none) != 0)
		_exit(99);
}

/* Runs fn(s) in a child without any capability; what it returned. */
static int unprivileged(int (*fn)(struct link_sockets *s), struct link_sockets *s)
{
	int status = 0;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0) {
		drop_all_caps();
		_exit(fn(s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_own(struct link_sockets *s)
{
	struct link *l;

	(void)s;
	return -link_open(&l, &cfg);
}

/* A SYN of the kernel's arrives, and the kernel keeps quiet. */
static int receive_syn(struct link_sockets *s)
{
	struct sockaddr_in sa = sockaddr("127.0.0.1", PORT);
	struct endpoint local = ep("127.0.0.1", PORT);
	struct engine_pkt_in in[4];
	struct pollfd p = {.events = POLLOUT};
	struct guard *g;
	struct link *l;

	if (link_open_with(&l, &cfg, s) != 0)
		return 1;
	if (link_rcvbuf_bytes(l) < 2u * (8 << 20))
		return 2;
	if (guard_open(l, &local, 0, 0, &g) != 0 || guard_listen(g) != 0)
		return 3;
	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno != EINPROGRESS)
		return 4;
	if (recv_wait(l, in, 4, 1000) != 1)
		return 5;
	if (poll(&p, 1, 200) != 0)
		return 6;
	link_close(l);
	return 0;
}

static int packet_socket_is_there(struct link_sockets *s)
{
	struct link *l;

	if (link_open_with(&l, &cfg, s) != 0)
		return 1;
	link_before_drop(l); /* could not open it now */
	return fcntl(s->fd[SOCKET_PACKET], F_GETFD) == FD_CLOEXEC ? 0 : 2;
}

static void serve_without_privileges(void **state)
{
	struct link_sockets s;
	int ns = ns_new();

	(void)state;
	assert_int_equal(link_sockets_open(&s, &cfg), 0);
	assert_true(s.fd[SOCKET_SYSCTL] >= 0);
	assert_int_equal(s.fd[SOCKET_PACKET], -1);
	assert_int_equal(link_sockets_packet(&s), 0);
	assert_int_equal(unprivileged(open_own, &s), EPERM);
	assert_int_equal(unprivileged(receive_syn, &s), 0);
	assert_int_equal(unprivileged(packet_socket_is_there, &s), 0);
	link_sockets_close(&s);
	assert_int_equal(s.fd[SOCKET_RAW], -1);
	close(ns);
}

/* A set that nobody uses costs no buffers: nothing arrives there. */
static void hear_nothing_until_used(void **state)
{
	struct link_sockets s;
	int ns = ns_new(), err, fd;
	char byte;

	(void)state;
	assert_int_equal(link_sockets_open(&s, &cfg), 0);
	fd = kernel_connect("127.0.0.1", PORT, &err);
	assert_int_equal(recv(s.fd[SOCKET_RAW], &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
	link_sockets_close(&s);
	close(ns);
}

static bool filter_is_locked(int fd)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog prog = {.len = 1, .filter = &all};
	int none = 0;

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0 &&
	       errno == EPERM &&
	       setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) != 0 &&
	       errno == EPERM &&
	       setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &none, sizeof(none)) != 0;
}

static bool is_silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

static int pinging; /* a raw socket beside those of the set */

/* The kernel answers at once: loopback is there when send() returns, but for a
 * moment, in which the control hears it. */
static int ping(int family)
{
	struct sockaddr_in to4 = sockaddr("127.0.0.1", 0);
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	uint8_t echo[8] = {family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0, 0xf7, 0xff};
	struct pollfd p = {.fd = pinging, .events = POLLIN};

	if (sendto(pinging, echo, sizeof(echo), 0,
		   family == AF_INET ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6,
		   family == AF_INET ? sizeof(to4) : sizeof(to6)) != sizeof(echo))
		return -1;
	return poll(&p, 1, 1000) == 1 ? 0 : -1;
}

/* What a worker can do that gave up its privileges and has the set's fds. */
static int listen_in(struct link_sockets *s)
{
	struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = 1};
	struct icmp_filter none = {0};

	if (bind(s->fd[SOCKET_PACKET], (struct sockaddr *)&all, sizeof(all)) != 0)
		return 1;
	if (setsockopt(s->fd[SOCKET_ICMP], SOL_RAW, ICMP_FILTER, &none, sizeof(none)) != 0)
		return 2;
	if (!filter_is_locked(s->fd[SOCKET_PACKET]) || !filter_is_locked(s->fd[SOCKET_ICMP]))
		return 3;
	if (ping(AF_INET) != 0)
		return 4;
	return is_silent(s->fd[SOCKET_PACKET]) && is_silent(s->fd[SOCKET_ICMP]) ? 0 : 5;
}

static int listen_in6(struct link_sockets *s)
{
	struct icmp6_filter none;

	ICMP6_FILTER_SETPASSALL(&none);
	if (setsockopt(s->fd[SOCKET_ICMP6], IPPROTO_ICMPV6, ICMP6_FILTER, &none,
		       sizeof(none)) != 0)
		return 1;
	if (!filter_is_locked(s->fd[SOCKET_ICMP6]))
		return 2;
	if (ping(AF_INET6) != 0)
		return 3;
	return is_silent(s->fd[SOCKET_ICMP6]) ? 0 : 4;
}

static void who_gave_up_privileges_cannot_listen_in(void **state)
{
	struct link_sockets s;
	int ns = ns_new();

	(void)state;
	assert_int_equal(link_sockets_open(&s, &cfg), 0);
	assert_int_equal(link_sockets_packet(&s), 0);
	pinging = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	assert_int_equal(unprivileged(listen_in, &s), 0);
	close(pinging);
	pinging = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	assert_int_equal(unprivileged(listen_in6, &s), 0);
	close(pinging);
	link_sockets_close(&s);
	close(ns);
}

static int packet_sockets(void)
{
	int fd, n = 0, family = 0;
	socklen_t len = sizeof(family);

	for (fd = 0; fd < 256; fd++)
		n += getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 &&
		     family == AF_PACKET;
	return n;
}

/* The packet socket is opened with the first burst, or before it is too late. */
static void packet_socket_before_the_drop(void **state)
{
	int ns = ns_new(), gso;

	(void)state;
	for (gso = 0; gso <= 1; gso++) {
		struct link *l = open_link(gso);

		assert_int_equal(packet_sockets(), 0);
		link_before_drop(l);
		assert_int_equal(packet_sockets(), gso);
		link_close(l);
	}
	close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serve_without_privileges),
		cmocka_unit_test(hear_nothing_until_used),
		cmocka_unit_test(who_gave_up_privileges_cannot_listen_in),
		cmocka_unit_test(packet_socket_before_the_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
