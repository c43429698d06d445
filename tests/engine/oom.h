/* oom.h - makes an allocation of the code under test fail.
 *
 * Link oom.c with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc. */
#ifndef TEST_OOM_H
#define TEST_OOM_H

/* The allocation after the next n fails, and only that. */
void oom_after(int n);
/* Has it failed? Also calls it off if not. */
int oom_happened(void);
/* Allocations so far. */
unsigned long oom_allocations(void);

#endif
