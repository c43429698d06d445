/* pmtu.c - how large a segment may be: MSS (RFC 9293 3.7.1, RFC 6691) and path MTU,
 * told by ICMP (RFC 1191, RFC 8201, with the checks of RFC 5927 7) or found with
 * probes (RFC 4821, RFC 8899).
 *
 * Owns path_mtu, snd.mss, snd.acked_seg and t->pmtu, which exists once there is
 * something to find: after the MTU was lowered, or when probing begins low.
 *
 * A larger MTU is never just assumed. One segment of real data is sent in that
 * size, followed by others that make the peer tell if it is lost; that is then no
 * sign of congestion. So black holes cost nothing on the way up, and whether ICMP
 * comes or not makes no difference but the time.
 *
 * Each connection looks for itself. What ICMP tells the kernel remembers per
 * destination, and the route of the next connection has it.
 */
#include "tcb.h"

#include <netinet/in.h>

#define V4_MTU_MIN 552          /* below it routers may fragment; Linux's min_pmtu */
#define V6_MTU_MIN 1280
#define IP_LENGTH_MAX 65535     /* in IPv6 its own header does not count */
#define V6_HDR_BYTES 40
#define PAUSE_RTTS 8            /* after a probe that was lost; at least */
#define PAUSE_MIN_US 10000
#define FOLLOWERS 4             /* segments behind a probe */
#define BLACK_HOLE_TIMEOUTS 2   /* in a row */

struct pmtu {
	uint64_t probe_at_us;  /* ENGINE_NEVER: nothing to find */
	uint32_t high;         /* the largest that may pass */
	bool narrowed;         /* high itself is known not to pass */
	uint32_t probe;        /* in flight; 0: none */
	uint32_t probe_seq, probe_end;
	uint32_t claimed;      /* by ICMP, not believed yet; 0: none */
	uint32_t claimed_seq;
};

static bool is_v4(const struct tcb *t)
{
	return addr_is_v4(&t->node.flow.remote.addr);
}

static uint32_t headers_bytes(const struct tcb *t)
{
	return (is_v4(t) ? 20 : V6_HDR_BYTES) + TCP_HDR_MIN;
}

/* ---- segment size, RFC 9293 3.7.1 ------------------------------------------------ */

uint16_t offered_mss(const struct tcb *t)
{
	uint32_t mss = t->snd.link_mtu - headers_bytes(t);

	if (t->opts.mss_max_bytes)
		mss = min_u32(mss, t->opts.mss_max_bytes);
	return (uint16_t)mss;
}

/* What the peer takes and the user wants, options included. */
static uint32_t send_mss(const struct tcb *t)
{
	/* tiny segments are an attack */
	return min_u32(max_u32(t->snd.peer_mss, t->e->cfg.mss_min_bytes), offered_mss(t));
}

/* Eff.snd.MSS (MUST-16) less the options that every segment carries. */
void update_mss(struct tcb *t)
{
	uint32_t mss = min_u32(send_mss(t), t->path_mtu - headers_bytes(t));

	if (t->ts_ok)
		mss -= min_u32(TS_OPTION_BYTES, mss);
	t->snd.mss = mss > 1 ? (uint16_t)mss : 1;
	if (t->cc.ops)
		cc_set_mss(&t->cc, t->snd.mss);
}

void pmtu_start(struct tcb *t, const struct tcp_path *path)
{
	uint32_t max = IP_LENGTH_MAX + (is_v4(t) ? 0 : V6_HDR_BYTES);

	/* A SYN whose route nobody knew: what every link can carry. */
	t->path_mtu = path->mtu_bytes ? min_u32(path->mtu_bytes, max)
				      : is_v4(t) ? 576 : V6_MTU_MIN;
	t->snd.link_mtu = t->path_mtu;
	update_mss(t);
}

/* ---- the state of a search ------------------------------------------------------------ */

/* The largest packet that there is any use for. */
static uint32_t limit(const struct tcb *t)
{
	return min_u32(t->snd.link_mtu, send_mss(t) + headers_bytes(t));
}

