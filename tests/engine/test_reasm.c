/* test_reasm.c - the ranges against a map of single numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "../../engine/reasm.h"
#include "../../engine/seq.h"
#include "oom.h"
#include "rnd.h"

#define SPAN 600u

/* held[i]: when number base + i was last added to its range, 0: not held */
struct model {
	uint32_t base;
	uint32_t held[SPAN];
	uint32_t stamp;
};

struct model_range {
	uint32_t start, end, stamp;
};

static unsigned model_ranges(const struct model *m, struct model_range *out)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < SPAN; i++) {
		if (!m->held[i])
			continue;
		if (i == 0 || !m->held[i - 1])
			out[n++] = (struct model_range){m->base + i, 0, 0};
		out[n - 1].end = m->base + i + 1;
		if (m->held[i] > out[n - 1].stamp)
			out[n - 1].stamp = m->held[i];
	}
	return n;
}

/* As a SACK sender would choose them: most recent first. */
static void check_sack(const struct reasm *q, struct model_range *ranges, unsigned n)
{
	for (unsigned max = 0; max <= SACK_BLOCKS_MAX + 1; max++) {
		struct model_range left[SPAN];
		struct seq_range out[SACK_BLOCKS_MAX];
		unsigned got = reasm_sack(q, out, max);
		unsigned want = max < SACK_BLOCKS_MAX ? max : SACK_BLOCKS_MAX;

		assert_int_equal(got, n < want ? n : want);
		memcpy(left, ranges, n * sizeof(*left));
		for (unsigned i = 0; i < got; i++) {
			unsigned newest = 0;

			for (unsigned k = 1; k < n; k++)
				if (left[k].stamp > left[newest].stamp)
					newest = k;
			assert_int_equal(out[i].start, left[newest].start);
			assert_int_equal(out[i].end, left[newest].end);
			left[newest].stamp = 0;
		}
	}
}

static void check_model(const struct reasm *q, const struct model *m)
{
	struct model_range ranges[SPAN];
	unsigned n = model_ranges(m, ranges);

	assert_int_equal(q->n, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(q->r[i].start, ranges[i].start);
		assert_int_equal(q->r[i].end, ranges[i].end);
	}
	assert_int_equal(reasm_end(q, m->base), n ? ranges[n - 1].end : m->base);
	check_sack(q, ranges, n);
}

static void step_add(struct reasm *q, struct model *m, struct rnd *rnd,
		     unsigned max, size_t *memory_bytes)
{
	uint32_t from = 1 + rnd_below(rnd, SPAN - 2);
	uint32_t len = 1 + rnd_below(rnd, rnd_below(rnd, 10) ? 12 : 200);
	uint32_t to = from + len < SPAN ? from + len : SPAN - 1;
	uint32_t added_bytes = 12345, fresh = 0;
	struct model before = *m;
	struct model_range ranges[SPAN];
	int err;

	for (uint32_t i = from; i < to; i++) {
		fresh += !m->held[i];
		m->held[i] = m->stamp + 1;
	}
	err = reasm_add(q, m->base + from, m->base + to, max, &added_bytes,
			memory_bytes);
	if (model_ranges(m, ranges) > max) {
		assert_int_equal(err, -ENOBUFS);
		assert_int_equal(added_bytes, 0);
		*m = before;
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(added_bytes, fresh);
	m->stamp++;
}

/* RCV.NXT moves to some number; the model's base follows. */
static void step_advance(struct reasm *q, struct model *m, struct rnd *rnd)
{
	uint32_t by = rnd_below(rnd, rnd_below(rnd, 30) ? 20 : SPAN);
	uint32_t to = by;

	while (to < SPAN && m->held[to])
		to++;
	assert_int_equal(reasm_advance(q, m->base + by), m->base + to);
	memmove(m->held, m->held + to, (SPAN - to) * sizeof(m->held[0]));
	memset(m->held + SPAN - to, 0, to * sizeof(m->held[0]));
	m->base += to;
}

static void run_model(uint32_t base, unsigned max, uint64_t seed)
{
	struct model m = {.base = base};
	struct rnd rnd = {seed};
	struct reasm q = {0};
	size_t memory_bytes = 0;

	for (int step = 0; step < 1500; step++) {
		if (rnd_below(&rnd, 4))
			step_add(&q, &m, &rnd, max, &memory_bytes);
		else
			step_advance(&q, &m, &rnd);
		check_model(&q, &m);
		assert_int_equal(memory_bytes, q.cap * sizeof(*q.r));
	}
	reasm_clear(&q, &memory_bytes);
	assert_int_equal(memory_bytes, 0);
	assert_int_equal(q.n, 0);
}

static void test_against_model(void **state)
{
	static const uint32_t bases[] = {0, 0x7fffff00, 0xfffffe00, 0xfffff000};
	static const unsigned limits[] = {1, 4, 1000};

	(void)state;
	for (size_t b = 0; b < sizeof(bases) / sizeof(bases[0]); b++)
		for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++)
			run_model(bases[b], limits[l], b * 10 + l);
}

