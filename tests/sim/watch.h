/* watch.h - holds every packet against the rules that have no exception.
 *
 * It sees what each side sends and what reaches it undamaged, like a monitor
 * that sits in both hosts, and knows a flow by its two ports.
 */
#ifndef MYTCP_SIM_WATCH_H
#define MYTCP_SIM_WATCH_H

#include "../../engine/engine.h"

struct watch;
struct watch *watch_new(uint32_t mtu_bytes);
void watch_free(struct watch *w);
/* This side answers with SYN cookies: a repeated SYN may get another ISN. */
void watch_cookies(struct watch *w, int side);
/* Side from (0 or 1) sends this. NULL, or what is wrong with it. */
const char *watch_sent(struct watch *w, int from, const struct engine_pkt_out *pkt);
/* An undamaged packet reaches side to. */
void watch_received(struct watch *w, int to, const struct ip_addr *src,
		    const struct ip_addr *dst, const uint8_t *tcp,
		    uint32_t len_bytes);

#endif
