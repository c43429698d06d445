/* input.c - SEGMENT ARRIVES, RFC 9293 3.10.7: one function per step.
 *
 * Owns nothing: it walks a segment through the steps, in the RFC's order, and
 * leaves the work to ack.c (fifth step) and text.c (seventh and eighth). Each
 * step returns DROP_NONE to go on, or the reason why the segment ends here.
 */
#include "tcb.h"

#include <errno.h>

/* Time for a RST to be ahead of the SYN that follows it. */
#define SYN_AGAIN_US 2000

/* ---- options of the SYN ------------------------------------------------------- */

/* MSS, window scale, SACK and timestamps (3.2, RFC 7323 2 and 3). */
static void take_syn_options(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	const struct engine_config *cfg = &t->e->cfg;
	bool v4 = addr_is_v4(&t->node.flow.remote.addr);

	/* MUST-15: without the option, the smallest that every host takes. */
	t->snd.peer_mss = s->opt.mss ? s->opt.mss : v4 ? 536 : 1220;
	t->wscale_ok = cfg->window_scaling && s->opt.wscale >= 0;
	t->snd.wscale = t->wscale_ok ? (uint8_t)s->opt.wscale : 0;
	if (!t->wscale_ok)
		t->rcv.wscale = 0;
	t->sack_ok = cfg->sack && s->opt.sack_ok;
	t->ts_ok = cfg->timestamps && s->opt.ts;
	if (t->ts_ok) {
		t->rcv.ts_recent = s->opt.ts_val;
		t->rcv.ts_recent_us = now_us;
	}
	take_uto(t, s);
	update_mss(t);
}

void take_syn(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	t->rcv.irs = s->seq;
	t->rcv.nxt = s->seq + 1;
	t->rcv.edge += t->rcv.nxt; /* was the width offered in our SYN */
	t->rcv.adv = t->rcv.edge;
	t->rcv.acked = t->rcv.nxt;
	ecn_take_syn(t, s);
	take_syn_options(t, s, now_us);
}

/* ---- SYN-SENT, 3.10.7.3 ---------------------------------------------------------- */

void connection_start(struct tcb *t, uint64_t now_us)
{
	control_start(t, now_us);
	sndbuf_grow(t);
	rcvbuf_start(t, now_us);
}

void become_established(struct tcb *t, const struct segment *s,
			       uint64_t now_us)
{
	t->snd.wnd = (uint32_t)s->wnd << (s->flags & SEG_SYN ? 0 : t->snd.wscale);
	t->snd.wl1 = s->seq;
	t->snd.wl2 = s->ack;
	t->snd.max_wnd = t->snd.wnd;
	t->snd.backoff = 0;
	timeouts_over(t, now_us);
	t->stat_delivered++; /* our SYN */
	t->syn_due = false;
	t->snd.stall_us = 0;
	tcb_timer_stop(t, TIMER_REXMT);
	pmtu_established(t, now_us);
	if (!t->fast_child) /* which may have sent data already */
		connection_start(t, now_us);
	tcb_timer_stop(t, TIMER_WAIT);
	if (t->stat_total_retrans) { /* our SYN was lost */
		t->cc.cwnd_bytes = t->snd.mss; /* RFC 5681 3.1 */
		if (!t->rtt.srtt_us)
			t->rtt.rto_us = 3000000; /* RFC 6298 5.7 */
	}
	ecn_established(t, s, now_us);
	tcb_set_state(t, t->fin_queued ? TCPS_FIN_WAIT_1 : TCPS_ESTABLISHED,
		      now_us);
	keepalive_start(t);
	t->uto_due = t->e->cfg.uto; /* the SYN may have had no room for it */
	tcb_want_output(t);
	fastopen_done(t);
	if (t->fast_child)
		return; /* whoever accepts it, or has, takes it for established */
	if (t->listener)
		listen_established(t);
	else
		tcb_event(t, TCP_EV_ESTABLISHED);
}

void sample_handshake(struct tcb *t, const struct segment *s,
			     uint64_t now_us)
{
	bool data_followed = t->fast_child && t->stat_data_out;

	if (!t->snd.last_us)
		return; /* nobody remembers when a SYN cookie left */
	if (!t->stat_total_retrans && !data_followed)
		rtt_sample(t, (uint32_t)(now_us - t->snd.last_us), now_us);
	else if (t->ts_ok && s->opt.ts && s->opt.ts_ecr)
		rtt_sample_echo(t, s->opt.ts_ecr, now_us);
}

