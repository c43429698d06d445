/* output.c - what a connection sends next, if anything.
 *
 * Sole writer of snd.nxt. tcb_output() makes one packet per call, in this order
 * of urgency: SYN, what was lost, a probe, new data and FIN, a bare ACK. Each
 * source is a function that says whether it has made a packet; the predicates
 * in front of them hold the policy (cwnd, window, Nagle, silly windows).
 */
#include "tcb.h"

#include <assert.h>
#include <string.h>

/* ---- one packet --------------------------------------------------------------------- */

static void forget_due_acks(struct tcb *t)
{
	t->ack_now = t->ack_delayed = t->challenge = false;
	t->rcv.quick -= t->rcv.quick > 0;
	tcb_timer_stop(t, TIMER_DELACK);
	t->rcv.acked = t->rcv.nxt;
}

static void start_packet(const struct tcb *t, struct engine_pkt_out *pkt)
{
	pkt->src = t->node.flow.local.addr;
	pkt->dst = t->node.flow.remote.addr;
	pkt->tos = ecn_tos(t, 0, false);
	pkt->ace = false;
	pkt->ttl = tcb_ip_fields(t)->ttl;
	pkt->no_flow_label = tcb_ip_fields(t)->no_flow_label;
	pkt->ifindex = t->node.ifindex;
	pkt->may_fragment = pmtu_may_fragment(t);
	pkt->payload_len_bytes = 0;
	pkt->payload_iovs = 0;
}

static uint32_t segments_in(const struct engine_pkt_out *pkt)
{
	return segment_is_burst(pkt)
		       ? (pkt->payload_len_bytes + pkt->mss_bytes - 1) / pkt->mss_bytes
		       : 1;
}

static void finish_packet(struct tcb *t, struct engine_pkt_out *pkt,
			  const struct segment *s, const char *note,
			  uint64_t now_us)
{
	struct engine *e = t->e;

	pkt->hdr_len_bytes = segment_build(s, pkt->hdr);
	if (s->flags & SEG_ACK)
		forget_due_acks(t);
	t->stat_segs_out += segments_in(pkt);
	e->stats.segs_out += segments_in(pkt);
	trace_out(e, t, &t->node.flow, pkt, note, now_us);
}

/* Beside a segment's flags: its data was never sent before. */
#define FRESH 0x8000

/* Everything but SYN: [seq, seq + len) of the buffer, mss bytes to a segment, with
 * an ACK. */
static void make_segment(struct tcb *t, struct engine_pkt_out *pkt, uint32_t seq,
			 uint32_t len_bytes, uint32_t mss, uint16_t flags,
			 const char *note, uint64_t now_us)
{
	struct segment s = {
		.sport = t->node.flow.local.port,
		.dport = t->node.flow.remote.port,
		.seq = seq,
		.ack = t->rcv.nxt,
		.flags = (flags & ~FRESH) | SEG_ACK,
		.wnd = rcv_offer(t, false),
		.opt = {.wscale = -1},
	};
	bool pure;

	fill_options(t, &s.opt, len_bytes, now_us);
	pure = !len_bytes && !(flags & SEG_FIN) && !s.opt.sack_n;
	s.flags |= ecn_flags(t, len_bytes, pure, flags & FRESH);
	s.flags |= urgent_fill(t, seq, &s.up);
	start_packet(t, pkt);
	pkt->tos = ecn_tos(t, len_bytes, flags & FRESH);
	pkt->ace = t->ecn.mode == ECN_ACCURATE;
	pkt->mss_bytes = (uint16_t)mss;
	if (len_bytes) {
		pkt->payload_len_bytes = len_bytes;
		pkt->payload_iovs = ring_iov(&t->snd.data, seq - t->snd.data_seq,
					     len_bytes, pkt->payload);
		t->stat_data_out += (len_bytes + mss - 1) / mss;
		t->stat_bytes_sent += len_bytes;
		prr_sent(t, len_bytes);
		pace_sent(t, len_bytes, now_us);
		t->e->stats.bytes_out += len_bytes;
		t->snd.last_us = now_us;
		pingpong_on_send(t, now_us);
	}
	finish_packet(t, pkt, &s, note, now_us);
}

/* ---- SYN ------------------------------------------------------------------------------ */

struct segment syn_segment(struct tcb *t, uint64_t now_us)
{
	const struct engine_config *cfg = &t->e->cfg;
	bool answer = t->state == TCPS_SYN_RECEIVED;
	struct segment s = {
		.sport = t->node.flow.local.port,
		.dport = t->node.flow.remote.port,
		.seq = t->snd.iss,
		.ack = t->rcv.nxt,
		.flags = answer ? SEG_SYN | SEG_ACK : SEG_SYN,
		.wnd = rcv_offer(t, true),
		.opt = {.wscale = -1},
	};

