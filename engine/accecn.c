/* accecn.c - Accurate ECN, RFC 9768: how many packets and bytes arrived with which
 * mark, told on every ACK, by three bits of the TCP header (ACE) and in an option.
 *
 * Owns t->ecn.acc, which exists in this mode only. in.* are the RFC's r.* (what
 * arrived here), out.* its s.* (what the peer says that it received).
 */
#include "tcb.h"

#define COUNTER_MASK 0xffffffu /* of an option */
#define MARKED_ROUNDS 4

/* 3.2.1: not zero, so that a path that clears fields is found out */
static const struct ecn_counts first_counts = {.cep = 5, .e0b = 1, .e1b = 1};

/* Tables 2 to 4: how the IP header's field of a SYN or SYN,ACK is told. */
static const uint8_t handshake_code[] = {
	[IP_NOT_ECT] = 2, [IP_ECT1] = 3, [IP_ECT0] = 4, [IP_CE] = 6,
};

static unsigned ace_of(const struct segment *s)
{
	return (s->flags & ACE_FLAGS) >> ACE_SHIFT;
}

bool accecn_start(struct tcb *t)
{
	if (t->ecn.acc)
		return true;
	t->ecn.acc = counted_alloc(sizeof(*t->ecn.acc), &t->e->stats.memory_bytes);
	if (!t->ecn.acc)
		return false;
	t->ecn.acc->in = t->ecn.acc->out = t->ecn.acc->told = first_counts;
	return true;
}

void accecn_free(struct tcb *t)
{
	counted_free(t->ecn.acc, sizeof(*t->ecn.acc), &t->e->stats.memory_bytes);
	t->ecn.acc = NULL;
}

/* ---- the handshake ------------------------------------------------------------------ */

uint16_t accecn_syn_ack_flags(struct tcb *t)
{
	/* 3.2.3.2.2: without the option the second time, without any of it the
	 * third; then the client may be without ECN, so no ECT from here (3.1.5) */
	if (t->snd.timeouts >= 1)
		t->ecn.acc->option_off = true;
	if (t->snd.timeouts >= 2) {
		t->ecn.no_ect = true;
		return 0;
	}
	return (uint16_t)(handshake_code[t->ecn.syn] << ACE_SHIFT);
}

/* The first option that the peer could have sent, if it comes: zeroed, it says
 * that none is to be believed (3.2.3.2.4). */
static void take_first_option(struct accecn *a, const struct segment *s)
{
	const struct seg_options *o = &s->opt;

	if (!o->ecn || o->ecn_n == 0)
		return;
	if (o->ecn_order == 0 ? !o->ecn_e0b : !o->ecn_e1b)
		a->option_bad = true;
	if (o->ecn_n == 3 && (!o->ecn_e0b || !o->ecn_e1b))
		a->option_bad = true;
}

/* A SYN and a SYN,ACK of ours are never ECT: if one arrived as such, the path
 * writes into the field (3.2.2.3). */
static void take_handshake_code(struct tcb *t, unsigned ace)
{
	if (ace != handshake_code[IP_NOT_ECT])
		t->ecn.no_ect = true;
	if (ace == handshake_code[IP_CE])
		t->ecn.acc->ce_on_syn = true;
}

void accecn_take_syn_ack(struct tcb *t, const struct segment *s)
{
	struct accecn *a = t->ecn.acc;
	unsigned ace = ace_of(s);

	a->handshake_ack = a->option_due = true;
	a->in.cep += s->ip_ecn == IP_CE;
	if (ace != 5) /* reserved: as if it had arrived unchanged (3.1.3) */
		take_handshake_code(t, ace);
	take_first_option(a, s);
}

void accecn_syn_ack_again(struct tcb *t, const struct segment *s)
{
	struct accecn *a = t->ecn.acc;

	if (t->ecn.mode != ECN_ACCURATE || !t->active)
		return;
	t->ecn.syn = s->ip_ecn;
	a->handshake_ack = true;
	if (s->ip_ecn == IP_CE && a->in.cep == first_counts.cep)
		a->in.cep++; /* once, however many come (3.2.2.2) */
}

/* Table 4. */
void accecn_take_third_ack(struct tcb *t, const struct segment *s)
{
	struct accecn *a = t->ecn.acc;
	unsigned ace = ace_of(s);

	take_first_option(a, s);
	if (s->data_len_bytes || s->opt.sack_n)
		return; /* ACE is a counter there */
	if (ace == 0) {
		t->ecn.no_ect = t->ecn.deaf = true;
	} else if (ace != 1 && ace != 5 && ace != 7) {
		take_handshake_code(t, ace);
		a->out.cep += ace == handshake_code[IP_CE];
	}
}

