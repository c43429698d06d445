/* mallocs.c HOST PORT FILE - sends FILE through TCP and waits for the peer's end;
 * prints how often a thread named "mytcp" has entered this program's malloc().
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

#define EXPORT __attribute__((visibility("default"))) /* in libc's place */

static atomic_int entered;

static void enter(void)
{
	char name[16];

	if (prctl(PR_GET_NAME, name) == 0 && strcmp(name, "mytcp") == 0)
		entered++;
}

EXPORT void *malloc(size_t size)
{
	enter();
	return __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	enter();
	return __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size)
{
	enter();
	return __libc_realloc(p, size);
}

EXPORT void free(void *p)
{
	enter();
	__libc_free(p);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	static char buf[65536];
	int s, file;
	ssize_t n;

	if (argc != 4)
		return 2;
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	file = open(argv[3], O_RDONLY);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (file < 0 || s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("mallocs");
		return 1;
	}
	while ((n = read(file, buf, sizeof(buf))) > 0)
		if (write(s, buf, (size_t)n) != n)
			return 1;
	shutdown(s, SHUT_WR);
	while ((n = read(s, buf, sizeof(buf))) > 0)
		;
	close(s);
	printf("%d\n", entered);
	return n < 0;
}
