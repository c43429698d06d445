/* wrap.c - where the library's own calls of malloc() and its like lead to: the
 * linker (ld(1), --wrap) puts these in their place, libev's included. Owns
 * nothing. A unit test has its own wrappers, around libc's functions.
 */
#include "mem.h"

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

void *__wrap_malloc(size_t size)
{
	return mem_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return mem_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return mem_realloc(p, size);
}

void __wrap_free(void *p)
{
	mem_free(p);
}
