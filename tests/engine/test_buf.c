/* test_buf.c - the ring against a flat array, and the pool's bookkeeping. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../engine/buf.h"
#include "oom.h"
#include "rnd.h"

#define MODEL_BYTES (1u << 15)

/* What the ring must hold from its head on; only bytes that were written. */
struct model {
	uint8_t byte[MODEL_BYTES];
	uint8_t known[MODEL_BYTES];
	uint32_t len_bytes;
};

static void model_consume(struct model *m, uint32_t n)
{
	memmove(m->byte, m->byte + n, MODEL_BYTES - n);
	memmove(m->known, m->known + n, MODEL_BYTES - n);
	memset(m->known + MODEL_BYTES - n, 0, n);
	m->len_bytes -= n;
}

static uint8_t ring_byte(const struct ring *r, uint32_t off)
{
	struct iovec iov[2];

	assert_int_equal(ring_iov(r, off, 1, iov), 1);
	assert_int_equal(iov[0].iov_len, 1);
	return *(uint8_t *)iov[0].iov_base;
}

static void check_ring(const struct ring *r, const struct model *m)
{
	assert_int_equal(r->len_bytes, m->len_bytes);
	for (uint32_t i = 0; i < r->size_bytes && i < MODEL_BYTES; i++)
		if (m->known[i])
			assert_int_equal(ring_byte(r, i), m->byte[i]);
}

static void put(struct ring *r, struct model *m, uint32_t off, uint32_t n,
		struct rnd *rnd)
{
	rnd_fill(rnd, m->byte + off, n);
	memset(m->known + off, 1, n);
	ring_put_at(r, off, m->byte + off, n);
}

static void check_range(const struct ring *r, const struct model *m,
			uint32_t off, uint32_t n)
{
	struct iovec iov[2];
	int iovs = ring_iov(r, off, n, iov);
	size_t first;

	if (n == 0) {
		assert_int_equal(iovs, 0);
		return;
	}
	assert_in_range(iovs, 1, 2);
	first = iov[0].iov_len;
	assert_memory_equal(iov[0].iov_base, m->byte + off, first);
	if (iovs == 1) {
		assert_int_equal(first, n);
		return;
	}
	assert_int_equal(first + iov[1].iov_len, n);
	assert_true(iov[1].iov_len > 0);
	assert_ptr_equal(iov[1].iov_base, r->data);
	assert_memory_equal(iov[1].iov_base, m->byte + off + first, iov[1].iov_len);
}

static void random_step(struct ring *r, struct bufpool *p, struct model *m,
			struct rnd *rnd)
{
	uint32_t room = r->size_bytes - r->len_bytes, off, n;

	switch (rnd_below(rnd, 5)) {
	case 0: /* append */
		n = rnd_below(rnd, room + 1);
		put(r, m, m->len_bytes, n, rnd);
		m->len_bytes = r->len_bytes += n;
		break;
	case 1: /* out of order */
		off = rnd_below(rnd, room + 1);
		n = rnd_below(rnd, room - off + 1);
		put(r, m, m->len_bytes + off, n, rnd);
		break;
	case 2:
		n = rnd_below(rnd, m->len_bytes + 1);
		ring_consume(r, n);
		model_consume(m, n);
		break;
	case 3:
		off = rnd_below(rnd, m->len_bytes + 1);
		check_range(r, m, off, rnd_below(rnd, m->len_bytes - off + 1));
		break;
	default:
		if (rnd_below(rnd, 20) > 0)
			break;
		n = rnd_below(rnd, MODEL_BYTES + 1);
		assert_int_equal(ring_reserve(r, p, n), 0);
		assert_true(r->size_bytes >= n);
		break;
	}
}

static void test_against_model(void **state)
{
	struct model *m = malloc(sizeof(*m));

	(void)state;
	assert_non_null(m);
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct rnd rnd = {seed};
		size_t memory_bytes = 0;
		struct bufpool pool;
		struct ring r = {0};

		memset(m, 0, sizeof(*m));
		bufpool_init(&pool, &memory_bytes);
		for (int step = 0; step < 300; step++) {
			random_step(&r, &pool, m, &rnd);
			check_ring(&r, m);
		}
		ring_release(&r, &pool);
		bufpool_free(&pool);
		assert_int_equal(memory_bytes, 0);
	}
	free(m);
}

