/* alias.h - the stacks that a stack answers for: itself, and those whose listeners it has
 * taken over (heir.h), by whose identity others know their sockets.
 */
#ifndef MYTCP_ALIAS_H
#define MYTCP_ALIAS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "names.h"
#include "sock.h"

struct stack;

#define ALIASES_MAX 8

struct alias {
	struct stack_key key;
	uint8_t rest[16]; /* who has what this one was not given; all zero: nobody */
	int fd;           /* its control socket; -1: given away */
};

/* Does st answer for the stack with this id? */
bool alias_knows(const struct stack *st, const uint8_t id[16]);
/* That stack's pass; 0: not known. */
uint64_t alias_pass(const struct stack *st, const uint8_t id[16]);
/* Is it the pass, or the token, of one of them? */
bool alias_has_pass(const struct stack *st, uint64_t pass);
bool alias_has_token(const struct stack *st, const uint8_t token[16]);
/* Whom to ask about sockets of that stack that st does not know; NULL: nobody. */
const uint8_t *alias_rest(const struct stack *st, const uint8_t id[16]);
/* One more. fd, its control socket, is heard from now on and st's; -ENOSPC or another
 * negative errno: it is the caller's still. */
int alias_add(struct stack *st, const struct stack_key *key, const uint8_t rest[16], int fd);
/* Takes back the newest one. */
void alias_drop(struct stack *st);

/* What sock.heir is in sockets that the stack with this id has taken over. */
static inline uint64_t alias_tag(const uint8_t id[16])
{
	uint64_t tag;

	memcpy(&tag, id, sizeof(tag));
	return tag ? tag : 1;
}
/* Is s one of the stack's own, or one that it has taken over? */
bool alias_owns(const struct stack *st, const struct sock *s);

#endif
