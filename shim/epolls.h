/* epolls.h - the program's epoll sets, when another file takes the place of an app end.
 *
 * An epoll set knows a file and not an fd: what dup2() puts at an fd's number is not
 * watched. Taken before that and given back after it, the program's watches go on.
 * errno is not kept.
 */
#ifndef MYTCP_EPOLLS_H
#define MYTCP_EPOLLS_H

#include <sys/epoll.h>

#define EPOLLS_MAX 16 /* sets that watch one fd; more of them are left as they are */

struct epolls {
	int n;
	struct {
		int epoll;
		struct epoll_event ev;
	} set[EPOLLS_MAX];
};

/* Takes fd out of all epoll sets of this process (epoll(7), proc(5): fdinfo). */
void epolls_take(int fd, struct epolls *e);
/* Puts what is now fd into them as its predecessor was: same events, same data. */
void epolls_give(int fd, const struct epolls *e);

#endif