static struct pmtu *state(struct tcb *t)
{
	if (!t->pmtu)
		t->pmtu = counted_alloc(sizeof(*t->pmtu), &t->e->stats.memory_bytes);
	return t->pmtu; /* without it, the size stays as it is */
}

void pmtu_free(struct tcb *t)
{
	counted_free(t->pmtu, sizeof(*t->pmtu), &t->e->stats.memory_bytes);
	t->pmtu = NULL;
}

bool pmtu_may_fragment(const struct tcb *t)
{
	switch (tcb_ip_fields(t)->mtu_discover) {
	case IP_PMTUDISC_DONT:
	case IP_PMTUDISC_INTERFACE:
	case IP_PMTUDISC_OMIT:
		return is_v4(t);
	default:
		return t->may_fragment;
	}
}

/* Whether a larger size shall be looked for, and when. */
static void search_from(struct tcb *t, uint64_t at_us)
{
	struct pmtu *p = state(t);

	if (!p)
		return;
	p->high = limit(t);
	p->narrowed = false;
	p->probe = 0;
	p->probe_at_us = t->path_mtu < p->high ? at_us : ENGINE_NEVER;
}

static uint64_t pause_us(const struct tcb *t)
{
	uint64_t us = PAUSE_RTTS * (uint64_t)t->rtt.srtt_us;

	return us > PAUSE_MIN_US ? us : PAUSE_MIN_US;
}

/* The path may have become wider by then (RFC 1191 6.3, RFC 8201 4, RFC 4821 7.3). */
static uint64_t rested_us(const struct tcb *t, uint64_t now_us)
{
	return now_us + t->e->cfg.mtu_rest_s * 1000000ull;
}

/* One size is decided: the next one, or a long rest. */
static void search_on(struct tcb *t, uint64_t at_us, uint64_t now_us)
{
	struct pmtu *p = t->pmtu;

	p->probe = 0;
	p->probe_at_us = at_us;
	if (t->path_mtu >= limit(t))
		p->probe_at_us = ENGINE_NEVER;
	else if (p->high < t->path_mtu + t->e->cfg.mtu_precision_bytes)
		search_from(t, rested_us(t, now_us));
}

void pmtu_established(struct tcb *t, uint64_t now_us)
{
	uint32_t base = t->e->cfg.base_mss_bytes + headers_bytes(t);

	if (t->e->cfg.mtu_probing < 2 || pmtu_may_fragment(t))
		return;
	if (!is_v4(t))
		base = max_u32(base, V6_MTU_MIN);
	t->path_mtu = min_u32(t->path_mtu, base);
	update_mss(t);
	search_from(t, now_us);
}

/* ---- lower ------------------------------------------------------------------------------ */

/* What does not fit any more has been lost, and not for congestion. */
static void resend_large(struct tcb *t, uint64_t now_us)
{
	struct scoreboard *sb = &t->snd.sb;

	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (min_u32(r->end - r->start, r->seg_bytes) > t->snd.mss &&
		    !(r->flags & SENT_SACKED))
			sb_mark_lost(sb, r);
	}
	if (!sb->lost_bytes)
		return;
	t->rexmit_now = true;
	rexmt_timer_update(t, true, now_us);
	tcb_want_output(t);
}

static void lower(struct tcb *t, uint32_t mtu, uint64_t now_us)
{
	if (is_v4(t) && mtu < V4_MTU_MIN)
		t->may_fragment = true;
	mtu = max_u32(mtu, is_v4(t) ? V4_MTU_MIN : V6_MTU_MIN);
	if (mtu < t->path_mtu) {
		t->path_mtu = mtu;
		update_mss(t);
		t->snd.acked_seg = (uint16_t)min_u32(t->snd.acked_seg, t->snd.mss);
	}
	search_from(t, rested_us(t, now_us));
	if (t->pmtu)
		t->pmtu->claimed = 0;
}

