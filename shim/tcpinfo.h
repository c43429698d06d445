/* tcpinfo.h - getsockopt(TCP_INFO): the engine's STATUS in the form of Linux's
 * struct tcp_info.
 */
#ifndef MYTCP_TCPINFO_H
#define MYTCP_TCPINFO_H

#include <linux/tcp.h>
#include <stdint.h>

#include "../engine/engine.h"

/* What Linux has added behind tcpi_snd_wnd, which the system's header may know
 * or not. */
struct tcpinfo_more {
	uint32_t rcv_wnd;
	uint32_t rehash;
	uint16_t total_rto;
	uint16_t total_rto_recoveries;
	uint32_t total_rto_time_ms;
	uint32_t received_ce;
	uint32_t delivered_e1_bytes, delivered_e0_bytes, delivered_ce_bytes;
	uint32_t received_e1_bytes, received_e0_bytes, received_ce_bytes;
	uint16_t accecn_fail_mode, accecn_opt_seen;
};

#define TCPINFO_KNOWN_BYTES (offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(uint32_t))
#define TCPINFO_BYTES (TCPINFO_KNOWN_BYTES + sizeof(struct tcpinfo_more))

/* The fields that st knows; the others are 0. max_pacing_rate: of the socket.
 * now_us: of the engine's clock. */
void tcpinfo_fill(const struct tcp_status *st, uint64_t max_pacing_rate, uint64_t now_us,
		  uint8_t out[TCPINFO_BYTES]);

#endif
