/* run.c - the loop of a simulation: users act, packets travel, timers expire. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <string.h>

#include "../../engine/addr.h"
#include "../engine/oom.h"
#include "sim.h"

#define TIME_MAX_US (48ull * 3600 * 1000000)
#define STEPS_MAX 20000000u
#define POOL_MAX_BYTES (64u << 20) /* free buffers that an engine may keep */

/* ---- beginning and end --------------------------------------------------------- */

void sim_engine(struct sim *s, int side)
{
	s->e[side] = engine_new(&s->cfg[side], s->now_us);
	if (!s->e[side])
		abort();
	tcp_opts_defaults(s->e[side], &s->opts[side]);
}

void sim_listen(struct sim *s, int side)
{
	if (tcp_listen(s->e[side], &s->addr[side], 16, &s->opts[side], NULL, s->now_us,
		       &s->listener[side]))
		abort();
	s->memory_bytes[side] = engine_stats(s->e[side])->memory_bytes;
}

void sim_addresses(struct sim *s, bool v6)
{
	for (uint8_t i = 0; i < 2; i++) {
		uint8_t v4[4] = {10, 0, 0, (uint8_t)(i + 1)};

		s->addr[i].addr = addr_from_v4(v4);
		if (v6)
			s->addr[i].addr = (struct ip_addr){{0xfd, [15] = (uint8_t)(i + 1)}};
		s->addr[i].port = 80;
	}
}

void sim_free(struct sim *s)
{
	for (int side = 0; side < 2; side++)
		engine_free(s->e[side]);
	watch_free(s->watch);
	net_free(&s->net);
}

struct tcp_path sim_path(const struct sim *s)
{
	return (struct tcp_path){s->net.p.mtu_bytes, s->net.p.gso_max_bytes};
}

struct flow sim_flow(const struct sim *s, unsigned conn, int side)
{
	struct flow f = {s->addr[side], s->addr[!side]};

	f.local.port = sim_port(conn, side);
	if (s->conn[conn].opener == BOTH_OPEN)
		f.remote.port = sim_port(conn, !side);
	return f;
}

/* ---- connections and their users ------------------------------------------------ */

static void open_from(struct sim *s, unsigned i, int side)
{
	struct user *u = &s->conn[i].user[side];
	struct flow f = sim_flow(s, i, side);
	struct tcp_path path = sim_path(s);
	struct tcp_opts opts = s->opts[side];

	opts.cc = cc_find(&s->cfg[side], s->conn[i].cc);
	if (tcp_open(s->e[side], &f, &path, &opts, u, s->now_us, &u->t))
		s->error = "tcp_open() fails";
	if (!u->plan.total_bytes && u->t)
		tcp_syn_go(u->t); /* else it would wait for the first bytes */
	u->ready = true;
	u->write_at_us = u->read_at_us = s->now_us;
}

static void start_conns(struct sim *s)
{
	for (unsigned i = 0; i < s->conns; i++) {
		struct conn *c = &s->conn[i];

		if (c->started || c->start_us > s->now_us)
			continue;
		c->started = true;
		if (c->opener != B_OPENS)
			open_from(s, i, 0);
		if (c->opener != A_OPENS)
			open_from(s, i, 1);
	}
}

static void take_incoming(struct sim *s, int side)
{
	struct tcb *t;

	while ((t = tcp_accept(s->listener[side], NULL))) {
		unsigned i = tcp_flow(t)->remote.port - sim_port(0, !side);
		struct user *u;

		if (i < s->conns && s->cfg[side].syncookies &&
		    (s->conn[i].user[side].t || s->conn[i].user[side].released)) {
			tcp_abort(t, s->now_us); /* by a cookie from before */
			tcp_release(t, s->now_us);
			continue;
		}
		if (i >= s->conns || s->conn[i].user[side].t) {
			s->error = "a connection that nobody opened";
			return;
		}
		u = &s->conn[i].user[side];
		u->t = t;
		u->ready = u->established = true;
		u->write_at_us = u->read_at_us = s->now_us;
	}
}

/* Accepted connections have no user pointer at first: found by their tcb. */
static struct user *user_of(struct sim *s, int side, const struct tcb *t)
{
	for (unsigned i = 0; i < s->conns; i++)
		if (s->conn[i].user[side].t == t)
			return &s->conn[i].user[side];
	return NULL;
}

