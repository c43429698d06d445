/* tcb.c - the life of a tcb: birth, states, lists, timers, death.
 *
 * Owns t->state, t->timer, the list links, and the counters of connections in
 * struct engine_stats. A tcb is in the flow table unless it is CLOSED and was
 * something else before. It is freed when it is both CLOSED and released, at
 * the end of the entry point (tcb_reap).
 */
#include "tcb.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- lists ---------------------------------------------------------------- */

static struct tcb_link *link_at(struct tcb *t, size_t offset)
{
	return (struct tcb_link *)((char *)t + offset);
}

void list_push(struct tcb_list *list, struct tcb *t, struct tcb_link *link,
	       size_t link_offset)
{
	if (link->prev)
		return;
	*link = (struct tcb_link){.prev = list->last ? list->last : t};
	if (list->last)
		link_at(list->last, link_offset)->next = t;
	else
		list->first = t;
	list->last = t;
}

void list_remove(struct tcb_list *list, struct tcb *t, struct tcb_link *link,
		 size_t link_offset)
{
	struct tcb *next = link->next, *prev = link->prev;

	if (!prev)
		return;
	if (prev != t)
		link_at(prev, link_offset)->next = next;
	else
		list->first = next;
	if (next)
		link_at(next, link_offset)->prev = prev != t ? prev : next;
	else
		list->last = prev != t ? prev : NULL;
	*link = (struct tcb_link){0};
}

/* ---- counters -------------------------------------------------------------- */

static void count(struct tcb *t, int sign)
{
	struct engine_stats *st = &t->e->stats;
	uint32_t s = (uint32_t)sign;

	if (t->state == TCPS_CLOSED || t->state == TCPS_LISTEN)
		return;
	st->connections += s;
	if (t->state == TCPS_TIME_WAIT)
		st->time_wait += s;
	else if (t->released)
		st->lingering += s;
	if (t->state == TCPS_FIN_WAIT_2 && t->released)
		st->fin_wait_2 += s;
	if (t->state == TCPS_SYN_RECEIVED && t->listener && !t->fast_child)
		st->half_open += s;
}

void tcb_set_released(struct tcb *t)
{
	count(t, -1);
	t->released = true;
	count(t, 1);
}

void tcb_set_fast_child(struct tcb *t)
{
	count(t, -1);
	t->fast_child = true;
	count(t, 1);
}

/* ---- timers ------------------------------------------------------------------ */

static void timer_refresh(struct tcb *t)
{
	uint64_t first = ENGINE_NEVER;

	for (int i = 0; i < TIMER_COUNT; i++)
		if (t->timer_at[i] < first)
			first = t->timer_at[i];
	if (first == ENGINE_NEVER)
		timerq_cancel(&t->e->timers, &t->timer);
	else if (!t->timer.pos || t->timer.at_us != first)
		timerq_set(&t->e->timers, &t->timer, first);
}

void tcb_timer_set(struct tcb *t, enum timer_id id, uint64_t at_us)
{
	t->timer_at[id] = at_us;
	timer_refresh(t);
}

void tcb_timer_stop(struct tcb *t, enum timer_id id)
{
	if (t->timer_at[id] == ENGINE_NEVER)
		return;
	t->timer_at[id] = ENGINE_NEVER;
	timer_refresh(t);
}

/* ---- events and output -------------------------------------------------------- */

void tcb_event(struct tcb *t, unsigned what)
{
	if (t->released || (t->listener && !t->accepted))
		return; /* nobody to tell; tcp_accept() makes up for it */
	t->events |= what;
	LIST_PUSH(&t->e->events, t, event);
}

void tcb_want_output(struct tcb *t)
{
	if (t->state != TCPS_CLOSED && t->state != TCPS_LISTEN)
		LIST_PUSH(&t->e->ready, t, ready);
}

/* ---- states --------------------------------------------------------------------- */

#define TO(s) (1u << (s))

/* The edges of RFC 9293 Figure 5; CLOSED can be reached from everywhere. From there
 * to TIME-WAIT: another engine has come that far. */
static const unsigned legal_edges[] = {
	[TCPS_CLOSED] = TO(TCPS_LISTEN) | TO(TCPS_SYN_SENT) | TO(TCPS_SYN_RECEIVED) |
			TO(TCPS_TIME_WAIT),
	[TCPS_LISTEN] = TO(TCPS_SYN_RECEIVED) | TO(TCPS_SYN_SENT),
	[TCPS_SYN_SENT] = TO(TCPS_SYN_RECEIVED) | TO(TCPS_ESTABLISHED) |
			  TO(TCPS_FIN_WAIT_1),
	[TCPS_SYN_RECEIVED] = TO(TCPS_ESTABLISHED) | TO(TCPS_FIN_WAIT_1) |
			      TO(TCPS_LISTEN),
	[TCPS_ESTABLISHED] = TO(TCPS_FIN_WAIT_1) | TO(TCPS_CLOSE_WAIT),
	[TCPS_FIN_WAIT_1] = TO(TCPS_FIN_WAIT_2) | TO(TCPS_CLOSING) |
			    TO(TCPS_TIME_WAIT),
	[TCPS_FIN_WAIT_2] = TO(TCPS_TIME_WAIT),
	[TCPS_CLOSE_WAIT] = TO(TCPS_LAST_ACK),
	[TCPS_CLOSING] = TO(TCPS_TIME_WAIT),
	[TCPS_LAST_ACK] = 0,
	[TCPS_TIME_WAIT] = 0,
};

