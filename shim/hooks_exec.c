/* hooks_exec.c - the program's calls that make another program of the process,
 * which the driver's thread does not live to see. Owns nothing.
 */
#include "hooks.h"

#include <alloca.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "init.h"
#include "preload.h"

/* A program that is not there is no reason to give up the stack; whoever looks for
 * one by trying gets here often. */
static void before(int dir, const char *path, int flags)
{
	int saved = errno;

	if (init_would_exec() && faccessat(dir, path, X_OK, AT_EACCESS | flags) == 0)
		init_before_exec();
	errno = saved;
}

/* Where PATH leads, libc finds out. */
static void before_search(const char *file)
{
	if (file && !*file)
		return; /* ENOENT */
	init_before_exec();
}

/* envp as the new program gets it; on the caller's stack if it is another. */
#define WITH_US(envp) \
	(preload_lacks(envp) ? with_us(alloca(preload_room(envp) * sizeof(char *)), envp) \
			     : (envp))

static char *const *with_us(char **room, char *const envp[])
{
	preload_fill(room, envp);
	return room;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	before(AT_FDCWD, path, 0);
	return real()->execve(path, argv, WITH_US(envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
	before(AT_FDCWD, path, 0);
	return real()->execve(path, argv, WITH_US(environ));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	before_search(file);
	return real()->execvpe(file, argv, WITH_US(environ));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	before_search(file);
	return real()->execvpe(file, argv, WITH_US(envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	init_before_exec();
	return real()->fexecve(fd, argv, WITH_US(envp));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[],
		    int flags)
{
	if (flags & AT_EMPTY_PATH)
		init_before_exec();
	else
		before(dir, path, flags & AT_SYMLINK_NOFOLLOW);
	return real()->execveat(dir, path, argv, WITH_US(envp), flags);
}

/* ---- arguments one by one: by the stack, as there may be no malloc() after vfork() -- */

static size_t count_args(const char *first, va_list ap)
{
	const char *arg;
	size_t n = 0;
	va_list at;

	va_copy(at, ap);
	for (arg = first; arg; arg = va_arg(at, char *))
		n++;
	va_end(at);
	return n;
}

/* Up to the NULL, which is taken too. */
static void take_args(char **argv, const char *first, va_list *ap)
{
	*argv = (char *)first;
	while (*argv)
		*++argv = va_arg(*ap, char *);
}

EXPORT int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	argv = alloca((count_args(arg, ap) + 1) * sizeof(*argv));
	take_args(argv, arg, &ap);
	va_end(ap);
	return execv(path, argv);
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	argv = alloca((count_args(arg, ap) + 1) * sizeof(*argv));
	take_args(argv, arg, &ap);
	va_end(ap);
	return execvp(file, argv);
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	char **argv, **envp;
	va_list ap;

	va_start(ap, arg);
	argv = alloca((count_args(arg, ap) + 1) * sizeof(*argv));
	take_args(argv, arg, &ap);
	envp = va_arg(ap, char **);
	va_end(ap);
	return execve(path, argv, envp);
}
