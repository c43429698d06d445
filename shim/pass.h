/* pass.h - the pass of a stack: 64 secret bits that come with each of its app ends.
 *
 * What a process must show to have its requests heard (control.h), and what names are
 * signed with (names.h). It travels with the app end, by fork, exec or SCM_RIGHTS, whatever
 * the user: it is the app end's SO_MAX_PACING_RATE, which means nothing to an AF_UNIX
 * socket, and which only a holder of the fd can read.
 */
#ifndef MYTCP_PASS_H
#define MYTCP_PASS_H

#include <stdbool.h>
#include <stdint.h>

/* The app end's; 0: it has none. */
uint64_t pass_of(int fd);
void pass_give(int fd, uint64_t pass);

/* Nobody can put fds into the queues of those who connect to the listener fd, which we
 * then would have to close: to drop the last reference to a socket that lingers is to
 * wait for it. From Linux 6.16 on. */
void pass_no_fds(int fd);
/* The one who connected is to send fds after all. */
void pass_fds(int fd);
/* Did pass_no_fds() have its effect? */
bool pass_keeps_fds_out(int fd);

#endif
