/* silence.c - see silence.h. */
#include "silence.h"

#define CORK_US 200000u /* tcp(7) */

static bool is_open(enum tcp_state s)
{
	return s == TCPS_ESTABLISHED || s == TCPS_CLOSE_WAIT || s == TCPS_FIN_WAIT_1 ||
	       s == TCPS_CLOSING || s == TCPS_LAST_ACK;
}

/* What is sacked or lost counts as being in the network: there is more room, not
 * less. */
static bool could_send(const struct tcp_status *st)
{
	return is_open(st->state) && st->notsent_bytes &&
	       st->snd_wnd_bytes > st->unacked_bytes &&
	       st->snd_cwnd_bytes >= st->unacked_bytes + st->snd_mss;
}

static uint64_t limit_us(const struct silence *q, const struct tcp_opts *o)
{
	uint64_t us = q->longest_us + q->longest_us / 64; /* several ACKs at once */

	if (o->pacing_max_bytes_s) /* repetitions that do not wait are paid for, too */
		us += 16000000ull * q->mss_bytes / o->pacing_max_bytes_s;
	return us > CORK_US ? us : CORK_US;
}

static uint64_t backed_off_us(const struct tcp_status *st, const struct engine_config *cfg)
{
	uint64_t us = (uint64_t)st->rto_us << (st->backoff < 20 ? st->backoff : 20);

	return us < cfg->rto_max_ms * 1000ull ? us : cfg->rto_max_ms * 1000ull;
}

/* SACK's samples may shorten the RTO, and end its backoff, while the timer runs; it begins
 * anew when something is acknowledged or the window opens. */
static void note_rto(struct silence *q, const struct tcp_status *st,
		     const struct engine_config *cfg)
{
	uint64_t before_us = q->rto_us;

	q->rto_us = backed_off_us(st, cfg);
	if (st->bytes_acked != q->acked_bytes)
		q->longest_us = before_us;
	if (!st->snd_wnd_bytes)
		q->longest_us = 0;
	q->acked_bytes = st->bytes_acked;
	if (q->rto_us > q->longest_us)
		q->longest_us = q->rto_us;
}

static bool is_as_before(const struct silence *q, const struct tcp_status *st)
{
	return st->data_segs_out == q->segs &&
	       st->unacked_bytes == q->unacked_bytes &&
	       st->notsent_bytes == q->notsent_bytes && st->snd_wnd_bytes >= q->wnd_bytes;
}

const char *silence_check(struct silence *q, const struct tcb *t,
			  const struct engine_config *cfg, uint64_t now_us,
			  uint64_t until_us)
{
	struct tcp_status st;
	struct tcp_opts o;
	uint64_t us;

	tcp_status(t, &st);
	note_rto(q, &st, cfg);
	if (st.snd_mss > q->mss_bytes)
		q->mss_bytes = st.snd_mss;
	tcp_get_opts(t, &o);
	us = limit_us(q, &o);
	if (!could_send(&st) || !is_as_before(q, &st) || o.cork != q->cork)
		q->limit_us = 0;
	q->cork = o.cork;
	if (!q->limit_us)
		q->since_us = now_us;
	q->segs = st.data_segs_out;
	q->unacked_bytes = st.unacked_bytes;
	q->notsent_bytes = st.notsent_bytes;
	q->wnd_bytes = st.snd_wnd_bytes;
	if (!could_send(&st))
		return NULL;
	if (us > q->limit_us)
		q->limit_us = us;
	return until_us > q->since_us + q->limit_us
		       ? "silent for longer than an RTO, with data, window and cwnd" : NULL;
}
