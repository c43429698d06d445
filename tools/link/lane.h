/* lane.h - one direction of an emulated link, as a pure function of packets and
 * time: no I/O, no clock, no globals.
 *
 * A packet on its way passes, in this order:
 *
 *     MTU -> burst loss -> loss -> corruption -> duplication
 *         -> queue (limit, CE mark) -> rate -> delay, jitter, reordering
 *
 * so what is lost takes nothing of the rate, and what is duplicated takes it
 * twice. Chance is a stream of its own for each of these effects, made from the
 * seed, and each packet draws once from each stream, whatever becomes of it: the
 * fate of the n-th packet depends on the seed alone, and switching one effect on
 * does not change the luck of another.
 *
 * Times are nanoseconds of any clock that never goes back. Lateness of the
 * caller does not add up: rate and delay count from when a packet was due, not
 * from when somebody came to take it.
 */
#ifndef MYTCP_LINK_LANE_H
#define MYTCP_LINK_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_NEVER UINT64_MAX
#define LANE_HELD_MAX_BYTES (64u << 20) /* queue and delay together */

/* Bytes, or packets; 0: no such limit. */
struct lane_limit {
	uint64_t bytes, packets;
};

/* Probabilities are 0 to 1, per packet. */
struct lane_params {
	uint64_t rate_bit_s; /* of IP packets; 0: infinite */
	uint64_t delay_ns;
	uint64_t jitter_ns;  /* up to so much more; keeps the order */
	double loss;
	double burst_enter, burst_leave; /* of a state in which all is lost */
	double reorder;      /* held back by reorder_ns, others overtake */
	uint64_t reorder_ns;
	double duplicate;
	double corrupt;      /* one bit, anywhere in the packet */
	uint32_t mtu_bytes;  /* 0: any size */
	struct lane_limit queue; /* what waits for the rate, tail drop */
	struct lane_limit mark;  /* ECT becomes CE when more than this waits */
};

struct lane_stats {
	uint64_t in_packets, in_bytes, out_packets, out_bytes;
	uint64_t too_big, lost, burst_lost, queue_full;
	uint64_t no_room; /* LANE_HELD_MAX_BYTES, or no memory */
	uint64_t corrupted, duplicated, reordered, marked;
	uint64_t queue_max_bytes, queue_max_packets;
	uint64_t late_max_ns, late_sum_ns; /* of lane_take() */
};

struct lane_packet {
	struct lane_packet *next;
	uint64_t sent_ns; /* its last bit has left the queue */
	uint64_t due_ns;  /* at the other end */
	uint64_t order;
	uint64_t extra_ns; /* by jitter or reordering */
	bool overtaken;
	uint32_t len_bytes;
	uint8_t data[];
};

enum lane_chance {
	CHANCE_LOSS, CHANCE_BURST, CHANCE_REORDER, CHANCE_DUPLICATE,
	CHANCE_CORRUPT, CHANCE_BIT, CHANCE_JITTER, LANE_CHANCES
};

struct lane {
	struct lane_params p;
	struct lane_stats stats;
	uint64_t chance[LANE_CHANCES]; /* the streams */
	bool in_burst;
	/* The queue: first in, first out; the first is being sent. */
	struct lane_packet *first, **last;
	uint64_t queued_bytes, queued_packets;
	uint64_t busy_until_ns;
	/* The wire: a heap by due_ns, then order. */
	struct lane_packet **heap;
	size_t heap_n, heap_cap;
	uint64_t order, last_due_ns;
	uint64_t held_bytes;
};

enum lane_verdict {
	LANE_TAKEN, LANE_LOST, LANE_FULL, LANE_TOO_BIG
};

/* Two lanes of one seed differ in their salt. */
void lane_init(struct lane *l, const struct lane_params *p, uint64_t seed,
	       uint64_t salt);
void lane_free(struct lane *l);

/* A packet (beginning with its IP header) enters. Copies it. */
enum lane_verdict lane_put(struct lane *l, const uint8_t *data, size_t len_bytes,
			   uint64_t now_ns);
/* A packet that has arrived, NULL: none yet. The caller frees it with free(). */
struct lane_packet *lane_take(struct lane *l, uint64_t now_ns);
/* When the next packet arrives; LANE_NEVER when the lane is empty. */
uint64_t lane_next_ns(const struct lane *l);

#endif
