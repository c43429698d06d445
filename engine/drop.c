/* drop.c - what people read in place of the numbers of enum drop and
 * enum tcp_state.
 *
 * Every reason has a name of its own, so that a trace or a counter names the
 * rule that dropped the packet.
 */
#include "engine.h"

static const char *const drop_names[DROP_COUNT] = {
	[DROP_NONE] = "taken",
	[DROP_SHORT] = "shorter than a TCP header",
	[DROP_OFFSET] = "bad data offset",
	[DROP_CHECKSUM] = "bad checksum",
	[DROP_OPTION] = "bad option length",
	[DROP_ADDRESS] = "bad source address or port",
	[DROP_TTL] = "from too far away",
	[DROP_CLOSED] = "no such connection",
	[DROP_GONE] = "of a connection that has ended",
	[DROP_LISTEN_ACK] = "ACK at a listener",
	[DROP_LISTEN] = "RST or no SYN at a listener",
	[DROP_SYN_QUEUE] = "SYN queue full",
	[DROP_ACCEPT_QUEUE] = "accept queue full",
	[DROP_DEFERRED] = "waiting for text",
	[DROP_NO_PATH] = "path needed",
	[DROP_ASK] = "perhaps another stack's",
	[DROP_SYN_SENT_ACK] = "unacceptable ACK in SYN-SENT",
	[DROP_SYN_SENT] = "neither SYN nor RST in SYN-SENT",
	[DROP_PAWS] = "old timestamp (PAWS)",
	[DROP_WINDOW] = "outside the window",
	[DROP_RST_WINDOW] = "RST outside the window",
	[DROP_RST_BLIND] = "RST not at the expected number",
	[DROP_SYN] = "SYN on an open connection",
	[DROP_NO_ACK] = "no ACK bit",
	[DROP_ACK_OLD] = "ACK too old",
	[DROP_ACK_FUTURE] = "ACK of what was never sent",
	[DROP_DUPLICATE] = "duplicate",
	[DROP_REASSEMBLY] = "no room for reassembly",
	[DROP_AFTER_CLOSE] = "data after close",
	[DROP_AFTER_FIN] = "beyond the peer's FIN",
	[DROP_STATE] = "not expected in this state",
};

static const char *const state_names[] = {
	[TCPS_ESTABLISHED] = "ESTABLISHED",
	[TCPS_SYN_SENT] = "SYN-SENT",
	[TCPS_SYN_RECEIVED] = "SYN-RECEIVED",
	[TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCPS_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCPS_TIME_WAIT] = "TIME-WAIT",
	[TCPS_CLOSED] = "CLOSED",
	[TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCPS_LAST_ACK] = "LAST-ACK",
	[TCPS_LISTEN] = "LISTEN",
	[TCPS_CLOSING] = "CLOSING",
};

#define STATE_NAMES (sizeof(state_names) / sizeof(state_names[0]))

const char *drop_name(enum drop d)
{
	return (unsigned)d < DROP_COUNT ? drop_names[d] : "unknown";
}

const char *tcp_state_name(enum tcp_state s)
{
	if ((unsigned)s >= STATE_NAMES || !state_names[s])
		return "unknown";
	return state_names[s];
}
