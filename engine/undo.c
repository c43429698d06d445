/* undo.c - was the last reaction to a loss for nothing? By timestamps (Eifel, RFC
 * 3522), by duplicates that the peer reports (DSACK, RFC 2883, 3708), and after a
 * timeout by what new data brings to light (F-RTO, RFC 5682). If so, everything is
 * as before it: RFC 4015.
 *
 * Owns t->undo: one episode, from the loss that began it until the next one or
 * another reason to reduce. The windows of before are kept by congestion control.
 */
#include "tcb.h"

static bool armed(const struct tcb *t)
{
	return t->repair && t->repair->undo.armed;
}

void undo_forget(struct tcb *t)
{
	if (armed(t))
		t->repair->undo.armed = false;
}

void undo_begin(struct tcb *t, bool timeout)
{
	struct undo *u = repair_of(t) ? &t->repair->undo : NULL;

	if (!u)
		return;
	u->una = t->snd.una;
	u->end = t->snd.nxt;
	u->repeated_bytes = 0;
	u->repeated_end = t->snd.una;
	u->backoff = t->snd.backoff;
	u->timeout = timeout;
	u->ts_known = false;
	u->first_ack_due = t->ts_ok;
	u->armed = true;
	u->frto = FRTO_OFF;
}

void undo_on_resend(struct tcb *t, uint32_t start, uint32_t len_bytes, uint64_t now_us)
{
	struct undo *u;

	if (!armed(t) || t->recovery == RECOVERY_OPEN)
		return;
	u = &t->repair->undo;
	u->repeated_bytes += len_bytes;
	u->repeated_end = seq_max(u->repeated_end, start + len_bytes);
	if (u->ts_known)
		return;
	u->ts = ts_now(t, now_us); /* RetransmitTS */
	u->ts_known = true;
	/* Where the oldest is under way again since an earlier episode, the first
	 * ACK answers that one. */
	if (start != u->una)
		u->first_ack_due = false;
}

/* RFC 4015 3. Lost was nothing; what is really missing RACK will find again, with
 * more patience for reordering now. */
static void take_back(struct tcb *t, uint32_t delay_us, uint64_t now_us)
{
	trace_note(t, t->repair->undo.timeout ? "spurious timeout" : "spurious recovery", now_us);
	cc_undo(&t->cc, now_us);
	prr_stop(t);
	if (t->repair->undo.timeout) {
		t->snd.backoff = t->repair->undo.backoff;
		if (delay_us)
			rtt_after_spurious(t, delay_us);
		rexmt_timer_update(t, true, now_us); /* it runs with the backoff */
	} else {
		rack_on_spurious(t);
	}
	undo_forget(t);
	if (t->recovery == RECOVERY_OPEN)
		return; /* it is long over */
	t->recovery = RECOVERY_OPEN;
	t->snd.dupacks = 0;
	t->rexmit_now = false;
	sb_unmark_lost(&t->snd.sb);
}

/* RFC 3522 3.2, (4) to (6): the first ACK that advances echoes a time before the
 * first retransmission left. If the ACK is for all that is outstanding, and no
 * DSACK was ever seen from this peer, its ACKs may have been lost, and the echo
 * be that of the last segment in order; then nothing was early. */
static bool eifel_says_spurious(struct tcb *t, const struct segment *s, bool dsack)
{
	struct undo *u = &t->repair->undo;

	if (!u->first_ack_due || !u->ts_known || !s->opt.ts)
		return false;
	u->first_ack_due = false;
	return seq_lt(s->opt.ts_ecr, u->ts) && !dsack &&
	       (t->stat_dsacks || t->snd.una != t->snd.nxt);
}

/* ---- F-RTO ----------------------------------------------------------------------- */

void undo_begin_again(struct tcb *t)
{
	if (armed(t) && t->snd.una != t->repair->undo.una)
		undo_forget(t);
}

void undo_begin_frto(struct tcb *t)
{
	if (armed(t))
		t->repair->undo.frto = t->e->cfg.frto ? FRTO_FIRST : FRTO_OFF;
}

/* RFC 5682 2.1 and 3.1 (2): the timeout's retransmission is acknowledged, but not
 * everything. New data instead of retransmissions shows which it was. */
static void frto_first(struct tcb *t, const struct sb_acked *res)
{
	if (!res->advanced) {
		if (!t->sack_ok)
			t->repair->undo.frto = FRTO_OFF; /* (2a) */
		return;
	}
	t->repair->undo.frto = FRTO_OFF;
	if (seq_lt(t->snd.una, t->repair->undo.end) && may_send_new(t)) {
		t->repair->undo.frto = FRTO_SECOND;
		t->repair->undo.frto_due = 2;
	}
}

bool undo_wants_new(const struct tcb *t)
{
	return armed(t) && t->repair->undo.frto == FRTO_SECOND;
}

bool undo_take_new(struct tcb *t)
{
	if (!undo_wants_new(t) || !t->repair->undo.frto_due)
		return false;
	t->repair->undo.frto_due--;
	return true;
}

/* (3a): the loss was real, and with the two new segments three may be under way. */
static void frto_fails(struct tcb *t)
{
	t->repair->undo.frto = FRTO_OFF;
	t->rexmit_now = true;
}

/* (3b): never sent again, and sent before the timeout, yet delivered. */
static bool frto_second(struct tcb *t, const struct sb_acked *res, bool dup)
{
	if (res->oldest_us && res->oldest_us < t->repair->timeout_us)
		return true;
	if (res->advanced || res->sacked_bytes || dup)
		frto_fails(t);
	return false;
}

static bool frto_says_spurious(struct tcb *t, const struct sb_acked *res, bool dup)
{
	if (t->recovery != RECOVERY_LOSS)
		return false;
	if (t->repair->undo.frto == FRTO_SECOND)
		return frto_second(t, res, dup);
	if (t->repair->undo.frto == FRTO_FIRST)
		frto_first(t, res);
	return false;
}

/* ---- all of them ------------------------------------------------------------------- */

/* How long ago left what s echoes. */
static uint32_t delay_us(const struct tcb *t, const struct segment *s, uint64_t now_us)
{
	return t->ts_ok && s->opt.ts ? (ts_now(t, now_us) - s->opt.ts_ecr) * TS_TICK_US : 0;
}

bool undo_on_ack(struct tcb *t, const struct segment *s, const struct sb_acked *res,
		 bool dup, bool dsack, uint64_t now_us)
{
	bool spurious;

	if (!armed(t) || t->recovery == RECOVERY_OPEN)
		return false;
	if (t->ecn.mode == ECN_CLASSIC && s->flags & SEG_ECE)
		return false; /* ecn.c will forget it */
	spurious = res->advanced && eifel_says_spurious(t, s, dsack);
	spurious |= frto_says_spurious(t, res, dup);
	if (spurious)
		take_back(t, delay_us(t, s, now_us), now_us);
	return spurious;
}

void undo_on_dsack(struct tcb *t, const struct seq_range *dsack, uint64_t now_us)
{
	uint32_t len = dsack->end - dsack->start;
	struct undo *u;

	if (!armed(t))
		return;
	u = &t->repair->undo;
	if (!u->repeated_bytes || seq_lt(dsack->start, u->una) ||
	    seq_gt(dsack->end, u->repeated_end))
		return;
	u->repeated_bytes -= min_u32(len, u->repeated_bytes);
	if (!u->repeated_bytes && !t->snd.sb.waiting_bytes)
		take_back(t, 0, now_us);
}
