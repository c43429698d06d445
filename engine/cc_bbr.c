/* cc_bbr.c - BBR version 3 (draft-ietf-ccwg-bbr): a model of the path, made of
 * delivery rates and round-trip times, decides how fast and how much to send.
 *
 * Owns struct bbr but for what is bbr_probe.c's. On each ACK: the model, the state
 * machine, then the control parameters: pacing_bytes_s and cwnd_bytes. cwnd is its
 * own in recovery too (CC_OWN_RECOVERY); ssthresh is not used. A CE mark of
 * RFC 3168 counts as a loss in its round.
 */
#include "bbr.h"

#define MS_US 1000u
#define S_US 1000000ull
#define BETA_PERCENT 70
#define PACING_MARGIN_PERCENT 1
#define FULL_BW_GROWTH_PERCENT 125
#define FULL_BW_ROUNDS 3
#define STARTUP_LOSS_RANGES 6
#define DRAIN_ROUNDS 3
#define EXTRA_ACKED_HALF_ROUNDS 5 /* two of these: ExtraAckedFilterLen */
#define MIN_RTT_FILTER_US (10 * S_US)
#define PROBE_RTT_INTERVAL_US (5 * S_US)
#define PROBE_RTT_DURATION_US (200 * MS_US)
#define QUANTUM_MAX_BYTES 65536u

/* "Summary of Control Behavior in the State Machine". */
static const struct {
	uint16_t pacing_percent, cwnd_percent;
} gains[] = {
	[BBR_STARTUP] = {277, 200},
	[BBR_DRAIN] = {50, 200},
	[BBR_PROBE_BW_DOWN] = {90, 200},
	[BBR_PROBE_BW_CRUISE] = {100, 200},
	[BBR_PROBE_BW_REFILL] = {100, 200},
	[BBR_PROBE_BW_UP] = {125, 225},
	[BBR_PROBE_RTT] = {100, 50},
};

static uint32_t min_pipe_cwnd(const struct cc *cc)
{
	return 4 * cc->mss_bytes;
}

/* ---- volumes ------------------------------------------------------------------ */

uint32_t bbr_bdp(const struct cc *cc, uint64_t bw, uint32_t gain_percent)
{
	const struct bbr *b = cc->state;
	uint64_t bdp;

	if (!b->min_rtt_us)
		return cc->initcwnd_bytes;
	bdp = min_u64(bw, UINT64_MAX / UINT32_MAX) * b->min_rtt_us / S_US;
	return (uint32_t)min_u64(min_u64(bdp, CC_CWND_MAX) * gain_percent / 100,
				 CC_CWND_MAX);
}

/* SetSendQuantum(); pace.c sends such bursts. */
static uint32_t send_quantum(const struct cc *cc)
{
	uint64_t ms_bytes = min_u64(cc->pacing_bytes_s / 1000, QUANTUM_MAX_BYTES);

	return max_u32((uint32_t)ms_bytes, 2 * cc->mss_bytes);
}

/* QuantizationBudget(). */
static uint32_t with_budget(const struct cc *cc, uint32_t inflight)
{
	const struct bbr *b = cc->state;

	inflight = max_u32(inflight, 3 * send_quantum(cc));
	inflight = max_u32(inflight, min_pipe_cwnd(cc));
	return b->state == BBR_PROBE_BW_UP ? inflight + 2 * cc->mss_bytes : inflight;
}

uint32_t bbr_inflight(const struct cc *cc, uint64_t bw, uint32_t gain_percent)
{
	return with_budget(cc, bbr_bdp(cc, bw, gain_percent));
}

/* ---- beginnings ------------------------------------------------------------------- */

void bbr_start_round(struct bbr *b)
{
	b->next_round_delivered = b->delivered;
}

void bbr_reset_full_bw(struct bbr *b, uint64_t base)
{
	b->full_bw = base;
	b->full_bw_count = 0;
	b->full_bw_now = false;
}

