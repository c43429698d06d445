/* cases_reset.c - what shows that the peer has reset the connection, and when. */
#include "sockapi.h"

#include <sys/sendfile.h>

CASE(reset_seen_by_read)
{
	int fd = joined();

	peer_send("hello");
	await(fd, POLLIN);
	peer_reset();
	P(fd, POLLERR);
	B(fd, 100, 0);
	B(fd, 100, 0);
	B(fd, 100, 0);
	R(write(fd, "x", 1));
	P(fd, 0);
	REMOTE(fd);
	R(shutdown(fd, SHUT_WR));
	if (!role_server)
		R(to(fd, peer_listen()));
}

/* What was written precedes the RST, and so does a FIN. */
CASE(close_with_unread_after_write)
{
	int fd = joined();

	peer_send("unread");
	await(fd, POLLIN);
	R(write(fd, "answer", 6));
	R(close(fd));
	peer_says(6);
	peer_says(1);
}

CASE(close_with_unread_after_shutdown)
{
	int fd = joined();

	peer_send("unread");
	await(fd, POLLIN);
	R(write(fd, "answer", 6));
	R(shutdown(fd, SHUT_WR));
	R(close(fd));
	peer_says(6);
	peer_says(1);
}

CASE(reset_seen_by_write)
{
	struct iovec iov = {buf, 1};
	int fd = joined();

	peer_reset();
	await(fd, POLLERR);
	R(write(fd, "x", 1));
	R(writev(fd, &iov, 1));
	R(read(fd, buf, 1));
}

CASE(reset_seen_by_so_error)
{
	int fd = joined();

	peer_reset();
	await(fd, POLLERR);
	E(fd);
	E(fd);
	R(read(fd, buf, 1));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
}

CASE(reset_seen_by_sendfile)
{
	int fd = joined(), file = open("/proc/self/exe", O_RDONLY);

	peer_reset();
	await(fd, POLLERR);
	R(sendfile(fd, file, NULL, 10));
	R(sendfile(fd, file, NULL, 10));
}
