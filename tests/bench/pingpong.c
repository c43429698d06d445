/* pingpong.c - request and response of a given size over one TCP connection,
 * as an ordinary program does it, and how long each round took.
 *
 *     pingpong server PORT SIZE
 *     pingpong client ADDRESS PORT SIZE ROUNDS     prints median and p99 in us
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_BYTES 65536
#define WARM_UP 200

static char buf[SIZE_MAX_BYTES];

__attribute__((noreturn))
static void die(const char *what)
{
	perror(what);
	exit(1);
}

static bool take(int fd, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = read(fd, buf + at, size - at);

		if (n < 0)
			die("read");
		if (n == 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static void give(int fd, size_t size)
{
	if (write(fd, buf, size) != (ssize_t)size)
		die("write");
}

static int tcp_socket(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int serve(uint16_t port, size_t size)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd, listener = tcp_socket();

	if (bind(listener, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(listener, 1) < 0)
		die("listen");
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	while (take(fd, size))
		give(fd, size);
	close(fd);
	return 0;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(const char *address, uint16_t port, size_t size, int rounds)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	double *took = calloc((size_t)rounds, sizeof(*took));
	int fd = tcp_socket();

	if (!took || inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		die("address");
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("connect");
	for (int i = -WARM_UP; i < rounds; i++) {
		double begin = now_us();

		give(fd, size);
		if (!take(fd, size))
			die("early end");
		if (i >= 0)
			took[i] = now_us() - begin;
	}
	close(fd);
	qsort(took, (size_t)rounds, sizeof(*took), compare);
	printf("%.1f %.1f\n", took[rounds / 2], took[rounds - 1 - rounds / 100]);
	free(took);
	return 0;
}

int main(int argc, char *argv[])
{
	bool server = argc == 4 && !strcmp(argv[1], "server");
	bool client = argc == 6 && !strcmp(argv[1], "client");
	size_t size = server || client ? (size_t)atoi(argv[server ? 3 : 4]) : 0;

	if (!size || size > sizeof(buf) || (client && atoi(argv[5]) < 100)) {
		fprintf(stderr, "usage: pingpong server PORT SIZE\n"
			"       pingpong client ADDRESS PORT SIZE ROUNDS (100 or more)\n");
		return 2;
	}
	if (server)
		return serve((uint16_t)atoi(argv[2]), size);
	return measure(argv[2], (uint16_t)atoi(argv[3]), size, atoi(argv[5]));
}
