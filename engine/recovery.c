/* recovery.c - which segments are lost, and the phases of recovery from that:
 * rack.c with SACK, or RFC 6675 where that is off, RFC 6582 (NewReno) without SACK,
 * RFC 6298 after a timeout.
 *
 * Owns t->recovery, snd.recover and snd.dupacks. It marks records on the
 * scoreboard; output.c sends what is marked as far as cwnd exceeds the pipe.
 *
 * Without SACK a duplicate ACK says that some segment has left the network, not
 * which: dupacks * MSS is taken off the pipe, which is what RFC 6582 does by
 * inflating cwnd.
 */
#include "tcb.h"

/* Before a peer that seems to have taken back what it sacked is believed. */
#define RENEGING_US 10000

uint32_t recovery_pipe_bytes(const struct tcb *t)
{
	uint32_t pipe = t->snd.sb.pipe_bytes, left;

	if (t->sack_ok)
		return pipe;
	left = (uint32_t)t->snd.dupacks * t->snd.mss;
	return left < pipe ? pipe - left : 0;
}

/* FlightSize for ssthresh: what limited transmit has added since the first
 * duplicate is no part of it (RFC 5681 3.2 (2), RFC 3042). */
static uint32_t flight_before_dupacks(const struct tcb *t)
{
	return t->snd.dupacks ? t->snd.ordered_end - t->snd.una : flight_bytes(t);
}

static void count_dupack(struct tcb *t)
{
	if (!t->snd.dupacks)
		t->snd.ordered_end = t->snd.nxt;
	if (t->snd.dupacks < UINT8_MAX)
		t->snd.dupacks++;
}

struct repair *repair_of(struct tcb *t)
{
	if (!t->repair)
		t->repair = counted_alloc(sizeof(*t->repair), &t->e->stats.memory_bytes);
	return t->repair;
}

void repair_free(struct tcb *t)
{
	counted_free(t->repair, sizeof(*t->repair), &t->e->stats.memory_bytes);
	t->repair = NULL;
}

/* Congestion control reacts; PRR takes cwnd there if it can. */
static void reduce(struct tcb *t, enum cc_signal why, const struct sb_acked *res,
		   uint32_t flight_bytes, uint64_t now_us)
{
	uint32_t before = t->cc.cwnd_bytes;

	cc_congestion(&t->cc, why, flight_bytes, now_us);
	ecn_reduced(t);
	prr_start(t, res, before);
}

/* res: of the ACK that showed it, or NULL. A reduction that is under way for a mark
 * is for these losses too (RFC 3168 6.1.2). */
static void enter_fast(struct tcb *t, const struct sb_acked *res, uint64_t now_us)
{
	t->recovery = RECOVERY_FAST;
	t->tlp.out = false;
	t->rescued = false;
	t->snd.recover = t->snd.nxt;
	t->rexmit_now = true; /* RFC 6675 5 (4.3): the first one goes at once */
	if (prr_on(t)) {
		undo_forget(t);
		prr_extend(t);
		return;
	}
	undo_begin(t, false);
	reduce(t, CC_LOSS, res, flight_before_dupacks(t), now_us);
	if (!res && prr_on(t))
		prr_on_ack(t, 0, false);
}

void recovery_on_mark(struct tcb *t, const struct sb_acked *res, uint32_t flight_bytes,
		      uint64_t now_us)
{
	if (prr_on(t))
		return;
	undo_forget(t);
	reduce(t, CC_ECN, res, flight_bytes, now_us);
}

/* Marks what SACK shows to be lost, by time or by count (RFC 6675 MUST NOT be
 * used with RACK: RFC 8985 9.2). Returns whether there is any. */
static bool find_losses(struct tcb *t, const struct sb_acked *res, uint64_t now_us)
{
	if (rack_on(t))
		return rack_on_ack(t, res, now_us);
	return sb_mark_lost_by_sack(&t->snd.sb, t->snd.mss, t->e->cfg.reordering_segs);
}

/* RFC 6675 5 (2), RFC 5681 3.2: the count alone is enough for the first segment;
 * with RACK it ends the reordering window. RFC 6582 3.2 (2): duplicate ACKs that
 * our own retransmissions before snd.recover provoked must not start another
 * recovery. */
static bool enough_dupacks(const struct tcb *t)
{
	return !rack_on(t) && t->snd.dupacks >= t->e->cfg.reordering_segs && t->snd.sb.n &&
	       (t->sack_ok || seq_gt(t->snd.una, t->snd.recover));
}

static void recovered(struct tcb *t, uint64_t now_us)
{
	rack_on_recovered(t);
	if (t->repair)
		t->repair->recovered_us = now_us;
}

