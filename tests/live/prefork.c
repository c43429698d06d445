/* prefork.c - an echo server whose workers accept on a listener that they inherited, and
 * its client.
 *
 *     prefork serve PORT WORKERS
 *     prefork one-by-one HOST PORT COUNT      that many connections, one after the other
 *     prefork at-once HOST PORT COUNT         all of them at the same time
 *
 * On SIGTERM the server ends and says of each worker how many it has served.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define EVENTS 256
#define PATIENCE_MS 20000
#define MESSAGE "one line of text, as long as it needs to be, and then some\n"

static volatile sig_atomic_t end;

static void on_term(int sig)
{
	(void)sig;
	end = 1;
}

static void watch(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	if (epoll_ctl(ep, op, fd, &ev) != 0)
		err(1, "epoll_ctl");
}

/* ---- server -------------------------------------------------------------- */

static unsigned take_all(int ep, int listener)
{
	unsigned n = 0;
	int c;

	while ((c = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		watch(ep, EPOLL_CTL_ADD, c, EPOLLIN);
		n++;
	}
	if (errno != EAGAIN && errno != EINTR)
		err(1, "accept");
	return n;
}

/* The echo is short: it always has room. */
static void answer(int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0 && write(fd, buf, n) == n)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n != 0)
		err(1, "echo");
	close(fd);
}

static int work(int listener)
{
	struct epoll_event ev[EVENTS];
	int ep = epoll_create1(0), n, i;
	unsigned served = 0;

	watch(ep, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE);
	while (!end) {
		n = epoll_wait(ep, ev, EVENTS, -1);
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd == listener)
				served += take_all(ep, listener);
			else
				answer(ev[i].data.fd);
		}
	}
	printf("worker %d: %u\n", getpid(), served);
	return 0;
}

static int serve(int port, int workers)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), i, on = 1;
	struct sigaction act = {.sa_handler = on_term};
	pid_t pids[WORKERS_MAX];

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(l, 4096) != 0)
		err(1, "listen");
	sigaction(SIGTERM, &act, NULL);
	for (i = 0; i < workers; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			return work(l);
	}
	while (!end)
		pause();
	for (i = 0; i < workers; i++)
		kill(pids[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}

/* ---- client -------------------------------------------------------------- */

static int dial(const struct sockaddr_in *to, int flags)
{
	int s = socket(AF_INET, SOCK_STREAM | flags, 0);

	if (s < 0)
		err(1, "socket");
	if (connect(s, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS)
		err(1, "connect");
	return s;
}

static void expect_echo(int s)
{
	char buf[sizeof(MESSAGE)];
	ssize_t got = recv(s, buf, sizeof(MESSAGE), MSG_WAITALL);

	if (got != sizeof(MESSAGE) || memcmp(buf, MESSAGE, sizeof(MESSAGE)) != 0)
		err(1, "got %zd bytes", got);
}

static void one_by_one(const struct sockaddr_in *to, int count)
{
	char c;

	while (count--) {
		int s = dial(to, 0);

		if (send(s, MESSAGE, sizeof(MESSAGE), 0) != sizeof(MESSAGE))
			err(1, "send");
		expect_echo(s);
		shutdown(s, SHUT_WR);
		if (recv(s, &c, 1, 0) != 0)
			err(1, "the end");
		close(s);
	}
}

/* All are connected before the first one speaks, and have their echo before the first
 * one ends. */
static void at_once(const struct sockaddr_in *to, int count)
{
	int ep = epoll_create1(0), *s = calloc(count, sizeof(*s)), i, n, left, failed = 0;
	struct epoll_event ev[EVENTS];
	socklen_t len = sizeof(failed);

	for (i = 0; i < count; i++) {
		s[i] = dial(to, SOCK_NONBLOCK);
		watch(ep, EPOLL_CTL_ADD, s[i], EPOLLOUT | EPOLLONESHOT);
	}
	for (left = count; left; left -= n) {
		n = epoll_wait(ep, ev, EVENTS, PATIENCE_MS);
		if (n <= 0)
			errx(1, "%d are not connected", left);
		for (i = 0; i < n; i++)
			if (getsockopt(ev[i].data.fd, SOL_SOCKET, SO_ERROR, &failed, &len) || failed)
				errx(1, "connect: %s", strerror(failed));
	}
	for (i = 0; i < count; i++) {
		fcntl(s[i], F_SETFL, 0);
		if (send(s[i], MESSAGE, sizeof(MESSAGE), 0) != sizeof(MESSAGE))
			err(1, "send");
	}
	for (i = 0; i < count; i++)
		expect_echo(s[i]);
	for (i = 0; i < count; i++)
		close(s[i]);
	free(s);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(atoi(argv[2]), atoi(argv[3]));
	if (argc != 5 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		errx(2, "see the head of the source");
	to.sin_port = htons(atoi(argv[3]));
	if (strcmp(argv[1], "one-by-one") == 0)
		one_by_one(&to, atoi(argv[4]));
	else
		at_once(&to, atoi(argv[4]));
	return 0;
}
