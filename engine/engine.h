/* engine.h - a TCP endpoint as a pure function of packets, calls and time.
 *
 * Theory of operation
 *
 * An engine holds any number of connections. It does no I/O: no system call,
 * no thread, no clock, no global. Packets, user calls and the time go in;
 * packets, events, trace records and the next deadline come out:
 *
 *     engine_input(e, pkt, now)        a packet arrived
 *     engine_output(e, pkts, n, now)   packets to send now
 *     engine_deadline(e)               when engine_expire() must run next
 *     engine_expire(e, now)            run what is due
 *     engine_event(e, &ev)             what the users of connections must know
 *
 * Whoever drives it (the shim's driver thread, a simulator, a unit test, a
 * fuzzer) repeats: feed input, make user calls, take events until there are
 * none, take output until there is none, sleep until the deadline.
 *
 * Times are microseconds of any clock that never goes back. Functions return 0
 * or a count, or a negative errno value; none touches errno. Bytes from the
 * network are hostile: every packet is accepted, answered as the RFC says, or
 * dropped for a reason that is counted (enum drop).
 *
 * Lifetime of a connection (struct tcb): born by tcp_open(), tcp_listen() or
 * tcp_accept(); valid until tcp_release(). After that the user must not touch
 * it and gets no more events for it; the engine finishes the protocol (bytes
 * still queued, FIN, TIME-WAIT) and frees it. Freeing happens only at the end
 * of an entry point.
 */
#ifndef MYTCP_ENGINE_H
#define MYTCP_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "cc.h"

/* ---- addresses ---------------------------------------------------------- */

/* An IPv6 address, or an IPv4 one in its v4-mapped form (::ffff:a.b.c.d);
 * network byte order. All zeroes, or v4-mapped 0.0.0.0, means "any". Link-local
 * ones carry their device, see addr_scope() in addr.h. */
struct ip_addr {
	uint8_t b[16];
};

struct endpoint {
	struct ip_addr addr;
	uint16_t port; /* host byte order */
};

struct flow {
	struct endpoint local, remote;
};

/* What the route to a peer allows. */
struct tcp_path {
	uint32_t mtu_bytes;     /* of IP packets towards the peer */
	uint32_t gso_max_bytes; /* largest TCP payload of one engine_pkt_out;
				   0: the link takes single segments only */
};

/* ---- packets ------------------------------------------------------------ */

struct engine_pkt_in {
	struct ip_addr src, dst; /* from the IP header; dst is local */
	struct tcp_path path;    /* back to src; needed when DROP_NO_PATH asks
				    for it, else may be zero */
	const uint8_t *tcp;      /* TCP header, options and payload */
	size_t tcp_len_bytes;    /* may exceed the MSS (GRO) */
	uint8_t tos;             /* IPv4 TOS or IPv6 traffic class, ECN included */
	uint8_t ttl;             /* what is left of it */
	bool ask;                /* the caller knows what to do about DROP_ASK */
	uint32_t ifindex;        /* the device by which it came; 0: not known */
	uint32_t device_mtu_bytes; /* of that device, for a SYN; 0: not known. A SYN
				    cookie offers segments of that size */
};

/* One TCP segment, or a burst of them that differ only in sequence number and
 * checksum. Where payload_len_bytes > mss_bytes the link cuts it (see
 * segment_cut() in segment.h) or lets the kernel do it (GSO). The checksum
 * field is zero: the link fills it in (segment_checksum()). */
struct engine_pkt_out {
	struct ip_addr src, dst;
	uint8_t hdr[60]; /* TCP header with options */
	uint8_t hdr_len_bytes;
	uint8_t tos; /* IPv4 TOS or IPv6 traffic class, ECN bits included */
	uint8_t ttl; /* 0: the host's default */
	bool may_fragment; /* DF shall not be set */
	bool no_flow_label; /* IPv6: zero instead of what the link would choose */
	bool ace;    /* the flags AE, CWR and ECE are a number (RFC 9768 3.2.2), the
			same in each segment of a burst */
	uint16_t mss_bytes;
	uint32_t ifindex; /* the device to leave by; 0: as the routes say */
	uint32_t payload_len_bytes;
	int payload_iovs;
	struct iovec payload[2]; /* into the send buffer: valid until the next
				    call of any engine or tcp function that
				    takes this engine, engine_output()
				    excepted */
};

