/* tcb.h - the transmission control block and the engine around it.
 * Private to engine/.
 *
 * Who writes what:
 *   state         only tcb_set_state() (tcb.c), which knows the legal edges
 *   snd.una       only the ACK step (ack.c)
 *   snd.nxt       only output (output.c)
 *   rcv.nxt       only the text and FIN steps (text.c)
 *   timers        tcb_timer_set() and tcb_timer_stop()
 *   cwnd          only the operations of cc.h, prr.c while prr_on()
 *   rate          only rate.c
 *
 * Input, timers and user calls never send: they change the tcb and call
 * tcb_want_output(); engine_output() then asks output.c what there is to send.
 * A tcb that has become garbage is put on engine.dead and freed when the entry
 * point returns, so no pointer dies under its user's feet.
 */
#ifndef MYTCP_TCB_H
#define MYTCP_TCB_H

#include "addr.h"
#include "buf.h"
#include "congestion.h"
#include "counted.h"
#include "engine.h"
#include "flowtab.h"
#include "minmax.h"
#include "random.h"
#include "reasm.h"
#include "scoreboard.h"
#include "segment.h"
#include "seq.h"
#include "timerq.h"

#define TS_TICK_US 1000 /* of our timestamp clock, RFC 7323 5.4 */

enum timer_id {
	TIMER_REXMT,  /* retransmission, and the probing of a closed window */
	TIMER_REORDER, /* what RACK does not yet take for lost, RFC 8985 6.3 */
	TIMER_PROBE,  /* tail loss probe, RFC 8985 7 */
	TIMER_PACE,   /* data that waits for its time */
	TIMER_DELACK, /* an ACK that waits for company */
	TIMER_CORK,   /* bytes that a cork holds back */
	TIMER_WAIT,   /* 2 MSL in TIME-WAIT; FIN-WAIT-2 of a released tcb; until
			 the ACK is enough for TCP_DEFER_ACCEPT; else keepalive */
	TIMER_COUNT
};

enum recovery {
	RECOVERY_OPEN,
	RECOVERY_FAST, /* since a loss was detected, until snd.recover */
	RECOVERY_LOSS, /* since a timeout, until snd.recover */
};

enum ecn_mode {
	ECN_OFF,
	ECN_CLASSIC,  /* RFC 3168 */
	ECN_ACCURATE, /* RFC 9768 */
};

/* CE-marked packets, and payload bytes by mark: RFC 9768 3.2. */
struct ecn_counts {
	uint32_t cep, e0b, ceb, e1b;
};

struct accecn {
	struct ecn_counts in;   /* arrived here */
	struct ecn_counts out;  /* what the peer says that it received */
	struct ecn_counts told; /* in, as the last option said it */
	uint32_t ce_unacked;    /* marked packets since an ACK left */
	uint8_t repeats;        /* of text whose ACK had the option */
	uint8_t responses;      /* to marks, while every packet was marked */
	bool handshake_ack : 1; /* the next bare ACK tells of the SYN,ACK */
	bool ce_on_syn : 1;     /* our SYN or SYN,ACK was marked */
	bool ce_last : 1;       /* the latest packet was marked */
	bool ace_heard : 1;     /* feedback came after the handshake */
	bool option_due : 1;    /* whether or not a counter has changed */
	bool option_sent : 1;   /* with the latest ACK */
	bool option_off : 1;    /* the path seems to drop what carries it */
	bool option_bad : 1;    /* the peer's arrive zeroed */
	bool unmarked : 1;      /* some packet has arrived without a mark */
};

enum frto { /* RFC 5682 */
	FRTO_OFF,
	FRTO_FIRST,  /* waits for the ACK of the timeout's retransmission */
	FRTO_SECOND, /* sends new data, and waits for what that brings */
};

/* What only connections need that have seen congestion. */
struct repair {
	uint64_t recovered_us; /* when the last recovery ended */
	uint64_t timeout_us;   /* when the retransmission timer expired last */
	uint64_t stalled_us;   /* when it expired first, nothing acknowledged since */
	uint32_t stalled_ms;   /* in such times, all together; but for the present one */
	uint16_t stalls;       /* such times */
	struct {
		uint32_t fs_bytes; /* RecoverFS, RFC 6937; 0: off */
		uint32_t delivered_bytes, out_bytes;
		uint32_t end;      /* SND.NXT when it began */
	} prr;
	struct undo {
		uint32_t una, end;       /* what was in flight when it began */
		uint32_t repeated_bytes; /* and not reported as duplicates */
		uint32_t repeated_end;   /* of the highest of them */
		uint32_t ts;             /* of the first retransmission */
		uint8_t backoff;         /* before it */
		enum frto frto;
		uint8_t frto_due;        /* segments of new data to be sent for it */
		bool armed, timeout, ts_known, first_ack_due;
	} undo;
};

