/* trace.h - the ladder: engine_trace() records as lines for people.
 */
#ifndef MYTCP_TRACE_H
#define MYTCP_TRACE_H

#include <stddef.h>

#include "../engine/engine.h"

struct trace_style {
	uint64_t start_us;  /* time zero */
	bool color;         /* ANSI colours */
	bool numbered;      /* show the connection's number (more than one) */
};

/* Write one line, with its newline and a final NUL, into buf; return its length
 * (the NUL not counted). Long enough for any record: TRACE_LINE_MAX; what does
 * not fit is cut off. trace_header() names the columns and stands once above
 * all. */
#define TRACE_LINE_MAX 512
size_t trace_header(const struct trace_style *style, char *buf, size_t size);
size_t trace_line(const struct trace_rec *rec, const struct trace_style *style,
		  char *buf, size_t size);

#endif
