/* sim.h - one simulation: two engines, the link between them, their users.
 *
 * scenario.c makes it from a seed, sim.c runs it.
 */
#ifndef MYTCP_SIM_SIM_H
#define MYTCP_SIM_SIM_H

#include "user.h"
#include "watch.h"

#define CONNS_MAX 6

enum opener { A_OPENS, B_OPENS, BOTH_OPEN };

struct conn {
	enum opener opener;
	uint64_t start_us;
	bool started;
	struct user user[2];
};

struct sim {
	uint64_t seed;
	struct rng rng;
	struct net net;
	struct watch *watch;
	struct engine *e[2];
	struct engine_config cfg[2];
	struct tcp_opts opts[2];
	struct endpoint addr[2];
	struct tcb *listener[2];
	size_t memory_bytes[2]; /* at the start */
	struct conn conn[CONNS_MAX];
	unsigned conns;
	uint64_t now_us, start_us;
	const char *error;
};

void sim_init(struct sim *s, uint64_t seed, bool verbose);
void sim_free(struct sim *s);
void sim_print(const struct sim *s);
struct tcp_path sim_path(const struct sim *s);
/* The port that side uses for connection conn, where it opens. */
static inline uint16_t sim_port(unsigned conn, int side)
{
	return (uint16_t)(1000 * (side + 1) + (int)conn);
}
/* Of connection conn, opened by side. */
struct flow sim_flow(const struct sim *s, unsigned conn, int side);

#endif
