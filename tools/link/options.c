/* options.c - see options.h. One table has the options that describe a lane, each
 * of which may be given for one direction alone; a second table has the others. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MTU_MIN_BYTES = 68, MTU_MAX_BYTES = 65535, /* RFC 791 */
	QUEUE_MIN_BYTES = 48000, /* of the default: 32 packets of 1500 */
};
#define RATE_MIN_BIT_S 1000ull
#define RATE_MAX_BIT_S 1000000000000ull
#define TIME_MAX_NS (60 * 1000000000ull)

/* ---- values -------------------------------------------------------------- */

/* A number at the start of s; *end is behind it. */
static bool number(const char *s, char **end, double *value)
{
	if (!isdigit((unsigned char)*s) && *s != '.')
		return false;
	errno = 0;
	*value = strtod(s, end);
	return !errno && *end != s;
}

static bool whole(const char *s, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*value = strtoull(s, &end, 10);
	return !errno && !*end && *value >= min && *value <= max;
}

/* The factor that a suffix stands for; 0: it is none. */
static double factor(const char *suffix)
{
	static const char names[] = "KMG";
	double f = 1;

	if (!*suffix)
		return 1;
	for (const char *n = names; *n; n++) {
		f *= 1000;
		if (toupper((unsigned char)suffix[0]) == *n && !suffix[1])
			return f;
	}
	return 0;
}

static bool parse_rate(const char *s, uint64_t *rate_bit_s)
{
	double v;
	char *end;

	if (!number(s, &end, &v))
		return false;
	v *= factor(end);
	if (v < RATE_MIN_BIT_S || v > RATE_MAX_BIT_S)
		return false;
	*rate_bit_s = (uint64_t)v;
	return true;
}

static bool parse_time(const char *s, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	double v;
	char *end;

	if (!number(s, &end, &v))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name) && v * units[i].ns <= TIME_MAX_NS) {
			*ns = (uint64_t)(v * units[i].ns);
			return true;
		}
	return false;
}

static bool parse_percent(const char *s, double *p)
{
	char *end;

	if (!number(s, &end, p) || strcmp(end, "%") != 0 || *p > 100)
		return false;
	*p /= 100;
	return true;
}

/* Splits "x,y", of which x is copied into first. */
static const char *comma(const char *s, char first[32])
{
	const char *c = strchr(s, ',');

	if (!c || (size_t)(c - s) >= 32)
		return NULL;
	memcpy(first, s, (size_t)(c - s));
	first[c - s] = '\0';
	return c + 1;
}

static bool parse_limit(const char *s, struct lane_limit *limit)
{
	double v;
	char *end;

	if (!number(s, &end, &v))
		return false;
	*limit = (struct lane_limit){0};
	if (!strcmp(end, "p")) {
		limit->packets = (uint64_t)v;
		return v >= 1 && v <= LANE_HELD_MAX_BYTES;
	}
	v *= factor(end);
	limit->bytes = (uint64_t)v;
	return v >= 1 && v <= LANE_HELD_MAX_BYTES;
}

/* ---- options of a lane --------------------------------------------------- */

static bool set_rate(struct lane_params *p, const char *s)
{
	return parse_rate(s, &p->rate_bit_s);
}

static bool set_delay(struct lane_params *p, const char *s)
{
	return parse_time(s, &p->delay_ns);
}

static bool set_jitter(struct lane_params *p, const char *s)
{
	return parse_time(s, &p->jitter_ns);
}

static bool set_loss(struct lane_params *p, const char *s)
{
	return parse_percent(s, &p->loss);
}

static bool set_burst_loss(struct lane_params *p, const char *s)
{
	char enter[32];

	s = comma(s, enter);
	return s && parse_percent(enter, &p->burst_enter) &&
	       parse_percent(s, &p->burst_leave) && p->burst_leave > 0;
}

static bool set_reorder(struct lane_params *p, const char *s)
{
	char share[32];

	s = comma(s, share);
	return s && parse_percent(share, &p->reorder) && parse_time(s, &p->reorder_ns);
}

static bool set_duplicate(struct lane_params *p, const char *s)
{
	return parse_percent(s, &p->duplicate);
}

static bool set_corrupt(struct lane_params *p, const char *s)
{
	return parse_percent(s, &p->corrupt);
}

static bool set_mtu(struct lane_params *p, const char *s)
{
	uint64_t v;

	if (!whole(s, MTU_MIN_BYTES, MTU_MAX_BYTES, &v))
		return false;
	p->mtu_bytes = (uint32_t)v;
	return true;
}

static bool set_queue(struct lane_params *p, const char *s)
{
	return parse_limit(s, &p->queue);
}

static bool set_ecn_mark(struct lane_params *p, const char *s)
{
	return parse_limit(s, &p->mark);
}

