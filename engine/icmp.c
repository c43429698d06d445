/* icmp.c - what ICMP errors mean to a connection: RFC 9293 3.9.2.2, RFC 5461,
 * and the first check of RFC 5927.
 */
#include "tcb.h"

#include <errno.h>

/* RFC 5927 4.1: an error can only be about what is in flight. */
static bool in_flight(const struct tcb *t, uint32_t seq)
{
	return seq_geq(seq, t->snd.una) && seq_lt(seq, t->snd.nxt);
}

void engine_icmp(struct engine *e, const struct engine_icmp *msg,
		 uint64_t now_us)
{
	struct tcb *t = (struct tcb *)flowtab_find(&e->flows, &msg->flow, 0);

	if (!t || t->state == TCPS_LISTEN || !in_flight(t, msg->seq))
		return;
	if (msg->err == EMSGSIZE)
		pmtu_told(t, msg, now_us);
	else if (t->state == TCPS_SYN_SENT || (t->state == TCPS_SYN_RECEIVED))
		tcb_fail(t, msg->err, now_us); /* as everybody does: RFC 5461 3 */
	else
		t->soft_error = msg->err; /* MUST-56 */
	tcb_reap(e);
}
