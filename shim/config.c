/* config.c - where the values of the knobs come from, and how they are checked
 * and printed.
 *
 * Invariant: all knobs of struct config are reached through the table of knobs.c
 * only, so the help text, the checks and the defaults cannot disagree.
 */
#include "config.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ccfile.h"
#include "knobs.h"

#define VALUE_TEXT_MAX 80 /* two keys */

/* Switches are numbers too. */
static uint64_t get_number(const struct config *c, const struct knob *k)
{
	const char *at = (const char *)c + k->offset;
	uint16_t v16;
	uint32_t v32;
	uint64_t v;

	switch (k->width) {
	case sizeof(uint8_t):
		return *(const uint8_t *)at;
	case sizeof(v16):
		memcpy(&v16, at, sizeof(v16));
		return v16;
	case sizeof(v32):
		memcpy(&v32, at, sizeof(v32));
		return v32;
	default:
		memcpy(&v, at, sizeof(v));
		return v;
	}
}

static void put_number(struct config *c, const struct knob *k, uint64_t v)
{
	char *at = (char *)c + k->offset;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	switch (k->width) {
	case sizeof(uint8_t):
		*(uint8_t *)at = (uint8_t)v;
		break;
	case sizeof(v16):
		memcpy(at, &v16, sizeof(v16));
		break;
	case sizeof(v32):
		memcpy(at, &v32, sizeof(v32));
		break;
	default:
		memcpy(at, &v, sizeof(v));
		break;
	}
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	engine_config_defaults(&c->engine);
	c->link.rcvbuf_bytes = 8u << 20;
	c->link.gso = true;
	c->handover = true;
	c->linger_ms = 10000;
	c->ttl = c->hop_limit = 64;
	c->mtu_discover = IP_PMTUDISC_WANT;
}

/* ---- values as text -------------------------------------------------------- */

static int refuse_name(const char *name, char *why, size_t why_size)
{
	size_t used;

	used = (size_t)snprintf(why, why_size, "no setting \"%.40s\"; there are:", name);
	for (size_t i = 0; i < knobs_n && used < why_size; i++)
		used += (size_t)snprintf(why + used, why_size - used, " %s",
					 knobs[i].name);
	return -ENOENT;
}

