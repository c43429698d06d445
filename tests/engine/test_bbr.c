/* test_bbr.c - BBR on a small model of a path: a bottleneck of some rate with a
 * buffer, a round-trip time, and losses. Sections are draft-ietf-ccwg-bbr's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../engine/bbr.h"

#define MSS 1000u
#define MS 1000u
#define S 1000000u
#define PACKETS 65536u
#define VISITS 4096u

struct packet {
	uint64_t sent_us, ack_us, first_sent_us, delivered_us, delivered;
	uint32_t in_flight, lost;
	bool dropped, app_limited;
};

struct path {
	struct cc cc;
	struct bbr *b;
	size_t memory_bytes;
	/* the path */
	uint64_t rate; /* bytes per s */
	uint32_t rtt_us, buffer_bytes;
	uint32_t loss_permille;
	/* what is under way */
	struct packet packet[PACKETS];
	uint32_t head, n;
	uint64_t now_us, pace_us, free_us;
	/* the connection */
	uint64_t delivered, delivered_us, first_sent_us, round_end, limited_us;
	uint64_t app_limited_until;
	uint32_t inflight, lost, min_rtt_us;
	uint32_t random;
	bool recovering;
	uint64_t recovery_end;
	/* what happened */
	struct {
		uint8_t state;
		uint64_t at_us;
		uint32_t round;
	} visit[VISITS];
	unsigned visits;
	uint32_t least_cwnd; /* in ProbeRTT */
};

static struct path *path_new(uint64_t rate, uint32_t rtt_us, uint32_t buffer_bytes)
{
	static struct path p;
	struct cc_start start = {.now_us = S, .srtt_us = rtt_us, .random = 12345,
				 .sack = true};

	memset(&p, 0, sizeof(p));
	p.rate = rate;
	p.rtt_us = p.min_rtt_us = rtt_us;
	p.buffer_bytes = buffer_bytes;
	p.now_us = S;
	p.random = 1;
	p.least_cwnd = UINT32_MAX;
	cc_begin(&p.cc, &cc_bbr, MSS, 10, &start, &p.memory_bytes);
	p.b = p.cc.state;
	return &p;
}

static void path_end(struct path *p)
{
	cc_end(&p->cc, &p->memory_bytes);
	assert_int_equal(p->memory_bytes, 0);
}

static bool unlucky(struct path *p)
{
	p->random = p->random * 1103515245 + 12345;
	return (p->random >> 16) % 1000 < p->loss_permille;
}

static void note_state(struct path *p)
{
	if (p->visits && p->visit[p->visits - 1].state == p->b->state)
		return;
	assert_true(p->visits < VISITS);
	p->visit[p->visits].state = p->b->state;
	p->visit[p->visits].round = p->b->round_count;
	p->visit[p->visits++].at_us = p->now_us;
}

static void send_one(struct path *p)
{
	struct packet *k = &p->packet[(p->head + p->n++) % PACKETS];

	p->cc.ops->on_send(&p->cc, &(struct cc_send){.now_us = p->now_us,
		.pipe_bytes = p->inflight, .app_limited = p->app_limited_until > 0});
	if (!p->inflight)
		p->first_sent_us = p->delivered_us = p->now_us;
	p->inflight += MSS;
	*k = (struct packet){.sent_us = p->now_us, .first_sent_us = p->first_sent_us,
			     .delivered_us = p->delivered_us, .delivered = p->delivered,
			     .in_flight = p->inflight, .lost = p->lost,
			     .app_limited = p->app_limited_until > 0};
	if (p->free_us < p->now_us)
		p->free_us = p->now_us;
	k->dropped = (p->free_us - p->now_us) * p->rate / S > p->buffer_bytes || unlucky(p);
	if (!k->dropped)
		p->free_us += MSS * (uint64_t)S / p->rate;
	k->ack_us = p->free_us + p->rtt_us;
	if (p->pace_us < p->now_us)
		p->pace_us = p->now_us;
	p->pace_us += MSS * (uint64_t)S / p->cc.pacing_bytes_s;
	if (p->inflight + MSS > p->cc.cwnd_bytes)
		p->limited_us = p->now_us;
}

