/* keeper.h - one process in the background keeps the TIME-WAITs of many programs.
 *
 * Theory of operation
 *
 * A client that closes first leaves a connection in TIME-WAIT behind, and a stack to
 * answer for it: a script that runs curl a thousand times in a minute would leave a
 * thousand processes. So each stack that goes on in the background offers to be the
 * keeper of its user in its network namespace, and the first one is, under a name
 * that the others can guess. Who is needed for a few TIME-WAITs alone gives them to
 * it, with their guards (SCM_RIGHTS), and need not go on. Both sides look at each
 * other's credentials: a user trusts nobody else with a port.
 */
#ifndef MYTCP_KEEPER_H
#define MYTCP_KEEPER_H

#include <stdbool.h>

struct stack;

/* st goes on in the background: makes it the keeper, if there is none. */
void keeper_open(struct stack *st);
/* st is needed: true when that was for TIME-WAITs alone and the keeper has them now.
 * Waits for its answer, a fraction of a second at most. */
bool keeper_takes_over(struct stack *st);

#endif