static void test_touching_ranges_join(void **state)
{
	struct reasm q = {0};
	size_t memory_bytes = 0;
	uint32_t added_bytes;

	(void)state;
	assert_int_equal(reasm_add(&q, 100, 200, 9, &added_bytes, &memory_bytes), 0);
	assert_int_equal(reasm_add(&q, 300, 400, 9, &added_bytes, &memory_bytes), 0);
	assert_int_equal(q.n, 2);
	assert_int_equal(reasm_add(&q, 200, 300, 2, &added_bytes, &memory_bytes), 0);
	assert_int_equal(added_bytes, 100);
	assert_int_equal(q.n, 1);
	assert_int_equal(q.r[0].start, 100);
	assert_int_equal(q.r[0].end, 400);
	assert_int_equal(reasm_advance(&q, 99), 99);
	assert_int_equal(reasm_advance(&q, 100), 400);
	assert_int_equal(q.n, 0);
	reasm_clear(&q, &memory_bytes);
}

/* A duplicate brings its range to the front again (RFC 2018 4). */
static void test_duplicate_is_reported_first(void **state)
{
	struct reasm q = {.stamp = UINT32_MAX - 1}; /* the stamp wraps, too */
	struct seq_range out[SACK_BLOCKS_MAX];
	size_t memory_bytes = 0;
	uint32_t added_bytes;

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(reasm_add(&q, i * 100, i * 100 + 50, 9,
					   &added_bytes, &memory_bytes), 0);
	assert_int_equal(reasm_sack(&q, out, 4), 3);
	assert_int_equal(out[0].start, 300);
	assert_int_equal(out[2].start, 100);
	assert_int_equal(reasm_add(&q, 110, 120, 9, &added_bytes, &memory_bytes), 0);
	assert_int_equal(added_bytes, 0);
	assert_int_equal(reasm_sack(&q, out, 2), 2);
	assert_int_equal(out[0].start, 100);
	assert_int_equal(out[0].end, 150);
	assert_int_equal(out[1].start, 300);
	reasm_clear(&q, &memory_bytes);
}

/* The array's 16-bit indices are the last limit. */
static void test_most_ranges(void **state)
{
	struct reasm q = {0};
	size_t memory_bytes = 0;
	uint32_t added_bytes;

	(void)state;
	for (uint32_t i = 0; i < UINT16_MAX; i++)
		assert_int_equal(reasm_add(&q, i * 2, i * 2 + 1, UINT32_MAX,
					   &added_bytes, &memory_bytes), 0);
	assert_int_equal(reasm_add(&q, 1u << 20, (1u << 20) + 1, UINT32_MAX,
				   &added_bytes, &memory_bytes), -ENOBUFS);
	assert_int_equal(q.n, UINT16_MAX);
	assert_int_equal(reasm_add(&q, 1, 2 * UINT16_MAX, UINT32_MAX,
				   &added_bytes, &memory_bytes), 0);
	assert_int_equal(added_bytes, UINT16_MAX);
	assert_int_equal(q.n, 1);
	reasm_clear(&q, &memory_bytes);
	assert_int_equal(memory_bytes, 0);
}

static void test_out_of_memory(void **state)
{
	struct reasm q = {0};
	size_t memory_bytes = 0;
	uint32_t added_bytes, i;

	(void)state;
	oom_after(0);
	assert_int_equal(reasm_add(&q, 1, 2, 9, &added_bytes, &memory_bytes), -ENOMEM);
	assert_true(oom_happened());
	for (i = 0; i == 0 || q.n < q.cap; i++)
		assert_int_equal(reasm_add(&q, i * 10, i * 10 + 5, 99,
					   &added_bytes, &memory_bytes), 0);
	oom_after(0);
	assert_int_equal(reasm_add(&q, i * 10, i * 10 + 5, 99, &added_bytes,
				   &memory_bytes), -ENOMEM);
	assert_true(oom_happened());
	assert_int_equal(added_bytes, 0);
	assert_int_equal(q.n, i);
	assert_int_equal(reasm_end(&q, 0), (i - 1) * 10 + 5);
	reasm_clear(&q, &memory_bytes);
	assert_int_equal(memory_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_touching_ranges_join),
		cmocka_unit_test(test_duplicate_is_reported_first),
		cmocka_unit_test(test_most_ranges),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("reasm", tests, NULL, NULL);
}