static int refuse_value(const struct config *c, const struct knob *k,
			const char *value, char *why, size_t why_size)
{
	const struct cc_ops *ops;
	size_t used;
	unsigned i;

	switch (k->kind) {
	case KNOB_NUMBER:
		snprintf(why, why_size, "%s cannot be \"%.40s\"; possible: %" PRIu64 " to %" PRIu64,
			 k->name, value, k->min, k->max);
		break;
	case KNOB_SIZE:
		snprintf(why, why_size,
			 "%s cannot be \"%.40s\"; possible: %" PRIu64 " to %" PRIu64
			 " bytes, also as 64K or 4M",
			 k->name, value, k->min, k->max);
		break;
	case KNOB_SWITCH:
		snprintf(why, why_size, "%s cannot be \"%.40s\"; possible: on, off",
			 k->name, value);
		break;
	case KNOB_CC:
		used = (size_t)snprintf(why, why_size, "%s cannot be \"%.40s\"; possible:",
					k->name, value);
		for (i = 0; (ops = cc_known(&c->engine, i)) && used < why_size; i++)
			used += (size_t)snprintf(why + used, why_size - used, " %s",
						 ops->name);
		if (used < why_size)
			snprintf(why + used, why_size - used, ", or a file: ./NAME.so");
		break;
	case KNOB_KEYS:
		snprintf(why, why_size,
			 "%s cannot be that; possible: random, or four groups of up to 8 hex "
			 "digits with - between them, a comma and four more for a backup",
			 k->name);
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
static bool parse_number(const struct knob *k, const char *value, uint64_t *out)
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
	*out = n;
	return true;
}

/* As Linux writes a key: numbers of 32 bits, which it keeps in little endian. What comes
 * behind it, or NULL. */
static const char *parse_key(const char *text, uint8_t key[FASTOPEN_KEY_BYTES])
{
	for (int i = 0; i < FASTOPEN_KEY_BYTES; i += 4) {
		size_t digits = strspn(text, "0123456789abcdefABCDEF");
		uint32_t word = htole32((uint32_t)strtoul(text, NULL, 16));

		if (digits < 1 || digits > 8)
			return NULL;
		memcpy(key + i, &word, sizeof(word));
		text += digits;
		if (i + 4 < FASTOPEN_KEY_BYTES && *text++ != '-')
			return NULL;
	}
	return text;
}

static bool parse_keys(const char *text, struct fastopen_keys *out)
{
	struct fastopen_keys keys = {0};

	if (strcmp(text, "random") == 0) {
		*out = keys;
		return true;
	}
	for (;; text++) {
		text = parse_key(text, keys.key[keys.n++]);
		if (!text || *text != ',' || keys.n == FASTOPEN_KEYS_MAX)
			break;
	}
	if (!text || *text)
		return false;
	*out = keys;
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

static bool set_cc(struct config *c, const char *name)
{
	if (!cc_find(&c->engine, name))
		return false;
	strcpy(c->engine.cc, name); /* shorter than CC_NAME_MAX, or not found */
	return true;
}

/* One in a file. The same file again is no error: variable and option may both
 * name it. */
static int load_cc(struct config *c, const char *file, char *why, size_t why_size)
{
	const struct cc_ops *ops = ccfile_load(file, why, why_size);

	if (!ops)
		return -EINVAL;
	if (cc_find(&c->engine, ops->name) != ops && cc_register(&c->engine, ops)) {
		snprintf(why, why_size,
			 "cc cannot be \"%s\": there is a \"%s\" already, or there are too many",
			 file, ops->name);
		return -EINVAL;
	}
	set_cc(c, ops->name);
	return 0;
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
	uint64_t n = 0;
	bool ok = false;
	int sw;

	while (k < knobs + knobs_n && strcmp(k->name, name) != 0)
		k++;
	if (k == knobs + knobs_n)
		return refuse_name(name, why, why_size);

	switch (k->kind) {
	case KNOB_NUMBER:
	case KNOB_SIZE:
		ok = parse_number(k, value, &n);
		if (ok)
			put_number(c, k, n);
		break;
	case KNOB_SWITCH:
		sw = parse_switch(value);
		ok = sw >= 0;
		if (ok)
			put_number(c, k, sw);
		break;
	case KNOB_CC:
		if (strchr(value, '/')) {
			if (load_cc(c, value, why, why_size))
				return -EINVAL;
			ok = true;
		} else {
			ok = set_cc(c, value);
		}
		break;
	case KNOB_TRACE:
		ok = set_trace(c, value);
		break;
	case KNOB_KEYS:
		ok = parse_keys(value, &c->engine.fastopen_keys);
		break;
	}
	if (!ok)
		return refuse_value(c, k, value, why, why_size);
	c->from[k - knobs] = from;
	return 0;
}

/* ---- where values come from -------------------------------------------------- */

/* Below net: "ipv4/tcp_sack"; "" if there is none. */
static void sysctl_path(const struct knob *k, char path[64])
{
	snprintf(path, 64, "%s%s", k->sysctl ? "ipv4/" : k->sysctl6 ? "ipv6/" : "",
		 k->sysctl ? k->sysctl : k->sysctl6 ? k->sysctl6 : "");
}

static bool read_sysctl(int dir, const struct knob *k, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	sysctl_path(k, path);
	fd = *path ? openat(dir, path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number at this place among several, or false. */
static bool nth_number(const char *text, unsigned word, uint64_t *out)
{
	char *end;

	do {
		text += strspn(text, " \t");
		if (!isdigit((unsigned char)*text))
			return false;
		*out = strtoull(text, &end, 10);
		text = end;
		if (!isspace((unsigned char)*text))
			return false;
	} while (word--);
	return true;
}

static enum config_from take_cc(struct config *c, char *text)
{
	text[strcspn(text, "\n")] = '\0';
	return set_cc(c, text) ? FROM_SYSCTL : FROM_FALLBACK;
}

/* Zeroes are what Linux shows before a server has needed a key. */
static enum config_from take_keys(struct config *c, char *text)
{
	static const struct fastopen_keys none = {.n = 1};
	struct fastopen_keys keys;

	text[strcspn(text, "\n")] = '\0';
	if (!parse_keys(text, &keys))
		return FROM_BUILTIN;
	if (memcmp(&keys, &none, sizeof(keys)) == 0)
		keys.n = 0;
	c->engine.fastopen_keys = keys;
	return keys.n ? FROM_SYSCTL : FROM_BUILTIN;
}

static enum config_from take_sysctl(struct config *c, const struct knob *k, char *text)
{
	uint64_t n;

	if (k->kind == KNOB_CC)
		return take_cc(c, text);
	if (k->kind == KNOB_KEYS)
		return take_keys(c, text);
	if (!nth_number(text, k->word, &n))
		return FROM_BUILTIN;
	if (k->ours)
		n = k->ours(n);
	if (k->kind == KNOB_SWITCH)
		n = n != 0;
	else
		n = n < k->min ? k->min : n > k->max ? k->max : n;
	put_number(c, k, n);
	return FROM_SYSCTL;
}

static bool same_value(const struct config *a, const struct config *b, const struct knob *k)
{
	switch (k->kind) {
	case KNOB_CC:
		return !strcmp(a->engine.cc, b->engine.cc);
	case KNOB_TRACE:
		return true;
	default:
		return !memcmp((const char *)a + k->offset, (const char *)b + k->offset, k->width);
	}
}

bool config_refresh(struct config *c, int dir)
{
	struct config before = *c;
	const struct knob *k;
	bool changed = false;
	char text[128];

	for (k = knobs; k < knobs + knobs_n; k++) {
		uint8_t *from = &c->from[k - knobs];

		if (*from != FROM_ENV && *from != FROM_OPTION &&
		    read_sysctl(dir, k, text, sizeof(text)))
			*from = take_sysctl(c, k, text);
		changed |= !same_value(&before, c, k);
	}
	return changed;
}

void config_from_sysctl(struct config *c, const char *dir)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return;
	config_refresh(c, at);
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

	for (; envp && *envp; envp++) {
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

static const char *keys_text(const struct fastopen_keys *keys, char buf[VALUE_TEXT_MAX])
{
	size_t used = 0;
	uint32_t w[4];

	for (uint8_t i = 0; i < keys->n; i++) {
		memcpy(w, keys->key[i], sizeof(w));
		used += (size_t)snprintf(buf + used, VALUE_TEXT_MAX - used,
					 "%s%08x-%08x-%08x-%08x", i ? "," : "", le32toh(w[0]),
					 le32toh(w[1]), le32toh(w[2]), le32toh(w[3]));
	}
	return used ? buf : "random";
}

/* As config_set() would take it. */
static const char *value_text(const struct config *c, const struct knob *k,
			      char buf[VALUE_TEXT_MAX])
{
	switch (k->kind) {
	case KNOB_SWITCH:
		return get_number(c, k) ? "on" : "off";
	case KNOB_CC:
		return c->engine.cc;
	case KNOB_TRACE:
		return *c->trace ? c->trace : "off";
	case KNOB_KEYS:
		return keys_text(&c->engine.fastopen_keys, buf);
	default:
		snprintf(buf, VALUE_TEXT_MAX, "%" PRIu64, get_number(c, k));
		return buf;
	}
}

static const char *from_text(const struct config *c, const struct knob *k,
			     char buf[96])
{
	char path[64], *slash;
	size_t n;

	sysctl_path(k, path);
	while ((slash = strchr(path, '/')))
		*slash = '.';
	switch (c->from[k - knobs]) {
	case FROM_SYSCTL:
		snprintf(buf, 96, "net.%s", path);
		return buf;
	case FROM_FALLBACK:
		snprintf(buf, 96, "built-in, not net.%s", path);
		return buf;
	case FROM_ENV:
		n = (size_t)snprintf(buf, 96, "MYTCP_%s", k->name);
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
	char value[VALUE_TEXT_MAX];
	int width = 0;

	config_defaults(&defaults);
	for (k = knobs; k < knobs + knobs_n; k++)
		width = wider(width, k->name);
	for (k = knobs; k < knobs + knobs_n; k++)
		fprintf(out, "  %-*s %-9s %s\n", width, k->name,
			value_text(&defaults, k, value), k->meaning);
}

void config_show(FILE *out, const struct config *c)
{
	static const char *const head[] = {"SETTING", "VALUE", "FROM"};
	int width[3] = {7, 5, 4};
	const struct knob *k;
	char value[VALUE_TEXT_MAX], from[96];

	for (k = knobs; k < knobs + knobs_n; k++) {
		width[0] = wider(width[0], k->name);
		width[1] = wider(width[1], value_text(c, k, value));
		width[2] = wider(width[2], from_text(c, k, from));
	}
	fprintf(out, "%-*s  %-*s  %-*s  MEANING\n", width[0], head[0], width[1], head[1],
		width[2], head[2]);
	for (k = knobs; k < knobs + knobs_n; k++)
		fprintf(out, "%-*s  %-*s  %-*s  %s\n", width[0], k->name, width[1],
			value_text(c, k, value), width[2], from_text(c, k, from),
			k->meaning);
}
