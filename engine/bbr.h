/* bbr.h - what cc_bbr.c and bbr_probe.c share: BBR version 3, the draft
 * draft-ietf-ccwg-bbr. Names are the draft's; volumes are bytes, rates bytes per
 * second, times microseconds. Private to these two files and their test.
 */
#ifndef MYTCP_BBR_H
#define MYTCP_BBR_H

#include "congestion.h"

#define BBR_UNLIMITED UINT32_MAX    /* an inflight bound that is not set */
#define BBR_BW_UNLIMITED UINT64_MAX /* the same of a rate */

enum bbr_state {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_PROBE_BW_DOWN,
	BBR_PROBE_BW_CRUISE,
	BBR_PROBE_BW_REFILL,
	BBR_PROBE_BW_UP,
	BBR_PROBE_RTT,
	BBR_NO_STATE, /* undo_state: None */
};

/* What the ACKs that arrive say of the bandwidth probe. */
enum bbr_ack_phase {
	ACKS_INIT,
	ACKS_REFILLING,
	ACKS_PROBE_STARTING,
	ACKS_PROBE_FEEDBACK,
	ACKS_PROBE_STOPPING,
};

struct bbr {
	/* the path, long term */
	uint64_t max_bw_filter[2]; /* of the previous ProbeBW cycle, of this one */
	uint64_t max_bw, bw;
	uint32_t min_rtt_us;       /* 0: infinite */
	uint32_t inflight_longterm;
	uint64_t min_rtt_stamp_us;
	/* short term */
	uint64_t bw_shortterm, bw_latest;
	uint32_t inflight_shortterm, inflight_latest;
	uint64_t loss_round_delivered;
	unsigned loss_ranges; /* in this round */
	/* round trips, counted by packets */
	uint64_t delivered, next_round_delivered;
	uint32_t round_count, drain_start_round;
	/* ACK aggregation: a maximum over two halves of the window */
	uint64_t extra_acked_start_us;
	uint64_t extra_acked_delivered;
	uint32_t extra_acked[2];
	uint32_t extra_acked_rounds; /* of the present half */
	/* is the pipe full? */
	uint64_t full_bw;
	uint32_t full_bw_count;
	/* the ProbeBW cycle */
	uint64_t cycle_stamp_us, probe_wait_us;
	uint32_t rounds_since_probe_up;
	uint32_t probe_up_acked, probe_up_acked_per_inc;
	uint32_t probe_up_rounds;
	/* ProbeRTT */
	uint64_t probe_rtt_min_stamp_us, probe_rtt_done_us; /* done: 0 is none */
	uint32_t probe_rtt_min_us; /* 0: infinite */
	/* to be restored */
	uint32_t prior_cwnd;
	uint32_t undo_inflight_shortterm, undo_inflight_longterm;
	uint64_t undo_bw_shortterm;
	uint64_t random;
	uint8_t state, undo_state; /* enum bbr_state */
	uint8_t ack_phase;         /* enum bbr_ack_phase */
	bool round_start, loss_round_start, is_loss_in_round;
	bool full_bw_reached, full_bw_now;
	bool is_bw_probe_sample, prev_probe_too_high, prev_probe_precautionary;
	bool probe_rtt_expired, probe_rtt_round_done;
	bool idle_restart;
	bool in_recovery;  /* fast recovery, or after a timeout */
	bool has_sack;
	bool rtt_seen;     /* the first pacing rate rests on an RTT */
};

/* ---- cc_bbr.c --------------------------------------------------------------- */

/* The estimated BDP at this rate times a gain, with room for offloads. */
uint32_t bbr_inflight(const struct cc *cc, uint64_t bw, uint32_t gain_percent);
void bbr_start_round(struct bbr *b);
void bbr_reset_full_bw(struct bbr *b, uint64_t base);
void bbr_reset_congestion_signals(struct bbr *b);
void bbr_reset_shortterm(struct bbr *b);
uint32_t bbr_bdp(const struct cc *cc, uint64_t bw, uint32_t gain_percent);

/* ---- bbr_probe.c ---------------------------------------------------------------- */

static inline bool bbr_in_probe_bw(const struct bbr *b)
{
	return b->state >= BBR_PROBE_BW_DOWN && b->state <= BBR_PROBE_BW_UP;
}
/* Lost more than 2 % of what was in flight? */
bool bbr_inflight_too_high(const struct bbr *b, uint32_t lost_bytes,
			   uint32_t in_flight_bytes);
/* inflight_longterm less some room for others. */
uint32_t bbr_inflight_with_headroom(const struct cc *cc);
void bbr_start_down(struct cc *cc, uint64_t now_us);
void bbr_start_cruise(struct bbr *b);
void bbr_start_refill(struct bbr *b);
/* UpdateProbeBWCyclePhase(). */
void bbr_update_cycle(struct cc *cc, const struct cc_ack *ack);
/* HandleLostPacket(), behind NoteLoss(). */
void bbr_probe_lost(struct cc *cc, const struct cc_lost *lost);

#endif
