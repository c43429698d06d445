/* test_estate.c - listeners that go from stack to stack: the test is the heir of a real driver,
 * and then the stack that a real driver inherits from.
 */
#include "wire.h"

#include <linux/filter.h>

#include "../../shim/heir.h"
#include "../../shim/legacy.h"
#include "../../shim/pass.h"
#include "../../shim/sockcall.h"

#define FDS_SENT_MAX (HEIR_FDS_MAX + 10)

static struct sockaddr_un control_name(const uint8_t id[16], uint64_t pass, socklen_t *len)
{
	struct name n = {.kind = NAME_CONTROL, .pass = pass};
	struct sockaddr_un sun;

	memcpy(n.stack, id, sizeof(n.stack));
	*len = name_encode(&n, &sun);
	return sun;
}

static void be_patient(int fd)
{
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* ---- the test is the heir ------------------------------------------------------------- */

/* What the stack says to one who wants to be its heir; *at: the connection. */
static int knock_as_heir(int *at)
{
	struct control_request req = {.size = sizeof(req), .op = CONTROL_INHERIT, .arg = 1};
	struct control_reply r = {.result = -EPROTO};
	uint64_t pass = driver_pass();
	socklen_t len;
	struct sockaddr_un sun = control_name(driver_stack_id(), pass, &len);
	char welcome;

	*at = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	be_patient(*at);
	if (connect(*at, (struct sockaddr *)&sun, len) != 0 ||
	    send(*at, &pass, sizeof(pass), MSG_NOSIGNAL) != sizeof(pass) ||
	    recv(*at, &welcome, 1, 0) != 1 ||
	    send(*at, &req, sizeof(req), MSG_NOSIGNAL) != sizeof(req) ||
	    recv(*at, &r, sizeof(r), 0) != sizeof(r))
		return -EPROTO;
	return r.result;
}

struct background {
	struct command c; /* first */
	bool on;
};

static void run_background(struct stack *st, struct command *c)
{
	st->background = ((struct background *)c)->on;
	command_done(c, 0);
}

static void background(bool on)
{
	struct background b = {.c.run = run_background, .on = on};

	assert_int_equal(driver_command(&b.c), 0);
}

/* The offer; its fds. */
static size_t hear_offer(int at, struct heir_offer *o, int fds[HEIR_FDS_MAX])
{
	char ctl[CMSG_SPACE(HEIR_FDS_MAX * sizeof(int))];
	struct iovec iov = {.iov_base = o, .iov_len = sizeof(*o)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c;
	size_t n;

	assert_int_equal(recvmsg(at, &msg, MSG_CMSG_CLOEXEC), sizeof(*o));
	c = CMSG_FIRSTHDR(&msg);
	assert_non_null(c);
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	assert_int_equal(o->size, sizeof(*o));
	assert_int_equal(n, o->keys + o->guards + o->doors);
	return n;
}

static void close_all(const int *fds, size_t n)
{
	while (n--)
		close(fds[n]);
}

static bool is_over(int at)
{
	char byte;

	return recv(at, &byte, 1, 0) == 0;
}

static void only_some_may_inherit(void **state)
{
	struct app l = app_listen(25000, 5, false);
	int at[LEGACY_HEIRS_MAX + 1], i, status;
	pid_t child;

	(void)state;
	for (i = 0; i <= LEGACY_HEIRS_MAX; i++)
		assert_int_equal(knock_as_heir(&at[i]), i < LEGACY_HEIRS_MAX ? 0 : -EBUSY);
	close_all(at, LEGACY_HEIRS_MAX + 1);
	for (i = 0; i < PATIENCE_MS && knock_as_heir(&at[0]) != 0; i++) {
		close(at[0]);
		nap_ms(1);
	}
	assert_true(i < PATIENCE_MS);
	close(at[0]);
	child = fork();
	if (child == 0)
		_exit(setuid(65534) != 0 || knock_as_heir(&at[0]) != -EPERM);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	app_close(&l);
}

/* It takes no SYN from the offer on, and goes on when the heir ends or says nothing. */
static void an_heir_that_fails_changes_nothing(void **state)
{
	struct app l = app_listen(25001, 5, false);
	struct heir_offer o;
	int at, fds[HEIR_FDS_MAX], peer, silent;
	struct app a;
	struct name n;
	size_t got;

	(void)state;
	for (silent = 0; silent < 2; silent++) {
		assert_int_equal(knock_as_heir(&at), 0);
		background(true);
		got = hear_offer(at, &o, fds);
		assert_int_equal(o.listeners, 1);
		if (silent) {
			assert_true(is_over(at));
			assert_int_equal(send(at, "k", 1, MSG_NOSIGNAL), -1); /* too late */
		}
		background(false);
		close(at);
		close_all(fds, got);
		peer = kernel_connect(25001);
		a = app_accept(&l, &n);
		send_pattern(peer, 0, 100);
		expect_pattern(a.fd, 0, 100);
		app_close(&a);
		close(peer);
	}
	app_close(&l);
}

/* The third connection is in the driver's hands until the program accepts one. */
static void nothing_is_offered_while_a_connection_is_on_its_way(void **state)
{
	struct app l = app_listen(25004, 1, false), a[3];
	int peer[3], fds[HEIR_FDS_MAX], at, i;
	struct heir_offer o;
	struct name n;
	size_t got;
	char byte;

	(void)state;
	for (i = 0; i < 3; i++)
		peer[i] = kernel_connect(25004);
	for (i = 0; i < PATIENCE_MS && !atomic_load(&l.s->backlog_full); i++)
		nap_ms(1);
	assert_int_equal(knock_as_heir(&at), 0);
	background(true);
	nap_ms(20);
	assert_int_equal(recv(at, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	for (i = 0; i < 3; i++)
		a[i] = app_accept(&l, &n);
	got = hear_offer(at, &o, fds);
	assert_int_equal(o.listeners, 1);
	close(at);
	close_all(fds, got);
	background(false);
	for (i = 0; i < 3; i++) {
		send_pattern(peer[i], 0, 100);
		expect_pattern(a[i].fd, 0, 100);
		app_close(&a[i]);
		close(peer[i]);
	}
	app_close(&l);
}

/* Last of all: after that the driver has no control socket. */
static void an_heir_gets_all(void **state)
{
	struct app keeps = app_socket(), l = app_listen(25002, 7, false);
	struct endpoint beside = loopback(25003);
	struct heir_offer o;
	struct tcp_status status;
	int at, fds[HEIR_FDS_MAX], yes = 0;
	socklen_t len = sizeof(yes);
	struct sockaddr_un sun;
	size_t got;

	(void)state;
	assert_int_equal(driver_bind(keeps.s, &beside), 0);
	l.s->opts.tcp.keepalive = true;
	driver_set_opts(l.s);
	assert_int_equal(knock_as_heir(&at), 0);
	background(true);
	got = hear_offer(at, &o, fds);
	assert_int_equal(o.keys, 1);
	assert_int_equal(o.guards, 1);
	assert_int_equal(o.doors, 1);
	assert_int_equal(o.listeners, 1);
	assert_memory_equal(o.key[0].id, driver_stack_id(), sizeof(o.key[0].id));
	assert_true(o.key[0].pass == driver_pass());
	assert_int_equal(o.door[0], 25002);
	assert_true(o.listener[0].ino == atomic_load(&l.s->ino));
	assert_int_equal(o.listener[0].backlog, 7);
	assert_true(o.listener[0].opts.tcp.keepalive);
	assert_memory_equal(&o.listener[0].name, &l.s->name, l.s->name_len);
	assert_return_code(getsockopt(fds[1], SOL_SOCKET, SO_ACCEPTCONN, &yes, &len), errno);
	assert_true(yes);
	assert_int_equal(driver_status(l.s, &status), 0);
	assert_int_equal(send(at, "k", 1, MSG_NOSIGNAL), 1);
	assert_true(is_over(at));
	assert_int_equal(driver_status(l.s, &status), -ENOTCONN);
	background(false);
	close(at);
	/* What stays is found under another name, and under the old one only the heir. */
	sun = control_name(o.rest, driver_pass(), &len);
	at = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_return_code(connect(at, (struct sockaddr *)&sun, len), errno);
	close(at);
	close_all(fds, got);
	sun = control_name(driver_stack_id(), driver_pass(), &len);
	at = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(at, (struct sockaddr *)&sun, len), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(at);
	app_close(&l);
	app_close(&keeps);
}

/* ---- the test is the stack ------------------------------------------------------------- */

struct giver {
	struct stack_key key;
	uint8_t rest[16];
	int control, at; /* listener; connection */
	struct control_request req;
};

static void *welcome_heir(void *arg)
{
	struct control_reply r = {.size = sizeof(r)};
	struct giver *g = arg;
	uint64_t pass = 0;

	g->at = accept4(g->control, NULL, NULL, SOCK_CLOEXEC);
	be_patient(g->at);
	if (recv(g->at, &pass, sizeof(pass), 0) != sizeof(pass) || pass != g->key.pass ||
	    send(g->at, "w", 1, MSG_NOSIGNAL) != 1 ||
	    recv(g->at, &g->req, sizeof(g->req), 0) != sizeof(g->req) ||
	    send(g->at, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
		g->req.op = CONTROL_NEW;
	return NULL;
}

static void be_sought(struct giver *g)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, welcome_heir, g), 0);
	assert_int_equal(driver_inherit(&g->key), 0);
	pthread_join(thread, NULL);
	assert_int_equal(g->req.op, CONTROL_INHERIT);
	assert_int_equal(g->req.arg, 1);
}

static struct giver new_giver(char seed)
{
	struct giver g = {.key.pass = 0x1234567 + (unsigned)seed};
	struct sockaddr_un sun;
	socklen_t len;

	assert_int_equal(driver_start(), 0);
	memset(g.key.id, seed, sizeof(g.key.id));
	memset(g.key.token, seed + 1, sizeof(g.key.token));
	memset(g.rest, seed + 2, sizeof(g.rest));
	sun = control_name(g.key.id, g.key.pass, &len);
	g.control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_return_code(bind(g.control, (struct sockaddr *)&sun, len), errno);
	assert_return_code(listen(g.control, 5), errno);
	return g;
}

/* An app end that listens, of that stack's. */
static int new_app_end(const struct giver *g, uint64_t id, struct heir_listener *h)
{
	struct name n = {.kind = NAME_APP, .sock_id = id, .family = AF_INET,
			 .pass = g->key.pass};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	memcpy(n.stack, g->key.id, sizeof(n.stack));
	*h = (struct heir_listener){.family = AF_INET, .backlog = 5};
	h->name_len = name_encode(&n, &h->name);
	assert_return_code(bind(fd, (struct sockaddr *)&h->name, h->name_len), errno);
	assert_return_code(listen(fd, 5), errno);
	pass_give(fd, g->key.pass);
	assert_return_code(fstat(fd, &st), errno);
	h->ino = st.st_ino;
	return fd;
}

static int new_guard(uint16_t port)
{
	struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop_all};
	struct sockaddr_in sin = sin_of(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)),
			   errno);
	assert_return_code(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), errno);
	assert_return_code(listen(fd, 1), errno);
	return fd;
}

