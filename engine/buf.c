/* buf.c - the pool of buffers and the rings that use them.
 *
 * Invariants: a buffer of class c has BUF_MIN << c bytes; a free one holds the
 * link to the next free one in its first bytes. A ring's size is the size of
 * its buffer's class, head < size (both 0 in an empty ring), and
 * len_bytes <= size. *memory_bytes counts every buffer, free or in a ring.
 */
#include "buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Free buffers kept per class: this many bytes of them, but at least one, and
 * none that is so large that malloc() is cheap compared with filling it. */
#define KEEP_BYTES (4u << 20)
#define KEEP_LARGEST (16u << 20)

struct buf_free {
	struct buf_free *next;
};

static uint32_t class_size_bytes(unsigned class)
{
	return BUF_MIN << class;
}

/* The smallest class of at least need_bytes, which are at most BUF_MAX. */
static unsigned class_of(uint32_t need_bytes)
{
	unsigned class = 0;

	_Static_assert(BUF_MIN << (BUF_CLASSES - 1) == BUF_MAX, "one class per size");
	while (class_size_bytes(class) < need_bytes)
		class++;
	return class;
}

static uint32_t keep_max(unsigned class)
{
	uint32_t size_bytes = class_size_bytes(class);

	if (size_bytes > KEEP_LARGEST)
		return 0;
	return size_bytes > KEEP_BYTES ? 1 : KEEP_BYTES / size_bytes;
}

void bufpool_init(struct bufpool *p, size_t *memory_bytes)
{
	*p = (struct bufpool){.memory_bytes = memory_bytes};
}

void bufpool_free(struct bufpool *p)
{
	for (unsigned c = 0; c < BUF_CLASSES; c++) {
		while (p->free[c]) {
			struct buf_free *b = p->free[c];

			p->free[c] = b->next;
			free(b);
			*p->memory_bytes -= class_size_bytes(c);
			p->free_bytes -= class_size_bytes(c);
		}
		p->free_n[c] = 0;
	}
}

/* Contents are undefined. NULL: out of memory. */
static uint8_t *pool_get(struct bufpool *p, unsigned class)
{
	struct buf_free *b = p->free[class];
	uint8_t *data;

	if (b) {
		p->free[class] = b->next;
		p->free_n[class]--;
		p->free_bytes -= class_size_bytes(class);
		return (uint8_t *)b;
	}
	data = malloc(class_size_bytes(class));
	if (data)
		*p->memory_bytes += class_size_bytes(class);
	return data;
}

static void pool_put(struct bufpool *p, unsigned class, uint8_t *data)
{
	struct buf_free *b = (struct buf_free *)data;

	if (p->free_n[class] >= keep_max(class)) {
		free(data);
		*p->memory_bytes -= class_size_bytes(class);
		return;
	}
	b->next = p->free[class];
	p->free[class] = b;
	p->free_n[class]++;
	p->free_bytes += class_size_bytes(class);
}

int ring_reserve(struct ring *r, struct bufpool *p, uint32_t need_bytes)
{
	uint32_t to_end = r->size_bytes - r->head;
	unsigned class;
	uint8_t *data;

	if (need_bytes <= r->size_bytes)
		return 0;
	if (need_bytes > BUF_MAX)
		return -ENOMEM;
	class = class_of(need_bytes);
	data = pool_get(p, class);
	if (!data)
		return -ENOMEM;
	if (r->size_bytes) {
		memcpy(data, r->data + r->head, to_end);
		memcpy(data + to_end, r->data, r->head);
		pool_put(p, class_of(r->size_bytes), r->data);
	}
	r->data = data;
	r->size_bytes = class_size_bytes(class);
	r->head = 0;
	return 0;
}

void ring_put_at(struct ring *r, uint32_t off, const void *src, uint32_t n_bytes)
{
	struct iovec iov[2];
	int n = ring_iov(r, off, n_bytes, iov);

	if (n > 0)
		memcpy(iov[0].iov_base, src, iov[0].iov_len);
	if (n > 1)
		memcpy(iov[1].iov_base, (const uint8_t *)src + iov[0].iov_len,
		       iov[1].iov_len);
}

int ring_iov(const struct ring *r, uint32_t off, uint32_t n_bytes,
	     struct iovec iov[2])
{
	uint32_t from, to_end;

	if (n_bytes == 0)
		return 0;
	assert(off <= r->size_bytes && n_bytes <= r->size_bytes - off);
	from = (r->head + off) & (r->size_bytes - 1);
	to_end = r->size_bytes - from;
	iov[0].iov_base = r->data + from;
	if (n_bytes <= to_end) {
		iov[0].iov_len = n_bytes;
		return 1;
	}
	iov[0].iov_len = to_end;
	iov[1].iov_base = r->data;
	iov[1].iov_len = n_bytes - to_end;
	return 2;
}

void ring_consume(struct ring *r, uint32_t n_bytes)
{
	assert(n_bytes <= r->len_bytes);
	if (n_bytes == 0)
		return;
	r->head = (r->head + n_bytes) & (r->size_bytes - 1);
	r->len_bytes -= n_bytes;
}

void ring_release(struct ring *r, struct bufpool *p)
{
	if (r->size_bytes)
		pool_put(p, class_of(r->size_bytes), r->data);
	*r = (struct ring){0};
}
