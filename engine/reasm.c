/* reasm.c - the sorted array of ranges that arrived out of order.
 *
 * Invariants: r[0..n) are not empty, ascending, and between each end and the
 * next start there is at least one number that has not arrived. All lie within
 * one window, so they are comparable (seq.h). Stamps are unique as long as fewer
 * than 2^31 additions lie between them; older ones only spoil the order of SACK
 * blocks.
 */
#include "reasm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seq.h"

#define CAP_MIN 4u
#define CAP_MAX UINT16_MAX

/* Index of the first range that ends at or after seq; n if there is none. */
static unsigned first_ending_from(const struct reasm *q, uint32_t seq)
{
	unsigned lo = 0, hi = q->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (seq_lt(q->r[mid].end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int make_room(struct reasm *q, size_t *memory_bytes)
{
	unsigned cap = q->cap ? 2u * q->cap : CAP_MIN;
	struct reasm_range *r;

	if (q->n < q->cap)
		return 0;
	if (cap > CAP_MAX)
		cap = CAP_MAX;
	r = realloc(q->r, cap * sizeof(*r));
	if (!r)
		return -ENOMEM;
	*memory_bytes += (cap - q->cap) * sizeof(*r);
	q->r = r;
	q->cap = (uint16_t)cap;
	return 0;
}

static void remove_ranges(struct reasm *q, unsigned at, unsigned count)
{
	memmove(&q->r[at], &q->r[at + count],
		(q->n - at - count) * sizeof(*q->r));
	q->n = (uint16_t)(q->n - count);
}

static int insert_range(struct reasm *q, unsigned at, const struct reasm_range *add,
			unsigned max, size_t *memory_bytes)
{
	int err;

	if (q->n >= max || q->n >= CAP_MAX)
		return -ENOBUFS;
	err = make_room(q, memory_bytes);
	if (err)
		return err;
	memmove(&q->r[at + 1], &q->r[at], (q->n - at) * sizeof(*q->r));
	q->r[at] = *add;
	q->n++;
	return 0;
}

int reasm_add(struct reasm *q, uint32_t start, uint32_t end, unsigned max,
	      uint32_t *added_bytes, size_t *memory_bytes)
{
	struct reasm_range add = {start, end, q->stamp + 1};
	unsigned at = first_ending_from(q, start), past;
	uint32_t held = 0;
	int err = 0;

	*added_bytes = 0;
	/* all that overlap or touch become one */
	for (past = at; past < q->n && seq_leq(q->r[past].start, end); past++) {
		held += q->r[past].end - q->r[past].start;
		add.start = seq_min(add.start, q->r[past].start);
		add.end = seq_max(add.end, q->r[past].end);
	}
	if (past == at) {
		err = insert_range(q, at, &add, max, memory_bytes);
	} else {
		q->r[at] = add;
		remove_ranges(q, at + 1, past - at - 1);
	}
	if (err)
		return err;
	q->stamp = add.stamp;
	*added_bytes = add.end - add.start - held;
	return 0;
}

struct seq_range reasm_held(const struct reasm *q, uint32_t start, uint32_t end)
{
	unsigned at = first_ending_from(q, start + 1);
	struct seq_range r = {0, 0};

	if (at < q->n && seq_lt(q->r[at].start, end)) {
		r.start = seq_max(q->r[at].start, start);
		r.end = seq_min(q->r[at].end, end);
	}
	return r;
}

uint32_t reasm_kept(const struct reasm *q, uint32_t start)
{
	unsigned at = first_ending_from(q, start + 1);

	return at < q->n && seq_lt(q->r[at].start, start) ? q->r[at].end : start;
}

uint32_t reasm_advance(struct reasm *q, uint32_t nxt)
{
	unsigned gone = 0;

	while (gone < q->n && seq_leq(q->r[gone].start, nxt))
		nxt = seq_max(nxt, q->r[gone++].end);
	if (gone)
		remove_ranges(q, 0, gone);
	return nxt;
}

unsigned reasm_sack(const struct reasm *q, struct seq_range *out, unsigned max)
{
	uint32_t stamp[SACK_BLOCKS_MAX];
	unsigned n = 0;

	if (max > SACK_BLOCKS_MAX)
		max = SACK_BLOCKS_MAX;
	/* insertion into out, which stays sorted by age */
	for (unsigned i = 0; i < q->n; i++) {
		const struct reasm_range *r = &q->r[i];
		unsigned at = n;

		while (at > 0 && seq_lt(stamp[at - 1], r->stamp))
			at--;
		if (at >= max)
			continue;
		if (n < max)
			n++;
		memmove(&out[at + 1], &out[at], (n - at - 1) * sizeof(*out));
		memmove(&stamp[at + 1], &stamp[at], (n - at - 1) * sizeof(*stamp));
		out[at] = (struct seq_range){r->start, r->end};
		stamp[at] = r->stamp;
	}
	return n;
}

uint32_t reasm_end(const struct reasm *q, uint32_t nxt)
{
	return q->n ? q->r[q->n - 1].end : nxt;
}

void reasm_clear(struct reasm *q, size_t *memory_bytes)
{
	free(q->r);
	*memory_bytes -= q->cap * sizeof(*q->r);
	*q = (struct reasm){.stamp = q->stamp};
}
