/* exchange.h - one request, one response, both close; and what it costs when one
 * packet is lost. */
#ifndef MYTCP_SIM_EXCHANGE_H
#define MYTCP_SIM_EXCHANGE_H

#include "sim.h"

#define EXCHANGE_PACKETS 200

struct exchange_plan {
	const char *cc;
	uint32_t rtt_us;
	uint32_t request_bytes, response_bytes;
	bool client_closes_first; /* as soon as it has asked; else the server */
	bool stays_open;          /* nobody closes */
	int lose_from;            /* side whose packet is lost: 0 client, 1 server */
	uint32_t lose_nth;        /* from 1; 0: none */
	bool verbose;
};

struct exchange {
	uint64_t request_us, response_us; /* when they had arrived as a whole */
	uint64_t client_us, server_us;    /* when their side had ended without error */
	uint32_t packets[2];              /* that the sides sent */
	uint32_t last_text[2];            /* number of the last packet with text */
	bool handshake[2][EXCHANGE_PACKETS + 1]; /* by number: it bore a SYN */
	unsigned timeouts;                /* of the server: RTOs */
	uint32_t rto_min_us, rto_initial_us, delack_us;
	const char *error;
};

void exchange_run(const struct exchange_plan *plan, struct exchange *x);

#endif