/* An ICMP or ICMPv6 error about a segment that we sent, in ICMP's own terms. */
struct engine_icmp {
	struct flow flow;   /* local: the source of the quoted segment */
	uint32_t seq;       /* its sequence number */
	int err;            /* errno for what it says: EHOSTUNREACH, ENETUNREACH,
			       ECONNREFUSED, EACCES, EPROTO, EMSGSIZE ... */
	uint32_t mtu_bytes; /* EMSGSIZE: next-hop MTU, 0 if not told */
	uint32_t pkt_bytes; /* EMSGSIZE: length of the packet; 0: not known */
	bool local;         /* this host's own word, not the network's */
};

/* Why a packet was not, or not wholly, taken. Kept in this order in
 * drop_name(); counted in struct engine_stats, shown by the trace. */
enum drop {
	DROP_NONE,         /* taken */
	DROP_SHORT,        /* shorter than a TCP header */
	DROP_OFFSET,       /* data offset < 5 or beyond the packet */
	DROP_CHECKSUM,     /* neither correct nor the partial sum of an offload */
	DROP_OPTION,       /* an option's length is impossible */
	DROP_ADDRESS,      /* source is multicast, broadcast, unspecified; port 0 */
	DROP_TTL,          /* from farther away than the user allows */
	DROP_CLOSED,       /* no such connection: engine_refuse() may answer */
	DROP_GONE,         /* of a connection that has just ended: refused */
	DROP_LISTEN_ACK,   /* ACK at a listener: engine_refuse() may answer */
	DROP_LISTEN,       /* RST or no SYN at a listener */
	DROP_SYN_QUEUE,    /* listener's SYN queue is full */
	DROP_ACCEPT_QUEUE, /* listener's accept queue is full */
	DROP_DEFERRED,     /* an ACK without the text that TCP_DEFER_ACCEPT wants */
	DROP_NO_PATH,      /* a new connection: to be given again with its path */
	DROP_ASK,          /* another stack's? see engine_pkt_in.ask */
	DROP_SYN_SENT_ACK, /* unacceptable ACK in SYN-SENT */
	DROP_SYN_SENT,     /* neither SYN nor acceptable RST in SYN-SENT */
	DROP_PAWS,         /* timestamp is older than the last one, RFC 7323 5 */
	DROP_WINDOW,       /* outside the receive window */
	DROP_RST_WINDOW,   /* RST outside the window, RFC 5961 3 */
	DROP_RST_BLIND,    /* RST in the window but not at RCV.NXT */
	DROP_SYN,          /* SYN in a synchronized state, RFC 5961 4 */
	DROP_NO_ACK,       /* the ACK bit is off */
	DROP_ACK_OLD,      /* acknowledges what is long past, RFC 5961 5 */
	DROP_ACK_FUTURE,   /* acknowledges what was never sent */
	DROP_DUPLICATE,    /* nothing in it that we do not have */
	DROP_REASSEMBLY,   /* too many holes, or no memory for it */
	DROP_AFTER_CLOSE,  /* data for a user who is gone */
	DROP_AFTER_FIN,    /* data or SYN beyond the peer's own FIN */
	DROP_STATE,        /* nothing to do with it in this state */
	DROP_COUNT
};
const char *drop_name(enum drop d);

/* ---- the engine --------------------------------------------------------- */

struct engine;
struct tcb;

#define CC_LOADED_MAX 4

/* Keys of Fast Open's cookies, as Linux has them: new cookies are made with the first,
 * those of either are taken. n 0: none is given. */
#define FASTOPEN_KEYS_MAX 2
#define FASTOPEN_KEY_BYTES 16
struct fastopen_keys {
	uint8_t n;
	uint8_t key[FASTOPEN_KEYS_MAX][FASTOPEN_KEY_BYTES];
};

struct engine_config {
	uint8_t seed[32]; /* all randomness: ISS key, hash key, timestamps */

