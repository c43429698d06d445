/* record.c - the trace: what the engine did, as records that somebody else
 * turns into lines. A bounded queue; without a reader the newest are lost.
 */
#include "tcb.h"

#include <string.h>

void trace_numbers(const struct tcb *t, struct trace_rec *rec)
{
	rec->conn = t->number;
	rec->iss = t->snd.iss;
	rec->iss_known = t->state != TCPS_LISTEN;
	rec->irs = t->rcv.irs;
	rec->irs_known = t->rcv.nxt != 0 || t->rcv.irs != 0;
	rec->snd_wscale = t->snd.wscale;
	rec->rcv_wscale = t->rcv.wscale;
}

void trace_segment(struct engine *e, const struct trace_rec *rec)
{
	struct trace_queue *q = &e->trace;

	if (q->rec && q->n < TRACE_MAX)
		q->rec[(q->head + q->n++) % TRACE_MAX] = *rec;
}

bool engine_trace(struct engine *e, struct trace_rec *rec)
{
	struct trace_queue *q = &e->trace;

	if (!q->n)
		return false;
	*rec = q->rec[q->head];
	q->head = (q->head + 1) % TRACE_MAX;
	q->n--;
	return true;
}

static void trace_tcb(struct tcb *t, enum trace_kind kind, enum tcp_state before,
		      const char *note, uint64_t now_us)
{
	struct trace_rec rec = {.kind = kind, .time_us = now_us,
				.flow = t->node.flow, .before = before,
				.after = t->state, .note = note};

	trace_numbers(t, &rec);
	trace_segment(t->e, &rec);
}

void trace_state(struct tcb *t, enum tcp_state before, uint64_t now_us)
{
	/* What a segment changes stands in the segment's own record. */
	if (t->e->trace.rec && t->e->in_input != t && !t->listener)
		trace_tcb(t, TRACE_STATE, before, NULL, now_us);
}

void trace_note(struct tcb *t, const char *note, uint64_t now_us)
{
	if (t->e->trace.rec)
		trace_tcb(t, TRACE_TIMER, t->state, note, now_us);
}

void trace_out(struct engine *e, struct tcb *t, const struct flow *flow,
	       const struct engine_pkt_out *pkt, const char *note,
	       uint64_t now_us)
{
	struct trace_rec rec = {.kind = TRACE_OUT, .time_us = now_us,
				.flow = *flow, .note = note,
				.before = TCPS_CLOSED, .after = TCPS_CLOSED};

	if (!e->trace.rec)
		return;
	if (t) {
		rec.before = rec.after = t->state;
		trace_numbers(t, &rec);
	}
	rec.hdr_len_bytes = pkt->hdr_len_bytes;
	memcpy(rec.hdr, pkt->hdr, pkt->hdr_len_bytes);
	rec.payload_len_bytes = pkt->payload_len_bytes;
	trace_segment(e, &rec);
}