/* What a cookie promised is there for the opener only, if the segment with the cookie in
 * it is lost and the one behind it arrives: RST (RFC 4987 3.6), as from Linux. */
static bool cookie_forgotten(const struct sim *s, unsigned conn, int side)
{
	const struct user *u = &s->conn[conn].user[side], *peer = &s->conn[conn].user[!side];

	return s->cfg[!side].syncookies && !peer->t && !peer->released && u->t &&
	       tcp_error(u->t) == ECONNRESET && engine_stats(s->e[!side])->cookies_bad;
}

static void run_users(struct sim *s)
{
	struct engine_event ev;

	start_conns(s);
	for (int side = 0; side < 2; side++) {
		while (engine_event(s->e[side], &ev)) {
			struct user *u = user_of(s, side, ev.tcb);

			if (ev.tcb == s->listener[side])
				take_incoming(s, side);
			else if (u)
				user_event(u, ev.what);
			else
				s->error = "an event for a released connection";
		}
		for (unsigned i = 0; i < s->conns; i++) {
			user_run(&s->conn[i].user[side], s->now_us);
			if (!s->conn[i].user[side].error)
				continue;
			s->forgotten = cookie_forgotten(s, i, side);
			if (!s->forgotten)
				s->error = s->conn[i].user[side].error;
		}
	}
}

/* ---- memory --------------------------------------------------------------------- */

/* Until memory_back() one of the next allocations may fail. */
static void memory_short(struct sim *s)
{
	if (s->oom_ppm && rng_ppm(&s->oom_rng, s->oom_ppm))
		oom_after((int)rng_below(&s->oom_rng, 3));
}

static void memory_back(void)
{
	oom_happened();
}

static int output(struct sim *s, int side, struct engine_pkt_out *pkts, int max)
{
	int n;

	memory_short(s);
	n = engine_output(s->e[side], pkts, max, s->now_us);
	memory_back();
	return n;
}

static enum drop input(struct sim *s, int side, struct engine_pkt_in *in)
{
	enum drop d;

	memory_short(s);
	d = engine_input(s->e[side], in, s->now_us);
	memory_back();
	return d;
}

static void expire(struct sim *s, int side)
{
	memory_short(s);
	engine_expire(s->e[side], s->now_us);
	memory_back();
}

/* ---- packets and time ------------------------------------------------------------ */

static void flush(struct sim *s)
{
	struct engine_pkt_out pkts[4];
	int n;

	for (int side = 0; side < 2; side++)
		while ((n = output(s, side, pkts, 4)) > 0)
			for (int i = 0; i < n; i++) {
				const char *bad = watch_sent(s->watch, side, &pkts[i]);

				net_send(&s->net, side, &pkts[i], s->now_us);
				if (bad && !s->error)
					s->error = bad;
			}
}

static void deliver_segment(struct sim *s, const struct packet *k)
{
	struct engine_pkt_in in = {.src = k->src, .dst = k->dst, .path = sim_path(s),
				   .tcp = k->tcp, .tcp_len_bytes = k->len_bytes,
				   .tos = k->tos};
	enum drop d;

	if (!k->damaged)
		watch_received(s->watch, k->to, &k->src, &k->dst, k->tcp, k->len_bytes);
	d = input(s, k->to, &in);
	net_log(&s->net, s->now_us, d ? drop_name(d) : "arrived", !k->to, k->tcp,
		k->len_bytes);
	if (k->damaged && d == DROP_NONE)
		s->error = "a damaged packet was taken";
	if (d == DROP_CLOSED || d == DROP_LISTEN_ACK)
		engine_refuse(s->e[k->to], &in, s->now_us);
}

static void deliver_icmp(struct sim *s, const struct packet *k)
{
	struct engine_icmp msg = {
		.flow = {{k->src, (uint16_t)(k->tcp[0] << 8 | k->tcp[1])},
			 {k->dst, (uint16_t)(k->tcp[2] << 8 | k->tcp[3])}},
		.seq = (uint32_t)k->tcp[4] << 24 | (uint32_t)k->tcp[5] << 16 |
		       (uint32_t)k->tcp[6] << 8 | k->tcp[7],
		.err = EMSGSIZE,
		.mtu_bytes = k->icmp_mtu_bytes,
		.pkt_bytes = k->icmp_pkt_bytes,
	};

	net_log(&s->net, s->now_us, "ICMP", k->to, k->tcp, k->len_bytes);
	engine_icmp(s->e[k->to], &msg, s->now_us);
}

