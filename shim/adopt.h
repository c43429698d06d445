/* adopt.h - app ends that this process did not make: inherited through exec(),
 * received by SCM_RIGHTS, or taken by pidfd_getfd(2).
 *
 * What an app end is, its AF_UNIX names tell; what they do not tell is asked of its
 * stack when it is needed (remote.h). errno is kept.
 */
#ifndef MYTCP_ADOPT_H
#define MYTCP_ADOPT_H

#include <sys/socket.h>

/* fd is new here, from a process that may be anybody's. If it is an app end it
 * becomes a socket of ours, else it has no entry in the fd table. */
void adopt_fd(int fd);
/* The fds that came with a message. */
void adopt_received(const struct msghdr *msg);
/* All that the process was started with. In the constructor. */
void adopt_inherited(void);

#endif