static const struct lane_option {
	const char *name, *value;
	bool (*set)(struct lane_params *p, const char *s);
	const char *possible, *help;
} lane_options[] = {
	{"rate", "R", set_rate, "1K to 1000G (bits per second)",
	 "bits per second, with K, M or G; default: no limit"},
	{"delay", "T", set_delay, "0ms to 60s, with us, ms or s",
	 "one way, with us, ms or s; default 0"},
	{"jitter", "T", set_jitter, "0ms to 60s, with us, ms or s",
	 "up to so much more delay, evenly; keeps the order"},
	{"loss", "P", set_loss, "0% to 100%", "packets lost, each by itself"},
	{"burst-loss", "P,R", set_burst_loss, "two of 0% to 100%, the second above 0%",
	 "Gilbert: P begins a burst of losses, R ends it"},
	{"reorder", "P,T", set_reorder, "0% to 100%, a comma, 0ms to 60s",
	 "P of the packets are held back by T"},
	{"duplicate", "P", set_duplicate, "0% to 100%", "packets that come twice"},
	{"corrupt", "P", set_corrupt, "0% to 100%", "packets with a bit turned over"},
	{"mtu", "N", set_mtu, "68 to 65535", "larger packets are dropped"},
	{"queue", "N", set_queue, "1 to 67M bytes, or packets as in 100p",
	 "bytes (K, M) or packets (100p) that wait for the rate;\n"
	 "                      default: one round trip at that rate, at least 48K"},
	{"ecn-mark", "N", set_ecn_mark, "1 to 67M bytes, or packets as in 20p",
	 "mark ECN-capable packets when more than this waits"},
};
enum { LANE_OPTIONS = sizeof(lane_options) / sizeof(lane_options[0]) };

/* Also which sides it is for. */
static const struct lane_option *find_lane_option(const char *name, bool sides[2])
{
	sides[SIDE_A] = sides[SIDE_B] = true;
	if (!strncmp(name, "ab-", 3) || !strncmp(name, "ba-", 3)) {
		sides[SIDE_A] = name[0] == 'a';
		sides[SIDE_B] = !sides[SIDE_A];
		name += 3;
	}
	for (int i = 0; i < LANE_OPTIONS; i++)
		if (!strcmp(lane_options[i].name, name))
			return &lane_options[i];
	return NULL;
}

static bool set_lanes(struct options *o, const struct lane_option *op, const bool sides[2],
		      const char *s)
{
	for (int side = SIDE_A; side <= SIDE_B; side++)
		if (sides[side] && !op->set(&o->lane[side], s))
			return false;
	return true;
}

/* ---- the other options --------------------------------------------------- */

static bool set_a(struct options *o, const char *s)
{
	o->end[SIDE_A].netns = s;
	return *s;
}

static bool set_b(struct options *o, const char *s)
{
	o->end[SIDE_B].netns = s;
	return *s;
}

static bool set_a_address(struct options *o, const char *s)
{
	o->end[SIDE_A].address = s;
	return *s;
}

static bool set_b_address(struct options *o, const char *s)
{
	o->end[SIDE_B].address = s;
	return *s;
}

static bool set_device(struct options *o, const char *s)
{
	o->device = s;
	return *s && strlen(s) < IFNAMSIZ && !strpbrk(s, "/ %:") && s[0] != '.';
}

static bool set_device_mtu(struct options *o, const char *s)
{
	uint64_t v;

	if (!whole(s, MTU_MIN_BYTES, MTU_MAX_BYTES, &v))
		return false;
	o->device_mtu_bytes = (uint32_t)v;
	return true;
}

static bool set_seed(struct options *o, const char *s)
{
	return whole(s, 0, UINT64_MAX, &o->seed);
}

static bool set_report(struct options *o, const char *s)
{
	o->report = s;
	return *s;
}

static bool set_icmp(struct options *o, const char *s)
{
	(void)s;
	return o->icmp[SIDE_A] = o->icmp[SIDE_B] = true;
}

static bool set_json(struct options *o, const char *s)
{
	(void)s;
	return o->json = true;
}

static bool set_help(struct options *o, const char *s)
{
	(void)s;
	return o->help = true;
}

static bool set_version(struct options *o, const char *s)
{
	(void)s;
	return o->version = true;
}

