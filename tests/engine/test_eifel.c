/* test_eifel.c - RFC 3522: what the echo of a timestamp says of a retransmission,
 * and when it says nothing. */
#include "harness.h"

#define MSS (PEER_MSS - 12) /* beside timestamps */

enum { OPEN = 0, RECOVERY = 3 }; /* tcp_status.recovery */

static uint32_t seq_of(uint32_t segment)
{
	return 1 + segment * MSS;
}

static struct harness *start(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.sack = cfg.timestamps = true;
	cfg.initcwnd_segs = 30;
	h = harness_again(state, &cfg);
	h->syn.sack_ok = h->ts = true;
	establish_rtt(h, 100 * US_PER_MS);
	return h;
}

static void send_segments(struct harness *h, uint32_t from, uint32_t n)
{
	app_write(h, n * MSS);
	for (uint32_t i = from; i < from + n; i++)
		expect(h, ACK, seq_of(i), 1, MSS);
}

/* ACK to segment ack with segments [from, to) sacked, if any; it echoes ecr. */
static void answer(struct harness *h, uint32_t ack, uint32_t from, uint32_t to, uint32_t ecr)
{
	struct seg_options o = {.wscale = -1, .ts = true, .ts_ecr = ecr, .sack_n = from < to};

	o.ts_val = h->ts_base + (uint32_t)(h->now_us / US_PER_MS);
	o.sack[0] = (struct seq_range){seq_of(from), seq_of(to)};
	inject_opt(h, ACK, 1, seq_of(ack), WND, 0, &o);
}

/* Segment 0 is late: recovery begins, and the ACK of it echoes the time of the
 * first transmission. 3.2 (5). */
static void late_segment(void **state)
{
	struct harness *h = start(state);
	uint32_t first, cwnd = status(h).snd_cwnd_bytes;

	send_segments(h, 0, 10);
	first = h->last.opt.ts_val;
	advance_ms(h, 100);
	answer(h, 0, 1, 5, first);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).recovery, RECOVERY);
	advance_ms(h, 5);
	answer(h, 5, 0, 0, first);
	assert_int_equal(status(h).recovery, OPEN);
	assert_true(status(h).snd_cwnd_bytes >= cwnd);
}

/* One episode ends with segment 20 under way again. In the next, for segment 23,
 * the first ACK answers that retransmission, which left before this episode: it
 * says nothing about segment 23, which is lost. */
static void earlier_retransmission(void **state)
{
	struct harness *h = start(state);
	uint32_t first, again, cwnd;

	send_segments(h, 0, 20);
	first = h->last.opt.ts_val;
	advance_ms(h, 100);
	answer(h, 0, 1, 20, first);
	again = expect(h, ACK, seq_of(0), 1, MSS)->opt.ts_val;
	send_segments(h, 20, 8);
	advance_ms(h, 100);
	answer(h, 0, 21, 23, first);
	expect(h, ACK, seq_of(0), 1, MSS);
	expect(h, ACK, seq_of(20), 1, MSS);
	answer(h, 20, 21, 23, again);
	assert_true(status(h).recovery < RECOVERY);
	advance_ms(h, 50);
	cwnd = status(h).snd_cwnd_bytes;
	answer(h, 20, 24, 28, again);
	expect(h, ACK, seq_of(23), 1, MSS);
	assert_int_equal(status(h).recovery, RECOVERY);
	advance_ms(h, 50);
	answer(h, 23, 24, 28, again + 110);
	assert_int_equal(status(h).recovery, RECOVERY);
	assert_true(status(h).snd_ssthresh_bytes < cwnd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(late_segment), TEST(earlier_retransmission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
