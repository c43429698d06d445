/* net.h - a virtual link between two engines.
 *
 * Each direction has elements of its own, which a packet meets in this order:
 *
 *     a smaller MTU, policer, bottleneck (queue, CoDel), loss (single, bursts, the n-th),
 *     duplication, damage, delay (constant, jitter, late ones, gathered)
 *
 * A burst is cut into wire segments before all that, or sometimes passed on as
 * one large segment. All chance is the link's own, from a seed. Times are
 * virtual microseconds, chances parts per million.
 */
#ifndef MYTCP_SIM_NET_H
#define MYTCP_SIM_NET_H

#include "../../engine/engine.h"
#include "../../engine/segment.h"
#include "element.h"
#include "meddle.h"

struct net_dir {
	uint32_t delay_us;
	uint32_t jitter_us;   /* at most; every packet has its own */
	uint32_t late_ppm, late_us; /* so many are late by up to so much */
	uint32_t gather_us;   /* arrivals wait for a multiple of it: compression */
	uint32_t loss_ppm, dup_ppm, corrupt_ppm;
	struct burst_params burst;
	struct policer_params policer;
	struct bottleneck_params bottleneck;
	uint64_t lose_nth;    /* this one is lost, from 1; 0: none */
	uint32_t mtu_bytes;   /* somewhere on the way; 0: as at its beginning */
	uint32_t icmp_ppm;    /* that the sender is told so */
	enum meddling meddle;
};

struct net_params {
	struct net_dir dir[2]; /* from side 0, from side 1 */
	uint32_t mtu_bytes;
	uint32_t gso_max_bytes;
	bool pass_bursts;      /* sometimes a burst arrives as one segment */
	bool unchecked;        /* no sums, as offloads leave it: faster */
	bool unlogged;
};

struct packet {
	uint64_t due_us;
	uint64_t order; /* first in, first out among equals */
	int to;         /* side that receives it */
	bool damaged;
	uint8_t tos;
	uint32_t icmp_mtu_bytes; /* not 0: "too big", about the header in tcp */
	uint32_t icmp_pkt_bytes; /* of that length */
	struct ip_addr src, dst;
	uint32_t len_bytes;
	uint8_t tcp[];
};

enum fate {
	ARRIVES,
	LOST,       /* by chance, singly or in a burst, or as the n-th */
	OVERFLOW,   /* at the bottleneck's tail */
	AQM_DROP,   /* by CoDel */
	POLICED,
};

struct net_counts {
	uint64_t packets; /* that reached this direction */
	uint64_t lost, overflowed, aqm_dropped, policed, marked, too_big;
};

#define NET_LOG 40

struct net {
	struct net_params p;
	struct rng rng;
	struct meddle_state meddle;
	struct packet **heap;
	uint32_t n, cap;
	uint64_t order;
	struct {
		struct burst burst;
		struct policer policer;
		struct bottleneck bottleneck;
		struct net_counts counts;
	} dir[2];
	/* Hears what became of a packet, and how long it waited at the
	 * bottleneck; may be NULL. */
	void (*watch)(void *arg, int from, const struct packet *k, enum fate f,
		      uint64_t waited_us);
	void *watch_arg;
	char log[NET_LOG][160]; /* the newest lines, a ring */
	uint32_t log_n;
	bool verbose;
};
void net_init(struct net *net, const struct net_params *p, uint64_t seed);
void net_free(struct net *net);
/* Side from sends; copies the packet. */
void net_send(struct net *net, int from, const struct engine_pkt_out *pkt,
	      uint64_t now_us);
/* ENGINE_NEVER when nothing is under way. */
uint64_t net_next_us(const struct net *net);
/* The packet that is due, the caller's to free(), or NULL. */
struct packet *net_receive(struct net *net, uint64_t now_us);
/* Of both directions: that were sent, and that did not arrive. */
uint64_t net_sent(const struct net *net);
uint64_t net_lost(const struct net *net);
void net_log(struct net *net, uint64_t now_us, const char *what, int from,
	     const uint8_t *tcp, uint32_t len_bytes);
void net_print_log(const struct net *net);

#endif
