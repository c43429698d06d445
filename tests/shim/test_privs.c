/* test_privs.c - the spare set: when it is made, who may use it, and that the
 * program does not see its fd. What changes the process happens in children.
 * Needs root.
 */
#include "hooked.h"

#include "../../shim/hooks_priv.c"
#include "../../shim/hooks_syscall.c"

#include <linux/filter.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../../shim/names.h"

#define NOBODY 65534

/* In a child, where a failed assertion would go on with the parent's tests. */
#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			_exit(1); \
		} \
	} while (0)

static void in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool may_open_raw(void)
{
	int fd = real()->socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd >= 0)
		real()->close(fd);
	return fd >= 0;
}

/* As a driver's thread does it, in the fd table of the program. */
static int claim(struct privs_set *set)
{
	int err;

	real_only = true;
	err = privs_claim(set);
	real_only = false;
	return err;
}

static void release(struct privs_set *set)
{
	real_only = true;
	link_sockets_close(&set->sockets);
	if (set->trace >= 0)
		close(set->trace);
	close(set->claim);
	real_only = false;
}

static bool is_open(int fd)
{
	return real()->fcntl(fd, F_GETFD) >= 0;
}

/* ---- when ------------------------------------------------------------- */

static void lose_uid(void)
{
	CHECK(setuid(0) == 0 && setreuid(-1, 0) == 0 && setresuid(0, -1, 0) == 0);
	CHECK(privs_fd == -1 && fake.drops == 0);
	CHECK(setuid(NOBODY) == 0);
	CHECK(privs_fd >= 0 && !may_open_raw());
	CHECK(real()->fcntl(privs_fd, F_GETFD) == FD_CLOEXEC);
	CHECK(setuid(NOBODY) == 0);
	CHECK(fake.drops == 1); /* nothing to lose any more */
}

static void lose_uid_for_a_while(void)
{
	errno = EXDEV;
	CHECK(seteuid(NOBODY) == 0 && errno == EXDEV);
	CHECK(privs_fd >= 0 && !may_open_raw());
	CHECK(seteuid(0) == 0 && may_open_raw());
	CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(fake.drops == 2);
}

static void lose_real_uid(void)
{
	CHECK(setreuid(NOBODY, NOBODY) == 0 && privs_fd >= 0);
}

static void lose_caps(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};

	CHECK(capset(&h, none) == 0);
	CHECK(privs_fd >= 0 && !may_open_raw());
}

static void lose_root(void)
{
	CHECK(chroot("/") == 0 && privs_fd >= 0);
}

static void lose_by_number(void)
{
	CHECK(syscall(SYS_getpid) == getpid() && syscall(SYS_setuid, 0) == 0);
	CHECK(syscall(SYS_setresuid, -1, 0, -1) == 0 && syscall(SYS_unshare, CLONE_FS) == 0);
	CHECK(fake.drops == 0);
	CHECK(syscall(SYS_chroot, "/") == 0 && fake.drops == 1);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
	CHECK(fake.drops == 2);
	CHECK(syscall(SYS_prctl, PR_SET_SECCOMP, 99, 0) == -1 && fake.drops == 3);
	CHECK(syscall(SYS_setreuid, -1, NOBODY) == 0 && fake.drops == 4);
	CHECK(syscall(SYS_setreuid, -1, 0) == 0);
	CHECK(syscall(SYS_capset, NULL, NULL) == -1 && fake.drops == 5);
	/* The kernel grants it to nobody in a chroot. */
	CHECK(syscall(SYS_unshare, CLONE_NEWUSER) == 0 || errno == EPERM);
	CHECK(fake.drops == 6);
	CHECK(privs_fd >= 0);
}

static void lose_nothing_without_privileges(void)
{
	fake.start_err = -EINVAL; /* a wrong setting */
	CHECK(seteuid(NOBODY) == 0 && privs_fd == -1);
	fake.start_err = 0;
	CHECK(chroot("/") == -1 && errno == EPERM && privs_fd == -1);
}

static void each_way_to_lose_privileges(void **state)
{
	(void)state;
	in_child(lose_uid);
	in_child(lose_uid_for_a_while);
	in_child(lose_real_uid);
	in_child(lose_caps);
	in_child(lose_root);
	in_child(lose_by_number);
	in_child(lose_nothing_without_privileges);
}

