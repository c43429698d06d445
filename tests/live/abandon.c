/* abandon ADDRESS PORT ROUNDS PAUSE_US - gives a connect() up and tries again, as happy
 * eyeballs and impatient clients do, and prints how many of the second ones were
 * refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int tcp_socket(int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	if (fd < 0) {
		perror("socket");
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int refused = 0;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	for (int i = 0; i < atoi(argv[3]); i++) {
		int fd = tcp_socket(SOCK_NONBLOCK);

		connect(fd, (struct sockaddr *)&to, sizeof(to));
		close(fd);
		usleep((useconds_t)atoi(argv[4]));
		fd = tcp_socket(0);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
			refused += errno == ECONNREFUSED;
			if (errno != ECONNREFUSED)
				perror("connect");
		}
		close(fd);
	}
	printf("%d\n", refused);
	return 0;
}
