/* keeper.h - one process in the background keeps the TIME-WAITs of many programs.
 *
 * Theory of operation
 *
 * A client that closes first leaves a connection in TIME-WAIT behind, and a stack to
 * answer for it: a script that runs curl a thousand times in a minute would leave a
 * thousand processes. So each stack that goes on in the background offers to be the
 * keeper of its user in its network namespace, and the first one is, under a name
 * that the others can guess. Who is needed for a few TIME-WAITs alone gives them to
 * it, with their guards (SCM_RIGHTS), and need not go on. Many that end at once find no
 * keeper yet; so who is in the background for TIME-WAITs alone, and is not the keeper,
 * offers them again every now and then: all converge to one, and to another one when
 * that has ended. Both sides look at each
 * other's credentials: a user trusts nobody else with a port.
 */
#ifndef MYTCP_KEEPER_H
#define MYTCP_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct stack;

/* st goes on in the background: makes it the keeper, if there is none, or else lets it
 * offer what it has later. */
void keeper_open(struct stack *st);
/* Is st in the background no longer needed, as the keeper has taken what it had? */
bool keeper_relieves(struct stack *st);
/* When to ask that again, or ENGINE_NEVER. */
uint64_t keeper_deadline_us(const struct stack *st);
/* st is needed: true when that was for TIME-WAITs alone and the keeper has them now.
 * Waits for its answer, a fraction of a second at most. */
bool keeper_takes_over(struct stack *st);

#endif
