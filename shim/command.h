/* command.h - how the program's threads ask the driver's thread for something.
 *
 * Theory of operation
 *
 * A command lies on its caller's stack. commands_put() pushes it on a lock-free
 * stack; the driver takes the whole stack at once, runs the commands in the
 * order in which they came, and answers each with command_done(), at once or
 * later; the caller sleeps on a futex in the command. Nothing here touches
 * errno or is a cancellation point, so all of it works in signal handlers.
 *
 * A queue is open or closed. A closed one refuses commands: there is no driver.
 */
#ifndef MYTCP_COMMAND_H
#define MYTCP_COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>

struct stack;

struct command {
	/* In the driver's thread; it must lead to one command_done(). */
	void (*run)(struct stack *st, struct command *c);
	struct command *next;
	int result;
	atomic_uint done; /* futex */
};

struct command_queue {
	_Atomic(struct command *) head;
};

void commands_open(struct command_queue *q);
/* false: the queue is closed, the command will never run. */
bool commands_put(struct command_queue *q, struct command *c);
/* Everything that waits, oldest first, linked by next. */
struct command *commands_take(struct command_queue *q);
/* The same, and closes the queue. */
struct command *commands_close(struct command_queue *q);

/* After this the command is its caller's again: do not touch it. */
void command_done(struct command *c, int result);
/* Waits for command_done(); returns the result. */
int command_wait(struct command *c);

/* futex(2) within the process. Waiting ends when *word is no longer seen, by a
 * wake, or for no reason at all; or, with -EINTR, by a signal. */
int futex_wait(atomic_uint *word, unsigned seen);
void futex_wake_all(atomic_uint *word);

#endif
