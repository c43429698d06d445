/* test_config.c - the table of knobs: names, ranges, the environment, help. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../shim/config.h"

static struct config c;
static char why[1024];

static int setup(void **state)
{
	(void)state;
	memset(&c, 0xa5, sizeof(c));
	memset(why, 0, sizeof(why));
	config_defaults(&c);
	return 0;
}

static int set(const char *name, const char *value)
{
	return config_set(&c, name, value, why, sizeof(why));
}

static void test_defaults(void **state)
{
	struct engine_config e;

	(void)state;
	memset(&e, 0, sizeof(e));
	engine_config_defaults(&e);
	assert_memory_equal(&e, &c.engine, sizeof(e));
	assert_int_equal(c.linger_ms, 10000);
	assert_int_equal(c.engine.msl_ms, 30000);
	assert_int_equal(c.engine.initcwnd_segs, 10);
	assert_true(c.link.gso);
	assert_string_equal(c.trace, "");
}

/* Every default is a value that the knob itself would accept, and setting one
 * knob changes that one only. */
static void test_number_in_range(void **state)
{
	struct config before = c;

	(void)state;
	assert_int_equal(set("msl_ms", "1"), 0);
	assert_int_equal(c.engine.msl_ms, 1);
	before.engine.msl_ms = 1;
	assert_memory_equal(&before, &c, sizeof(c));
	assert_int_equal(set("delack_ms", "500"), 0);
	assert_int_equal(c.engine.delack_ms, 500);
	assert_int_equal(set("syn_retries", "0"), 0);
	assert_int_equal(c.engine.syn_retries, 0);
	assert_int_equal(set("linger_ms", "25"), 0);
	assert_int_equal(c.linger_ms, 25);
}

static void test_number_refused(void **state)
{
	static const char *const bad[] = {"", "501", "-1", "+1", " 1", "1 ", "1K",
					  "0x10", "many", "99999999999999999999",
					  "4294967297", "1.5"};
	struct config before = c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		assert_int_equal(set("delack_ms", bad[i]), -EINVAL);
		assert_non_null(strstr(why, "delack_ms"));
		assert_non_null(strstr(why, "0 to 500"));
		assert_null(strchr(why, '\n'));
	}
	assert_memory_equal(&before, &c, sizeof(c));
}

static void test_size(void **state)
{
	(void)state;
	assert_int_equal(set("sndbuf", "65536"), 0);
	assert_int_equal(c.engine.sndbuf_bytes, 65536);
	assert_int_equal(set("sndbuf", "64k"), 0);
	assert_int_equal(c.engine.sndbuf_bytes, 65536);
	assert_int_equal(set("rcvbuf", "4M"), 0);
	assert_int_equal(c.engine.rcvbuf_bytes, 4 << 20);
	assert_int_equal(set("raw_rcvbuf", "1G"), 0);
	assert_int_equal(c.link.rcvbuf_bytes, 1 << 30);
	assert_int_equal(set("sndbuf", "2G"), -EINVAL);
	assert_int_equal(set("sndbuf", "4MB"), -EINVAL);
	assert_int_equal(set("sndbuf", "4T"), -EINVAL);
	assert_int_equal(set("sndbuf", "1K"), -EINVAL);
	assert_int_equal(c.engine.sndbuf_bytes, 65536);
}

static void test_switch(void **state)
{
	static const char *const names[] = {"sack", "timestamps", "window_scaling", "gso"};
	const bool *const values[] = {&c.engine.sack, &c.engine.timestamps,
				      &c.engine.window_scaling, &c.link.gso};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(set(names[i], "off"), 0);
		assert_false(*values[i]);
		assert_int_equal(set(names[i], "1"), 0);
		assert_true(*values[i]);
		assert_int_equal(set(names[i], "0"), 0);
		assert_false(*values[i]);
		assert_int_equal(set(names[i], "on"), 0);
		assert_true(*values[i]);
		assert_int_equal(set(names[i], "maybe"), -EINVAL);
		assert_true(*values[i]);
		assert_non_null(strstr(why, "on, off"));
	}
}

