/* user.c - see user.h. */
#include "user.h"

#include <errno.h>

#include "../engine/oom.h"

#define OOM_PAUSE_US 20000 /* as the driver's */

static uint8_t byte_at(uint64_t key, uint32_t n)
{
	return (uint8_t)((key >> (n & 7) * 8) + n * 31 + (n >> 8) * 17 + (n >> 16));
}

void user_event(struct user *u, unsigned what)
{
	if (what & (TCP_EV_WRITABLE | TCP_EV_ESTABLISHED))
		u->full = false;
	if (what & TCP_EV_ESTABLISHED)
		u->established = true;
	if (what & TCP_EV_READABLE)
		u->readable = true;
	if (what & TCP_EV_PEER_CLOSED)
		u->peer_closed = true;
	if (what & TCP_EV_CLOSED)
		u->closed = true;
	if (what & TCP_EV_ERROR)
		u->error = "the connection failed";
}

/* Any option, to any value that lets data pass. */
static void fiddle(struct user *u, uint64_t now_us)
{
	struct rng *r = &u->rng;
	struct tcp_opts o;
	unsigned algorithms = 0;

	while (cc_known(u->plan.fiddles, algorithms))
		algorithms++;
	tcp_get_opts(u->t, &o);
	switch (rng_below(r, 14)) {
	case 0:
		o.nodelay = !o.nodelay;
		break;
	case 1:
	case 2:
		o.cork = !o.cork;
		break;
	case 3:
		o.rcvbuf_bytes = rng_chance(r, 20) ? 0 : rng_log(r, 2000, 1u << 20);
		break;
	case 4:
		o.sndbuf_bytes = rng_chance(r, 20) ? 0 : rng_log(r, 2000, 1u << 20);
		break;
	case 5:
		o.window_clamp_bytes = rng_chance(r, 20) ? 0 : rng_log(r, 2000, 1u << 20);
		break;
	case 6:
		o.notsent_lowat_bytes = rng_chance(r, 20) ? 0 : rng_log(r, 1, 100000);
		break;
	case 7:
		o.pacing_max_bytes_s = rng_chance(r, 20) ? 0 : rng_log(r, 20000, 10000000);
		break;
	case 8:
		o.keepalive = !o.keepalive;
		o.keepalive_idle_s = rng_in(r, 1, 30);
		o.keepalive_interval_s = rng_in(r, 1, 10);
		o.keepalive_probes = 250;
		break;
	case 9:
		o.user_timeout_ms = rng_chance(r, 50) ? 0 : rng_in(r, 3600000, 86400000);
		break;
	case 10:
		o.mss_max_bytes = (uint16_t)(rng_chance(r, 50) ? 0 : rng_in(r, 88, 1460));
		break;
	case 11:
		tcp_quickack(u->t, rng_chance(r, 50), now_us);
		return;
	default:
		o.cc = cc_known(u->plan.fiddles, rng_below(r, algorithms));
		break;
	}
	tcp_set_opts(u->t, &o, now_us);
}

static uint32_t at_once(struct user *u, uint32_t most_bytes)
{
	return u->plan.blind ? most_bytes : rng_in(&u->rng, 1, most_bytes);
}

static void commit(struct user *u, uint32_t len_bytes, uint64_t now_us)
{
	switch (u->plan.urgent ? rng_below(&u->rng, 8) : 7) {
	case 0:
		tcp_send_urgent(u->t, len_bytes, now_us);
		break;
	case 1:
		tcp_send_more(u->t, len_bytes, now_us);
		break;
	default:
		tcp_send_commit(u->t, len_bytes, now_us);
		break;
	}
}

