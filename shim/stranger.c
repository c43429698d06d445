/* stranger.c - owns whether there may be threads that hold. See stranger.h. */
#include "stranger.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pass.h"
#include "real.h"

/* A thread like the others, that exec() and the process's end end; but its fds are its
 * own. It runs on its creator's thread-local data, and on a piece of its stack. */
#define HOLDER (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FS | CLONE_SYSVSEM | \
		CLONE_UNTRACED | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static atomic_bool forbidden;

void stranger_forbid(void)
{
	atomic_store(&forbidden, true);
}

/* Not FUTEX_PRIVATE_FLAG: the kernel clears tid without it. */
static void futex(atomic_uint *word, int op, unsigned val)
{
	real()->syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

static int hold_on(void *arg)
{
	struct stranger_hold *h = arg;

	while (!atomic_load(&h->over))
		futex(&h->over, FUTEX_WAIT, 0);
	return 0;
}

void stranger_hold(struct stranger_hold *h)
{
	sigset_t all;

	h->errno_before = errno;
	atomic_store(&h->tid, 0);
	atomic_store(&h->over, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &h->mask);
	h->thread = -1;
	if (!atomic_load(&forbidden))
		h->thread = clone(hold_on, h->stack + sizeof(h->stack), HOLDER, h, &h->tid, NULL,
				  &h->tid);
}

#define MOMENT_NS 20000
#define MOMENTS_MAX 5000

/* A thread that ends lets go of its memory first, then of its files, and is gone after that:
 * a name or a port that one of them had is free then. */
static void await_end(int thread)
{
	const struct timespec moment = {.tv_nsec = MOMENT_NS};
	atomic_uint none = 0;
	struct rlimit lim;
	int i;

	for (i = 0; i < MOMENTS_MAX; i++) {
		if (real()->syscall(SYS_prlimit64, thread, RLIMIT_NOFILE, NULL, &lim) != 0)
			return;
		real()->syscall(SYS_futex, &none, FUTEX_WAIT, 0, &moment, NULL, 0);
	}
}

void stranger_let_go(struct stranger_hold *h)
{
	unsigned tid;

	atomic_store(&h->over, 1);
	futex(&h->over, FUTEX_WAKE, INT_MAX);
	while ((tid = atomic_load(&h->tid)))
		futex(&h->tid, FUTEX_WAIT, tid);
	if (h->thread > 0)
		await_end(h->thread);
	pthread_sigmask(SIG_SETMASK, &h->mask, NULL);
	errno = h->errno_before;
}

/* ---- what is there ------------------------------------------------------------------ */

/* Nothing can come any more. A message may be empty, but for the fds that came with it:
 * with its sender's credentials each has something that there is no room for here. */
static bool has_something(int fd)
{
	struct msghdr msg = {0};
	const int on = 1;
	int n = 0;

	if (real()->ioctl(fd, SIOCINQ, &n) != 0 || n > 0)
		return true; /* a listener cannot say */
	real()->setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	return real()->recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT) != 0 ||
	       msg.msg_flags & MSG_CTRUNC;
}

/* ---- closing ------------------------------------------------------------------------ */

static void drop(int fd)
{
	struct stranger_hold h;

	stranger_hold(&h);
	real()->close(fd);
	stranger_let_go(&h);
}

void stranger_close(int fd)
{
	if (pass_keeps_fds_out(fd)) {
		real()->close(fd);
		return;
	}
	real()->shutdown(fd, SHUT_RDWR);
	if (has_something(fd))
		drop(fd);
	else
		real()->close(fd);
}

int stranger_close_shared(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct stranger_hold h;
	int r;

	if (pass_keeps_fds_out(fd) || poll(&p, 1, 0) == 0)
		return real()->close(fd);
	stranger_hold(&h);
	r = real()->close(fd);
	if (r < 0)
		h.errno_before = errno;
	stranger_let_go(&h);
	return r;
}
