/* report.h - the counters of a link, as text or JSON. */
#ifndef MYTCP_LINK_REPORT_H
#define MYTCP_LINK_REPORT_H

#include <stdio.h>

#include "lane.h"

struct report {
	uint64_t seed;
	double seconds;
	const struct lane *lane[2];
	uint64_t overruns[2]; /* see device_overruns() */
};

void report_text(FILE *f, const struct report *r);
void report_json(FILE *f, const struct report *r);

#endif
