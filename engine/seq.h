/* seq.h - arithmetic on sequence numbers, modulo 2^32 (RFC 9293 3.4).
 *
 * Two numbers can be compared while they are less than 2^31 apart, which the
 * largest window (2^30, RFC 7323 2.3) guarantees for all that are in use.
 */
#ifndef MYTCP_SEQ_H
#define MYTCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) > 0;
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) >= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

/* Is seq in [from, from + len)? */
static inline bool seq_in(uint32_t seq, uint32_t from, uint32_t len)
{
	return seq - from < len;
}

#endif
