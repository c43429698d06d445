/* old_kernel.h - this process and what it starts find no SO_PASSRIGHTS, as before Linux
 * 6.16: strangers' fds come through.
 */
#ifndef TEST_SHIM_OLD_KERNEL_H
#define TEST_SHIM_OLD_KERNEL_H

#include <errno.h>
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* 0 or -1 with errno. */
static inline int old_kernel(void)
{
	const unsigned load = BPF_LD | BPF_W | BPF_ABS, equal = BPF_JMP | BPF_JEQ | BPF_K;
	struct sock_filter f[] = {
		BPF_STMT(load, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(equal, SYS_setsockopt, 1, 0),
		BPF_JUMP(equal, SYS_getsockopt, 0, 3),
		BPF_STMT(load, offsetof(struct seccomp_data, args[2])), /* little endian */
		BPF_JUMP(equal, 83 /* SO_PASSRIGHTS */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

#endif
