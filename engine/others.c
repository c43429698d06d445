/* others.c - segments that may be for another stack of this host, on a port that it
 * shares with this one: a server that has restarted, and the one before, which still
 * has connections.
 *
 * Owns nothing. A stack knows only its own connections. Where it would answer
 * although another stack may have the flow, it asks first: engine_input() leaves the
 * segment alone (DROP_ASK), and the user, who can find out, gives it again, or
 * calls engine_yield().
 */
#include "tcb.h"

bool others_decide(const struct tcb *t, const struct segment *s)
{
	switch (t->state) {
	case TCPS_TIME_WAIT: /* who listens takes it for a new connection */
		return (s->flags & (SEG_SYN | SEG_ACK | SEG_RST)) == SEG_SYN;
	case TCPS_SYN_RECEIVED: /* of a SYN that was a duplicate of the other's? */
		return t->listener && (s->flags & (SEG_ACK | SEG_RST)) == SEG_ACK &&
		       (seq_leq(s->ack, t->snd.iss) || seq_gt(s->ack, t->snd.nxt));
	default:
		return false;
	}
}

void engine_yield(struct engine *e, const struct engine_pkt_in *pkt, uint64_t now_us)
{
	struct segment s;
	struct flow flow;
	struct tcb *t;

	if (segment_parse(&s, &pkt->src, &pkt->dst, pkt->tcp, pkt->tcp_len_bytes))
		return;
	flow.local = (struct endpoint){pkt->dst, s.dport};
	flow.remote = (struct endpoint){pkt->src, s.sport};
	t = (struct tcb *)flowtab_find(&e->flows, &flow, pkt->ifindex);
	if (t && time_wait_gives_way(t, &s))
		tcb_fail(t, 0, now_us);
	tcb_reap(e);
}
