/* test_driver.c - the driver's thread: start, commands, fork, limits, the end.
 */
#include <signal.h>

#include "../../shim/config.h"

/* A signal comes while the driver starts, as soon as this is one. */
static volatile sig_atomic_t signal_in_start;

static int load_and_raise(struct config *cfg, char **env, char *why, size_t why_size)
{
	if (signal_in_start)
		raise(signal_in_start);
	return config_load(cfg, env, why, why_size);
}
#define config_load load_and_raise

#include "app.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "../../shim/nofile.h"

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* How many threads of this process have this name. */
static int threads_named(const char *name)
{
	char path[64], comm[32] = "";
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", e->d_name);
		f = fopen(path, "r");
		if (f && fgets(comm, sizeof(comm), f)) {
			comm[strcspn(comm, "\n")] = '\0';
			n += strcmp(comm, name) == 0;
		}
		if (f)
			fclose(f);
	}
	closedir(d);
	return n;
}

static int our_threads(void)
{
	return threads_named("mytcp") + threads_named("mytcp-bell");
}

static void *start_it(void *result)
{
	*(int *)result = driver_start();
	return NULL;
}

static void started_once_and_without_a_trace_in_the_program(void **state)
{
	int before = count_fds(), result[4], i;
	pthread_t t[4];
	sigset_t mask;

	(void)state;
	assert_false(driver_is_mine());
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, start_it, &result[i]);
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(result[i], 0);
	}
	assert_true(driver_is_mine());
	/* The bell has its own name in a moment. */
	for (i = 0; i < PATIENCE_MS && threads_named("mytcp-bell") != 1; i++)
		nap_ms(1);
	assert_int_equal(threads_named("mytcp"), 1);
	assert_int_equal(count_fds(), before);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGINT));
	assert_int_equal(driver_start(), 0);
	assert_int_equal(threads_named("mytcp"), 1);
}

/* What a child says on standard error. Returns its exit status. */
static int in_child(int (*fn)(void), char *said, size_t size)
{
	int out[2], status = -1;
	ssize_t n, at = 0;
	pid_t child;

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	child = fork();
	if (child == 0) {
		dup2(out[1], STDERR_FILENO);
		fdtab_set_owner();
		driver_forget();
		_exit(fn());
	}
	close(out[1]);
	while ((n = read(out[0], said + at, size - 1 - at)) > 0)
		at += n;
	said[at] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int start_without_capability(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (syscall(SYS_capset, &h, none) != 0)
		return 100;
	if (driver_start() != -EPERM || driver_start() != -EPERM)
		return 101;
	driver_explain(-EPERM); /* there is a parent that may do instead */
	driver_explain(-EPERM);
	return driver_is_mine() ? 102 : 0;
}

static void without_permission_it_says_so_once(void **state)
{
	char said[1024], *line;

	(void)state;
	assert_int_equal(in_child(start_without_capability, said, sizeof(said)), 0);
	line = strchr(said, '\n');
	assert_non_null(line);
	assert_string_equal(line, "\n");
	assert_non_null(strstr(said, "CAP_NET_RAW"));
	assert_non_null(strstr(said, "root"));
}

static int start_with_a_wrong_setting(void)
{
	setenv("MYTCP_LINGER_MS", "soon", 1);
	return driver_start() == -EINVAL && driver_start() == -EINVAL ? 0 : 101;
}

static void a_wrong_setting_is_said_once(void **state)
{
	char said[1024], *line;

	(void)state;
	assert_int_equal(in_child(start_with_a_wrong_setting, said, sizeof(said)), 0);
	line = strchr(said, '\n');
	assert_non_null(line);
	assert_string_equal(line, "\n");
	assert_non_null(strstr(said, "soon"));
}

static int start_with_a_bad_trace(void)
{
	setenv("MYTCP_TRACE", "/nonexistent/trace", 1);
	return driver_start() == -ENOENT ? 0 : 101;
}

static void a_trace_that_cannot_be_written(void **state)
{
	char said[1024];

	(void)state;
	assert_int_equal(in_child(start_with_a_bad_trace, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "/nonexistent/trace"));
}

static int connect_with_trace(void)
{
	struct app a;

	setenv("MYTCP_TRACE", "-", 1);
	if (driver_start() != 0)
		return 101;
	a = app_connect(23000);
	if (!put(a.fd, 0, 10))
		return 102;
	app_close(&a);
	driver_leave(LEAVE_EXIT);
	return driver_is_mine() ? 103 : 0;
}

/* Also: the child of a fork has a driver of its own. */
static void the_trace_goes_to_standard_error(void **state)
{
	int l = kernel_listen(23000, 1);
	char said[16384];

	(void)state;
	/* The kernel's listener completes the handshake and takes the data. */
	assert_int_equal(in_child(connect_with_trace, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "SYN-SENT -> ESTABLISHED"));
	assert_non_null(strstr(said, "FIN"));
	close(l);
	assert_true(driver_is_mine());
}

static struct rlimit few;

static int use_few_fds(void)
{
	struct app l, a;
	struct name n;
	int err, fd;

	alarm(PATIENCE_MS / 1000);
	setrlimit(RLIMIT_NOFILE, &few);
	err = driver_start();
	if (err)
		return err == -EMFILE ? 100 : 101;
	l = app_listen(0, 5, false);
	a = app_connect(l.s->local.port);
	fd = app_accept(&l, &n).fd;
	return put(fd, 0, 1000) && get(a.fd, 0, 1000) ? 0 : 102;
}

/* It works, or says at the start why not. */
static void few_fds(void **state)
{
	char said[1024];
	struct rlimit lim;
	int got, works = 0;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &lim);
	for (rlim_t n = 5; n <= 40; n++) {
		few = (struct rlimit){n, n};
		got = in_child(use_few_fds, said, sizeof(said));
		assert_true(got == 0 || got == 100);
		assert_true(!got == !*said);
		assert_true(got || strstr(said, "file descriptors") || !*said);
		works += !got;
	}
	assert_true(works > 0);
	/* The program's limit is not the driver's. */
	for (rlim_t n = 12; n <= 40; n++) {
		few = (struct rlimit){n, lim.rlim_max};
		assert_int_equal(in_child(use_few_fds, said, sizeof(said)), 0);
	}
}

