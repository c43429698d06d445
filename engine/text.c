/* text.c - receiving: the seventh and eighth step of RFC 9293 3.10.7.4, and the
 * window that is offered.
 *
 * Owns t->rcv. The ring holds the bytes that the user has not taken, up to
 * RCV.NXT, and behind them what arrived out of order, each byte at its offset
 * from the first unread one; rcv.ooo knows which of those are there.
 *
 * Two right edges: rcv.edge is the furthest ever promised, and everything below
 * it is accepted; rcv.adv is what the last window field said, which can be less
 * by the rounding of the scale (RFC 7323 2.4).
 */
#include "tcb.h"

#include <errno.h>

/* A window of 64 KiB needs no scaling; less would be slow on any path, and so
 * would be less than two segments. */
#define SHARE_MIN_BYTES 65535u

/* Counts the connections that receive, second by second. */
static void count_receiver(struct tcb *t, uint64_t now_us)
{
	struct engine *e = t->e;
	uint32_t second = (uint32_t)(now_us / 1000000) + 1;

	if (second != e->receivers_second) {
		e->receivers_before = second == e->receivers_second + 1 ? e->receivers : 0;
		e->receivers_second = second;
		e->receivers = 0;
	}
	if (t->rcv.second != second) {
		t->rcv.second = second;
		e->receivers++;
	}
}

/* The buffer, or this connection's share of what all of them may have under way:
 * the socket on which everything arrives is one for all. */
static uint32_t rcvbuf_limit(const struct tcb *t)
{
	const struct engine *e = t->e;
	uint32_t n = e->receivers > e->receivers_before ? e->receivers
							: e->receivers_before;
	uint32_t share, least, own = t->rcv.buf_bytes;

	if (memory_is_short(e)) /* a little for everybody, as Linux */
		own = min_u32(own, 4u * t->snd.mss);
	if (t->opts.window_clamp_bytes)
		own = min_u32(own, t->opts.window_clamp_bytes);
	if (!e->cfg.rcv_total_bytes || n < 2)
		return own;
	share = e->cfg.rcv_total_bytes / n;
	least = 2u * t->snd.mss > SHARE_MIN_BYTES ? 2u * t->snd.mss
						  : SHARE_MIN_BYTES;
	return min_u32(own, share > least ? share : least);
}

static uint32_t rcvbuf_free(const struct tcb *t)
{
	uint32_t used = t->rcv.data.len_bytes, limit = rcvbuf_limit(t);

	return limit > used ? limit - used : 0;
}

/* Fr * RCV.BUFF or one segment, RFC 9293 3.8.6.2.2. */
static uint32_t silly_limit(const struct tcb *t)
{
	uint32_t half = rcvbuf_limit(t) / 2;

	return half < t->snd.mss ? (half ? half : 1) : t->snd.mss;
}

uint32_t rcv_wnd(const struct tcb *t)
{
	return t->rcv.edge - t->rcv.nxt;
}

static uint32_t scaled_max(const struct tcb *t, bool syn)
{
	return syn ? 0xffff : 0xffffu << t->rcv.wscale;
}

/* Less than a unit of the scale is left of what was promised, and the field says either
 * nothing or a unit (RFC 7323 2.4). It says a unit, as Linux's: what is offered is what
 * is accepted, and a peer that has some bytes more need not probe for them. The buffer
 * holds up to a unit more than its size then, once; after that the field says nothing,
 * and what lies below the edge is taken all the same, as the RFC wants. */
static uint32_t last_unit(const struct tcb *t, uint32_t wnd, unsigned shift)
{
	uint32_t unit = 1u << shift;

	return wnd && wnd < unit && rcvbuf_free(t) ? unit : wnd;
}

uint16_t rcv_offer(struct tcb *t, bool syn)
{
	unsigned shift = syn ? 0 : t->rcv.wscale;
	uint32_t wnd = rcv_wnd(t);
	/* no more than a SYN,ACK can say, until it is known to have arrived */
	bool narrow = syn || t->state == TCPS_SYN_RECEIVED;
	uint32_t room = min_u32(rcvbuf_free(t), scaled_max(t, narrow));

	room = room >> shift << shift;
	if (room > wnd && (syn || room - wnd >= silly_limit(t)))
		wnd = room;
	wnd = last_unit(t, wnd, shift);
	t->rcv.edge = t->rcv.nxt + wnd;
	wnd = min_u32(wnd, scaled_max(t, syn)) >> shift << shift;
	t->rcv.adv = t->rcv.nxt + wnd;
	return (uint16_t)(wnd >> shift);
}

