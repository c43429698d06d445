/* driver_calls.c - what the program's threads ask of the driver's, each as a command
 * (command.h). Owns nothing.
 */
#include "driver.h"

#include <errno.h>
#include <unistd.h>

#include "command.h"
#include "conn.h"
#include "listener.h"
#include "stack.h"

struct call {
	struct command c; /* first */
	struct sock *s;
	const struct endpoint *endpoint;
	struct tcp_status *status;
	const struct stack_key *key;
	int backlog;
	bool on;
};

static int call(struct call *k, void (*run)(struct stack *st, struct command *c))
{
	k->c.run = run;
	return driver_command(&k->c);
}

/* Whoever is killed as soon as the call has returned leaves somebody to go on. */
static void answer(struct stack *st, struct command *c, int err)
{
	watcher_check(st);
	command_done(c, err);
}

static void run_bind(struct stack *st, struct command *c)
{
	struct call *k = (struct call *)c;

	answer(st, c, stack_bind(st, k->s, k->endpoint));
}

static void run_listen(struct stack *st, struct command *c)
{
	struct call *k = (struct call *)c;

	answer(st, c, listener_open(st, k->s, k->backlog));
}

static void run_let_in(struct stack *st, struct command *c)
{
	conn_let_in(st);
	command_done(c, 0);
}

static void run_connect(struct stack *st, struct command *c)
{
	struct call *k = (struct call *)c;

	answer(st, c, conn_connect(st, k->s, k->endpoint));
}

static void run_accept_kick(struct stack *st, struct command *c)
{
	struct handle *h = ((struct call *)c)->s->driver;

	(void)st;
	if (h && h->kind == HANDLE_LISTENER)
		listener_pump((struct listener *)h);
	command_done(c, 0);
}

static void run_closed(struct stack *st, struct command *c)
{
	stack_closed(st, ((struct call *)c)->s);
	command_done(c, 0);
}

static void run_undo(struct stack *st, struct command *c)
{
	stack_undo(st, ((struct call *)c)->s);
	command_done(c, 0);
}

static void run_set_opts(struct stack *st, struct command *c)
{
	stack_set_opts(st, ((struct call *)c)->s);
	command_done(c, 0);
}

static void run_quickack(struct stack *st, struct command *c)
{
	struct call *k = (struct call *)c;

	stack_quickack(st, k->s, k->on);
	command_done(c, 0);
}

static void run_status(struct stack *st, struct command *c)
{
	struct call *k = (struct call *)c;

	command_done(c, stack_status(st, k->s, k->status));
}

static void run_inherit(struct stack *st, struct command *c)
{
	command_done(c, estate_seek(st, ((struct call *)c)->key));
}

int driver_inherit(const struct stack_key *key)
{
	return call(&(struct call){.key = key}, run_inherit);
}

static void run_revive(struct stack *st, struct command *c)
{
	estate_heal(st, ((struct call *)c)->key);
	command_done(c, 0);
}

int driver_revive(const struct stack_key *key)
{
	return call(&(struct call){.key = key}, run_revive);
}

int driver_bind(struct sock *s, const struct endpoint *local)
{
	return call(&(struct call){.s = s, .endpoint = local}, run_bind);
}

int driver_listen(struct sock *s, int backlog)
{
	s->user = geteuid();
	return call(&(struct call){.s = s, .backlog = backlog}, run_listen);
}

int driver_let_in(void)
{
	return call(&(struct call){0}, run_let_in);
}

int driver_connect(struct sock *s, const struct endpoint *remote)
{
	return call(&(struct call){.s = s, .endpoint = remote}, run_connect);
}

void driver_accept_kick(struct sock *listener)
{
	call(&(struct call){.s = listener}, run_accept_kick);
}

void driver_closed(struct sock *s)
{
	call(&(struct call){.s = s}, run_closed);
}

void driver_undo(struct sock *s)
{
	call(&(struct call){.s = s}, run_undo);
}

void driver_set_opts(struct sock *s)
{
	call(&(struct call){.s = s}, run_set_opts);
}

void driver_quickack(struct sock *s, bool on)
{
	call(&(struct call){.s = s, .on = on}, run_quickack);
}

int driver_status(struct sock *s, struct tcp_status *status)
{
	return call(&(struct call){.s = s, .status = status}, run_status);
}
