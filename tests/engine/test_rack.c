/* test_rack.c - losses by time, RFC 8985: RACK and the tail loss probe. */
#include "harness.h"

#define MSS PEER_MSS
#define RTT_US (100 * US_PER_MS)

enum { OPEN = 0, RECOVERY = 3 }; /* tcp_status.recovery */

static uint32_t seq_of(uint32_t segment) /* of the n-th full segment, from 0 */
{
	return 1 + segment * MSS;
}

static struct harness *start(void **state)
{
	struct engine_config cfg;
	struct harness *h;

	harness_config(&cfg);
	cfg.sack = true;
	h = harness_again(state, &cfg);
	h->syn.sack_ok = true;
	establish_rtt(h, RTT_US);
	return h;
}

static void send_segments(struct harness *h, uint32_t from, uint32_t n)
{
	assert_int_equal(app_write(h, n * MSS), n * MSS);
	for (uint32_t i = from; i < from + n; i++)
		expect(h, ACK, seq_of(i), 1, MSS);
	expect_none(h);
}

/* A block of segments [from, to). */
static void sack(struct harness *h, uint32_t ack, uint32_t from, uint32_t to)
{
	struct seg_options o = {.wscale = -1, .sack_n = 1};

	o.sack[0] = (struct seq_range){seq_of(from), seq_of(to)};
	inject_opt(h, ACK, 1, ack, WND, 0, &o);
}

/* 6.2: one segment sent later has arrived; after a quarter of the RTT the hole is
 * no reordering any more. No three duplicate ACKs are needed. */
static void one_sack_is_enough_in_time(void **state)
{
	struct harness *h = start(state);
	uint64_t us;

	send_segments(h, 0, 2);
	advance_us(h, RTT_US);
	sack(h, 1, 1, 2);
	expect_none(h);
	us = time_to_segment_us(h, US_PER_S);
	assert_in_range(us, RTT_US / 4 - 1000, RTT_US / 4 + 1000);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).recovery, RECOVERY);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(2), WND, 0);
	assert_int_equal(status(h).recovery, OPEN);
}

/* What is only reordered within that time is not repeated. */
static void reordering_is_awaited(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 2);
	advance_us(h, RTT_US);
	sack(h, 1, 1, 2);
	advance_us(h, RTT_US / 5);
	inject(h, ACK, 1, seq_of(2), WND, 0);
	expect_none(h);
	advance_us(h, 10 * US_PER_S);
	expect_none(h);
	assert_int_equal(status(h).total_retrans, 0);
}

/* A retransmission that is lost too: something sent after it has arrived. RFC 6675
 * alone would wait for the timeout. */
static void lost_retransmission(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	advance_us(h, RTT_US);
	sack(h, 1, 1, 7);
	expect(h, ACK, seq_of(0), 1, MSS); /* lost again */
	app_write(h, 2 * MSS);
	expect(h, ACK, seq_of(10), 1, MSS);
	forget(h);
	advance_us(h, RTT_US);
	sack(h, 1, 1, 11);
	expect(h, ACK, seq_of(0), 1, MSS);
	assert_int_equal(status(h).backoff, 0);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(12), WND, 0);
	assert_int_equal(status(h).recovery, OPEN);
}

/* 7.2, 7.3: silence for two RTTs, and the last segment goes again; its SACK shows
 * what else is missing. */
static void probe_repeats_the_last(void **state)
{
	struct harness *h = start(state);
	uint64_t us;

	send_segments(h, 0, 5); /* all lost but the first three */
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(3), WND, 0);
	us = time_to_segment_us(h, US_PER_S);
	assert_in_range(us, RTT_US, RTT_US + 5000); /* two since the tail left */
	expect(h, ACK, seq_of(4), 1, MSS);
	assert_string_equal(h->note, "tail loss probe");
	advance_us(h, RTT_US);
	sack(h, seq_of(3), 4, 5);
	us = time_to_segment_us(h, US_PER_S);
	assert_true(us <= RTT_US / 4 + 1000);
	expect(h, ACK, seq_of(3), 1, MSS);
	advance_us(h, RTT_US);
	inject(h, ACK, 1, seq_of(5), WND, 0);
	assert_int_equal(status(h).backoff, 0);
	assert_int_equal(status(h).total_retrans, 2);
}

/* 7.3: new data serves better, when there is some and the window lets it. */
static void probe_with_new_data(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 10);
	app_write(h, 3 * MSS); /* cwnd is full */
	expect_none(h);
	time_to_segment_us(h, US_PER_S);
	expect(h, ACK, seq_of(10), 1, MSS);
	expect_none(h);
	assert_int_equal(status(h).total_retrans, 0);
	/* one probe for each flight: then it is the timer's turn */
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK, seq_of(0), 1, MSS);
}

/* 7.4: the probe repaired the only loss, so nothing else will tell of it. With a
 * duplicate block it was not needed, and cwnd stays. */
static void masked_loss(void **state)
{
	for (int needed = 0; needed < 2; needed++) {
		struct harness *h = start(state);
		struct seg_options dsack = {.wscale = -1, .sack_n = 1};
		uint32_t cwnd;

		send_segments(h, 0, 5);
		cwnd = status(h).snd_cwnd_bytes;
		time_to_segment_us(h, US_PER_S);
		expect(h, ACK, seq_of(4), 1, MSS);
		advance_us(h, RTT_US);
		dsack.sack[0] = (struct seq_range){seq_of(4), seq_of(5)};
		if (needed) {
			inject(h, ACK, 1, seq_of(5), WND, 0);
			assert_true(status(h).snd_cwnd_bytes >= cwnd);
			send_segments(h, 5, 1); /* no second copy was reported */
			inject(h, ACK, 1, seq_of(6), WND, 0);
			assert_true(status(h).snd_cwnd_bytes < cwnd);
		} else {
			inject_opt(h, ACK, 1, seq_of(5), WND, 0, &dsack);
			assert_true(status(h).snd_cwnd_bytes >= cwnd);
		}
	}
}

/* A single segment may be waiting for the peer's delayed ACK. */
static void no_early_probe_of_one(void **state)
{
	struct harness *h = start(state);

	send_segments(h, 0, 1);
	assert_true(time_to_segment_us(h, US_PER_S) > 2 * RTT_US + 50000);
	expect(h, ACK, seq_of(0), 1, MSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_sack_is_enough_in_time), TEST(reordering_is_awaited),
		TEST(lost_retransmission), TEST(probe_repeats_the_last),
		TEST(probe_with_new_data), TEST(masked_loss),
		TEST(no_early_probe_of_one),
	};

	return cmocka_run_group_tests_name("rack", tests, NULL, NULL);
}
