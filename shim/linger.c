/* linger.c - owns the list of connections that linger.
 *
 * Invariant: a connection is in the list exactly while its linger_until_us is not
 * ENGINE_NEVER and not 0; its sock.lingering is 1 then.
 */
#include "linger.h"

static bool closing(const struct conn *c)
{
	struct tcp_status status;

	if (!c->tcb)
		return false;
	tcp_status(c->tcb, &status);
	return status.state == TCPS_FIN_WAIT_1 || status.state == TCPS_CLOSING ||
	       status.state == TCPS_LAST_ACK;
}

static bool lingers(const struct conn *c)
{
	return c->linger_until_us && c->linger_until_us != ENGINE_NEVER;
}

void linger_begin(struct conn *c)
{
	const struct sock_opts *o = &c->s->opts;
	struct stack *st = c->st;

	if (c->linger_until_us || !o->linger || o->linger_s <= 0)
		return;
	c->linger_until_us = st->now_us + o->linger_s * (uint64_t)1000000;
	c->linger_next = st->lingering;
	st->lingering = c;
	atomic_store(&c->s->lingering, 1);
}

bool linger_holds(const struct conn *c)
{
	return lingers(c) && c->st->now_us < c->linger_until_us && closing(c);
}

void linger_end(struct conn *c)
{
	struct conn **at = &c->st->lingering;

	if (!lingers(c))
		return;
	while (*at != c)
		at = &(*at)->linger_next;
	*at = c->linger_next;
	c->linger_until_us = ENGINE_NEVER;
	atomic_store(&c->s->lingering, 0);
	futex_wake_all(&c->s->lingering);
}

void linger_check(struct stack *st)
{
	struct conn *c, *next;

	for (c = st->lingering; c; c = next) {
		next = c->linger_next;
		/* Bytes that the send buffer has no room for yet are not closing. */
		if (st->now_us < c->linger_until_us && (!c->fin_queued || closing(c)))
			continue;
		linger_end(c);
		conn_step(c);
	}
}

uint64_t linger_deadline_us(const struct stack *st)
{
	uint64_t first = ENGINE_NEVER;
	const struct conn *c;

	for (c = st->lingering; c; c = c->linger_next)
		if (c->linger_until_us < first)
			first = c->linger_until_us;
	return first;
}
