/* patience.c - how long a connection waits for a peer that does not acknowledge:
 * R2 of RFC 9293 3.8.3, the user timeout, and its option (RFC 5482).
 *
 * Owns snd.stall_us: since when SND.UNA stands still although something waits.
 *
 * Without a user timeout the limits are Linux's: `retries` is a number of
 * retransmissions, but it means the time that they take where the RTO is as short
 * as it can be. A path whose RTO is longer gets the same time, not more.
 */
#include "tcb.h"

#include <errno.h>

/* What may be adopted of a peer's wish: RFC 5482 3.1's L_LIMIT is what RFC 9293
 * SHLD-11 wants of R2; U_LIMIT bounds what we hold for the absent. */
#define UTO_LEAST_MS 100000u
#define UTO_MOST_MS 3600000u

void give_up(struct tcb *t, uint64_t now_us)
{
	/* What ICMP said, if it said anything (RFC 9293 3.9.2.2). */
	tcb_fail(t, t->soft_error ? t->soft_error : ETIMEDOUT, now_us);
}

uint32_t user_timeout_ms(const struct tcb *t)
{
	return t->opts.user_timeout_ms ? t->opts.user_timeout_ms : t->snd.uto_ms;
}

bool user_timeout_over(const struct tcb *t, uint64_t now_us)
{
	uint32_t ms = user_timeout_ms(t);

	return ms && t->snd.stall_us && now_us - t->snd.stall_us >= ms * 1000ull;
}

/* The time that n backed-off retransmissions and the wait after the last take. */
static uint64_t retries_us(const struct engine_config *cfg, uint32_t n)
{
	uint64_t rto_us = cfg->rto_min_ms * 1000ull, max_us = cfg->rto_max_ms * 1000ull;
	uint64_t sum_us = 0;

	for (uint32_t i = 0; i <= n; i++) {
		sum_us += rto_us < max_us ? rto_us : max_us;
		if (rto_us < max_us)
			rto_us *= 2;
	}
	return sum_us;
}

uint32_t retries(const struct tcb *t)
{
	return t->released ? t->e->cfg.orphan_retries : t->e->cfg.retries;
}

/* R2, for data and FIN. */
bool patience_over(const struct tcb *t, uint64_t now_us)
{
	if (!t->snd.stall_us)
		return false;
	if (user_timeout_ms(t))
		return user_timeout_over(t, now_us);
	return now_us - t->snd.stall_us >= retries_us(&t->e->cfg, retries(t));
}

/* When the retransmission timer expires: after the RTO, but not after the user's
 * patience. */
uint64_t rexmt_due_us(const struct tcb *t, uint64_t now_us)
{
	uint64_t at_us = now_us + rto_backed_off_us(t), end_us;

	if (!user_timeout_ms(t) || !t->snd.stall_us)
		return at_us;
	end_us = t->snd.stall_us + user_timeout_ms(t) * 1000ull;
	return end_us > now_us && end_us < at_us ? end_us : at_us;
}

/* ---- the option, RFC 5482 ---------------------------------------------------------- */

/* 15 bits of seconds, or of minutes. */
uint16_t uto_encode(uint32_t ms)
{
	uint32_t s = ms / 1000 + (ms % 1000 != 0);

	if (s < 0x8000)
		return (uint16_t)(s ? s : 1);
	s = (s + 59) / 60;
	return (uint16_t)(0x8000 | (s < 0x8000 ? s : 0x7fff));
}

static uint64_t uto_decode_ms(uint16_t field)
{
	return (field & 0x7fff) * (field & 0x8000 ? 60000ull : 1000ull);
}

uint16_t uto_to_send(const struct tcb *t)
{
	if (!t->e->cfg.uto)
		return 0;
	if (t->opts.user_timeout_ms)
		return uto_encode(t->opts.user_timeout_ms);
	return uto_encode((uint32_t)(retries_us(&t->e->cfg, t->e->cfg.retries) / 1000));
}

/* The peer says how long it will wait, so that we wait as long; but what our own
 * user has said is not for the peer to change (CHANGEABLE of 3.1). */
void take_uto(struct tcb *t, const struct segment *s)
{
	uint64_t ms = uto_decode_ms(s->opt.uto);
	uint64_t own_ms = retries_us(&t->e->cfg, t->e->cfg.retries) / 1000;

	if (!s->opt.uto || !t->e->cfg.uto || !ms || s->flags & SEG_RST)
		return;
	if (ms < own_ms)
		ms = own_ms;
	if (ms < UTO_LEAST_MS)
		ms = UTO_LEAST_MS;
	t->snd.uto_ms = ms < UTO_MOST_MS ? (uint32_t)ms : UTO_MOST_MS;
}