static void lose(struct path *p, const struct packet *k)
{
	if (!p->recovering) {
		p->recovering = true;
		p->recovery_end = p->delivered + p->inflight;
		cc_congestion(&p->cc, CC_LOSS, p->inflight, p->now_us);
	}
	p->inflight -= MSS;
	p->lost += MSS;
	p->cc.ops->on_lost(&p->cc, &(struct cc_lost){.now_us = p->now_us,
		.delivered_bytes = p->delivered, .len_bytes = MSS,
		.in_flight_bytes = k->in_flight, .lost_bytes = p->lost - k->lost,
		.app_limited = k->app_limited, .apart = true});
}

static void take_ack(struct path *p, const struct packet *k)
{
	struct cc_ack a = {.now_us = p->now_us, .acked_bytes = MSS,
			   .pipe_before_bytes = p->inflight, .srtt_us = p->rtt_us,
			   .min_rtt_us = p->min_rtt_us, .recovering = p->recovering};
	uint64_t sent_us = k->sent_us - k->first_sent_us;
	uint64_t acked_us = p->now_us - k->delivered_us;

	p->inflight -= MSS;
	p->delivered += MSS;
	p->delivered_us = p->now_us;
	p->first_sent_us = k->sent_us;
	if (p->recovering && p->delivered >= p->recovery_end)
		p->recovering = false;
	a.recovering = p->recovering;
	a.pipe_bytes = p->inflight;
	a.delivered_bytes = p->delivered;
	a.rtt_us = (uint32_t)(p->now_us - k->sent_us);
	a.rate.delivered_bytes = (uint32_t)(p->delivered - k->delivered);
	a.rate.prior_delivered_bytes = k->delivered;
	a.rate.interval_us = (uint32_t)(sent_us > acked_us ? sent_us : acked_us);
	a.rate.bytes_s = a.rate.delivered_bytes * (uint64_t)S / a.rate.interval_us;
	a.rate.in_flight_bytes = k->in_flight;
	a.rate.lost_bytes = p->lost - k->lost;
	a.rate.app_limited = k->app_limited;
	a.cwnd_limited = p->limited_us + p->rtt_us >= p->now_us && p->limited_us;
	if (p->app_limited_until && p->delivered > p->app_limited_until)
		p->app_limited_until = 0;
	p->cc.ops->on_ack(&p->cc, &a);
	if (p->cc.holds_back)
		p->app_limited_until = p->delivered + p->inflight;
	if (p->b->state == BBR_PROBE_RTT && p->cc.cwnd_bytes < p->least_cwnd)
		p->least_cwnd = p->cc.cwnd_bytes;
	note_state(p);
}

/* What was sent before the one that is acknowledged now, and has not come, is
 * lost. */
static void arrive(struct path *p)
{
	uint32_t i = p->head;

	while (p->packet[i % PACKETS].dropped)
		i++;
	p->now_us = p->packet[i % PACKETS].ack_us;
	for (; p->head != i; p->head++, p->n--)
		lose(p, &p->packet[p->head % PACKETS]);
	p->head++;
	p->n--;
	take_ack(p, &p->packet[i % PACKETS]);
}

static uint64_t next_ack_us(const struct path *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (!p->packet[(p->head + i) % PACKETS].dropped)
			return p->packet[(p->head + i) % PACKETS].ack_us;
	return UINT64_MAX;
}

/* Bulk data for so long. Returns what was delivered, in percent of the rate. */
static unsigned run(struct path *p, uint64_t for_us)
{
	uint64_t end_us = p->now_us + for_us, before = p->delivered;

	while (p->now_us < end_us) {
		uint64_t ack_us = next_ack_us(p);
		uint64_t send_us = p->pace_us > p->now_us ? p->pace_us : p->now_us;
		bool room = p->inflight + MSS <= p->cc.cwnd_bytes;

		if (room && send_us <= ack_us) {
			p->now_us = send_us;
			send_one(p);
		} else if (ack_us != UINT64_MAX) {
			arrive(p);
		} else { /* all in flight is lost: the timer */
			p->now_us += 200 * MS;
			cc_timeout(&p->cc, p->inflight, true, p->now_us);
			for (; p->n; p->head++, p->n--)
				lose(p, &p->packet[p->head % PACKETS]);
		}
	}
	return (unsigned)((p->delivered - before) * S / for_us * 100 / p->rate);
}