	s.opt.mss = offered_mss(t);
	if (answer ? t->wscale_ok : cfg->window_scaling)
		s.opt.wscale = (int8_t)t->rcv.wscale;
	s.opt.sack_ok = answer ? t->sack_ok : cfg->sack;
	s.opt.ts = answer ? t->ts_ok : cfg->timestamps;
	s.opt.ts_val = ts_now(t, now_us);
	s.opt.ts_ecr = answer ? t->rcv.ts_recent : 0;
	fastopen_syn_option(t, &s.opt);
	add_ecn_to_syn(t, &s, answer);
	return s;
}

/* Fast Open's; returns how many bytes. */
static uint32_t add_syn_data(struct tcb *t, struct engine_pkt_out *pkt,
			     const struct segment *s, uint64_t now_us)
{
	uint8_t hdr[TCP_HDR_MAX];
	uint32_t len = fastopen_syn_data(t, segment_build(s, hdr));
	uint32_t seq = t->snd.data_seq;

	if (!len || sb_push(&t->snd.sb, &t->e->pool, seq, seq + len, (uint16_t)len, now_us))
		return 0;
	rate_on_sent(t, sb_last(&t->snd.sb), now_us);
	pkt->payload_len_bytes = len;
	pkt->payload_iovs = ring_iov(&t->snd.data, 0, len, pkt->payload);
	t->stat_data_out++;
	t->stat_bytes_sent += len;
	t->e->stats.bytes_out += len;
	return len;
}

void take_back_syn_data(struct tcb *t)
{
	t->snd.nxt = t->snd.una;
	sb_clear(&t->snd.sb, &t->e->pool);
}

static bool send_syn(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	bool again = t->snd.nxt != t->snd.iss;
	struct segment s;

	if (!t->syn_due)
		return false;
	t->syn_due = false;
	s = syn_segment(t, now_us);
	s.opt.uto = uto_to_send(t);
	start_packet(t, pkt);
	pkt->mss_bytes = s.opt.mss;
	if (!again)
		t->snd.nxt = t->snd.data_seq + add_syn_data(t, pkt, &s, now_us);
	finish_packet(t, pkt, &s, again ? "retransmission" : NULL, now_us);
	if (again) {
		t->stat_total_retrans++;
		t->e->stats.segs_retransmitted++;
	}
	t->snd.last_us = now_us;
	if (!t->snd.stall_us)
		t->snd.stall_us = now_us;
	if (t->timer_at[TIMER_REXMT] == ENGINE_NEVER)
		tcb_timer_set(t, TIMER_REXMT, rexmt_due_us(t, now_us));
	return true;
}

/* ---- what the window and cwnd let out --------------------------------------------------- */

/* Sequence number behind the last byte of the buffer: our FIN's place. */
static uint32_t data_end(const struct tcb *t)
{
	return t->snd.data_seq + t->snd.data.len_bytes;
}

static uint32_t unsent_bytes(const struct tcb *t)
{
	uint32_t from = seq_max(t->snd.nxt, t->snd.data_seq); /* SYN is no byte */

	return seq_lt(from, data_end(t)) ? data_end(t) - from : 0;
}

static bool fin_unsent(const struct tcb *t)
{
	return t->fin_queued && seq_leq(t->snd.nxt, data_end(t));
}

uint32_t unsent(const struct tcb *t)
{
	return unsent_bytes(t) + fin_unsent(t);
}

/* U of 3.8.6.2.1, seen from seq. */
static uint32_t window_room(const struct tcb *t, uint32_t seq)
{
	uint32_t edge = t->snd.una + t->snd.wnd;

	return seq_gt(edge, seq) ? edge - seq : 0;
}

uint32_t may_send_bytes(const struct tcb *t)
{
	return min_u32(unsent(t), window_room(t, t->snd.nxt));
}

bool may_send_new(const struct tcb *t)
{
	return unsent_bytes(t) && window_room(t, t->snd.nxt);
}

/* Whatever an algorithm thinks: one segment may always be under way, or nothing would
 * ever change its mind. */
static uint32_t cwnd_room(const struct tcb *t)
{
	uint32_t pipe = recovery_pipe_bytes(t);
	uint32_t cwnd = max_u32(t->cc.cwnd_bytes, t->snd.mss);

	return cwnd > pipe ? cwnd - pipe : 0;
}

