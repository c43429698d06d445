/* timewait.c - when a flow in TIME-WAIT may have its next connection: RFC 6191,
 * RFC 9293 3.6.1 (MAY-2); how one in TIME-WAIT goes from engine to engine.
 *
 * Owns nothing. The condition in both directions is that nothing of the old
 * connection can be taken for the new one's: its timestamps are later, or else
 * its sequence numbers are beyond the old ones.
 */
#include "tcb.h"

#include <errno.h>

/* Farther than a window without scaling that may still be under way. */
#define ISS_GAP (65535 + 2)

bool time_wait_gives_way(const struct tcb *t, const struct segment *s)
{
	if (t->state != TCPS_TIME_WAIT ||
	    (s->flags & (SEG_SYN | SEG_ACK | SEG_RST | SEG_FIN)) != SEG_SYN)
		return false;
	if (t->ts_ok && s->opt.ts && s->opt.ts_val != t->rcv.ts_recent)
		return seq_gt(s->opt.ts_val, t->rcv.ts_recent); /* RFC 6191 2 */
	return seq_gt(s->seq, t->rcv.nxt);
}

/* Our own SYN is to take the place of t. The peer may be in TIME-WAIT itself, or
 * have forgotten the old connection; it needs our timestamps to be later, as they
 * surely are after tw_reuse_delay_ms. */
static bool may_reuse(const struct tcb *t, uint64_t now_us)
{
	const struct flow *f = &t->node.flow;
	uint32_t when = t->e->cfg.tw_reuse;

	if (t->state != TCPS_TIME_WAIT || !t->ts_ok || !t->e->cfg.timestamps ||
	    now_us - t->rcv.ts_recent_us < t->e->cfg.tw_reuse_delay_ms * 1000ull)
		return false;
	return when == 1 || (when == 2 && (addr_is_loopback(&f->local.addr) ||
					   addr_is_loopback(&f->remote.addr)));
}

bool time_wait_reuse(struct engine *e, const struct flow *flow, uint32_t ifindex,
		     uint32_t *iss_min, uint64_t now_us)
{
	struct tcb *t = (struct tcb *)flowtab_find(&e->flows, flow, ifindex);

	if (!t || !may_reuse(t, now_us))
		return false;
	*iss_min = t->snd.nxt + ISS_GAP;
	tcb_fail(t, 0, now_us);
	return true;
}

/* ---- from engine to engine ----------------------------------------------------- */

struct copying {
	struct tcp_timewait *out;
	size_t n, max;
};

static void copy_one(struct flow_node *node, void *arg)
{
	const struct tcb *t = (const struct tcb *)node;
	struct copying *c = arg;

	if (t->state != TCPS_TIME_WAIT || c->n == c->max)
		return;
	c->out[c->n++] = (struct tcp_timewait){
		.flow = node->flow,
		.ifindex = node->ifindex,
		.ip = *tcb_ip_fields(t),
		.snd_nxt = t->snd.nxt,
		.rcv_nxt = t->rcv.nxt,
		.rcv_edge = t->rcv.edge,
		.ts_recent = t->rcv.ts_recent,
		.ts_offset = t->ts_offset,
		.ts_recent_us = t->rcv.ts_recent_us,
		.until_us = t->timer_at[TIMER_WAIT],
		.rcv_wscale = t->rcv.wscale,
		.ts_ok = t->ts_ok,
		.wscale_ok = t->wscale_ok,
	};
}

size_t engine_timewaits(struct engine *e, struct tcp_timewait *out, size_t max)
{
	struct copying c = {.out = out, .max = max};

	flowtab_each(&e->flows, copy_one, &c);
	return c.n;
}

static bool makes_sense(const struct tcp_timewait *tw)
{
	const struct flow *f = &tw->flow;

	return addr_is_unicast(&f->local.addr) && addr_is_unicast(&f->remote.addr) &&
	       addr_is_v4(&f->local.addr) == addr_is_v4(&f->remote.addr) &&
	       f->local.port && f->remote.port && tw->rcv_wscale <= 14 &&
	       seq_leq(tw->rcv_nxt, tw->rcv_edge);
}

/* As if nothing but SYN and FIN had been sent and received. */
static void fill_in(struct tcb *t, const struct tcp_timewait *tw)
{
	tcb_set_iss(t, tw->snd_nxt - 2);
	t->snd.una = t->snd.nxt = tw->snd_nxt;
	t->fin_queued = true;
	t->rcv.irs = tw->rcv_nxt - 2;
	t->rcv.nxt = t->rcv.acked = tw->rcv_nxt;
	t->rcv.edge = t->rcv.adv = tw->rcv_edge;
	t->rcv.fin_seq = tw->rcv_nxt - 1;
	t->fin_seen = true;
	t->rcv.ts_recent = tw->ts_recent;
	t->rcv.ts_recent_us = tw->ts_recent_us;
	t->rcv.wscale = tw->rcv_wscale;
	t->ts_ok = tw->ts_ok;
	t->ts_offset = tw->ts_offset;
	t->wscale_ok = tw->wscale_ok;
}

int engine_add_timewait(struct engine *e, const struct tcp_timewait *tw, uint64_t now_us)
{
	struct tcp_opts opts;
	struct tcb *t;
	int err;

	if (!makes_sense(tw))
		return -EINVAL;
	tcp_opts_defaults(e, &opts);
	opts.ifindex = tw->ifindex;
	opts.ip = opts.ip6 = tw->ip;
	err = tcb_new(e, &tw->flow, &opts, now_us, &t);
	if (err)
		return err;
	fill_in(t, tw);
	tcb_set_released(t);
	enter_time_wait(t, now_us);
	if (tw->until_us < t->timer_at[TIMER_WAIT])
		tcb_timer_set(t, TIMER_WAIT, tw->until_us);
	return 0;
}

/* ---- ended early --------------------------------------------------------------- */

struct ending {
	const uint16_t *ports;
	size_t n, ended;
	uint64_t now_us;
};

static void end_one(struct flow_node *node, void *arg)
{
	struct tcb *t = (struct tcb *)node;
	struct ending *c = arg;
	size_t i = 0;

	if (t->state != TCPS_TIME_WAIT || !t->released)
		return;
	while (i < c->n && c->ports[i] != node->flow.local.port)
		i++;
	if (i == c->n)
		return;
	tcb_fail(t, 0, c->now_us);
	c->ended++;
}

size_t engine_end_timewaits(struct engine *e, const uint16_t *ports, size_t n,
			    uint64_t now_us)
{
	struct ending c = {.ports = ports, .n = n, .now_us = now_us};

	flowtab_each(&e->flows, end_one, &c);
	tcb_reap(e);
	return c.ended;
}
