/* cases.h - the named paths of the report, each for one algorithm. */
#ifndef MYTCP_SIM_CASES_H
#define MYTCP_SIM_CASES_H

#include "lab.h"

struct lab_case {
	const char *name, *about;
	void (*fill)(struct lab_plan *plan, const char *cc);
};

/* Ended by one without a name. */
extern const struct lab_case lab_cases[];

/* rate in Mbit/s, round trip in ms, a tail-drop queue in percent of their
 * product; ten seconds of one flow. */
void lab_path(struct lab_plan *plan, const char *cc, uint32_t mbit_s, uint32_t rtt_ms,
	      uint32_t queue_percent);
/* Is there such an algorithm? */
bool lab_knows(const char *cc);

#endif
