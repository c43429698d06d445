/* sockcall.h - the meaning of the socket calls on a TCP socket of ours.
 *
 * Each function is the call of its name with its arguments checked as Linux
 * does; it returns what the call returns, or a negative errno value, and may
 * change errno. fd is one of the program's fds for s, to which the caller has a
 * reference. All may be called from signal handlers.
 */
#ifndef MYTCP_SOCKCALL_H
#define MYTCP_SOCKCALL_H

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "names.h"
#include "sock.h"

/* Does the stack of s run in this process? */
bool sock_is_mine(const struct sock *s);
/* Is its stack, another process's, gone, and for good? */
bool sock_lost_stack(const struct sock *s);
/* Has it been neither bound nor connected nor listened to? */
bool sock_is_nobodys(const struct sock *s);
/* Such a socket becomes this process's, unless another that shares it was faster.
 * A foreign one is brought up to date. */
int sock_own(struct sock *s, int fd);

/* sock.c */
/* domain: AF_INET or AF_INET6. */
int sock_socket(int domain, int type);
int sock_bind(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len);
int sock_listen(struct sock *s, int fd, int backlog);
int sock_getsockname(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len);
int sock_getpeername(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len);
/* e as an address of the family of s, to where the program wants it. */
int sock_put_name(const struct sock *s, int fd, const struct endpoint *e,
		  struct sockaddr *addr, socklen_t *len);
int sock_shutdown(struct sock *s, int fd, int how);
int sock_ioctl(struct sock *s, int fd, unsigned long request, void *arg);

/* bind() has succeeded, and s->local is what it made. */
void sock_note_bound(struct sock *s);
/* Gives the app end of s, which belongs to a stack, its AF_UNIX name, kept in
 * s->name, unless it has it. */
int sock_name(struct sock *s, int fd);
/* The name itself; id: by which its stack knows the socket. */
void sock_make_name(struct sock *s, uint64_t id);
/* The pass of its stack (pass.h), of whose app ends fd is one. */
uint64_t sock_pass(struct sock *s, int fd);
/* s becomes as socket() made it, with a new id, but for options and bind(); the new
 * app end has no name yet. */
void sock_reset(struct sock *s);
/* A fresh app end behind every fd of s in this process, which becomes as socket()
 * made it but for options and bind(). If it is mine, the driver has nothing of s but
 * what bind() made; if foreign, all else of it ends. */
int sock_rebirth(struct sock *s, int fd);
/* The same when there is a listener or a connection: that ends, with RST where TCP
 * has one. */
int sock_undo(struct sock *s, int fd);
/* To speak from or to a link-local address binds a socket to its device. */
void sock_use_scope(struct sock *s, const struct ip_addr *addr);
bool sock_app_end_listens(int fd);
/* Is O_NONBLOCK set? */
bool sock_nonblocking(int fd);

/* accept.c */
/* The user of the process at the other end, or who listens there; -1: unknown. */
uid_t sock_peer_user(int fd);
/* Is the process at the other end of at the user of the one behind fd (who listens
 * on it, or made its peer), root, or ourselves? */
bool sock_peer_is_trusted(int at, int fd);
/* Is the peer of the app end fd, whose name is n, an engine end, named by one who knows the
 * pass, and made by the process pid? */
bool sock_is_engine_end(const struct name *n, uint64_t pass, int fd, pid_t pid);
int sock_accept(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len,
		int flags);

/* connect.c */
int sock_connect(struct sock *s, int fd, const struct sockaddr *addr,
		 socklen_t len);
#define SOCK_FASTOPEN_CLIENT 1 /* the bit of tcp_fastopen, engine_config.fastopen */
/* Before a call with MSG_FASTOPEN and perhaps an address: connects. 0: the bytes
 * may be written now; on a blocking socket the connection may fail after that,
 * which sock_await_open() tells. */
int sock_fastopen(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len,
		  int flags);
/* 0, or how the connection failed. */
int sock_await_open(struct sock *s, int fd);
/* Makes the connected app end unwritable. */
int sock_fill(int fd);
/* The app end's send buffer becomes large for good (see README.md, the byte that
 * stays), but not so large that TCP_NOTSENT_LOWAT would mean nothing. */
void sock_pin_sndbuf(const struct sock *s, int fd);
/* The same for a socket that has been connecting, when it no longer is. To be
 * called before every write, cheap. Needs no reference. */
void sock_settle_slow(struct sock *s, int fd);
static inline void sock_settle(struct sock *s, int fd)
{
	if (atomic_load_explicit(&s->filled, memory_order_acquire))
		sock_settle_slow(s, fd);
}

/* fds.c: entries of the fd table. Those that return an fd return the negative
 * errno value of the real call if it fails. */

/* Makes the new fd an entry for s and takes over a reference to it. On error
 * (no memory, or fd is beyond the program's RLIMIT_NOFILE) closes fd. */
int sock_attach(int fd, struct sock *s);
/* The same of an fd that stays open whatever happens: without memory it is a plain
 * one. */
void sock_enter(int fd, struct sock *s);
/* Would the next fd be beyond the program's own RLIMIT_NOFILE, where the driver
 * has raised the process's? any_fd is open. */
bool sock_fd_limit_reached(int any_fd);
/* The soft RLIMIT_NOFILE as the program believes it to be, while the driver has
 * raised the process's; and what the program sets it to then. */
rlim_t sock_soft_limit(void);
void sock_set_soft_limit(rlim_t soft);
int sock_close(int fd);
/* newfd has become another file without a close(): its entry goes. */
void sock_replaced(int newfd);
/* After a successful dup of fd, s's, to newfd. */
int sock_dup_done(struct sock *s, int newfd);
/* At exit: closes every fd of ours. */
void sock_close_all(void);
void sock_close_range(unsigned first, unsigned last);

/* sockopt.c */
int sock_getsockopt(struct sock *s, int fd, int level, int name, void *val,
		    socklen_t *len);
int sock_setsockopt(struct sock *s, int fd, int level, int name, const void *val,
		    socklen_t len);
/* Is it an option that the stack of s must know or can say? The others are the
 * kernel's, or each process's. */
bool sockopt_is_the_stacks(const struct sock *s, int level, int name);
void sock_opts_init(struct sock *s);
/* Tells the other process's stack that s belongs to now what the program has set. */
void sock_opts_tell(struct sock *s, int fd);
/* What an accepted socket takes over from its listener. */
void sock_opts_inherit(struct sock *s, const struct sock *listener);

/* io.c */

/* Takes the pending error of s, 0: none. native: the error that the app end
 * itself gave; it counts only if the owner, who would know better, is another
 * process. */
int sock_take_err(struct sock *s, int fd, int native);

#endif
