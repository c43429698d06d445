/* cases_syscall.c - the calls made through syscall(2). */
#include "sockapi.h"

#include <sys/sendfile.h>
#include <sys/syscall.h>

CASE(by_number)
{
	int fd, copy, n = -1;
	struct addr a;
	struct iovec v = {buf, 3};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct mmsghdr mm = {m, 0};
	socklen_t len = sizeof(n);

	R((fd = syscall(SYS_socket, family, SOCK_STREAM, 0)) >= 0);
	R(syscall(SYS_read, fd, buf, 1));
	a = addr_of(here, 0);
	R(syscall(SYS_bind, fd, &a.sa, a.len));
	a = addr_of(there, peer_listen());
	R(syscall(SYS_connect, fd, &a.sa, a.len));
	peer_accept();
	REMOTE(fd);
	a.len = sizeof(a.in6);
	R(syscall(SYS_getsockname, fd, &a.sa, &a.len));
	log_sockaddr("local", &a.sa, a.len);
	R(syscall(SYS_getpeername, fd, &a.sa, &a.len));
	log_sockaddr("remote", &a.sa, a.len);
	memcpy(buf, "abc", 3);
	R(syscall(SYS_write, fd, "abc", 3));
	R(syscall(SYS_sendto, fd, "abc", 3, MSG_NOSIGNAL, NULL, 0));
	R(syscall(SYS_writev, fd, &v, 1));
	R(syscall(SYS_sendmsg, fd, &m, 0));
	R(syscall(SYS_sendmmsg, fd, &mm, 1, 0));
	peer_says(15);
	peer_send("0123456789012345678901234567");
	await(fd, POLLIN);
	settle();
	R(syscall(SYS_read, fd, buf, 3));
	R(syscall(SYS_readv, fd, &v, 1));
	R(syscall(SYS_recvfrom, fd, buf, 3, MSG_PEEK, &a.sa, &a.len));
	log_sockaddr("from", &a.sa, a.len);
	R(syscall(SYS_recvmsg, fd, &m, 0));
	R(syscall(SYS_recvmmsg, fd, &mm, 1, 0, NULL));
	R(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &n, &len));
	LOG("%d", n);
	R(syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &n, len));
	get_int(fd, IPPROTO_TCP, TCP_NODELAY);
	R(syscall(SYS_ioctl, fd, SIOCOUTQ, &n));
	R((copy = syscall(SYS_dup, fd)) > fd);
	R(syscall(SYS_fcntl, fd, F_DUPFD, 500));
	R(syscall(SYS_dup3, fd, 510, 0));
	REMOTE(510);
	R(syscall(SYS_close, fd));
	R(syscall(SYS_close, copy));
	REMOTE(500);
	R(syscall(SYS_close_range, 500, 505, 0));
	R(syscall(SYS_shutdown, 510, SHUT_WR));
	R(syscall(SYS_write, 510, "x", 1));
	peer_says(1);
	peer_reset();
	P(510, POLLERR);
	R(syscall(SYS_write, 510, "x", 1));
	R(syscall(SYS_listen, 510, 1));
	R(syscall(SYS_close, 510));
	R(syscall(999999));
	R(syscall(SYS_getppid) == getppid());
}

/* The same on sockets that libc's functions have made. */
CASE(mixed_with_functions)
{
	int fd = joined(), n = -1;
	struct addr a = {.len = sizeof(a.in6)};
	socklen_t len = sizeof(n);

	R(syscall(SYS_getpeername, fd, &a.sa, &a.len));
	LOG("%d", a.sa.sa_family == family);
	R(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &n, &len));
	LOG("%d", n == family);
	R(syscall(SYS_sendto, fd, "x", 1, 0, &a.sa, a.len));
	peer_says(1);
	peer_reset();
	P(fd, POLLERR);
	R(syscall(SYS_write, fd, "x", 1));
	R(syscall(SYS_write, fd, "x", 1));
	fd = tcp(0);
	R(syscall(SYS_read, fd, buf, 1));
	R(syscall(SYS_ioctl, fd, SIOCOUTQ, &n));
	R(syscall(SYS_dup2, fd, 600));
	R(listen(600, 1));
	R(syscall(SYS_close, fd));
	R(to(600, peer_listen()));
}

CASE(accept_by_number)
{
	int fd = tcp(0), conn;
	struct addr a = addr_of(here, 0);

	R(syscall(SYS_bind, fd, &a.sa, a.len));
	R(syscall(SYS_listen, fd, 5));
	peer_connect(NULL, port_of(fd));
	a.len = sizeof(a.in6);
	R((conn = syscall(SYS_accept4, fd, &a.sa, &a.len, SOCK_CLOEXEC)) >= 0);
	log_sockaddr("from", &a.sa, a.len);
	R(syscall(SYS_sendfile, conn, open("/dev/zero", O_RDONLY), NULL, 3));
	R(fcntl(conn, F_GETFD));
	R(syscall(SYS_write, conn, "x", 1));
	R(syscall(SYS_close, fd));
	R(syscall(SYS_close, conn));
	peer_says(10);
	peer_says(1);
}
