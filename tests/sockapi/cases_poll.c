/* cases_poll.c - poll, select and epoll: of ours, of the kernel's, of both. */
#include "sockapi.h"

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <time.h>

#define MORE_EDGES "Edge-triggered epoll tells of room, and of the end, more often than needed"

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* What an epoll set says within ms, in the order of the tags. */
static void log_epoll(const char *what, int ep, int ms)
{
	struct epoll_event ev[16];
	char text[256] = "";
	int i, tag, n = epoll_wait(ep, ev, 16, ms);

	for (tag = 0; tag < 16; tag++)
		for (i = 0; i < n; i++)
			if (ev[i].data.u32 == (unsigned)tag)
				sprintf(text + strlen(text), "; %d: %s", tag,
					poll_names(ev[i].events));
	LOG("%s: %d%s", what, n, text);
}
#define EP(ep, ms) log_epoll(#ep, ep, ms)

static int add(int ep, int fd, unsigned events, unsigned tag)
{
	struct epoll_event ev = {.events = events, .data.u32 = tag};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int mod(int ep, int fd, unsigned events, unsigned tag)
{
	struct epoll_event ev = {.events = events, .data.u32 = tag};

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

CASE(poll_mixed)
{
	int fd = joined(), idle = joined(), pipes[2], ev = eventfd(0, 0);
	struct pollfd p[] = {{fd, ALL, 0}, {idle, POLLIN, 0}, {-1, POLLIN, 0}, {-1, ALL, 0},
			     {ev, POLLIN | POLLOUT, 0}, {700, ALL, 0}};
	int i;

	R(pipe(pipes));
	p[3].fd = pipes[0];
	peer_use(role_server ? 0 : 0);
	peer_send("x");
	await(fd, POLLIN);
	R(poll(p, 6, 1000));
	for (i = 0; i < 6; i++)
		LOG("%d: %s", i, poll_names(p[i].revents));
	R(write(pipes[1], "y", 1));
	R(poll(p + 1, 3, 1000));
	LOG("pipe: %s", poll_names(p[3].revents));
	R(poll(p + 1, 1, 0));
	R(poll(p + 1, 1, 20));
	R(poll(NULL, 0, 1));
}

CASE(poll_bits)
{
	static const short bits[] = {POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, POLLRDBAND,
				     POLLWRBAND, POLLPRI, POLLRDHUP, POLLERR, POLLHUP, 0};
	int fd = joined();
	struct pollfd p = {.fd = fd};
	unsigned i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
			p.events = bits[i];
			poll(&p, 1, 0);
			if (bits[i] == POLLWRBAND)
				ALLOW("POLLWRBAND is set where POLLWRNORM is");
			LOG("%s: %s", poll_names(bits[i]), poll_names(p.revents));
		}
		if (round == 0) {
			peer_send("x");
			await(fd, POLLIN);
		} else if (round == 1) {
			peer_shutdown(SHUT_WR);
			await(fd, POLLRDHUP);
		} else if (round == 2) {
			R(shutdown(fd, SHUT_WR));
			await(fd, POLLHUP);
		}
	}
}

CASE(select_mixed)
{
	int fd = joined(), pipes[2];
	struct timespec none = {0};
	struct timeval soon = {.tv_usec = 10000};
	fd_set in, out, pri;

	R(pipe(pipes));
	FD_ZERO(&in);
	FD_SET(fd, &in);
	FD_SET(pipes[0], &in);
	R(select(pipes[1] + 1, &in, NULL, NULL, &soon));
	FD_SET(fd, &in);
	FD_SET(pipes[0], &in);
	out = pri = in;
	peer_send("x");
	await(fd, POLLIN);
	R(select(pipes[1] + 1, &in, &out, &pri, NULL));
	LOG("%d %d %d, %d %d", FD_ISSET(fd, &in) != 0, FD_ISSET(fd, &out) != 0,
	    FD_ISSET(fd, &pri) != 0, FD_ISSET(pipes[0], &in) != 0,
	    FD_ISSET(pipes[0], &out) != 0);
	peer_send_flags("u", MSG_OOB);
	await(fd, POLLPRI);
	FD_SET(fd, &pri);
	R(pselect(fd + 1, NULL, NULL, &pri, &none, NULL));
	LOG("%d", FD_ISSET(fd, &pri) != 0);
	R(close(fd));
	FD_SET(fd, &in);
	R(select(fd + 1, &in, NULL, NULL, &soon));
}

