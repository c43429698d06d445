/* mem.c - owns the driver's memory.
 *
 * It comes from the kernel in spans, each at a multiple of SPAN_BYTES, so the
 * span of an object is found by its address. A small object lies with others of
 * its size class in a span of exactly SPAN_BYTES; a large one has a span alone.
 * Sizes of classes grow by quarters of a power of two: at most a fifth of an
 * object is lost.
 *
 * Invariants: every span is in the list of all; one of small objects is in its
 * class's list of those with room exactly while it has room and an object in
 * use, or is among the spare ones while it has none. The objects from carved on
 * were never used.
 */
#include "mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define SPAN_BYTES 65536u
#define SMALL_MAX 16384u
#define CLASSES 36
#define SPARE_MAX 16 /* empty spans that are kept: 1 MiB */
#define PAGE_BYTES ((size_t)4096)

struct object { /* a free one */
	struct object *next;
};

struct span {
	struct span *next, *prev;         /* of all */
	struct span *next_room, *prev_room;
	size_t mapped_bytes;
	size_t room_bytes;                /* of each object */
	struct object *free;
	uint32_t used, carved, max;
	bool large;
	uint8_t class;
} __attribute__((aligned(64)));

static struct {
	struct span *all;
	struct span *room[CLASSES];
	struct span *spare; /* by next_room */
	unsigned spare_n;
	uintptr_t lowest; /* where the last span was put: a hint for the next */
} mem;

/* ---- size classes ---------------------------------------------------------------- */

/* 16 to 64 in steps of 16, then four steps per doubling. */
static unsigned class_of(size_t size_bytes)
{
	unsigned log2;

	if (size_bytes <= 64)
		return size_bytes ? (size_bytes - 1) / 16 : 0;
	log2 = 63 - __builtin_clzll(size_bytes - 1);
	return 4 * (log2 - 5) + (((size_bytes - 1) >> (log2 - 2)) & 3);
}

static size_t class_bytes(unsigned class)
{
	if (class < 4)
		return (class + 1) * (size_t)16;
	return (size_t)(5 + class % 4) << (class / 4 + 3);
}

/* ---- spans ----------------------------------------------------------------------- */

static void *map(void *hint, size_t len)
{
	void *p = mmap(hint, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool aligned(const void *p)
{
	return (uintptr_t)p % SPAN_BYTES == 0;
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Below the last one, where the kernel would put it by itself and join them; if
 * that place is taken, somewhere else with the excess cut off. */
static struct span *map_aligned(size_t len)
{
	size_t before, step = round_up(len, SPAN_BYTES);
	char *p;

	if (mem.lowest > step) {
		p = map((void *)(mem.lowest - step), len);
		if (!p || aligned(p))
			return (struct span *)p;
		munmap(p, len);
	}
	p = map(NULL, len + SPAN_BYTES);
	if (!p)
		return NULL;
	before = round_up((uintptr_t)p, SPAN_BYTES) - (uintptr_t)p;
	if (before)
		munmap(p, before);
	munmap(p + before + len, SPAN_BYTES - before);
	return (struct span *)(p + before);
}

static struct span *new_span(size_t len)
{
	int saved = errno;
	struct span *s = map_aligned(len);

	errno = saved;
	if (!s)
		return NULL;
	mem.lowest = (uintptr_t)s;
	s->mapped_bytes = len;
	s->next = mem.all;
	if (s->next)
		s->next->prev = s;
	mem.all = s;
	return s;
}

static void free_span(struct span *s)
{
	int saved = errno;

	if (s->prev)
		s->prev->next = s->next;
	else
		mem.all = s->next;
	if (s->next)
		s->next->prev = s->prev;
	munmap(s, s->mapped_bytes);
	errno = saved;
}

static struct span *span_of(const void *p)
{
	return (struct span *)((uintptr_t)p & ~(uintptr_t)(SPAN_BYTES - 1));
}

/* ---- small objects --------------------------------------------------------------- */

static void add_room(struct span *s)
{
	s->prev_room = NULL;
	s->next_room = mem.room[s->class];
	if (s->next_room)
		s->next_room->prev_room = s;
	mem.room[s->class] = s;
}

static void remove_room(struct span *s)
{
	if (s->prev_room)
		s->prev_room->next_room = s->next_room;
	else
		mem.room[s->class] = s->next_room;
	if (s->next_room)
		s->next_room->prev_room = s->prev_room;
}

static struct span *fresh_span(unsigned class)
{
	struct span *s = mem.spare;

	if (s) {
		mem.spare = s->next_room;
		mem.spare_n--;
	} else {
		s = new_span(SPAN_BYTES);
		if (!s)
			return NULL;
	}
	s->class = class;
	s->room_bytes = class_bytes(class);
	s->max = (SPAN_BYTES - sizeof(*s)) / s->room_bytes;
	s->free = NULL;
	s->used = s->carved = 0;
	add_room(s);
	return s;
}

static void *small_alloc(size_t size)
{
	unsigned class = class_of(size);
	struct span *s = mem.room[class];
	struct object *o;

	if (!s)
		s = fresh_span(class);
	if (!s)
		return NULL;
	o = s->free;
	if (o)
		s->free = o->next;
	else
		o = (struct object *)((char *)(s + 1) + s->carved++ * s->room_bytes);
	if (++s->used == s->max)
		remove_room(s);
	return o;
}

static void small_free(struct span *s, struct object *o)
{
	o->next = s->free;
	s->free = o;
	if (s->used-- == s->max)
		add_room(s);
	if (s->used)
		return;
	remove_room(s);
	if (mem.spare_n == SPARE_MAX) {
		free_span(s);
		return;
	}
	s->next_room = mem.spare;
	mem.spare = s;
	mem.spare_n++;
}

/* ---- malloc and its like --------------------------------------------------------- */

static void *large_alloc(size_t size)
{
	struct span *s;

	if (size > PTRDIFF_MAX - 2 * SPAN_BYTES)
		return NULL;
	s = new_span(round_up(size + sizeof(*s), PAGE_BYTES));
	if (!s)
		return NULL;
	s->large = true;
	s->room_bytes = s->mapped_bytes - sizeof(*s);
	return s + 1;
}

void *mem_malloc(size_t size)
{
	return size <= SMALL_MAX ? small_alloc(size) : large_alloc(size);
}

void *mem_calloc(size_t n, size_t size)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	if (all > SMALL_MAX)
		return large_alloc(all); /* the kernel has cleared it */
	p = small_alloc(all);
	return p ? memset(p, 0, all) : NULL;
}

void *mem_realloc(void *old, size_t size)
{
	size_t had = old ? span_of(old)->room_bytes : 0;
	void *p;

	if (old && size <= had && size > had / 2)
		return old;
	p = mem_malloc(size);
	if (!p || !old)
		return p;
	memcpy(p, old, had < size ? had : size);
	mem_free(old);
	return p;
}

void mem_free(void *p)
{
	struct span *s = span_of(p);

	if (!p)
		return;
	if (s->large)
		free_span(s);
	else
		small_free(s, p);
}

/* ---- all of it ------------------------------------------------------------------- */

void mem_forget(void)
{
	memset(&mem, 0, sizeof(mem));
}

void mem_unmap_all(void)
{
	struct span *s, *next;

	for (s = mem.all; s; s = next) {
		next = s->next;
		free_span(s);
	}
	mem_forget();
}

void mem_each(void (*fn)(void *arg, const void *start, size_t len_bytes), void *arg)
{
	const struct span *s;

	for (s = mem.all; s; s = s->next)
		fn(arg, s, s->mapped_bytes);
}
