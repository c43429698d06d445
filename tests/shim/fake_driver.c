/* fake_driver.c - see fake_driver.h. */
#include "fake_driver.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../engine/addr.h"
#include "../../shim/nofile.h"

struct fake fake;
static int private_listener = -1;
static const uint8_t stack_id[16] = "a fake stack id";

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.engine_end = -1;
	config_defaults(&fake.cfg);
}

int driver_start(void)
{
	struct sockaddr_un sun;
	socklen_t len = driver_listener_name(&sun);

	if (fake.start_err)
		return fake.start_err;
	fake.mine = true;
	if (private_listener >= 0)
		return 0;
	private_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(private_listener, (struct sockaddr *)&sun, len) != 0 ||
	    listen(private_listener, 16) != 0)
		return -errno;
	return 0;
}

int driver_start_as_heir(void)
{
	return driver_start();
}

int driver_inherit(const struct stack_key *key)
{
	(void)key;
	fake.inherits++;
	return 0;
}

int driver_revive(const struct stack_key *key)
{
	(void)key;
	return -ESRCH;
}

bool driver_before_drop(void)
{
	fake.drops++;
	return !fake.start_err;
}

void driver_explain(int err)
{
	(void)err;
}

bool driver_is_this_thread(void)
{
	return false;
}

bool driver_is_mine(void)
{
	return fake.mine;
}

void driver_forget(void)
{
	fake.mine = false;
}

void driver_defaults(void)
{
}

const struct config *driver_config(void)
{
	return &fake.cfg;
}

const struct stack_key *driver_parent(void)
{
	return NULL;
}

const uint8_t *driver_stack_id(void)
{
	return stack_id;
}

uint64_t driver_pass(void)
{
	return 42;
}

socklen_t driver_listener_name(struct sockaddr_un *sun)
{
	struct name n = {.kind = NAME_DRIVER};

	memcpy(n.stack, stack_id, sizeof(n.stack));
	return name_encode(&n, sun);
}

static void meanwhile(void)
{
	int fd = fake.closes;

	if (fake.signal)
		raise(fake.signal);
	fake.signal = 0;
	fake.closes = 0;
	if (fd)
		close(fd);
}

int driver_bind(struct sock *s, const struct endpoint *local)
{
	fake.binds++;
	meanwhile();
	s->local = *local;
	if (!s->local.port)
		s->local.port = 40000;
	return 0;
}

int driver_listen(struct sock *s, int backlog)
{
	(void)backlog;
	fake.listens++;
	meanwhile();
	if (fake.listen_err)
		return fake.listen_err;
	if (!s->local.port)
		s->local.port = 40001;
	atomic_store(&s->state, SOCK_LISTENING);
	return 0;
}

int driver_let_in(void)
{
	int fd;

	fake.let_in++;
	while ((fd = accept4(private_listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		close(fd);
	return 0;
}

int driver_connect(struct sock *s, const struct endpoint *remote)
{
	int n = 0;

	fake.connects++;
	meanwhile();
	fake.remote = *remote;
	fake.engine_end = accept(private_listener, NULL, NULL);
	ioctl(fake.engine_end, FIONREAD, &n);
	fake.filler = n;
	if (fake.connect_err) {
		close(fake.engine_end);
		atomic_store(&s->state, SOCK_FAILED);
		return fake.connect_err;
	}
	s->remote = *remote;
	s->local.addr = addr_from_v4(&(struct in_addr){htonl(INADDR_LOOPBACK)});
	s->local.port = 40002;
	atomic_store(&s->state, SOCK_CONNECTING);
	return 0;
}

void driver_accept_kick(struct sock *listener)
{
	(void)listener;
	fake.kicks++;
}

void driver_closed(struct sock *s)
{
	(void)s;
	fake.closed++;
}

void driver_undo(struct sock *s)
{
	(void)s;
	fake.undone++;
	meanwhile();
}

void driver_set_opts(struct sock *s)
{
	(void)s;
	fake.opts++;
}

void driver_quickack(struct sock *s, bool on)
{
	(void)s;
	fake.status.quickack = on;
}

int driver_status(struct sock *s, struct tcp_status *st)
{
	(void)s;
	*st = fake.status;
	return 0;
}

void driver_user_changed(void)
{
}

void driver_refresh(void)
{
}

void driver_before_confine(void)
{
}

void driver_confine(void)
{
	fake.confined++;
}

void driver_leave(enum leave_why why)
{
	fake.left[why]++;
}

bool driver_nofile_raised(void)
{
	return fake.raised;
}

rlim_t driver_nofile_soft(void)
{
	return fake.soft;
}

void fake_established(struct sock *s, int fd)
{
	char scratch[64];

	atomic_store(&s->state, SOCK_CONNECTED);
	recv(fd, scratch, fake.filler - 1, MSG_DONTWAIT);
}

void fake_failed(struct sock *s, int fd, int err)
{
	atomic_store(&s->err, err);
	atomic_store(&s->state, SOCK_FAILED);
	close(fd);
}

void fake_died(struct sock *s, int fd, int err)
{
	atomic_store(&s->err, err);
	atomic_store(&s->state, SOCK_CLOSED);
	close(fd);
}

int fake_incoming(struct sock *listener, const struct endpoint *remote,
		  struct sock **s)
{
	return fake_incoming_from(listener, remote, s, driver_pass(), getpid());
}

int fake_incoming_from(struct sock *listener, const struct endpoint *remote,
		       struct sock **s, uint64_t pass, pid_t pid)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct name n = {.kind = NAME_ENGINE, .pass = pass, .pid = (uint32_t)pid};
	struct sockaddr_un sun;
	socklen_t len;

	*s = sock_new(listener->family);
	memcpy((*s)->stack, listener->stack, sizeof((*s)->stack));
	(*s)->local = listener->local;
	(*s)->remote = *remote;
	atomic_store(&(*s)->state, SOCK_CONNECTED);
	memcpy(n.stack, stack_id, sizeof(n.stack));
	n.sock_id = (*s)->id;
	n.flow.local = listener->local;
	n.flow.remote = *remote;
	len = name_encode(&n, &sun);
	if (bind(fd, (struct sockaddr *)&sun, len) == 0 &&
	    connect(fd, (struct sockaddr *)&listener->name, listener->name_len) == 0)
		return fd;
	close(fd);
	return -1;
}