static void deliver(struct sim *s)
{
	struct packet *k;

	while ((k = net_receive(&s->net, s->now_us))) {
		if (k->icmp_mtu_bytes) {
			deliver_icmp(s, k);
			free(k);
			continue;
		}
		deliver_segment(s, k);
		free(k);
		/* A driver sends between packets, or after many of them. */
		if (rng_chance(&s->rng, 50)) {
			run_users(s);
			flush(s);
		}
	}
}
static bool finished(const struct sim *s)
{
	for (unsigned i = 0; i < s->conns; i++)
		for (int side = 0; side < 2; side++)
			if (!s->conn[i].user[side].released)
				return false;
	return !engine_stats(s->e[0])->connections && !engine_stats(s->e[1])->connections &&
	       !s->net.n;
}

static uint64_t next_us(const struct sim *s)
{
	uint64_t at_us = net_next_us(&s->net), t;

	for (int side = 0; side < 2; side++) {
		t = engine_deadline(s->e[side]);
		at_us = t < at_us ? t : at_us;
	}
	for (unsigned i = 0; i < s->conns; i++) {
		if (!s->conn[i].started && s->conn[i].start_us < at_us)
			at_us = s->conn[i].start_us;
		for (int side = 0; side < 2; side++) {
			t = user_wake_us(&s->conn[i].user[side]);
			at_us = t < at_us ? t : at_us;
		}
	}
	return at_us;
}

/* Nothing happens until then. */
static const char *check_silence(struct sim *s, uint64_t until_us)
{
	const char *bad = NULL;

	for (unsigned i = 0; i < s->conns; i++)
		for (int side = 0; side < 2 && !bad; side++)
			if (s->conn[i].user[side].t)
				bad = silence_check(&s->conn[i].silence[side],
						    s->conn[i].user[side].t, &s->cfg[side],
						    s->now_us, until_us);
	return bad;
}

/* Nobody ran for a while: no silence of the connections' own. */
static void nap(struct sim *s)
{
	s->now_us += rng_log(&s->rng, 1, s->nap_us);
	for (unsigned i = 0; i < s->conns; i++)
		memset(s->conn[i].silence, 0, sizeof(s->conn[i].silence));
}

static const char *check_end(const struct sim *s)
{
	for (unsigned i = 0; i < s->conns; i++)
		for (int side = 0; side < 2; side++) {
			const struct user *u = &s->conn[i].user[side];
			const struct user *peer = &s->conn[i].user[!side];

			if (u->written != u->plan.total_bytes)
				return "not everything was written";
			if (u->received != peer->written)
				return "not everything was received";
		}
	for (int side = 0; side < 2; side++) {
		const struct engine_stats *st = engine_stats(s->e[side]);

		if (st->half_open || st->time_wait || st->lingering)
			return "counters of connections are not zero";
		if (st->memory_bytes > s->memory_bytes[side] + POOL_MAX_BYTES)
			return "memory was not given back";
		if (engine_deadline(s->e[side]) != ENGINE_NEVER)
			return "a timer runs without a connection";
	}
	return NULL;
}

void sim_run(struct sim *s)
{
	uint64_t at_us;

	for (uint32_t step = 0; !s->error; step++) {
		run_users(s);
		flush(s);
		if (s->forgotten)
			return;
		if (s->error || finished(s))
			break;
		at_us = next_us(s);
		if (s->stop_us && at_us > s->stop_us) {
			s->now_us = s->stop_us;
			return;
		}
		if (at_us == ENGINE_NEVER)
			s->error = "stalled: nothing will ever happen again";
		else if (at_us - s->start_us > TIME_MAX_US && at_us > s->start_us)
			s->error = "stalled: two days have passed";
		else if (step == STEPS_MAX)
			s->error = "stalled: too many steps";
		else
			s->error = check_silence(s, at_us);
		if (s->error)
			return;
		if (at_us > s->now_us)
			s->now_us = at_us;
		if (s->nap_us && rng_chance(&s->rng, 1))
			nap(s);
		deliver(s);
		for (int side = 0; side < 2; side++)
			if (engine_deadline(s->e[side]) <= s->now_us)
				expire(s, side);
		if (s->on_step)
			s->on_step(s->on_step_arg, s);
	}
	if (!s->error)
		s->error = check_end(s);
}

