/* hooks_priv.c - the program's calls by which it may lose privileges that its TCP
 * needs, or its view of the file system. Owns nothing.
 *
 * What is needed is taken before the call; the call is the kernel's.
 */
#include "hooks.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "driver.h"
#include "privs.h"

int capset(cap_user_header_t header, const cap_user_data_t data);

#define STAYS ((uid_t)-1)

/* Libc has changed the driver's thread, too. */
static int after_uids(int r)
{
	int saved = errno;

	if (r == 0 && !real_only)
		driver_user_changed();
	errno = saved;
	return r;
}

EXPORT int setuid(uid_t uid)
{
	privs_before_uids(uid, uid, uid);
	return after_uids(real()->setuid(uid));
}

EXPORT int seteuid(uid_t uid)
{
	privs_before_uids(STAYS, uid, STAYS);
	return after_uids(real()->seteuid(uid));
}

EXPORT int setreuid(uid_t ruid, uid_t euid)
{
	privs_before_uids(ruid, euid, STAYS);
	return after_uids(real()->setreuid(ruid, euid));
}

EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	privs_before_uids(ruid, euid, suid);
	return after_uids(real()->setresuid(ruid, euid, suid));
}

EXPORT int chroot(const char *path)
{
	privs_before_drop();
	return real()->chroot(path);
}

EXPORT int capset(cap_user_header_t header, const cap_user_data_t data)
{
	privs_before_drop();
	return real()->capset(header, data);
}

/* Strict mode kills whoever does more than read, write and end: from now on the
 * thread's calls are the kernel's. */
static int enter_seccomp(unsigned long mode, unsigned long program)
{
	bool strict = mode == SECCOMP_MODE_STRICT;
	int r;

	privs_before_drop();
	if (strict)
		real_only = true;
	r = real()->prctl(PR_SET_SECCOMP, mode, program, 0, 0);
	if (r != 0) {
		if (strict)
			real_only = false;
		return r;
	}
	privs_confine(); /* first: from now on nobody asks for the pid */
	if (!driver_is_mine())
		driver_confine();
	return r;
}

EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;
	int i;

	va_start(ap, option);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP && !real_only)
		return enter_seccomp(a[0], a[1]);
	return real()->prctl(option, a[0], a[1], a[2], a[3]);
}
