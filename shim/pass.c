/* pass.c - owns nothing: reads and writes two options of AF_UNIX sockets, that libc's
 * headers may be too old to know.
 */
#include "pass.h"

#include <sys/socket.h>

#include "real.h"

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif
#if !defined(SO_PASSRIGHTS) && !defined(__hppa__) && !defined(__sparc__)
#define SO_PASSRIGHTS 83
#endif

uint64_t pass_of(int fd)
{
	uint64_t pass = 0;
	socklen_t len = sizeof(pass);

	if (real()->getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pass, &len) != 0 ||
	    pass == UINT64_MAX)
		return 0;
	return pass;
}

void pass_give(int fd, uint64_t pass)
{
	real()->setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pass, sizeof(pass));
}

static void set_passrights(int fd, int on)
{
#ifdef SO_PASSRIGHTS
	real()->setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
#else
	(void)fd;
	(void)on;
#endif
}

void pass_no_fds(int fd)
{
	set_passrights(fd, 0);
}

void pass_fds(int fd)
{
	set_passrights(fd, 1);
}

bool pass_keeps_fds_out(int fd)
{
	int on = 1;
#ifdef SO_PASSRIGHTS
	socklen_t len = sizeof(on);

	if (real()->getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &len) != 0)
		return false;
#else
	(void)fd;
#endif
	return !on;
}
