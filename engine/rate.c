/* rate.c - what congestion control is told of a connection: the delivery rate
 * ("Delivery Rate Samples" of draft-ietf-ccwg-bbr), round trips, losses, and
 * whether it was something else than the path that kept the network waiting: the
 * application, or the peer's window.
 *
 * Owns t->rate, app_limited and bytes_app_limited. Every transmission carries a
 * stamp of the connection's delivery at that time (struct sent_stamp); the
 * acknowledgment of the newest of them shows how much was delivered since, and how
 * fast. Stamps keep the low halves of counters: differences are what counts, and they
 * stay far below 2^32.
 */
#include "tcb.h"

void rate_init(struct tcb *t, uint64_t now_us)
{
	t->rate.delivered_us = t->rate.first_sent_us = (uint32_t)now_us;
	t->snd.limited_end = t->snd.una;
}

/* ---- sending ---------------------------------------------------------------- */

void rate_on_sent(struct tcb *t, struct sent *rec, uint64_t now_us)
{
	uint32_t pipe = recovery_pipe_bytes(t), len = rec->end - rec->start;
	uint32_t before = pipe > len ? pipe - len : 0;

	if (t->cc.ops && t->cc.ops->on_send)
		t->cc.ops->on_send(&t->cc, &(struct cc_send){
			.now_us = now_us, .pipe_bytes = before,
			.app_limited = t->app_limited});
	if (!before) /* the pipe was empty: what follows is measured from here */
		t->rate.first_sent_us = t->rate.delivered_us = (uint32_t)now_us;
	rec->stamp = (struct sent_stamp){
		.delivered = (uint32_t)t->rate.delivered_bytes,
		.lost = t->rate.lost_bytes,
		.delivered_us = t->rate.delivered_us,
		.first_sent_us = t->rate.first_sent_us,
		.in_flight_bytes = pipe,
	};
	rec->flags &= (uint8_t)~SENT_APP_LIMITED;
	if (t->app_limited)
		rec->flags |= SENT_APP_LIMITED;
}

static void mark_app_limited(struct tcb *t)
{
	t->app_limited = true;
	t->rate.app_limited_end = (uint32_t)t->rate.delivered_bytes +
				  recovery_pipe_bytes(t);
}

/* Could more have been sent than the user gave, the peer's window lets through, or the
 * user's own pace allows? Then the samples of the next round trip measure these, and not
 * the path. So do the probes of a closed window. */
void rate_check_app_limited(struct tcb *t)
{
	const struct scoreboard *sb = &t->snd.sb;
	bool to_repeat = flight_bytes(t) > sb->pipe_bytes + sb->sacked_bytes;
	bool held = t->paced && pace_is_the_users(t);

	if ((held || (may_send_bytes(t) < t->snd.mss && !to_repeat)) &&
	    recovery_pipe_bytes(t) < t->cc.cwnd_bytes)
		mark_app_limited(t);
}

/* ---- acknowledgments ----------------------------------------------------------- */

static void take_sample(struct tcb *t, const struct sent *newest,
			struct cc_rate *rate, uint64_t now_us)
{
	const struct sent_stamp *s = &newest->stamp;
	uint32_t sent_us = (uint32_t)newest->sent_us - s->first_sent_us;
	uint32_t acked_us = (uint32_t)now_us - s->delivered_us;

	rate->app_limited = newest->flags & SENT_APP_LIMITED;
	rate->delivered_bytes = (uint32_t)t->rate.delivered_bytes - s->delivered;
	rate->prior_delivered_bytes = t->rate.delivered_bytes - rate->delivered_bytes;
	rate->in_flight_bytes = s->in_flight_bytes;
	rate->lost_bytes = t->rate.lost_bytes - s->lost;
	rate->interval_us = max_u32(sent_us, acked_us);
	/* Faster than the path can be: an ACK for another transmission. */
	if (!rate->interval_us || rate->interval_us < t->rate.min_rtt_us)
		return;
	rate->bytes_s = rate->delivered_bytes * 1000000ull / rate->interval_us;
	if (!rate->app_limited || rate->bytes_s >= t->rate.bytes_s) {
		t->rate.bytes_s = rate->bytes_s;
		t->bytes_app_limited = rate->app_limited;
	}
}

static void take_min_rtt(struct tcb *t, uint32_t rtt_us)
{
	if (rtt_us && (!t->rate.min_rtt_us || rtt_us < t->rate.min_rtt_us))
		t->rate.min_rtt_us = rtt_us;
}

void rate_on_ack(struct tcb *t, const struct sb_acked *res, struct cc_ack *ack)
{
	const struct sent *newest = &res->newest;

	take_min_rtt(t, ack->rtt_us);
	t->rate.delivered_bytes += ack->acked_bytes;
	if (newest->start != newest->end) {
		t->rate.delivered_us = (uint32_t)ack->now_us;
		take_sample(t, newest, &ack->rate, ack->now_us);
		t->rate.first_sent_us = (uint32_t)newest->sent_us;
		if ((int32_t)(newest->stamp.delivered - t->rate.round_end) >= 0) {
			t->rate.round_end = (uint32_t)t->rate.delivered_bytes;
			ack->round_start = true;
		}
	}
	if (t->app_limited &&
	    (int32_t)((uint32_t)t->rate.delivered_bytes - t->rate.app_limited_end) > 0)
		t->app_limited = false; /* the gap has left the network */
	ack->delivered_bytes = t->rate.delivered_bytes;
	ack->srtt_us = t->rtt.srtt_us;
	ack->min_rtt_us = t->rate.min_rtt_us;
}

void rate_after_ack(struct tcb *t)
{
	if (t->cc.holds_back)
		mark_app_limited(t);
}

/* ---- losses -------------------------------------------------------------------- */

uint32_t rate_tell_losses(struct tcb *t, uint64_t now_us)
{
	uint32_t i = 0, len, end = t->snd.una - 1, before = t->rate.lost_bytes;
	const struct sent *r;

	while ((r = sb_take_lost(&t->snd.sb, &i))) {
		len = r->end - r->start;
		t->rate.lost_bytes += len;
		if (t->cc.ops->on_lost)
			t->cc.ops->on_lost(&t->cc, &(struct cc_lost){
				.now_us = now_us,
				.delivered_bytes = t->rate.delivered_bytes,
				.len_bytes = len,
				.in_flight_bytes = r->stamp.in_flight_bytes,
				.lost_bytes = t->rate.lost_bytes - r->stamp.lost,
				.app_limited = r->flags & SENT_APP_LIMITED,
				.apart = r->start != end});
		end = r->end;
	}
	return t->rate.lost_bytes - before;
}
