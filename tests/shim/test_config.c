/* test_config.c - the table of knobs: names, ranges, the environment, help. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../shim/config.h"
#include "../../shim/knobs.h"

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
	return config_set(&c, FROM_OPTION, name, value, why, sizeof(why));
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
	assert_memory_equal(&before, &c, offsetof(struct config, from));
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
	assert_int_equal(config_set(&c, FROM_OPTION, "colour", "1", tiny, sizeof(tiny)), -ENOENT);
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
	char name[64], again[80], value[64], *text = NULL, *line, *next;
	size_t size, lines = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	config_print(out);
	assert_int_equal(fclose(out), 0);
	for (line = text; *line; line = next) {
		next = strchr(line, '\n') + 1;
		assert_int_equal(sscanf(line, " %63s %63s", name, value), 2);
		snprintf(again, sizeof(again), "\n  %s ", name);
		assert_null(strstr(next - 1, again)); /* none is there twice */
		assert_int_equal(set(name, value), 0);
		assert_in_range(next - line, 20, 100);
		lines++;
	}
	assert_in_range(lines, 20, CONFIG_KNOBS_MAX);
	free(text);
}

/* ---- the kernel's sysctls -------------------------------------------------- */

static char sysctl_dir[] = "/tmp/test_config.XXXXXX";

static const char *sysctl_path(const char *family, const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s/%s", sysctl_dir, family, name);
	return path;
}