static unsigned times(const struct path *p, uint8_t state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->visits; i++)
		n += p->visit[i].state == state;
	return n;
}

#define RATE 12500000ull /* 100 Mbit/s */
#define RTT (40 * MS)
#define BDP 500000u

/* Initial pacing rate: 2.77 times the initial window per RTT. */
static void initial_pace(void **state)
{
	struct path *p = path_new(RATE, RTT, BDP);

	(void)state;
	assert_int_equal(p->cc.cwnd_bytes, 10 * MSS);
	assert_int_equal(p->cc.pacing_bytes_s, 10 * MSS * 25 * 277 / 100);
	assert_int_equal(p->b->state, BBR_STARTUP);
	path_end(p);
}

/* "Startup", "Drain", "ProbeBW": in that order, and with the right model. */
static void finds_the_bandwidth(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);

	(void)state;
	run(p, S);
	assert_int_equal(p->visit[0].state, BBR_STARTUP);
	assert_int_equal(p->visit[1].state, BBR_DRAIN);
	/* Drain has left so little in flight that DOWN is over with the same ACK. */
	assert_int_equal(p->visit[2].state, BBR_PROBE_BW_CRUISE);
	assert_true(p->visit[1].at_us - S < 15 * RTT); /* doubles per round trip */
	assert_in_range(p->b->max_bw, RATE * 99 / 100, RATE * 102 / 100);
	assert_in_range(p->b->min_rtt_us, RTT, RTT + 100);
	assert_in_range(p->cc.pacing_bytes_s, RATE * 98 / 100, RATE * 101 / 100);
	assert_in_range(p->cc.cwnd_bytes, 2 * BDP, 2 * BDP + BDP / 4);
	assert_in_range(p->inflight, BDP * 9 / 10, BDP * 11 / 10);
	assert_int_equal(p->b->inflight_longterm, BBR_UNLIMITED);
	assert_int_equal(p->lost, 0);
	path_end(p);
}

/* "ProbeBW Algorithm Details": DOWN, CRUISE, REFILL for one round trip, UP, every 2
 * to 3 s at the latest. */
static void cycle(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);
	unsigned ups = 0;

	(void)state;
	assert_in_range(run(p, 20ull * S), 95, 100);
	for (unsigned i = 2; i + 1 < p->visits; i++) {
		uint8_t next = p->visit[i + 1].state;

		switch (p->visit[i].state) {
		case BBR_PROBE_BW_DOWN:
			assert_true(next == BBR_PROBE_BW_CRUISE || next == BBR_PROBE_RTT);
			break;
		case BBR_PROBE_BW_CRUISE:
			assert_true(next == BBR_PROBE_BW_REFILL || next == BBR_PROBE_RTT);
			break;
		case BBR_PROBE_BW_REFILL:
			if (next == BBR_PROBE_RTT)
				break;
			assert_int_equal(next, BBR_PROBE_BW_UP);
			assert_int_equal(p->visit[i + 1].round - p->visit[i].round, 1);
			ups++;
			break;
		case BBR_PROBE_BW_UP:
			assert_true(next == BBR_PROBE_BW_DOWN || next == BBR_PROBE_RTT);
			break;
		default:
			assert_int_equal(p->visit[i].state, BBR_PROBE_RTT);
			assert_int_equal(next, BBR_PROBE_BW_CRUISE);
		}
	}
	assert_in_range(ups, 4, 10);
	path_end(p);
}

/* "ProbeRTT Logic": every 5 s unless the minimum was seen again, for 200 ms and a
 * round trip, with half a BDP. */
