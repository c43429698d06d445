/* scenario.c - what a seed decides: link, options, buffers, sizes, pauses, who
 * opens and who closes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/addr.h"
#include "sim.h"

/* 0: one that grows. */
static uint32_t random_buffer(struct rng *r)
{
	switch (rng_below(r, 12)) {
	case 0:
		return rng_log(r, 1, 20);
	case 10:
	case 11:
		return 0;
	case 1:
	case 2:
		return rng_log(r, 20, 1000);
	case 3:
	case 4:
		return rng_in(r, 1000, 20000);
	default:
		return rng_log(r, 20000, 1u << 20);
	}
}

static uint32_t random_mtu(struct rng *r)
{
	switch (rng_below(r, 8)) {
	case 0:
		return rng_in(r, 68, 300);
	case 1:
		return rng_in(r, 300, 1500);
	case 2:
		return rng_in(r, 1500, 65535);
	case 3:
		return 65535;
	default:
		return 1500;
	}
}

/* At most a second in the queue and some for packets in service: with a delay
 * beyond the RTO's ceiling nothing could work. CoDel's target is above the time
 * of two packets. */
static void random_bottleneck(struct rng *r, uint32_t mtu, struct bottleneck_params *b)
{
	uint32_t bytes_ms = rng_log(r, 5 + mtu / 100, 10000);

	b->rate_bytes_s = bytes_ms * 1000ull;
	b->queue_bytes = rng_log(r, 3000, 1000 * bytes_ms) + 2 * mtu;
	if (rng_chance(r, 40))
		b->codel = (struct codel_params){
			.target_us = rng_log(r, 500, 20000) + 2000 * mtu / bytes_ms,
			.interval_us = rng_in(r, 10000, 200000),
		};
}

/* What only delays, reorders and bunches. */
static void random_delay(struct rng *r, struct net_dir *d)
{
	d->delay_us = rng_log(r, 0, 300000);
	if (rng_chance(r, 50))
		d->jitter_us = rng_log(r, 0, 2 * d->delay_us + 100);
	if (rng_chance(r, 20)) {
		d->late_ppm = rng_log(r, 1000, 500000);
		d->late_us = rng_log(r, 1, d->delay_us + 1000);
	}
	if (rng_chance(r, 15))
		d->gather_us = rng_log(r, 100, 50000);
}

/* A bad state ends after some packets, a policer's bucket has room for everybody
 * and fills within seconds: whoever repeats gets through. */
static void random_losses(struct rng *r, uint32_t mtu, struct net_dir *d)
{
	if (rng_chance(r, 60))
		d->loss_ppm = rng_log(r, 0, 300000);
	if (rng_chance(r, 20))
		d->burst = (struct burst_params){
			.to_bad_ppm = rng_log(r, 100, 100000),
			.to_good_ppm = rng_in(r, 100000, 1000000),
			.loss_ppm = rng_in(r, 100000, 1000000),
		};
	if (rng_chance(r, 10)) {
		d->policer.rate_bytes_s = rng_log(r, 20000, 5000000) + 2 * mtu;
		d->policer.bucket_bytes = CONNS_MAX * mtu + rng_log(r, 1, 100000);
	}
	if (rng_chance(r, 30))
		d->dup_ppm = rng_log(r, 0, 200000);
	if (rng_chance(r, 30))
		d->corrupt_ppm = rng_log(r, 0, 100000);
}

/* Of a link somewhere on the way. What every path carries still passes. */
static void random_narrow(struct rng *r, uint32_t mtu, uint32_t mtu_min, struct net_dir *d)
{
	if (mtu <= mtu_min || !rng_chance(r, 15))
		return;
	d->mtu_bytes = rng_in(r, mtu_min, mtu < 3000 ? mtu - 1 : 3000);
	switch (rng_below(r, 4)) {
	case 0:
		break; /* a black hole */
	case 1:
		d->icmp_ppm = rng_in(r, 200000, 1000000);
		break;
	default:
		d->icmp_ppm = 1000000;
		break;
	}
}

static void random_direction(struct rng *r, uint32_t mtu, uint32_t mtu_min,
			     struct net_dir *d)
{
	random_narrow(r, mtu, mtu_min, d);
	if (rng_chance(r, 25))
		d->meddle = (enum meddling)rng_below(r, MEDDLE_COUNT);
	random_delay(r, d);
	random_losses(r, mtu, d);
	if (rng_chance(r, 30))
		random_bottleneck(r, mtu, &d->bottleneck);
}

