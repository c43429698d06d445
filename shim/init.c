/* init.c - owns what happens when the library is loaded, the process forks, and
 * the process ends.
 */
#include "init.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adopt.h"
#include "background.h"
#include "driver.h"
#include "fdtab.h"
#include "heir.h"
#include "lastthread.h"
#include "preload.h"
#include "sockcall.h"

static atomic_bool stdio_used, begun, early;

void init_note_stdio(void)
{
	atomic_store(&stdio_used, true);
}

/* Not in a child of vfork(), nor in a thread that may call next to nothing. */
static bool has_driver(void)
{
	return !real_only && driver_is_mine() && fdtab_is_mine();
}

void init_leave(void)
{
	if (!has_driver())
		return;
	sock_close_all();
	driver_leave(LEAVE_EXIT);
}

bool init_would_exec(void)
{
	return has_driver();
}

void init_before_exec(void)
{
	if (has_driver())
		driver_leave(LEAVE_EXEC);
}

bool init_be_alone(void)
{
	if (!has_driver())
		return false;
	driver_leave(LEAVE_ALONE);
	return !driver_is_mine();
}

/* exit() flushes stdio after our destructor, when our fds are closed. Only
 * streams that can be ours are flushed earlier: flushing waits for a thread that
 * is reading from one. */
static void flush_stdio(void)
{
	if (atomic_load(&stdio_used))
		fflush(NULL);
	else if (fdtab_peek(STDOUT_FILENO))
		fflush(stdout);
}

static void forked_child(void)
{
	fdtab_set_owner();
	driver_forget();
	lastthread_forget();
	heir_forked();
}

/* Whoever exits before our constructor, in one of their own, does without our
 * destructor. */
static void end_early(void)
{
	if (!atomic_load(&begun))
		init_leave();
}

void init_note_socket(void)
{
	if (!atomic_load(&begun) && !atomic_exchange(&early, true))
		atexit(end_early);
}

__attribute__((constructor)) static void begin(void)
{
	atomic_store(&begun, true);
	real();
	lastthread_begin();
	preload_remember();
	background_note_name();
	driver_defaults();
	fdtab_set_owner();
	fdtab_watch_forks(forked_child);
	adopt_inherited();
	heir_begin();
	pthread_atfork(heir_before_fork, heir_after_fork, forked_child);
	at_quick_exit(init_leave);
}

__attribute__((destructor)) static void end(void)
{
	if (has_driver())
		flush_stdio();
	init_leave();
}
