/* test_control.c - requests of other processes, good and bad ones, to a real driver.
 */
#include "wire.h"

#include <sys/prctl.h>

#include "../../shim/remote.h"

/* ---- tests --------------------------------------------------------------------------- */

static void whoever_shows_the_app_end_is_answered(void **state)
{
	struct control_request req = {.size = sizeof(req), .op = CONTROL_STATUS};
	struct app l = app_listen(23000, 5, false), c = app_connect(23000), s;
	struct control_reply r;
	struct name n;

	(void)state;
	s = app_accept(&l, &n);
	r = ask_raw(&req, sizeof(req), &l.fd, 1);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.state, SOCK_LISTENING);
	assert_int_equal(r.local.port, 23000);
	r = ask_raw(&req, sizeof(req), &s.fd, 1);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.state, SOCK_CONNECTED);
	assert_true(endpoint_eq(&r.remote, &c.s->local));
	assert_true(r.id == atomic_load(&s.s->id));
	r = ask_raw(&req, sizeof(req), &c.fd, 1);
	assert_int_equal(r.result, 0);
	assert_true(endpoint_eq(&r.local, &c.s->local));
	app_close(&c);
	app_close(&s);
	app_close(&l);
}

/* An app end of another network namespace may bear any name. */
static void names_alone_open_nothing(void **state)
{
	int l, c, fake, here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct app a = app_listen(23001, 5, false), conn = app_connect(23001), s;
	struct control_request req = {.op = CONTROL_STATUS};
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	struct name n;

	(void)state;
	s = app_accept(&a, &n);
	assert_int_equal(result_of(req, s.fd), 0);
	assert_return_code(getpeername(s.fd, (struct sockaddr *)&name, &len), errno);
	assert_return_code(unshare(CLONE_NEWNET), errno);
	/* A connection that claims to be the accepted one, and the listener. */
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	fake = socket(AF_UNIX, SOCK_STREAM, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_return_code(bind(l, (struct sockaddr *)&a.s->name, a.s->name_len), errno);
	assert_return_code(listen(l, 1), errno);
	assert_return_code(bind(c, (struct sockaddr *)&conn.s->name, conn.s->name_len), errno);
	assert_return_code(setns(here, CLONE_NEWNET), errno);
	assert_int_equal(result_of(req, l), -ESRCH);
	assert_int_equal(result_of(req, c), -ESRCH);
	assert_int_equal(result_of(req, fake), -ESRCH);
	close(l);
	close(fake);
	close(c);
	close(here);
	app_close(&conn);
	app_close(&s);
	app_close(&a);
}

/* The same with a pair, which another process has made. */
static void a_forged_pair_is_none_of_ours(void **state)
{
	struct app l = app_listen(23002, 5, false), conn = app_connect(23002), s;
	struct control_request req = {.op = CONTROL_STATUS};
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), status;
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	struct name n;
	pid_t child;

	(void)state;
	s = app_accept(&l, &n);
	atomic_store(&s.s->ino, 0); /* as if another process had accepted it */
	assert_int_equal(result_of(req, s.fd), 0);
	assert_return_code(getpeername(s.fd, (struct sockaddr *)&name, &len), errno);
	child = fork();
	if (child == 0) {
		struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "\0forged"};
		int listener, engine, app;

		if (unshare(CLONE_NEWNET) != 0)
			_exit(2);
		listener = socket(AF_UNIX, SOCK_STREAM, 0);
		engine = socket(AF_UNIX, SOCK_STREAM, 0);
		if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		    listen(listener, 1) != 0 ||
		    bind(engine, (struct sockaddr *)&name, len) != 0 ||
		    connect(engine, (struct sockaddr *)&at, sizeof(at)) != 0)
			_exit(3);
		app = accept(listener, NULL, NULL);
		if (setns(here, CLONE_NEWNET) != 0)
			_exit(4);
		_exit(result_of(req, app) != -ESRCH);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(here);
	app_close(&conn);
	app_close(&s);
	app_close(&l);
}

