/* usermem.h - the program's pointers, looked at as the kernel does: one that leads
 * nowhere is -EFAULT and no crash (EFAULT of the socket calls' man pages).
 *
 * fd: any socket of the program's that is ours. Only getsockopt(2) is called, so
 * a sandbox that allows that allows this. errno may change.
 */
#ifndef MYTCP_USERMEM_H
#define MYTCP_USERMEM_H

#include <stddef.h>
#include <sys/socket.h>

/* May n bytes (less than a page) be read there? 0 or -EFAULT. */
int user_readable(int fd, const void *p, size_t n);
/* May they be written? If so, they have no longer the value that they had. */
int user_writable(int fd, void *p, size_t n);
/* memcpy() from and to there. */
int user_get(int fd, void *dst, const void *src, size_t n);
/* The same for the data path: what lies on the stack is there. */
int user_get_near(int fd, void *dst, const void *src, size_t n);
int user_put(int fd, void *dst, const void *src, size_t n);
/* An address that a call is given. -EINVAL: longer than any; *out ends in zeroes. */
int user_get_addr(int fd, const struct sockaddr *addr, socklen_t len,
		  struct sockaddr_storage *out);
/* An address that a call returns: as much of it as *len says there is room for;
 * *len becomes its size. -EINVAL: *len is negative. */
int user_put_addr(int fd, const struct sockaddr_storage *from, socklen_t size,
		  struct sockaddr *addr, socklen_t *len);

#endif
