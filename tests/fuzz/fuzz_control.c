/* fuzz_control.c - requests of other processes over the control socket (shim/control.h),
 * who may be anybody, and say anything with any fds.
 *
 * control.c is part of this program; what it has the stack do is only noted. Clients come,
 * show a pass, ask and go in any order, with fds that are app ends of the stack's sockets,
 * look like them, or are something else.
 *
 * Who has not shown the pass gets no answer. Who has gets one, which tells nothing of
 * sockets that it has not shown. No fd of a request stays open, and no socket is referred
 * to but by whoever holds it.
 */
#include "../../shim/conn.h"
#include "../../shim/held.h"
#include "../../shim/listener.h"
#include "../../shim/pass.h"
#include "../../shim/sockcall.h"
#include "../../shim/stack.h"
#include "../shim/fake_driver.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sched.h>

static bool fake_trusted(int fd, int pid);
static int fake_bind(struct stack *st, struct sock *s, const struct endpoint *local);
static int fake_listen(struct stack *st, struct sock *s, int backlog);
static int fake_connect(struct stack *st, struct sock *s, const struct endpoint *remote);
static int fake_bring(struct visitors *v, int app_end);
static void fake_undo(struct stack *st, struct sock *s);
static bool fake_make_room(struct ports *ps, int err);
static void fake_look(struct stack *st, struct sock *s);
static bool fake_check(struct stack *st);
static int fake_wants(const struct stack *st, bool daemon);
static bool fake_admits(const struct stack *st, int fd);
static void fake_add(struct stack *st, int fd);
static bool fake_serves(struct stack *st, int fd);
static void fake_watch(struct stack *st);
#define sock_peer_is_trusted fake_trusted
#define stack_bind fake_bind
#define listener_open fake_listen
#define conn_connect fake_connect
#define visitors_bring fake_bring
#define stack_undo fake_undo
#define ports_make_room fake_make_room
#define held_look fake_look
#define held_check fake_check
#define legacy_wants fake_wants
#define legacy_admits fake_admits
#define legacy_add fake_add
#define legacy_serves fake_serves
#define estate_serves fake_serves
#define watcher_check fake_watch
#include "../../shim/control.c"

#define PASS 42 /* the fake driver's */
#define WIRES_MAX (CONTROL_CLIENTS_MAX + 4)
#define HELD_MAX 64
#define FDS_SEEN_MAX 192
#define FDS_SENT_MAX 5
#define STEPS_MAX 40

enum shown { /* the fds that come with requests */
	     BOUND4,
	     BOUND6,
	     LISTENS,
	     ACCEPTED,
	     FRESH,
	     FRESH_TOO,
	     FORGED,
	     TWIN,
	     NAMELESS,
	     DGRAM,
	     INET,
	     DEV_NULL,
	     SHOWN_MAX
};

static struct stack st;
static bool trusting; /* everybody is of the stack's user */
static int fd_of[SHOWN_MAX];
static struct sock *held[HELD_MAX]; /* one reference each */
static unsigned held_n;
static int brought[STEPS_MAX]; /* other ends of app ends that connect */
static unsigned brought_n;
static bool undone; /* some app end is none any more */
static struct wire {
	int fd;			   /* -1: none */
	bool showed, right, asked; /* a pass; the right one; for anything */
	enum { NONSENSE, FOR_NOBODY, FOR_SOMEBODY, FOR_ONE_OF_OURS } what;
	uint32_t op;
	uint16_t port;
	unsigned replies;
	bool welcome;
} wire[WIRES_MAX];

/* ---- the stack ------------------------------------------------------------------- */

static bool fake_trusted(int fd, int pid)
{
	(void)fd;
	(void)pid;
	return trusting;
}

static int fake_bind(struct stack *stack, struct sock *s, const struct endpoint *local)
{
	(void)stack;
	check(!s->bound_to.port && atomic_load(&s->state) == SOCK_FRESH);
	if (local->port == 1)
		return -EADDRINUSE;
	s->local = s->bound_to = *local;
	return 0;
}

static int fake_listen(struct stack *stack, struct sock *s, int backlog)
{
	(void)stack;
	if (backlog == 13)
		return -EADDRINUSE;
	atomic_store(&s->state, SOCK_LISTENING);
	return 0;
}

static int fake_connect(struct stack *stack, struct sock *s, const struct endpoint *remote)
{
	(void)stack;
	check(atomic_load(&s->filled) && atomic_load(&s->connecting));
	if (remote->port == 1)
		return -ENETUNREACH;
	s->remote = *remote;
	atomic_store(&s->state, SOCK_CONNECTING);
	return 0;
}

