/* tcpinfo.c - what the fields of struct tcp_info are called in the engine.
 * Owns nothing.
 */
#include <stddef.h>

#include "tcpinfo.h"

#include <string.h>

_Static_assert(TCPINFO_KNOWN_BYTES == 232, "Linux's layout");
_Static_assert(sizeof(struct tcpinfo_more) == 48, "Linux's layout");

#ifndef TCPI_OPT_SYN_DATA
#define TCPI_OPT_SYN_DATA 32
#endif
#ifndef TCPI_OPT_TFO_CHILD
#define TCPI_OPT_TFO_CHILD 128
#endif
#define TIMESTAMP_BYTES 12 /* of each segment, RFC 7323 */
#define REORDERING 3 /* DupThresh, RFC 6675: what stands there instead of RACK's time */
#define SSTHRESH_INFINITE 0x7fffffffu /* as Linux says it */

static uint32_t segments(uint32_t bytes, uint32_t mss)
{
	return mss ? bytes / mss : 0;
}

static uint32_t ssthresh(const struct tcp_status *st)
{
	return st->snd_ssthresh_bytes >= 1u << 30 ? SSTHRESH_INFINITE
						  : segments(st->snd_ssthresh_bytes, st->snd_mss);
}

/* In milliseconds; 0 for what never happened. */
static uint32_t age_ms(uint64_t at_us, uint64_t now_us)
{
	return at_us && at_us < now_us ? (uint32_t)((now_us - at_us) / 1000) : 0;
}