static void write_chunk(struct user *u, uint64_t now_us)
{
	uint32_t left = u->plan.total_bytes - u->written, done = 0;
	uint32_t want = at_once(u, u->plan.chunk_bytes);
	struct iovec iov[2];
	int n;

	if (want > left)
		want = left;
	if (u->plan.oom_ppm && rng_ppm(&u->rng, u->plan.oom_ppm))
		oom_after(0);
	n = tcp_send_iov(u->t, want, iov);
	if (oom_happened() && n == -ENOMEM) {
		u->write_at_us = now_us + OOM_PAUSE_US;
		return;
	}
	if (n < 0) {
		u->error = "tcp_send_iov() fails";
		return;
	}
	for (int i = 0; i < n; i++) {
		for (size_t j = 0; j < iov[i].iov_len && !u->plan.blind; j++)
			((uint8_t *)iov[i].iov_base)[j] =
				byte_at(u->key, u->written + done + (uint32_t)j);
		done += (uint32_t)iov[i].iov_len;
	}
	if (done > want)
		u->error = "tcp_send_iov() gives more than was wanted";
	if (!done) {
		u->full = true;
		return;
	}
	commit(u, done, now_us);
	u->written += done;
	u->write_at_us = now_us + rng_below(&u->rng, u->plan.write_pause_us + 1);
}

/* The bytes from the done-th on are what the peer wrote. */
static bool is_expected(const struct user *u, const uint8_t *b, size_t n, uint32_t done)
{
	for (size_t j = 0; j < n && !u->plan.blind; j++)
		if (b[j] != byte_at(u->peer_key, u->received + done + (uint32_t)j))
			return false;
	return true;
}

/* How much it reads next. */
static uint32_t bite(struct user *u)
{
	if (u->stalls && u->trickles < u->plan.trickles) {
		u->trickles++;
		return rng_in(&u->rng, 1, u->plan.trickle_bytes);
	}
	return at_once(u, u->plan.read_bytes);
}

static uint32_t reading_pause_us(struct user *u)
{
	if (u->stalls < u->plan.stalls && rng_chance(&u->rng, 20)) {
		u->stalls++;
		u->trickles = 0;
		return rng_log(&u->rng, 1000, u->plan.stall_us);
	}
	return rng_below(&u->rng, u->plan.read_pause_us + 1);
}

static void read_chunk(struct user *u, uint64_t now_us)
{
	uint32_t max = bite(u), done = 0;
	struct iovec iov[2];
	int n = tcp_recv_iov(u->t, iov);

	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len < max - done ? iov[i].iov_len : max - done;

		if (!is_expected(u, iov[i].iov_base, len, done)) {
			u->error = "a wrong byte was received";
			return;
		}
		done += (uint32_t)len;
	}
	if (!done) {
		u->readable = false;
		return;
	}
	tcp_recv_done(u->t, done, now_us);
	u->received += done;
	u->received_us = now_us;
	u->read_at_us = now_us + reading_pause_us(u);
}

static bool wants_to_write(const struct user *u)
{
	return u->ready && !u->shut && !u->full && u->written < u->plan.total_bytes &&
	       u->received >= u->plan.answers_bytes;
}

static bool wants_to_close(const struct user *u)
{
	return u->established && !u->shut && u->written == u->plan.total_bytes &&
	       (u->plan.close_first || u->eof);
}

static bool wants_to_release(const struct user *u)
{
	if (u->plan.release_early)
		return u->shut;
	return u->shut && u->eof && (u->closed || !u->plan.release_late);
}

void user_run(struct user *u, uint64_t now_us)
{
	if (!u->t)
		return;
	if (u->plan.fiddles && rng_chance(&u->rng, 5))
		fiddle(u, now_us);
	while (!u->error && u->readable && u->read_at_us <= now_us)
		read_chunk(u, now_us);
	while (!u->error && wants_to_write(u) && u->write_at_us <= now_us)
		write_chunk(u, now_us);
	if (u->peer_closed && !u->readable) {
		struct iovec iov[2];

		u->eof = tcp_recv_iov(u->t, iov) == 0;
	}
	if (wants_to_close(u)) {
		u->shut = true;
		tcp_shutdown(u->t, now_us);
	}
	if (wants_to_release(u)) {
		tcp_release(u->t, now_us);
		u->t = NULL;
		u->released = true;
		u->released_us = now_us;
	}
}

uint64_t user_wake_us(const struct user *u)
{
	uint64_t at_us = ENGINE_NEVER;

	if (!u->t)
		return at_us;
	if (wants_to_write(u))
		at_us = u->write_at_us;
	if (u->readable && u->read_at_us < at_us)
		at_us = u->read_at_us;
	return at_us;
}