void bbr_reset_congestion_signals(struct bbr *b)
{
	b->is_loss_in_round = false;
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

void bbr_reset_shortterm(struct bbr *b)
{
	b->bw_shortterm = BBR_BW_UNLIMITED;
	b->inflight_shortterm = BBR_UNLIMITED;
}

/* InitPacingRate(). */
static void init_pacing(struct cc *cc, uint32_t srtt_us)
{
	struct bbr *b = cc->state;

	b->rtt_seen = srtt_us > 0;
	cc->pacing_bytes_s = cc->cwnd_bytes * S_US / (srtt_us ? srtt_us : MS_US) *
			     gains[BBR_STARTUP].pacing_percent / 100;
}

static void init(struct cc *cc, const struct cc_start *start)
{
	struct bbr *b = cc->state;

	b->min_rtt_us = start->srtt_us;
	b->min_rtt_stamp_us = b->probe_rtt_min_stamp_us = start->now_us;
	b->probe_rtt_min_us = start->srtt_us;
	b->extra_acked_start_us = start->now_us;
	b->inflight_longterm = BBR_UNLIMITED;
	b->probe_up_acked_per_inc = BBR_UNLIMITED;
	b->undo_state = BBR_NO_STATE;
	b->undo_inflight_longterm = BBR_UNLIMITED;
	b->random = start->random | 1;
	b->has_sack = start->sack;
	b->state = BBR_STARTUP;
	bbr_reset_shortterm(b);
	init_pacing(cc, start->srtt_us);
}

/* ---- the model ---------------------------------------------------------------------- */

/* UpdateRound() and the maximum over this ProbeBW cycle and the one before. */
static void update_max_bw(struct bbr *b, const struct cc_ack *ack)
{
	const struct cc_rate *rs = &ack->rate;

	b->round_start = rs->prior_delivered_bytes >= b->next_round_delivered;
	if (b->round_start) {
		bbr_start_round(b);
		b->round_count++;
		b->rounds_since_probe_up++;
	}
	if (rs->bytes_s && (rs->bytes_s >= b->max_bw || !rs->app_limited)) {
		b->max_bw_filter[1] = max_u64(b->max_bw_filter[1], rs->bytes_s);
		b->max_bw = max_u64(b->max_bw_filter[0], b->max_bw_filter[1]);
	}
}

static void update_latest(struct bbr *b, const struct cc_ack *ack)
{
	const struct cc_rate *rs = &ack->rate;

	b->loss_round_start = rs->prior_delivered_bytes >= b->loss_round_delivered;
	b->bw_latest = max_u64(b->bw_latest, rs->bytes_s);
	b->inflight_latest = max_u32(b->inflight_latest, rs->delivered_bytes);
	if (b->loss_round_start)
		b->loss_round_delivered = b->delivered;
}

static void advance_latest(struct bbr *b, const struct cc_ack *ack)
{
	if (!b->loss_round_start)
		return;
	b->bw_latest = ack->rate.bytes_s;
	b->inflight_latest = ack->rate.delivered_bytes;
}

/* AdaptLowerBoundsFromCongestion(): where nothing is probed, a round with losses
 * lowers the short-term model to what was delivered, by 30 % at most. That we sent
 * less than the model by our own margin is no sign of congestion: if it counted, a
 * path that loses a little would slow us down by so much more every round. */
static void adapt_shortterm(struct cc *cc)
{
	struct bbr *b = cc->state;

	if (!b->is_loss_in_round || b->state == BBR_STARTUP ||
	    b->state == BBR_PROBE_BW_REFILL || b->state == BBR_PROBE_BW_UP)
		return;
	if (b->bw_shortterm == BBR_BW_UNLIMITED)
		b->bw_shortterm = b->max_bw;
	if (b->inflight_shortterm == BBR_UNLIMITED)
		b->inflight_shortterm = cc->cwnd_bytes;
	b->bw_shortterm = max_u64(b->bw_latest * 100 / (100 - PACING_MARGIN_PERCENT),
				  b->bw_shortterm * BETA_PERCENT / 100);
	b->inflight_shortterm = max_u32(b->inflight_latest,
					(uint32_t)(b->inflight_shortterm *
						   (uint64_t)BETA_PERCENT / 100));
}

/* UpdateACKAggregation(): how much more is acknowledged at once than the rate
 * would make one expect. */
static void update_aggregation(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;
	uint64_t interval_us = ack->now_us - b->extra_acked_start_us, expected;
	uint32_t half_rounds = b->full_bw_reached ? EXTRA_ACKED_HALF_ROUNDS : 1, extra;

	if (b->round_start && ++b->extra_acked_rounds >= half_rounds) {
		b->extra_acked_rounds = 0;
		b->extra_acked[0] = b->full_bw_reached ? b->extra_acked[1] : 0;
		b->extra_acked[1] = 0;
	}
	expected = min_u64(b->bw, UINT32_MAX) * min_u64(interval_us, UINT32_MAX) / S_US;
	if (b->extra_acked_delivered <= expected) {
		b->extra_acked_delivered = 0;
		b->extra_acked_start_us = ack->now_us;
		expected = 0;
	}
	b->extra_acked_delivered += ack->acked_bytes;
	extra = (uint32_t)min_u64(b->extra_acked_delivered - expected, cc->cwnd_bytes);
	b->extra_acked[1] = max_u32(b->extra_acked[1], extra);
}

/* CheckFullBWReached(). */
static void check_full_bw(struct bbr *b, const struct cc_ack *ack)
{
	const struct cc_rate *rs = &ack->rate;

	if (b->full_bw_now || !b->round_start || rs->app_limited)
		return;
	if (rs->bytes_s * 100 >= b->full_bw * FULL_BW_GROWTH_PERCENT) {
		bbr_reset_full_bw(b, rs->bytes_s);
		return;
	}
	b->full_bw_count++;
	b->full_bw_now = b->full_bw_count >= FULL_BW_ROUNDS;
	if (b->full_bw_now)
		b->full_bw_reached = true;
}

/* ---- Startup and Drain ----------------------------------------------------------------- */

/* CheckStartupHighLoss(): a round trip in recovery, more than 2 % lost in it, and
 * in several places. */
static void check_startup_loss(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;
	bool too_high = bbr_inflight_too_high(b, ack->rate.lost_bytes,
					      ack->rate.in_flight_bytes);

	if (b->state == BBR_STARTUP && !b->full_bw_reached && b->in_recovery &&
	    too_high && (!b->has_sack || (b->loss_round_start &&
					  b->loss_ranges >= STARTUP_LOSS_RANGES))) {
		b->undo_state = BBR_STARTUP;
		b->full_bw_reached = true;
		b->inflight_longterm = max_u32(bbr_bdp(cc, b->bw, 100),
					       b->inflight_latest);
	}
	if (b->loss_round_start)
		b->loss_ranges = 0;
}

static void check_startup_and_drain(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	check_startup_loss(cc, ack);
	if (b->state == BBR_STARTUP && b->full_bw_reached) {
		b->state = BBR_DRAIN;
		b->drain_start_round = b->round_count;
	}
	if (b->state == BBR_DRAIN &&
	    (ack->pipe_bytes <= bbr_inflight(cc, b->bw, 100) ||
	     b->round_count > b->drain_start_round + DRAIN_ROUNDS))
		bbr_start_down(cc, ack->now_us);
}

/* ---- ProbeRTT ------------------------------------------------------------------------------ */

static void save_cwnd(struct cc *cc)
{
	struct bbr *b = cc->state;

	if (!b->in_recovery && b->state != BBR_PROBE_RTT)
		b->prior_cwnd = cc->cwnd_bytes;
	else
		b->prior_cwnd = max_u32(b->prior_cwnd, cc->cwnd_bytes);
}

static void restore_cwnd(struct cc *cc)
{
	struct bbr *b = cc->state;

	cc->cwnd_bytes = max_u32(cc->cwnd_bytes, b->prior_cwnd);
}

static void update_min_rtt(struct bbr *b, const struct cc_ack *ack)
{
	uint32_t rtt_us = ack->rtt_us;

	b->probe_rtt_expired =
		ack->now_us > b->probe_rtt_min_stamp_us + PROBE_RTT_INTERVAL_US;
	if (rtt_us && (!b->probe_rtt_min_us || rtt_us < b->probe_rtt_min_us ||
		       b->probe_rtt_expired)) {
		b->probe_rtt_min_us = rtt_us;
		b->probe_rtt_min_stamp_us = ack->now_us;
	}
	if (b->probe_rtt_min_us &&
	    (!b->min_rtt_us || b->probe_rtt_min_us < b->min_rtt_us ||
	     ack->now_us > b->min_rtt_stamp_us + MIN_RTT_FILTER_US)) {
		b->min_rtt_us = b->probe_rtt_min_us;
		b->min_rtt_stamp_us = b->probe_rtt_min_stamp_us;
	}
}

static uint32_t probe_rtt_cwnd(const struct cc *cc)
{
	const struct bbr *b = cc->state;

	return max_u32(bbr_bdp(cc, b->bw, gains[BBR_PROBE_RTT].cwnd_percent),
		       min_pipe_cwnd(cc));
}

/* CheckProbeRTTDone() and ExitProbeRTT(): what is in flight is below the BDP
 * already, so DOWN need not last. */
static void check_probe_rtt_done(struct cc *cc, uint64_t now_us)
{
	struct bbr *b = cc->state;

	if (!b->probe_rtt_done_us || now_us <= b->probe_rtt_done_us)
		return;
	b->probe_rtt_min_stamp_us = now_us;
	restore_cwnd(cc);
	bbr_reset_shortterm(b);
	cc->holds_back = false;
	if (b->full_bw_reached) {
		bbr_start_down(cc, now_us);
		bbr_start_cruise(b);
	} else {
		b->state = BBR_STARTUP;
	}
}

/* HandleProbeRTT(). */
static void probe_rtt(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	cc->holds_back = true;
	if (!b->probe_rtt_done_us && ack->pipe_bytes <= probe_rtt_cwnd(cc)) {
		b->probe_rtt_done_us = ack->now_us + PROBE_RTT_DURATION_US;
		b->probe_rtt_round_done = false;
		bbr_start_round(b);
	} else if (b->probe_rtt_done_us) {
		b->probe_rtt_round_done |= b->round_start;
		if (b->probe_rtt_round_done)
			check_probe_rtt_done(cc, ack->now_us);
	}
}

static void check_probe_rtt(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
		save_cwnd(cc);
		b->state = BBR_PROBE_RTT;
		b->probe_rtt_done_us = 0;
		b->ack_phase = ACKS_PROBE_STOPPING;
		bbr_start_round(b);
	}
	if (b->state == BBR_PROBE_RTT)
		probe_rtt(cc, ack);
	if (ack->rate.delivered_bytes)
		b->idle_restart = false;
}

