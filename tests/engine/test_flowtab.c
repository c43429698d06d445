/* test_flowtab.c - the hash table against a plain array of nodes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../engine/flowtab.h"
#include "oom.h"
#include "rnd.h"

static const uint8_t key[16] = "sixteen bytes...";

/* Flow number i; neighbours differ in one field only. */
static struct flow flow_no(uint32_t i)
{
	struct flow f = {
		.local = {.addr.b = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1},
			  .port = 80},
		.remote = {.addr.b = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 2},
			   .port = 1024},
	};

	f.local.addr.b[15] = (uint8_t)(i & 3);
	f.local.port = (uint16_t)(80 + (i >> 2 & 3));
	f.remote.addr.b[15] = (uint8_t)(i >> 4 & 3);
	f.remote.port = (uint16_t)(1024 + (i >> 6));
	return f;
}

static void count_node(struct flow_node *node, void *arg)
{
	struct flow f = flow_no((uint32_t)0);

	assert_memory_equal(node->flow.remote.addr.b, f.remote.addr.b, 15);
	++*(uint32_t *)arg;
}

static uint32_t count(struct flowtab *tab)
{
	uint32_t n = 0;

	flowtab_each(tab, count_node, &n);
	return n;
}

static void test_against_model(void **state)
{
	enum { NODES = 2000 };
	struct flow_node *nodes = calloc(NODES, sizeof(*nodes));
	uint8_t in[NODES] = {0};
	uint32_t n = 0;
	struct rnd rnd = {1};
	size_t memory_bytes = 0;
	struct flowtab tab;

	(void)state;
	assert_non_null(nodes);
	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), 0);
	for (int step = 0; step < 40000; step++) {
		uint32_t i = rnd_below(&rnd, NODES);
		struct flow f = flow_no(i);

		assert_ptr_equal(flowtab_find(&tab, &f, 0), in[i] ? &nodes[i] : NULL);
		/* fills up in the first half, then empties */
		if (!in[i] && rnd_below(&rnd, 4) < (step < 20000 ? 3 : 1)) {
			nodes[i].flow = f;
			flowtab_insert(&tab, &nodes[i]);
			in[i] = 1;
			n++;
		} else if (in[i] && rnd_below(&rnd, 4) < (step < 20000 ? 1 : 3)) {
			flowtab_remove(&tab, &nodes[i]);
			in[i] = 0;
			n--;
		}
		assert_int_equal(tab.nodes, n);
		if (step % 1000 == 0)
			assert_int_equal(count(&tab), n);
	}
	assert_int_equal(tab.buckets, 2048); /* grew with the number of nodes */
	assert_int_equal(memory_bytes, 2048 * sizeof(*tab.bucket));
	flowtab_free(&tab);
	assert_int_equal(memory_bytes, 0);
	free(nodes);
}

static void test_fields_matter(void **state)
{
	struct flow_node conn = {.flow = flow_no(0)};
	struct flow_node listener = {.flow.local = flow_no(0).local};
	struct flow f = flow_no(0);
	size_t memory_bytes = 0;
	struct flowtab tab;

	(void)state;
	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), 0);
	flowtab_insert(&tab, &listener);
	assert_null(flowtab_find(&tab, &f, 0));
	flowtab_insert(&tab, &conn);
	assert_ptr_equal(flowtab_find(&tab, &f, 0), &conn);
	for (size_t i = 0; i < sizeof(f); i++) { /* any bit */
		((uint8_t *)&f)[i] ^= 0x10;
		assert_null(flowtab_find(&tab, &f, 0));
		((uint8_t *)&f)[i] ^= 0x10;
	}
	memset(&f.remote, 0, sizeof(f.remote));
	assert_ptr_equal(flowtab_find(&tab, &f, 0), &listener);
	flowtab_free(&tab);
}

