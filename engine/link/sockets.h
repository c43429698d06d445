/* sockets.h - the descriptors for which the link needs privileges.
 *
 * Whoever has them opened can make a link of them later, without privileges and
 * in a chroot, in this process or in another one of the same network namespace.
 * Everything else that a link opens, anybody may open.
 */
#ifndef MYTCP_LINK_SOCKETS_H
#define MYTCP_LINK_SOCKETS_H

#include <stdbool.h>

struct link_config;

enum link_socket {
	SOCKET_RAW,    /* IPPROTO_TCP, IP_HDRINCL; its filter drops everything */
	SOCKET_ICMP,   /* ICMP errors only, which nobody can change any more */
	SOCKET_RAW6,   /* the same of IPv6: both or none */
	SOCKET_ICMP6,
	SOCKET_PACKET, /* with PACKET_VNET_HDR; never receives, whoever has it */
	SOCKET_SYSCTL, /* the directory /proc/sys/net, O_PATH */
	SOCKET_KINDS
};

struct link_sockets {
	int fd[SOCKET_KINDS]; /* -1: not open */
};

/* Opens all of them, close-on-exec, but for SOCKET_PACKET, which is left to
 * link_sockets_packet(). No allocation and no lock: may be called in a signal
 * handler. 0, or a negative errno and nothing is open: -EPERM without CAP_NET_RAW.
 * SOCKET_SYSCTL may be missing; those of IPv6 are where the kernel has none. */
int link_sockets_open(struct link_sockets *s, const struct link_config *cfg);
/* Opens SOCKET_PACKET, if it is not. It is for GSO only, and closing it waits for
 * an RCU grace period of some 10 ms, which not everybody should pay for. */
int link_sockets_packet(struct link_sockets *s);
void link_sockets_close(struct link_sockets *s);

#endif
