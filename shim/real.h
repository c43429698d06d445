/* real.h - libc's own functions behind the names that the library takes over.
 *
 * real()->NAME(...) is what the program would have called without us. It may be
 * used from signal handlers, by several threads, and before any constructor
 * ran. Everything in the library that means the kernel's call and not the
 * program's goes this way.
 */
#ifndef MYTCP_REAL_H
#define MYTCP_REAL_H

#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct epoll_event;
struct __user_cap_header_struct;
struct __user_cap_data_struct;

/* The calls in their own types; real.c looks each up by its member's name. */
struct real_calls {
	__typeof__(socket) *socket;
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
	__typeof__(listen) *listen;
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*accept4)(int fd, struct sockaddr *addr, socklen_t *len, int flags);
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*getpeername)(int fd, struct sockaddr *addr, socklen_t *len);
	__typeof__(getsockopt) *getsockopt;
	__typeof__(setsockopt) *setsockopt;
	__typeof__(shutdown) *shutdown;
	int (*ioctl)(int fd, unsigned long request, ...);
	int (*fcntl)(int fd, int cmd, ...);
	int (*fcntl64)(int fd, int cmd, ...);
	int (*close)(int fd);
	int (*epoll_ctl)(int set, int op, int fd, struct epoll_event *ev);
	int (*dup)(int fd);
	int (*dup2)(int fd, int newfd);
	int (*dup3)(int fd, int newfd, int flags);
	int (*close_range)(unsigned first, unsigned last, int flags);
	void (*closefrom)(int first);

	ssize_t (*read)(int fd, void *buf, size_t n);
	ssize_t (*readv)(int fd, const struct iovec *iov, int n);
	__typeof__(recv) *recv;
	ssize_t (*recvfrom)(int fd, void *buf, size_t n, int flags,
			    struct sockaddr *addr, socklen_t *len);
	__typeof__(recvmsg) *recvmsg;
	__typeof__(recvmmsg) *recvmmsg;
	ssize_t (*__read_chk)(int fd, void *buf, size_t n, size_t size);
	ssize_t (*__recv_chk)(int fd, void *buf, size_t n, size_t size, int flags);
	ssize_t (*__recvfrom_chk)(int fd, void *buf, size_t n, size_t size,
				  int flags, struct sockaddr *addr, socklen_t *len);

	ssize_t (*write)(int fd, const void *buf, size_t n);
	ssize_t (*writev)(int fd, const struct iovec *iov, int n);
	__typeof__(send) *send;
	ssize_t (*sendto)(int fd, const void *buf, size_t n, int flags,
			  const struct sockaddr *addr, socklen_t len);
	__typeof__(sendmsg) *sendmsg;
	__typeof__(sendmmsg) *sendmmsg;
	ssize_t (*sendfile)(int out, int in, off_t *off, size_t n);
	ssize_t (*sendfile64)(int out, int in, off64_t *off, size_t n);
	ssize_t (*splice)(int in, off64_t *off_in, int out, off64_t *off_out,
			  size_t n, unsigned flags);

	int (*setuid)(uid_t uid);
	int (*seteuid)(uid_t uid);
	int (*setreuid)(uid_t ruid, uid_t euid);
	int (*setresuid)(uid_t ruid, uid_t euid, uid_t suid);
	int (*capset)(struct __user_cap_header_struct *header,
		      const struct __user_cap_data_struct *data);
	int (*prctl)(int option, ...);
	int (*pidfd_getfd)(int pidfd, int target, unsigned flags);
	int (*chroot)(const char *path);
	pid_t (*setsid)(void);
	long (*syscall)(long number, ...);

	int (*execve)(const char *path, char *const argv[], char *const envp[]);
	int (*execvpe)(const char *file, char *const argv[], char *const envp[]);
	int (*fexecve)(int fd, char *const argv[], char *const envp[]);
	int (*execveat)(int dir, const char *path, char *const argv[],
			char *const envp[], int flags);
	int (*posix_spawn)(pid_t *pid, const char *path,
			   const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[],
			   char *const envp[]);
	int (*posix_spawnp)(pid_t *pid, const char *file,
			    const posix_spawn_file_actions_t *actions,
			    const posix_spawnattr_t *attr, char *const argv[],
			    char *const envp[]);
	int (*system)(const char *command);
	FILE *(*popen)(const char *command, const char *mode);
	int (*unshare)(int flags);
	int (*setns)(int fd, int type);
	__attribute__((noreturn)) void (*pthread_exit)(void *result);
	__attribute__((noreturn)) void (*thrd_exit)(int result);
	int (*pthread_cancel)(pthread_t thread);

	FILE *(*fdopen)(int fd, const char *mode);
	__attribute__((noreturn)) void (*_exit)(int status);
	__attribute__((noreturn)) void (*_Exit)(int status);
	int (*getdtablesize)(void);
	long (*sysconf)(int name);
	__typeof__(getrlimit) *getrlimit;
	__typeof__(getrlimit64) *getrlimit64;
	__typeof__(setrlimit) *setrlimit;
	int (*prlimit)(pid_t pid, __rlimit_resource_t resource,
		       const struct rlimit *set, struct rlimit *old);
	int (*prlimit64)(pid_t pid, __rlimit_resource_t resource,
			 const struct rlimit64 *set, struct rlimit64 *old);
};

extern struct real_calls real_calls;
extern atomic_bool real_known; /* real_calls is filled in */
void real_resolve(void);

static inline const struct real_calls *real(void)
{
	if (!atomic_load_explicit(&real_known, memory_order_acquire))
		real_resolve();
	return &real_calls;
}

/* Set by a thread that has an fd table of its own, the driver's: its fds are
 * none of the program's, and every hook it runs into (also through libev and
 * libc) is the real call. */
extern __thread bool real_only;

#endif
