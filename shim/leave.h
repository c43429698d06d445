/* leave.h - the end of a stack in its process: is it still needed, and who sees
 * to that?
 *
 * A stack is needed while a connection has not come to its end, TIME-WAIT
 * included, or somebody holds an app end that it has bound, connected or listens
 * for. If it is, it goes on in a process in the background (handover.h). Where
 * that cannot be, the process that ends waits until what it wrote has arrived.
 */
#ifndef MYTCP_LEAVE_H
#define MYTCP_LEAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/engine.h"

struct stack;
struct command;

enum leave_why {
	LEAVE_EXIT,  /* the process ends, and has closed its fds of ours */
	LEAVE_EXEC,  /* it becomes another program, whose fds may be ours */
	LEAVE_ALONE, /* it must have no thread but the calling one */
};

struct leave {
	struct command *waiting; /* its result: 0, or 1 if the driver stays; or NULL */
	enum leave_why why;
	bool possible;           /* to hand it over */
	bool drains;             /* waits here until what was written has arrived */
	bool hand_over;          /* what the loop was stopped for */
	uint64_t begin_us;
	uint64_t progress_us;    /* when it was last seen */
	struct engine_stats seen; /* at the last look */
};

void leave_start(struct stack *st, struct command *c, enum leave_why why);
/* After every turn of the loop: stops it when there is nothing left to wait for,
 * or, with leave.hand_over, when the stack is to be handed over. */
void leave_check(struct stack *st);
/* When leave_check() must be called at the latest, or ENGINE_NEVER. */
uint64_t leave_deadline_us(const struct stack *st);
/* It could not be handed over; the loop runs on. */
void leave_stays(struct stack *st);
/* The stack is in a process in the background now, which holds no app end. */
void leave_done(struct stack *st);

#endif
