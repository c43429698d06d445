/* mycc.c - a congestion control of one's own, in a file of its own:
 *
 *     cc -shared -fPIC -I/usr/local/include/mytcp -o mycc.so mycc.c
 *     mytcp --cc ./mycc.so curl -O https://...
 *
 * AIMD(a, b) as Chiu and Jain drew it: one segment more per round trip, and 3/4 of
 * the window after a loss. Slow start until the first one. See cc.h for all that
 * an algorithm may know and do.
 */
#include <cc.h>

struct aimd {
	uint32_t acked_bytes; /* of this window */
};

static void on_ack(struct cc *cc, const struct cc_ack *ack)
{
	struct aimd *a = cc->state;

	if (!cc_window_is_used(cc, ack))
		return; /* the application is the limit, not the network */
	if (cc->cwnd_bytes < cc->ssthresh_bytes) {
		cc->cwnd_bytes += ack->acked_bytes;
	} else if ((a->acked_bytes += ack->acked_bytes) >= cc->cwnd_bytes) {
		a->acked_bytes = 0;
		cc->cwnd_bytes += cc->mss_bytes;
	}
	if (cc->cwnd_bytes > CC_CWND_MAX)
		cc->cwnd_bytes = CC_CWND_MAX;
}

/* The engine leads what is in flight down to ssthresh while it repairs the loss. */
static void on_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
			  uint64_t now_us)
{
	uint32_t floor = 2 * cc->mss_bytes;

	(void)why;
	(void)flight_bytes;
	(void)now_us;
	cc->ssthresh_bytes = cc->cwnd_bytes / 4 * 3;
	if (cc->ssthresh_bytes < floor)
		cc->ssthresh_bytes = floor;
	cc->cwnd_bytes = cc->ssthresh_bytes;
}

static void on_recovered(struct cc *cc, uint32_t flight_bytes, uint64_t now_us)
{
	(void)flight_bytes;
	(void)now_us;
	cc->cwnd_bytes = cc->ssthresh_bytes;
}

static void on_timeout(struct cc *cc, uint32_t flight_bytes, bool first, uint64_t now_us)
{
	if (first)
		on_congestion(cc, CC_LOSS, flight_bytes, now_us);
	cc->cwnd_bytes = cc->mss_bytes;
}

static void on_idle(struct cc *cc, uint64_t now_us)
{
	(void)now_us;
	if (cc->cwnd_bytes > cc->initcwnd_bytes)
		cc->cwnd_bytes = cc->initcwnd_bytes;
}

__attribute__((visibility("default")))
const struct cc_ops mytcp_cc = {
	.abi = CC_ABI,
	.state_bytes = sizeof(struct aimd),
	.name = "mycc",
	.on_ack = on_ack,
	.on_congestion = on_congestion,
	.on_recovered = on_recovered,
	.on_timeout = on_timeout,
	.on_idle = on_idle,
};
