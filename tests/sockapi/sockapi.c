/* sockapi.c - what the socket calls say: run once on the kernel's TCP and once on
 * ours, the two logs must be the same. See sockapi.h.
 *
 *     sockapi peer CONTROL                          the other side
 *     sockapi run CONTROL client|server HERE THERE [PATTERN]
 *     sockapi list
 *
 * CONTROL: a path, by which the two find each other. HERE, THERE: addresses of the
 * two. PATTERN: only the cases whose name or file (without cases_ and .c) it matches.
 */
#include "sockapi.h"

#include <fnmatch.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

volatile sig_atomic_t sigpipes, signals;
char buf[65536];
int family;
bool role_server;
const char *here, *there;

#define NOBODY 5000
static int case_number;

extern const struct test_case __start_cases[], __stop_cases[];

/* ---- helpers of cases ---------------------------------------------------------------- */

bool on_loopback(void)
{
	return strcmp(here, there) == 0;
}

struct addr addr_of(const char *text, uint16_t port)
{
	struct addr a = {0};

	if (family == AF_INET6) {
		a.len = sizeof(a.in6);
		a.in6.sin6_port = htons(port);
		if (text)
			inet_pton(AF_INET6, text, &a.in6.sin6_addr);
	} else {
		a.len = sizeof(a.in);
		a.in.sin_port = htons(port);
		if (text)
			inet_pton(AF_INET, text, &a.in.sin_addr);
	}
	a.sa.sa_family = family;
	return a;
}

uint16_t port_of(int fd)
{
	struct addr a = {.len = sizeof(a.in6)};

	if (getsockname(fd, &a.sa, &a.len) != 0)
		return 0;
	return ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

/* A case cannot go on without this. */
static int needed(const char *what, int r)
{
	if (r < 0) {
		LOG("%s: %s", what, errno_name(errno));
		exit(1);
	}
	return r;
}

void set_int(int fd, int level, int name, int v)
{
	needed("setsockopt", setsockopt(fd, level, name, &v, sizeof(v)));
}

int tcp(int flags)
{
	return needed("socket", socket(family, SOCK_STREAM | flags, 0));
}

int to(int fd, uint16_t port)
{
	struct addr a = addr_of(there, port);

	return connect(fd, &a.sa, a.len);
}

int bound(int flags)
{
	struct addr a = addr_of(here, 0);
	int fd = tcp(flags);

	needed("bind", bind(fd, &a.sa, a.len));
	return fd;
}

int listener(int flags)
{
	int fd = bound(flags);

	needed("listen", listen(fd, 64));
	return fd;
}

/* Below the ports that the kernel gives out, and each case has its own. */
uint16_t nobody(void)
{
	name_port("nobody", NOBODY + case_number);
	return NOBODY + case_number;
}

/* The peer's with another last part. */
struct addr silent(void)
{
	char text[INET6_ADDRSTRLEN + 8];
	char *dot;

	snprintf(text, sizeof(text), "%s", there);
	dot = strrchr(text, family == AF_INET ? '.' : ':');
	strcpy(dot + 1, "99");
	return addr_of(text, 9);
}

int accepted(int listen_fd)
{
	peer_connect(NULL, port_of(listen_fd));
	await(listen_fd, POLLIN);
	return needed("accept", accept(listen_fd, NULL, NULL));
}

int joined_with(int flags)
{
	int fd, at;

	if (!role_server) {
		fd = tcp(flags & SOCK_CLOEXEC);
		needed("connect", to(fd, peer_listen()));
		peer_accept();
		if (flags & SOCK_NONBLOCK)
			fcntl(fd, F_SETFL, O_NONBLOCK);
		return fd;
	}
	at = listener(0);
	peer_connect(NULL, port_of(at));
	await(at, POLLIN);
	fd = needed("accept", accept4(at, NULL, NULL, flags));
	close(at);
	return fd;
}

int joined(void)
{
	return joined_with(0);
}

size_t fill(int fd)
{
	size_t n = 0;
	ssize_t r;
	int quiet;

	for (quiet = 0; quiet < 4; quiet++) {
		while ((r = send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
			n += r;
			quiet = 0;
		}
		usleep(80000);
	}
	return n;
}

void settle(void)
{
	usleep(60000);
}

double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

struct call {
	int ms;
	void (*fn)(void *);
	void *arg;
};

static void *call_later(void *arg)
{
	struct call c = *(struct call *)arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	free(arg);
	usleep(c.ms * PATIENCE * 1000);
	c.fn(c.arg);
	return NULL;
}

void later(int ms, void (*fn)(void *), void *arg)
{
	struct call *c = malloc(sizeof(*c));
	pthread_t t;

	if (!c)
		exit(1);
	*c = (struct call){ms, fn, arg};
	if (pthread_create(&t, NULL, call_later, c) == 0)
		pthread_detach(t);
}

static void on_signal(int sig)
{
	if (sig == SIGPIPE)
		sigpipes++;
	else
		signals++;
}

static void send_usr1(void *arg)
{
	pthread_kill((pthread_t)arg, SIGUSR1);
}

void signal_later(int ms, bool restart)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};

	sigaction(SIGUSR1, &sa, NULL);
	later(ms, send_usr1, (void *)pthread_self());
}

