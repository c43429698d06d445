/* fuzz_sim.c - the simulator, with the input in the place of chance.
 *
 * Two engines, a bad link between them, up to six connections with users at both ends:
 * what tests/sim draws from a seed is read from the input, byte by byte. So the fuzzer
 * chooses the options, the link, and the fate of each packet, and every run is held
 * against what the simulator asserts: each byte arrives once and in order, no packet
 * breaks a rule of watch.c, nothing stalls, no tcb, timer or memory stays behind.
 */
#include "fuzz.h"

#include "../sim/sim.h"

#define SEED_BYTES 2
#define TOTAL_MAX_BYTES 60000 /* per direction: a run shall take milliseconds */

/* What is written in pieces of a byte takes as many packets. */
static void shorten(struct user_plan *plan)
{
	uint32_t most = plan->chunk_bytes > TOTAL_MAX_BYTES / 300 ? TOTAL_MAX_BYTES
								  : 300 * plan->chunk_bytes;

	if (plan->total_bytes > most)
		plan->total_bytes = most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sim s;
	struct input in = {data, size};
	uint16_t seed = take16(&in);
	struct tape tape = {in.p, in.left};

	if (size < SEED_BYTES)
		return 0;
	sim_init(&s, seed, &tape, false);
	for (unsigned i = 0; i < s.conns; i++)
		for (int side = 0; side < 2; side++)
			shorten(&s.conn[i].user[side].plan);
	sim_run(&s);
	if (s.error) {
		sim_print(&s);
		net_print_log(&s.net);
		fflush(stdout);
		fprintf(stderr, "%s after %.6f s\n", s.error,
			(double)(s.now_us - s.start_us) / 1e6);
	}
	check(!s.error);
	sim_free(&s);
	return 0;
}
