/* ends.c PORT HOW - a server with a connection ends, or makes others, in the way that
 * is called HOW; `ends list` prints what there is.
 *
 * It writes to its first client, does that, and if a process of it goes on behind
 * it, that one writes "still" to the same client, and "next" to another, which it
 * accepts first.
 */
#include <assert.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>
#include <utmp.h>
#include <wordexp.h>

extern char **environ;

static char true_[] = "true";
static int connection, listener;

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "ends: %s: %s\n", what, strerror(errno));
		raise(SIGKILL);
	}
}

/* Until all other threads sleep: what has to do with this connection is done. */
static void be_quiet(void)
{
	char path[64], line[256], *state;
	bool busy = true;
	struct dirent *d;
	DIR *tasks;
	FILE *f;

	while (busy) {
		busy = false;
		usleep(1000);
		tasks = opendir("/proc/self/task");
		must(tasks, "opendir");
		while ((d = readdir(tasks))) {
			snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", d->d_name);
			f = *d->d_name == '.' || atoi(d->d_name) == gettid() ? NULL : fopen(path, "r");
			if (!f)
				continue;
			state = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
			busy |= state && strncmp(state, ") S", 3) != 0;
			fclose(f);
		}
		closedir(tasks);
	}
}

/* ---- ends of the process ------------------------------------------------------------ */

static void end_return(void)
{
}

static void end_exit(void)
{
	exit(0);
}

static void end__exit(void)
{
	_exit(0);
}

static void end__Exit(void)
{
	_Exit(0);
}

static void end_quick_exit(void)
{
	quick_exit(0);
}

static void end_exit_group(void)
{
	syscall(SYS_exit_group, 0);
}

static void end_sys_exit(void)
{
	syscall(SYS_exit, 0);
}

static void end_err(void)
{
	err(0, "err");
}

static void end_errx(void)
{
	errx(0, "errx");
}

__attribute__((format(printf, 1, 2))) static void end_with_verr(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verr(0, fmt, ap);
	va_end(ap);
}

static void end_verr(void)
{
	end_with_verr("%s", "verr");
}

__attribute__((format(printf, 1, 2))) static void end_with_verrx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verrx(0, fmt, ap);
	va_end(ap);
}

static void end_verrx(void)
{
	end_with_verrx("%s", "verrx");
}

/* With a status of 0 it comes back. */
static void end_error(void)
{
	error(1, 0, "error");
}

static void end_error_at_line(void)
{
	error_at_line(1, 0, __FILE__, __LINE__, "error_at_line");
}

static void end_pthread_exit(void)
{
	pthread_exit(NULL);
}

static void end_thrd_exit(void)
{
	thrd_exit(0);
}

static void *come_to_an_end(void *arg)
{
	usleep(50000);
	return arg;
}

static int thrd_comes_to_an_end(void *arg)
{
	(void)arg;
	usleep(50000);
	thrd_exit(0);
}

static void end_last_thread(void)
{
	pthread_t t;

	must(pthread_create(&t, NULL, come_to_an_end, NULL) == 0, "pthread_create");
	pthread_exit(NULL);
}

static void end_last_thrd(void)
{
	thrd_t t;

	must(thrd_create(&t, thrd_comes_to_an_end, NULL) == thrd_success, "thrd_create");
	thrd_exit(0);
}

static void *cancel(void *main_thread)
{
	pthread_cancel(*(pthread_t *)main_thread);
	return NULL;
}

static void end_cancelled(void)
{
	static pthread_t self;
	pthread_t t;

	self = pthread_self();
	must(pthread_create(&t, NULL, cancel, &self) == 0, "pthread_create");
	for (;;)
		pause();
}

static void end_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void end_abort(void)
{
	abort();
}

static void end_assert(void)
{
	assert(!"true");
}

/* As __stack_chk_fail() and what else libc does not trust any more. */
static void end_smashed(void)
{
	volatile size_t past = 200;
	char buf[16];

	memset(buf, 1, past);
	must(buf[0] == 1, "memset");
}

static void end_sigterm(void)
{
	raise(SIGTERM);
}

static void end_sigkill(void)
{
	raise(SIGKILL);
}

/* In its own assembly, where there is any. */
static void raw(long number, long a, long b, long c)
{
#if defined(__x86_64__)
	__asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b, x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
#else
	syscall(number, a, b, c);
#endif
}

static void end_raw_exit_group(void)
{
	raw(SYS_exit_group, 0, 0, 0);
}

static void end_raw_exec(void)
{
	char *argv[] = {true_, NULL};

	raw(SYS_execve, (long)"/bin/true", (long)argv, (long)environ);
}

