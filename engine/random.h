/* random.h - all that must be unpredictable, from the seed in the
 * configuration: a keyed hash, the ISS, and numbers.
 */
#ifndef MYTCP_RANDOM_H
#define MYTCP_RANDOM_H

#include "engine.h"

/* SipHash-2-4. */
uint64_t siphash(const uint8_t key[16], const void *data, size_t len_bytes);

struct prng { /* SipHash in counter mode: unpredictable without the key */
	uint8_t key[16];
	uint64_t counter;
};
uint64_t prng_next(struct prng *p);

/* What nobody else can compute about a flow and two numbers: a SYN cookie's tag. */
uint64_t random_tag(const uint8_t key[16], const struct flow *f, uint32_t a,
		    uint32_t b);
/* RFC 6528: a clock of 4 us plus a keyed hash of the flow. */
uint32_t random_iss(const uint8_t key[16], const struct flow *f, uint64_t now_us);
/* RFC 7323 5.4 and 7.1: an offset for the timestamp clock, one for each flow: of
 * another connection it tells nothing, but for the next one of the same ports
 * the clock does not go back, and the peer's TIME-WAIT gives way (RFC 6191). */
uint32_t random_ts_offset(const uint8_t key[16], const struct flow *f);

#endif
