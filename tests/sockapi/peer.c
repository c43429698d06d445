/* peer.c - the other side of a case: a process that does what it is told.
 *
 * It hears requests on an AF_UNIX socket with a path, which also reaches into
 * other network namespaces: a struct request, perhaps with bytes after it. Each
 * is answered by a struct reply, perhaps with bytes. For each who connects, that
 * is for each case, there is a process; it ends when the other end is closed.
 */
#include "sockapi.h"

#include <sys/time.h>
#include <sys/un.h>

enum op {
	OP_LISTEN, OP_CONNECT, OP_ACCEPT, OP_USE, OP_SEND, OP_SEND_MUCH, OP_RECV,
	OP_SHUTDOWN, OP_CLOSE, OP_RESET, OP_SET,
};

struct request {
	enum op op;
	int delay_ms;
	long a, b, c;
	struct addr addr;
	char text[4096];
};

struct reply {
	long r; /* or a negative errno */
	char bytes[4096];
};

/* ---- the peer's side -------------------------------------------------------------- */

#define CONNS 64
static int conns[CONNS], n_conns, current, listening = -1;

static long serve_listen(const struct request *q)
{
	listening = socket(q->addr.sa.sa_family, SOCK_STREAM, 0);
	set_int(listening, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(listening, IPPROTO_TCP, TCP_FASTOPEN, 16);
	if (bind(listening, &q->addr.sa, q->addr.len) != 0 || listen(listening, 64) != 0)
		return -errno;
	return port_of(listening);
}

static long add(int fd)
{
	if (fd < 0 || n_conns == CONNS)
		return -errno;
	current = n_conns;
	conns[n_conns++] = fd;
	return current;
}

static long serve_connect(const struct request *q)
{
	int fd = socket(q->addr.sa.sa_family, SOCK_STREAM, 0);

	return connect(fd, &q->addr.sa, q->addr.len) == 0 ? add(fd) : -errno;
}

static long serve_recv(int fd, size_t n, char *bytes)
{
	struct timeval t = {.tv_sec = 2};
	size_t had = 0;
	ssize_t r = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	while (had < n) {
		size_t room = sizeof(buf);

		r = recv(fd, buf, n - had < room ? n - had : room, 0);
		if (r <= 0)
			break;
		if (had < sizeof(((struct reply *)0)->bytes)) {
			room = sizeof(((struct reply *)0)->bytes) - had;
			memcpy(bytes + had, buf, (size_t)r < room ? (size_t)r : room);
		}
		had += r;
	}
	return r < 0 && !had ? -errno : (long)had;
}

static long serve_send_much(int fd, size_t n)
{
	size_t had = 0;
	ssize_t r;

	memset(buf, 'x', sizeof(buf));
	while (had < n) {
		r = send(fd, buf, n - had < sizeof(buf) ? n - had : sizeof(buf),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && (errno != EAGAIN || !await(fd, POLLOUT)))
			break;
		had += r > 0 ? r : 0;
	}
	return had;
}

static long serve(const struct request *q, char *bytes)
{
	const struct linger abort = {.l_onoff = 1};
	int fd = conns[current], v = q->c;
	long r;

	switch (q->op) {
	case OP_LISTEN:
		return serve_listen(q);
	case OP_CONNECT:
		return serve_connect(q);
	case OP_ACCEPT:
		return add(accept(listening, NULL, NULL));
	case OP_USE:
		current = q->a;
		return 0;
	case OP_SEND:
		r = send(fd, q->text, q->a, q->b | MSG_NOSIGNAL);
		break;
	case OP_SEND_MUCH:
		return serve_send_much(fd, q->a);
	case OP_RECV:
		return serve_recv(fd, q->a, bytes);
	case OP_SHUTDOWN:
		r = shutdown(fd, q->a);
		break;
	case OP_RESET:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
		r = close(fd);
		break;
	case OP_CLOSE:
		r = close(fd);
		break;
	case OP_SET:
		r = setsockopt(fd, q->a, q->b, &v, sizeof(v));
		break;
	default:
		return -ENOSYS;
	}
	return r < 0 ? -errno : r;
}

static void serve_all(int control)
{
	static struct request q;
	static struct reply a;

	while (recv(control, &q, sizeof(q), 0) == sizeof(q)) {
		memset(&a, 0, sizeof(a));
		if (q.delay_ms) {
			send(control, &a, sizeof(a), MSG_NOSIGNAL);
			usleep(q.delay_ms * 1000);
			serve(&q, a.bytes);
			continue;
		}
		a.r = serve(&q, a.bytes);
		send(control, &a, sizeof(a), MSG_NOSIGNAL);
	}
}

static struct sockaddr_un control_name(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	return sun;
}

int be_peer(const char *path)
{
	struct sockaddr_un sun = control_name(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), one;

	signal(SIGCHLD, SIG_IGN);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 || listen(fd, 64) != 0) {
		perror(path);
		return 1;
	}
	while ((one = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			close(fd);
			serve_all(one);
			exit(0);
		}
		close(one);
	}
	return 1;
}

