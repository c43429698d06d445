/* ack.c - the fifth step of RFC 9293 3.10.7.4: what an acknowledgment does.
 *
 * Sole writer of snd.una. Takes acknowledged bytes off the send buffer and the
 * scoreboard, the peer's window, RTT samples; then lets recovery.c judge about
 * losses and moves the state where our FIN is acknowledged.
 */
#include "tcb.h"

/* Our FIN stands behind the last byte of the buffer. */
bool fin_acked(const struct tcb *t)
{
	return t->fin_queued &&
	       seq_gt(t->snd.una, t->snd.data_seq + t->snd.data.len_bytes);
}

/* The window has reopened: what the peer has not acknowledged it has refused, probes
 * first of all. No network has lost it, and congestion control does not hear of it. */
static void repeat_refused(struct tcb *t)
{
	uint32_t i = 0;

	sb_mark_all_lost(&t->snd.sb);
	while (sb_take_lost(&t->snd.sb, &i))
		continue;
	t->rexmit_now = true;
}

/* SND.WL1 and SND.WL2 keep old segments from taking part. One that acknowledges
 * something new is not old, even if it repeats old text: without its window,
 * the right edge would move along with SND.UNA. Returns whether a closed window has
 * opened: the retransmission timer has nothing more to do with the probes. */
static bool update_send_window(struct tcb *t, const struct segment *s,
			       bool advanced)
{
	/* that of a SYN is not scaled, RFC 7323 2.2 */
	uint32_t wnd = (uint32_t)s->wnd << (s->flags & SEG_SYN ? 0 : t->snd.wscale);
	bool reopened = t->snd.wnd == 0 && wnd > 0;

	if (!advanced && (seq_gt(t->snd.wl1, s->seq) ||
			  (t->snd.wl1 == s->seq && seq_gt(t->snd.wl2, s->ack))))
		return false;
	t->snd.wnd = wnd;
	t->snd.wl1 = s->seq;
	t->snd.wl2 = s->ack;
	if (wnd > t->snd.max_wnd)
		t->snd.max_wnd = wnd;
	if (reopened) {
		t->snd.backoff = 0;
		if (t->snd.sb.n)
			repeat_refused(t);
	}
	return reopened;
}

/* Only blocks within what is outstanding; RFC 2018 5, and the sanity that
 * forged blocks need. */
static void take_sack(struct tcb *t, const struct segment *s,
		      struct sb_acked *res)
{
	for (int i = 0; i < s->opt.sack_n; i++) {
		struct seq_range b = s->opt.sack[i];

		if (seq_lt(b.start, b.end) && seq_geq(b.start, t->snd.una) &&
		    seq_gt(b.start, s->ack) && seq_leq(b.end, t->snd.nxt))
			sb_sack(&t->snd.sb, &t->e->pool, b, res);
	}
}

static void release_buffer(struct tcb *t)
{
	uint32_t n = t->snd.una - t->snd.data_seq;
	struct ring *data = &t->snd.data;

	if (n > data->len_bytes)
		n = data->len_bytes; /* the rest is our FIN */
	ring_consume(data, n);
	t->snd.data_seq += n;
	if (!data->len_bytes)
		ring_release(data, &t->e->pool);
}

/* The first block, if it tells of text that came twice (RFC 2883 4): it lies below
 * the acknowledgment or within the second block. */
static const struct seq_range *find_dsack(const struct tcb *t,
					  const struct segment *s)
{
	const struct seq_range *b = s->opt.sack;

	if (!t->sack_ok || !s->opt.sack_n || seq_geq(b[0].start, b[0].end))
		return NULL;
	if (seq_leq(b[0].end, s->ack))
		return b;
	return s->opt.sack_n > 1 && seq_geq(b[0].start, b[1].start) &&
			       seq_leq(b[0].end, b[1].end) ? b : NULL;
}

/* Repetitions that were for nothing; but what we never repeated, the network has
 * (RFC 3708 3). The probe of a silent tail says nothing about reordering. */
static void count_dsack(struct tcb *t, const struct seq_range *dsack,
			uint64_t now_us)
{
	if (t->stat_dsacks >= t->stat_total_retrans)
		return;
	t->stat_dsacks++;
	if (!t->tlp.out || !t->tlp.again || dsack->end != t->tlp.end)
		rack_on_dsack(t);
	undo_on_dsack(t, dsack, now_us);
}

/* The end of the tick of our timestamp clock that s echoes: what left later was
 * not what made the peer send it. */
static uint64_t echoed_us(const struct tcb *t, const struct segment *s,
			  uint64_t now_us)
{
	uint64_t tick = now_us / TS_TICK_US;
	uint32_t age = ts_now(t, now_us) - s->opt.ts_ecr;

	if (!t->ts_ok || !s->opt.ts || age > tick)
		return now_us;
	return (tick - age + 1) * TS_TICK_US - 1;
}

