/* net.h - a virtual link between two engines.
 *
 * The link delays, reorders (by jitter), loses, duplicates, damages one bit,
 * has a bottleneck with a queue that overflows, and carries a burst either cut
 * into wire segments or as one large segment. All chance is its own, from a
 * seed. Times are virtual microseconds.
 */
#ifndef MYTCP_SIM_NET_H
#define MYTCP_SIM_NET_H

#include "../../engine/engine.h"
#include "../../engine/segment.h"

struct rng {
	uint64_t s;
};
uint64_t rng_next(struct rng *r);
/* [0, n) ; 0 for n 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* [lo, hi] */
uint32_t rng_in(struct rng *r, uint32_t lo, uint32_t hi);
bool rng_chance(struct rng *r, uint32_t percent);
/* [lo, hi], small values as likely as large ones. */
uint32_t rng_log(struct rng *r, uint32_t lo, uint32_t hi);

struct net_params {
	uint32_t delay_us, jitter_us;
	uint32_t loss_percent, dup_percent, corrupt_percent;
	uint32_t rate_bytes_per_ms; /* 0: no bottleneck */
	uint32_t queue_bytes;
	uint32_t mtu_bytes;
	uint32_t gso_max_bytes;
	bool pass_bursts; /* sometimes a burst arrives as one segment */
};

struct packet {
	uint64_t due_us;
	uint64_t order; /* first in, first out among equals */
	int to;         /* side that receives it */
	bool damaged;
	struct ip_addr src, dst;
	uint32_t len_bytes;
	uint8_t tcp[];
};

#define NET_LOG 40

struct net {
	struct net_params p;
	struct rng rng;
	struct packet **heap;
	uint32_t n, cap;
	uint64_t order;
	uint64_t free_at_us[2]; /* when each direction's bottleneck is idle */
	char log[NET_LOG][160]; /* the newest lines, a ring */
	uint32_t log_n;
	bool verbose;
	uint64_t sent, lost;
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
void net_log(struct net *net, uint64_t now_us, const char *what, int from,
	     const uint8_t *tcp, uint32_t len_bytes);
void net_print_log(const struct net *net);

#endif
