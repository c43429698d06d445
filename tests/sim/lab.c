/* lab.c - see lab.h. */
#include <stdlib.h>
#include <string.h>

#include "../../engine/seq.h"
#include "lab.h"

#define START_US 1000000u /* of the virtual clock */
#define WAIT_CLASS_US 100u

/* What must be remembered of a flow to judge it. */
struct judged {
	uint8_t recovery, backoff;
	bool syn, dropped; /* iss, dropped_end are valid */
	uint32_t iss, dropped_end; /* end of the highest text that was dropped */
	uint64_t bytes_before;     /* delivered until measure_us */
};

struct lab {
	const struct lab_plan *plan;
	struct lab_result *res;
	struct judged flow[LAB_FLOWS];
	uint32_t waits[LAB_WAITS]; /* how many packets waited so long */
	uint64_t wait_us, waited; /* the sum, and of how many */
	uint64_t sample_us; /* the next, since the start */
	bool measuring;
};

/* ---- what the link tells ------------------------------------------------------ */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void note_wait(struct lab *l, uint64_t waited_us)
{
	uint64_t i = waited_us / WAIT_CLASS_US;

	l->waits[i < LAB_WAITS ? i : LAB_WAITS - 1]++;
	l->wait_us += waited_us;
	l->waited++;
}

static void on_packet(void *arg, int from, const struct packet *k, enum fate f,
		      uint64_t waited_us)
{
	uint32_t hdr = (k->tcp[12] >> 4) * 4u, seq = be32(k->tcp + 4);
	uint32_t text_bytes = k->len_bytes - hdr;
	unsigned i = (unsigned)(k->tcp[0] << 8 | k->tcp[1]) - sim_port(0, from);
	struct lab *l = arg;
	struct judged *j;

	if (from == 0 && l->measuring && f == ARRIVES)
		note_wait(l, waited_us);
	if (i >= l->plan->flows)
		return; /* an answer: from the port of a listener */
	j = &l->flow[i];
	if (k->tcp[13] & SEG_SYN) {
		j->syn = true;
		j->iss = seq;
	}
	if (f == ARRIVES || !text_bytes)
		return;
	if (!j->dropped || seq_gt(seq + text_bytes, j->dropped_end))
		j->dropped_end = seq + text_bytes;
	j->dropped = true;
}

/* ---- what the senders show ------------------------------------------------------ */

static struct user *sender(struct sim *s, const struct lab_plan *plan, unsigned i)
{
	return &s->conn[i].user[plan->flow[i].back];
}

static struct user *receiver(struct sim *s, const struct lab_plan *plan, unsigned i)
{
	return &s->conn[i].user[!plan->flow[i].back];
}

enum { OPEN, DISORDER, RECOVERY = 3, LOSS }; /* tcp_status.recovery */

static void judge(struct judged *j, struct lab_flow *f, const struct tcp_status *st,
		  uint64_t now_us)
{
	bool timeout = st->recovery == LOSS &&
		       (j->recovery != LOSS || st->backoff > j->backoff);
	bool enters = st->recovery >= RECOVERY && j->recovery < RECOVERY;
	uint32_t una = j->iss + 1 + (uint32_t)st->bytes_acked;

	f->timeouts += timeout;
	f->recoveries += enters;
	if (enters && !(j->dropped && seq_gt(j->dropped_end, una))) {
		f->spurious++;
		f->spurious_us = now_us - START_US;
	}
	j->recovery = st->recovery;
	j->backoff = st->backoff;
}

static void sample(struct lab *l, struct sim *s)
{
	uint64_t run_us = s->now_us - START_US, every_us = l->plan->duration_us / LAB_SAMPLES;
	struct lab_result *res = l->res;
	struct lab_sample *p;

	if (run_us < l->sample_us || res->samples == LAB_SAMPLES)
		return;
	l->sample_us = (run_us / every_us + 1) * every_us;
	p = &res->sample[res->samples++];
	p->at_us = run_us;
	p->queue_bytes = bottleneck_bytes(&s->net.dir[0].bottleneck,
					  &s->net.p.dir[0].bottleneck, s->now_us);
	for (unsigned i = 0; i < l->plan->flows; i++) {
		struct user *u = sender(s, l->plan, i);
		struct tcp_status st;

		p->bytes[i] = receiver(s, l->plan, i)->received;
		if (!u->t)
			continue;
		tcp_status(u->t, &st);
		p->cwnd_bytes[i] = st.snd_cwnd_bytes;
	}
}

static void on_step(void *arg, struct sim *s)
{
	struct lab *l = arg;

	if (!l->measuring && s->now_us >= START_US + l->plan->measure_us) {
		l->measuring = true;
		for (unsigned i = 0; i < l->plan->flows; i++)
			l->flow[i].bytes_before = receiver(s, l->plan, i)->received;
	}
	for (unsigned i = 0; i < l->plan->flows; i++) {
		struct user *u = sender(s, l->plan, i);
		struct tcp_status st;

		if (!u->t)
			continue;
		tcp_status(u->t, &st);
		judge(&l->flow[i], &l->res->flow[i], &st, s->now_us);
	}
	sample(l, s);
}

