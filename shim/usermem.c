/* usermem.c - asks the kernel whether the program's memory is there. Owns nothing.
 *
 * The kernel reads the length that getsockopt(2) is given before it looks at the
 * option, and writes no more than that of the value: an option that does not
 * exist reads four bytes, one that does writes as few as one. Less than a page is
 * there if its first and its last byte are. By number: a sanitizer that knows
 * getsockopt() by name would look at the memory itself.
 */
#include "usermem.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "real.h"

#define NO_OPTION 0x7fffffff
#define WORD sizeof(socklen_t)

static bool is_readable(int fd, const char *byte)
{
	/* A word at its own alignment lies in one page. */
	socklen_t *word = (socklen_t *)(byte - (uintptr_t)byte % WORD);

	return real()->syscall(SYS_getsockopt, fd, SOL_SOCKET, NO_OPTION, NULL, word) == 0 ||
	       errno != EFAULT;
}

static bool is_writable(int fd, char *byte)
{
	socklen_t one = 1;

	return real()->syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, byte, &one) == 0 ||
	       errno != EFAULT;
}

int user_readable(int fd, const void *p, size_t n)
{
	const char *byte = p;

	if (n == 0)
		return 0;
	return is_readable(fd, byte) && is_readable(fd, byte + n - 1) ? 0 : -EFAULT;
}

int user_writable(int fd, void *p, size_t n)
{
	char *byte = p;

	if (n == 0)
		return 0;
	return is_writable(fd, byte) && is_writable(fd, byte + n - 1) ? 0 : -EFAULT;
}

int user_get(int fd, void *dst, const void *src, size_t n)
{
	int err = user_readable(fd, src, n);

	if (!err && n)
		memcpy(dst, src, n);
	return err;
}

/* The frames of those who called are above ours. */
#define STACK_BYTES 65536

int user_get_near(int fd, void *dst, const void *src, size_t n)
{
	if ((uintptr_t)src - (uintptr_t)__builtin_frame_address(0) >= STACK_BYTES)
		return user_get(fd, dst, src, n);
	memcpy(dst, src, n);
	return 0;
}

int user_put(int fd, void *dst, const void *src, size_t n)
{
	int err = user_writable(fd, dst, n);

	if (!err && n)
		memcpy(dst, src, n);
	return err;
}

int user_get_addr(int fd, const struct sockaddr *addr, socklen_t len,
		  struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	if (len > sizeof(*out))
		return -EINVAL;
	return user_get(fd, out, addr, len);
}

int user_put_addr(int fd, const struct sockaddr_storage *from, socklen_t size,
		  struct sockaddr *addr, socklen_t *len)
{
	socklen_t room;
	int err = user_get(fd, &room, len, sizeof(room));

	if (err)
		return err;
	if ((int)room < 0)
		return -EINVAL;
	err = user_put(fd, addr, from, room < size ? room : size);
	return err ? err : user_put(fd, len, &size, sizeof(size));
}
