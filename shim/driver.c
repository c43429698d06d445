/* driver.c - owns the driver's thread: how it starts, how the program's threads
 * talk to it, and how it ends.
 *
 * The driver has an fd table of its own, so the program's threads share no
 * eventfd with it that they could write to: the number could be any file of the
 * program's. A second small thread in the driver's table, the bell, sleeps on a
 * futex that the program's threads can reach, and wakes the loop.
 *
 * Invariants: state is RUNNING exactly while the queue is open and somebody
 * will answer; stack is touched by the driver's thread alone once that runs.
 */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "fdtab.h"
#include "handover.h"
#include "lastthread.h"
#include "privs.h"
#include "mem.h"
#include "nofile.h"
#include "real.h"
#include "signals.h"
#include "stack.h"

#define STACK_BYTES (256 * 1024)
#define BELL_STACK_BYTES (64 * 1024)
/* What the driver has open by itself, some 20, and a few connections. */
#define FDS_MIN 24

enum { NONE, STARTING, RUNNING };
#define REFRESH_US 1000000u
#define PENDING 1u /* not a result, which is 0 or a negative errno */

static struct {
	atomic_uint state;    /* futex */
	atomic_uint result;   /* futex: of the thread's start, PENDING before */
	atomic_uint rung;     /* futex: counts the calls of ring() */
	atomic_bool bell_ends;
	atomic_bool complained;
	bool prepared; /* cfg is what driver_before_drop() found */
	pthread_t thread;
	struct stack_key key, parent;
	atomic_bool has_parent;
	struct command_queue queue;
	struct config cfg;
	struct config fresh[2]; /* what the sysctls have become since, in turn */
	_Atomic(const struct config *) shown; /* one of these; NULL: cfg */
	_Atomic uint64_t refreshed_us; /* when they were read */
	struct stack *stack;
	struct leave_call {
		struct command c; /* first */
		enum leave_why why;
	} leave; /* here and not on a stack, see driver_leave() */
	atomic_bool leaving;
	atomic_uint moving;   /* futex: 1 while the program may go on without it */
	atomic_bool confined;
} driver;

static __thread bool is_driver;

/* One line on standard error, once in the life of a process. */
__attribute__((format(printf, 1, 2)))
static void complain(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	if (atomic_exchange(&driver.complained, true))
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (n > 0 && real()->write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere to say it */
}

/* ---- threads --------------------------------------------------------------------- */

static void ring(void)
{
	atomic_fetch_add(&driver.rung, 1);
	futex_wake_all(&driver.rung);
}

/* Ordinary scheduling and a small stack, whatever the program uses. Called with
 * all signals blocked, which the thread inherits (by pthread_sigmask(): glibc's
 * own signals must get through). */
static int spawn(pthread_t *thread, size_t stack_bytes, void *(*fn)(void *arg))
{
	const struct sched_param other = {.sched_priority = 0};
	pthread_attr_t attr;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &other);
	pthread_attr_setstacksize(&attr, stack_bytes);
	err = pthread_create(thread, &attr, fn, NULL);
	pthread_attr_destroy(&attr);
	if (err == EINVAL) /* large thread-local data leave no room in the stack */
		err = pthread_create(thread, NULL, fn, NULL);
	return -err;
}

static void *bell_main(void *arg)
{
	unsigned seen = 0;

	(void)arg;
	real_only = true;
	pthread_setname_np(pthread_self(), "mytcp-bell");
	while (!atomic_load(&driver.bell_ends)) {
		futex_wait(&driver.rung, seen);
		if (atomic_load(&driver.rung) == seen)
			continue;
		seen = atomic_load(&driver.rung);
		loop_wake(driver.stack->loop);
	}
	return NULL;
}

/* An fd table of our own, with none of the program's files but spare, the set of
 * privs.h, if that is not -1. The numbers of the standard streams are taken by
 * something that takes no data, so that libc's last words do not go into a socket of
 * ours; with a trace on standard error, that stays. */