CASE(ppoll_with_a_mask)
{
	int fd = joined();
	struct pollfd p = {fd, POLLIN, 0};
	struct timespec t = {.tv_sec = 2};
	sigset_t usr1, none;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal_later(0, true);
	R(poll(&p, 1, 60));
	R(ppoll(&p, 1, &t, &none));
	LOG("%d signals", (int)signals);
	t = (struct timespec){.tv_nsec = 1};
	R(ppoll(&p, 1, &t, &none));
	t.tv_nsec = 2000000000;
	R(ppoll(&p, 1, &t, NULL));
}

CASE(epoll_level)
{
	int fd = joined(), ep = epoll_create1(EPOLL_CLOEXEC);

	R(add(ep, fd, EPOLLIN | EPOLLOUT, 1));
	R(add(ep, fd, EPOLLIN, 2));
	EP(ep, 0);
	peer_send("xy");
	await(fd, POLLIN);
	EP(ep, 0);
	EP(ep, 0);
	B(fd, 1, 0);
	EP(ep, 0);
	B(fd, 1, 0);
	EP(ep, 0);
	R(mod(ep, fd, EPOLLIN, 3));
	EP(ep, 20);
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	EP(ep, 0);
	R(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	R(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	R(mod(ep, fd, EPOLLIN, 3));
	EP(ep, 0);
}

CASE(epoll_edge)
{
	int fd = joined(), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 1));
	EP(ep, 0);
	peer_send("x");
	EP(ep, 3000);
	EP(ep, 20);
	peer_send("y");
	EP(ep, 3000);
	EP(ep, 20);
	await(fd, POLLIN);
	B(fd, 1, 0);
	EP(ep, 20);
	B(fd, 100, 0);
	EP(ep, 20);
	R(mod(ep, fd, EPOLLIN | EPOLLOUT | EPOLLET, 2));
	EP(ep, 3000);
	EP(ep, 20);
	R(write(fd, "z", 1));
	peer_says(1);
	ALLOW(MORE_EDGES);
	EP(ep, 20);
	peer_shutdown(SHUT_WR);
	EP(ep, 3000);
	EP(ep, 20);
	R(shutdown(fd, SHUT_WR));
	EP(ep, 3000);
	ALLOW(MORE_EDGES);
	EP(ep, 40);
}

/* A full socket that is emptied by the peer: one edge. */
CASE(epoll_edge_of_room)
{
	int fd = joined(), ep = epoll_create1(0);
	size_t n = fill(fd);

	R(add(ep, fd, EPOLLOUT | EPOLLET, 1));
	EP(ep, 0);
	R(send(fd, "x", 1, MSG_DONTWAIT));
	R(peer_recv(n) == (long)n);
	EP(ep, 3000);
	R(send(fd, "x", 1, MSG_DONTWAIT));
	peer_says(1);
	ALLOW(MORE_EDGES);
	EP(ep, 40);
}

CASE(epoll_oneshot)
{
	int fd = joined(), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN | EPOLLONESHOT, 1));
	peer_send("x");
	EP(ep, 3000);
	EP(ep, 0);
	peer_send("y");
	EP(ep, 40);
	R(mod(ep, fd, EPOLLIN | EPOLLONESHOT, 2));
	EP(ep, 3000);
	EP(ep, 0);
	R(mod(ep, fd, EPOLLIN | EPOLLET | EPOLLONESHOT, 3));
	EP(ep, 3000);
	EP(ep, 0);
}

CASE(epoll_exclusive)
{
	int fd = joined(), ep = epoll_create1(0), ep2 = epoll_create1(0);

	R(add(ep, fd, EPOLLIN | EPOLLEXCLUSIVE, 1));
	R(add(ep2, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 2));
	R(mod(ep, fd, EPOLLIN, 1));
	R(add(ep, ep2, EPOLLIN | EPOLLEXCLUSIVE, 3));
	R(add(ep, dup(fd), EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 3));
	peer_send("x");
	await(fd, POLLIN);
	EP(ep, 0);
	EP(ep2, 0);
	EP(ep2, 0);
}

