/* rack.c - losses by time, RFC 8985: RACK (6) and the tail loss probe (7).
 *
 * Owns t->rack and t->tlp. RACK marks what was sent sufficiently long before
 * something that has been delivered, retransmissions included; the probe makes
 * a silent peer say what it has before the retransmission timer must guess.
 * Both need SACK. The reordering window is a quarter of the shortest RTT.
 */
#include "tcb.h"

/* RFC 8985 7.2: what a peer may delay its ACK of a single segment. */
#define WORST_DELACK_US 200000
/* Slack for timers on both sides when more than one is in flight. */
#define PTO_SLACK_US 2000

static void delivered(struct tcb *t, uint64_t sent_us, uint32_t end,
		      uint64_t now_us)
{
	if (!sent_after(sent_us, end, t->rack.sent_us, t->rack.end))
		return;
	t->rack.sent_us = sent_us;
	t->rack.end = end;
	t->rack.rtt_us = (uint32_t)(now_us - sent_us);
}

/* Where duplicate ACKs are proof enough, or losses are being repaired, waiting
 * for reordered segments would only cost time (6.2 step 4). */
static uint32_t reordering_window_us(const struct tcb *t)
{
	if (t->recovery != RECOVERY_OPEN ||
	    t->snd.sb.sacked_bytes >= DUPTHRESH * (uint32_t)t->snd.mss)
		return 0;
	return t->rtt.min_us / 4 < t->rtt.srtt_us ? t->rtt.min_us / 4
						  : t->rtt.srtt_us;
}

bool rack_detect(struct tcb *t, uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;
	uint32_t allow_us = t->rack.rtt_us + reordering_window_us(t);
	uint64_t wait_us = 0;
	bool lost = false;

	tcb_timer_stop(t, TIMER_REORDER);
	if (!t->sack_ok || !t->rack.sent_us)
		return false;
	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (r->flags & SENT_SACKED ||
		    (r->flags & (SENT_LOST | SENT_RETRANSMITTED)) == SENT_LOST ||
		    !sent_after(t->rack.sent_us, t->rack.end, r->sent_us, r->end))
			continue;
		if (r->sent_us + allow_us <= now_us) {
			sb_mark_lost(sb, r);
			lost = true;
		} else if (r->sent_us + allow_us > wait_us) {
			wait_us = r->sent_us + allow_us;
		}
	}
	if (wait_us)
		tcb_timer_set(t, TIMER_REORDER, wait_us);
	return lost;
}

bool rack_on_ack(struct tcb *t, const struct sb_acked *res, uint64_t now_us)
{
	if (res->sent_us)
		delivered(t, res->sent_us, res->sent_end, now_us);
	/* An ACK that comes sooner than any RTT answers the first transmission. */
	if (res->resent_us && now_us - res->resent_us >= t->rtt.min_us)
		delivered(t, res->resent_us, res->resent_end, now_us);
	/* Without a hole nothing older can be missing. */
	if (!t->snd.sb.sacked_bytes && t->recovery == RECOVERY_OPEN)
		return false;
	return rack_detect(t, now_us);
}

/* ---- tail loss probe ---------------------------------------------------------- */

void tlp_schedule(struct tcb *t, uint64_t now_us)
{
	uint32_t flight = t->snd.nxt - t->snd.una;
	uint64_t at_us;

	if (!t->sack_ok || t->recovery != RECOVERY_OPEN || t->tlp.out || !flight ||
	    !t->rtt.srtt_us || t->snd.wnd == 0 || t->snd.sb.sacked_bytes) {
		tcb_timer_stop(t, TIMER_PROBE);
		return;
	}
	at_us = now_us + 2ull * t->rtt.srtt_us +
		(flight > t->snd.mss ? PTO_SLACK_US : WORST_DELACK_US);
	if (at_us < t->timer_at[TIMER_REXMT])
		tcb_timer_set(t, TIMER_PROBE, at_us);
	else
		tcb_timer_stop(t, TIMER_PROBE);
}

void tlp_sent(struct tcb *t, bool again)
{
	t->tlp.out = true;
	t->tlp.again = again;
	t->tlp.end = t->snd.nxt;
}

void tlp_on_ack(struct tcb *t, bool repetition, uint64_t now_us)
{
	if (!t->tlp.out || seq_lt(t->snd.una, t->tlp.end))
		return;
	t->tlp.out = false;
	/* 7.4.2: the probe repaired a loss that nothing else will tell of. */
	if (t->tlp.again && !repetition && t->recovery == RECOVERY_OPEN)
		cc_congestion(&t->cc, CC_LOSS, t->cc.cwnd_bytes, now_us);
}
