/* hooks.h - the shape of every hook.
 *
 *     EXPORT int bind(int fd, ...)
 *     {
 *             struct hook h;
 *
 *             if (!hook_enter(&h, fd))
 *                     return real()->bind(fd, ...);
 *             return hook_leave(&h, sock_bind(h.s, fd, ...));
 *     }
 *
 * The meaning is elsewhere, in functions that return negative errno values; the
 * hook makes a libc call of them and leaves errno alone on success. Nobody cancels the
 * thread in between, see cancel.h.
 */
#ifndef MYTCP_HOOKS_H
#define MYTCP_HOOKS_H

#include <errno.h>

#include "cancel.h"
#include "fdtab.h"
#include "sockcall.h"

#define EXPORT __attribute__((visibility("default")))

struct hook {
	struct sock *s;
	int saved_errno;
	struct cancel cancel;
};

/* Is fd a socket of ours? Then there is a reference to it until hook_leave(). */
static inline bool hook_enter(struct hook *h, int fd)
{
	if (!fdtab_peek(fd))
		return false;
	h->saved_errno = errno;
	cancel_hold(&h->cancel);
	h->s = fdtab_get(fd);
	if (!h->s)
		cancel_release(&h->cancel);
	return h->s != NULL;
}

/* The call's result: r, or -1 with errno for a negative errno value. */
static inline int hook_result(int saved_errno, int r)
{
	errno = r < 0 ? -r : saved_errno;
	return r < 0 ? -1 : r;
}

static inline void hook_end(const struct hook *h)
{
	sock_put(h->s);
	cancel_release(&h->cancel);
}

static inline int hook_leave(const struct hook *h, int r)
{
	hook_end(h);
	return hook_result(h->saved_errno, r);
}

/* The same without a socket. */
static inline int hook_fail(int err)
{
	errno = -err;
	return -1;
}

#endif