static char fifo[64];

/* More than the FIFO holds, and in many small pieces. */
static int talk_with_a_trace_that_nobody_reads(void)
{
	char byte, line[512];
	struct app a;
	int peer, fd;
	ssize_t n;

	alarm(30);
	setenv("MYTCP_TRACE", fifo, 1);
	if (driver_start() != 0)
		return 101;
	a = app_and_peer(&peer);
	for (int i = 0; i < 1000; i++)
		if (send(a.fd, "x", 1, 0) != 1 || recv(peer, &byte, 1, 0) != 1)
			return 102;
	fd = open(fifo, O_RDONLY | O_NONBLOCK);
	n = read(fd, line, sizeof(line) - 1);
	if (n < 0)
		return 103;
	line[n] = '\0';
	close(fd);
	app_close(&a);
	driver_leave(LEAVE_EXIT);
	return strstr(line, "SYN-SENT") ? 0 : 104;
}

static void a_trace_that_nobody_reads(void **state)
{
	char said[1024];

	(void)state;
	snprintf(fifo, sizeof(fifo), "/tmp/mytcp-test-%d.fifo", getpid());
	assert_return_code(mkfifo(fifo, 0600), errno);
	assert_int_equal(in_child(talk_with_a_trace_that_nobody_reads, said, sizeof(said)), 0);
	unlink(fifo);
}

static sigjmp_buf before_signal;
static volatile sig_atomic_t handled, started_by_handler;

static void start_in_handler(int sig)
{
	(void)sig;
	signal_in_start = 0;
	handled = 1;
	started_by_handler = driver_start() == 0 && driver_is_mine();
}

static void leave_handler(int sig)
{
	(void)sig;
	signal_in_start = 0;
	handled = 1;
	siglongjmp(before_signal, 1);
}

static void expect_signal_in_start(void (*handler)(int))
{
	alarm(PATIENCE_MS / 1000); /* who waits for itself ends here */
	signal(SIGUSR1, handler);
	signal_in_start = SIGUSR1;
}

static int start_with_a_handler_that_starts(void)
{
	expect_signal_in_start(start_in_handler);
	return driver_start() == 0 && handled && started_by_handler ? 0 : 101;
}

static int start_with_a_handler_that_leaves(void)
{
	expect_signal_in_start(leave_handler);
	if (sigsetjmp(before_signal, 1) == 0)
		driver_start();
	return handled && driver_start() == 0 && driver_is_mine() ? 0 : 101;
}

static int drop_with_a_handler_that_starts(void)
{
	expect_signal_in_start(start_in_handler);
	return driver_before_drop() && handled && started_by_handler ? 0 : 101;
}

static int drop_with_a_handler_that_leaves(void)
{
	expect_signal_in_start(leave_handler);
	if (sigsetjmp(before_signal, 1) == 0)
		driver_before_drop();
	return handled && driver_start() == 0 && driver_is_mine() ? 0 : 101;
}

