/* test_accept.c - what a process accepts whose listener is of another one's stack: nothing
 * but what that stack has made, however much others know.
 */
#include "wire.h"

#include "../../shim/sockcall.h"

/* An engine end of ours, as one makes it up who holds the pass: that of a connection which
 * is there, or of none. */
static int forge(const struct app *l, uint64_t sock_id, const struct endpoint *remote)
{
	struct name n = {.kind = NAME_ENGINE, .family = AF_INET, .sock_id = sock_id,
			 .pass = driver_pass(), .pid = (uint32_t)getpid()};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un sun;
	socklen_t len;

	n.flow.local = l->s->local;
	n.flow.remote = *remote;
	memcpy(n.stack, driver_stack_id(), sizeof(n.stack));
	len = name_encode(&n, &sun);
	return bind(fd, (struct sockaddr *)&sun, len) == 0 &&
	       connect(fd, (struct sockaddr *)&l->s->name, l->s->name_len) == 0;
}

/* The listener, in a process that does not have its stack. */
static struct sock *foreign(const struct app *l)
{
	struct sock *s = sock_new(AF_INET);

	memcpy(s->stack, l->s->stack, sizeof(s->stack));
	atomic_store(&s->pass, driver_pass());
	atomic_store(&s->state, SOCK_LISTENING);
	return s;
}

static int accept_next(const struct app *l, struct sock *s)
{
	kernel_connect(l->s->local.port);
	wait_for(l->fd, POLLIN);
	return sock_accept(s, l->fd, NULL, NULL, 0);
}

static bool is_accepted(const struct app *l, struct sock *s, uint64_t sock_id,
			const struct endpoint *remote)
{
	return !forge(l, sock_id, remote) || sock_accept(s, l->fd, NULL, NULL, 0) != -EAGAIN;
}

/* 0, or where it went wrong. */
static int accept_abroad(const struct app *l)
{
	const struct endpoint far = {addr_from_v4((uint8_t[]){10, 1, 2, 3}), 5555};
	struct sock *s = foreign(l);
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	pid_t owner = getppid();
	struct name n;
	int fd;

	if (is_accepted(l, s, 77, &far))
		return 1;
	fd = accept_next(l, s);
	if (fd < 0 || atomic_load(&s->maker) != owner)
		return 2;
	if (is_accepted(l, s, 78, &far))
		return 3;
	getpeername(fd, (struct sockaddr *)&sun, &len);
	if (!name_decode(&sun, len, &n) || is_accepted(l, s, n.sock_id, &n.flow.remote))
		return 4;
	return accept_next(l, s) < 0 ? 5 : 0; /* of whom it is known by now */
}

static void abroad(uid_t uid)
{
	struct app l = app_listen(25000, 5, true);
	int status;
	pid_t child;

	fcntl(l.fd, F_SETFL, O_NONBLOCK);
	child = fork();
	if (child == 0)
		_exit(setuid(uid) != 0 ? 9 : accept_abroad(&l));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(status, 0);
	app_close(&l);
}

static void only_what_the_stack_has_made(void **state)
{
	(void)state;
	abroad(0);
	abroad(65534);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_stack_has_made),
	};

	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
