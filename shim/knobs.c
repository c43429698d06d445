/* knobs.c - the table of knobs.
 */
#include "knobs.h"

#include <netinet/in.h>
#include <unistd.h>

#define TIB (1ull << 40)

static uint64_t seconds_to_ms(uint64_t s)
{
	return s < UINT32_MAX ? s * 1000 : UINT32_MAX;
}

/* Linux's probe_interval and the like: 0 is as good as never. */
static uint64_t never_if_0(uint64_t s)
{
	return s ? s : UINT32_MAX;
}

static uint64_t us_to_ms(uint64_t us)
{
	return (us + 999) / 1000;
}

static uint64_t pages_to_bytes(uint64_t pages)
{
	return pages < TIB ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : TIB;
}

/* Linux's tcp_orphan_retries(): "0" is how one asks for the usual number. */
static uint64_t orphan_retries(uint64_t n)
{
	return n ? n : 8;
}

/* ip_no_pmtu_disc: whether not to. */
static uint64_t mtu_discover(uint64_t no)
{
	return no ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
}

/* tcp_recovery is a set of bits, of which the first is RACK. */
static uint64_t rack(uint64_t bits)
{
	return bits & 1;
}

#define IN(f) .offset = offsetof(struct config, f), .width = sizeof(((struct config *)0)->f)
#define IN_ENGINE(f) IN(engine.f)
#define GIB (1u << 30)
#define HOUR_MS 3600000u
#define YEAR_S 31536000u

