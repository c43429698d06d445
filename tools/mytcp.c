/* mytcp.c - the launcher: runs a program with libmytcp.so preloaded.
 *
 * Everything that would make the preload fail, or be ignored in silence, is
 * checked first: the library, the settings, the right to open raw sockets, and
 * what the program is (or, for a script, its interpreter). Then the launcher
 * becomes the program. Each failure is one line on standard error and an exit
 * status as env(1) has it: 127 no such program, 126 it cannot be executed, 1
 * anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../shim/config.h"
#include "../shim/program.h"

enum { EXIT_PROBLEM = 1, EXIT_NOT_EXECUTABLE = 126, EXIT_NO_PROGRAM = 127 };

static const char options[] =
	"  --trace[=FILE]     print every segment and state change, on standard error\n"
	"                     or into FILE\n"
	"  --cc NAME|./FILE.so  congestion control, by name or from a file (--set cc=)\n"
	"  --set NAME=VALUE   change a setting (as MYTCP_NAME in the environment)\n"
	"  --show-config      print every setting as it would be for PROGRAM here and now:\n"
	"                     its value, where that comes from, and what it means\n"
	"  --allow-kernel     let programs run that would use the kernel's TCP, such as\n"
	"                     static ones, with a line on standard error (--set allow_kernel=)\n"
	"  --help             print this\n"
	"  --version          print the version\n";

__attribute__((noreturn, format(printf, 2, 3)))
static void fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("mytcp: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(status);
}

static void help(void)
{
	printf("usage: mytcp [options] PROGRAM [ARGS...]\n"
	       "Runs PROGRAM with its TCP connections on libmytcp instead of the kernel's TCP.\n"
	       "\n%s\nSettings, their built-in defaults and what they mean:\n", options);
	config_print(stdout);
	printf("Numbers in _ms are milliseconds; switches take on and off. Where the running\n"
	       "kernel has a sysctl of the same meaning, the default is its value.\n");
}

/* ---- options ------------------------------------------------------------ */

static void put_env(const char *name, const char *value)
{
	if (setenv(name, value, 1) < 0)
		fail(EXIT_PROBLEM, "%s", strerror(errno));
}

/* --set and --trace check a value here, and hand it on in the environment. */
static struct config given;

/* Congestion control; a file by its absolute name: the program may change
 * directory before its first socket. */
static void set_cc(const char *value)
{
	char path[PATH_MAX], why[1024];

	if (!value)
		fail(EXIT_PROBLEM, "--cc needs a name or a file");
	if (strchr(value, '/') && realpath(value, path))
		value = path;
	if (config_set(&given, FROM_OPTION, "cc", value, why, sizeof(why)) < 0)
		fail(EXIT_PROBLEM, "%s", why);
	put_env("MYTCP_CC", value);
}

