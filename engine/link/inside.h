/* inside.h - what the files of the link share. Nobody else includes it.
 *
 * Who owns what: link.c the sockets, recv.c the receive buffers, send.c the
 * batches of packets under way, gso.c where bursts go, filter.c the sets of
 * guarded ports, guard.c the list of guards and, with shelf.c, where their sockets lie, route.c the cache of paths,
 * netlink.c the mechanics of asking the kernel.
 *
 * What exists once for each family of addresses is in an array of FAMILIES. A
 * kernel without IPv6 has no sockets for it; a link there speaks IPv4 alone.
 */
#ifndef MYTCP_LINK_INSIDE_H
#define MYTCP_LINK_INSIDE_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include "../addr.h"
#include "link.h"
#include "sockets.h"

#define IP4_HDR_BYTES 20
#define IP6_HDR_BYTES 40
#define IP_HDR_MAX IP6_HDR_BYTES
#define IP_TOTAL_MAX 65535
#define CACHE_TTL_MS 1000

enum { V4, V6, FAMILIES };

struct rx;
struct tx;
struct gso;
struct ports;
struct routes;
struct guard_shelf;

/* ---- netlink.c ---------------------------------------------------------- */

/* A netlink socket for questions; one answer is held at a time. */
struct netlink {
	int fd; /* -1: not open */
	uint32_t seq;
};

int netlink_open(struct netlink *nl, int protocol);
void netlink_close(struct netlink *nl);

/* Room for what the kernel answers. */
union netlink_answer {
	struct nlmsghdr msg;
	uint8_t room[16384];
};

/* Asks for one object. Returns 0, and the answer is in *a, or what the kernel
 * answered as an error. */
int netlink_ask(struct netlink *nl, struct nlmsghdr *req, union netlink_answer *a);
/* Asks for all that match and calls each() for every one until it returns
 * something else than 0, which is then returned; 0 at the end. */
int netlink_dump(struct netlink *nl, struct nlmsghdr *req,
		 int (*each)(const struct nlmsghdr *msg, void *arg), void *arg);
/* Appends an attribute; the caller has provided the room. */
void netlink_add(struct nlmsghdr *req, uint16_t type, const void *data,
		 size_t len_bytes);
/* The attribute of that type with at least min_bytes of data, behind a fixed
 * header of hdr_bytes; NULL if there is none. */
const void *netlink_attr(const struct nlmsghdr *msg, size_t hdr_bytes,
			 uint16_t type, size_t min_bytes);

/* ---- the link ----------------------------------------------------------- */

struct link {
	struct link_config cfg;
	struct link_stats stats;
	uint32_t rcvbuf_bytes;
	struct link_sockets sockets;
	uint8_t default_ttl[FAMILIES];
	bool flow_labels;      /* net.ipv6.auto_flowlabels */
	uint8_t label_key[16];
	struct rx *rx;
	struct tx *tx;
	struct gso *gso;     /* NULL: not wanted or not possible here */
	struct ports *ports[FAMILIES];
	struct routes *routes;
	struct netlink diag, route; /* NETLINK_SOCK_DIAG, NETLINK_ROUTE */
	struct guard *guards;
	struct guard_shelf *shelves; /* the newest first */
};

/* -1: there is no IPv6. */
static inline int raw_fd(const struct link *l, int family)
{
	return l->sockets.fd[family == V4 ? SOCKET_RAW : SOCKET_RAW6];
}

static inline int icmp_fd(const struct link *l, int family)
{
	return l->sockets.fd[family == V4 ? SOCKET_ICMP : SOCKET_ICMP6];
}

static inline uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

/* a is v4-mapped: its last four bytes as struct in_addr wants them. */
static inline in_addr_t addr_v4(const struct ip_addr *a)
{
	in_addr_t v4;

	memcpy(&v4, a->b + 12, sizeof(v4));
	return v4;
}

static inline int addr_family(const struct ip_addr *a)
{
	return addr_is_v4(a) ? V4 : V6;
}

static inline int family_af(int family)
{
	return family == V4 ? AF_INET : AF_INET6;
}

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78 /* linux/in6.h, which does not go with netinet/in.h */
#endif

union sockaddr_ip {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The socket address of a, of a's family; returns its length. */
static inline socklen_t addr_sockaddr(const struct ip_addr *a, uint16_t port,
				      union sockaddr_ip *to)
{
	struct ip_addr wire = addr_wire(a);

	*to = (union sockaddr_ip){0};
	if (addr_is_v4(a)) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(port);
		to->v4.sin_addr.s_addr = addr_v4(a);
		return sizeof(to->v4);
	}
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons(port);
	memcpy(&to->v6.sin6_addr, wire.b, sizeof(wire));
	to->v6.sin6_scope_id = addr_scope(a);
	return sizeof(to->v6);
}

static inline uint32_t addr_hash(const struct ip_addr *a, uint32_t h)
{
	for (int i = 0; i < 16; i += 4)
		h = (h ^ get_be32(a->b + i)) * 0x9e3779b1u;
	return h >> 16;
}

