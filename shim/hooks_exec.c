/* hooks_exec.c - the program's calls that execute another program: in the process,
 * which the driver's thread does not live to see, or in a child. Owns nothing.
 *
 * Where LD_PRELOAD would have no effect, the other program would use the kernel's TCP,
 * and nobody would know: it is not executed, or not in silence. EPERM is what a shell
 * makes exit status 126 of, and for which execvp() does not search on.
 */
#include "hooks.h"

#include <alloca.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "preload.h"
#include "program.h"

/* ---- may it run? ---------------------------------------------------------------------- */

enum verdict {
	RUN,
	RUN_BARE, /* without LD_PRELOAD, of which it would die */
};

/* One line, also in a child of vfork(). */
static void say(const struct program *p, const char *what)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "mytcp: %s %s; %s\n",
			 *p->path ? p->path : "the program" /* of fexecve() */,
			 program_reason(p), what);

	if (n >= (int)sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	if (real()->write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere to say it */
}

static bool allows_kernel(char *const envp[])
{
	const char *value = preload_setting(envp, "MYTCP_ALLOW_KERNEL=");

	return value && (!strcmp(value, "on") || !strcmp(value, "1"));
}

/* A verdict on what misfits, or -EPERM. has_sockets: of ours, inherited, which it can
 * use whatever it is: they are real fds. */
static int judge(const struct program *p, char *const envp[], bool has_sockets)
{
	char what[256];

	if (allows_kernel(envp)) {
		say(p, "it uses the kernel's TCP");
	} else if (has_sockets) {
		say(p, "only the sockets that it inherits are not the kernel's TCP");
	} else {
		snprintf(what, sizeof(what), "%s, or --allow-kernel (MYTCP_ALLOW_KERNEL=on)",
			 program_remedy(p));
		say(p, what);
		return -EPERM;
	}
	return program_chokes(p) ? RUN_BARE : RUN;
}

/* Would the library be in it? Whoever has taken LD_PRELOAD out means it. */
static bool concerns_us(char *const envp[])
{
	return !real_only && (preload_asks(envp) || preload_lacks(envp));
}

/* The file actions of a child can make any fd one that it inherits. */
static bool inherits(const posix_spawn_file_actions_t *actions)
{
	return actions ? fdtab_next(0, NULL) >= 0 : preload_hands_on_sockets();
}

static int may_spawn(int dir, const char *path, int flags, bool as_execvp,
		     char *const envp[], const posix_spawn_file_actions_t *actions)
{
	int saved = errno, verdict = RUN;
	struct program p;

	if (concerns_us(envp)) {
		program_look(&p, dir, path, flags, as_execvp);
		if (program_misfits(&p))
			verdict = judge(&p, envp, inherits(actions));
	}
	errno = saved;
	return verdict;
}

static int may_run(int dir, const char *path, int flags, char *const envp[])
{
	return may_spawn(dir, path, flags, false, envp, NULL);
}

static int may_run_found(const char *file, char *const envp[],
			 const posix_spawn_file_actions_t *actions)
{
	char path[PATH_MAX];

	if (!program_search(file, path, sizeof(path)))
		return RUN; /* libc says what is wrong */
	return may_spawn(AT_FDCWD, path, 0, true, envp, actions);
}

/* ---- the calls ------------------------------------------------------------------------ */

/* A program that is not there is no reason to give up the stack; whoever looks for
 * one by trying gets here often. */
static void before(int dir, const char *path, int flags)
{
	int saved = errno;

	if (init_would_exec() && faccessat(dir, path, X_OK, AT_EACCESS | flags) == 0)
		init_before_exec();
	errno = saved;
}

/* envp as the new program gets it; on the caller's stack if it is another. */
#define ENV(envp, verdict) \
	((verdict) == RUN_BARE || preload_lacks(envp) \
		 ? change_env(alloca(preload_room(envp) * sizeof(char *)), envp, verdict) \
		 : (envp))

static char *const *change_env(char **room, char *const envp[], int verdict)
{
	if (verdict == RUN_BARE)
		preload_strip(room, envp);
	else
		preload_fill(room, envp);
	return room;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	int verdict = may_run(AT_FDCWD, path, 0, envp);

	if (verdict < 0)
		return hook_fail(verdict);
	before(AT_FDCWD, path, 0);
	return real()->execve(path, argv, ENV(envp, verdict));
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	int verdict = may_run_found(file, envp, NULL);

	if (verdict < 0)
		return hook_fail(verdict);
	if (*file) /* where PATH leads, libc finds out */
		init_before_exec();
	return real()->execvpe(file, argv, ENV(envp, verdict));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	int verdict = may_run(fd, "", AT_EMPTY_PATH, envp);

	if (verdict < 0)
		return hook_fail(verdict);
	init_before_exec();
	return real()->fexecve(fd, argv, ENV(envp, verdict));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[],
		    int flags)
{
	int verdict = may_run(dir, path, flags, envp);

	if (verdict < 0)
		return hook_fail(verdict);
	if (flags & AT_EMPTY_PATH)
		init_before_exec();
	else
		before(dir, path, flags & AT_SYMLINK_NOFOLLOW);
	return real()->execveat(dir, path, argv, ENV(envp, verdict), flags);
}

/* ---- the calls whose child libc makes: the stack stays here ---------------------------- */

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int verdict = may_spawn(AT_FDCWD, path, 0, false, envp, actions);

	if (verdict < 0)
		return -verdict;
	return real()->posix_spawn(pid, path, actions, attr, argv, ENV(envp, verdict));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int verdict = may_run_found(file, envp, actions);

	if (verdict < 0)
		return -verdict;
	return real()->posix_spawnp(pid, file, actions, attr, argv, ENV(envp, verdict));
}

/* As if the shell could not be executed. */
EXPORT int system(const char *command)
{
	int verdict = may_run(AT_FDCWD, _PATH_BSHELL, 0, environ);

	if (verdict < 0)
		return command ? W_EXITCODE(127, 0) : 0;
	return real()->system(command);
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	int verdict = may_run(AT_FDCWD, _PATH_BSHELL, 0, environ);

	if (verdict < 0) {
		hook_fail(verdict);
		return NULL;
	}
	return real()->popen(command, mode);
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
