/* addr.h - small questions about struct ip_addr and struct endpoint. */
#ifndef MYTCP_ADDR_H
#define MYTCP_ADDR_H

#include <string.h>

#include "engine.h"

static inline bool addr_is_v4(const struct ip_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static inline bool addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* v4: the four bytes of an IPv4 address in network order. */
static inline struct ip_addr addr_from_v4(const void *v4)
{
	struct ip_addr a = {.b = {[10] = 0xff, [11] = 0xff}};
	memcpy(&a.b[12], v4, 4);
	return a;
}

/* ::, or v4-mapped 0.0.0.0 */
static inline bool addr_is_any(const struct ip_addr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->b + 12, zero, 4) == 0 &&
	       (addr_is_v4(a) || memcmp(a->b, zero, 12) == 0);
}

/* 127.0.0.0/8 or ::1 */
static inline bool addr_is_loopback(const struct ip_addr *a)
{
	static const struct ip_addr v6 = {.b = {[15] = 1}};
	return addr_is_v4(a) ? a->b[12] == 127 : addr_eq(a, &v6);
}

/* May it be the source of a segment? (RFC 9293 3.9.2.3, MUST-63) */
static inline bool addr_is_unicast(const struct ip_addr *a)
{
	if (addr_is_any(a))
		return false;
	if (!addr_is_v4(a))
		return a->b[0] != 0xff;
	return a->b[12] < 224;
}

/* fe80::/10, which means something only together with a device. Within our code the
 * device's index, the scope, lies in bytes 2 to 5, which are zero in the address
 * itself (RFC 4291 2.5.6): so one comparison tells hosts on two links apart. It is
 * not on the wire, nor in what programs see (sin6_scope_id). */
static inline bool addr_is_linklocal(const struct ip_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* The device's index; 0: not given, or an address that needs none. */
static inline uint32_t addr_scope(const struct ip_addr *a)
{
	if (!addr_is_linklocal(a))
		return 0;
	return (uint32_t)a->b[2] << 24 | (uint32_t)a->b[3] << 16 |
	       (uint32_t)a->b[4] << 8 | a->b[5];
}

/* Other addresses stay as they are. */
static inline void addr_set_scope(struct ip_addr *a, uint32_t ifindex)
{
	if (!addr_is_linklocal(a))
		return;
	a->b[2] = (uint8_t)(ifindex >> 24);
	a->b[3] = (uint8_t)(ifindex >> 16);
	a->b[4] = (uint8_t)(ifindex >> 8);
	a->b[5] = (uint8_t)ifindex;
}

/* v6: the sixteen bytes of an address as on the wire; scope as in sin6_scope_id. */
static inline struct ip_addr addr_from_v6(const void *v6, uint32_t scope)
{
	struct ip_addr a;

	memcpy(a.b, v6, sizeof(a.b));
	addr_set_scope(&a, scope);
	return a;
}

/* The address as on the wire and in sin6_addr. */
static inline struct ip_addr addr_wire(const struct ip_addr *a)
{
	struct ip_addr wire = *a;

	addr_set_scope(&wire, 0);
	return wire;
}

static inline bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

static inline bool flow_eq(const struct flow *a, const struct flow *b)
{
	return endpoint_eq(&a->local, &b->local) &&
	       endpoint_eq(&a->remote, &b->remote);
}

#endif
