/* names.h - AF_UNIX names of app ends, engine ends and the driver's listener.
 *
 * All are in the abstract namespace: a fixed prefix, 16 random bytes of the
 * stack (one stack per owner process), and what the name stands for. An engine
 * end's name carries the addresses of its connection, so that whoever accepts
 * it, in whatever process, knows them without asking.
 */
#ifndef MYTCP_NAMES_H
#define MYTCP_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../engine/engine.h"

enum name_kind {
	NAME_DRIVER = 'd', /* the driver's private listener */
	NAME_APP = 'a',    /* app end of an active connection */
	NAME_LISTEN = 'l', /* app end that listens */
	NAME_ENGINE = 'e', /* engine end of a passive connection */
};

struct name {
	enum name_kind kind;
	uint8_t stack[16];
	int32_t owner_pid;
	uint64_t sock_id;  /* all kinds but NAME_DRIVER */
	struct flow flow;  /* NAME_ENGINE only */
};

socklen_t name_encode(const struct name *n, struct sockaddr_un *sun);
/* false when it is not a name of ours. */
bool name_decode(const struct sockaddr_un *sun, socklen_t len, struct name *n);

#endif
