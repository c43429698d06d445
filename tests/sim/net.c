/* net.c - see net.h. Owns the packets under way: a heap ordered by time of
 * arrival, then by time of sending. */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- chance --------------------------------------------------------------- */

uint64_t rng_next(struct rng *r) /* splitmix64 */
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return n ? (uint32_t)(((rng_next(r) >> 32) * n) >> 32) : 0;
}

uint32_t rng_in(struct rng *r, uint32_t lo, uint32_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

bool rng_chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
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

/* ---- the heap -------------------------------------------------------------- */

static bool before(const struct packet *a, const struct packet *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_push(struct net *net, struct packet *k)
{
	uint32_t i = net->n;

	if (net->n == net->cap) {
		net->cap = net->cap ? net->cap * 2 : 64;
		net->heap = realloc(net->heap, net->cap * sizeof(*net->heap));
		if (!net->heap)
			abort();
	}
	for (net->n++; i && before(k, net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		net->heap[i] = net->heap[(i - 1) / 2];
	net->heap[i] = k;
}

static struct packet *heap_pop(struct net *net)
{
	struct packet *top = net->heap[0], *k = net->heap[--net->n];
	uint32_t i = 0, c;

	while ((c = 2 * i + 1) < net->n) {
		if (c + 1 < net->n && before(net->heap[c + 1], net->heap[c]))
			c++;
		if (!before(net->heap[c], k))
			break;
		net->heap[i] = net->heap[c];
		i = c;
	}
	net->heap[i] = k;
	return top;
}

void net_init(struct net *net, const struct net_params *p, uint64_t seed)
{
	memset(net, 0, sizeof(*net));
	net->p = *p;
	net->rng.s = seed;
}

void net_free(struct net *net)
{
	while (net->n)
		free(heap_pop(net));
	free(net->heap);
}

uint64_t net_next_us(const struct net *net)
{
	return net->n ? net->heap[0]->due_us : ENGINE_NEVER;
}

struct packet *net_receive(struct net *net, uint64_t now_us)
{
	return net_next_us(net) <= now_us ? heap_pop(net) : NULL;
}

/* ---- the log ----------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void flag_names(uint8_t flags, char out[9])
{
	static const char names[] = "FSRPAUEC";
	int n = 0;

	for (int i = 0; i < 8; i++)
		if (flags & 1 << i)
			out[n++] = names[i];
	out[n] = 0;
}

void net_log(struct net *net, uint64_t now_us, const char *what, int from,
	     const uint8_t *tcp, uint32_t len_bytes)
{
	char *line = net->log[net->log_n++ % NET_LOG];
	uint32_t hdr = (tcp[12] >> 4) * 4u;
	char flags[9];

	flag_names(tcp[13], flags);
	snprintf(line, sizeof(net->log[0]),
		 "%12.6f %s %-9s %5u>%-5u %-4s seq=%u ack=%u wnd=%u len=%u opt=%u",
		 (double)now_us / 1e6, from ? "B->A" : "A->B", what,
		 tcp[0] << 8 | tcp[1], tcp[2] << 8 | tcp[3], flags, be32(tcp + 4),
		 be32(tcp + 8), tcp[14] << 8 | tcp[15],
		 len_bytes > hdr ? len_bytes - hdr : 0, hdr - TCP_HDR_MIN);
	if (net->verbose)
		puts(line);
}

void net_print_log(const struct net *net)
{
	uint32_t i = net->log_n > NET_LOG ? net->log_n - NET_LOG : 0;

	for (; i < net->log_n; i++)
		puts(net->log[i % NET_LOG]);
}

/* ---- sending ----------------------------------------------------------------- */

/* When the last bit has passed the bottleneck; 0: its queue is full. */
static uint64_t through_bottleneck(struct net *net, int from, uint32_t len_bytes,
				   uint64_t now_us)
{
	uint64_t *free_us = &net->free_at_us[from], waits_us;
	uint32_t rate = net->p.rate_bytes_per_ms;

	if (!rate)
		return now_us;
	if (*free_us < now_us)
		*free_us = now_us;
	waits_us = *free_us - now_us;
	if (waits_us * rate / 1000 > net->p.queue_bytes)
		return 0;
	*free_us += (uint64_t)len_bytes * 1000 / rate + 1;
	return *free_us;
}

/* A damaged bit is always found by the checksum, unless the sum then happens to
 * be the partial one that offloads leave; that is luck, not a test. */
static void damage(struct net *net, struct packet *k)
{
	uint16_t partial = segment_pseudo_sum(&k->src, &k->dst, k->len_bytes);
	uint32_t bit = rng_below(&net->rng, k->len_bytes * 8);

	k->tcp[bit / 8] ^= (uint8_t)(1 << bit % 8);
	k->damaged = true;
	if ((k->tcp[16] << 8 | k->tcp[17]) == partial) {
		k->tcp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		k->damaged = false;
	}
}

static void travel(struct net *net, struct packet *k, uint64_t now_us)
{
	k->due_us = now_us + net->p.delay_us + rng_below(&net->rng, net->p.jitter_us + 1);
	k->order = net->order++;
	heap_push(net, k);
}

static void launch(struct net *net, int from, struct packet *k, uint64_t now_us)
{
	uint64_t out_us = through_bottleneck(net, from, k->len_bytes + 40, now_us);

	net->sent++;
	if (!out_us || rng_chance(&net->rng, net->p.loss_percent)) {
		net_log(net, now_us, out_us ? "lost" : "overflow", from, k->tcp,
			k->len_bytes);
		net->lost++;
		free(k);
		return;
	}
	net_log(net, now_us, "sent", from, k->tcp, k->len_bytes);
	if (rng_chance(&net->rng, net->p.dup_percent)) {
		struct packet *twin = malloc(sizeof(*k) + k->len_bytes);

		if (!twin)
			abort();
		memcpy(twin, k, sizeof(*k) + k->len_bytes);
		travel(net, twin, out_us);
	}
	if (rng_chance(&net->rng, net->p.corrupt_percent))
		damage(net, k);
	travel(net, k, out_us);
}

static struct packet *copy(const struct engine_pkt_out *o, int from,
			   const uint8_t *hdr, const struct iovec *iov, int iovs,
			   uint32_t payload_bytes)
{
	uint32_t len = o->hdr_len_bytes + payload_bytes, at = o->hdr_len_bytes;
	struct packet *k = malloc(sizeof(*k) + len);
	uint16_t sum = segment_checksum(&o->src, &o->dst, hdr, o->hdr_len_bytes, iov, iovs);

	if (!k)
		abort();
	*k = (struct packet){.to = !from, .src = o->src, .dst = o->dst, .len_bytes = len};
	memcpy(k->tcp, hdr, o->hdr_len_bytes);
	k->tcp[16] = (uint8_t)(sum >> 8);
	k->tcp[17] = (uint8_t)sum;
	for (int i = 0; i < iovs; i++) {
		memcpy(k->tcp + at, iov[i].iov_base, iov[i].iov_len);
		at += (uint32_t)iov[i].iov_len;
	}
	return k;
}

void net_send(struct net *net, int from, const struct engine_pkt_out *o, uint64_t now_us)
{
	uint32_t off = 0, len;

	if (net->p.pass_bursts && o->payload_len_bytes < 60000 &&
	    rng_chance(&net->rng, 50)) {
		launch(net, from, copy(o, from, o->hdr, o->payload, o->payload_iovs,
				       o->payload_len_bytes), now_us);
		return;
	}
	do {
		uint8_t hdr[TCP_HDR_MAX];
		struct iovec iov[2];
		int n = segment_cut(o, off, hdr, iov, &len);

		launch(net, from, copy(o, from, hdr, iov, n, len), now_us);
		off += len;
	} while (off < o->payload_len_bytes);
}
