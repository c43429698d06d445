/* prr.c - proportional rate reduction, RFC 6937 in the form of its revision (RFC
 * 9937): how cwnd comes down from what it was to ssthresh, while losses are
 * repaired or after a mark.
 *
 * Owns t->prr and, as long as prr_on(), cwnd: for every byte delivered it lets
 * ssthresh / RecoverFS bytes out, and where losses have already brought the
 * network below ssthresh, as much as was delivered, and a segment more if the ACK
 * is good news. It needs SACK to know what was delivered, and leaves alone what
 * keeps cwnd itself (CC_OWN_RECOVERY).
 */
#include "tcb.h"

bool prr_on(const struct tcb *t)
{
	return t->repair && t->repair->prr.fs_bytes;
}

/* RecoverFS counts what this ACK delivered, but not what SACK had told before: that
 * will never be delivered again. */
void prr_start(struct tcb *t, const struct sb_acked *res, uint32_t cwnd_bytes)
{
	uint32_t fs = flight_bytes(t) - t->snd.sb.sacked_bytes;

	if (!t->sack_ok || t->cc.ops->flags & CC_OWN_RECOVERY || !repair_of(t))
		return;
	if (res)
		fs += res->sacked_bytes + res->acked_bytes;
	t->repair->prr.fs_bytes = fs ? fs : 1;
	t->repair->prr.delivered_bytes = t->repair->prr.out_bytes = 0;
	t->repair->prr.end = t->snd.nxt;
	t->cc.cwnd_bytes = cwnd_bytes; /* on_congestion() has set it to ssthresh */
}

static uint32_t proportion(const struct tcb *t)
{
	uint64_t due = (uint64_t)t->repair->prr.delivered_bytes * t->cc.ssthresh_bytes;

	due = (due + t->repair->prr.fs_bytes - 1) / t->repair->prr.fs_bytes;
	return due > t->repair->prr.out_bytes ? (uint32_t)(due - t->repair->prr.out_bytes) : 0;
}

/* Below ssthresh: packet conservation, or slow start if all goes well. */
static uint32_t catch_up(const struct tcb *t, uint32_t delivered_bytes,
			 uint32_t pipe_bytes, bool safe)
{
	uint32_t due = delivered_bytes, room = t->cc.ssthresh_bytes - pipe_bytes;

	if (t->repair->prr.delivered_bytes > t->repair->prr.out_bytes &&
	    t->repair->prr.delivered_bytes - t->repair->prr.out_bytes > due)
		due = t->repair->prr.delivered_bytes - t->repair->prr.out_bytes;
	if (safe)
		due += t->snd.mss;
	return min_u32(due, room);
}

void prr_on_ack(struct tcb *t, uint32_t delivered_bytes, bool safe)
{
	uint32_t pipe = recovery_pipe_bytes(t), due;

	t->repair->prr.delivered_bytes += delivered_bytes;
	if (pipe > t->cc.ssthresh_bytes)
		due = proportion(t);
	else
		due = catch_up(t, delivered_bytes, pipe, safe);
	if (!t->repair->prr.out_bytes && due < t->snd.mss)
		due = t->snd.mss; /* the first retransmission goes at once */
	t->cc.cwnd_bytes = pipe + due;
}

void prr_sent(struct tcb *t, uint32_t len_bytes)
{
	if (prr_on(t))
		t->repair->prr.out_bytes += len_bytes;
}

bool prr_complete(const struct tcb *t)
{
	return seq_geq(t->snd.una, t->repair->prr.end);
}

void prr_extend(struct tcb *t)
{
	t->repair->prr.end = t->snd.nxt;
}

void prr_stop(struct tcb *t)
{
	if (prr_on(t))
		t->repair->prr.fs_bytes = 0;
}

void prr_end(struct tcb *t)
{
	if (prr_on(t))
		t->cc.cwnd_bytes = t->cc.ssthresh_bytes;
	prr_stop(t);
}