static void probe_rtt(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);
	uint64_t last_us = S;
	unsigned n = 0;

	(void)state;
	run(p, 30ull * S);
	for (unsigned i = 0; i + 1 < p->visits; i++) {
		if (p->visit[i].state != BBR_PROBE_RTT)
			continue;
		n++;
		assert_in_range(p->visit[i].at_us - last_us, 5 * S, 6 * S);
		last_us = p->visit[i + 1].at_us;
		assert_in_range(last_us - p->visit[i].at_us, 200 * MS, 200 * MS + 3 * RTT);
	}
	assert_in_range(n, 4, 6);
	assert_in_range(p->least_cwnd, BDP * 45 / 100, BDP * 55 / 100);
	assert_in_range(p->cc.cwnd_bytes, BDP, 3 * BDP); /* restored */
	path_end(p);
}

/* "BBR.min_rtt Min Filter": 10 s after the path became longer, that is known. */
static void longer_path(void **state)
{
	struct path *p = path_new(RATE, RTT, 4 * BDP);

	(void)state;
	run(p, 3ull * S);
	p->rtt_us = 2 * RTT;
	run(p, 4ull * S);
	assert_in_range(p->b->min_rtt_us, RTT, RTT + 1000);
	run(p, 14ull * S);
	assert_in_range(p->b->min_rtt_us, 2 * RTT, 2 * RTT + 5000);
	assert_in_range(run(p, 3ull * S), 85, 100);
	path_end(p);
}

/* "Increasing Bandwidth" and "Decreasing Bandwidth" of the draft's test cases: more
 * is found within some cycles, less is adapted to within two. */
static void bandwidth_changes(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);

	(void)state;
	run(p, 5ull * S);
	p->rate = 4 * RATE;
	run(p, 10ull * S);
	assert_in_range(p->b->max_bw, 4 * RATE * 95 / 100, 4 * RATE * 105 / 100);
	p->rate = RATE;
	run(p, 10ull * S);
	assert_in_range(p->b->max_bw, RATE * 95 / 100, RATE * 110 / 100);
	path_end(p);
}

/* Below LossThresh, loss at random costs what CRUISE gives way by, 1 % per round
 * trip; above, it bounds what is in flight. */
static void random_loss(void **state)
{
	struct path *p = path_new(RATE, RTT, BDP);

	(void)state;
	p->loss_permille = 10;
	assert_in_range(run(p, 20ull * S), 78, 100);
	path_end(p);
	p = path_new(RATE, RTT, BDP);
	p->loss_permille = 100;
	run(p, 20ull * S);
	assert_true(p->b->inflight_longterm < BDP);
	assert_true(run(p, 5ull * S) < 60);
	path_end(p);
}

/* "Probing for Bandwidth In ProbeBW": a buffer that overflows in UP teaches a bound
 * near what fits, and probing stops with it; CRUISE leaves headroom. */
static void shallow_buffer(void **state)
{
	struct path *p = path_new(RATE, RTT, BDP / 20);

	(void)state;
	assert_in_range(run(p, 10ull * S), 85, 100);
	assert_in_range(p->b->inflight_longterm, BDP * 70 / 100, BDP * 115 / 100);
	assert_true(p->lost * 100 < p->delivered * 2);
	p->b->state = BBR_PROBE_BW_CRUISE;
	assert_int_equal(bbr_inflight_with_headroom(&p->cc),
			 p->b->inflight_longterm - p->b->inflight_longterm * 15ull / 100);
	path_end(p);
}

/* "Exiting Startup Based on Packet Loss", and its undo: back to Startup. */
static void startup_loss_and_undo(void **state)
{
	struct path *p = path_new(RATE, RTT, BDP / 20);
	uint32_t cwnd;

	(void)state;
	while (p->b->state == BBR_STARTUP)
		run(p, 100);
	assert_true(p->b->full_bw_reached);
	assert_in_range(p->b->inflight_longterm, BDP * 70 / 100, 2 * BDP);
	assert_int_equal(p->b->undo_state, BBR_STARTUP); /* it was loss that ended it */
	cwnd = p->cc.cwnd_bytes;
	cc_undo(&p->cc, p->now_us);
	assert_int_equal(p->b->state, BBR_STARTUP);
	assert_false(p->b->full_bw_reached);
	assert_int_equal(p->b->inflight_longterm, BBR_UNLIMITED);
	assert_true(p->cc.cwnd_bytes >= cwnd);
	path_end(p);
}

/* "When not Probing for Bandwidth": a round with losses lowers the short-term
 * model to what was delivered, by no more than 30 %, and the next REFILL forgets
 * that. */
