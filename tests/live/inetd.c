/* inetd.c - echoes standard input, which is a socket; linked statically, so that
 * no library of ours is in it. */
#include <unistd.h>

int main(void)
{
	char buf[4096];
	ssize_t n, sent, at;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += sent) {
			sent = write(STDOUT_FILENO, buf + at, n - at);
			if (sent < 0)
				return 1;
		}
	}
	return n < 0;
}
