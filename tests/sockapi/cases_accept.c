/* cases_accept.c - listening and accepting. */
#include "sockapi.h"

/* Takes all fd numbers below limit that are free, but for n of them. */
static void leave_free(int n, rlim_t limit)
{
	struct rlimit lim;
	int fd, last[8], taken = 0;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = limit;
	setrlimit(RLIMIT_NOFILE, &lim);
	while ((fd = dup(STDIN_FILENO)) >= 0)
		last[taken++ % 8] = fd;
	while (n--)
		close(last[--taken % 8]);
}

CASE(accepts_with_the_last_fd)
{
	int fd = listener(0), conn;

	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	leave_free(1, 64);
	conn = accept(fd, NULL, NULL);
	LOG("%d", conn >= 0);
	peer_send("hello");
	P(conn, POLLIN);
	B(conn, 100, 0);
	R(write(conn, "there", 5));
	peer_says(5);
	R(accept(fd, NULL, NULL));
	R(close(conn));
	peer_says(1);
}

/* Closed before anything was said: the peer hears of it. */
CASE(closes_what_it_has_just_accepted)
{
	int fd = listener(0), i;

	for (i = 0; i < 3; i++) {
		peer_connect(NULL, port_of(fd));
		P(fd, POLLIN);
		R(close(accept(fd, NULL, NULL)));
		peer_says(1);
	}
}

CASE(accepts)
{
	int fd = bound(0), conn;
	struct addr a = {0};

	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	R(listen(fd, 5));
	R(listen(fd, 7));
	P(fd, 0);
	get_int(fd, SOL_SOCKET, SO_ACCEPTCONN);
	R(to(fd, peer_listen()));
	R(read(fd, buf, 1));
	R(write(fd, "x", 1));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	R(accept(fd, NULL, NULL));
	peer_connect(NULL, port_of(fd));
	P(fd, POLLIN);
	a.len = 6;
	conn = accept4(fd, &a.sa, &a.len, SOCK_CLOEXEC);
	LOG("%d, %u bytes: %d", conn >= 0, a.len, a.sa.sa_family);
	R(fcntl(conn, F_GETFD));
	R(fcntl(conn, F_GETFL));
	get_int(conn, IPPROTO_TCP, TCP_NODELAY);
	get_int(conn, SOL_SOCKET, SO_ACCEPTCONN);
	peer_send("back");
	P(conn, POLLIN);
	B(conn, 100, 0);
	P(conn, 0);
	R(accept(conn, NULL, NULL));
	R(close(conn));
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_RD));
	R(accept(fd, NULL, NULL));
	R(shutdown(fd, SHUT_RD));
	R(listen(fd, 1));
}
