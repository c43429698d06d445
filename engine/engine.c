/* engine.c - the entry points: packets, time, events, trace records.
 *
 * Owns the flow table, the queue of replies that belong to no connection, the
 * trace queue, and the order of things: an entry point does its work, then
 * reaps what has died. Output is made only in engine_output().
 */
#include "tcb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void engine_config_defaults(struct engine_config *cfg)
{
	*cfg = (struct engine_config){
		.cc = "cubic",
		.msl_ms = 30000,
		.fin_timeout_ms = 60000,
		.rto_initial_ms = 1000,
		.rto_min_ms = 200,
		.rto_max_ms = 120000,
		.delack_ms = 40,
		.syn_retries = 6,
		.synack_retries = 5,
		.retries1 = 3,
		.retries = 15,
		.orphan_retries = 8,
		.orphans_max = 16384,
		.initcwnd_segs = 10,
		.reordering_segs = 3,
		.min_rtt_window_s = 300,
		.pacing_ss_percent = 200,
		.pacing_ca_percent = 120,
		.burst_min_segs = 2,
		.burst_divisor = 3,
		.sndbuf_bytes = 16u << 10,
		.sndbuf_max_bytes = 4u << 20,
		.rcvbuf_bytes = 128u << 10,
		.rcvbuf_max_bytes = 6u << 20,
		.memory_max_bytes = 1u << 30,
		.half_open_max = 4096,
		.max_syn_backlog = 1024,
		.ooo_ranges_max = 1024,
		.keepalive_idle_s = 7200,
		.keepalive_interval_s = 75,
		.keepalive_probes = 9,
		.notsent_lowat_bytes = UINT32_MAX,
		.base_mss_bytes = 1024,
		.mtu_floor_mss_bytes = 48,
		.mtu_rest_s = 600,
		.mtu_precision_bytes = 8,
		.quickacks = 16,
		.pingpong_thresh = 1,
		.challenge_acks_max = 1000,
		.invalid_ratelimit_ms = 500,
		.resets_max = 1000,
		.mss_min_bytes = 48,
		.tw_reuse = 2,
		.tw_reuse_delay_ms = 1000,
		.tw_max = 262144,
		.ecn = 2,
		.ecn_fallback = true,
		.ecn_option = 2,
		.fastopen = 1,
		.syncookies = 1,
		.timestamps = true,
		.sack = true,
		.dsack = true,
		.rack = true,
		.tlp = true,
		.frto = true,
		.slow_start_after_idle = true,
		.moderate_rcvbuf = true,
		.window_scaling = true,
	};
}

/* ---- birth and death -------------------------------------------------------------- */

static void derive_keys(struct engine *e, uint8_t hash_key[16])
{
	uint64_t word[10];

	memcpy(e->prng.key, e->cfg.seed, sizeof(e->prng.key));
	memcpy(&e->prng.counter, e->cfg.seed + 16, sizeof(e->prng.counter));
	for (int i = 0; i < 10; i++)
		word[i] = prng_next(&e->prng);
	memcpy(hash_key, &word[0], 16);
	memcpy(e->iss_key, &word[2], 16);
	memcpy(e->ts_key, &word[4], 16);
	memcpy(e->cookie_key, &word[6], 16);
	memcpy(e->fast_key, &word[8], 16);
}

struct engine *engine_new(const struct engine_config *cfg, uint64_t now_us)
{
	struct engine *e = calloc(1, sizeof(*e));
	uint8_t hash_key[16];

	(void)now_us;
	if (!e)
		return NULL;
	e->cfg = *cfg;
	derive_keys(e, hash_key);
	bufpool_init(&e->pool, &e->stats.memory_bytes);
	timerq_init(&e->timers, &e->stats.memory_bytes);
	e->port_uses = calloc(PORT_USES, sizeof(*e->port_uses));
	if (cfg->trace)
		e->trace.rec = calloc(TRACE_MAX, sizeof(*e->trace.rec));
	if (!e->port_uses || (cfg->trace && !e->trace.rec) ||
	    flowtab_init(&e->flows, hash_key, &e->stats.memory_bytes)) {
		free(e->trace.rec);
		free(e->port_uses);
		free(e);
		return NULL;
	}
	return e;
}

static void destroy_one(struct flow_node *node, void *arg)
{
	struct tcb *t = (struct tcb *)node;

	(void)arg;
	flowtab_remove(&t->e->flows, node);
	timerq_cancel(&t->e->timers, &t->timer);
	tcb_destroy(t);
}

