/* provoked.c - answers that anybody can provoke, and how many (RFC 5961 7):
 * challenge ACKs, and RSTs for segments that fit no connection.
 *
 * A limit that all connections share tells a stranger who counts what is left of
 * it whether a guess about somebody else's connection was right (CVE-2016-5696).
 * So the shared limits are drawn anew each second, between half and one and
 * a half of what is configured; and before one is used, a limit of the
 * connection's own applies, so that no single one can use up what is shared.
 *
 * Owns engine.challenges_left, resets_left and rcv.challenged_ms.
 */
#include "tcb.h"

static uint32_t draw(struct engine *e, uint32_t limit)
{
	return limit ? (limit + 1) / 2 + (uint32_t)(prng_next(&e->prng) % limit) : 0;
}

static bool take_one(struct engine *e, uint32_t *left, uint64_t now_us)
{
	uint64_t second = now_us / 1000000 + 1;

	if (second != e->provoked_second) {
		e->provoked_second = second;
		e->challenges_left = draw(e, e->cfg.challenge_acks_max);
		e->resets_left = draw(e, e->cfg.resets_max);
	}
	if (!*left)
		return false;
	--*left;
	return true;
}

/* Does the connection wait for its own limit? Like Linux's tcp_invalid_ratelimit. */
static bool challenged_lately(const struct tcb *t, uint64_t now_us)
{
	return t->rcv.challenged_ms && (uint32_t)(now_us / 1000) + 1 - t->rcv.challenged_ms <
					   t->e->cfg.invalid_ratelimit_ms;
}

void challenge_ack(struct tcb *t, uint64_t now_us)
{
	struct engine *e = t->e;

	if (challenged_lately(t, now_us) || !take_one(e, &e->challenges_left, now_us)) {
		e->stats.challenges_held++;
		return;
	}
	e->stats.challenges_sent++;
	t->rcv.challenged_ms = (uint32_t)(now_us / 1000) + 1;
	t->ack_now = t->challenge = true;
	tcb_want_output(t);
}

/* t: whose RST it is, or NULL. */
static void refuse(struct engine *e, const struct flow *flow, const struct segment *s,
		   const struct tcp_opts *opts, const struct tcb *t, uint64_t now_us)
{
	struct reply r = {.flow = *flow, .opts = *opts, .flags = SEG_RST};

	if (s->flags & SEG_RST)
		return;
	if (!take_one(e, &e->resets_left, now_us)) {
		e->stats.resets_held++;
		return;
	}
	e->stats.resets_sent++;
	if (s->flags & SEG_ACK) {
		r.seq = s->ack;
	} else {
		r.ack = s->seq + seg_len(s);
		r.flags |= SEG_ACK;
	}
	if (t)
		fill_timestamp(t, &r.opt, r.flags & SEG_ACK, now_us);
	engine_reply(e, &r);
}

void refuse_segment(struct engine *e, const struct flow *flow,
		    const struct segment *s, const struct tcp_opts *opts,
		    uint64_t now_us)
{
	refuse(e, flow, s, opts, NULL, now_us);
}

void refuse_for(const struct tcb *t, const struct segment *s, uint64_t now_us)
{
	refuse(t->e, &t->node.flow, s, &t->opts, t, now_us);
}

void engine_refuse(struct engine *e, const struct engine_pkt_in *pkt,
		   uint64_t now_us)
{
	struct tcp_opts opts;
	struct segment s;
	struct flow flow;

	if (segment_parse(&s, &pkt->src, &pkt->dst, pkt->tcp, pkt->tcp_len_bytes))
		return;
	flow.local = (struct endpoint){pkt->dst, s.dport};
	flow.remote = (struct endpoint){pkt->src, s.sport};
	tcp_opts_defaults(e, &opts);
	refuse_segment(e, &flow, &s, &opts, now_us);
}
