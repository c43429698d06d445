/* bbr_probe.c - BBR's search for bandwidth: the ProbeBW cycle DOWN, CRUISE, REFILL,
 * UP, and the long-term bound on what may be in flight that losses teach
 * ("ProbeBW" and "Probing for Bandwidth In ProbeBW" of the draft).
 *
 * Owns inflight_longterm, ack_phase, and the state while it is one of ProbeBW's.
 */
#include "bbr.h"

#define S_US 1000000u
#define LOSS_THRESH_PERCENT 2
#define BETA_PERCENT 70
#define HEADROOM_PERCENT 15
#define MAX_PROBE_ROUNDS 63 /* T_reno, for coexistence on short paths */

static uint64_t next_random(struct bbr *b) /* xorshift64 */
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

/* ---- what may be in flight ----------------------------------------------------- */

bool bbr_inflight_too_high(const struct bbr *b, uint32_t lost_bytes,
			   uint32_t in_flight_bytes)
{
	if (!b->has_sack)
		return lost_bytes > 0;
	return lost_bytes * 100ull > (uint64_t)in_flight_bytes * LOSS_THRESH_PERCENT;
}

uint32_t bbr_inflight_with_headroom(const struct cc *cc)
{
	const struct bbr *b = cc->state;
	uint32_t headroom;

	if (b->inflight_longterm == BBR_UNLIMITED)
		return BBR_UNLIMITED;
	headroom = (uint32_t)(b->inflight_longterm * (uint64_t)HEADROOM_PERCENT / 100);
	headroom = min_u32(max_u32(headroom, cc->mss_bytes), b->inflight_longterm);
	return max_u32(b->inflight_longterm - headroom, 4 * cc->mss_bytes);
}

/* TargetInflight(). */
static uint32_t target_inflight(const struct cc *cc)
{
	const struct bbr *b = cc->state;

	return min_u32(bbr_bdp(cc, b->bw, 100), cc->cwnd_bytes);
}

/* ---- the four states ------------------------------------------------------------- */

void bbr_start_down(struct cc *cc, uint64_t now_us)
{
	struct bbr *b = cc->state;

	bbr_reset_congestion_signals(b);
	b->probe_up_acked_per_inc = BBR_UNLIMITED;
	b->rounds_since_probe_up = next_random(b) >> 63; /* 0 or 1 */
	b->probe_wait_us = 2 * S_US + (next_random(b) >> 32) % S_US;
	b->cycle_stamp_us = now_us;
	b->ack_phase = ACKS_PROBE_STOPPING;
	bbr_start_round(b);
	b->state = BBR_PROBE_BW_DOWN;
}

void bbr_start_cruise(struct bbr *b)
{
	b->state = BBR_PROBE_BW_CRUISE;
}

void bbr_start_refill(struct bbr *b)
{
	bbr_reset_shortterm(b);
	b->probe_up_rounds = 0;
	b->probe_up_acked = 0;
	b->prev_probe_precautionary = false;
	b->ack_phase = ACKS_REFILLING;
	bbr_start_round(b);
	b->state = BBR_PROBE_BW_REFILL;
}

/* inflight_longterm grows by 1, 2, 4 ... segments per round trip. */
static void raise_slope(const struct cc *cc, struct bbr *b)
{
	uint32_t growth = 1u << b->probe_up_rounds;

	b->probe_up_rounds = min_u32(b->probe_up_rounds + 1, 30);
	b->probe_up_acked_per_inc = max_u32(cc->cwnd_bytes / growth, cc->mss_bytes);
}

static void start_up(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	b->ack_phase = ACKS_PROBE_STARTING;
	bbr_start_round(b);
	bbr_reset_full_bw(b, ack->rate.bytes_s);
	b->state = BBR_PROBE_BW_UP;
	raise_slope(cc, b);
}

/* ---- when one follows the other ----------------------------------------------------- */

/* As often as Reno would have grown by what is in flight, at most every 63 round
 * trips, or after 2 to 3 s. */
static bool time_to_probe(struct cc *cc, uint64_t now_us)
{
	struct bbr *b = cc->state;
	uint32_t reno_rounds = target_inflight(cc) / cc->mss_bytes;

	if (now_us <= b->cycle_stamp_us + b->probe_wait_us &&
	    b->rounds_since_probe_up < min_u32(reno_rounds, MAX_PROBE_ROUNDS))
		return false;
	bbr_start_refill(b);
	return true;
}

static bool time_to_cruise(const struct cc *cc, uint32_t inflight)
{
	const struct bbr *b = cc->state;

	return inflight <= bbr_inflight_with_headroom(cc) &&
	       inflight <= bbr_inflight(cc, b->max_bw, 100);
}

