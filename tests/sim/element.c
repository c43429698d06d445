/* element.c - see element.h. */
#include "element.h"

/* ---- chance ----------------------------------------------------------------- */

#define PPM 1000000u

uint64_t rng_next(struct rng *r) /* splitmix64 */
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* As many bytes as the choice has room for, so that none is wasted: chance is what
 * follows them. */
static uint64_t next_of_tape(struct rng *r, uint32_t n)
{
	uint64_t z = rng_next(r);

	for (uint32_t shift = 56; n > 1 && r->tape && r->tape->left_bytes && shift >= 32;
	     shift -= 8, n >>= 8) {
		z &= ~(0xffull << shift);
		z |= (uint64_t)*r->tape->p++ << shift;
		r->tape->left_bytes--;
	}
	return z;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return n ? (uint32_t)(((next_of_tape(r, n) >> 32) * n) >> 32) : 0;
}

uint32_t rng_in(struct rng *r, uint32_t lo, uint32_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

bool rng_chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

bool rng_ppm(struct rng *r, uint32_t ppm)
{
	return ppm && rng_below(r, PPM) < ppm;
}

uint32_t rng_log(struct rng *r, uint32_t lo, uint32_t hi)
{
	uint32_t top = hi;
	unsigned bits = 0;

	while (top >> bits && bits < 31)
		bits++;
	top = rng_below(r, 1u << rng_below(r, bits + 1));
	return top < lo ? lo : top > hi ? hi : top;
}

/* ---- bursts of loss ------------------------------------------------------------ */

bool burst_loses(struct burst *b, const struct burst_params *p, struct rng *r)
{
	if (!p->to_bad_ppm)
		return false;
	if (rng_ppm(r, b->bad ? p->to_good_ppm : p->to_bad_ppm))
		b->bad = !b->bad;
	return b->bad && rng_ppm(r, p->loss_ppm);
}

/* ---- policer --------------------------------------------------------------------- */

#define US_PER_S 1000000u

bool policer_passes(struct policer *p, const struct policer_params *how,
		    uint32_t len_bytes, uint64_t now_us)
{
	uint64_t full = (uint64_t)how->bucket_bytes * US_PER_S;
	uint64_t needs = (uint64_t)len_bytes * US_PER_S, idle_us = now_us - p->at_us;

	if (!how->rate_bytes_s)
		return true;
	if (!p->begun || idle_us > full / how->rate_bytes_s)
		p->tokens = full;
	else
		p->tokens += idle_us * how->rate_bytes_s;
	if (p->tokens > full)
		p->tokens = full;
	p->begun = true;
	p->at_us = now_us;
	if (p->tokens < needs)
		return false;
	p->tokens -= needs;
	return true;
}

/* ---- CoDel, RFC 8289 ---------------------------------------------------------------- */

static uint64_t root(uint64_t n)
{
	uint64_t r = 0;

	for (uint64_t bit = 1ull << 31; bit; bit >>= 1)
		if ((r + bit) * (r + bit) <= n)
			r += bit;
	return r;
}

/* The next one comes interval / sqrt(count) after the one before. */
static uint64_t control_law(const struct codel *c, const struct codel_params *p,
			    uint64_t from_us)
{
	return from_us + p->interval_us * 1000ull / root(c->count * 1000000ull);
}

static bool stays_above(struct codel *c, const struct codel_params *p,
			uint64_t waited_us, uint64_t now_us)
{
	if (waited_us < p->target_us) {
		c->first_above_us = 0;
		return false;
	}
	if (!c->first_above_us) {
		c->first_above_us = now_us + p->interval_us;
		return false;
	}
	return now_us >= c->first_above_us;
}

bool codel_signals(struct codel *c, const struct codel_params *p, uint64_t waited_us,
		   uint64_t now_us)
{
	bool above;

	if (!p->target_us)
		return false;
	above = stays_above(c, p, waited_us, now_us);
	if (!c->dropping) {
		if (!above)
			return false;
		/* Soon after the last time: go on with about its rate. */
		c->dropping = true;
		c->count = c->count - c->count_before > 1 &&
				   now_us < c->next_us + 16ull * p->interval_us
			   ? c->count - c->count_before : 1;
		c->count_before = c->count;
		c->next_us = control_law(c, p, now_us);
		return true;
	}
	if (!above)
		c->dropping = false;
	if (!above || now_us < c->next_us)
		return false;
	c->count++;
	c->next_us = control_law(c, p, c->next_us);
	return true;
}

/* ---- bottleneck ------------------------------------------------------------------------ */

uint64_t bottleneck_bytes(const struct bottleneck *b, const struct bottleneck_params *p,
			  uint64_t now_us)
{
	uint64_t now_ns = now_us * 1000;

	if (b->free_ns <= now_ns)
		return 0;
	return (b->free_ns - now_ns) / 1000 * p->rate_bytes_s / US_PER_S;
}

enum verdict bottleneck_takes(struct bottleneck *b, const struct bottleneck_params *p,
			      uint32_t len_bytes, bool ect, uint64_t now_us,
			      uint64_t *out_us, uint64_t *waited_us)
{
	bool signal;

	*out_us = now_us;
	*waited_us = 0;
	if (!p->rate_bytes_s)
		return PASSES;
	if (bottleneck_bytes(b, p, now_us) > p->queue_bytes)
		return OVERFLOWED;
	if (b->free_ns < now_us * 1000)
		b->free_ns = now_us * 1000;
	*waited_us = b->free_ns / 1000 - now_us;
	signal = codel_signals(&b->codel, &p->codel, *waited_us, b->free_ns / 1000);
	if (signal && !ect)
		return SIGNALLED;
	b->free_ns += len_bytes * 1000000000ull / p->rate_bytes_s;
	*out_us = (b->free_ns + 999) / 1000;
	return signal ? MARKED : PASSES;
}
