/* test_timerq.c - the heap against a plain list of what is set. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "../../engine/timerq.h"
#include "oom.h"
#include "rnd.h"

#define NODES 300u

static void check_heap(const struct timerq *q)
{
	for (uint32_t i = 0; i < q->n; i++) {
		assert_int_equal(q->heap[i]->pos, i + 1);
		if (i > 0)
			assert_true(q->heap[(i - 1) / 2]->at_us <=
				    q->heap[i]->at_us);
	}
}

struct model {
	uint64_t at_us[NODES];
	int set[NODES];
};

static void check_model(const struct timerq *q, const struct timer_node *nodes,
			const struct model *m)
{
	uint64_t earliest_us = UINT64_MAX;
	uint32_t n = 0;

	for (uint32_t i = 0; i < NODES; i++) {
		assert_int_equal(nodes[i].pos != 0, m->set[i]);
		if (!m->set[i])
			continue;
		n++;
		assert_int_equal(nodes[i].at_us, m->at_us[i]);
		if (m->at_us[i] < earliest_us)
			earliest_us = m->at_us[i];
	}
	assert_int_equal(q->n, n);
	if (n == 0)
		assert_null(timerq_first(q));
	else
		assert_int_equal(timerq_first(q)->at_us, earliest_us);
}

static void random_step(struct timerq *q, struct timer_node *nodes,
			struct model *m, struct rnd *rnd, uint32_t span_us)
{
	uint32_t i = rnd_below(rnd, NODES);

	switch (rnd_below(rnd, 4)) {
	case 0:
	case 1:
		m->at_us[i] = rnd_below(rnd, span_us);
		m->set[i] = 1;
		timerq_set(q, &nodes[i], m->at_us[i]);
		break;
	case 2:
		m->set[i] = 0;
		timerq_cancel(q, &nodes[i]);
		break;
	default: /* what expiry does */
		if (!timerq_first(q))
			break;
		i = (uint32_t)(timerq_first(q) - nodes);
		m->set[i] = 0;
		timerq_cancel(q, timerq_first(q));
		break;
	}
}

static void test_against_model(void **state)
{
	static const uint32_t spans_us[] = {1, 10, 1000000}; /* many ties, few */

	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct timer_node nodes[NODES] = {0};
		struct model m = {0};
		struct rnd rnd = {seed};
		size_t memory_bytes = 0;
		struct timerq q;

		timerq_init(&q, &memory_bytes);
		assert_int_equal(timerq_reserve(&q, NODES), 0);
		for (int step = 0; step < 5000; step++) {
			random_step(&q, nodes, &m, &rnd, spans_us[seed % 3]);
			check_heap(&q);
			check_model(&q, nodes, &m);
		}
		timerq_free(&q);
		assert_int_equal(memory_bytes, 0);
	}
}

static void test_expires_in_order(void **state)
{
	struct timer_node nodes[NODES] = {0};
	struct rnd rnd = {42};
	size_t memory_bytes = 0;
	uint64_t last_us = 0;
	struct timerq q;

	(void)state;
	timerq_init(&q, &memory_bytes);
	assert_int_equal(timerq_reserve(&q, NODES), 0);
	for (uint32_t i = 0; i < NODES; i++)
		timerq_set(&q, &nodes[i], rnd_u64(&rnd));
	for (uint32_t i = 0; i < NODES; i++) {
		struct timer_node *t = timerq_first(&q);

		assert_non_null(t);
		assert_true(t->at_us >= last_us);
		last_us = t->at_us;
		timerq_cancel(&q, t);
		assert_int_equal(t->pos, 0);
	}
	assert_null(timerq_first(&q));
	timerq_free(&q);
}

static void test_reserve_keeps_what_is_set(void **state)
{
	struct timer_node nodes[NODES] = {0};
	size_t memory_bytes = 0;
	struct timerq q;

	(void)state;
	timerq_init(&q, &memory_bytes);
	for (uint32_t i = 0; i < NODES; i++) {
		assert_int_equal(timerq_reserve(&q, i + 1), 0);
		timerq_set(&q, &nodes[i], NODES - i);
		check_heap(&q);
		assert_ptr_equal(timerq_first(&q), &nodes[i]);
	}
	assert_int_equal(memory_bytes, q.cap * sizeof(*q.heap));
	timerq_free(&q);
	assert_int_equal(memory_bytes, 0);
	for (uint32_t i = 0; i < NODES; i++)
		assert_int_equal(nodes[i].pos, 0);
}

static void test_out_of_memory(void **state)
{
	struct timer_node node = {0};
	size_t memory_bytes = 0;
	struct timerq q;

	(void)state;
	timerq_init(&q, &memory_bytes);
	oom_after(0);
	assert_int_equal(timerq_reserve(&q, 1), -ENOMEM);
	assert_true(oom_happened());
	assert_int_equal(memory_bytes, 0);

	assert_int_equal(timerq_reserve(&q, 1), 0);
	timerq_set(&q, &node, 7);
	oom_after(0);
	assert_int_equal(timerq_reserve(&q, 1000), -ENOMEM);
	assert_true(oom_happened());
	assert_int_equal(timerq_reserve(&q, UINT32_MAX), -ENOMEM);
	assert_ptr_equal(timerq_first(&q), &node);
	assert_int_equal(memory_bytes, q.cap * sizeof(*q.heap));
	timerq_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_expires_in_order),
		cmocka_unit_test(test_reserve_keeps_what_is_set),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("timerq", tests, NULL, NULL);
}
