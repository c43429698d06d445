/* timerq.h - a binary heap of points in time, embedded in their owners. */
#ifndef MYTCP_TIMERQ_H
#define MYTCP_TIMERQ_H

#include <stddef.h>
#include <stdint.h>

struct timer_node {
	uint64_t at_us;
	uint32_t pos; /* index in the heap + 1; 0: not in it */
};

struct timerq {
	struct timer_node **heap;
	uint32_t n, cap;
	size_t *memory_bytes;
};

void timerq_init(struct timerq *q, size_t *memory_bytes);
void timerq_free(struct timerq *q);
/* Room for n nodes, so that timerq_set() cannot fail. -ENOMEM. */
int timerq_reserve(struct timerq *q, uint32_t n);
/* Inserts or moves the node. Room must have been reserved. */
void timerq_set(struct timerq *q, struct timer_node *t, uint64_t at_us);
/* Removes the node if it is in the heap. */
void timerq_cancel(struct timerq *q, struct timer_node *t);
/* The earliest node, or NULL. */
struct timer_node *timerq_first(const struct timerq *q);

#endif
