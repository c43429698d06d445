/* sanitized.c [bug] - a program to be built with sanitizers: a connection between two
 * of its threads, a fork, and with an argument a use after free(). Prints how much came. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1 << 20, CHUNK = 70000 };

static struct sockaddr_in at = {.sin_family = AF_INET};

static void *client(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *bytes = malloc(BYTES);
	ssize_t n = 1;

	memset(bytes, 'x', BYTES);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		perror("connect");
	for (size_t sent = 0; n > 0 && sent < BYTES; sent += n)
		n = write(fd, bytes + sent, BYTES - sent);
	free(bytes);
	close(fd);
	return arg;
}

int main(int argc, char *argv[])
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, status;
	socklen_t len = sizeof(at);
	char *volatile chunk = malloc(CHUNK);
	size_t got = 0;
	pthread_t t;
	ssize_t n;
	pid_t child;

	(void)argv;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 5) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    pthread_create(&t, NULL, client, NULL) != 0)
		return 2;
	fd = accept(listener, NULL, NULL);
	while ((n = read(fd, chunk, CHUNK)) > 0)
		got += n;
	pthread_join(t, NULL);
	printf("%zu\n", got);
	child = fork();
	if (child == 0)
		_exit(0);
	if (waitpid(child, &status, 0) != child || status != 0)
		return 3;
	free(chunk);
	if (argc > 1)
		return chunk[argc];
	close(fd);
	close(listener);
	return 0;
}