	/* Where Linux has a sysctl of the same meaning, the default is its. */
	char cc[CC_NAME_MAX];      /* congestion control by name */
	const struct cc_ops *cc_loaded[CC_LOADED_MAX]; /* cc_register() */
	uint32_t msl_ms;           /* TIME-WAIT lasts two of these */
	uint32_t fin_timeout_ms;   /* FIN-WAIT-2 of a released connection */
	uint32_t rto_initial_ms, rto_min_ms, rto_max_ms; /* RFC 6298 */
	uint32_t delack_ms;        /* delayed ACK, at most 500 (RFC 9293) */
	uint32_t syn_retries, synack_retries; /* retransmissions of these */
	uint32_t syn_linear_timeouts; /* so many of a SYN first, at even distance */
	uint32_t retries1;         /* when TCP_EV_TROUBLE comes, like tcp_retries1 */
	uint32_t retries;          /* of data and FIN, like tcp_retries2: the time
				      that they take at rto_min_ms */
	uint32_t orphan_retries;   /* the same for a released connection */
	uint32_t orphans_max;      /* released ones; more are reset */
	uint32_t initcwnd_segs;    /* RFC 6928 */
	uint32_t reordering_segs;  /* duplicate ACKs that tell of a loss: DupThresh */
	uint32_t min_rtt_window_s; /* for how long the shortest RTT is believed */
	uint32_t pacing_ss_percent, pacing_ca_percent; /* of cwnd per RTT: in slow start,
				      and later */
	uint32_t burst_min_segs;   /* of what is paced, at once */
	uint32_t burst_divisor;    /* a burst is at most this part of cwnd; 0: all */
	/* Buffers that grow with the path: where they begin, and their limit.
	 * A connection whose user sets a size keeps that size. */
	uint32_t sndbuf_bytes, sndbuf_max_bytes;
	uint32_t rcvbuf_bytes, rcvbuf_max_bytes;
	uint32_t rcv_total_bytes; /* what all windows together may offer to those
				     who send just now; 0: no limit */
	uint64_t memory_max_bytes; /* of all connections, like tcp_mem; from 3/4 of it
				      buffers stop growing; 0: no limit */
	uint32_t half_open_max;    /* connections in SYN-RECEIVED, all listeners */
	uint32_t max_syn_backlog;  /* of these without SYN cookies, per listener */
	uint32_t ooo_ranges_max;   /* holes kept per connection */
	uint32_t keepalive_idle_s, keepalive_interval_s, keepalive_probes;
	uint32_t notsent_lowat_bytes; /* writable below this; UINT32_MAX: off */
	uint32_t base_mss_bytes;   /* where path MTU probing begins, RFC 4821 */
	uint32_t mtu_floor_mss_bytes; /* no black hole makes segments smaller */
	uint32_t mtu_rest_s;       /* between two searches for a larger size */
	uint32_t mtu_precision_bytes; /* a search that is as near as this ends */
	uint32_t challenge_acks_max; /* per second, all connections; about */
	uint32_t invalid_ratelimit_ms; /* between two of one connection */
	uint32_t resets_max;       /* RST for the unknown per second; about */
	uint32_t mss_min_bytes;    /* of what a peer says, like tcp_min_snd_mss */
	uint32_t tw_reuse;         /* tcp_open() takes over TIME-WAIT: 0 never,
				      1 with timestamps, 2 only on loopback */
	uint32_t tw_reuse_delay_ms; /* how old that must be */
	uint32_t tw_max;           /* in TIME-WAIT; beyond, a connection just ends */
	bool rfc1337;              /* no RST ends TIME-WAIT */
	uint8_t ecn;               /* as tcp_ecn: 0 off, 1 ask and accept, 2 accept,
				      3 to 5 the same with AccECN as documented */
	bool ecn_fallback;         /* a SYN that is repeated asks for no ECN */
	uint8_t ecn_option;        /* of AccECN: 0 never, else where it is needed */
	uint8_t mtu_probing;       /* 0 never, 1 after a black hole, 2 always */
	uint16_t fastopen;         /* bits as tcp_fastopen: 1 client, 2 server,
				      4, 0x200 without cookies, 0x400 every
				      listener */
	struct fastopen_keys fastopen_keys; /* none: of the seed, new every hour */
	uint8_t syncookies;        /* 0 never, 1 when the SYN queue is full, 2 always */
	bool timestamps, sack, dsack, window_scaling;
	bool rack;                 /* else RFC 6675 alone */
	bool tlp;                  /* probes of a silent tail, with rack */
	bool thin_linear;          /* no backoff while next to nothing is in flight */
	bool frto;                 /* RFC 5682 */
	bool slow_start_after_idle;
	bool moderate_rcvbuf;      /* let the receive buffer grow */
	uint8_t quickacks;         /* ACKs that do not wait at the start, and after
				      a loss or a pause of the peer's */
	uint8_t pingpong_thresh;   /* so many answers, and ACKs wait for them */
	bool reflect_tos;          /* a passive open takes the SYN's traffic class */
	bool stdurg;               /* the peer's urgent pointer is the urgent byte's, as
				      in RFC 793, and not the next one's */
	bool uto;                  /* tell the peer our user timeout, and adopt its
				      (RFC 5482) */
	bool pacing;               /* also for algorithms that do without */
	bool abort_on_overflow;    /* RST where the accept queue is full */
	bool trace;                /* keep records for engine_trace() */
};
void engine_config_defaults(struct engine_config *cfg); /* seed stays zero */

