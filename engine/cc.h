/* cc.h - congestion control: a table of operations that sees acks, losses and
 * its own state, never the connection. One algorithm is one .c file, built into
 * the engine or loaded from a shared object:
 *
 *     mytcp --cc ./mycc.so program ...
 *
 * Such a file needs nothing but this header and exports one symbol,
 *
 *     const struct cc_ops mytcp_cc = {.abi = CC_ABI, .name = "mine", ...};
 *
 * All amounts are bytes and all times microseconds, unless a name says
 * otherwise. The operations keep cwnd_bytes and ssthresh_bytes of struct cc, and
 * pacing_bytes_s if they want to send by a clock. They run in one thread, must
 * not block, and allocate nothing: a block of ops->state_bytes per connection
 * comes zeroed and is freed for them.
 *
 * The engine sends new data while less than cwnd_bytes are in the network. In
 * fast recovery it approaches ssthresh_bytes by itself, proportionally to what is
 * delivered, unless the algorithm has CC_OWN_RECOVERY.
 */
#ifndef MYTCP_CC_H
#define MYTCP_CC_H

#include <stdbool.h>
#include <stdint.h>

/* Of this header: changes whenever a structure does. */
#define CC_ABI 1u
#define CC_NAME_MAX 16 /* with its 0; Linux's TCP_CA_NAME_MAX */
/* Windows beyond it are enough for any path, and far from overflow. */
#define CC_CWND_MAX (1u << 30)

struct cc_ops;

/* What an algorithm and the engine share for one connection. */
struct cc {
	const struct cc_ops *ops;
	void *state; /* ops->state_bytes of the algorithm's own */
	uint32_t mss_bytes;
	uint32_t cwnd_bytes;
	uint32_t ssthresh_bytes;
	uint32_t initcwnd_bytes;  /* RFC 6928 */
	/* As before the last on_congestion() or first on_timeout(). */
	uint32_t prior_cwnd_bytes, prior_ssthresh_bytes;
	uint32_t count_bytes;     /* towards the next segment of growth (Reno) */
	bool holds_back; /* sends less than it could: samples that follow are
			    no measure of the path (app_limited) */
	uint64_t pacing_bytes_s;  /* rate to send at; 0: as fast as acks come */
};

/* A connection begins, or changes to this algorithm with cwnd_bytes and
 * ssthresh_bytes as they are. */
struct cc_start {
	uint64_t now_us;
	uint32_t srtt_us; /* 0: not known yet */
	uint64_t random;  /* for algorithms that need chance */
	bool sack;        /* several losses per round trip can be seen */
	bool live;        /* it had another algorithm before */
};

/* A packet of data leaves, for the first time or again. */
struct cc_send {
	uint64_t now_us;
	uint32_t pipe_bytes; /* in the network without it */
	bool app_limited;    /* the user had nothing to send for a while */
};

/* How fast data is delivered, seen from the newest of the segments that an ack
 * is for ("Delivery Rate Samples" of draft-ietf-ccwg-bbr). */
struct cc_rate {
	uint64_t bytes_s;         /* 0: no trustworthy sample */
	uint32_t interval_us;     /* over which it was measured */
	uint32_t delivered_bytes; /* since that segment was sent */
	uint64_t prior_delivered_bytes; /* delivered in all when it was sent */
	uint32_t in_flight_bytes; /* when it was sent, itself included */
	uint32_t lost_bytes;      /* found lost since it was sent */
	bool app_limited;         /* the network could have carried more */
};

/* New data was acknowledged, cumulatively or by SACK. */
struct cc_ack {
	uint64_t now_us;
	uint64_t delivered_bytes; /* of the connection, in all */
	uint32_t acked_bytes;     /* of them by this ack */
	uint32_t lost_bytes;      /* found lost by this ack */
	uint32_t ce_bytes;        /* of the acked: marked by ECN, if known */
	uint32_t flight_bytes;    /* not acknowledged before this ack */
	uint32_t pipe_before_bytes, pipe_bytes; /* in the network, RFC 6675 */
	uint32_t rtt_us;          /* sample of the newest segment; 0: none */
	uint32_t srtt_us, min_rtt_us; /* of the connection; 0: none */
	struct cc_rate rate;
	bool round_start;  /* first ack for what was sent since the last such */
	bool cwnd_limited; /* was the window, not the application, the limit? */
	bool recovering;   /* fast recovery, or after a timeout */
};

/* Is all of the window needed, so that more may be? In slow start, more than half a
 * window in flight proves that: the next round doubles (RFC 7661 4.1, as Linux). */
static inline bool cc_window_is_used(const struct cc *cc, const struct cc_ack *ack)
{
	return ack->cwnd_limited || (cc->cwnd_bytes < cc->ssthresh_bytes &&
				     ack->flight_bytes > cc->cwnd_bytes / 2);
}

/* One piece was found lost; told after on_congestion() or on_timeout(). */
struct cc_lost {
	uint64_t now_us;
	uint64_t delivered_bytes; /* of the connection, in all */
	uint32_t len_bytes;
	uint32_t in_flight_bytes; /* when it was sent, itself included */
	uint32_t lost_bytes;      /* found lost since it was sent, with it */
	bool app_limited;         /* as in struct cc_rate */
	bool apart;               /* does not adjoin the piece told before */
};

enum cc_signal {
	CC_LOSS, /* a segment was lost */
	CC_ECN,  /* the peer saw a CE mark: the same, but nothing is missing */
};

enum {
	CC_OWN_RECOVERY = 1 << 0, /* keeps cwnd in recovery itself: on_ack() is
				     called there too, PRR is not applied */
};

/* Those that may be NULL are marked so. */
struct cc_ops {
	uint32_t abi;         /* CC_ABI */
	uint32_t state_bytes; /* size of cc->state; 0: NULL */
	const char *name;
	unsigned flags;       /* CC_* */
	void (*init)(struct cc *cc, const struct cc_start *start); /* or NULL */
	/* Before the packet counts. May be NULL. */
	void (*on_send)(struct cc *cc, const struct cc_send *send);
	/* New data acknowledged outside of fast recovery. Returns nothing; what
	 * it leaves in cwnd_bytes and pacing_bytes_s holds from now on. */
	void (*on_ack)(struct cc *cc, const struct cc_ack *ack);
	/* May be NULL. */
	void (*on_lost)(struct cc *cc, const struct cc_lost *lost);
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

#endif