static int own_fds(const struct stack *st, int spare)
{
	bool keep_stderr = strcmp(st->cfg.trace, "-") == 0;
	unsigned end = spare < 3 ? 3 : spare;
	int sink, fd;

	/* With a root and working directory of its own, too, as setns(2) wants it. */
	if (real()->unshare(CLONE_FS) != 0 ||
	    close_range(end + (spare >= 3), ~0U, CLOSE_RANGE_UNSHARE) != 0 ||
	    (end > 3 && close_range(3, end - 1, 0) != 0))
		return -errno;
	sink = epoll_create1(EPOLL_CLOEXEC);
	if (sink < 0)
		return -errno;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fd != sink && !(fd == STDERR_FILENO && keep_stderr))
			dup3(sink, fd, O_CLOEXEC);
	if (sink > STDERR_FILENO)
		close(sink);
	return 0;
}

/* Of a table with fewer there would not even be an error: libev asks for an fd until it
 * gets one. */
static int enough_fds(void)
{
	int fd;

	do
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FDS_MIN - 1);
	while (fd < 0 && nofile_raise());
	if (fd < 0)
		return -EMFILE;
	close(fd);
	return 0;
}

static void refuse_commands(void)
{
	struct command *c = commands_close(&driver.queue), *next;

	for (; c; c = next) {
		next = c->next;
		command_done(c, -ESRCH);
	}
}

/* Until the driver has nothing more to do here. Returns what handover_fork() did,
 * if it was called; else -1. */
static int work(struct stack *st)
{
	int held;

	for (;;) {
		stack_run(st);
		if (!st->leave.hand_over)
			return -1;
		watcher_forget(st); /* else there might be two that go on */
		held = handover_fork(st);
		if (held >= 0)
			return held;
		leave_stays(st);
	}
}

static void *driver_main(void *arg)
{
	struct stack *st = driver.stack;
	int err, spare = atomic_load(&privs_fd);
	pthread_t bell = 0;
	struct command *left = NULL;
	int held = -1;

	(void)arg;
	real_only = is_driver = true;
	/* The program's locale lies in memory of the program's. This one is libc's
	 * constant (newlocale(3)), and what the trace looks like. */
	uselocale(newlocale(LC_ALL_MASK, "C", NULL));
	err = own_fds(st, spare);
	if (!err)
		err = enough_fds();
	if (!err)
		err = stack_open(st);
	if (spare >= 3)
		close(spare);
	if (!err)
		err = spawn(&bell, BELL_STACK_BYTES, bell_main);
	pthread_setname_np(pthread_self(), "mytcp"); /* the bell has its own */
	atomic_store(&driver.result, (unsigned)err);
	futex_wake_all(&driver.result);
	if (!err) {
		held = work(st);
		left = st->leave.waiting;
		refuse_commands();
		atomic_store(&driver.bell_ends, true);
		ring();
		pthread_join(bell, NULL);
		watcher_end(st);
	}
	if (held < 0)
		stack_free(st);
	else
		handover_finish(st, held);
	if (left)
		command_done(left, 0);
	return NULL;
}

/* ---- start ------------------------------------------------------------------------ */

/* Settings stay as they were when the program could still see where they are. */
static int load_settings(struct config *cfg, char *why, size_t why_size)
{
	int err = 0;

	if (!driver.prepared)
		err = config_load(cfg, environ, why, why_size);
	cfg->engine.trace = *cfg->trace != '\0';
	return err;
}

static int configure(struct config *cfg)
{
	char why[256];

	if (load_settings(cfg, why, sizeof(why)) != 0) {
		complain("mytcp: %s\n", why);
		return -EINVAL;
	}
	if (getrandom(cfg->engine.seed, sizeof(cfg->engine.seed), 0) < 0 ||
	    getrandom(&driver.key, sizeof(driver.key), 0) < 0)
		return -errno;
	return 0;
}

void driver_explain(int err)
{
	const struct config *cfg = &driver.cfg;

	if (err == -EPERM)
		complain("mytcp: no permission for raw sockets: run as root, "
			 "or give the program CAP_NET_RAW\n");
	else if (err == -ENOSYS)
		complain("mytcp: this kernel is too old: Linux 5.9 is needed\n");
	else if (err == -EMFILE)
		complain("mytcp: cannot start: at least %d file descriptors are needed "
			 "(ulimit -n)\n", FDS_MIN);
	else if (*cfg->trace && strcmp(cfg->trace, "-") != 0)
		complain("mytcp: cannot start with the trace going to %s: %s\n",
			 cfg->trace, strerror(-err));
	else
		complain("mytcp: cannot start: %s\n", strerror(-err));
}