/* Membership in one of the engine's lists of tcbs. */
struct tcb_link {
	struct tcb *next;
	struct tcb *prev; /* the first one's is itself; NULL: on no list */
};

struct tcb_list {
	struct tcb *first, *last;
};

struct tcb {
	struct flow_node node; /* the flow; must be first */
	struct timer_node timer; /* the earliest of timer_at */
	struct engine *e;
	void *user;
	enum tcp_state state;
	uint32_t number;         /* for the trace, from 1 */

	struct tcb_link ready;   /* wants output */
	struct tcb_link event;   /* has events for its user */
	struct tcb_link queue;   /* listener's accept queue, the closed, the dead */

	struct tcb *listener; /* of its child, until that is accepted */
	struct fast *fast;    /* while Fast Open matters, else NULL */

	struct tcp_opts opts;
	uint32_t path_mtu;       /* what the path is known to carry */
	uint32_t gso_max_bytes;
	struct pmtu *pmtu;       /* NULL: nothing to find */
	struct repair *repair;   /* NULL as long as nothing was lost */
	uint64_t timer_at[TIMER_COUNT]; /* ENGINE_NEVER: off */

	struct {
		uint32_t una, nxt, wnd, wl1, wl2; /* RFC 9293 3.3.1 */
		uint32_t iss;
		uint32_t max_wnd;    /* MAX.SND.WND, RFC 5961 5 */
		uint32_t data_seq;   /* sequence number of the buffer's first byte */
		struct ring data;
		struct scoreboard sb;
		uint32_t buf_bytes;  /* what data may hold */
		uint32_t ordered_end; /* SND.NXT at the first of the dupacks */
		uint32_t recover;    /* SND.NXT when recovery began, RFC 6582 */
		uint32_t up;         /* SND.UP, if urg_out */
		uint32_t limited_end; /* SND.NXT when cwnd last held data back */
		uint32_t uto_ms;     /* what the peer's option made of the user timeout */
		uint32_t link_mtu;   /* the route's: no packet is larger */
		uint32_t small_end;  /* end of the last segment below MSS (Nagle) */
		uint32_t more_from;  /* where what was sent with MSG_MORE begins */
		uint16_t peer_mss;   /* MSS option, or its default */
		uint16_t mss;        /* what a segment carries besides timestamps */
		uint16_t acked_seg;  /* largest segment that has arrived */
		uint8_t wscale;      /* to be applied to SEG.WND */
		uint8_t dupacks;
		uint8_t backoff;     /* doublings of the RTO since the last sample */
		uint8_t timeouts;    /* in a row, SND.UNA standing still */
		uint8_t unanswered;  /* probes in a row without any answer */
		uint8_t keep_probes; /* keepalives in a row without any answer */
		uint64_t last_us;    /* last transmission of data */
		uint64_t stall_us;   /* SND.UNA stands still since; 0: nothing waits */
	} snd;

	struct {
		uint32_t nxt, irs;
		uint32_t edge;       /* highest right edge ever offered */
		uint32_t adv;        /* right edge as the peer saw it last */
		uint32_t acked;      /* RCV.NXT as last sent: Last.ACK.sent */
		uint32_t buf_bytes;  /* what data may hold */
		struct ring data;    /* in order, then out of order */
		struct reasm ooo;
		struct seq_range dup; /* arrived twice: a DSACK is due if not empty */
		uint32_t up;         /* RCV.UP, if urg_in */
		uint32_t fin_seq;    /* of the peer's FIN, if fin_seen */
		uint32_t ts_recent;  /* TS.Recent, RFC 7323 4.3 */
		uint32_t challenged_ms; /* the last challenge ACK, plus 1; 0: never */
		uint64_t ts_recent_us;
		uint32_t second;     /* in which it was counted in receivers */
		uint16_t mss_seen;   /* largest segment, for the delayed ACK */
		uint8_t quick;       /* so many ACKs do not wait */
		uint8_t wscale;      /* applied to the windows that we send */
	} rcv;

