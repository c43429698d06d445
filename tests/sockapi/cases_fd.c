/* cases_fd.c - copies of fds, their flags, closing, stdio. */
#include "sockapi.h"

#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

CASE(dups)
{
	int fd = joined(), copy;

	R((copy = dup(fd)) > fd);
	R(fcntl(copy, F_GETFD));
	R(dup2(fd, 500));
	R(dup2(fd, fd));
	R(dup3(fd, fd, 0));
	R(dup3(fd, 501, O_CLOEXEC));
	R(fcntl(501, F_GETFD));
	R(dup3(fd, 502, O_NONBLOCK));
	R(fcntl(fd, F_DUPFD, 510));
	R(fcntl(fd, F_DUPFD_CLOEXEC, 510));
	R(fcntl(511, F_GETFD));
	R(dup(799));
	R(dup2(799, fd));
	R(dup2(fd, -1));
	R(close(fd));
	R(write(fd, "x", 1));
	R(write(copy, "a", 1));
	R(write(500, "b", 1));
	R(write(510, "c", 1));
	peer_says(3);
	R(close(copy));
	R(close(500));
	R(close(501));
	R(close(510));
	peer_send("still here");
	P(511, POLLIN);
	B(511, 100, 0);
	R(close(511));
	peer_says(1);
}

CASE(dup_over_ours)
{
	int fd = joined(), pipes[2];

	R(pipe(pipes));
	R(dup2(pipes[1], fd));
	peer_says(1);
	R(write(fd, "xy", 2));
	R(read(pipes[0], buf, 10));
	R(recv(fd, buf, 1, 0));
	R(getsockname(fd, NULL, NULL));
	fd = joined();
	R(dup2(fd, pipes[0]));
	R(write(pipes[0], "into tcp", 8));
	peer_says(8);
	LOCAL(pipes[1]);
}

CASE(shared_flags)
{
	int fd = joined(), copy = dup(fd), on = 1;

	R(fcntl(fd, F_GETFL));
	R(fcntl(fd, F_SETFL, O_NONBLOCK));
	R(fcntl(copy, F_GETFL));
	R(read(copy, buf, 1));
	R(ioctl(fd, FIONBIO, &(int){0}));
	R(fcntl(copy, F_GETFL));
	R(ioctl(fd, FIONBIO, &on));
	R(fcntl(copy, F_GETFL));
	R(ioctl(fd, FIOCLEX));
	R(fcntl(fd, F_GETFD));
	R(fcntl(copy, F_GETFD));
	R(ioctl(fd, FIONCLEX));
	R(fcntl(fd, F_GETFD));
	R(fcntl(fd, F_SETFL, O_APPEND | O_RDWR));
	R(fcntl(fd, F_GETFL));
	R(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	R(fcntl(fd, F_GETFL));
	R(fcntl(fd, F_GETPIPE_SZ));
	R(fcntl(fd, F_ADD_SEALS, 1));
	R(fcntl(fd, 9999, 1));
}

CASE(close_ranges)
{
	int fd = joined(), i;

	for (i = 500; i < 510; i++)
		dup2(fd, i);
	R(close_range(502, 504, 0));
	R(write(503, "x", 1));
	R(close_range(506, 508, CLOSE_RANGE_CLOEXEC));
	R(fcntl(507, F_GETFD));
	R(fcntl(509, F_GETFD));
	R(close_range(10, 5, 0));
	R(close_range(508, 509, 64));
	R(write(507, "a", 1));
	R(close_range(500, 600, 0));
	R(write(fd, "b", 1));
	peer_says(2);
	closefrom(fd); /* of what speaks with the peer, too */
	R(write(fd, "x", 1));
	R(fcntl(fd, F_GETFD));
	R(tcp(0) == fd);
}

CASE(close_range_of_nothing)
{
	int fd = joined();

	R(close_range(fd, fd, 64));
	R(write(fd, "a", 1));
	peer_says(1);
	R(close_range(fd, fd, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC));
	R(write(fd, "b", 1));
	peer_says(1);
	R(close_range(fd, fd, CLOSE_RANGE_UNSHARE));
	R(write(fd, "c", 1));
	peer_says(1);
}

/* In a thread that takes the fd table with it, and what is left to the others. */
static void *close_here(void *fd)
{
	R(close_range(*(int *)fd, *(int *)fd, CLOSE_RANGE_UNSHARE));
	R(write(*(int *)fd, "a", 1));
	return NULL;
}

static void *close_there(void *fd)
{
	R(unshare(CLONE_FILES));
	R(write(*(int *)fd, "c", 1));
	R(close(*(int *)fd));
	R(write(*(int *)fd, "d", 1));
	return NULL;
}

CASE(fd_tables_of_threads)
{
	int fd = joined(), listen_fd = listener(0);
	pthread_t t;

	pthread_create(&t, NULL, close_here, &fd);
	pthread_join(t, NULL);
	R(write(fd, "b", 1));
	pthread_create(&t, NULL, close_there, &fd);
	pthread_join(t, NULL);
	R(write(fd, "e", 1));
	peer_says(3);
	pthread_create(&t, NULL, close_there, &listen_fd);
	pthread_join(t, NULL);
	peer_connect(NULL, port_of(listen_fd));
	P(listen_fd, POLLIN);
	R(close(fd));
	R(close(listen_fd));
}

/* The peer learns of the end: whatever has closed the last one. */
CASE(close_range_sends_fin)
{
	int fd = joined();

	R(close_range(fd, fd, 0));
	peer_says(1);
}

CASE(closed_fds)
{
	int fd = joined();
	struct pollfd p = {fd, POLLIN, 0};

	R(close(fd));
	R(close(fd));
	R(read(fd, buf, 1));
	R(recv(fd, buf, 1, 0));
	R(send(fd, "x", 1, 0));
	R(shutdown(fd, SHUT_RDWR));
	R(listen(fd, 1));
	R(fcntl(fd, F_GETFL));
	R(poll(&p, 1, 0));
	LOG("%s", poll_names(p.revents));
	LOCAL(fd);
	R(close(-1));
	R(read(-1, buf, 1));
	R(accept(-1, NULL, NULL));
	R(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, buf, 4));
	R(recv(1 << 30, buf, 1, 0));
}

