/* report.h - what report.c, expect.c and plot.c share: the outcomes of all cases
 * with all algorithms. */
#ifndef MYTCP_SIM_REPORT_H
#define MYTCP_SIM_REPORT_H

#include <stdio.h>

#include "cases.h"

#define OUTCOMES_MAX 128
#define LINE_MAX_BYTES 160

struct outcome {
	const struct lab_case *of;
	const char *cc;
	struct lab_plan plan;
	struct lab_result res;
	char line[LINE_MAX_BYTES]; /* of the table, as in the snapshot */
};

struct report {
	unsigned n, passed, failed;
	struct outcome *outcome;
	FILE *md; /* expectations go there too; may be NULL */
};

/* The algorithms that there are, in the table's order; NULL behind the last. */
const char *report_cc(unsigned i);
/* Counts and tells one check. */
__attribute__((format(printf, 3, 4)))
void report_check(struct report *r, bool ok, const char *format, ...);

/* expect.c: what must hold whatever the snapshot says. */
void expect_all(struct report *r);

/* plot.c: plots.gp and its data in the folder, one picture per case, or per case
 * and algorithm where there are several flows; their names go to report.md. 0 or
 * a negative errno value. */
int plot_all(struct report *r, const char *folder);

#endif
