/* rnd.h - random numbers for tests: SplitMix64, the same in every run. */
#ifndef TEST_RND_H
#define TEST_RND_H

#include <stddef.h>
#include <stdint.h>

struct rnd {
	uint64_t state;
};

static inline uint64_t rnd_u64(struct rnd *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* [0, n) */
static inline uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	return (uint32_t)(rnd_u64(r) % n);
}

static inline void rnd_fill(struct rnd *r, void *out, size_t n)
{
	uint8_t *p = out;

	while (n--)
		*p++ = (uint8_t)rnd_u64(r);
}

#endif