/* New settings for an engine that runs: as in Linux, what a connection is born with stays
 * (algorithm, first size of its buffers, options of its SYN), and what is looked up when
 * it is needed is the new one (retries, timeouts, limits). seed, cc_loaded,
 * rcv_total_bytes and trace remain as they were. */
void engine_configure(struct engine *e, const struct engine_config *cfg);

/* The congestion control algorithms for cfg->cc and tcp_opts.cc, one by one from 0,
 * built-in ones first; NULL behind the last. */
const struct cc_ops *cc_known(const struct engine_config *cfg, unsigned i);
/* The one of this name, or NULL. */
const struct cc_ops *cc_find(const struct engine_config *cfg, const char *name);
/* One more. It must stay where it is. -EINVAL: see cc_check(); -EEXIST: there is
 * one of that name; -ENOSPC. */
int cc_register(struct engine_config *cfg, const struct cc_ops *ops);
/* Can the table be used? NULL, or what is wrong with it, as a sentence without
 * its full stop. */
const char *cc_check(const struct cc_ops *ops);

/* Returns NULL when out of memory. */
struct engine *engine_new(const struct engine_config *cfg, uint64_t now_us);
/* Frees everything, sends nothing. All tcbs become invalid. */
void engine_free(struct engine *e);

/* Takes one packet. DROP_NO_PATH means that it opens a connection, by a SYN for
 * which there is room or by the ACK of a SYN cookie (RFC 4987 3.6), and must be given
 * again with its path; that is neither counted nor traced; nor is DROP_ASK, for which
 * see engine_yield(). So what a flood sends costs no question for a path. DROP_CLOSED and DROP_LISTEN_ACK mean that the sender would
 * get a RST; the engine sends it only if the caller, who can find out whether
 * somebody else on this host owns the connection, calls engine_refuse(). */
enum drop engine_input(struct engine *e, const struct engine_pkt_in *pkt,
		       uint64_t now_us);
/* Answers a packet that engine_input() dropped for DROP_CLOSED or
 * DROP_LISTEN_ACK with a RST (RFC 9293 3.10.7.1). Limited in rate. */
void engine_refuse(struct engine *e, const struct engine_pkt_in *pkt,
		   uint64_t now_us);
/* For a packet that engine_input() left alone for DROP_ASK: a SYN in TIME-WAIT where
 * nobody listens here, or an ACK in SYN-RECEIVED that acknowledges something else
 * than our SYN. If another stack of this host has the port, too, the packet is that
 * one's, and TIME-WAIT ends in silence where RFC 6191 lets it.
 * Else the packet is to be given again with ask off. */
void engine_yield(struct engine *e, const struct engine_pkt_in *pkt,
		  uint64_t now_us);
/* An ICMP error arrived. Soft or hard by RFC 5461 and RFC 9293 3.9.2.2. */
void engine_icmp(struct engine *e, const struct engine_icmp *msg,
		 uint64_t now_us);
/* Fills up to n packets; returns how many. 0: nothing to send now. */
int engine_output(struct engine *e, struct engine_pkt_out *pkts, int n,
		  uint64_t now_us);
#define ENGINE_NEVER UINT64_MAX
uint64_t engine_deadline(const struct engine *e);
void engine_expire(struct engine *e, uint64_t now_us);

enum {
	TCP_EV_ESTABLISHED = 1 << 0, /* tcp_open() succeeded */
	TCP_EV_INCOMING = 1 << 1,    /* a listener: tcp_accept() has one */
	TCP_EV_READABLE = 1 << 2,    /* bytes were added for tcp_recv_iov() */
	TCP_EV_WRITABLE = 1 << 3,    /* tcp_send_iov() has had no room, and now
					a quarter of the buffer is free and at
					most half of notsent_lowat unsent */
	TCP_EV_PEER_CLOSED = 1 << 4, /* FIN: no bytes will follow those queued */
	TCP_EV_ERROR = 1 << 5,       /* failed: tcp_error() tells why; CLOSED */
	TCP_EV_CLOSED = 1 << 6,      /* state is CLOSED or TIME-WAIT: both sides
					have finished without error */
	TCP_EV_URGENT = 1 << 7,      /* urgent data is to come, or has come */
	TCP_EV_TROUBLE = 1 << 8,     /* R1 of RFC 9293 3.8.3: so many retransmissions
					in a row; the route may have changed */
};
struct engine_event {
	struct tcb *tcb;
	void *user;
	unsigned what; /* TCP_EV_* that happened since the last event of this tcb */
};
/* Takes the next event; false when there is none. */
bool engine_event(struct engine *e, struct engine_event *ev);

