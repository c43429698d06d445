/* cc.c - what all congestion control algorithms share: how they start, and how a
 * reaction is taken back. */
#include "cc.h"

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void cc_init(struct cc *cc, const struct cc_ops *ops, uint32_t mss_bytes,
	     uint32_t initcwnd_segs)
{
	*cc = (struct cc){.ops = ops, .mss_bytes = mss_bytes};
	/* RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)), for ten segments. */
	cc->initcwnd_bytes = min_u32(initcwnd_segs * mss_bytes,
				     max_u32(2 * mss_bytes, initcwnd_segs * 1460));
	cc->cwnd_bytes = cc->initcwnd_bytes;
	cc->ssthresh_bytes = UINT32_MAX; /* arbitrarily high, RFC 5681 3.1 */
	ops->init(cc);
}

static void save(struct cc *cc)
{
	cc->prior_cwnd_bytes = cc->cwnd_bytes;
	cc->prior_ssthresh_bytes = cc->ssthresh_bytes;
}

void cc_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
		   uint64_t now_us)
{
	save(cc);
	cc->ops->on_congestion(cc, why, flight_bytes, now_us);
}

void cc_timeout(struct cc *cc, uint32_t flight_bytes, bool first, uint64_t now_us)
{
	if (first)
		save(cc);
	cc->ops->on_timeout(cc, flight_bytes, first, now_us);
}

void cc_undo(struct cc *cc, uint64_t now_us)
{
	cc->cwnd_bytes = max_u32(cc->cwnd_bytes, cc->prior_cwnd_bytes);
	cc->ssthresh_bytes = max_u32(cc->ssthresh_bytes, cc->prior_ssthresh_bytes);
	if (cc->ops->on_undo)
		cc->ops->on_undo(cc, now_us);
}

void cc_set_mss(struct cc *cc, uint32_t mss_bytes)
{
	cc->mss_bytes = mss_bytes;
	cc->cwnd_bytes = max_u32(cc->cwnd_bytes, mss_bytes);
}
