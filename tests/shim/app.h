/* app.h - the app's side of the driver, played by hand: what the hooks do with
 * app ends, and the kernel's own TCP as the peer, in a network namespace of the
 * test's own.
 */
#ifndef TEST_SHIM_APP_H
#define TEST_SHIM_APP_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../engine/addr.h"
/* The real ones as parts of the test, which is linked with the hooks' fake. */
#include "../../shim/driver.c"
#include "../../shim/driver_calls.c"
#include "../../shim/nofile.c"
#include "../../shim/pair.h"

#define PATIENCE_MS 5000

struct app {
	struct sock *s;
	int fd; /* app end */
};

/* ---- surroundings ------------------------------------------------------------- */

/* The stack stays here, and with it libc's memory. */
__attribute__((constructor)) static void no_handover(void)
{
	setenv("MYTCP_HANDOVER", "off", 1);
}

static inline int new_network(void **state)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_return_code(unshare(CLONE_NEWNET), errno);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &ifr), errno);
	close(fd);
	return 0;
}

static inline int stop_driver(void **state)
{
	(void)state;
	driver_leave(LEAVE_EXIT);
	return 0;
}

static inline void nap_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static inline short wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	return p.revents;
}

static inline void await_state(const struct sock *s, enum sock_state want)
{
	for (int i = 0; i < PATIENCE_MS && atomic_load(&s->state) != want; i++)
		nap_ms(1);
	assert_int_equal(atomic_load(&s->state), want);
}

static inline struct endpoint loopback(uint16_t port)
{
	return (struct endpoint){addr_from_v4((uint8_t[]){127, 0, 0, 1}), port};
}

static inline struct sockaddr_in sin_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* ---- the kernel as a peer ------------------------------------------------------- */

static inline int kernel_listen(uint16_t port, int backlog)
{
	struct sockaddr_in sin = sin_of(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_return_code(fd, errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_return_code(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), errno);
	assert_return_code(listen(fd, backlog), errno);
	return fd;
}

static inline int kernel_accept(int fd)
{
	wait_for(fd, POLLIN);
	fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(fd, errno);
	return fd;
}

static inline int kernel_connect(uint16_t port)
{
	struct sockaddr_in sin = sin_of(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), errno);
	return fd;
}

static inline void close_with_rst(int fd)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

/* ---- an app end, as the hooks treat it ------------------------------------------- */

static inline void app_name(struct app *a)
{
	struct name n = {.kind = NAME_APP, .sock_id = a->s->id};

	memcpy(n.stack, driver_stack_id(), sizeof(n.stack));
	a->s->name_len = name_encode(&n, &a->s->name);
	assert_return_code(bind(a->fd, (struct sockaddr *)&a->s->name,
				a->s->name_len), errno);
}

/* What the fd table and the socket calls note. */
static inline void app_has_fd(struct app *a)
{
	struct stat st;

	assert_return_code(fstat(a->fd, &st), errno);
	atomic_store(&a->s->ino, st.st_ino);
	atomic_store(&a->s->fds, 1);
}

static inline struct app app_socket(void)
{
	struct app a;

	assert_int_equal(driver_start(), 0);
	a.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(a.fd, errno);
	a.s = sock_new(AF_INET);
	assert_non_null(a.s);
	memcpy(a.s->stack, driver_stack_id(), sizeof(a.s->stack));
	app_has_fd(&a);
	return a;
}

