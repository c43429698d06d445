/* config.c - owns the table of knobs: every name that --set and MYTCP_ take,
 * where its value lives in struct config, what is possible, what it means, and
 * which sysctl of the kernel's TCP means the same.
 *
 * Invariant: all knobs of struct config are reached through this table only, so
 * the help text, the checks and the defaults cannot disagree.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { KNOB_NUMBER, KNOB_SIZE, KNOB_SWITCH, KNOB_TRACE };

struct knob {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct config */
	uint32_t min, max;
	const char *meaning;
	const char *sysctl;    /* below net.ipv4; NULL: there is none */
	uint64_t (*ours)(uint64_t theirs); /* its number in our unit, if that differs */
};

static uint64_t seconds_to_ms(uint64_t s)
{
	return s < UINT32_MAX ? s * 1000 : UINT32_MAX;
}

static uint64_t us_to_ms(uint64_t us)
{
	return (us + 999) / 1000;
}

/* Linux's tcp_orphan_retries(): "0" is how one asks for the usual number. */
static uint64_t orphan_retries(uint64_t n)
{
	return n ? n : 8;
}

/* ip_no_pmtu_disc: whether not to. */
static uint64_t mtu_discover(uint64_t no)
{
	return no ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
}

#define IN_ENGINE(f) offsetof(struct config, engine.f)
#define IN_LINK(f) offsetof(struct config, link.f)
#define GIB (1u << 30)
#define HOUR_MS 3600000u

