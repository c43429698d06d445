/* test_hooks_process.c - the hooks of calls that end the process, replace it or
 * confine it: when the driver is told to leave, and what the calls get.
 */
#include "hooked.h"

#include "../../shim/hooks_priv.c"
#undef STAYS
#include "../../shim/hooks_exec.c"
#include "../../shim/hooks_syscall.c"

#include <linux/filter.h>

static char x[] = "x", *const no_args[] = {x, NULL};

static int reset(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	driver_start();
	return 0;
}

/* There is no program in these, or nothing at all. */
static void exec_that_fails(void **state)
{
	static const char path[] = "/tmp/mytcp-no-program";
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);

	(void)state;
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, "\x7f", 1), 1);
	close(fd);
	assert_fails(execve("/nothing/here", no_args, environ), ENOENT);
	assert_fails(execl("/nothing/here", "x", NULL), ENOENT);
	assert_fails(execvp("", no_args), ENOENT);
	assert_int_equal(fake.left[LEAVE_EXEC], 0);
	assert_fails(execve(path, no_args, environ), ENOEXEC);
	assert_int_equal(fake.left[LEAVE_EXEC], 1);
	assert_fails(execv(path, no_args), ENOEXEC);
	assert_fails(execle(path, "x", NULL, environ), ENOEXEC);
	assert_fails(execveat(AT_FDCWD, path, no_args, environ, 0), ENOEXEC);
	assert_fails(syscall(SYS_execve, path, no_args, environ), ENOEXEC);
	assert_int_equal(fake.left[LEAVE_EXEC], 5);
	unlink(path);
}

static int status_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* In a child of vfork(), whose memory is the parent's. */
static void arguments_arrive(void **state)
{
	char n[] = "N=7", *const env[] = {n, NULL};
	pid_t child;

	(void)state;
	child = vfork();
	if (child == 0)
		execl("/bin/sh", "sh", "-c", "exit $#", "0", "a", "b", "c", "d", "e", NULL);
	assert_int_equal(status_of(child), 5);
	child = vfork();
	if (child == 0)
		execlp("sh", "sh", "-c", "exit $#", "0", "a", "b", NULL);
	assert_int_equal(status_of(child), 2);
	child = vfork();
	if (child == 0)
		execle("/bin/sh", "sh", "-c", "exit $N", NULL, env);
	assert_int_equal(status_of(child), 7);
	assert_int_equal(fake.left[LEAVE_EXEC], 0);
}

static void namespaces(void **state)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_return_code(unshare(CLONE_FS), errno);
	assert_int_equal(fake.left[LEAVE_ALONE], 0);
	assert_return_code(unshare(CLONE_NEWNET), errno);
	assert_int_equal(fake.left[LEAVE_ALONE], 1);
	assert_return_code(setns(here, 0), errno);
	assert_int_equal(fake.left[LEAVE_ALONE], 2);
	assert_return_code(syscall(SYS_setns, here, CLONE_NEWNET), errno);
	assert_int_equal(fake.left[LEAVE_ALONE], 3);
	assert_fails(setns(here, CLONE_NEWUTS), EINVAL);
	assert_int_equal(fake.left[LEAVE_ALONE], 3);
	close(here);
}

/* Installs a filter that allows everything. How often the driver was confined. */
static unsigned confine(unsigned flags)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0)
		return 100;
	return fake.confined;
}

/* A filter for the calling thread alone leaves the driver's as it is. */
static void filters_of_system_calls(void **state)
{
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		driver_start();
		real()->_exit((int)confine(0));
	}
	assert_int_equal(status_of(child), 0);
	child = fork();
	if (child == 0) {
		driver_start();
		real()->_exit((int)confine(SECCOMP_FILTER_FLAG_TSYNC));
	}
	assert_int_equal(status_of(child), 1);
	child = fork();
	if (child == 0)
		real()->_exit((int)confine(0)); /* the driver's thread will inherit it */
	assert_int_equal(status_of(child), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(exec_that_fails, reset),
		cmocka_unit_test_setup(arguments_arrive, reset),
		cmocka_unit_test_setup(namespaces, reset),
		cmocka_unit_test_setup(filters_of_system_calls, reset),
	};

	return cmocka_run_group_tests_name("hooks_process", tests, NULL, NULL);
}
