/* fuzz_answer.c - what the driver of another process answers (shim/control.h), which is of
 * the same user, and may be anything all the same.
 *
 * A thread plays it at the stack's name, welcomes or not, and answers with bytes of the
 * input: of the right size, likely or not, or of another. Whatever it says, the socket is
 * in a state that there is, a result is an errno value, and no option is longer than its
 * room.
 */
#include "../../shim/remote.h"
#include "../../shim/sock.h"
#include "../shim/fake_driver.h"

#include "fuzz.h"

#include <errno.h>
#include <pthread.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "../../shim/control.h"
#include "../../shim/names.h"

#define ANSWERS_MAX 8
#define ERRNO_MAX 4095
#define ROOM 64

static struct {
	struct control_reply reply;
	size_t len; /* of it; 0: none */
	bool welcome;
} answer[ANSWERS_MAX];
static _Atomic unsigned next, answers;
static int listener = -1;

static void *play(void *arg)
{
	char buf[sizeof(struct control_request)];

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		unsigned i = next < answers ? next++ : 0;

		if (recv(fd, buf, sizeof(buf), 0) > 0 && answer[i].welcome &&
		    send(fd, "", 1, MSG_NOSIGNAL) == 1 && recv(fd, buf, sizeof(buf), 0) > 0 &&
		    answer[i].len)
			send(fd, &answer[i].reply, answer[i].len, MSG_NOSIGNAL);
		close(fd);
	}
	return arg;
}

static void set_up(void)
{
	struct name n = {.kind = NAME_CONTROL, .stack = "another's stack", .pass = 7};
	struct sockaddr_un sun;
	socklen_t len = name_encode(&n, &sun);
	pthread_t thread;

	if (listener >= 0)
		return;
	unshare(CLONE_NEWNET); /* where nobody else has our name, if that may be */
	fake_reset();
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	check(bind(listener, (struct sockaddr *)&sun, len) == 0 && listen(listener, 8) == 0);
	check(pthread_create(&thread, NULL, play, NULL) == 0);
}

static void fill_in(struct input *in, unsigned i)
{
	struct control_reply *r = &answer[i].reply;
	uint8_t how = take8(in);

	*r = (struct control_reply){.size = sizeof(*r),
				    .result = (int8_t)take8(in),
				    .state = take8(in) % 8,
				    .bound = take8(in),
				    .family = AF_INET,
				    .id = take16(in),
				    .data_len = take8(in)};
	memset(r->data, how, sizeof(r->data));
	for (uint8_t n = how % 4; n == 3 && in->left > 2; n = take8(in) % 4) {
		uint16_t at = take16(in); /* the fields, mostly */

		((uint8_t *)r)[at % (at & 0x8000 ? sizeof(*r)
						 : offsetof(struct control_reply, data))] =
			take8(in);
	}
	answer[i].welcome = how < 240;
	answer[i].len = how == 128 ? 0 : how == 64 ? take16(in) % sizeof(*r) : sizeof(*r);
}

static int call(struct sock *s, int fd, uint8_t which, uint8_t room)
{
	struct endpoint to = {.port = 80};
	uint8_t val[2 * ROOM];
	socklen_t len = room % (ROOM + 1);
	int queue, err;

	switch (which % 8) {
	case 0:
		return remote_bind(s, fd, &to);
	case 1:
		return remote_listen(s, fd, room);
	case 2:
		return remote_connect(s, fd, &to);
	case 3:
		return remote_shutdown(s, fd, room % 3);
	case 4:
		return remote_queue(s, fd, TIOCOUTQ, &queue);
	case 5:
		return remote_setsockopt(s, fd, IPPROTO_TCP, room, val, 4);
	case 6:
		remote_refresh(s, fd);
		return 0;
	}
	memset(val, 0xee, sizeof(val));
	err = remote_getsockopt(s, fd, IPPROTO_TCP, room, val, &len);
	check(len <= room % (ROOM + 1u));
	for (socklen_t i = len; i < sizeof(val); i++)
		check(val[i] == 0xee || err == 0);
	for (size_t i = ROOM; i < sizeof(val); i++)
		check(val[i] == 0xee);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t n = take8(&in) % ANSWERS_MAX;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), result;
	struct sock *s = sock_new(AF_INET);

	set_up();
	check(fd >= 0 && s);
	memcpy(s->stack, "another's stack", sizeof(s->stack));
	atomic_store(&s->pass, 7);
	for (unsigned i = 0; i < ANSWERS_MAX; i++)
		fill_in(&in, i);
	next = 0;
	answers = ANSWERS_MAX;
	while (n-- && remote_can(s)) {
		uint8_t which = take8(&in);

		result = call(s, fd, which, take8(&in));
		check(result >= -ERRNO_MAX && result <= ERRNO_MAX);
		check((unsigned)atomic_load(&s->state) <= SOCK_CLOSED);
	}
	sock_put(s);
	close(fd);
	return 0;
}
