/* handover.c - owns the moment at which a stack is in two processes.
 *
 * The parent touches neither wire nor pairs from handover_fork() on, the child
 * not before the parent's fds are closed: it reads the end of a pipe whose other
 * end the parent closes last, or the kernel does when the parent is killed. A
 * closed fd of the parent's could else keep alive what the child closes.
 */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "conn.h"
#include "fdtab.h"
#include "listener.h"
#include "mem.h"
#include "real.h"
#include "stack.h"

#define STACK_BYTES (256 * 1024)

struct handover {
	struct stack *st;
	pid_t program;
	int alive[2]; /* pipe: its end is the end of the parent's fds */
	long forked;  /* the second fork's result */
};

/* ---- the child ------------------------------------------------------------------- */

/* The program's threads, their fds and what they wait for are not here. */
static void forget_program(struct stack *st)
{
	struct sock *s;
	bool last;
	int fd;

	commands_open(st->commands);
	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		s = fdtab_swap(fd, NULL, &last);
		if (!s)
			continue;
		/* What is of another stack points into memory of that one's driver. */
		if (alias_owns(st, s))
			held_look(st, s);
		sock_put(s);
	}
}

void handover_go_on(struct stack *st, pid_t program)
{
	watcher_is_others(&st->watcher);
	forget_program(st);
	background_become(st, program);
	leave_done(st);
	stack_run(st);
	real()->_exit(EXIT_SUCCESS);
}

__attribute__((noreturn)) static void go_on(const struct handover *h)
{
	char nothing;

	close(h->alive[1]);
	while (read(h->alive[0], &nothing, 1) < 0 && errno == EINTR)
		;
	close(h->alive[0]);
	handover_go_on(h->st, h->program);
}

/* In the process between, which has its own stack and nothing else: whatever it
 * writes is the parent's memory. The new process has its own from the start. */
static int fork_again(void *arg)
{
	struct handover *h = arg;

	h->forked = syscall(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
	if (h->forked == 0)
		go_on(h);
	if (h->forked < 0)
		h->forked = -errno;
	real()->_exit(EXIT_SUCCESS);
}

/* ---- the parent ------------------------------------------------------------------ */

/* No exit signal: only __WALL finds such a child. A tracer of the program's (strace(1)
 * with -f) is not to wait for what it leaves behind. */
static int fork_twice(struct handover *h)
{
	char *stack = malloc(STACK_BYTES);
	pid_t between;

	if (!stack)
		return -ENOMEM;
	h->forked = -ECHILD;
	between = clone(fork_again, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_UNTRACED, h);
	if (between < 0)
		h->forked = -errno;
	while (between > 0 && waitpid(between, NULL, __WALL) < 0 && errno == EINTR)
		;
	free(stack);
	return h->forked < 0 ? (int)h->forked : 0;
}

int handover_fork(struct stack *st)
{
	struct handover h = {.st = st, .program = getpid()};
	int err;

	if (h.program == 1) /* all processes of its namespace end with it */
		return -EPERM;
	if (pipe2(h.alive, O_CLOEXEC) != 0)
		return -errno;
	err = fork_twice(&h);
	close(h.alive[0]);
	if (!err)
		return h.alive[1];
	close(h.alive[1]);
	return err;
}

/* Whoever waits for the driver's word waits no longer. */
static void let_go_of(struct sock *s)
{
	if (atomic_exchange(&s->opening, 0))
		futex_wake_all(&s->opening);
	if (atomic_exchange(&s->lingering, 0))
		futex_wake_all(&s->lingering);
	s->driver = NULL;
	sock_put(s);
}

/* A socket that is only bound is known by its fds alone. Nobody but this thread
 * writes sock.driver, and the memory of socks stays. */
static void let_go_of_bound(void)
{
	struct sock *s;
	int fd;

	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		s = atomic_load(fdtab_slot(fd));
		if (s)
			s->driver = NULL;
	}
}

void handover_finish(struct stack *st, int held)
{
	struct listener *l;
	struct conn *c;

	for (c = st->conns; c; c = c->next)
		let_go_of(c->s);
	for (l = st->listeners; l; l = l->next)
		let_go_of(l->s);
	held_free(st);
	let_go_of_bound();
	if (held)
		close_range(0, held - 1, 0);
	close_range(held + 1, ~0U, 0);
	mem_unmap_all();
	close(held);
}
