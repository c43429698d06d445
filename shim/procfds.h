/* procfds.h - which fds this process has.
 */
#ifndef MYTCP_PROCFDS_H
#define MYTCP_PROCFDS_H

#include <stdbool.h>

/* Calls fn for each open fd, which it may close (proc(5): /proc/self/fd). Allocates
 * nothing. false: not all were seen, /proc may not be there. */
bool procfds_each(void (*fn)(void *arg, int fd), void *arg);

#endif
