/* sockpool.c - owns the memory of all struct sock.
 *
 * They lie in chunks that are mapped once and stay; when few socks are in use, chunks
 * without any give their memory back and are cold: all zeroes, free. An id is a generation and
 * the index of the struct, so finding one by its id is an array access. Free
 * ones form a stack whose head carries a tag against ABA. There is no lock:
 * socket(), accept() and close() are called from signal handlers, and a fork()
 * may happen at any point of another thread's work.
 *
 * Invariants: refs is 0 exactly while the struct is on the free stack, in a cold chunk, or
 * in the hands of sock_new() or trim(). cold[k] is not 0 exactly while chunk k is cold:
 * then it is one more than the highest generation there. An id that was once given out never names another sock.
 */
#include "inaddr.h"
#include "sock.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "privs.h"

#define CHUNK_SOCKS 256u
#define CHUNKS_MAX 4096u
#define INDEX_BITS 20 /* CHUNK_SOCKS * CHUNKS_MAX */
/* Chunks that stay, used or not; and which part of the socks that there are is few. */
#define CHUNKS_KEPT 4u
#define FEW_PART 4

static _Atomic(struct sock *) chunks[CHUNKS_MAX];
static atomic_uint chunks_n;
static _Atomic uint64_t free_head; /* tag << 32 | index + 1; index + 1 of 0: empty */

static _Atomic uint64_t cold[CHUNKS_MAX];
static atomic_uint hot_n;     /* chunks that are not cold */
static atomic_uint used_n;    /* socks */
static atomic_uint trim_below; /* so many in use: see trim() */
static atomic_bool trimming;

static struct sock *by_index(uint32_t index)
{
	struct sock *chunk = atomic_load(&chunks[index / CHUNK_SOCKS]);

	return chunk ? &chunk[index % CHUNK_SOCKS] : NULL;
}

