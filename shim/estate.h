/* estate.h - what a driver takes over of other processes' stacks; see heir.h.
 *
 * All of it in the driver's thread.
 */
#ifndef MYTCP_ESTATE_H
#define MYTCP_ESTATE_H

#include <stdbool.h>

#include "names.h"

struct stack;

#define ESTATE_SEEKS_MAX 4

/* A stack whose heir this one wants to be. */
struct seek {
	int fd; /* connection to it, or -1 */
	bool lost; /* it was there, and is sought again */
	struct stack_key key;
};

void estate_init(struct stack *st);
/* 0: st is an heir of the stack with this key, or has taken its listeners over; or a negative
 * errno. -ECONNREFUSED: that stack is gone. */
int estate_seek(struct stack *st, const struct stack_key *key);
/* It is gone: its listeners that this process has become st's, those that can. */
void estate_heal(struct stack *st, const struct stack_key *key);
/* Is fd, which is readable, the connection of a seek? Then what is said there is done. */
bool estate_serves(struct stack *st, int fd);
/* Every now and then: tries again what could not be found out. */
void estate_upkeep(struct stack *st);
void estate_close(struct stack *st);

#endif
