/* timer.c - timeouts: RFC 9293 3.10.8, RFC 6298 5, the zero-window probe of
 * 3.8.6.1.
 *
 * Owns snd.timeouts and the decision to give up. Sends nothing: it marks, and
 * output.c sends.
 */
#include "tcb.h"

#include <errno.h>

/* What the user learns when patience ends: what ICMP said, if it said anything
 * (RFC 9293 3.9.2.2). */
static void give_up(struct tcb *t, uint64_t now_us)
{
	tcb_fail(t, t->soft_error ? t->soft_error : ETIMEDOUT, now_us);
}

static void back_off(struct tcb *t, uint64_t now_us)
{
	t->snd.backoff++;
	tcb_timer_set(t, TIMER_REXMT, now_us + rto_backed_off_us(t));
	tcb_want_output(t);
}

static void syn_timeout(struct tcb *t, uint64_t now_us)
{
	const struct engine_config *cfg = &t->e->cfg;
	uint32_t limit = t->state == TCPS_SYN_SENT ? cfg->syn_retries
						   : cfg->synack_retries;

	if (t->snd.backoff >= limit) {
		give_up(t, now_us);
		return;
	}
	t->syn_due = true;
	back_off(t, now_us);
}

static uint32_t retries(const struct tcb *t)
{
	return t->released ? t->e->cfg.orphan_retries : t->e->cfg.retries;
}

/* Nothing may be sent because of the peer's window. As long as it answers
 * probes the connection lives (MUST-36, MUST-37). */
static void window_timeout(struct tcb *t, uint64_t now_us)
{
	if (t->snd.unanswered >= retries(t)) {
		give_up(t, now_us);
		return;
	}
	if (t->snd.wnd == 0) {
		trace_note(t, "zero window probe", now_us);
		t->probe_now = true;
		t->snd.unanswered++;
	} else {
		t->override_sws = true; /* 3.8.6.2.1 (4) */
	}
	back_off(t, now_us);
}

static void rexmt_timeout(struct tcb *t, uint64_t now_us)
{
	if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RECEIVED) {
		syn_timeout(t, now_us);
		return;
	}
	if (t->snd.wnd == 0 || t->snd.nxt == t->snd.una) {
		window_timeout(t, now_us);
		return;
	}
	if (t->snd.timeouts >= retries(t)) {
		give_up(t, now_us);
		return;
	}
	t->snd.timeouts++;
	t->snd.timeout_us = now_us;
	trace_note(t, "RTO", now_us);
	recovery_on_timeout(t, now_us); /* (5.4), and RFC 5681 3.1 */
	back_off(t, now_us);            /* (5.5), (5.6) */
}

void enter_time_wait(struct tcb *t, uint64_t now_us)
{
	tcb_timer_stop(t, TIMER_REXMT);
	tcb_timer_stop(t, TIMER_REORDER);
	tcb_timer_stop(t, TIMER_PROBE);
	tcb_timer_stop(t, TIMER_DELACK);
	tcb_timer_set(t, TIMER_WAIT, now_us + 2000ull * t->e->cfg.msl_ms);
	if (t->state == TCPS_TIME_WAIT)
		return; /* restarted */
	tcb_set_state(t, TCPS_TIME_WAIT, now_us);
	tcb_event(t, TCP_EV_CLOSED);
}

void tcb_expire(struct tcb *t, uint64_t now_us)
{
	rate_check_app_limited(t);
	if (t->timer_at[TIMER_DELACK] <= now_us) {
		tcb_timer_stop(t, TIMER_DELACK);
		t->ack_now = true;
		tcb_want_output(t);
	}
	if (t->timer_at[TIMER_REORDER] <= now_us) {
		tcb_timer_stop(t, TIMER_REORDER);
		recovery_on_reorder_timer(t, now_us);
	}
	if (t->timer_at[TIMER_PROBE] <= now_us) {
		tcb_timer_stop(t, TIMER_PROBE);
		tlp_on_timer(t, now_us);
	}
	if (t->timer_at[TIMER_REXMT] <= now_us) {
		tcb_timer_stop(t, TIMER_REXMT);
		rexmt_timeout(t, now_us);
	}
	if (t->timer_at[TIMER_WAIT] <= now_us) {
		tcb_timer_stop(t, TIMER_WAIT);
		tcb_fail(t, 0, now_us); /* 2 MSL, or FIN-WAIT-2 of an orphan */
	}
}