struct engine_stats {
	uint64_t segs_in, segs_out, segs_retransmitted;
	uint64_t bytes_in, bytes_out; /* of text: in order; all that was sent */
	uint64_t bytes_acked;         /* by the peers, SYN and FIN counted */
	uint64_t drops[DROP_COUNT];
	uint64_t cookies_sent, cookies_taken, cookies_bad; /* SYN cookies */
	uint64_t fastopens_active, fastopens_passive; /* SYN's data acknowledged */
	uint64_t challenges_sent, challenges_held; /* held: beyond the limits */
	uint64_t resets_sent, resets_held;         /* for the unknown */
	uint32_t connections; /* tcbs that are neither LISTEN nor CLOSED */
	uint32_t lingering;   /* of these: released, and not yet in TIME-WAIT */
	uint32_t fin_wait_2;  /* of the lingering: only the peer's FIN is missing */
	uint32_t half_open;   /* of the connections: SYN-RECEIVED from a listener */
	uint32_t time_wait;
	size_t memory_bytes;  /* all that the engine has allocated */
};
const struct engine_stats *engine_stats(const struct engine *e);
/* Does any connection or listener, TIME-WAIT included, use this local port of IPv4 or
 * of IPv6? A listener at "::" is IPv6's. */
bool engine_port_in_use(const struct engine *e, uint16_t local_port, bool v6);

/* What is in the IP headers of a connection. */
struct ip_fields {
	uint8_t tos;            /* IP_TOS, IPV6_TCLASS */
	uint8_t ttl;            /* IP_TTL, IPV6_UNICAST_HOPS; 0: the host's default */
	uint8_t min_ttl;        /* IP_MINTTL, IPV6_MINHOPCOUNT (RFC 5082) */
	uint8_t mtu_discover;   /* IP_MTU_DISCOVER, IPV6_MTU_DISCOVER */
	bool no_flow_label;     /* IPV6_AUTOFLOWLABEL off */
};

/* All that a connection in TIME-WAIT is, so that another engine with the same clock
 * can take it over. */
struct tcp_timewait {
	struct flow flow;
	uint32_t ifindex;
	struct ip_fields ip;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t rcv_edge;       /* right edge of the window offered */
	uint32_t ts_recent, ts_offset;
	uint64_t ts_recent_us, until_us;
	uint8_t rcv_wscale;
	bool ts_ok, wscale_ok;
};
/* Copies those in TIME-WAIT, up to max of them; returns how many. */
size_t engine_timewaits(struct engine *e, struct tcp_timewait *out, size_t max);
/* Adds one that nobody uses. It ends when tw says, but not later than one that
 * begins now. -EINVAL: what it says is nonsense; -EADDRINUSE, -ENOMEM. */
int engine_add_timewait(struct engine *e, const struct tcp_timewait *tw, uint64_t now_us);
/* Ends those at the n local ports that their users have released, for want of what keeps
 * the ports, as tcp_max_tw_buckets does for want of memory; returns how many. */
size_t engine_end_timewaits(struct engine *e, const uint16_t *ports, size_t n,
			    uint64_t now_us);

/* ---- user calls, RFC 9293 3.10.1 to 3.10.6 ------------------------------ */

enum tcp_state { /* the numbers are Linux's, for TCP_INFO */
	TCPS_ESTABLISHED = 1,
	TCPS_SYN_SENT,
	TCPS_SYN_RECEIVED,
	TCPS_FIN_WAIT_1,
	TCPS_FIN_WAIT_2,
	TCPS_TIME_WAIT,
	TCPS_CLOSED,
	TCPS_CLOSE_WAIT,
	TCPS_LAST_ACK,
	TCPS_LISTEN,
	TCPS_CLOSING,
};
const char *tcp_state_name(enum tcp_state s); /* "SYN-SENT", as in the RFC */

