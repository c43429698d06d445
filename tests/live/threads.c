/* threads.c HOST PORT - says hello through TCP from a thread that outlives main(),
 * and ends with the last of them. The exit status is 0, as pthread_exit(3) says.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in to = {.sin_family = AF_INET};

static void *hello(void *arg)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	usleep(100000); /* main() is over */
	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    write(s, "hello\n", 6) != 6)
		_exit(1);
	usleep(100000);
	return arg;
}

static void at_exit(void)
{
	puts("atexit");
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc != 3)
		return 2;
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	atexit(at_exit);
	if (pthread_create(&t, NULL, hello, NULL) != 0)
		return 1;
	pthread_exit(NULL);
}
