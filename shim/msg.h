/* msg.h - a struct msghdr of the program's, and what of it the pair may see.
 *
 * Checks, their order and their errors are those of Linux's copy_msghdr_from_user(),
 * import_iovec() being left to the kernel, and of TCP's use of ancillary data.
 */
#ifndef MYTCP_MSG_H
#define MYTCP_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* fd is ours. bare becomes user without its name and ancillary data, with no flags:
 * TCP ignores them, the pair would not. *plain: there were none. 0; -EFAULT, -EINVAL, -EMSGSIZE, -ENOBUFS. */
int msg_to_send(int fd, const struct msghdr *user, struct msghdr *bare, bool *plain);
int msg_to_receive(int fd, const struct msghdr *user, struct msghdr *bare, bool *plain);
/* After a call that received with bare: no name; stamp (see sock_opts) says which time
 * stamp is the ancillary data, if any. */
void msg_received(int fd, struct msghdr *user, const struct msghdr *bare, int stamp,
		  int64_t stamp_ns);

#endif