/* ---- receiving ---------------------------------------------------------------------- */

/* Wire segments in one that may be an aggregate: as few as they can have been. */
static uint32_t packets_in(const struct tcb *t, uint32_t len_bytes)
{
	uint32_t mss = offered_mss(t);

	return len_bytes > mss ? (len_bytes + mss - 1) / mss : 1;
}

void accecn_receive(struct tcb *t, const struct segment *s)
{
	struct accecn *a = t->ecn.acc;
	uint32_t len = s->data_len_bytes, packets = packets_in(t, len);
	bool ce = s->ip_ecn == IP_CE, changed = ce && !a->ce_last && len;

	a->ce_last = ce;
	if (len)
		a->repeats = 0;
	switch (s->ip_ecn) {
	case IP_ECT0:
		a->in.e0b += len;
		break;
	case IP_ECT1:
		a->in.e1b += len;
		break;
	case IP_CE:
		a->in.cep += packets;
		a->in.ceb += len;
		a->ce_unacked += packets;
		break;
	default:
		break;
	}
	/* 3.2.2.5.1: an ACK for each change, and before ACE could cycle; for marks
	 * on mere ACKs a little later, or they would go on for ever */
	if (changed || a->ce_unacked >= (len || t->rcv.nxt != t->rcv.acked ? 2 : 3)) {
		t->ack_now = true;
		tcb_want_output(t);
	}
}

void accecn_repeated(struct tcb *t)
{
	struct accecn *a = t->ecn.acc;

	/* What the last ACK acknowledged comes again, and again: something may
	 * drop ACKs that carry the option (3.2.3.2.2). */
	if (t->ecn.mode == ECN_ACCURATE && a->option_sent && ++a->repeats >= 2)
		a->option_off = true;
}

/* ---- feedback ----------------------------------------------------------------------- */

static uint32_t step(uint32_t *counter, uint32_t field)
{
	uint32_t by = (field - *counter) & COUNTER_MASK;

	*counter += by;
	return by;
}

/* Bytes newly told as marked; false if the option cannot be relied on. */
static bool take_option(struct accecn *a, const struct seg_options *o,
			uint32_t *ce_bytes)
{
	unsigned n = o->ecn_n;

	*ce_bytes = 0;
	if (!o->ecn || a->option_bad || n == 0)
		return false;
	if (o->ecn_order == 0 || n == 3)
		step(&a->out.e0b, o->ecn_e0b);
	if (n >= 2)
		*ce_bytes = step(&a->out.ceb, o->ecn_ceb);
	if (o->ecn_order == 1 || n == 3)
		step(&a->out.e1b, o->ecn_e1b);
	return true;
}

/* 3.2.2.5.2: how many packets were marked, if ACE went on by d of them (modulo 8)
 * while packets were acknowledged. */
static uint32_t safe_step(const struct tcb *t, uint32_t d, uint32_t packets,
			  bool option, uint32_t ce_bytes)
{
	const struct accecn *a = t->ecn.acc;
	uint32_t safe, told;

	if (packets < 8)
		return d;
	safe = packets - (packets - d) % 8;
	if (option) {
		told = (ce_bytes + t->snd.mss - 1) / t->snd.mss;
		if (told > d)
			d += (told - d + 7) / 8 * 8;
		return d < safe ? d : safe;
	}
	/* A peer tells of the first mark at once. If none was ever heard of, a
	 * whole cycle of lost ACKs is not what has happened. */
	return d == 0 && a->out.cep == first_counts.cep ? 0 : safe;
}

static bool superseded(const struct tcb *t, const struct segment *s,
		       const struct sb_acked *res)
{
	bool newer = t->ts_ok && s->opt.ts && seq_gt(s->opt.ts_val, t->rcv.ts_recent);

	return !res->advanced && !res->sacked_bytes && !newer;
}

