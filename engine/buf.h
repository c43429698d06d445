/* buf.h - buffers from a pool, and the byte ring that send buffer and receive
 * queue are made of.
 *
 * An idle connection owns no buffer: a ring takes one from the pool when its
 * first byte comes and gives it back when it has run empty. Sizes are powers of
 * two from BUF_MIN to BUF_MAX; the pool keeps a bounded number of free ones per
 * size, so a connection in use costs no libc allocation per packet.
 */
#ifndef MYTCP_BUF_H
#define MYTCP_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BUF_MIN (1u << 11)
#define BUF_MAX (1u << 26)
#define BUF_CLASSES 16

struct bufpool {
	struct buf_free *free[BUF_CLASSES];
	uint32_t free_n[BUF_CLASSES];
	size_t free_bytes;    /* of all these */
	size_t *memory_bytes; /* counts what the pool got from libc */
};
void bufpool_init(struct bufpool *p, size_t *memory_bytes);
void bufpool_free(struct bufpool *p); /* its free buffers, back to libc */

/* size_bytes bytes of ring hold len_bytes bytes from head on; what lies beyond
 * them may hold bytes that came out of order (ring_put_at). All zero: empty. */
struct ring {
	uint8_t *data;
	uint32_t size_bytes; /* 0 or a power of two */
	uint32_t head;       /* index of the first byte */
	uint32_t len_bytes;
};

/* Makes the ring at least need_bytes large; everything in it, also beyond
 * len_bytes, stays at its offset from head. -ENOMEM, and then nothing changed. */
int ring_reserve(struct ring *r, struct bufpool *p, uint32_t need_bytes);
/* Copies to [off, off + n) from head; the ring must be large enough. len_bytes
 * stays as it is. */
void ring_put_at(struct ring *r, uint32_t off, const void *src, uint32_t n_bytes);
/* [off, off + n) from head as one or two iovs; returns how many (0 for n 0). */
int ring_iov(const struct ring *r, uint32_t off, uint32_t n_bytes,
	     struct iovec iov[2]);
/* Drops the first n bytes of len_bytes; what lies beyond keeps its place, so an
 * empty ring is not released by itself. */
void ring_consume(struct ring *r, uint32_t n_bytes);
/* Gives the buffer back to the pool, whatever is in it. */
void ring_release(struct ring *r, struct bufpool *p);

#endif
