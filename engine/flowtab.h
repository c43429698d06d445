/* flowtab.h - finds the connection a segment belongs to.
 *
 * A hash table of struct flow_node, which its users embed. The hash is keyed,
 * because peers choose what is hashed. It doubles when it is full; a failure to
 * grow makes it slower, nothing else. A listener is a flow whose remote is all
 * zeroes (address bytes and port).
 */
#ifndef MYTCP_FLOWTAB_H
#define MYTCP_FLOWTAB_H

#include "engine.h"

struct flow_node {
	struct flow_node *next;
	struct flow flow;
	uint32_t hash;
	uint32_t ifindex; /* takes packets of this device alone; 0: of all */
};

struct flowtab {
	struct flow_node **bucket;
	uint32_t buckets, nodes; /* buckets: a power of two */
	uint8_t key[16];
	size_t *memory_bytes;
};

int flowtab_init(struct flowtab *tab, const uint8_t key[16],
		 size_t *memory_bytes); /* -ENOMEM */
void flowtab_free(struct flowtab *tab); /* the table, not the nodes */
/* node->flow must be set and not yet in the table. */
void flowtab_insert(struct flowtab *tab, struct flow_node *node);
void flowtab_remove(struct flowtab *tab, struct flow_node *node);
/* For a packet that came by the device ifindex (0: not known): a node for that
 * device goes before one for all; with 0 any node may be found. */
struct flow_node *flowtab_find(const struct flowtab *tab, const struct flow *f,
			       uint32_t ifindex);
/* Calls fn for every node; fn may remove the node it is given. */
void flowtab_each(struct flowtab *tab,
		  void (*fn)(struct flow_node *node, void *arg), void *arg);

#endif
