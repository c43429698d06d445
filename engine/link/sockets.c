/* sockets.c - opens what needs CAP_NET_RAW, or is better with CAP_NET_ADMIN (the
 * size of buffers), or lies outside of a chroot. Owns nothing.
 */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"

#define SNDBUF_BYTES (4 << 20)

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
 * that quotes TCP, would refuse what the engine knows to pass. Nothing is to
 * arrive before filter.c says what. */
static int open_raw(int *fd, const struct link_config *cfg)
{
	struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop_all};
	int bytes = cfg->rcvbuf_bytes > INT32_MAX ? INT32_MAX : (int)cfg->rcvbuf_bytes;
	int err = open_socket(fd, AF_INET, IPPROTO_TCP);

	if (err)
		return err;
	if (setsockopt(*fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	err = set_int(*fd, IPPROTO_IP, IP_HDRINCL, 1);
	if (!err)
		err = set_int(*fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	if (!err)
		err = set_int(*fd, IPPROTO_IP, IP_PKTINFO, 1);
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

	if (err)
		return err;
	return setsockopt(*fd, SOL_RAW, ICMP_FILTER, &f, sizeof(f)) < 0 ? -errno : 0;
}

int link_sockets_open(struct link_sockets *s, const struct link_config *cfg)
{
	int err;

	for (int i = 0; i < SOCKET_KINDS; i++)
		s->fd[i] = -1;
	err = open_raw(&s->fd[SOCKET_RAW], cfg);
	if (!err)
		err = open_icmp(&s->fd[SOCKET_ICMP]);
	if (err)
		link_sockets_close(s);
	else if (cfg->gso)
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
