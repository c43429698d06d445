/* cancel.c - where a hook may end with its thread.
 *
 * Owns program_state: the cancelability state of the thread as the program has set it,
 * while a hook holds it.
 */
#include "cancel.h"

#include <pthread.h>

#include "command.h"
#include "real.h"

static __thread int program_state = PTHREAD_CANCEL_DISABLE;

void cancel_hold(struct cancel *c)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &c->state);
	c->outer = program_state;
	program_state = c->state;
}

void cancel_release(const struct cancel *c)
{
	program_state = c->outer;
	pthread_setcancelstate(c->state, NULL);
}

static void allow(void)
{
	pthread_setcancelstate(program_state, NULL);
}

static void forbid(void)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

static void let_go(void *s)
{
	sock_put(s);
}

int cancel_futex_wait(struct sock *s, atomic_uint *word, unsigned seen)
{
	int type, err;

	pthread_cleanup_push(let_go, s);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type); /* it is none to libc */
	allow();
	err = futex_wait(word, seen);
	forbid();
	pthread_setcanceltype(type, NULL);
	pthread_cleanup_pop(0);
	return err;
}

int cancel_poll(struct sock *s, struct pollfd *p, int ms)
{
	int n;

	pthread_cleanup_push(let_go, s);
	allow();
	n = poll(p, 1, ms);
	forbid();
	pthread_cleanup_pop(0);
	return n;
}

static void close_own(void *fd)
{
	real()->close(*(int *)fd);
}

int cancel_poll_many(struct sock *s, struct pollfd *p, nfds_t n, int own_fd)
{
	int ready;

	pthread_cleanup_push(let_go, s);
	pthread_cleanup_push(close_own, &own_fd);
	allow();
	ready = poll(p, n, -1);
	forbid();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return ready;
}

int cancel_accept4(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int conn;

	pthread_cleanup_push(let_go, s);
	allow();
	conn = real()->accept4(fd, addr, len, flags);
	forbid();
	pthread_cleanup_pop(0);
	return conn;
}

ssize_t cancel_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags)
{
	ssize_t n;

	pthread_cleanup_push(let_go, s);
	allow();
	n = real()->sendmsg(fd, msg, flags);
	forbid();
	pthread_cleanup_pop(0);
	return n;
}
