/* fuzz_offer.c - TIME-WAITs that another process offers (shim/keeper.h). Of the same
 * user, but perhaps of another version, or not what it says that it is.
 *
 * keeper.c is part of this program, and gets offers with any numbers, any TIME-WAITs and
 * any number of fds, over a socket. No fd may stay open that nobody adopted, and what
 * was taken over must end in its time.
 */
#include "../../engine/addr.h"
#include "../../shim/stack.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>

static int fake_adopt(struct ports *ports, int fd, uint32_t ifindex, uint16_t *port);
#define ports_adopt fake_adopt
#include "../../shim/keeper.c"
#undef ports_adopt

#define FDS_SENT_MAX (KEEP_MAX + 3)
#define NOW_US 1000000u
#define STEPS_MAX 1000

static int adopted;

/* A guard's port by its place; some cannot be adopted. */
static int fake_adopt(struct ports *ports, int fd, uint32_t ifindex, uint16_t *port)
{
	(void)ports;
	if (ifindex == 0xdead)
		return -EBADF;
	*port = (uint16_t)(1000 + adopted++);
	close(fd);
	return 0;
}

static void fill_in(struct input *in, struct tcp_timewait *tw)
{
	uint8_t how = take8(in), v4[4] = {10, 0, 0, (uint8_t)(how >> 4)};

	*tw = (struct tcp_timewait){
		.flow = {{addr_from_v4(v4), (uint16_t)(1000 + take8(in) % 4)},
			 {addr_from_v4(v4), take16(in)}},
		.snd_nxt = take32(in), .rcv_nxt = take32(in),
		.until_us = NOW_US + take32(in), .ts_ok = how & 1, .wscale_ok = how & 2,
	};
	tw->rcv_edge = tw->rcv_nxt + take16(in);
	if (how & 4)
		tw->rcv_wscale = take8(in);
	if (how & 8)
		((uint8_t *)tw)[take8(in) % offsetof(struct tcp_timewait, ts_ok)] = take8(in);
}

static void make(struct input *in, struct offer *o, uint8_t fds)
{
	uint8_t how = take8(in);

	*o = (struct offer){.size = sizeof(*o), .guards = fds, .timewaits = take8(in) % 5};
	if (how == 1)
		o->size = take32(in);
	if (how == 2)
		o->guards = take32(in);
	if (how == 3)
		o->timewaits = take32(in);
	if (how & 64)
		o->guard_ifindex[how % KEEP_MAX] = 0xdead;
	for (unsigned i = 0; i < 5; i++)
		fill_in(in, &o->tw[i]);
}

static void send_it(int fd, const struct offer *o, size_t len, size_t n, int any)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
	} ctl = {0};
	struct iovec iov = {.iov_base = (void *)o, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		msg.msg_control = &ctl;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)) + i * sizeof(int), &any, sizeof(any));
	}
	check(sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len);
}

static void die_out(struct engine *e)
{
	uint64_t at_us, now_us = NOW_US;
	unsigned steps = 0;

	while ((at_us = engine_deadline(e)) != ENGINE_NEVER) {
		check(++steps < STEPS_MAX);
		now_us = at_us > now_us ? at_us : now_us;
		engine_expire(e, now_us);
	}
	check(engine_stats(e)->connections == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stack st;
	struct input in = {data, size};
	uint8_t fds = take8(&in) % FDS_SENT_MAX;
	struct engine_config cfg;
	int pair[2], probe, after;
	struct offer o;

	adopted = 0;
	engine_config_defaults(&cfg);
	st.now_us = NOW_US;
	st.engine = engine_new(&cfg, NOW_US);
	if (!st.engine || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		abort();
	make(&in, &o, fds);
	probe = open("/dev/null", O_RDONLY);
	send_it(pair[0], &o, take8(&in) ? sizeof(o) : sizeof(o) - 4, fds, probe);
	serve(&st, pair[1]);
	after = dup(probe);
	check(after == probe + 1); /* none is left open */
	close(after);
	close(probe);
	close(pair[0]);
	close(pair[1]);
	die_out(st.engine);
	engine_free(st.engine);
	return 0;
}
