/* doors.c - owns the doors of a stack (control.h): one for each port that it has sockets at.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "pass.h"
#include "sockcall.h"
#include "stack.h"
#include "stranger.h"

#define DOOR_PATIENCE_MS 100
#define NAP_US 1000

/* 0: who has the name is one whom we trust. Anybody can take it: it is no secret.
 * -ECONNREFUSED: nobody listens there. Others: one who has no room for us in so long lets
 * nobody in. */
static int knock(const struct sockaddr_un *name, socklen_t len)
{
	const struct timeval patience = {.tv_usec = DOOR_PATIENCE_MS * 1000};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return 0;
	pass_no_fds(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (const struct sockaddr *)name, len) != 0)
		err = -errno;
	else if (!sock_peer_is_trusted(fd, -1))
		err = -EPERM;
	stranger_close(fd);
	return err;
}

/* An fd, -EALREADY or another negative errno. Who has just bound the name is about to
 * listen: he is waited for, or else two stacks would answer at one port. */
static int open_at(struct control *c, const struct sockaddr_un *name, socklen_t len)
{
	int naps = DOOR_PATIENCE_MS * 1000 / NAP_US, fd, err;

	while ((fd = control_hear_at(c, name, len)) == -EADDRINUSE) {
		err = knock(name, len);
		if (!err)
			return -EALREADY;
		if (err != -ECONNREFUSED || !naps--)
			break;
		usleep(NAP_US);
	}
	return fd;
}

struct control_door *control_find_door(const struct stack *st, uint16_t port)
{
	struct control_door *d = st->control.doors;

	while (d && d->port != port)
		d = d->next;
	return d;
}

static int new_door(struct stack *st, uint16_t port, int fd, struct control_door **out)
{
	struct control_door *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct control_door){.next = st->control.doors, .port = port, .refs = 1, .fd = fd};
	st->control.doors = *out = d;
	return 0;
}

int control_take_door(struct stack *st, uint16_t port, int fd, struct control_door **out)
{
	int err = control_find_door(st, port) ? -EEXIST : control_hear(&st->control, fd);

	return err ? err : new_door(st, port, fd, out);
}

int control_open_door(struct stack *st, uint16_t port, struct control_door **out)
{
	struct control_door *d = control_find_door(st, port);
	struct sockaddr_un name;
	socklen_t len = name_port(port, &name);
	int fd, err;

	if (d) {
		d->refs++;
		*out = d;
		return 0;
	}
	fd = open_at(&st->control, &name, len);
	if (fd < 0)
		return fd;
	err = new_door(st, port, fd, out);
	if (err)
		close(fd);
	return err;
}

void control_close_door(struct stack *st, struct control_door *d)
{
	struct control_door **at = &st->control.doors;

	if (!d || --d->refs)
		return;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	control_unhear(&st->control, &d->fd);
	free(d);
}
