/* test_sockpool.c - the memory of socks: given back when they are gone, and never
 * mistaken for another sock's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../shim/privs.h"
#include "../../shim/sock.h"

#define MANY 8000
#define PAGE_BYTES 4096

static struct sock *socks[MANY];
static uint64_t ids[MANY];

static void make_many(int n)
{
	for (int i = 0; i < n; i++) {
		socks[i] = sock_new(AF_INET);
		assert_non_null(socks[i]);
		assert_int_equal(atomic_load(&socks[i]->refs), 1);
		memset(&socks[i]->final, 0xee, sizeof(socks[i]->final));
	}
}

static void count_pages(void *arg, const void *start, size_t len_bytes)
{
	size_t n = (len_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	unsigned char *in = malloc(n);

	assert_int_equal(mincore((void *)(uintptr_t)start, len_bytes, in), 0);
	for (size_t i = 0; i < n; i++)
		*(size_t *)arg += in[i] & 1;
	free(in);
}

static size_t resident_bytes(void)
{
	size_t pages = 0;

	sockpool_each(count_pages, &pages);
	return pages * PAGE_BYTES;
}

static void memory_goes_back(void **state)
{
	const size_t all = MANY * sizeof(struct sock);

	(void)state;
	make_many(MANY);
	assert_true(resident_bytes() >= all);
	for (int i = 0; i < MANY; i++) {
		ids[i] = atomic_load(&socks[i]->id);
		if (i != MANY / 2)
			sock_put(socks[i]);
	}
	assert_true(resident_bytes() < all / 4);
	/* one in the middle is still in use */
	assert_int_equal(atomic_load(&socks[MANY / 2]->refs), 1);
	assert_ptr_equal(sock_by_id(ids[MANY / 2]), socks[MANY / 2]);
	sock_put(socks[MANY / 2]);
	sock_put(socks[MANY / 2]);
	for (int i = 0; i < MANY; i++)
		assert_null(sock_by_id(ids[i]));
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void ids_stay_unique(void **state)
{
	(void)state;
	make_many(MANY);
	for (int i = 0; i < MANY; i++) {
		assert_null(sock_by_id(ids[i]));
		assert_int_equal(socks[i]->final.state, 0xeeeeeeee);
		sock_put(socks[i]);
	}
	make_many(MANY);
	for (int i = 0; i < MANY; i++) {
		ids[i] = atomic_load(&socks[i]->id);
		sock_put(socks[i]);
	}
	qsort(ids, MANY, sizeof(ids[0]), compare_ids);
	for (int i = 1; i < MANY; i++)
		assert_true(ids[i] > ids[i - 1]);
}

/* A sandbox may kill for calls that the program does not make. */
static void keeps_it_when_confined(void **state)
{
	size_t before;

	(void)state;
	make_many(MANY);
	before = resident_bytes();
	atomic_store(&privs_confined, true);
	for (int i = 1; i < MANY; i++)
		sock_put(socks[i]);
	assert_int_equal(resident_bytes(), before);
	atomic_store(&privs_confined, false);
	sock_put(socks[0]);
	assert_true(resident_bytes() < before / 4);
}

#define THREADS 4
#define ROUNDS 60
#define EACH 1000

static void *come_and_go(void *arg)
{
	struct sock *mine[EACH];
	int me = (int)(intptr_t)arg;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < EACH; i++) {
			mine[i] = sock_new(AF_INET);
			if (!mine[i] || atomic_load(&mine[i]->refs) != 1 ||
			    atomic_load(&mine[i]->err) != 0)
				return arg;
			atomic_store(&mine[i]->err, me);
		}
		for (int i = 0; i < EACH; i++) {
			if (atomic_load(&mine[i]->err) != me)
				return arg;
			sock_put(mine[i]);
		}
	}
	return NULL;
}

static void threads_do_not_meet(void **state)
{
	pthread_t t[THREADS];
	void *wrong;

	(void)state;
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &wrong);
		assert_null(wrong);
	}
	assert_true(resident_bytes() < THREADS * EACH * sizeof(struct sock) * 3 / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_goes_back),
		cmocka_unit_test(ids_stay_unique),
		cmocka_unit_test(keeps_it_when_confined),
		cmocka_unit_test(threads_do_not_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
