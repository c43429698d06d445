/* harness.h - one engine under test, and a peer whose every segment the test
 * writes by hand.
 *
 * Sequence numbers are relative: in what the peer sends, seq counts from the
 * peer's ISN and ack from the engine's ISS; in what the engine sends, seq counts
 * from the engine's ISS and ack from the peer's ISN. So each SYN is number 0
 * and the first byte of data, in either direction, is number 1.
 *
 * The byte with relative sequence number n is always pattern_byte(n), so every
 * payload the engine sends and every byte it hands to the user is verified
 * without a word in the tests. Every outgoing segment is also held against the
 * rules that have no exception: see check_segment() in harness.c.
 *
 * Time is virtual. Nothing in a test waits.
 */
#ifndef MYTCP_TEST_HARNESS_H
#define MYTCP_TEST_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/addr.h"
#include "../../engine/engine.h"
#include "../../engine/segment.h"
#include "../../engine/seq.h"

enum {
	FIN = SEG_FIN,
	SYN = SEG_SYN,
	RST = SEG_RST,
	PSH = SEG_PSH,
	ACK = SEG_ACK,
	URG = SEG_URG,
	ECE = SEG_ECE,
	CWR = SEG_CWR,
	AE = SEG_AE,
};

#define ANY UINT32_MAX /* expect(): not compared */
#define US_PER_MS 1000ull
#define US_PER_S 1000000ull
#define WND 65535 /* the window that the peer offers when nothing matters */
#define PEER_MSS 1460

/* A segment that the engine sent. */
struct got {
	uint64_t time_us;
	struct flow flow;  /* from the engine's side */
	uint16_t flags;
	uint32_t seq, ack; /* relative */
	uint16_t wnd;      /* as on the wire */
	uint8_t tos;
	bool may_fragment; /* DF is off */
	bool no_flow_label;
	uint32_t ifindex;
	uint32_t len_bytes;
	struct seg_options opt; /* SACK blocks relative */
	uint8_t hdr[TCP_HDR_MAX];
	uint8_t hdr_len_bytes;
};

/* What the harness knows of one peer, by its port. */
struct peer {
	bool iss_known, edge_known;
	uint32_t iss;        /* the engine's towards it */
	uint32_t irs;        /* its own */
	uint32_t edge;       /* right edge of the window it offers, relative to iss */
	uint32_t offered;    /* right edge the engine offers, relative to irs */
	bool offered_known;
	int8_t wscale_in, wscale_out; /* from the peer's SYN, from the engine's */
	uint16_t mss;        /* it announced */
};

struct harness {
	struct engine *e;
	struct engine_config cfg;
	uint64_t now_us;
	struct endpoint local, remote; /* of the next inject(), expect() */
	struct tcp_path path;
	struct tcp_opts opts; /* for open and listen */
	uint32_t irs;             /* the peer's ISN */
	struct seg_options syn;   /* options of the peer's SYN */
	uint8_t tos, ttl;         /* of packets from the peer */
	uint32_t ifindex;         /* by which they come */
	uint32_t device_mtu_bytes; /* of that device */
	bool ts;                  /* inject() adds timestamps */
	uint32_t ts_base;         /* of the peer's timestamp clock (1 ms) */
	uint32_t ts_recent;       /* last TSval from the engine */
	struct tcb *t, *listener;
	unsigned ev, listener_ev; /* TCP_EV_* not yet taken by events() */
	uint32_t written, read;   /* bytes through the user interface */
	enum tcp_state traced;    /* newest state in the trace */
	unsigned seen_states;     /* bit per state, from the trace */
	const char *note;         /* newest note in the trace */
	uint16_t up;              /* urgent pointer of inject() with URG */
	enum drop drop;           /* of the last inject() */
	bool ask;                 /* in what the peer sends: see engine_pkt_in */
	struct peer *peers;       /* by port */
	struct got *out;          /* sent, not yet expected */
	uint32_t out_n, out_cap, out_head;
	bool quiet;               /* hostile input: check_segment() skips windows */
	struct got last;          /* the last one that expect() took */
};

uint8_t pattern_byte(uint32_t n);

/* Defaults, with a seed, tracing on and all options off: segments are plain
 * unless a test wants them otherwise. */
void harness_config(struct engine_config *cfg);
/* cfg NULL: harness_config(). */
struct harness *harness_new(const struct engine_config *cfg);
struct harness *harness_new_at(const struct engine_config *cfg, uint64_t now_us);
void harness_free(struct harness *h);

