/* shelf.h - open files without numbers in the table of fds, which RLIMIT_NOFILE bounds.
 * Private to the link.
 */
#ifndef MYTCP_LINK_SHELF_H
#define MYTCP_LINK_SHELF_H

#include <stdint.h>

struct shelf;

/* Takes two numbers of fds. Linux lets a user without CAP_SYS_RESOURCE put as many files on
 * all his shelves as a process of his may have fds. */
int shelf_open(struct shelf **out); /* 0 or a negative errno */
void shelf_close(struct shelf *s);  /* and what lies there; s may be NULL */
/* For so many more files there is room; what lies there. */
unsigned shelf_room(const struct shelf *s);
unsigned shelf_used(const struct shelf *s);
/* The file gives up its number fd, and is known by id. 0; a negative errno: as before. */
int shelf_put(struct shelf *s, int fd, uint64_t id);
/* Gives it a number again: the fd, or a negative errno, and it stays. */
int shelf_take(struct shelf *s, uint64_t id);
/* It is closed, if it could not be before the others here, with the last of them. */
void shelf_drop(struct shelf *s, uint64_t id);

#endif