/* The peer still has an old connection of these ports, in TIME-WAIT perhaps. Our
 * RST ends it (3.5.1, Figure 9), so the SYN need not wait for its timer; once,
 * because anybody can send such a segment. */
static void try_again_soon(struct tcb *t, const struct segment *s,
			   uint64_t now_us)
{
	if (!(s->flags & SEG_RST) && t->snd.timeouts == 0)
		tcb_timer_set(t, TIMER_REXMT, now_us + SYN_AGAIN_US);
}

static enum drop arrives_syn_sent(struct tcb *t, const struct segment *s,
				  uint64_t now_us)
{
	bool ack = s->flags & SEG_ACK;

	/* first, the ACK bit */
	if (ack && (seq_leq(s->ack, t->snd.iss) || seq_gt(s->ack, t->snd.nxt))) {
		refuse_for(t, s, now_us);
		try_again_soon(t, s, now_us);
		return DROP_SYN_SENT_ACK;
	}
	/* second, the RST bit */
	if (s->flags & SEG_RST) {
		if (!ack)
			return DROP_SYN_SENT;
		tcb_fail(t, ECONNREFUSED, now_us);
		return DROP_NONE;
	}
	/* fourth, the SYN bit; fifth, neither */
	if (!(s->flags & SEG_SYN))
		return DROP_SYN_SENT;
	take_syn(t, s, now_us);
	if (!ack) { /* simultaneous open */
		t->snd.wnd = s->wnd;
		t->snd.wl1 = s->seq;
		t->snd.wl2 = s->ack;
		t->syn_due = true;
		tcb_set_state(t, TCPS_SYN_RECEIVED, now_us);
		tcb_want_output(t);
		return DROP_NONE;
	}
	t->last_ack_in_us = now_us;
	fastopen_take_answer(t, s, now_us);
	take_syn_ack(t, s, now_us);
	t->ack_now = true;
	if (s->data_len_bytes || (s->flags & SEG_FIN)) {
		enum drop d = take_text(t, s, now_us);

		if (d)
			return d;
		take_fin(t, s, now_us);
	}
	return DROP_NONE;
}

/* ---- other states, 3.10.7.4 -------------------------------------------------------- */

/* RFC 7323 5.2 R1 and 5.5: an old timestamp, unless the connection was idle for
 * so long that the peer's clock may have wrapped. RSTs are not tested. */
static bool paws_rejects(const struct tcb *t, const struct segment *s,
			 uint64_t now_us)
{
	const uint64_t idle_us = 24ull * 24 * 3600 * 1000000;

	return t->ts_ok && s->opt.ts && !(s->flags & SEG_RST) &&
	       seq_lt(s->opt.ts_val, t->rcv.ts_recent) &&
	       now_us - t->rcv.ts_recent_us < idle_us;
}

/* Table 6, with Appendix A.2 of RFC 9293's caution about the zero window. */
static bool in_window(const struct tcb *t, const struct segment *s)
{
	uint32_t wnd = rcv_wnd(t), len = seg_len(s);

	if (len == 0)
		return wnd ? seq_in(s->seq, t->rcv.nxt, wnd)
			   : s->seq == t->rcv.nxt;
	return wnd && (seq_in(s->seq, t->rcv.nxt, wnd) ||
		       seq_in(s->seq + len - 1, t->rcv.nxt, wnd));
}

/* Behind the peer's FIN nothing can be. In TIME-WAIT, where all of it is known, the
 * bare ACK at RCV.NXT alone is no stray, as in Linux. */
static bool is_behind_fin(const struct tcb *t, const struct segment *s)
{
	return t->state == TCPS_TIME_WAIT && !(s->flags & (SEG_SYN | SEG_RST)) &&
	       (seg_len(s) || s->seq != t->rcv.nxt);
}

/* A closed window takes no text, but an ACK that comes with the peer's next
 * sequence number counts. */
static bool only_text_refused(const struct tcb *t, const struct segment *s)
{
	return rcv_wnd(t) == 0 && s->seq == t->rcv.nxt;
}

/* The peer does not know yet that we have taken the byte by which it probes a window
 * that we call closed: what it says without text stands in front of that byte. */