static const struct knob knobs[] = {
	{"trace", KNOB_TRACE, offsetof(struct config, trace), 0, 0,
	 .meaning = "print every segment and state change: - (standard error) or a file"},
	{"linger_ms", KNOB_NUMBER, offsetof(struct config, linger_ms), 0, HOUR_MS,
	 .meaning = "at exit, how long unsent bytes may make no progress"},
	{"msl_ms", KNOB_NUMBER, IN_ENGINE(msl_ms), 1, HOUR_MS,
	 .meaning = "maximum segment lifetime; TIME-WAIT lasts two"},
	{"fin_timeout_ms", KNOB_NUMBER, IN_ENGINE(fin_timeout_ms), 1, HOUR_MS,
	 .meaning = "how long a closed socket waits in FIN-WAIT-2 for the peer's FIN",
	 .sysctl = "tcp_fin_timeout", .ours = seconds_to_ms},
	{"rto_initial_ms", KNOB_NUMBER, IN_ENGINE(rto_initial_ms), 1, 120000,
	 .meaning = "retransmission timeout before the first round-trip time is known"},
	{"rto_min_ms", KNOB_NUMBER, IN_ENGINE(rto_min_ms), 1, 120000,
	 .meaning = "smallest retransmission timeout",
	 .sysctl = "tcp_rto_min_us", .ours = us_to_ms},
	{"rto_max_ms", KNOB_NUMBER, IN_ENGINE(rto_max_ms), 1, HOUR_MS,
	 .meaning = "largest retransmission timeout",
	 .sysctl = "tcp_rto_max_ms"},
	{"delack_ms", KNOB_NUMBER, IN_ENGINE(delack_ms), 0, 500,
	 .meaning = "how long an acknowledgment may wait for company"},
	{"syn_retries", KNOB_NUMBER, IN_ENGINE(syn_retries), 0, 127,
	 .meaning = "retransmissions of a SYN before connect() fails",
	 .sysctl = "tcp_syn_retries"},
	{"synack_retries", KNOB_NUMBER, IN_ENGINE(synack_retries), 0, 127,
	 .meaning = "retransmissions of a SYN,ACK",
	 .sysctl = "tcp_synack_retries"},
	{"retries", KNOB_NUMBER, IN_ENGINE(retries), 0, 127,
	 .meaning = "retransmissions of data or FIN before the connection fails",
	 .sysctl = "tcp_retries2"},
	{"orphan_retries", KNOB_NUMBER, IN_ENGINE(orphan_retries), 0, 127,
	 .meaning = "the same when the program has closed the socket",
	 .sysctl = "tcp_orphan_retries", .ours = orphan_retries},
	{"initcwnd", KNOB_NUMBER, IN_ENGINE(initcwnd_segs), 1, 1000,
	 .meaning = "initial congestion window, in segments"},
	{"sndbuf", KNOB_SIZE, IN_ENGINE(sndbuf_bytes), 4096, GIB,
	 .meaning = "send buffer of a connection"},
	{"rcvbuf", KNOB_SIZE, IN_ENGINE(rcvbuf_bytes), 2048, GIB,
	 .meaning = "receive buffer of a connection"},
	{"half_open_max", KNOB_NUMBER, IN_ENGINE(half_open_max), 1, 1000000,
	 .meaning = "connections in SYN-RECEIVED, over all listeners",
	 .sysctl = "tcp_max_syn_backlog"},
	{"ooo_ranges_max", KNOB_NUMBER, IN_ENGINE(ooo_ranges_max), 1, 65536,
	 .meaning = "pieces received out of order that a connection keeps"},
	{"timestamps", KNOB_SWITCH, IN_ENGINE(timestamps), 0, 0,
	 .meaning = "offer and accept timestamps (RFC 7323)",
	 .sysctl = "tcp_timestamps"},
	{"sack", KNOB_SWITCH, IN_ENGINE(sack), 0, 0,
	 .meaning = "offer and accept selective acknowledgments (RFC 2018)",
	 .sysctl = "tcp_sack"},
	{"window_scaling", KNOB_SWITCH, IN_ENGINE(window_scaling), 0, 0,
	 .meaning = "offer and accept window scaling (RFC 7323)",
	 .sysctl = "tcp_window_scaling"},
	{"ttl", KNOB_NUMBER, offsetof(struct config, ttl), 1, 255,
	 .meaning = "time to live of packets",
	 .sysctl = "ip_default_ttl"},
	{"mtu_discover", KNOB_NUMBER, offsetof(struct config, mtu_discover), 0, 5,
	 .meaning = "IP_MTU_DISCOVER of new sockets, by its number in ip(7)",
	 .sysctl = "ip_no_pmtu_disc", .ours = mtu_discover},
	{"gso", KNOB_SWITCH, IN_LINK(gso), 0, 0,
	 .meaning = "hand bursts to the kernel in one piece where that is possible"},
	{"raw_rcvbuf", KNOB_SIZE, IN_LINK(rcvbuf_bytes), 65536, GIB,
	 .meaning = "receive buffer of the raw socket, shared by all connections"},
};
#define KNOBS (sizeof(knobs) / sizeof(knobs[0]))
_Static_assert(KNOBS <= CONFIG_KNOBS_MAX, "a place for the origin of each");

static uint32_t *number_of(struct config *c, const struct knob *k)
{
	return (uint32_t *)((char *)c + k->offset);
}

static bool *switch_of(struct config *c, const struct knob *k)
{
	return (bool *)((char *)c + k->offset);
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	engine_config_defaults(&c->engine);
	c->link.rcvbuf_bytes = 8u << 20;
	c->link.gso = true;
	c->linger_ms = 10000;
	c->ttl = 64;
	c->mtu_discover = IP_PMTUDISC_WANT;
}

/* ---- values as text -------------------------------------------------------- */

static int refuse_name(const char *name, char *why, size_t why_size)
{
	size_t used;

	used = (size_t)snprintf(why, why_size, "no setting \"%.40s\"; there are:", name);
	for (size_t i = 0; i < KNOBS && used < why_size; i++)
		used += (size_t)snprintf(why + used, why_size - used, " %s",
					 knobs[i].name);
	return -ENOENT;
}

