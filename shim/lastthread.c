/* lastthread.c - owns the thread that counts the program's threads. */
#include "lastthread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "driver.h"

#define LOOK_NS 20000000L
#define DRIVER_THREADS 2
/* Of the directory itself, see proc_pid_task(5). */
#define DIR_LINKS 2

static atomic_bool main_ended, watching;

/* The main thread, which stays as a zombie, and this one are always there. */
static bool program_has_threads(void)
{
	nlink_t ours = 2 + (driver_is_mine() ? DRIVER_THREADS : 0);
	struct stat st;

	return stat("/proc/self/task", &st) != 0 || st.st_nlink > DIR_LINKS + ours;
}

static void *watch(void *arg)
{
	const struct timespec nap = {.tv_nsec = LOOK_NS};

	pthread_setname_np(pthread_self(), "mytcp-last");
	do
		nanosleep(&nap, NULL);
	while (program_has_threads());
	exit(EXIT_SUCCESS);
	return arg;
}

static void begin(void)
{
	sigset_t all, old;
	pthread_t thread;

	if (atomic_exchange(&watching, true))
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, watch, NULL) == 0)
		pthread_detach(thread);
	else
		atomic_store(&watching, false);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void lastthread_main_ends(void)
{
	atomic_store(&main_ended, true);
	if (driver_is_mine())
		begin();
}

void lastthread_driver_runs(void)
{
	if (atomic_load(&main_ended))
		begin();
}

void lastthread_forget(void)
{
	atomic_store(&main_ended, false);
	atomic_store(&watching, false);
}
