/* untracked.c - for the thread sanitizer: what the library asks of libc about fds, past
 * the sanitizer's interceptors.
 *
 * The driver has an fd table of its own, of which the sanitizer knows nothing: it takes
 * fd 7 there for fd 7 of the program, and each use of the one beside a close() of the
 * other for a race. No memory is left out of its sight by this: the library's threads
 * order theirs by atomics and locks. The Makefile leads the library's calls here.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/types.h>

void *untracked_dlsym(void *handle, const char *name);
int untracked_epoll_create(int size);
int untracked_epoll_create1(int flags);
int untracked_epoll_wait(int epoll, struct epoll_event *evs, int n, int timeout_ms);
int untracked_eventfd(unsigned value, int flags);
int untracked_fstat(int fd, struct stat *st);
int untracked_open(const char *path, int flags, ...);
int untracked_pipe(int fd[2]);
int untracked_pipe2(int fd[2], int flags);
int untracked_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int untracked_socketpair(int family, int type, int protocol, int fd[2]);

/* shim/real.c asks for the next one, which would be the interceptor. */
void *untracked_dlsym(void *handle, const char *name)
{
	static void *libc;

	(void)handle;
	if (!libc)
		libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	return libc ? dlsym(libc, name) : NULL;
}

/* The function pointer is looked up at each call: this is no library. */
#define LIBC(name) ((__typeof__(&untracked_##name))untracked_dlsym(NULL, #name))

int untracked_epoll_create(int size)
{
	return LIBC(epoll_create)(size);
}

int untracked_epoll_create1(int flags)
{
	return LIBC(epoll_create1)(flags);
}

int untracked_epoll_wait(int epoll, struct epoll_event *evs, int n, int timeout_ms)
{
	return LIBC(epoll_wait)(epoll, evs, n, timeout_ms);
}

int untracked_eventfd(unsigned value, int flags)
{
	return LIBC(eventfd)(value, flags);
}

int untracked_fstat(int fd, struct stat *st)
{
	return LIBC(fstat)(fd, st);
}

int untracked_open(const char *path, int flags, ...)
{
	va_list rest;
	int mode;

	va_start(rest, flags);
	mode = va_arg(rest, int);
	va_end(rest);
	return LIBC(open)(path, flags, mode);
}

int untracked_pipe(int fd[2])
{
	return LIBC(pipe)(fd);
}

int untracked_pipe2(int fd[2], int flags)
{
	return LIBC(pipe2)(fd, flags);
}

int untracked_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return LIBC(poll)(fds, n, timeout_ms);
}

int untracked_socketpair(int family, int type, int protocol, int fd[2])
{
	return LIBC(socketpair)(family, type, protocol, fd);
}
