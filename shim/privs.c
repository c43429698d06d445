/* privs.c - owns the spare set of this process.
 *
 * Invariant: privs_fd is -1 or an fd whose inode is set_ino, unless something closed it
 * behind our back: whoever is about to act on it compares.
 */
#include "privs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "fdtab.h"
#include "heir.h"
#include "ladder.h"
#include "names.h"
#include "real.h"
#include "remote.h"
#include "stranger.h"

/* A set's fd goes to the end of the numbers that programs use, and a table of more
 * than so many costs the kernel memory. */
#define FD_TABLE 1024
#define FD_ROOM 16
#define SET_FDS (SOCKET_KINDS + 1)
#define NOTHING UINT8_MAX

atomic_int privs_fd = -1;
static _Atomic ino_t set_ino;
atomic_bool privs_confined;

/* What the message says of the fds that it carries. */
struct set_message {
	uint8_t id[16];
	uint64_t netns;          /* SO_NETNS_COOKIE, 0 before Linux 5.14 */
	uint8_t at[SET_FDS];     /* place among the fds, or NOTHING */
};

union set_control {
	struct cmsghdr align;
	char room[CMSG_SPACE(SET_FDS * sizeof(int))];
};

uint64_t privs_netns_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

#ifdef SO_NETNS_COOKIE
	if (real()->getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) != 0)
		return 0;
#else
	(void)fd;
	(void)len;
#endif
	return cookie;
}

/* ---- the program's fd ----------------------------------------------------------------- */

bool privs_hides_slow(int fd)
{
	int saved = errno;
	struct stat st;
	bool is_ours;

	if (real_only || !fdtab_is_mine())
		return false;
	is_ours = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
		  st.st_ino == atomic_load(&set_ino);
	if (!is_ours) /* the number is another file's by now */
		atomic_compare_exchange_strong(&privs_fd, &fd, -1);
	errno = saved;
	return is_ours;
}

static int copy_high(int fd)
{
	struct rlimit lim;
	int from = FD_TABLE - 1, copy;

	if (real()->getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < FD_TABLE)
		from = lim.rlim_cur > 0 ? (int)lim.rlim_cur - 1 : 0;
	copy = real()->fcntl(fd, F_DUPFD_CLOEXEC, from);
	if (copy < 0 && from > FD_ROOM)
		copy = real()->fcntl(fd, F_DUPFD_CLOEXEC, from - FD_ROOM);
	return copy;
}

void privs_make_way(int fd)
{
	int saved = errno, copy;

	if (!privs_hides(fd))
		return;
	copy = copy_high(fd);
	if (copy < 0) /* another number, or none: the program goes first */
		copy = real()->fcntl(fd, F_DUPFD_CLOEXEC, 0);
	atomic_store(&privs_fd, copy);
	real()->close(fd);
	errno = saved;
}

int privs_close_range(unsigned first, unsigned last, int flags)
{
	int fd = atomic_load(&privs_fd), r;

	if (fd < 0 || flags & CLOSE_RANGE_CLOEXEC || (unsigned)fd < first ||
	    (unsigned)fd > last || !privs_hides(fd))
		return real()->close_range(first, last, flags);
	r = (unsigned)fd > first ? real()->close_range(first, fd - 1, flags) : 0;
	if (r == 0 && (unsigned)fd < last)
		r = real()->close_range(fd + 1, last, flags);
	return r;
}

/* ---- making one ---------------------------------------------------------------------- */

