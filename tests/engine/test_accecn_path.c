/* test_accecn_path.c - what middleboxes do to Accurate ECN, and bursts. Sections are
 * those of RFC 9768. */
#include "accecn.h"

/* 3.2.2.4: ACE is zeroed from the handshake on. No ECT, no response; our own
 * feedback goes on. */
static void ace_zeroed(void **state)
{
	struct harness *h = ten_out(state);
	uint32_t cwnd = status(h).snd_cwnd_bytes;

	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	assert_true(status(h).snd_cwnd_bytes >= cwnd);
	while (pending(h))
		assert_int_equal(expect(h, ACK | ACE(5), ANY, 1, ANY)->tos, IP_NOT_ECT);
	h->tos = IP_CE;
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 100);
	expect(h, ACK | ACE(6), ANY, 101, 0);
}

/* 3.2.3.2.3: the option is stripped everywhere: ACE does it all. */
static void option_stripped(void **state)
{
	struct harness *h = again(state, 3, false);

	app_open(h);
	forget(h);
	inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
	expect(h, ACK | ACE(2), 1, 1, 0);
	assert_true(h->last.opt.ecn); /* ours may yet arrive */
	app_write(h, 10 * MSS);
	forget(h);
	inject(h, ACK | ACE(6), 1, 1 + MSS, WND, 0);
	assert_int_equal(status(h).ecn_delivered.ce, 1);
	assert_true(status(h).snd_ssthresh_bytes < 10 * MSS);
}

/* 3.2.3.2.4: a zeroed option is not looked at, now or later. */
static void option_zeroed(void **state)
{
	struct harness *h = again(state, 3, false);
	struct seg_options opt = counters(0, 0, 0);

	opt.mss = PEER_MSS;
	app_open(h);
	forget(h);
	inject_opt(h, SYN | ACK | ACE(2), 0, 1, WND, 0, &opt);
	app_write(h, 10 * MSS);
	forget(h);
	inject_opt(h, ACK | ACE(6), 1, 1 + 9 * MSS - 100, WND, 0, &opt);
	assert_int_equal(status(h).ecn_delivered.ce, 9); /* the safe case */
	assert_int_equal(status(h).ecn_delivered.ce_bytes, 0);
}

/* 3.2.3.2.5: marked bytes without a marked packet: ACE is mangled. */
static void option_contradicts_ace(void **state)
{
	struct harness *h = ten_out(state);
	struct seg_options opt = counters(1, MSS, 1);

	inject_opt(h, ACK | ACE(5), 1, 1 + 2 * MSS, WND, 0, &opt);
	while (pending(h))
		assert_int_equal(expect(h, ACK | ACE(5), ANY, 1, ANY)->tos, IP_NOT_ECT);
}

/* 3.2.3.2.2: the first data has the option; if it is lost, and lost again, it is
 * the option's fault perhaps. */
static void first_data_lost(void **state)
{
	struct harness *h = plain_client(state);

	app_write(h, 100);
	expect(h, ACK | ACE(5), 1, 1, 100);
	assert_true(h->last.opt.ecn);
	time_to_segment_us(h, 10 * US_PER_S);
	expect(h, ACK | ACE(5), 1, 1, 100);
	assert_false(h->last.opt.ecn);
	h->tos = IP_ECT0;
	inject(h, ACK | ACE(5), 1, 101, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK | ACE(5), 101, 101, 0);
	assert_false(h->last.opt.ecn);
}

/* The same for a host that has nothing but ACKs to send. */
static void acks_lost(void **state)
{
	struct harness *h = plain_client(state);

	h->tos = IP_ECT0;
	inject(h, ACK | ACE(5), 1, 1, WND, 100);
	advance_ms(h, 100);
	assert_true(expect(h, ACK | ACE(5), 1, 101, 0)->opt.ecn);
	for (unsigned i = 0; i < 2; i++) {
		inject(h, ACK | ACE(5), 1, 1, WND, 100);
		expect(h, ACK | ACE(5), 1, 101, 0);
	}
	inject(h, ACK | ACE(5), 101, 1, WND, 100);
	advance_ms(h, 100);
	assert_false(expect(h, ACK | ACE(5), 1, 201, 0)->opt.ecn);
}