/* NAME=VALUE becomes MYTCP_NAME=VALUE. */
static void set_knob(const char *arg)
{
	const char *eq = arg ? strchr(arg, '=') : NULL;
	char name[64], var[80], why[1024];

	if (!eq || eq == arg || (size_t)(eq - arg) >= sizeof(name))
		fail(EXIT_PROBLEM, "--set needs NAME=VALUE; --help lists the names");
	if (!strncmp(arg, "cc=", 3)) {
		set_cc(eq + 1);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(eq - arg), arg);
	if (config_set(&given, FROM_OPTION, name, eq + 1, why, sizeof(why)) < 0)
		fail(EXIT_PROBLEM, "%s", why);
	snprintf(var, sizeof(var), "MYTCP_%s", name);
	for (char *p = var; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	put_env(var, eq + 1);
}

static void put_trace(const char *where)
{
	char why[1024];

	if (config_set(&given, FROM_OPTION, "trace", where, why, sizeof(why)) < 0)
		fail(EXIT_PROBLEM, "%s", why);
	put_env("MYTCP_TRACE", where);
}

/* Of a FIFO the reader would take this for the end. */
static void begin_file(const char *file)
{
	struct stat st;
	int fd;

	if (stat(file, &st) == 0 && S_ISFIFO(st.st_mode))
		return;
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		fail(EXIT_PROBLEM, "cannot write the trace to \"%s\": %s", file, strerror(errno));
	close(fd);
}

/* Begins the file anew, and tells the program its absolute name: the program
 * may change directory before its first socket. */
static void set_trace(const char *file)
{
	char path[PATH_MAX];

	if (!file || !strcmp(file, "-")) {
		put_trace("-");
		return;
	}
	begin_file(file);
	if (!realpath(file, path))
		fail(EXIT_PROBLEM, "cannot resolve \"%s\": %s", file, strerror(errno));
	put_trace(path);
}

static void load_settings(struct config *c)
{
	char why[1024];

	if (config_load(c, environ, why, sizeof(why)) < 0)
		fail(EXIT_PROBLEM, "in the environment (MYTCP_...): %s", why);
}

static void show_config(void)
{
	static struct config c;

	load_settings(&c);
	for (int i = 0; i < CONFIG_KNOBS_MAX; i++)
		if (given.from[i] == FROM_OPTION)
			c.from[i] = FROM_OPTION;
	config_show(stdout, &c);
}

/* Returns the index of PROGRAM in argv. */
static int parse_options(int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		const char *o = argv[i];

		if (!strcmp(o, "--")) {
			i++;
			break;
		} else if (!strcmp(o, "--trace")) {
			set_trace(NULL);
		} else if (!strncmp(o, "--trace=", 8)) {
			set_trace(o + 8);
		} else if (!strcmp(o, "--cc")) {
			set_cc(argv[i + 1]);
			i++;
		} else if (!strncmp(o, "--cc=", 5)) {
			set_cc(o + 5);
		} else if (!strcmp(o, "--set")) {
			set_knob(argv[i + 1]);
			i++;
		} else if (!strncmp(o, "--set=", 6)) {
			set_knob(o + 6);
		} else if (!strcmp(o, "--allow-kernel")) {
			set_knob("allow_kernel=on");
		} else if (!strcmp(o, "--show-config")) {
			show_config();
			exit(0);
		} else if (!strcmp(o, "--help")) {
			help();
			exit(0);
		} else if (!strcmp(o, "--version")) {
			printf("mytcp %s\n", MYTCP_VERSION);
			exit(0);
		} else {
			fail(EXIT_PROBLEM, "unknown option %s; possible: --trace[=FILE], --cc NAME, "
			     "--set NAME=VALUE, --allow-kernel, --show-config, --help, --version", o);
		}
	}
	if (i >= argc)
		fail(EXIT_PROBLEM, "no PROGRAM given; usage: mytcp [options] PROGRAM [ARGS...]");
	return i;
}

static void check_settings(void)
{
	static struct config c;

	load_settings(&c);
}

/* ---- the library -------------------------------------------------------- */

/* Beside the launcher (source tree), or where `make install` puts it. */
static void find_library(char path[PATH_MAX])
{
	static const char *const places[] = {"libmytcp.so", "../lib/mytcp/libmytcp.so"};
	char exe[PATH_MAX], file[PATH_MAX + 32];
	const char *dir;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		fail(EXIT_PROBLEM, "cannot read /proc/self/exe (is /proc mounted?): %s",
		     strerror(errno));
	exe[n] = '\0';
	dir = dirname(exe);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, places[i]);
		if (realpath(file, path))
			return;
	}
	fail(EXIT_PROBLEM, "libmytcp.so is neither in %s nor in %s/../lib/mytcp; "
	     "run make or make install", dir, dir);
}

/* The runtime of a sanitizer, by its name: libasan.so.8, libclang_rt.asan-x86_64.so. */
static bool is_sanitizer(const char *path, size_t len)
{
	static const char *const names[] = {"libasan.", "libhwasan.", "liblsan.", "libtsan.",
					    "libubsan.", "libclang_rt."};
	const char *slash = memrchr(path, '/', len);
	size_t skip = slash ? (size_t)(slash + 1 - path) : 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len - skip >= strlen(names[i]) &&
		    !memcmp(path + skip, names[i], strlen(names[i])))
			return true;
	return false;
}

/* How much of the list the sanitizers at its beginning are, separators included: they
 * insist on being first. */
static size_t sanitizers_first(const char *list)
{
	size_t n = 0;

	for (;;) {
		size_t gap = strspn(list + n, " :"), len = strcspn(list + n + gap, " :");

		if (!len || !is_sanitizer(list + n + gap, len))
			return n;
		n += gap + len;
	}
}

/* First but for sanitizers, and keeping what the user preloads. */
static void preload(const char *lib)
{
	const char *old = getenv("LD_PRELOAD");
	size_t before;
	char *value;

	if (strpbrk(lib, " :"))
		fail(EXIT_PROBLEM, "LD_PRELOAD cannot express a blank or colon in a path: "
		     "move or install %s elsewhere", lib);
	old = old ? old : "";
	before = sanitizers_first(old);
	if (asprintf(&value, "%.*s%s%s%s%s", (int)before, old, before ? ":" : "", lib,
		     old[before] ? ":" : "", old + before + strspn(old + before, " :")) < 0)
		fail(EXIT_PROBLEM, "%s", strerror(ENOMEM));
	put_env("LD_PRELOAD", value);
	free(value);
}

