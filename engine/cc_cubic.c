/* cc_cubic.c - CUBIC (RFC 9438) with HyStart++ (RFC 9406) in its first slow start.
 *
 * Windows are bytes; of what grows, 1/1024 of a byte is kept too, because one
 * ack's share of it often is small. The time t of the RFC is counted in ms. Time
 * during which the application was the limit does not count (5.8), so epoch_ms
 * moves on through it. An idle connection has one struct cubic: it is small.
 */
#include "congestion.h"
#include "hystart.h"

#define Q 10 /* bits behind the point */
#define FRACTION ((1u << Q) - 1)
/* From here on W(t) is beyond CC_CWND_MAX for every MSS, and no product below
 * overflows before. */
#define CUBE_MAX_MS 262144
/* No ack stands for more; half of CC_CWND_MAX times this fits. */
#define ACKED_MAX (1u << 24)

/* What a spurious reduction must not forget, 4.9. */
struct epoch {
	uint32_t epoch_ms;    /* t_epoch, low half */
	uint32_t est_bytes;   /* W_est; 0: the stage begins with the next ack */
	uint32_t k_ms;        /* K */
	uint32_t max_bytes;   /* W_max; 0: undefined */
	uint32_t prior_bytes; /* cwnd_prior */
};

struct cubic {
	struct epoch now;
	union {
		struct hystart hystart; /* until the first reduction */
		struct epoch undo;      /* since then */
	};
	uint32_t seen_ms;     /* up to here epoch_ms is right */
	uint16_t cwnd_q, est_q; /* behind the point */
};

_Static_assert(sizeof(struct cubic) <= 48, "an idle connection has one");

static uint32_t ms(uint64_t us)
{
	return (uint32_t)(us / 1000);
}

/* Rounded down. */
static uint32_t cube_root(uint64_t v)
{
	uint64_t r = 0, next;

	for (int bit = 20; bit >= 0; bit--) {
		next = r | 1ull << bit;
		if (next * next * next <= v)
			r = next;
	}
	return (uint32_t)r;
}

/* C * t^3 in bytes, with C = 0.4 segments per s^3 and t in ms. */
static uint64_t cube_bytes(uint64_t t_ms, uint32_t mss_bytes)
{
	uint64_t t = t_ms < CUBE_MAX_MS ? t_ms : CUBE_MAX_MS;

	return t * t * t / 1000 * mss_bytes * 2 / 5 / 1000000;
}

/* W(t), equation 1. */
static uint32_t w_cubic(const struct cc *cc, const struct epoch *e, uint64_t t_ms)
{
	uint64_t bytes;

	if (t_ms < e->k_ms) {
		bytes = cube_bytes(e->k_ms - t_ms, cc->mss_bytes);
		return bytes < e->max_bytes ? e->max_bytes - (uint32_t)bytes : 0;
	}
	bytes = e->max_bytes + cube_bytes(t_ms - e->k_ms, cc->mss_bytes);
	return bytes < CC_CWND_MAX ? (uint32_t)bytes : CC_CWND_MAX;
}

static void start_epoch(struct cc *cc, struct epoch *e, uint64_t now_us)
{
	e->epoch_ms = ms(now_us);
	e->est_bytes = cc->cwnd_bytes;
	e->k_ms = 0;
	if (cc->cwnd_bytes < e->max_bytes) /* equation 2: 1 / C is 2.5 */
		e->k_ms = cube_root((e->max_bytes - cc->cwnd_bytes) * 2500000000ull /
				    cc->mss_bytes);
	else
		e->max_bytes = cc->cwnd_bytes;
	if (!e->prior_bytes) /* HyStart++ left slow start, 4.10 */
		e->prior_bytes = cc->cwnd_bytes;
}

/* W_est, equation 4: alpha is 3 * 0.3 / 1.7 until it has what was lost. */
static void grow_estimate(struct cc *cc, struct cubic *c, uint32_t acked_bytes)
{
	uint64_t step_q = ((uint64_t)acked_bytes * cc->mss_bytes << Q) / cc->cwnd_bytes;

	if (c->now.est_bytes < c->now.prior_bytes)
		step_q = step_q * 9 / 17;
	step_q += c->est_q;
	c->now.est_bytes += (uint32_t)(step_q >> Q);
	c->est_q = step_q & FRACTION;
}

static uint32_t target_bytes(const struct cc *cc, const struct epoch *e,
			     uint64_t t_ms)
{
	uint32_t most = cc->cwnd_bytes + cc->cwnd_bytes / 2;
	uint32_t w = w_cubic(cc, e, t_ms);

	return w < cc->cwnd_bytes ? cc->cwnd_bytes : w > most ? most : w;
}

