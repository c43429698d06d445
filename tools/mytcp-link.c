/* mytcp-link.c - a link between two network namespaces that is as slow, long and
 * lossy as it is told to be.
 *
 * Owns a TUN device at either end, a lane (link/lane.h) for either direction, and
 * a libev loop that carries packets from device to lane to device. What a lane
 * does is a function of packets and time; here is all that touches the system.
 *
 * libev's own timers round up to milliseconds, so the next arrival is waited for
 * with a timerfd. The process asks to be served first (nice): a link that is late
 * is a different link. How late it was is among the counters.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "link/device.h"
#include "link/ip.h"
#include "link/report.h"

enum {
	EXIT_PROBLEM = 1, EXIT_NOT_EXECUTABLE = 126, EXIT_NO_PROGRAM = 127,
	EXIT_SIGNALLED = 128,
	READS_MAX = 64, /* of one device before everybody else gets a turn */
	PACKET_MAX_BYTES = 65536,
	LINK_NICE = -15,
};

struct link_end {
	struct link *link;
	int side, fd;
	ev_io readable;
	struct lane lane; /* what enters here */
};

struct link {
	struct ev_loop *loop;
	struct options options;
	struct link_end end[2];
	int timer_fd;
	ev_io due;
	uint64_t armed_ns; /* LANE_NEVER: not */
	ev_signal interrupt, terminate, hangup;
	ev_child child;
	pid_t command;
	int status; /* our own exit status */
	uint8_t packet[PACKET_MAX_BYTES];
};

