/* busy.c - how long a connection had something to send, and what it waited for.
 *
 * Owns t->busy: three clocks of which at most one runs, as TCP_INFO tells them.
 * Each counts whole milliseconds of the engine's clock, which neither loses nor
 * gains by being stopped and started often.
 */
#include "tcb.h"

/* The peer's window lets no more out, and nothing else is in the way. */
static bool window_holds(const struct tcb *t, uint32_t unsent_bytes)
{
	uint32_t edge = t->snd.una + t->snd.wnd, pipe = recovery_pipe_bytes(t);
	uint32_t room = seq_gt(edge, t->snd.nxt) ? edge - t->snd.nxt : 0;
	uint32_t mss = effective_mss(t);

	return room < unsent_bytes && room < mss &&
	       (t->cc.cwnd_bytes >= pipe + mss || room == 0);
}

static enum busy what(const struct tcb *t)
{
	uint32_t end = t->snd.data_seq + t->snd.data.len_bytes;

	if (!t->snd.data.len_bytes || !may_send(t->state))
		return BUSY_NOT;
	if (seq_lt(t->snd.nxt, end))
		return window_holds(t, end - t->snd.nxt) ? BUSY_RWND : BUSY_NETWORK;
	return t->want_space ? BUSY_SNDBUF : BUSY_NETWORK;
}

void busy_update(struct tcb *t, uint64_t now_us)
{
	enum busy now = what(t);

	if (now == t->busy.now)
		return;
	if (t->busy.now != BUSY_NOT)
		t->busy.ms[t->busy.now - 1] +=
			(uint32_t)(now_us / 1000 - t->busy.since_us / 1000);
	t->busy.now = now;
	t->busy.since_us = now_us;
}

void busy_status(const struct tcb *t, struct tcp_status *st)
{
	st->busy = t->busy.now;
	st->busy_since_us = t->busy.since_us;
	for (int i = 0; i < BUSY_COUNT - 1; i++)
		st->busy_us[i] = t->busy.ms[i] * (uint64_t)1000;
}