/* CLOSED: no queue, no timer, no address. What the user has not read stays. */
static void stop_everything(struct tcb *t)
{
	struct engine *e = t->e;

	for (int i = 0; i < TIMER_COUNT; i++)
		t->timer_at[i] = ENGINE_NEVER;
	timer_refresh(t);
	LIST_REMOVE(&e->ready, t, ready);
	fastopen_done(t);
	if (t->listener) { /* not accepted: it has no user who could let go */
		listen_forget_child(t);
		t->released = true;
	}
	flowtab_remove(&e->flows, &t->node);
	e->port_uses[tcb_port_use(t)]--;
	ring_release(&t->snd.data, &e->pool);
	sb_clear(&t->snd.sb, &e->pool);
	reasm_clear(&t->rcv.ooo, &e->stats.memory_bytes);
	if (t->rcv.data.len_bytes == 0)
		ring_release(&t->rcv.data, &e->pool);
	if (t->released)
		LIST_PUSH(&e->dead, t, queue);
	else
		LIST_PUSH(&e->closed, t, queue);
}

void tcb_set_state(struct tcb *t, enum tcp_state to, uint64_t now_us)
{
	enum tcp_state from = t->state;

	if (from == to)
		return;
	assert(to == TCPS_CLOSED || (legal_edges[from] & TO(to)));
	count(t, -1);
	t->state = to;
	count(t, 1);
	if (to == TCPS_CLOSED)
		stop_everything(t);
	trace_state(t, from, now_us);
}

void tcb_send_reset(struct tcb *t, uint64_t now_us)
{
	struct reply r = {.flow = t->node.flow,
			  .opts = t->opts,
			  .flags = SEG_RST | SEG_ACK,
			  .seq = t->snd.nxt,
			  .ack = t->rcv.nxt};

	fill_timestamp(t, &r.opt, true, now_us);
	engine_reply(t->e, &r);
}

void tcb_reset(struct tcb *t, uint64_t now_us)
{
	tcb_send_reset(t, now_us);
	gone_note(t, now_us);
	tcb_fail(t, ECONNABORTED, now_us);
}

void tcb_abort(struct tcb *t, uint64_t now_us)
{
	switch (t->state) {
	case TCPS_SYN_RECEIVED:
	case TCPS_ESTABLISHED:
	case TCPS_FIN_WAIT_1:
	case TCPS_FIN_WAIT_2:
	case TCPS_CLOSE_WAIT:
		tcb_reset(t, now_us);
		break;
	case TCPS_CLOSED: /* what ended it stays the reason */
		break;
	default:
		tcb_fail(t, ECONNABORTED, now_us);
		break;
	}
}

void tcb_fail(struct tcb *t, int err, uint64_t now_us)
{
	if (t->state == TCPS_SYN_SENT && err != ECONNREFUSED)
		gone_note(t, now_us);
	t->error = err;
	tcb_set_state(t, TCPS_CLOSED, now_us);
	tcb_event(t, err ? TCP_EV_ERROR : TCP_EV_CLOSED);
}

/* ---- birth and death --------------------------------------------------------------- */

int tcb_new(struct engine *e, const struct flow *flow,
	    const struct tcp_opts *opts, uint64_t now_us, struct tcb **out)
{
	struct tcb *t;

	if (flowtab_find(&e->flows, flow, opts->ifindex))
		return -EADDRINUSE;
	if (timerq_reserve(&e->timers, e->flows.nodes + 1))
		return -ENOMEM;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	e->stats.memory_bytes += sizeof(*t);
	t->e = e;
	t->node.flow = *flow;
	t->node.ifindex = opts->ifindex;
	t->state = TCPS_CLOSED;
	t->number = ++e->next_number;
	t->opts = *opts;
	t->pingpong = opts->pingpong;
	bufs_init(t);
	for (int i = 0; i < TIMER_COUNT; i++)
		t->timer_at[i] = ENGINE_NEVER;
	t->ts_offset = random_ts_offset(e->ts_key, flow);
	tcb_set_iss(t, random_iss(e->iss_key, flow, now_us));
	rtt_init(t);
	rack_init(t);
	flowtab_insert(&e->flows, &t->node);
	e->port_uses[tcb_port_use(t)]++;
	*out = t;
	return 0;
}

void tcb_set_iss(struct tcb *t, uint32_t iss)
{
	t->snd.iss = iss;
	t->snd.una = t->snd.nxt = iss;
	t->snd.data_seq = iss + 1;
	t->snd.recover = iss;
	t->snd.small_end = iss;
}

/* The smallest scale with which the field can say the whole buffer. */
static uint8_t scale_for(uint32_t rcvbuf_bytes)
{
	uint8_t shift = 0;

	while (shift < 14 && rcvbuf_bytes >> shift > 0xffff)
		shift++;
	return shift;
}

void tcb_set_path(struct tcb *t, const struct tcp_path *path)
{
	t->gso_max_bytes = path->gso_max_bytes;
	t->snd.peer_mss = addr_is_v4(&t->node.flow.remote.addr) ? 536 : 1220;
	t->rcv.wscale = t->e->cfg.window_scaling ? scale_for(rcvbuf_most_bytes(t))
						 : 0;
	pmtu_start(t, path);
}

void tcb_destroy(struct tcb *t)
{
	struct engine *e = t->e;

	LIST_REMOVE(&e->events, t, event);
	ring_release(&t->rcv.data, &e->pool);
	ring_release(&t->snd.data, &e->pool);
	sb_clear(&t->snd.sb, &e->pool);
	reasm_clear(&t->rcv.ooo, &e->stats.memory_bytes);
	control_end(t);
	accecn_free(t);
	repair_free(t);
	pmtu_free(t);
	fastopen_free(t);
	e->stats.memory_bytes -= sizeof(*t);
	free(t);
}

void tcb_reap(struct engine *e)
{
	struct tcb *t;

	while ((t = e->dead.first)) {
		LIST_REMOVE(&e->dead, t, queue);
		tcb_destroy(t);
	}
}
