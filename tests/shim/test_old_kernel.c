/* test_old_kernel.c - a real driver to which strangers can send what lingers. */
#include "wire.h"

#include <semaphore.h>

#include "../../shim/sockcall.h"
#include "lingering.h"
#include "old_kernel.h"

static int knock_at(int type, const struct sockaddr_un *sun, socklen_t len)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_return_code(connect(fd, (const struct sockaddr *)sun, len), errno);
	return fd;
}

/* Requests are answered, the second after whatever the driver had to do. */
static void assert_answers(const struct app *l)
{
	const struct control_request req = {.op = CONTROL_STATUS};

	assert_int_equal(result_of(req, l->fd), 0);
	assert_int_equal(result_of(req, l->fd), 0);
}

static sem_t go;

static void run_pause(struct stack *st, struct command *c)
{
	(void)st;
	command_done(c, 0);
	while (sem_wait(&go) != 0)
		;
}

/* What is sent meanwhile, and closed here, is the driver's alone when it goes on. */
static void driver_stops(void)
{
	assert_int_equal(call(&(struct call){0}, run_pause), 0);
}

static void driver_goes_on(void)
{
	assert_int_equal(sem_post(&go), 0);
}

/* A listener, for requests about it, and how many fds the driver has with it. */
static struct app begin(uint16_t port, int *fds)
{
	struct app l = app_listen(port, 5, false);

	alarm(LINGER_S / 4);
	assert_answers(&l);
	nap_ms(50); /* it closes after the answer */
	*fds = driver_fds();
	return l;
}

static void end(struct app *l, int fds)
{
	await_driver_fds(fds);
	app_close(l);
	alarm(0);
}

/* In what the client says first, and in what follows. */
static void at_the_control_socket(void **state)
{
	uint64_t pass = driver_pass();
	int fds, i;
	struct app l = begin(24000, &fds);

	(void)state;
	for (i = 0; i < 4; i++) {
		struct lingering t = make_lingering();
		int at;

		driver_stops();
		at = knock_as_stranger();
		if (i == 1)
			assert_int_equal(send(at, &pass, sizeof(pass), MSG_NOSIGNAL), 8);
		send_with(at, t.fd, i == 2 ? sizeof(pass) : i == 3 ? 0 : 5, MSG_NOSIGNAL);
		driver_goes_on();
		assert_answers(&l);
		close(at);
		assert_answers(&l);
		forget_lingering(&t);
	}
	end(&l, fds);
}

/* They have the pass; what they send is no app end, or too much. */
static void from_one_who_is_welcome(void **state)
{
	struct control_request req = {.size = sizeof(req), .op = CONTROL_STATUS};
	int fds, i;
	struct app l = begin(24001, &fds);

	(void)state;
	for (i = 0; i < 4; i++) {
		struct lingering t = make_lingering();
		int sent[4] = {l.fd, l.fd, l.fd, l.fd}, at = knock();

		sent[i] = t.fd;
		driver_stops();
		say_raw(at, &req, sizeof(req), sent, 4);
		close(t.fd);
		driver_goes_on();
		assert_answers(&l);
		close(at);
		forget_lingering(&t);
	}
	end(&l, fds);
}

static void at_the_drivers_listener(void **state)
{
	struct lingering t = make_lingering();
	int status, fds;
	struct app l = begin(24002, &fds);
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);
	pid_t child;

	(void)state;
	driver_stops();
	child = fork(); /* of this process he would be let in */
	if (child == 0) {
		send_with(knock_at(SOCK_STREAM, &sun, len), t.fd, 5, MSG_NOSIGNAL);
		_exit(0);
	}
	close(t.fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	driver_goes_on();
	assert_answers(&l);
	forget_lingering(&t);
	end(&l, fds);
}

/* More than have their turn at once. */
static void nobody_is_left_at_the_drivers_listener(void **state)
{
	int status, fds, i;
	struct app l = begin(24005, &fds);
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);
	struct pollfd p[100];
	int ready[2];
	pid_t child;

	(void)state;
	assert_return_code(pipe(ready), errno);
	driver_stops();
	child = fork();
	if (child == 0) {
		for (i = 0; i < 100; i++)
			p[i].fd = knock_at(SOCK_STREAM, &sun, len);
		close(ready[1]);
		for (i = 0; i < 100 && poll(&p[i], 1, PATIENCE_MS) == 1; i++)
			;
		_exit(i != 100);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &i, 1), 0);
	close(ready[0]);
	driver_goes_on();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	end(&l, fds);
}

/* Among those who wait when it is closed, too. */
static void at_a_door(void **state)
{
	struct endpoint local = loopback(24004);
	struct sockaddr_un sun;
	socklen_t len = name_port(24004, &sun);
	int at, fds, i;
	struct app l = begin(24003, &fds);

	(void)state;
	for (i = 0; i < 2; i++) {
		struct lingering t = make_lingering();
		struct app door = app_socket();

		door.s->opts.reuseport = true;
		assert_int_equal(driver_bind(door.s, &local), 0);
		driver_stops();
		at = knock_at(SOCK_SEQPACKET, &sun, len);
		send_with(at, t.fd, 5, MSG_NOSIGNAL);
		driver_goes_on();
		if (i == 0)
			assert_answers(&l);
		app_close(&door);
		assert_answers(&l);
		close(at);
		forget_lingering(&t);
	}
	end(&l, fds);
}

/* accept() in the program. */
static void at_the_programs_listener(void **state)
{
	int fds, at, i;
	struct app l = begin(24006, &fds);

	(void)state;
	fcntl(l.fd, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 2; i++) {
		struct lingering t = make_lingering();

		at = knock_at(SOCK_STREAM, &l.s->name, l.s->name_len);
		send_with(at, t.fd, 5, MSG_NOSIGNAL);
		assert_int_equal(sock_accept(l.s, l.fd, NULL, NULL, 0), -EAGAIN);
		close(at);
		forget_lingering(&t);
	}
	end(&l, fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_control_socket),
		cmocka_unit_test(from_one_who_is_welcome),
		cmocka_unit_test(at_the_drivers_listener),
		cmocka_unit_test(nobody_is_left_at_the_drivers_listener),
		cmocka_unit_test(at_a_door),
		cmocka_unit_test(at_the_programs_listener),
	};

	if (old_kernel() != 0)
		return 1;
	return cmocka_run_group_tests(tests, new_network, stop_driver);
}
