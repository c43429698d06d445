/* sockpool.c - owns the memory of all struct sock.
 *
 * They lie in chunks that are mapped once and stay. An id is a generation and
 * the index of the struct, so finding one by its id is an array access. Free
 * ones form a stack whose head carries a tag against ABA. There is no lock:
 * socket(), accept() and close() are called from signal handlers, and a fork()
 * may happen at any point of another thread's work.
 *
 * Invariants: refs is 0 exactly while the struct is on the free stack or in the
 * hands of sock_new(). An id that was once given out never names another sock.
 */
#include "inaddr.h"
#include "sock.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_SOCKS 256u
#define CHUNKS_MAX 4096u
#define INDEX_BITS 20 /* CHUNK_SOCKS * CHUNKS_MAX */

static _Atomic(struct sock *) chunks[CHUNKS_MAX];
static atomic_uint chunks_n;
static _Atomic uint64_t free_head; /* tag << 32 | index + 1; index + 1 of 0: empty */

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

/* Adds a chunk, and returns one of its socks; the others go to the free stack.
 * Who loses a race for a chunk number helps to count it and tries the next. */
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
	for (i = 1; i < CHUNK_SOCKS; i++)
		push(&chunk[i]);
	return &chunk[0];
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
		s = grow();
	if (!s)
		return NULL;
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
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		push(s);
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
