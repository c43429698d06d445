/* sockapi.h - what a case of the socket API test is made of.
 *
 * The program runs its cases on the kernel's TCP and on ours, and the two logs
 * must be the same (compare.py). A case is
 *
 *     CASE(peer_finishes)
 *     {
 *             int fd = joined();
 *
 *             peer_send("hello");
 *             peer_shutdown(SHUT_WR);
 *             P(fd, POLLIN | POLLRDHUP);
 *             B(fd, 100, 0);
 *             R(read(fd, buf, 1));
 *     }
 *
 * in any cases_*.c. Each case runs in a process of its own, with a peer process of
 * its own, beside other cases; the peer ends when the case is over. One that takes
 * longer than CASE_SECONDS is killed. What is logged must not depend on time: wait for
 * what shall happen with P() or await(); settle() is for what shall not.
 *
 * Every case runs several times: IPv4 and IPv6, joined() connecting and accepting,
 * the peer on the kernel's TCP and on ours.
 *
 * ALLOW(text) before a call that logs one line: it may differ, because README.md
 * says in "Limits", in these words, that it does. One that differs nowhere fails.
 */
#ifndef SOCKAPI_H
#define SOCKAPI_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CASE_SECONDS 10

struct test_case {
	const char *name, *file;
	void (*run)(void);
};

#define CASE(name) \
	static void name(void); \
	static const struct test_case case_##name \
		__attribute__((used, section("cases"), aligned(8))) = {#name, __FILE__, name}; \
	static void name(void)

/* ---- the log ------------------------------------------------------------------- */

/* Makes a call and logs it with its result, its errno by name if that is
 * negative, and SIGPIPE if it raised one. */
#define R(call) \
	do { \
		int before_ = sigpipes; \
		long r_; \
		errno = 0; \
		r_ = (long)(call); \
		log_result(#call, r_, errno, sigpipes - before_); \
	} while (0)

/* Waits until poll() says at least these bits, or for two seconds, then logs all
 * that it says by name. 0: what it says now. */
#define P(fd, bits) log_poll(#fd, fd, bits)

/* recv()s up to n bytes into buf and logs them. */
#define B(fd, n, flags) log_bytes(#fd, fd, n, flags)

/* The same of SO_ERROR, getsockname() and getpeername(). A port is shown as "port",
 * or as the name that name_port() has given it. */
#define E(fd) log_error(#fd, fd)
#define LOCAL(fd) log_address("local", getsockname, fd)
#define REMOTE(fd) log_address("remote", getpeername, fd)

/* A line of one's own: LOG("%d unread", n). */
#define LOG(...) log_line(__VA_ARGS__)

#define ALLOW(text) log_line("allow: %s", text)

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_result(const char *what, long r, int err, int pipes);
void log_poll(const char *what, int fd, short bits);
void log_bytes(const char *what, int fd, size_t n, int flags);
void log_error(const char *what, int fd);
void log_address(const char *what, int (*call)(int, struct sockaddr *, socklen_t *), int fd);
void log_sockaddr(const char *what, const void *addr, socklen_t len);
void name_port(const char *name, uint16_t port);
/* "IN OUT", the bits of poll and of epoll alike; until the next call. */
const char *poll_names(unsigned bits);
/* "EPIPE", or "0". */
const char *errno_name(int err);

/* getsockopt(), and setsockopt() before it, of an int. */
void get_int(int fd, int level, int name);
void set_get(int fd, int level, int name, int v);

extern volatile sig_atomic_t sigpipes;
extern char buf[65536];

/* ---- sockets -------------------------------------------------------------------- */

extern int family;         /* AF_INET or AF_INET6 */
extern bool role_server;   /* joined() accepts */
extern const char *here, *there; /* addresses of the program and of the peer */
bool on_loopback(void);

struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* An address of this family; text NULL: any. Port in the host's order. */
struct addr addr_of(const char *text, uint16_t port);
uint16_t port_of(int fd); /* of getsockname() */

int tcp(int flags);                     /* socket(family, SOCK_STREAM | flags) */
int to(int fd, uint16_t port);          /* connect() to the peer's address */
int bound(int flags);                   /* tcp(), bound to here and any port */
int listener(int flags);                /* ... and listening */
struct addr silent(void);               /* across a link: where no host is */
uint16_t nobody(void);                  /* a port at which the peer does not listen */
/* A socket connected with the peer, whose end the peer_*() calls then mean. */
int joined(void);
int joined_with(int flags);             /* SOCK_NONBLOCK, SOCK_CLOEXEC */
/* The same through a given listener of ours. */
int accepted(int listen_fd);
void set_int(int fd, int level, int name, int v);

/* Waits for bits as P() does, without a word; false: in vain. */
bool await(int fd, short bits);
/* Writes until that has been impossible for a while; how much. */
size_t fill(int fd);
/* What is under way between the two has long arrived. */
void settle(void);
/* The times of later(), signal_later() and peer_later() are this many times as long:
 * many cases run at once, and what comes second must not come first. */
#define PATIENCE 4
/* Calls fn(arg) in a thread, ms later. */
void later(int ms, void (*fn)(void *), void *arg);
/* Sends SIGUSR1 to the calling thread, ms later; the handler counts. */
void signal_later(int ms, bool restart);
extern volatile sig_atomic_t signals;
double now_s(void);

/* ---- the peer -------------------------------------------------------------------- */

/* Each of these is done when it returns; with peer_later() before it, it is done
 * so much later, and returns at once. The peer ends the case if a call fails that
 * should not. */
void peer_later(int ms);
uint16_t peer_listen(void);             /* its port; there is one listener */
void peer_connect(const char *addr, uint16_t port); /* ... to addr, NULL: here */
void peer_accept(void);                 /* what has connected to its listener */
/* Which connection is meant: the last one made, or the nth, from 0. */
void peer_use(int n);
void peer_send(const char *text);
void peer_send_flags(const char *text, int flags);
void peer_send_much(size_t n);          /* as much as it takes, at most n bytes */
/* Reads n bytes, or to the end of file, at most two seconds. How many; the first
 * are in buf. -errno at an error that is the first it meets. */
long peer_recv(size_t n);
/* The same, logged. */
void peer_says(size_t n);
void peer_shutdown(int how);
void peer_close(void);
void peer_reset(void);
void peer_set(int level, int name, int v);

/* peer.c */
int be_peer(const char *control);
void peer_begin(const char *control);
void peer_end(void);

#endif
