/* net.c - see net.h. Owns the packets under way: a heap ordered by time of
 * arrival, then by time of sending. */
#include "net.h"

#include "../../engine/addr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	return net->n && net->heap[0]->due_us <= now_us ? heap_pop(net) : NULL;
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
	uint32_t hdr = (tcp[12] >> 4) * 4u;
	char *line, flags[9];

	if (net->p.unlogged)
		return;
	line = net->log[net->log_n++ % NET_LOG];
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

/* Late ones and jitter overtake each other; what was gathered does not. */
static void travel(struct net *net, const struct net_dir *d, struct packet *k,
		   uint64_t now_us)
{
	k->due_us = now_us + d->delay_us + rng_below(&net->rng, d->jitter_us + 1);
	if (rng_ppm(&net->rng, d->late_ppm))
		k->due_us += rng_below(&net->rng, d->late_us + 1);
	if (d->gather_us)
		k->due_us += d->gather_us - 1 - (k->due_us - 1) % d->gather_us;
	k->order = net->order++;
	heap_push(net, k);
}

static uint32_t wire_bytes(const struct packet *k)
{
	return k->len_bytes + (addr_is_v4(&k->src) ? 20 : 40);
}

#define CE 3

static bool is_ect(uint8_t tos)
{
	return tos & 3; /* a mark on a mark changes nothing */
}

/* Through policer, bottleneck and loss; *at_us: when it has left these. */
static enum fate pass(struct net *net, int from, struct packet *k, uint64_t *at_us,
		      uint64_t *waited_us)
{
	const struct net_dir *d = &net->p.dir[from];
	struct net_counts *n = &net->dir[from].counts;
	uint64_t now_us = *at_us;

	if (!policer_passes(&net->dir[from].policer, &d->policer, wire_bytes(k), now_us))
		return POLICED;
	switch (bottleneck_takes(&net->dir[from].bottleneck, &d->bottleneck,
				 wire_bytes(k), is_ect(k->tos), now_us, at_us,
				 waited_us)) {
	case OVERFLOWED:
		return OVERFLOW;
	case SIGNALLED:
		return AQM_DROP;
	case MARKED:
		n->marked++;
		k->tos |= CE;
		break;
	case PASSES:
		break;
	}
	if (burst_loses(&net->dir[from].burst, &d->burst, &net->rng) ||
	    rng_ppm(&net->rng, d->loss_ppm) || n->packets == d->lose_nth)
		return LOST;
	return ARRIVES;
}

static const char *count_fate(struct net_counts *n, enum fate f)
{
	switch (f) {
	case LOST:
		n->lost++;
		return "lost";
	case OVERFLOW:
		n->overflowed++;
		return "overflow";
	case AQM_DROP:
		n->aqm_dropped++;
		return "codel";
	case POLICED:
		n->policed++;
		return "policed";
	case ARRIVES:
		break;
	}
	return "sent";
}

static void launch(struct net *net, int from, struct packet *k, uint64_t now_us)
{
	const struct net_dir *d = &net->p.dir[from];
	struct net_counts *n = &net->dir[from].counts;
	uint64_t at_us = now_us, waited_us = 0;
	enum fate f;

	n->packets++;
	f = pass(net, from, k, &at_us, &waited_us);
	net_log(net, now_us, count_fate(n, f), from, k->tcp, k->len_bytes);
	if (net->watch)
		net->watch(net->watch_arg, from, k, f, waited_us);
	if (f != ARRIVES) {
		free(k);
		return;
	}
	if (rng_ppm(&net->rng, d->dup_ppm)) {
		struct packet *twin = malloc(sizeof(*k) + k->len_bytes);

		if (!twin)
			abort();
		memcpy(twin, k, sizeof(*k) + k->len_bytes);
		travel(net, d, twin, at_us);
	}
	if (rng_ppm(&net->rng, d->corrupt_ppm))
		damage(net, k);
	travel(net, d, k, at_us);
}

static uint64_t dropped(const struct net_counts *n)
{
	return n->lost + n->overflowed + n->aqm_dropped + n->policed + n->too_big;
}

