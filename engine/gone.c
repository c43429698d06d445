/* gone.c - flows of connections that have just ended without the peer's agreement: opens
 * that were given up in SYN-SENT, and connections that were reset.
 *
 * The peer of an open that was given up may be in SYN-RECEIVED. When its SYN,ACK
 * comes it is told by a RST (RFC 9293 3.10.7.1), and until then a SYN with the same
 * ports is trouble: many stacks answer one in their window with a RST, which would be
 * taken for a refusal. After a reset the peer's text goes on arriving for a round trip.
 *
 * What acknowledges numbers that this engine has sent is for nobody else, whoever else
 * on this host may have the port: so it is refused without a question to the user
 * (engine_refuse()), and beyond the limit of what strangers can provoke.
 *
 * Owns engine.gone: GONE_SETS sets of GONE_WAYS entries, made when the first is needed;
 * without memory nothing is remembered. An entry holds for GONE_US; in a full set the
 * oldest makes way.
 */
#include "tcb.h"

#define GONE_SETS 256u
#define GONE_WAYS 4u
/* As long as Linux goes on repeating a SYN,ACK: 1 + 2 + 4 + 8 + 16 + 32 s. */
#define GONE_US 63000000ull

struct gone {
	struct flow flow;
	uint32_t ifindex;
	uint32_t iss, una, nxt;
	uint32_t ts_offset;
	bool ts_ok;
	bool opening; /* it was in SYN-SENT */
	uint64_t until_us; /* 0: empty */
};

#define GONE_BYTES (GONE_SETS * GONE_WAYS * sizeof(struct gone))

static struct gone *set_of(const struct engine *e, const struct flow *flow)
{
	uint64_t hash = siphash(e->flows.key, flow, sizeof(*flow));

	return e->gone + (hash >> 32) % GONE_SETS * GONE_WAYS;
}

static struct gone *find(const struct engine *e, const struct flow *flow, uint32_t ifindex)
{
	struct gone *set;

	if (!e->gone)
		return NULL;
	set = set_of(e, flow);
	for (unsigned i = 0; i < GONE_WAYS; i++)
		if (set[i].until_us && flow_eq(&set[i].flow, flow) &&
		    (set[i].ifindex == ifindex || !set[i].ifindex || !ifindex))
			return &set[i];
	return NULL;
}

/* The entry of that flow, or the one that expires first. */
static struct gone *place_for(const struct engine *e, const struct tcb *t)
{
	struct gone *set = set_of(e, &t->node.flow);
	struct gone *at = find(e, &t->node.flow, t->node.ifindex);

	if (at)
		return at;
	at = set;
	for (unsigned i = 1; i < GONE_WAYS; i++)
		if (set[i].until_us < at->until_us)
			at = &set[i];
	return at;
}

void gone_note(const struct tcb *t, uint64_t now_us)
{
	struct engine *e = t->e;
	bool opening = t->state == TCPS_SYN_SENT;

	if (t->snd.nxt == t->snd.iss)
		return; /* the peer has heard nothing */
	if (!e->gone) {
		e->gone = counted_alloc(GONE_BYTES, &e->stats.memory_bytes);
		if (!e->gone)
			return;
	}
	*place_for(e, t) = (struct gone){
		.flow = t->node.flow,
		.ifindex = t->node.ifindex,
		.iss = t->snd.iss,
		.una = t->snd.una + opening, /* only the SYN's ACK tells of our SYN */
		.nxt = t->snd.nxt,
		.ts_offset = t->ts_offset,
		.ts_ok = t->ts_ok,
		.opening = opening,
		.until_us = now_us + GONE_US,
	};
}

bool gone_refuses(struct engine *e, const struct flow *flow, uint32_t ifindex,
		  const struct segment *s, uint64_t now_us)
{
	const struct gone *g;
	struct reply r = {.flow = *flow, .flags = SEG_RST, .seq = s->ack};

	if (!e->gone || (s->flags & (SEG_ACK | SEG_RST)) != SEG_ACK)
		return false;
	g = find(e, flow, ifindex);
	if (!g || g->until_us <= now_us || seq_lt(s->ack, g->una) || seq_gt(s->ack, g->nxt))
		return false;
	tcp_opts_defaults(e, &r.opts);
	r.opts.ifindex = g->ifindex;
	r.opt.ts = g->ts_ok;
	r.opt.ts_val = ts_at(g->ts_offset, now_us);
	e->stats.resets_sent++;
	engine_reply(e, &r);
	return true;
}

bool gone_reopens(struct engine *e, const struct flow *flow, uint32_t ifindex,
		  uint32_t *iss, uint64_t now_us)
{
	struct gone *g = find(e, flow, ifindex);
	bool opening;

	if (!g)
		return false;
	opening = g->opening && g->until_us > now_us;
	*iss = g->iss - 1;
	g->until_us = 0;
	return opening;
}

bool engine_gone_lately(const struct engine *e, const struct flow *flow,
			uint32_t ifindex, uint64_t now_us)
{
	const struct gone *g = find(e, flow, ifindex);

	return g && g->until_us > now_us;
}

void gone_free(struct engine *e)
{
	counted_free(e->gone, GONE_BYTES, &e->stats.memory_bytes);
	e->gone = NULL;
}