static struct heir_offer new_offer(const struct giver *g, const struct heir_listener *h,
				   uint16_t port)
{
	struct heir_offer o = {.size = sizeof(o), .keys = 1, .guards = 1, .listeners = 1};

	o.key[0] = g->key;
	memcpy(o.rest, g->rest, sizeof(o.rest));
	o.listener[0] = *h;
	o.listener[0].bound_to = loopback(port);
	return o;
}

/* A request under the name of that stack, which shows fd. */
static struct control_reply ask_under(const struct giver *g, int fd)
{
	struct control_request req = {.size = sizeof(req), .op = CONTROL_STATUS};
	struct control_reply r = {.result = -EPROTO};
	socklen_t len;
	struct sockaddr_un sun = control_name(g->key.id, g->key.pass, &len);
	int at = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char welcome;

	be_patient(at);
	assert_return_code(connect(at, (struct sockaddr *)&sun, len), errno);
	assert_int_equal(send(at, &g->key.pass, sizeof(g->key.pass), MSG_NOSIGNAL), 8);
	assert_int_equal(recv(at, &welcome, 1, 0), 1);
	say_raw(at, &req, sizeof(req), &fd, 1);
	assert_int_equal(recv(at, &r, sizeof(r), 0), sizeof(r));
	close(at);
	return r;
}

