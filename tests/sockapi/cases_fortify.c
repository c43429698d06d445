/* cases_fortify.c - what programs call that are compiled with _FORTIFY_SOURCE. */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 2
#pragma GCC optimize("O2")
#include "sockapi.h"

#include <sys/select.h>

/* Sizes that the compiler does not know make it call __read_chk() and the like. */
static volatile size_t few = 5;

CASE(checked_reads)
{
	char small[8];
	int fd = joined();
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	peer_send("abcdefghijklmnopqrst");
	await(fd, POLLIN);
	R(read(fd, small, few));
	R(recv(fd, small, few, 0));
	R(recv(fd, small, few, MSG_TRUNC));
	R(recvfrom(fd, small, few, 0, (struct sockaddr *)&from, &len));
	LOG("%u", len);
	R(read(fd, small, few - 5));
	R(recv(fd, small, few, MSG_DONTWAIT));
	peer_reset();
	await(fd, POLLERR);
	R(read(fd, small, few));
	R(recv(fd, small, few, 0));
}

CASE(checked_polls)
{
	int fd = joined();
	struct pollfd p[2] = {{fd, POLLIN | POLLOUT, 0}, {fd, POLLIN, 0}};
	const struct timespec none = {0};
	volatile nfds_t n = 2;
	fd_set set;

	R(poll(p, n, 0));
	R(ppoll(p, n, &none, NULL));
	FD_ZERO(&set);
	FD_SET(fd, &set);
	R(FD_ISSET(fd, &set) != 0);
	R(select(fd + 1, NULL, &set, NULL, NULL));
}

/* One byte too many ends the program, also where it is a socket of ours. */
CASE(checked_overflow)
{
	char small[8];
	int fd = joined();

	fclose(stderr);
	signal(SIGABRT, SIG_DFL);
	R(read(fd, small, few + 4));
}
