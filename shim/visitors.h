/* visitors.h - app ends that are connected to the driver's private listener and
 * whose connect command has not come yet.
 *
 * The listener's name is unguessable, and only this process is let in.
 */
#ifndef MYTCP_VISITORS_H
#define MYTCP_VISITORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct visitor;

struct visitors {
	int fd; /* the private listener */
	int spare; /* for visitors_refuse(); -1: there was none to have */
	struct visitor *first;
	unsigned n;
	int missed; /* why somebody was not let in, until a claim finds nobody; or 0 */
};

/* Listens under the name. 0 or a negative errno. */
int visitors_open(struct visitors *v, const struct sockaddr_un *sun,
		  socklen_t len);
void visitors_close(struct visitors *v);
/* Lets in everybody who waits. 0, or the errno that ended it early. */
int visitors_accept(struct visitors *v);
/* So many of them: strangers who come again and again do not keep the driver from its
 * work. true: there may be more, for whom another turn is due. */
#define VISITORS_TURN_MAX 16
bool visitors_turn(struct visitors *v);
/* Connects an app end, which another process uses too, and lets it in: without waiting,
 * whatever the flags of its description are. 0 or a negative errno. */
int visitors_bring(struct visitors *v, int app_end);
/* The engine end of the app end with this name, now the caller's: a
 * non-blocking fd, or a negative errno (-ENOENT: there is none). */
int visitors_claim(struct visitors *v, const struct sockaddr_un *name,
		   socklen_t len);
/* For want of fds: turns everybody away who waits to be let in. Their claims
 * give -EMFILE. */
void visitors_refuse(struct visitors *v);
/* Forgets those whose app end was closed without a command. */
void visitors_sweep(struct visitors *v);

#endif
