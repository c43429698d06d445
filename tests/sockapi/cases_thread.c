/* cases_thread.c - threads: what one does while another waits; cancellation. */
#include "sockapi.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>

static void shut_both(void *arg)
{
	shutdown((long)arg, SHUT_RDWR);
}

static void shut_read(void *arg)
{
	shutdown((long)arg, SHUT_RD);
}

static void shut_write(void *arg)
{
	shutdown((long)arg, SHUT_WR);
}

static void close_it(void *arg)
{
	close((long)arg);
}

CASE(shutdown_wakes_a_reader)
{
	int fd = joined();

	later(50, shut_read, (void *)(long)fd);
	B(fd, 1, 0);
	fd = joined();
	later(50, shut_both, (void *)(long)fd);
	B(fd, 1, 0);
	R(write(fd, "x", 1));
}

CASE(shutdown_wakes_a_writer)
{
	int fd = joined();

	fill(fd);
	later(50, shut_write, (void *)(long)fd);
	R(send(fd, buf, 10, 0));
	fd = joined();
	fill(fd);
	later(50, shut_both, (void *)(long)fd);
	R(send(fd, buf, 10, 0));
}

CASE(shutdown_wakes_connect)
{
	struct addr a = silent();
	int fd = tcp(0);

	if (on_loopback())
		return;
	later(100, shut_both, (void *)(long)fd);
	R(connect(fd, &a.sa, a.len));
	E(fd);
	P(fd, 0);
	R(to(fd, peer_listen()));
}

CASE(shutdown_wakes_accept)
{
	int fd = listener(0);

	later(50, shut_read, (void *)(long)fd);
	R(accept(fd, NULL, NULL));
	fd = listener(0);
	later(50, shut_both, (void *)(long)fd);
	R(accept(fd, NULL, NULL));
}

CASE(shutdown_wakes_poll)
{
	int fd = joined();
	struct pollfd p = {fd, POLLIN, 0};

	later(50, shut_read, (void *)(long)fd);
	R(poll(&p, 1, 2000));
	LOG("%s", poll_names(p.revents));
	fd = listener(0);
	p = (struct pollfd){fd, POLLIN, 0};
	later(50, shut_both, (void *)(long)fd);
	R(poll(&p, 1, 2000));
	ALLOW("poll() on a listener that another thread shuts down says POLLIN too");
	LOG("%s", poll_names(p.revents));
}

/* close() elsewhere wakes nobody: the call goes on with what it has. */
CASE(close_while_reading)
{
	int fd = joined();

	later(50, close_it, (void *)(long)fd);
	peer_later(150);
	peer_send("hello");
	R(read(fd, buf, 100));
	R(read(fd, buf, 100));
	peer_says(1);
}

CASE(close_while_accepting)
{
	int fd = listener(0), conn;

	later(50, close_it, (void *)(long)fd);
	peer_later(150);
	peer_connect(NULL, port_of(fd));
	R((conn = accept(fd, NULL, NULL)) >= 0);
	R(write(conn, "x", 1));
	peer_says(1);
}

CASE(close_while_polling)
{
	int fd = joined();
	struct pollfd p = {fd, POLLIN, 0};

	later(50, close_it, (void *)(long)fd);
	peer_later(150);
	peer_send("hello");
	R(poll(&p, 1, 2000));
	LOG("%s", poll_names(p.revents));
	p.revents = 0;
	R(poll(&p, 1, 0));
	LOG("%s", poll_names(p.revents));
}

CASE(close_while_writing)
{
	int fd = joined();
	size_t n = fill(fd);

	later(50, close_it, (void *)(long)fd);
	peer_later(150);
	peer_recv(n);
	R(send(fd, "last", 4, 0));
	peer_says(4);
	peer_says(1);
}

struct echo {
	int fd;
	size_t n;
};

static void *echo_back(void *arg)
{
	struct echo *e = arg;
	static __thread char mine[4096];
	ssize_t r;

	while ((r = read(e->fd, mine, sizeof(mine))) > 0)
		e->n += r;
	return NULL;
}

/* Two read from one socket, one writes: nothing is lost. */
CASE(readers_share)
{
	struct echo e[2] = {{0}};
	pthread_t t[2];
	int fd = joined(), i;

	for (i = 0; i < 2; i++) {
		e[i].fd = fd;
		pthread_create(&t[i], NULL, echo_back, &e[i]);
	}
	peer_send_much(2000000);
	peer_shutdown(SHUT_WR);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	LOG("%zu", e[0].n + e[1].n);
}

/* ---- cancellation ------------------------------------------------------------------- */