/* Packets of one flow by several devices. */
static void test_devices(void **state)
{
	struct flow_node all = {.flow = flow_no(0)};
	struct flow_node two = {.flow = flow_no(0), .ifindex = 2};
	struct flow_node three = {.flow = flow_no(0), .ifindex = 3};
	struct flow f = flow_no(0);
	size_t memory_bytes = 0;
	struct flowtab tab;

	(void)state;
	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), 0);
	flowtab_insert(&tab, &two);
	flowtab_insert(&tab, &three);
	assert_ptr_equal(flowtab_find(&tab, &f, 2), &two);
	assert_ptr_equal(flowtab_find(&tab, &f, 3), &three);
	assert_null(flowtab_find(&tab, &f, 4));
	assert_non_null(flowtab_find(&tab, &f, 0));
	flowtab_insert(&tab, &all);
	assert_ptr_equal(flowtab_find(&tab, &f, 2), &two);
	assert_ptr_equal(flowtab_find(&tab, &f, 3), &three);
	assert_ptr_equal(flowtab_find(&tab, &f, 4), &all);
	assert_ptr_equal(flowtab_find(&tab, &f, 0), &all);
	flowtab_free(&tab);
}

/* Nodes whose flows differ, but not their hashes, in one chain. */
static void test_equal_hashes(void **state)
{
	struct flow_node a = {.flow = flow_no(1)}, b = {.flow = flow_no(2)};
	struct flow f = flow_no(1);
	size_t memory_bytes = 0;
	struct flowtab tab;

	(void)state;
	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), 0);
	flowtab_insert(&tab, &a);
	/* b takes the place before a, under a's hash */
	b.hash = a.hash;
	b.next = &a;
	tab.bucket[a.hash & (tab.buckets - 1)] = &b;
	tab.nodes++;
	assert_ptr_equal(flowtab_find(&tab, &f, 0), &a);
	flowtab_remove(&tab, &a);
	assert_null(flowtab_find(&tab, &f, 0));
	assert_ptr_equal(tab.bucket[b.hash & (tab.buckets - 1)], &b);
	flowtab_free(&tab);
}

struct remove_some {
	struct flowtab *tab;
	uint32_t seen;
};

static void remove_every_other(struct flow_node *node, void *arg)
{
	struct remove_some *rs = arg;

	if (rs->seen++ % 2 == 0)
		flowtab_remove(rs->tab, node);
}

static void test_each_may_remove(void **state)
{
	enum { NODES = 500 };
	static struct flow_node nodes[NODES];
	size_t memory_bytes = 0;
	struct flowtab tab;
	struct remove_some rs = {&tab, 0};

	(void)state;
	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), 0);
	for (uint32_t i = 0; i < NODES; i++) {
		nodes[i].flow = flow_no(i);
		flowtab_insert(&tab, &nodes[i]);
	}
	flowtab_each(&tab, remove_every_other, &rs);
	assert_int_equal(rs.seen, NODES);
	assert_int_equal(tab.nodes, NODES / 2);
	assert_int_equal(count(&tab), NODES / 2);
	flowtab_free(&tab);
}

static void test_out_of_memory(void **state)
{
	enum { NODES = 200 };
	static struct flow_node nodes[NODES];
	size_t memory_bytes = 0;
	struct flowtab tab;

	(void)state;
	oom_after(0);
	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), -ENOMEM);
	assert_true(oom_happened());
	assert_int_equal(memory_bytes, 0);

	assert_int_equal(flowtab_init(&tab, key, &memory_bytes), 0);
	for (uint32_t i = 0; i < NODES; i++) {
		uint32_t buckets = tab.buckets;

		nodes[i].flow = flow_no(i);
		oom_after(0);
		flowtab_insert(&tab, &nodes[i]);
		oom_happened();
		assert_int_equal(tab.buckets, buckets);
	}
	for (uint32_t i = 0; i < NODES; i++)
		assert_ptr_equal(flowtab_find(&tab, &nodes[i].flow, 0), &nodes[i]);
	flowtab_free(&tab);
	assert_int_equal(memory_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_fields_matter),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_equal_hashes),
		cmocka_unit_test(test_each_may_remove),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("flowtab", tests, NULL, NULL);
}
