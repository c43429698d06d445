/* mem.h - the driver's memory: everything that the library allocates.
 *
 * It is apart from the program's malloc(), so that the driver can go on in a
 * forked process, where the lock of the program's malloc() may be held by a
 * thread that is not there, and so that the driver neither waits for the
 * program's allocator nor disturbs it. The library is linked so that its own
 * calls of malloc(), calloc(), realloc() and free() come here (wrap.c).
 *
 * One thread at a time may call these: the driver's, or the one that starts it.
 */
#ifndef MYTCP_MEM_H
#define MYTCP_MEM_H

#include <stddef.h>

/* As the functions of libc that end in the same word; aligned to 16 bytes.
 * errno is untouched. */
void *mem_malloc(size_t size_bytes);
void *mem_calloc(size_t n, size_t size_bytes);
void *mem_realloc(void *p, size_t size_bytes);
void mem_free(void *p);

/* In the child of a fork, which may have happened at any point of the driver's
 * work: starts from nothing. What there was stays mapped, unused. */
void mem_forget(void);
/* Gives everything back to the kernel, whether or not it is free. */
void mem_unmap_all(void);
/* Each piece of address space in use; in no order. */
void mem_each(void (*fn)(void *arg, const void *start, size_t len_bytes), void *arg);

#endif
