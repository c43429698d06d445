/* cases_names.c - getsockname() and getpeername(). */
#include "sockapi.h"

CASE(names_after_the_end)
{
	int fd = joined();

	name_port("local", port_of(fd));
	peer_shutdown(SHUT_WR);
	P(fd, POLLRDHUP);
	LOCAL(fd);
	REMOTE(fd);
	R(shutdown(fd, SHUT_WR));
	P(fd, POLLHUP);
	settle();
	LOCAL(fd);
	REMOTE(fd);
	fd = joined();
	name_port("second", port_of(fd));
	peer_reset();
	P(fd, POLLHUP);
	LOCAL(fd);
	REMOTE(fd);
	E(fd);
	LOCAL(fd);
	REMOTE(fd);
}

CASE(names_into_little_room)
{
	int fd = joined();
	socklen_t n;

	for (n = 0; n < 30; n += 4) {
		struct addr a;
		socklen_t len = n;

		memset(&a.in6, 0xee, sizeof(a.in6));
		R(getpeername(fd, &a.sa, &len));
		LOG("%u: %u %02x %02x %02x", n, len, ((uint8_t *)&a.sa)[0],
		    ((uint8_t *)&a.sa)[4], ((uint8_t *)&a.sa)[15]);
		len = n;
		R(getsockname(fd, &a.sa, &len));
		LOG("%u: %u", n, len);
	}
	R(getsockname(fd, NULL, &n));
	R(getsockname(fd, (struct sockaddr *)buf, NULL));
	R(getpeername(fd, (struct sockaddr *)8, &n));
	R(getpeername(fd, (struct sockaddr *)buf, (socklen_t *)8));
	n = -1;
	R(getpeername(fd, (struct sockaddr *)buf, &n));
}