static uint32_t whole_segments(uint32_t len, uint32_t mss)
{
	return len - len % mss;
}

/* A segment below the MSS because the peer's window has no more room:
 * 3.8.6.2.1 (3) and (4). */
static bool may_fill_window(const struct tcb *t, uint32_t len)
{
	return len && (t->override_sws || len >= t->snd.max_wnd / 2);
}

/* How many new bytes go out in the next packet. */
static uint32_t new_bytes(struct tcb *t, uint32_t mss)
{
	uint32_t left = unsent_bytes(t);
	uint32_t wnd = window_room(t, t->snd.nxt), cwnd = cwnd_room(t);
	uint32_t len = min_u32(left, pace_burst_bytes(t, mss));

	if (len > cwnd && wnd > cwnd)
		t->snd.limited_end = t->snd.nxt;
	if (len > min_u32(wnd, cwnd)) {
		len = whole_segments(min_u32(wnd, cwnd), mss);
		if (!len && wnd < mss && wnd <= cwnd)
			return may_fill_window(t, wnd) ? wnd : 0;
		return len;
	}
	return len == left && len % mss ? small_bytes(t, len, mss) : len;
}

/* ---- sources of packets -------------------------------------------------------------------- */

/* Bytes of a lost record that may go now; 0: none. */
static uint32_t resend_bytes(struct tcb *t, const struct sent *rec, uint32_t mss)
{
	uint32_t wnd = window_room(t, rec->start), cwnd = cwnd_room(t);
	uint32_t len = min_u32(rec->end - rec->start, pace_burst_bytes(t, mss));

	if (wnd == 0)
		return 0; /* the peer has shrunk its window: probes */
	len = min_u32(len, wnd);
	if (len <= cwnd)
		return len;
	cwnd = whole_segments(cwnd, mss);
	return t->rexmit_now && !cwnd ? min_u32(len, mss) : cwnd;
}

static void resend(struct tcb *t, struct engine_pkt_out *pkt, struct sent *rec,
		   uint32_t mss, const char *note, uint64_t now_us)
{
	uint32_t start = rec->start;
	uint32_t len = rec->end - start;
	uint8_t flags = 0;

	assert(mss > 0);
	rec->seg_bytes = (uint16_t)mss;
	sb_retransmitted(&t->snd.sb, rec, now_us);
	rate_on_sent(t, rec, now_us);
	if (seq_gt(rec->end, data_end(t))) { /* the last number is our FIN's */
		flags = SEG_FIN;
		len--;
	}
	if (len && start + len == data_end(t))
		flags |= SEG_PSH;
	t->stat_total_retrans += (len + mss - 1) / mss + (len == 0);
	t->e->stats.segs_retransmitted++;
	t->stat_bytes_retrans += len;
	undo_on_resend(t, start, rec->end - start, now_us);
	make_segment(t, pkt, start, len, mss, flags, note, now_us);
}

static bool resend_lost(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	struct sent *rec = sb_next_lost(&t->snd.sb);
	uint32_t mss, len;

	if (!rec || undo_wants_new(t))
		return false;
	mss = effective_mss(t);
	len = resend_bytes(t, rec, mss);
	if (!len || (!t->rexmit_now && pace_holds(t, now_us)))
		return false;
	if (sb_split(&t->snd.sb, &t->e->pool, rec, len))
		return false; /* no memory: the timer tries again */
	t->rexmit_now = false;
	rec = sb_next_lost(&t->snd.sb); /* splitting may have moved it */
	if (!rec)
		return false;
	if (rec == sb_first(&t->snd.sb)) /* it gets all the time that the first had */
		rexmt_timer_update(t, true, now_us);
	resend(t, pkt, rec, mss, "retransmission", now_us);
	return true;
}

/* One byte into a closed window (MUST-36). It stays outstanding; should the
 * window open without it being acknowledged, ack.c has it sent again. */
static bool send_probe(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	uint32_t seq = t->snd.una;
	uint8_t flags = 0;

	if (!t->probe_now)
		return false;
	t->probe_now = false;
	if (t->snd.nxt == seq) {
		if (!unsent(t) ||
		    sb_push(&t->snd.sb, &t->e->pool, seq, seq + 1,
			    1, now_us))
			return false;
		t->snd.nxt++;
	} else { /* Karn: nobody knows which of them will be acknowledged */
		sb_retransmitted(&t->snd.sb, sb_first(&t->snd.sb), now_us);
	}
	rate_on_sent(t, sb_first(&t->snd.sb), now_us);
	if (seq == data_end(t))
		flags = SEG_FIN;
	make_segment(t, pkt, seq, flags & SEG_FIN ? 0 : 1, t->snd.mss, flags,
		     "zero window probe", now_us);
	return true;
}