void rcv_as_offered(struct tcb *t)
{
	uint32_t most = min_u32(t->rcv.buf_bytes, scaled_max(t, true));

	if (t->opts.window_clamp_bytes)
		most = min_u32(most, t->opts.window_clamp_bytes);
	t->rcv.edge = t->rcv.adv = t->rcv.nxt + most;
}

bool window_to_update(const struct tcb *t)
{
	uint32_t offered = t->rcv.adv - t->rcv.nxt;
	uint32_t room = rcvbuf_free(t) >> t->rcv.wscale << t->rcv.wscale;
	uint32_t enough = t->snd.mss > 0x3fff ? 2u * t->snd.mss : 0x7fff;

	if (!may_receive(t->state) || seq_lt(t->rcv.adv, t->rcv.nxt))
		return false;
	room = min_u32(room, scaled_max(t, false));
	/* While the peer has enough to go on with, the ACKs of what it sends
	 * carry the news early enough. */
	return room > offered && room - offered >= silly_limit(t) &&
	       offered <= min_u32(rcvbuf_limit(t) / 2, enough);
}

/* The ACK policy for text that arrived in order: RFC 9293 3.8.6.3. */
static void ack_text(struct tcb *t, uint32_t len_bytes, bool hole, uint64_t now_us)
{
	if (len_bytes > t->rcv.mss_seen && len_bytes <= 0xffff)
		t->rcv.mss_seen = (uint16_t)min_u32(len_bytes, t->snd.mss);
	/* At least every second full-sized segment (SHLD-19 says so), and at
	 * once when a hole is there or was filled (RFC 5681 4.2), or when the
	 * peer has used up its window. */
	if (hole || seq_geq(t->rcv.nxt, t->rcv.adv) || t->rcv.nxt - t->rcv.acked >= 2u * t->rcv.mss_seen ||
	    window_to_update(t) || acks_quickly(t)) {
		t->ack_now = true;
	} else if (!t->ack_delayed) {
		t->ack_delayed = true;
		tcb_timer_set(t, TIMER_DELACK,
			      now_us + t->e->cfg.delack_ms * 1000ull);
	}
	tcb_want_output(t);
}

void note_duplicate(struct tcb *t, uint32_t start, uint32_t end)
{
	end = seq_min(end, t->rcv.nxt);
	if (seq_lt(start, end))
		t->rcv.dup = (struct seq_range){start, end};
	quickack_on_disorder(t);
}

/* The same for [start, end) of which a part lies in the queue (RFC 2883 4.2): one
 * block says it, the first. */
static void note_held(struct tcb *t, uint32_t start, uint32_t end)
{
	struct seq_range held = reasm_held(&t->rcv.ooo, start, end);

	if (t->rcv.dup.start == t->rcv.dup.end)
		t->rcv.dup = held;
}

static enum drop no_room(struct tcb *t)
{
	t->ack_now = true; /* what was not taken must come again */
	tcb_want_output(t);
	return DROP_REASSEMBLY;
}

/* Text beyond RCV.NXT: kept for later (SHLD-31), in bounded memory. */
static enum drop hold_text(struct tcb *t, uint32_t start, const uint8_t *data,
			   uint32_t len_bytes)
{
	struct engine *e = t->e;
	uint32_t off = t->rcv.data.len_bytes + (start - t->rcv.nxt), added, kept;

	/* It must come again if it is not kept: no reason to grow when memory is
	 * short. */
	if (off + len_bytes > t->rcv.data.size_bytes && memory_is_short(e))
		return no_room(t);
	if (ring_reserve(&t->rcv.data, &e->pool, off + len_bytes))
		return no_room(t);
	note_held(t, start, start + len_bytes);
	kept = reasm_kept(&t->rcv.ooo, start) - start;
	if (reasm_add(&t->rcv.ooo, start, start + len_bytes,
		      e->cfg.ooo_ranges_max, &added, &e->stats.memory_bytes))
		return no_room(t);
	if (added)
		ring_put_at(&t->rcv.data, off + kept, data + kept, len_bytes - kept);
	quickack_on_disorder(t);
	t->ack_now = true; /* a duplicate ACK, RFC 5681 4.2 */
	tcb_want_output(t);
	return added ? DROP_NONE : DROP_DUPLICATE;
}