/* The way back is usually like the way there, else a matter of its own. */
static void random_link(struct sim *s)
{
	struct rng *r = &s->rng;
	uint32_t mtu_min = addr_is_v4(&s->addr[0].addr) ? 552 : 1280;
	struct net_params p = {.mtu_bytes = random_mtu(r)};

	if (!addr_is_v4(&s->addr[0].addr) && p.mtu_bytes < mtu_min)
		p.mtu_bytes = mtu_min;
	random_direction(r, p.mtu_bytes, mtu_min, &p.dir[0]);
	p.dir[1] = p.dir[0];
	if (rng_chance(r, 40)) {
		p.dir[1] = (struct net_dir){0};
		random_direction(r, p.mtu_bytes, mtu_min, &p.dir[1]);
	}
	if (rng_chance(r, 40)) {
		p.gso_max_bytes = rng_log(r, 1000, 65000);
		p.pass_bursts = rng_chance(r, 50);
	}
	net_init(&s->net, &p, rng_next(r));
}

static const char *random_cc(struct rng *r, const struct engine_config *cfg)
{
	unsigned n = 0;

	while (cc_known(cfg, n))
		n++;
	return cc_known(cfg, rng_below(r, n))->name;
}

/* Whatever an administrator may switch must not lose a byte. */
static void random_switches(struct rng *r, struct engine_config *cfg)
{
	cfg->timestamps = rng_chance(r, 70);
	cfg->sack = rng_chance(r, 70);
	cfg->dsack = rng_chance(r, 70);
	cfg->window_scaling = rng_chance(r, 70);
	cfg->rack = rng_chance(r, 80);
	cfg->frto = rng_chance(r, 80);
	cfg->ecn = (uint8_t)rng_below(r, 6);
	cfg->uto = rng_chance(r, 30);
	cfg->quickacks = (uint8_t)rng_below(r, 20);
	cfg->pacing = rng_chance(r, 20);
	cfg->slow_start_after_idle = rng_chance(r, 70);
	cfg->moderate_rcvbuf = rng_chance(r, 80);
	cfg->rfc1337 = rng_chance(r, 30);
	cfg->syn_linear_timeouts = rng_below(r, 6);
	cfg->initcwnd_segs = rng_chance(r, 70) ? 10 : rng_in(r, 1, 40);
	if (rng_chance(r, 20))
		cfg->notsent_lowat_bytes = rng_log(r, 1, 100000);
}

/* What bounds memory may slow things down, and stop nothing. */
static void random_limits(struct rng *r, struct engine_config *cfg)
{
	if (rng_chance(r, 20))
		cfg->ooo_ranges_max = rng_in(r, 1, 4);
	if (rng_chance(r, 10))
		cfg->rcv_total_bytes = rng_log(r, 1000, 1000000);
	if (rng_chance(r, 10))
		cfg->memory_max_bytes = rng_log(r, 100000, 10000000);
	if (rng_chance(r, 20))
		cfg->base_mss_bytes = rng_in(r, 48, 1460);
	if (rng_chance(r, 20))
		cfg->max_syn_backlog = rng_in(r, 1, 3);
	cfg->syncookies = rng_chance(r, 85) ? 0 : (uint8_t)rng_in(r, 1, 2);
}

/* Fast Open, with and without cookies. A SYN with data that the network doubles may
 * arrive as two connections (RFC 7413 2.1), which nobody here would understand. */
static void random_fastopen(struct sim *s, int side)
{
	if (s->net.p.dir[0].dup_ppm || s->net.p.dir[1].dup_ppm || !rng_chance(&s->rng, 40))
		return;
	s->cfg[side].fastopen = rng_chance(&s->rng, 50) ? 0x607 : 0x403;
}

static void random_opts(struct rng *r, struct tcp_opts *o)
{
	o->rcvbuf_bytes = random_buffer(r);
	o->sndbuf_bytes = random_buffer(r);
	o->nodelay = rng_chance(r, 50);
	o->fastopen = rng_chance(r, 70);
	o->cork = rng_chance(r, 10);
	o->pingpong = rng_chance(r, 20);
	if (rng_chance(r, 10))
		o->mss_max_bytes = (uint16_t)rng_in(r, 88, 1460);
	if (rng_chance(r, 15)) {
		o->keepalive = true;
		o->keepalive_idle_s = rng_in(r, 1, 30);
		o->keepalive_interval_s = rng_in(r, 1, 10);
		o->keepalive_probes = 250;
	}
	if (rng_chance(r, 10))
		o->window_clamp_bytes = rng_log(r, 200, 100000);
	if (rng_chance(r, 10))
		o->notsent_lowat_bytes = rng_log(r, 1, 100000);
	if (rng_chance(r, 10))
		o->pacing_max_bytes_s = rng_log(r, 20000, 10000000);
	if (rng_chance(r, 10))
		o->defer_accept_s = rng_in(r, 1, 5);
	if (rng_chance(r, 10))
		o->user_timeout_ms = rng_in(r, 3600000, 86400000);
	o->oob_inline = true;
}