static bool send_range(struct tcb *t, struct engine_pkt_out *pkt, uint32_t len,
		       uint32_t mss, const char *note, uint64_t now_us)
{
	uint32_t seq = t->snd.nxt;
	uint16_t flags = FRESH;

	if (seq + len == data_end(t)) {
		flags |= len ? SEG_PSH : 0; /* MUST-60 */
		flags |= t->fin_queued && t->state != TCPS_SYN_RECEIVED ? SEG_FIN : 0;
	}
	if (!len && !(flags & SEG_FIN))
		return false;
	if (sb_push(&t->snd.sb, &t->e->pool, seq,
		    seq + len + !!(flags & SEG_FIN), (uint16_t)mss, now_us))
		return false;
	rate_on_sent(t, sb_last(&t->snd.sb), now_us);
	t->override_sws = t->uncork = false;
	t->snd.nxt += len + !!(flags & SEG_FIN);
	if (len % mss)
		t->snd.small_end = seq + len;
	make_segment(t, pkt, seq, len, mss, flags, note, now_us);
	return true;
}

/* Of new data one larger segment, as if the path MTU were larger already. */
static bool send_mtu_probe(struct tcb *t, struct engine_pkt_out *pkt,
			   uint32_t mss, uint32_t more, uint64_t now_us)
{
	uint32_t seq = t->snd.nxt;

	if (!send_range(t, pkt, mss + more, mss + more, "path MTU probe", now_us))
		return false;
	pmtu_probe_sent(t, more, seq);
	return true;
}

/* A probe is due: can it go, with others behind it, now or soon? */
static bool mtu_probe_fits(const struct tcb *t, uint32_t more)
{
	uint32_t need = pmtu_probe_room(t, more);

	return unsent_bytes(t) >= need && window_room(t, t->snd.nxt) >= need &&
	       t->cc.cwnd_bytes >= need;
}

static bool send_data(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	uint32_t more = pmtu_probe_due(t, now_us), mss = effective_mss(t), len;

	if (more && !mtu_probe_fits(t, more))
		more = 0;
	if (more && cwnd_room(t) < t->snd.mss + more)
		return false; /* the ACKs of what is in flight will make room */
	len = more ? mss + more : new_bytes(t, mss);
	if (len && pace_holds(t, now_us))
		return false;
	return more ? send_mtu_probe(t, pkt, mss, more, now_us)
		    : send_range(t, pkt, len, mss, NULL, now_us);
}

static bool send_new(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	bool alone;

	if (!unsent(t))
		return false;
	validate_before_send(t, now_us);
	alone = t->snd.nxt == t->snd.una;
	if (!send_data(t, pkt, now_us))
		return false;
	sndbuf_wake(t);
	rexmt_timer_update(t, false, now_us);
	if (t->state != TCPS_SYN_RECEIVED)
		tlp_schedule(t, alone, now_us);
	return true;
}

/* What of the last record was one segment, with the FIN if that is in it. */
static uint32_t last_segment_bytes(const struct tcb *t, const struct sent *rec,
				   uint32_t mss)
{
	uint32_t fin = seq_gt(rec->end, data_end(t));
	uint32_t len = rec->end - rec->start - fin;
	uint32_t tail = len % rec->seg_bytes ? len % rec->seg_bytes : rec->seg_bytes;

	return min_u32(min_u32(tail, mss), len) + fin;
}

/* Recovery has gone silent: its first segment again (tlp.c). */
static bool send_probe_again(struct tcb *t, struct engine_pkt_out *pkt, uint32_t mss,
			     uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;

	if (sb_first(sb)->flags & SENT_SACKED ||
	    sb_split(sb, &t->e->pool, sb_first(sb), mss))
		return false;
	resend(t, pkt, sb_first(sb), mss, "probe", now_us);
	tlp_in_recovery(t, false, now_us);
	return true;
}

