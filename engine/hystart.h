/* hystart.h - HyStart++ (RFC 9406): leaves slow start when the round-trip time
 * grows, before the queue overflows. */
#ifndef MYTCP_HYSTART_H
#define MYTCP_HYSTART_H

#include "cc.h"

struct hystart {
	uint32_t last_min_us;    /* of the round before this one; 0: none */
	uint32_t this_min_us;    /* of this one; 0: none yet */
	uint32_t css_base_us;    /* this_min_us when CSS began */
	uint8_t samples;         /* in this round */
	uint8_t css_rounds;      /* begun in CSS; 0: not in CSS */
};

/* How many bytes cwnd may grow by for this ack in slow start; *done: slow start
 * is over, congestion avoidance goes on from here. */
uint32_t hystart_on_ack(struct hystart *h, const struct cc_ack *ack, bool *done);

#endif
