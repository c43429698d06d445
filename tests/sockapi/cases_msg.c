/* cases_msg.c - sendmsg, recvmsg, sendmmsg, recvmmsg: names, ancillary data, flags;
 * MSG_ZEROCOPY and the error queue. */
#include "sockapi.h"

#include <time.h>

static char control[256];
static struct sockaddr_storage name;
static struct iovec iov;
static struct msghdr msg;

/* A message of n bytes in buf, with room for a name and ancillary data. */
static struct msghdr *whole(size_t n)
{
	iov = (struct iovec){buf, n};
	memset(&name, 0x55, sizeof(name));
	memset(control, 0x55, sizeof(control));
	msg = (struct msghdr){&name, sizeof(name), &iov, 1, control, sizeof(control), 0x55};
	return &msg;
}

static void log_msg(void)
{
	LOG("name %u, control %zu, flags %x", msg.msg_namelen, msg.msg_controllen, msg.msg_flags);
}

static struct msghdr *with_control(int level, int type, const void *data, size_t size)
{
	struct cmsghdr *c;

	whole(3);
	msg.msg_name = NULL;
	msg.msg_namelen = 0;
	msg.msg_controllen = CMSG_SPACE(size);
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	return &msg;
}

CASE(recvmsg_tells)
{
	int fd = joined();

	peer_send("abcdefghi");
	await(fd, POLLIN);
	R(recvmsg(fd, whole(3), 0));
	log_msg();
	R(recvmsg(fd, whole(3), MSG_PEEK));
	log_msg();
	R(recvmsg(fd, whole(3), MSG_CMSG_CLOEXEC));
	log_msg();
	R(recvmsg(fd, whole(2), MSG_TRUNC));
	log_msg();
	R(recvmsg(fd, whole(10), MSG_DONTWAIT | MSG_WAITALL));
	log_msg();
	R(recvmsg(fd, whole(3), MSG_DONTWAIT));
	log_msg();
	peer_send_flags("u", MSG_OOB);
	await(fd, POLLPRI);
	R(recvmsg(fd, whole(3), MSG_OOB));
	log_msg();
	LOG("%c", buf[0]);
	R(recvmsg(fd, whole(3), MSG_ERRQUEUE));
	log_msg();
	peer_shutdown(SHUT_WR);
	R(recvmsg(fd, whole(3), 0));
	log_msg();
	msg.msg_namelen = -1;
	R(recvmsg(fd, &msg, 0));
	whole(3)->msg_name = NULL;
	R(recvmsg(fd, &msg, 0));
	log_msg();
	whole(3)->msg_iovlen = 0;
	R(recvmsg(fd, &msg, 0));
	log_msg();
}

/* The time of arrival comes with the bytes, if it is asked for. */
static void log_stamp(int fd)
{
	struct cmsghdr *c;
	struct timespec t;

	peer_send("abc");
	P(fd, POLLIN);
	R(recvmsg(fd, whole(3), 0));
	log_msg();
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return;
	memcpy(&t, CMSG_DATA(c), sizeof(t));
	LOG("%d %d %zu, %s, %s", c->cmsg_level, c->cmsg_type, c->cmsg_len,
	    labs(t.tv_sec - time(NULL)) < 5 ? "now" : "not now",
	    t.tv_nsec < 1000000 ? "us" : "perhaps ns");
}

