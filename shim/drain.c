/* drain.c - owns the end: what the program wrote before exiting shall arrive.
 *
 * Progress is what a willing peer alone can cause: received data, acknowledged
 * data, the end of a connection. Answers to probes are none, or a peer with a
 * closed window could hold the program for ever.
 */
#include "stack.h"

#include "conn.h"
#include "listener.h"

static bool bytes_left(const struct stack *st)
{
	const struct conn *c;

	for (c = st->conns; c; c = c->next)
		if (conn_unsent(c))
			return true;
	return false;
}

static bool progress(const struct engine_stats *was, const struct engine_stats *is)
{
	return is->bytes_in != was->bytes_in || is->bytes_acked != was->bytes_acked ||
	       is->lingering != was->lingering || is->connections != was->connections;
}

void drain_start(struct stack *st, struct command *c)
{
	struct conn *conn, *next;
	struct listener *l, *next_l;

	st->drain.waiting = c;
	st->drain.progress_us = st->now_us;
	st->drain.seen = *engine_stats(st->engine);
	/* An end of file from now on is a close: nobody here holds an app end. */
	for (conn = st->conns; conn; conn = next) {
		next = conn->next;
		conn_process_closed(conn);
	}
	for (l = st->listeners; l; l = next_l) {
		next_l = l->next;
		stack_closed(st, l->s);
	}
}

/* Once everything of ours has arrived only the peers' FINs are missing: good to
 * have, so that it is us who acknowledge them, but not worth a long wait. */
#define FIN_WAIT_MS 1000

uint64_t drain_deadline_us(const struct stack *st)
{
	const struct engine_stats *now = engine_stats(st->engine);
	uint32_t ms = st->cfg.linger_ms;

	if (!bytes_left(st) && now->lingering == now->fin_wait_2 && ms > FIN_WAIT_MS)
		ms = FIN_WAIT_MS;
	return st->drain.progress_us + ms * (uint64_t)1000;
}

void drain_check(struct stack *st)
{
	const struct engine_stats *now = engine_stats(st->engine);

	if (progress(&st->drain.seen, now))
		st->drain.progress_us = st->now_us;
	st->drain.seen = *now;
	if ((now->lingering || bytes_left(st)) &&
	    st->now_us < drain_deadline_us(st))
		return;
	command_done(st->drain.waiting, 0);
	st->drain.waiting = NULL;
	loop_stop(st->loop);
}
