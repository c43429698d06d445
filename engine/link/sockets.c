/* sockets.c - opens what needs CAP_NET_RAW, or is better with CAP_NET_ADMIN (the
 * size of buffers), or lies outside of a chroot. Owns nothing.
 */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h> /* before what of Linux's would replace it */

#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"

#define SNDBUF_BYTES (4 << 20)

struct option {
	int name, value;
};

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Beyond the system's limit where that is permitted. */
static int set_buffer(int fd, int forced, int option, int bytes)
{
	return set_int(fd, SOL_SOCKET, forced, bytes) == 0 ? 0
		: set_int(fd, SOL_SOCKET, option, bytes);
}

static int open_socket(int *fd, int family, int protocol)
{
	*fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	return *fd < 0 ? -errno : 0;
}

/* raw(7): IP_HDRINCL, so that DF, TTL and TOS are the engine's and a segment
 * too large for the device is refused instead of fragmented. IP_PMTUDISC_PROBE:
 * the engine keeps the path MTU; the kernel, which believes any ICMP message
 * that quotes TCP, would refuse what the engine knows to pass. */
static const struct option raw4_options[] = {
	{IP_HDRINCL, 1}, {IP_MTU_DISCOVER, IP_PMTUDISC_PROBE}, {IP_PKTINFO, 1}, {0, 0},
};

/* ipv6(7), RFC 3542: the same. The kernel takes the headers off what arrives, and tells
 * of the first one in control messages. IPV6_FREEBIND: a connection outlives its
 * address, and a prefix may be local without any address (RTN_LOCAL). */
static const struct option raw6_options[] = {
	{IPV6_HDRINCL, 1}, {IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE},
	{IPV6_RECVPKTINFO, 1}, {IPV6_RECVTCLASS, 1}, {IPV6_RECVHOPLIMIT, 1},
	{IPV6_FREEBIND, 1}, {0, 0},
};

static int set_filter(int fd, const struct sock_filter *code, unsigned short n)
{
	struct sock_fprog prog = {.len = n, .filter = (struct sock_filter *)code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno
										 : 0;
}

/* Whoever gets the socket, from a spare set for instance, hears no more by it than this:
 * the kernel neither takes the filter away again nor takes another one. */
static int lock_filter(int fd, const struct sock_filter *code, unsigned short n)
{
	int err = set_filter(fd, code, n);

	return err ? err : set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

static const struct sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};

/* Errors alone: their types are the filters' of open_icmp() and open_icmp6(), which the
 * holder of the socket could change. The kernel shows IPv4's header, and not IPv6's. */
static const struct sock_filter icmp_errors[] = {
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_DEST_UNREACH, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_TIME_EXCEEDED, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_PARAMETERPROB, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
};

static const struct sock_filter icmp6_errors[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ICMP6_DST_UNREACH, 0, 2),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, ICMP6_PARAM_PROB, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

#define LENGTH_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Nothing is to arrive before filter.c says what. */
static int open_raw(int *fd, int family, const struct link_config *cfg)
{
	int bytes = cfg->rcvbuf_bytes > INT32_MAX ? INT32_MAX : (int)cfg->rcvbuf_bytes;
	bool v4 = family == AF_INET;
	const struct option *o = v4 ? raw4_options : raw6_options;
	int err = open_socket(fd, family, IPPROTO_TCP);

	if (!err)
		err = set_filter(*fd, drop_all, LENGTH_OF(drop_all));
	for (; o->name && !err; o++)
		err = set_int(*fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, o->name, o->value);
	if (!err)
		err = set_buffer(*fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_BYTES);
	return err ? err : set_buffer(*fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
}

static int open_icmp(int *fd)
{
	struct icmp_filter f = {
		.data = ~(1u << ICMP_DEST_UNREACH | 1u << ICMP_TIME_EXCEEDED |
			  1u << ICMP_PARAMETERPROB),
	};
	int err = open_socket(fd, AF_INET, IPPROTO_ICMP);

	if (!err)
		err = lock_filter(*fd, icmp_errors, LENGTH_OF(icmp_errors));
	if (err)
		return err;
	return setsockopt(*fd, SOL_RAW, ICMP_FILTER, &f, sizeof(f)) < 0 ? -errno : 0;
}

/* Each message is to tell the address that it came to. */
static int open_icmp6(int *fd)
{
	struct icmp6_filter f;
	int err = open_socket(fd, AF_INET6, IPPROTO_ICMPV6);

	if (!err)
		err = lock_filter(*fd, icmp6_errors, LENGTH_OF(icmp6_errors));
	if (err)
		return err;
	ICMP6_FILTER_SETBLOCKALL(&f);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &f);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &f);
	ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &f);
	ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &f);
	if (setsockopt(*fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof(f)) < 0)
		return -errno;
	return set_int(*fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static int open_v6(struct link_sockets *s, const struct link_config *cfg)
{
	int err = open_raw(&s->fd[SOCKET_RAW6], AF_INET6, cfg);

	if (err == -EAFNOSUPPORT)
		return 0;
	return err ? err : open_icmp6(&s->fd[SOCKET_ICMP6]);
}

int link_sockets_open(struct link_sockets *s, const struct link_config *cfg)
{
	int err;

	for (int i = 0; i < SOCKET_KINDS; i++)
		s->fd[i] = -1;
	err = open_raw(&s->fd[SOCKET_RAW], AF_INET, cfg);
	if (!err)
		err = open_icmp(&s->fd[SOCKET_ICMP]);
	if (!err)
		err = open_v6(s, cfg);
	if (err)
		link_sockets_close(s);
	else
		s->fd[SOCKET_SYSCTL] = open("/proc/sys/net",
					    O_PATH | O_DIRECTORY | O_CLOEXEC);
	return err;
}

int link_sockets_packet(struct link_sockets *s)
{
	int *fd = &s->fd[SOCKET_PACKET], err;

	if (*fd >= 0)
		return 0;
	err = open_socket(fd, AF_PACKET, 0);
	if (!err)
		err = lock_filter(*fd, drop_all, LENGTH_OF(drop_all));
	if (!err)
		err = set_int(*fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (!err)
		err = set_buffer(*fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_BYTES);
	if (err && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return err;
}

void link_sockets_close(struct link_sockets *s)
{
	for (int i = 0; i < SOCKET_KINDS; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
		s->fd[i] = -1;
	}
}
