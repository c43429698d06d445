/* legacy.h - a stack in the background gives its listeners to an heir; see heir.h.
 *
 * All of it in the driver's thread.
 */
#ifndef MYTCP_LEGACY_H
#define MYTCP_LEGACY_H

#include <stdbool.h>
#include <stdint.h>

struct stack;

#define LEGACY_HEIRS_MAX 4

struct legacy {
	int heir[LEGACY_HEIRS_MAX]; /* connections, or -1 */
	enum legacy_phase {
		LEGACY_WAITS,   /* until_us: not before that */
		LEGACY_RESTS,   /* until no connection is on its way, or until_us */
		LEGACY_OFFERED, /* to heir[0]: it has until_us to answer */
	} phase;
	uint64_t until_us;
	uint8_t tries;  /* that came to nothing */
	bool named;     /* the stack is to be found under rest, too */
	uint8_t rest[16];
};

void legacy_init(struct legacy *g);
/* Is one more heir wanted, a daemon or one whose parent is gone? 0, or -EALREADY: the stack's
 * own process is there, and one such heir is enough. */
int legacy_wants(const struct stack *st, bool daemon);
/* May the process at the other end of fd, of a trusted user, be one more heir? */
bool legacy_admits(const struct stack *st, int fd);
/* It is. fd is in the control sockets' epoll set, and the legacy's from now on. */
void legacy_add(struct stack *st, int fd);
/* Is fd, which is readable, an heir's connection? Then what is said there is done. */
bool legacy_serves(struct stack *st, int fd);
/* After every turn of the loop. */
void legacy_turn(struct stack *st);
/* When that must be at the latest, or ENGINE_NEVER. */
uint64_t legacy_deadline_us(const struct stack *st);
void legacy_close(struct stack *st);

#endif