static void enter_fdtab(int fd, struct sock *s)
{
	bool last;

	assert_int_equal(fdtab_reserve(fd), 0);
	fdtab_swap(fd, s, &last);
}

/* The program's, as it is in a child of the one that had the stack. */
static struct sock *copy_of_listener(const struct giver *g, const struct heir_listener *h, int end)
{
	struct sock *s = sock_new(AF_INET);

	memcpy(s->stack, g->key.id, sizeof(s->stack));
	s->name = h->name;
	s->name_len = h->name_len;
	atomic_store(&s->ino, h->ino);
	atomic_store(&s->state, SOCK_LISTENING);
	enter_fdtab(end, s);
	return s;
}

static void is_closed(struct sock *s, int end)
{
	bool last;

	close(end);
	fdtab_swap(end, NULL, &last);
	driver_closed(s);
	sock_put(s);
}

/* An app end of that stack which was not given: who has it is told. */
static void what_stayed_is_elsewhere(const struct giver *g)
{
	struct name n = {.kind = NAME_APP, .sock_id = 4711, .family = AF_INET,
			 .pass = g->key.pass};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct control_reply r;
	struct sockaddr_un sun;
	socklen_t len;

	memcpy(n.stack, g->key.id, sizeof(n.stack));
	len = name_encode(&n, &sun);
	assert_return_code(bind(fd, (struct sockaddr *)&sun, len), errno);
	r = ask_under(g, fd);
	assert_int_equal(r.result, -EREMOTE);
	assert_memory_equal(r.stack, g->rest, sizeof(r.stack));
	close(fd);
}