/* Leaves a message with these fds in the queue of a socket; that socket. */
static int leave_message(const struct set_message *m, const int *fds, int n)
{
	union set_control ctl = {.align = {.cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(n * sizeof(int))}};
	struct iovec iov = {.iov_base = (void *)m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	memcpy(CMSG_DATA(&ctl.align), fds, n * sizeof(int));
	if (real()->sendmsg(ends[0], &msg, MSG_NOSIGNAL) < 0) {
		real()->close(ends[1]);
		ends[1] = -1;
	}
	real()->close(ends[0]);
	return ends[1];
}

/* The fd becomes the program's that holds the set. */
static void keep(int fd)
{
	struct stat st;
	int copy = copy_high(fd);

	if (copy >= 0)
		real()->close(fd);
	else
		copy = fd;
	if (fstat(copy, &st) != 0) {
		real()->close(copy);
		return;
	}
	atomic_store(&set_ino, st.st_ino);
	atomic_store(&privs_fd, copy);
}

static bool goes_to_a_file(const char *trace)
{
	return *trace && strcmp(trace, "-") != 0;
}

static void make_set(const struct config *cfg)
{
	struct set_message m = {0};
	struct link_sockets sockets;
	int all[SET_FDS], fds[SET_FDS], n = 0, i, fd;

	if (getrandom(m.id, sizeof(m.id), 0) != sizeof(m.id) ||
	    link_sockets_open(&sockets, &cfg->link) != 0)
		return;
	if (cfg->link.gso)
		link_sockets_packet(&sockets);
	m.netns = privs_netns_of(sockets.fd[SOCKET_RAW]);
	memcpy(all, sockets.fd, sizeof(sockets.fd));
	all[SOCKET_KINDS] = -1;
	if (goes_to_a_file(cfg->trace))
		all[SOCKET_KINDS] = ladder_file(cfg->trace);
	for (i = 0; i < SET_FDS; i++) {
		m.at[i] = all[i] >= 0 ? n : NOTHING;
		if (all[i] >= 0)
			fds[n++] = all[i];
	}
	fd = leave_message(&m, fds, n);
	for (i = 0; i < n; i++)
		real()->close(fds[i]);
	if (fd >= 0)
		keep(fd);
}

/* ---- taking it ------------------------------------------------------------------------ */

static int peek_message(int fd, struct set_message *m, union set_control *ctl)
{
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = ctl ? sizeof(*ctl) : 0};

	if (real()->recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
	    sizeof(*m))
		return -EPERM;
	return ctl && msg.msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

/* Holds the name of the set with this id; the fd that does. -EADDRINUSE. Nobody can
 * send anything to a stream socket that is neither connected nor listens. */
static int hold_name(const uint8_t id[16])
{
	struct name n = {.kind = NAME_SPARE};
	struct sockaddr_un sun;
	socklen_t len;
	int fd = real()->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	memcpy(n.stack, id, sizeof(n.stack));
	len = name_encode(&n, &sun);
	if (real()->bind(fd, (struct sockaddr *)&sun, len) == 0)
		return fd;
	err = -errno;
	real()->close(fd);
	return err;
}

/* Does another stack use the set that this process holds? */
static bool in_use(int set_fd)
{
	struct set_message m;
	int fd;

	if (peek_message(set_fd, &m, NULL) != 0)
		return true;
	fd = hold_name(m.id);
	if (fd >= 0)
		real()->close(fd);
	return fd < 0;
}

int privs_claim(struct privs_set *set)
{
	union set_control ctl = {0};
	struct set_message m;
	int fd = atomic_load(&privs_fd), fds[SET_FDS], i;

	if (fd < 0 || peek_message(fd, &m, NULL) != 0)
		return -EPERM;
	set->claim = hold_name(m.id);
	if (set->claim < 0)
		return -EPERM;
	if (m.netns != privs_netns_of(set->claim) || peek_message(fd, &m, &ctl) != 0) {
		real()->close(set->claim);
		return -EPERM;
	}
	memcpy(fds, CMSG_DATA(&ctl.align), sizeof(fds));
	for (i = 0; i < SOCKET_KINDS; i++)
		set->sockets.fd[i] = m.at[i] == NOTHING ? -1 : fds[m.at[i]];
	set->trace = m.at[i] == NOTHING ? -1 : fds[m.at[i]];
	return 0;
}

/* ---- when ------------------------------------------------------------------------------- */

/* As the driver's own calls: no hook of ours is to take these for the program's. */
static void prepare(void)
{
	int old_fd = atomic_load(&privs_fd);

	real_only = true;
	if (old_fd < 0 || in_use(old_fd)) {
		atomic_store(&privs_fd, -1);
		make_set(driver_config());
		if (atomic_load(&privs_fd) < 0)
			atomic_store(&privs_fd, old_fd);
		else if (old_fd >= 0)
			real()->close(old_fd);
	}
	real_only = false;
}

void privs_before_drop(void)
{
	int saved = errno, fd = atomic_load(&privs_fd);
	sigset_t all, old;

	/* In a child of vfork() everything here is the parent's. */
	if (real_only || !fdtab_is_mine())
		return;
	heir_before_drop();
	if (fd >= 0)
		privs_hides(fd); /* or it is another's by now */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (driver_before_drop())
		prepare();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
}

void privs_before_uids(uid_t ruid, uid_t euid, uid_t suid)
{
	const uid_t to[] = {ruid, euid, suid};
	uid_t r, e, s;
	int i;

	for (i = 0; i < 3 && (to[i] == 0 || to[i] == (uid_t)-1); i++)
		;
	if (i < 3 && getresuid(&r, &e, &s) == 0 && (r == 0 || e == 0 || s == 0))
		privs_before_drop();
}

void privs_confine(void)
{
	atomic_store(&privs_confined, true);
	remote_forbid();
	stranger_forbid();
}
