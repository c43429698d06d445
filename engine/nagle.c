/* nagle.c - may a segment leave that is not full? RFC 9293 3.7.4, TCP_NODELAY,
 * TCP_CORK and MSG_MORE.
 *
 * Owns TIMER_CORK, uncork, more and more_from.
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

/* Are the small ones before it acknowledged, or does that not matter? */
static bool nagle_lets(const struct tcb *t)
{
	return t->opts.nodelay || seq_leq(t->snd.small_end, t->snd.una);
}

bool may_send_small(const struct tcb *t)
{
	if (t->fin_queued || t->uncork || urgent_unsent(t))
		return true;
	return !is_corked(t) && nagle_lets(t);
}

void more_note(struct tcb *t, bool more)
{
	uint32_t end = t->snd.una + t->snd.data.len_bytes;

	if (!t->more || seq_lt(t->snd.more_from, t->snd.una))
		t->snd.more_from = t->more ? t->snd.una : end;
	t->more = more;
}

/* What was sent before the bytes of MSG_MORE does not wait with them. */
uint32_t small_bytes(const struct tcb *t, uint32_t len, uint32_t mss)
{
	uint32_t whole = len - len % mss, before = 0;

	if (may_send_small(t))
		return len;
	if (t->more && !t->opts.cork && seq_gt(t->snd.more_from, t->snd.nxt) && nagle_lets(t))
		before = t->snd.more_from - t->snd.nxt;
	return before > whole && before < len ? before : whole;
}
