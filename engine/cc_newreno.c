/* cc_newreno.c - slow start, congestion avoidance and the halving of RFC 5681,
 * with appropriate byte counting (RFC 3465).
 *
 * Needs no state of its own: the bytes acknowledged since cwnd last grew in
 * congestion avoidance are in the common part.
 */
#include "congestion.h"

static uint32_t half_flight(const struct cc *cc, uint32_t flight_bytes)
{
	uint32_t floor = 2 * cc->mss_bytes; /* RFC 5681, equation (4) */

	return flight_bytes / 2 > floor ? flight_bytes / 2 : floor;
}

static void slow_start(struct cc *cc, uint32_t acked_bytes)
{
	/* L = 2 SMSS per acknowledged segment pair would be RFC 3465's bound;
	 * stretch ACKs of GRO receivers stand for many segments, so all that
	 * was acknowledged counts, as in RFC 9438 4.10 and Linux. */
	cc->cwnd_bytes += acked_bytes;
	if (cc->cwnd_bytes > cc->ssthresh_bytes)
		cc->cwnd_bytes = cc->ssthresh_bytes;
}

static void congestion_avoidance(struct cc *cc, uint32_t acked_bytes)
{
	cc->count_bytes += acked_bytes;
	if (cc->count_bytes >= cc->cwnd_bytes) { /* a window's worth: one segment */
		cc->count_bytes -= cc->cwnd_bytes;
		cc->cwnd_bytes += cc->mss_bytes;
	}
}

static void on_ack(struct cc *cc, const struct cc_ack *ack)
{
	if (!cc_window_is_used(cc, ack))
		return; /* RFC 7661 4.1: not validated, so it does not grow */
	if (cc->cwnd_bytes < cc->ssthresh_bytes)
		slow_start(cc, ack->acked_bytes);
	else
		congestion_avoidance(cc, ack->acked_bytes);
	if (cc->cwnd_bytes > CC_CWND_MAX)
		cc->cwnd_bytes = CC_CWND_MAX;
}

static void on_congestion(struct cc *cc, enum cc_signal why,
			  uint32_t flight_bytes, uint64_t now_us)
{
	(void)why; /* RFC 3168 6.1.2: a mark counts like a loss */
	(void)now_us;
	cc->ssthresh_bytes = half_flight(cc, flight_bytes);
	cc->cwnd_bytes = cc->ssthresh_bytes;
	cc->count_bytes = 0;
}

static void on_timeout(struct cc *cc, uint32_t flight_bytes, bool first,
		       uint64_t now_us)
{
	(void)now_us;
	if (first)
		cc->ssthresh_bytes = half_flight(cc, flight_bytes);
	cc->cwnd_bytes = cc->mss_bytes; /* the loss window */
	cc->count_bytes = 0;
}

const struct cc_ops cc_newreno = {
	.abi = CC_ABI,
	.name = "reno",
	.on_ack = on_ack,
	.on_congestion = on_congestion,
	.on_recovered = cc_leave_recovery,
	.on_timeout = on_timeout,
	.on_idle = cc_restart,
};
