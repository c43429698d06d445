/* ecn.c - Explicit Congestion Notification: RFC 3168 as updated by RFC 8311, and
 * the negotiation of it or of Accurate ECN (RFC 9768 3.1), whose counters are in
 * accecn.c.
 *
 * Owns t->ecn. The mode is decided once, by the first SYN or SYN,ACK of the peer,
 * and stays (RFC 9768 3.1.5). Whatever looks like a path that rewrites the bits
 * ends in sending without ECT (no_ect) or in not believing what the peer says
 * (deaf); it never ends the connection.
 */
#include "tcb.h"

/* What tcp_ecn allows, as Linux documents it. */
static enum ecn_mode mode_in(const struct tcb *t)
{
	static const uint8_t mode[] = {ECN_OFF, ECN_CLASSIC, ECN_CLASSIC,
				       ECN_ACCURATE, ECN_ACCURATE, ECN_ACCURATE};

	return t->e->cfg.ecn < sizeof(mode) ? mode[t->e->cfg.ecn] : ECN_OFF;
}

static enum ecn_mode mode_out(const struct tcb *t)
{
	static const uint8_t mode[] = {ECN_OFF, ECN_CLASSIC, ECN_OFF,
				       ECN_ACCURATE, ECN_CLASSIC, ECN_OFF};

	return t->e->cfg.ecn < sizeof(mode) ? mode[t->e->cfg.ecn] : ECN_OFF;
}

static void enter_mode(struct tcb *t, enum ecn_mode mode)
{
	if (mode == ECN_ACCURATE && !accecn_start(t))
		mode = ECN_OFF; /* no memory */
	if (mode != ECN_ACCURATE)
		accecn_free(t);
	t->ecn.mode = mode;
}

/* ---- the handshake -------------------------------------------------------------- */

/* A SYN that is not answered may have been dropped for its flags: it goes without
 * them the second time (RFC 3168 6.1.1.1), with AccECN the third (RFC 9768
 * 3.1.4.1). The two requests are never mixed (3.1.5). */
static uint16_t syn_flags(struct tcb *t)
{
	unsigned tries = mode_out(t) == ECN_ACCURATE ? 2 : 1;

	t->ecn.asked = mode_out(t);
	if (t->ecn.asked == ECN_ACCURATE && !accecn_start(t))
		t->ecn.asked = ECN_OFF;
	if (t->ecn.asked == ECN_OFF)
		return 0;
	if (t->e->cfg.ecn_fallback && t->snd.timeouts >= tries) {
		t->ecn.plain_syn = true;
		return 0;
	}
	return t->ecn.asked == ECN_ACCURATE ? ACE_FLAGS : SEG_ECE | SEG_CWR;
}

uint16_t ecn_syn_flags(struct tcb *t, bool answer)
{
	if (!answer)
		return syn_flags(t);
	switch (t->ecn.mode) {
	case ECN_CLASSIC:
		return SEG_ECE;
	case ECN_ACCURATE:
		return accecn_syn_ack_flags(t);
	default:
		return 0;
	}
}

/* What a SYN asks for. Those of AccECN's flags that nobody uses yet count as its
 * request (RFC 9768 3.1.3); one who knows RFC 3168 alone does not look at AE. */
static enum ecn_mode asked_by(const struct tcb *t, const struct segment *s)
{
	uint16_t flags = s->flags & ACE_FLAGS;

	if (mode_in(t) == ECN_CLASSIC)
		flags &= ~SEG_AE;
	if (flags == (SEG_ECE | SEG_CWR))
		return ECN_CLASSIC;
	if (mode_in(t) == ECN_ACCURATE && flags)
		return ECN_ACCURATE;
	return ECN_OFF;
}

/* RFC 9768 Table 2, seen by the server. A SYN of RFC 3168 is never ECT: one that
 * is comes from a path that writes into the field, and nobody could tell. */
static void take_request(struct tcb *t, const struct segment *s)
{
	enum ecn_mode mode = mode_in(t) == ECN_OFF ? ECN_OFF : asked_by(t, s);

	if (mode == ECN_CLASSIC && s->ip_ecn != IP_NOT_ECT)
		mode = ECN_OFF;
	enter_mode(t, mode);
}

/* The same, seen by the client. All of the SYN's flags back mean a server that
 * mirrors what it does not know. */
static void take_answer(struct tcb *t, const struct segment *s)
{
	unsigned ace = (s->flags & ACE_FLAGS) >> ACE_SHIFT;

	if (t->ecn.asked == ECN_CLASSIC)
		ace &= ~(unsigned)(SEG_AE >> ACE_SHIFT);
	if (t->ecn.asked == ECN_OFF || ace == 0 || ace == ACE_FLAGS >> ACE_SHIFT) {
		enter_mode(t, ECN_OFF);
	} else if (ace == SEG_ECE >> ACE_SHIFT) {
		/* RFC 3168 6.1.1: no ECT after a SYN without ECN */
		t->ecn.no_ect = t->ecn.plain_syn;
		enter_mode(t, ECN_CLASSIC);
	} else if (t->ecn.asked == ECN_CLASSIC) {
		enter_mode(t, ECN_OFF); /* both flags: mirrored */
	} else {
		enter_mode(t, ECN_ACCURATE);
		accecn_take_syn_ack(t, s);
	}
}

void ecn_take_syn(struct tcb *t, const struct segment *s)
{
	t->ecn.syn = s->ip_ecn;
	t->ecn.recover = t->snd.iss;
	if (s->flags & SEG_ACK)
		take_answer(t, s);
	else
		take_request(t, s);
}

