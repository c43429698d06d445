/* options.c - which TCP options a segment carries, and what they leave to the
 * payload.
 *
 * Keeps no state. Timestamps go first, then up to two SACK blocks, the counters of
 * Accurate ECN (RFC 9768 3.2.3.3), and more blocks where there is room.
 */
#include "tcb.h"

uint32_t ts_at(uint32_t ts_offset, uint64_t now_us)
{
	return (uint32_t)(now_us / TS_TICK_US) + ts_offset;
}

uint32_t ts_now(const struct tcb *t, uint64_t now_us)
{
	return ts_at(t->ts_offset, now_us);
}

/* ---- SACK and AccECN ----------------------------------------------------------------- */

static bool dsack_due(const struct tcb *t)
{
	return t->e->cfg.dsack && t->rcv.dup.start != t->rcv.dup.end;
}

/* The blocks that there are to send. Beside data they take no more than half of a
 * segment. */
static unsigned sack_wanted(const struct tcb *t, bool data)
{
	unsigned n = t->rcv.ooo.n + dsack_due(t);

	if (!t->sack_ok)
		return 0;
	if (n > SACK_BLOCKS_MAX)
		n = SACK_BLOCKS_MAX;
	while (data && n && 4 + 8 * n > t->snd.mss / 2u)
		n--;
	return n;
}

static unsigned sack_bytes(unsigned blocks)
{
	return blocks ? 4 + 8 * blocks : 0;
}

static unsigned option_room(const struct tcb *t)
{
	return TCP_HDR_MAX - TCP_HDR_MIN - (t->ts_ok ? TS_OPTION_BYTES : 0);
}

/* What AccECN may take: two SACK blocks go before it, a third one after it
 * (RFC 9768 3.2.3.3). */
static unsigned accecn_room(const struct tcb *t, bool data)
{
	unsigned blocks = sack_wanted(t, data);

	if (data && t->snd.mss < 48)
		return 0;
	return option_room(t) - sack_bytes(blocks < 2 ? blocks : 2);
}

static unsigned sack_blocks(const struct tcb *t, bool data)
{
	unsigned n = sack_wanted(t, data);
	unsigned room = option_room(t) -
			accecn_option_bytes(t, accecn_room(t, data));

	while (sack_bytes(n) > room)
		n--;
	return n;
}

/* Up to n blocks; first what came twice (RFC 2883 4), then the most recent. */
static void fill_sack(struct tcb *t, struct seg_options *opt, unsigned n)
{
	if (n && dsack_due(t)) {
		opt->sack[0] = t->rcv.dup;
		t->rcv.dup = (struct seq_range){0};
		opt->sack_n = 1;
	}
	opt->sack_n += (uint8_t)reasm_sack(&t->rcv.ooo, opt->sack + opt->sack_n,
					   n - opt->sack_n);
	/* FIN is kept too: else its segment would look as if it were missing. */
	for (unsigned i = 0; t->fin_seen && i < opt->sack_n; i++)
		opt->sack[i].end += opt->sack[i].end == t->rcv.fin_seq;
}

uint32_t effective_mss(const struct tcb *t)
{
	return t->snd.mss - sack_bytes(sack_blocks(t, true)) -
	       accecn_option_bytes(t, accecn_room(t, true));
}

void fill_timestamp(const struct tcb *t, struct seg_options *o, bool ack, uint64_t now_us)
{
	if (!t->ts_ok)
		return;
	o->ts = true;
	o->ts_val = ts_now(t, now_us);
	o->ts_ecr = ack ? t->rcv.ts_recent : 0; /* RFC 7323 3.2 */
}

/* ---- all of them ---------------------------------------------------------------------- */

void fill_options(struct tcb *t, struct seg_options *o, uint32_t len_bytes,
		  uint64_t now_us)
{
	unsigned blocks = sack_blocks(t, len_bytes);

	fill_timestamp(t, o, true, now_us);
	accecn_fill_option(t, o, accecn_room(t, len_bytes), len_bytes);
	fill_sack(t, o, blocks);
	if (t->uto_due && !len_bytes) {
		t->uto_due = false;
		o->uto = uto_to_send(t);
	}
}

/* A SYN never has AccECN's option (RFC 9768 3.2.3.2.1). */
void add_ecn_to_syn(struct tcb *t, struct segment *s, bool answer)
{
	uint8_t hdr[TCP_HDR_MAX];

	s->flags |= ecn_syn_flags(t, answer);
	if (answer && t->ecn.mode == ECN_ACCURATE) {
		t->ecn.acc->option_due = true;
		accecn_fill_option(t, &s->opt, TCP_HDR_MAX - segment_build(s, hdr), 0);
		t->ecn.acc->option_due = false;
	}
}
