/* delack.c - which ACKs may wait for company (RFC 9293 3.8.6.3, RFC 5681 4.2),
 * as in Linux.
 *
 * Owns rcv.quick, answers and pingpong. A sender in slow start, or one that repairs a loss
 * or begins again after a pause, gets an ACK per segment: it counts them. Two ends
 * that answer each other ("pingpong") save the ACKs that the answers carry.
 */
#include "tcb.h"

void quickack_start(struct tcb *t)
{
	uint32_t segs = t->rcv.mss_seen ? rcv_wnd(t) / (2u * t->rcv.mss_seen) : UINT32_MAX;
	uint32_t max = t->e->cfg.quickacks;

	t->rcv.quick = (uint8_t)(segs < max ? (segs < 2 ? 2 : segs) : max);
}

void quickack_on_text(struct tcb *t, uint64_t now_us)
{
	uint64_t before_us = t->last_data_in_us;

	if (!before_us || now_us - before_us > t->rtt.rto_us)
		quickack_start(t);
}

static void pingpong_ends(struct tcb *t)
{
	t->pingpong = false;
	t->answers = 0;
}

void quickack_on_disorder(struct tcb *t)
{
	pingpong_ends(t);
	quickack_start(t);
}

bool acks_quickly(const struct tcb *t)
{
	return t->rcv.quick && !t->pingpong;
}

void pingpong_on_send(struct tcb *t, uint64_t now_us)
{
	if (!t->last_data_in_us || now_us - t->last_data_in_us >= t->e->cfg.delack_ms * 1000ull)
		return;
	if (t->answers < UINT8_MAX)
		t->answers++;
	t->pingpong |= t->answers >= t->e->cfg.pingpong_thresh;
}

void delack_expire(struct tcb *t)
{
	pingpong_ends(t); /* no answer came that could have carried it */
	t->ack_now = true;
	tcb_want_output(t);
}

void tcp_quickack(struct tcb *t, bool on, uint64_t now_us)
{
	(void)now_us;
	pingpong_ends(t);
	t->pingpong = !on;
	if (!on || t->state == TCPS_CLOSED || t->state == TCPS_LISTEN)
		return;
	quickack_start(t);
	if (t->ack_delayed) {
		t->ack_now = true;
		tcb_want_output(t);
	}
}