static void nonsense_is_refused_and_leaves_nothing(void **state)
{
	struct app l = app_listen(23003, 5, false);
	struct control_request req = {.size = sizeof(req), .op = 999};
	int fds[16], i, before;

	(void)state;
	for (i = 0; i < 16; i++)
		fds[i] = l.fd;
	assert_int_equal(result_of(req, l.fd), -EINVAL);
	nap_ms(50); /* it closes after the answer */
	before = driver_fds();
	assert_int_equal(ask_raw(&req, sizeof(req), NULL, 0).result, -EINVAL);
	assert_int_equal(ask_raw(&req, 8, fds, 1).result, -EINVAL);
	assert_int_equal(ask_raw(&req, sizeof(req), fds, 16).result, -EINVAL);
	req.op = CONTROL_STATUS;
	req.size--;
	assert_int_equal(ask_raw(&req, sizeof(req), fds, 2).result, -EINVAL);
	req.size++;
	req.data_len = CONTROL_DATA_MAX + 1;
	assert_int_equal(ask_raw(&req, sizeof(req), fds, 1).result, -EINVAL);
	req.data_len = 0;
	for (i = 0; i < 50; i++) {
		int devnull = open("/dev/null", O_RDONLY), at = knock();

		assert_int_equal(result_of(req, devnull), -ESRCH);
		close(devnull);
		say_raw(at, &req, sizeof(req), fds, 2);
		close(at); /* without waiting for the answer */
	}
	req.op = CONTROL_UNDO; /* needs a new app end */
	assert_int_equal(result_of(req, l.fd), -EBADF);
	req.op = CONTROL_IOCTL;
	req.arg = FIONREAD;
	assert_int_equal(result_of(req, l.fd), -EINVAL);
	req.op = CONTROL_GETSOCKOPT;
	req.arg = SOL_SOCKET;
	req.arg2 = SO_RCVTIMEO; /* not for the stack to know */
	assert_int_equal(result_of(req, l.fd), -EINVAL);
	req.op = CONTROL_CONNECT;
	assert_int_equal(result_of(req, l.fd), -EISCONN);
	req.op = CONTROL_NEW; /* it is somebody's */
	req.arg = AF_INET;
	assert_int_equal(result_of(req, l.fd), -ESRCH);
	await_driver_fds(before);
	app_close(&l);
}

/* Another user has nothing heard but what the pass allows; n requests are all answered
 * while so many strangers come and stay, silent or with a wrong pass. */