/* ---- control parameters ------------------------------------------------------------------- */

/* Until the pipe was full once, only upwards. */
static void set_pacing(struct cc *cc, uint32_t gain_percent)
{
	struct bbr *b = cc->state;
	uint64_t rate = b->bw * gain_percent / 100 * (100 - PACING_MARGIN_PERCENT) / 100;

	if (rate && (b->full_bw_reached || rate > cc->pacing_bytes_s))
		cc->pacing_bytes_s = rate;
}

/* BoundCwndForModel(). */
static uint32_t volume_cap(const struct cc *cc)
{
	const struct bbr *b = cc->state;
	uint32_t cap = BBR_UNLIMITED;

	if (b->state == BBR_PROBE_RTT || b->state == BBR_PROBE_BW_CRUISE)
		cap = bbr_inflight_with_headroom(cc);
	else if (bbr_in_probe_bw(b))
		cap = b->inflight_longterm;
	return max_u32(min_u32(cap, b->inflight_shortterm), min_pipe_cwnd(cc));
}

static void set_cwnd(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;
	uint32_t extra = max_u32(b->extra_acked[0], b->extra_acked[1]);
	uint32_t max = with_budget(cc, bbr_bdp(cc, b->bw, gains[b->state].cwnd_percent) +
					       extra);
	uint32_t cwnd = cc->cwnd_bytes;

	if (b->full_bw_reached)
		cwnd = min_u32(cwnd + ack->acked_bytes, max);
	else if (cwnd < max || b->delivered < cc->initcwnd_bytes)
		cwnd += ack->acked_bytes;
	cwnd = max_u32(cwnd, min_pipe_cwnd(cc));
	if (b->state == BBR_PROBE_RTT)
		cwnd = min_u32(cwnd, probe_rtt_cwnd(cc));
	cc->cwnd_bytes = min_u32(min_u32(cwnd, volume_cap(cc)), CC_CWND_MAX);
}

