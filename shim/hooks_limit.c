/* hooks_limit.c - the program's calls about RLIMIT_NOFILE, which the driver may
 * have raised for itself: the program sees its own; and about RLIMIT_NPROC, under
 * which no driver can start. Owns nothing.
 */
#include "hooks.h"

#include <limits.h>
#include <unistd.h>

#include "driver.h"
#include "nofile.h"

/* Is it the limit that is not what the program believes? */
static bool is_ours(int resource)
{
	return resource == RLIMIT_NOFILE && !real_only && driver_nofile_raised();
}

static bool is_self(pid_t pid)
{
	return pid == 0 || pid == getpid();
}

static bool holds_listener(void)
{
	int fd, on = 0;
	socklen_t len = sizeof(on);

	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL))
		if (real()->getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on)
			return true;
	return false;
}

/* A worker that may have no more threads (haproxy's) still connects to other servers.
 * If it has a listener of ours, though of another process's stack, its own driver starts
 * now. Who has only a connection does this before seccomp (sshd), where threads of ours
 * would be in the way. */
static void before_limit(int resource, pid_t pid, const struct rlimit64 *set)
{
	int saved = errno;

	if (resource == RLIMIT_NPROC && set && !real_only && is_self(pid) &&
	    fdtab_is_mine() && holds_listener())
		driver_start();
	errno = saved;
}

/* The kernel's soft limit stays at the hard one. */
static int set_nofile(const struct rlimit64 *set, struct rlimit64 *old)
{
	struct rlimit64 wide = {.rlim_cur = set->rlim_max,
				.rlim_max = set->rlim_max};
	rlim_t before = sock_soft_limit();

	if (set->rlim_cur > set->rlim_max)
		return hook_fail(-EINVAL);
	if (real()->prlimit64(0, RLIMIT_NOFILE, &wide, old) != 0)
		return -1;
	sock_set_soft_limit(set->rlim_cur);
	if (old)
		old->rlim_cur = before;
	return 0;
}

EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource,
		     const struct rlimit64 *set, struct rlimit64 *old)
{
	int r;

	before_limit(resource, pid, set);
	if (!is_ours(resource) || !is_self(pid))
		return real()->prlimit64(pid, resource, set, old);
	if (set)
		return set_nofile(set, old);
	r = real()->prlimit64(pid, resource, NULL, old);
	if (r == 0 && old)
		old->rlim_cur = sock_soft_limit();
	return r;
}

_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "the same");

EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource,
		   const struct rlimit *set, struct rlimit *old)
{
	return prlimit64(pid, resource, (const struct rlimit64 *)set,
			 (struct rlimit64 *)old);
}

EXPORT int getrlimit(__rlimit_resource_t resource, struct rlimit *lim)
{
	return is_ours(resource) ? prlimit(0, resource, NULL, lim)
				 : real()->getrlimit(resource, lim);
}

EXPORT int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *lim)
{
	return is_ours(resource) ? prlimit64(0, resource, NULL, lim)
				 : real()->getrlimit64(resource, lim);
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *lim)
{
	return prlimit(0, resource, lim, NULL);
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *lim)
{
	return prlimit64(0, resource, lim, NULL);
}

static int soft_as_int(void)
{
	rlim_t soft = sock_soft_limit();

	return soft > INT_MAX ? INT_MAX : (int)soft;
}

EXPORT int getdtablesize(void)
{
	return is_ours(RLIMIT_NOFILE) ? soft_as_int() : real()->getdtablesize();
}

EXPORT long sysconf(int name)
{
	return name == _SC_OPEN_MAX && is_ours(RLIMIT_NOFILE) ? soft_as_int()
							      : real()->sysconf(name);
}