/* The other end of the app end comes from a listener that is not there for long. */
static int fake_bring(struct visitors *v, int app_end)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sun.sun_family);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), err;

	(void)v;
	check(bind(l, (struct sockaddr *)&sun, len) == 0 && listen(l, 1) == 0);
	len = sizeof(sun);
	getsockname(l, (struct sockaddr *)&sun, &len);
	err = connect(app_end, (struct sockaddr *)&sun, len) == 0 ? 0 : -errno;
	if (!err)
		brought[brought_n++] = accept(l, NULL, NULL);
	close(l);
	return err;
}

static void fake_undo(struct stack *stack, struct sock *s)
{
	(void)stack;
	undone = true;
	atomic_store(&s->state, SOCK_FRESH);
}

static bool fake_make_room(struct ports *ps, int err)
{
	(void)ps;
	check(err <= 0);
	return false;
}

static void fake_look(struct stack *stack, struct sock *s)
{
	(void)stack;
	if (!s->held && held_n < HELD_MAX) {
		s->held = true;
		held[held_n++] = sock_get(s);
	}
}

static bool fake_check(struct stack *stack)
{
	(void)stack;
	return held_n & 1;
}

static int fake_wants(const struct stack *stack, bool is_daemon)
{
	(void)stack;
	return is_daemon ? 0 : -EALREADY;
}

static bool fake_admits(const struct stack *stack, int fd)
{
	(void)stack;
	return fd & 1;
}

/* The heir's connection is the legacy's, which this one ends at once. */
static void fake_add(struct stack *stack, int fd)
{
	(void)stack;
	close(fd);
}

static bool fake_serves(struct stack *stack, int fd)
{
	(void)stack;
	(void)fd;
	return false;
}

static void fake_watch(struct stack *stack)
{
	(void)stack;
}

/* ---- its sockets ------------------------------------------------------------------ */

static int unix_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	return fd;
}

static struct sock *new_sock(int family)
{
	struct sock *s = sock_new(family);

	check(s != NULL);
	sock_opts_init(s);
	memcpy(s->stack, st.id, sizeof(s->stack));
	s->held = true;
	held[held_n++] = s;
	return s;
}

/* An app end with the name of a socket of this family. */
static int app_end(int family)
{
	struct sock *s = new_sock(family);
	int fd = unix_socket(SOCK_STREAM);

	sock_make_name(s, atomic_load(&s->id));
	check(bind(fd, (struct sockaddr *)&s->name, s->name_len) == 0);
	atomic_store(&s->ino, inode(fd));
	return fd;
}

/* What is accepted there, from an engine end whose name says that this process made it. */
static int accepted_at(int listener, const struct sock *listening, uint32_t pid, uint64_t pass)
{
	struct sock *s = new_sock(AF_INET);
	struct name n = {.kind = NAME_ENGINE,
			 .sock_id = atomic_load(&s->id),
			 .family = AF_INET,
			 .pid = pid,
			 .pass = pass};
	struct sockaddr_un sun;
	socklen_t len;
	int engine_end = unix_socket(SOCK_STREAM), fd;

	s->local = n.flow.local = (struct endpoint){.port = 80};
	s->remote = n.flow.remote = (struct endpoint){.port = 4000};
	atomic_store(&s->state, SOCK_CONNECTED);
	memcpy(n.stack, st.id, sizeof(n.stack));
	len = name_encode(&n, &sun);
	check(bind(engine_end, (struct sockaddr *)&sun, len) == 0);
	check(connect(engine_end, (const struct sockaddr *)&listening->name,
		      listening->name_len) == 0);
	fd = accept(listener, NULL, NULL);
	check(fd >= 0);
	brought[brought_n++] = engine_end;
	return fd;
}

static void open_sockets(uint8_t how)
{
	struct sock *listening;

	undone = false;
	held_n = brought_n = 0;
	fd_of[BOUND4] = app_end(AF_INET);
	fd_of[BOUND6] = app_end(AF_INET6);
	fd_of[LISTENS] = app_end(AF_INET);
	listening = held[2];
	atomic_store(&listening->state, SOCK_LISTENING);
	check(listen(fd_of[LISTENS], 4) == 0);
	fd_of[ACCEPTED] = accepted_at(fd_of[LISTENS], listening, (uint32_t)getpid(), PASS);
	fd_of[FORGED] =
		how & 1 ? accepted_at(fd_of[LISTENS], listening, (uint32_t)getpid(), PASS ^ 1)
			: accepted_at(fd_of[LISTENS], listening, 1, PASS);
	fd_of[TWIN] = app_end(AF_INET); /* has the name, and is another socket */
	atomic_fetch_add(&held[held_n - 1]->ino, 1);
	fd_of[FRESH] = unix_socket(SOCK_STREAM);
	fd_of[FRESH_TOO] = unix_socket(SOCK_STREAM);
	fd_of[NAMELESS] = dup(brought[0]);
	fd_of[DGRAM] = unix_socket(SOCK_DGRAM);
	fd_of[INET] = socket(AF_INET, SOCK_STREAM, 0);
	fd_of[DEV_NULL] = open("/dev/null", O_RDWR);
}

