/* device.c - see device.h. The thread visits the namespace for each task and comes
 * back; what it opens there belongs to that namespace.
 *
 * A TUN device without offloads suits best: the kernel cuts what it wants to send
 * into segments and completes their checksums before we see them, and checks those
 * of what we write. */
#include "device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SELF_NETNS "/proc/thread-self/ns/net"

enum { DEVICE_QUEUE_PACKETS = 10000 }; /* until we read them */

/* ---- namespaces ---------------------------------------------------------- */

/* Goes to a namespace; returns the fd that leads back. */
static int netns_enter(const char *netns, char why[WHY_MAX])
{
	char path[PATH_MAX];
	int fd, back = open(SELF_NETNS, O_RDONLY | O_CLOEXEC);
	int err = -errno;

	if (back < 0 || !netns)
		return back < 0 ? err : back;
	snprintf(path, sizeof(path), "%s%s", strchr(netns, '/') ? "" : "/run/netns/", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && setns(fd, CLONE_NEWNET) == 0) {
		close(fd);
		return back;
	}
	err = -errno;
	if (fd >= 0)
		close(fd);
	close(back);
	snprintf(why, WHY_MAX, "cannot enter the network namespace %.100s: %s", netns,
		 strerror(-err));
	return err;
}

static void netns_leave(int back)
{
	if (setns(back, CLONE_NEWNET) < 0)
		abort(); /* we came from there */
	close(back);
}

/* ---- the device ---------------------------------------------------------- */

static void put_name(struct ifreq *ifr, const char *name)
{
	memset(ifr, 0, sizeof(*ifr));
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

/* No address of its own making, so that an idle link is idle. */
static void no_own_ipv6(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/addr_gen_mode", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* no IPv6 here */
	if (write(fd, "1", 1) < 0)
		errno = 0; /* then it is not as quiet */
	close(fd);
}

static int set_address(int sock, const char *name, const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	char text[INET_ADDRSTRLEN], extra;
	unsigned prefix;
	struct ifreq ifr;

	if (sscanf(address, "%15[0-9.]/%2u%c", text, &prefix, &extra) != 2 || prefix < 1 ||
	    prefix > 32 || inet_pton(AF_INET, text, &in.sin_addr) != 1)
		return -EINVAL;
	put_name(&ifr, name);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	if (ioctl(sock, SIOCSIFADDR, &ifr) < 0)
		return -errno;
	in.sin_addr.s_addr = htonl(~0u << (32 - prefix));
	memcpy(&ifr.ifr_netmask, &in, sizeof(in));
	return ioctl(sock, SIOCSIFNETMASK, &ifr) < 0 ? -errno : 0;
}

static int configure(const struct end *end, const char *name, uint32_t mtu_bytes)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = -errno;
	struct ifreq ifr;

	if (sock < 0)
		return err;
	err = 0;
	no_own_ipv6(name);
	put_name(&ifr, name);
	ifr.ifr_mtu = (int)mtu_bytes;
	if (ioctl(sock, SIOCSIFMTU, &ifr) < 0)
		err = -errno;
	ifr.ifr_qlen = DEVICE_QUEUE_PACKETS;
	if (!err && ioctl(sock, SIOCSIFTXQLEN, &ifr) < 0)
		err = -errno;
	if (!err && end->address)
		err = set_address(sock, name, end->address);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (!err && ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		err = -errno;
	close(sock);
	return err;
}

static int open_here(const struct end *end, const char *name, uint32_t mtu_bytes,
		     char why[WHY_MAX])
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;
	struct ifreq ifr;

	if (fd < 0) {
		err = -errno;
		snprintf(why, WHY_MAX, "cannot open /dev/net/tun: %s", strerror(-err));
		return err;
	}
	put_name(&ifr, name);
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL;
	err = ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : configure(end, name, mtu_bytes);
	if (!err)
		return fd;
	close(fd);
	snprintf(why, WHY_MAX, "cannot make the device %s%s%.40s%s%.60s: %s%s", name,
		 end->address ? " with " : "", end->address ? end->address : "",
		 end->netns ? " in " : "", end->netns ? end->netns : "", strerror(-err),
		 err == -EPERM ? " (run it as root)" : "");
	return err;
}

int device_open(const struct end *end, const char *name, uint32_t mtu_bytes,
		char why[WHY_MAX])
{
	int back = netns_enter(end->netns, why), fd;

	if (back < 0)
		return back;
	fd = open_here(end, name, mtu_bytes, why);
	netns_leave(back);
	return fd;
}

/* ---- its counter --------------------------------------------------------- */

/* The kernel's table: after the name eight numbers of what was received, eight of
 * what was sent, of which the fourth is what was dropped. */
static uint64_t read_overruns(FILE *f, const char *name)
{
	char line[512], *colon;
	unsigned long long n[12];

	while (fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		if (strcmp(line + strspn(line, " "), name) != 0)
			continue;
		if (sscanf(colon + 1, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
			   n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9,
			   n + 10, n + 11) == 12)
			return n[11];
	}
	return 0;
}

uint64_t device_overruns(const struct end *end, const char *name)
{
	char why[WHY_MAX];
	int back = netns_enter(end->netns, why);
	uint64_t dropped = 0;
	FILE *f;

	if (back < 0)
		return 0; /* the namespace has lost its name */
	f = fopen("/proc/thread-self/net/dev", "re");
	if (f) {
		dropped = read_overruns(f, name);
		fclose(f);
	}
	netns_leave(back);
	return dropped;
}