static void strangers_are_not_heard(void **state)
{
	struct control_request req = {.op = CONTROL_STATUS};
	struct app l = app_listen(23010, 5, false);
	int status, at, i, n = 3 * CONTROL_CLIENTS_MAX;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		if (setuid(65534) != 0)
			_exit(1);
		at = knock_as_stranger();
		if (show_pass(at, 0) || show_pass(at, driver_pass()))
			_exit(2); /* one word, and it was wrong */
		close(at);
		at = knock_as_stranger();
		if (show_pass(at, driver_pass() ^ 1))
			_exit(3);
		close(at);
		for (i = 0; i < n; i++) {
			knock_as_stranger(); /* stays */
			if (result_of(req, l.fd) != 0)
				_exit(4);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(result_of(req, l.fd), 0);
	app_close(&l);
}

/* Holds the name of this user's door, as another user; it listens or not. */
static pid_t squat(uint16_t port, bool listens)
{
	struct sockaddr_un name;
	socklen_t len = name_port(port, &name);
	int ready[2];
	pid_t child;
	char byte;

	assert_return_code(pipe(ready), errno);
	child = fork();
	if (child == 0) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

		if (setuid(65534) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
		    bind(fd, (struct sockaddr *)&name, len) != 0 ||
		    (listens && listen(fd, 0) != 0) || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void *listen_later(void *fd)
{
	nap_ms(20);
	listen(*(int *)fd, 1);
	return NULL;
}

/* Of this user, who has its name already and listens in a moment. */
static void a_door_that_is_about_to_open(void **state)
{
	struct app a = app_socket();
	struct endpoint local = loopback(23013);
	struct sockaddr_un name;
	socklen_t len = name_port(local.port, &name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pthread_t t;

	(void)state;
	assert_return_code(bind(fd, (struct sockaddr *)&name, len), errno);
	assert_int_equal(pthread_create(&t, NULL, listen_later, &fd), 0);
	a.s->opts.reuseport = true;
	assert_int_equal(driver_bind(a.s, &local), -EALREADY);
	pthread_join(t, NULL);
	close(fd);
	app_close(&a);
}

/* SO_REUSEPORT, though the door is a stranger's, who may even leave no room in it. */
static void a_strangers_door_is_no_door(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		uint16_t port = 23012 + i;
		struct endpoint local = loopback(port);
		pid_t squatter = squat(port, i == 1);
		struct app a = app_socket(), b = app_socket();
		int status;

		a.s->opts.reuseport = b.s->opts.reuseport = true;
		assert_int_equal(driver_bind(a.s, &local), 0);
		assert_int_equal(driver_bind(b.s, &local), 0);
		app_close(&a);
		app_close(&b);
		kill(squatter, SIGKILL);
		assert_int_equal(waitpid(squatter, &status, 0), squatter);
	}
}

/* Nobody can have us close what lingers. Linux 6.16. */
static void strangers_send_no_fds(void **state)
{
	struct control_request req = {.size = sizeof(req), .op = CONTROL_STATUS};
	struct name n = {.kind = NAME_DRIVER, .pass = driver_pass()};
	int on = 1, at = knock_as_stranger();
	socklen_t on_len = sizeof(on), len;
	struct app l = app_listen(23011, 5, false);
	char ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = &req, .iov_len = sizeof(req)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			     .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct sockaddr_un sun;

	(void)state;
	if (getsockopt(at, SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &on, &on_len) != 0)
		skip();
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(c), &l.fd, sizeof(int));
	assert_int_equal(sendmsg(at, &msg, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPERM);
	close(at);
	memcpy(n.stack, driver_stack_id(), sizeof(n.stack));
	len = name_encode(&n, &sun);
	at = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(at, (struct sockaddr *)&sun, len), errno);
	assert_int_equal(sendmsg(at, &msg, MSG_NOSIGNAL), -1);
	assert_true(errno == EPERM || errno == EPIPE);
	close(at);
	at = knock(); /* with the pass, they come */
	assert_int_equal(sendmsg(at, &msg, MSG_NOSIGNAL), sizeof(req));
	close(at);
	app_close(&l);
}

static void silent_clients_do_not_stop_others(void **state)
{
	struct control_request req = {.op = CONTROL_STATUS};
	struct app l = app_listen(23004, 5, false);
	int silent[3 * CONTROL_CLIENTS_MAX], before, i;

	(void)state;
	nap_ms(50);
	before = driver_fds();
	for (i = 0; i < 3 * CONTROL_CLIENTS_MAX; i++) {
		silent[i] = knock();
		assert_int_equal(result_of(req, l.fd), 0);
	}
	assert_true(driver_fds() <= before + CONTROL_CLIENTS_MAX);
	for (i = 0; i < 3 * CONTROL_CLIENTS_MAX; i++)
		close(silent[i]);
	await_driver_fds(before);
	app_close(&l);
}

/* Of another user, without the token. */
static void strangers_get_no_sockets(void **state)
{
	struct control_request req = {.op = CONTROL_NEW, .arg = AF_INET};
	struct app a = app_socket();
	int status, fd;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		if (setresuid(65534, 65534, 65534) != 0)
			_exit(2);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (result_of(req, fd) != -ESRCH)
			_exit(3);
		req.data_len = sizeof(driver.key.token);
		memcpy(req.data, driver.key.token, sizeof(driver.key.token));
		if (result_of(req, fd) != 0)
			_exit(4);
		req.op = CONTROL_BIND;
		req.endpoint = loopback(80);
		_exit(result_of(req, fd) == -EACCES ? 0 : 5);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	app_close(&a);
}

static void a_stack_that_is_gone_is_told_of(void **state)
{
	struct app l = app_listen(23005, 5, false), c = app_connect(23005);
	struct sock *s = sock_new(AF_INET);
	int v;

	(void)state;
	memset(s->stack, 0x5a, sizeof(s->stack)); /* nobody's */
	atomic_store(&s->state, SOCK_LISTENING);
	assert_true(remote_can(s));
	assert_int_equal(remote_listen(s, l.fd, 1), -ESRCH);
	assert_int_equal(atomic_load(&s->state), SOCK_LISTENING); /* it may come back */
	assert_false(remote_can(s));
	/* A connection whose pair lives is in another network namespace, perhaps. */
	atomic_store(&s->orphan, false);
	atomic_store(&s->state, SOCK_CONNECTED);
	assert_int_equal(remote_queue(s, c.fd, TIOCOUTQ, &v), -ESRCH);
	assert_int_equal(atomic_load(&s->state), SOCK_CONNECTED);
	sock_put(s);
	app_close(&c);
	app_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_shows_the_app_end_is_answered),
		cmocka_unit_test(names_alone_open_nothing),
		cmocka_unit_test(a_forged_pair_is_none_of_ours),
		cmocka_unit_test(nonsense_is_refused_and_leaves_nothing),
		cmocka_unit_test(strangers_are_not_heard),
		cmocka_unit_test(a_door_that_is_about_to_open),
		cmocka_unit_test(a_strangers_door_is_no_door),
		cmocka_unit_test(strangers_send_no_fds),
		cmocka_unit_test(silent_clients_do_not_stop_others),
		cmocka_unit_test(strangers_get_no_sockets),
		cmocka_unit_test(a_stack_that_is_gone_is_told_of),
	};

	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