/* ---- the case's side --------------------------------------------------------------- */

static int control = -1, delay_ms;
static struct request q;
static struct reply answer;

void peer_begin(const char *path)
{
	struct sockaddr_un sun = control_name(path);

	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	control = fcntl(fd, F_DUPFD_CLOEXEC, 900); /* out of the cases' way */
	close(fd);
	if (connect(control, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		perror(path);
		exit(1);
	}
}

void peer_end(void)
{
	close(control);
}

static long ask(enum op op, long a, long b, long c)
{
	q.op = op;
	q.a = a;
	q.b = b;
	q.c = c;
	q.delay_ms = delay_ms;
	delay_ms = 0;
	if (send(control, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q) ||
	    recv(control, &answer, sizeof(answer), 0) != sizeof(answer)) {
		LOG("the peer is gone");
		exit(1);
	}
	return answer.r;
}

/* What the peer must be able to do. */
static long must(const char *what, enum op op, long a, long b, long c)
{
	long r = ask(op, a, b, c);

	if (r < 0) {
		LOG("the peer cannot %s: %s", what, errno_name(-r));
		exit(1);
	}
	return r;
}

void peer_later(int ms)
{
	delay_ms = ms * PATIENCE;
}

uint16_t peer_listen(void)
{
	static uint16_t port;

	if (!port) {
		q.addr = addr_of(there, 0);
		port = must("listen", OP_LISTEN, 0, 0, 0);
		name_port("peer", port);
	}
	return port;
}

void peer_connect(const char *addr, uint16_t port)
{
	q.addr = addr_of(addr ? addr : here, port);
	must("connect", OP_CONNECT, 0, 0, 0);
}

void peer_accept(void)
{
	must("accept", OP_ACCEPT, 0, 0, 0);
}

void peer_use(int n)
{
	must("use", OP_USE, n, 0, 0);
}

void peer_send_flags(const char *text, int flags)
{
	snprintf(q.text, sizeof(q.text), "%s", text);
	must("send", OP_SEND, strlen(text), flags, 0);
}

void peer_send(const char *text)
{
	peer_send_flags(text, 0);
}

void peer_send_much(size_t n)
{
	must("send much", OP_SEND_MUCH, n, 0, 0);
}

long peer_recv(size_t n)
{
	long r = ask(OP_RECV, n, 0, 0);

	memcpy(buf, answer.bytes, sizeof(answer.bytes));
	return r;
}

void peer_says(size_t n)
{
	long r = peer_recv(n);

	if (r < 0)
		LOG("peer: %s", errno_name(-r));
	else
		LOG("peer: %ld \"%.*s\"", r, r < 60 ? (int)r : 60, buf);
}

void peer_shutdown(int how)
{
	must("shutdown", OP_SHUTDOWN, how, 0, 0);
}

void peer_close(void)
{
	must("close", OP_CLOSE, 0, 0, 0);
}

void peer_reset(void)
{
	must("reset", OP_RESET, 0, 0, 0);
}

void peer_set(int level, int name, int v)
{
	must("set an option", OP_SET, level, name, v);
}