static void close_sockets(void)
{
	for (unsigned i = 0; i < SHOWN_MAX; i++)
		close(fd_of[i]);
	for (unsigned i = 0; i < brought_n; i++)
		close(brought[i]);
	for (unsigned i = 0; i < held_n; i++) {
		uint64_t id = atomic_load(&held[i]->id);

		check(atomic_load(&held[i]->refs) == 1);
		sock_put(held[i]);
		check(!sock_by_id(id));
	}
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < FDS_SEEN_MAX; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- its clients ------------------------------------------------------------------ */

static void knock(struct wire *w, const struct sockaddr_un *name, socklen_t len)
{
	if (w->fd >= 0)
		return;
	*w = (struct wire){.fd = unix_socket(SOCK_SEQPACKET)};
	if (connect(w->fd, (const struct sockaddr *)name, len) == 0)
		return;
	close(w->fd);
	w->fd = -1;
}

/* The first that it says is taken for the pass, whatever it is, the next for the request. */
static void said(struct wire *w, size_t len, bool pass)
{
	w->asked |= w->showed;
	if (!w->showed)
		w->right = len >= sizeof(st.pass) && (trusting || pass);
	w->showed = true;
}

static void show_pass(struct wire *w, uint8_t how)
{
	uint64_t pass[2] = {PASS ^ (how & 4 ? 1ull << (how >> 3) : 0)};
	size_t len = how & 3 ? 8 : how & 32 ? 3 : how & 64 ? 16 : 0;

	if (w->fd >= 0 && send(w->fd, pass, len, MSG_NOSIGNAL) == (ssize_t)len)
		said(w, len, !(how & 4));
}

static void fill_in(struct input *in, struct control_request *r)
{
	static const int levels[] = {SOL_SOCKET, IPPROTO_TCP, SOL_IP, SOL_IPV6};
	uint8_t how = take8(in);

	*r = (struct control_request){.size = sizeof(*r),
				      .op = how % (CONTROL_INHERIT + 2),
				      .arg = (int8_t)take8(in),
				      .arg2 = take8(in)};
	r->data_len = how & 0x80 ? take16(in) : take8(in);
	r->endpoint.port = (uint16_t)(take8(in) << (how >> 4));
	if (how & 64)
		r->endpoint.addr = addr_from_v4("\177\0\0\1");
	if (r->op == CONTROL_NEW) {
		r->arg = r->arg & 1 ? AF_INET : r->arg & 2 ? AF_INET6 : r->arg;
		memcpy(r->data, st.token, sizeof(st.token));
		r->data[r->arg2 % 64] ^= (uint8_t)(r->data_len == sizeof(st.token) + 1);
		r->data_len -= r->data_len == sizeof(st.token) + 1;
	} else if (r->op == CONTROL_GETSOCKOPT || r->op == CONTROL_SETSOCKOPT) {
		r->arg = levels[r->arg & 3];
		for (unsigned i = 0; i < 8; i++)
			r->data[i] = take8(in);
	} else if (r->op == CONTROL_IOCTL) {
		r->arg = r->arg & 1 ? SIOCOUTQ : r->arg & 2 ? SIOCOUTQNSD : FIONREAD;
	}
	if (how == 0xff)
		((uint8_t *)r)[take16(in) % sizeof(*r)] = take8(in);
}

static int what_is(const struct control_request *r, bool whole, enum shown which)
{
	if (!whole || r->size != sizeof(*r) || r->data_len > CONTROL_DATA_MAX)
		return NONSENSE;
	if (r->op != CONTROL_NEW)
		return which <= ACCEPTED    ? FOR_ONE_OF_OURS
		       : which <= FRESH_TOO ? FOR_SOMEBODY
					    : FOR_NOBODY;
	return (which == FRESH || which == FRESH_TOO) &&
			       (r->arg == AF_INET || r->arg == AF_INET6) &&
			       (trusting || (r->data_len == sizeof(st.token) &&
					     !memcmp(r->data, st.token, sizeof(st.token))))
		       ? FOR_SOMEBODY
		       : FOR_NOBODY;
}

static void ask(struct input *in, struct wire *w)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
	} ctl = {0};
	struct control_request r;
	struct iovec iov = {&r, sizeof(r)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	uint8_t which = take8(in), more = take8(in),
		n = more % 16 < 13 ? 1 : more % 16 - 12 + more / 64;
	bool asked = w->asked;
	int fds[FDS_SENT_MAX];

	fill_in(in, &r);
	n = r.op == CONTROL_UNDO && n == 1 ? 2
	    : more == 255		   ? 0
	    : n < FDS_SENT_MAX		   ? n
					   : FDS_SENT_MAX;
	for (uint8_t i = 0; i < n; i++)
		fds[i] = fd_of[(which + i * (more >> 4)) % SHOWN_MAX];
	if (n) {
		msg.msg_control = &ctl;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		*CMSG_FIRSTHDR(&msg) =
			(struct cmsghdr){CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n * sizeof(int));
	}
	if (more == 254)
		iov.iov_len = take16(in) % sizeof(r);
	if (w->fd < 0 || sendmsg(w->fd, &msg, MSG_NOSIGNAL) < 0)
		return;
	said(w, iov.iov_len, false);
	if (asked || !w->asked)
		return;
	w->op = r.op;
	w->port = r.endpoint.port;
	w->what = what_is(&r, iov.iov_len == sizeof(r) && n, which % SHOWN_MAX);
}