/* Takes the acknowledgment and then the blocks, both in ascending order: what
 * overtook what can be seen. */
static void take_numbers(struct tcb *t, const struct segment *s,
			 struct sb_acked *res, uint64_t now_us)
{
	/* RFC 8985 6.2, step 2, with room for the jitter of a shortest RTT that few
	 * samples have made: an answer not recognised may cost a timeout. */
	uint64_t soonest_us = now_us - (t->rtt.min_us - t->rtt.min_us / 8);

	if (seq_gt(s->ack, t->snd.una)) {
		t->stat_bytes_acked += s->ack - t->snd.una;
		t->e->stats.bytes_acked += s->ack - t->snd.una;
		t->snd.una = s->ack;
		t->snd.small_end = seq_max(t->snd.small_end, s->ack);
		t->snd.limited_end = seq_max(t->snd.limited_end, s->ack);
		timeouts_over(t, now_us);
		t->snd.stall_us = 0;
		res->advanced = true;
		res->answerable_us = echoed_us(t, s, now_us);
		if (soonest_us < res->answerable_us)
			res->answerable_us = soonest_us;
		sb_ack(&t->snd.sb, &t->e->pool, s->ack, res);
		release_buffer(t);
	}
	res->answerable_us = soonest_us;
	if (t->sack_ok && s->opt.sack_n)
		take_sack(t, s, res);
}

/* Is this the answer to a retransmission for which there was no need? Then the
 * timestamp that it echoes is the first transmission's, and tells how long we
 * have waited for an ACK that was lost, not how long the path is. */
static bool answers_repetition(const struct seq_range *dsack,
			       const struct segment *s, const struct sb_acked *res)
{
	return res->repeated_us && dsack && seq_leq(dsack->end, s->ack) &&
	       seq_geq(dsack->start, s->ack - res->acked_bytes);
}

/* This host may have slept for hours. */
static uint32_t since_us(uint64_t from_us, uint64_t now_us)
{
	return now_us - from_us < UINT32_MAX ? (uint32_t)(now_us - from_us) : UINT32_MAX;
}

/* Karn's rule, and a little more: an ACK for anything that was sent twice gives
 * no sample, nor does one for what was sent before the last timeout. An earlier
 * ACK for it may have been lost, and this one be the answer to a repetition.
 * Returns the sample if it is exact, else 0. */
static uint32_t take_rtt(struct tcb *t, const struct segment *s,
			 const struct seq_range *dsack,
			 const struct sb_acked *res, uint64_t now_us)
{
	if (!res->retransmitted && res->sent_us &&
	    !(t->repair && res->sent_us < t->repair->timeout_us)) {
		rtt_sample(t, since_us(res->sent_us, now_us), now_us);
		return since_us(res->sent_us, now_us);
	}
	if (answers_repetition(dsack, s, res))
		rtt_sample(t, since_us(res->repeated_us, now_us), now_us);
	else if (res->advanced && t->ts_ok && s->opt.ts && s->opt.ts_ecr)
		rtt_sample_echo(t, s->opt.ts_ecr, now_us);
	return 0;
}

/* RFC 5681 2. */
static bool is_duplicate_ack(const struct tcb *t, const struct segment *s)
{
	return t->snd.nxt != t->snd.una && s->ack == t->snd.una &&
	       seg_len(s) == 0 &&
	       (uint32_t)s->wnd << t->snd.wscale == t->snd.wnd;
}

/* Congestion control hears first of losses, then of what was delivered. In fast
 * recovery it is led elsewhere, unless it wants to lead itself; and no window grows
 * by an ACK that tells of congestion (RFC 3168 6.1.2), or by a duplicate (RFC 3042 2). */
static void tell_cc(struct tcb *t, struct cc_ack *ack, bool advanced, bool was_fast,
		    bool marked)
{
	bool led = was_fast || t->recovery == RECOVERY_FAST || prr_on(t) || marked;

	ack->lost_bytes = rate_tell_losses(t, ack->now_us);
	ack->rate.lost_bytes += ack->lost_bytes;
	ack->pipe_bytes = recovery_pipe_bytes(t);
	ack->recovering = t->recovery != RECOVERY_OPEN;
	if (ack->acked_bytes &&
	    ((advanced && !led) || t->cc.ops->flags & CC_OWN_RECOVERY))
		t->cc.ops->on_ack(&t->cc, ack);
	rate_after_ack(t);
}

