/* config.c - owns the table of knobs: every name that --set and MYTCP_ take,
 * where its value lives in struct config, what is possible and what it means.
 *
 * Invariant: all knobs of struct config are reached through this table only, so
 * the help text, the checks and the defaults cannot disagree.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { KNOB_NUMBER, KNOB_SIZE, KNOB_SWITCH, KNOB_TRACE };

struct knob {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct config */
	uint32_t min, max;
	const char *meaning;
};

#define IN_ENGINE(f) offsetof(struct config, engine.f)
#define IN_LINK(f) offsetof(struct config, link.f)
#define GIB (1u << 30)
#define HOUR_MS 3600000u

static const struct knob knobs[] = {
	{"trace", KNOB_TRACE, offsetof(struct config, trace), 0, 0,
	 "print every segment and state change: - (standard error) or a file"},
	{"linger_ms", KNOB_NUMBER, offsetof(struct config, linger_ms), 0, HOUR_MS,
	 "at exit, how long unsent bytes may make no progress"},
	{"msl_ms", KNOB_NUMBER, IN_ENGINE(msl_ms), 1, HOUR_MS,
	 "maximum segment lifetime; TIME-WAIT lasts two"},
	{"fin_timeout_ms", KNOB_NUMBER, IN_ENGINE(fin_timeout_ms), 1, HOUR_MS,
	 "how long a closed socket waits in FIN-WAIT-2 for the peer's FIN"},
	{"rto_initial_ms", KNOB_NUMBER, IN_ENGINE(rto_initial_ms), 1, 120000,
	 "retransmission timeout before the first round-trip time is known"},
	{"rto_min_ms", KNOB_NUMBER, IN_ENGINE(rto_min_ms), 1, 120000,
	 "smallest retransmission timeout"},
	{"rto_max_ms", KNOB_NUMBER, IN_ENGINE(rto_max_ms), 1, HOUR_MS,
	 "largest retransmission timeout"},
	{"delack_ms", KNOB_NUMBER, IN_ENGINE(delack_ms), 0, 500,
	 "how long an acknowledgment may wait for company"},
	{"syn_retries", KNOB_NUMBER, IN_ENGINE(syn_retries), 0, 127,
	 "retransmissions of a SYN before connect() fails"},
	{"synack_retries", KNOB_NUMBER, IN_ENGINE(synack_retries), 0, 127,
	 "retransmissions of a SYN,ACK"},
	{"retries", KNOB_NUMBER, IN_ENGINE(retries), 0, 127,
	 "retransmissions of data or FIN before the connection fails"},
	{"orphan_retries", KNOB_NUMBER, IN_ENGINE(orphan_retries), 0, 127,
	 "the same when the program has closed the socket"},
	{"initcwnd", KNOB_NUMBER, IN_ENGINE(initcwnd_segs), 1, 1000,
	 "initial congestion window, in segments"},
	{"sndbuf", KNOB_SIZE, IN_ENGINE(sndbuf_bytes), 4096, GIB,
	 "send buffer of a connection"},
	{"rcvbuf", KNOB_SIZE, IN_ENGINE(rcvbuf_bytes), 2048, GIB,
	 "receive buffer of a connection"},
	{"half_open_max", KNOB_NUMBER, IN_ENGINE(half_open_max), 1, 1000000,
	 "connections in SYN-RECEIVED, over all listeners"},
	{"ooo_ranges_max", KNOB_NUMBER, IN_ENGINE(ooo_ranges_max), 1, 65536,
	 "pieces received out of order that a connection keeps"},
	{"timestamps", KNOB_SWITCH, IN_ENGINE(timestamps), 0, 0,
	 "offer and accept timestamps (RFC 7323)"},
	{"sack", KNOB_SWITCH, IN_ENGINE(sack), 0, 0,
	 "offer and accept selective acknowledgments (RFC 2018)"},
	{"window_scaling", KNOB_SWITCH, IN_ENGINE(window_scaling), 0, 0,
	 "offer and accept window scaling (RFC 7323)"},
	{"gso", KNOB_SWITCH, IN_LINK(gso), 0, 0,
	 "hand bursts to the kernel in one piece where that is possible"},
	{"raw_rcvbuf", KNOB_SIZE, IN_LINK(rcvbuf_bytes), 65536, GIB,
	 "receive buffer of the raw socket, shared by all connections"},
};
#define KNOBS (sizeof(knobs) / sizeof(knobs[0]))

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
}

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

int config_set(struct config *c, const char *name, const char *value, char *why,
	       size_t why_size)
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
	return ok ? 0 : refuse_value(k, value, why, why_size);
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
		r = config_set(c, name, eq + 1, why, why_size);
		if (r < 0)
			return r;
	}
	return check_together(c, why, why_size);
}

void config_print(FILE *out)
{
	static struct config defaults;
	const struct knob *k;

	config_defaults(&defaults);
	for (k = knobs; k < knobs + KNOBS; k++) {
		char value[16] = "off";

		if (k->kind == KNOB_NUMBER || k->kind == KNOB_SIZE)
			snprintf(value, sizeof(value), "%u", *number_of(&defaults, k));
		else if (k->kind == KNOB_SWITCH && *switch_of(&defaults, k))
			strcpy(value, "on");
		fprintf(out, "  %-15s %-9s %s\n", k->name, value, k->meaning);
	}
}