/* Of such a child, everything in memory is the parent's, and its fds are not. */
static void vfork_child_leaves_all_alone(void **state)
{
	int status = -1;
	pid_t pid = vfork();

	(void)state;
	if (pid == 0) {
		/* as setuid(), but that the ids stay, which the parent's threads share */
		privs_before_uids(NOBODY, NOBODY, NOBODY);
		syscall(SYS_exit, privs_fd == -1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(fake.drops, 0);
}

/* ---- seccomp -------------------------------------------------------------- */

static bool by_number;

static void strict_child(void)
{
	int p[2];
	char c = 0;

	CHECK(pipe(p) == 0);
	CHECK(prctl(PR_SET_SECCOMP, 99, 0) == -1 && errno == EINVAL && !real_only);
	if (by_number)
		CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
	else
		CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	if (write(p[1], "x", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'x')
		syscall(SYS_exit, 0); /* exit_group(2) would be death */
	syscall(SYS_exit, 1);
}

static void strict_mode_leaves_read_and_write(void **state)
{
	(void)state;
	in_child(strict_child);
	by_number = true;
	in_child(strict_child);
}

#ifndef __SANITIZE_ADDRESS__
#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confined_child(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_close), ALLOW(SYS_exit_group),
		ALLOW(SYS_rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};
	struct sock *s, *reset;
	int a = connected(&s), a_end = fake.engine_end, b = connected(&reset), wrote, n;
	char c;

	CHECK(real()->send(a_end, "x", 1, 0) == 1);
	CHECK(real()->send(b, "unread", 6, 0) == 6);
	CHECK(real()->close(fake.engine_end) == 0);
	fake.mine = false; /* another process's */
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
	CHECK(read(a, &c, 1) == 1 && c == 'x');
	wrote = write(a, "y", 1);
	CHECK(wrote == 1 && close(a) == 0);
	n = read(b, &c, 1);
	CHECK(n == -1 && errno == ECONNRESET);
	CHECK(write(b, "y", 1) == -1 && errno == EPIPE && sigpipes == 1);
	CHECK(close(b) == 0);
	real()->_exit(0);
}

/* Nor does our library call what the filter may kill it for. */
static void filter_sees_what_the_program_calls(void **state)
{
	(void)state;
	in_child(confined_child);
}
#endif

/* ---- who may use it ---------------------------------------------------------- */

static void claim_twice(void)
{
	struct privs_set a, b;

	CHECK(claim(&a) == -EPERM); /* there is none */
	CHECK(setuid(NOBODY) == 0);
	CHECK(open(fake.cfg.trace, O_WRONLY) == -1 && errno == EACCES);
	CHECK(claim(&a) == 0);
	CHECK(claim(&b) == -EPERM);
	CHECK(a.sockets.fd[SOCKET_RAW] >= 0 && a.sockets.fd[SOCKET_ICMP] >= 0);
	CHECK(a.sockets.fd[SOCKET_PACKET] >= 0 && a.sockets.fd[SOCKET_SYSCTL] >= 0);
	CHECK(write(a.trace, "x", 1) == 1);
	release(&a);
	CHECK(claim(&b) == 0);
	CHECK(b.trace >= 0);
}

static void claimed_by_one_at_a_time(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	fake.cfg.link = (struct link_config){.rcvbuf_bytes = 1 << 20, .gso = true};
	strcpy(fake.cfg.trace, "/tmp/mytcp-test-XXXXXX");
	fd = mkstemp(fake.cfg.trace);
	assert_return_code(fd, errno);
	in_child(claim_twice);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_size, 1);
	assert_return_code(unlink(fake.cfg.trace), errno);
	close(fd);
}

static void claim_across_fork(void)
{
	struct privs_set set;
	int started[2], status;
	char c;
	pid_t pid;

	CHECK(pipe(started) == 0 && setuid(NOBODY) == 0);
	pid = fork();
	if (pid == 0) {
		status = claim(&set);
		CHECK(status == 0 && write(started[1], "x", 1) == 1);
		pause();
	}
	CHECK(read(started[0], &c, 1) == 1);
	CHECK(claim(&set) == -EPERM);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	CHECK(claim(&set) == 0);
}

static void free_again_when_its_user_is_killed(void **state)
{
	(void)state;
	in_child(claim_across_fork);
}

/* A driver of this process uses the set; its children are to have one, too. */
static void another_while_privileged(void)
{
	struct privs_set a, b;
	int first;

	CHECK(seteuid(NOBODY) == 0 && claim(&a) == 0);
	first = privs_fd;
	CHECK(seteuid(0) == 0 && setuid(NOBODY) == 0);
	CHECK(privs_fd >= 0 && (privs_fd == first || !is_open(first)));
	CHECK(claim(&b) == 0);
}

static void of_another_network(void)
{
	struct privs_set set;

	CHECK(seteuid(NOBODY) == 0 && seteuid(0) == 0);
	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK(claim(&set) == -EPERM);
}

static void each_drop_leaves_one_that_serves(void **state)
{
	(void)state;
	in_child(another_while_privileged);
	in_child(of_another_network);
}

/* ---- hidden ----------------------------------------------------------------------- */

static void hidden_child(void)
{
	struct privs_set set;
	int fd, null = open("/dev/null", O_RDONLY);

	CHECK(setuid(NOBODY) == 0);
	fd = privs_fd;
	CHECK(fd > 900 || fd > null);
	errno = 0;
	CHECK(close(fd) == -1 && errno == EBADF);
	CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	CHECK(fcntl(fd, F_DUPFD, 0) == -1 && errno == EBADF);
	CHECK(dup(fd) == -1 && errno == EBADF);
	CHECK(dup2(fd, null) == -1 && errno == EBADF && is_open(null));
	CHECK(dup3(fd, null, 0) == -1 && errno == EBADF);
	CHECK(claim(&set) == 0);
}

static void taken_number(void)
{
	struct privs_set set;
	struct stat st;
	int fd, null = open("/dev/null", O_RDONLY);

	CHECK(setuid(NOBODY) == 0);
	fd = privs_fd;
	CHECK(dup2(null, fd) == fd && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
	CHECK(privs_fd >= 0 && privs_fd != fd);
	CHECK(close(fd) == 0);
	fd = privs_fd;
	CHECK(dup3(null, fd, O_CLOEXEC) == fd && privs_fd != fd);
	fd = privs_fd;
	CHECK(fcntl(null, F_DUPFD, fd) == fd && privs_fd != fd);
	CHECK(claim(&set) == 0);
}

static void close_in_ranges(void)
{
	struct privs_set set;
	int fd, a, b;

	CHECK(setuid(NOBODY) == 0);
	fd = privs_fd;
	a = fcntl(0, F_DUPFD, fd - 1);
	b = fcntl(0, F_DUPFD, fd + 1);
	CHECK(a == fd - 1 && b == fd + 1);
	CHECK(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0);
	CHECK(real()->fcntl(a, F_GETFD) == FD_CLOEXEC);
	CHECK(close_range(3, ~0u, 0) == 0);
	CHECK(!is_open(a) && is_open(fd) && !is_open(b));
	CHECK(close_range(fd, fd, 0) == 0 && is_open(fd));
	a = fcntl(0, F_DUPFD, fd - 1);
	CHECK(close_range(a, fd, 0) == 0 && !is_open(a) && is_open(fd));
	b = fcntl(0, F_DUPFD, fd + 1);
	CHECK(close_range(fd, b, 0) == 0 && !is_open(b) && is_open(fd));
	CHECK(close_range(fd + 1, fd - 1, 0) == -1 && errno == EINVAL);
	a = fcntl(0, F_DUPFD, 3);
	closefrom(3);
	CHECK(!is_open(a) && is_open(fd));
	for (a = 3; a < 2048; a++)
		close(a);
	CHECK(claim(&set) == 0);
}

/* Something closed it without our knowledge, and the number is the program's now. */
static void lost_behind_our_back(void)
{
	struct privs_set set;
	int fd, null = open("/dev/null", O_RDONLY);

	CHECK(seteuid(NOBODY) == 0);
	fd = privs_fd;
	CHECK(real()->close(fd) == 0 && real()->dup2(null, fd) == fd);
	CHECK(fcntl(fd, F_GETFD) == 0 && privs_fd == -1);
	CHECK(claim(&set) == -EPERM);
	CHECK(seteuid(0) == 0 && seteuid(NOBODY) == 0);
	CHECK(privs_fd >= 0 && privs_fd != fd && is_open(fd));
	CHECK(close(fd) == 0 && claim(&set) == 0);
}

static void under_a_small_limit(void)
{
	struct rlimit lim = {.rlim_cur = 40, .rlim_max = 40};
	struct privs_set set;

	CHECK(real()->setrlimit(RLIMIT_NOFILE, &lim) == 0);
	CHECK(setuid(NOBODY) == 0 && privs_fd == 39);
	CHECK(claim(&set) == 0);
}

static void not_seen_by_the_program(void **state)
{
	(void)state;
	in_child(hidden_child);
	in_child(taken_number);
	in_child(close_in_ranges);
	in_child(lost_behind_our_back);
	in_child(under_a_small_limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_way_to_lose_privileges),
		TEST(vfork_child_leaves_all_alone),
		TEST(strict_mode_leaves_read_and_write),
#ifndef __SANITIZE_ADDRESS__ /* which makes calls of its own */
		TEST(filter_sees_what_the_program_calls),
#endif
		TEST(claimed_by_one_at_a_time),
		TEST(free_again_when_its_user_is_killed),
		TEST(each_drop_leaves_one_that_serves),
		TEST(not_seen_by_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