/* connect(2) without waiting for the outcome. */
static inline int app_begin_connect(struct app *a, const struct endpoint *remote)
{
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);
	int small = 1;

	app_name(a);
	assert_return_code(connect(a->fd, (struct sockaddr *)&sun, len), errno);
	setsockopt(a->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (send(a->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
	return driver_connect(a->s, remote);
}

static inline void app_pin(struct app *a)
{
	int large = 212992;

	setsockopt(a->fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
}

static inline struct app app_connect(uint16_t port)
{
	struct app a = app_socket();
	struct endpoint to = loopback(port);

	assert_int_equal(app_begin_connect(&a, &to), 0);
	assert_int_equal(wait_for(a.fd, POLLOUT) & (POLLOUT | POLLERR), POLLOUT);
	assert_int_equal(atomic_load(&a.s->state), SOCK_CONNECTED);
	app_pin(&a);
	return a;
}

/* Connected to the kernel socket *peer. */
static inline struct app app_and_peer(int *peer)
{
	static uint16_t port = 20000;
	int l = kernel_listen(++port, 8);
	struct app a = app_connect(port);

	*peer = kernel_accept(l);
	close(l);
	return a;
}

static inline void app_shutdown(struct app *a, int how)
{
	if (how != SHUT_WR)
		atomic_store(&a->s->shut_rd, true);
	if (how != SHUT_RD)
		atomic_store(&a->s->shut_wr, true);
	assert_return_code(shutdown(a->fd, how), errno);
}

static inline void app_close(struct app *a)
{
	close(a->fd);
	atomic_store(&a->s->fds, 0);
	driver_closed(a->s);
	sock_put(a->s);
	a->s = NULL;
}

static inline struct app app_listen(uint16_t port, int backlog, bool reuseaddr)
{
	struct app a = app_socket();
	struct endpoint local = loopback(port);

	a.s->opts.reuseaddr = reuseaddr;
	if (port) {
		assert_int_equal(driver_bind(a.s, &local), 0);
		a.s->bound = true;
	}
	app_name(&a);
	assert_return_code(listen(a.fd, backlog), errno);
	assert_int_equal(driver_listen(a.s, backlog), 0);
	assert_int_equal(atomic_load(&a.s->state), SOCK_LISTENING);
	return a;
}

static inline void app_send_mark(int fd)
{
	char bytes[PAIR_MARK_BYTES] = {0}, ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), PAIR_MARK_BYTES);
}

static inline struct app app_accept(struct app *l, struct name *n)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	struct app a;

	wait_for(l->fd, POLLIN);
	a.fd = accept4(l->fd, (struct sockaddr *)&sun, &len, SOCK_CLOEXEC);
	assert_return_code(a.fd, errno);
	if (atomic_load(&l->s->backlog_full))
		driver_accept_kick(l->s);
	assert_true(name_decode(&sun, len, n));
	assert_int_equal(n->kind, NAME_ENGINE);
	a.s = sock_by_id(n->sock_id);
	assert_non_null(a.s);
	app_has_fd(&a);
	app_pin(&a);
	app_send_mark(a.fd);
	return a;
}

/* ---- the driver's fds -------------------------------------------------------------- */

/* The first thread of this name: one that it starts (stranger.h) has it, too, and may be
 * gone while it is looked at. */
static inline void driver_fd_folder(char *path, size_t size)
{
	DIR *tasks = opendir("/proc/self/task");
	char comm[32] = "";
	struct dirent *e;

	while (strcmp(comm, "mytcp\n") != 0 && (e = readdir(tasks))) {
		FILE *f;

		snprintf(path, size, "/proc/self/task/%.20s/comm", e->d_name);
		f = fopen(path, "r");
		if (!f || !fgets(comm, sizeof(comm), f))
			*comm = '\0';
		if (f)
			fclose(f);
		snprintf(path, size, "/proc/self/task/%.20s/fd", e->d_name);
	}
	closedir(tasks);
	assert_string_equal(comm, "mytcp\n");
}

static inline int driver_fds(void)
{
	char path[64];
	int n = 0;
	DIR *d;

	driver_fd_folder(path, sizeof(path));
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* No more than so many: idle ports of tests before this one go in their own time. */
static inline void await_driver_fds(int most)
{
	int i, n;

	for (i = 0; (n = driver_fds()) > most && i < PATIENCE_MS; i++)
		nap_ms(1);
	assert_in_range(n, 1, most);
}

/* ---- bytes -------------------------------------------------------------------------- */

static inline uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

/* put() and get() also serve children, where an assertion would go on with the
 * parent's tests. */
static inline bool put(int fd, size_t from, size_t len)
{
	uint8_t buf[16384];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);
		ssize_t sent;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(from + i);
		sent = send(fd, buf, n, MSG_NOSIGNAL);
		if (sent < 0)
			return false;
		from += sent;
		len -= sent;
	}
	return true;
}

static inline bool get(int fd, size_t from, size_t len)
{
	uint8_t buf[16384];

	while (len) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&p, 1, PATIENCE_MS) != 1)
			return false;
		got = recv(fd, buf, len < sizeof(buf) ? len : sizeof(buf), 0);
		if (got <= 0)
			return false;
		for (ssize_t i = 0; i < got; i++)
			if (buf[i] != pattern(from + i))
				return false;
		from += got;
		len -= got;
	}
	return true;
}

static inline void send_pattern(int fd, size_t from, size_t len)
{
	assert_true(put(fd, from, len));
}

static inline void expect_pattern(int fd, size_t from, size_t len)
{
	assert_true(get(fd, from, len));
}

static inline void expect_success(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static inline void expect_eof(int fd)
{
	char byte;

	wait_for(fd, POLLIN);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static inline void expect_error(int fd, int err)
{
	char byte;

	wait_for(fd, POLLIN);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, err);
}

/* Waits until the kernel socket's connection is in this TCP state. */
static inline void await_tcp_state(int fd, int want)
{
	struct { uint8_t state, rest[231]; } info;
	socklen_t len;

	for (int i = 0; i < PATIENCE_MS; i++) {
		len = sizeof(info);
		assert_return_code(getsockopt(fd, IPPROTO_TCP, 11 /* TCP_INFO */,
					      &info, &len), errno);
		if (info.state == want)
			return;
		nap_ms(1);
	}
	fail_msg("state %d, not %d", info.state, want);
}

#endif
