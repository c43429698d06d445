/* real.c - owns the pointers to libc's own functions; alone in using dlsym().
 *
 * All are looked up at once, by the constructor or by the first hook that runs
 * before it. Two threads that do so together store the same values, so neither
 * has to wait, and a signal handler can do no harm. A function that this libc
 * does not have stays NULL: no program is linked against it.
 */
#include "real.h"

#include <dlfcn.h>
#include <stddef.h>

struct real_calls real_calls;
atomic_bool real_known;
__thread bool real_only;

#define CALL(name) {#name, offsetof(struct real_calls, name)}
static const struct {
	const char *name;
	size_t offset;
} calls[] = {
	CALL(socket), CALL(bind), CALL(listen), CALL(connect), CALL(accept),
	CALL(accept4), CALL(getsockname), CALL(getpeername), CALL(getsockopt),
	CALL(setsockopt), CALL(shutdown), CALL(ioctl), CALL(fcntl),
	CALL(fcntl64), CALL(close), CALL(epoll_ctl), CALL(dup), CALL(dup2), CALL(dup3),
	CALL(close_range), CALL(closefrom),
	CALL(read), CALL(readv), CALL(recv), CALL(recvfrom), CALL(recvmsg),
	CALL(recvmmsg), CALL(__read_chk), CALL(__recv_chk), CALL(__recvfrom_chk),
	CALL(write), CALL(writev), CALL(send), CALL(sendto), CALL(sendmsg),
	CALL(sendmmsg), CALL(sendfile), CALL(sendfile64), CALL(splice),
	CALL(setuid), CALL(seteuid), CALL(setreuid), CALL(setresuid), CALL(capset),
	CALL(prctl), CALL(pidfd_getfd), CALL(chroot), CALL(setsid), CALL(syscall),
	CALL(execve), CALL(execvpe), CALL(fexecve),
	CALL(execveat), CALL(posix_spawn), CALL(posix_spawnp), CALL(system), CALL(popen),
	CALL(unshare), CALL(setns), CALL(pthread_exit),
	CALL(thrd_exit), CALL(pthread_cancel), CALL(fdopen), CALL(_exit), CALL(_Exit), CALL(getdtablesize), CALL(sysconf),
	CALL(getrlimit), CALL(getrlimit64), CALL(setrlimit),
	CALL(prlimit), CALL(prlimit64),
};
_Static_assert(sizeof(calls) / sizeof(calls[0]) * sizeof(void *) ==
	       sizeof(struct real_calls), "every member is looked up");

void real_resolve(void)
{
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void **p = (void **)((char *)&real_calls + calls[i].offset);

		__atomic_store_n(p, dlsym(RTLD_NEXT, calls[i].name),
				 __ATOMIC_RELAXED);
	}
	atomic_store_explicit(&real_known, true, memory_order_release);
}