uint32_t accecn_take_ack(struct tcb *t, const struct segment *s,
			 const struct sb_acked *res, uint32_t *ce_bytes)
{
	struct accecn *a = t->ecn.acc;
	uint32_t bytes = res->acked_bytes + res->sacked_bytes, d;
	uint32_t packets = (bytes + t->snd.mss - 1) / t->snd.mss;
	bool option;

	if (superseded(t, s, res))
		return 0;
	if (!a->ace_heard && ace_of(s) == 0) /* 3.2.2.4: zeroed */
		t->ecn.no_ect = t->ecn.deaf = true;
	a->ace_heard = true;
	if (t->ecn.deaf)
		return 0;
	option = take_option(a, &s->opt, ce_bytes);
	d = safe_step(t, (ace_of(s) - a->out.cep) & 7, packets, option, *ce_bytes);
	a->out.cep += d;
	a->unmarked |= d < packets;
	if (!option)
		*ce_bytes = d * t->snd.mss;
	/* 3.2.3.2.5: marked bytes without a marked packet */
	if (packets < 8 && a->out.ceb && a->out.cep == first_counts.cep)
		t->ecn.no_ect = true;
	return d;
}

void accecn_responded(struct tcb *t)
{
	struct accecn *a = t->ecn.acc;

	/* 3.2.2.3: no queue marks every packet of a connection for so long, but a
	 * path that writes into the field does */
	if (!a->unmarked && ++a->responses == MARKED_ROUNDS)
		t->ecn.no_ect = t->ecn.deaf = true;
}

/* ---- sending ------------------------------------------------------------------------ */

uint16_t accecn_flags(struct tcb *t, bool pure)
{
	struct accecn *a = t->ecn.acc;
	unsigned ace = a->in.cep & 7;

	if (pure && a->handshake_ack) { /* 3.2.2.1 */
		a->handshake_ack = false;
		ace = handshake_code[t->ecn.syn];
	}
	a->ce_unacked = 0;
	return (uint16_t)(ace << ACE_SHIFT);
}

bool accecn_ack_first(const struct tcb *t)
{
	return t->ecn.mode == ECN_ACCURATE && t->ecn.acc->handshake_ack;
}

static unsigned option_bytes(int counters)
{
	return counters < 0 ? 0 : (2 + 3 * (unsigned)counters + 3) & ~3u;
}

/* Which of the counters, in the order of the option, have ever changed, and which
 * of them since they were told. */
static void changes(const struct accecn *a, bool ever[3], bool since[3], bool *order)
{
	const struct ecn_counts *c = &a->in;

	*order = c->e1b != first_counts.e1b && c->e0b == first_counts.e0b;
	ever[*order ? 2 : 0] = c->e0b != first_counts.e0b;
	ever[1] = c->ceb != first_counts.ceb;
	ever[*order ? 0 : 2] = c->e1b != first_counts.e1b;
	since[*order ? 2 : 0] = c->e0b != a->told.e0b;
	since[1] = c->ceb != a->told.ceb;
	since[*order ? 0 : 2] = c->e1b != a->told.e1b;
}

/* 3.2.3.3: every counter that has ever changed, if one has since the last option;
 * where there is no room, what has not changed since may be left out, else all of
 * it is. -1: no option. */
static int counters_to_send(const struct accecn *a, unsigned room_bytes, bool *order)
{
	bool ever[3], since[3];
	int n = 3;

	if (!a || a->option_off)
		return -1;
	changes(a, ever, since, order);
	if (!since[0] && !since[1] && !since[2] && !a->option_due)
		return -1;
	while (n > 1 && !ever[n - 1] && !a->option_due)
		n--;
	while (n >= 0 && option_bytes(n) > room_bytes) {
		if (n == 0 || since[n - 1])
			return -1;
		n--;
	}
	return n;
}

/* Room for an option that is not to be sent is none. */
static unsigned allowed_bytes(const struct tcb *t, unsigned room_bytes)
{
	return t->e->cfg.ecn_option ? room_bytes : 0;
}

unsigned accecn_option_bytes(const struct tcb *t, unsigned room_bytes)
{
	bool order;

	return option_bytes(counters_to_send(t->ecn.acc, allowed_bytes(t, room_bytes), &order));
}

void accecn_fill_option(struct tcb *t, struct seg_options *o, unsigned room_bytes,
			uint32_t len_bytes)
{
	struct accecn *a = t->ecn.acc;
	bool order;
	int n = counters_to_send(a, allowed_bytes(t, room_bytes), &order);

	if (!a)
		return;
	a->option_sent = n >= 0;
	if (n < 0)
		return;
	o->ecn = true;
	o->ecn_order = order;
	o->ecn_n = (uint8_t)n;
	o->ecn_e0b = a->in.e0b & COUNTER_MASK;
	o->ecn_ceb = a->in.ceb & COUNTER_MASK;
	o->ecn_e1b = a->in.e1b & COUNTER_MASK;
	a->told = a->in;
	if (len_bytes) /* 3.2.3.2.1: the first ACK, and the first data */
		a->option_due = false;
}
