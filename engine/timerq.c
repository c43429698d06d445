/* timerq.c - a binary heap of points in time.
 *
 * Invariants: heap[i]->pos == i + 1 for every i < n; no node is due before its
 * parent heap[(i - 1) / 2]; a node that is not in the heap has pos 0.
 */
#include "timerq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define CAP_MIN 16u

void timerq_init(struct timerq *q, size_t *memory_bytes)
{
	*q = (struct timerq){.memory_bytes = memory_bytes};
}

void timerq_free(struct timerq *q)
{
	for (uint32_t i = 0; i < q->n; i++)
		q->heap[i]->pos = 0;
	free(q->heap);
	*q->memory_bytes -= q->cap * sizeof(*q->heap);
	timerq_init(q, q->memory_bytes);
}

int timerq_reserve(struct timerq *q, uint32_t n)
{
	struct timer_node **heap;
	size_t cap = q->cap ? q->cap : CAP_MIN;

	if (n <= q->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	if (cap > UINT32_MAX)
		return -ENOMEM;
	heap = realloc(q->heap, cap * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	*q->memory_bytes += (cap - q->cap) * sizeof(*heap);
	q->heap = heap;
	q->cap = (uint32_t)cap;
	return 0;
}

static void place(struct timerq *q, uint32_t i, struct timer_node *t)
{
	q->heap[i] = t;
	t->pos = i + 1;
}

/* Puts t where it belongs, on the way from the free slot i to the root. */
static void sift_up(struct timerq *q, uint32_t i, struct timer_node *t)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / 2;

		if (q->heap[parent]->at_us <= t->at_us)
			break;
		place(q, i, q->heap[parent]);
		i = parent;
	}
	place(q, i, t);
}

/* Puts t where it belongs, from the free slot i on towards the leaves. */
static void sift_down(struct timerq *q, uint32_t i, struct timer_node *t)
{
	for (;;) {
		size_t child = 2 * (size_t)i + 1;

		if (child + 1 < q->n &&
		    q->heap[child + 1]->at_us < q->heap[child]->at_us)
			child++;
		if (child >= q->n || q->heap[child]->at_us >= t->at_us)
			break;
		place(q, i, q->heap[child]);
		i = (uint32_t)child;
	}
	place(q, i, t);
}

static void settle(struct timerq *q, uint32_t i, struct timer_node *t)
{
	if (i > 0 && q->heap[(i - 1) / 2]->at_us > t->at_us)
		sift_up(q, i, t);
	else
		sift_down(q, i, t);
}

void timerq_set(struct timerq *q, struct timer_node *t, uint64_t at_us)
{
	t->at_us = at_us;
	if (t->pos) {
		settle(q, t->pos - 1, t);
		return;
	}
	assert(q->n < q->cap);
	sift_up(q, q->n++, t);
}

void timerq_cancel(struct timerq *q, struct timer_node *t)
{
	uint32_t i = t->pos - 1;
	struct timer_node *last;

	if (!t->pos)
		return;
	t->pos = 0;
	last = q->heap[--q->n];
	if (last != t)
		settle(q, i, last);
}

struct timer_node *timerq_first(const struct timerq *q)
{
	return q->n ? q->heap[0] : NULL;
}