uint64_t net_sent(const struct net *net)
{
	return net->dir[0].counts.packets + net->dir[1].counts.packets;
}

uint64_t net_lost(const struct net *net)
{
	return dropped(&net->dir[0].counts) + dropped(&net->dir[1].counts);
}

static struct packet *copy(struct net *net, const struct engine_pkt_out *o,
			   int from, const uint8_t *hdr, const struct iovec *iov,
			   int iovs, uint32_t payload_bytes)
{
	uint32_t len = o->hdr_len_bytes + payload_bytes, at = o->hdr_len_bytes;
	struct packet *k = malloc(sizeof(*k) + len);
	uint16_t sum;

	if (!k)
		abort();
	*k = (struct packet){.to = !from, .tos = o->tos, .src = o->src, .dst = o->dst,
			     .len_bytes = len};
	memcpy(k->tcp, hdr, o->hdr_len_bytes);
	meddle(net->p.dir[from].meddle, &net->meddle, &net->rng, k->tcp,
	       o->hdr_len_bytes, &k->tos);
	sum = net->p.unchecked
		      ? segment_pseudo_sum(&o->src, &o->dst, len)
		      : segment_checksum(&o->src, &o->dst, k->tcp, o->hdr_len_bytes,
					 iov, iovs);
	k->tcp[16] = (uint8_t)(sum >> 8);
	k->tcp[17] = (uint8_t)sum;
	for (int i = 0; i < iovs; i++) {
		memcpy(k->tcp + at, iov[i].iov_base, iov[i].iov_len);
		at += (uint32_t)iov[i].iov_len;
	}
	return k;
}

/* RFC 1191 4: DF, and too large for a link on the way. */
static void refuse(struct net *net, int from, const struct engine_pkt_out *o,
		   uint32_t pkt_bytes, uint64_t now_us)
{
	const struct net_dir *d = &net->p.dir[from];
	struct packet *k;

	net->dir[from].counts.packets++;
	net->dir[from].counts.too_big++;
	net_log(net, now_us, "too big", from, o->hdr, o->hdr_len_bytes + o->payload_len_bytes);
	if (!rng_ppm(&net->rng, d->icmp_ppm))
		return;
	k = copy(net, o, from, o->hdr, NULL, 0, 0);
	k->to = from;
	k->icmp_mtu_bytes = d->mtu_bytes;
	k->icmp_pkt_bytes = pkt_bytes;
	k->due_us = now_us + d->delay_us;
	k->order = net->order++;
	heap_push(net, k);
}

static bool passes_mtu(const struct net_dir *d, const struct engine_pkt_out *o,
		       uint32_t pkt_bytes)
{
	return !d->mtu_bytes || pkt_bytes <= d->mtu_bytes || o->may_fragment;
}

/* Of the largest that it is cut into. */
static uint32_t packet_bytes(const struct engine_pkt_out *o)
{
	uint32_t text = o->payload_len_bytes < o->mss_bytes ? o->payload_len_bytes
							    : o->mss_bytes;

	return (addr_is_v4(&o->src) ? 20 : 40) + o->hdr_len_bytes + text;
}

void net_send(struct net *net, int from, const struct engine_pkt_out *o, uint64_t now_us)
{
	uint32_t off = 0, len;

	if (!passes_mtu(&net->p.dir[from], o, packet_bytes(o))) {
		refuse(net, from, o, packet_bytes(o), now_us);
		return;
	}
	if (net->p.pass_bursts && o->payload_len_bytes < 60000 &&
	    rng_chance(&net->rng, 50)) {
		launch(net, from, copy(net, o, from, o->hdr, o->payload,
				       o->payload_iovs, o->payload_len_bytes), now_us);
		return;
	}
	do {
		uint8_t hdr[TCP_HDR_MAX];
		struct iovec iov[2];
		int n = segment_cut(o, off, hdr, iov, &len);

		launch(net, from, copy(net, o, from, hdr, iov, n, len), now_us);
		off += len;
	} while (off < o->payload_len_bytes);
}