/* ---- operations ------------------------------------------------------------------------------ */

/* HandleRestartFromIdle(). */
static void on_send(struct cc *cc, const struct cc_send *send)
{
	struct bbr *b = cc->state;

	if (send->pipe_bytes || !send->app_limited)
		return;
	b->idle_restart = true;
	b->extra_acked_start_us = send->now_us;
	if (bbr_in_probe_bw(b))
		set_pacing(cc, 100);
	else if (b->state == BBR_PROBE_RTT)
		check_probe_rtt_done(cc, send->now_us);
}

static void on_ack(struct cc *cc, const struct cc_ack *ack)
{
	struct bbr *b = cc->state;

	b->delivered = ack->delivered_bytes;
	if (!b->rtt_seen && ack->srtt_us)
		init_pacing(cc, ack->srtt_us);
	if (b->in_recovery && !ack->recovering)
		restore_cwnd(cc);
	b->in_recovery = ack->recovering;
	update_latest(b, ack);
	update_max_bw(b, ack);
	if (b->loss_round_start) {
		adapt_shortterm(cc);
		b->is_loss_in_round = false;
	}
	update_aggregation(cc, ack);
	check_full_bw(b, ack);
	check_startup_and_drain(cc, ack);
	bbr_update_cycle(cc, ack);
	update_min_rtt(b, ack);
	check_probe_rtt(cc, ack);
	advance_latest(b, ack);
	b->bw = min_u64(b->max_bw, b->bw_shortterm);
	set_pacing(cc, gains[b->state].pacing_percent);
	set_cwnd(cc, ack);
}