/* What the contract of control.h allows to be said, when. */
static void check_reply(struct wire *w, const struct control_reply *r, ssize_t n)
{
	check(w->showed && w->right);
	if (!w->welcome) {
		check(n == 1);
		w->welcome = true;
		return;
	}
	check(w->asked && n == sizeof(*r) && r->size == sizeof(*r) && !w->replies++);
	check(r->result > -4096 && (r->result <= 0 || w->op == CONTROL_TAKE_ERR));
	check(r->data_len <= CONTROL_DATA_MAX);
	if (r->result == -EAGAIN) /* more fds than there may be */
		return;
	check(w->what != NONSENSE || w->op == CONTROL_INHERIT || r->result == -EINVAL);
	if (w->what == NONSENSE || w->op == CONTROL_CHECK || w->op == CONTROL_INHERIT)
		return;
	check(w->what != FOR_NOBODY || r->result == -ESRCH);
	check(w->what != FOR_ONE_OF_OURS || undone || w->op == CONTROL_MADE ||
	      r->result != -ESRCH);
	check(r->result != 0 || !memcmp(r->stack, st.id, sizeof(st.id)));
	check(w->op != CONTROL_BIND || trusting || w->port == 0 || w->port >= IPPORT_RESERVED ||
	      r->result == -EACCES || r->result == -ESRCH);
}

static void listen_to(struct wire *w)
{
	struct control_reply r;
	ssize_t n;

	while (w->fd >= 0 && (n = recv(w->fd, &r, sizeof(r), MSG_DONTWAIT)) > 0)
		check_reply(w, &r, n);
}

static unsigned clients(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		n += st.control.client[i].fd >= 0;
	return n;
}

/* Nothing but what is known of is open afterwards. */
static void serve(void)
{
	unsigned others = open_fds() - clients() - brought_n;

	control_serve(&st);
	check(open_fds() == others + clients() + brought_n);
	for (unsigned i = 0; i < WIRES_MAX; i++)
		listen_to(&wire[i]);
}

static void step(struct input *in, const struct sockaddr_un *name, socklen_t len)
{
	uint8_t op = take8(in);
	struct wire *w = &wire[op >> 5];

	switch (op & 7) {
	case 0:
	case 1:
		knock(w, name, len);
		show_pass(w, op & 1 ? 1 : take8(in));
		break;
	case 2:
	case 3:
		ask(in, w);
		break;
	case 4: /* anew, with the pass, and at once */
		if (w->fd >= 0)
			close(w->fd);
		w->fd = -1;
		knock(w, name, len);
		show_pass(w, 1);
		serve();
		ask(in, w);
		break;
	case 5:
		if (w->fd >= 0)
			close(w->fd);
		w->fd = -1;
		break;
	case 6: /* a crowd */
		for (unsigned i = 0; op == 0xfe && i < WIRES_MAX; i++)
			knock(&wire[i], name, len);
		break;
	default:
		break;
	}
	serve();
}

static void set_up(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	unshare(CLONE_NEWNET); /* where nobody else has our names, if that may be */
	fake_reset();
	fake.mine = true;
	memcpy(st.id, driver_stack_id(), sizeof(st.id));
	memcpy(st.token, "a token of 16 by", sizeof(st.token));
	st.pass = PASS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	uint8_t how = take8(&in);
	unsigned before;
	socklen_t len;

	set_up();
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
	      (socklen_t)snprintf(name.sun_path + 1, 40, "fuzz_control %d", getpid());
	trusting = how & 2;
	before = open_fds();
	open_sockets(how);
	check(control_open(&st.control, &name, len) == 0);
	for (unsigned i = 0; i < WIRES_MAX; i++)
		wire[i].fd = -1;
	for (unsigned n = 0; in.left && n < STEPS_MAX - 2; n++)
		step(&in, &name, len);
	serve();
	for (unsigned i = 0; i < WIRES_MAX; i++)
		if (wire[i].fd >= 0)
			close(wire[i].fd);
	control_close(&st.control);
	close_sockets();
	check(open_fds() == before);
	return 0;
}