/* Two wait, one comes: with EPOLLEXCLUSIVE one wakes up. */
struct waiter {
	int ep;
	atomic_int woken;
};

static void wait_once(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev;

	w->woken = epoll_wait(w->ep, &ev, 1, 5000) > 0;
}

CASE(epoll_exclusive_listener)
{
	static struct waiter w[2];
	int fd = listener(SOCK_NONBLOCK), i;

	for (i = 0; i < 2; i++) {
		w[i].ep = epoll_create1(0);
		R(add(w[i].ep, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, i));
		later(0, wait_once, &w[i]);
	}
	settle();
	peer_connect(NULL, port_of(fd));
	for (i = 0; i < 100 && !(w[0].woken + w[1].woken); i++)
		usleep(50000);
	usleep(300000); /* for the other, who should sleep on */
	LOG("%d woken", w[0].woken + w[1].woken);
	R(accept(fd, NULL, NULL) >= 0);
	R(accept(fd, NULL, NULL));
}

CASE(epoll_nested)
{
	int fd = joined(), in = epoll_create1(0), out = epoll_create1(0);

	R(add(in, fd, EPOLLIN, 1));
	R(add(out, in, EPOLLIN, 2));
	EP(out, 0);
	peer_send("x");
	EP(out, 3000);
	P(in, 0);
	EP(in, 0);
	B(fd, 1, 0);
	EP(out, 0);
	R(add(in, out, EPOLLIN, 3));
	R(add(in, in, EPOLLIN, 3));
}

CASE(epoll_several_sets)
{
	int fd = joined(), copy = dup(fd), ep[3], i;

	for (i = 0; i < 3; i++)
		ep[i] = epoll_create1(0);
	R(add(ep[0], fd, EPOLLIN, 1));
	R(add(ep[0], copy, EPOLLIN | EPOLLET, 2));
	R(add(ep[1], fd, EPOLLIN | EPOLLET, 3));
	R(add(ep[2], copy, EPOLLIN | EPOLLONESHOT, 4));
	peer_send("x");
	await(fd, POLLIN);
	for (i = 0; i < 3; i++)
		EP(ep[i], 0);
	for (i = 0; i < 3; i++)
		EP(ep[i], 0);
}

CASE(epoll_after_close)
{
	int fd = joined(), copy = dup(fd), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN, 1));
	R(close(fd));
	peer_send("x");
	await(copy, POLLIN);
	EP(ep, 0);
	R(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	R(dup2(copy, fd));
	EP(ep, 0);
	R(close(copy));
	EP(ep, 0);
	R(close(fd));
	EP(ep, 20);
	fd = joined();
	R(add(ep, fd, EPOLLIN, 2));
	EP(ep, 0);
	peer_send("x");
	EP(ep, 3000);
	R(dup2(0, fd));
	EP(ep, 20);
}

CASE(epoll_before_connect)
{
	int fd = tcp(SOCK_NONBLOCK), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1));
	EP(ep, 0);
	R(to(fd, peer_listen()));
	EP(ep, 3000);
	EP(ep, 40);
	peer_accept();
	peer_send("x");
	EP(ep, 3000);
	peer_close();
	EP(ep, 3000);
}

CASE(epoll_connects_again)
{
	int fd = tcp(0), ep = epoll_create1(0), ep2 = epoll_create1(0), copy = dup(fd);

	R(add(ep, fd, EPOLLOUT | EPOLLET, 1));
	R(add(ep, copy, EPOLLIN, 2));
	R(add(ep2, fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 3));
	R(to(fd, nobody()));
	EP(ep, 40);
	EP(ep2, 40);
	R(to(fd, peer_listen()));
	EP(ep, 3000);
	peer_accept();
	peer_send("x");
	EP(ep, 3000);
	EP(ep2, 40);
	R(mod(ep2, fd, EPOLLIN, 4));
	EP(ep2, 3000);
	R(epoll_ctl(ep, EPOLL_CTL_DEL, copy, NULL));
	R(close(fd));
	R(close(copy));
	EP(ep, 20);
}