/* For cmocka: *state is the harness. */
int harness_setup(void **state);
int harness_teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
/* Another one in its place, so configured. */
struct harness *harness_again(void **state, const struct engine_config *cfg);

/* Active OPEN without the rest of the handshake. */
void app_open(struct harness *h);
void app_listen(struct harness *h, int backlog);
/* Active open through to ESTABLISHED; the peer offers wnd (unscaled). */
void establish_wnd(struct harness *h, uint32_t wnd);
void establish(struct harness *h);
/* With a SYN,ACK that takes so long: the first sample of the RTT. */
void establish_rtt(struct harness *h, uint64_t rtt_us);
/* The same by a listener and tcp_accept(). */
void establish_passive(struct harness *h);
/* An established connection brought to a state by real exchanges (LISTEN,
 * SYN_SENT and SYN_RECEIVED: no connection before). In CLOSE_WAIT and the like
 * the peer's FIN was number 1, the engine's too. */
void reach(struct harness *h, enum tcp_state s);

/* The peer sends. Returns why it was dropped. */
enum drop inject(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack,
		 uint32_t wnd, uint32_t len_bytes);
enum drop inject_opt(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack,
		     uint32_t wnd, uint32_t len_bytes,
		     const struct seg_options *opt);
/* A header of one's own making (absolute numbers, any bytes); the checksum is
 * set here. */
enum drop inject_raw(struct harness *h, uint8_t *tcp, size_t len_bytes);
/* Writes what inject_opt() would send; returns its length. */
size_t craft(struct harness *h, uint8_t *tcp, uint16_t flags, uint32_t seq,
	     uint32_t ack, uint32_t wnd, uint32_t len_bytes,
	     const struct seg_options *opt);
/* engine_refuse() for such a segment. */
void refuse(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack,
	    uint32_t len_bytes);
/* engine_yield() for a segment that must be dropped for DROP_ASK. */
void yield(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack);
void inject_icmp(struct harness *h, uint32_t seq, int err, uint32_t mtu_bytes);
/* EMSGSIZE about a packet of pkt_bytes; local: by this host itself. */
void inject_too_big(struct harness *h, uint32_t seq, uint32_t mtu_bytes,
		    uint32_t pkt_bytes, bool local);

/* Collects what the engine wants to send and say. */
void pull(struct harness *h);
/* Runs the timers that are due on the way. */
void advance_us(struct harness *h, uint64_t us);
void advance_ms(struct harness *h, uint64_t ms);
/* Runs timers until a segment is sent, at most max_us; returns how long that
 * took. The test fails when nothing was sent. */
uint64_t time_to_segment_us(struct harness *h, uint64_t max_us);
/* Runs timers until the state is s (at most max_us); returns how long. */
uint64_t time_to_state_us(struct harness *h, enum tcp_state s, uint64_t max_us);
uint32_t pending(struct harness *h); /* segments sent and not yet expected */
void forget(struct harness *h);      /* drops them */

/* The user. */
uint32_t app_write(struct harness *h, uint32_t len_bytes); /* what was taken */
uint32_t app_read(struct harness *h, uint32_t max_bytes);
void app_shutdown(struct harness *h);
void app_abort(struct harness *h);
void app_release(struct harness *h);
unsigned events(struct harness *h); /* and forgets them */
struct tcp_status status(struct harness *h);
enum tcp_state state_of(struct harness *h);

/* The next segment must be this one. PSH is compared only where flags has it;
 * ack only where flags has ACK. Returns it. */
const struct got *harness_expect(struct harness *h, uint16_t flags, uint32_t seq,
				 uint32_t ack, uint32_t len_bytes,
				 const char *file, int line);
void harness_expect_none(struct harness *h, const char *file, int line);
void harness_expect_state(struct harness *h, enum tcp_state s, const char *file,
			  int line);
/* A RST with or without ACK; RFC 9293 wants it at SND.NXT, or at SEG.ACK. */
void harness_expect_reset(struct harness *h, uint32_t seq, const char *file, int line);
/* Macros only for the line number. */
#define expect_reset(h, seq) harness_expect_reset(h, seq, __FILE__, __LINE__)
#define expect(h, flags, seq, ack, len) \
	harness_expect(h, flags, seq, ack, len, __FILE__, __LINE__)
#define expect_none(h) harness_expect_none(h, __FILE__, __LINE__)
#define expect_state(h, s) harness_expect_state(h, s, __FILE__, __LINE__)
#endif
