/* held.h - bound and listening sockets that this process has closed and others
 * may still hold.
 *
 * An engine end tells when the last copy of its app end is closed. A socket that is
 * bound or listens has no engine end, and its last copy may vanish with a process
 * that knows nothing of us. But its name is free then: trying to bind a socket to it
 * tells. That is asked now and then, and when somebody wants the port. A stranger may have
 * taken the name by then; but not the inode.
 */
#ifndef MYTCP_HELD_H
#define MYTCP_HELD_H

#include "sock.h"

struct stack;

/* Is the app end of s there, whoever has it? 1, 0, or a negative errno: the kernel cannot
 * say. */
int held_app_end(const struct stack *st, const struct sock *s);
/* Somebody has done something with s: remembers it if this process has no fd of it
 * and it is bound or listens. */
void held_look(struct stack *st, struct sock *s);
/* This process has closed its last fd of s, which is bound or listens: that ends,
 * unless others hold it. */
void held_closed(struct stack *st, struct sock *s);
/* Ends the sockets whose last copy is closed. Were there any? */
bool held_check(struct stack *st);
void held_free(struct stack *st);

#endif
