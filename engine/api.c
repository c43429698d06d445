/* api.c - the user calls of RFC 9293 3.10.1 to 3.10.6 and what belongs to them.
 *
 * Owns the user's side of a tcb: opts, fin_queued, released. Each call changes
 * the tcb, asks for output, and reaps what it has killed.
 */
#include "tcb.h"

#include <errno.h>
#include <netinet/in.h>

void tcp_opts_defaults(const struct engine *e, struct tcp_opts *o)
{
	(void)e;
	*o = (struct tcp_opts){.ip.mtu_discover = IP_PMTUDISC_WANT,
			       .ip6.mtu_discover = IPV6_PMTUDISC_WANT};
}

/* Buffers that the rings can be. */
static struct tcp_opts sane(const struct tcp_opts *o)
{
	struct tcp_opts s = *o;
	const uint32_t max = BUF_MAX / 2;

	s.sndbuf_bytes = s.sndbuf_bytes < max ? s.sndbuf_bytes : max;
	s.rcvbuf_bytes = s.rcvbuf_bytes < max ? s.rcvbuf_bytes : max;
	return s;
}

/* ---- OPEN ---------------------------------------------------------------------- */

int tcp_open(struct engine *e, const struct flow *flow,
	     const struct tcp_path *path, const struct tcp_opts *opts,
	     void *user, uint64_t now_us, struct tcb **out)
{
	struct tcp_opts o = sane(opts);
	uint32_t iss_min, iss;
	bool again = time_wait_reuse(e, flow, opts->ifindex, &iss_min, now_us);
	bool gave_up = gone_reopens(e, flow, opts->ifindex, &iss, now_us);
	struct tcb *t;
	int err = tcb_new(e, flow, &o, now_us, &t);

	if (err)
		return err;
	if (again && seq_lt(t->snd.iss, iss_min))
		tcb_set_iss(t, iss_min);
	else if (gave_up)
		tcb_set_iss(t, iss);
	t->user = user;
	t->active = t->accepted = true;
	tcb_set_path(t, path);
	t->syn_due = true;
	fastopen_open(t, now_us);
	tcb_set_state(t, TCPS_SYN_SENT, now_us);
	tcb_want_output(t);
	*out = t;
	tcb_reap(e);
	return 0;
}

int tcp_listen(struct engine *e, const struct endpoint *local, int backlog,
	       const struct tcp_opts *opts, void *user, uint64_t now_us,
	       struct tcb **out)
{
	struct flow flow = {.local = *local};
	struct tcp_opts o = sane(opts);
	struct tcb *t;
	int err = tcb_new(e, &flow, &o, now_us, &t);

	if (err)
		return err;
	t->user = user;
	t->accepted = true;
	tcp_set_backlog(t, backlog);
	tcb_set_state(t, TCPS_LISTEN, now_us);
	*out = t;
	return 0;
}

/* ---- SEND ------------------------------------------------------------------------ */

int tcp_send_iov(struct tcb *t, size_t want_bytes, struct iovec iov[2])
{
	struct ring *data = &t->snd.data;
	uint32_t used = data->len_bytes, room;

	switch (t->state) {
	case TCPS_SYN_SENT:
	case TCPS_SYN_RECEIVED:
	case TCPS_ESTABLISHED:
	case TCPS_CLOSE_WAIT:
		break;
	default:
		return -EPIPE;
	}
	if (t->fin_queued)
		return -EPIPE;
	room = sndbuf_room(t);
	if (room > want_bytes)
		room = (uint32_t)want_bytes;
	if (room && ring_reserve(data, &t->e->pool, used + room)) {
		room = data->size_bytes - used; /* what it has will do */
		if (!room)
			return -ENOMEM;
	}
	if (!room && want_bytes)
		t->want_space = true;
	return ring_iov(data, used, room, iov);
}

static void commit(struct tcb *t, size_t len_bytes, bool more)
{
	rate_check_app_limited(t);
	more_note(t, more);
	t->snd.data.len_bytes += (uint32_t)len_bytes;
	if (!t->snd.data.len_bytes)
		ring_release(&t->snd.data, &t->e->pool);
	if (len_bytes)
		tcp_syn_go(t);
	tcb_want_output(t);
}

void tcp_send_commit(struct tcb *t, size_t len_bytes, uint64_t now_us)
{
	(void)now_us;
	commit(t, len_bytes, false);
}

void tcp_send_more(struct tcb *t, size_t len_bytes, uint64_t now_us)
{
	(void)now_us;
	commit(t, len_bytes, true);
}

void tcp_send_urgent(struct tcb *t, size_t len_bytes, uint64_t now_us)
{
	(void)now_us;
	commit(t, len_bytes, false);
	if (t->snd.data.len_bytes)
		urgent_send(t);
}

/* ---- RECEIVE ----------------------------------------------------------------------- */

int tcp_recv_iov(const struct tcb *t, struct iovec iov[2])
{
	bool skip;
	uint32_t len = urgent_readable(t, &skip);

	return ring_iov(&t->rcv.data, skip, len, iov);
}

