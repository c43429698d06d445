/* cases_urgent.c - urgent data. */
#include "sockapi.h"

static int at_mark(int fd)
{
	int yes = -1;

	return ioctl(fd, SIOCATMARK, &yes) == 0 ? yes : -1;
}

static void peer_sends_urgent(void)
{
	peer_send("ab");
	peer_send_flags("cd", MSG_OOB);
	peer_send("ef");
}

CASE(urgent_data)
{
	int fd = joined();

	R(recv(fd, buf, 1, MSG_OOB));
	peer_sends_urgent();
	P(fd, POLLPRI);
	settle();
	R(at_mark(fd));
	B(fd, 10, MSG_OOB | MSG_PEEK);
	B(fd, 10, MSG_OOB);
	B(fd, 10, MSG_OOB);
	B(fd, 10, 0);
	R(at_mark(fd));
	B(fd, 10, 0);
	R(at_mark(fd));
	P(fd, 0);
}

CASE(urgent_data_in_line)
{
	int fd = joined();

	set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	peer_sends_urgent();
	P(fd, POLLPRI);
	settle();
	B(fd, 10, MSG_OOB);
	R(at_mark(fd));
	B(fd, 10, 0);
	R(at_mark(fd));
	B(fd, 10, 0);
}

/* The peer reads in line, or does not see it. */
CASE(sends_urgent_data)
{
	int fd = joined();

	R(send(fd, "", 0, MSG_OOB));
	R(send(fd, "ab", 2, MSG_OOB));
	peer_says(1);
	peer_set(SOL_SOCKET, SO_OOBINLINE, 1);
	R(send(fd, "cd", 2, MSG_OOB));
	peer_says(3);
	R(shutdown(fd, SHUT_WR));
	R(send(fd, "h", 1, MSG_OOB | MSG_NOSIGNAL));
}