/* RFC 8985 7.3: a segment of new data if there is any, else the last one again. */
static bool send_tlp(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;
	uint32_t mss, len;

	if (!t->tlp_now)
		return false;
	t->tlp_now = false;
	if (!sb->n)
		return false;
	mss = effective_mss(t);
	if (tlp_again(t))
		return send_probe_again(t, pkt, mss, now_us);
	if (t->recovery != RECOVERY_OPEN)
		return false;
	len = min_u32(min_u32(unsent_bytes(t), mss), window_room(t, t->snd.nxt));
	if (len && send_range(t, pkt, len, mss, "tail loss probe", now_us)) {
		tlp_sent(t, false, now_us);
		return true;
	}
	len = sb_last(sb)->end - sb_last(sb)->start;
	len -= last_segment_bytes(t, sb_last(sb), mss);
	if (len && sb_split(sb, &t->e->pool, sb_last(sb), len))
		return false;
	resend(t, pkt, sb_last(sb), mss, "tail loss probe", now_us);
	tlp_sent(t, true, now_us);
	return true;
}

/* RFC 6675 4 NextSeg (3) and (4), where losses are not found by time: with nothing
 * lost and nothing new to send, holes that are not proven yet, and once for each
 * recovery the last segment, which may be the one whose loss nothing shows. */
static struct sent *next_doubtful(struct tcb *t, uint32_t mss)
{
	struct scoreboard *sb = &t->snd.sb;
	struct sent *rec = sb_next_hole(sb);
	uint32_t before;

	if (rec)
		return sb_split(sb, &t->e->pool, rec, mss) ? NULL : sb_next_hole(sb);
	rec = sb_last_hole(sb);
	if (t->rescued || !rec)
		return NULL;
	t->rescued = true;
	before = rec->end - rec->start - last_segment_bytes(t, rec, mss);
	if (before && sb_split(sb, &t->e->pool, rec, before))
		return NULL;
	return sb_last_hole(sb);
}

static bool resend_doubtful(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	struct sent *rec;
	uint32_t mss;

	if (t->recovery != RECOVERY_FAST || !t->sack_ok || rack_on(t) ||
	    t->snd.sb.waiting_bytes)
		return false;
	mss = effective_mss(t);
	if (cwnd_room(t) < mss)
		return false;
	rec = next_doubtful(t, mss);
	if (!rec || !window_room(t, rec->start))
		return false;
	resend(t, pkt, rec, mss, "retransmission", now_us);
	return true;
}

/* RFC 5682 2.1 (2b): up to two segments of new data, whatever cwnd says. */
static bool send_frto(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	uint32_t mss, len;

	if (!undo_take_new(t))
		return false;
	mss = effective_mss(t);
	len = min_u32(min_u32(unsent_bytes(t), mss), window_room(t, t->snd.nxt));
	return len && send_range(t, pkt, len, mss, NULL, now_us);
}

uint32_t bare_seq(const struct tcb *t)
{
	uint32_t edge = t->snd.una + t->snd.wnd;
	bool fin_sent = t->fin_queued && !fin_unsent(t);

	if (!is_synchronized(t->state) || fin_sent || seq_leq(t->snd.nxt, edge))
		return t->snd.nxt;
	return edge;
}

static bool send_ack(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	if (t->keep_now) { /* old and empty: its only answer is an ACK */
		t->keep_now = false;
		make_segment(t, pkt, t->snd.una - 1, 0, t->snd.mss, 0, "keepalive", now_us);
		return true;
	}
	if (!t->ack_now)
		return false;
	make_segment(t, pkt, bare_seq(t), 0, t->snd.mss, 0,
		     t->challenge ? "challenge ACK" : NULL, now_us);
	return true;
}

/* ---- the order of all that ------------------------------------------------------------------- */

static bool output_next(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	bool sent;

	if (t->state == TCPS_SYN_SENT)
		return send_syn(t, pkt, now_us);
	if (t->state == TCPS_SYN_RECEIVED && send_syn(t, pkt, now_us))
		return true;
	/* RFC 7413 4.2.2: a server's data need not wait for the handshake */
	if (t->state == TCPS_SYN_RECEIVED ? !t->fast_child : !may_send(t->state))
		return send_ack(t, pkt, now_us);
	sent = (accecn_ack_first(t) && send_ack(t, pkt, now_us)) ||
	       resend_lost(t, pkt, now_us) || send_probe(t, pkt, now_us) ||
	       send_tlp(t, pkt, now_us) || send_frto(t, pkt, now_us) ||
	       send_new(t, pkt, now_us) || resend_doubtful(t, pkt, now_us) ||
	       send_ack(t, pkt, now_us);
	cork_timer_update(t, now_us);
	rexmt_timer_update(t, false, now_us);
	return sent;
}

bool tcb_output(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us)
{
	bool sent = output_next(t, pkt, now_us);

	if (!sent)
		busy_update(t, now_us);
	return sent;
}
