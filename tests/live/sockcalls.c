/* sockcalls.c - what the socket calls say: run once on the kernel's TCP and once
 * on ours, the two outputs must be the same.
 *
 *     sockcalls peer PORT           the other side, on the kernel's TCP
 *     sockcalls run ADDR PORT       prints every call of every case
 *
 * A case is a function in the table at the end; T() makes a call and prints it
 * with its result, errno and the SIGPIPEs that it raised. To the peer a case
 * sends one-letter commands, see obey(). The cases of AF_INET6 sockets are in
 * sockcalls6.h, those of socket options in sockopts.h,
 * those of urgent data and Fast Open in sockdata.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SETTLE_MS 150 /* a segment and its answer have long arrived */

static struct sockaddr_in peer, nobody;
static volatile sig_atomic_t sigpipes;
static char buf[4096];

static void on_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void settle(void)
{
	usleep(SETTLE_MS * 1000);
}

static void show(const char *what, long r, int err, int pipes)
{
	printf("  %-58s = %ld%s%s%s\n", what, r, r < 0 ? " " : "",
	       r < 0 ? strerrorname_np(err) : "", pipes ? " SIGPIPE" : "");
}

#define T(call) \
	do { \
		int before_ = sigpipes; \
		long r_ = (call); \
		show(#call, r_, errno, sigpipes - before_); \
	} while (0)

static void bits(int fd)
{
	struct pollfd p = {.fd = fd,
			   .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

	poll(&p, 1, 0);
	printf("  poll:%s%s%s%s%s%s\n", p.revents & POLLIN ? " IN" : "",
	       p.revents & POLLOUT ? " OUT" : "", p.revents & POLLPRI ? " PRI" : "",
	       p.revents & POLLRDHUP ? " RDHUP" : "",
	       p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "");
}

/* ---- the peer ----------------------------------------------------------- */

static void call_back(int fd, uint16_t port)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	int back = socket(AF_INET, SOCK_STREAM, 0);

	getpeername(fd, (struct sockaddr *)&to, &len);
	to.sin_port = htons(port);
	if (connect(back, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    write(back, "back", 4) != 4)
		exit(1);
	while (read(back, buf, sizeof(buf)) > 0)
		;
	close(back);
}

static void obey(int fd)
{
	const struct linger abort = {.l_onoff = 1};
	uint16_t port;
	char cmd;

	while (read(fd, &cmd, 1) == 1) {
		if (cmd == 'h' && write(fd, "hello", 5) != 5)
			break;
		if (cmd == 'u' && (write(fd, "ab", 2) != 2 || send(fd, "cd", 2, MSG_OOB) != 2 ||
				   write(fd, "ef", 2) != 2))
			break;
		if (cmd == 'i')
			setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &abort.l_onoff, sizeof(int));
		if (cmd == 'f')
			shutdown(fd, SHUT_WR);
		if (cmd == 'c') /* close */
			break;
		if (cmd == 'r') { /* reset */
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
			break;
		}
		if (cmd == 's') { /* asleep: takes in nothing, and then resets */
			sleep(3);
			break;
		}
		if (cmd == 'b' && read(fd, &port, 2) == 2)
			call_back(fd, port);
	}
	close(fd);
}

static int be_peer(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), conn;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &(int){16}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 16) != 0)
		return 1;
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			obey(conn);
			_exit(0);
		}
		close(conn);
	}
	return 1;
}

/* ---- helpers of cases --------------------------------------------------- */

static int to(int fd, const struct sockaddr_in *addr)
{
	return connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
}

static int tcp(int flags)
{
	return socket(AF_INET, SOCK_STREAM | flags, 0);
}

static int joined(void)
{
	int fd = tcp(0);

	if (to(fd, &peer) != 0) {
		perror("connect to the peer");
		exit(1);
	}
	return fd;
}

static int tell(int fd, const char *cmds)
{
	int n = write(fd, cmds, strlen(cmds));

	settle();
	return n;
}

static void so_error(int fd)
{
	int v = -1;
	socklen_t len = sizeof(v);

	T(getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len));
	printf("    %s\n", v ? strerrorname_np(v) : "no error");
}

