/* names.h - AF_UNIX names of app ends, engine ends and the driver's listeners.
 *
 * All are in the abstract namespace: a fixed prefix, the 16 random bytes that are
 * the stack's identity, and what the name stands for. They hold whichever process
 * the stack runs in. An engine end's name carries the addresses of its connection,
 * so that whoever accepts it, in whatever process, knows them without asking.
 * Anybody on the host can read them in /proc/net/unix: they are no secrets, and repeating
 * one proves nothing.
 */
#ifndef MYTCP_NAMES_H
#define MYTCP_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../engine/engine.h"

enum name_kind {
	NAME_DRIVER = 'd',  /* the driver's private listener, for app ends */
	NAME_CONTROL = 'c', /* its other one, for requests of other processes */
	NAME_KEEPER = 'k',  /* see keeper.h; the stack is all zero, sock_id the user */
	NAME_SPARE = 's',   /* held by the stack that uses a spare set, see privs.h */
	NAME_PORT = 'p',    /* of no stack: who has sockets at a port */
	NAME_APP = 'a',     /* app end that is bound, listens or connects */
	NAME_ENGINE = 'e',  /* engine end of a passive connection */
};

/* A name of a stack's is signed with the stack's pass, a secret of whoever holds one of
 * its app ends (pass.h): before it is bound nobody else can compute it and take it. Who
 * has seen it can repeat it; so an engine end's says which process bound it. */

struct name {
	enum name_kind kind;
	uint8_t stack[16]; /* NAME_SPARE: the set's own 16 bytes */
	uint64_t sock_id;  /* NAME_APP, NAME_ENGINE; NAME_PORT: user and port */
	int family;        /* the same: of the program's socket */
	struct flow flow;  /* NAME_ENGINE only */
	uint32_t pid;      /* NAME_ENGINE: of the process that connects it */
	uint64_t pass;     /* to encode it with; 0 when decoded */
	uint64_t mac;      /* as decoded */
};

/* How a process and its children, fork after fork, know a stack. The token is not to
 * be seen anywhere: who has it is one of them, whatever its user. */
struct stack_key {
	uint8_t id[16], token[16];
	uint64_t pass;
};

socklen_t name_encode(const struct name *n, struct sockaddr_un *sun);
/* NAME_PORT of this process's user. */
socklen_t name_port(uint16_t port, struct sockaddr_un *sun);
/* false when it is not a name of ours. */
bool name_decode(const struct sockaddr_un *sun, socklen_t len, struct name *n);
/* Was the decoded name made by one who knows this pass? */
bool name_is_signed(const struct name *n, uint64_t pass);

#endif