void engine_configure(struct engine *e, const struct engine_config *cfg)
{
	struct engine_config old = e->cfg;

	e->cfg = *cfg;
	memcpy(e->cfg.seed, old.seed, sizeof(old.seed));
	memcpy(e->cfg.cc_loaded, old.cc_loaded, sizeof(old.cc_loaded));
	e->cfg.rcv_total_bytes = old.rcv_total_bytes;
	e->cfg.trace = old.trace;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	flowtab_each(&e->flows, destroy_one, NULL);
	while (e->closed.first)
		tcp_release(e->closed.first, 0);
	fastopen_free_cache(e);
	gone_free(e);
	flowtab_free(&e->flows);
	timerq_free(&e->timers);
	bufpool_free(&e->pool);
	free(e->trace.rec);
	free(e->port_uses);
	free(e);
}

/* ---- input --------------------------------------------------------------------------- */

static struct tcb *find(struct engine *e, const struct flow *flow, uint32_t ifindex)
{
	return (struct tcb *)flowtab_find(&e->flows, flow, ifindex);
}

/* The listener for this address, or for any of its family; :: takes both, if it
 * may. */
static struct tcb *find_listener(struct engine *e, const struct flow *flow,
				 uint32_t ifindex)
{
	static const struct ip_addr any4 = {.b = {[10] = 0xff, [11] = 0xff}};
	static const struct ip_addr any6;
	struct flow f = {.local = flow->local};
	struct tcb *t = find(e, &f, ifindex);

	if (!t && addr_is_v4(&flow->local.addr)) {
		f.local.addr = any4;
		t = find(e, &f, ifindex);
	}
	if (!t) {
		f.local.addr = any6;
		t = find(e, &f, ifindex);
		if (t && t->opts.v6only && addr_is_v4(&flow->local.addr))
			t = NULL;
	}
	return t;
}

static bool acceptable_source(const struct engine_pkt_in *pkt,
			      const struct segment *s)
{
	return addr_is_unicast(&pkt->src) && s->sport && s->dport;
}

/* A SYN may take the place of a connection in TIME-WAIT: returns the listener,
 * and in *after the sequence number that the new ISS must exceed. */
static struct tcb *replaces_time_wait(struct tcb *t, const struct segment *s,
				      uint32_t ifindex, uint32_t *after)
{
	if (!time_wait_gives_way(t, s))
		return NULL;
	*after = t->snd.nxt;
	return find_listener(t->e, &t->node.flow, ifindex);
}

/* RFC 5082: only who is near can send packets with so much left. */
static bool is_too_far(const struct tcb *t, const struct flow *f, const struct engine_pkt_in *pkt)
{
	return pkt->ttl < ip_fields(&t->opts, f)->min_ttl;
}

static enum drop dispatch(struct engine *e, const struct engine_pkt_in *pkt,
			  const struct flow *flow, const struct segment *s,
			  struct trace_rec *rec, uint64_t now_us)
{
	struct tcb *t = find(e, flow, pkt->ifindex), *l;
	uint32_t after;
	enum drop d;

	if (t && is_too_far(t, flow, pkt))
		return DROP_TTL;
	if (t && syncookie_instead(t, s, now_us)) {
		tcb_fail(t, 0, now_us);
		t = NULL;
	}
	if (t && pkt->ask && others_decide(t, s) &&
	    (t->state != TCPS_TIME_WAIT || !find_listener(e, flow, pkt->ifindex)))
		return DROP_ASK;
	if (t && (l = replaces_time_wait(t, s, pkt->ifindex, &after))) {
		if (!pkt->path.mtu_bytes)
			return DROP_NO_PATH; /* before the old one goes */
		tcb_fail(t, 0, now_us);
		return arrives_listen(l, pkt, flow, s, &after, now_us);
	}
	if (!t && gone_refuses(e, flow, pkt->ifindex, s, now_us))
		return DROP_GONE;
	if (!t) {
		t = find_listener(e, flow, pkt->ifindex);
		rec->before = rec->after = t ? TCPS_LISTEN : TCPS_CLOSED;
		if (!t)
			return DROP_CLOSED;
		if (is_too_far(t, flow, pkt))
			return DROP_TTL;
		d = arrives_listen(t, pkt, flow, s, NULL, now_us);
		t = d ? NULL : find(e, flow, pkt->ifindex);
	} else {
		rec->before = t->state;
		e->in_input = t;
		d = segment_arrives(t, s, now_us);
		e->in_input = NULL;
	}
	if (t) {
		rec->after = t->state;
		trace_numbers(t, rec);
	}
	return d;
}