	struct {
		uint32_t srtt_us, rttvar_us, rto_us; /* RFC 6298 */
		uint32_t min_us;        /* of the last minutes */
		uint32_t min_fresh_us;  /* since min_since_s */
		uint32_t min_since_s;
	} rtt;
	struct {
		uint32_t since_us;   /* low half: cwnd was the limit, or corrected */
		uint32_t used_bytes; /* the most in flight since then */
	} cwv;
	struct {
		uint64_t sent_us;   /* of the latest delivered, and where it ended */
		uint32_t end;
		uint32_t rtt_us;
		uint32_t round_end; /* SND.NXT at the first DSACK of the round */
		uint8_t quarters;   /* of the RTT to wait for reordered segments */
		uint8_t persist;    /* recoveries until that is 1 again */
		bool dsack_round;   /* round_end is valid */
		bool reordering_seen;
	} rack;
	struct {
		uint32_t end;          /* SND.NXT when the probe was sent */
		uint32_t ack_delay_us; /* of the peer, for a single segment */
		uint8_t silences;      /* probes of recovery in a row, unanswered */
		bool ack_delay_known : 1;
		bool misjudged : 1;    /* a probe was faster than a delayed ACK */
		bool out : 1;          /* one is unanswered */
		bool again : 1;        /* it was a retransmission */
		bool sample_due : 1;   /* no RTT was seen since the last probe */
	} tlp;
	struct { /* the size of the receive buffer */
		uint32_t since_us, rtt_since_us; /* of taken_bytes; of rtt_seq */
		uint32_t taken_bytes; /* by the user in this round trip */
		uint32_t space_bytes; /* the most of all before */
		uint32_t rtt_us;      /* as a receiver sees it; 0: unknown */
		uint32_t rtt_seq;     /* when RCV.NXT is here, a window has come */
		uint32_t ts_ecr;      /* the echo that was last counted */
	} tune;
	union {
		struct { /* a listener: its queues */
			struct tcb_list accept_queue;
			uint32_t accept_waiting, accept_elsewhere, accept_max, half_open;
			bool paused; /* hears no SYN */
		};
		struct { /* a connection */
			uint64_t delivered_bytes;
			uint64_t bytes_s;     /* newest sample of the delivery rate */
			uint32_t lost_bytes;  /* in all, low half */
			uint32_t delivered_us, first_sent_us; /* low halves, see rate.c */
			uint32_t round_end;   /* of delivered_bytes, low half */
			uint32_t app_limited_end; /* the same; if app_limited */
			uint32_t min_rtt_us;  /* 0: none yet; never from timestamps */
		} rate;
	};
	struct {
		struct accecn *acc; /* if mode is, or may become, ECN_ACCURATE */
		uint32_t recover;   /* SND.NXT when cwnd was reduced last */
		unsigned asked : 2, mode : 2; /* enum ecn_mode; asked: in our SYN */
		unsigned syn : 2;   /* IP header's field of the peer's latest SYN */
		bool plain_syn : 1; /* our SYN was repeated without ECN */
		bool no_ect : 1;    /* data is sent without, whatever the mode */
		bool deaf : 1;      /* the peer's feedback is not to be believed */
		bool seen : 1;      /* a packet came with any of ECT and CE */
		bool echo : 1;      /* ECN_CLASSIC: ECE until CWR comes */
		bool cwr_due : 1;   /* ECN_CLASSIC: on the next new segment */
	} ecn;
	struct cc cc;
	uint64_t pace_us;        /* when the next data may leave (pace.c) */
	uint32_t pace_16bytes_s; /* by this rate */
	int16_t error;      /* what ended it, positive errno */
	int16_t soft_error; /* ICMP's last word, RFC 9293 3.9.2.2 */