/* Of the program's socket the driver makes its own; who asks under the old name is answered. */
static void an_offer_is_taken(void **state)
{
	struct giver g = new_giver('g');
	struct heir_listener h;
	int end = new_app_end(&g, 0x4200001, &h), guard = new_guard(25010), peer, conn;
	struct sock *s = copy_of_listener(&g, &h, end);
	struct heir_offer o = new_offer(&g, &h, 25010);
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	struct name n;
	struct control_reply r;
	char word = 0;

	(void)state;
	s->driver = s; /* as in a child's copy of its parent's memory: nothing */
	be_sought(&g);
	assert_false(sock_is_mine(s));
	o.guard[0].guard_flags = GUARD_REUSEADDR;
	say_raw(g.at, &o, sizeof(o), (int[]){g.control, guard}, 2);
	assert_int_equal(recv(g.at, &word, 1, 0), 1);
	assert_int_equal(word, 'k');
	assert_true(is_over(g.at));
	close(g.control);
	close(guard);
	assert_true(sock_is_mine(s));
	peer = kernel_connect(25010);
	wait_for(end, POLLIN);
	conn = accept4(end, (struct sockaddr *)&sun, &len, SOCK_CLOEXEC);
	assert_true(name_decode(&sun, len, &n));
	assert_memory_equal(n.stack, g.key.id, sizeof(n.stack));
	assert_true(name_is_signed(&n, g.key.pass));
	app_send_mark(conn);
	send_pattern(peer, 0, 1000);
	expect_pattern(conn, 0, 1000);
	r = ask_under(&g, end);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.state, SOCK_LISTENING);
	assert_int_equal(r.pid, getpid());
	assert_int_equal(r.local.port, 25010);
	r = ask_under(&g, conn);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.state, SOCK_CONNECTED);
	close(conn);
	close(peer);
	close(g.at);
	what_stayed_is_elsewhere(&g);
	is_closed(s, end);
}

/* The listener that only others hold lives as long as they do. What a forked process has of its
 * parent's sock is not it. */
static void what_others_hold_is_taken_too(void **state)
{
	struct giver g = new_giver('o');
	struct sock *copy = sock_new(AF_INET);
	struct heir_listener h;
	int end = new_app_end(&g, atomic_load(&copy->id), &h), guard = new_guard(25011), i;
	struct heir_offer o = new_offer(&g, &h, 25011);
	char word;

	(void)state;
	memcpy(copy->stack, g.key.id, sizeof(copy->stack));
	atomic_store(&copy->ino, h.ino);
	copy->driver = (void *)16;
	be_sought(&g);
	say_raw(g.at, &o, sizeof(o), (int[]){g.control, guard}, 2);
	assert_int_equal(recv(g.at, &word, 1, 0), 1);
	assert_int_equal(ask_under(&g, end).local.port, 25011);
	close(g.control);
	close(guard);
	close(g.at);
	close(kernel_connect(25011));
	close(end);
	for (i = 0; i < PATIENCE_MS; i++) {
		struct sockaddr_in sin = sin_of(25011);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
		bool is_free;

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		is_free = bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
		close(fd);
		if (is_free)
			break;
		nap_ms(1);
	}
	assert_true(i < PATIENCE_MS);
}

