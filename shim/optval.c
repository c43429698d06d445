/* optval.c - how values of socket options are copied. Owns nothing.
 */
#include "optval.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "real.h"
#include "usermem.h"

int optval_put(int fd, const void *src, size_t size, void *val, socklen_t *len)
{
	if (*len > size)
		*len = size;
	return user_put(fd, val, src, *len);
}

int optval_put_int(int fd, int v, void *val, socklen_t *len)
{
	return optval_put(fd, &v, sizeof(v), val, len);
}

int optval_put_byte(int fd, int v, void *val, socklen_t *len)
{
	uint8_t byte = v;

	if (*len > 0 && *len < sizeof(int) && v >= 0 && v <= 255)
		return optval_put(fd, &byte, 1, val, len);
	return optval_put_int(fd, v, val, len);
}

int optval_get(int fd, const void *val, socklen_t len, void *dst, size_t size)
{
	return len < size ? -EINVAL : user_get(fd, dst, val, size);
}

int optval_get_int(int fd, const void *val, socklen_t len, int *v)
{
	return optval_get(fd, val, len, v, sizeof(*v));
}

int optval_get_byte(int fd, const void *val, socklen_t len, int *v)
{
	uint8_t byte = 0;
	int err;

	if (len >= sizeof(*v))
		return optval_get_int(fd, val, len, v);
	err = user_get(fd, &byte, val, len ? 1 : 0);
	*v = byte;
	return err;
}

int optval_get_name(int fd, const void *val, socklen_t len, char *name, size_t size)
{
	memset(name, 0, size);
	return user_get(fd, name, val, len < size ? len : size - 1);
}

/* if_nametoindex(3) and if_indextoname(3) in a form that signal handlers may
 * use. request: SIOCGIFINDEX or SIOCGIFNAME. */
static int ask_device(unsigned long request, struct ifreq *ifr)
{
	int err, fd = real()->socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	err = real()->ioctl(fd, request, ifr) < 0 ? -errno : 0;
	real()->close(fd);
	return err;
}

int optval_put_device(int fd, uint32_t ifindex, void *val, socklen_t *len)
{
	struct ifreq ifr = {.ifr_ifindex = (int)ifindex};
	int err;

	if (!ifindex) {
		*len = 0;
		return 0;
	}
	if (*len < IFNAMSIZ)
		return -EINVAL;
	err = ask_device(SIOCGIFNAME, &ifr);
	if (err)
		return err;
	return optval_put(fd, ifr.ifr_name, strnlen(ifr.ifr_name, IFNAMSIZ - 1) + 1,
			  val, len);
}

int optval_get_device(int fd, const void *val, socklen_t len, uint32_t *ifindex)
{
	struct ifreq ifr = {0};
	int err = optval_get_name(fd, val, len, ifr.ifr_name, sizeof(ifr.ifr_name));

	*ifindex = 0;
	if (err || !ifr.ifr_name[0])
		return err;
	err = ask_device(SIOCGIFINDEX, &ifr);
	if (!err)
		*ifindex = ifr.ifr_ifindex;
	return err;
}
