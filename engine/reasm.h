/* reasm.h - which ranges of sequence numbers beyond RCV.NXT have arrived.
 *
 * Only the ranges: the bytes themselves lie in the receive ring at their
 * offset. Ranges are disjoint, do not touch, and are sorted; their number is
 * bounded, so memory and work per segment are too. Each remembers when it was
 * last added to, because RFC 2018 4 wants the most recent SACK block first.
 */
#ifndef MYTCP_REASM_H
#define MYTCP_REASM_H

#include "segment.h"

struct reasm_range {
	uint32_t start, end; /* [start, end) */
	uint32_t stamp;      /* larger: more recent */
};

struct reasm {
	struct reasm_range *r;
	uint16_t n, cap;
	uint32_t stamp;
};

/* Adds [start, end), not empty. 0; -ENOBUFS when it would be range number
 * max + 1; -ENOMEM. *added_bytes: how many of its numbers were new.
 * *memory_bytes is adjusted by what is allocated. */
int reasm_add(struct reasm *q, uint32_t start, uint32_t end, unsigned max,
	      uint32_t *added_bytes, size_t *memory_bytes);
/* The first part of [start, end) that is held already; empty if none is. */
struct seq_range reasm_held(const struct reasm *q, uint32_t start, uint32_t end);
/* Where the bytes of text from start on begin to count: it gives way to a range that
 * begins before it and reaches into it, up to that range's end. As in Linux, where what
 * begins first is read first, whenever it came. */
uint32_t reasm_kept(const struct reasm *q, uint32_t start);
/* nxt has been reached: removes all that is now below or joins it; returns
 * nxt advanced over the range that began there, if any. The memory stays until
 * reasm_clear(). */
uint32_t reasm_advance(struct reasm *q, uint32_t nxt);
/* The up to max most recent ranges, most recent first (RFC 2018 4). */
unsigned reasm_sack(const struct reasm *q, struct seq_range *out, unsigned max);
/* Highest sequence number held, or nxt when there is none. */
uint32_t reasm_end(const struct reasm *q, uint32_t nxt);
/* Frees the memory. */
void reasm_clear(struct reasm *q, size_t *memory_bytes);

#endif