struct tcp_opts {
	uint32_t sndbuf_bytes, rcvbuf_bytes; /* 0: they grow as configured */
	uint16_t mss_max_bytes; /* TCP_MAXSEG, 0: by the path */
	struct ip_fields ip, ip6; /* over IPv4, over IPv6 */
	uint32_t ifindex;       /* SO_BINDTODEVICE: of this device only, 0: of all */
	bool nodelay;           /* no Nagle */
	uint8_t nodelay_asked;  /* counts: each time what a cork holds leaves, as in Linux */
	bool v6only;            /* IPV6_V6ONLY of a listener at "::" */
	/* The options of tcp(7). Numbers that are 0 mean engine_config's. */
	bool cork;              /* TCP_CORK: full segments only, 200 ms at most */
	bool pingpong;          /* ACKs may wait (TCP_QUICKACK 0) */
	bool thin_linear;       /* TCP_THIN_LINEAR_TIMEOUTS */
	bool keepalive;         /* SO_KEEPALIVE */
	bool oob_inline;        /* SO_OOBINLINE */
	bool fastopen;          /* TCP_FASTOPEN_CONNECT, MSG_FASTOPEN */
	uint8_t keepalive_probes;
	uint8_t syn_retries;    /* TCP_SYNCNT */
	uint32_t keepalive_idle_s, keepalive_interval_s;
	uint32_t user_timeout_ms;  /* TCP_USER_TIMEOUT */
	int32_t fin_timeout_s;  /* TCP_LINGER2; -1: no FIN-WAIT-2 after close */
	uint32_t defer_accept_s;   /* TCP_DEFER_ACCEPT */
	uint32_t notsent_lowat_bytes;
	uint32_t window_clamp_bytes;
	int fastopen_queue;     /* TCP_FASTOPEN of a listener: its length */
	uint64_t pacing_max_bytes_s; /* SO_MAX_PACING_RATE */
	const struct cc_ops *cc; /* TCP_CONGESTION, from cc_find(); NULL:
				    engine_config's */
};
/* What engine_config says. */
void tcp_opts_defaults(const struct engine *e, struct tcp_opts *o);

/* Active OPEN. The flow must be fully specified.
 * -EADDRINUSE: the flow exists already, and not in a TIME-WAIT that tw_reuse lets
 * it take over (RFC 6191); -ENOMEM. */
int tcp_open(struct engine *e, const struct flow *flow,
	     const struct tcp_path *path, const struct tcp_opts *opts,
	     void *user, uint64_t now_us, struct tcb **out);
/* Has a connection of this flow been given up or reset in the last minute, so that the
 * peer may still believe in it? Who can choose the port takes another one. */
bool engine_gone_lately(const struct engine *e, const struct flow *flow,
			uint32_t ifindex, uint64_t now_us);
/* With opts.fastopen and a cookie for that server the SYN waits for bytes to
 * take along (RFC 7413 4.1.3): for the first tcp_send_commit() or tcp_syn_go(). */
bool tcp_syn_waits(const struct tcb *t);
void tcp_syn_go(struct tcb *t);
/* Passive OPEN. local->addr may be "any": v4-mapped 0.0.0.0 takes IPv4, "::" takes
 * both, or IPv6 alone with opts.v6only; the listener of one family goes first.
 * backlog: so many connections and, as with Linux, one more may wait for
 * tcp_accept(); later ones are not heard.
 * opts are inherited by the connections.
 * -EADDRINUSE: such a listener exists already; -ENOMEM. */
int tcp_listen(struct engine *e, const struct endpoint *local, int backlog,
	       const struct tcp_opts *opts, void *user, uint64_t now_us,
	       struct tcb **out);
/* Changes the backlog of a listener. */
void tcp_set_backlog(struct tcb *listener, int backlog);
/* n connections that tcp_accept() has given wait for their users all the same: they
 * are counted with those that wait here. */
void tcp_wait_elsewhere(struct tcb *listener, uint32_t n);
/* TCP_FASTOPEN_KEY of a listener: keys of its own; none: engine_config's. -ENOMEM. */
int tcp_set_fastopen_keys(struct tcb *listener, const struct fastopen_keys *keys);
/* on: SYNs are not heard; connections that have begun go on to come about. For a listener
 * that is to move to another engine. */
void tcp_pause(struct tcb *listener, bool on);
/* How many connections have begun, or wait for tcp_accept(). */
uint32_t tcp_unaccepted(const struct tcb *listener);
/* The oldest established connection that waits, now the caller's, or NULL.
 * Its event mask is as if nothing had been reported yet: READABLE,
 * PEER_CLOSED and ERROR that already happened come as events. */
struct tcb *tcp_accept(struct tcb *listener, void *user);

