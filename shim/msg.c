/* msg.c - checks what sendmsg() and recvmsg() are given. Owns nothing.
 *
 * Of the ancillary data that can be sent TCP knows that of SOL_SOCKET. What asks for
 * a mark, a priority or a time stamp is accepted and ignored, as those options are.
 */
#include "msg.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "usermem.h"

static bool is_known(const struct cmsghdr *c)
{
	if (c->cmsg_level != SOL_SOCKET)
		return true;
	switch (c->cmsg_type) {
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return true;
	case SO_MARK:
	case SO_PRIORITY:
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		return c->cmsg_len == CMSG_LEN(sizeof(uint32_t));
	default:
		return false;
	}
}

static int check_control(int fd, const char *control, size_t len)
{
	struct cmsghdr c;
	size_t at = 0;

	if (len > INT_MAX)
		return -ENOBUFS;
	if (user_readable(fd, control, len < 1024 ? len : 1024) != 0)
		return -EFAULT;
	while (at + sizeof(c) <= len) {
		if (user_get(fd, &c, control + at, sizeof(c)) != 0)
			return -EFAULT;
		if (c.cmsg_len < sizeof(c) || c.cmsg_len > len - at || !is_known(&c))
			return -EINVAL;
		at += CMSG_ALIGN(c.cmsg_len);
	}
	return 0;
}

static int copy(int fd, const struct msghdr *user, struct msghdr *msg)
{
	if (user_get_near(fd, msg, user, sizeof(*msg)) != 0)
		return -EFAULT;
	if (!msg->msg_name)
		msg->msg_namelen = 0;
	if ((int)msg->msg_namelen < 0)
		return -EINVAL;
	if (msg->msg_namelen > sizeof(struct sockaddr_storage))
		msg->msg_namelen = sizeof(struct sockaddr_storage);
	return 0;
}

static int strip(struct msghdr *msg, bool *plain)
{
	*plain = !msg->msg_name && !msg->msg_controllen;
	*msg = (struct msghdr){.msg_iov = msg->msg_iov, .msg_iovlen = msg->msg_iovlen};
	return msg->msg_iovlen > IOV_MAX ? -EMSGSIZE : 0;
}

int msg_to_send(int fd, const struct msghdr *user, struct msghdr *bare, bool *plain)
{
	int err = copy(fd, user, bare);

	if (!err)
		err = user_readable(fd, bare->msg_name, bare->msg_namelen);
	if (!err && bare->msg_iovlen > IOV_MAX)
		err = -EMSGSIZE;
	if (!err && bare->msg_controllen)
		err = check_control(fd, bare->msg_control, bare->msg_controllen);
	return err ? err : strip(bare, plain);
}

int msg_to_receive(int fd, const struct msghdr *user, struct msghdr *bare, bool *plain)
{
	int err = copy(fd, user, bare);

	return err ? err : strip(bare, plain);
}

/* As Linux's put_cmsg(): cut to the room there is. */
static void put_stamp(int fd, struct msghdr *user, int stamp, int64_t ns)
{
	struct {
		struct cmsghdr c;
		int64_t time[2];
	} data = {.c = {.cmsg_level = SOL_SOCKET, .cmsg_type = stamp}};
	size_t n = sizeof(data);

	data.time[0] = ns / 1000000000;
	data.time[1] = ns % 1000000000 / (stamp == SO_TIMESTAMP_OLD ? 1000 : 1);
	if (!user->msg_control)
		user->msg_controllen = 0;
	if (n > user->msg_controllen) {
		n = user->msg_controllen;
		user->msg_flags |= MSG_CTRUNC;
	}
	data.c.cmsg_len = n;
	if (n < sizeof(data.c))
		n = 0;
	if (user_put(fd, user->msg_control, &data, n) == 0)
		user->msg_controllen = n;
}

void msg_received(int fd, struct msghdr *user, const struct msghdr *bare, int stamp,
		  int64_t stamp_ns)
{
	if (user->msg_name)
		user->msg_namelen = 0;
	user->msg_flags = bare->msg_flags;
	if (stamp && stamp_ns)
		put_stamp(fd, user, stamp, stamp_ns);
	else
		user->msg_controllen = 0;
}