/* RFC 1191 7.1: what a router that tells no MTU may have meant. */
static uint32_t plateau_below(uint32_t mtu)
{
	static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492,
					    1006, 508, 296, 68};
	unsigned i = 0;

	while (i < sizeof(plateaus) / sizeof(plateaus[0]) - 1 && plateaus[i] >= mtu)
		i++;
	return plateaus[i];
}

/* RFC 5927 7.2: as long as segments of the present size arrive, a message that
 * they do not is believed only when a timeout confirms it. */
static bool doubtful(const struct tcb *t, uint32_t mtu)
{
	uint32_t seg = mtu - min_u32(mtu, headers_bytes(t) + (t->ts_ok ? TS_OPTION_BYTES : 0));

	return t->snd.acked_seg > seg;
}

void pmtu_told(struct tcb *t, const struct engine_icmp *msg, uint64_t now_us)
{
	uint32_t mtu = msg->mtu_bytes;
	uint32_t size = msg->pkt_bytes ? msg->pkt_bytes : t->path_mtu;
	uint8_t how = tcb_ip_fields(t)->mtu_discover;
	struct pmtu *p = t->pmtu;

	if (how == IP_PMTUDISC_PROBE || how == IP_PMTUDISC_INTERFACE ||
	    how == IP_PMTUDISC_OMIT)
		return;
	if (!is_v4(t) && mtu < V6_MTU_MIN)
		return; /* RFC 8201 4 */
	if (mtu == 0)
		mtu = plateau_below(size);
	if (msg->pkt_bytes && mtu >= msg->pkt_bytes)
		return; /* it would have fitted */
	if (p && p->probe && msg->seq == p->probe_seq && mtu >= t->path_mtu) {
		if (mtu < p->probe) {
			p->high = mtu;
			pmtu_probe_lost(t, now_us, false);
		}
		return;
	}
	if (mtu >= t->path_mtu)
		return;
	if (!msg->local && doubtful(t, mtu)) {
		p = state(t);
		if (p) {
			p->claimed = mtu;
			p->claimed_seq = msg->seq;
		}
		return;
	}
	lower(t, mtu, now_us);
	if (may_send(t->state))
		resend_large(t, now_us);
}

/* RFC 4821 7.7: segments that disappear while the path says nothing. First to the
 * size that almost every path has, then to one that routers may cut. */
static bool black_hole(struct tcb *t, uint64_t now_us)
{
	uint32_t base = t->e->cfg.base_mss_bytes + headers_bytes(t), mtu;
	uint32_t now_mtu = min_u32(t->path_mtu, limit(t)), pkt_bytes;
	const struct sent *first = sb_first(&t->snd.sb);

	if (!t->e->cfg.mtu_probing || t->snd.timeouts % BLACK_HOLE_TIMEOUTS ||
	    !first || pmtu_may_fragment(t))
		return false;
	pkt_bytes = min_u32(first->end - first->start, first->seg_bytes) + headers_bytes(t) +
		    (t->ts_ok ? TS_OPTION_BYTES : 0);
	/* What is lost may itself be smaller than what almost every path has. */
	mtu = now_mtu > base && pkt_bytes > base ? base : V4_MTU_MIN - 1;
	mtu = max_u32(mtu, t->e->cfg.mtu_floor_mss_bytes + headers_bytes(t));
	if (pkt_bytes <= max_u32(mtu, V4_MTU_MIN) || (!is_v4(t) && now_mtu <= V6_MTU_MIN))
		return false; /* small enough for any path */
	lower(t, mtu, now_us);
	search_from(t, now_us);
	return true;
}

void pmtu_on_timeout(struct tcb *t, uint64_t now_us)
{
	struct pmtu *p = t->pmtu;

	if (p && p->claimed)
		lower(t, p->claimed, now_us);
	else if (black_hole(t, now_us))
		trace_note(t, "path MTU black hole", now_us);
	else if (p && p->probe)
		pmtu_probe_lost(t, now_us, true);
}

/* ---- higher ------------------------------------------------------------------------------- */

/* Halfway, but first what is most likely: all that the link can carry, or what a
 * router has told. */
