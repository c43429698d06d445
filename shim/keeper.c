/* keeper.c - owns how TIME-WAITs go from stack to stack.
 *
 * One offer, one answer, on a connection of its own, once the keeper has seen whose it is
 * and said so: nobody else can send it fds. A giver that hears no answer
 * goes on in the background itself; should the keeper have taken the offer all the
 * same, two stacks give the same answers to the same segments, which TCP bears.
 */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "pass.h"
#include "stack.h"
#include "stranger.h"

/* A stack with more to keep is worth a process. */
#define KEEP_MAX 32
#define ANSWER_MS 300
/* The offer follows the connection at once; nobody else is worth a wait. */
#define OFFER_MS 20
/* The first offer of a stack that is in the background already comes after this or
 * twice the time, later ones after up to so long. */
#define AGAIN_US 100000u
#define AGAIN_MAX_US 4000000u

struct offer {
	uint32_t size; /* of this struct: the version */
	uint32_t timewaits, guards; /* as many fds come with it */
	uint32_t guard_ifindex[KEEP_MAX];
	struct tcp_timewait tw[KEEP_MAX];
};

union fds { /* ancillary data */
	struct cmsghdr align;
	char bytes[CMSG_SPACE(KEEP_MAX * sizeof(int))];
};

static socklen_t keeper_name(struct sockaddr_un *sun)
{
	struct name n = {.kind = NAME_KEEPER, .sock_id = geteuid()};

	return name_encode(&n, sun);
}

static bool same_user(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.uid == geteuid();
}

/* ---- giving ---------------------------------------------------------------------- */

static bool only_time_waits(const struct stack *st)
{
	const struct engine_stats *now = engine_stats(st->engine);

	return !st->ports.busy.first && now->connections == now->time_wait;
}

/* false: it is too much. */
static bool make_offer(struct stack *st, struct offer *o, int fds[KEEP_MAX])
{
	struct port *ports[KEEP_MAX];
	size_t n = ports_needed(&st->ports, ports, KEEP_MAX), i;

	*o = (struct offer){.size = sizeof(*o), .guards = n};
	if (!n || n > KEEP_MAX || engine_stats(st->engine)->time_wait > KEEP_MAX)
		return false;
	for (i = 0; i < n; i++) {
		fds[i] = guard_fd(ports[i]->guard);
		if (fds[i] < 0)
			return false;
		o->guard_ifindex[i] = ports[i]->ifindex;
	}
	o->timewaits = engine_timewaits(st->engine, o->tw, KEEP_MAX);
	return true;
}

static bool is_welcome(int fd)
{
	char word;

	return same_user(fd) && recv(fd, &word, 1, 0) == 1;
}

static bool send_offer(int fd, struct offer *o, const int *fds)
{
	union fds ctl = {0};
	struct iovec iov = {.iov_base = o, .iov_len = sizeof(*o)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = CMSG_SPACE(o->guards * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(o->guards * sizeof(int));
	memcpy(CMSG_DATA(c), fds, o->guards * sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == sizeof(*o);
}

bool keeper_takes_over(struct stack *st)
{
	const struct timeval patience = {.tv_usec = ANSWER_MS * 1000};
	int fds[KEEP_MAX], fd;
	struct sockaddr_un sun;
	socklen_t len = keeper_name(&sun);
	struct offer o;
	char taken = 0;

	if (!only_time_waits(st) || !make_offer(st, &o, fds))
		return false;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	pass_no_fds(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (struct sockaddr *)&sun, len) != 0 || !is_welcome(fd) ||
	    !send_offer(fd, &o, fds) || recv(fd, &taken, 1, 0) != 1)
		taken = 0;
	stranger_close(fd);
	return taken;
}

/* ---- keeping --------------------------------------------------------------------- */

static bool readable_soon(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, OFFER_MS) == 1;
}

/* Returns how many fds came, which are the caller's; the offer is good or o->size
 * is 0. */
static size_t receive_offer(int fd, struct offer *o, int fds[KEEP_MAX])
{
	union fds ctl;
	struct iovec iov = {.iov_base = o, .iov_len = sizeof(*o)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = sizeof(ctl)};
	ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = len < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	size_t n = 0;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	if (len != sizeof(*o) || o->size != sizeof(*o) || o->guards != n ||
	    o->timewaits > KEEP_MAX)
		o->size = 0;
	return n;
}

static bool is_guarded(const struct tcp_timewait *tw, const uint16_t *port, size_t n)
{
	while (n--)
		if (port[n] == tw->flow.local.port)
			return true;
	return false;
}

static bool keep(struct stack *st, const struct offer *o, int fds[KEEP_MAX])
{
	uint16_t port[KEEP_MAX];
	uint32_t i;

	for (i = 0; i < o->guards; i++) {
		if (ports_adopt(&st->ports, fds[i], o->guard_ifindex[i], &port[i]))
			return false;
		fds[i] = -1;
	}
	for (i = 0; i < o->timewaits; i++)
		if (!is_guarded(&o->tw[i], port, o->guards) ||
		    engine_add_timewait(st->engine, &o->tw[i], st->now_us))
			return false;
	return true;
}

static void serve(struct stack *st, int fd)
{
	int fds[KEEP_MAX];
	struct offer o;
	size_t n, i;

	if (!same_user(fd))
		return;
	pass_fds(fd);
	if (send(fd, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1 || !readable_soon(fd))
		return;
	n = receive_offer(fd, &o, fds);
	if (o.size && keep(st, &o, fds))
		send(fd, "k", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void on_offer(void *arg)
{
	struct stack *st = arg;
	int fd = accept4(st->keeper_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	stack_update_now(st);
	serve(st, fd);
	stranger_close(fd);
}

/* Makes it the keeper, if there is none. */
static void keeper_try(struct stack *st)
{
	struct sockaddr_un sun;
	socklen_t len = keeper_name(&sun);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	st->keeper_fd = fd;
	pass_no_fds(fd);
	if (bind(fd, (struct sockaddr *)&sun, len) == 0 && listen(fd, SOMAXCONN) == 0 &&
	    loop_watch(st->loop, fd, on_offer, st) == 0)
		return;
	stranger_close(fd); /* there is one, most likely */
	st->keeper_fd = -1;
}

/* ---- in the background --------------------------------------------------------------- */

static void offer_later(struct stack *st, uint32_t wait_us)
{
	uint32_t jitter = 0;

	if (getrandom(&jitter, sizeof(jitter), 0) < 0)
		jitter = (uint32_t)getpid();
	st->offer_wait_us = wait_us < AGAIN_MAX_US ? wait_us : AGAIN_MAX_US;
	st->offer_us = st->now_us + st->offer_wait_us + jitter % st->offer_wait_us;
}

static bool may_offer(const struct stack *st)
{
	return st->background && st->keeper_fd < 0 && only_time_waits(st);
}

bool keeper_relieves(struct stack *st)
{
	if (!may_offer(st) || st->now_us < st->offer_us)
		return false;
	if (keeper_takes_over(st))
		return true;
	stack_update_now(st); /* that may have taken its time */
	keeper_try(st);
	offer_later(st, st->offer_wait_us * 2);
	return false;
}

uint64_t keeper_deadline_us(const struct stack *st)
{
	return may_offer(st) ? st->offer_us : ENGINE_NEVER;
}

void keeper_open(struct stack *st)
{
	if (st->keeper_fd < 0) /* else it was that of a process that was killed */
		keeper_try(st);
	offer_later(st, AGAIN_US);
}