static void random_engine(struct sim *s, int side)
{
	struct engine_config *cfg = &s->cfg[side];
	struct rng *r = &s->rng;

	engine_config_defaults(cfg);
	for (unsigned i = 0; i < sizeof(cfg->seed); i++)
		cfg->seed[i] = (uint8_t)rng_next(r);
	random_switches(r, cfg);
	cfg->mtu_probing = (uint8_t)rng_below(r, 3);
	if (!cfg->mtu_probing && s->net.p.dir[side].mtu_bytes && !s->net.p.dir[side].icmp_ppm)
		cfg->mtu_probing = 1;
	strncpy(cfg->cc, random_cc(r, cfg), sizeof(cfg->cc) - 1);
	random_fastopen(s, side);
	cfg->delack_ms = rng_log(r, 0, 500);
	cfg->rto_min_ms = rng_in(r, 10, 1000);
	cfg->rto_max_ms = 4000;
	/* Nobody gives up: what must be shown is that everything arrives. */
	cfg->syn_retries = cfg->synack_retries = 100;
	cfg->retries = cfg->orphan_retries = 100;
	cfg->fin_timeout_ms = 24u * 3600 * 1000;
	cfg->msl_ms = 60000;
	random_limits(r, cfg);
	sim_engine(s, side);
	random_opts(r, &s->opts[side]);
}

/* Nobody would repeat the SYN,ACK, or the ACK, that makes a cookie a connection: who
 * opens must have something to say. */
static bool must_speak(const struct sim *s, const struct conn *c, int side)
{
	return s->cfg[!side].syncookies && c->opener == (side ? B_OPENS : A_OPENS);
}

/* So much that a seed costs some hundreds of segments, rarely more. */
static uint32_t random_total(struct sim *s, int from)
{
	uint32_t unit = s->net.p.mtu_bytes - 60, most;

	if (s->net.p.mtu_bytes < 100)
		unit = 16;
	if (s->opts[from].sndbuf_bytes && s->opts[from].sndbuf_bytes < unit)
		unit = s->opts[from].sndbuf_bytes;
	if (s->opts[!from].rcvbuf_bytes && s->opts[!from].rcvbuf_bytes < unit)
		unit = s->opts[!from].rcvbuf_bytes;
	most = unit > 400000 / 200 ? 400000 : unit * 200;
	if (rng_chance(&s->rng, 2))
		most *= 5;
	if (rng_chance(&s->rng, 10))
		return 0;
	return rng_log(&s->rng, 1, most);
}

static void random_user(struct sim *s, struct conn *c, int side)
{
	struct user *u = &c->user[side];
	struct rng *r = &s->rng;

	u->plan = (struct user_plan){
		.total_bytes = random_total(s, side),
		.chunk_bytes = rng_log(r, 1, 100000),
		.read_bytes = rng_log(r, 1, 100000),
	};
	if (u->plan.chunk_bytes < u->plan.total_bytes / 100)
		u->plan.chunk_bytes = u->plan.total_bytes / 100;
	if (rng_chance(r, 40))
		u->plan.write_pause_us = rng_log(r, 0, 500000);
	if (rng_chance(r, 40))
		u->plan.read_pause_us = rng_log(r, 0, 500000);
	u->plan.release_late = rng_chance(r, 50);
	/* A bare ACK that no text made necessary, when the one before it is lost, would
	 * find a listener that sees no cookie in it. */
	u->plan.urgent = rng_chance(r, 15) && !s->cfg[!side].syncookies;
	if (rng_chance(r, 20) && !s->cfg[!side].syncookies)
		u->plan.fiddles = &s->cfg[side];
	u->rng.s = rng_next(r);
	u->key = rng_next(r);
}

