/* handover.h - a stack moves from its process to one in the background.
 *
 * Theory of operation
 *
 * The driver's thread has fds and memory of its own, so a fork of it alone has
 * all that the stack is: engine, link, loop, control socket, and the names that
 * lead to them. The child goes on with these, first waiting until the parent has
 * closed its copies of the fds, as two readers of one raw socket would each miss
 * what the other gets. The stack keeps its identity; who holds one of its app
 * ends finds it as before.
 *
 * The child is nobody's child: it is forked twice, and the process between shares
 * the parent's memory and is reaped before the parent's call returns, so that a
 * large program is copied once, and the program sees neither SIGCHLD nor a child
 * in wait(2).
 */
#ifndef MYTCP_HANDOVER_H
#define MYTCP_HANDOVER_H

#include <sys/types.h>

struct stack;

/* In the process that goes on with the stack of the process `program`, which touches
 * it no more: does so to the end. */
__attribute__((noreturn)) void handover_go_on(struct stack *st, pid_t program);

/* In the driver's thread, outside the loop. Returns in the parent only: an fd,
 * to be given to handover_finish(), or a negative errno, and nothing happened. */
int handover_fork(struct stack *st);
/* The stack is the other process's: lets go of the program's sockets, closes
 * every fd of the driver's, and frees its memory, st included. */
void handover_finish(struct stack *st, int held);

#endif
