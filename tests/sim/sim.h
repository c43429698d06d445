/* sim.h - one simulation: two engines, the link between them, their users.
 *
 * scenario.c makes it from a seed, lab.c from a plan; run.c runs it.
 */
#ifndef MYTCP_SIM_SIM_H
#define MYTCP_SIM_SIM_H

#include "silence.h"
#include "user.h"
#include "watch.h"

#define CONNS_MAX 6

enum opener { A_OPENS, B_OPENS, BOTH_OPEN };

struct conn {
	enum opener opener;
	uint64_t start_us;
	bool started;
	char cc[CC_NAME_MAX]; /* of the openers; "": opts of the side */
	struct user user[2];
	struct silence silence[2];
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
	uint32_t oom_ppm; /* so often an allocation fails in what an engine does */
	struct rng oom_rng;
	uint32_t nap_us;  /* now and then nobody runs for so long at most */
	uint64_t stop_us; /* ends there, finished or not; 0: when all is done */
	/* After packets and timers of one moment, before output; may be NULL. */
	void (*on_step)(void *arg, struct sim *s);
	void *on_step_arg;
	const char *error;
	bool forgotten; /* the run has ended with a connection of a cookie's */
};

/* scenario.c: all from the seed, or the tape while it lasts, which may be NULL. */

void sim_init(struct sim *s, uint64_t seed, struct tape *tape, bool verbose);
void sim_print(const struct sim *s);

/* run.c: first the addresses, then an engine by cfg, with default opts, then its
 * listener by opts. */
void sim_addresses(struct sim *s, bool v6);
void sim_engine(struct sim *s, int side);
void sim_listen(struct sim *s, int side);
/* Until every connection has ended, or stop_us. What went wrong is in error. */
void sim_run(struct sim *s);
void sim_free(struct sim *s);
struct tcp_path sim_path(const struct sim *s);
/* The port that side uses for connection conn, where it opens. */
static inline uint16_t sim_port(unsigned conn, int side)
{
	return (uint16_t)(1000 * (side + 1) + (int)conn);
}
/* Of connection conn, opened by side. */
struct flow sim_flow(const struct sim *s, unsigned conn, int side);

#endif
