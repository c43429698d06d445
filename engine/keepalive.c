/* keepalive.c - is an idle peer still there? RFC 9293 3.8.4.
 *
 * Owns snd.keep_probes and keep_now. TIMER_WAIT is free for it while nothing else
 * needs it, and is not moved by every segment: when it expires, it looks how long
 * the peer has been silent. Nothing is probed while something is outstanding:
 * retransmissions ask the same.
 */
#include "tcb.h"

static uint64_t or_default_us(uint32_t own_s, uint32_t cfg_s)
{
	return (own_s ? own_s : cfg_s) * 1000000ull;
}

static uint64_t idle_us(const struct tcb *t)
{
	return or_default_us(t->opts.keepalive_idle_s, t->e->cfg.keepalive_idle_s);
}

static uint64_t heard_us(const struct tcb *t)
{
	return t->last_data_in_us > t->last_ack_in_us ? t->last_data_in_us
						      : t->last_ack_in_us;
}

void keepalive_start(struct tcb *t)
{
	if (!is_synchronized(t->state) || t->state == TCPS_TIME_WAIT ||
	    (t->state == TCPS_FIN_WAIT_2 && t->released))
		return;
	if (t->opts.keepalive)
		tcb_timer_set(t, TIMER_WAIT, heard_us(t) + idle_us(t));
	else
		tcb_timer_stop(t, TIMER_WAIT);
}

/* No single lost probe proves anything (MUST-29); so many do, or the user's own
 * time limit after the first. */
static bool is_dead(const struct tcb *t, uint64_t silent_us)
{
	uint32_t probes = t->opts.keepalive_probes ? t->opts.keepalive_probes
						   : t->e->cfg.keepalive_probes;

	if (user_timeout_ms(t))
		return t->snd.keep_probes && silent_us >= user_timeout_ms(t) * 1000ull;
	return t->snd.keep_probes >= probes;
}

void keepalive_expire(struct tcb *t, uint64_t now_us)
{
	uint64_t silent_us = now_us - heard_us(t);

	if (t->snd.nxt != t->snd.una || unsent(t)) { /* MUST-26 */
		tcb_timer_set(t, TIMER_WAIT, now_us + idle_us(t));
		return;
	}
	if (silent_us < idle_us(t)) {
		keepalive_start(t);
		return;
	}
	if (is_dead(t, silent_us)) {
		tcb_send_reset(t, now_us);
		give_up(t, now_us);
		return;
	}
	t->snd.keep_probes++;
	t->keep_now = true;
	tcb_want_output(t);
	tcb_timer_set(t, TIMER_WAIT, now_us + or_default_us(t->opts.keepalive_interval_s,
							     t->e->cfg.keepalive_interval_s));
}
