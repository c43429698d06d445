/* lane.c - see lane.h. Owns the packets between lane_put() and lane_take(): each
 * is in the queue until its last bit is sent, then on the wire until it is due.
 *
 * The queue is moved on lazily, by whoever comes next: what left it, and when,
 * follows from sent_ns, which is fixed as a packet enters. */
#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include "ip.h"

#define NS_PER_S 1000000000ull

/* ---- chance -------------------------------------------------------------- */

static uint64_t chance_next(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* [0, 1) */
static double draw(struct lane *l, enum lane_chance c)
{
	return (double)(chance_next(&l->chance[c]) >> 11) * 0x1p-53;
}

/* What chance has in store for a packet. */
struct fate {
	bool burst, lost, reordered, duplicated, corrupted;
	double bit, jitter; /* [0, 1) of the packet's bits, of jitter_ns */
};

static struct fate draw_fate(struct lane *l)
{
	const struct lane_params *p = &l->p;
	double burst = draw(l, CHANCE_BURST);
	struct fate f = {
		.lost = draw(l, CHANCE_LOSS) < p->loss,
		.reordered = draw(l, CHANCE_REORDER) < p->reorder,
		.duplicated = draw(l, CHANCE_DUPLICATE) < p->duplicate,
		.corrupted = draw(l, CHANCE_CORRUPT) < p->corrupt,
		.bit = draw(l, CHANCE_BIT),
		.jitter = draw(l, CHANCE_JITTER),
	};

	if (l->in_burst)
		l->in_burst = burst >= p->burst_leave;
	else
		l->in_burst = burst < p->burst_enter;
	f.burst = l->in_burst;
	return f;
}

/* ---- the wire ------------------------------------------------------------ */

static bool before(const struct lane_packet *a, const struct lane_packet *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/* There is room: see heap_reserve(). */
static void heap_push(struct lane *l, struct lane_packet *k)
{
	size_t i = l->heap_n++;

	for (; i && before(k, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = k;
}

static struct lane_packet *heap_pop(struct lane *l)
{
	struct lane_packet *top = l->heap[0], *k = l->heap[--l->heap_n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < l->heap_n) {
		if (c + 1 < l->heap_n && before(l->heap[c + 1], l->heap[c]))
			c++;
		if (!before(l->heap[c], k))
			break;
		l->heap[i] = l->heap[c];
		i = c;
	}
	l->heap[i] = k;
	return top;
}

/* For everything that is queued or on the wire, and one more. */
static bool heap_reserve(struct lane *l)
{
	size_t need = l->heap_n + l->queued_packets + 1, cap = l->heap_cap;
	struct lane_packet **heap;

	if (need <= cap)
		return true;
	while (cap < need)
		cap = cap ? cap * 2 : 256;
	heap = realloc(l->heap, cap * sizeof(*heap));
	if (!heap)
		return false;
	l->heap = heap;
	l->heap_cap = cap;
	return true;
}

static void onto_wire(struct lane *l, struct lane_packet *k)
{
	k->due_ns = k->sent_ns + l->p.delay_ns + k->extra_ns;
	if (!k->overtaken) {
		if (k->due_ns < l->last_due_ns)
			k->due_ns = l->last_due_ns; /* jitter keeps the order */
		l->last_due_ns = k->due_ns;
	}
	heap_push(l, k);
}

/* ---- the queue ----------------------------------------------------------- */

static void advance(struct lane *l, uint64_t now_ns)
{
	struct lane_packet *k;

	while ((k = l->first) && k->sent_ns <= now_ns) {
		l->first = k->next;
		if (!l->first)
			l->last = &l->first;
		l->queued_bytes -= k->len_bytes;
		l->queued_packets--;
		onto_wire(l, k);
	}
}

static bool beyond(const struct lane *l, const struct lane_limit *limit, size_t more_bytes,
		   uint64_t more_packets)
{
	return (limit->bytes && l->queued_bytes + more_bytes > limit->bytes) ||
	       (limit->packets && l->queued_packets + more_packets > limit->packets);
}

static void queue_append(struct lane *l, struct lane_packet *k, uint64_t now_ns)
{
	uint64_t start_ns = l->busy_until_ns > now_ns ? l->busy_until_ns : now_ns;

	k->sent_ns = start_ns;
	if (l->p.rate_bit_s)
		k->sent_ns += k->len_bytes * 8u * NS_PER_S / l->p.rate_bit_s;
	l->busy_until_ns = k->sent_ns;
	k->order = l->order++;
	*l->last = k;
	l->last = &k->next;
	l->held_bytes += k->len_bytes;
	l->queued_bytes += k->len_bytes;
	l->queued_packets++;
	if (l->queued_bytes > l->stats.queue_max_bytes)
		l->stats.queue_max_bytes = l->queued_bytes;
	if (l->queued_packets > l->stats.queue_max_packets)
		l->stats.queue_max_packets = l->queued_packets;
}

static bool marks(const struct lane *l)
{
	return (l->p.mark.bytes || l->p.mark.packets) && beyond(l, &l->p.mark, 0, 0);
}

static enum lane_verdict enqueue(struct lane *l, const uint8_t *data, size_t len_bytes,
				 const struct fate *f, uint64_t now_ns)
{
	struct lane_packet *k;

	if (beyond(l, &l->p.queue, len_bytes, 1)) {
		l->stats.queue_full++;
		return LANE_FULL;
	}
	if (l->held_bytes + len_bytes > LANE_HELD_MAX_BYTES || !heap_reserve(l) ||
	    !(k = calloc(1, sizeof(*k) + len_bytes))) {
		l->stats.no_room++;
		return LANE_FULL;
	}
	memcpy(k->data, data, len_bytes);
	k->len_bytes = (uint32_t)len_bytes;
	if (marks(l) && ip_mark_ce(k->data, len_bytes))
		l->stats.marked++;
	if (f->corrupted) {
		uint64_t bit = (uint64_t)(f->bit * (double)(len_bytes * 8));
		k->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		l->stats.corrupted++;
	}
	k->overtaken = f->reordered;
	if (f->reordered) {
		k->extra_ns = l->p.reorder_ns;
		l->stats.reordered++;
	} else {
		k->extra_ns = (uint64_t)(f->jitter * (double)l->p.jitter_ns);
	}
	queue_append(l, k, now_ns);
	return LANE_TAKEN;
}

/* ---- the lane ------------------------------------------------------------ */

void lane_init(struct lane *l, const struct lane_params *p, uint64_t seed, uint64_t salt)
{
	uint64_t s = seed;

	memset(l, 0, sizeof(*l));
	l->p = *p;
	l->last = &l->first;
	s = chance_next(&s) ^ salt;
	for (int i = 0; i < LANE_CHANCES; i++)
		l->chance[i] = chance_next(&s);
}

void lane_free(struct lane *l)
{
	struct lane_packet *k;

	while ((k = l->first)) {
		l->first = k->next;
		free(k);
	}
	while (l->heap_n)
		free(heap_pop(l));
	free(l->heap);
	memset(l, 0, sizeof(*l));
	l->last = &l->first;
}

enum lane_verdict lane_put(struct lane *l, const uint8_t *data, size_t len_bytes,
			   uint64_t now_ns)
{
	struct fate f = draw_fate(l);
	enum lane_verdict v;

	advance(l, now_ns);
	l->stats.in_packets++;
	l->stats.in_bytes += len_bytes;
	if (l->p.mtu_bytes && len_bytes > l->p.mtu_bytes) {
		l->stats.too_big++;
		return LANE_TOO_BIG;
	}
	if (f.burst) {
		l->stats.burst_lost++;
		return LANE_LOST;
	}
	if (f.lost) {
		l->stats.lost++;
		return LANE_LOST;
	}
	v = enqueue(l, data, len_bytes, &f, now_ns);
	if (f.duplicated) {
		l->stats.duplicated++;
		f.corrupted = f.reordered = false;
		enqueue(l, data, len_bytes, &f, now_ns);
	}
	return v;
}

struct lane_packet *lane_take(struct lane *l, uint64_t now_ns)
{
	struct lane_packet *k;
	uint64_t late_ns;

	advance(l, now_ns);
	if (!l->heap_n || l->heap[0]->due_ns > now_ns)
		return NULL;
	k = heap_pop(l);
	l->held_bytes -= k->len_bytes;
	l->stats.out_packets++;
	l->stats.out_bytes += k->len_bytes;
	late_ns = now_ns - k->due_ns;
	l->stats.late_sum_ns += late_ns;
	if (late_ns > l->stats.late_max_ns)
		l->stats.late_max_ns = late_ns;
	return k;
}

uint64_t lane_next_ns(const struct lane *l)
{
	uint64_t next_ns = l->heap_n ? l->heap[0]->due_ns : LANE_NEVER;

	/* The first in the queue may overtake who is held back, but nobody arrives
	 * before it was sent and has gone the way. */
	if (l->first && l->first->sent_ns + l->p.delay_ns < next_ns)
		next_ns = l->first->sent_ns + l->p.delay_ns;
	return next_ns;
}
