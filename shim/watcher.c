/* watcher.c - owns the process that watches this one.
 *
 * Invariants: pid is 0, or stack and program_fd are the watcher's. Until the owner has
 * ended, the watcher makes no call that can fail, as errno is the driver's: both have
 * one block of thread-local data.
 */
#include "watcher.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../engine/addr.h"
#include "conn.h"
#include "handover.h"
#include "listener.h"
#include "real.h"
#include "stack.h"
#include "stranger.h"

#define STACK_BYTES (256 * 1024)
/* The last threads of a process that was killed close its fds; one that has executed
 * another program lives on. */
#define DEATH_MS 200
/* For the work that a stack has left which was interrupted at its own. */
#define HALF_DONE_CPU_S 20

/* Not FUTEX_PRIVATE_FLAG: the kernel's mark comes without it. */
static long futex(atomic_uint *word, int op, unsigned val)
{
	return syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

/* ---- the watcher --------------------------------------------------------------------- */

static bool is_for(const struct engine_pkt_in *pkt, const struct conn *c)
{
	struct flow flow = stack_flow(pkt);

	return c->s && endpoint_eq(&c->s->local, &flow.local) &&
	       endpoint_eq(&c->s->remote, &flow.remote);
}

/* Bytes may have left one side that have not come to the other. What was on its way to
 * the program would be there twice; if nobody else has the app end, they are unread, and
 * that is a reset, too. */
static void mend_half_done(struct stack *st)
{
	const struct rlimit cpu = {HALF_DONE_CPU_S, HALF_DONE_CPU_S};
	struct listener *l;
	struct conn *c, *next;

	setrlimit(RLIMIT_CPU, &cpu);
	stack_update_now(st);
	for (l = st->listeners; l; l = l->next)
		listener_mend(l);
	for (c = st->conns; c; c = next) {
		next = c->next;
		if (c == st->giving || (st->arriving && is_for(st->arriving, c)))
			conn_reset(c);
		else if (c == st->taking.c && c->tcb)
			conn_repair(c, &st->taking);
	}
	st->taking.c = NULL;
	st->giving = NULL;
	st->arriving = NULL;
}

static void take_over(struct stack *st)
{
	struct watcher *w = &st->watcher;
	struct pollfd p = {.fd = w->program_fd, .events = POLLIN};

	poll(&p, 1, DEATH_MS);
	if (w->program_fd >= 0)
		close(w->program_fd);
	if (st->in_turn)
		mend_half_done(st);
	handover_go_on(st, w->program);
}

static int watch(void *arg)
{
	struct stack *st = arg;
	struct watcher *w = &st->watcher;
	unsigned owner;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	real()->setsid();
	atomic_store(&w->ready, 1);
	futex(&w->ready, FUTEX_WAKE, 1);
	while ((owner = atomic_load(&w->owner)) && !(owner & FUTEX_OWNER_DIED))
		futex(&w->owner, FUTEX_WAIT, owner);
	if (owner)
		take_over(st);
	real()->_exit(EXIT_SUCCESS);
	return 0;
}

/* ---- the owner ----------------------------------------------------------------------- */

/* valgrind(1) ends when it sees such a clone(); it is in our memory as a preloaded
 * library is. */
void watcher_init(struct watcher *w, const struct config *cfg)
{
	const char *preload = getenv("LD_PRELOAD");
	bool valgrind = preload && strstr(preload, "vgpreload_");

	if (valgrind)
		stranger_forbid();
	*w = (struct watcher){0};
	w->possible = cfg->handover && getpid() != 1 && !valgrind;
}

void watcher_is_others(struct watcher *w)
{
	*w = (struct watcher){.possible = w->possible};
}

static void make_robust(struct watcher *w)
{
	w->list = (struct robust_list_head){
		.list.next = &w->entry,
		.futex_offset = (long)offsetof(struct watcher, owner) -
				(long)offsetof(struct watcher, entry),
	};
	w->entry.next = &w->list.list;
	atomic_store(&w->owner, (unsigned)gettid() | FUTEX_WAITERS);
	syscall(SYS_set_robust_list, &w->list, sizeof(w->list));
}

static bool start(struct stack *st, struct watcher *w)
{
	w->stack = malloc(STACK_BYTES);
	if (!w->stack)
		return false;
	w->program = getpid();
	w->program_fd = (int)syscall(SYS_pidfd_open, w->program, 0);
	getresuid(&w->uid[0], &w->uid[1], &w->uid[2]);
	atomic_store(&w->ready, 0);
	make_robust(w);
	w->pid = clone(watch, w->stack + STACK_BYTES, CLONE_VM | CLONE_FILES | CLONE_UNTRACED, st);
	if (w->pid < 0) {
		w->pid = 0;
		return false;
	}
	while (!atomic_load(&w->ready))
		futex(&w->ready, FUTEX_WAIT, 0);
	return true;
}

void watcher_check(struct stack *st)
{
	if (!st->ports.busy.first || st->watcher.begun)
		return;
	st->watcher.begun = true;
	if (st->watcher.possible && !start(st, &st->watcher))
		watcher_end(st);
}

static void let_go(struct stack *st)
{
	atomic_store(&st->watcher.owner, 0);
	futex(&st->watcher.owner, FUTEX_WAKE, 1);
}

void watcher_end(struct stack *st)
{
	struct watcher *w = &st->watcher;

	if (!w->stack)
		return;
	let_go(st);
	while (w->pid && waitpid(w->pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	w->pid = 0;
	if (w->program_fd >= 0)
		close(w->program_fd);
	free(w->stack);
	w->stack = NULL;
}

void watcher_forget(struct stack *st)
{
	watcher_end(st);
	st->watcher.begun = false;
}

void watcher_forbid(struct stack *st)
{
	watcher_end(st);
	st->watcher.begun = true;
}

void watcher_renew(struct stack *st)
{
	struct watcher *w = &st->watcher;
	uid_t uid[3];

	if (!w->pid || (getresuid(&uid[0], &uid[1], &uid[2]) == 0 &&
			memcmp(uid, w->uid, sizeof(uid)) == 0))
		return;
	watcher_end(st);
	if (!start(st, w))
		watcher_end(st);
}