static void signals_while_it_starts(void **state)
{
	static int (*const cases[])(void) = {
		start_with_a_handler_that_starts, start_with_a_handler_that_leaves,
		drop_with_a_handler_that_starts, drop_with_a_handler_that_leaves,
	};
	char said[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(in_child(cases[i], said, sizeof(said)), 0);
		assert_string_equal(said, "");
	}
}

static int use_the_parents_driver(void)
{
	struct sock *s = sock_new(AF_INET);
	struct endpoint any = {.addr = addr_from_v4((uint8_t[4]){0})};

	return !driver_is_mine() && driver_bind(s, &any) == -ESRCH &&
	       driver_status(s, &(struct tcp_status){0}) == -ESRCH ? 0 : 101;
}

static void a_child_has_no_driver(void **state)
{
	char said[64];

	(void)state;
	assert_int_equal(in_child(use_the_parents_driver, said, sizeof(said)), 0);
	assert_string_equal(said, "");
}

/* A child of ours that wait(2) does not see without __WALL: the watcher. */
static bool is_watched(void)
{
	siginfo_t info = {0};

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE) == 0;
}

static int bind_and_look(void)
{
	struct endpoint local = {.addr = addr_from_v4((uint8_t[4]){0})};
	struct sock *s = sock_new(AF_INET);
	bool watched;

	setenv("MYTCP_HANDOVER", "on", 1);
	if (driver_start() != 0 || is_watched() || driver_bind(s, &local) != 0)
		return 101;
	watched = is_watched();
	driver_closed(s);
	driver_leave(LEAVE_EXIT);
	return watched ? 0 : 102;
}

/* From the moment at which the call returns. */
static void watched_as_soon_as_bound(void **state)
{
	char said[64];

	(void)state;
	assert_int_equal(in_child(bind_and_look, said, sizeof(said)), 0);
}

/* bind() that fails when the driver has done its part leaves nothing of it. */
static void undone_before_it_was_bound(void **state)
{
	struct sock *s = sock_new(AF_INET), *next = sock_new(AF_INET);
	struct endpoint local = {.addr = addr_from_v4((uint8_t[4]){0})};

	(void)state;
	assert_int_equal(driver_start(), 0);
	assert_int_equal(driver_bind(s, &local), 0);
	local.port = s->local.port;
	assert_int_equal(driver_bind(next, &local), -EADDRINUSE);
	driver_undo(s);
	assert_int_equal(driver_bind(next, &local), 0);
	driver_closed(next);
	sock_put(next);
	sock_put(s);
}

static void *bind_and_close(void *bad)
{
	struct endpoint any = {.addr = addr_from_v4((uint8_t[4]){0})};

	for (int i = 0; i < 300; i++) {
		struct sock *s = sock_new(AF_INET);

		if (driver_bind(s, &any) != 0 || s->local.port == 0)
			*(int *)bad += 1;
		if (driver_bind(s, &any) != -EINVAL)
			*(int *)bad += 1;
		driver_closed(s);
		sock_put(s);
	}
	return NULL;
}

static void commands_from_many_threads(void **state)
{
	pthread_t t[8];
	int bad[8] = {0}, i;

	(void)state;
	assert_int_equal(driver_start(), 0);
	errno = 4711;
	for (i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, bind_and_close, &bad[i]);
	for (i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(bad[i], 0);
	}
	bind_and_close(&bad[0]);
	assert_int_equal(errno, 4711);
}

static atomic_int alarms;

static void on_alarm(int sig)
{
	struct sock *s = sock_new(AF_INET);
	struct tcp_status st;

	(void)sig;
	if (driver_status(s, &st) == -ENOTCONN)
		atomic_fetch_add(&alarms, 1);
	sock_put(s);
}

static void commands_from_signal_handlers(void **state)
{
	struct timeval half_ms = {.tv_usec = 500};
	struct itimerval often = {half_ms, half_ms}, never = {.it_value = {0}};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, old;
	int bad = 0;

	(void)state;
	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	while (atomic_load(&alarms) < 50)
		bind_and_close(&bad);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_int_equal(bad, 0);
}

