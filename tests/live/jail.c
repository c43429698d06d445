/* jail.c - a manager and its worker: root binds and forks, the worker is another user for
 * good and accepts, and the manager is a third one meanwhile, by its effective user id.
 *
 *	jail WHO ADDRESS PORT CONNECTIONS
 *
 * WHO calls listen(): p(arent), c(hild) or b(oth). The worker echoes on so many
 * connections, one after the other, and asks TCP about each of them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER 65534
#define MANAGER 65533

static int check(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		_exit(1);
	}
	return r;
}

static void serve_one(int l)
{
	int c = check(accept(l, NULL, NULL), "accept"), one = 1;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	char buf[4096];
	ssize_t n;

	check(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
	check(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO");
	if (info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_CLOSE_WAIT)
		_exit(2);
	while ((n = check(read(c, buf, sizeof(buf)), "read")) > 0)
		check(write(c, buf, n), "write");
	close(c);
}

int main(int argc, char **argv)
{
	const char *who = argc == 5 ? argv[1] : "";
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	int one = 1, n = argc == 5 ? atoi(argv[4]) : 0, is_four, l, status;
	pid_t worker;

	if (!n)
		return 2;
	is_four = inet_pton(AF_INET, argv[2], &four.sin_addr) == 1;
	if (!is_four && inet_pton(AF_INET6, argv[2], &six.sin6_addr) != 1)
		return 2;
	four.sin_port = six.sin6_port = htons(atoi(argv[3]));
	l = check(socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM, 0), "socket");
	check(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "SO_REUSEADDR");
	check(bind(l, is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		   is_four ? sizeof(four) : sizeof(six)), "bind");
	if (*who != 'c')
		check(listen(l, 16), "listen (manager)");
	worker = check(fork(), "fork");
	if (worker == 0) {
		check(setresuid(WORKER, WORKER, WORKER), "setresuid");
		if (*who != 'p')
			check(listen(l, 16), "listen (worker)");
		while (n--)
			serve_one(l);
		_exit(0);
	}
	check(seteuid(MANAGER), "seteuid");
	check(waitpid(worker, &status, 0), "waitpid");
	return status != 0;
}
