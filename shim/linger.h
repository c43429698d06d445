/* linger.h - SO_LINGER with a time: close() waits for the peer's last ACK.
 *
 * The thread that called close() sleeps on sock.lingering, which is 1 from when
 * the driver knows that the last app end is closed until everything, FIN
 * included, is acknowledged, the connection has failed, or the time is over.
 * Meanwhile the connection is still the driver's and not the engine's alone.
 */
#ifndef MYTCP_LINGER_H
#define MYTCP_LINGER_H

#include "conn.h"

/* The program has closed its last copy: c lingers from now on if its socket says
 * so. Calling it again does nothing. */
void linger_begin(struct conn *c);
/* Is c to be kept, because the peer has not acknowledged what it should? */
bool linger_holds(const struct conn *c);
/* c does not linger any more; wakes who waits. Safe for any c. */
void linger_end(struct conn *c);
/* Ends what is over. To be called after whatever may have changed that. */
void linger_check(struct stack *st);
/* When linger_check() must be called at the latest, or ENGINE_NEVER. */
uint64_t linger_deadline_us(const struct stack *st);

#endif