	enum recovery recovery : 2;
	/* negotiated */
	bool ts_ok : 1, sack_ok : 1, wscale_ok : 1;
	/* the user's side */
	bool active : 1;        /* came from an active OPEN */
	bool released : 1;
	bool fin_queued : 1;    /* CLOSE was called: FIN follows the data */
	bool want_space : 1;    /* the send buffer was found full */
	bool more : 1;          /* the last SEND said that more follows */
	bool urg_out : 1;       /* SND.UP is beyond SND.UNA */
	bool urg_in : 1;        /* RCV.UP is beyond what the user has taken */
	bool urg_taken : 1;     /* the user has had that byte already */
	bool tuning : 1;        /* tune.rtt_seq and tune.rtt_since_us are valid */
	bool pingpong : 1;      /* ACKs travel with answers */
	/* what output shall do */
	bool syn_due : 1;       /* SYN or SYN,ACK to be sent (again) */
	bool ack_now : 1;       /* an ACK is due at once */
	bool ack_delayed : 1;   /* an ACK is due by TIMER_DELACK */
	bool rexmit_now : 1;    /* one lost segment whatever the pipe says */
	bool rescued : 1;       /* RFC 6675 4 (4) was used in this recovery */
	bool tlp_now : 1;       /* one segment to make the peer say what it has */
	bool paced : 1;         /* data waits for pace_us */
	bool pace_late : 1;     /* the timer came; pace_us is not caught up with */
	bool probe_now : 1;     /* one byte into a closed window */
	bool override_sws : 1;  /* send what fits, however small */
	bool uncork : 1;        /* send what the cork held back */
	bool keep_now : 1;      /* a keepalive */
	bool uto_due : 1;       /* the next bare ACK tells our user timeout */
	bool challenge : 1;     /* the ACK due is a challenge ACK */
	bool app_limited : 1;   /* rate.app_limited_end is valid */
	bool bytes_app_limited : 1; /* what rate.bytes_s was measured by */
	/* the peer's side */
	bool fin_seen : 1;      /* rcv.fin_seq is valid */
	bool accepted : 1;      /* not a listener's child any more */
	bool may_fragment : 1;  /* the path is too narrow for us: DF is off */
	bool fast_child : 1;    /* went past the SYN queue by Fast Open */
	bool syn_data : 1;      /* data in the SYN was acknowledged */
	uint8_t fast_fail : 2;  /* enum fastopen_fail */
	uint8_t answers;        /* to the peer's text in time, in a row */

	uint16_t events;        /* TCP_EV_* that its user does not know yet */

	struct { /* busy.c */
		uint64_t since_us;
		uint32_t ms[BUSY_COUNT - 1];
		uint8_t now;
	} busy;

	uint32_t stat_total_retrans;
	uint32_t stat_dsacks; /* of these, what the peer had already */
	uint32_t stat_segs_in, stat_segs_out, stat_data_in, stat_data_out;
	uint32_t stat_ooo_segs;
	uint16_t stat_timeouts, stat_reordered;
	uint32_t stat_delivered; /* segments, SYN and FIN counted */
	uint32_t ts_offset;
	uint64_t stat_bytes_acked, stat_bytes_received;
	uint64_t stat_bytes_sent, stat_bytes_retrans;
	uint64_t last_data_in_us, last_ack_in_us;
};

/* Fast Open's part of a tcb (fastopen.c). */
#define FASTOPEN_COOKIE_BYTES 8 /* of ours; others' may be longer */

struct fast {
	struct tcb *listener;   /* at which the child is pending, or NULL */
	uint32_t pending, resets; /* listener: children; those that were reset */
	uint64_t resets_until_us;
	struct fastopen_keys keys; /* listener: its own */
	bool asks, data_ok;     /* client: the SYN has the option; and data */
	bool waits;             /* client: for that data */
	bool grants;            /* server: the SYN,ACK has a cookie */
	uint8_t cookie[FASTOPEN_COOKIE_BYTES]; /* this one */
};

/* A segment that belongs to no tcb: RST, and the SYN,ACK with a cookie. */
struct reply {
	struct flow flow;
	uint32_t seq, ack;
	uint16_t flags;
	uint16_t wnd;
	struct seg_options opt; /* without SYN timestamps only */
	struct tcp_opts opts;
	const char *note;       /* for the trace, or NULL */
};
#define REPLIES_MAX 256

struct trace_queue {
	struct trace_rec *rec; /* NULL: no trace */
	uint32_t head, n;
};
#define TRACE_MAX 4096

struct engine {
	struct engine_config cfg;
	struct engine_stats stats;
	struct bufpool pool;
	struct flowtab flows;
	struct timerq timers;
	struct prng prng;
	uint8_t iss_key[16], ts_key[16], cookie_key[16], fast_key[16];
	struct fastopen_entry *fast_cache; /* NULL: nothing is in it */
	struct gone *gone; /* NULL: nothing is remembered */
	uint64_t cookie_us; /* when the last SYN cookie left; 0: never */

	struct tcb_list ready, events;
	struct tcb_list closed, dead; /* CLOSED: the user's still, nobody's */
	struct reply reply[REPLIES_MAX];
	uint32_t reply_head, reply_n;
	struct trace_queue trace;
	struct tcb *in_input; /* its state changes show in the segment's record */

	uint32_t next_number;
	uint32_t *port_uses; /* by port_use() */

	/* Connections that received text in this second and in the last one. */
	uint32_t receivers_second;
	uint32_t receivers, receivers_before;