/* ---- the right to open raw sockets -------------------------------------- */

/* Capabilities that the launcher has from its file are lost in exec, unless
 * they are ambient. With root the program gets its own. */
static void pass_on_capability(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() == 0 || syscall(SYS_capget, &head, data) < 0 ||
	    !(data[0].permitted & (1u << CAP_NET_RAW)))
		return;
	data[0].effective |= 1u << CAP_NET_RAW;
	data[0].inheritable |= 1u << CAP_NET_RAW;
	if (syscall(SYS_capset, &head, data) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) < 0)
		fail(EXIT_PROBLEM, "cannot pass CAP_NET_RAW on to the program: %s; "
		     "run it as root", strerror(errno));
}

static void check_raw_socket(void)
{
	char exe[PATH_MAX];
	ssize_t n;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd >= 0) {
		close(fd);
		return;
	}
	if (errno != EPERM && errno != EACCES)
		fail(EXIT_PROBLEM, "cannot open a raw socket: %s", strerror(errno));
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	fail(EXIT_PROBLEM, "raw sockets need CAP_NET_RAW: run mytcp as root, or once: "
	     "sudo setcap cap_net_raw+ep %s", exe);
}

/* ---- the program -------------------------------------------------------- */

/* As execvp(3) searches; sets path or fails. */
static void find_program(const char *name, char path[PATH_MAX])
{
	const char *dir = getenv("PATH"), *end;
	bool denied = false;
	struct stat st;

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		if (stat(path, &st) < 0)
			fail(errno == ENOENT || errno == ENOTDIR ? EXIT_NO_PROGRAM
			     : EXIT_NOT_EXECUTABLE, "%s: %s", name, strerror(errno));
		if (!S_ISREG(st.st_mode))
			fail(EXIT_NOT_EXECUTABLE, "%s: not a program", name);
		if (access(path, X_OK) < 0)
			fail(EXIT_NOT_EXECUTABLE, "%s: %s", name, strerror(errno));
		return;
	}
	for (dir = dir ? dir : "/bin:/usr/bin"; *name; dir = end + 1) {
		end = strchrnul(dir, ':');
		snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - dir), dir,
			 end > dir ? "/" : "", name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(path, X_OK) == 0)
				return;
			denied = true;
		}
		if (!*end)
			break;
	}
	if (denied)
		fail(EXIT_NOT_EXECUTABLE, "%s: %s", name, strerror(EACCES));
	fail(EXIT_NO_PROGRAM, "%s: no such program in PATH", name);
}

static bool allows_kernel(void)
{
	static struct config c;

	load_settings(&c);
	return c.allow_kernel;
}

/* Is the library to be preloaded? */
static bool check_program(const char *program)
{
	struct program p;

	program_look(&p, AT_FDCWD, program, 0, true);
	switch (p.kind) {
	case PROGRAM_TRUNCATED:
		fail(EXIT_NOT_EXECUTABLE, "%s: truncated program", p.path);
	case PROGRAM_NO_INTERPRETER:
		fail(EXIT_NOT_EXECUTABLE, "%s: no interpreter after #!", program);
	case PROGRAM_LOST_INTERPRETER:
		fail(EXIT_NO_PROGRAM, "%s: its interpreter %s is not there", program, p.path);
	case PROGRAM_TOO_DEEP:
		fail(EXIT_NOT_EXECUTABLE, "%s: too many interpreters", program);
	default:
		break;
	}
	if (!program_misfits(&p))
		return true;
	if (!allows_kernel())
		fail(EXIT_PROBLEM, "%s %s; %s, or --allow-kernel", p.path, program_reason(&p),
		     program_remedy(&p));
	fprintf(stderr, "mytcp: %s %s; it uses the kernel's TCP\n", p.path,
		program_reason(&p));
	return !program_chokes(&p);
}

int main(int argc, char *argv[])
{
	int first = parse_options(argc, argv);
	char lib[PATH_MAX], program[PATH_MAX];
	bool fits;

	check_settings();
	find_library(lib);
	find_program(argv[first], program);
	fits = check_program(program);
	pass_on_capability();
	check_raw_socket();
	if (fits)
		preload(lib);
	if (!strchr(program, '/')) /* found through an empty entry of PATH */
		snprintf(program, sizeof(program), "./%s", argv[first]);
	execvp(program, argv + first);
	fail(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_NOT_EXECUTABLE, "%s: %s", argv[first],
	     strerror(errno));
}
