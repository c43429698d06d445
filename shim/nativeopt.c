/* nativeopt.c - asks the kernel's own TCP about socket options. Owns nothing: its
 * sockets are closed when a call returns.
 */
#include "nativeopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "real.h"

static int set(int fd, const struct native_option *o, const void *val, socklen_t len)
{
	return real()->setsockopt(fd, o->level, o->name, val, len) == 0 ? 0 : -errno;
}

static int kernel_socket(const struct native_option *o)
{
	int fd = real()->socket(o->family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -ENOBUFS;
	if (o->kept_len)
		set(fd, o, o->kept, o->kept_len);
	return fd;
}

int native_getsockopt(const struct native_option *o, void *val, socklen_t *len)
{
	int err = 0, fd = kernel_socket(o);

	if (fd < 0)
		return fd;
	if (real()->getsockopt(fd, o->level, o->name, val, len) != 0)
		err = -errno;
	real()->close(fd);
	return err;
}

int native_setsockopt(const struct native_option *o, const void *val, socklen_t len)
{
	int err, fd = kernel_socket(o);

	if (fd < 0)
		return fd;
	err = set(fd, o, val, len);
	real()->close(fd);
	return err;
}

int native_adjust(const struct native_option *o, int get_name, int v, int *is)
{
	socklen_t len = sizeof(*is);
	int err, fd = kernel_socket(o);

	if (fd < 0)
		return fd;
	err = set(fd, o, &v, sizeof(v));
	if (!err && real()->getsockopt(fd, o->level, get_name, is, &len) != 0)
		err = -errno;
	real()->close(fd);
	return err;
}