static uint32_t next_size(const struct tcb *t)
{
	const struct pmtu *p = t->pmtu;

	uint32_t high = min_u32(p->high, limit(t)); /* TCP_MAXSEG may have changed */

	return p->narrowed ? (t->path_mtu + high + 1) / 2 : high;
}

/* Not while losses are being repaired: then the probe's own could not be told from
 * them (RFC 4821 7.4). */
uint32_t pmtu_probe_due(const struct tcb *t, uint64_t now_us)
{
	const struct pmtu *p = t->pmtu;
	const struct scoreboard *sb = &t->snd.sb;

	if (!p || p->probe || now_us < p->probe_at_us || pmtu_may_fragment(t) ||
	    min_u32(p->high, limit(t)) <= t->path_mtu || t->recovery != RECOVERY_OPEN ||
	    sb->lost_bytes || sb->sacked_bytes || t->tlp.out)
		return 0;
	return next_size(t) - t->path_mtu;
}

uint32_t pmtu_probe_room(const struct tcb *t, uint32_t more_bytes)
{
	return (FOLLOWERS + 1) * (uint32_t)t->snd.mss + more_bytes;
}

void pmtu_probe_sent(struct tcb *t, uint32_t more_bytes, uint32_t seq)
{
	struct pmtu *p = t->pmtu;

	p->probe = t->path_mtu + more_bytes;
	p->probe_seq = seq;
	p->probe_end = t->snd.nxt;
}

/* Of what the probe carried, all that is not there is to be sent again. */
static void mark_probe_lost(struct tcb *t)
{
	struct scoreboard *sb = &t->snd.sb;

	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (seq_geq(r->start, t->pmtu->probe_seq) &&
		    seq_leq(r->end, t->pmtu->probe_end) && !(r->flags & SENT_SACKED))
			sb_mark_lost(sb, r);
	}
	t->rexmit_now = true;
	tcb_want_output(t);
}

void pmtu_probe_lost(struct tcb *t, uint64_t now_us, bool silent)
{
	struct pmtu *p = t->pmtu;

	mark_probe_lost(t);
	if (silent)
		p->high = p->probe - 1;
	p->narrowed = silent;
	search_on(t, silent ? now_us + pause_us(t) : now_us, now_us);
}

/* RFC 4821 7.6.2: only if nothing else is missing. */
static bool only_probe_lost(const struct tcb *t)
{
	const struct scoreboard *sb = &t->snd.sb;

	for (uint32_t i = 0; i < sb->n; i++) {
		const struct sent *r = &sb->rec[sb->head + i];

		if (r->flags & SENT_LOST && (seq_lt(r->start, t->pmtu->probe_seq) ||
					     seq_gt(r->end, t->pmtu->probe_end)))
			return false;
	}
	return true;
}

bool pmtu_forgives(struct tcb *t, uint64_t now_us)
{
	struct pmtu *p = t->pmtu;

	if (!p || !p->probe)
		return false;
	if (!only_probe_lost(t)) { /* inconclusive */
		search_on(t, now_us + pause_us(t), now_us);
		return false;
	}
	pmtu_probe_lost(t, now_us, true);
	t->snd.dupacks = 0;
	t->snd.recover = t->snd.nxt; /* duplicate ACKs until there mean the probe */
	return true;
}

void pmtu_on_ack(struct tcb *t, const struct sb_acked *res, uint64_t now_us)
{
	struct pmtu *p = t->pmtu;

	if (res->seg_bytes > t->snd.acked_seg)
		t->snd.acked_seg = res->seg_bytes;
	if (!p)
		return;
	if (p->claimed && seq_gt(t->snd.una, p->claimed_seq))
		p->claimed = 0; /* it had arrived */
	if (!p->probe)
		return;
	if (res->seg_bytes == p->probe_end - p->probe_seq) {
		t->path_mtu = p->probe;
		update_mss(t);
		trace_note(t, "path MTU raised", now_us);
		search_on(t, now_us, now_us);
	} else if (seq_geq(t->snd.una, p->probe_end)) {
		search_on(t, now_us, now_us); /* its data came in smaller pieces */
	}
}
