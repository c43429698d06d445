/* config.h - the knobs: one table of names, defaults and meanings, for the
 * launcher (--set NAME=VALUE) and the library (MYTCP_NAME in the environment).
 *
 * A value comes from the first of these that says something: --set, the
 * environment, the running kernel (where it has a sysctl of the same meaning),
 * what is built in.
 */
#ifndef MYTCP_CONFIG_H
#define MYTCP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../engine/engine.h"
#include "../engine/link/link.h"

enum config_from {
	FROM_BUILTIN,
	FROM_SYSCTL,
	FROM_FALLBACK, /* built in, because the sysctl says what we do not have */
	FROM_ENV,    /* MYTCP_NAME */
	FROM_OPTION, /* --set */
};

#define CONFIG_KNOBS_MAX 96

struct config {
	struct engine_config engine;
	struct link_config link;
	bool handover;          /* at exit, to a process in the background */
	uint32_t linger_ms;     /* at exit without that, without progress */
	bool allow_kernel;      /* programs that cannot be on our TCP may run */
	uint32_t ttl, hop_limit; /* of packets, where the program has not said */
	bool v6only;            /* IPV6_V6ONLY of new sockets */
	uint32_t mtu_discover;  /* IP_MTU_DISCOVER of new sockets */
	char trace[4096];       /* "": off, "-": standard error, else a file */
	uint8_t from[CONFIG_KNOBS_MAX]; /* enum config_from, in the table's order */
};

/* Fills in what is built in. */
void config_defaults(struct config *c);
/* Where the kernel has them. They are those of the network namespace of the
 * calling thread. */
#define CONFIG_SYSCTL_DIR "/proc/sys/net"
/* Takes over every sysctl below dir whose meaning is a knob's, in the knob's unit
 * and cut to its range. One that is not there, as in a process without /proc,
 * or that is not understood, changes nothing. */
void config_from_sysctl(struct config *c, const char *dir);
/* The same again, where neither the environment nor an option has said anything; dir is
 * an fd. Has anything changed? */
bool config_refresh(struct config *c, int dir);
/* Sets one knob by its name in lower case (as in --set). 0; -ENOENT: no such
 * knob; -EINVAL: not a possible value. Then why says so in one line and lists
 * what is possible. */
int config_set(struct config *c, enum config_from from, const char *name,
	       const char *value, char *why, size_t why_size);
/* Applies every MYTCP_ variable of the environment, which may be NULL; stops at the
 * first error (as config_set). */
int config_from_env(struct config *c, char *const envp[], char *why,
		    size_t why_size);
/* All of these in their order: what a program with this environment gets.
 * Errors as config_from_env(). */
int config_load(struct config *c, char *const envp[], char *why, size_t why_size);
/* One line per knob: name, built-in default, meaning. For --help. */
void config_print(FILE *out);
/* One line per knob: name, value, where that came from, meaning. */
void config_show(FILE *out, const struct config *c);

#endif
