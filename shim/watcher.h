/* watcher.h - a process that goes on with a stack whose own process was killed.
 *
 * Theory of operation
 *
 * The kernel's TCP ends the connections of a process that is killed as if it had
 * closed them: what was written arrives, then a FIN; unread data make it a RST. Who
 * shares a listener or a connection goes on. Nobody who is killed can do that, so a
 * driver has a watcher, a process that shares its memory and its fd table (clone(2)
 * with CLONE_VM and CLONE_FILES) and sleeps. That costs no copy and nothing for each
 * packet or connection, and however the owner comes to its end, by SIGKILL, abort() or
 * a system call of its own, the stack is as it was left. The watcher learns of it by a
 * robust futex (set_robust_list(2)), which the kernel marks when the driver's thread
 * ends, and becomes the process in the background (handover.h).
 *
 * A driver that is killed in the middle of its work leaves something half done. Bytes
 * that it was taking from a pair are found again; a connection that it was giving bytes,
 * or whose segment it was looking at, is reset. Should there be worse, the watcher
 * crashes, and the kernel resets the peers.
 *
 * The watcher is a child of the process, in a session of its own, with all signals
 * blocked. It has no exit signal, so wait(2) does not see it but with __WALL. It is as
 * privileged as the driver's thread: when that one's user changes, there is a new
 * watcher. There is none before the first socket is bound or connected; a process in the
 * background has one, too, while others hold its sockets.
 */
#ifndef MYTCP_WATCHER_H
#define MYTCP_WATCHER_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct config;
struct stack;

struct watcher {
	atomic_uint owner;             /* futex, robust: thread id | FUTEX_WAITERS, or 0 */
	struct robust_list entry;
	struct robust_list_head list;
	atomic_uint ready;             /* futex */
	pid_t pid;                     /* 0: none */
	pid_t program;
	int program_fd;                /* pidfd of it */
	char *stack;
	uid_t uid[3];
	bool begun;                    /* or tried to */
	bool possible;
};

/* In the starter's thread: the environment is the program's, and may move. */
void watcher_init(struct watcher *w, const struct config *cfg);
/* In a process that goes on with the stack: none of its own yet. */
void watcher_is_others(struct watcher *w);

/* All in the driver's thread. After each turn: begins one, if there is something to
 * watch and there was none. Without (no more processes, a tracer that does not know such children) a
 * killed process leaves nothing behind. */
void watcher_check(struct stack *st);
void watcher_end(struct stack *st);
/* The same; a new one is begun when there is something to watch. */
void watcher_forget(struct stack *st);
/* There must be none from now on. */
void watcher_forbid(struct stack *st);
/* The driver's user may have changed: a watcher that was begun is made anew. */
void watcher_renew(struct stack *st);

#endif
