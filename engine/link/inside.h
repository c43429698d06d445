/* inside.h - what the files of the link share. Nobody else includes it.
 *
 * Who owns what: link.c the sockets and the receive buffers, send.c the
 * batch of packets under way, gso.c where bursts go, filter.c the set of
 * guarded ports, guard.c the list of guards, route.c the cache of paths,
 * netlink.c the mechanics of asking the kernel.
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
#define IP4_TOTAL_MAX 65535
#define CACHE_TTL_MS 1000

struct rx;
struct tx;
struct gso;
struct ports;
struct routes;

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
	uint8_t default_ttl;
	struct rx *rx;
	struct tx *tx;
	struct gso *gso;     /* NULL: not wanted or not possible here */
	struct ports *ports;
	struct routes *routes;
	struct netlink diag; /* NETLINK_SOCK_DIAG */
	struct guard *guards;
};

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

static inline struct sockaddr_in addr_sockaddr(const struct ip_addr *a,
					       uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = addr_v4(a),
	};
}

/* Of n slots in a cache. */
static inline unsigned addr_pair_hash(const struct ip_addr *a,
				      const struct ip_addr *b, unsigned n)
{
	uint32_t h = get_be32(a->b + 12) * 0x9e3779b1u ^ get_be32(b->b + 12);

	return (h * 0x85ebca6bu >> 16) % n;
}

/* Of the raw socket: the device by which the packet of this flow arrived, if
 * it is one of those that link_recv() returned last; else 0. */
uint32_t link_arrived_on(const struct link *l, const struct flow *f);

/* ---- send.c ------------------------------------------------------------- */

int tx_open(struct link *l);
void tx_close(struct link *l);
/* Takes what link_recv_icmp() is to say of segments that were too large for
 * their device; up to n. */
int tx_take_too_big(struct link *l, struct engine_icmp *msgs, int n);
/* Writes an IPv4 header for len_bytes of TCP behind it, checksum in place. The
 * identification is zero (RFC 6864 4.1); if the packet may be cut, the kernel puts
 * another one there (raw(7)). */
void ip4_header(uint8_t ip[IP4_HDR_BYTES], const struct link *l,
		const struct engine_pkt_out *pkt, size_t len_bytes);

/* ---- gso.c -------------------------------------------------------------- */

/* The packet socket is opened with the first burst, if it is not. */
int gso_open(struct link *l);
void gso_close(struct link *l);
/* Payload bytes that one burst from src to dst may carry, 0: no GSO there. */
uint32_t gso_max_bytes(struct link *l, const struct ip_addr *src,
		       const struct ip_addr *dst);
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
int ports_add(struct link *l, uint16_t port);
void ports_del(struct link *l, uint16_t port);
bool ports_has(const struct link *l, uint16_t port);

/* ---- route.c ------------------------------------------------------------ */

int routes_open(struct link *l);
void routes_close(struct link *l);
/* The path from src to dst, at most CACHE_TTL_MS old. */
int route_path(struct link *l, const struct ip_addr *src,
	       const struct ip_addr *dst, struct tcp_path *path);
/* The path between these two has changed: route_path() asks again. */
void route_forget(struct link *l, const struct ip_addr *src,
		  const struct ip_addr *dst);

/* ---- guard.c, diag.c -------------------------------------------- */

/* Is the kernel socket with this cookie (SO_COOKIE) one of our guards? */
bool guard_has_cookie(const struct link *l, uint64_t cookie);
/* Does a socket other than a lingering guard listen on the port of local, at
 * an address that overlaps? 1, 0 or a negative errno. */
int diag_live_listener(struct link *l, const struct endpoint *local);
/* The backlogs by which sock_diag tells a guard in use from one that lingers. */
#define GUARD_BACKLOG 1
#define GUARD_BACKLOG_LINGER 0

#endif