__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("mytcp-link: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(EXIT_PROBLEM);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- packets ------------------------------------------------------------- */

/* A write fails when the device is down; that packet is lost, as it should be. */
static void write_packet(int fd, const uint8_t *data, size_t len_bytes)
{
	ssize_t n;

	do {
		n = write(fd, data, len_bytes);
	} while (n < 0 && errno == EINTR);
}

static void deliver(struct link *link)
{
	struct lane_packet *k;

	for (int side = SIDE_A; side <= SIDE_B; side++)
		while ((k = lane_take(&link->end[side].lane, now_ns()))) {
			write_packet(link->end[!side].fd, k->data, k->len_bytes);
			free(k);
		}
}

static void arm(struct link *link)
{
	uint64_t a_ns = lane_next_ns(&link->end[SIDE_A].lane);
	uint64_t b_ns = lane_next_ns(&link->end[SIDE_B].lane);
	uint64_t at_ns = a_ns < b_ns ? a_ns : b_ns;
	struct itimerspec at = {0};

	if (at_ns == link->armed_ns)
		return;
	link->armed_ns = at_ns;
	if (at_ns != LANE_NEVER) {
		at.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
		at.it_value.tv_nsec = (long)(at_ns % 1000000000u);
	}
	if (timerfd_settime(link->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		fail("timerfd_settime: %s", strerror(errno));
}

static void too_big(struct link_end *end, const uint8_t *packet, size_t len_bytes)
{
	uint8_t answer[IP_TOO_BIG_MAX_BYTES];
	size_t n = 0;

	if (end->link->options.icmp[end->side])
		n = ip_too_big(answer, packet, len_bytes, end->lane.p.mtu_bytes);
	if (n)
		write_packet(end->fd, answer, n);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct link_end *end = w->data;
	struct link *link = end->link;

	(void)loop;
	(void)events;
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = read(end->fd, link->packet, sizeof(link->packet));

		if (n <= 0)
			break;
		if (lane_put(&end->lane, link->packet, (size_t)n, now_ns()) == LANE_TOO_BIG)
			too_big(end, link->packet, (size_t)n);
	}
	deliver(link);
	arm(link);
}

static void on_due(struct ev_loop *loop, ev_io *w, int events)
{
	struct link *link = w->data;
	uint64_t expirations;

	(void)loop;
	(void)events;
	if (read(link->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		fail("timerfd: %s", strerror(errno));
	link->armed_ns = 0;
	deliver(link);
	arm(link);
}

/* ---- the command and the end --------------------------------------------- */

/* With a command, it is the one to end, and we with it. */
static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct link *link = w->data;

	(void)events;
	if (link->command > 0)
		kill(link->command, w->signum);
	else
		ev_break(loop, EVBREAK_ALL);
}

static void on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct link *link = w->data;

	(void)events;
	link->command = 0;
	link->status = WIFEXITED(w->rstatus) ? WEXITSTATUS(w->rstatus)
					     : EXIT_SIGNALLED + WTERMSIG(w->rstatus);
	ev_break(loop, EVBREAK_ALL);
}

static void watch_signal(struct link *link, ev_signal *w, int signum)
{
	ev_signal_init(w, on_signal, signum);
	w->data = link;
	ev_signal_start(link->loop, w);
}

__attribute__((noreturn))
static void become(char **argv, int nice_before, const sigset_t *mask)
{
	setpriority(PRIO_PROCESS, 0, nice_before);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "mytcp-link: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_NOT_EXECUTABLE);
}

/* Signals wait meanwhile: in the child, our handlers would swallow them. */
static void start_command(struct link *link, int nice_before)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	link->command = fork();
	if (link->command < 0)
		fail("cannot fork: %s", strerror(errno));
	if (link->command == 0)
		become(link->options.command, nice_before, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ev_child_init(&link->child, on_child, link->command, 0);
	link->child.data = link;
	ev_child_start(link->loop, &link->child);
}

static void write_report(struct link *link, FILE *f, double seconds)
{
	const struct options *o = &link->options;
	struct report r = {.seed = o->seed, .seconds = seconds};

	for (int side = SIDE_A; side <= SIDE_B; side++) {
		r.lane[side] = &link->end[side].lane;
		r.overruns[side] = device_overruns(&o->end[side], o->device);
	}
	if (o->json)
		report_json(f, &r);
	else
		report_text(f, &r);
	if (fflush(f) || ferror(f))
		fail("cannot write the counters: %s", strerror(errno));
}

/* ---- setting up ---------------------------------------------------------- */

static void open_end(struct link *link, int side)
{
	struct link_end *end = &link->end[side];
	const struct options *o = &link->options;
	char why[WHY_MAX];

	end->link = link;
	end->side = side;
	lane_init(&end->lane, &o->lane[side], o->seed, (uint64_t)side);
	end->fd = device_open(&o->end[side], o->device, o->device_mtu_bytes, why);
	if (end->fd < 0)
		fail("%s", why);
	ev_io_init(&end->readable, on_readable, end->fd, EV_READ);
	end->readable.data = end;
	ev_io_start(link->loop, &end->readable);
}

static void open_link(struct link *link)
{
	link->loop = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL);
	if (!link->loop)
		fail("cannot make an event loop");
	open_end(link, SIDE_A);
	open_end(link, SIDE_B);
	link->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (link->timer_fd < 0)
		fail("timerfd_create: %s", strerror(errno));
	link->armed_ns = LANE_NEVER;
	ev_io_init(&link->due, on_due, link->timer_fd, EV_READ);
	link->due.data = link;
	ev_io_start(link->loop, &link->due);
	watch_signal(link, &link->interrupt, SIGINT);
	watch_signal(link, &link->terminate, SIGTERM);
	watch_signal(link, &link->hangup, SIGHUP);
}

static void close_link(struct link *link)
{
	for (int side = SIDE_A; side <= SIDE_B; side++) {
		close(link->end[side].fd);
		lane_free(&link->end[side].lane);
	}
	close(link->timer_fd);
	ev_loop_destroy(link->loop);
}

/* Now, while it can still be refused. */
static FILE *open_report(const char *name)
{
	FILE *f = name ? fopen(name, "we") : stdout;

	if (!f)
		fail("cannot write the counters to \"%s\": %s", name, strerror(errno));
	return f;
}

int main(int argc, char *argv[])
{
	static struct link link;
	char why[WHY_MAX];
	uint64_t begin_ns;
	int nice_before;
	FILE *report;

	if (!options_parse(&link.options, argc, argv, why))
		fail("%s", why);
	if (link.options.help) {
		options_help();
		return 0;
	}
	if (link.options.version) {
		printf("mytcp-link %s\n", MYTCP_VERSION);
		return 0;
	}
	report = open_report(link.options.report);
	open_link(&link);
	nice_before = getpriority(PRIO_PROCESS, 0);
	if (setpriority(PRIO_PROCESS, 0, LINK_NICE) < 0)
		errno = 0; /* then the counters show how late it was */
	begin_ns = now_ns();
	if (link.options.command)
		start_command(&link, nice_before);
	ev_run(link.loop, 0);
	write_report(&link, report, (double)(now_ns() - begin_ns) / 1e9);
	if (report != stdout)
		fclose(report);
	close_link(&link);
	return link.status;
}
