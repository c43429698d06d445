/* leave.c - owns the decision what becomes of a stack whose process leaves it.
 *
 * While the process waits for itself ("drains"), progress is what a willing peer
 * alone can cause: received data, acknowledged data, the end of a connection.
 * Answers to probes are none, or a peer with a closed window could hold the
 * program for ever.
 */
#include "stack.h"

#include <string.h>

#include "background.h"
#include "conn.h"
#include "keeper.h"
#include "listener.h"

/* On a short path the last segments are worth this wait: then there is nothing to
 * hand over but TIME-WAIT, or nothing at all. */
#define LAST_SEGMENTS_MS 5
/* Once everything of ours has arrived only the peers' FINs are missing: good to
 * have, so that it is us who acknowledge them, but not worth a long wait. */
#define FIN_WAIT_MS 1000

static bool needed(const struct stack *st)
{
	const struct engine_stats *now = engine_stats(st->engine);

	return st->ports.busy.first || now->lingering || now->time_wait;
}

static bool closing(const struct stack *st)
{
	return !st->ports.busy.first && engine_stats(st->engine)->lingering;
}

/* ---- waiting here ---------------------------------------------------------------- */

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

static uint64_t drain_deadline_us(const struct stack *st)
{
	const struct engine_stats *now = engine_stats(st->engine);
	uint32_t ms = st->cfg.linger_ms;

	if (!bytes_left(st) && now->lingering == now->fin_wait_2 && ms > FIN_WAIT_MS)
		ms = FIN_WAIT_MS;
	return st->leave.progress_us + ms * (uint64_t)1000;
}

static bool drained(struct stack *st)
{
	const struct engine_stats *now = engine_stats(st->engine);
	struct leave *l = &st->leave;

	if (progress(&l->seen, now))
		l->progress_us = st->now_us;
	l->seen = *now;
	return !(now->lingering || bytes_left(st)) ||
	       st->now_us >= drain_deadline_us(st);
}

static void drain_start(struct stack *st)
{
	st->leave.drains = true;
	st->leave.progress_us = st->now_us;
	st->leave.seen = *engine_stats(st->engine);
}

/* ---- what to do ------------------------------------------------------------------ */

/* An end of file from now on is a close: this process holds no app end. */
static void app_ends_are_others(struct stack *st)
{
	struct conn *conn, *next;
	struct listener *l, *next_l;

	for (conn = st->conns; conn; conn = next) {
		next = conn->next;
		conn_process_closed(conn);
	}
	for (l = st->listeners; l; l = next_l) {
		next_l = l->next;
		stack_closed(st, l->s);
	}
}

void leave_start(struct stack *st, struct command *c, enum leave_why why)
{
	struct leave *l = &st->leave;
	bool on_stderr = strcmp(st->cfg.trace, "-") == 0;

	*l = (struct leave){.waiting = c, .why = why, .begin_us = st->now_us,
			    .possible = st->cfg.handover};
	if (why != LEAVE_EXIT)
		return;
	app_ends_are_others(st);
	if (!l->possible || on_stderr)
		drain_start(st);
}

/* The driver goes on as it was. */
static void stay(struct stack *st)
{
	struct command *c = st->leave.waiting;

	if (st->leave.why == LEAVE_EXEC && !needed(st))
		watcher_forget(st); /* of an exec(), nothing is to be left behind */

	st->leave.waiting = NULL;
	command_done(c, 1);
}

static void hand_over_or_end(struct stack *st)
{
	struct leave *l = &st->leave;
	bool need = needed(st) && !(l->possible && keeper_takes_over(st));

	l->hand_over = need && l->possible;
	if (l->hand_over || l->why == LEAVE_EXIT || (l->why == LEAVE_ALONE && !need))
		loop_stop(st->loop);
	else
		stay(st);
}

/* As long as others hold its sockets they are served: who stops a service stops them,
 * too. The rest is for peers, and has its time. */
static bool has_drained(struct stack *st)
{
	if (!background_told_to_end() || st->ports.busy.first)
		return false;
	if (!st->leave.drains)
		drain_start(st);
	return drained(st);
}

void leave_check(struct stack *st)
{
	struct leave *l = &st->leave;

	if (st->background && (!needed(st) || has_drained(st) || keeper_relieves(st)))
		loop_stop(st->loop);
	if (!l->waiting)
		return;
	if (l->drains) {
		if (!drained(st))
			return;
	} else if (closing(st) && st->now_us < l->begin_us + LAST_SEGMENTS_MS * 1000) {
		return;
	}
	hand_over_or_end(st);
}

uint64_t leave_deadline_us(const struct stack *st)
{
	if (st->leave.drains)
		return drain_deadline_us(st);
	if (!st->leave.waiting)
		return keeper_deadline_us(st);
	return st->leave.begin_us + LAST_SEGMENTS_MS * 1000;
}

void leave_stays(struct stack *st)
{
	st->leave.possible = false;
	if (st->leave.why == LEAVE_EXIT)
		drain_start(st);
	else
		stay(st);
}

void leave_done(struct stack *st)
{
	st->leave.waiting = NULL;
	st->leave.drains = false;
	st->background = true;
	app_ends_are_others(st);
	keeper_open(st);
}
