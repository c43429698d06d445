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

static bool hands_on_sockets(void)
{
	int fd;

	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		int flags = real()->fcntl(fd, F_GETFD);

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			return true;
	}
	return false;
}

static bool has(char *const envp[], const char *setting)
{
	size_t name_len = strcspn(setting, "=") + 1;

	for (; envp && *envp; envp++)
		if (strncmp(*envp, setting, name_len) == 0)
			return true;
	return false;
}

bool preload_lacks(char *const envp[])
{
	return kept_n && !has(envp, PRELOAD) && hands_on_sockets();
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
