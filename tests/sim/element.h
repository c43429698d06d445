/* element.h - what a path is made of besides delay: a bottleneck with its queue,
 * bursts of loss, a policer.
 *
 * Each is a small machine that is asked packet by packet, in order of time, and
 * answers at once: a queue of fixed rate that serves in order knows on arrival
 * when a packet will leave, so no event of its own is needed. Times are virtual,
 * chances are parts per million.
 */
#ifndef MYTCP_SIM_ELEMENT_H
#define MYTCP_SIM_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Choices that somebody else has made, a fuzzer. */
struct tape {
	const uint8_t *p;
	size_t left_bytes;
};

struct rng {
	uint64_t s;
	struct tape *tape; /* may be NULL, and be several generators' */
};
uint64_t rng_next(struct rng *r);
/* The functions below ask the tape first, if there is one, while it lasts. */
/* [0, n) ; 0 for n 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* [lo, hi] */
uint32_t rng_in(struct rng *r, uint32_t lo, uint32_t hi);
bool rng_chance(struct rng *r, uint32_t percent);
bool rng_ppm(struct rng *r, uint32_t ppm);
/* [lo, hi], small values as likely as large ones. */
uint32_t rng_log(struct rng *r, uint32_t lo, uint32_t hi);

/* ---- bursts of loss ------------------------------------------------------- */

/* Gilbert and Elliott: a good state that loses nothing, a bad one that loses a
 * share; before each packet the state may change. The mean length of a bad
 * state is 10^6 / to_good_ppm packets. */
struct burst_params {
	uint32_t to_bad_ppm; /* 0: always good */
	uint32_t to_good_ppm;
	uint32_t loss_ppm;   /* in the bad state */
};

struct burst {
	bool bad;
};
bool burst_loses(struct burst *b, const struct burst_params *p, struct rng *r);

/* ---- policer ---------------------------------------------------------------- */

/* A token bucket: what finds no tokens is dropped, nothing is delayed. */
struct policer_params {
	uint64_t rate_bytes_s; /* 0: none */
	uint32_t bucket_bytes; /* at least one packet, or nothing passes */
};

struct policer {
	bool begun; /* it begins full */
	uint64_t tokens; /* bytes times 10^6 */
	uint64_t at_us;
};
bool policer_passes(struct policer *p, const struct policer_params *how,
		    uint32_t len_bytes, uint64_t now_us);

/* ---- bottleneck --------------------------------------------------------------- */

/* CoDel, RFC 8289, on the time that a packet waited; target 0: tail drop only.
 * The RFC lets a queue of less than one packet be; here the target must be
 * longer than two packets take, which comes to the same. What is capable of ECN
 * is marked, the rest is dropped. */
struct codel_params {
	uint32_t target_us, interval_us;
};

struct codel {
	uint64_t first_above_us; /* 0: below the target */
	uint64_t next_us;
	uint32_t count, count_before;
	bool dropping;
};
/* A packet that waited so long leaves the queue at now: is it to be marked or
 * dropped? */
bool codel_signals(struct codel *c, const struct codel_params *p, uint64_t waited_us,
		   uint64_t now_us);

struct bottleneck_params {
	uint64_t rate_bytes_s; /* 0: none */
	uint32_t queue_bytes;  /* a packet that finds more than this is dropped */
	struct codel_params codel;
};

struct bottleneck {
	uint64_t free_ns; /* when the last bit of all that was taken has left */
	struct codel codel;
};

enum verdict { PASSES, MARKED, OVERFLOWED, SIGNALLED };

/* ect: the packet may be marked instead of dropped. When it passes: *out_us is
 * when its last bit has left, *waited_us how long its first bit waited. */
enum verdict bottleneck_takes(struct bottleneck *b, const struct bottleneck_params *p,
			      uint32_t len_bytes, bool ect, uint64_t now_us,
			      uint64_t *out_us, uint64_t *waited_us);
/* What waits, the rest of the packet in service included. */
uint64_t bottleneck_bytes(const struct bottleneck *b, const struct bottleneck_params *p,
			  uint64_t now_us);

#endif
