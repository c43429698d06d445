/* test_random.c - the hash by its authors' test vectors, and what the rest must
 * and must not depend on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../engine/random.h"

/* SipHash-2-4 with the key 00 01 .. 0f of nothing, of 00, of 00 01, ... and of
 * 00 .. 3e, from the reference implementation. */
static const uint64_t vectors[64] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
	0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
	0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
	0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
	0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794,
	0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd, 0xbed65cf21aa2ee98,
	0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
	0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3,
	0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
	0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce,
	0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
	0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d,
	0x9abfd8766a33735c, 0x0e3ea96b5304a7d0, 0xad0c42d6fc585992,
	0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2,
	0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
	0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72,
	0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f,
	0x7fa8220ba3b2ecea, 0x245731c13ca42499, 0xb78dbfaf3a8d83bd,
	0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57,
	0x958a324ceb064572,
};

static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static const struct flow flow = {
	.local = {.addr.b = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, .port = 80},
	.remote = {.addr.b = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 2}, .port = 4000},
};

static void test_siphash_vectors(void **state)
{
	uint8_t unaligned[65];

	(void)state;
	for (uint8_t i = 0; i < 64; i++)
		unaligned[1 + i] = i;
	for (size_t len = 0; len < 64; len++)
		assert_true(siphash(key, unaligned + 1, len) == vectors[len]);
}

static void test_prng(void **state)
{
	enum { N = 2000 };
	struct prng a = {.counter = 0}, b = {.counter = 0}, other = {.key = {1}};
	uint64_t seen[N];
	unsigned ones[64] = {0};

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		seen[i] = prng_next(&a);
		assert_true(seen[i] == prng_next(&b)); /* the seed decides */
		assert_true(seen[i] != prng_next(&other));
		for (unsigned k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
		for (unsigned bit = 0; bit < 64; bit++)
			ones[bit] += seen[i] >> bit & 1;
	}
	for (unsigned bit = 0; bit < 64; bit++) /* 6 sigma of 22.4 */
		assert_in_range(ones[bit], N / 2 - 134, N / 2 + 134);
}

static void test_prng_is_siphash_of_the_counter(void **state)
{
	/* 00 .. 07 as a little-endian number */
	struct prng p = {.counter = 0x0706050403020100};

	(void)state;
	memcpy(p.key, key, sizeof(key));
	assert_true(prng_next(&p) == vectors[8]);
	assert_true(p.counter == 0x0706050403020101);
}

/* RFC 6528: within a flow the ISS follows the clock. [MUST-8] */
static void test_iss_clock(void **state)
{
	uint32_t iss = random_iss(key, &flow, 1000000);

	(void)state;
	assert_int_equal(random_iss(key, &flow, 1000003), iss);
	assert_int_equal(random_iss(key, &flow, 1000004), iss + 1);
	assert_int_equal((uint32_t)(random_iss(key, &flow, 2000000) - iss), 250000);
	/* round once in 2^32 ticks */
	assert_int_equal(random_iss(key, &flow, 1000000 + (UINT64_C(4) << 32)), iss);
}

/* Calls fn with every field of the flow, and the key, changed. */
static void check_depends(uint32_t (*fn)(const uint8_t *k, const struct flow *f))
{
	struct flow f = flow;
	uint8_t k[16];
	uint32_t base = fn(key, &flow);

	for (size_t i = 0; i < sizeof(f); i++) {
		((uint8_t *)&f)[i] ^= 1;
		assert_int_not_equal(fn(key, &f), base);
		((uint8_t *)&f)[i] ^= 1;
	}
	for (size_t i = 0; i < sizeof(k); i++) {
		memcpy(k, key, sizeof(k));
		k[i] ^= 0x80;
		assert_int_not_equal(fn(k, &flow), base);
	}
	assert_int_equal(fn(key, &f), base);
}

static uint32_t iss_at_zero(const uint8_t *k, const struct flow *f)
{
	return random_iss(k, f, 0);
}

static uint32_t ts_offset(const uint8_t *k, const struct flow *f)
{
	return random_ts_offset(k, f);
}

static uint32_t tag(const uint8_t *k, const struct flow *f)
{
	return (uint32_t)random_tag(k, f, 0, 0);
}

/* [MUST-9] [SHLD-1] */
static void test_flow_and_key_matter(void **state)
{
	(void)state;
	check_depends(iss_at_zero);
	check_depends(ts_offset);
	check_depends(tag);
	for (unsigned bit = 0; bit < 32; bit++) {
		assert_int_not_equal((uint32_t)random_tag(key, &flow, 1u << bit, 0), tag(key, &flow));
		assert_int_not_equal((uint32_t)random_tag(key, &flow, 0, 1u << bit), tag(key, &flow));
	}
}

/* The timestamps, which are public, must not tell the ISS. */
static void test_purposes_are_independent(void **state)
{
	struct flow f = flow;
	uint32_t first;

	(void)state;
	first = iss_at_zero(key, &f) - ts_offset(key, &f);
	assert_int_not_equal(first, 0);
	f.remote.port++;
	assert_int_not_equal(iss_at_zero(key, &f) - ts_offset(key, &f), first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_vectors),
		cmocka_unit_test(test_prng),
		cmocka_unit_test(test_prng_is_siphash_of_the_counter),
		cmocka_unit_test(test_iss_clock),
		cmocka_unit_test(test_flow_and_key_matter),
		cmocka_unit_test(test_purposes_are_independent),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
