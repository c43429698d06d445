/* sim.c - two engines, a bad link, random users: one seed, one scenario.
 *
 *     sim [--seeds N] [--from N] [--seed S] [--verbose]
 *
 * runs seeds from..from+N-1, or S alone. A seed decides everything: link,
 * options, buffers, sizes, pauses, who opens and who closes. Per seed: every
 * byte arrives once and in order, no error is reported, both ends reach CLOSED,
 * no tcb stays, memory comes back but for the pool of free buffers, every packet
 * passes watch.c, and nobody is silent who could send (silence.c). Virtual time only, so a seed always gives the same run.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

static uint64_t seed_running; /* for the signal handler */

static bool run_seed(uint64_t seed, bool verbose, bool explain)
{
	static struct sim s;
	bool ok;

	seed_running = seed;
	sim_init(&s, seed, NULL, verbose);
	if (verbose)
		sim_print(&s);
	sim_run(&s);
	ok = !s.error;
	if (!ok && explain) {
		sim_print(&s);
		if (!verbose)
			net_print_log(&s.net);
	}
	if (!ok || verbose)
		printf("seed %llu: %s after %.6f s, %llu packets, %llu lost\n",
		       (unsigned long long)seed, ok ? "passed" : s.error,
		       (double)(s.now_us - s.start_us) / 1e6,
		       (unsigned long long)net_sent(&s.net),
		       (unsigned long long)net_lost(&s.net));
	sim_free(&s);
	return ok;
}

static void crashed(int sig)
{
	fprintf(stderr, "seed %llu: killed by signal %d\n",
		(unsigned long long)seed_running, sig);
	_exit(1);
}

static int usage(const char *name)
{
	fprintf(stderr, "usage: %s [--seeds N] [--from N] [--seed S] [--verbose]\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, seeds = 1000, passed = 0, failed = 0;
	bool verbose = false;

	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (!strcmp(argv[i], "--verbose"))
			verbose = true;
		else if (!strcmp(argv[i], "--seeds") && more)
			seeds = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--from") && more)
			from = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seed") && more) {
			from = strtoull(argv[++i], NULL, 0);
			seeds = 1;
		} else {
			return usage(argv[0]);
		}
	}
	signal(SIGABRT, crashed);
	for (uint64_t seed = from; seed < from + seeds; seed++) {
		if (run_seed(seed, verbose, failed < 3))
			passed++;
		else
			failed++;
	}
	printf("%llu passed, %llu failed\n", (unsigned long long)passed,
	       (unsigned long long)failed);
	return failed ? 1 : 0;
}
