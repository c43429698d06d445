/* sandboxed.c - an echo server whose children confine themselves before they speak:
 * seccomp kills whoever calls more than read, write, close and _exit.
 *
 *     sandboxed PORT CLIENTS strict|filter|number
 */
#include <err.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(const char *how)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_close), ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		err(1, "no_new_privs");
	if (strcmp(how, "strict") == 0 ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0
	    : strcmp(how, "number") == 0
	    ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0
	    : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		err(1, "seccomp");
}

static void echo(int c, const char *how)
{
	static char buf[65536];
	ssize_t n, put, at;

	confine(how);
	while ((n = read(c, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += put) {
			put = write(c, buf + at, n - at);
			if (put < 0)
				break;
		}
	if (strcmp(how, "strict") == 0) /* where even exit_group(2) is death */
		syscall(SYS_exit, n != 0);
	close(c);
	_exit(n != 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int l = socket(AF_INET, SOCK_STREAM, 0), clients, c, status;

	if (argc != 4)
		errx(2, "usage: sandboxed PORT CLIENTS strict|filter|number");
	any.sin_port = htons(atoi(argv[1]));
	if (bind(l, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(l, 5) != 0)
		err(1, "listen");
	for (clients = atoi(argv[2]); clients > 0; clients--) {
		c = accept(l, NULL, NULL);
		if (c < 0)
			err(1, "accept");
		if (fork() == 0)
			echo(c, argv[3]);
		close(c);
		if (wait(&status) < 0 || status != 0)
			errx(1, "a child ended with %#x", status);
	}
	return 0;
}