/* SEND, without a copy: tcp_send_iov() gives the free space of the send
 * buffer (up to want_bytes, at most 2 iovs; returns how many, 0: full), the
 * caller writes there and says how much with tcp_send_commit(). -EPIPE after
 * tcp_shutdown() or when the connection is gone. -ENOMEM: to be tried again after a
 * while, no event will tell. Data given in SYN-SENT or
 * SYN-RECEIVED waits for ESTABLISHED. */
int tcp_send_iov(struct tcb *t, size_t want_bytes, struct iovec iov[2]);
void tcp_send_commit(struct tcb *t, size_t len_bytes, uint64_t now_us);
/* The same with MSG_MORE: a last segment that is not full waits for the next
 * call, or 200 ms. */
void tcp_send_more(struct tcb *t, size_t len_bytes, uint64_t now_us);
/* The same, and the last of these bytes is urgent (RFC 6093, MSG_OOB). The peer
 * learns of it at once, also where its window keeps the byte back. Nothing happens
 * if the send buffer is empty. */
void tcp_send_urgent(struct tcb *t, size_t len_bytes, uint64_t now_us);
/* RECEIVE, without a copy: the bytes in order (returns iovs, 0: none), and
 * how many of them the user has taken. */
int tcp_recv_iov(const struct tcb *t, struct iovec iov[2]);
void tcp_recv_done(struct tcb *t, size_t len_bytes, uint64_t now_us);
/* Urgent data. The peer's pointer, which TCP_EV_URGENT tells, marks one byte of the
 * stream. tcp_recv_iov() stops before it; then tcp_at_mark() is true (SIOCATMARK).
 * With opts.oob_inline the next call begins with that byte; without, the stream
 * leaves it out, and tcp_recv_urgent() gives it, from the moment that it has
 * arrived in order until what follows it is read. A newer pointer makes the old
 * byte an ordinary one.
 * Returns 0; -EAGAIN: announced, not here yet; -EINVAL: there is none, it was taken
 * (without peek), or it is in line. */
bool tcp_at_mark(const struct tcb *t);
int tcp_recv_urgent(struct tcb *t, bool peek, uint8_t *byte);
/* CLOSE: no more SENDs; FIN follows the bytes queued. Further calls do
 * nothing. In LISTEN and SYN-SENT the connection becomes CLOSED. */
void tcp_shutdown(struct tcb *t, uint64_t now_us);
/* ABORT: RST where 3.10.5 says so, CLOSED, tcp_error() is ECONNABORTED. */
void tcp_abort(struct tcb *t, uint64_t now_us);
/* The user lets go (see Lifetime above). What was not shut down is; a
 * listener's waiting connections are aborted. If received bytes were never
 * taken, or bytes arrive later, the peer gets a RST (RFC 9293 3.6.1). */
void tcp_release(struct tcb *t, uint64_t now_us);

/* Errno value (positive) that ended the connection, or 0. */
int tcp_error(const struct tcb *t);
const struct flow *tcp_flow(const struct tcb *t);
void tcp_get_opts(const struct tcb *t, struct tcp_opts *o);
void tcp_set_opts(struct tcb *t, const struct tcp_opts *o, uint64_t now_us);

/* TCP_QUICKACK. On: an ACK that waits goes now, and the next ones do not wait; off:
 * ACKs may wait for something to travel with. Both hold until traffic says
 * otherwise; a new connection begins as opts.pingpong says. */
void tcp_quickack(struct tcb *t, bool on, uint64_t now_us);

/* What a connection with bytes in its send buffer waits for. */
enum busy {
	BUSY_NOT,     /* it has none */
	BUSY_NETWORK, /* the peer's ACKs: cwnd, Nagle, or all is sent */
	BUSY_RWND,    /* the peer's window */
	BUSY_SNDBUF,  /* its user: all is sent, and there was no room for more */
	BUSY_COUNT
};

/* What kept Fast Open's client from one round trip less; Linux's numbers. */
enum fastopen_fail {
	FASTOPEN_FAIL_NONE,
	FASTOPEN_FAIL_NO_COOKIE, /* there was none */
	FASTOPEN_FAIL_NOT_ACKED, /* the SYN's data was not taken */
	FASTOPEN_FAIL_RESENT,    /* the SYN had to be sent again */
};

