/* cc.h - congestion control: a table of operations that sees acks, losses and
 * its own state, never the tcb. One algorithm is one .c file.
 *
 * All amounts are bytes. The engine asks for nothing but cwnd_bytes and
 * ssthresh_bytes, which the operations keep.
 */
#ifndef MYTCP_CC_H
#define MYTCP_CC_H

#include <stdbool.h>
#include <stdint.h>

struct cc;

struct cc_ack {
	uint32_t acked_bytes;  /* newly acknowledged, cumulatively or by SACK */
	uint32_t flight_bytes; /* outstanding before this ack */
	uint32_t rtt_us;       /* newest sample, 0: none */
	bool cwnd_limited;     /* was the window, not the application, the limit? */
	bool recovering;       /* fast recovery, or after a timeout */
	uint64_t now_us;
};

enum cc_signal {
	CC_LOSS, /* a segment was lost */
	CC_ECN,  /* the peer saw a CE mark: the same, but nothing is missing */
};

enum {
	CC_OWN_RECOVERY = 1 << 0, /* keeps cwnd in recovery itself: on_ack() is
				     called there too, PRR is not applied */
};

struct cc_ops {
	const char *name;
	unsigned flags; /* CC_* */
	void (*init)(struct cc *cc);
	/* New data acknowledged outside of fast recovery. */
	void (*on_ack)(struct cc *cc, const struct cc_ack *ack);
	/* Congestion was detected, the first time in this window of data:
	 * ssthresh and, unless PRR will lead it there, cwnd. What is needed to
	 * undo this was saved in the common part before the call. */
	void (*on_congestion)(struct cc *cc, enum cc_signal why,
			      uint32_t flight_bytes, uint64_t now_us);
	/* Fast recovery is over. */
	void (*on_recovered)(struct cc *cc, uint32_t flight_bytes, uint64_t now_us);
	/* The retransmission timer expired; first: not a backed-off repetition. */
	void (*on_timeout)(struct cc *cc, uint32_t flight_bytes, bool first,
			   uint64_t now_us);
	/* The reaction of on_congestion() or on_timeout() was for nothing: the
	 * common part is already as before. May be NULL. */
	void (*on_undo)(struct cc *cc, uint64_t now_us);
	/* Nothing was sent for longer than an RTO. */
	void (*on_idle)(struct cc *cc, uint64_t now_us);
};

struct cc {
	const struct cc_ops *ops;
	uint32_t mss_bytes;
	uint32_t cwnd_bytes;
	uint32_t ssthresh_bytes;
	uint32_t initcwnd_bytes;
	uint32_t prior_cwnd_bytes, prior_ssthresh_bytes; /* for cc_undo() */
	uint64_t pacing_bytes_s; /* rate to send at; 0: as fast as acks come */
	uint64_t state[2]; /* the algorithm's own */
};

extern const struct cc_ops cc_newreno; /* RFC 5681, RFC 6582 */

/* Starts the algorithm with the initial window of RFC 6928. */
void cc_init(struct cc *cc, const struct cc_ops *ops, uint32_t mss_bytes,
	     uint32_t initcwnd_segs);
/* on_congestion(), after saving what cc_undo() needs. */
void cc_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
		   uint64_t now_us);
/* on_timeout(); the same. */
void cc_timeout(struct cc *cc, uint32_t flight_bytes, bool first,
		uint64_t now_us);
/* The last of these two calls was a mistake: windows as before it, if those were
 * larger (RFC 4015 3.2, RFC 8985 7.4). */
void cc_undo(struct cc *cc, uint64_t now_us);
/* The MSS changed: windows keep their number of bytes, but hold one segment. */
void cc_set_mss(struct cc *cc, uint32_t mss_bytes);

#endif
