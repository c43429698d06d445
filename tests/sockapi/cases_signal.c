/* cases_signal.c - signals that interrupt calls, with and without SA_RESTART. */
#include "sockapi.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <time.h>

/* Each call blocks, gets a signal, and then, if it goes on, what it waits for. */
#define INTERRUPTED(call, wake) \
	do { \
		int restart_; \
		for (restart_ = 0; restart_ < 2; restart_++) { \
			LOG(restart_ ? "restart" : "no restart"); \
			signals = 0; \
			signal_later(40, restart_); \
			peer_later(120); \
			wake; \
			R(call); \
			LOG("%d signal", (int)signals); \
			usleep(PATIENCE * 150000); \
			drain(fd); \
		} \
	} while (0)

static void drain(int fd)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

CASE(eintr_read)
{
	int fd = joined();

	INTERRUPTED(read(fd, buf, 1), peer_send("x"));
}

CASE(eintr_recv)
{
	int fd = joined();
	struct iovec v = {buf, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	INTERRUPTED(recv(fd, buf, 1, 0), peer_send("x"));
	INTERRUPTED(recvmsg(fd, &m, 0), peer_send("x"));
	INTERRUPTED(readv(fd, &v, 1), peer_send("x"));
}

CASE(eintr_recv_all)
{
	int fd = joined(), n = -1;

	peer_send("ab");
	await(fd, POLLIN);
	INTERRUPTED(recv(fd, buf, 5, MSG_WAITALL), peer_send("cdefg"));
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
}

CASE(eintr_with_a_timeout)
{
	int fd = joined();
	struct timeval t = {.tv_sec = 1};

	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	INTERRUPTED(recv(fd, buf, 1, 0), peer_send("x"));
}

CASE(eintr_send)
{
	int fd = joined();
	struct iovec v = {buf, 100};

	fill(fd);
	signal_later(40, false);
	R(send(fd, buf, 100, 0));
	signal_later(40, false);
	R(write(fd, buf, 100));
	signal_later(40, false);
	R(writev(fd, &v, 1));
	LOG("%d signals", (int)signals);
}

CASE(restart_send)
{
	int fd = joined();
	size_t n = fill(fd);

	signal_later(40, true);
	peer_later(100);
	peer_recv(n);
	R(send(fd, buf, 100, 0));
	LOG("%d signal", (int)signals);
}

CASE(eintr_sendfile)
{
	int fd = joined(), file = open("/proc/self/exe", O_RDONLY);

	fill(fd);
	signal_later(40, false);
	R(sendfile(fd, file, NULL, 100));
	LOG("%d signal", (int)signals);
}

CASE(eintr_accept)
{
	int fd = listener(0), restart;

	for (restart = 0; restart < 2; restart++) {
		signals = 0;
		signal_later(40, restart);
		peer_later(120);
		peer_connect(NULL, port_of(fd));
		R(accept(fd, NULL, NULL) >= 0);
		LOG("%d signal", (int)signals);
		usleep(PATIENCE * 150000);
	}
}

/* The SYN goes where nobody answers. */
CASE(eintr_connect)
{
	struct addr a = silent();
	struct timeval t = {.tv_usec = PATIENCE * 200000};
	int fd, restart;

	if (on_loopback())
		return;
	for (restart = 0; restart < 2; restart++) {
		fd = tcp(0);
		R(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)));
		signals = 0;
		signal_later(40, restart);
		R(connect(fd, &a.sa, a.len));
		LOG("%d signal", (int)signals);
		R(connect(fd, &a.sa, a.len));
		P(fd, 0);
		close(fd);
	}
}

static void shut_both(void *arg)
{
	shutdown((long)arg, SHUT_RDWR);
}

CASE(restart_connect)
{
	struct addr a = silent();
	int fd, restart;

	if (on_loopback())
		return;
	for (restart = 0; restart < 2; restart++) {
		fd = tcp(0);
		signals = 0;
		signal_later(40, restart);
		later(200, shut_both, (void *)(long)fd);
		R(connect(fd, &a.sa, a.len));
		LOG("%d signal", (int)signals);
		usleep(PATIENCE * 250000);
	}
}

CASE(eintr_poll)
{
	int fd = joined(), ep = epoll_create1(0), restart;
	struct epoll_event ev = {.events = EPOLLIN};
	struct pollfd p = {fd, POLLIN, 0};
	struct timeval t;
	fd_set set;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	for (restart = 0; restart < 2; restart++) {
		signal_later(40, restart);
		R(poll(&p, 1, 1000));
		signal_later(40, restart);
		R(epoll_wait(ep, &ev, 1, 1000));
		FD_ZERO(&set);
		FD_SET(fd, &set);
		t = (struct timeval){1, 0};
		signal_later(40, restart);
		R(select(fd + 1, &set, NULL, NULL, &t));
		LOG("%d signals", (int)signals);
	}
}

