/* preload.c - owns a copy of the settings that the process was started with, as
 * programs write over their own environment.
 *
 * Invariant: kept holds kept_n strings, one after the other; the first is
 * LD_PRELOAD's.
 */
#include "preload.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fdtab.h"

#define PRELOAD "LD_PRELOAD="
#define SETTING "MYTCP_"
#define KEPT_MAX 64

static char kept[8192];
static const char *kept_at[KEPT_MAX];
static size_t kept_n, kept_bytes;

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* What does not fit is left out whole. */
static void keep(const char *prefix, const char *rest)
{
	size_t room = sizeof(kept) - kept_bytes;
	int n = snprintf(kept + kept_bytes, room, "%s%s", prefix, rest);

	if (n < 0 || (size_t)n >= room || kept_n == KEPT_MAX)
		return;
	kept_at[kept_n++] = kept + kept_bytes;
	kept_bytes += n + 1;
}

void preload_remember(void)
{
	Dl_info me;
	char **at;

	if (!dladdr(&kept_n, &me) || !me.dli_fname)
		return;
	keep(PRELOAD, me.dli_fname);
	for (at = environ; at && *at; at++)
		if (starts_with(*at, SETTING))
			keep("", *at);
}

bool preload_hands_on_sockets(void)
{
	int fd;

	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		int flags = real()->fcntl(fd, F_GETFD);

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			return true;
	}
	return false;
}

/* The value in envp of what is set here; NULL: it is not there. */
static const char *find(char *const envp[], const char *setting)
{
	size_t name_len = strcspn(setting, "=") + 1;

	for (; envp && *envp; envp++)
		if (strncmp(*envp, setting, name_len) == 0)
			return *envp + name_len;
	return NULL;
}

static bool has(char *const envp[], const char *setting)
{
	return find(envp, setting) != NULL;
}

bool preload_asks(char *const envp[])
{
	const char *list = find(envp, PRELOAD), *file, *us;

	if (!kept_n || !list)
		return false;
	file = kept_at[0] + strlen(PRELOAD);
	us = strrchr(file, '/');
	return strstr(list, us ? us + 1 : file) != NULL;
}

bool preload_lacks(char *const envp[])
{
	return kept_n && !has(envp, PRELOAD) && preload_hands_on_sockets();
}

const char *preload_setting(char *const envp[], const char *name)
{
	const char *value = find(envp, name);
	size_t i;

	for (i = 0; i < kept_n && !value; i++)
		if (starts_with(kept_at[i], name))
			value = kept_at[i] + strlen(name);
	return value;
}

size_t preload_room(char *const envp[])
{
	size_t n = 0;

	while (envp && envp[n])
		n++;
	return n + kept_n + 1;
}

void preload_fill(char **out, char *const envp[])
{
	char *const *at;
	size_t i;

	for (at = envp; at && *at; at++)
		*out++ = *at;
	for (i = 0; i < kept_n; i++)
		if (!has(envp, kept_at[i]))
			*out++ = (char *)kept_at[i];
	*out = NULL;
}

void preload_strip(char **out, char *const envp[])
{
	for (; envp && *envp; envp++)
		if (!starts_with(*envp, PRELOAD))
			*out++ = *envp;
	*out = NULL;
}
