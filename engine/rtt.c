/* rtt.c - round-trip time and retransmission timeout, RFC 6298.
 *
 * Owns t->rtt. The scoreboard never offers samples of what was sent twice
 * (Karn); timestamps do (RFC 7323 4.1).
 */
#include "tcb.h"

void rtt_init(struct tcb *t)
{
	t->rtt.rto_us = t->e->cfg.rto_initial_ms * 1000; /* (2.1) */
}

static uint32_t clamp(uint64_t v, uint32_t lo, uint32_t hi)
{
	return v < lo ? lo : v > hi ? hi : (uint32_t)v;
}

/* The minimum of this period and of the one before, each half of the time for which a
 * minimum is believed (RFC 8985 6.2, step 1: the path may have become longer). */
static void note_min(struct tcb *t, uint32_t r, uint64_t now_us)
{
	uint32_t period_s = t->e->cfg.min_rtt_window_s / 2;
	uint32_t now_s = (uint32_t)(now_us / 1000000);

	if (!t->rtt.min_fresh_us) {
		t->rtt.min_us = t->rtt.min_fresh_us = r;
		t->rtt.min_since_s = now_s;
	}
	if (now_s - t->rtt.min_since_s > period_s) {
		t->rtt.min_us = t->rtt.min_fresh_us;
		t->rtt.min_fresh_us = r;
		t->rtt.min_since_s = now_s;
	}
	if (r < t->rtt.min_fresh_us)
		t->rtt.min_fresh_us = r;
	if (r < t->rtt.min_us)
		t->rtt.min_us = r;
}

static void set_rto(struct tcb *t)
{
	const struct engine_config *cfg = &t->e->cfg;
	uint64_t floor_us = cfg->rto_min_ms * 1000ull, var_us;

	/* (2.3) with the clock's granularity G replaced by the minimum: it must
	 * leave room for the peer's delayed ACK on top of a steady RTT, or a
	 * path of 190 ms would time out for nothing. Linux does the same. */
	var_us = 4ull * t->rtt.rttvar_us;
	t->rtt.rto_us = clamp(t->rtt.srtt_us + (var_us > floor_us ? var_us : floor_us),
			      (uint32_t)floor_us, cfg->rto_max_ms * 1000);
}

static void take(struct tcb *t, uint32_t r)
{
	if (!t->rtt.srtt_us) { /* (2.2) */
		t->rtt.srtt_us = r;
		t->rtt.rttvar_us = r / 2;
	} else { /* (2.3), alpha 1/8, beta 1/4 */
		uint32_t diff = t->rtt.srtt_us > r ? t->rtt.srtt_us - r
						   : r - t->rtt.srtt_us;

		t->rtt.rttvar_us = (uint32_t)((3ull * t->rtt.rttvar_us + diff) / 4);
		t->rtt.srtt_us = (uint32_t)((7ull * t->rtt.srtt_us + r) / 8);
	}
	if (t->snd.wnd) /* 5: a new measurement ends it; probing goes on (SHLD-30) */
		t->snd.backoff = 0;
	set_rto(t);
}

void rtt_sample(struct tcb *t, uint32_t rtt_us, uint64_t now_us)
{
	uint32_t r = rtt_us ? rtt_us : 1;

	tlp_on_sample(t, r, true);
	note_min(t, r, now_us);
	take(t, r);
}

void rtt_sample_echo(struct tcb *t, uint32_t ts_ecr, uint64_t now_us)
{
	uint32_t ticks = ts_now(t, now_us) - ts_ecr;
	uint32_t r = clamp((uint64_t)ticks * TS_TICK_US, TS_TICK_US,
			   t->e->cfg.rto_max_ms * 1000); /* the echo may lie */

	tlp_on_sample(t, r, false);
	if (!t->rtt.min_us) /* better than none, until there is an exact one */
		t->rtt.min_us = r;
	take(t, r);
}

void rtt_after_spurious(struct tcb *t, uint32_t rtt_us)
{
	rtt_us = clamp(rtt_us, 1, t->e->cfg.rto_max_ms * 1000); /* the echo may lie */
	if (t->rtt.srtt_us < rtt_us)
		t->rtt.srtt_us = rtt_us;
	if (t->rtt.rttvar_us < rtt_us / 2)
		t->rtt.rttvar_us = rtt_us / 2;
	set_rto(t);
}

uint64_t rto_backed_off_us(const struct tcb *t)
{
	uint64_t max_us = t->e->cfg.rto_max_ms * 1000ull;
	unsigned shift = t->snd.backoff < 20 ? t->snd.backoff : 20;
	uint64_t us = (uint64_t)t->rtt.rto_us << shift; /* (5.5) */

	return us < max_us ? us : max_us;
}
