/* lastthread.h - a process whose main thread has ended lives as long as any other
 * thread of the program's; the driver's do not count.
 *
 * libc ends the process with its last thread (pthread_exit(3)), but it counts the
 * driver's too. So once the main thread has ended and there is a driver, a thread
 * of ours watches, and calls exit(0) as libc would.
 */
#ifndef MYTCP_LASTTHREAD_H
#define MYTCP_LASTTHREAD_H

#include <pthread.h>
#include <stdbool.h>

/* In the main thread, before everything else. */
void lastthread_begin(void);
/* The main thread is about to end. */
void lastthread_main_ends(void);
/* A thread was told to end, now or some time later; was it the main one? */
void lastthread_cancelled(pthread_t thread);
/* Has the program no other thread than the calling, main one? */
bool lastthread_is_this(void);
/* This process has a driver now. */
void lastthread_driver_runs(void);
/* In the child of a fork: its thread is the main one. */
void lastthread_forget(void);

#endif
