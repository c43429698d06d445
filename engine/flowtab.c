/* flowtab.c - a chained hash table of struct flow_node.
 *
 * Invariants: a node is in the chain bucket[hash & (buckets - 1)], once;
 * node->hash is the SipHash of node->flow under the table's key. The table owns
 * the array of chains, never the nodes.
 */
#include "flowtab.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "random.h"

#define BUCKETS_MIN 64u
#define BUCKETS_MAX (1u << 30)

static uint32_t flow_hash(const struct flowtab *tab, const struct flow *f)
{
	_Static_assert(sizeof(*f) == 2 * (16 + 2), "struct flow has no padding");
	return (uint32_t)siphash(tab->key, f, sizeof(*f));
}

static struct flow_node **chain_of(const struct flowtab *tab, uint32_t hash)
{
	return &tab->bucket[hash & (tab->buckets - 1)];
}

int flowtab_init(struct flowtab *tab, const uint8_t key[16], size_t *memory_bytes)
{
	*tab = (struct flowtab){.memory_bytes = memory_bytes};
	memcpy(tab->key, key, sizeof(tab->key));
	tab->bucket = calloc(BUCKETS_MIN, sizeof(*tab->bucket));
	if (!tab->bucket)
		return -ENOMEM;
	tab->buckets = BUCKETS_MIN;
	*memory_bytes += tab->buckets * sizeof(*tab->bucket);
	return 0;
}

void flowtab_free(struct flowtab *tab)
{
	free(tab->bucket);
	*tab->memory_bytes -= tab->buckets * sizeof(*tab->bucket);
	tab->bucket = NULL;
	tab->buckets = 0;
	tab->nodes = 0;
}

/* Doubles the table. Without memory it stays: longer chains work as well. */
static void grow(struct flowtab *tab)
{
	struct flow_node **old = tab->bucket;
	uint32_t old_buckets = tab->buckets;
	struct flow_node **bucket;

	bucket = calloc(2 * (size_t)old_buckets, sizeof(*bucket));
	if (!bucket)
		return;
	tab->bucket = bucket;
	tab->buckets = 2 * old_buckets;
	*tab->memory_bytes += old_buckets * sizeof(*bucket);

	for (uint32_t i = 0; i < old_buckets; i++) {
		struct flow_node *node = old[i], *next;

		for (; node; node = next) {
			struct flow_node **chain = chain_of(tab, node->hash);

			next = node->next;
			node->next = *chain;
			*chain = node;
		}
	}
	free(old);
}

void flowtab_insert(struct flowtab *tab, struct flow_node *node)
{
	struct flow_node **chain;

	if (tab->nodes >= tab->buckets && tab->buckets < BUCKETS_MAX)
		grow(tab);
	node->hash = flow_hash(tab, &node->flow);
	chain = chain_of(tab, node->hash);
	node->next = *chain;
	*chain = node;
	tab->nodes++;
}

void flowtab_remove(struct flowtab *tab, struct flow_node *node)
{
	struct flow_node **link = chain_of(tab, node->hash);

	while (*link != node) {
		assert(*link);
		link = &(*link)->next;
	}
	*link = node->next;
	tab->nodes--;
}

struct flow_node *flowtab_find(const struct flowtab *tab, const struct flow *f,
			       uint32_t ifindex)
{
	uint32_t hash = flow_hash(tab, f);
	struct flow_node *node = *chain_of(tab, hash), *best = NULL;

	for (; node; node = node->next) {
		if (node->hash != hash || !flow_eq(&node->flow, f))
			continue;
		if (node->ifindex == ifindex)
			return node;
		if (node->ifindex == 0 || ifindex == 0)
			best = node;
	}
	return best;
}

void flowtab_each(struct flowtab *tab,
		  void (*fn)(struct flow_node *node, void *arg), void *arg)
{
	for (uint32_t i = 0; i < tab->buckets; i++) {
		struct flow_node *node = tab->bucket[i], *next;

		for (; node; node = next) {
			next = node->next;
			fn(node, arg);
		}
	}
}
