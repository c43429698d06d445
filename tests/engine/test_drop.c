/* test_drop.c - names of drop reasons and states. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../engine/engine.h"

static void test_drop_names_differ(void **state)
{
	(void)state;
	for (int d = 0; d < DROP_COUNT; d++) {
		const char *name = drop_name((enum drop)d);

		assert_non_null(name);
		assert_true(strlen(name) > 3 && strlen(name) < 40);
		assert_string_not_equal(name, drop_name(DROP_COUNT));
		for (int other = 0; other < d; other++)
			assert_string_not_equal(name, drop_name((enum drop)other));
	}
}

static void test_drop_names_fit(void **state)
{
	(void)state;
	assert_string_equal(drop_name(DROP_NONE), "taken");
	assert_string_equal(drop_name(DROP_PAWS), "old timestamp (PAWS)");
	assert_string_equal(drop_name(DROP_WINDOW), "outside the window");
	assert_string_equal(drop_name(DROP_STATE), "not expected in this state");
	assert_string_equal(drop_name(DROP_COUNT), "unknown");
}

static void test_state_names(void **state)
{
	(void)state;
	static const char *const names[] = {
		"unknown", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED",
		"FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED",
		"CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "unknown",
	};

	for (unsigned s = 0; s < sizeof(names) / sizeof(names[0]); s++)
		assert_string_equal(tcp_state_name((enum tcp_state)s), names[s]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_names_differ),
		cmocka_unit_test(test_drop_names_fit),
		cmocka_unit_test(test_state_names),
	};

	return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