static bool is_behind_probe(const struct tcb *t, const struct segment *s)
{
	return seg_len(s) == 0 && s->seq == t->rcv.nxt - 1 &&
	       seq_leq(t->rcv.adv, t->rcv.nxt);
}

/* After a SYN of ours crossed with the peer's, its SYN,ACK repeats the SYN that
 * we know: only its ACK is news. */
static bool is_crossed_syn_ack(const struct tcb *t, const struct segment *s)
{
	return t->state == TCPS_SYN_RECEIVED && t->active &&
	       (s->flags & (SEG_SYN | SEG_ACK | SEG_RST)) == (SEG_SYN | SEG_ACK) &&
	       s->seq == t->rcv.irs;
}

/* The ACK that an unacceptable segment calls for. Two ends that disagree about
 * the state of things must not answer each other's ACKs for ever: only text and
 * FIN are certain of one. */
static void answer_stray(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	if (seg_len(s) == 0 || s->flags & SEG_SYN) {
		challenge_ack(t, now_us);
		return;
	}
	t->ack_now = true;
	tcb_want_output(t);
}

/* Our SYN,ACK was lost, or is late. Text that the SYN brings is beside the point. */
static bool is_repeated_syn(const struct tcb *t, const struct segment *s)
{
	return t->state == TCPS_SYN_RECEIVED && s->seq == t->rcv.irs &&
	       (s->flags & (SEG_SYN | SEG_RST)) == SEG_SYN && !is_crossed_syn_ack(t, s);
}

static enum drop answer_syn_again(struct tcb *t, const struct segment *s,
				  uint64_t now_us)
{
	if (!ecn_take_syn_again(t, s)) {
		tcb_reset(t, now_us);
		return DROP_SYN;
	}
	t->syn_due = true;
	tcb_want_output(t);
	return DROP_DUPLICATE;
}

static enum drop check_seq(struct tcb *t, const struct segment *s,
			   uint64_t now_us)
{
	if (paws_rejects(t, s, now_us)) {
		answer_stray(t, s, now_us);
		return DROP_PAWS;
	}
	if (is_repeated_syn(t, s))
		return answer_syn_again(t, s, now_us);
	if ((in_window(t, s) && !is_behind_fin(t, s)) || is_crossed_syn_ack(t, s))
		return DROP_NONE;
	if (s->flags & SEG_RST)
		return s->seq == t->rcv.nxt ? DROP_NONE : DROP_RST_WINDOW;
	if (only_text_refused(t, s)) {
		t->ack_now = true;
		tcb_want_output(t);
		return DROP_NONE; /* its ACK is looked at, its text not */
	}
	if (is_behind_probe(t, s)) {
		challenge_ack(t, now_us); /* it may ask whether we live */
		return DROP_NONE;
	}
	if (t->state == TCPS_TIME_WAIT && (s->flags & SEG_FIN))
		enter_time_wait(t, now_us); /* restart: the last ACK was lost */
	if (s->flags & SEG_SYN && s->seq == t->rcv.irs)
		accecn_syn_ack_again(t, s);
	else if (seg_len(s))
		accecn_repeated(t);
	note_duplicate(t, s->seq, s->seq + s->data_len_bytes);
	answer_stray(t, s, now_us);
	return seq_lt(s->seq, t->rcv.nxt) ? DROP_DUPLICATE : DROP_WINDOW;
}

/* RFC 7323 4.3: the timestamp to echo is that of the segment at the left edge
 * of what was last acknowledged. */
static void take_timestamp(struct tcb *t, const struct segment *s,
			   uint64_t now_us)
{
	if (t->ts_ok && s->opt.ts && !(s->flags & SEG_RST) &&
	    seq_geq(s->opt.ts_val, t->rcv.ts_recent) &&
	    seq_leq(s->seq, t->rcv.acked)) {
		t->rcv.ts_recent = s->opt.ts_val;
		t->rcv.ts_recent_us = now_us;
	}
}

/* RFC 1337: a RST that an old duplicate has provoked must not end TIME-WAIT (its
 * fix F1), unless timestamps keep old duplicates out of the next connection. */
static bool time_wait_outlives_rst(const struct tcb *t)
{
	return t->state == TCPS_TIME_WAIT && (t->e->cfg.rfc1337 || !t->ts_ok);
}