static int refuse_value(const struct knob *k, const char *value, char *why,
			size_t why_size)
{
	switch (k->kind) {
	case KNOB_NUMBER:
		snprintf(why, why_size, "%s cannot be \"%.40s\"; possible: %u to %u",
			 k->name, value, k->min, k->max);
		break;
	case KNOB_SIZE:
		snprintf(why, why_size,
			 "%s cannot be \"%.40s\"; possible: %u to %u bytes, also as 64K or 4M",
			 k->name, value, k->min, k->max);
		break;
	case KNOB_SWITCH:
		snprintf(why, why_size, "%s cannot be \"%.40s\"; possible: on, off",
			 k->name, value);
		break;
	case KNOB_TRACE:
		snprintf(why, why_size,
			 "%s cannot be so long; possible: on, off, - (standard error), a file name",
			 k->name);
		break;
	}
	return -EINVAL;
}

/* Decimal digits and, for sizes, one of K, M, G; nothing else. */
static bool parse_number(const struct knob *k, const char *value, uint32_t *out)
{
	static const char units[] = "KMG";
	unsigned long long n;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)value[0]) || strlen(value) > 12)
		return false;
	n = strtoull(value, &end, 10);
	if (k->kind == KNOB_SIZE && *end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return false;
		n <<= 10 * (unit - units + 1);
		end++;
	}
	if (*end || n < k->min || n > k->max)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* -1: neither. */
static int parse_switch(const char *value)
{
	if (!strcmp(value, "on") || !strcmp(value, "1"))
		return 1;
	if (!strcmp(value, "off") || !strcmp(value, "0"))
		return 0;
	return -1;
}

static bool set_trace(struct config *c, const char *value)
{
	int sw = parse_switch(value);

	if (sw >= 0)
		value = sw ? "-" : "";
	if (strlen(value) >= sizeof(c->trace))
		return false;
	strcpy(c->trace, value);
	c->engine.trace = *value;
	return true;
}

int config_set(struct config *c, enum config_from from, const char *name,
	       const char *value, char *why, size_t why_size)
{
	const struct knob *k = knobs;
	bool ok = false;
	int sw;

	while (k < knobs + KNOBS && strcmp(k->name, name) != 0)
		k++;
	if (k == knobs + KNOBS)
		return refuse_name(name, why, why_size);

	switch (k->kind) {
	case KNOB_NUMBER:
	case KNOB_SIZE:
		ok = parse_number(k, value, number_of(c, k));
		break;
	case KNOB_SWITCH:
		sw = parse_switch(value);
		ok = sw >= 0;
		if (ok)
			*switch_of(c, k) = sw;
		break;
	case KNOB_TRACE:
		ok = set_trace(c, value);
		break;
	}
	if (!ok)
		return refuse_value(k, value, why, why_size);
	c->from[k - knobs] = from;
	return 0;
}

/* ---- where values come from -------------------------------------------------- */

static bool read_sysctl(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool take_sysctl(struct config *c, const struct knob *k, const char *text)
{
	uint64_t n;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	n = strtoull(text, &end, 10);
	if (end == text || !isspace((unsigned char)*end))
		return false;
	if (k->ours)
		n = k->ours(n);
	if (k->kind == KNOB_SWITCH)
		*switch_of(c, k) = n != 0;
	else
		*number_of(c, k) = (uint32_t)(n < k->min ? k->min : n > k->max ? k->max : n);
	return true;
}

void config_from_sysctl(struct config *c, const char *dir)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct knob *k;
	char text[128];

	if (at < 0)
		return;
	for (k = knobs; k < knobs + KNOBS; k++)
		if (k->sysctl && read_sysctl(at, k->sysctl, text, sizeof(text)) &&
		    take_sysctl(c, k, text))
			c->from[k - knobs] = FROM_SYSCTL;
	close(at);
}