const struct knob knobs[] = {
	/* the program */
	{"trace", KNOB_TRACE, IN(trace), 0, 0,
	 .meaning = "print segments and state changes: - (standard error) or a file"},
	{"handover", KNOB_SWITCH, IN(handover), 0, 0,
	 .meaning = "at exit, leave connections to a process in the background"},
	{"linger_ms", KNOB_NUMBER, IN(linger_ms), 0, HOUR_MS,
	 .meaning = "at exit without that, how long unsent bytes may make no progress"},
	{"allow_kernel", KNOB_SWITCH, IN(allow_kernel), 0, 0,
	 .meaning = "programs that cannot be on our TCP run on the kernel's"},
	{"ttl", KNOB_NUMBER, IN(ttl), 1, 255,
	 .meaning = "time to live of packets",
	 .sysctl = "ip_default_ttl"},
	{"hop_limit", KNOB_NUMBER, IN(hop_limit), 1, 255,
	 .meaning = "the same of IPv6 packets",
	 .sysctl6 = "conf/all/hop_limit"},
	{"v6only", KNOB_SWITCH, IN(v6only), 0, 0,
	 .meaning = "IPv6 sockets leave IPv4 alone (IPV6_V6ONLY of new sockets)",
	 .sysctl6 = "bindv6only"},
	{"mtu_discover", KNOB_NUMBER, IN(mtu_discover), 0, 5,
	 .meaning = "IP_MTU_DISCOVER of new sockets, by its number in ip(7)",
	 .sysctl = "ip_no_pmtu_disc", .ours = mtu_discover},

	/* congestion control and losses */
	{"cc", KNOB_CC, IN_ENGINE(cc), 0, 0,
	 .meaning = "congestion control (TCP_CONGESTION): a name, or a file ./X.so",
	 .sysctl = "tcp_congestion_control"},
	{"pacing", KNOB_SWITCH, IN_ENGINE(pacing), 0, 0,
	 .meaning = "send by a clock also where congestion control does without"},
	{"initcwnd", KNOB_NUMBER, IN_ENGINE(initcwnd_segs), 1, 1000,
	 .meaning = "initial congestion window, in segments"},
	{"reordering", KNOB_NUMBER, IN_ENGINE(reordering_segs), 1, 127,
	 .meaning = "duplicate acknowledgments that tell of a loss",
	 .sysctl = "tcp_reordering"},
	{"min_rtt_wlen", KNOB_NUMBER, IN_ENGINE(min_rtt_window_s), 0, YEAR_S,
	 .meaning = "seconds for which the shortest round-trip time is believed",
	 .sysctl = "tcp_min_rtt_wlen"},
	{"pacing_ss_ratio", KNOB_NUMBER, IN_ENGINE(pacing_ss_percent), 1, 1000,
	 .meaning = "with pacing: percent of the window per round trip, in slow start",
	 .sysctl = "tcp_pacing_ss_ratio"},
	{"pacing_ca_ratio", KNOB_NUMBER, IN_ENGINE(pacing_ca_percent), 1, 1000,
	 .meaning = "the same later",
	 .sysctl = "tcp_pacing_ca_ratio"},
	{"min_tso_segs", KNOB_NUMBER, IN_ENGINE(burst_min_segs), 1, 45,
	 .meaning = "segments that a pace lets go at once, at least",
	 .sysctl = "tcp_min_tso_segs"},
	{"tso_win_divisor", KNOB_NUMBER, IN_ENGINE(burst_divisor), 0, 100,
	 .meaning = "a burst is at most this part of the window; 0: all of it",
	 .sysctl = "tcp_tso_win_divisor"},
	{"slow_start_after_idle", KNOB_SWITCH, IN_ENGINE(slow_start_after_idle), 0, 0,
	 .meaning = "begin anew with a small window after a pause",
	 .sysctl = "tcp_slow_start_after_idle"},
	{"rack", KNOB_SWITCH, IN_ENGINE(rack), 0, 0,
	 .meaning = "find losses by time (RACK-TLP, RFC 8985); off: RFC 6675 alone",
	 .sysctl = "tcp_recovery", .ours = rack},
	{"early_retrans", KNOB_SWITCH, IN_ENGINE(tlp), 0, 0,
	 .meaning = "with rack, probe when the last segments are not acknowledged",
	 .sysctl = "tcp_early_retrans"},
	{"thin_linear_timeouts", KNOB_SWITCH, IN_ENGINE(thin_linear), 0, 0,
	 .meaning = "no longer waits for a second loss while little is in flight",
	 .sysctl = "tcp_thin_linear_timeouts"},
	{"frto", KNOB_SWITCH, IN_ENGINE(frto), 0, 0,
	 .meaning = "see whether a retransmission timeout was spurious (RFC 5682)",
	 .sysctl = "tcp_frto"},
	{"ecn", KNOB_NUMBER, IN_ENGINE(ecn), 0, 5,
	 .meaning = "ECN: 0 off, 1 ask, 2 accept; 3 to 5 accurate (see the manual)",
	 .sysctl = "tcp_ecn"},
	{"ecn_fallback", KNOB_SWITCH, IN_ENGINE(ecn_fallback), 0, 0,
	 .meaning = "a SYN that is repeated asks for no ECN",
	 .sysctl = "tcp_ecn_fallback"},
	{"ecn_option", KNOB_NUMBER, IN_ENGINE(ecn_option), 0, 3,
	 .meaning = "option of accurate ECN: 0 never, else where it is needed",
	 .sysctl = "tcp_ecn_option"},
	{"rto_initial_ms", KNOB_NUMBER, IN_ENGINE(rto_initial_ms), 1, 120000,
	 .meaning = "retransmission timeout before a round-trip time is known"},
	{"rto_min_ms", KNOB_NUMBER, IN_ENGINE(rto_min_ms), 1, 120000,
	 .meaning = "smallest retransmission timeout",
	 .sysctl = "tcp_rto_min_us", .ours = us_to_ms},
	{"rto_max_ms", KNOB_NUMBER, IN_ENGINE(rto_max_ms), 1, HOUR_MS,
	 .meaning = "largest retransmission timeout",
	 .sysctl = "tcp_rto_max_ms"},

	/* patience */
	{"syn_retries", KNOB_NUMBER, IN_ENGINE(syn_retries), 0, 127,
	 .meaning = "retransmissions of a SYN before connect() fails",
	 .sysctl = "tcp_syn_retries"},
	{"syn_linear_timeouts", KNOB_NUMBER, IN_ENGINE(syn_linear_timeouts), 0, 127,
	 .meaning = "timeouts of a SYN that are equally long, before they double",
	 .sysctl = "tcp_syn_linear_timeouts"},
	{"synack_retries", KNOB_NUMBER, IN_ENGINE(synack_retries), 0, 127,
	 .meaning = "retransmissions of a SYN,ACK",
	 .sysctl = "tcp_synack_retries"},
	{"retries1", KNOB_NUMBER, IN_ENGINE(retries1), 0, 127,
	 .meaning = "retransmissions after which the path is in doubt (R1)",
	 .sysctl = "tcp_retries1"},
	{"retries", KNOB_NUMBER, IN_ENGINE(retries), 0, 127,
	 .meaning = "retransmissions of data or FIN before the connection fails",
	 .sysctl = "tcp_retries2"},
	{"orphan_retries", KNOB_NUMBER, IN_ENGINE(orphan_retries), 0, 127,
	 .meaning = "the same when the program has closed the socket",
	 .sysctl = "tcp_orphan_retries", .ours = orphan_retries},
	{"keepalive_idle_s", KNOB_NUMBER, IN_ENGINE(keepalive_idle_s), 1, YEAR_S,
	 .meaning = "seconds of silence before a keepalive probe (TCP_KEEPIDLE)",
	 .sysctl = "tcp_keepalive_time"},
	{"keepalive_interval_s", KNOB_NUMBER, IN_ENGINE(keepalive_interval_s), 1, YEAR_S,
	 .meaning = "seconds between keepalive probes (TCP_KEEPINTVL)",
	 .sysctl = "tcp_keepalive_intvl"},
	{"keepalive_probes", KNOB_NUMBER, IN_ENGINE(keepalive_probes), 1, 255,
	 .meaning = "unanswered ones that end the connection (TCP_KEEPCNT)",
	 .sysctl = "tcp_keepalive_probes"},
	{"msl_ms", KNOB_NUMBER, IN_ENGINE(msl_ms), 1, HOUR_MS,
	 .meaning = "maximum segment lifetime; TIME-WAIT lasts two"},
	{"fin_timeout_ms", KNOB_NUMBER, IN_ENGINE(fin_timeout_ms), 1, HOUR_MS,
	 .meaning = "how long a closed socket waits for the peer's FIN (FIN-WAIT-2)",
	 .sysctl = "tcp_fin_timeout", .ours = seconds_to_ms},
	{"tw_reuse", KNOB_NUMBER, IN_ENGINE(tw_reuse), 0, 2,
	 .meaning = "connect() takes over TIME-WAIT: 0 no, 1 yes, 2 on loopback",
	 .sysctl = "tcp_tw_reuse"},

	{"tw_reuse_delay", KNOB_NUMBER, IN_ENGINE(tw_reuse_delay_ms), 0, HOUR_MS,
	 .meaning = "milliseconds that the other must have been there for it",
	 .sysctl = "tcp_tw_reuse_delay"},
	{"max_tw_buckets", KNOB_NUMBER, IN_ENGINE(tw_max), 0, INT32_MAX,
	 .meaning = "connections in TIME-WAIT; beyond, one just ends",
	 .sysctl = "tcp_max_tw_buckets"},

	/* what is offered to the peer */
	{"timestamps", KNOB_SWITCH, IN_ENGINE(timestamps), 0, 0,
	 .meaning = "offer and accept timestamps (RFC 7323)",
	 .sysctl = "tcp_timestamps"},
	{"sack", KNOB_SWITCH, IN_ENGINE(sack), 0, 0,
	 .meaning = "offer and accept selective acknowledgments (RFC 2018)",
	 .sysctl = "tcp_sack"},
	{"dsack", KNOB_SWITCH, IN_ENGINE(dsack), 0, 0,
	 .meaning = "tell the peer what came twice (RFC 2883)",
	 .sysctl = "tcp_dsack"},
	{"window_scaling", KNOB_SWITCH, IN_ENGINE(window_scaling), 0, 0,
	 .meaning = "offer and accept window scaling (RFC 7323)",
	 .sysctl = "tcp_window_scaling"},
	{"fastopen", KNOB_NUMBER, IN_ENGINE(fastopen), 0, 0xffff,
	 .meaning = "TCP Fast Open, the sum of: 1 client, 2 server (see the manual)",
	 .sysctl = "tcp_fastopen"},
	{"fastopen_key", KNOB_KEYS, IN_ENGINE(fastopen_keys), 0, 0,
	 .meaning = "key of its cookies, 8-8-8-8 hex digits, and a backup; or random",
	 .sysctl = "tcp_fastopen_key"},
	{"user_timeout_option", KNOB_SWITCH, IN_ENGINE(uto), 0, 0,
	 .meaning = "send and take the user timeout option (RFC 5482)"},
	{"delack_ms", KNOB_NUMBER, IN_ENGINE(delack_ms), 0, 500,
	 .meaning = "how long an acknowledgment may wait for company"},
	{"quickacks", KNOB_NUMBER, IN_ENGINE(quickacks), 0, 255,
	 .meaning = "acknowledgments sent at once when a connection begins"},

	{"pingpong_thresh", KNOB_NUMBER, IN_ENGINE(pingpong_thresh), 1, 255,
	 .meaning = "answers after which acknowledgments wait for the next",
	 .sysctl = "tcp_pingpong_thresh"},
	{"reflect_tos", KNOB_SWITCH, IN_ENGINE(reflect_tos), 0, 0,
	 .meaning = "a server's packets have the traffic class of the client's SYN",
	 .sysctl = "tcp_reflect_tos"},
	{"stdurg", KNOB_SWITCH, IN_ENGINE(stdurg), 0, 0,
	 .meaning = "take urgent pointers as RFC 793 had them",
	 .sysctl = "tcp_stdurg"},

	/* segments */
	{"mss_min", KNOB_NUMBER, IN_ENGINE(mss_min_bytes), 48, 32767,
	 .meaning = "smallest MSS that a peer may ask for, TCP's options included",
	 .sysctl = "tcp_min_snd_mss"},
	{"mtu_probing", KNOB_NUMBER, IN_ENGINE(mtu_probing), 0, 2,
	 .meaning = "probe for the path MTU: 0 no, 1 after a black hole, 2 always",
	 .sysctl = "tcp_mtu_probing"},
	{"base_mss", KNOB_NUMBER, IN_ENGINE(base_mss_bytes), 88, 65495,
	 .meaning = "segment size with which that begins",
	 .sysctl = "tcp_base_mss"},
	{"mtu_probe_floor", KNOB_NUMBER, IN_ENGINE(mtu_floor_mss_bytes), 48, 65495,
	 .meaning = "segment size below which a black hole is none",
	 .sysctl = "tcp_mtu_probe_floor"},
	{"probe_interval", KNOB_NUMBER, IN_ENGINE(mtu_rest_s), 1, UINT32_MAX,
	 .meaning = "seconds before a wider path is looked for again",
	 .sysctl = "tcp_probe_interval", .ours = never_if_0},
	{"probe_threshold", KNOB_NUMBER, IN_ENGINE(mtu_precision_bytes), 1, 65535,
	 .meaning = "that search ends when it is as near as so many bytes",
	 .sysctl = "tcp_probe_threshold"},

	/* memory */
	{"sndbuf", KNOB_SIZE, IN_ENGINE(sndbuf_bytes), 4096, GIB,
	 .meaning = "send buffer of a new connection, in bytes",
	 .sysctl = "tcp_wmem", .word = 1},
	{"sndbuf_max", KNOB_SIZE, IN_ENGINE(sndbuf_max_bytes), 4096, GIB,
	 .meaning = "what it grows to, if the path can use it",
	 .sysctl = "tcp_wmem", .word = 2},
	{"rcvbuf", KNOB_SIZE, IN_ENGINE(rcvbuf_bytes), 2048, GIB,
	 .meaning = "receive buffer of a new connection, in bytes",
	 .sysctl = "tcp_rmem", .word = 1},
	{"rcvbuf_max", KNOB_SIZE, IN_ENGINE(rcvbuf_max_bytes), 2048, GIB,
	 .meaning = "what it grows to, if the path can use it",
	 .sysctl = "tcp_rmem", .word = 2},
	{"moderate_rcvbuf", KNOB_SWITCH, IN_ENGINE(moderate_rcvbuf), 0, 0,
	 .meaning = "let receive buffers grow",
	 .sysctl = "tcp_moderate_rcvbuf"},
	{"notsent_lowat", KNOB_SIZE, IN_ENGINE(notsent_lowat_bytes), 1, UINT32_MAX,
	 .meaning = "not writable beyond so many unsent bytes (TCP_NOTSENT_LOWAT)",
	 .sysctl = "tcp_notsent_lowat"},
	{"memory_max", KNOB_SIZE, IN_ENGINE(memory_max_bytes), 0, TIB,
	 .meaning = "memory of all connections, in bytes; 0: no limit",
	 .sysctl = "tcp_mem", .word = 2, .ours = pages_to_bytes},
	{"ooo_ranges_max", KNOB_NUMBER, IN_ENGINE(ooo_ranges_max), 1, 65536,
	 .meaning = "pieces received out of order that a connection keeps"},

	/* under attack */
	{"half_open_max", KNOB_NUMBER, IN_ENGINE(half_open_max), 1, 1000000,
	 .meaning = "connections in SYN-RECEIVED, over all listeners"},
	{"max_syn_backlog", KNOB_NUMBER, IN_ENGINE(max_syn_backlog), 1, 1000000,
	 .meaning = "the same of one listener while there are no SYN cookies",
	 .sysctl = "tcp_max_syn_backlog"},
	{"syncookies", KNOB_NUMBER, IN_ENGINE(syncookies), 0, 2,
	 .meaning = "SYN cookies: 0 never, 1 when a SYN queue is full, 2 always",
	 .sysctl = "tcp_syncookies"},
	{"abort_on_overflow", KNOB_SWITCH, IN_ENGINE(abort_on_overflow), 0, 0,
	 .meaning = "reset a connection that finds the accept queue full",
	 .sysctl = "tcp_abort_on_overflow"},
	{"orphans_max", KNOB_NUMBER, IN_ENGINE(orphans_max), 0, 1000000000,
	 .meaning = "closed sockets whose connections have not ended; more are reset",
	 .sysctl = "tcp_max_orphans"},
	{"challenge_acks_max", KNOB_NUMBER, IN_ENGINE(challenge_acks_max), 0, INT32_MAX,
	 .meaning = "challenge ACKs per second (RFC 5961), over all connections",
	 .sysctl = "tcp_challenge_ack_limit"},
	{"invalid_ratelimit_ms", KNOB_NUMBER, IN_ENGINE(invalid_ratelimit_ms), 0, HOUR_MS,
	 .meaning = "time between two challenge ACKs of one connection",
	 .sysctl = "tcp_invalid_ratelimit"},
	{"resets_max", KNOB_NUMBER, IN_ENGINE(resets_max), 0, INT32_MAX,
	 .meaning = "resets per second for segments that belong to no connection"},
	{"rfc1337", KNOB_SWITCH, IN_ENGINE(rfc1337), 0, 0,
	 .meaning = "let no reset end TIME-WAIT (RFC 1337)",
	 .sysctl = "tcp_rfc1337"},

	/* the link */
	{"gso", KNOB_SWITCH, IN(link.gso), 0, 0,
	 .meaning = "hand bursts to the kernel in one piece where that is possible"},
	{"raw_rcvbuf", KNOB_SIZE, IN(link.rcvbuf_bytes), 65536, GIB,
	 .meaning = "receive buffer of the raw socket, shared by all connections"},
};
const size_t knobs_n = sizeof(knobs) / sizeof(knobs[0]);
_Static_assert(sizeof(knobs) / sizeof(knobs[0]) <= CONFIG_KNOBS_MAX,
	       "a place for the origin of each");