static void random_conn(struct sim *s, struct conn *c)
{
	struct rng *r = &s->rng;
	int first = (int)rng_below(r, 3);

	c->opener = rng_chance(r, 25) ? BOTH_OPEN : rng_below(r, 2) ? A_OPENS : B_OPENS;
	c->start_us = s->now_us + rng_log(r, 0, 1000000);
	for (int side = 0; side < 2; side++) {
		random_user(s, c, side);
		if (must_speak(s, c, side) && !c->user[side].plan.total_bytes)
			c->user[side].plan.total_bytes = 1;
	}
	for (int side = 0; side < 2; side++) {
		struct user *u = &c->user[side];

		u->peer_key = c->user[!side].key;
		/* reading with pauses shall take minutes, not days */
		if (u->plan.read_pause_us &&
		    u->plan.read_bytes < c->user[!side].plan.total_bytes / 500)
			u->plan.read_bytes = c->user[!side].plan.total_bytes / 500;
		/* the first, the second, or both do not wait for the other */
		u->plan.close_first = first == 2 || first == side;
		if (u->plan.close_first && !c->user[!side].plan.total_bytes &&
		    rng_chance(r, 50))
			u->plan.release_early = true;
	}
}

/* Readers that stop for a while, so that windows close and are probed, and then take
 * a few bytes at a time. */
static void random_stalls(struct sim *s)
{
	struct rng *r = &s->rng;

	for (unsigned i = 0; i < s->conns; i++)
		for (int side = 0; side < 2; side++) {
			struct user_plan *p = &s->conn[i].user[side].plan;

			if (!rng_chance(r, 30))
				continue;
			p->stalls = rng_in(r, 1, 4);
			p->stall_us = rng_log(r, 10000, 60000000);
			if (rng_chance(r, 50)) {
				p->trickles = rng_in(r, 1, 40);
				p->trickle_bytes = rng_log(r, 1, 3000);
			}
		}
}

/* Moves the clock so that the ISS of the first connection, which follows it
 * (RFC 6528), lies shortly before 2^32: its numbers wrap on the way. */
static void wrap_numbers(struct sim *s)
{
	int side = s->conn[0].opener == B_OPENS;
	struct engine *e = engine_new(&s->cfg[side], s->now_us);
	struct tcp_opts opts = s->opts[side];
	struct flow f = sim_flow(s, 0, side);
	struct tcp_path path = sim_path(s);
	uint64_t open_us = s->conn[0].start_us, later_us;
	struct engine_pkt_out pkt;
	struct tcb *t;
	uint32_t iss;

	opts.fastopen = false; /* its SYN may wait */
	if (!e || tcp_open(e, &f, &path, &opts, NULL, open_us, &t) ||
	    engine_output(e, &pkt, 1, open_us) != 1)
		abort();
	iss = (uint32_t)pkt.hdr[4] << 24 | (uint32_t)pkt.hdr[5] << 16 |
	      (uint32_t)pkt.hdr[6] << 8 | pkt.hdr[7];
	engine_free(e);
	later_us = 4ull * (0u - iss - rng_log(&s->rng, 0, 20000));
	s->now_us += later_us;
	s->start_us += later_us;
	for (unsigned i = 0; i < s->conns; i++)
		s->conn[i].start_us += later_us;
}

/* By a chance of its own: with and without, a seed's run is the same for as long as
 * there is memory. */
static void random_oom(struct sim *s)
{
	s->oom_rng.s = s->seed * 0x9e3779b97f4a7c15u + 1;
	if (!rng_chance(&s->oom_rng, 20))
		return;
	s->oom_ppm = rng_log(&s->oom_rng, 1000, 300000);
	for (unsigned i = 0; i < s->conns; i++)
		for (int side = 0; side < 2; side++)
			s->conn[i].user[side].plan.oom_ppm = s->oom_ppm;
}

/* The rest of the run goes by the same tape as its beginning. */
static void share_tape(struct sim *s)
{
	s->net.rng.tape = s->rng.tape;
	for (unsigned i = 0; i < s->conns; i++)
		for (int side = 0; side < 2; side++)
			s->conn[i].user[side].rng.tape = s->rng.tape;
}

void sim_init(struct sim *s, uint64_t seed, struct tape *tape, bool verbose)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->rng.tape = tape;
	s->rng.s = seed * 0x2545f4914f6cdd1du + 1;
	s->now_us = s->start_us = rng_next(&s->rng) >> 20;
	sim_addresses(s, rng_chance(&s->rng, 20));
	random_link(s);
	s->net.verbose = verbose;
	s->watch = watch_new(s->net.p.mtu_bytes);
	for (int side = 0; side < 2; side++) {
		random_engine(s, side);
		if (s->cfg[side].syncookies)
			watch_cookies(s->watch, side);
		sim_listen(s, side);
	}
	s->conns = rng_chance(&s->rng, 25) ? rng_in(&s->rng, 2, CONNS_MAX) : 1;
	for (unsigned i = 0; i < s->conns; i++)
		random_conn(s, &s->conn[i]);
	random_stalls(s);
	if (rng_chance(&s->rng, 10) && !s->cfg[0].syncookies && !s->cfg[1].syncookies)
		s->nap_us = 20000000;
	if (rng_chance(&s->rng, 25))
		wrap_numbers(s);
	random_oom(s);
	share_tape(s);
}

