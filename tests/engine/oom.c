/* oom.c - stands between the code under test and malloc(). */
#include "oom.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static int countdown = -1; /* negative: off */
static int happened;
static unsigned long allocations;

void oom_after(int n)
{
	countdown = n;
	happened = 0;
}

int oom_happened(void)
{
	countdown = -1;
	return happened;
}

unsigned long oom_allocations(void)
{
	return allocations;
}

static int fails(void)
{
	allocations++;
	if (countdown < 0 || countdown-- > 0)
		return 0;
	happened = 1;
	return 1;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}
