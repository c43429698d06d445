/* test_mem.c - the driver's memory: objects that do not touch each other, zeroed
 * where promised, and given back to the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../shim/mem.h"

#define MIB ((size_t)1 << 20)

static void add(void *sum, const void *start, size_t len)
{
	assert_int_equal((uintptr_t)start % 65536, 0);
	*(size_t *)sum += len;
}

static size_t mapped(void)
{
	size_t sum = 0;

	mem_each(add, &sum);
	return sum;
}

static int empty(void **state)
{
	(void)state;
	mem_unmap_all();
	assert_int_equal(mapped(), 0);
	return 0;
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(seed + i);
}

static void check(const unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (unsigned char)(seed + i))
			fail_msg("byte %zu of %zu was overwritten", i, n);
}

/* Every size around every limit, all of them in use at once. */
static void every_size(void **state)
{
	enum { N = 3000 };
	static unsigned char *at[N];
	size_t size[N], sum = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		size[i] = i < 1200 ? (size_t)i : (size_t)i * 23;
		at[i] = mem_malloc(size[i]);
		assert_non_null(at[i]);
		assert_int_equal((uintptr_t)at[i] % 16, 0);
		fill(at[i], size[i], (unsigned)i);
		sum += size[i];
	}
	for (int i = 0; i < N; i++)
		check(at[i], size[i], (unsigned)i);
	assert_in_range(mapped(), sum, sum + sum / 3 + 4 * MIB);
	for (int i = 0; i < N; i++)
		mem_free(at[i]);
	assert_true(mapped() <= MIB);
}

static void random_use(void **state)
{
	enum { N = 500, ROUNDS = 60000 };
	static struct {
		unsigned char *p;
		size_t n;
	} at[N];
	unsigned rnd = 7;

	(void)state;
	memset(at, 0, sizeof(at));
	for (int i = 0; i < ROUNDS; i++) {
		unsigned k, what;
		size_t n;

		rnd = rnd * 1103515245u + 12345u;
		k = (rnd >> 8) % N;
		what = (rnd >> 20) % 3;
		n = (rnd >> 16) % (i % 50 ? 3000 : 70000);
		check(at[k].p, at[k].n, k);
		if (what == 0 && at[k].p) {
			at[k].p = mem_realloc(at[k].p, n);
			check(at[k].p, n < at[k].n ? n : at[k].n, k);
		} else if (what == 1) {
			mem_free(at[k].p);
			at[k].p = mem_malloc(n);
		} else {
			mem_free(at[k].p);
			at[k].p = mem_calloc(1, n);
			for (size_t j = 0; j < n; j++)
				assert_int_equal(at[k].p[j], 0);
		}
		at[k].n = at[k].p ? n : 0;
		fill(at[k].p, at[k].n, k);
	}
	for (int k = 0; k < N; k++)
		mem_free(at[k].p);
	assert_true(mapped() <= MIB);
}

static void what_is_empty_serves_every_size(void **state)
{
	size_t once;
	void *p[64];

	(void)state;
	for (int size = 16; size <= 16384; size *= 2) {
		for (int i = 0; i < 64; i++)
			p[i] = mem_malloc((size_t)size / 16);
		for (int i = 0; i < 64; i++)
			mem_free(p[i]);
	}
	once = mapped();
	assert_true(once <= MIB);
	p[0] = mem_malloc(48);
	assert_int_equal(mapped(), once);
	mem_free(p[0]);
}

static void refuses_what_cannot_be(void **state)
{
	void *p;

	(void)state;
	assert_null(mem_malloc(SIZE_MAX));
	assert_null(mem_malloc(SIZE_MAX - 4096));
	assert_null(mem_calloc(SIZE_MAX / 2, 3));
	p = mem_malloc(10);
	assert_null(mem_realloc(p, SIZE_MAX / 2));
	mem_free(p);
	mem_free(NULL);
	assert_non_null(p = mem_realloc(NULL, 5));
	mem_free(p);
}

/* A child of a fork has the same addresses; it must not touch them. */
static void forgets(void **state)
{
	unsigned char *p = mem_malloc(100), *q;

	(void)state;
	fill(p, 100, 1);
	mem_forget();
	assert_int_equal(mapped(), 0);
	q = mem_malloc(100);
	fill(q, 100, 2);
	check(p, 100, 1);
	assert_int_equal(munmap((void *)((uintptr_t)p & ~(uintptr_t)65535), 65536), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_size, empty, empty),
		cmocka_unit_test_setup_teardown(random_use, empty, empty),
		cmocka_unit_test_setup_teardown(what_is_empty_serves_every_size, empty, empty),
		cmocka_unit_test_setup_teardown(refuses_what_cannot_be, empty, empty),
		cmocka_unit_test_setup_teardown(forgets, empty, empty),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
