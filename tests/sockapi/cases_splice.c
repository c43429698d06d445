/* cases_splice.c - sendfile, splice, tee, vmsplice, copy_file_range. */
#include "sockapi.h"

#include <sys/mman.h>
#include <sys/sendfile.h>

/* A file of n letters. */
static int file_of(size_t n)
{
	int fd = memfd_create("file", 0);
	size_t i;

	for (i = 0; i < sizeof(buf); i++)
		buf[i] = 'a' + i % 26;
	for (i = 0; i < n; i += sizeof(buf))
		if (write(fd, buf, n - i < sizeof(buf) ? n - i : sizeof(buf)) < 0)
			exit(1);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

CASE(sendfile_out)
{
	int fd = joined(), file = file_of(100), pipes[2];
	off_t off = 90;

	R(sendfile(fd, file, NULL, 10));
	R(lseek(file, 0, SEEK_CUR));
	R(sendfile(fd, file, &off, 100));
	LOG("%ld", (long)off);
	R(sendfile(fd, file, &off, 100));
	R(sendfile(fd, file, NULL, 0));
	R(sendfile64(fd, file, NULL, 5));
	peer_says(25);
	off = -1;
	R(sendfile(fd, file, &off, 100));
	R(sendfile(fd, -1, NULL, 100));
	R(sendfile(-1, file, NULL, 100));
	R(sendfile(fd, file, (off_t *)8, 100));
	R(pipe(pipes));
	R(write(pipes[1], "pipe", 4));
	R(sendfile(fd, pipes[0], NULL, 4));
	R(shutdown(fd, SHUT_WR));
	peer_says(100);
}

CASE(sendfile_large)
{
	int fd = joined(), file = file_of(3000000);
	ssize_t n = 0, r;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (n < 3000000) {
		r = sendfile(fd, file, NULL, 3000000 - n);
		if (r < 0 && errno != EAGAIN)
			R(r);
		n += r > 0 ? r : 0;
		if (r < 0 && peer_recv(10000) != 10000)
			LOG("the peer has less");
	}
	LOG("%zd", n);
	R(sendfile(fd, file, NULL, 10));
}

/* What is left of sendfile()'s large pieces does not keep the socket full. */
CASE(sendfile_notsent_low_water)
{
	int fd = joined(), file = file_of(1000000);
	struct pollfd p = {fd, POLLOUT, 0};
	ssize_t n = 0, r;

	set_get(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (n < 1000000) {
		r = sendfile(fd, file, NULL, 1000000 - n);
		if (r < 0)
			break;
		n += r;
		if (peer_recv(r) != r || poll(&p, 1, 3000) != 1)
			break;
	}
	LOG("%zd", n);
}

CASE(sendfile_of_states)
{
	int fd = tcp(0), file = file_of(100);

	R(sendfile(fd, file, NULL, 10));
	R(listen(fd, 1));
	R(sendfile(fd, file, NULL, 10));
	fd = joined();
	peer_close();
	P(fd, POLLRDHUP);
	R(sendfile(fd, file, NULL, 10));
	P(fd, POLLERR);
	R(sendfile(fd, file, NULL, 10));
}

/* From a socket: only where the kernel can splice. */
CASE(sendfile_in)
{
	int fd = joined(), pipes[2], file = file_of(0);

	R(pipe(pipes));
	peer_send("hello");
	await(fd, POLLIN);
	R(sendfile(pipes[1], fd, NULL, 5));
	R(read(pipes[0], buf, 100));
	R(sendfile(file, fd, NULL, 5));
}

CASE(splice_in)
{
	int fd = joined(), pipes[2];
	loff_t off = 0;

	R(pipe(pipes));
	peer_send("hello world");
	await(fd, POLLIN);
	R(splice(fd, NULL, pipes[1], NULL, 5, 0));
	R(splice(fd, NULL, pipes[1], NULL, 100, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
	R(read(pipes[0], buf, 100));
	LOG("%.11s", buf);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	R(splice(fd, NULL, pipes[1], NULL, 100, SPLICE_F_NONBLOCK));
	R(splice(fd, NULL, pipes[1], NULL, 100, 0));
	R(splice(fd, &off, pipes[1], NULL, 100, 0));
	R(splice(fd, NULL, pipes[1], NULL, 0, 0));
	R(splice(fd, NULL, pipes[1], NULL, 10, 0x1000));
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	R(splice(fd, NULL, pipes[1], NULL, 100, 0));
	peer_reset();
	await(fd, POLLERR);
	R(splice(fd, NULL, pipes[1], NULL, 100, 0));
}

CASE(splice_in_after_reset)
{
	int fd = joined(), pipes[2];

	R(pipe(pipes));
	peer_reset();
	await(fd, POLLERR);
	R(splice(fd, NULL, pipes[1], NULL, 100, 0));
	R(splice(fd, NULL, pipes[1], NULL, 100, 0));
}

CASE(splice_out)
{
	int fd = joined(), pipes[2], file = file_of(50);
	loff_t off = 40;

	R(pipe(pipes));
	R(splice(file, &off, pipes[1], NULL, 5, 0));
	R(splice(pipes[0], NULL, fd, NULL, 5, SPLICE_F_MORE));
	R(write(pipes[1], "and more", 8));
	R(splice(pipes[0], NULL, fd, NULL, 100, 0));
	peer_says(13);
	R(splice(pipes[0], NULL, fd, NULL, 100, SPLICE_F_NONBLOCK));
	R(splice(pipes[0], NULL, fd, &off, 100, 0));
	R(splice(file, NULL, fd, NULL, 100, 0));
	R(write(pipes[1], "and more", 8));
	R(shutdown(fd, SHUT_WR));
	R(splice(pipes[0], NULL, fd, NULL, 100, 0));
}

CASE(splice_between_two)
{
	int in = joined(), out, pipes[2];

	peer_send("through");
	await(in, POLLIN);
	out = joined();
	R(pipe(pipes));
	R(splice(in, NULL, out, NULL, 7, 0));
	R(splice(in, NULL, pipes[1], NULL, 7, 0));
	R(splice(pipes[0], NULL, out, NULL, 7, 0));
	peer_says(7);
}

CASE(tee_and_vmsplice)
{
	int fd = joined(), a[2], b[2];
	struct iovec v = {(char *)"twice", 5};

	R(pipe(a));
	R(pipe(b));
	R(vmsplice(a[1], &v, 1, 0));
	R(tee(a[0], b[1], 5, 0));
	R(splice(a[0], NULL, fd, NULL, 5, 0));
	R(splice(b[0], NULL, fd, NULL, 5, 0));
	peer_says(10);
	R(tee(fd, b[1], 5, 0));
	R(tee(a[0], fd, 5, 0));
	R(vmsplice(fd, &v, 1, 0));
}

CASE(copy_file_range_refuses)
{
	int fd = joined(), file = file_of(100);

	R(copy_file_range(file, NULL, fd, NULL, 10, 0));
	R(copy_file_range(fd, NULL, file, NULL, 10, 0));
}
