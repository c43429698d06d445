/* spy.h - a congestion control that only remembers what it was told. */
#ifndef MYTCP_TEST_SPY_H
#define MYTCP_TEST_SPY_H

#include "harness.h"

static struct {
	struct cc_start start;
	struct cc_ack ack; /* the newest of each */
	struct cc_lost lost;
	struct cc_send send;
	unsigned starts, acks, losses, sends, congestions, timeouts, recoveries;
	uint64_t pacing_bytes_s; /* to be set */
	uint32_t cwnd_bytes;
	bool holds_back;
} spy;

static void spy_init(struct cc *cc, const struct cc_start *start)
{
	spy.start = *start;
	spy.starts++;
	if (!start->live)
		cc->cwnd_bytes = spy.cwnd_bytes;
	cc->pacing_bytes_s = spy.pacing_bytes_s;
}

static void spy_send(struct cc *cc, const struct cc_send *send)
{
	(void)cc;
	spy.send = *send;
	spy.sends++;
}

static void spy_ack(struct cc *cc, const struct cc_ack *ack)
{
	spy.ack = *ack;
	spy.acks++;
	cc->holds_back = spy.holds_back;
	cc->pacing_bytes_s = spy.pacing_bytes_s;
}

static void spy_lost(struct cc *cc, const struct cc_lost *lost)
{
	(void)cc;
	spy.lost = *lost;
	spy.losses++;
}

static void spy_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
			   uint64_t now_us)
{
	(void)cc;
	(void)why;
	(void)flight_bytes;
	(void)now_us;
	spy.congestions++;
}

static void spy_recovered(struct cc *cc, uint32_t flight_bytes, uint64_t now_us)
{
	(void)cc;
	(void)flight_bytes;
	(void)now_us;
	spy.recoveries++;
}

static void spy_timeout(struct cc *cc, uint32_t flight_bytes, bool first,
			uint64_t now_us)
{
	(void)flight_bytes;
	(void)first;
	(void)now_us;
	spy.timeouts++;
	cc->cwnd_bytes = cc->mss_bytes;
}

static void spy_idle(struct cc *cc, uint64_t now_us)
{
	(void)cc;
	(void)now_us;
}

static const struct cc_ops spy_ops = {
	.abi = CC_ABI,
	.name = "spy",
	.flags = CC_OWN_RECOVERY,
	.init = spy_init,
	.on_send = spy_send,
	.on_ack = spy_ack,
	.on_lost = spy_lost,
	.on_congestion = spy_congestion,
	.on_recovered = spy_recovered,
	.on_timeout = spy_timeout,
	.on_idle = spy_idle,
};

/* An established connection under it, with SACK and a large window. */
static struct harness *spied(void **state, uint32_t cwnd_bytes, uint64_t rtt_us,
			     uint64_t pacing_bytes_s, uint32_t gso_max_bytes)
{
	struct engine_config cfg;
	struct harness *h;

	memset(&spy, 0, sizeof(spy));
	spy.cwnd_bytes = cwnd_bytes;
	spy.pacing_bytes_s = pacing_bytes_s;
	harness_config(&cfg);
	cfg.sack = cfg.window_scaling = true;
	strcpy(cfg.cc, "spy");
	assert_int_equal(cc_register(&cfg, &spy_ops), 0);
	h = harness_again(state, &cfg);
	h->path.gso_max_bytes = gso_max_bytes;
	h->syn.sack_ok = true;
	h->syn.wscale = 7;
	establish_rtt(h, rtt_us);
	return h;
}

#endif