static void test_trace(void **state)
{
	char longest[sizeof(c.trace) + 1];

	(void)state;
	assert_int_equal(set("trace", "-"), 0);
	assert_string_equal(c.trace, "-");
	assert_true(c.engine.trace);
	assert_int_equal(set("trace", ""), 0);
	assert_string_equal(c.trace, "");
	assert_false(c.engine.trace);
	assert_int_equal(set("trace", "on"), 0);
	assert_string_equal(c.trace, "-");
	assert_int_equal(set("trace", "off"), 0);
	assert_false(c.engine.trace);
	assert_int_equal(set("trace", "/tmp/ladder"), 0);
	assert_string_equal(c.trace, "/tmp/ladder");
	assert_true(c.engine.trace);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(set("trace", longest), -EINVAL);
	assert_string_equal(c.trace, "/tmp/ladder");
}

static void test_unknown_name(void **state)
{
	char tiny[24];

	(void)state;
	assert_int_equal(set("colour", "1"), -ENOENT);
	assert_non_null(strstr(why, "\"colour\""));
	assert_non_null(strstr(why, " msl_ms"));
	assert_non_null(strstr(why, " window_scaling"));
	assert_null(strchr(why, '\n'));
	assert_int_equal(set("MSL_MS", "1"), -ENOENT);
	assert_int_equal(set("", "1"), -ENOENT);
	assert_int_equal(config_set(&c, "colour", "1", tiny, sizeof(tiny)), -ENOENT);
	assert_true(strlen(tiny) < sizeof(tiny));
}

static int from_env(char *const envp[])
{
	return config_from_env(&c, envp, why, sizeof(why));
}

static void test_environment(void **state)
{
	char *good[] = {(char *)"HOME=/", (char *)"MYTCP_MSL_MS=7",
			(char *)"XMYTCP_SACK=off", (char *)"MYTCP=1",
			(char *)"MYTCP_SACK=off", (char *)"MYTCP_TRACE=a=b", NULL};
	char *value[] = {(char *)"MYTCP_SACK=perhaps", NULL};
	char *name[] = {(char *)"MYTCP_NO_SUCH_THING=1", NULL};
	char *no_value[] = {(char *)"MYTCP_SACK", NULL};
	char *none[] = {NULL};

	(void)state;
	assert_int_equal(from_env(none), 0);
	assert_int_equal(from_env(good), 0);
	assert_int_equal(c.engine.msl_ms, 7);
	assert_false(c.engine.sack);
	assert_string_equal(c.trace, "a=b");
	assert_int_equal(from_env(value), -EINVAL);
	assert_int_equal(from_env(name), -ENOENT);
	assert_non_null(strstr(why, "\"no_such_thing\""));
	assert_int_equal(from_env(no_value), 0);
}

static void test_together(void **state)
{
	char *env[] = {(char *)"MYTCP_RTO_MIN_MS=900", (char *)"MYTCP_RTO_MAX_MS=800", NULL};

	(void)state;
	assert_int_equal(from_env(env), -EINVAL);
	assert_non_null(strstr(why, "rto_min_ms (900) is above rto_max_ms (800)"));
}

/* Every line of the help is a knob that can be set to the default it shows. */
static void test_help(void **state)
{
	char name[64], value[64], *text = NULL, *line, *next;
	size_t size, lines = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	config_print(out);
	assert_int_equal(fclose(out), 0);
	for (line = text; *line; line = next) {
		next = strchr(line, '\n') + 1;
		assert_int_equal(sscanf(line, " %63s %63s", name, value), 2);
		assert_int_equal(set(name, value), 0);
		assert_in_range(next - line, 20, 100);
		lines++;
	}
	assert_in_range(lines, 20, 40);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, setup),
		cmocka_unit_test_setup(test_number_in_range, setup),
		cmocka_unit_test_setup(test_number_refused, setup),
		cmocka_unit_test_setup(test_size, setup),
		cmocka_unit_test_setup(test_switch, setup),
		cmocka_unit_test_setup(test_trace, setup),
		cmocka_unit_test_setup(test_unknown_name, setup),
		cmocka_unit_test_setup(test_environment, setup),
		cmocka_unit_test_setup(test_together, setup),
		cmocka_unit_test_setup(test_help, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
