/* ladder.h - where the driver's trace goes.
 */
#ifndef MYTCP_LADDER_H
#define MYTCP_LADDER_H

#include "trace.h"

struct ladder {
	int fd; /* -1: no trace */
	struct trace_style style;
	bool started;
	bool deaf; /* the reader has not read in time */
	size_t used;
	char buf[16 * TRACE_LINE_MAX];
};

/* to: as in struct config, but not "": "-" is standard error, called while fd 2 is
 * still the program's, else a file that is created, or continued, or a FIFO, of which
 * nobody need be a reader yet. An fd or a negative errno. */
int ladder_file(const char *to);
/* Lines go to fd, which is the ladder's from now on. */
void ladder_open(struct ladder *l, int fd);
/* Writes what the engine has recorded. */
void ladder_print(struct ladder *l, struct engine *e);
void ladder_close(struct ladder *l);

#endif