enum drop engine_input(struct engine *e, const struct engine_pkt_in *pkt,
		       uint64_t now_us)
{
	struct trace_rec rec = {.kind = TRACE_IN, .time_us = now_us,
				.before = TCPS_CLOSED, .after = TCPS_CLOSED};
	struct segment s;
	struct flow flow;
	enum drop d = segment_parse(&s, &pkt->src, &pkt->dst, pkt->tcp,
				    pkt->tcp_len_bytes);

	s.ip_ecn = pkt->tos & IP_ECN_MASK;
	e->stats.segs_in++;
	if (d == DROP_SHORT || d == DROP_OFFSET) {
		e->stats.drops[d]++;
		return d;
	}
	flow.local = (struct endpoint){pkt->dst, s.dport};
	flow.remote = (struct endpoint){pkt->src, s.sport};
	if (!d && !acceptable_source(pkt, &s))
		d = DROP_ADDRESS;
	if (!d)
		d = dispatch(e, pkt, &flow, &s, &rec, now_us);
	if (d == DROP_NO_PATH || d == DROP_ASK) {
		e->stats.segs_in--;
		return d;
	}
	e->stats.drops[d]++;
	if (e->trace.rec) {
		rec.flow = flow;
		rec.drop = d;
		rec.hdr_len_bytes = s.hdr_len_bytes;
		memcpy(rec.hdr, pkt->tcp, s.hdr_len_bytes);
		rec.payload_len_bytes = s.data_len_bytes;
		trace_segment(e, &rec);
	}
	tcb_reap(e);
	return d;
}

/* ---- output ---------------------------------------------------------------------------- */

void engine_reply(struct engine *e, const struct reply *r)
{
	if (e->reply_n < REPLIES_MAX) /* more at once is a flood */
		e->reply[(e->reply_head + e->reply_n++) % REPLIES_MAX] = *r;
}

static void output_reply(struct engine *e, struct engine_pkt_out *pkt,
			 uint64_t now_us)
{
	const struct reply *r = &e->reply[e->reply_head];
	const struct ip_fields *ip = ip_fields(&r->opts, &r->flow);
	struct segment s = {.sport = r->flow.local.port,
			    .dport = r->flow.remote.port,
			    .seq = r->seq, .ack = r->ack, .flags = r->flags,
			    .wnd = r->wnd, .opt = {.wscale = -1}};

	if (s.flags & SEG_SYN) {
		s.opt = r->opt;
	} else {
		s.opt.ts = r->opt.ts;
		s.opt.ts_val = r->opt.ts_val;
		s.opt.ts_ecr = r->opt.ts_ecr;
	}

	*pkt = (struct engine_pkt_out){.src = r->flow.local.addr,
				       .dst = r->flow.remote.addr,
				       .tos = ip->tos & ~IP_ECN_MASK,
				       .ttl = ip->ttl,
				       .no_flow_label = ip->no_flow_label,
				       .ifindex = r->opts.ifindex,
				       .mss_bytes = 536};
	pkt->hdr_len_bytes = segment_build(&s, pkt->hdr);
	e->stats.segs_out++;
	trace_out(e, NULL, &r->flow, pkt, r->note, now_us);
	e->reply_head = (e->reply_head + 1) % REPLIES_MAX;
	e->reply_n--;
}

/* Packets that one connection may take before the others have a turn. */
#define TURN_PACKETS 16

int engine_output(struct engine *e, struct engine_pkt_out *pkts, int n,
		  uint64_t now_us)
{
	struct tcb *t;
	int made = 0, turn;

	while (made < n && e->reply_n)
		output_reply(e, &pkts[made++], now_us);
	while (made < n && (t = e->ready.first)) {
		LIST_REMOVE(&e->ready, t, ready);
		for (turn = 0; made < n && turn < TURN_PACKETS; turn++) {
			if (!tcb_output(t, &pkts[made], now_us))
				break;
			made++;
		}
		if (made == n || turn == TURN_PACKETS)
			tcb_want_output(t); /* to the end of the line */
	}
	return made;
}

/* ---- time -------------------------------------------------------------------------------- */

uint64_t engine_deadline(const struct engine *e)
{
	struct timer_node *first = timerq_first(&e->timers);

	if (e->ready.first || e->reply_n || e->events.first)
		return 0; /* there is something to take already */
	return first ? first->at_us : ENGINE_NEVER;
}

void engine_expire(struct engine *e, uint64_t now_us)
{
	struct timer_node *first;

	while ((first = timerq_first(&e->timers)) && first->at_us <= now_us)
		tcb_expire((struct tcb *)((char *)first -
					  offsetof(struct tcb, timer)), now_us);
	tcb_reap(e);
}

/* ---- events, statistics -------------------------------------------------------------------- */

bool engine_event(struct engine *e, struct engine_event *ev)
{
	struct tcb *t = e->events.first;

	if (!t)
		return false;
	LIST_REMOVE(&e->events, t, event);
	*ev = (struct engine_event){.tcb = t, .user = t->user, .what = t->events};
	t->events = 0;
	return true;
}

const struct engine_stats *engine_stats(const struct engine *e)
{
	return &e->stats;
}

bool engine_port_in_use(const struct engine *e, uint16_t local_port, bool v6)
{
	return e->port_uses[port_use(local_port, v6)] > 0;
}