static int the_fd, the_ep, the_file;
static struct iovec iov = {buf, sizeof(buf)};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

enum blocking {
	READ, RECV, RECVFROM, RECVMSG, READV, ACCEPT, ACCEPT4, POLL, SELECT, EPOLL,
	WRITE, SEND, SENDTO, SENDMSG, WRITEV, CONNECT, CONNECT_SILENT,
};

static atomic_int blocked_tid;

static void *blocks(void *arg)
{
	struct addr nowhere = silent();
	struct epoll_event ev;
	struct pollfd p = {the_fd, POLLIN, 0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(the_fd, &set);
	blocked_tid = gettid();
	switch ((enum blocking)(long)arg) {
	case READ: return (void *)read(the_fd, buf, 1);
	case RECV: return (void *)recv(the_fd, buf, 1, 0);
	case RECVFROM: return (void *)recvfrom(the_fd, buf, 1, 0, NULL, NULL);
	case RECVMSG: return (void *)recvmsg(the_fd, &msg, 0);
	case READV: return (void *)readv(the_fd, &iov, 1);
	case ACCEPT: return (void *)(long)accept(the_fd, NULL, NULL);
	case ACCEPT4: return (void *)(long)accept4(the_fd, NULL, NULL, 0);
	case POLL: return (void *)(long)poll(&p, 1, -1);
	case SELECT: return (void *)(long)select(the_fd + 1, &set, NULL, NULL, NULL);
	case EPOLL: return (void *)(long)epoll_wait(the_ep, &ev, 1, -1);
	case WRITE: return (void *)write(the_fd, buf, 1);
	case SEND: return (void *)send(the_fd, buf, 1, 0);
	case SENDTO: return (void *)sendto(the_fd, buf, 1, 0, NULL, 0);
	case SENDMSG: return (void *)sendmsg(the_fd, &msg, 0);
	case WRITEV: return (void *)writev(the_fd, &iov, 1);
	case CONNECT_SILENT: return (void *)(long)connect(the_fd, &nowhere.sa, nowhere.len);
	case CONNECT: return (void *)(long)to(the_fd, 9);
	}
	return NULL;
}

static bool sleeps(int tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'S';
}

static void cancelled(const char *what, enum blocking which)
{
	pthread_t t;
	void *result;
	int i;

	blocked_tid = 0;
	pthread_create(&t, NULL, blocks, (void *)(long)which);
	for (i = 0; i < 500 && !(blocked_tid && sleeps(blocked_tid)); i++)
		usleep(10000);
	usleep(30000);
	pthread_cancel(t);
	pthread_join(t, &result);
	LOG("%s: %s", what, result == PTHREAD_CANCELED ? "cancelled" : "returned");
}
#define CANCELLED(which) cancelled(#which, which)

CASE(cancel_readers)
{
	struct epoll_event ev = {.events = EPOLLIN};

	the_fd = joined();
	the_ep = epoll_create1(0);
	epoll_ctl(the_ep, EPOLL_CTL_ADD, the_fd, &ev);
	CANCELLED(READ);
	CANCELLED(RECV);
	CANCELLED(RECVFROM);
	CANCELLED(RECVMSG);
	CANCELLED(READV);
	CANCELLED(POLL);
	CANCELLED(SELECT);
	CANCELLED(EPOLL);
	peer_send("still fine");
	P(the_fd, POLLIN);
	B(the_fd, 100, 0);
}

CASE(cancel_writers)
{
	size_t n;

	the_fd = joined();
	set_int(the_fd, SOL_SOCKET, SO_SNDBUF, 100000);
	n = fill(the_fd);
	CANCELLED(WRITE);
	CANCELLED(SEND);
	CANCELLED(SENDTO);
	CANCELLED(SENDMSG);
	CANCELLED(WRITEV);
	R(peer_recv(n) == (long)n);
	R(write(the_fd, "still fine", 10));
	peer_says(10);
}

CASE(cancel_connect)
{
	if (on_loopback())
		return;
	the_fd = tcp(0);
	CANCELLED(CONNECT_SILENT);
	P(the_fd, 0);
	R(close(the_fd));
}

CASE(cancel_accept)
{
	the_fd = listener(0);
	CANCELLED(ACCEPT);
	CANCELLED(ACCEPT4);
	peer_connect(NULL, port_of(the_fd));
	R(accept(the_fd, NULL, NULL) >= 0);
}

/* Nothing blocks: calls act on the cancellation that is pending already. */
static void *pending(void *arg)
{
	pthread_cancel(pthread_self());
	switch ((enum blocking)(long)arg) {
	case ACCEPT: return (void *)(long)accept(the_file, NULL, NULL);
	default: return blocks(arg);
	}
}

static void cancelled_before(const char *what, enum blocking which)
{
	pthread_t t;
	void *result;

	pthread_create(&t, NULL, pending, (void *)(long)which);
	pthread_join(t, &result);
	LOG("%s: %s", what, result == PTHREAD_CANCELED ? "cancelled" : "returned");
}

CASE(cancel_before)
{
	the_fd = joined();
	the_file = listener(SOCK_NONBLOCK);
	cancelled_before("read", READ);
	cancelled_before("recv", RECV);
	cancelled_before("write", WRITE);
	cancelled_before("send", SEND);
	cancelled_before("sendmsg", SENDMSG);
	cancelled_before("poll", POLL);
	cancelled_before("accept", ACCEPT);
	cancelled_before("connect", CONNECT);
	peer_shutdown(SHUT_WR);
	R(shutdown(the_fd, SHUT_WR));
	peer_says(1);
}

/* What a call has left behind. */
static int open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

enum call { SOCKET, BIND, LISTEN, CONNECT_LATER, GETSOCKNAME, GETPEERNAME, GETSOCKOPT,
	    SETSOCKOPT, SHUTDOWN, DUP, DUP2, IOCTL, CLOSE };

static void *calls(void *arg)
{
	struct addr any = addr_of(NULL, 0);
	socklen_t len = sizeof(any.in6);
	int n = 1;
	socklen_t n_len = sizeof(n);

	pthread_cancel(pthread_self());
	switch ((enum call)(long)arg) {
	case SOCKET: return (void *)(long)tcp(0);
	case BIND: return (void *)(long)bind(the_fd, &any.sa, any.len);
	case LISTEN: return (void *)(long)listen(the_fd, 4);
	case CONNECT_LATER: return (void *)(long)to(the_fd, 9);
	case GETSOCKNAME: return (void *)(long)getsockname(the_fd, &any.sa, &len);
	case GETPEERNAME: return (void *)(long)getpeername(the_fd, &any.sa, &len);
	case GETSOCKOPT: return (void *)(long)getsockopt(the_fd, SOL_SOCKET, SO_ERROR, &n, &n_len);
	case SETSOCKOPT: return (void *)(long)setsockopt(the_fd, SOL_SOCKET, SO_KEEPALIVE, &n, n_len);
	case SHUTDOWN: return (void *)(long)shutdown(the_fd, SHUT_RDWR);
	case DUP: return (void *)(long)dup(the_fd);
	case DUP2: return (void *)(long)dup2(the_fd, the_file);
	case IOCTL: return (void *)(long)ioctl(the_fd, FIONREAD, &n);
	case CLOSE: return (void *)(long)close(the_fd);
	}
	return NULL;
}

/* Does the call act on a cancellation that is pending? It leaves so many fds. */
static void pending_at(const char *what, enum call which)
{
	int before = open_fds();
	pthread_t t;
	void *result;

	pthread_create(&t, NULL, calls, (void *)(long)which);
	pthread_join(t, &result);
	LOG("%s: %s, %d fds more", what, result == PTHREAD_CANCELED ? "cancelled" : "returned",
	    open_fds() - before);
}
#define PENDING_AT(which) pending_at(#which, which)

CASE(cancel_points)
{
	PENDING_AT(SOCKET);
	the_fd = tcp(0);
	PENDING_AT(BIND);
	PENDING_AT(GETSOCKNAME);
	PENDING_AT(LISTEN);
	PENDING_AT(GETSOCKOPT);
	PENDING_AT(SETSOCKOPT);
	PENDING_AT(IOCTL);
	the_file = tcp(0);
	PENDING_AT(DUP);
	PENDING_AT(DUP2);
	PENDING_AT(SHUTDOWN);
	PENDING_AT(CLOSE);
	R(close(the_fd));
	the_fd = tcp(SOCK_NONBLOCK);
	PENDING_AT(CONNECT_LATER);
	R(to(the_fd, 9) < 0);
	PENDING_AT(GETPEERNAME);
	PENDING_AT(CLOSE);
	R(close(the_fd));
}

/* Threads that are cancelled while they wait leave nothing of what the call has done. */
CASE(cancel_leaves_no_fds)
{
	int before, i;

	the_fd = listener(0);
	before = open_fds();
	for (i = 0; i < 5; i++)
		CANCELLED(ACCEPT);
	R(open_fds() - before);
	if (on_loopback())
		return;
	the_fd = tcp(0);
	for (i = 0; i < 5; i++) {
		CANCELLED(CONNECT_SILENT);
		close(the_fd);
		the_fd = tcp(0);
	}
	R(open_fds() - before);
}