bool ecn_take_syn_again(struct tcb *t, const struct segment *s)
{
	enum ecn_mode asked = asked_by(t, s);

	t->ecn.syn = s->ip_ecn;
	if (asked == ECN_OFF)
		t->ecn.no_ect = true; /* RFC 3168 6.1.1, RFC 9768 3.1.5 */
	else if (mode_in(t) == ECN_ACCURATE && t->ecn.mode != ECN_OFF &&
		 asked != t->ecn.mode)
		return false;
	else if (asked == ECN_ACCURATE && t->ecn.mode == ECN_ACCURATE)
		t->ecn.acc->option_off = true; /* 3.2.3.2.2: it may be the reason */
	return true;
}

void ecn_established(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	if (t->ecn.mode != ECN_ACCURATE)
		return;
	if (!(s->flags & SEG_SYN))
		accecn_take_third_ack(t, s);
	if (!t->ecn.acc->ce_on_syn)
		return;
	/* RFC 9768 3.2.2.2; it was the first, and so far the only window */
	cc_congestion(&t->cc, CC_ECN, t->cc.cwnd_bytes, now_us);
	ecn_reduced(t);
}

/* ---- receiving ------------------------------------------------------------------- */

void ecn_receive(struct tcb *t, const struct segment *s)
{
	t->ecn.seen |= s->ip_ecn != IP_NOT_ECT;
	if (t->ecn.mode == ECN_ACCURATE)
		accecn_receive(t, s);
	if (t->ecn.mode != ECN_CLASSIC)
		return;
	/* RFC 3168 6.1.3: the echo stays until the peer has heard it. */
	if (s->flags & SEG_CWR)
		t->ecn.echo = false;
	if (s->ip_ecn != IP_CE)
		return;
	if (!t->ecn.echo) {
		t->ack_now = true; /* the sooner it hears of it the better */
		tcb_want_output(t);
	}
	t->ecn.echo = true;
}

/* ---- sending --------------------------------------------------------------------- */

uint16_t ecn_flags(struct tcb *t, uint32_t len_bytes, bool pure, bool fresh)
{
	uint16_t flags = 0;

	if (t->ecn.mode == ECN_ACCURATE)
		return accecn_flags(t, pure);
	if (t->ecn.echo)
		flags |= SEG_ECE;
	if (t->ecn.cwr_due && fresh && len_bytes) {
		t->ecn.cwr_due = false;
		flags |= SEG_CWR;
	}
	return flags;
}

/* New data alone is ECT: RFC 3168 6.1.4 to 6.1.6. And it is ECT(0): RFC 8311 3. */
uint8_t ecn_tos(const struct tcb *t, uint32_t len_bytes, bool fresh)
{
	bool ect = t->ecn.mode != ECN_OFF && !t->ecn.no_ect && fresh && len_bytes;

	return (tcb_ip_fields(t)->tos & ~IP_ECN_MASK) | (ect ? IP_ECT0 : IP_NOT_ECT);
}

void ecn_reduced(struct tcb *t)
{
	t->ecn.recover = t->snd.nxt;
	t->ecn.cwr_due = t->ecn.mode == ECN_CLASSIC; /* RFC 3168 6.1.2 */
}

void ecn_timeout(struct tcb *t)
{
	ecn_reduced(t);
	/* The first data has the option, and something may have dropped it for
	 * that (RFC 9768 3.2.3.2.2). */
	if (t->ecn.mode == ECN_ACCURATE && t->snd.una == t->snd.iss + 1)
		t->ecn.acc->option_off = true;
}

bool ecn_take_ack(struct tcb *t, const struct segment *s,
		  const struct sb_acked *res, struct cc_ack *ack)
{
	uint32_t before = t->ecn.recover;
	bool marked = false;

	if (t->ecn.mode == ECN_OFF || s->flags & SEG_SYN)
		return false;
	if (t->ecn.mode == ECN_ACCURATE)
		marked = accecn_take_ack(t, s, res, &ack->ce_bytes) > 0;
	else
		marked = s->flags & SEG_ECE;
	if (marked && t->recovery != RECOVERY_OPEN)
		undo_forget(t); /* RFC 4015 3, step (ECN): there is congestion */
	if (seq_leq(t->snd.una, t->ecn.recover))
		return marked; /* of a window that has been answered for */
	if (marked && t->recovery == RECOVERY_OPEN) {
		recovery_on_mark(t, res, ack->flight_bytes, ack->now_us);
		if (t->ecn.mode == ECN_ACCURATE && t->ecn.recover != before)
			accecn_responded(t);
	} else { /* once passed, it stays passed */
		t->ecn.recover = t->snd.una - 1;
	}
	return marked;
}

void ecn_status(const struct tcb *t, struct tcp_status *st)
{
	const struct accecn *a = t->ecn.acc;

	st->ecn = t->ecn.mode != ECN_OFF;
	st->accecn = t->ecn.mode == ECN_ACCURATE;
	st->ecn_seen = t->ecn.seen;
	if (!st->accecn)
		return;
	/* without what the counters begin with */
	st->ecn_received.ce = a->in.cep - 5;
	st->ecn_received.e0_bytes = a->in.e0b - 1;
	st->ecn_received.ce_bytes = a->in.ceb;
	st->ecn_received.e1_bytes = a->in.e1b - 1;
	st->ecn_delivered.ce = a->out.cep - 5;
	st->ecn_delivered.e0_bytes = a->out.e0b - 1;
	st->ecn_delivered.ce_bytes = a->out.ceb;
	st->ecn_delivered.e1_bytes = a->out.e1b - 1;
}
