/* config.h - the knobs: one table of names, defaults and meanings, for the
 * launcher (--set NAME=VALUE) and the library (MYTCP_NAME in the environment).
 */
#ifndef MYTCP_CONFIG_H
#define MYTCP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../engine/engine.h"
#include "../engine/link/link.h"

struct config {
	struct engine_config engine;
	struct link_config link;
	uint32_t linger_ms;     /* at exit, without progress */
	char trace[4096];       /* "": off, "-": standard error, else a file */
};

/* Fills in the defaults. */
void config_defaults(struct config *c);
/* Sets one knob by its name in lower case (as in --set). 0; -ENOENT: no such
 * knob; -EINVAL: not a possible value. Then why says so in one line and lists
 * what is possible. */
int config_set(struct config *c, const char *name, const char *value,
	       char *why, size_t why_size);
/* Applies every MYTCP_ variable of the environment; stops at the first error
 * (as config_set). */
int config_from_env(struct config *c, char *const envp[], char *why,
		    size_t why_size);
/* One line per knob: name, default, meaning. For --help and the man page. */
void config_print(FILE *out);

#endif