/* SaveStateUponLoss(): once per recovery, not in every round that has losses, or
 * there would be nothing left to go back to. */
static void save_state(struct cc *cc)
{
	struct bbr *b = cc->state;

	save_cwnd(cc);
	b->undo_state = BBR_NO_STATE;
	b->undo_bw_shortterm = b->bw_shortterm;
	b->undo_inflight_shortterm = b->inflight_shortterm;
	b->undo_inflight_longterm = b->inflight_longterm;
}

static void note_loss(struct bbr *b)
{
	if (!b->is_loss_in_round)
		b->loss_round_delivered = b->delivered;
	b->is_loss_in_round = true;
}

static void on_lost(struct cc *cc, const struct cc_lost *lost)
{
	struct bbr *b = cc->state;

	b->delivered = lost->delivered_bytes;
	b->loss_ranges += lost->apart;
	note_loss(b);
	bbr_probe_lost(cc, lost);
}

static void on_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
			  uint64_t now_us)
{
	(void)flight_bytes;
	(void)now_us;
	if (why == CC_ECN)
		note_loss(cc->state);
	else
		save_state(cc);
}

static void on_recovered(struct cc *cc, uint32_t flight_bytes, uint64_t now_us)
{
	(void)cc; /* on_ack() sees it too */
	(void)flight_bytes;
	(void)now_us;
}

static void on_timeout(struct cc *cc, uint32_t flight_bytes, bool first, uint64_t now_us)
{
	struct bbr *b = cc->state;

	(void)flight_bytes;
	(void)now_us;
	if (first)
		save_state(cc);
	b->in_recovery = true;
	cc->cwnd_bytes = cc->mss_bytes; /* all is lost: nothing is in flight */
}

/* HandleSpuriousLossDetection(). */
static void on_undo(struct cc *cc, uint64_t now_us)
{
	struct bbr *b = cc->state;
	uint8_t before = b->undo_state;

	(void)now_us;
	restore_cwnd(cc);
	b->is_loss_in_round = false;
	bbr_reset_full_bw(b, 0);
	b->bw_shortterm = max_u64(b->bw_shortterm, b->undo_bw_shortterm);
	b->inflight_shortterm = max_u32(b->inflight_shortterm,
					b->undo_inflight_shortterm);
	b->inflight_longterm = max_u32(b->inflight_longterm, b->undo_inflight_longterm);
	b->undo_state = BBR_NO_STATE;
	if (before == BBR_STARTUP && b->state != BBR_STARTUP) {
		b->full_bw_reached = false;
		if (b->state != BBR_PROBE_RTT)
			b->state = BBR_STARTUP;
	} else if (before == BBR_PROBE_BW_UP && b->state != BBR_PROBE_BW_UP &&
		   b->state != BBR_PROBE_RTT) {
		bbr_start_refill(b);
	}
}

/* The pace after a pause is the path's: on_send(). */
static void on_idle(struct cc *cc, uint64_t now_us)
{
	(void)cc;
	(void)now_us;
}

const struct cc_ops cc_bbr = {
	.abi = CC_ABI,
	.state_bytes = sizeof(struct bbr),
	.name = "bbr",
	.flags = CC_OWN_RECOVERY,
	.init = init,
	.on_send = on_send,
	.on_ack = on_ack,
	.on_lost = on_lost,
	.on_congestion = on_congestion,
	.on_recovered = on_recovered,
	.on_timeout = on_timeout,
	.on_undo = on_undo,
	.on_idle = on_idle,
};
