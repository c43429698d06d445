/* meddle.h - middleboxes that do not know ECN, and write where it is. */
#ifndef MYTCP_SIM_MEDDLE_H
#define MYTCP_SIM_MEDDLE_H

#include "element.h"

enum meddling {
	MEDDLE_NOT,
	MEDDLE_CLEAR,       /* the flags of TCP's header */
	MEDDLE_CLEAR_LATER, /* but for SYNs */
	MEDDLE_MIRROR,      /* a SYN,ACK has the flags of the SYN */
	MEDDLE_SCRAMBLE,    /* any flags, but for SYNs */
	MEDDLE_STRIP,       /* AccECN's option */
	MEDDLE_BLEACH,      /* the IP header's field becomes Not-ECT */
	MEDDLE_MARK,        /* or CE, whatever it was */
	MEDDLE_COUNT
};

struct meddle_state {
	uint16_t syn_flags;
};

/* Before the checksum is taken. One state serves both directions. */
void meddle(enum meddling how, struct meddle_state *m, struct rng *r, uint8_t *tcp,
	    uint8_t hdr_len_bytes, uint8_t *tos);

#endif