/* ---- running --------------------------------------------------------------------------- */

/* "io" of "tests/sockapi/cases_io.c" */
static const char *theme(const struct test_case *c)
{
	static char text[64];
	const char *at = strrchr(c->file, '/');

	snprintf(text, sizeof(text), "%s", (at ? at + 1 : c->file) + strlen("cases_"));
	*strchrnul(text, '.') = 0;
	return text;
}

/* So many at a time; most of it is waiting. */
#define JOBS 24

struct job {
	const struct test_case *c;
	pid_t pid;
	FILE *log;
};

static void start(struct job *job, const struct test_case *c, const char *control)
{
	job->c = c;
	job->log = tmpfile();
	job->pid = fork();
	if (job->pid < 0 || !job->log)
		exit(1);
	if (job->pid)
		return;
	dup2(fileno(job->log), STDOUT_FILENO);
	fclose(job->log);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, on_signal);
	alarm(CASE_SECONDS);
	case_number = c - __start_cases;
	peer_begin(control);
	c->run();
	peer_end();
	exit(0);
}

static void finish(struct job *job)
{
	int status, ch;

	if (waitpid(job->pid, &status, 0) != job->pid)
		exit(1);
	printf("%s/%s\n", theme(job->c), job->c->name);
	rewind(job->log);
	while ((ch = getc(job->log)) != EOF)
		putchar(ch);
	fclose(job->log);
	if (WIFSIGNALED(status))
		LOG("killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else if (status)
		LOG("exit status %d", WEXITSTATUS(status));
	fflush(stdout);
}

static int run(const char *control, const char *pattern)
{
	const struct test_case *c;
	struct job jobs[JOBS];
	int n = 0, done = 0;

	for (c = __start_cases; c < __stop_cases; c++) {
		if (fnmatch(pattern, c->name, 0) && fnmatch(pattern, theme(c), 0))
			continue;
		if (n - done == JOBS)
			finish(&jobs[done++ % JOBS]);
		start(&jobs[n++ % JOBS], c, control);
	}
	while (done < n)
		finish(&jobs[done++ % JOBS]);
	return 0;
}

int main(int argc, char **argv)
{
	const struct test_case *c;

	if (argc == 3 && strcmp(argv[1], "peer") == 0)
		return be_peer(argv[2]);
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (c = __start_cases; c < __stop_cases; c++)
			printf("%s %s\n", theme(c), c->name);
		return 0;
	}
	if ((argc != 6 && argc != 7) || strcmp(argv[1], "run") != 0)
		return 2;
	role_server = strcmp(argv[3], "server") == 0;
	here = argv[4];
	there = argv[5];
	family = strchr(here, ':') ? AF_INET6 : AF_INET;
	return run(argv[2], argc == 7 ? argv[6] : "*");
}