static void print_direction(const char *name, const struct net_dir *d)
{
	printf("%s: delay %u us, jitter %u us, late %u ppm by %u us, gathered %u us, "
	       "loss %u ppm, dup %u ppm, damage %u ppm", name, d->delay_us, d->jitter_us,
	       d->late_ppm, d->late_us, d->gather_us, d->loss_ppm, d->dup_ppm,
	       d->corrupt_ppm);
	if (d->mtu_bytes)
		printf(", mtu %u (ICMP %u ppm)", d->mtu_bytes, d->icmp_ppm);
	if (d->meddle)
		printf(", ECN meddled with (%d)", d->meddle);
	if (d->burst.to_bad_ppm)
		printf(", bursts %u/%u ppm of %u ppm", d->burst.to_bad_ppm,
		       d->burst.to_good_ppm, d->burst.loss_ppm);
	if (d->policer.rate_bytes_s)
		printf(", policed %llu B/s, %u B", (unsigned long long)d->policer.rate_bytes_s,
		       d->policer.bucket_bytes);
	if (d->bottleneck.rate_bytes_s)
		printf(", rate %llu B/s, queue %u B, codel %u/%u us",
		       (unsigned long long)d->bottleneck.rate_bytes_s,
		       d->bottleneck.queue_bytes, d->bottleneck.codel.target_us,
		       d->bottleneck.codel.interval_us);
	putchar('\n');
}

void sim_print(const struct sim *s)
{
	static const char *const openers[] = {"A opens", "B opens", "both open"};
	const struct net_params *p = &s->net.p;

	printf("link: mtu %u, gso %u%s\n", p->mtu_bytes, p->gso_max_bytes,
	       p->pass_bursts ? " passed" : "");
	print_direction("A->B", &p->dir[0]);
	print_direction("B->A", &p->dir[1]);
	if (s->oom_ppm)
		printf("no memory: %u ppm\n", s->oom_ppm);
	for (int i = 0; i < 2; i++)
		printf("%c: %s, sndbuf %u, rcvbuf %u, mss_max %u%s%s%s%s, delack %u ms, "
		       "rto_min %u ms, holes %u\n", "AB"[i], s->cfg[i].cc,
		       s->opts[i].sndbuf_bytes, s->opts[i].rcvbuf_bytes,
		       s->opts[i].mss_max_bytes, s->cfg[i].timestamps ? ", ts" : "",
		       s->cfg[i].sack ? ", sack" : "",
		       s->cfg[i].window_scaling ? ", wscale" : "",
		       s->opts[i].nodelay ? ", nodelay" : "", s->cfg[i].delack_ms,
		       s->cfg[i].rto_min_ms, s->cfg[i].ooo_ranges_max);
	for (unsigned c = 0; c < s->conns; c++) {
		printf("connection %u: %s at %.6f s\n", c, openers[s->conn[c].opener],
		       (double)(s->conn[c].start_us - s->start_us) / 1e6);
		for (int i = 0; i < 2; i++) {
			const struct user *u = &s->conn[c].user[i];

			printf("  %c writes %u (%u at once, pause %u us), reads %u at once "
			       "(pause %u us, %u stalls of %u us, then %u times %u)"
			       "%s%s%s; now written %u, received %u%s%s%s%s%s%s\n",
			       "AB"[i], u->plan.total_bytes, u->plan.chunk_bytes,
			       u->plan.write_pause_us, u->plan.read_bytes,
			       u->plan.read_pause_us, u->plan.stalls, u->plan.stall_us,
			       u->plan.trickles, u->plan.trickle_bytes, u->plan.close_first ? ", closes first" : "",
			       u->plan.release_early ? ", releases early" : "",
			       u->plan.release_late ? ", releases late" : "", u->written,
			       u->received, u->full ? ", full" : "", u->eof ? ", eof" : "",
			       u->shut ? ", shut" : "", u->closed ? ", closed" : "",
			       u->released ? ", released" : "", u->error ? ", ERROR" : "");
		}
	}
}