enum drop take_text(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	struct engine *e = t->e;
	uint32_t start = s->seq + !!(s->flags & SEG_SYN);
	uint32_t end = start + s->data_len_bytes;
	const uint8_t *data = s->data;
	uint32_t len_bytes, nxt = t->rcv.nxt;
	bool hole;

	if (seq_lt(start, nxt)) { /* trim what we have */
		note_duplicate(t, start, end);
		data += seq_min(nxt, end) - start;
		start = seq_min(nxt, end);
	}
	if (seq_gt(end, t->rcv.edge)) /* and what was not asked for */
		end = t->rcv.edge;
	if (t->fin_seen && seq_gt(end, t->rcv.fin_seq))
		end = t->rcv.fin_seq;
	if (seq_geq(start, end))
		return DROP_NONE; /* nothing left; FIN may still count */
	len_bytes = end - start;
	count_receiver(t, now_us);
	quickack_on_text(t, now_us);
	t->stat_data_in++;
	t->last_data_in_us = now_us;
	if (t->released) /* RFC 9293 3.6.1: nobody will read it */
		return DROP_AFTER_CLOSE;
	t->stat_ooo_segs += start != nxt;
	if (start != nxt)
		return hold_text(t, start, data, len_bytes);

	if (ring_reserve(&t->rcv.data, &e->pool, t->rcv.data.len_bytes + len_bytes))
		return no_room(t);
	ring_put_at(&t->rcv.data, t->rcv.data.len_bytes, data, len_bytes);
	hole = t->rcv.ooo.n > 0;
	if (hole)
		note_held(t, start, end);
	t->rcv.nxt = hole ? reasm_advance(&t->rcv.ooo, end) : end;
	t->rcv.data.len_bytes += t->rcv.nxt - nxt;
	t->stat_bytes_received += t->rcv.nxt - nxt;
	e->stats.bytes_in += t->rcv.nxt - nxt;
	rcvbuf_on_text(t, s, now_us);
	tcb_event(t, TCP_EV_READABLE);
	ack_text(t, len_bytes, hole, now_us);
	return DROP_NONE;
}

void take_fin(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	uint32_t fin_seq = s->seq + seg_len(s) - 1;

	if ((s->flags & SEG_FIN) && !t->fin_seen && seq_geq(fin_seq, t->rcv.nxt) &&
	    seq_leq(fin_seq, t->rcv.edge)) {
		t->fin_seen = true;
		t->rcv.fin_seq = fin_seq;
		t->ack_now = true;
		tcb_want_output(t);
	}
	if (!t->fin_seen || t->rcv.nxt != t->rcv.fin_seq)
		return; /* none, or text is missing before it, or done already */

	t->rcv.nxt++;
	t->stat_bytes_received++; /* as Linux counts it */
	if (seq_lt(t->rcv.edge, t->rcv.nxt)) /* FIN may stand at the edge */
		t->rcv.edge = t->rcv.nxt;
	t->ack_now = true;
	tcb_want_output(t);
	tcb_event(t, TCP_EV_PEER_CLOSED);
	switch (t->state) {
	case TCPS_ESTABLISHED:
		tcb_set_state(t, TCPS_CLOSE_WAIT, now_us);
		break;
	case TCPS_FIN_WAIT_1:
		if (fin_acked(t))
			enter_time_wait(t, now_us);
		else
			tcb_set_state(t, TCPS_CLOSING, now_us);
		break;
	case TCPS_FIN_WAIT_2:
		enter_time_wait(t, now_us);
		break;
	default:
		break; /* has had its FIN */
	}
}
