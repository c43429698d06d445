/* inaddr.c - how the program's addresses become the engine's and back. Owns
 * nothing. Checks and their order are those of Linux's af_inet.c, af_inet6.c and
 * tcp_ipv6.c.
 */
#include "inaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../engine/addr.h"

#define SIN6_LEN_MIN 24 /* RFC 2133 had no sin6_scope_id */

struct endpoint inaddr_any(int family)
{
	static const uint8_t zero[4];
	struct endpoint e = {.port = 0};

	if (family == AF_INET)
		e.addr = addr_from_v4(zero);
	return e;
}

int inaddr_put(int family, const struct endpoint *e, struct sockaddr *addr,
	       socklen_t *len)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(e->port)};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(e->port)};
	const void *from = family == AF_INET ? (void *)&sin : (void *)&sin6;
	socklen_t size = family == AF_INET ? sizeof(sin) : sizeof(sin6);
	struct ip_addr wire;

	if (!addr || !len)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	memcpy(&sin.sin_addr, &e->addr.b[12], sizeof(sin.sin_addr));
	wire = addr_wire(&e->addr);
	memcpy(&sin6.sin6_addr, wire.b, sizeof(sin6.sin6_addr));
	sin6.sin6_scope_id = addr_scope(&e->addr);
	memcpy(addr, from, *len < size ? *len : size);
	*len = size;
	return 0;
}

static int get_sin(const struct sockaddr *addr, socklen_t len,
		   struct sockaddr_in *sin)
{
	if (len < sizeof(*sin))
		return -EINVAL;
	memcpy(sin, addr, sizeof(*sin));
	return sin->sin_family == AF_INET ? 0 : -EAFNOSUPPORT;
}

static int get_sin6(const struct sockaddr *addr, socklen_t len,
		    struct sockaddr_in6 *sin6)
{
	*sin6 = (struct sockaddr_in6){0};
	if (len < SIN6_LEN_MIN)
		return -EINVAL;
	memcpy(sin6, addr, len < sizeof(*sin6) ? len : sizeof(*sin6));
	return sin6->sin6_family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}

static struct endpoint from_sin(const struct sockaddr_in *sin)
{
	return (struct endpoint){.addr = addr_from_v4(&sin->sin_addr),
				 .port = ntohs(sin->sin_port)};
}

/* -EINVAL: a link-local address and no device. That of sin6_scope_id goes before
 * the one that the socket is bound to. */
static int from_sin6(const struct sockaddr_in6 *sin6, const struct sock_opts *opts,
		     struct endpoint *e)
{
	uint32_t scope = sin6->sin6_scope_id ? sin6->sin6_scope_id : opts->ifindex;

	e->addr = addr_from_v6(&sin6->sin6_addr, scope);
	e->port = ntohs(sin6->sin6_port);
	return addr_is_linklocal(&e->addr) && !scope ? -EINVAL : 0;
}

static int to_bind4(const struct sockaddr *addr, socklen_t len,
		    struct endpoint *out)
{
	struct sockaddr_in sin;
	int err = get_sin(addr, len, &sin);

	/* Old programs leave the family zero. */
	if (err == -EAFNOSUPPORT && sin.sin_family == AF_UNSPEC &&
	    sin.sin_addr.s_addr == INADDR_ANY)
		err = 0;
	if (!err)
		*out = from_sin(&sin);
	return err;
}

int inaddr_to_bind(int family, const struct sock_opts *opts,
		   const struct sockaddr *addr, socklen_t len, struct endpoint *out)
{
	struct sockaddr_in6 sin6;
	int err;

	if (!addr)
		return -EFAULT;
	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (family == AF_INET)
		return to_bind4(addr, len, out);
	err = get_sin6(addr, len, &sin6);
	if (err)
		return err;
	if (IN6_IS_ADDR_MULTICAST(&sin6.sin6_addr) ||
	    (opts->v6only && IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)))
		return -EINVAL;
	return from_sin6(&sin6, opts, out);
}

static int to_connect6(const struct sock_opts *opts, const struct ip_addr *src,
		       const struct sockaddr_in6 *sin6, struct endpoint *out)
{
	uint32_t scope;
	int err;

	if (IN6_IS_ADDR_MULTICAST(&sin6->sin6_addr))
		return -ENETUNREACH;
	err = from_sin6(sin6, opts, out);
	if (err)
		return err;
	scope = addr_scope(&out->addr);
	if (scope && opts->ifindex && scope != opts->ifindex)
		return -EINVAL;
	/* "Any" is this host, in the protocol that the socket is bound to. */
	if (addr_is_v4(src) && IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr))
		out->addr = inaddr_any(AF_INET).addr;
	return opts->v6only && addr_is_v4(&out->addr) ? -ENETUNREACH : 0;
}

int inaddr_to_connect(int family, const struct sock_opts *opts,
		      const struct ip_addr *src, const struct sockaddr *addr,
		      socklen_t len, struct endpoint *out)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	int err;

	if (family == AF_INET) {
		err = get_sin(addr, len, &sin);
		if (!err)
			*out = from_sin(&sin);
		return err;
	}
	err = get_sin6(addr, len, &sin6);
	return err ? err : to_connect6(opts, src, &sin6, out);
}