static bool time_to_go_down(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	if (b->prev_probe_too_high && ack->pipe_bytes >= b->inflight_longterm) {
		b->prev_probe_precautionary = true;
		return true;
	}
	if (ack->cwnd_limited && cc->cwnd_bytes >= b->inflight_longterm)
		bbr_reset_full_bw(b, ack->rate.bytes_s); /* the bound limits it */
	else if (b->full_bw_now)
		return true;
	return false;
}

/* ---- the long-term model -------------------------------------------------------------- */

static void grow_longterm(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;
	uint32_t steps;

	if (!ack->cwnd_limited || cc->cwnd_bytes < b->inflight_longterm)
		return; /* not fully used */
	b->probe_up_acked += ack->acked_bytes;
	steps = b->probe_up_acked / b->probe_up_acked_per_inc;
	b->probe_up_acked -= steps * b->probe_up_acked_per_inc;
	b->inflight_longterm = min_u32(b->inflight_longterm + steps * cc->mss_bytes,
				       CC_CWND_MAX);
	if (b->round_start)
		raise_slope(cc, b);
}

/* One round trip after the probe its effects have all been seen. Returns whether
 * that decided the state. */
static bool probe_feedback_ends(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	b->is_bw_probe_sample = false;
	b->ack_phase = ACKS_INIT;
	if (!bbr_in_probe_bw(b))
		return false;
	if (!ack->rate.app_limited && b->max_bw_filter[1]) {
		b->max_bw_filter[0] = b->max_bw_filter[1];
		b->max_bw_filter[1] = 0;
	}
	if (!b->prev_probe_precautionary || b->prev_probe_too_high)
		return false;
	bbr_start_refill(b); /* a cautious probe went well: now a real one */
	return true;
}

/* AdaptLongTermModel(). */
static bool adapt_longterm(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	if (b->ack_phase == ACKS_PROBE_STARTING && b->round_start)
		b->ack_phase = ACKS_PROBE_FEEDBACK;
	if (b->ack_phase == ACKS_PROBE_STOPPING && b->round_start &&
	    probe_feedback_ends(cc, ack))
		return true;
	if (b->inflight_longterm == BBR_UNLIMITED ||
	    bbr_inflight_too_high(b, ack->rate.lost_bytes, ack->rate.in_flight_bytes))
		return false;
	b->inflight_longterm = max_u32(b->inflight_longterm, ack->rate.in_flight_bytes);
	if (b->state == BBR_PROBE_BW_UP)
		grow_longterm(cc, ack);
	return false;
}

void bbr_update_cycle(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	if (!b->full_bw_reached || adapt_longterm(cc, ack))
		return;
	switch (b->state) {
	case BBR_PROBE_BW_DOWN:
		if (!time_to_probe(cc, ack->now_us) &&
		    time_to_cruise(cc, ack->pipe_bytes))
			bbr_start_cruise(b);
		break;
	case BBR_PROBE_BW_CRUISE:
		time_to_probe(cc, ack->now_us);
		break;
	case BBR_PROBE_BW_REFILL:
		if (b->round_start) {
			b->is_bw_probe_sample = true;
			start_up(cc, ack);
		}
		break;
	case BBR_PROBE_BW_UP:
		if (time_to_go_down(cc, ack)) {
			b->prev_probe_too_high = false;
			bbr_start_down(cc, ack->now_us);
		}
		break;
	default:
		break;
	}
}

/* ---- losses while probing ---------------------------------------------------------- */

/* InflightAtLoss(): at what prefix of the lost piece did the losses exceed 2 %? It
 * may be a burst of many segments. */
static uint32_t inflight_at_loss(const struct cc_lost *lost)
{
	int64_t before = (int64_t)lost->in_flight_bytes - lost->len_bytes;
	int64_t lost_before = (int64_t)lost->lost_bytes - lost->len_bytes;
	int64_t at = before + (before * LOSS_THRESH_PERCENT - lost_before * 100) /
				      (100 - LOSS_THRESH_PERCENT);

	return at > 0 ? (uint32_t)at : 0;
}

void bbr_probe_lost(struct cc *cc, const struct cc_lost *lost)
{
	struct bbr *b = cc->state;
	uint32_t least;

	if (!b->is_bw_probe_sample ||
	    !bbr_inflight_too_high(b, lost->lost_bytes, lost->in_flight_bytes))
		return;
	b->prev_probe_too_high = true;
	b->is_bw_probe_sample = false; /* once per probe */
	if (!lost->app_limited) {
		least = (uint32_t)(target_inflight(cc) * (uint64_t)BETA_PERCENT / 100);
		b->inflight_longterm = max_u32(inflight_at_loss(lost), least);
	}
	if (b->state == BBR_PROBE_BW_UP) {
		b->undo_state = BBR_PROBE_BW_UP;
		bbr_start_down(cc, lost->now_us);
	}
}