/* All flags cleared, or all mirrored, on every packet of the peer: data flows. */
static void flags_rewritten(void **state)
{
	static const uint16_t seen[] = {0, ALL};

	for (unsigned i = 0; i < 2; i++) {
		struct harness *h = again(state, 3, false);
		uint32_t at = 1;

		app_open(h);
		forget(h);
		inject(h, SYN | ACK | seen[i], 0, 1, WND, 0);
		forget(h);
		assert_false(status(h).ecn);
		app_write(h, 40 * MSS);
		for (unsigned n = 0; n < 200 && at < 1 + 40 * MSS; n++) {
			while (pending(h)) {
				const struct got *g = expect(h, ACK, ANY, 1, ANY);

				assert_int_equal(g->tos, IP_NOT_ECT);
				if (g->seq == at)
					at += g->len_bytes;
			}
			inject(h, ACK | seen[i], 1, at, WND, 0);
		}
		assert_int_equal(at, 1 + 40 * MSS);
		assert_true(status(h).snd_cwnd_bytes > 10 * MSS);
	}
}

/* 3.2.2.3: every packet is marked, for four round trips: nothing is ECT any more,
 * and marks are not listened to; ours are still told. */
static void everything_marked(void **state)
{
	struct harness *h = plain_client(state);
	uint32_t at = 1, ssthresh, rounds = 0;
	unsigned ace = 5;

	app_write(h, 200 * MSS);
	while (rounds++ < 20 && status(h).ecn_delivered.ce < 200) {
		uint32_t to[64], n = 0;
		bool ect = false;

		while (pending(h) && n < 64) {
			const struct got *g = expect(h, ACK | ACE(5), ANY, 1, ANY);

			to[n++] = g->seq + g->len_bytes;
			ect |= g->tos == IP_ECT0;
		}
		if (!ect)
			break;
		advance_ms(h, 50);
		for (uint32_t i = 0; i < n; i++)
			inject(h, ACK | ACE(++ace & 7), 1, at = to[i], WND, 0);
	}
	assert_in_range(rounds, 5, 12);
	ssthresh = status(h).snd_ssthresh_bytes;
	inject(h, ACK | ACE(++ace & 7), 1, at + MSS, WND, 0);
	advance_ms(h, 50);
	inject(h, ACK | ACE(++ace & 7), 1, at + 2 * MSS, WND, 0);
	assert_int_equal(status(h).snd_ssthresh_bytes, ssthresh);
	forget(h);
	h->tos = IP_CE;
	inject(h, ACK | ACE(ace & 7), 1, at + 2 * MSS, WND, 100);
	while (pending(h))
		expect(h, ACK | ACE(6), ANY, 101, ANY);
}

/* One packet without a mark, and it is a queue that marks. */
static void nearly_everything_marked(void **state)
{
	struct harness *h = plain_client(state);
	unsigned ace = 4;

	app_write(h, 400 * MSS);
	for (unsigned rounds = 0; rounds < 12; rounds++) {
		uint32_t to[64], n = 0;

		while (pending(h) && n < 64) {
			const struct got *g = expect(h, ACK | ACE(5), ANY, 1, ANY);

			assert_int_equal(g->tos, IP_ECT0);
			to[n++] = g->seq + g->len_bytes;
		}
		advance_ms(h, 50);
		for (uint32_t i = 0; i < n; i++)
			inject(h, ACK | ACE(++ace & 7), 1, to[i], WND, 0);
	}
}

/* 3.3.4: in a burst ACE is the same in every segment, CWR's bit too. */
static void burst(void **state)
{
	struct harness *h = again(state, 3, false);

	h->path.gso_max_bytes = 65000;
	app_open(h);
	forget(h);
	h->tos = IP_CE;
	inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
	forget(h);
	app_write(h, 9 * MSS);
	while (pending(h))
		expect(h, ACK | ACE(6), ANY, 1, ANY);
}

/* An aggregate of marked segments counts as many as it must have been. */
static void aggregate(void **state)
{
	struct harness *h = plain_client(state);

	h->tos = IP_CE;
	inject(h, ACK | ACE(5), 1, 1, WND, 3 * MSS);
	expect(h, ACK | ACE(0), 1, 1 + 3 * MSS, 0);
	assert_int_equal(status(h).ecn_received.ce, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ace_zeroed), TEST(option_stripped), TEST(option_zeroed),
		TEST(option_contradicts_ace), TEST(first_data_lost), TEST(acks_lost),
		TEST(flags_rewritten), TEST(everything_marked),
		TEST(nearly_everything_marked), TEST(burst), TEST(aggregate),
	};

	return cmocka_run_group_tests_name("accecn on the path", tests, NULL, NULL);
}