CASE(eintr_close_lingering)
{
	const struct linger l = {.l_onoff = 1, .l_linger = 3};
	int fd = joined();
	double began;

	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	fill(fd);
	signal_later(100, false);
	began = now_s();
	R(close(fd));
	LOG("%s", now_s() - began < 2 ? "interrupted" : "late");
}

/* A handler that itself uses sockets. */
static int handled_fd;

static void write_from_handler(int sig)
{
	int saved = errno;

	(void)sig;
	signals++;
	if (send(handled_fd, "from a handler", 14, MSG_NOSIGNAL) != 14)
		_exit(3);
	if (close(dup(handled_fd)) != 0 || read(handled_fd, NULL, 0) != 0)
		_exit(4);
	errno = saved;
}

CASE(sockets_in_a_handler)
{
	int fd = handled_fd = joined();
	struct itimerval often = {{0, 300}, {0, 300}};
	int i;

	signal(SIGALRM, write_from_handler);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < 300; i++) {
		close(dup(fd));
		close(tcp(0));
	}
	while (signals < 20)
		usleep(100);
	often = (struct itimerval){0};
	setitimer(ITIMER_REAL, &often, NULL);
	R(peer_recv(14 * signals) == 14 * signals);
}

/* ---- SIGIO ------------------------------------------------------------------------ */

static volatile sig_atomic_t io_fd = -1, io_band, io_signal;

static void on_io(int sig, siginfo_t *info, void *context)
{
	(void)context;
	io_signal = sig;
	io_fd = info->si_fd;
	io_band |= info->si_band;
}

static void log_io(int fd, int want)
{
	int i;

	for (i = 0; i < 1000 && !(io_signal && (io_band & want) == want); i++)
		usleep(1000);
	LOG("signal %d, fd %d, has it %d", (int)io_signal, io_fd == fd, (io_band & want) == want);
	io_signal = 0;
	io_band = 0;
}

CASE(sigio)
{
	int fd = joined(), pid = getpid(), on = 1;
	struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct f_owner_ex ex;

	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	R(fcntl(fd, F_GETOWN));
	R(ioctl(fd, FIOASYNC, &on));
	R(fcntl(fd, F_SETOWN, pid));
	R(fcntl(fd, F_GETOWN) == pid);
	R(fcntl(fd, F_GETOWN_EX, &ex));
	LOG("%d %d", ex.type, ex.pid == pid);
	io_signal = 0;
	peer_send("x");
	log_io(fd, 0);
	B(fd, 10, 0);
	R(fcntl(fd, F_SETSIG, SIGRTMIN));
	R(fcntl(fd, F_GETSIG) == SIGRTMIN);
	io_signal = 0;
	io_band = 0;
	peer_send("y");
	log_io(fd, POLLIN);
	B(fd, 10, 0);
	on = 0;
	R(ioctl(fd, FIOASYNC, &on));
	peer_send("z");
	await(fd, POLLIN);
	settle();
	LOG("signal %d", (int)io_signal);
}

CASE(owners)
{
	int fd = joined(), pid = getpid(), got = -1;

	R(ioctl(fd, FIOSETOWN, &pid));
	R(ioctl(fd, FIOGETOWN, &got));
	R(got == pid);
	pid = 0;
	R(ioctl(fd, SIOCSPGRP, &pid));
	R(ioctl(fd, SIOCGPGRP, &got));
	LOG("%d", got);
	pid = -getpgrp();
	R(ioctl(fd, SIOCSPGRP, &pid));
	R(fcntl(fd, F_GETOWN) == pid);
	R(fcntl(fd, F_SETOWN, 999999));
	R(fcntl(fd, F_SETSIG, 100));
}

static void on_urgent(int sig)
{
	(void)sig;
	io_signal = 1;
}

CASE(sigurg)
{
	int fd = joined();

	signal(SIGURG, on_urgent);
	R(fcntl(fd, F_SETOWN, getpid()));
	peer_send("x");
	await(fd, POLLIN);
	LOG("%d", (int)io_signal);
	peer_send_flags("!", MSG_OOB);
	await(fd, POLLPRI);
	settle();
	LOG("%d", (int)io_signal);
}

/* The listener's and a connecting one's. */
CASE(sigio_of_connections)
{
	int fd = listener(0), conn, on = 1;
	struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(SIGRTMIN, &sa, NULL);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, SIGRTMIN);
	R(ioctl(fd, FIOASYNC, &on));
	io_signal = io_band = 0;
	peer_connect(NULL, port_of(fd));
	log_io(fd, POLLIN);
	conn = tcp(SOCK_NONBLOCK);
	fcntl(conn, F_SETOWN, getpid());
	fcntl(conn, F_SETSIG, SIGRTMIN);
	R(ioctl(conn, FIOASYNC, &on));
	io_signal = io_band = 0;
	R(to(conn, peer_listen()));
	log_io(conn, POLLOUT);
	peer_accept();
	peer_close();
	await(conn, POLLRDHUP);
	log_io(conn, POLLIN);
}
