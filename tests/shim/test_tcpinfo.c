/* test_tcpinfo.c - the engine's STATUS as Linux's struct tcp_info. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../shim/tcpinfo.h"

static struct tcp_info info;
static struct tcpinfo_more more;

static void fill(const struct tcp_status *st)
{
	uint8_t out[TCPINFO_BYTES];

	tcpinfo_fill(st, 5000, 10000000, out);
	memcpy(&info, out, TCPINFO_KNOWN_BYTES);
	memcpy(&more, out + TCPINFO_KNOWN_BYTES, sizeof(more));
}

static void a_connection(void **state)
{
	const struct tcp_status st = {
		.state = TCPS_ESTABLISHED, .timestamps = true, .ecn = true,
		.recovery = 3, .timeouts = 4, .probes = 5, .backoff = 6,
		.snd_mss = 1000, .snd_cwnd_bytes = 20500, .snd_ssthresh_bytes = 7000,
		.snd_wnd_bytes = 65535, .rcv_wnd_bytes = 32000, .min_rtt_us = 77,
		.pacing_bytes_s = 123456, .delivery_bytes_s = 99,
		.delivery_app_limited = true, .delivered_segs = 12,
		.last_data_sent_us = 9000000, .last_ack_recv_us = 9998000,
		.dsacks = 8, .reordered = 9, .ooo_segs = 10, .total_timeouts = 11,
		.stalls = 3, .stalled_ms = 456, .fastopen_fail = FASTOPEN_FAIL_NOT_ACKED,
		.ecn_delivered = {.ce = 12}, .ecn_received = {.ce = 13},
		.accept_waiting = 14,
	};

	(void)state;
	fill(&st);
	assert_int_equal(info.tcpi_state, 1);
	assert_int_equal(info.tcpi_options, TCPI_OPT_TIMESTAMPS | TCPI_OPT_ECN);
	assert_int_equal(info.tcpi_ca_state, 3);
	assert_int_equal(info.tcpi_retransmits, 4);
	assert_int_equal(info.tcpi_probes, 5);
	assert_int_equal(info.tcpi_backoff, 6);
	assert_int_equal(info.tcpi_snd_cwnd, 20);
	assert_int_equal(info.tcpi_snd_ssthresh, 7);
	assert_int_equal(info.tcpi_snd_wnd, 65535);
	assert_int_equal(info.tcpi_min_rtt, 77);
	assert_int_equal(info.tcpi_pacing_rate, 123456);
	assert_int_equal(info.tcpi_max_pacing_rate, 5000);
	assert_int_equal(info.tcpi_delivery_rate, 99);
	assert_true(info.tcpi_delivery_rate_app_limited);
	assert_int_equal(info.tcpi_delivered, 12);
	assert_int_equal(info.tcpi_delivered_ce, 12);
	assert_int_equal(info.tcpi_last_data_sent, 1000);
	assert_int_equal(info.tcpi_last_ack_recv, 2);
	assert_int_equal(info.tcpi_last_data_recv, 0); /* never */
	assert_int_equal(info.tcpi_dsack_dups, 8);
	assert_int_equal(info.tcpi_reord_seen, 9);
	assert_int_equal(info.tcpi_rcv_ooopack, 10);
	assert_int_equal(more.rcv_wnd, 32000);
	assert_int_equal(more.total_rto, 11);
	assert_int_equal(more.total_rto_recoveries, 3);
	assert_int_equal(more.total_rto_time_ms, 456);
	assert_int_equal(info.tcpi_fastopen_client_fail, 2);
	assert_int_equal(more.received_ce, 13);
	assert_int_equal(info.tcpi_unacked, 0);
}

/* The clock that runs is counted up to now. */
static void busy_times(void **state)
{
	struct tcp_status st = {.busy_us = {1000, 200, 30}};

	(void)state;
	fill(&st);
	assert_int_equal(info.tcpi_busy_time, 1230);
	assert_int_equal(info.tcpi_rwnd_limited, 200);
	assert_int_equal(info.tcpi_sndbuf_limited, 30);
	st.busy = BUSY_RWND;
	st.busy_since_us = 9996000;
	fill(&st);
	assert_int_equal(info.tcpi_busy_time, 5230);
	assert_int_equal(info.tcpi_rwnd_limited, 4200);
	assert_int_equal(info.tcpi_sndbuf_limited, 30);
}

/* Without limits, as Linux writes them; before there is an MSS. */
static void no_limits(void **state)
{
	const struct tcp_status st = {.state = TCPS_CLOSED, .snd_cwnd_bytes = 100,
				      .snd_ssthresh_bytes = UINT32_MAX,
				      .delivered_segs = 0};

	(void)state;
	fill(&st);
	assert_int_equal(info.tcpi_snd_ssthresh, 0x7fffffff);
	assert_true(info.tcpi_pacing_rate == UINT64_MAX);
	assert_int_equal(info.tcpi_snd_cwnd, 0);
	assert_int_equal(info.tcpi_delivered, 0);
}

static void a_listener(void **state)
{
	const struct tcp_status st = {.state = TCPS_LISTEN, .accept_waiting = 3,
				      .accept_max = 128, .snd_mss = 536};

	(void)state;
	fill(&st);
	assert_int_equal(info.tcpi_state, 10);
	assert_int_equal(info.tcpi_unacked, 3);
	assert_int_equal(info.tcpi_sacked, 128);
	assert_int_equal(info.tcpi_snd_mss, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection),
		cmocka_unit_test(busy_times),
		cmocka_unit_test(no_limits),
		cmocka_unit_test(a_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