void tcp_recv_done(struct tcb *t, size_t len_bytes, uint64_t now_us)
{
	bool skip;

	urgent_readable(t, &skip);
	if (skip && len_bytes)
		len_bytes++;
	rcvbuf_on_read(t, (uint32_t)len_bytes, now_us);
	ring_consume(&t->rcv.data, (uint32_t)len_bytes);
	urgent_consumed(t);
	if (!t->rcv.data.len_bytes && !t->rcv.ooo.n) {
		ring_release(&t->rcv.data, &t->e->pool);
		reasm_clear(&t->rcv.ooo, &t->e->stats.memory_bytes);
	}
	if (t->state != TCPS_CLOSED && window_to_update(t)) {
		t->ack_now = true;
		tcb_want_output(t);
	}
}

/* ---- CLOSE, ABORT --------------------------------------------------------------------- */

static void close_call(struct tcb *t, uint64_t now_us)
{
	if (t->fin_queued)
		return;
	switch (t->state) {
	case TCPS_LISTEN:
		listen_close(t, now_us);
		tcb_fail(t, 0, now_us);
		break;
	case TCPS_SYN_SENT:
		tcb_fail(t, 0, now_us);
		break;
	case TCPS_SYN_RECEIVED: /* FIN waits for ESTABLISHED */
		t->fin_queued = true;
		break;
	case TCPS_ESTABLISHED:
		t->fin_queued = true;
		tcb_set_state(t, TCPS_FIN_WAIT_1, now_us);
		break;
	case TCPS_CLOSE_WAIT:
		t->fin_queued = true;
		tcb_set_state(t, TCPS_LAST_ACK, now_us);
		break;
	default:
		break;
	}
	tcb_want_output(t);
}

void tcp_shutdown(struct tcb *t, uint64_t now_us)
{
	close_call(t, now_us);
	tcb_reap(t->e);
}

void tcp_abort(struct tcb *t, uint64_t now_us)
{
	if (t->state == TCPS_LISTEN)
		listen_close(t, now_us);
	tcb_abort(t, now_us);
	tcb_reap(t->e);
}

/* Has the peer sent what nobody will ever read, and can it still be told so
 * (RFC 9293 3.6.1, SHLD-3)? In TIME-WAIT it believes that all is well. */
static bool must_tell_of_unread(const struct tcb *t)
{
	uint32_t taken = t->urg_taken && tcp_at_mark(t);

	return (t->rcv.data.len_bytes > taken || t->rcv.ooo.n) &&
	       (is_synchronized(t->state) || t->fast_child) &&
	       t->state != TCPS_TIME_WAIT;
}

/* Connections that nobody has any more are limited (RFC 6429 2: also those whose
 * peer keeps its window closed for ever). */
static bool too_many_orphans(const struct tcb *t)
{
	return is_synchronized(t->state) && t->state != TCPS_TIME_WAIT &&
	       t->e->stats.lingering > t->e->cfg.orphans_max;
}

void tcp_release(struct tcb *t, uint64_t now_us)
{
	struct engine *e = t->e;

	LIST_REMOVE(&e->events, t, event);
	tcb_set_released(t);
	if (t->state == TCPS_CLOSED) {
		LIST_REMOVE(&e->closed, t, queue);
		LIST_PUSH(&e->dead, t, queue);
	} else if (must_tell_of_unread(t) || too_many_orphans(t)) {
		tcb_reset(t, now_us);
	} else {
		ring_release(&t->rcv.data, &e->pool);
		close_call(t, now_us);
		if (t->state == TCPS_FIN_WAIT_2)
			fin_wait_2_released(t, now_us);
	}
	tcb_reap(e);
}

/* ---- options and errors ------------------------------------------------------------------ */

int tcp_error(const struct tcb *t)
{
	return t->error;
}

const struct flow *tcp_flow(const struct tcb *t)
{
	return &t->node.flow;
}

void tcp_get_opts(const struct tcb *t, struct tcp_opts *o)
{
	*o = t->opts;
}

static bool asks_nodelay(const struct tcp_opts *before, const struct tcp_opts *o)
{
	return o->nodelay &&
	       (!before->nodelay || before->nodelay_asked != o->nodelay_asked);
}

void tcp_set_opts(struct tcb *t, const struct tcp_opts *o, uint64_t now_us)
{
	struct tcp_opts before = t->opts;

	t->opts = sane(o);
	t->node.ifindex = o->ifindex;
	bufs_follow_opts(t);
	keepalive_start(t);
	if ((before.cork && !o->cork) || asks_nodelay(&before, o))
		t->uncork = true;
	if (before.user_timeout_ms != o->user_timeout_ms && t->e->cfg.uto &&
	    is_synchronized(t->state))
		t->uto_due = t->ack_now = true; /* RFC 5482 3.1: when it changes */
	if (t->state != TCPS_CLOSED && t->state != TCPS_LISTEN)
		update_mss(t);
	control_change(t, now_us);
	pace_restart(t);
	tcb_want_output(t); /* NODELAY may set a small segment free */
}