static void push(struct sock *s)
{
	uint64_t head = atomic_load(&free_head), next;

	do {
		atomic_store(&s->next_free, (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | (s->index + 1);
	} while (!atomic_compare_exchange_weak(&free_head, &head, next));
}

static struct sock *pop(void)
{
	uint64_t head = atomic_load(&free_head), next;
	struct sock *s;

	do {
		if (!(uint32_t)head)
			return NULL;
		s = by_index((uint32_t)head - 1);
		next = ((head >> 32) + 1) << 32 | atomic_load(&s->next_free);
	} while (!atomic_compare_exchange_weak(&free_head, &head, next));
	return s;
}

/* The socks of chunk k are as new but for their generation. Returns one of them; the
 * others go to the free stack. */
static struct sock *take_chunk(struct sock *chunk)
{
	unsigned i;

	atomic_store(&trim_below,
		     (atomic_fetch_add(&hot_n, 1) + 1) * CHUNK_SOCKS / FEW_PART);
	for (i = 1; i < CHUNK_SOCKS; i++)
		push(&chunk[i]);
	return &chunk[0];
}

static struct sock *warm_up(void)
{
	unsigned n = atomic_load(&chunks_n), k, i;

	for (k = 0; k < n && atomic_load(&hot_n) < n; k++) {
		uint64_t was = atomic_load(&cold[k]) ? atomic_exchange(&cold[k], 0) : 0;
		struct sock *chunk = atomic_load(&chunks[k]);

		if (!was)
			continue;
		for (i = 0; i < CHUNK_SOCKS; i++) {
			chunk[i].index = k * CHUNK_SOCKS + i;
			chunk[i].generation = (uint32_t)(was - 1);
		}
		return take_chunk(chunk);
	}
	return NULL;
}

/* Adds a chunk. Who loses a race for a chunk number helps to count it and tries the
 * next. */
static struct sock *grow(void)
{
	const size_t size = CHUNK_SOCKS * sizeof(struct sock);
	struct sock *chunk, *none;
	unsigned k, i;

	chunk = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk == MAP_FAILED)
		return NULL;
	k = atomic_load(&chunks_n);
	for (;;) {
		if (k >= CHUNKS_MAX) {
			munmap(chunk, size);
			return NULL;
		}
		for (i = 0; i < CHUNK_SOCKS; i++)
			chunk[i].index = k * CHUNK_SOCKS + i;
		none = NULL;
		if (atomic_compare_exchange_strong(&chunks[k], &none, chunk))
			break;
		if (atomic_compare_exchange_strong(&chunks_n, &k, k + 1))
			k++;
	}
	atomic_compare_exchange_strong(&chunks_n, &(unsigned){k}, k + 1);
	return take_chunk(chunk);
}

/* All of chunk k is in the caller's hands. */
static void cool_down(unsigned k)
{
	struct sock *chunk = atomic_load(&chunks[k]);
	uint64_t highest = 0;
	unsigned i;

	for (i = 0; i < CHUNK_SOCKS; i++)
		if (chunk[i].generation > highest)
			highest = chunk[i].generation;
	madvise(chunk, CHUNK_SOCKS * sizeof(struct sock), MADV_DONTNEED);
	atomic_fetch_sub(&hot_n, 1);
	atomic_store(&cold[k], highest + 1);
}

/* Takes the whole free stack, and puts back all but what makes whole chunks. */
static void trim(void)
{
	static uint16_t free_n[CHUNKS_MAX];
	uint64_t head = atomic_load(&free_head);
	unsigned n = atomic_load(&chunks_n), k;
	uint32_t at, next;

	while (!atomic_compare_exchange_weak(&free_head, &head, ((head >> 32) + 1) << 32))
		;
	memset(free_n, 0, sizeof(free_n));
	for (at = (uint32_t)head; at; at = atomic_load(&by_index(at - 1)->next_free))
		free_n[(at - 1) / CHUNK_SOCKS]++;
	for (k = 0; k < CHUNKS_KEPT; k++)
		free_n[k] = 0;
	for (at = (uint32_t)head; at; at = next) {
		next = atomic_load(&by_index(at - 1)->next_free);
		if (free_n[(at - 1) / CHUNK_SOCKS] < CHUNK_SOCKS)
			push(by_index(at - 1));
	}
	for (k = CHUNKS_KEPT; k < n; k++)
		if (free_n[k] == CHUNK_SOCKS)
			cool_down(k);
	/* Where socks in use are all over the place, not for each of them. */
	atomic_store(&trim_below, atomic_load(&used_n) / 2);
}

static void trim_if_few(unsigned used)
{
	int saved = errno;

	if (used >= atomic_load(&trim_below) || atomic_load(&hot_n) <= CHUNKS_KEPT ||
	    atomic_load(&privs_confined) || atomic_exchange(&trimming, true))
		return;
	trim();
	atomic_store(&trimming, false);
	errno = saved;
}

void sock_renew_id(struct sock *s)
{
	s->generation++;
	atomic_store(&s->id, (uint64_t)s->generation << INDEX_BITS | s->index);
}

struct sock *sock_new(int family)
{
	struct sock *s = pop();

	if (!s)
		s = warm_up();
	if (!s)
		s = grow();
	if (!s)
		return NULL;
	atomic_fetch_add(&used_n, 1);
	memset((char *)s + offsetof(struct sock, id), 0,
	       sizeof(*s) - offsetof(struct sock, id));
	s->family = family;
	s->bound_to = s->local = s->remote = inaddr_any(family);
	sock_renew_id(s);
	atomic_store(&s->refs, 1);
	return s;
}

struct sock *sock_get(struct sock *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

bool sock_try_get(struct sock *s)
{
	unsigned refs = atomic_load(&s->refs);

	do {
		if (!refs)
			return false;
	} while (!atomic_compare_exchange_weak(&s->refs, &refs, refs + 1));
	return true;
}

void sock_put(struct sock *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	push(s);
	trim_if_few(atomic_fetch_sub(&used_n, 1) - 1);
}

struct sock *sock_by_id(uint64_t id)
{
	uint32_t index = id & ((1u << INDEX_BITS) - 1);
	struct sock *s = by_index(index);

	if (!id || !s || !sock_try_get(s))
		return NULL;
	if (atomic_load(&s->id) == id)
		return s;
	sock_put(s);
	return NULL;
}

void sockpool_each(void (*fn)(void *arg, const void *start, size_t len_bytes), void *arg)
{
	unsigned k;

	for (k = 0; k < atomic_load(&chunks_n); k++)
		fn(arg, atomic_load(&chunks[k]), CHUNK_SOCKS * sizeof(struct sock));
}
