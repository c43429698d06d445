/* hooks_syscall.c - syscall(2): the calls that other hooks take over, made by their
 * numbers. Owns nothing.
 */
#include "hooks.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "driver.h"
#include "lastthread.h"
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

#define PTR(i) ((void *)a[i])

/* Each of these: true if the call is one of theirs; *r is its result then. */

static bool names_sockets(long number, const long a[6], long *r)
{
	switch (number) {
	case SYS_socket: *r = socket(a[0], a[1], a[2]); return true;
	case SYS_bind: *r = bind(a[0], PTR(1), a[2]); return true;
	case SYS_listen: *r = listen(a[0], a[1]); return true;
	case SYS_connect: *r = connect(a[0], PTR(1), a[2]); return true;
	case SYS_accept: *r = accept(a[0], PTR(1), PTR(2)); return true;
	case SYS_accept4: *r = accept4(a[0], PTR(1), PTR(2), a[3]); return true;
	case SYS_getsockname: *r = getsockname(a[0], PTR(1), PTR(2)); return true;
	case SYS_getpeername: *r = getpeername(a[0], PTR(1), PTR(2)); return true;
	case SYS_getsockopt: *r = getsockopt(a[0], a[1], a[2], PTR(3), PTR(4)); return true;
	case SYS_setsockopt: *r = setsockopt(a[0], a[1], a[2], PTR(3), a[4]); return true;
	case SYS_shutdown: *r = shutdown(a[0], a[1]); return true;
	case SYS_ioctl: *r = ioctl(a[0], a[1], a[2]); return true;
	default: return false;
	}
}

static bool moves_bytes(long number, const long a[6], long *r)
{
	switch (number) {
	case SYS_read: *r = read(a[0], PTR(1), a[2]); return true;
	case SYS_readv: *r = readv(a[0], PTR(1), a[2]); return true;
	case SYS_recvfrom: *r = recvfrom(a[0], PTR(1), a[2], a[3], PTR(4), PTR(5)); return true;
	case SYS_recvmsg: *r = recvmsg(a[0], PTR(1), a[2]); return true;
	case SYS_recvmmsg: *r = recvmmsg(a[0], PTR(1), a[2], a[3], PTR(4)); return true;
	case SYS_write: *r = write(a[0], PTR(1), a[2]); return true;
	case SYS_writev: *r = writev(a[0], PTR(1), a[2]); return true;
	case SYS_sendto: *r = sendto(a[0], PTR(1), a[2], a[3], PTR(4), a[5]); return true;
	case SYS_sendmsg: *r = sendmsg(a[0], PTR(1), a[2]); return true;
	case SYS_sendmmsg: *r = sendmmsg(a[0], PTR(1), a[2], a[3]); return true;
	case SYS_sendfile: *r = sendfile(a[0], a[1], PTR(2), a[3]); return true;
	case SYS_splice: *r = splice(a[0], PTR(1), a[2], PTR(3), a[4], a[5]); return true;
	default: return false;
	}
}

static bool changes_fds(long number, const long a[6], long *r)
{
	switch (number) {
	case SYS_close: *r = close(a[0]); return true;
	case SYS_close_range: *r = close_range(a[0], a[1], a[2]); return true;
	case SYS_dup: *r = dup(a[0]); return true;
#ifdef SYS_dup2 /* not with newer architectures */
	case SYS_dup2: *r = dup2(a[0], a[1]); return true;
#endif
	case SYS_dup3: *r = dup3(a[0], a[1], a[2]); return true;
	case SYS_fcntl: *r = fcntl(a[0], a[1], a[2]); return true;
	case SYS_pidfd_getfd: *r = pidfd_getfd(a[0], a[1], a[2]); return true;
	case SYS_prlimit64: *r = prlimit64(a[0], a[1], PTR(2), PTR(3)); return true;
	default: return false;
	}
}

/* Alone it is the end of the process, if it were not for the driver. */
static void exits(int status)
{
	if (real_only || gettid() != getpid())
		return;
	if (lastthread_is_this())
		_exit(status);
	lastthread_main_ends();
}

static bool changes_process(long number, const long a[6], long *r)
{
	switch (number) {
	case SYS_setsid: *r = setsid(); return true;
	case SYS_unshare: *r = unshare(a[0]); return true;
	case SYS_setns: *r = setns(a[0], a[1]); return true;
	case SYS_execve: *r = execve(PTR(0), PTR(1), PTR(2)); return true;
	case SYS_execveat: *r = execveat(a[0], PTR(1), PTR(2), PTR(3), a[4]); return true;
	case SYS_exit_group: _exit(a[0]);
	case SYS_exit: exits(a[0]); return false;
	default: return false;
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
	if (names_sockets(number, a, &r) || moves_bytes(number, a, &r) ||
	    changes_fds(number, a, &r) || changes_process(number, a, &r))
		return r;
	before_drop(number, a);
	if (number == SYS_seccomp && a[1] & SECCOMP_FILTER_FLAG_TSYNC)
		driver_before_confine();
	r = real()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number != SYS_seccomp || a[0] != SECCOMP_SET_MODE_FILTER || r != 0)
		return r;
	privs_confine();
	if (a[1] & SECCOMP_FILTER_FLAG_TSYNC || !driver_is_mine())
		driver_confine();
	return r;
}
