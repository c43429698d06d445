/* autotune.c - buffers that grow with the path.
 *
 * Owns snd.buf_bytes, rcv.buf_bytes and t->tune, whose times are the lower 32 bits
 * of the clock: what takes longer than an hour is no round trip. A buffer whose size the user has
 * set stays as it is; any other begins where the configuration says, and:
 *
 * The send buffer holds two congestion windows: one is in flight, and while a
 * loss is repaired another one must be at hand.
 *
 * The receive buffer follows what the user takes in one round trip ("dynamic
 * right-sizing", as in Linux). A sender in slow start doubles its window in that
 * time, so the buffer is kept ahead of it. A receiver has no round trips of its
 * own to measure; it knows how long a window of text takes to arrive, which is
 * never less than one, and what its timestamps say when the peer echoes them.
 */
#include "tcb.h"

bool memory_is_short(const struct engine *e)
{
	uint64_t max = e->cfg.memory_max_bytes;

	return max && e->stats.memory_bytes - e->pool.free_bytes > max / 4 * 3;
}

void bufs_init(struct tcb *t)
{
	const struct engine_config *cfg = &t->e->cfg;

	t->snd.buf_bytes = t->opts.sndbuf_bytes ? t->opts.sndbuf_bytes
						: cfg->sndbuf_bytes;
	t->rcv.buf_bytes = t->opts.rcvbuf_bytes ? t->opts.rcvbuf_bytes
						: cfg->rcvbuf_bytes;
}

void bufs_follow_opts(struct tcb *t)
{
	if (t->opts.sndbuf_bytes)
		t->snd.buf_bytes = t->opts.sndbuf_bytes;
	if (t->opts.rcvbuf_bytes)
		t->rcv.buf_bytes = t->opts.rcvbuf_bytes;
}

uint32_t rcvbuf_most_bytes(const struct tcb *t)
{
	const struct engine_config *cfg = &t->e->cfg;

	if (t->opts.rcvbuf_bytes)
		return t->opts.rcvbuf_bytes;
	return cfg->moderate_rcvbuf ? max_u32(cfg->rcvbuf_bytes, cfg->rcvbuf_max_bytes)
				    : cfg->rcvbuf_bytes;
}

/* ---- the send buffer ----------------------------------------------------------- */

void sndbuf_grow(struct tcb *t)
{
	uint64_t want = 2ull * max_u32(t->cc.cwnd_bytes, t->cc.initcwnd_bytes);
	uint32_t max = t->e->cfg.sndbuf_max_bytes;

	if (t->opts.sndbuf_bytes || memory_is_short(t->e))
		return;
	if (want > max)
		want = max;
	if (want > t->snd.buf_bytes)
		t->snd.buf_bytes = (uint32_t)want;
}

static uint32_t free_bytes(const struct tcb *t)
{
	uint32_t used = t->snd.data.len_bytes;

	return t->snd.buf_bytes > used ? t->snd.buf_bytes - used : 0;
}

static uint32_t notsent_lowat(const struct tcb *t)
{
	return t->opts.notsent_lowat_bytes ? t->opts.notsent_lowat_bytes
					   : t->e->cfg.notsent_lowat_bytes;
}

uint32_t sndbuf_room(const struct tcb *t)
{
	uint32_t lowat = notsent_lowat(t), waiting, room = free_bytes(t);

	if (memory_is_short(t->e)) { /* the ring that it has, or the smallest */
		uint32_t ring = max_u32(t->snd.data.size_bytes, BUF_MIN);

		room = min_u32(room, ring - t->snd.data.len_bytes);
	}
	if (lowat == UINT32_MAX)
		return room;
	waiting = unsent(t);
	if (waiting >= lowat)
		return 0;
	/* A tiny mark must not make for tiny writes. */
	return min_u32(room, max_u32(lowat - waiting, t->snd.mss));
}

