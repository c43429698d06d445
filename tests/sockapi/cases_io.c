/* cases_io.c - reading and writing. */
#include "sockapi.h"

CASE(talks)
{
	int fd = joined();

	P(fd, POLLOUT);
	peer_send("hellohellohello");
	P(fd, POLLIN);
	B(fd, 3, MSG_PEEK);
	B(fd, 100, 0);
	B(fd, 1, MSG_DONTWAIT);
	R(write(fd, "abc", 3));
	peer_says(3);
}

CASE(peer_finishes)
{
	int fd = joined();

	peer_send("hello");
	peer_shutdown(SHUT_WR);
	P(fd, POLLIN | POLLRDHUP);
	B(fd, 100, 0);
	B(fd, 100, 0);
	P(fd, 0);
	R(write(fd, "h", 1));
	peer_says(1);
	R(shutdown(fd, SHUT_WR));
	P(fd, POLLHUP);
	R(write(fd, "x", 1));
	P(fd, 0);
	R(read(fd, buf, 1));
	E(fd);
}

CASE(we_finish)
{
	int fd = joined();

	peer_send("hello");
	P(fd, POLLIN);
	R(shutdown(fd, SHUT_WR));
	R(write(fd, "x", 1));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	peer_says(10);
	peer_close();
	P(fd, POLLRDHUP);
	B(fd, 100, 0);
	B(fd, 100, 0);
	R(shutdown(fd, SHUT_RDWR));
}
