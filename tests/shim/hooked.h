/* hooked.h - for tests of the hooks and what is behind them, up to the driver:
 * the test's own calls are hooked, as the hooks are part of it; the driver is a
 * fake. Errnos are those that the kernel's TCP gives.
 */
#ifndef TEST_SHIM_HOOKED_H
#define TEST_SHIM_HOOKED_H

#include "../../shim/hooks_io.c"

#include "../../shim/hooks.c"
#include "../../shim/hooks_fd.c"
#include "../../shim/hooks_mmsg.c"
#include "../../shim/hooks_sys.c"
#include "../../shim/init.c"
/* This sanitizer asks for limits before it is ready for anybody's code. */
#ifndef __SANITIZE_ADDRESS__
#include "../../shim/hooks_limit.c"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shim/command.h"
#include "../../shim/pair.h"
#include "fake_driver.h"

#define assert_fails(call, err) \
	do { \
		errno = 0; \
		assert_int_equal(call, -1); \
		assert_int_equal(errno, err); \
	} while (0)

static volatile sig_atomic_t sigpipes;

static inline void count_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static inline struct sockaddr_in v4(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline int try_connect(int fd, uint16_t port)
{
	struct sockaddr_in to = v4(port);

	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static inline int setup(void **state)
{
	struct sigaction act = {.sa_handler = count_sigpipe};

	(void)state;
	fake_reset();
	sigpipes = 0;
	return sigaction(SIGPIPE, &act, NULL);
}

static inline int nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	return fd;
}

/* A connected socket; its engine end is fake.engine_end. */
static inline int connected(struct sock **s)
{
	int fd = nonblocking();

	*s = fdtab_peek(fd);
	assert_fails(try_connect(fd, 80), EINPROGRESS);
	fake_established(*s, fake.engine_end);
	assert_int_equal(try_connect(fd, 80), 0);
	return fd;
}

static inline int listening(struct sock **s)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = v4(8080);

	*s = fdtab_peek(fd);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

#endif