static int make_sysctl_dir(void **state)
{
	strcpy(strchr(sysctl_dir, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(sysctl_dir));
	return mkdir(sysctl_path("ipv4", ""), 0700) || mkdir(sysctl_path("ipv6", ""), 0700) ||
	       setup(state);
}

static int remove_sysctls(const char *family)
{
	DIR *d = opendir(sysctl_path(family, ""));
	struct dirent *e;

	while ((e = readdir(d)))
		unlink(sysctl_path(family, e->d_name));
	closedir(d);
	return rmdir(sysctl_path(family, ""));
}

static int remove_sysctl_dir(void **state)
{
	(void)state;
	return remove_sysctls("ipv4") || remove_sysctls("ipv6") || rmdir(sysctl_dir);
}

static void sysctl_of(const char *family, const char *name, const char *text)
{
	FILE *f = fopen(sysctl_path(family, name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void sysctl(const char *name, const char *text)
{
	sysctl_of("ipv4", name, text);
}

/* The line of a knob, as "NAME VALUE FROM". */
static void shown(const char *name, char line[256])
{
	char *text = NULL, *at, is[3][80];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_show(out, &c);
	assert_int_equal(fclose(out), 0);
	for (at = text; at; at = strchr(at, '\n') + 1) {
		assert_int_equal(sscanf(at, "%79s %79s %79s", is[0], is[1], is[2]), 3);
		if (strcmp(is[0], name) == 0)
			break;
	}
	snprintf(line, 256, "%s %s %s", is[0], is[1], is[2]);
	free(text);
}

#define assert_shown(name, want) \
	do { \
		char line_[256]; \
		shown(name, line_); \
		assert_string_equal(line_, name " " want); \
	} while (0)

/* What nobody has set follows; the rest stays. */
static void refreshed(void **state)
{
	int dir = open(sysctl_dir, O_PATH | O_DIRECTORY);

	(void)state;
	sysctl("tcp_keepalive_time", "100\n");
	sysctl("tcp_retries2", "7\n");
	config_defaults(&c);
	config_from_sysctl(&c, sysctl_dir);
	assert_int_equal(config_set(&c, FROM_OPTION, "retries", "9", why, sizeof(why)), 0);
	assert_false(config_refresh(&c, dir));
	sysctl("tcp_keepalive_time", "200\n");
	sysctl("tcp_retries2", "8\n");
	assert_true(config_refresh(&c, dir));
	assert_int_equal(c.engine.keepalive_idle_s, 200);
	assert_int_equal(c.engine.retries, 9);
	assert_false(config_refresh(&c, dir));
	close(dir);
}

static void test_sysctl(void **state)
{
	(void)state;
	sysctl("tcp_sack", "0\n");
	sysctl("tcp_timestamps", "2\n"); /* on, without a random offset */
	sysctl("tcp_fin_timeout", "30\n");
	sysctl("tcp_rto_min_us", "5001\n");
	sysctl("tcp_rto_max_ms", "60000\n");
	sysctl("tcp_retries2", "5\n");
	sysctl("tcp_orphan_retries", "0\n");
	sysctl("tcp_syncookies", "2\n");
	sysctl("tcp_recovery", "2\n");
	sysctl("tcp_ecn", "1\n");
	sysctl("tcp_mem", "1 2 2000000\n");
	sysctl("tcp_fastopen", "1027\n");
	sysctl("tcp_min_snd_mss", "500\n");
	sysctl("tcp_wmem", "4096\t8192\t65536\n");
	sysctl("tcp_rmem", "50 100 200000\n");
	sysctl("ip_no_pmtu_disc", "1\n");
	sysctl("ip_default_ttl", "32\n");
	sysctl_of("ipv6", "bindv6only", "1\n");
	c.engine.orphan_retries = 1;
	config_from_sysctl(&c, sysctl_dir);
	assert_false(c.engine.sack);
	assert_true(c.engine.timestamps);
	assert_int_equal(c.engine.fin_timeout_ms, 30000);
	assert_int_equal(c.engine.rto_min_ms, 6);
	assert_int_equal(c.engine.rto_max_ms, 60000);
	assert_int_equal(c.engine.retries, 5);
	assert_int_equal(c.engine.orphan_retries, 8);
	assert_int_equal(c.mtu_discover, IP_PMTUDISC_DONT);
	assert_int_equal(c.ttl, 32);
	assert_int_equal(c.hop_limit, 64);
	assert_true(c.v6only);
	assert_shown("v6only", "on net.ipv6.bindv6only");
	assert_int_equal(c.engine.syncookies, 2);
	assert_false(c.engine.rack);
	assert_int_equal(c.engine.ecn, 1);
	assert_true(c.engine.memory_max_bytes == 2000000 * (uint64_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(c.engine.fastopen, 1027);
	assert_int_equal(c.engine.mss_min_bytes, 500);
	assert_int_equal(c.engine.sndbuf_bytes, 8192);
	assert_int_equal(c.engine.sndbuf_max_bytes, 65536);
	assert_int_equal(c.engine.rcvbuf_bytes, 2048); /* from 100 */
	assert_int_equal(c.engine.rcvbuf_max_bytes, 200000);
	assert_true(c.engine.window_scaling);     /* has no file */
	assert_int_equal(c.engine.syn_retries, 6); /* nor this */
}

#define KEY "00112233-44556677-8899aabb-ccddeeff"

/* The bytes are those of Linux's TCP_FASTOPEN_KEY. */
static void test_fastopen_key(void **state)
{
	static const uint8_t key[] = {0x33, 0x22, 0x11, 0x00, 0x77, 0x66, 0x55, 0x44,
				      0xbb, 0xaa, 0x99, 0x88, 0xff, 0xee, 0xdd, 0xcc};
	static const char *const wrong[] = {
		"", "1", "1-2-3", "1-2-3-", "1-2-3-4-", "1-2-3-4,", "1-2-3-4 ", "1-2-3-4,5",
		"1-2-3-4,1-2-3-4,", "1-2-3-4,1-2-3-4,1-2-3-4", "x-2-3-4", " 1-2-3-4",
		"0x1-2-3-4", "-1-2-3-4", "123456789-2-3-4", "Random", KEY "\n",
	};
	struct fastopen_keys *k = &c.engine.fastopen_keys;

	(void)state;
	assert_shown("fastopen_key", "random built-in");
	assert_int_equal(set("fastopen_key", KEY), 0);
	assert_int_equal(k->n, 1);
	assert_memory_equal(k->key[0], key, sizeof(key));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(set("fastopen_key", wrong[i]), -EINVAL);
		assert_memory_equal(k->key[0], key, sizeof(key));
	}
	assert_non_null(strstr(why, "fastopen_key cannot be that; possible: random,"));
	assert_int_equal(set("fastopen_key", "1-A-3-ffffffff," KEY), 0);
	assert_int_equal(k->n, 2);
	assert_memory_equal(k->key[1], key, sizeof(key));
	assert_shown("fastopen_key", "00000001-0000000a-00000003-ffffffff," KEY " --set");
	assert_int_equal(set("fastopen_key", "random"), 0);
	assert_int_equal(k->n, 0);
}

/* Zeroes are no key; and one that comes later is seen. */
static void test_fastopen_key_of_the_kernel(void **state)
{
	int dir = open(sysctl_dir, O_PATH | O_DIRECTORY);

	(void)state;
	sysctl("tcp_fastopen_key", "00000000-00000000-00000000-00000000\n");
	config_from_sysctl(&c, sysctl_dir);
	assert_int_equal(c.engine.fastopen_keys.n, 0);
	assert_shown("fastopen_key", "random built-in");
	sysctl("tcp_fastopen_key", KEY ",00000000-00000000-00000000-00000000\n");
	assert_true(config_refresh(&c, dir));
	assert_int_equal(c.engine.fastopen_keys.n, 2);
	assert_false(config_refresh(&c, dir));
	sysctl("tcp_fastopen_key", KEY "\n");
	assert_true(config_refresh(&c, dir));
	assert_shown("fastopen_key", KEY " net.ipv4.tcp_fastopen_key");
	sysctl("tcp_fastopen_key", ""); /* nothing to read */
	assert_false(config_refresh(&c, dir));
	assert_int_equal(c.engine.fastopen_keys.n, 1);
	close(dir);
}

static void test_congestion_control(void **state)
{
	(void)state;
	sysctl("tcp_congestion_control", "nosuch\n");
	config_from_sysctl(&c, sysctl_dir);
	assert_shown("cc", "cubic built-in,");
	sysctl("tcp_congestion_control", "reno\n");
	config_from_sysctl(&c, sysctl_dir);
	assert_shown("cc", "reno net.ipv4.tcp_congestion_control");
	assert_int_equal(set("cc", "reno"), 0);
	assert_shown("cc", "reno --set");
	assert_int_equal(set("cc", "nosuch"), -EINVAL);
	assert_string_equal(why, "cc cannot be \"nosuch\"; possible: cubic reno bbr, or a file: ./NAME.so");
}

/* What Linux allows and we do not is cut; what is no number is left alone. */
static void test_odd_sysctl(void **state)
{
	struct config before = c;

	(void)state;
	sysctl("tcp_retries2", "255\n");
	sysctl("tcp_fin_timeout", "4294967295\n");
	sysctl("tcp_syn_retries", "many\n");
	sysctl("tcp_synack_retries", "");
	sysctl("tcp_sack", "-1\n");
	sysctl("tcp_wmem", "4096 9000\n"); /* only two of three */
	before.engine.sndbuf_bytes = 9000;
	config_from_sysctl(&c, sysctl_dir);
	assert_int_equal(c.engine.retries, 127);
	assert_int_equal(c.engine.fin_timeout_ms, 3600000);
	before.engine.retries = 127;
	before.engine.fin_timeout_ms = 3600000;
	assert_memory_equal(&before, &c, offsetof(struct config, from));
}

static void test_no_sysctl(void **state)
{
	struct config before = c;

	(void)state;
	config_from_sysctl(&c, "/nonexistent");
	config_from_sysctl(&c, sysctl_dir); /* is empty */
	assert_memory_equal(&before, &c, sizeof(c));
}

static void test_show(void **state)
{
	char *env[] = {(char *)"MYTCP_RETRIES=7", (char *)"MYTCP_MSL_MS=9",
		       (char *)"MYTCP_TRACE=ladder", NULL};

	(void)state;
	sysctl("tcp_sack", "0\n");
	sysctl("tcp_retries2", "5\n");
	sysctl("tcp_fin_timeout", "7\n");
	config_from_sysctl(&c, sysctl_dir);
	assert_int_equal(from_env(env), 0);
	assert_int_equal(set("msl_ms", "10"), 0);
	assert_shown("initcwnd", "10 built-in");
	assert_shown("sack", "off net.ipv4.tcp_sack");
	assert_shown("fin_timeout_ms", "7000 net.ipv4.tcp_fin_timeout");
	assert_shown("retries", "7 MYTCP_RETRIES");
	assert_shown("msl_ms", "10 --set");
	assert_shown("trace", "ladder MYTCP_TRACE");
	assert_int_equal(set("trace", "-"), 0);
	assert_shown("trace", "- --trace");
}

/* The columns begin below each other, in every line. */
static void test_show_is_aligned(void **state)
{
	char *text = NULL, *line;
	size_t size, from, meaning, lines = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	config_show(out, &c);
	assert_int_equal(fclose(out), 0);
	from = strstr(text, "FROM") - text;
	meaning = strstr(text, "MEANING") - text;
	for (line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
		assert_true(line[from - 1] == ' ' && line[from] != ' ');
		assert_true(line[meaning - 1] == ' ' && line[meaning] != ' ');
		lines++;
	}
	assert_in_range(lines, 20, CONFIG_KNOBS_MAX);
	free(text);
}

/* What the library and the launcher call: sysctls of where we are, then the
 * environment. */
static void test_load(void **state)
{
	char *env[] = {(char *)"MYTCP_SYN_RETRIES=2", NULL};
	struct config want = c;
	char line[256], is[256];

	(void)state;
	config_from_sysctl(&want, CONFIG_SYSCTL_DIR);
	want.engine.syn_retries = 2;
	assert_int_equal(config_load(&c, env, why, sizeof(why)), 0);
	assert_memory_equal(&want, &c, offsetof(struct config, from));
	snprintf(line, sizeof(line), "retries %u net.ipv4.tcp_retries2",
		 want.engine.retries);
	shown("retries", is);
	assert_string_equal(is, line);
	assert_shown("syn_retries", "2 MYTCP_SYN_RETRIES");
}

/* As clearenv(3) leaves it, or before libc has set it. */
static void test_no_environment(void **state)
{
	struct config want = c;

	(void)state;
	assert_int_equal(config_from_env(&c, NULL, why, sizeof(why)), 0);
	assert_memory_equal(&want, &c, offsetof(struct config, from));
}

/* A name means one thing, and every value one name. */
static void test_knobs_are_distinct(void **state)
{
	(void)state;
	for (size_t i = 0; i < knobs_n; i++)
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(knobs[i].name, knobs[j].name);
			assert_int_not_equal(knobs[i].offset, knobs[j].offset);
		}
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
#define WITH_SYSCTLS(f) \
	cmocka_unit_test_setup_teardown(f, make_sysctl_dir, remove_sysctl_dir)
		WITH_SYSCTLS(test_sysctl),
		WITH_SYSCTLS(refreshed),
		WITH_SYSCTLS(test_odd_sysctl),
		WITH_SYSCTLS(test_no_sysctl),
		WITH_SYSCTLS(test_congestion_control),
		WITH_SYSCTLS(test_show),
		cmocka_unit_test_setup(test_fastopen_key, setup),
		WITH_SYSCTLS(test_fastopen_key_of_the_kernel),
		cmocka_unit_test_setup(test_show_is_aligned, setup),
		cmocka_unit_test_setup(test_load, setup),
		cmocka_unit_test_setup(test_no_environment, setup),
		cmocka_unit_test(test_knobs_are_distinct),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
