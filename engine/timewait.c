/* timewait.c - when a flow in TIME-WAIT may have its next connection: RFC 6191,
 * RFC 9293 3.6.1 (MAY-2).
 *
 * Owns nothing. The condition in both directions is that nothing of the old
 * connection can be taken for the new one's: its timestamps are later, or else
 * its sequence numbers are beyond the old ones.
 */
#include "tcb.h"

/* Our clock of timestamps has surely moved on, and so has the peer's view of it. */
#define REUSE_AFTER_US 1000000
/* Farther than a window without scaling that may still be under way. */
#define ISS_GAP (65535 + 2)

bool time_wait_gives_way(const struct tcb *t, const struct segment *s)
{
	if (t->state != TCPS_TIME_WAIT ||
	    (s->flags & (SEG_SYN | SEG_ACK | SEG_RST)) != SEG_SYN)
		return false;
	if (t->ts_ok && s->opt.ts && s->opt.ts_val != t->rcv.ts_recent)
		return seq_gt(s->opt.ts_val, t->rcv.ts_recent); /* RFC 6191 2 */
	return seq_gt(s->seq, t->rcv.nxt);
}

/* Our own SYN is to take the place of t. The peer may be in TIME-WAIT itself, or
 * have forgotten the old connection; it needs our timestamps to be later. */
static bool may_reuse(const struct tcb *t, uint64_t now_us)
{
	const struct flow *f = &t->node.flow;
	uint32_t when = t->e->cfg.tw_reuse;

	if (t->state != TCPS_TIME_WAIT || !t->ts_ok || !t->e->cfg.timestamps ||
	    now_us - t->rcv.ts_recent_us < REUSE_AFTER_US)
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