static const struct option {
	const char *name, *value; /* NULL: takes none */
	bool (*set)(struct options *o, const char *s);
	const char *possible, *help;
} options[] = {
	{"a", "NETNS", set_a, "a name of ip netns, or a path", "the namespace of one end"},
	{"b", "NETNS", set_b, "a name of ip netns, or a path",
	 "and of the other; default for one: where this runs"},
	{"a-address", "X/N", set_a_address, "IPv4 address/prefix", "the device's address there"},
	{"b-address", "X/N", set_b_address, "IPv4 address/prefix", "and there"},
	{"if", "NAME", set_device, "a device name of at most 15 characters",
	 "of the device at both ends; default link0"},
	{"device-mtu", "N", set_device_mtu, "68 to 65535",
	 "the MTU that both ends know of; default 1500"},
	{"icmp", NULL, set_icmp, NULL, "tell the sender of what is beyond --mtu"},
	{"seed", "N", set_seed, "0 to 2^64-1", "the same seed, the same fate; default 1"},
	{"json", NULL, set_json, NULL, "the counters as JSON"},
	{"report", "FILE", set_report, "a file name",
	 "where the counters go; default: standard output"},
	{"help", NULL, set_help, NULL, "print this"},
	{"version", NULL, set_version, NULL, "print the version"},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static const struct option *find_option(const char *name)
{
	for (int i = 0; i < OPTIONS; i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

/* ---- all of it ----------------------------------------------------------- */

/* A queue that nobody gave holds what the rate passes in a round trip. */
static void default_queue(struct options *o, int side)
{
	struct lane_params *p = &o->lane[side];
	double rtt_s = (double)(o->lane[SIDE_A].delay_ns + o->lane[SIDE_B].delay_ns) / 1e9;
	double bytes = (double)p->rate_bit_s / 8 * rtt_s;

	if (!p->rate_bit_s || p->queue.bytes || p->queue.packets)
		return;
	if (bytes < QUEUE_MIN_BYTES)
		bytes = QUEUE_MIN_BYTES;
	if (bytes > LANE_HELD_MAX_BYTES)
		bytes = LANE_HELD_MAX_BYTES;
	p->queue.bytes = (uint64_t)bytes;
}

/* Takes argv[*i], with its value, which may be the next. */
static bool take_option(struct options *o, int argc, char *argv[], int *i, char why[WHY_MAX])
{
	const char *arg = argv[*i] + 2, *eq = strchr(arg, '='), *value = eq ? eq + 1 : NULL;
	const struct lane_option *lane_option;
	const struct option *option;
	const char *wants, *possible;
	bool sides[2];
	char name[40];

	snprintf(name, sizeof(name), "%.*s", eq ? (int)(eq - arg) : (int)sizeof(name), arg);
	option = find_option(name);
	lane_option = option ? NULL : find_lane_option(name, sides);
	if (!option && !lane_option) {
		snprintf(why, WHY_MAX, "unknown option --%s; --help lists them", name);
		return false;
	}
	wants = option ? option->value : lane_option->value;
	possible = option ? option->possible : lane_option->possible;
	if (wants && !value && *i + 1 < argc)
		value = argv[++*i];
	if (wants && !value)
		snprintf(why, WHY_MAX, "--%s needs a value; possible: %s", name, possible);
	else if (!wants && value)
		snprintf(why, WHY_MAX, "--%s takes no value", name);
	else if (option ? option->set(o, value) : set_lanes(o, lane_option, sides, value))
		return true;
	else
		snprintf(why, WHY_MAX, "--%s cannot be \"%.60s\"; possible: %s", name, value,
			 possible);
	return false;
}

bool options_parse(struct options *o, int argc, char *argv[], char why[WHY_MAX])
{
	int i;

	*o = (struct options){.device = "link0", .device_mtu_bytes = 1500, .seed = 1};
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			snprintf(why, WHY_MAX, "\"%.60s\" is no option; a command comes after --",
				 argv[i]);
			return false;
		}
		if (!take_option(o, argc, argv, &i, why))
			return false;
	}
	if (i + 1 < argc)
		o->command = argv + i + 1;
	default_queue(o, SIDE_A);
	default_queue(o, SIDE_B);
	if (!o->help && !o->version && !o->end[SIDE_A].netns && !o->end[SIDE_B].netns) {
		snprintf(why, WHY_MAX, "which network namespaces? --a NETNS --b NETNS");
		return false;
	}
	return true;
}

static void help_line(const char *name, const char *value, const char *help)
{
	char left[32];

	snprintf(left, sizeof(left), "--%s%s%s", name, value ? " " : "", value ? value : "");
	printf("  %-19s %s\n", left, help);
}

void options_help(void)
{
	printf("usage: mytcp-link --a NETNS --b NETNS [options] [-- COMMAND [ARGS...]]\n"
	       "Joins two network namespaces by a link that is as bad as you say, until COMMAND\n"
	       "ends or a signal comes; then prints what happened to the packets.\n\n");
	for (int i = 0; i < OPTIONS; i++)
		help_line(options[i].name, options[i].value, options[i].help);
	printf("\nThe link, both ways; with ab- or ba- before the name, one way:\n");
	for (int i = 0; i < LANE_OPTIONS; i++)
		help_line(lane_options[i].name, lane_options[i].value, lane_options[i].help);
}
