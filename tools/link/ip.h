/* ip.h - what a router on the way does to an IP packet: marks it, or answers that
 * it is too big. Both bound what they read by the length given. */
#ifndef MYTCP_LINK_IP_H
#define MYTCP_LINK_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IP_TOO_BIG_MAX_BYTES 576 /* of an answer, RFC 1812 4.3.2.3 */

/* ECT(0) or ECT(1) becomes CE (RFC 3168 5), IPv4 or IPv6. False: neither it was,
 * and the packet is as before. */
bool ip_mark_ce(uint8_t *packet, size_t len_bytes);

/* The ICMP "fragmentation needed" (RFC 792, RFC 1191 4) that a router sends back,
 * in the name of the packet's destination. Returns its length; 0 where none is
 * sent: not IPv4, DF not set, or about an ICMP error or a later fragment
 * (RFC 1122 3.2.2). */
size_t ip_too_big(uint8_t out[IP_TOO_BIG_MAX_BYTES], const uint8_t *packet,
		  size_t len_bytes, uint32_t mtu_bytes);

#endif