/* Signals are blocked here (begin_start()); the new threads inherit that. */
static int run_thread(void)
{
	int err;

	atomic_store(&driver.result, PENDING);
	atomic_store(&driver.bell_ends, false);
	atomic_store(&driver.rung, 0);
	commands_open(&driver.queue);
	err = spawn(&driver.thread, STACK_BYTES, driver_main);
	if (err) {
		stack_free(driver.stack);
		return err;
	}
	while (atomic_load(&driver.result) == PENDING)
		futex_wait(&driver.result, PENDING);
	err = (int)atomic_load(&driver.result);
	if (err)
		pthread_join(driver.thread, NULL);
	return err;
}

static uint64_t coarse_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * (uint64_t)1000000 + ts.tv_nsec / 1000;
}

static int start(bool as_heir)
{
	struct config *cfg = &driver.cfg;
	int err;

	if (as_heir && driver_parent())
		driver.prepared = true;
	err = configure(cfg);

	atomic_store(&driver.shown, NULL);
	atomic_store(&driver.refreshed_us, driver.prepared ? 0 : coarse_us());
	if (!err) {
		driver.stack = stack_new(cfg, &driver.key, &driver.queue);
		if (driver.stack && atomic_load(&driver.confined))
			watcher_forbid(driver.stack);
		err = driver.stack ? run_thread() : -ENOMEM;
	}
	if (err && !as_heir && (!driver_parent() || (err != -EPERM && err != -EAGAIN && err != -ENOMEM)))
		driver_explain(err);
	return err;
}

/* Who starts the driver takes no signal from before the state is STARTING until after
 * it is no longer: a handler in that thread would wait for its own thread, and one that
 * does not come back would leave the state as it is. */
struct starter {
	sigset_t mask;
	int cancel;
};

static void hold_all(struct starter *by)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &by->cancel);
	signals_hold(&by->mask);
}

static void let_all(const struct starter *by)
{
	signals_let(&by->mask);
	pthread_setcancelstate(by->cancel, NULL);
}

/* Waits for whoever is starting the driver. True: it is STARTING, and the caller is to
 * say end_start(); else it is RUNNING. */
static bool begin_start(struct starter *by)
{
	unsigned seen;

	while (atomic_load(&driver.state) != RUNNING) {
		hold_all(by);
		seen = NONE;
		if (atomic_compare_exchange_strong(&driver.state, &seen, STARTING))
			return true;
		let_all(by);
		if (seen == STARTING)
			futex_wait(&driver.state, STARTING);
	}
	return false;
}

static void end_start(const struct starter *by, bool running)
{
	atomic_store(&driver.state, running ? RUNNING : NONE);
	futex_wake_all(&driver.state);
	let_all(by);
}

static int start_unless_running(bool as_heir)
{
	int saved = errno, err;
	struct starter by;

	if (!fdtab_is_mine())
		return -ESRCH; /* vfork() */
	if (!begin_start(&by))
		return 0;
	err = start(as_heir);
	end_start(&by, !err);
	if (!err)
		lastthread_driver_runs();
	errno = saved;
	return err;
}

int driver_start(void)
{
	return start_unless_running(false);
}

int driver_start_as_heir(void)
{
	return start_unless_running(true);
}

bool driver_is_this_thread(void)
{
	return is_driver;
}

bool driver_is_mine(void)
{
	/* Without a system call in most children: they may be confined (seccomp). */
	if (atomic_load(&driver.state) != RUNNING && !atomic_load(&driver.moving))
		return false;
	if (!fdtab_is_mine())
		return false;
	while (atomic_load(&driver.moving))
		futex_wait(&driver.moving, 1);
	return atomic_load(&driver.state) == RUNNING;
}

/* The memory of the parent's driver is left alone: its thread, which is not
 * here, may have been anywhere in it. */
void driver_forget(void)
{
	mem_forget();
	if (atomic_load(&driver.state) == RUNNING) {
		driver.parent = driver.key;
		atomic_store(&driver.has_parent, true);
	}
	atomic_store(&driver.complained, false);
	atomic_store(&driver.leaving, false);
	atomic_store(&driver.moving, 0);
	atomic_store(&driver.state, NONE);
}

void driver_defaults(void)
{
	if (!driver_is_mine()) /* else a hook was called before the constructor */
		config_defaults(&driver.cfg);
}

