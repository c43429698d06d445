/* held.c - owns the list of sockets that others hold.
 *
 * Invariant: s->next_held is not NULL, or s is the last, exactly while s is in the
 * list, which is then referring to it.
 */
#include "held.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listener.h"

int held_app_end(const struct stack *st, const struct sock *s)
{
	struct stat known;

	if (!atomic_load(&s->ino) || fstat(st->visitors.fd, &known) != 0)
		return -EINVAL;
	return link_unix_exists(st->link, (uint32_t)atomic_load(&s->ino), (uint32_t)known.st_ino);
}

/* Accepted app ends bear the listener's address but do not hold its name. */
static bool app_end_exists(const struct stack *st, const struct sock *s)
{
	int fd = s->name_len ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	bool taken;

	if (!s->name_len)
		return false; /* it never had one */
	if (fd < 0)
		return true; /* cannot tell: asked again later */
	taken = bind(fd, (const struct sockaddr *)&s->name, s->name_len) != 0;
	close(fd);
	return taken && held_app_end(st, s) != 0;
}

static bool is_bare(const struct sock *s)
{
	const struct handle *h = s->driver;

	return !h || h->kind != HANDLE_CONN;
}

void held_look(struct stack *st, struct sock *s)
{
	if (s->held || atomic_load(&s->fds) || !s->name_len || !is_bare(s))
		return;
	s->held = true;
	s->next_held = st->held;
	st->held = sock_get(s);
	stack_upkeep_soon(st);
}

/* The last copy is closed. */
static void end(struct stack *st, struct sock *s)
{
	struct handle *h = s->driver;

	if (h && h->kind == HANDLE_LISTENER) {
		listener_stop((struct listener *)h);
	} else {
		binding_free(st, (struct binding *)h);
		s->driver = NULL;
	}
}

void held_closed(struct stack *st, struct sock *s)
{
	if (app_end_exists(st, s))
		held_look(st, s);
	else
		end(st, s);
}

bool held_check(struct stack *st)
{
	struct sock **at = &st->held, *s;
	bool ended = false;

	while ((s = *at)) {
		bool bare = is_bare(s);

		if (bare && app_end_exists(st, s)) {
			at = &s->next_held;
			continue;
		}
		*at = s->next_held;
		s->held = false;
		if (bare)
			end(st, s);
		ended |= bare;
		sock_put(s);
	}
	if (st->held)
		stack_upkeep_soon(st);
	return ended;
}

void held_free(struct stack *st)
{
	struct sock *s;

	while ((s = st->held)) {
		st->held = s->next_held;
		sock_put(s);
	}
}
