/* fdtab.h - which fds of this process are TCP sockets of ours.
 */
#ifndef MYTCP_FDTAB_H
#define MYTCP_FDTAB_H

#include "real.h"
#include "sock.h"

#define FDTAB_LEAF 8192u
#define FDTAB_LEAVES (1u << 18) /* for every fd up to 2^31 - 1 */

struct fdtab_leaf {
	_Atomic(struct sock *) slot[FDTAB_LEAF];
};
extern _Atomic(struct fdtab_leaf *) fdtab_leaves[FDTAB_LEAVES];

static inline _Atomic(struct sock *) *fdtab_slot(int fd)
{
	struct fdtab_leaf *leaf;

	if (fd < 0)
		return NULL;
	leaf = atomic_load_explicit(&fdtab_leaves[(unsigned)fd / FDTAB_LEAF],
				    memory_order_acquire);
	return leaf ? &leaf->slot[(unsigned)fd % FDTAB_LEAF] : NULL;
}

/* The entry of fd, or NULL; no reference and no check. For the data path. */
static inline struct sock *fdtab_peek(int fd)
{
	_Atomic(struct sock *) *slot = fdtab_slot(fd);
	struct sock *s;

	s = slot ? atomic_load_explicit(slot, memory_order_acquire) : NULL;
	return s && !real_only ? s : NULL;
}

/* Is fd, now, the app end of s? (fstat(2)) */
bool fdtab_is_current(int fd, const struct sock *s);
/* The socket behind fd with a reference for the caller; NULL when fd is none of
 * ours, also when it has become another file behind our back. */
struct sock *fdtab_get(int fd);

/* Room for an entry of fd. -ENOMEM. */
int fdtab_reserve(int fd);
/* Makes s the entry of fd (NULL: no entry), taking over the caller's reference;
 * room must have been reserved. Returns what was the entry, whose reference
 * now is the caller's, or NULL. *last: that was the last fd of it. */
struct sock *fdtab_swap(int fd, struct sock *s, bool *last);
/* The lowest fd from first on whose entry is s, or, with s NULL, that has an
 * entry; -1: there is none. */
int fdtab_next(int first, const struct sock *s);
/* Each piece of memory that the table lies in. */
void fdtab_each(void (*fn)(void *arg, const void *start, size_t len_bytes), void *arg);

/* Is the table that of the running process? Not so in a child of vfork(),
 * which shares its parent's memory but not its fds: it must change nothing. */
bool fdtab_is_mine(void);
/* The calling thread has taken itself an fd table of its own (CLONE_FILES), and other
 * threads have that which this one here is about. It changes nothing here. */
extern __thread bool fdtab_is_elsewhere;
/* In the constructor and in the child of a fork. */
void fdtab_set_owner(void);
/* In the constructor: from now on fn is called in a child that was forked behind
 * libc's back, before anything is done there. */
void fdtab_watch_forks(void (*fn)(void));

#endif
