/* confine.c - owns the list of calls.
 *
 * In the order of how often they are made: a filter looks at one after the other.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "real.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef ARCH

#define HEAD 8 /* instructions before the list */

static const uint16_t calls[] = {
	/* packets, pairs, time */
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
	SYS_epoll_pwait, SYS_recvmmsg, SYS_sendmmsg, SYS_recvmsg, SYS_sendmsg, SYS_recvfrom,
	SYS_sendto, SYS_read, SYS_write, SYS_futex, SYS_ioctl, SYS_clock_gettime,
	SYS_close, SYS_epoll_ctl, SYS_timerfd_settime,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_ppoll,
	/* sockets, of connections and of guards */
	SYS_socket, SYS_socketpair, SYS_bind, SYS_listen, SYS_connect, SYS_accept4, SYS_shutdown,
	SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername, SYS_fcntl, SYS_fstat,
	SYS_newfstatat, SYS_dup3, SYS_epoll_create1, SYS_eventfd2, SYS_timerfd_create,
	/* memory */
	SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_brk,
	/* who it is, its watcher, and its end */
	SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getresuid, SYS_getrandom,
	SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_restart_syscall,
	SYS_set_robust_list, SYS_clone, SYS_wait4, SYS_pidfd_open, SYS_setsid, SYS_chdir,
	SYS_prctl, SYS_capget, SYS_capset, SYS_prlimit64, SYS_seccomp, SYS_lseek,
	SYS_process_vm_readv, SYS_getdents64, SYS_exit, SYS_exit_group,
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))
_Static_assert(CALLS < UINT8_MAX - 2, "a jump goes no further");

static struct sock_filter statement(uint16_t code, uint32_t k)
{
	return (struct sock_filter)BPF_STMT(code, k);
}

static struct sock_filter if_equal(uint32_t k, uint8_t then, uint8_t otherwise)
{
	return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, then, otherwise);
}

void confine_background(void)
{
	const uint16_t load = BPF_LD | BPF_W | BPF_ABS, answer = BPF_RET | BPF_K;
	struct sock_filter f[HEAD + CALLS + 2];
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};
	size_t deny = HEAD + CALLS, allow = deny + 1, at = 0, i;

	f[at++] = statement(load, offsetof(struct seccomp_data, arch));
	f[at++] = if_equal(ARCH, 1, 0);
	f[at++] = statement(answer, SECCOMP_RET_ERRNO | EPERM); /* numbers of another kind */
	f[at++] = statement(load, offsetof(struct seccomp_data, nr));
	f[at++] = if_equal(SYS_openat, 0, 3);
	f[at++] = statement(load, offsetof(struct seccomp_data, args[2])); /* little endian */
	f[at++] = statement(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC);
	f[at] = if_equal(O_RDONLY, (uint8_t)(allow - at - 1), (uint8_t)(deny - at - 1));
	at++;
	for (i = 0; i < CALLS; i++, at++)
		f[at] = if_equal(calls[i], (uint8_t)(allow - at - 1), 0);
	f[at++] = statement(answer, SECCOMP_RET_ERRNO | EPERM);
	f[at] = statement(answer, SECCOMP_RET_ALLOW);
	real()->prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

#else

void confine_background(void)
{
}

#endif
