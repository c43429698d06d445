/* status.c - STATUS, RFC 9293 3.10.6: what the user may know, the data behind TCP_INFO.
 *
 * Owns nothing. What control.c, ecn.c and busy.c own they tell themselves.
 */
#include "tcb.h"

static uint32_t segments(const struct tcb *t, uint32_t bytes)
{
	return t->snd.mss ? (bytes + t->snd.mss - 1) / t->snd.mss : 0;
}

static uint8_t recovery_number(const struct tcb *t)
{
	switch (t->recovery) {
	case RECOVERY_FAST:
		return 3;
	case RECOVERY_LOSS:
		return 4;
	default:
		return prr_on(t) ? 2 : t->snd.dupacks ? 1 : 0;
	}
}

/* What both sides have agreed on, and what the path is like. */
static void tell_path(const struct tcb *t, struct tcp_status *st)
{
	st->timestamps = t->ts_ok;
	st->sack = t->sack_ok;
	st->window_scaling = t->wscale_ok;
	st->syn_data = t->syn_data;
	st->fastopen_fail = t->fast_fail;
	st->snd_wscale = t->snd.wscale;
	st->rcv_wscale = t->rcv.wscale;
	st->rto_us = t->rtt.rto_us;
	st->srtt_us = t->rtt.srtt_us;
	st->rttvar_us = t->rtt.rttvar_us;
	st->min_rtt_us = t->rtt.min_us;
	st->snd_mss = t->snd.mss;
	st->rcv_mss = t->rcv.mss_seen;
	st->path_mtu = t->path_mtu;
	st->adv_mss = t->path_mtu ? offered_mss(t) : 0;
	st->delack_us = t->e->cfg.delack_ms * 1000;
}

static void tell_sending(const struct tcb *t, struct tcp_status *st)
{
	const struct scoreboard *sb = &t->snd.sb;
	uint32_t in_network = sb->pipe_bytes + sb->sacked_bytes + sb->lost_bytes;
	uint32_t flight = t->state == TCPS_SYN_SENT ? 0 : flight_bytes(t);

	st->recovery = recovery_number(t);
	st->backoff = t->snd.backoff;
	st->timeouts = t->snd.timeouts;
	st->probes = t->snd.unanswered ? t->snd.unanswered : t->snd.keep_probes;
	st->snd_cwnd_bytes = t->cc.cwnd_bytes;
	st->snd_ssthresh_bytes = t->cc.ssthresh_bytes;
	st->snd_wnd_bytes = t->snd.wnd;
	st->sndbuf_bytes = t->snd.buf_bytes;
	st->unacked_bytes = flight;
	st->notsent_bytes = t->state == TCPS_LISTEN ? 0 : unsent(t);
	st->unacked_segs = segments(t, flight);
	st->sacked_segs = segments(t, sb->sacked_bytes);
	st->lost_segs = segments(t, sb->lost_bytes);
	st->retrans_segs = segments(t, in_network > flight ? in_network - flight : 0);
}

static void tell_receiving(const struct tcb *t, struct tcp_status *st)
{
	bool skip;

	st->rcv_wnd_bytes = is_synchronized(t->state) ? rcv_wnd(t) : 0;
	st->rcvbuf_bytes = t->rcv.buf_bytes;
	st->readable_bytes = urgent_readable(t, &skip);
	st->urgent_bytes = urgent_left(t);
	st->rcv_rtt_us = t->tune.rtt_us;
	st->rcv_space_bytes = t->tune.space_bytes;
	st->quickack = !t->pingpong;
}

static void tell_counts(const struct tcb *t, struct tcp_status *st)
{
	st->bytes_acked = t->stat_bytes_acked;
	st->bytes_received = t->stat_bytes_received;
	st->bytes_sent = t->stat_bytes_sent;
	st->bytes_retrans = t->stat_bytes_retrans;
	st->segs_in = t->stat_segs_in;
	st->segs_out = t->stat_segs_out;
	st->data_segs_in = t->stat_data_in;
	st->data_segs_out = t->stat_data_out;
	st->total_retrans = t->stat_total_retrans;
	st->total_timeouts = t->stat_timeouts;
	st->stalls = t->repair ? t->repair->stalls : 0;
	st->stalled_ms = t->repair ? t->repair->stalled_ms : 0;
	st->delivered_segs = t->stat_delivered;
	st->dsacks = t->stat_dsacks;
	st->ooo_segs = t->stat_ooo_segs;
	st->reordered = t->stat_reordered;
	st->last_data_sent_us = t->snd.last_us;
	st->last_data_recv_us = t->last_data_in_us;
	st->last_ack_recv_us = t->last_ack_in_us;
}

void tcp_status(const struct tcb *t, struct tcp_status *st)
{
	*st = (struct tcp_status){
		.state = t->state,
		.active = t->active,
		.soft_error = t->soft_error,
	};
	tell_path(t, st);
	tell_sending(t, st);
	tell_receiving(t, st);
	tell_counts(t, st);
	if (t->state == TCPS_LISTEN) {
		st->accept_waiting = t->accept_waiting + t->accept_elsewhere;
		st->accept_max = t->accept_max;
	}
	control_status(t, st);
	ecn_status(t, st);
	busy_status(t, st);
}