static enum drop check_rst(struct tcb *t, const struct segment *s,
			   uint64_t now_us)
{
	int err = ECONNRESET;

	if (!(s->flags & SEG_RST))
		return DROP_NONE;
	if (time_wait_outlives_rst(t))
		return DROP_STATE;
	if (s->seq != t->rcv.nxt) { /* RFC 5961 3 */
		challenge_ack(t, now_us);
		return DROP_RST_BLIND;
	}
	switch (t->state) {
	case TCPS_SYN_RECEIVED:
		err = t->fast_child ? ECONNRESET : ECONNREFUSED;
		fastopen_reset(t, now_us);
		break;
	case TCPS_CLOSE_WAIT:
		err = EPIPE; /* as Linux tells it: the peer had finished */
		break;
	case TCPS_TIME_WAIT:
		err = 0;
		break;
	default: /* also in CLOSING and LAST-ACK: who is still there has not
		  * heard that the peer got everything */
		break;
	}
	/* A listener's child just goes: back to LISTEN, nobody is told. */
	tcb_fail(t, err, now_us);
	return DROP_NONE;
}

static enum drop check_syn(struct tcb *t, const struct segment *s,
			   uint64_t now_us)
{
	if (!(s->flags & SEG_SYN))
		return DROP_NONE;
	if (is_crossed_syn_ack(t, s)) {
		t->ack_now = true; /* a peer that drops our SYN,ACK needs one */
		return DROP_NONE;
	}
	if (t->state == TCPS_SYN_RECEIVED && t->listener) {
		/* return to LISTEN: the child goes, without a word */
		tcb_fail(t, 0, now_us);
		return DROP_SYN;
	}
	challenge_ack(t, now_us); /* RFC 5961 4 */
	return DROP_SYN;
}

/* Text for a user who is gone: the peer must learn that it is lost. It believes a
 * RST only at its own RCV.NXT (RFC 5961 3.2), which is what it has just told us. */
static void reset_after_close(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	struct reply r = {.flow = t->node.flow, .opts = t->opts,
			  .flags = SEG_RST, .seq = s->ack};

	fill_timestamp(t, &r.opt, false, now_us);
	engine_reply(t->e, &r);
	gone_note(t, now_us);
	tcb_fail(t, ECONNRESET, now_us);
}

static enum drop arrives_other(struct tcb *t, const struct segment *s,
			       uint64_t now_us)
{
	bool text;
	enum drop d;

	if ((d = check_seq(t, s, now_us))) /* first */
		return d;
	if ((d = check_rst(t, s, now_us))) /* second; third is security */
		return d;
	if (t->state == TCPS_CLOSED)
		return DROP_NONE; /* reset */
	if ((d = check_syn(t, s, now_us))) /* fourth */
		return d;
	if (!(s->flags & SEG_ACK)) /* fifth */
		return DROP_NO_ACK;
	if ((d = check_ack(t, s, now_us)))
		return d;
	if (t->state == TCPS_CLOSED)
		return DROP_NONE; /* LAST-ACK is over */
	take_timestamp(t, s, now_us);
	ecn_receive(t, s);
	take_uto(t, s);

	if (may_receive(t->state)) /* sixth; also in a closed window, MUST-66 */
		take_urgent(t, s);
	text = s->data_len_bytes && rcv_wnd(t) && may_receive(t->state);
	if (text && (d = take_text(t, s, now_us))) { /* seventh */
		if (d == DROP_AFTER_CLOSE)
			reset_after_close(t, s, now_us);
		if (d != DROP_DUPLICATE)
			return d;
	}
	if (s->data_len_bytes && !may_receive(t->state))
		return DROP_AFTER_FIN;
	if (s->data_len_bytes && !text)
		return DROP_WINDOW;
	take_fin(t, s, now_us); /* eighth */
	return d;
}

enum drop segment_arrives(struct tcb *t, const struct segment *s,
			  uint64_t now_us)
{
	t->stat_segs_in++;
	switch (t->state) {
	case TCPS_CLOSED: /* 3.10.7.1; LISTEN, 3.10.7.2, is in listen.c */
	case TCPS_LISTEN:
		return DROP_CLOSED;
	case TCPS_SYN_SENT:
		return arrives_syn_sent(t, s, now_us);
	default:
		return arrives_other(t, s, now_us);
	}
}
