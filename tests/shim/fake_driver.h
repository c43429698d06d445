/* fake_driver.h - driver.h without a driver: the test is the network.
 *
 * Commands are carried out in the caller's thread and noted; what TCP would do
 * next happens when the test says so.
 */
#ifndef MYTCP_FAKE_DRIVER_H
#define MYTCP_FAKE_DRIVER_H

#include <sys/resource.h>

#include "../../shim/driver.h"

extern struct fake {
	int start_err, connect_err, listen_err; /* what these commands answer */
	int engine_end;          /* of the last driver_connect(), without its filler
				    but for one byte */
	unsigned connects, let_in, listens, binds, closed, undone, kicks, opts, drops;
	unsigned inherits;
	unsigned left[LEAVE_ALONE + 1], confined;
	int signal;              /* raised in the middle of these, if any */
	int closes;              /* closed in the middle, as by another thread; 0: none */
	unsigned filler;         /* bytes that were in the pair */
	struct endpoint remote;  /* of the last driver_connect() */
	struct tcp_status status;
	struct config cfg;       /* driver_config() */
	bool mine;               /* driver_is_mine() */
	bool raised;             /* driver_nofile_raised() */
	rlim_t soft;
} fake;

void fake_reset(void);
/* TCP's events for s, whose engine end is fd. */
void fake_established(struct sock *s, int fd);
void fake_failed(struct sock *s, int fd, int err);  /* before that */
void fake_died(struct sock *s, int fd, int err);    /* after that */
/* A connection from remote for a listener; returns its engine end. */
int fake_incoming(struct sock *listener, const struct endpoint *remote,
		  struct sock **s);
/* The same, signed with this pass, and as if the process pid had connected it. */
int fake_incoming_from(struct sock *listener, const struct endpoint *remote,
		       struct sock **s, uint64_t pass, pid_t pid);

#endif