/* Guards are fds of the driver's only; the program's limit would stop them. */
static void the_drivers_fds_do_not_count(void **state)
{
	enum { N = 80 };
	struct endpoint any = {.addr = addr_from_v4((uint8_t[4]){0})};
	struct rlimit lim, low;
	struct sock *s[N];
	int i;

	(void)state;
	assert_int_equal(driver_start(), 0);
	getrlimit(RLIMIT_NOFILE, &lim);
	assert_true(lim.rlim_max > N + 40);
	low = (struct rlimit){.rlim_cur = 40, .rlim_max = lim.rlim_max};
	assert_false(driver_nofile_raised());
	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
	assert_int_equal(driver_nofile_soft(), 40);
	for (i = 0; i < N; i++) {
		s[i] = sock_new(AF_INET);
		assert_int_equal(driver_bind(s[i], &any), 0);
	}
	assert_true(driver_nofile_raised());
	assert_int_equal(driver_nofile_soft(), 40);
	for (i = 0; i < N; i++) {
		driver_closed(s[i]);
		sock_put(s[i]);
	}
}

static void drain_waits_for_the_last_byte(void **state)
{
	const size_t total = 3 << 20;
	int peer;
	struct app a = app_and_peer(&peer);
	pid_t reader = fork();

	(void)state;
	if (reader == 0) {
		close(a.fd);
		nap_ms(300);
		_exit(!get(peer, 0, total) || recv(peer, &(char){0}, 1, 0) != 0);
	}
	close(peer);
	send_pattern(a.fd, 0, total);
	app_close(&a);
	driver_leave(LEAVE_EXIT);
	assert_false(driver_is_mine());
	/* A joined thread may still be seen for a moment. */
	for (int i = 0; i < PATIENCE_MS && our_threads(); i++)
		nap_ms(1);
	assert_int_equal(our_threads(), 0);
	expect_success(reader);
	assert_int_equal(driver_bind(a.s, NULL), -ESRCH);
	driver_leave(LEAVE_EXIT); /* nothing to do */
	assert_int_equal(driver_start(), 0);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void drain_gives_up_without_progress(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	uint64_t began;

	(void)state;
	/* More than the peer's buffers take, and the peer does not read. */
	fcntl(a.fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 200; i++) {
		put(a.fd, 0, 100000);
		nap_ms(1);
	}
	app_close(&a);
	began = now_ms();
	driver_leave(LEAVE_EXIT);
	assert_in_range(now_ms() - began, 1000, 3000);
	close(peer);
}

static void drain_does_not_wait_for_children(void **state)
{
	int peer;
	struct app a = app_and_peer(&peer);
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		char byte;

		recv(a.fd, &byte, 1, 0);
		_exit(errno != ECONNRESET);
	}
	send_pattern(a.fd, 0, 10);
	app_close(&a);
	driver_leave(LEAVE_EXIT);
	expect_success(child);
	expect_pattern(peer, 0, 10);
	expect_error(peer, ECONNRESET);
	close(peer);
}

/* Here nothing can be handed over. */
static void leaves_only_what_nobody_needs(void **state)
{
	struct app a;
	int peer;

	(void)state;
	assert_int_equal(driver_start(), 0);
	driver_leave(LEAVE_EXEC); /* which may fail */
	assert_true(driver_is_mine());
	driver_leave(LEAVE_ALONE);
	assert_false(driver_is_mine());

	a = app_and_peer(&peer);
	driver_leave(LEAVE_EXEC);
	driver_leave(LEAVE_ALONE);
	assert_true(driver_is_mine());
	send_pattern(a.fd, 0, 10);
	expect_pattern(peer, 0, 10);
	app_close(&a);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(started_once_and_without_a_trace_in_the_program),
		cmocka_unit_test(without_permission_it_says_so_once),
		cmocka_unit_test(a_wrong_setting_is_said_once),
		cmocka_unit_test(a_trace_that_cannot_be_written),
		cmocka_unit_test(the_trace_goes_to_standard_error),
		cmocka_unit_test(few_fds),
		cmocka_unit_test(a_trace_that_nobody_reads),
		cmocka_unit_test(signals_while_it_starts),
		cmocka_unit_test(a_child_has_no_driver),
		cmocka_unit_test(watched_as_soon_as_bound),
		cmocka_unit_test(undone_before_it_was_bound),
		cmocka_unit_test(commands_from_many_threads),
		cmocka_unit_test(commands_from_signal_handlers),
		cmocka_unit_test(drain_waits_for_the_last_byte),
		cmocka_unit_test(drain_gives_up_without_progress),
		cmocka_unit_test(drain_does_not_wait_for_children),
		cmocka_unit_test(leaves_only_what_nobody_needs),
		cmocka_unit_test(the_drivers_fds_do_not_count),
	};

	setenv("MYTCP_LINGER_MS", "1000", 1);
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