CASE(epoll_of_a_former_listener)
{
	int fd = listener(0), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN, 1));
	EP(ep, 0);
	R(shutdown(fd, SHUT_RD));
	EP(ep, 0);
	R(to(fd, peer_listen()));
	EP(ep, 40);
	peer_accept();
	peer_send("x");
	EP(ep, 3000);
}

CASE(epoll_listener)
{
	int fd = listener(SOCK_NONBLOCK), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN | EPOLLOUT, 1));
	EP(ep, 0);
	peer_connect(NULL, port_of(fd));
	EP(ep, 3000);
	R(accept(fd, NULL, NULL) >= 0);
	EP(ep, 0);
	R(close(fd));
	EP(ep, 20);
}

CASE(epoll_edge_of_a_listener)
{
	int fd = listener(SOCK_NONBLOCK), ep = epoll_create1(0);

	R(add(ep, fd, EPOLLIN | EPOLLET, 1));
	peer_connect(NULL, port_of(fd));
	EP(ep, 3000);
	EP(ep, 20);
	peer_connect(NULL, port_of(fd));
	EP(ep, 3000);
	EP(ep, 20);
	R(accept(fd, NULL, NULL) >= 0);
	EP(ep, 20);
	R(accept(fd, NULL, NULL) >= 0);
	R(accept(fd, NULL, NULL));
}

CASE(epoll_pwait_with_a_mask)
{
	int fd = joined(), ep = epoll_create1(0);
	struct epoll_event ev;
	sigset_t usr1, none;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	R(add(ep, fd, EPOLLIN, 1));
	signal_later(0, true);
	settle();
	R(epoll_pwait(ep, &ev, 1, 1000, &none));
	LOG("%d signals", (int)signals);
}

/* A poll that waits sees what happens to the connection. */
CASE(poll_waits)
{
	int fd = joined();
	struct pollfd p = {fd, POLLIN, 0}, hup = {fd, POLLRDHUP, 0}, err = {fd, 0, 0};

	peer_later(40);
	peer_send("x");
	R(poll(&p, 1, 2000));
	LOG("%s", poll_names(p.revents));
	B(fd, 1, 0);
	peer_later(40);
	peer_shutdown(SHUT_WR);
	R(poll(&hup, 1, 2000));
	LOG("%s", poll_names(hup.revents));
	peer_later(40);
	peer_reset();
	R(poll(&err, 1, 2000));
	LOG("%s", poll_names(err.revents));
}

CASE(poll_low_water)
{
	int fd = joined(), ep = epoll_create1(0), n = -1;

	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	R(add(ep, fd, EPOLLIN | EPOLLET, 1));
	peer_send("abcd");
	settle();
	P(fd, 0);
	EP(ep, 0);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	B(fd, 2, MSG_DONTWAIT);
	peer_send("efg");
	P(fd, POLLIN);
	EP(ep, 3000);
	B(fd, 100, 0);
	peer_send("ab");
	settle();
	P(fd, 0);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
	P(fd, POLLIN);
	B(fd, 100, MSG_DONTWAIT);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	peer_send("end");
	peer_shutdown(SHUT_WR);
	P(fd, POLLIN | POLLRDHUP);
	B(fd, 100, 0);
}

CASE(recv_low_water)
{
	int fd = joined();

	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	peer_later(40);
	peer_send("abcde");
	B(fd, 100, 0);
	peer_send("abc");
	settle();
	B(fd, 2, 0);
	peer_later(40);
	peer_shutdown(SHUT_WR);
	B(fd, 100, 0);
	B(fd, 100, 0);
}

CASE(poll_notsent_low_water)
{
	int fd = joined(), unsent = 0;
	struct pollfd p = {fd, POLLOUT, 0};
	size_t n = 0;

	peer_set(SOL_SOCKET, SO_RCVBUF, 30000);
	set_get(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000);
	while (poll(&p, 1, 200) == 1 && send(fd, buf, 1000, MSG_DONTWAIT) == 1000)
		n += 1000;
	P(fd, 0);
	R(ioctl(fd, SIOCOUTQNSD, &unsent));
	LOG("%d", unsent < 120000);
	R(peer_recv(n) == (long)n);
	P(fd, POLLOUT);
}
