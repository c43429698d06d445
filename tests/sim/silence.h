/* silence.h - who could send is not silent for longer than an RTO.
 *
 * A connection that has something new to send, room for it in the peer's window and
 * a segment's room in cwnd sends within its retransmission timeout, whatever it
 * believes about the path. Only its own user may ask for less: by a pace, or by a
 * cork.
 */
#ifndef MYTCP_SIM_SILENCE_H
#define MYTCP_SIM_SILENCE_H

#include "../../engine/engine.h"

/* Of one end of a connection. */
struct silence {
	uint64_t since_us; /* it could send, and what follows is as it was then */
	uint64_t limit_us; /* so long it may last; 0: it could not send */
	uint64_t rto_us;   /* now */
	uint64_t longest_us; /* which the timer may have been set to */
	uint64_t acked_bytes;
	uint64_t segs;     /* of data that it had sent */
	uint32_t unacked_bytes, notsent_bytes;
	uint32_t wnd_bytes;  /* or larger */
	uint32_t mss_bytes;  /* the largest */
	bool cork;           /* the user's option */
};

/* All that was due at now_us is done, and nothing will happen before until_us. NULL,
 * or what is wrong. */
const char *silence_check(struct silence *q, const struct tcb *t,
			  const struct engine_config *cfg, uint64_t now_us,
			  uint64_t until_us);

#endif
