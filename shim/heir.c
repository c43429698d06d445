/* heir.c - owns whether this process wants to inherit: who its parent was, and what was asked.
 */
#include "heir.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "driver.h"
#include "fdtab.h"
#include "remote.h"
#include "sockcall.h"

static atomic_int parent;    /* at the beginning */
static atomic_int forker;    /* while it forks: the process itself */

void heir_begin(void)
{
	atomic_store(&parent, getppid());
}

void heir_before_fork(void)
{
	atomic_store(&forker, getpid());
}

void heir_after_fork(void)
{
	atomic_store(&forker, 0);
}

/* The parent may be gone by now. Of a child that libc knows nothing of it is there still, or
 * else this one is taken for an orphan at the wrong time. */
void heir_forked(void)
{
	int pid = atomic_exchange(&forker, 0);

	atomic_store(&parent, pid ? pid : getppid());
}

/* The token is known to those alone who have forked from it; others do without. */
static struct stack_key key_of(struct sock *s, int fd)
{
	const struct stack_key *known = driver_parent();
	struct stack_key key = {.pass = sock_pass(s, fd)};

	if (known && memcmp(known->id, s->stack, sizeof(known->id)) == 0)
		return *known;
	memcpy(key.id, s->stack, sizeof(key.id));
	getrandom(key.token, sizeof(key.token), 0);
	return key;
}

/* Once for each socket in a process, unless it was for want of time or memory. */
static void seek(struct sock *s, int fd)
{
	struct stack_key key = key_of(s, fd);
	int err;

	if (atomic_exchange(&s->sought, getpid()) == getpid())
		return;
	err = remote_inherit(s, fd);
	if (!err && driver_start_as_heir() != 0)
		return;
	if (!err)
		err = driver_inherit(&key);
	if (err && err != -EPERM)
		atomic_store(&s->sought, 0);
}

/* Can that be, before any system call is made for it? */
static bool concerns(const struct sock *s)
{
	return atomic_load(&s->state) == SOCK_LISTENING && remote_can(s);
}

void heir_consider(struct sock *s, int fd)
{
	int saved = errno;

	if (concerns(s) && getppid() != atomic_load(&parent) && fdtab_is_mine())
		seek(s, fd);
	errno = saved;
}

void heir_consider_all(void)
{
	int saved = errno, fd;
	struct sock *s;

	if (real_only || !fdtab_is_mine())
		return;
	for (fd = fdtab_next(0, NULL); fd >= 0; fd = fdtab_next(fd + 1, NULL)) {
		s = fdtab_get(fd);
		if (s && concerns(s))
			seek(s, fd);
		if (s)
			sock_put(s);
	}
	errno = saved;
}
