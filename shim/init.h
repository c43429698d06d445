/* init.h - the library's beginning and end in a process.
 */
#ifndef MYTCP_INIT_H
#define MYTCP_INIT_H

#include <stdbool.h>

/* A stdio stream of the program writes to an fd of ours. */
void init_note_stdio(void);
/* The program makes a socket, maybe before our constructor has run. */
void init_note_socket(void);
/* The process is about to end: closes its fds of ours and leaves the stack, see
 * driver_leave(). Does nothing in a child that shares them. */
void init_leave(void);
/* It is about to become another program, or to try to. */
void init_before_exec(void);
/* Is there any reason to call init_before_exec()? */
bool init_would_exec(void);
/* It needs to be alone with this thread, or a stack that begins now: true if there
 * was a driver and it is gone. */
bool init_be_alone(void);

#endif