CASE(timestamps)
{
	int fd = joined();

	set_get(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
	settle(); /* the kernel begins to take the time a little later */
	log_stamp(fd);
	peer_send("abc");
	P(fd, POLLIN);
	whole(1)->msg_controllen = 20;
	R(recvmsg(fd, &msg, 0));
	log_msg();
	whole(1)->msg_controllen = 4;
	R(recvmsg(fd, &msg, 0));
	log_msg();
	whole(1)->msg_control = NULL;
	R(recvmsg(fd, &msg, MSG_PEEK));
	log_msg();
	set_get(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	get_int(fd, SOL_SOCKET, SO_TIMESTAMP);
	R(recvmsg(fd, whole(3), 0));
	LOG("%zu %d", msg.msg_controllen, CMSG_FIRSTHDR(&msg) ? CMSG_FIRSTHDR(&msg)->cmsg_type : 0);
	set_get(fd, SOL_SOCKET, SO_TIMESTAMP, 0);
	get_int(fd, SOL_SOCKET, SO_TIMESTAMPNS);
	log_stamp(fd);
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	R(recvmsg(fd, whole(3), 0));
	log_msg();
}

CASE(control_sent)
{
	int fd = joined(), v = 7;
	struct ucred cred = {getpid(), getuid(), getgid()};

	R(sendmsg(fd, with_control(SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd)), 0));
	R(sendmsg(fd, with_control(SOL_SOCKET, SCM_CREDENTIALS, &cred, sizeof(cred)), 0));
	R(sendmsg(fd, with_control(SOL_SOCKET, SO_MARK, &v, sizeof(v)), 0));
	R(sendmsg(fd, with_control(SOL_SOCKET, SO_PRIORITY, &v, sizeof(v)), 0));
	R(sendmsg(fd, with_control(SOL_SOCKET, 999, &v, sizeof(v)), 0));
	R(sendmsg(fd, with_control(SOL_SOCKET, SO_TIMESTAMPING, &v, 2), 0));
	R(sendmsg(fd, with_control(IPPROTO_IP, IP_TTL, &v, sizeof(v)), 0));
	R(sendmsg(fd, with_control(IPPROTO_TCP, 1, &v, sizeof(v)), 0));
	with_control(IPPROTO_IP, IP_TTL, &v, sizeof(v));
	CMSG_FIRSTHDR(&msg)->cmsg_len = 3;
	R(sendmsg(fd, &msg, 0));
	with_control(IPPROTO_IP, IP_TTL, &v, sizeof(v));
	CMSG_FIRSTHDR(&msg)->cmsg_len = 3000;
	R(sendmsg(fd, &msg, 0));
	msg.msg_controllen = 5;
	R(sendmsg(fd, &msg, 0));
	msg.msg_controllen = SIZE_MAX;
	R(sendmsg(fd, &msg, 0));
	msg.msg_control = (void *)8;
	msg.msg_controllen = 64;
	R(sendmsg(fd, &msg, 0));
	peer_shutdown(SHUT_WR);
	R(shutdown(fd, SHUT_WR));
	R(peer_recv(1000));
}

CASE(names_sent)
{
	int fd = joined();
	struct addr a = addr_of(there, 9);

	whole(3)->msg_controllen = 0;
	R(sendmsg(fd, &msg, 0));
	msg.msg_namelen = 3;
	R(sendmsg(fd, &msg, 0));
	msg.msg_namelen = -1;
	R(sendmsg(fd, &msg, 0));
	msg.msg_namelen = 5000;
	R(sendmsg(fd, &msg, 0));
	msg.msg_name = (void *)8;
	msg.msg_namelen = 16;
	R(sendmsg(fd, &msg, 0));
	R(sendto(fd, "abc", 3, 0, &a.sa, 1));
	R(sendto(fd, "abc", 3, 0, &a.sa, 500));
	R(sendto(fd, "abc", 3, 0, NULL, 500));
	R(sendto(fd, "abc", 3, 0, &a.sa, 0));
	R(shutdown(fd, SHUT_WR));
	R(peer_recv(1000));
}

CASE(many_messages)
{
	int fd = joined(), i;
	struct iovec v[4] = {{(char *)"one", 3}, {(char *)"two", 3}, {(char *)"", 0}, {buf, 5}};
	struct mmsghdr m[4];
	struct timespec t = {.tv_nsec = 20000000};

	memset(m, 0, sizeof(m));
	for (i = 0; i < 4; i++)
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	R(sendmmsg(fd, m, 3, 0));
	LOG("%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	R(sendmmsg(fd, m, 0, 0));
	peer_says(6);
	v[0].iov_base = (void *)8;
	R(sendmmsg(fd, m, 2, 0));
	v[1].iov_base = (void *)8;
	v[0].iov_base = buf;
	R(sendmmsg(fd, m, 2, 0));
	peer_says(3);
	for (i = 0; i < 4; i++)
		v[i] = (struct iovec){buf + 10 * i, 3};
	peer_send("abcdefg");
	await(fd, POLLIN);
	settle();
	R(recvmmsg(fd, m, 4, MSG_DONTWAIT, NULL));
	LOG("%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	R(recvmmsg(fd, m, 4, MSG_DONTWAIT, NULL));
	peer_send("abcdefg");
	await(fd, POLLIN);
	settle();
	R(recvmmsg(fd, m, 4, MSG_WAITFORONE, NULL));
	peer_later(60);
	peer_send("abc");
	R(recvmmsg(fd, m, 2, 0, &t));
	t.tv_nsec = -1;
	R(recvmmsg(fd, m, 2, 0, &t));
	R(recvmmsg(fd, (struct mmsghdr *)8, 2, 0, NULL));
	R(sendmmsg(fd, (struct mmsghdr *)8, 2, 0));
	peer_shutdown(SHUT_WR);
	await(fd, POLLRDHUP);
	R(recvmmsg(fd, m, 4, 0, NULL));
	R(shutdown(fd, SHUT_WR));
	R(sendmmsg(fd, m, 1, MSG_NOSIGNAL));
	R(sendmmsg(fd, m, 1, 0));
}

/* An error after some messages is told by the next call. */
CASE(many_messages_and_a_reset)
{
	int fd = joined(), i;
	struct iovec v[4];
	struct mmsghdr m[4];

	memset(m, 0, sizeof(m));
	for (i = 0; i < 4; i++) {
		v[i] = (struct iovec){buf, 3};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	}
	peer_send("abcde");
	await(fd, POLLIN);
	peer_reset();
	P(fd, POLLERR);
	R(recvmmsg(fd, m, 4, 0, NULL));
	R(recvmmsg(fd, m, 4, 0, NULL));
	E(fd);
	R(recvmmsg(fd, m, 4, 0, NULL));
}

/* ---- MSG_ZEROCOPY ---------------------------------------------------------------- */

/* Programs that are refused copy. */
CASE(zero_copy)
{
	int fd = joined(), one = 1;

	get_int(fd, SOL_SOCKET, SO_ZEROCOPY);
	R(send(fd, "abc", 3, MSG_ZEROCOPY));
	peer_says(3);
	R(recv(fd, buf, 1, MSG_ERRQUEUE));
	one = 2;
	R(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	one = 1;
	ALLOW("SO_ZEROCOPY is refused");
	R(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	one = 0;
	R(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	R(send(fd, "def", 3, MSG_ZEROCOPY));
	peer_says(3);
	P(fd, 0);
}
