/* test_seq.c - comparisons of sequence numbers across the wrap. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../engine/seq.h"

static const uint32_t bases[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
static const uint32_t steps[] = {1, 2, 0x10000, 0x40000000, 0x7fffffff};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bases); i++) {
		for (size_t k = 0; k < COUNT(steps); k++) {
			uint32_t a = bases[i], b = a + steps[k];

			assert_true(seq_lt(a, b) && !seq_lt(b, a));
			assert_true(seq_leq(a, b) && !seq_leq(b, a));
			assert_true(seq_gt(b, a) && !seq_gt(a, b));
			assert_true(seq_geq(b, a) && !seq_geq(a, b));
			assert_int_equal(seq_diff(b, a), (int32_t)steps[k]);
			assert_int_equal(seq_diff(a, b), -(int32_t)steps[k]);
			assert_int_equal(seq_max(a, b), b);
			assert_int_equal(seq_max(b, a), b);
			assert_int_equal(seq_min(a, b), a);
			assert_int_equal(seq_min(b, a), a);
		}
	}
}

static void test_equal(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bases); i++) {
		uint32_t a = bases[i];

		assert_false(seq_lt(a, a) || seq_gt(a, a));
		assert_true(seq_leq(a, a) && seq_geq(a, a));
		assert_int_equal(seq_diff(a, a), 0);
		assert_int_equal(seq_max(a, a), a);
		assert_int_equal(seq_min(a, a), a);
	}
}

static void test_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bases); i++) {
		uint32_t from = bases[i];

		assert_false(seq_in(from, from, 0));
		assert_true(seq_in(from, from, 1));
		assert_false(seq_in(from + 1, from, 1));
		assert_false(seq_in(from - 1, from, 1000));
		assert_true(seq_in(from + 999, from, 1000));
		assert_false(seq_in(from + 1000, from, 1000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_in),
	};

	return cmocka_run_group_tests_name("seq", tests, NULL, NULL);
}
