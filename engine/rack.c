/* rack.c - losses by time, RFC 8985 6: what was sent sufficiently long before
 * something that has been delivered is lost, retransmissions included.
 *
 * Owns t->rack. "Sufficiently" is the reordering window: nothing as long as
 * nobody has seen the path reorder and duplicate ACKs are proof enough, else a
 * quarter of the shortest RTT, and one more quarter for every round trip in which
 * the peer reports (DSACK) that a retransmission was for nothing.
 */
#include "tcb.h"

/* Recoveries without such a report after which the window shrinks again. */
#define PERSIST_RECOVERIES 16

bool rack_on(const struct tcb *t)
{
	return t->sack_ok && t->e->cfg.rack;
}

void rack_init(struct tcb *t)
{
	t->rack.quarters = 1;
	t->rack.persist = PERSIST_RECOVERIES;
}

static bool enough_sacked(const struct tcb *t)
{
	return t->snd.dupacks >= t->e->cfg.reordering_segs ||
	       t->snd.sb.sacked_bytes > (t->e->cfg.reordering_segs - 1) * (uint32_t)t->snd.mss;
}

/* Step 4. */
static uint32_t reordering_window_us(const struct tcb *t)
{
	uint64_t us = (uint64_t)t->rack.quarters * t->rtt.min_us / 4;

	if (!t->rack.reordering_seen &&
	    (t->recovery != RECOVERY_OPEN || enough_sacked(t)))
		return 0;
	return us < t->rtt.srtt_us ? (uint32_t)us : t->rtt.srtt_us;
}

void rack_on_dsack(struct tcb *t)
{
	if (t->rack.dsack_round && seq_geq(t->snd.una, t->rack.round_end))
		t->rack.dsack_round = false;
	if (t->rack.dsack_round)
		return;
	t->rack.dsack_round = true;
	t->rack.round_end = t->snd.nxt;
	t->rack.persist = PERSIST_RECOVERIES;
	if (t->rack.quarters < UINT8_MAX)
		t->rack.quarters++;
}

void rack_on_recovered(struct tcb *t)
{
	if (t->rack.persist)
		t->rack.persist--;
	if (!t->rack.persist)
		t->rack.quarters = 1;
}

void rack_on_spurious(struct tcb *t)
{
	t->rack.reordering_seen = true;
}

/* When r is lost unless it has arrived by then. */
static uint64_t patience_us(const struct tcb *t, const struct sent *r)
{
	return r->sent_us + t->rack.rtt_us + reordering_window_us(t);
}

static bool may_be_missing(const struct sent *r)
{
	return !(r->flags & SENT_SACKED) &&
	       (r->flags & (SENT_LOST | SENT_RETRANSMITTED)) != SENT_LOST;
}

/* Step 5. First transmissions left in the order of their numbers: behind the
 * first that is later than what was delivered, only what was sent again can be
 * earlier, and that ends at resent_end. */
bool rack_detect(struct tcb *t, uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;
	uint64_t wait_us = 0;
	bool lost = false;

	tcb_timer_stop(t, TIMER_REORDER);
	if (!rack_on(t) || !t->rack.sent_us)
		return false;
	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		sb->work++;
		if (!may_be_missing(r))
			continue;
		if (!sent_after(t->rack.sent_us, t->rack.end, r->sent_us, r->end)) {
			if (!(r->flags & SENT_EVER_RETRANS) &&
			    seq_geq(r->start, sb->resent_end))
				break;
			continue;
		}
		if (patience_us(t, r) <= now_us) {
			sb_mark_lost(sb, r);
			lost = true;
		} else if (patience_us(t, r) > wait_us) {
			wait_us = patience_us(t, r);
		}
	}
	if (wait_us)
		tcb_timer_set(t, TIMER_REORDER, wait_us);
	return lost;
}

/* Step 2, for one that is newly delivered. */
static void delivered(struct tcb *t, uint64_t sent_us, uint32_t end,
		      uint64_t now_us)
{
	t->rack.rtt_us = (uint32_t)(now_us - sent_us);
	if (!sent_after(sent_us, end, t->rack.sent_us, t->rack.end))
		return;
	t->rack.sent_us = sent_us;
	t->rack.end = end;
}

bool rack_on_ack(struct tcb *t, const struct sb_acked *res, uint64_t now_us)
{
	bool again_last = res->resent_us && res->resent_us > res->sent_us;

	if (res->resent_us && !again_last)
		delivered(t, res->resent_us, res->resent_end, now_us);
	if (res->sent_us)
		delivered(t, res->sent_us, res->sent_end, now_us);
	if (again_last)
		delivered(t, res->resent_us, res->resent_end, now_us);
	t->rack.reordering_seen |= res->reordered;
	t->stat_reordered += res->reordered;
	/* Without a hole nothing older can be missing. */
	if (!t->snd.sb.sacked_bytes && t->recovery == RECOVERY_OPEN) {
		tcb_timer_stop(t, TIMER_REORDER);
		return false;
	}
	return rack_detect(t, now_us);
}

/* 6.3 */
void rack_mark_on_timeout(struct tcb *t, uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;

	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (!(r->flags & SENT_SACKED) &&
		    (i == 0 || patience_us(t, r) <= now_us))
			sb_mark_lost(sb, r);
	}
}