/* Of n slots in a cache. */
static inline unsigned addr_pair_hash(const struct ip_addr *a,
				      const struct ip_addr *b, unsigned n)
{
	uint32_t h = 0;

	for (int i = 0; i < 16; i += 4)
		h = ((h ^ get_be32(a->b + i)) * 0x9e3779b1u ^ get_be32(b->b + i)) *
		    0x85ebca6bu;
	return (h >> 16) % n;
}

/* ---- recv.c ------------------------------------------------------------- */

int rx_open(struct link *l);
void rx_close(struct link *l);

/* ---- send.c ------------------------------------------------------------- */

int tx_open(struct link *l);
void tx_close(struct link *l);
/* Takes what link_recv_icmp() is to say of segments that were too large for
 * their device; up to n. */
int tx_take_too_big(struct link *l, struct engine_icmp *msgs, int n);
/* Writes an IP header for len_bytes of TCP behind it; returns its length. IPv4: the
 * checksum is in place; the identification is zero (RFC 6864 4.1), and if the packet
 * may be cut, the kernel puts another one there (raw(7)). */
size_t ip_header(uint8_t ip[IP_HDR_MAX], const struct link *l,
		 const struct engine_pkt_out *pkt, size_t len_bytes);

/* ---- gso.c -------------------------------------------------------------- */

/* The packet socket is opened with the first burst, if it is not. */
int gso_open(struct link *l);
void gso_close(struct link *l);
/* Payload bytes that one burst from src to dst, by ifindex if that is not 0, may
 * carry; 0: no GSO there. */
uint32_t gso_max_bytes(struct link *l, const struct ip_addr *src,
		       const struct ip_addr *dst, uint32_t ifindex);
/* Where this burst may leave by gso_send() just now, or NULL. */
struct gso_route *gso_ready(struct link *l, const struct engine_pkt_out *pkt);
/* 0 or a negative errno: then nothing was sent. -EAGAIN: see gso_fd(). */
int gso_send(struct link *l, struct gso_route *r,
	     const struct engine_pkt_out *pkt);
/* Becomes writable when the packet socket takes bursts again. */
int gso_fd(const struct link *l);
/* A connection begins or may have begun: look at conntrack again. */
void gso_new_connection(struct link *l);

/* ---- filter.c ----------------------------------------------------------- */

int ports_open(struct link *l);
void ports_close(struct link *l);
/* A guard listens on port, or ceases to; several may share a port. */
int ports_add(struct link *l, int family, uint16_t port);
void ports_del(struct link *l, int family, uint16_t port);
bool ports_has(const struct link *l, int family, uint16_t port);
/* So many packets were taken from the socket, SYNs among them; more: there are others. */
void ports_took(struct link *l, int family, unsigned pkts, unsigned syns, bool more);

/* ---- route.c ------------------------------------------------------------ */

int routes_open(struct link *l);
void routes_close(struct link *l);
/* For a SYN: fills in pkt->device_mtu_bytes. false: its destination is not this host's
 * alone (anycast). At most CACHE_TTL_MS old. */
bool route_accepts(struct link *l, struct engine_pkt_in *pkt);
/* Does the kernel take packets to this address for its own (RTN_LOCAL)? */
bool route_is_local(struct link *l, const struct ip_addr *dst);
/* Asks for a device. Returns 0, and RTM_GETLINK's answer is in *a; or a negative errno. */
int device_ask(struct link *l, uint32_t ifindex, union netlink_answer *a);
/* Asks for the route of packets to dst, from src unless that is NULL, by ifindex
 * unless that is 0. Returns 0, and the answer to RTM_GETROUTE is in *a; or a negative
 * errno. */
int route_ask(struct link *l, const struct ip_addr *src, const struct ip_addr *dst,
	      uint32_t ifindex, union netlink_answer *a);
/* The path between these two has changed: link_path() asks again. */
void route_forget(struct link *l, const struct ip_addr *src,
		  const struct ip_addr *dst);

/* ---- guard.c, diag.c, icmp.c -------------------------------------------- */

/* Has the port a guard bound to this device? */
bool guard_at_device(const struct link *l, uint16_t port, uint32_t ifindex);
/* Is the kernel socket with this cookie (SO_COOKIE) one of our guards? */
bool guard_has_cookie(const struct link *l, uint64_t cookie);
void guard_free_shelves(struct link *l); /* without guards on them */
/* Who listens on the port of local, at an address that overlaps? "::" is there for IPv4
 * too unless v6only. enum link_others, our own guards included, or a negative errno. */
int diag_listeners(struct link *l, const struct endpoint *local, bool v6only);
/* The backlogs by which sock_diag tells a guard in use from one that lingers. */
#define GUARD_BACKLOG 1
#define GUARD_BACKLOG_LINGER 0

/* Is the message of len bytes at icmp, which came to the address in *to, about a
 * segment from a guarded port? */
bool icmp6_parse(const struct link *l, const uint8_t *icmp, size_t len,
		 const struct in6_pktinfo *to, struct engine_icmp *msg);
/* The eight bytes of ICMP, and of a quoted segment. */
#define ICMP_HDR_BYTES 8
#define QUOTED_TCP_BYTES 8

#endif