	/* How many more of them this second may see (provoked.c). */
	uint64_t provoked_second;
	uint32_t challenges_left, resets_left;
};

/* ---- tcb.c: life, states, lists ------------------------------------------ */

/* In the flow table, CLOSED, counted. -EADDRINUSE, -ENOMEM. */
int tcb_new(struct engine *e, const struct flow *flow,
	    const struct tcp_opts *opts, uint64_t now_us, struct tcb **out);
/* The only writer of t->state; entering CLOSED stops everything, and frees a
 * released tcb at the end of the entry point. */
void tcb_set_state(struct tcb *t, enum tcp_state to, uint64_t now_us);
/* A child that waits in the accept queue, not in the SYN queue, from now on. */
void tcb_set_fast_child(struct tcb *t);
/* Before anything was sent: ISS, and what follows from it. */
void tcb_set_iss(struct tcb *t, uint32_t iss);
/* MTU and burst size, the window scale to offer, the MSS. */
void tcb_set_path(struct tcb *t, const struct tcp_path *path);
/* RST at SND.NXT, with an ACK. */
void tcb_send_reset(struct tcb *t, uint64_t now_us);
/* RST, CLOSED. */
void tcb_reset(struct tcb *t, uint64_t now_us);
/* ABORT, 3.10.5: RST where it says so, CLOSED. */
void tcb_abort(struct tcb *t, uint64_t now_us);
/* The connection ends: err (positive errno, or 0) for the user, CLOSED. */
void tcb_fail(struct tcb *t, int err, uint64_t now_us);
/* Frees what has died; the last act of every entry point. */
void tcb_reap(struct engine *e);
/* Frees it now, whatever it is (engine_free()). */
void tcb_destroy(struct tcb *t);

void tcb_event(struct tcb *t, unsigned what);
void tcb_want_output(struct tcb *t);
void tcb_timer_set(struct tcb *t, enum timer_id id, uint64_t at_us);
void tcb_timer_stop(struct tcb *t, enum timer_id id);
/* Sets the released flag and what follows from it for the counters. */
void tcb_set_released(struct tcb *t);

void list_push(struct tcb_list *list, struct tcb *t, struct tcb_link *link,
	       size_t link_offset);
void list_remove(struct tcb_list *list, struct tcb *t, struct tcb_link *link,
		 size_t link_offset);
#define LIST_PUSH(list, t, member) \
	list_push((list), (t), &(t)->member, offsetof(struct tcb, member))
#define LIST_REMOVE(list, t, member) \
	list_remove((list), (t), &(t)->member, offsetof(struct tcb, member))

/* FlightSize: sent, and not acknowledged. */
static inline uint32_t flight_bytes(const struct tcb *t)
{
	return t->snd.nxt - t->snd.una;
}

/* The options that hold for this flow. */
static inline const struct ip_fields *ip_fields(const struct tcp_opts *o, const struct flow *f)
{
	return addr_is_v4(&f->remote.addr) ? &o->ip : &o->ip6;
}

static inline const struct ip_fields *tcb_ip_fields(const struct tcb *t)
{
	return ip_fields(&t->opts, &t->node.flow);
}

/* Where uses of a local port are counted: IPv6's behind IPv4's. */
#define PORT_USES (2u << 16)
static inline uint32_t port_use(uint16_t port, bool v6)
{
	return (uint32_t)v6 << 16 | port;
}

static inline uint32_t tcb_port_use(const struct tcb *t)
{
	return port_use(t->node.flow.local.port, !addr_is_v4(&t->node.flow.local.addr));
}

/* States in which both sides know each other's sequence numbers. */
static inline bool is_synchronized(enum tcp_state s)
{
	return s != TCPS_CLOSED && s != TCPS_LISTEN && s != TCPS_SYN_SENT &&
	       s != TCPS_SYN_RECEIVED;
}

/* The peer has not sent FIN: text and URG still count. */
static inline bool may_receive(enum tcp_state s)
{
	return s == TCPS_ESTABLISHED || s == TCPS_FIN_WAIT_1 ||
	       s == TCPS_FIN_WAIT_2;
}

/* Data, FIN or their retransmission may leave. */
static inline bool may_send(enum tcp_state s)
{
	return s == TCPS_ESTABLISHED || s == TCPS_CLOSE_WAIT ||
	       s == TCPS_FIN_WAIT_1 || s == TCPS_CLOSING || s == TCPS_LAST_ACK;
}

#include "parts.h"

#endif
