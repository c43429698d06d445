/* heir.c - owns whether this process wants to inherit: who its parent was, and what was asked.
 */
#include "heir.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cancel.h"
#include "driver.h"
#include "fdtab.h"
#include "privs.h"
#include "remote.h"
#include "sockcall.h"

#define AGAIN_S 1
#define PARENT_MS 20

static atomic_int parent;    /* at the beginning */
static atomic_int forker;    /* while it forks: the process itself */
static atomic_bool is_leader; /* it has begun a session of its own */
static atomic_bool has_waited; /* for its parent's end */
static _Atomic time_t next_s; /* no question before that */

void heir_begin(void)
{
	atomic_store(&parent, getppid());
}

void heir_before_fork(void)
{
	if (!atomic_load(&privs_confined))
		atomic_store(&forker, getpid());
}

/* The parent may be gone by now. Of a child that libc knows nothing of it is there still, or
 * else this one is taken for an orphan at the wrong time. */
void heir_forked(void)
{
	int pid = atomic_exchange(&forker, 0);

	if (!pid && !atomic_load(&privs_confined))
		pid = getppid();
	atomic_store(&parent, pid);
	atomic_store(&is_leader, false);
	atomic_store(&has_waited, false);
	atomic_store(&next_s, 0);
}

static bool is_orphan(void)
{
	return getppid() != atomic_load(&parent);
}

/* ---- asking ---------------------------------------------------------------------------- */

/* The token is known to those alone who have forked from it; others do without. */
static struct stack_key key_of(struct sock *s, int fd)
{
	const struct stack_key *known = driver_parent();
	struct stack_key key = {.pass = sock_pass(s, fd)};

	if (known && memcmp(known->id, s->stack, sizeof(known->id)) == 0)
		return *known;
	memcpy(key.id, s->stack, sizeof(key.id));
	getrandom(key.token, sizeof(key.token), 0);
	return key;
}

/* It must not be asked all the time, for each connection that is accepted. */
static bool is_time(void)
{
	struct timespec now;
	time_t next = atomic_load(&next_s);

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec >= next &&
	       atomic_compare_exchange_strong(&next_s, &next, now.tv_sec + AGAIN_S);
}

/* For good; the memory that says so is the children's, too. */
static bool was_refused(const struct sock *s)
{
	int by = atomic_load(&s->sought);

	return by < 0 && by == -getpid();
}

static bool is_heir(const struct sock *s)
{
	return driver_is_mine() && atomic_load(&s->sought) == getpid();
}

/* From another network namespace a stack cannot be reached, that is all. */
static bool is_of_this_network(int fd)
{
	int here = real()->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t netns = here < 0 ? 0 : privs_netns_of(here);

	if (here >= 0)
		real()->close(here);
	return netns && netns == privs_netns_of(fd);
}

bool heir_revive(struct sock *s, int fd)
{
	struct stack_key key = key_of(s, fd);
	pid_t pid;

	if (atomic_load(&privs_confined) || !is_of_this_network(fd))
		return false;
	if (driver_start_as_heir() == 0)
		driver_revive(&key);
	if (sock_is_mine(s))
		return true;
	atomic_store(&s->orphan, false); /* another process may have been faster */
	if (remote_owner(s, fd, &pid) == 0)
		return true;
	atomic_store(&s->state, SOCK_CLOSED);
	return false;
}

static void seek(struct sock *s, int fd)
{
	struct stack_key key = key_of(s, fd);
	int err = remote_inherit(s, fd, atomic_load(&is_leader));

	if (err == -ESRCH)
		heir_revive(s, fd);
	if (!err)
		err = driver_start_as_heir() == 0 ? driver_inherit(&key) : -EPERM;
	if (!err)
		atomic_store(&s->sought, getpid());
	else if (err == -EPERM || err == -EBUSY)
		atomic_store(&s->sought, -getpid());
}

/* ---- when ------------------------------------------------------------------------------ */

bool heir_concerns(const struct sock *s)
{
	return atomic_load(&s->state) == SOCK_LISTENING && remote_can(s);
}

static void consider(struct sock *s, int fd, bool now)
{
	if (heir_concerns(s) && (atomic_load(&is_leader) || is_orphan()) && !was_refused(s) &&
	    !is_heir(s) && (now || is_time()))
		seek(s, fd);
}

void heir_consider(struct sock *s, int fd)
{
	int saved = errno;

	if (heir_concerns(s) && fdtab_is_mine())
		consider(s, fd, false);
	errno = saved;
}

/* The next fd of a listener that concerns us, or -1. */
static int next_listener(int from)
{
	const struct sock *s;
	int fd;

	for (fd = fdtab_next(from, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		s = fdtab_peek(fd);
		if (s && heir_concerns(s))
			break;
	}
	return fd;
}

static void consider_all(bool now)
{
	int saved = errno, fd;
	struct sock *s;

	if (real_only || !fdtab_is_mine())
		return;
	for (fd = next_listener(0); fd >= 0; fd = next_listener(fd + 1)) {
		s = fdtab_get(fd);
		if (!s)
			continue;
		consider(s, fd, now);
		sock_put(s);
	}
	errno = saved;
}

void heir_leads(void)
{
	if (!real_only && fdtab_is_mine())
		atomic_store(&is_leader, true);
}

void heir_is_daemon(void)
{
	consider_all(true);
}

/* It may be about to end. */
static void await_parents_end(void)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	int i;

	for (i = 0; i < PARENT_MS && !is_orphan(); i++)
		nanosleep(&nap, NULL);
}

void heir_before_drop(void)
{
	if (next_listener(0) < 0)
		return;
	if (!atomic_load(&is_leader) && !atomic_exchange(&has_waited, true))
		await_parents_end();
	consider_all(true);
}

/* A server's master forks its workers and sleeps. */
void heir_after_fork(void)
{
	atomic_store(&forker, 0);
	consider_all(false);
}

/* ---- waiting --------------------------------------------------------------------------- */

/* A pidfd of the process that has the stack of s; it is there when this returns. -ESRCH: there
 * is none. Other errors: it cannot be watched. */
static int watch_owner(struct sock *s, int fd)
{
	pid_t pid, again;
	int err = remote_owner(s, fd, &pid), watch;

	if (err)
		return err;
	watch = (int)real()->syscall(SYS_pidfd_open, pid, 0);
	if (watch < 0)
		return -ENOSYS;
	err = remote_owner(s, fd, &again);
	if (!err && again != pid)
		err = -EAGAIN;
	if (!err)
		return watch;
	real()->close(watch);
	return err;
}

/* 1: something to accept; 0: the owner has ended, or there is another one. */
static int wait_beside(struct sock *s, int fd, int watch)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = watch, .events = POLLIN}};
	int n = cancel_poll_many(s, p, 2, watch);

	if (n < 0)
		return -errno;
	return p[0].revents != 0;
}

static bool must_watch(struct sock *s, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return heir_concerns(s) && was_refused(s) && !atomic_load(&s->timeouts) &&
	       !sock_nonblocking(fd) && poll(&p, 1, 0) == 0;
}

int heir_await(struct sock *s, int fd)
{
	int watch, ready = 0;

	while (!ready && must_watch(s, fd)) {
		watch = watch_owner(s, fd);
		if (watch == -EAGAIN)
			continue;
		if (watch == -ESRCH && heir_revive(s, fd))
			continue;
		if (watch < 0)
			return 0;
		ready = wait_beside(s, fd, watch);
		real()->close(watch);
	}
	return ready < 0 ? ready : 0;
}