static void get_int(int fd, int level, int name)
{
	int v = -77;
	socklen_t len = sizeof(v);
	int r = getsockopt(fd, level, name, &v, &len);

	printf("  get %d %d = %d %s, %d in %u\n", level, name, r,
	       r ? strerrorname_np(errno) : "", r ? 0 : v, (unsigned)len);
}

static void set_get(int fd, int level, int name, int v)
{
	int r = setsockopt(fd, level, name, &v, sizeof(v));

	printf("  set %d %d %d = %d %s\n", level, name, v, r,
	       r ? strerrorname_np(errno) : "");
	get_int(fd, level, name);
}

/* ---- cases -------------------------------------------------------------- */

static void fresh(void)
{
	int fd = tcp(0);
	struct sockaddr_in sin = {0};
	socklen_t len = sizeof(sin);

	bits(fd);
	T(read(fd, buf, 1));
	T(recv(fd, buf, 1, MSG_PEEK));
	T(recv(fd, buf, 0, 0));
	T(write(fd, "x", 1));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	T(send(fd, "", 0, 0));
	T(sendto(fd, "x", 1, 0, (struct sockaddr *)&peer, sizeof(peer)));
	T(accept(fd, NULL, NULL));
	T(shutdown(fd, SHUT_WR));
	T(shutdown(fd, 3));
	T(getpeername(fd, (struct sockaddr *)&sin, &len));
	T(getsockname(fd, (struct sockaddr *)&sin, &len));
	printf("    %d %s %d\n", sin.sin_family, inet_ntoa(sin.sin_addr), sin.sin_port);
	so_error(fd);
	close(fd);
}

static void kinds(void)
{
	T(close(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)));
	T(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	T(socket(AF_INET, SOCK_STREAM | 0x100, 0));
	T(close(socket(AF_INET, SOCK_DGRAM, 0)));
}