static void spoil(struct heir_offer *o, int how, size_t *len, size_t *fds)
{
	switch (how) {
	case 0: o->size--; break;
	case 1: *len -= 1; break;
	case 2: *len = 1; break;
	case 3: o->listeners = HEIR_LISTENERS_MAX + 1; break;
	case 4: o->guards = UINT32_MAX; break;
	case 5: o->keys = HEIR_KEYS_MAX + 1; break;
	case 6: o->doors = 1; break;
	case 7: *fds = 1; break;
	case 8: *fds = 0; break;
	case 9: *fds = FDS_SENT_MAX; break;
	case 10: o->listener[0].guard = 1; break;
	case 11: o->listener[0].name_len = UINT32_MAX; break;
	case 12: o->listener[0].name.sun_path[10] ^= 1; break; /* another stack's */
	case 13: o->listener[0].family = AF_UNIX; break;
	case 14: o->listener[0].ino = 0; break;
	case 15: memset(o->listener[0].cc, 'x', sizeof(o->listener[0].cc)); break;
	case 16: o->listener[0].kept.n = SOCK_KEPT_MAX + 1; break;
	}
}
#define WAYS 17

static void nonsense_is_not_taken(void **state)
{
	struct giver g = new_giver('n');
	struct heir_listener h;
	int end = new_app_end(&g, 0x4200001, &h), guard = new_guard(25012), fds[FDS_SENT_MAX], before, i;
	struct heir_offer o;
	size_t len, n;

	(void)state;
	be_sought(&g);
	nap_ms(20);
	before = driver_fds();
	for (i = 0; i < FDS_SENT_MAX; i++)
		fds[i] = i ? guard : g.control;
	for (i = 0; i < WAYS; i++) {
		o = new_offer(&g, &h, 25012);
		len = sizeof(o);
		n = 2;
		spoil(&o, i, &len, &n);
		say_raw(g.at, &o, len, fds, n);
	}
	/* The same with what is none of what it should be: not taken, and that is the end. */
	o = new_offer(&g, &h, 25012);
	say_raw(g.at, &o, sizeof(o), (int[]){g.control, end}, 2);
	assert_true(is_over(g.at));
	close(g.at);
	await_driver_fds(before - 1);
	assert_return_code(listen(guard, 1), errno);
	close(g.control);
	close(guard);
	close(end);
}

/* Nobody answers under the name of the stack: its listener comes back. */
static void a_dead_stacks_listener_is_made_anew(void **state)
{
	struct giver g = new_giver('d');
	struct heir_listener h;
	int end = new_app_end(&g, 0x4200001, &h), i, peer;
	struct sock *s = copy_of_listener(&g, &h, end);

	(void)state;
	s->bound = true;
	s->bound_to = s->local = loopback(25013);
	be_sought(&g);
	close(g.control);
	close(g.at);
	for (i = 0; i < PATIENCE_MS && !sock_is_mine(s); i++)
		nap_ms(1);
	assert_true(sock_is_mine(s));
	peer = kernel_connect(25013);
	wait_for(end, POLLIN);
	assert_int_equal(ask_under(&g, end).result, 0);
	close(peer);
	is_closed(s, end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_some_may_inherit),
		cmocka_unit_test(an_heir_that_fails_changes_nothing),
		cmocka_unit_test(nothing_is_offered_while_a_connection_is_on_its_way),
		cmocka_unit_test(an_offer_is_taken),
		cmocka_unit_test(what_others_hold_is_taken_too),
		cmocka_unit_test(nonsense_is_not_taken),
		cmocka_unit_test(a_dead_stacks_listener_is_made_anew),
		cmocka_unit_test(an_heir_gets_all),
	};

	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