/* ---- the end ---------------------------------------------------------------------- */

static void count_flow(struct lab *l, struct sim *s, unsigned i)
{
	struct lab_flow *f = &l->res->flow[i], *all = &l->res->all;
	struct user *u = sender(s, l->plan, i);
	struct tcp_status st;

	if (!u->t) {
		l->res->error = "a flow has ended";
		return;
	}
	tcp_status(u->t, &st);
	f->bytes = receiver(s, l->plan, i)->received - l->flow[i].bytes_before;
	f->segs = (uint32_t)st.data_segs_out;
	f->retransmitted = st.total_retrans;
	all->bytes += f->bytes;
	all->segs += f->segs;
	all->retransmitted += f->retransmitted;
	all->timeouts += f->timeouts;
	all->recoveries += f->recoveries;
	all->spurious += f->spurious;
}

/* Jain's index (sum)^2 / (n * sum of squares), and the largest share; in what
 * flows there, of text against what there is room for. */
static void compare_flows(const struct lab *l, struct lab_result *res)
{
	uint64_t seconds_us = l->plan->duration_us - l->plan->measure_us;
	double sum = 0, squares = 0, most = 0, room;
	unsigned n = 0;

	for (unsigned i = 0; i < l->plan->flows; i++) {
		double x = (double)res->flow[i].bytes;

		if (l->plan->flow[i].back)
			continue;
		n++;
		sum += x;
		squares += x * x;
		most = x > most ? x : most;
	}
	/* 20 of IP, 20 of TCP, 12 of timestamps */
	room = (double)l->plan->rate_bytes_s * (double)seconds_us / 1e6 *
	       (l->plan->net.mtu_bytes - 52) / l->plan->net.mtu_bytes;
	res->goodput = sum / room;
	res->jain = squares > 0 ? sum * sum / (n * squares) : 0;
	res->share = sum > 0 ? most / sum : 0;
}

static void sum_waits(const struct lab *l, struct lab_result *res)
{
	uint64_t seen = 0;
	unsigned i = 0;

	while (i < LAB_WAITS - 1 && (seen += l->waits[i]) * 100 < l->waited * 95)
		i++;
	res->wait_p95_ms = (double)(i * WAIT_CLASS_US) / 1000;
	res->wait_mean_ms = l->waited ? (double)l->wait_us / (double)l->waited / 1000 : 0;
}

/* ---- the beginning ------------------------------------------------------------------ */

static void build(struct sim *s, const struct lab_plan *plan)
{
	s->now_us = s->start_us = START_US;
	s->stop_us = START_US + plan->duration_us;
	sim_addresses(s, false);
	net_init(&s->net, &plan->net, 1);
	s->watch = watch_new(plan->net.mtu_bytes);
	for (int side = 0; side < 2; side++) {
		engine_config_defaults(&s->cfg[side]);
		s->cfg[side].seed[0] = (uint8_t)(1 + side);
		s->cfg[side].ecn = plan->ecn;
		sim_engine(s, side);
		s->opts[side].sndbuf_bytes = s->opts[side].rcvbuf_bytes = plan->buffer_bytes;
		sim_listen(s, side);
	}
	s->conns = plan->flows;
	for (unsigned i = 0; i < plan->flows; i++) {
		struct conn *c = &s->conn[i];

		c->opener = plan->flow[i].back ? B_OPENS : A_OPENS;
		c->start_us = START_US + plan->flow[i].start_us;
		strncpy(c->cc, plan->flow[i].cc, sizeof(c->cc) - 1);
		for (int side = 0; side < 2; side++)
			c->user[side].plan = (struct user_plan){
				.chunk_bytes = 1u << 30, .read_bytes = 1u << 30,
				.blind = true,
			};
		sender(s, plan, i)->plan.total_bytes = UINT32_MAX;
	}
}

void lab_run(const struct lab_plan *plan, struct lab_result *res)
{
	struct lab *l = calloc(1, sizeof(*l));
	struct sim *s = calloc(1, sizeof(*s));

	if (!l || !s)
		abort();
	memset(res, 0, sizeof(*res));
	*l = (struct lab){.plan = plan, .res = res};
	build(s, plan);
	s->net.watch = on_packet;
	s->on_step = on_step;
	s->net.watch_arg = s->on_step_arg = l;
	sim_run(s);
	res->error = s->error;
	for (unsigned i = 0; i < plan->flows; i++)
		count_flow(l, s, i);
	compare_flows(l, res);
	sum_waits(l, res);
	res->there = s->net.dir[0].counts;
	res->back = s->net.dir[1].counts;
	sim_free(s);
	free(s);
	free(l);
}