struct tcp_status { /* STATUS; the data behind TCP_INFO */
	enum tcp_state state;
	bool active;          /* by tcp_open() */
	bool timestamps, sack, window_scaling; /* negotiated */
	bool syn_data; /* Fast Open: the SYN's data was taken, here or there */
	enum fastopen_fail fastopen_fail; /* why not, for a client */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t backoff;      /* doublings of the RTO since the last sample */
	uint8_t recovery;     /* 0 open, 1 disorder, 2 reduction after a
				 mark, 3 recovery, 4 loss */
	uint32_t rto_us, srtt_us, rttvar_us, min_rtt_us;
	uint32_t snd_mss, rcv_mss, path_mtu, adv_mss;
	uint32_t snd_cwnd_bytes, snd_ssthresh_bytes;
	uint32_t snd_wnd_bytes, rcv_wnd_bytes;
	uint32_t unacked_segs, sacked_segs, lost_segs, retrans_segs;
	uint32_t total_retrans;
	uint32_t notsent_bytes, unacked_bytes; /* their sum is SIOCOUTQ */
	uint32_t readable_bytes;  /* up to the urgent mark, if there is one */
	uint32_t urgent_bytes;    /* from here to the end of urgent data, 0: none */
	uint32_t sndbuf_bytes, rcvbuf_bytes; /* as large as they are now */
	uint32_t rcv_rtt_us;      /* of a receiver, 0: unknown */
	uint32_t rcv_space_bytes; /* most that the user took in one of these */
	/* Acked without our SYN, but with our FIN; received with the peer's. */
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint64_t segs_in, segs_out, data_segs_in, data_segs_out;
	uint64_t last_data_sent_us, last_data_recv_us, last_ack_recv_us;
	int soft_error;       /* what ICMP said last, positive errno, or 0; while
				 it lives, that is all the harm that it does */
	bool ecn, accecn;     /* negotiated: RFC 3168, RFC 9768 */
	bool ecn_seen;        /* a packet came with ECT or CE */
	struct {
		uint32_t ce, e0_bytes, ce_bytes, e1_bytes; /* packets, payload */
	} ecn_received, ecn_delivered; /* with AccECN: here, and at the peer */
	uint8_t timeouts;         /* of the retransmission timer, in a row */
	uint16_t total_timeouts, stalls; /* timeouts; times with some, until an ACK */
	uint32_t stalled_ms;  /* in these times, but for the present one */
	uint32_t delivered_segs; /* SYN and FIN counted */
	uint32_t delack_us;
	uint32_t dsacks;          /* retransmissions that were not needed */
	uint32_t ooo_segs;        /* segments that came out of order */
	uint16_t reordered;       /* how often the path was seen to reorder */
	enum busy busy;           /* now, and since when */
	uint64_t busy_since_us;
	uint64_t busy_us[BUSY_COUNT - 1]; /* before that, from BUSY_NETWORK on */
	uint32_t accept_waiting, accept_max; /* LISTEN only */
	const char *cc;              /* name of its congestion control */
	uint64_t pacing_bytes_s;     /* 0: not paced */
	uint64_t delivery_bytes_s;   /* newest measurement; 0: none */
	uint64_t delivered_bytes;
	bool delivery_app_limited;   /* the network could have carried more */
	bool quickack;            /* ACKs do not wait: getsockopt(TCP_QUICKACK) */
	uint8_t probes;           /* keepalive or window, without an answer */
};
void tcp_status(const struct tcb *t, struct tcp_status *st);

/* ---- trace -------------------------------------------------------------- */

enum trace_kind { TRACE_IN, TRACE_OUT, TRACE_STATE, TRACE_TIMER };

/* One line of the ladder: a segment, a state change, or a timeout that fired. */
struct trace_rec {
	enum trace_kind kind;
	uint64_t time_us;
	struct flow flow;
	uint32_t conn;                 /* number of the connection, from 1; 0: none */
	enum tcp_state before, after;  /* equal for a segment that changed nothing */
	enum drop drop;                /* TRACE_IN */
	const char *note;              /* static text or NULL: "retransmission",
					  "zero window probe", "RTO", "challenge ACK" */
	uint8_t hdr[60];               /* TRACE_IN, TRACE_OUT: the TCP header */
	uint8_t hdr_len_bytes;
	uint32_t payload_len_bytes;
	uint32_t iss, irs;             /* to make numbers relative, if known */
	bool iss_known, irs_known;
	uint8_t snd_wscale, rcv_wscale; /* shift of the window field, in and out */
};
/* Takes the oldest record; false when there is none. Records that nobody takes
 * are limited in number, the newest are lost first. */
bool engine_trace(struct engine *e, struct trace_rec *rec);

#endif
