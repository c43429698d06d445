/* timer.c - timeouts: RFC 9293 3.10.8, RFC 6298 5, the zero-window probe of
 * 3.8.6.1.
 *
 * Owns snd.timeouts and TIMER_REXMT. Sends nothing: it marks, and output.c sends.
 */
#include "tcb.h"

/* As in Linux. */
#define THIN_SEGS 4u
#define THIN_TIMEOUTS_MAX 6

void rexmt_timer_update(struct tcb *t, bool restart, uint64_t now_us)
{
	bool outstanding = t->snd.nxt != t->snd.una;
	bool held = t->timer_at[TIMER_PACE] != ENGINE_NEVER ||
		    t->timer_at[TIMER_CORK] != ENGINE_NEVER;
	bool waits = held && may_send_bytes(t) >= min_u32(unsent(t), t->snd.mss);

	if (!outstanding && (!unsent(t) || waits)) {
		tcb_timer_stop(t, TIMER_REXMT); /* RFC 6298 5.2 */
		t->snd.stall_us = 0;
		return;
	}
	if (!t->snd.stall_us)
		t->snd.stall_us = now_us;
	/* Unsent bytes with nothing in flight wait for the peer's window only:
	 * the same timer probes it. */
	if (restart || t->timer_at[TIMER_REXMT] == ENGINE_NEVER)
		tcb_timer_set(t, TIMER_REXMT, rexmt_due_us(t, now_us));
}

/* Is there so little in flight that the next timeouts may come as soon as the first
 * (tcp_thin_linear_timeouts)? Nobody's queue is long because of it. */
static bool stays_linear(const struct tcb *t)
{
	return (t->e->cfg.thin_linear || t->opts.thin_linear) &&
	       t->state == TCPS_ESTABLISHED && t->snd.timeouts <= THIN_TIMEOUTS_MAX &&
	       t->cc.ssthresh_bytes != UINT32_MAX &&
	       flight_bytes(t) < THIN_SEGS * t->snd.mss;
}

/* R1 and its "negative advice" (RFC 9293 3.8.3): who looks up routes shall do
 * so again. */
static void back_off(struct tcb *t, uint64_t now_us)
{
	if (t->snd.backoff < UINT8_MAX && ++t->snd.backoff == t->e->cfg.retries1)
		tcb_event(t, TCP_EV_TROUBLE);
	tcb_timer_set(t, TIMER_REXMT, rexmt_due_us(t, now_us));
	tcb_want_output(t);
}

/* A half-open connection gets no memory for it. */
static void count_timeout(struct tcb *t, uint64_t now_us)
{
	if (!t->snd.timeouts && t->state != TCPS_SYN_RECEIVED && repair_of(t)) {
		t->repair->stalled_us = now_us;
		t->repair->stalls++;
	}
	t->snd.timeouts += t->snd.timeouts < UINT8_MAX;
	t->stat_timeouts++;
}

void timeouts_over(struct tcb *t, uint64_t now_us)
{
	if (t->snd.timeouts && t->repair && t->repair->stalled_us) {
		t->repair->stalled_ms += (uint32_t)((now_us - t->repair->stalled_us) / 1000);
		t->repair->stalled_us = 0;
	}
	t->snd.timeouts = 0;
}

static void syn_timeout(struct tcb *t, uint64_t now_us)
{
	const struct engine_config *cfg = &t->e->cfg;
	uint32_t limit = cfg->synack_retries, linear = 0;

	if (t->state == TCPS_SYN_SENT) {
		linear = cfg->syn_linear_timeouts;
		limit = t->opts.syn_retries ? t->opts.syn_retries : cfg->syn_retries;
	}
	if (t->snd.timeouts >= limit + linear || user_timeout_over(t, now_us)) {
		give_up(t, now_us);
		return;
	}
	t->syn_due = true;
	count_timeout(t, now_us);
	if (t->snd.timeouts > linear) {
		back_off(t, now_us);
	} else {
		tcb_timer_set(t, TIMER_REXMT, rexmt_due_us(t, now_us));
		tcb_want_output(t);
	}
}