/* The client has sent something that nobody reads. */
static void end_killed_unread(void)
{
	char peek;

	must(write(connection, "send ", 5) == 5, "write");
	must(recv(connection, &peek, 1, MSG_PEEK) == 1, "recv");
	be_quiet();
	raise(SIGKILL);
}

/* Its client reads when this process is dead. */
static void end_killed_unsent(void)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t n;
	FILE *f;

	memset(bytes, '.', sizeof(bytes));
	must(dprintf(connection, "later %d ", (int)getpid()) > 0, "write");
	while ((n = send(connection, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		all += (size_t)n;
	f = fopen("sent", "w");
	must(f && fprintf(f, "%zu", all) > 0 && fclose(f) == 0, "sent");
	be_quiet();
	raise(SIGKILL);
}


/* ---- another process ends, or another program begins in it ----------------------------- */

static void reap(pid_t pid)
{
	must(pid > 0 && waitpid(pid, NULL, 0) == pid, "child");
}

static void child_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		exit(0);
	reap(pid);
}

static void child__exit(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void child__Fork(void)
{
	pid_t pid = _Fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void child_vfork(void)
{
	pid_t pid = vfork(); /* NOLINT: what is tested */

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void child_vfork_exec(void)
{
	pid_t pid = vfork(); /* NOLINT: what is tested */

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	reap(pid);
}

static void child_clone(void)
{
	pid_t pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void child_abort(void)
{
	pid_t pid = fork();

	if (pid == 0)
		abort();
	reap(pid);
}

static void child_err(void)
{
	pid_t pid = fork();

	if (pid == 0)
		errx(1, "errx");
	reap(pid);
}

static void child_system(void)
{
	must(system("exit 3") == 3 << 8, "system");
}

static void child_popen(void)
{
	FILE *f = popen("echo hello", "r");
	char line[16];

	must(f && fgets(line, sizeof(line), f) && strcmp(line, "hello\n") == 0, "popen");
	must(pclose(f) == 0, "pclose");
}

static void child_spawn(void)
{
	char *argv[] = {true_, NULL};
	pid_t pid;

	must(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0, "posix_spawn");
	reap(pid);
}

static void child_spawnp(void)
{
	char *argv[] = {true_, NULL};
	pid_t pid;

	must(posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0, "posix_spawnp");
	reap(pid);
	must(posix_spawnp(&pid, "no-such-program", NULL, NULL, argv, environ) == ENOENT, "ENOENT");
}

static void child_wordexp(void)
{
	wordexp_t w;

	must(wordexp("$(echo a b)", &w, 0) == 0 && w.we_wordc == 2, "wordexp");
	wordfree(&w);
}

static void child_forkpty(void)
{
	int tty;
	pid_t pid = forkpty(&tty, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	reap(pid);
	close(tty);
}

/* ---- the child goes on --------------------------------------------------------------- */

static void on_daemon(void)
{
	must(daemon(0, 0) == 0, "daemon");
}

static void on_daemon_1_1(void)
{
	must(daemon(1, 1) == 0, "daemon");
}

static void on_fork(void)
{
	if (fork() > 0)
		_exit(0);
}

static void on_fork_twice(void)
{
	if (fork() > 0)
		exit(0);
	setsid();
	if (fork() > 0)
		exit(0);
}

static void on__Fork(void)
{
	if (_Fork() > 0)
		_exit(0);
}

static void on_clone(void)
{
	if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) > 0)
		_exit(0);
}

static void on_forkpty(void)
{
	char ready;
	int tty;

	signal(SIGHUP, SIG_IGN);
	if (forkpty(&tty, NULL, NULL, NULL) > 0) {
		must(read(tty, &ready, 1) == 1, "the child's terminal");
		_exit(0);
	}
	must(write(STDOUT_FILENO, "r", 1) == 1, "terminal");
}

static void on_login_tty(void)
{
	int tty, terminal;

	must(openpty(&tty, &terminal, NULL, NULL, NULL) == 0, "openpty");
	if (fork() > 0)
		_exit(0);
	must(login_tty(terminal) == 0, "login_tty");
}

static void on_killed_fork(void)
{
	pid_t parent = getpid();

	if (fork() > 0)
		pause();
	must(kill(parent, SIGKILL) == 0, "kill");
	while (getppid() == parent)
		usleep(1000);
}

/* The program that goes on knows its sockets by their fds. */
static void on_killed_exec(void)
{
	char l[12], c[12];
	pid_t parent = getpid();

	if (fork() > 0)
		pause();
	must(kill(parent, SIGKILL) == 0, "kill");
	while (getppid() == parent)
		usleep(1000);
	fcntl(listener, F_SETFD, 0);
	fcntl(connection, F_SETFD, 0);
	snprintf(l, sizeof(l), "%d", listener);
	snprintf(c, sizeof(c), "%d", connection);
	execl("/proc/self/exe", "ends", l, c, "goes on", (char *)NULL);
	must(false, "exec");
}

/* ---- all of them ------------------------------------------------------------------------ */

static const struct way {
	const char *name;
	void (*run)(void);
	bool goes_on;
	bool quietly; /* not in the middle of anything */
} ways[] = {
	{"return", end_return, false, false},
	{"exit", end_exit, false, false},
	{"unix_exit", end__exit, false, false},
	{"_Exit", end__Exit, false, false},
	{"quick_exit", end_quick_exit, false, false},
	{"exit_group", end_exit_group, false, false},
	{"sys_exit", end_sys_exit, false, false},
	{"err", end_err, false, false},
	{"errx", end_errx, false, false},
	{"verr", end_verr, false, false},
	{"verrx", end_verrx, false, false},
	{"error", end_error, false, false},
	{"error_at_line", end_error_at_line, false, false},
	{"pthread_exit", end_pthread_exit, false, false},
	{"thrd_exit", end_thrd_exit, false, false},
	{"last_thread", end_last_thread, false, false},
	{"last_thrd", end_last_thrd, false, false},
	{"cancelled", end_cancelled, false, false},
	{"exec", end_exec, false, false},
	{"constructor", end_exit, false, false},
	{"abort", end_abort, false, true},
	{"assert", end_assert, false, true},
	{"smashed", end_smashed, false, true},
	{"sigterm", end_sigterm, false, true},
	{"sigkill", end_sigkill, false, true},
	{"raw_exit_group", end_raw_exit_group, false, true},
	{"raw_exec", end_raw_exec, false, true},
	{"killed_unread", end_killed_unread, false, false},
	{"killed_unsent", end_killed_unsent, false, false},
	{"child_fork", child_fork, true, false},
	{"child_exit", child__exit, true, false},
	{"child_Fork", child__Fork, true, false},
	{"child_vfork", child_vfork, true, false},
	{"child_vfork_exec", child_vfork_exec, true, false},
	{"child_clone", child_clone, true, false},
	{"child_abort", child_abort, true, false},
	{"child_err", child_err, true, false},
	{"child_system", child_system, true, false},
	{"child_popen", child_popen, true, false},
	{"child_spawn", child_spawn, true, false},
	{"child_spawnp", child_spawnp, true, false},
	{"child_wordexp", child_wordexp, true, false},
	{"child_forkpty", child_forkpty, true, false},
	{"daemon", on_daemon, true, false},
	{"daemon_1_1", on_daemon_1_1, true, false},
	{"fork", on_fork, true, false},
	{"fork_twice", on_fork_twice, true, false},
	{"_Fork", on__Fork, true, false},
	{"clone", on_clone, true, false},
	{"forkpty", on_forkpty, true, false},
	{"login_tty", on_login_tty, true, false},
	{"killed_fork", on_killed_fork, true, true},
	{"killed_exec", on_killed_exec, true, true},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void say(int fd, const char *text)
{
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write");
}

static const struct way *find(const char *how)
{
	const struct way *w;

	for (w = ways; w < ways + WAYS; w++)
		if (strcmp(w->name, how) == 0)
			return w;
	return NULL;
}

__attribute__((noreturn)) static void go_on(void)
{
	int next;

	alarm(20);
	say(connection, "still ");
	next = accept(listener, NULL, NULL);
	must(next >= 0, "accept");
	say(next, "next ");
	_exit(0);
}

static void run(const char *port, const char *how)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	const struct way *way = find(how);
	int one = 1;

	must(way, how);
	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	must(listen(listener, 5) == 0, "listen");
	connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(connection >= 0, "accept");
	say(connection, "first ");
	if (way->quietly)
		be_quiet();
	way->run();
	if (way->goes_on)
		go_on();
}

/* Before every constructor of a library. */
static void early(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[2], "constructor") == 0)
		run(argv[1], argv[2]);
}
__attribute__((section(".preinit_array"), used)) static void (*const first)(int argc, char **argv) = early;

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (i = 0; i < WAYS; i++)
			puts(ways[i].name);
		return 0;
	}
	if (argc == 4) {
		listener = (int)strtol(argv[1], NULL, 10);
		connection = (int)strtol(argv[2], NULL, 10);
		go_on();
	}
	if (argc != 3)
		return 2;
	run(argv[1], argv[2]);
	return 0;
}
