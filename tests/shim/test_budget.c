/* test_budget.c - what strangers may cost, together and each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../shim/budget.h"

static const uint8_t key[16] = "a secret of ours";

static struct ip_addr host(unsigned n)
{
	return (struct ip_addr){.b = {[10] = 0xff, [11] = 0xff, 10, 0, (uint8_t)(n >> 8),
				      (uint8_t)n}};
}

static unsigned takes(struct budget *b, unsigned n, unsigned times, uint64_t now_us)
{
	struct ip_addr a = host(n);
	unsigned taken = 0;

	while (times--)
		taken += budget_take(b, key, &a, now_us);
	return taken;
}

static void one_leaves_something_for_others(void **state)
{
	struct budget b = {0};

	(void)state;
	assert_int_equal(takes(&b, 1, 100000, 5000000), BUDGET_ONE);
	assert_int_equal(takes(&b, 2, 50, 5000000), 50);
	assert_int_equal(takes(&b, 2, 100, 5999999), BUDGET_ONE - 50);
	assert_int_equal(takes(&b, 1, 1, 5999999), 0);
	assert_int_equal(takes(&b, 1, 100000, 6000000), BUDGET_ONE);
}

static void all_are_bounded(void **state)
{
	struct budget b = {0};
	unsigned taken = 0, n;

	(void)state;
	for (n = 0; n < 5000; n++)
		taken += takes(&b, n, 3, 0);
	assert_int_equal(taken, BUDGET_ALL);
	assert_int_equal(takes(&b, 7, 1, 999999), 0);
	assert_int_equal(takes(&b, 7, 1, 1000000), 1);
}

/* Many hosts do not all meet in one count. */
static void sources_are_spread(void **state)
{
	struct budget b = {0};
	unsigned n, shared = 0;

	(void)state;
	assert_int_equal(takes(&b, 0, 1000, 0), BUDGET_ONE);
	for (n = 1; n <= 300; n++)
		shared += takes(&b, n, 1, 0) == 0;
	assert_in_range(shared, 0, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_leaves_something_for_others),
		cmocka_unit_test(all_are_bounded),
		cmocka_unit_test(sources_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
