/* nagle.c - may a segment leave that is not full? RFC 9293 3.7.4, TCP_NODELAY,
 * TCP_CORK and MSG_MORE.
 *
 * Owns TIMER_CORK and uncork.
 */
#include "tcb.h"

#define CORK_US 200000 /* tcp(7) */

/* Only full segments; the rest waits for what follows. */
static bool is_corked(const struct tcb *t)
{
	return t->opts.cork || t->more;
}

/* Is it the cork that holds something back, and not the peer's window? */
static bool cork_holds(const struct tcb *t)
{
	return is_corked(t) && !t->uncork && !t->fin_queued && unsent(t) &&
	       seq_gt(t->snd.una + t->snd.wnd, t->snd.nxt);
}

/* But not for ever. */
void cork_timer_update(struct tcb *t, uint64_t now_us)
{
	if (!unsent(t))
		t->uncork = false;
	if (!cork_holds(t))
		tcb_timer_stop(t, TIMER_CORK);
	else if (t->timer_at[TIMER_CORK] == ENGINE_NEVER)
		tcb_timer_set(t, TIMER_CORK, now_us + CORK_US);
}

bool may_send_small(const struct tcb *t)
{
	if (t->fin_queued || t->uncork || urgent_unsent(t))
		return true;
	if (is_corked(t))
		return false;
	return t->opts.nodelay || seq_leq(t->snd.small_end, t->snd.una);
}
