/* syncookie.c - SYN cookies (RFC 4987 3.6): a listener whose SYN queue is full
 * answers without keeping anything. What it must know when the ACK comes back
 * is in the numbers that the peer repeats.
 *
 *     ISS     2 bits: the minute, 3 bits: index of the peer's MSS, 27 bits: a tag
 *             that binds both to the flow and to the peer's ISN
 *     TSval   the low 6 bits: the window scale (15: none), SACK permitted, ECN
 *
 * So without timestamps there is no window scaling and no SACK. A cookie is good
 * in its minute and in the next; the tag is made with the minute, so each has
 * a secret of its own.
 *
 * Owns engine.cookie_us: an ACK is held against cookies only while one may be
 * under way. What is in the timestamp is not protected: a peer that lies there
 * lies about itself.
 */
#include "tcb.h"

#define MINUTE_US 60000000ull
#define TAG_BITS 27
#define TAG_MASK ((1u << TAG_BITS) - 1)

enum { /* the low bits of TSval */
	TS_WSCALE = 0x0f,
	TS_SACK = 0x10,
	TS_ECN = 0x20,
	TS_BITS = 0x3f,
};

static const uint16_t mss_table[8] = {48, 256, 536, 1220, 1360, 1440, 1460, 8940};

static uint32_t mss_index(uint16_t mss)
{
	uint32_t i = 7;

	while (i && mss_table[i] > mss)
		i--;
	return i;
}

static uint32_t cookie(const struct engine *e, const struct flow *flow, uint32_t irs,
		       uint64_t minute, uint32_t mss_i)
{
	uint32_t open = (uint32_t)(minute & 3) << 3 | mss_i;
	uint64_t tag = random_tag(e->cookie_key, flow, irs, (uint32_t)minute << 3 | mss_i);

	return open << TAG_BITS | ((uint32_t)tag & TAG_MASK);
}

/* The cookie's minute is this one or the last. */
static bool cookie_valid(const struct engine *e, const struct flow *flow, uint32_t irs,
			 uint32_t iss, uint64_t now_us)
{
	uint64_t minute = now_us / MINUTE_US;
	uint32_t age = ((uint32_t)minute - (iss >> (TAG_BITS + 3))) & 3;

	return age <= 1 &&
	       cookie(e, flow, irs, minute - age, iss >> TAG_BITS & 7) == iss;
}

/* ---- the SYN ---------------------------------------------------------------- */

/* The clock with its low bits replaced, never ahead of itself. */
static uint32_t ts_with(uint32_t ts, const struct segment *syn, const struct segment *answer)
{
	uint32_t bits = answer->opt.wscale >= 0 ? (uint32_t)syn->opt.wscale : TS_WSCALE;
	uint32_t val;

	bits |= answer->opt.sack_ok ? TS_SACK : 0;
	bits |= answer->flags & SEG_ECE ? TS_ECN : 0;
	val = (ts & ~(uint32_t)TS_BITS) | bits;
	return val <= ts ? val : val - (TS_BITS + 1);
}

void syncookie_answer(const struct tcb *listener, uint32_t mtu_bytes,
		      const struct flow *flow, const struct segment *s,
		      uint64_t now_us)
{
	struct engine *e = listener->e;
	/* The connection as it would be: only asked what it would answer. */
	struct tcb t = {.e = e, .node.flow = *flow, .opts = listener->opts,
			.state = TCPS_SYN_RECEIVED};
	struct segment answer, syn = *s;
	struct reply r = {.flow = *flow, .opts = listener->opts, .note = "SYN cookie"};

	if (!s->opt.ts || !e->cfg.timestamps) {
		syn.opt.wscale = -1;
		syn.opt.sack_ok = false;
		syn.flags &= (uint16_t)~(SEG_ECE | SEG_CWR);
	}
	bufs_init(&t); /* the window that it would offer */
	t.ts_offset = random_ts_offset(e->ts_key, flow);
	tcb_set_path(&t, &(struct tcp_path){.mtu_bytes = mtu_bytes});
	take_syn(&t, &syn, now_us);
	answer = syn_segment(&t, now_us);
	if (answer.opt.ts)
		answer.opt.ts_val = ts_with(answer.opt.ts_val, &syn, &answer);
	r.seq = cookie(e, flow, s->seq, now_us / MINUTE_US, mss_index(t.snd.peer_mss));
	r.ack = answer.ack;
	r.flags = answer.flags;
	r.wnd = answer.wnd;
	r.opt = answer.opt;
	accecn_free(&t);
	engine_reply(e, &r);
	e->cookie_us = now_us;
	e->stats.cookies_sent++;
}

/* ---- the ACK ---------------------------------------------------------------- */

bool syncookie_expected(const struct engine *e, const struct segment *s,
			uint64_t now_us)
{
	return e->cookie_us && now_us - e->cookie_us <= 2 * MINUTE_US &&
	       !(s->flags & (SEG_SYN | SEG_RST));
}

