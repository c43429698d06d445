/* procfds.c - lists /proc/self/fd. Owns nothing.
 *
 * Without opendir(): it would allocate before the program's own malloc() is ready.
 */
#include "procfds.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "real.h"

struct entry { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static bool each_listed(int dir, void (*fn)(void *arg, int fd), void *arg)
{
	char buf[2048] __attribute__((aligned(8)));
	long n, at;

	while ((n = real()->syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += ((struct entry *)(buf + at))->len) {
			const struct entry *e = (struct entry *)(buf + at);

			if (e->name[0] != '.' && atoi(e->name) != dir)
				fn(arg, atoi(e->name));
		}
	}
	return n == 0;
}

bool procfds_each(void (*fn)(void *arg, int fd), void *arg)
{
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool all = dir >= 0 && each_listed(dir, fn, arg);

	if (dir >= 0)
		real()->close(dir);
	return all;
}
