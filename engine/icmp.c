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

/* A listener's child has nobody who could be told, and its SYN,ACK is repeated a few
 * times only: it goes where no other answer can be expected, by Linux's tables. A port
 * that is unreachable for now (a firewall says that, too) is no such thing in IPv4. */
static bool ends_child(const struct tcb *t, int err)
{
	if (addr_is_v4(&t->node.flow.remote.addr))
		return err == ENETUNREACH || err == EHOSTUNREACH || err == EPROTO;
	return err == EACCES || err == ECONNREFUSED || err == EPROTO;
}

/* What ends attempts to connect, as everybody does: RFC 5461 3. */
static bool ends_opening(const struct tcb *t, int err)
{
	if (t->state == TCPS_SYN_SENT)
		return true;
	if (t->state != TCPS_SYN_RECEIVED || (t->fast_child && t->accepted))
		return false;
	return !t->listener || t->fast_child || ends_child(t, err);
}

void engine_icmp(struct engine *e, const struct engine_icmp *msg,
		 uint64_t now_us)
{
	struct tcb *t = (struct tcb *)flowtab_find(&e->flows, &msg->flow, 0);

	if (!t || t->state == TCPS_LISTEN || !in_flight(t, msg->seq))
		return;
	if (msg->err == EMSGSIZE)
		pmtu_told(t, msg, now_us);
	else if (ends_opening(t, msg->err))
		tcb_fail(t, msg->err, now_us);
	else if (!t->listener)
		t->soft_error = msg->err; /* MUST-56 */
	tcb_reap(e);
}