static void test_sizes(void **state)
{
	static const struct {
		uint32_t need_bytes, size_bytes;
	} cases[] = {
		{0, 0},
		{1, BUF_MIN},
		{BUF_MIN, BUF_MIN},
		{BUF_MIN + 1, 2 * BUF_MIN},
		{65535, 65536},
		{BUF_MAX - 1, BUF_MAX},
		{BUF_MAX, BUF_MAX},
	};
	size_t memory_bytes = 0;
	struct bufpool pool;

	(void)state;
	bufpool_init(&pool, &memory_bytes);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ring r = {0};

		assert_int_equal(ring_reserve(&r, &pool, cases[i].need_bytes), 0);
		assert_int_equal(r.size_bytes, cases[i].size_bytes);
		ring_release(&r, &pool);
		assert_int_equal(r.size_bytes, 0);
		assert_null(r.data);
	}
	bufpool_free(&pool);
	assert_int_equal(memory_bytes, 0);
}

static void test_released_buffer_is_used_again(void **state)
{
	size_t memory_bytes = 0;
	struct bufpool pool;
	struct ring r = {0};
	const uint8_t *data;

	(void)state;
	bufpool_init(&pool, &memory_bytes);
	assert_int_equal(ring_reserve(&r, &pool, 5000), 0);
	data = r.data;
	ring_release(&r, &pool);
	assert_int_equal(memory_bytes, 8192);
	oom_after(0); /* no allocation */
	assert_int_equal(ring_reserve(&r, &pool, 8192), 0);
	assert_false(oom_happened());
	assert_ptr_equal(r.data, data);
	assert_int_equal(memory_bytes, 8192);
	ring_release(&r, &pool);
	bufpool_free(&pool);
	assert_int_equal(memory_bytes, 0);
}

/* However many come back, the pool keeps a bounded number. */
static void test_pool_is_bounded(void **state)
{
	static const uint32_t sizes_bytes[] = {BUF_MIN, 1u << 16, 1u << 22,
					       1u << 24, BUF_MAX};
	enum { RINGS = 4096 };
	struct ring *rings = calloc(RINGS, sizeof(*rings));
	size_t memory_bytes = 0;
	struct bufpool pool;

	(void)state;
	assert_non_null(rings);
	bufpool_init(&pool, &memory_bytes);
	for (size_t i = 0; i < sizeof(sizes_bytes) / sizeof(sizes_bytes[0]); i++) {
		uint32_t size_bytes = sizes_bytes[i];
		uint32_t n = size_bytes > 1u << 20 ? 3 : (8u << 20) / size_bytes;

		for (uint32_t k = 0; k < n; k++)
			assert_int_equal(ring_reserve(&rings[k], &pool, size_bytes), 0);
		assert_int_equal(memory_bytes, (size_t)n * size_bytes);
		for (uint32_t k = 0; k < n; k++)
			ring_release(&rings[k], &pool);
		assert_true(memory_bytes <= 16u << 20);
		assert_int_equal(memory_bytes == 0, size_bytes == BUF_MAX);
		bufpool_free(&pool);
		assert_int_equal(memory_bytes, 0);
	}
	free(rings);
}

static void test_empty_ring(void **state)
{
	size_t memory_bytes = 0;
	struct bufpool pool;
	struct iovec iov[2];
	struct ring r = {0};

	(void)state;
	bufpool_init(&pool, &memory_bytes);
	assert_int_equal(ring_iov(&r, 0, 0, iov), 0);
	ring_put_at(&r, 0, "", 0);
	ring_consume(&r, 0);
	ring_release(&r, &pool);
	assert_int_equal(memory_bytes, 0);
	assert_int_equal(r.head, 0);
}

static void test_out_of_memory(void **state)
{
	size_t memory_bytes = 0;
	struct bufpool pool;
	struct ring r = {0}, before;

	(void)state;
	bufpool_init(&pool, &memory_bytes);
	assert_int_equal(ring_reserve(&r, &pool, BUF_MAX + 1), -ENOMEM);
	oom_after(0);
	assert_int_equal(ring_reserve(&r, &pool, 1), -ENOMEM);
	assert_true(oom_happened());
	assert_null(r.data);

	assert_int_equal(ring_reserve(&r, &pool, 1), 0);
	ring_put_at(&r, 0, "hello", 5);
	r.len_bytes = 5;
	ring_consume(&r, 1);
	before = r;
	oom_after(0);
	assert_int_equal(ring_reserve(&r, &pool, BUF_MIN + 1), -ENOMEM);
	assert_true(oom_happened());
	assert_memory_equal(&r, &before, sizeof(r));
	assert_memory_equal(r.data + r.head, "ello", 4);
	assert_int_equal(memory_bytes, BUF_MIN);
	ring_release(&r, &pool);
	bufpool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_released_buffer_is_used_again),
		cmocka_unit_test(test_pool_is_bounded),
		cmocka_unit_test(test_empty_ring),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
