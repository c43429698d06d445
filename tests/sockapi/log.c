/* log.c - owns how results are written down: nothing of it depends on numbers that
 * the kernel chooses.
 */
#include "sockapi.h"

#include <stdarg.h>

#define NAMES 32
static struct {
	uint16_t port;
	const char *name;
} ports[NAMES];
static int n_ports;

void log_line(const char *format, ...)
{
	va_list ap;
	char line[512];

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	printf("  %s\n", line);
}

const char *errno_name(int err)
{
	return err ? strerrorname_np(err) : "0";
}

void log_result(const char *what, long r, int err, int pipes)
{
	LOG("%-50s = %ld%s%s%s", what, r, r < 0 ? " " : "", r < 0 ? errno_name(err) : "",
	    pipes ? " SIGPIPE" : "");
}

const char *poll_names(unsigned bits)
{
	static const struct {
		unsigned bit;
		const char *name;
	} all[] = {{POLLIN, "IN"}, {POLLPRI, "PRI"}, {POLLOUT, "OUT"}, {POLLERR, "ERR"},
		   {POLLHUP, "HUP"}, {POLLNVAL, "NVAL"}, {POLLRDNORM, "RDNORM"},
		   {POLLRDBAND, "RDBAND"}, {POLLWRNORM, "WRNORM"},
		   {POLLWRBAND, "WRBAND"}, {POLLMSG, "MSG"}, {POLLRDHUP, "RDHUP"}};
	static __thread char text[128];
	size_t i;

	text[0] = 0;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (bits & all[i].bit) {
			if (text[0])
				strcat(text, " ");
			strcat(text, all[i].name);
		}
	return text[0] ? text : "nothing";
}

static short poll_now(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

	return poll(&p, 1, 0) < 0 ? 0 : p.revents;
}

bool await(int fd, short bits)
{
	int i;

	for (i = 0; i < 2000; i++) {
		if ((poll_now(fd) & bits) == bits)
			return true;
		usleep(1000);
	}
	return false;
}

void log_poll(const char *what, int fd, short bits)
{
	await(fd, bits);
	LOG("poll %s: %s", what, poll_names(poll_now(fd)));
}

void log_bytes(const char *what, int fd, size_t n, int flags)
{
	ssize_t r = recv(fd, buf, n < sizeof(buf) ? n : sizeof(buf), flags);

	if (r < 0)
		LOG("recv %s: %s", what, errno_name(errno));
	else
		LOG("recv %s: %zd \"%.*s\"", what, r, r < 60 ? (int)r : 60, buf);
}

void log_error(const char *what, int fd)
{
	int v = -1, r;
	socklen_t len = sizeof(v);

	r = getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len);
	LOG("error %s: %s", what, errno_name(r ? errno : v));
}

void name_port(const char *name, uint16_t port)
{
	if (n_ports == NAMES)
		return;
	ports[n_ports].name = name;
	ports[n_ports++].port = port;
}

static const char *port_name(uint16_t port)
{
	int i;

	for (i = 0; i < n_ports; i++)
		if (ports[i].port == port)
			return ports[i].name;
	return port ? "port" : "0";
}

void log_sockaddr(const char *what, const void *addr, socklen_t len)
{
	struct addr a = {0};
	char text[INET6_ADDRSTRLEN];

	memcpy(&a.in6, addr, len < sizeof(a.in6) ? len : sizeof(a.in6));
	if (a.sa.sa_family == AF_INET6)
		LOG("%s: [%s%s]:%s, %u bytes", what,
		    inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text)),
		    a.in6.sin6_scope_id ? "%scope" : "", port_name(ntohs(a.in6.sin6_port)), len);
	else if (a.sa.sa_family == AF_INET)
		LOG("%s: %s:%s, %u bytes", what,
		    inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof(text)),
		    port_name(ntohs(a.in.sin_port)), len);
	else
		LOG("%s: family %d, %u bytes", what, a.sa.sa_family, len);
}

void log_address(const char *what, int (*call)(int, struct sockaddr *, socklen_t *), int fd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);

	if (call(fd, (struct sockaddr *)&ss, &len) != 0)
		LOG("%s: %s", what, errno_name(errno));
	else
		log_sockaddr(what, &ss, len);
}

void get_int(int fd, int level, int name)
{
	int v = -77;
	socklen_t len = sizeof(v);
	int r = getsockopt(fd, level, name, &v, &len);

	LOG("get %d %d = %s, %d in %u", level, name, errno_name(r ? errno : 0), r ? 0 : v, len);
}

void set_get(int fd, int level, int name, int v)
{
	int r = setsockopt(fd, level, name, &v, sizeof(v));

	LOG("set %d %d %d = %s", level, name, v, errno_name(r ? errno : 0));
	get_int(fd, level, name);
}
