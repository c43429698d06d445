/* listen.c - LISTEN (RFC 9293 3.10.7.2), the SYN queue and the accept queue.
 *
 * Owns the decision who may come in: the accept queue first, then the SYN queue,
 * which is limited per listener and in total; when it is full a SYN cookie
 * (syncookie.c) may take its place.
 *
 * A child is a tcb of its own from the first SYN on. Until tcp_accept() hands it
 * to a user it belongs to its listener: in SYN-RECEIVED it is counted in
 * half_open (the SYN queue), afterwards it stands in accept_queue. Nobody gets
 * events for it before that.
 */
#include "tcb.h"

#include <errno.h>

bool listen_accept_full(const struct tcb *listener)
{
	return listener->accept_waiting + listener->accept_elsewhere > listener->accept_max;
}

/* Before the child exists, so that a flood costs nothing. */
static enum drop admit(const struct tcb *listener, const struct segment *s)
{
	if (s->flags & SEG_RST) /* first */
		return DROP_LISTEN;
	if (s->flags & SEG_ACK) /* second: the caller may refuse it */
		return DROP_LISTEN_ACK;
	/* third, fourth; with FIN it is nobody's who wants a connection, as in Linux */
	if ((s->flags & (SEG_SYN | SEG_FIN)) != SEG_SYN)
		return DROP_LISTEN;
	if (listener->paused || listen_accept_full(listener))
		return DROP_ACCEPT_QUEUE;
	return DROP_NONE;
}

/* The limits are Linux's: the backlog; and when there are no cookies, a quarter
 * less than max_syn_backlog. */
static bool syn_queue_full(const struct tcb *l)
{
	const struct engine_config *cfg = &l->e->cfg;

	if (l->e->stats.half_open >= cfg->half_open_max || l->half_open > l->accept_max)
		return true;
	return !cfg->syncookies &&
	       l->half_open >= cfg->max_syn_backlog - cfg->max_syn_backlog / 4;
}

int listen_child(struct tcb *listener, const struct tcp_path *path,
		 const struct flow *flow, const struct segment *syn,
		 uint64_t now_us, struct tcb **out)
{
	struct tcb *t;

	if (tcb_new(listener->e, flow, &listener->opts, now_us, &t))
		return -ENOMEM;
	t->listener = listener;
	listener->half_open++;
	tcb_set_path(t, path);
	/* Text and FIN that came with the SYN are not taken: the peer repeats
	 * them when it has seen that our SYN,ACK does not acknowledge them.
	 * Fast Open takes the text. */
	take_syn(t, syn, now_us);
	tcb_set_state(t, TCPS_SYN_RECEIVED, now_us);
	if (t->opts.defer_accept_s)
		tcb_timer_set(t, TIMER_WAIT, now_us + t->opts.defer_accept_s * 1000000ull);
	*out = t;
	return 0;
}

enum drop arrives_listen(struct tcb *listener, const struct engine_pkt_in *pkt,
			 const struct flow *flow, const struct segment *s,
			 const uint32_t *after, uint64_t now_us)
{
	uint8_t cookies = listener->e->cfg.syncookies;
	enum drop d = admit(listener, s);
	/* What takes the place of a TIME-WAIT costs nothing more; a cookie cannot
	 * promise an ISS beyond the last connection's. */
	bool full = !after && syn_queue_full(listener);
	enum fastopen fast;
	struct tcb *t;

	if (d == DROP_LISTEN_ACK && syncookie_expected(listener->e, s, now_us))
		return syncookie_arrives(listener, &pkt->path, flow, s, now_us);
	if (d)
		return d;
	if (!after && (full ? cookies : cookies > 1)) {
		syncookie_answer(listener, pkt->path.mtu_bytes ? pkt->path.mtu_bytes
							      : pkt->device_mtu_bytes,
				 flow, s, now_us);
		return DROP_NONE;
	}
	if (!full && !pkt->path.mtu_bytes)
		return DROP_NO_PATH;
	fast = fastopen_judge(listener, flow, s, now_us);
	if (full || listen_child(listener, &pkt->path, flow, s, now_us, &t))
		return DROP_SYN_QUEUE;
	if (after && seq_leq(t->snd.iss, *after)) /* MAY-2 */
		tcb_set_iss(t, *after + 1);
	if (t->e->cfg.reflect_tos)
		t->opts.ip.tos = t->opts.ip6.tos = pkt->tos & (uint8_t)~IP_ECN_MASK;
	fastopen_accept(t, fast, s, now_us);
	t->syn_due = true;
	tcb_want_output(t);
	return DROP_NONE;
}

void listen_established(struct tcb *t)
{
	struct tcb *l = t->listener;

	l->half_open--;
	l->accept_waiting++;
	LIST_PUSH(&l->accept_queue, t, queue);
	tcb_event(l, TCP_EV_INCOMING);
}

void listen_fast(struct tcb *t)
{
	tcb_set_fast_child(t);
	listen_established(t);
}

void listen_forget_child(struct tcb *t)
{
	struct tcb *l = t->listener;

	if (t->queue.prev) {
		LIST_REMOVE(&l->accept_queue, t, queue);
		l->accept_waiting--;
	} else {
		l->half_open--;
	}
	t->listener = NULL;
}

struct tcb *tcp_accept(struct tcb *listener, void *user)
{
	struct tcb *t = listener->accept_queue.first;
	unsigned events = 0;

	if (!t)
		return NULL;
	listen_forget_child(t);
	t->accepted = true;
	t->user = user;
	if (t->rcv.data.len_bytes)
		events |= TCP_EV_READABLE;
	if (t->urg_in)
		events |= TCP_EV_URGENT;
	if (t->fin_seen && seq_gt(t->rcv.nxt, t->rcv.fin_seq))
		events |= TCP_EV_PEER_CLOSED;
	if (events)
		tcb_event(t, events);
	return t;
}

struct closing {
	const struct tcb *listener;
	uint64_t now_us;
};

/* A child without a listener is reset: its user will never exist. */
static void abort_child(struct flow_node *node, void *arg)
{
	const struct closing *c = arg;
	struct tcb *t = (struct tcb *)node;

	fastopen_orphan(t, c->listener);
	if (t->listener == c->listener)
		tcb_abort(t, c->now_us);
}

void listen_close(struct tcb *listener, uint64_t now_us)
{
	struct closing c = {listener, now_us};

	if (listener->half_open || listener->accept_waiting || listener->fast)
		flowtab_each(&listener->e->flows, abort_child, &c);
}

void tcp_set_backlog(struct tcb *listener, int backlog)
{
	listener->accept_max = backlog > 0 ? (uint32_t)backlog : 0;
}

void tcp_wait_elsewhere(struct tcb *listener, uint32_t n)
{
	listener->accept_elsewhere = n;
}

void tcp_pause(struct tcb *listener, bool on)
{
	listener->paused = on;
}

uint32_t tcp_unaccepted(const struct tcb *listener)
{
	return listener->half_open + listener->accept_waiting;
}
