/* fdtab.c - owns the table from fd to struct sock.
 *
 * Two levels of atomic pointers; leaves are mapped when first needed and stay.
 * A lookup takes no lock: it loads the entry, takes a reference unless the sock
 * is free by now, and looks whether the entry is still the same (memory of
 * socks is never unmapped, see sockpool.c). Changing an entry is one exchange.
 *
 * An entry may be stale: stdio and other parts of libc close fds without asking
 * us. So whoever acts on an entry compares the inode of the app end with that
 * of the fd first. Stale entries go when the fd number is closed or reused by a
 * call that we see; one that is left behind costs a struct sock.
 */
#include "fdtab.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privs.h"

_Atomic(struct fdtab_leaf *) fdtab_leaves[FDTAB_LEAVES];
static atomic_uint leaves_end; /* no leaf at or above this index */

/* The process that the table is of, 0: not known yet. It lies in memory that is
 * zero in a new process: some fork without libc's knowing, and process ids repeat. */
static _Atomic(atomic_int *) owner_page;
static atomic_int owner_early; /* before the constructor, or without such memory */
static void (*forked)(void);
__thread bool fdtab_is_elsewhere;

static atomic_int *owner(void)
{
	atomic_int *page = atomic_load(&owner_page);

	return page ? page : &owner_early;
}

bool fdtab_is_mine(void)
{
	int pid, none = 0;

	if (atomic_load(&privs_confined))
		return true; /* nobody can be asked */
	pid = getpid();
	if (real_only)
		return atomic_load(owner()) == pid;
	/* A hook that ran before the constructor decides it. */
	if (!atomic_compare_exchange_strong(owner(), &none, pid))
		return none == pid;
	if (forked)
		forked();
	return true;
}

void fdtab_set_owner(void)
{
	fdtab_is_elsewhere = false;
	atomic_store(owner(), getpid());
}

void fdtab_watch_forks(void (*fn)(void))
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, size, MADV_WIPEONFORK) != 0) {
		munmap(page, size);
		return;
	}
	atomic_store(&owner_page, page);
	fdtab_set_owner();
	forked = fn;
}

bool fdtab_is_current(int fd, const struct sock *s)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == atomic_load(&s->ino);
}

struct sock *fdtab_get(int fd)
{
	_Atomic(struct sock *) *slot = fdtab_slot(fd);
	int saved = errno;
	struct sock *s;

	if (!slot || real_only)
		return NULL;
	for (;;) {
		s = atomic_load(slot);
		if (!s)
			return NULL;
		if (!sock_try_get(s))
			continue; /* freed since: the entry has changed */
		if (atomic_load(slot) == s)
			break;
		sock_put(s);
	}
	if (fdtab_is_current(fd, s))
		return s;
	errno = saved;
	sock_put(s);
	return NULL;
}

int fdtab_reserve(int fd)
{
	unsigned i = (unsigned)fd / FDTAB_LEAF, end;
	struct fdtab_leaf *leaf, *none = NULL;

	if (fdtab_slot(fd))
		return 0;
	leaf = mmap(NULL, sizeof(*leaf), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (leaf == MAP_FAILED)
		return -ENOMEM;
	if (!atomic_compare_exchange_strong(&fdtab_leaves[i], &none, leaf))
		munmap(leaf, sizeof(*leaf));
	end = atomic_load(&leaves_end);
	while (end < i + 1 &&
	       !atomic_compare_exchange_weak(&leaves_end, &end, i + 1))
		;
	return 0;
}

struct sock *fdtab_swap(int fd, struct sock *s, bool *last)
{
	_Atomic(struct sock *) *slot = fdtab_slot(fd);
	struct sock *old;

	*last = false;
	if (!slot)
		return NULL;
	if (s)
		atomic_fetch_add(&s->fds, 1);
	old = atomic_exchange(slot, s);
	if (old)
		*last = atomic_fetch_sub(&old->fds, 1) == 1;
	return old;
}

int fdtab_next(int first, const struct sock *s)
{
	unsigned end = atomic_load(&leaves_end);
	unsigned fd = first < 0 ? 0 : first;

	while (fd / FDTAB_LEAF < end && fd <= INT_MAX) {
		_Atomic(struct sock *) *slot = fdtab_slot(fd);
		struct sock *at = slot ? atomic_load(slot) : NULL;

		if (at && (!s || at == s))
			return fd;
		fd = slot ? fd + 1 : (fd / FDTAB_LEAF + 1) * FDTAB_LEAF;
	}
	return -1;
}

void fdtab_each(void (*fn)(void *arg, const void *start, size_t len_bytes), void *arg)
{
	unsigned i;

	for (i = 0; i < atomic_load(&leaves_end); i++)
		if (atomic_load(&fdtab_leaves[i]))
			fn(arg, atomic_load(&fdtab_leaves[i]), sizeof(struct fdtab_leaf));
}
