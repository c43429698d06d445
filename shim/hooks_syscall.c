/* hooks_syscall.c - syscall(2): the calls that other hooks take over, made by their
 * numbers. Owns nothing.
 */
#include "hooks.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "driver.h"
#include "privs.h"

#define STAYS ((uid_t)-1)

/* As hooks_priv.c does, except that these calls are for the calling thread alone. */
static void before_drop(long number, const long a[6])
{
	switch (number) {
	case SYS_setuid:
		privs_before_uids(a[0], a[0], a[0]);
		break;
	case SYS_setreuid:
		privs_before_uids(a[0], a[1], STAYS);
		break;
	case SYS_setresuid:
		privs_before_uids(a[0], a[1], a[2]);
		break;
	case SYS_chroot:
	case SYS_capset:
	case SYS_seccomp:
		privs_before_drop();
		break;
	}
}

EXPORT long syscall(long number, ...)
{
	long a[6], r;
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_prctl)
		return prctl(a[0], a[1], a[2], a[3], a[4]);
	if (number == SYS_seccomp && a[0] == SECCOMP_SET_MODE_STRICT && !a[1] && !a[2])
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	switch (number) {
	case SYS_pidfd_getfd:
		return pidfd_getfd(a[0], a[1], a[2]);
	case SYS_unshare:
		return unshare(a[0]);
	case SYS_setns:
		return setns(a[0], a[1]);
	case SYS_execve:
		return execve((char *)a[0], (char **)a[1], (char **)a[2]);
	case SYS_execveat:
		return execveat(a[0], (char *)a[1], (char **)a[2], (char **)a[3], a[4]);
	case SYS_exit_group:
		_exit(a[0]);
	}
	before_drop(number, a);
	r = real()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number != SYS_seccomp || a[0] != SECCOMP_SET_MODE_FILTER || r != 0)
		return r;
	privs_confine();
	if (a[1] & SECCOMP_FILTER_FLAG_TSYNC || !driver_is_mine())
		driver_confine();
	return r;
}