static void on_ack_open(struct tcb *t, const struct sb_acked *res, bool dup,
			uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;
	bool lost = false;

	if (res->advanced) {
		t->snd.dupacks = 0;
		/* once passed, it stays passed, however far SND.UNA goes */
		if (seq_gt(t->snd.una, t->snd.recover))
			t->snd.recover = t->snd.una - 1;
	} else if (t->sack_ok ? res->sacked_bytes > 0 : dup) {
		count_dupack(t);
	}
	lost = t->sack_ok && find_losses(t, res, now_us);
	if (!lost && enough_dupacks(t)) {
		sb_mark_head_lost(sb, &t->e->pool, t->snd.mss);
		lost = true;
	}
	if (lost && !pmtu_forgives(t, now_us))
		enter_fast(t, res, now_us);
}

static void on_ack_fast(struct tcb *t, const struct sb_acked *res, bool dup,
			uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;
	uint32_t covered;

	if (seq_geq(t->snd.una, t->snd.recover)) {
		t->recovery = RECOVERY_OPEN;
		t->snd.dupacks = 0;
		recovered(t, now_us);
		t->cc.ops->on_recovered(&t->cc, flight_bytes(t), now_us);
		prr_end(t);
		return;
	}
	if (t->sack_ok) {
		find_losses(t, res, now_us);
		return;
	}
	if (!res->advanced) {
		if (dup)
			count_dupack(t);
		return;
	}
	/* Partial ACK: the next hole begins here. Of the segments it covers,
	 * one was the retransmission; the others had been counted as dupacks. */
	covered = res->acked_bytes / t->snd.mss;
	if (covered > 1)
		t->snd.dupacks -= covered - 1 < t->snd.dupacks
					  ? (uint8_t)(covered - 1) : t->snd.dupacks;
	sb_mark_head_lost(sb, &t->e->pool, t->snd.mss);
	t->rexmit_now = true;
}

static void on_ack_loss(struct tcb *t, const struct sb_acked *res, uint64_t now_us)
{
	if (seq_geq(t->snd.una, t->snd.recover)) {
		t->recovery = RECOVERY_OPEN;
		recovered(t, now_us);
	} else if (t->sack_ok) {
		find_losses(t, res, now_us);
	}
}

void recovery_on_ack(struct tcb *t, const struct sb_acked *res, bool dup,
		     uint64_t now_us)
{
	switch (t->recovery) {
	case RECOVERY_OPEN:
		on_ack_open(t, res, dup, now_us);
		break;
	case RECOVERY_FAST:
		on_ack_fast(t, res, dup, now_us);
		break;
	case RECOVERY_LOSS:
		on_ack_loss(t, res, now_us);
		break;
	}
	if (!prr_on(t))
		return;
	if (t->recovery == RECOVERY_OPEN && prr_complete(t))
		prr_end(t); /* of a window with a mark */
	else
		prr_on_ack(t, res->acked_bytes + res->sacked_bytes,
			   res->advanced && !t->snd.sb.newly_lost_bytes);
}

void recovery_on_reorder_timer(struct tcb *t, uint64_t now_us)
{
	if (!rack_detect(t, now_us))
		return;
	if (t->recovery == RECOVERY_OPEN && !pmtu_forgives(t, now_us))
		enter_fast(t, NULL, now_us);
	rate_tell_losses(t, now_us);
	tlp_in_recovery(t, false, now_us);
	tcb_want_output(t);
}

void recovery_on_masked_loss(struct tcb *t, uint64_t now_us)
{
	undo_forget(t);
	cc_congestion(&t->cc, CC_LOSS, t->cc.cwnd_bytes, now_us);
}

/* A cumulative ACK that stops in front of what was sacked takes that back; but
 * segments may be overtaking each other, so it has a moment to say otherwise. */
void recovery_check_reneging(struct tcb *t, uint64_t now_us)
{
	const struct sent *first = sb_first(&t->snd.sb);
	uint64_t at_us = now_us + max_u32(t->rtt.srtt_us / 2, RENEGING_US);

	if (first && first->flags & SENT_SACKED && at_us < t->timer_at[TIMER_REXMT])
		tcb_timer_set(t, TIMER_REXMT, at_us);
}

void recovery_on_timeout(struct tcb *t, uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;
	bool again = t->recovery == RECOVERY_LOSS;

	if (!again)
		undo_begin(t, true);
	else
		undo_begin_again(t);
	if (again || t->recovery == RECOVERY_OPEN)
		undo_begin_frto(t); /* RFC 5682 3.1 (1): not from within another */
	prr_stop(t);
	cc_timeout(&t->cc, flight_bytes(t), !again, now_us);
	ecn_timeout(t);
	pmtu_on_timeout(t, now_us);
	t->recovery = RECOVERY_LOSS;
	t->tlp.out = false;
	tcb_timer_stop(t, TIMER_REORDER);
	t->snd.recover = t->snd.nxt;
	t->snd.dupacks = 0;
	if (sb->n && (sb_first(sb)->flags & SENT_SACKED))
		sb_forget_sack(sb); /* the peer reneged: RFC 2018 8 */
	if (rack_on(t))
		rack_mark_on_timeout(t, now_us);
	else
		sb_mark_all_lost(sb);
	rate_tell_losses(t, now_us);
	t->rexmit_now = true;
}
