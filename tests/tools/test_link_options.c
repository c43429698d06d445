/* test_link_options.c - the command line of mytcp-link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/link/options.h"

static char why[WHY_MAX];

/* Splits a line at blanks and parses it, after the ends. */
static bool parse(struct options *o, const char *line)
{
	static char text[512];
	static char *argv[64];
	int argc = 0;

	snprintf(text, sizeof(text), "mytcp-link --a x --b y %s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	why[0] = '\0';
	return options_parse(o, argc, argv, why);
}

static void defaults(void **state)
{
	struct options o;

	(void)state;
	assert_true(parse(&o, ""));
	assert_string_equal(o.end[SIDE_A].netns, "x");
	assert_string_equal(o.end[SIDE_B].netns, "y");
	assert_null(o.end[SIDE_A].address);
	assert_string_equal(o.device, "link0");
	assert_int_equal(o.device_mtu_bytes, 1500);
	assert_int_equal(o.seed, 1);
	assert_null(o.command);
	assert_null(o.report);
	for (int side = SIDE_A; side <= SIDE_B; side++) {
		const struct lane_params none = {0};

		assert_memory_equal(&o.lane[side], &none, sizeof(none));
	}
}

static void values(void **state)
{
	struct options o;
	const struct lane_params *p = &o.lane[SIDE_B];

	(void)state;
	assert_true(parse(&o, "--rate 1.5M --delay=25ms --jitter 300us --loss 0.1% "
			      "--burst-loss 1%,25% --reorder 5%,10ms --duplicate 2% --corrupt 3% "
			      "--mtu 1280 --queue 100p --ecn-mark 30K --seed 42 --if wan --icmp --json"));
	assert_int_equal(p->rate_bit_s, 1500000);
	assert_int_equal(p->delay_ns, 25000000);
	assert_int_equal(p->jitter_ns, 300000);
	assert_float_equal(p->loss, 0.001, 1e-9);
	assert_float_equal(p->burst_enter, 0.01, 1e-9);
	assert_float_equal(p->burst_leave, 0.25, 1e-9);
	assert_float_equal(p->reorder, 0.05, 1e-9);
	assert_int_equal(p->reorder_ns, 10000000);
	assert_float_equal(p->duplicate, 0.02, 1e-9);
	assert_float_equal(p->corrupt, 0.03, 1e-9);
	assert_int_equal(p->mtu_bytes, 1280);
	assert_int_equal(p->queue.packets, 100);
	assert_int_equal(p->queue.bytes, 0);
	assert_int_equal(p->mark.bytes, 30000);
	assert_memory_equal(&o.lane[SIDE_A], p, sizeof(*p));
	assert_int_equal(o.seed, 42);
	assert_string_equal(o.device, "wan");
	assert_true(o.icmp[SIDE_A] && o.icmp[SIDE_B] && o.json);
}

static void one_direction(void **state)
{
	struct options o;

	(void)state;
	assert_true(parse(&o, "--loss 1% --ba-loss 0% --ab-delay 1s --ba-rate 8K"));
	assert_float_equal(o.lane[SIDE_A].loss, 0.01, 1e-9);
	assert_float_equal(o.lane[SIDE_B].loss, 0, 1e-9);
	assert_int_equal(o.lane[SIDE_A].delay_ns, 1000000000);
	assert_int_equal(o.lane[SIDE_B].delay_ns, 0);
	assert_int_equal(o.lane[SIDE_A].rate_bit_s, 0);
	assert_int_equal(o.lane[SIDE_B].rate_bit_s, 8000);
}

/* A round trip's worth, but room for some packets. */
static void queue_by_default(void **state)
{
	struct options o;

	(void)state;
	assert_true(parse(&o, "--ab-delay 30ms --ba-delay 10ms --rate 100M --ba-rate 1M"));
	assert_int_equal(o.lane[SIDE_A].queue.bytes, 500000);
	assert_int_equal(o.lane[SIDE_B].queue.bytes, 48000);
	assert_true(parse(&o, "--rate 1000G --delay 60s"));
	assert_int_equal(o.lane[SIDE_A].queue.bytes, LANE_HELD_MAX_BYTES);
	assert_true(parse(&o, "--rate 100M --delay 20ms --queue 9000"));
	assert_int_equal(o.lane[SIDE_A].queue.bytes, 9000);
}

static void command(void **state)
{
	struct options o;

	(void)state;
	assert_true(parse(&o, "--loss 1% -- cmd --loss 2%"));
	assert_string_equal(o.command[0], "cmd");
	assert_string_equal(o.command[2], "2%");
	assert_null(o.command[3]);
	assert_float_equal(o.lane[SIDE_A].loss, 0.01, 1e-9);
	assert_true(parse(&o, "--"));
	assert_null(o.command);
}

static void refuses(const char *line, const char *words)
{
	struct options o;

	if (parse(&o, line))
		fail_msg("took \"%s\"", line);
	if (!strstr(why, words))
		fail_msg("\"%s\": \"%s\" has no \"%s\"", line, why, words);
	assert_null(strchr(why, '\n'));
}

static void wrong(void **state)
{
	static const char *const lines[] = {
		"--rate 0", "--rate 999", "--rate 10X", "--rate -5M", "--rate M", "--rate 2000G",
		"--rate 10MM", "--rate nan", "--delay 5", "--delay 61s", "--delay -1ms",
		"--delay 5m", "--jitter ms", "--loss 5", "--loss 101%", "--loss -1%", "--loss %",
		"--loss 1e999%", "--burst-loss 1%", "--burst-loss 1%,", "--burst-loss 1%,0%",
		"--burst-loss ,1%", "--reorder 5%", "--reorder 5%,5", "--reorder 10ms,5%",
		"--duplicate x", "--corrupt 1.5", "--mtu 67", "--mtu 65536", "--mtu 1500x",
		"--queue 0", "--queue 0p", "--queue 5q", "--queue 100M", "--ecn-mark -1",
		"--seed -1", "--seed 1.5", "--seed 99999999999999999999", "--if a/b",
		"--if sixteen-letters-", "--if=", "--device-mtu 20", "--a=", "--report=",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuses(lines[i], " cannot be \"");
	refuses("--los 1%", "unknown option --los;");
	refuses("--aa-loss 1%", "unknown option --aa-loss");
	refuses("--loss", "--loss needs a value; possible: 0% to 100%");
	refuses("--seed", "--seed needs a value");
	refuses("--json=1", "--json takes no value");
	refuses("iperf3", "a command comes after --");
	refuses("-x", "\"-x\" is no option");
	refuses("--rate 5", "--rate cannot be \"5\"; possible: 1K to 1000G");
	refuses("--ab-loss 5", "--ab-loss cannot be \"5\"; possible: 0% to 100%");
}

static void needs_a_namespace(void **state)
{
	char name[] = "mytcp-link", loss[] = "--loss=1%", help[] = "--help", a[] = "--a=x";
	char *nowhere[] = {name, loss, NULL}, *helped[] = {name, help, NULL};
	char *half[] = {name, a, NULL};
	struct options o;

	(void)state;
	assert_false(options_parse(&o, 2, nowhere, why));
	assert_non_null(strstr(why, "--a NETNS --b NETNS"));
	assert_true(options_parse(&o, 2, helped, why));
	assert_true(o.help);
	assert_true(options_parse(&o, 2, half, why));
	assert_null(o.end[SIDE_B].netns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(values),
		cmocka_unit_test(one_direction),
		cmocka_unit_test(queue_by_default),
		cmocka_unit_test(command),
		cmocka_unit_test(wrong),
		cmocka_unit_test(needs_a_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
