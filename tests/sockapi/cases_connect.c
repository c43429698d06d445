/* cases_connect.c - sockets that are not connected yet, and connect(). */
#include "sockapi.h"

CASE(fresh)
{
	int fd = tcp(0);
	struct addr a = addr_of(there, peer_listen());

	P(fd, 0);
	R(read(fd, buf, 1));
	R(recv(fd, buf, 1, MSG_PEEK));
	R(recv(fd, buf, 0, 0));
	R(write(fd, "x", 1));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(send(fd, "", 0, 0));
	R(sendto(fd, "x", 1, 0, &a.sa, a.len));
	R(accept(fd, NULL, NULL));
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, 3));
	REMOTE(fd);
	LOCAL(fd);
	E(fd);
}

CASE(kinds)
{
	R(close(socket(family, SOCK_STREAM, IPPROTO_TCP)));
	R(socket(family, SOCK_STREAM, IPPROTO_UDP));
	R(socket(family, SOCK_STREAM | 0x100, 0));
	R(close(socket(family, SOCK_DGRAM, 0)));
}

CASE(bad_arguments)
{
	int fd = tcp(0);
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(9)};
	socklen_t len = -1;

	inet_pton(AF_INET, there, &sin.sin_addr);
	R(connect(fd, (struct sockaddr *)&sin, 1));
	R(connect(fd, (struct sockaddr *)&sin, 15));
	R(connect(fd, (struct sockaddr *)&sin, 1000));
	R(bind(fd, (struct sockaddr *)&sin, 15));
	sin.sin_family = AF_INET6;
	R(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	R(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	sin.sin_family = AF_UNSPEC;
	R(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	R(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	R(getsockname(fd, (struct sockaddr *)&sin, &len));
	R(bind(fd, NULL, 16));
	sin = (struct sockaddr_in){.sin_family = AF_INET};
	R(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	R(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
}

CASE(refused)
{
	int fd = tcp(0);

	R(to(fd, nobody()));
	P(fd, 0);
	R(read(fd, buf, 1));
	R(write(fd, "x", 1));
	R(to(fd, nobody()));
	R(to(fd, peer_listen()));
	R(to(fd, peer_listen()));
}

CASE(refused_in_the_background)
{
	int fd = tcp(SOCK_NONBLOCK);

	R(to(fd, nobody()));
	P(fd, POLLOUT);
	E(fd);
	P(fd, 0);
	E(fd);
	R(read(fd, buf, 1));
	R(write(fd, "x", 1));
	R(to(fd, nobody()));
	R(read(fd, buf, 1));
	R(to(fd, nobody()));
	settle();
	R(to(fd, nobody()));
	R(to(fd, nobody()));
	settle();
	R(read(fd, buf, 1));
	R(read(fd, buf, 1));
	R(shutdown(fd, SHUT_WR));
	R(listen(fd, 1));
}

CASE(connects_in_the_background)
{
	int fd = tcp(SOCK_NONBLOCK);

	R(to(fd, peer_listen()));
	P(fd, POLLOUT);
	E(fd);
	R(to(fd, peer_listen()));
	R(to(fd, peer_listen()));
	REMOTE(fd);
	R(listen(fd, 1));
	R(read(fd, buf, 1));
}

CASE(disconnects)
{
	const struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	int fd = tcp(0);

	R(to(fd, peer_listen()));
	peer_accept();
	R(connect(fd, (struct sockaddr *)&none, sizeof(none)));
	R(read(fd, buf, 1));
	R(to(fd, peer_listen()));
	peer_accept();
	peer_send("hello");
	B(fd, 100, 0);
}