static uint8_t options(const struct tcp_status *st)
{
	return (st->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
	       (st->sack ? TCPI_OPT_SACK : 0) |
	       (st->window_scaling ? TCPI_OPT_WSCALE : 0) |
	       (st->syn_data ? TCPI_OPT_SYN_DATA : 0) |
	       (st->syn_data && !st->active ? TCPI_OPT_TFO_CHILD : 0) |
	       (st->ecn ? TCPI_OPT_ECN : 0) | (st->ecn_seen ? TCPI_OPT_ECN_SEEN : 0);
}

static void fill_counters(const struct tcp_status *st, struct tcp_info *info)
{
	info->tcpi_unacked = st->unacked_segs;
	info->tcpi_sacked = st->sacked_segs;
	info->tcpi_lost = st->lost_segs;
	info->tcpi_retrans = st->retrans_segs;
	info->tcpi_total_retrans = st->total_retrans;
	info->tcpi_notsent_bytes = st->notsent_bytes;
	/* Linux counts the SYN of an active open, and the FIN. */
	info->tcpi_bytes_acked = st->bytes_acked + (st->active && st->state != TCPS_SYN_SENT);
	info->tcpi_bytes_received = st->bytes_received;
	info->tcpi_bytes_sent = st->bytes_sent;
	info->tcpi_bytes_retrans = st->bytes_retrans;
	info->tcpi_segs_in = (uint32_t)st->segs_in;
	info->tcpi_segs_out = (uint32_t)st->segs_out;
	info->tcpi_data_segs_in = (uint32_t)st->data_segs_in;
	info->tcpi_data_segs_out = (uint32_t)st->data_segs_out;
	info->tcpi_delivered = st->delivered_segs;
	info->tcpi_delivered_ce = st->ecn_delivered.ce;
	info->tcpi_dsack_dups = st->dsacks;
	info->tcpi_reord_seen = st->reordered;
	info->tcpi_rcv_ooopack = st->ooo_segs;
}

static void fill_times(const struct tcp_status *st, uint64_t now_us, struct tcp_info *info)
{
	uint64_t busy_us[BUSY_COUNT - 1];

	info->tcpi_rto = st->rto_us;
	info->tcpi_ato = st->delack_us;
	info->tcpi_rtt = st->srtt_us;
	info->tcpi_rttvar = st->rttvar_us;
	info->tcpi_min_rtt = st->min_rtt_us;
	info->tcpi_rcv_rtt = st->rcv_rtt_us;
	info->tcpi_last_data_sent = age_ms(st->last_data_sent_us, now_us);
	info->tcpi_last_data_recv = age_ms(st->last_data_recv_us, now_us);
	info->tcpi_last_ack_recv = age_ms(st->last_ack_recv_us, now_us);
	memcpy(busy_us, st->busy_us, sizeof(busy_us));
	if (st->busy != BUSY_NOT && now_us > st->busy_since_us)
		busy_us[st->busy - 1] += now_us - st->busy_since_us;
	info->tcpi_rwnd_limited = busy_us[BUSY_RWND - 1];
	info->tcpi_sndbuf_limited = busy_us[BUSY_SNDBUF - 1];
	info->tcpi_busy_time = busy_us[BUSY_NETWORK - 1] + info->tcpi_rwnd_limited +
			       info->tcpi_sndbuf_limited;
}

static void fill_path(const struct tcp_status *st, struct tcp_info *info)
{
	info->tcpi_ca_state = st->recovery;
	info->tcpi_retransmits = st->timeouts;
	info->tcpi_probes = st->probes;
	info->tcpi_backoff = st->backoff;
	info->tcpi_options = options(st);
	info->tcpi_snd_wscale = st->snd_wscale;
	info->tcpi_rcv_wscale = st->rcv_wscale;
	info->tcpi_snd_mss = st->snd_mss;
	info->tcpi_rcv_mss = st->rcv_mss;
	info->tcpi_pmtu = st->path_mtu;
	/* Linux takes off what every segment carries. */
	info->tcpi_advmss = st->timestamps ? st->adv_mss - TIMESTAMP_BYTES : st->adv_mss;
	info->tcpi_snd_ssthresh = ssthresh(st);
	info->tcpi_rcv_ssthresh = st->rcvbuf_bytes;
	info->tcpi_rcv_space = st->rcv_space_bytes;
	info->tcpi_snd_wnd = st->snd_wnd_bytes;
	info->tcpi_fastopen_client_fail = st->fastopen_fail;
	info->tcpi_delivery_rate = st->delivery_bytes_s;
	info->tcpi_delivery_rate_app_limited = st->delivery_app_limited;
}

static struct tcpinfo_more more(const struct tcp_status *st)
{
	return (struct tcpinfo_more){
		.rcv_wnd = st->rcv_wnd_bytes,
		.total_rto = st->total_timeouts,
		.total_rto_recoveries = st->stalls,
		.total_rto_time_ms = st->stalled_ms,
		.received_ce = st->ecn_received.ce,
		.delivered_e1_bytes = st->ecn_delivered.e1_bytes,
		.delivered_e0_bytes = st->ecn_delivered.e0_bytes,
		.delivered_ce_bytes = st->ecn_delivered.ce_bytes,
		.received_e1_bytes = st->ecn_received.e1_bytes,
		.received_e0_bytes = st->ecn_received.e0_bytes,
		.received_ce_bytes = st->ecn_received.ce_bytes,
	};
}

/* A listener shows its queue in fields that mean something else elsewhere. */
void tcpinfo_fill(const struct tcp_status *st, uint64_t max_pacing_rate, uint64_t now_us,
		  uint8_t out[TCPINFO_BYTES])
{
	bool listens = st->state == TCPS_LISTEN;
	struct tcpinfo_more rest = more(st);
	struct tcp_info info = {
		.tcpi_state = st->state,
		.tcpi_reordering = REORDERING,
		.tcpi_snd_cwnd = segments(st->snd_cwnd_bytes, st->snd_mss),
		.tcpi_pacing_rate = st->pacing_bytes_s ? st->pacing_bytes_s : UINT64_MAX,
		.tcpi_max_pacing_rate = max_pacing_rate,
	};

	memset(out, 0, TCPINFO_BYTES);
	if (listens) {
		info.tcpi_unacked = st->accept_waiting;
		info.tcpi_sacked = st->accept_max;
	} else {
		fill_path(st, &info);
		fill_times(st, now_us, &info);
		fill_counters(st, &info);
		memcpy(out + TCPINFO_KNOWN_BYTES, &rest, sizeof(rest));
	}
	memcpy(out, &info, TCPINFO_KNOWN_BYTES);
}
