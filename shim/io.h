/* io.h - TCP's errors in place of the pair's, for the calls that move bytes.
 *
 * The kernel has done the call on the app end; r and errno are what it said. A
 * success is passed on as it is. These return as the call does: -1 and errno.
 * They need no reference: they take one when there is something to decide.
 */
#ifndef MYTCP_IO_H
#define MYTCP_IO_H

#include <errno.h>
#include <sys/socket.h>
#include <signal.h>
#include <sys/types.h>

#include "fdtab.h"
#include "privs.h"
#include "sockcall.h"

ssize_t io_receive_failed(int fd);
ssize_t io_send_failed(int fd, bool signal);

static inline ssize_t io_received(int fd, ssize_t r)
{
	struct sock *s = fdtab_peek(fd);

	if (s && atomic_load_explicit(&s->wanted, memory_order_relaxed))
		atomic_store(&s->wanted, 0);
	return r >= 0 || !s ? r : io_receive_failed(fd);
}

/* After a call with MSG_NOSIGNAL; flags are those that the program gave. */
static inline ssize_t io_sent(int fd, ssize_t r, int flags)
{
	struct sock *s = fdtab_peek(fd);

	if (r < 0)
		return io_send_failed(fd, !(flags & MSG_NOSIGNAL));
	if (s)
		atomic_fetch_add_explicit(&s->sent_bytes, r, memory_order_relaxed);
	return r;
}

/* Did send() fail because fd has become something else than a socket? */
static inline bool io_is_stale(ssize_t r)
{
	return r < 0 && errno == ENOTSOCK;
}

/* May only the very call be made that the program makes (see privs_confine())? */
static inline bool io_is_confined(const struct sock *s)
{
	return atomic_load_explicit(&privs_confined, memory_order_relaxed) &&
	       !sock_is_mine(s);
}

/* Before a call that receives up to n bytes, io_received() being after it: with
 * SO_RCVLOWAT the driver must be asked for few. */
void io_want_slow(int fd, size_t n);
static inline void io_want(int fd, size_t n)
{
	struct sock *s = fdtab_peek(fd);

	if (s && s->opts.rcvlowat > 1)
		io_want_slow(fd, n);
}

/* err becomes the pending error of fd's socket, if it has none. Changes errno to it. */
void io_remember(int fd, int err);

/* Flags that mean something else, or nothing, on the pair. 0 or a negative
 * errno value. */
int io_check_receive(int flags);

/* As io_received(), after a call with MSG_OOB. */
ssize_t io_received_urgent(int fd, ssize_t r);

/* Before a call that sends up to n bytes, io_sent() being after it: MSG_MORE belongs to
 * these bytes, and not to those that the driver has not taken yet. The calls that we do
 * not see (stdio's, io_uring, other processes') make the count too low; then what was
 * sent with MSG_MORE may leave at once. n matters with MSG_MORE only. */
static inline void io_will_send(struct sock *s, size_t n, int flags)
{
	uint64_t at = atomic_load_explicit(&s->sent_bytes, memory_order_relaxed);
	uint64_t to = atomic_load_explicit(&s->more_to, memory_order_relaxed);

	if (to > at) /* less was sent than was to be */
		atomic_store(&s->more_to, to = at);
	if (!(flags & MSG_MORE))
		return;
	if (to != at)
		atomic_store(&s->more_from, at);
	atomic_store(&s->more_to, at + n);
}

/* recv() with MSG_TRUNC: TCP throws the bytes away. */
ssize_t io_discard(int fd, size_t n, int flags);

/* Around calls that cannot be told MSG_NOSIGNAL: holds SIGPIPE back, and takes
 * away the one that the call has raised. false: out is none of ours. */
struct io_sigpipe {
	sigset_t old;
	bool pending; /* before the call */
};
/* n, flags: as io_will_send() */
bool io_begin_splice(struct io_sigpipe *p, int out, size_t n, int flags);
/* r: of the call, which comes between. */
ssize_t io_end_splice(const struct io_sigpipe *p, int out, ssize_t r);

#endif