/* Nothing may be sent because of the peer's window. As long as it answers
 * probes the connection lives (MUST-36, MUST-37), unless its user has less
 * patience. */
static void window_timeout(struct tcb *t, uint64_t now_us)
{
	if (t->snd.unanswered >= retries(t) || user_timeout_over(t, now_us)) {
		give_up(t, now_us);
		return;
	}
	if (t->snd.wnd == 0) {
		trace_note(t, "zero window probe", now_us);
		t->probe_now = true;
		t->snd.unanswered++;
	} else {
		t->override_sws = true; /* 3.8.6.2.1 (4); no retransmission */
		tcb_timer_set(t, TIMER_REXMT, rexmt_due_us(t, now_us));
		tcb_want_output(t);
		return;
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
	if (patience_over(t, now_us)) {
		give_up(t, now_us);
		return;
	}
	count_timeout(t, now_us);
	if (repair_of(t))
		t->repair->timeout_us = now_us;
	trace_note(t, "RTO", now_us);
	recovery_on_timeout(t, now_us); /* (5.4), and RFC 5681 3.1 */
	back_off(t, now_us);            /* (5.5), (5.6) */
	if (stays_linear(t)) {
		t->snd.backoff = 0;
		tcb_timer_set(t, TIMER_REXMT, rexmt_due_us(t, now_us));
	}
	tlp_in_recovery(t, false, now_us);
}

void enter_time_wait(struct tcb *t, uint64_t now_us)
{
	for (enum timer_id id = 0; id < TIMER_COUNT; id++)
		tcb_timer_stop(t, id);
	if (t->state != TCPS_TIME_WAIT && t->e->stats.time_wait >= t->e->cfg.tw_max) {
		tcb_fail(t, 0, now_us);
		return;
	}
	tcb_timer_set(t, TIMER_WAIT, now_us + 2000ull * t->e->cfg.msl_ms);
	if (t->state == TCPS_TIME_WAIT)
		return; /* restarted */
	tcb_set_state(t, TCPS_TIME_WAIT, now_us);
	tcb_event(t, TCP_EV_CLOSED);
}

/* FIN-WAIT-2 of a connection that nobody will read from. */
void fin_wait_2_released(struct tcb *t, uint64_t now_us)
{
	int32_t s = t->opts.fin_timeout_s;
	uint64_t us = s > 0 ? s * 1000000ull : t->e->cfg.fin_timeout_ms * 1000ull;

	if (s < 0)
		tcb_reset(t, now_us);
	else
		tcb_timer_set(t, TIMER_WAIT, now_us + us);
}

static void wait_timeout(struct tcb *t, uint64_t now_us)
{
	if (t->state == TCPS_TIME_WAIT || (t->state == TCPS_FIN_WAIT_2 && t->released)) {
		tcb_fail(t, 0, now_us);
	} else if (t->state == TCPS_SYN_RECEIVED) {
		/* No text so far: now the ACK that our SYN,ACK provokes will do. */
		t->syn_due = true;
		tcb_want_output(t);
	} else {
		keepalive_expire(t, now_us);
	}
}

void tcb_expire(struct tcb *t, uint64_t now_us)
{
	rate_check_app_limited(t);
	if (t->timer_at[TIMER_DELACK] <= now_us) {
		tcb_timer_stop(t, TIMER_DELACK);
		delack_expire(t);
	}
	if (t->timer_at[TIMER_PACE] <= now_us) {
		tcb_timer_stop(t, TIMER_PACE);
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
	if (t->timer_at[TIMER_CORK] <= now_us) {
		tcb_timer_stop(t, TIMER_CORK);
		t->uncork = true;
		tcb_want_output(t);
	}
	if (t->timer_at[TIMER_REXMT] <= now_us) {
		tcb_timer_stop(t, TIMER_REXMT);
		rexmt_timeout(t, now_us);
	}
	if (t->timer_at[TIMER_WAIT] <= now_us) {
		tcb_timer_stop(t, TIMER_WAIT);
		wait_timeout(t, now_us);
	}
}