static void short_term(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);

	(void)state;
	while (p->b->state != BBR_PROBE_BW_CRUISE)
		run(p, 1000);
	run(p, 2 * RTT);
	assert_int_equal(p->b->state, BBR_PROBE_BW_CRUISE);
	p->loss_permille = 300;
	run(p, 6 * RTT); /* the first such round had samples from before */
	p->loss_permille = 0;
	assert_true(p->b->bw_shortterm < RATE * 9 / 10);
	assert_true(p->b->bw_shortterm > RATE * 30 / 100);
	assert_true(p->b->inflight_shortterm < 2 * BDP);
	assert_true(p->cc.pacing_bytes_s < RATE * 9 / 10);
	while (p->b->state != BBR_PROBE_BW_REFILL)
		run(p, 1000);
	assert_int_equal(p->b->bw_shortterm, BBR_BW_UNLIMITED);
	assert_int_equal(p->b->inflight_shortterm, BBR_UNLIMITED);
	path_end(p);
}

/* What we hold back ourselves, 1 % of the rate, does not count as less delivered:
 * a few losses in every round leave the short-term model where it was. */
static void margin_is_no_congestion(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);

	(void)state;
	while (p->b->state != BBR_PROBE_BW_CRUISE)
		run(p, 1000);
	p->loss_permille = 5;
	run(p, 16 * RTT);
	assert_int_equal(p->b->state, BBR_PROBE_BW_CRUISE);
	assert_in_range(p->b->bw_shortterm, RATE * 99 / 100, RATE * 102 / 100);
	path_end(p);
}

/* "Modulating cwnd in Loss Recovery": one segment after a timeout, and what it was
 * when that is over. */
static void timeout(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);
	uint32_t before;

	(void)state;
	run(p, S);
	before = p->cc.cwnd_bytes;
	cc_timeout(&p->cc, p->inflight, true, p->now_us);
	p->recovering = true;
	p->recovery_end = p->delivered + p->inflight;
	assert_int_equal(p->cc.cwnd_bytes, MSS);
	run(p, 4 * RTT);
	assert_true(p->cc.cwnd_bytes >= before * 9 / 10);
	path_end(p);
}

/* "Actions when Restarting from Idle": at the rate of the path, and the pause may
 * stand for ProbeRTT. */
static void idle_restart(void **state)
{
	struct path *p = path_new(RATE, RTT, 2 * BDP);

	(void)state;
	run(p, 3ull * S);
	while (p->n)
		arrive(p);
	p->app_limited_until = p->delivered + 1;
	p->now_us += 10 * S;
	send_one(p);
	assert_true(p->b->idle_restart);
	assert_in_range(p->cc.pacing_bytes_s, p->b->bw * 98 / 100, p->b->bw);
	run(p, RTT + RTT / 2);
	assert_false(p->b->idle_restart);
	assert_int_equal(times(p, BBR_PROBE_RTT), 0); /* RTT was seen anew */
	assert_in_range(run(p, 2ull * S), 90, 100);
	path_end(p);
}

/* "Correctly Managing Sub-Packet BDPs": never below four segments. */
static void tiny_bdp(void **state)
{
	struct path *p = path_new(1000000, 500, 20 * MSS);

	(void)state;
	assert_in_range(run(p, 3ull * S), 90, 100);
	assert_true(p->cc.cwnd_bytes >= 4 * MSS);
	path_end(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_pace), cmocka_unit_test(finds_the_bandwidth),
		cmocka_unit_test(cycle), cmocka_unit_test(probe_rtt),
		cmocka_unit_test(longer_path), cmocka_unit_test(bandwidth_changes),
		cmocka_unit_test(random_loss), cmocka_unit_test(shallow_buffer),
		cmocka_unit_test(startup_loss_and_undo), cmocka_unit_test(short_term),
		cmocka_unit_test(margin_is_no_congestion),
		cmocka_unit_test(timeout), cmocka_unit_test(idle_restart),
		cmocka_unit_test(tiny_bdp),
	};

	return cmocka_run_group_tests_name("bbr", tests, NULL, NULL);
}
