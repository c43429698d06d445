/* lastthread.c - owns the thread that counts the program's threads. */
#include "lastthread.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "real.h"

#define LOOK_NS 20000000L
#define DRIVER_THREADS 2
/* Of the directory itself, see proc_pid_task(5). */
#define DIR_LINKS 2

static atomic_bool main_ended, watching;
static pthread_t main_thread;

/* Has the process more threads than the driver's and so many? */
static bool has_more_than(nlink_t n)
{
	struct stat st;

	if (driver_is_mine())
		n += DRIVER_THREADS;
	return stat("/proc/self/task", &st) != 0 || st.st_nlink > DIR_LINKS + n;
}

/* Of proc_pid_stat(5), the third field: where the main thread is cancelled, it may go on
 * for as long as it likes. */
static bool main_is_zombie(void)
{
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char buf[128], *state;
	ssize_t n;

	if (fd < 0)
		return false;
	n = real()->read(fd, buf, sizeof(buf) - 1);
	real()->close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	state = strrchr(buf, ')');
	return state && strncmp(state, ") Z", 3) == 0;
}

/* The main thread, which stays as a zombie, and this one are always there. */
static bool program_has_threads(void)
{
	return has_more_than(2) || !main_is_zombie();
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

void lastthread_begin(void)
{
	main_thread = pthread_self();
}

void lastthread_cancelled(pthread_t thread)
{
	if (pthread_equal(thread, main_thread))
		lastthread_main_ends();
}

bool lastthread_is_this(void)
{
	return !has_more_than(1);
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
	main_thread = pthread_self();
	atomic_store(&main_ended, false);
	atomic_store(&watching, false);
}
