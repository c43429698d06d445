/* cases.c - see cases.h. */
#include <string.h>

#include "cases.h"

#define MS 1000u
#define S 1000000u
#define PERCENT 10000u /* in ppm */

bool lab_knows(const char *cc)
{
	struct engine_config cfg;

	engine_config_defaults(&cfg);
	return cc_find(&cfg, cc) != NULL;
}

static void add_flow(struct lab_plan *p, const char *cc, uint64_t start_us, bool back)
{
	p->flow[p->flows].cc = cc;
	p->flow[p->flows].start_us = start_us;
	p->flow[p->flows++].back = back;
}

void lab_path(struct lab_plan *p, const char *cc, uint32_t mbit_s, uint32_t rtt_ms,
	      uint32_t queue_percent)
{
	uint64_t bdp_bytes = (uint64_t)mbit_s * 125 * rtt_ms;

	*p = (struct lab_plan){
		.rate_bytes_s = mbit_s * 125000ull,
		.duration_us = 20 * S,
		.buffer_bytes = 8u << 20,
		.net = {.mtu_bytes = 1500, .gso_max_bytes = 65536, .unchecked = true,
			.unlogged = true},
	};
	p->net.dir[0].delay_us = p->net.dir[1].delay_us = rtt_ms * MS / 2;
	p->net.dir[0].bottleneck = (struct bottleneck_params){
		.rate_bytes_s = p->rate_bytes_s,
		.queue_bytes = (uint32_t)(bdp_bytes * queue_percent / 100),
	};
	add_flow(p, cc, 0, false);
}

static void clean(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
}

static void shallow(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 10);
}

static void deep(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 20, 40, 800);
}

static void wide(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 1000, 10, 100);
	p->duration_us = 5 * S;
}

static void far(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 10, 200, 100);
	p->duration_us = 60 * S;
}

static void grown(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->buffer_bytes = 0;
}

static void loss_tenth(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[0].loss_ppm = PERCENT / 10;
}

static void loss_one(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[0].loss_ppm = PERCENT;
}

static void loss_three(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[0].loss_ppm = 3 * PERCENT;
}

static void bursts(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[0].burst = (struct burst_params){500, 10 * PERCENT, 50 * PERCENT};
}

/* Nothing but reordering: no queue, the window is what limits. */
static void late(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->buffer_bytes = 500000;
	p->net.dir[0].bottleneck.rate_bytes_s = 0;
	p->net.dir[0].late_ppm = 2 * PERCENT;
	p->net.dir[0].late_us = 10 * MS;
}

static void jitter(struct lab_plan *p, const char *cc)
{
	late(p, cc);
	p->net.dir[0].late_ppm = 0;
	p->net.dir[0].jitter_us = 10 * MS;
}

/* With losses in between, and a queue that fills and drains. */
static void late_and_lost(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[0].late_ppm = 2 * PERCENT;
	p->net.dir[0].late_us = 10 * MS;
}

static void acks_lost(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[1].loss_ppm = 30 * PERCENT;
}

static void acks_gathered(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[1].gather_us = 10 * MS;
}

static void asymmetric(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->net.dir[0].delay_us = 5 * MS;
	p->net.dir[1].delay_us = 35 * MS;
	p->net.dir[1].bottleneck = (struct bottleneck_params){
		.rate_bytes_s = 62500, .queue_bytes = 5000,
	};
}

static void codel(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 50, 40, 800);
	p->net.dir[0].bottleneck.codel = (struct codel_params){5 * MS, 100 * MS};
}

static void codel_ecn(struct lab_plan *p, const char *cc)
{
	codel(p, cc);
	p->ecn = 1;
}

static void policed(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	p->rate_bytes_s = 20 * 125000;
	p->net.dir[0].policer = (struct policer_params){p->rate_bytes_s, 100000};
}

static void two(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	add_flow(p, cc, 0, false);
	p->duration_us = 60 * S;
}

/* The first has filled the queue when the second comes: it starts with losses,
 * and the farther the path, the longer that lasts. */
static void two_late(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 100, 40, 100);
	add_flow(p, cc, S, false);
	p->measure_us = S;
	p->duration_us = 61 * S;
}

static void two_slow(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 20, 40, 100);
	add_flow(p, cc, S, false);
	p->measure_us = S;
	p->duration_us = 61 * S;
}

static void four(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 50, 40, 100);
	for (uint32_t i = 1; i < 4; i++)
		add_flow(p, cc, i * 5 * S, false);
	p->measure_us = 20 * S;
	p->duration_us = 60 * S;
}

/* The other one is what most of the world uses. */
static void rival(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 50, 40, 100);
	add_flow(p, lab_knows("cubic") ? "cubic" : "reno", 0, false);
	p->measure_us = 5 * S;
	p->duration_us = 60 * S;
}

static void two_way(struct lab_plan *p, const char *cc)
{
	lab_path(p, cc, 50, 40, 100);
	p->net.dir[1].bottleneck = p->net.dir[0].bottleneck;
	add_flow(p, cc, 0, true);
}

const struct lab_case lab_cases[] = {
	{"clean", "100 Mbit/s, 40 ms, queue of one BDP", clean},
	{"shallow", "the same, queue of a tenth of it", shallow},
	{"deep", "20 Mbit/s, 40 ms, queue of eight BDP", deep},
	{"wide", "1 Gbit/s, 10 ms, queue of one BDP", wide},
	{"far", "10 Mbit/s, 200 ms, queue of one BDP", far},
	{"grown", "clean, socket buffers begin small and grow", grown},
	{"loss-0.1", "clean, 0.1 % lost", loss_tenth},
	{"loss-1", "clean, 1 % lost", loss_one},
	{"loss-3", "clean, 3 % lost", loss_three},
	{"bursts", "clean, 0.25 % lost, in bursts of ten packets", bursts},
	{"late", "40 ms, no queue, 2 % late by up to a quarter of the RTT", late},
	{"jitter", "the same, every packet late by up to as much", jitter},
	{"late-and-lost", "clean, 2 % late by up to a quarter of the RTT", late_and_lost},
	{"acks-lost", "clean, 30 % of the ACKs lost", acks_lost},
	{"acks-gathered", "clean, ACKs arrive every 10 ms", acks_gathered},
	{"asymmetric", "5 ms there, 35 ms back with 0.5 Mbit/s", asymmetric},
	{"codel", "50 Mbit/s, 40 ms, CoDel drops", codel},
	{"codel-ecn", "the same, CoDel marks", codel_ecn},
	{"policed", "clean, policed to 20 Mbit/s, bucket of 100 kB", policed},
	{"two", "clean, two flows", two},
	{"two-late", "clean, two flows, the second a second later", two_late},
	{"two-slow", "20 Mbit/s, two flows, the second a second later", two_slow},
	{"four", "50 Mbit/s, four flows, one every 5 s", four},
	{"rival", "50 Mbit/s, against a CUBIC flow", rival},
	{"two-way", "50 Mbit/s, one flow there and one back", two_way},
	{0},
};
