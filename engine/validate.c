/* validate.c - cwnd is only worth something as long as it is used.
 *
 * Owns t->cwv. As Linux, after RFC 2861, and not RFC 7661, which would keep an unused
 * window for minutes: idle for longer than an RTO, and the window begins anew (RFC
 * 5681 4.1); unused for as long, and it goes half way to what is used, while ssthresh
 * remembers three quarters of it. A window does not grow by ACKs that arrive while it
 * is not the limit (cc.h). slow_start_after_idle switches all but that off; what keeps
 * cwnd itself (CC_OWN_RECOVERY) is left alone.
 */
#include "tcb.h"

static bool applies(const struct tcb *t)
{
	return t->e->cfg.slow_start_after_idle && !(t->cc.ops->flags & CC_OWN_RECOVERY);
}

static void begin(struct tcb *t, uint64_t now_us)
{
	t->cwv.since_us = (uint32_t)now_us;
	t->cwv.used_bytes = 0;
}

void validate_before_send(struct tcb *t, uint64_t now_us)
{
	if (t->snd.nxt != t->snd.una || !t->stat_data_out ||
	    now_us - t->snd.last_us <= t->rtt.rto_us)
		return;
	/* One that keeps cwnd itself must hear of it: its clock has stood still. */
	if (applies(t) || t->cc.ops->flags & CC_OWN_RECOVERY)
		t->cc.ops->on_idle(&t->cc, now_us);
	begin(t, now_us);
}

void validate_on_ack(struct tcb *t, const struct cc_ack *ack)
{
	uint64_t now_us = ack->now_us;

	if (cc_window_is_used(&t->cc, ack) || t->recovery != RECOVERY_OPEN || !applies(t)) {
		begin(t, now_us);
		return;
	}
	if (ack->flight_bytes > t->cwv.used_bytes)
		t->cwv.used_bytes = ack->flight_bytes;
	if ((uint32_t)now_us - t->cwv.since_us < t->rtt.rto_us)
		return;
	cc_unused(&t->cc, t->cwv.used_bytes);
	begin(t, now_us);
}