/* Waking the writer for every segment would cost more than it brings. */
void sndbuf_wake(struct tcb *t)
{
	if (!t->want_space || sndbuf_room(t) == 0 ||
	    free_bytes(t) < t->snd.buf_bytes / 4 ||
	    unsent(t) > notsent_lowat(t) / 2)
		return;
	t->want_space = false;
	tcb_event(t, TCP_EV_WRITABLE);
}

/* ---- the receive buffer ---------------------------------------------------------- */

static bool grows(const struct tcb *t)
{
	return t->e->cfg.moderate_rcvbuf && !t->opts.rcvbuf_bytes &&
	       !memory_is_short(t->e);
}

void rcvbuf_start(struct tcb *t, uint64_t now_us)
{
	/* What it is good for: the size is decided one round trip late, and in
	 * the next one twice as much must fit. */
	t->tune.space_bytes = t->rcv.buf_bytes / 4;
	t->tune.since_us = (uint32_t)now_us;
	t->tune.rtt_seq = t->rcv.nxt;
	t->tune.rtt_us = t->rtt.srtt_us;
}

/* at_most: the round trip may have been shorter than this. */
static void sample(struct tcb *t, uint64_t us, bool at_most)
{
	uint32_t new_us = us < 1 ? 1 : us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	uint32_t old_us = t->tune.rtt_us;

	if (!old_us)
		t->tune.rtt_us = new_us;
	else if (at_most)
		t->tune.rtt_us = min_u32(old_us, new_us);
	else
		t->tune.rtt_us = (uint32_t)((7ull * old_us + new_us) / 8);
}

void rcvbuf_on_text(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	bool full = s->data_len_bytes >= t->rcv.mss_seen;

	/* The peer echoes in full segments what released them; one echo counts
	 * once, and the clock tells no less than its millisecond. */
	if (t->ts_ok && s->opt.ts && full && s->opt.ts_ecr != t->tune.ts_ecr) {
		uint32_t ms = ts_now(t, now_us) - s->opt.ts_ecr;

		if (t->tune.ts_ecr && ms < INT32_MAX / 1000)
			sample(t, ms ? ms * 1000ull : 1000, false);
		t->tune.ts_ecr = s->opt.ts_ecr;
	}
	if (seq_lt(t->rcv.nxt, t->tune.rtt_seq))
		return;
	if (t->tuning)
		sample(t, (uint32_t)now_us - t->tune.rtt_since_us, true);
	t->tuning = true;
	t->tune.rtt_seq = t->rcv.nxt + (t->rcv.adv - t->rcv.acked);
	t->tune.rtt_since_us = (uint32_t)now_us;
}

/* Two round trips' worth, and as much more as this one brought more than the
 * one before it; not more than three times that. */
static uint32_t right_size(const struct tcb *t)
{
	uint64_t want = 2ull * t->tune.taken_bytes + 16ull * t->snd.mss;
	uint32_t before = max_u32(t->tune.space_bytes, 1);
	uint64_t more = want * (t->tune.taken_bytes - before) / before;

	want += more < 2 * want ? more : 2 * want;
	return (uint32_t)(want < t->e->cfg.rcvbuf_max_bytes ? want
							    : t->e->cfg.rcvbuf_max_bytes);
}

void rcvbuf_on_read(struct tcb *t, uint32_t len_bytes, uint64_t now_us)
{
	t->tune.taken_bytes += len_bytes;
	if (!t->tune.rtt_us || (uint32_t)now_us - t->tune.since_us < t->tune.rtt_us)
		return;
	if (t->tune.taken_bytes > t->tune.space_bytes) {
		if (grows(t))
			t->rcv.buf_bytes = max_u32(t->rcv.buf_bytes, right_size(t));
		t->tune.space_bytes = t->tune.taken_bytes;
	}
	t->tune.taken_bytes = 0;
	t->tune.since_us = (uint32_t)now_us;
}
