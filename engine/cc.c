/* cc.c - what all congestion control algorithms share: which there are, how they
 * start and end, and how a reaction is taken back.
 *
 * Owns cc->state, the block of an algorithm's own.
 */
#include "congestion.h"
#include "counted.h"

#include <errno.h>
#include <string.h>

#include "engine.h"

/* More than any algorithm of sense needs, for each connection. */
#define STATE_MAX 4096

const struct cc_ops *cc_builtin(unsigned i)
{
	static const struct cc_ops *const all[] = {&cc_cubic, &cc_newreno, &cc_bbr};

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

const char *cc_check(const struct cc_ops *ops)
{
	if (ops->abi != CC_ABI)
		return "it was made for another version of cc.h";
	if (!ops->name || !*ops->name || strnlen(ops->name, CC_NAME_MAX) == CC_NAME_MAX)
		return "its name is missing or too long";
	if (!ops->on_ack || !ops->on_congestion || !ops->on_recovered ||
	    !ops->on_timeout || !ops->on_idle)
		return "an operation is missing";
	if (ops->state_bytes > STATE_MAX)
		return "its state is too large";
	return NULL;
}

static int give_state(struct cc *cc, const struct cc_ops *ops, size_t *memory_bytes)
{
	void *state = NULL;

	if (ops->state_bytes) {
		state = counted_alloc(ops->state_bytes, memory_bytes);
		if (!state)
			return -ENOMEM;
	}
	cc->ops = ops;
	cc->state = state;
	return 0;
}

void cc_begin(struct cc *cc, const struct cc_ops *ops, uint32_t mss_bytes,
	      uint32_t initcwnd_segs, const struct cc_start *start,
	      size_t *memory_bytes)
{
	*cc = (struct cc){.mss_bytes = mss_bytes};
	if (give_state(cc, ops, memory_bytes))
		cc->ops = &cc_newreno;
	/* RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)), for ten segments. */
	cc->initcwnd_bytes = min_u32(initcwnd_segs * mss_bytes,
				     max_u32(2 * mss_bytes, initcwnd_segs * 1460));
	cc->cwnd_bytes = cc->initcwnd_bytes;
	cc->ssthresh_bytes = UINT32_MAX; /* arbitrarily high, RFC 5681 3.1 */
	if (cc->ops->init)
		cc->ops->init(cc, start);
}

int cc_change(struct cc *cc, const struct cc_ops *ops,
	      const struct cc_start *start, size_t *memory_bytes)
{
	struct cc old = *cc;
	int err = give_state(cc, ops, memory_bytes);

	if (err)
		return err;
	cc_end(&old, memory_bytes);
	cc->pacing_bytes_s = 0;
	cc->count_bytes = 0;
	cc->holds_back = false;
	if (ops->init)
		ops->init(cc, start);
	return 0;
}

void cc_end(struct cc *cc, size_t *memory_bytes)
{
	if (!cc->state)
		return;
	counted_free(cc->state, cc->ops->state_bytes, memory_bytes);
	cc->state = NULL;
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
	cc->ssthresh_bytes = max_u32(cc->ssthresh_bytes, 2 * mss_bytes); /* RFC 5681 (4) */
	cc->initcwnd_bytes = max_u32(cc->initcwnd_bytes, mss_bytes);
}

/* ---- for windows that follow losses -------------------------------------------- */

void cc_leave_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_us)
{
	uint32_t burst_bytes = flight_bytes + 4 * cc->mss_bytes;

	(void)now_us;
	/* RFC 6582 3.2 (3): little in flight would let a burst out. Slow start
	 * brings the window back to ssthresh. */
	cc->cwnd_bytes = min_u32(cc->ssthresh_bytes, burst_bytes);
}

void cc_restart(struct cc *cc, uint64_t now_us)
{
	(void)now_us;
	cc->cwnd_bytes = min_u32(cc->cwnd_bytes, cc->initcwnd_bytes);
}

void cc_unused(struct cc *cc, uint32_t used_bytes)
{
	uint32_t used = max_u32(used_bytes, cc->initcwnd_bytes);

	if (used >= cc->cwnd_bytes)
		return;
	cc->ssthresh_bytes = max_u32(cc->ssthresh_bytes,
				     cc->cwnd_bytes / 2 + cc->cwnd_bytes / 4);
	cc->cwnd_bytes = used + (cc->cwnd_bytes - used) / 2;
}