CASE(number_is_reused)
{
	int fd = tcp(0), again;

	R(close(fd));
	again = open("/dev/null", O_RDWR);
	R(again == fd);
	R(write(again, "x", 1));
	R(listen(again, 1));
	R(close(again));
	again = tcp(0);
	R(again == fd);
	R(to(again, peer_listen()));
	peer_accept();
	R(write(again, "x", 1));
	peer_says(1);
}

CASE(looks_like_a_socket)
{
	struct stat st;
	int fd = joined();

	R(fstat(fd, &st));
	LOG("%o %ld", st.st_mode & S_IFMT, (long)st.st_size);
	R(lseek(fd, 0, SEEK_CUR));
	R(isatty(fd));
	R(fsync(fd));
	R(fdatasync(fd));
	R(ftruncate(fd, 0));
	R(fchdir(fd));
	R(pread(fd, buf, 1, 0));
	R(pwrite(fd, buf, 1, 0));
	R(preadv(fd, &(struct iovec){buf, 1}, 1, 0));
	R(pwritev(fd, &(struct iovec){buf, 1}, 1, 0));
	R(posix_fadvise(fd, 0, 0, 0));
	R(fallocate(fd, 0, 0, 10));
}

CASE(positioned_io)
{
	int fd = joined();
	struct iovec iov = {buf, 100};

	peer_send("hello");
	await(fd, POLLIN);
	R(preadv2(fd, &iov, 1, -1, 0));
	iov.iov_len = 5;
	R(pwritev2(fd, &iov, 1, -1, 0));
	peer_says(5);
	R(preadv2(fd, &iov, 1, -1, RWF_NOWAIT));
	R(pwritev2(fd, &iov, 1, 0, 0));
	R(pwritev2(fd, &iov, 1, -1, 0x1000));
	peer_reset();
	await(fd, POLLERR);
	R(preadv2(fd, &iov, 1, -1, 0));
	R(pwritev2(fd, &iov, 1, -1, 0));
}

CASE(stdio)
{
	int fd = joined();
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

	R(fputs("line one\nline two\n", out));
	R(fflush(out));
	peer_says(18);
	peer_send("first\nsecond\nrest");
	peer_shutdown(SHUT_WR);
	R(fgets(buf, 100, in) != NULL);
	LOG("%s", strtok(buf, "\n"));
	R(getc(in));
	R(fread(buf, 1, 100, in));
	R(feof(in));
	R(ferror(in));
	R(fputs("bye", out));
	R(fclose(out));
	R(fclose(in));
	peer_says(4);
}

CASE(stdio_rw)
{
	int fd = joined();
	FILE *f = fdopen(fd, "r+");
	char *line = NULL;
	size_t size = 0;

	setvbuf(f, NULL, _IOLBF, 100);
	R(fprintf(f, "%d bottles\n", 99));
	peer_says(11);
	peer_send("answer\n");
	R(getline(&line, &size, f));
	R(fseek(f, 0, SEEK_CUR));
	R(dprintf(fd, "%s", line));
	peer_says(7);
	peer_reset();
	await(fd, POLLERR);
	R(getline(&line, &size, f));
	R(ferror(f));
	R(fprintf(f, "into nothing\n"));
	R(fclose(f));
	free(line);
}

#define OWN_WRITES "What stdio and dprintf() write into a reset connection fails with EPIPE at once"

CASE(stdio_writes_after_a_reset)
{
	int fd = joined();
	FILE *f = fdopen(fd, "w");

	setvbuf(f, NULL, _IONBF, 0);
	peer_reset();
	await(fd, POLLERR);
	ALLOW(OWN_WRITES);
	R(fputc('x', f));
	R(fputc('x', f));
	R(ferror(f) != 0);
	fd = joined();
	peer_reset();
	await(fd, POLLERR);
	ALLOW(OWN_WRITES);
	R(dprintf(fd, "x"));
	ALLOW(OWN_WRITES);
	R(write(fd, "x", 1));
}

CASE(fd_limits)
{
	int fd = joined(), n, last = -1;
	struct rlimit lim = {.rlim_cur = 40, .rlim_max = 40};

	R(setrlimit(RLIMIT_NOFILE, &lim));
	for (n = 0; (last = dup(fd)) >= 0 && n < 100; n++)
		;
	R(last);
	R(dup(fd));
	R(socket(family, SOCK_STREAM, 0));
	R(fcntl(fd, F_DUPFD, 10));
	R(dup2(fd, 40));
	R(dup2(fd, 39));
	R(write(39, "x", 1));
	peer_says(1);
}

CASE(children_share)
{
	int fd = joined(), status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		_exit(write(fd, "child", 5) != 5 || close(fd) != 0);
	}
	R(waitpid(pid, &status, 0) == pid);
	R(status);
	peer_says(5);
	R(write(fd, "parent", 6));
	peer_says(6);
	R(close(fd));
	peer_says(1);
}
