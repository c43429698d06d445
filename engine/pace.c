/* pace.c - when the next data may leave, and how much of it at once ("Pacing Rate"
 * and "Send Quantum" of draft-ietf-ccwg-bbr).
 *
 * Owns pace_us, pace_16bytes_s, paced and pace_late. pace_us is when the rate allows the
 * next packet; pace_16bytes_s is the rate by which it was reckoned, and when the rate
 * rises, pace_us comes nearer. What congestion control believes never keeps a connection
 * silent for an RTO; only the user's own limit may.
 * Data leaves in bursts of a quantum, about 1 ms of the rate, and then waits until
 * pace_us. A timer that was late is made up for: the process may have had to wait
 * for a processor, and a sender that loses these moments measures less than the
 * path can carry. Where it was not the timer, 1 ms is made up for. An ACK, the
 * repetition that a timeout or fast retransmit calls for, and probes do not wait.
 */
#include "tcb.h"

#define QUANTUM_US 1000
#define QUANTUM_MAX_BYTES 65536u
#define CREDIT_US 1000
#define LATE_MAX_US 10000

/* As Linux: twice cwnd per RTT while it doubles, then a little more than cwnd, so
 * that the pace never limits the throughput. */
static uint64_t rate_by_cwnd(const struct tcb *t)
{
	uint64_t rate;

	if (!t->e->cfg.pacing || !t->rtt.srtt_us)
		return 0;
	rate = t->cc.cwnd_bytes * 1000000ull / t->rtt.srtt_us;
	return rate * (t->cc.cwnd_bytes < t->cc.ssthresh_bytes / 2
			       ? t->e->cfg.pacing_ss_percent
			       : t->e->cfg.pacing_ca_percent) / 100;
}

/* Of congestion control; 0: none. */
static uint64_t path_rate(const struct tcb *t)
{
	return t->cc.pacing_bytes_s ? t->cc.pacing_bytes_s : rate_by_cwnd(t);
}

bool pace_is_the_users(const struct tcb *t)
{
	uint64_t rate = path_rate(t), max = t->opts.pacing_max_bytes_s;

	return max && (!rate || max < rate);
}

uint64_t pace_rate(const struct tcb *t)
{
	uint64_t rate = path_rate(t), max = t->opts.pacing_max_bytes_s;

	if (!max)
		return rate;
	return rate ? min_u64(rate, max) : max;
}

static uint32_t quantum_bytes(const struct tcb *t, uint64_t rate)
{
	uint64_t bytes = min_u64(rate / (1000000 / QUANTUM_US), QUANTUM_MAX_BYTES);

	return max_u32((uint32_t)bytes, t->e->cfg.burst_min_segs * t->snd.mss);
}

/* A burst may be lost as a whole, and what follows it must tell: no more than a
 * third of cwnd, unless burst_divisor says otherwise. */
uint32_t pace_burst_bytes(const struct tcb *t, uint32_t mss)
{
	uint32_t parts = t->e->cfg.burst_divisor;
	uint64_t max = min_u64(t->gso_max_bytes, t->cc.cwnd_bytes / (parts ? parts : 1));
	uint64_t rate = pace_rate(t);

	if (t->urg_out)
		return mss; /* the pointer counts from each segment's own number */
	if (rate)
		max = min_u64(max, quantum_bytes(t, rate));
	return max > mss ? (uint32_t)max / mss * mss : mss;
}

/* No path is so slow that a segment takes an RTO, which is longer than any round trip:
 * such a rate is a mistake, and one that would last, because who is silent measures
 * nothing. */
static void bound_wait(struct tcb *t, uint64_t now_us)
{
	if (!pace_is_the_users(t))
		t->pace_us = min_u64(t->pace_us, now_us + t->rtt.rto_us);
}

/* So far ahead of its time the rest of a quantum may leave. */
static uint64_t quantum_ahead_us(const struct tcb *t, uint64_t rate)
{
	uint64_t us = (quantum_bytes(t, rate) - t->snd.mss) * 1000000ull / rate;

	return pace_is_the_users(t) ? us : min_u64(us, t->rtt.rto_us / 2);
}

static uint32_t in_16bytes_s(uint64_t rate)
{
	return (uint32_t)min_u64(rate / 16 + 1, UINT32_MAX);
}

/* What left at an old rate is behind us as soon as the present one allows it. A rate
 * that falls counts from the next packet on. */
static void follow_rate(struct tcb *t, uint64_t rate, uint64_t now_us)
{
	uint32_t units = in_16bytes_s(rate);

	if (t->pace_us > now_us && units > t->pace_16bytes_s) {
		t->pace_us = now_us + (t->pace_us - now_us) * t->pace_16bytes_s / units;
		t->pace_16bytes_s = units;
	}
	bound_wait(t, now_us);
}

bool pace_holds(struct tcb *t, uint64_t now_us)
{
	uint64_t rate = pace_rate(t), ahead_us = 0;
	bool before = t->paced;

	if (!rate) {
		pace_restart(t);
		return false;
	}
	follow_rate(t, rate, now_us);
	if (!t->paced)
		ahead_us = quantum_ahead_us(t, rate);
	t->paced = t->pace_us > now_us + ahead_us;
	if (t->paced)
		tcb_timer_set(t, TIMER_PACE, t->pace_us);
	else
		tcb_timer_stop(t, TIMER_PACE);
	if (before && !t->paced)
		t->pace_late = true;
	return t->paced;
}

void pace_sent(struct tcb *t, uint32_t len_bytes, uint64_t now_us)
{
	uint64_t rate = pace_rate(t), from_us = now_us;
	uint32_t credit_us = t->pace_late ? LATE_MAX_US : CREDIT_US;

	if (!rate)
		return;
	follow_rate(t, rate, now_us);
	if (recovery_pipe_bytes(t) > len_bytes) /* it was not silent before */
		from_us -= min_u64(credit_us, now_us);
	if (t->pace_us < from_us)
		t->pace_us = from_us;
	t->pace_us += len_bytes * 1000000ull / rate;
	t->pace_16bytes_s = in_16bytes_s(rate);
	bound_wait(t, now_us);
	if (t->pace_us + CREDIT_US >= now_us)
		t->pace_late = false;
}

void pace_restart(struct tcb *t)
{
	t->pace_us = 0;
	t->paced = false;
	tcb_timer_stop(t, TIMER_PACE);
}