static void take_ack(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	struct cc_ack ack = {.flight_bytes = flight_bytes(t),
			     .pipe_before_bytes = recovery_pipe_bytes(t),
			     .now_us = now_us};
	bool dup = is_duplicate_ack(t, s);
	bool was_fast = t->recovery == RECOVERY_FAST;
	const struct seq_range *dsack = find_dsack(t, s);
	struct sb_acked res = {0};
	bool marked, reopened;

	rate_check_app_limited(t);
	ack.cwnd_limited = seq_lt(t->snd.una, t->snd.limited_end);
	take_numbers(t, s, &res, now_us);
	reopened = update_send_window(t, s, res.advanced);
	if (dsack)
		count_dsack(t, dsack, now_us);
	if (!res.advanced && !res.sacked_bytes && !dup) {
		ecn_take_ack(t, s, &res, &ack);
		if (reopened)
			rexmt_timer_update(t, true, now_us);
		return;
	}
	ack.acked_bytes = res.acked_bytes + res.sacked_bytes;
	t->stat_delivered += res.delivered_segs;
	ack.rtt_us = take_rtt(t, s, dsack, &res, now_us);
	rate_on_ack(t, &res, &ack);
	pmtu_on_ack(t, &res, now_us);
	if (!undo_on_ack(t, s, &res, dup, dsack, now_us))
		recovery_on_ack(t, &res, dup, now_us);
	marked = ecn_take_ack(t, s, &res, &ack);
	tlp_on_ack(t, dsack, dup && !s->opt.sack_n, now_us);
	validate_on_ack(t, &ack);
	tell_cc(t, &ack, res.advanced, was_fast, marked);
	sndbuf_grow(t);
	sndbuf_wake(t);
	rexmt_timer_update(t, res.advanced || reopened, now_us);
	recovery_check_reneging(t, now_us);
	if (t->recovery != RECOVERY_OPEN)
		tlp_in_recovery(t, res.advanced || res.sacked_bytes, now_us);
	else if (res.advanced || t->snd.sb.sacked_bytes)
		tlp_schedule(t, false, now_us);
}

/* What the state makes of an acknowledged FIN. */
static void advance_state(struct tcb *t, uint64_t now_us)
{
	if (!fin_acked(t))
		return;
	switch (t->state) {
	case TCPS_FIN_WAIT_1:
		tcb_set_state(t, TCPS_FIN_WAIT_2, now_us);
		if (t->released)
			fin_wait_2_released(t, now_us);
		break;
	case TCPS_CLOSING:
		enter_time_wait(t, now_us);
		break;
	case TCPS_LAST_ACK:
		tcb_fail(t, 0, now_us);
		break;
	default:
		break;
	}
}

/* Data that went along with our SYN and was not taken goes again (RFC 7413
 * 4.2.2); what a server sent behind its SYN,ACK may still be under way. */
void take_syn_ack(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	t->snd.una = t->snd.iss + 1;
	sample_handshake(t, s, now_us);
	become_established(t, s, now_us);
	if (seq_gt(s->ack, t->snd.una))
		take_ack(t, s, now_us);
	if (t->active && t->snd.sb.n)
		take_back_syn_data(t);
}

static enum drop ack_in_syn_received(struct tcb *t, const struct segment *s,
				     uint64_t now_us)
{
	if (seq_leq(s->ack, t->snd.iss) || seq_gt(s->ack, t->snd.nxt)) {
		refuse_for(t, s, now_us);
		return DROP_ACK_FUTURE;
	}
	if (t->listener && !t->fast_child && listen_accept_full(t->listener)) {
		if (t->e->cfg.abort_on_overflow)
			tcb_abort(t, now_us);
		return DROP_ACCEPT_QUEUE; /* our SYN,ACK will be repeated */
	}
	/* TCP_DEFER_ACCEPT: the user wants to hear of it with the first text. */
	if (t->timer_at[TIMER_WAIT] != ENGINE_NEVER && !s->data_len_bytes &&
	    !(s->flags & SEG_FIN)) {
		tcb_timer_stop(t, TIMER_REXMT); /* our SYN,ACK has arrived */
		return DROP_DEFERRED;
	}
	take_syn_ack(t, s, now_us);
	return DROP_NONE;
}

enum drop check_ack(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	t->last_ack_in_us = now_us;
	if (t->state == TCPS_SYN_RECEIVED)
		return ack_in_syn_received(t, s, now_us);
	if (seq_gt(s->ack, t->snd.nxt)) {
		challenge_ack(t, now_us);
		return DROP_ACK_FUTURE;
	}
	if (seq_lt(s->ack, t->snd.una - t->snd.max_wnd)) { /* RFC 5961 5.2 */
		challenge_ack(t, now_us);
		return DROP_ACK_OLD;
	}
	t->snd.unanswered = 0;
	t->snd.keep_probes = 0;
	t->soft_error = 0; /* the peer can be reached again, as Linux */
	if (t->state == TCPS_TIME_WAIT || seq_lt(s->ack, t->snd.una))
		return DROP_NONE; /* an old one; its text may be new */
	take_ack(t, s, now_us);
	advance_state(t, now_us);
	if (t->state != TCPS_CLOSED)
		tcb_want_output(t);
	return DROP_NONE;
}