static void bad_arguments(void)
{
	int fd = tcp(0);
	struct sockaddr_in sin = peer;
	socklen_t len = -1;

	T(connect(fd, (struct sockaddr *)&sin, 1));
	T(connect(fd, (struct sockaddr *)&sin, 15));
	T(connect(fd, (struct sockaddr *)&sin, 1000));
	T(bind(fd, (struct sockaddr *)&sin, 15));
	sin.sin_family = AF_INET6;
	T(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	T(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	sin.sin_family = AF_UNSPEC;
	T(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	T(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	T(getsockname(fd, (struct sockaddr *)&sin, &len));
	T(bind(fd, NULL, 16));
	sin = (struct sockaddr_in){.sin_family = AF_INET};
	T(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	T(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	close(fd);
}

static void refused(void)
{
	int fd = tcp(0);

	T(to(fd, &nobody));
	bits(fd);
	T(read(fd, buf, 1));
	T(write(fd, "x", 1));
	T(to(fd, &nobody));
	T(to(fd, &peer));
	T(to(fd, &peer));
	close(fd);
}

static void refused_in_the_background(void)
{
	int fd = tcp(SOCK_NONBLOCK);

	T(to(fd, &nobody));
	settle();
	bits(fd);
	so_error(fd);
	bits(fd);
	so_error(fd);
	T(read(fd, buf, 1));
	T(write(fd, "x", 1));
	T(to(fd, &nobody));
	T(read(fd, buf, 1));
	T(to(fd, &nobody));
	settle();
	T(to(fd, &nobody));
	T(to(fd, &nobody));
	settle();
	T(read(fd, buf, 1));
	T(read(fd, buf, 1));
	T(shutdown(fd, SHUT_WR));
	T(listen(fd, 1));
	close(fd);
}

static void connects_in_the_background(void)
{
	int fd = tcp(SOCK_NONBLOCK);
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	T(to(fd, &peer));
	settle();
	bits(fd);
	so_error(fd);
	T(to(fd, &peer));
	T(to(fd, &peer));
	T(getpeername(fd, (struct sockaddr *)&sin, &len));
	T(listen(fd, 1));
	T(read(fd, buf, 1));
	close(fd);
}

static void talks(void)
{
	int fd = joined(), n = -1;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from),
			     .msg_iov = &iov, .msg_iovlen = 1};

	bits(fd);
	T(tell(fd, "hhhh"));
	bits(fd);
	T(ioctl(fd, FIONREAD, &n));
	printf("    %d\n", n);
	T(recv(fd, buf, 3, MSG_PEEK));
	T(recvfrom(fd, buf, 3, 0, (struct sockaddr *)&from, &len));
	printf("    %u\n", (unsigned)len);
	T(recv(fd, NULL, 4, MSG_TRUNC));
	T(recv(fd, NULL, 100, MSG_TRUNC | MSG_PEEK));
	T(recvmsg(fd, &msg, 0));
	printf("    %u %.13s\n", (unsigned)msg.msg_namelen, buf);
	T(recv(fd, buf, 1, MSG_DONTWAIT));
	T(recv(fd, buf, 1, MSG_OOB));
	T(recv(fd, buf, 1, MSG_ERRQUEUE));
	T(sendto(fd, "h", 1, 0, (struct sockaddr *)&nobody, sizeof(nobody)));
	settle();
	T(recv(fd, buf, 5, MSG_WAITALL));
	T(ioctl(fd, SIOCATMARK, &n));
	printf("    %d\n", n);
	T(ioctl(fd, TIOCOUTQ, &n));
	printf("    %d\n", n);
	T(accept(fd, NULL, NULL));
	T(to(fd, &nobody));
	close(fd);
}

static void peer_finishes(void)
{
	int fd = joined();

	T(tell(fd, "hf"));
	bits(fd);
	T(read(fd, buf, sizeof(buf)));
	T(read(fd, buf, sizeof(buf)));
	bits(fd);
	T(write(fd, "h", 1)); /* its answer fails there: nobody may send now */
	T(shutdown(fd, SHUT_WR));
	bits(fd);
	T(write(fd, "x", 1));
	settle();
	bits(fd);
	T(read(fd, buf, 1));
	so_error(fd);
	close(fd);
}

static void we_finish(void)
{
	int fd = joined();

	T(tell(fd, "h"));
	T(shutdown(fd, SHUT_WR));
	T(write(fd, "x", 1));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	settle();
	T(read(fd, buf, sizeof(buf)));
	T(read(fd, buf, sizeof(buf)));
	bits(fd);
	T(shutdown(fd, SHUT_RDWR));
	close(fd);
}

static void we_stop_reading(void)
{
	int fd = joined();

	T(shutdown(fd, SHUT_RD));
	bits(fd);
	T(read(fd, buf, 1));
	T(write(fd, "q", 1));
	settle();
	bits(fd);
	close(fd);
}

static void reset_seen_by_read(void)
{
	int fd = joined();
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	T(tell(fd, "hr"));
	bits(fd);
	T(read(fd, buf, sizeof(buf)));
	T(read(fd, buf, sizeof(buf)));
	T(read(fd, buf, sizeof(buf)));
	T(write(fd, "x", 1));
	bits(fd);
	T(getpeername(fd, (struct sockaddr *)&sin, &len));
	T(shutdown(fd, SHUT_WR));
	T(to(fd, &peer));
	close(fd);
}

static void reset_seen_by_write(void)
{
	struct iovec iov = {buf, 1};
	int fd = joined();

	T(tell(fd, "r"));
	T(write(fd, "x", 1));
	T(writev(fd, &iov, 1));
	T(read(fd, buf, 1));
	close(fd);
}

static void reset_seen_by_so_error(void)
{
	int fd = joined();

	T(tell(fd, "r"));
	so_error(fd);
	so_error(fd);
	T(read(fd, buf, 1));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	close(fd);
}

static void reset_seen_by_sendfile(void)
{
	int fd = joined(), file = open("/proc/self/exe", O_RDONLY);

	T(tell(fd, "r"));
	T(sendfile(fd, file, NULL, 10));
	T(sendfile(fd, file, NULL, 10));
	close(file);
	close(fd);
}

static void disconnects(void)
{
	const struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	int fd = joined();

	T(to(fd, &none));
	T(read(fd, buf, 1));
	T(to(fd, &peer));
	T(tell(fd, "h"));
	T(read(fd, buf, sizeof(buf)));
	close(fd);
}

/* A listener and, through a connection to the peer, somebody who connects. */
static void accepts(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET}, from;
	int fd = tcp(0), side = joined(), conn, one = 1;
	socklen_t len = sizeof(at);
	char cmd[3] = "b";

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	T(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	T(listen(fd, 5));
	T(listen(fd, 7));
	bits(fd);
	get_int(fd, SOL_SOCKET, SO_ACCEPTCONN);
	T(to(fd, &peer));
	T(read(fd, buf, 1));
	T(write(fd, "x", 1));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	T(accept(fd, NULL, NULL));
	getsockname(fd, (struct sockaddr *)&at, &len);
	memcpy(cmd + 1, &(uint16_t){ntohs(at.sin_port)}, 2);
	T(write(side, cmd, 3));
	settle();
	bits(fd);
	len = 6;
	memset(&from, 0, sizeof(from));
	T((conn = accept4(fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC)) >= 0);
	printf("    %u %d %s\n", (unsigned)len, from.sin_family,
	       inet_ntoa(from.sin_addr));
	T(fcntl(conn, F_GETFD));
	T(fcntl(conn, F_GETFL));
	get_int(conn, IPPROTO_TCP, TCP_NODELAY);
	get_int(conn, SOL_SOCKET, SO_ACCEPTCONN);
	T(read(conn, buf, sizeof(buf)));
	bits(conn);
	T(accept(conn, NULL, NULL));
	T(close(conn));
	T(shutdown(fd, SHUT_WR));
	T(shutdown(fd, SHUT_RD));
	T(accept(fd, NULL, NULL));
	T(shutdown(fd, SHUT_RD));
	T(listen(fd, 1));
	close(side);
	close(fd);
}

static void fds(void)
{
	int fd = joined(), copy = dup(fd), high = fcntl(fd, F_DUPFD_CLOEXEC, 500);

	T(high);
	T(fcntl(high, F_GETFD));
	T(close(fd));
	T(write(fd, "x", 1));
	T(write(copy, "h", 1));
	settle();
	T(read(high, buf, 5));
	T(dup2(copy, 510));
	T(close_range(500, 505, 0));
	T(write(high, "x", 1));
	T(write(510, "h", 1));
	T(close(copy));
	T(close(510));
}

#include "sockopts.h"
#include "sockdata.h"
#include "sockcalls6.h"

#define CASE(f) {#f, f}
static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	CASE(kinds), CASE(fresh), CASE(bad_arguments), CASE(refused),
	CASE(refused_in_the_background), CASE(connects_in_the_background),
	CASE(talks), CASE(urgent_data), CASE(urgent_data_in_line), CASE(sends_urgent_data),
	CASE(peer_finishes), CASE(we_finish), CASE(we_stop_reading),
	CASE(reset_seen_by_read), CASE(reset_seen_by_write),
	CASE(reset_seen_by_so_error), CASE(reset_seen_by_sendfile),
	CASE(disconnects), CASE(accepts), CASE(fds), CASE(option_defaults),
	CASE(option_values), CASE(option_ranges), CASE(options_of_a_connection),
	CASE(options_inherited), CASE(info), CASE(info_of_a_listener), CASE(timeouts),
	CASE(lingers), CASE(fast_open), CASE(fast_open_connect),
	CASE(fast_open_refused), CASE(kinds6), CASE(bad_arguments6),
	CASE(without_a_route6), CASE(connects6), CASE(accepts6),
	CASE(listens_twice), CASE(share_a_port), CASE(options6),
};

int main(int argc, char **argv)
{
	unsigned i;

	if (argc == 3 && strcmp(argv[1], "peer") == 0)
		return be_peer(atoi(argv[2]));
	if (argc != 4 || strcmp(argv[1], "run") != 0)
		return 2;
	signal(SIGPIPE, on_sigpipe);
	peer.sin_family = AF_INET;
	peer.sin_addr.s_addr = inet_addr(argv[2]);
	peer.sin_port = htons(atoi(argv[3]));
	nobody = peer;
	nobody.sin_port = htons(atoi(argv[3]) + 1);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		printf("%s\n", cases[i].name);
		cases[i].run();
		fflush(stdout);
	}
	return 0;
}
