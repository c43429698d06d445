/* optval.c - how values of socket options are copied. Owns nothing.
 */
#include "optval.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fdtab.h"

int optval_put(const void *src, size_t size, void *val, socklen_t *len)
{
	if (*len > size)
		*len = size;
	memcpy(val, src, *len);
	return 0;
}

int optval_put_int(int v, void *val, socklen_t *len)
{
	return optval_put(&v, sizeof(v), val, len);
}

int optval_put_byte(int v, void *val, socklen_t *len)
{
	uint8_t byte = v;

	if (*len > 0 && *len < sizeof(int) && v >= 0 && v <= 255)
		return optval_put(&byte, 1, val, len);
	return optval_put_int(v, val, len);
}

int optval_get_int(const void *val, socklen_t len, int *v)
{
	if (len < sizeof(*v))
		return -EINVAL;
	memcpy(v, val, sizeof(*v));
	return 0;
}

int optval_get_byte(const void *val, socklen_t len)
{
	int v = 0;

	if (len >= sizeof(v))
		memcpy(&v, val, sizeof(v));
	else if (len >= 1)
		v = *(const uint8_t *)val;
	return v;
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

int optval_put_device(uint32_t ifindex, void *val, socklen_t *len)
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
	return optval_put(ifr.ifr_name, strnlen(ifr.ifr_name, IFNAMSIZ - 1) + 1,
			  val, len);
}

int optval_get_device(const void *val, socklen_t len, uint32_t *ifindex)
{
	struct ifreq ifr = {0};
	int err;

	*ifindex = 0;
	memcpy(ifr.ifr_name, val, len < IFNAMSIZ ? len : IFNAMSIZ - 1);
	if (!ifr.ifr_name[0])
		return 0;
	err = ask_device(SIOCGIFINDEX, &ifr);
	if (!err)
		*ifindex = ifr.ifr_ifindex;
	return err;
}
