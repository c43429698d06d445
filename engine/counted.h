/* counted.h - memory for what only some connections need, counted in the engine's
 * statistics. */
#ifndef MYTCP_COUNTED_H
#define MYTCP_COUNTED_H

#include <stddef.h>
#include <stdlib.h>

/* Zeroed; NULL when there is none. */
static inline void *counted_alloc(size_t size_bytes, size_t *memory_bytes)
{
	void *p = calloc(1, size_bytes);

	if (p)
		*memory_bytes += size_bytes;
	return p;
}

/* p may be NULL. */
static inline void counted_free(void *p, size_t size_bytes, size_t *memory_bytes)
{
	if (p)
		*memory_bytes -= size_bytes;
	free(p);
}

#endif
