/* urgent.c - urgent data: RFC 9293 3.8.5 and RFC 6093.
 *
 * Owns snd.up and rcv.up (SND.UP, RCV.UP), valid while urg_out and urg_in say so.
 * Both are the number behind the last urgent byte (MUST-62). Urgent data is not a
 * second stream: it keeps its place, and the pointer is a mark in it. What sockets
 * call out-of-band data is the last byte before the mark; unless its user wants it
 * in line, it is read by tcp_recv_urgent() only, and the stream skips it.
 */
#include "tcb.h"

#include <errno.h>

/* ---- sending ---------------------------------------------------------------------- */

void urgent_send(struct tcb *t)
{
	t->snd.up = t->snd.data_seq + t->snd.data.len_bytes;
	t->urg_out = true;
	t->ack_now = true; /* where no byte may leave, the pointer still does */
}

bool urgent_unsent(const struct tcb *t)
{
	return t->urg_out && seq_gt(t->snd.up, t->snd.nxt);
}

uint8_t urgent_fill(struct tcb *t, uint32_t seq, uint16_t *up)
{
	if (t->urg_out && seq_geq(t->snd.una, t->snd.up))
		t->urg_out = false;
	if (!t->urg_out || seq_leq(t->snd.up, seq))
		return 0;
	/* Further than the field reaches: as far as it does (RFC 9293 3.10.7.4's
	 * receiver goes on as later segments move it). */
	*up = t->snd.up - seq < 0xffff ? (uint16_t)(t->snd.up - seq) : 0xffff;
	return SEG_URG;
}

/* ---- receiving ---------------------------------------------------------------------- */

/* The number of the first byte that the user has not taken. */
static uint32_t next_read(const struct tcb *t)
{
	bool fin_taken = t->fin_seen && seq_gt(t->rcv.nxt, t->rcv.fin_seq);

	return t->rcv.nxt - fin_taken - t->rcv.data.len_bytes;
}

void take_urgent(struct tcb *t, const struct segment *s)
{
	bool standard = t->e->cfg.stdurg;
	uint32_t up = s->seq + s->up + standard;

	/* A pointer at its own segment, or to what was taken, points nowhere. */
	if (!(s->flags & SEG_URG) || (!s->up && !standard) || t->released || seq_leq(up, next_read(t)))
		return;
	if (t->urg_in && seq_leq(up, t->rcv.up))
		return;
	/* What was read out of line must not be read again as part of the stream. */
	if (t->urg_in && t->urg_taken && tcp_at_mark(t))
		ring_consume(&t->rcv.data, 1);
	t->rcv.up = up;
	t->urg_in = true;
	t->urg_taken = false;
	tcb_event(t, TCP_EV_URGENT); /* MUST-32 */
}

uint32_t urgent_readable(const struct tcb *t, bool *skip)
{
	uint32_t len = t->rcv.data.len_bytes, before;

	*skip = false;
	if (!t->urg_in)
		return len;
	before = t->rcv.up - 1 - next_read(t);
	if (before)
		return before < len ? before : len;
	if (t->opts.oob_inline || !len)
		return len;
	*skip = true;
	return len - 1;
}

void urgent_consumed(struct tcb *t)
{
	if (t->urg_in && seq_geq(next_read(t), t->rcv.up))
		t->urg_in = false;
}

uint32_t urgent_left(const struct tcb *t)
{
	return t->urg_in ? t->rcv.up - next_read(t) : 0;
}

bool tcp_at_mark(const struct tcb *t)
{
	return urgent_left(t) == 1;
}

int tcp_recv_urgent(struct tcb *t, bool peek, uint8_t *byte)
{
	struct iovec iov[2];

	if (!t->urg_in || t->urg_taken || t->opts.oob_inline)
		return -EINVAL;
	if (urgent_left(t) > t->rcv.data.len_bytes)
		return -EAGAIN;
	ring_iov(&t->rcv.data, urgent_left(t) - 1, 1, iov);
	*byte = *(uint8_t *)iov[0].iov_base;
	t->urg_taken = !peek;
	return 0;
}
