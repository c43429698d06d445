/* fuzz_msg.c - a struct msghdr of the program's: any lengths, ancillary data of any
 * bytes, which may end anywhere. What msg_to_send() lets pass has no name, no ancillary
 * data and no more pieces than the kernel takes.
 */
#include "../../shim/msg.h"

#include "fuzz.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

static void check_bare(int err, const struct msghdr *bare)
{
	check(err == 0 || err == -EFAULT || err == -EINVAL || err == -EMSGSIZE ||
	      err == -ENOBUFS);
	if (err)
		return;
	check(!bare->msg_name && !bare->msg_namelen && !bare->msg_control);
	check(!bare->msg_controllen && !bare->msg_flags && bare->msg_iovlen <= IOV_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd[2] = {-1, -1};
	struct input in = {data, size};
	uint8_t how = take8(&in);
	uint32_t name_len = take32(&in), lie = take32(&in);
	char byte = 0, *control = malloc(in.left ? in.left : 1);
	struct iovec iov = {&byte, 1};
	struct msghdr bare, m = {.msg_iov = &iov, .msg_iovlen = how & 1 ? lie : 1};
	bool plain;

	if (!control || (fd[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0))
		abort();
	if (in.left)
		memcpy(control, in.p, in.left);
	m.msg_name = how & 2 ? &iov : NULL;
	m.msg_namelen = how & 4 ? name_len : 0;
	m.msg_control = control;
	m.msg_controllen = in.left;
	check_bare(msg_to_send(fd[0], &m, &bare, &plain), &bare);
	check_bare(msg_to_receive(fd[0], &m, &bare, &plain), &bare);
	m.msg_iovlen = 1;
	m.msg_controllen = in.left;
	bare.msg_flags = 0;
	msg_received(fd[0], &m, &bare, how & 8 ? SO_TIMESTAMP : how & 16 ? SO_TIMESTAMPNS : 0,
		     ((int64_t)name_len << 30) + lie);
	check(m.msg_controllen <= in.left);
	free(control);
	return 0;
}