static void congestion_avoidance(struct cc *cc, const struct cc_ack *ack)
{
	struct cubic *c = cc->state;
	uint32_t acked_bytes = ack->acked_bytes < ACKED_MAX ? ack->acked_bytes : ACKED_MAX;
	uint32_t t_ms, most;
	uint64_t grow_q;

	if (!c->now.est_bytes)
		start_epoch(cc, &c->now, ack->now_us);
	t_ms = ms(ack->now_us) - c->now.epoch_ms;
	grow_estimate(cc, c, acked_bytes);
	if (w_cubic(cc, &c->now, t_ms) < c->now.est_bytes) { /* 4.3 */
		if (c->now.est_bytes > cc->cwnd_bytes)
			cc->cwnd_bytes = c->now.est_bytes;
		return;
	}
	most = target_bytes(cc, &c->now, t_ms + ms(ack->srtt_us)) - cc->cwnd_bytes;
	grow_q = ((uint64_t)most * acked_bytes << Q) / cc->cwnd_bytes + c->cwnd_q;
	cc->cwnd_bytes += (uint32_t)(grow_q >> Q);
	c->cwnd_q = grow_q & FRACTION;
}

static void slow_start(struct cc *cc, const struct cc_ack *ack)
{
	struct cubic *c = cc->state;
	bool done = false;
	uint32_t grow = ack->acked_bytes;

	if (cc->ssthresh_bytes == UINT32_MAX)
		grow = hystart_on_ack(&c->hystart, ack, &done);
	if (cc_window_is_used(cc, ack))
		cc->cwnd_bytes += grow;
	if (done || cc->cwnd_bytes > CC_CWND_MAX)
		cc->ssthresh_bytes = cc->cwnd_bytes;
	if (cc->cwnd_bytes > cc->ssthresh_bytes)
		cc->cwnd_bytes = cc->ssthresh_bytes;
}

/* Nobody tried to use the window: that time is no part of the epoch. */
static void pass_time(struct cubic *c, uint64_t now_us)
{
	c->now.epoch_ms += ms(now_us) - c->seen_ms;
	c->seen_ms = ms(now_us);
}

static void on_send(struct cc *cc, const struct cc_send *send)
{
	if (!send->pipe_bytes)
		pass_time(cc->state, send->now_us);
}

static void on_ack(struct cc *cc, const struct cc_ack *ack)
{
	struct cubic *c = cc->state;

	if (!ack->cwnd_limited)
		pass_time(c, ack->now_us);
	c->seen_ms = ms(ack->now_us);
	if (cc->cwnd_bytes < cc->ssthresh_bytes)
		slow_start(cc, ack);
	else if (ack->cwnd_limited)
		congestion_avoidance(cc, ack);
	if (cc->cwnd_bytes > CC_CWND_MAX)
		cc->cwnd_bytes = CC_CWND_MAX;
}

/* 4.6, with cwnd in place of the flight size: on_ack() never lets it grow beyond
 * what is used. */
static void reduce(struct cc *cc)
{
	struct cubic *c = cc->state;
	uint32_t floor = 2 * cc->mss_bytes;

	c->undo = c->now;
	c->now.prior_bytes = cc->cwnd_bytes;
	c->now.est_bytes = 0;
	c->cwnd_q = c->est_q = 0;
	cc->ssthresh_bytes = (uint32_t)(cc->cwnd_bytes * 7ull / 10);
	if (cc->ssthresh_bytes < floor)
		cc->ssthresh_bytes = floor;
}

static void on_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
			  uint64_t now_us)
{
	struct cubic *c = cc->state;

	(void)why;
	(void)flight_bytes;
	(void)now_us;
	reduce(cc);
	if (cc->cwnd_bytes < c->now.max_bytes) /* fast convergence, 4.7 */
		c->now.max_bytes = (uint32_t)(cc->cwnd_bytes * 17ull / 20);
	else
		c->now.max_bytes = cc->cwnd_bytes;
	cc->cwnd_bytes = cc->ssthresh_bytes;
}

static void on_timeout(struct cc *cc, uint32_t flight_bytes, bool first,
		       uint64_t now_us)
{
	struct cubic *c = cc->state;

	(void)flight_bytes;
	(void)now_us;
	if (first) {
		reduce(cc);
		c->now.max_bytes = 0; /* 4.8: the next stage begins with K = 0 */
	}
	cc->cwnd_bytes = cc->mss_bytes;
}

/* 4.9.2: unless cwnd is beyond it all by now. */
static void on_undo(struct cc *cc, uint64_t now_us)
{
	struct cubic *c = cc->state;

	if (cc->cwnd_bytes > cc->prior_cwnd_bytes)
		return;
	c->now = c->undo;
	c->hystart = (struct hystart){0}; /* if slow start goes on, from anew */
	c->seen_ms = ms(now_us);
}

static void on_idle(struct cc *cc, uint64_t now_us)
{
	struct cubic *c = cc->state;

	cc_restart(cc, now_us);
	c->now.est_bytes = 0;
}

const struct cc_ops cc_cubic = {
	.abi = CC_ABI,
	.state_bytes = sizeof(struct cubic),
	.name = "cubic",
	.on_send = on_send,
	.on_ack = on_ack,
	.on_congestion = on_congestion,
	.on_recovered = cc_leave_recovery,
	.on_timeout = on_timeout,
	.on_undo = on_undo,
	.on_idle = on_idle,
};
