/* cases_sweep.c - every number that an option may have, every length and many values:
 * which exist, what is said of them, and what is read back. */
#include "sockapi.h"

#include <stdarg.h>

#define REFUSED_OPTIONS \
	"refused: IP_OPTIONS, IPsec policies of a socket, TCP_MD5SIG, TCP_REPAIR, " \
	"SO_ATTACH_FILTER and its like, SO_ZEROCOPY"
#define NOT_HERE "Addresses that are not this host's (IP_TRANSPARENT)"

static const struct {
	int level, names;
} levels[] = {
	{SOL_SOCKET, 90}, {IPPROTO_TCP, 50}, {SOL_IP, 52}, {IPPROTO_UDP, 3}, {SOL_RAW, 2},
	{270, 3}, {-1, 1}, {1 << 20, 1},
};
#define LEVELS (sizeof(levels) / sizeof(levels[0]))

static char line[4096];
static size_t used;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	used += vsnprintf(line + used, sizeof(line) - used, format, ap);
	va_end(ap);
}

static void say_end(void)
{
	LOG("%s", line);
	used = 0;
}

static bool is(int level, int name, int that_level, int that_name)
{
	return level == that_level && name == that_name;
}

/* What it says depends on time, chance or the kernel's own memory. */
static bool varies(int level, int name)
{
	return is(level, name, SOL_SOCKET, SO_COOKIE) || is(level, name, SOL_SOCKET, 49) ||
	       is(level, name, SOL_SOCKET, SO_MEMINFO) ||
	       is(level, name, SOL_SOCKET, SO_RCVBUF) || is(level, name, SOL_SOCKET, SO_SNDBUF) ||
	       is(level, name, IPPROTO_TCP, TCP_TIMESTAMP) ||
	       is(level, name, IPPROTO_TCP, TCP_INFO) ||
	       is(level, name, IPPROTO_TCP, TCP_CC_INFO) ||
	       is(level, name, IPPROTO_TCP, TCP_MAXSEG) ||
	       is(level, name, IPPROTO_TCP, TCP_WINDOW_CLAMP) ||
	       is(level, name, SOL_IP, IP_MULTICAST_TTL) || is(level, name, SOL_SOCKET, SO_PEERNAME);
}

static bool is_refused(int level, int name)
{
	static const int those[][2] = {
		{SOL_SOCKET, SO_ZEROCOPY}, {IPPROTO_TCP, TCP_REPAIR},
		{SOL_IP, IP_OPTIONS},
	};
	unsigned i;

	for (i = 0; i < sizeof(those) / sizeof(those[0]); i++)
		if (level == those[i][0] && name == those[i][1])
			return true;
	return false;
}

static void allow_refusal(int level, int name)
{
	if (is_refused(level, name))
		ALLOW(REFUSED_OPTIONS);
	if (is(level, name, SOL_IP, IP_TRANSPARENT))
		ALLOW(NOT_HERE);
}

static void get(int fd, int level, int name)
{
	static const int lens[] = {0, 1, 3, 4, 7, 8, 16, 300, -1};
	unsigned char val[300];
	unsigned i;
	socklen_t len;

	say("%d/%d:", level, name);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		len = lens[i];
		memset(val, 0xee, sizeof(val));
		errno = 0;
		getsockopt(fd, level, name, val, &len);
		say(" %s", errno_name(errno));
		if (!errno)
			say(" %u", len);
		if (!errno && !varies(level, name))
			say(" %02x%02x%02x%02x%02x", val[0], val[1], val[2], val[3], val[7]);
	}
	len = 4;
	errno = 0;
	getsockopt(fd, level, name, NULL, &len);
	say(" %s", errno_name(errno));
	errno = 0;
	getsockopt(fd, level, name, val, (socklen_t *)8);
	say(" %s", errno_name(errno));
	say_end();
}

static void set_values(int fd, int level, int name)
{
	static const int values[] = {1, 0, 2, 3, 5, 6, 100, 255, 256, 4096, 70000, -1, -2,
				     INT32_MAX, INT32_MIN, 0};
	unsigned i;

	say("%d/%d:", level, name);
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int is = 0;
		socklen_t len = sizeof(is);

		errno = 0;
		setsockopt(fd, level, name, &values[i], sizeof(int));
		say(" %s", errno_name(errno));
		if (getsockopt(fd, level, name, &is, &len) == 0 && !varies(level, name))
			say(" %d", is);
	}
	allow_refusal(level, name);
	say_end();
}

static void set_lengths(int fd, int level, int name)
{
	static const int lens[] = {0, 1, 2, 3, 4, 5, 8, 12, 16, 17, 40, 216, 300, -1};
	unsigned char val[300];
	unsigned i, k;

	say("%d/%d:", level, name);
	for (k = 0; k < 3; k++) {
		memset(val, k == 2 ? 0xff : 0, sizeof(val));
		val[0] = k;
		for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			errno = 0;
			setsockopt(fd, level, name, val, lens[i]);
			say(" %s", errno_name(errno));
		}
	}
	for (i = 0; i < 4; i++) {
		errno = 0;
		setsockopt(fd, level, name, i < 2 ? NULL : (void *)8, i % 2 ? 16 : 4);
		say(" %s", errno_name(errno));
	}
	allow_refusal(level, name);
	say_end();
}

static void sweep(int fd, void (*with)(int fd, int level, int name))
{
	unsigned i;
	int name;

	for (i = 0; i < LEVELS; i++)
		for (name = 0; name < levels[i].names; name++)
			with(fd, levels[i].level, name);
}

CASE(gets_every_option)
{
	sweep(tcp(0), get);
}

CASE(gets_every_option_of_a_connection)
{
	sweep(joined(), get);
}

/* A BPF program would be looked for behind the pointer, and files behind numbers. */
static bool takes_more_than_values(int level, int name)
{
	return level == SOL_SOCKET &&
	       (name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF ||
		name == SO_ATTACH_REUSEPORT_CBPF || name == SO_ATTACH_REUSEPORT_EBPF);
}

static void set_values_of_a_fresh_one(int fd, int level, int name)
{
	(void)fd;
	if (takes_more_than_values(level, name))
		return;
	fd = tcp(0);
	set_values(fd, level, name);
	close(fd);
}

CASE(sets_every_option)
{
	sweep(-1, set_values_of_a_fresh_one);
}

static void set_lengths_of_a_fresh_one(int fd, int level, int name)
{
	(void)fd;
	if (takes_more_than_values(level, name))
		return;
	fd = tcp(0);
	set_lengths(fd, level, name);
	close(fd);
}

CASE(sets_every_option_in_every_length)
{
	sweep(-1, set_lengths_of_a_fresh_one);
}
