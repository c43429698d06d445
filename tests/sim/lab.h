/* lab.h - a measured run: some bulk flows through one bottleneck.
 *
 * Each flow writes as fast as it can, from side 0 to side 1 unless it goes back.
 * The link knows what it dropped, so the lab can tell a recovery that repairs
 * something from a spurious one, whatever the engine believes.
 */
#ifndef MYTCP_SIM_LAB_H
#define MYTCP_SIM_LAB_H

#include "sim.h"

#define LAB_FLOWS CONNS_MAX
#define LAB_SAMPLES 400
#define LAB_WAITS 20000 /* classes of 100 us */

struct lab_plan {
	struct net_params net;
	uint64_t rate_bytes_s; /* what the path carries at most, of IP packets */
	uint64_t duration_us;
	uint64_t measure_us;   /* measured from here on; all flows have begun */
	uint8_t ecn;           /* engine_config's, on both sides */
	uint32_t buffer_bytes; /* of sockets; 0: they grow */
	unsigned flows;
	struct {
		const char *cc;
		uint64_t start_us;
		bool back;
	} flow[LAB_FLOWS];
};

struct lab_flow {
	uint64_t bytes;    /* delivered to the user, since measure_us */
	uint32_t segs, retransmitted;
	unsigned timeouts; /* RTOs */
	unsigned recoveries; /* entered, by RTO or by duplicates and time */
	unsigned spurious; /* of these: when nothing unacknowledged was lost */
	uint64_t spurious_us; /* the last of them */
};

/* At one moment. */
struct lab_sample {
	uint64_t at_us;
	uint64_t queue_bytes;
	uint32_t cwnd_bytes[LAB_FLOWS];
	uint64_t bytes[LAB_FLOWS]; /* delivered until now */
};

struct lab_result {
	struct lab_flow flow[LAB_FLOWS], all;
	double goodput; /* delivered text, of what the path can carry of it */
	double jain;    /* of those that go there */
	double share;   /* of the largest among these */
	double wait_mean_ms, wait_p95_ms; /* at the bottleneck, there */
	struct net_counts there, back;
	unsigned samples;
	struct lab_sample sample[LAB_SAMPLES];
	const char *error; /* NULL, or why the run is worth nothing */
};

void lab_run(const struct lab_plan *plan, struct lab_result *res);

#endif