/* Does s belong to a cookie, and what was the number of its SYN then? The one before s.
 * Or s stands at that number itself: a keep-alive or a probe of a peer whose ACK found
 * no room here (RFC 9293 3.8.4). */
static bool find_cookie(const struct engine *e, const struct flow *flow,
			const struct segment *s, uint32_t *irs, uint64_t now_us)
{
	bool probe = s->data_len_bytes <= 1 && !(s->flags & SEG_FIN);

	*irs = s->seq - 1;
	if (cookie_valid(e, flow, *irs, s->ack - 1, now_us))
		return true;
	*irs = s->seq;
	return probe && cookie_valid(e, flow, *irs, s->ack - 1, now_us);
}

/* It repeats the time of an answer of ours, no older than cookies get. So it is no ACK of a
 * connection that there was before this listener: a peer whose text found no room here says
 * by it that it has got our SYN,ACK twice. Linux answers it by a RST. */
static bool follows_answer(const struct engine *e, const struct flow *flow,
			   const struct segment *s, uint64_t now_us)
{
	uint32_t ts = ts_at(random_ts_offset(e->ts_key, flow), now_us);

	return s->opt.ts && ts - s->opt.ts_ecr <= 2 * MINUTE_US / TS_TICK_US;
}

/* The SYN at irs, which s has followed, as far as anybody remembers. */
static struct segment remembered_syn(const struct engine *e, const struct segment *s,
				     uint32_t irs)
{
	uint32_t bits = s->opt.ts_ecr & TS_BITS;
	struct segment syn = {
		.seq = irs,
		.flags = SEG_SYN,
		.wnd = s->wnd,
		.opt = {.mss = mss_table[(s->ack - 1) >> TAG_BITS & 7],
			.wscale = -1, .ts = s->opt.ts, .ts_val = s->opt.ts_val},
	};

	/* Answers of AccECN's handshake, which RFC 3168 has not (RFC 9768 5.1). */
	if (e->cfg.ecn >= 3 && (s->flags & ACE_FLAGS) >> ACE_SHIFT >= 2)
		syn.flags |= ACE_FLAGS;
	if (!s->opt.ts)
		return syn;
	if ((bits & TS_WSCALE) <= 14)
		syn.opt.wscale = (int8_t)(bits & TS_WSCALE);
	syn.opt.sack_ok = bits & TS_SACK;
	if (bits & TS_ECN)
		syn.flags |= SEG_ECE | SEG_CWR;
	return syn;
}

bool syncookie_instead(const struct tcb *t, const struct segment *s, uint64_t now_us)
{
	uint32_t irs;

	return t->state == TCPS_SYN_RECEIVED && t->listener && s->flags & SEG_ACK &&
	       s->ack != t->snd.iss + 1 && syncookie_expected(t->e, s, now_us) &&
	       find_cookie(t->e, &t->node.flow, s, &irs, now_us);
}

/* The child with that cookie has its first segment: the ACK, which a probe is without
 * what it repeats, and a probe is answered. */
static enum drop first_segment(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	struct segment ack = *s;
	enum drop d;

	if (s->seq == t->rcv.irs) {
		ack.seq++;
		ack.data_len_bytes = 0;
		t->ack_now = true;
	}
	d = segment_arrives(t, &ack, now_us);
	if (t->state == TCPS_SYN_RECEIVED)
		tcb_fail(t, 0, now_us);
	return d;
}

enum drop syncookie_arrives(struct tcb *listener, const struct tcp_path *path,
			    const struct flow *flow, const struct segment *s,
			    uint64_t now_us)
{
	struct engine *e = listener->e;
	uint32_t iss = s->ack - 1, irs;
	struct segment syn;
	struct tcb *t;

	if (!find_cookie(e, flow, s, &irs, now_us)) {
		e->stats.cookies_bad++;
		/* Text may have overtaken that which follows the SYN, or the
		 * latter is lost: it must not cost the connection. */
		return seg_len(s) || follows_answer(e, flow, s, now_us) ? DROP_LISTEN
									: DROP_LISTEN_ACK;
	}
	if (listen_accept_full(listener)) {
		if (e->cfg.abort_on_overflow)
			refuse_segment(e, flow, s, &listener->opts, now_us);
		return DROP_ACCEPT_QUEUE; /* the next segment asks again */
	}
	if (!path->mtu_bytes)
		return DROP_NO_PATH;
	syn = remembered_syn(e, s, irs);
	if (listen_child(listener, path, flow, &syn, now_us, &t))
		return DROP_ACCEPT_QUEUE;
	tcb_set_iss(t, iss);
	tcb_timer_stop(t, TIMER_WAIT); /* who could wait for text is here already */
	rcv_as_offered(t);
	t->snd.nxt = iss + 1;
	e->stats.cookies_taken++;
	return first_segment(t, s, now_us);
}
