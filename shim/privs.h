/* privs.h - what a program that gives up its privileges keeps for its TCP.
 *
 * Theory of operation
 *
 * Raw sockets need CAP_NET_RAW, and daemons drop it early, often before they open
 * their first TCP socket, and fork later still. So before each call by which a
 * program can lose that capability, or its view of the file system, a *spare set* of
 * what a stack needs privileges for is opened, if there is none: the link's sockets
 * and the trace's file. The set is a message with fds in it, which lies in the queue of an
 * AF_UNIX socket whose other end is closed: one fd of the program's, close-on-exec,
 * with a high number, that forked children inherit. The driver takes copies of
 * what lies there (MSG_PEEK) into its own fd table when it is refused sockets of its
 * own. An abstract name that it holds from then on keeps any two stacks from using
 * the same set; the kernel takes it away with the stack, however that ends.
 *
 * The program's calls do not see the fd: close() says EBADF, dup2() finds the
 * number free (the set moves away), close_range() and closefrom() go around it.
 */
#ifndef MYTCP_PRIVS_H
#define MYTCP_PRIVS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../engine/link/sockets.h"

/* Before a call that may take away privileges; cheap if there are none. Keeps errno.
 * In signal handlers as any hook. */
void privs_before_drop(void);
/* The same before a call that sets these user ids, -1 for those that stay, if the kernel
 * may take away capabilities for that: one of them is 0 now (capabilities(7)). */
void privs_before_uids(uid_t ruid, uid_t euid, uid_t suid);

/* The program has confined itself (seccomp): what it may call, we do not know. So its
 * calls on sockets of other stacks are the kernel's, one for one, from now on. */
extern atomic_bool privs_confined;
void privs_confine(void);

/* The program's fd that holds the spare set, or -1. */
extern atomic_int privs_fd;
bool privs_hides_slow(int fd);
/* Is fd the spare set's, and not to be seen by the program? */
static inline bool privs_hides(int fd)
{
	return fd >= 0 && fd == atomic_load_explicit(&privs_fd, memory_order_relaxed) &&
	       privs_hides_slow(fd);
}
/* The program wants this number for a file of its own. */
void privs_make_way(int fd);
/* close_range(2), around the spare set. */
int privs_close_range(unsigned first, unsigned last, int flags);

/* The network namespace of a socket, as a number; 0: not known (before Linux 5.14). */
uint64_t privs_netns_of(int fd);

/* ---- the driver's side ---------------------------------------------------------- */

struct privs_set {
	struct link_sockets sockets;
	int trace; /* the trace's file, or -1 */
	int claim; /* holds the claim on the set, for as long as the sockets are used */
};

/* Claims the spare set. In the driver's thread, whose fd table still has the
 * program's privs_fd. -EPERM: there is none for this network namespace, or another stack
 * uses it. */
int privs_claim(struct privs_set *set);

#endif
