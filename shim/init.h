/* init.h - the library's beginning and end in a process.
 */
#ifndef MYTCP_INIT_H
#define MYTCP_INIT_H

/* A stdio stream of the program writes to an fd of ours. */
void init_note_stdio(void);
/* The process is about to end: closes its fds of ours and leaves the stack, see
 * driver_leave(). Does nothing in a child that shares them. */
void init_leave(void);

#endif
