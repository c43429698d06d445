/* lastthread.h - a process whose main thread has ended lives as long as any other
 * thread of the program's; the driver's do not count.
 *
 * libc ends the process with its last thread (pthread_exit(3)), but it counts the
 * driver's too. So once the main thread has ended and there is a driver, a thread
 * of ours watches, and calls exit(0) as libc would.
 */
#ifndef MYTCP_LASTTHREAD_H
#define MYTCP_LASTTHREAD_H

/* The main thread is about to end. */
void lastthread_main_ends(void);
/* This process has a driver now. */
void lastthread_driver_runs(void);
/* In the child of a fork: its thread is the main one. */
void lastthread_forget(void);

#endif
