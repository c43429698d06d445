/* fuzz_config.c - settings: what --set, the environment and sysctls say, as text.
 *
 * config.c is part of this program, for the text of a sysctl. Whatever comes, a knob
 * has a value within its limits, a refusal says why in one line, and what is shown of a
 * value sets it again. Congestion control from files is left out: that is dlopen().
 */
#include "../../shim/config.c"

#include "fuzz.h"

const struct cc_ops *ccfile_load(const char *path, char *why, size_t why_size)
{
	(void)path;
	snprintf(why, why_size, "there are no files here");
	return NULL;
}

/* The next bytes up to a zero, or to the end. */
static void take_text(struct input *in, char *text, size_t size)
{
	size_t n = 0;
	char c;

	while (in->left && (c = (char)take8(in)))
		if (n + 1 < size)
			text[n++] = c;
	text[n] = '\0';
}

static void check_knob(const struct config *c, const struct knob *k)
{
	uint64_t n;

	check(strlen(c->engine.cc) < sizeof(c->engine.cc) && cc_find(&c->engine, c->engine.cc));
	check(strnlen(c->trace, sizeof(c->trace)) < sizeof(c->trace));
	check(c->engine.fastopen_keys.n <= FASTOPEN_KEYS_MAX);
	if (k->kind == KNOB_CC || k->kind == KNOB_TRACE || k->kind == KNOB_KEYS)
		return;
	n = get_number(c, k);
	check(k->kind == KNOB_SWITCH ? n <= 1 : n >= k->min && n <= k->max);
}

static void set_again(const struct config *c, const struct knob *k)
{
	struct config again;
	char value[VALUE_TEXT_MAX], why[2048];
	const char *text = value_text(c, k, value);

	config_defaults(&again);
	if (k->kind == KNOB_TRACE || c->engine.cc_loaded[0])
		return;
	check(config_set(&again, FROM_OPTION, k->name, text, why, sizeof(why)) == 0);
	check(!strcmp(value_text(&again, k, (char[VALUE_TEXT_MAX]){0}), text));
}

static void use_env(struct config *c, struct input *in)
{
	char vars[3][80] = {"MYTCP_"}, *envp[4] = {0}, why[128];

	for (int i = 0; i < 3; i++) {
		take_text(in, vars[i] + (i ? 0 : 6), sizeof(vars[i]) - 6);
		envp[i] = vars[i];
	}
	if (config_from_env(c, envp, why, sizeof(why)) < 0)
		check(strnlen(why, sizeof(why)) < sizeof(why) && *why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config c;
	struct input in = {data, size};
	char value[5000], name[64], why[200];

	config_defaults(&c);
	while (in.left) {
		uint8_t op = take8(&in);
		const struct knob *k = &knobs[take8(&in) % knobs_n];

		take_text(&in, value, sizeof(value));
		if (op % 4 == 0) {
			value[127 < strlen(value) ? 127 : strlen(value)] = '\0';
			c.from[k - knobs] = take_sysctl(&c, k, value);
		} else if (op % 4 == 1) {
			use_env(&c, &in);
		} else {
			snprintf(name, sizeof(name), "%s", op % 4 == 2 ? k->name : value);
			if (config_set(&c, FROM_OPTION, name, value, why, 1 + op % sizeof(why)))
				check(strnlen(why, sizeof(why)) <= op % sizeof(why));
		}
		for (k = knobs; k < knobs + knobs_n; k++)
			check_knob(&c, k);
		set_again(&c, &knobs[op % knobs_n]);
	}
	return 0;
}
