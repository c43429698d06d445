/* congestion.h - how the engine uses the algorithms of cc.h: which there are, how
 * one is started, changed and told. */
#ifndef MYTCP_CONGESTION_H
#define MYTCP_CONGESTION_H

#include <stddef.h>

#include "cc.h"
#include "minmax.h"

extern const struct cc_ops cc_cubic;   /* RFC 9438, RFC 9406 */
extern const struct cc_ops cc_bbr;     /* draft-ietf-ccwg-bbr */
extern const struct cc_ops cc_newreno; /* RFC 5681, RFC 6582 */

/* The built-in algorithms one by one from 0, the default first; NULL behind
 * the last. */
const struct cc_ops *cc_builtin(unsigned i);
/* Starts the algorithm with the initial window of RFC 6928. Its state is counted
 * in *memory_bytes. Without memory it is NewReno, which needs none. */
void cc_begin(struct cc *cc, const struct cc_ops *ops, uint32_t mss_bytes,
	      uint32_t initcwnd_segs, const struct cc_start *start,
	      size_t *memory_bytes);
/* Another algorithm takes over; windows stay. -ENOMEM: it remains the old. */
int cc_change(struct cc *cc, const struct cc_ops *ops,
	      const struct cc_start *start, size_t *memory_bytes);
/* Frees the state. */
void cc_end(struct cc *cc, size_t *memory_bytes);
/* on_congestion(), after saving what cc_undo() needs. */
void cc_congestion(struct cc *cc, enum cc_signal why, uint32_t flight_bytes,
		   uint64_t now_us);
/* on_timeout(); the same. */
void cc_timeout(struct cc *cc, uint32_t flight_bytes, bool first,
		uint64_t now_us);
/* The last of these two calls was a mistake: windows as before it, if those were
 * larger (RFC 4015 3.2, RFC 8985 7.4). */
void cc_undo(struct cc *cc, uint64_t now_us);
/* For an RTO no more than used_bytes of the window were needed: RFC 2861. */
void cc_unused(struct cc *cc, uint32_t used_bytes);
/* The MSS changed: windows keep their number of bytes, but hold one segment. */
void cc_set_mss(struct cc *cc, uint32_t mss_bytes);

/* on_recovered() and on_idle() of windows that follow losses: ssthresh, but no
 * burst; the restart window of RFC 5681 4.1. */
void cc_leave_recovery(struct cc *cc, uint32_t flight_bytes, uint64_t now_us);
void cc_restart(struct cc *cc, uint64_t now_us);

#endif