const struct config *driver_config(void)
{
	const struct config *c = atomic_load(&driver.shown);

	return c ? c : &driver.cfg;
}

static void run_refresh(struct stack *st, struct command *c)
{
	struct config *next = &driver.fresh[driver_config() == &driver.fresh[0]];

	*next = *driver_config();
	if (stack_refresh(st, next))
		atomic_store(&driver.shown, next);
	command_done(c, 0);
}

void driver_refresh(void)
{
	uint64_t last_us = atomic_load(&driver.refreshed_us), now_us = coarse_us();

	if (now_us - last_us < REFRESH_US || atomic_load(&driver.confined) ||
	    !atomic_compare_exchange_strong(&driver.refreshed_us, &last_us, now_us))
		return;
	driver_command(&(struct command){.run = run_refresh});
}

const struct stack_key *driver_parent(void)
{
	return atomic_load(&driver.has_parent) ? &driver.parent : NULL;
}

const uint8_t *driver_stack_id(void)
{
	return driver.key.id;
}

uint64_t driver_pass(void)
{
	return driver.key.pass;
}

socklen_t driver_listener_name(struct sockaddr_un *sun)
{
	struct name n = {.kind = NAME_DRIVER, .pass = driver.key.pass};

	memcpy(n.stack, driver.key.id, sizeof(n.stack));
	return name_encode(&n, sun);
}

/* ---- commands -------------------------------------------------------------------------- */

/* Signals are blocked meanwhile: a handler that left by longjmp() would leave
 * the driver with a command in a stack frame that is gone. */
int driver_command(struct command *c)
{
	sigset_t all, old;
	int result = -ESRCH;

	if (is_driver) {
		c->run(driver.stack, c);
		return c->result;
	}
	if (!driver_is_mine())
		return -ESRCH;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (commands_put(&driver.queue, c)) {
		ring();
		result = command_wait(c);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return result;
}

static void run_before_drop(struct stack *st, struct command *c)
{
	link_before_drop(st->link);
	command_done(c, 0);
}

bool driver_before_drop(void)
{
	struct starter by;
	char why[256];
	bool good;

	if (!begin_start(&by))
		return driver_command(&(struct command){.run = run_before_drop}) == 0;
	good = driver.prepared = load_settings(&driver.cfg, why, sizeof(why)) == 0;
	end_start(&by, false);
	return good;
}

/* ---- the end ------------------------------------------------------------------------------ */

static void run_leave(struct stack *st, struct command *c)
{
	if (atomic_load(&driver.confined))
		st->cfg.handover = false;
	leave_start(st, c, ((struct leave_call *)c)->why);
}

static void run_renew(struct stack *st, struct command *c)
{
	watcher_renew(st);
	command_done(c, 0);
}

void driver_user_changed(void)
{
	driver_command(&(struct command){.run = run_renew});
}

static void run_forbid(struct stack *st, struct command *c)
{
	watcher_forbid(st);
	command_done(c, 0);
}

void driver_before_confine(void)
{
	driver_command(&(struct command){.run = run_forbid});
}

void driver_confine(void)
{
	atomic_store(&driver.confined, true);
}

static void leave(enum leave_why why)
{
	driver.leave = (struct leave_call){.c.run = run_leave, .why = why};
	if (!commands_put(&driver.queue, &driver.leave.c))
		return;
	ring();
	if (command_wait(&driver.leave.c) != 0)
		return;
	pthread_join(driver.thread, NULL);
	atomic_store(&driver.state, NONE);
}

/* Other threads do not begin anything meanwhile, nor do handlers in this one. */
static void leave_and_go_on(enum leave_why why)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_store(&driver.moving, 1);
	leave(why);
	atomic_store(&driver.moving, 0);
	futex_wake_all(&driver.moving);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Not through call(): the end may take long, and signals must come through. The
 * command is static, in case one of their handlers does not come back here. */
void driver_leave(enum leave_why why)
{
	int cancel, saved = errno;

	if (!driver_is_mine() || atomic_exchange(&driver.leaving, true))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (why == LEAVE_EXIT)
		leave(why);
	else
		leave_and_go_on(why);
	pthread_setcancelstate(cancel, NULL);
	atomic_store(&driver.leaving, false);
	errno = saved;
}