/* Knobs that are possible one by one but not together. */
static int check_together(const struct config *c, char *why, size_t why_size)
{
	const struct engine_config *e = &c->engine;

	if (e->rto_min_ms <= e->rto_max_ms)
		return 0;
	snprintf(why, why_size, "rto_min_ms (%u) is above rto_max_ms (%u)",
		 e->rto_min_ms, e->rto_max_ms);
	return -EINVAL;
}

int config_from_env(struct config *c, char *const envp[], char *why,
		    size_t why_size)
{
	static const char prefix[] = "MYTCP_";
	char name[64];

	for (; *envp; envp++) {
		const char *var = *envp + sizeof(prefix) - 1;
		const char *eq;
		size_t n;
		int r;

		if (strncmp(*envp, prefix, sizeof(prefix) - 1) != 0)
			continue;
		eq = strchr(var, '=');
		if (!eq)
			continue;
		for (n = 0; n < sizeof(name) - 1 && var + n < eq; n++)
			name[n] = (char)tolower((unsigned char)var[n]);
		name[n] = '\0';
		r = config_set(c, FROM_ENV, name, eq + 1, why, why_size);
		if (r < 0)
			return r;
	}
	return check_together(c, why, why_size);
}

int config_load(struct config *c, char *const envp[], char *why, size_t why_size)
{
	config_defaults(c);
	config_from_sysctl(c, CONFIG_SYSCTL_DIR);
	return config_from_env(c, envp, why, why_size);
}

/* ---- for people to read ------------------------------------------------------- */

/* As config_set() would take it. */
static const char *value_text(const struct config *c, const struct knob *k,
			      char buf[16])
{
	switch (k->kind) {
	case KNOB_SWITCH:
		return *switch_of((struct config *)c, k) ? "on" : "off";
	case KNOB_TRACE:
		return *c->trace ? c->trace : "off";
	default:
		snprintf(buf, 16, "%u", *number_of((struct config *)c, k));
		return buf;
	}
}

static const char *from_text(const struct config *c, const struct knob *k,
			     char buf[64])
{
	size_t n;

	switch (c->from[k - knobs]) {
	case FROM_SYSCTL:
		snprintf(buf, 64, "net.ipv4.%s", k->sysctl);
		return buf;
	case FROM_ENV:
		n = (size_t)snprintf(buf, 64, "MYTCP_%s", k->name);
		while (n--)
			buf[n] = (char)toupper((unsigned char)buf[n]);
		return buf;
	case FROM_OPTION:
		return k->kind == KNOB_TRACE ? "--trace" : "--set";
	default:
		return "built-in";
	}
}

static int wider(int width, const char *text)
{
	return (int)strlen(text) > width ? (int)strlen(text) : width;
}

void config_print(FILE *out)
{
	static struct config defaults;
	const struct knob *k;
	char value[16];
	int width = 0;

	config_defaults(&defaults);
	for (k = knobs; k < knobs + KNOBS; k++)
		width = wider(width, k->name);
	for (k = knobs; k < knobs + KNOBS; k++)
		fprintf(out, "  %-*s %-9s %s\n", width, k->name,
			value_text(&defaults, k, value), k->meaning);
}

void config_show(FILE *out, const struct config *c)
{
	static const char *const head[] = {"SETTING", "VALUE", "FROM"};
	int width[3] = {7, 5, 4};
	const struct knob *k;
	char value[16], from[64];

	for (k = knobs; k < knobs + KNOBS; k++) {
		width[0] = wider(width[0], k->name);
		width[1] = wider(width[1], value_text(c, k, value));
		width[2] = wider(width[2], from_text(c, k, from));
	}
	fprintf(out, "%-*s  %-*s  %-*s  MEANING\n", width[0], head[0], width[1], head[1],
		width[2], head[2]);
	for (k = knobs; k < knobs + KNOBS; k++)
		fprintf(out, "%-*s  %-*s  %-*s  %s\n", width[0], k->name, width[1],
			value_text(c, k, value), width[2], from_text(c, k, from),
			k->meaning);
}
