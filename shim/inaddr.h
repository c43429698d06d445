/* inaddr.h - the addresses of the socket calls, sockaddr_in and sockaddr_in6, and
 * the engine's struct endpoint.
 *
 * family is the socket's. An AF_INET6 socket names IPv4 hosts by v4-mapped
 * addresses (RFC 4291 2.5.5.2), which are the engine's own form. Link-local ones
 * get their device from sin6_scope_id, else from opts->ifindex; in the result it is
 * addr_scope(). Errors are Linux's.
 */
#ifndef MYTCP_INADDR_H
#define MYTCP_INADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "sock.h"

/* Port 0 of every address: "0.0.0.0", "::" for AF_INET6. */
struct endpoint inaddr_any(int family);
/* Copies e as the kernel does: as much as *len allows, and *len becomes the whole
 * size. -EFAULT, -EINVAL. */
int inaddr_put(int family, const struct endpoint *e, struct sockaddr *addr,
	       socklen_t *len);
/* What bind(2) is asked for, not whether there is such an address. -EFAULT,
 * -EINVAL, -EAFNOSUPPORT. */
int inaddr_to_bind(int family, const struct sock_opts *opts,
		   const struct sockaddr *addr, socklen_t len, struct endpoint *out);
/* Where connect(2) from the address src is to go. -EINVAL, -EAFNOSUPPORT,
 * -ENETUNREACH. */
int inaddr_to_connect(int family, const struct sock_opts *opts,
		      const struct ip_addr *src, const struct sockaddr *addr,
		      socklen_t len, struct endpoint *out);

#endif
