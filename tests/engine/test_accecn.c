/* test_accecn.c - Accurate ECN, RFC 9768: negotiation, counters, the option. Sections
 * are those of RFC 9768. */
#include "accecn.h"

/* ---- negotiation ----------------------------------------------------------- */

/* 3.1.1 and Table 2, first block: the SYN,ACK tells how the SYN arrived. */
static void server_answers(void **state)
{
	static const uint8_t code[] = {[IP_NOT_ECT] = 2, [IP_ECT1] = 3,
				       [IP_ECT0] = 4, [IP_CE] = 6};

	for (uint8_t tos = 0; tos < 4; tos++) {
		struct harness *h = server(state, ALL, tos);

		expect(h, SYN | ACK | ACE(code[tos]), 0, 1, 0);
		/* 3.2.3.2.1: with the option, none of its fields zero but CEB */
		assert_true(h->last.opt.ecn && h->last.opt.ecn_n == 3);
		assert_int_equal(h->last.opt.ecn_e0b, 1);
		assert_int_equal(h->last.opt.ecn_ceb, 0);
		assert_int_equal(h->last.opt.ecn_e1b, 1);
		accept_with(h, 2);
		assert_true(status(h).accecn);
		app_write(h, 100); /* 3.2.2.2: a marked SYN is not counted */
		expect(h, ACK | ACE(5), 1, 1, 100);
		assert_int_equal(h->last.tos, IP_ECT0);
	}
}

/* Table 2, third block, and 3.1.3: combinations that nobody uses yet. */
static void server_knows_all_requests(void **state)
{
	static const struct {
		uint16_t syn, answer;
	} cases[] = {
		{0, 0}, {ECE | CWR, ECE}, {ECE, CWR}, {CWR, CWR},
		{AE, CWR}, {AE | ECE, CWR}, {AE | CWR, CWR}, {ALL, CWR},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = server(state, cases[i].syn, 0);

		expect(h, SYN | ACK | cases[i].answer, 0, 1, 0);
	}
	/* one who knows RFC 3168 only takes AccECN's request for its own */
	*state = again(state, 2, false);
	app_listen(*state, 8);
	inject(*state, SYN | ALL, 0, 0, WND, 0);
	expect((struct harness *)*state, SYN | ACK | ECE, 0, 1, 0);
}

/* Table 2, seen by the client: AccECN, RFC 3168, nothing, mirrored, reserved. */
static void client_knows_all_answers(void **state)
{
	static const struct {
		uint8_t code;
		bool ecn, accecn, ect;
	} cases[] = {
		{0, false, false, false}, {1, true, false, true},
		{2, true, true, true},    {3, true, true, false},
		{4, true, true, false},   {5, true, true, true},
		{6, true, true, false},   {7, false, false, false},
	};

	for (unsigned i = 0; i < 8; i++) {
		struct harness *h = again(state, 3, false);

		app_open(h);
		forget(h);
		inject(h, SYN | ACK | ACE(cases[i].code), 0, 1, WND, 0);
		forget(h);
		assert_int_equal(status(h).ecn, cases[i].ecn);
		assert_int_equal(status(h).accecn, cases[i].accecn);
		app_write(h, 100);
		expect(h, cases[i].accecn ? ACK | ACE(5) : ACK, 1, 1, 100);
		/* 3.2.2.3: a SYN that was not sent ECT arrived so */
		assert_int_equal(h->last.tos, cases[i].ect ? IP_ECT0 : IP_NOT_ECT);
	}
}

/* The knob's values 3 to 5: AccECN both ways; when asked, else RFC 3168; when
 * asked. */
static void knob(void **state)
{
	static const uint16_t syn[] = {ALL, ECE | CWR, 0};

	for (uint8_t i = 0; i < 3; i++) {
		struct harness *h = again(state, 3 + i, false);

		app_open(h);
		expect(h, SYN | syn[i], 0, 0, 0);
		h = again(state, 3 + i, false);
		app_listen(h, 8);
		inject(h, SYN | ALL, 0, 0, WND, 0);
		expect(h, SYN | ACK | CWR, 0, 1, 0);
	}
}

/* 3.1.4.1: the first repetition of a SYN asks again, the next ones do not; an
 * answer to the first may still come. */
static void syn_repeated(void **state)
{
	struct harness *h = again(state, 3, false);

	app_open(h);
	expect(h, SYN | ALL, 0, 0, 0);
	time_to_segment_us(h, 2 * US_PER_S);
	expect(h, SYN | ALL, 0, 0, 0);
	time_to_segment_us(h, 3 * US_PER_S);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
	expect(h, ACK | ACE(2), 1, 1, 0);
	assert_true(status(h).accecn);
	app_write(h, 100);
	expect(h, ACK | ACE(5), 1, 1, 100);
	assert_int_equal(h->last.tos, IP_ECT0);
}

/* 3.2.3.2.2: a SYN,ACK that gets no answer is repeated without the option, then
 * without ECN; after that nothing is ECT, but the mode stays (3.1.5). */
static void syn_ack_repeated(void **state)
{
	struct harness *h = server(state, ALL, 0);

	expect(h, SYN | ACK | ACE(2), 0, 1, 0);
	time_to_segment_us(h, 2 * US_PER_S);
	expect(h, SYN | ACK | ACE(2), 0, 1, 0);
	assert_false(h->last.opt.ecn);
	time_to_segment_us(h, 3 * US_PER_S);
	expect(h, SYN | ACK, 0, 1, 0);
	accept_with(h, 2);
	assert_true(status(h).accecn);
	app_write(h, 100);
	expect(h, ACK | ACE(5), 1, 1, 100);
	assert_int_equal(h->last.tos, IP_NOT_ECT);
}

/* 3.1.5: repeated SYNs. Without ECN: answered by AccECN, but no ECT. As another
 * request: contradictory, reset. Marked otherwise: the latest is told. */
static void requests_repeated(void **state)
{
	struct harness *h = server(state, ALL, 0);

	expect(h, SYN | ACK | ACE(2), 0, 1, 0);
	h->tos = IP_CE;
	inject(h, SYN | ALL, 0, 0, WND, 0);
	h->tos = 0;
	expect(h, SYN | ACK | ACE(6), 0, 1, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK | ACE(2), 0, 1, 0);
	accept_with(h, 2);
	app_write(h, 100);
	expect(h, ACK | ACE(5), 1, 1, 100);
	assert_int_equal(h->last.tos, IP_NOT_ECT);

	h = server(state, ALL, 0);
	forget(h);
	inject(h, SYN | ECE | CWR, 0, 0, WND, 0);
	expect_reset(h, 1);

	h = server(state, ECE | CWR, 0);
	forget(h);
	inject(h, SYN | ALL, 0, 0, WND, 0);
	expect_reset(h, 1);
}

/* 3.1.2: SYNs that cross. Each side answers as a server would. */
static void simultaneous_open(void **state)
{
	struct harness *h = again(state, 3, false);

	app_open(h);
	expect(h, SYN | ALL, 0, 0, 0);
	inject(h, SYN | ALL, 0, 0, WND, 0);
	expect(h, SYN | ACK | ACE(2), 0, 1, 0);
	inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
	forget(h);
	expect_state(h, TCPS_ESTABLISHED);
	assert_true(status(h).accecn);
}

/* 5.1: with SYN cookies the ACK itself tells that AccECN was agreed upon. */
static void syn_cookie(void **state)
{
	for (unsigned ace = 0; ace < 8; ace++) {
		struct engine_config cfg;
		struct harness *h;

		harness_config(&cfg);
		cfg.ecn = 3;
		cfg.syncookies = 2;
		h = harness_again(state, &cfg);
		app_listen(h, 8);
		inject(h, SYN | ALL, 0, 0, WND, 0);
		expect(h, SYN | ACK | ACE(2), 0, 1, 0);
		accept_with(h, ace);
		assert_int_equal(status(h).accecn, ace >= 2);
	}
}

/* ---- the third ACK ---------------------------------------------------------- */

/* Table 3: a bare ACK tells how the SYN,ACK came, before any data. */
static void third_ack_tells(void **state)
{
	static const uint8_t code[] = {[IP_NOT_ECT] = 2, [IP_ECT1] = 3,
				       [IP_ECT0] = 4, [IP_CE] = 6};

	for (uint8_t tos = 0; tos < 4; tos++) {
		struct harness *h = again(state, 3, false);

		h->opts.nodelay = true;
		app_open(h);
		forget(h);
		app_write(h, 100);
		h->tos = tos;
		inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
		expect(h, ACK | ACE(code[tos]), 1, 1, 0);
		assert_true(h->last.opt.ecn); /* 3.2.3.2.1 */
		/* then the counter, a marked SYN,ACK in it; the option again */
		expect(h, ACK | ACE(tos == IP_CE ? 6 : 5), 1, 1, 100);
		assert_true(h->last.opt.ecn);
		app_write(h, 100);
		expect(h, ACK | ACE(tos == IP_CE ? 6 : 5), 101, 1, 100);
		assert_false(h->last.opt.ecn);
		/* a repeated SYN,ACK is told of in the same way, counted once */
		advance_ms(h, 1000);
		forget(h);
		h->tos = IP_CE;
		inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
		expect(h, ACK | ACE(6), ANY, 1, 0);
		inject(h, SYN | ACK | ACE(2), 0, 1, WND, 0);
		advance_ms(h, 1000);
		forget(h);
		assert_int_equal(status(h).ecn_received.ce, 1);
	}
}

/* Table 4, at the server. */
static void third_ack_is_read(void **state)
{
	for (unsigned ace = 0; ace < 8; ace++) {
		struct harness *h = server(state, ALL, 0);
		/* the code of a SYN,ACK that arrived as it was sent, or none */
		bool ect = ace == 1 || ace == 2 || ace == 5 || ace == 7;

		forget(h);
		accept_with(h, ace);
		assert_int_equal(status(h).ecn_delivered.ce, ace == 6);
		/* 3.2.2.2: a marked SYN,ACK is congestion */
		assert_int_equal(status(h).snd_cwnd_bytes < 10 * MSS, ace == 6);
		app_write(h, 100);
		expect(h, ACK | ACE(5), 1, 1, 100);
		assert_int_equal(h->last.tos, ect ? IP_ECT0 : IP_NOT_ECT);
	}
}

/* ---- what arrives ------------------------------------------------------------ */

/* 3.2: CE-marked packets are counted modulo 8, each change tells at once. */
static void ace_counts(void **state)
{
	struct harness *h = plain_client(state);
	uint32_t seq = 1;

	for (unsigned i = 1; i <= 20; i++, seq += 100) {
		h->tos = IP_CE;
		inject(h, ACK | ACE(5), seq, 1, WND, 100);
		/* 3.2.2.5.1: the first mark, and every second one */
		if (i == 1 || i % 2 == 1)
			expect(h, ACK | ACE((5 + i) & 7), 1, seq + 100, 0);
	}
	advance_ms(h, 100);
	forget(h);
	assert_int_equal(status(h).ecn_received.ce, 20);
	assert_int_equal(status(h).ecn_received.ce_bytes, 2000);
	/* unmarked, then marked: an ACK at once */
	h->tos = IP_ECT0;
	inject(h, ACK | ACE(5), seq, 1, WND, 100);
	expect_none(h);
	h->tos = IP_CE;
	inject(h, ACK | ACE(5), seq + 100, 1, WND, 100);
	expect(h, ACK | ACE((5 + 21) & 7), 1, seq + 200, 0);
}

/* 3.2.2.5.1: marks on bare ACKs are answered too, every third. */
static void marked_acks(void **state)
{
	struct harness *h = plain_client(state);

	app_write(h, 3 * MSS);
	forget(h);
	h->tos = IP_CE;
	inject(h, ACK | ACE(5), 1, 1 + MSS, WND, 0);
	inject(h, ACK | ACE(5), 1, 1 + 2 * MSS, WND, 0);
	expect_none(h);
	inject(h, ACK | ACE(5), 1, 1 + 3 * MSS, WND, 0);
	expect(h, ACK | ACE(0), 1 + 3 * MSS, 1, 0);
	assert_false(h->last.opt.ecn); /* no payload, no bytes */
}

/* 3.2.3.3, the recommended scheme: the counters that have ever changed, in the
 * order that makes it short, whenever one has since the last option. */
static void option_fields(void **state)
{
	struct harness *h = plain_client(state);

	app_write(h, 10);
	expect(h, ACK | ACE(5), 1, 1, 10);
	h->tos = IP_ECT0;
	inject(h, ACK | ACE(5), 1, 11, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK | ACE(5), 11, 101, 0);
	assert_true(h->last.opt.ecn && !h->last.opt.ecn_order);
	assert_int_equal(h->last.opt.ecn_n, 1);
	assert_int_equal(h->last.opt.ecn_e0b, 101);
	h->tos = IP_CE;
	inject(h, ACK | ACE(5), 101, 11, WND, 200);
	expect(h, ACK | ACE(6), 11, 301, 0);
	assert_int_equal(h->last.opt.ecn_n, 2);
	assert_int_equal(h->last.opt.ecn_e0b, 101);
	assert_int_equal(h->last.opt.ecn_ceb, 200);
	h->tos = IP_NOT_ECT; /* nothing has changed */
	inject(h, ACK | ACE(5), 301, 11, WND, 200);
	advance_ms(h, 100);
	expect(h, ACK | ACE(6), 11, 501, 0);
	assert_false(h->last.opt.ecn);
	h->tos = IP_ECT1;
	inject(h, ACK | ACE(5), 501, 11, WND, 50);
	app_write(h, 10); /* beside data as well */
	expect(h, ACK | ACE(6), 11, 551, 10);
	assert_int_equal(h->last.opt.ecn_n, 3);
	assert_int_equal(h->last.opt.ecn_e1b, 51);
	/* retransmissions count as well (3.2) */
	assert_int_equal(status(h).ecn_received.e1_bytes, 50);

	h = plain_client(state);
	app_write(h, 10);
	forget(h);
	h->tos = IP_ECT1;
	inject(h, ACK | ACE(5), 1, 11, WND, 100);
	advance_ms(h, 100);
	expect(h, ACK | ACE(5), 11, 101, 0);
	assert_int_equal(h->last.opt.ecn_order, 1);
	assert_int_equal(h->last.opt.ecn_n, 1);
	assert_int_equal(h->last.opt.ecn_e1b, 101);
}

/* 3.2.3.3: two SACK blocks go before the option, the option before a third. The
 * harness checks that no segment is too large for the path. */
static void option_space(void **state)
{
	struct harness *h = again(state, 3, true);
	struct seg_options opt = {.mss = PEER_MSS, .wscale = -1, .sack_ok = true,
				  .ts = true, .ts_val = 1};

	app_open(h);
	forget(h);
	opt.ts_ecr = h->ts_recent;
	inject_opt(h, SYN | ACK | ACE(2), 0, 1, WND, 0, &opt);
	expect(h, ACK | ACE(2), 1, 1, 0);
	h->ts = true;
	app_write(h, 10);
	forget(h);
	h->tos = IP_CE;
	inject(h, ACK | ACE(5), 1001, 11, WND, 100);
	expect(h, ACK | ACE(6), 11, 1, 0);
	assert_true(h->last.opt.ecn && h->last.opt.sack_n == 1);
	inject(h, ACK | ACE(5), 2001, 11, WND, 100);
	expect(h, ACK | ACE(7), 11, 1, 0);
	assert_true(h->last.opt.ecn && h->last.opt.sack_n == 2);
	inject(h, ACK | ACE(5), 3001, 11, WND, 100);
	expect(h, ACK | ACE(0), 11, 1, 0);
	assert_true(h->last.opt.ecn && h->last.opt.sack_n == 2);
	h->tos = IP_NOT_ECT; /* the option need not be there: three blocks */
	inject(h, ACK | ACE(5), 4001, 11, WND, 100);
	expect(h, ACK | ACE(0), 11, 1, 0);
	assert_true(!h->last.opt.ecn && h->last.opt.sack_n == 3);
	/* three counters and two blocks do not fit: loss goes before congestion */
	h->tos = IP_ECT0;
	inject(h, ACK | ACE(5), 5001, 11, WND, 100);
	expect(h, ACK | ACE(0), 11, 1, 0);
	h->tos = IP_ECT1;
	inject(h, ACK | ACE(5), 6001, 11, WND, 100);
	expect(h, ACK | ACE(0), 11, 1, 0);
	assert_true(!h->last.opt.ecn && h->last.opt.sack_n == 3);
	app_write(h, 5 * MSS);
	while (pending(h))
		expect(h, ACK | ACE(0), ANY, 1, ANY);
}

/* ---- feedback ----------------------------------------------------------------- */

/* New marks reduce cwnd once per window; CWR is not sent, it is a bit of ACE. */
static void marks_reduce_once(void **state)
{
	struct harness *h = ten_out(state);
	uint32_t at = 1 + MSS - 12, ssthresh;

	inject(h, ACK | ACE(6), 1, at, WND, 0);
	ssthresh = status(h).snd_ssthresh_bytes;
	assert_true(ssthresh < 10 * MSS);
	assert_int_equal(status(h).ecn_delivered.ce, 1);
	inject(h, ACK | ACE(0), 1, at + MSS, WND, 0);
	assert_int_equal(status(h).ecn_delivered.ce, 3);
	assert_int_equal(status(h).snd_ssthresh_bytes, ssthresh);
	inject(h, ACK | ACE(0), 1, at + 8 * MSS, WND, 0);
	while (pending(h))
		assert_int_equal(ACE_OF(expect(h, ACK | ACE(5), ANY, 1, ANY)), 5);
	assert_int_equal(status(h).total_retrans, 0);
	assert_int_equal(status(h).ecn_delivered.ce, 3);
}

/* 3.2.2.2: what comes late, without acknowledging anything, tells nothing. */
static void superseded(void **state)
{
	struct harness *h = ten_out(state);

	inject(h, ACK | ACE(6), 1, 1 + 2 * MSS, WND, 0);
	inject(h, ACK | ACE(5), 1, 1 + 2 * MSS, WND, 0);
	inject(h, ACK | ACE(5), 1, 1 + MSS, WND, 0);
	assert_int_equal(status(h).ecn_delivered.ce, 1);
}

/* 3.2.2.5.2: when as many packets were acknowledged as ACE can count, it may have
 * gone round. The option tells; else the safe case is assumed, but for a
 * connection that never had a mark. */
static void ace_may_have_cycled(void **state)
{
	struct harness *h = ten_out(state);
	struct seg_options opt = counters(1 + 9 * MSS, 0, 1);

	inject(h, ACK | ACE(5), 1, 1 + 9 * MSS, WND, 0);
	assert_int_equal(status(h).ecn_delivered.ce, 0);

	h = ten_out(state);
	inject(h, ACK | ACE(6), 1, 1 + 9 * MSS, WND, 0);
	assert_int_equal(status(h).ecn_delivered.ce, 9);

	h = ten_out(state);
	opt.ecn_ceb = MSS;
	inject_opt(h, ACK | ACE(6), 1, 1 + 9 * MSS, WND, 0, &opt);
	assert_int_equal(status(h).ecn_delivered.ce, 1);
	assert_int_equal(status(h).ecn_delivered.ce_bytes, MSS);

	h = ten_out(state);
	opt.ecn_ceb = 9 * MSS;
	inject_opt(h, ACK | ACE(6), 1, 1 + 9 * MSS, WND, 0, &opt);
	assert_int_equal(status(h).ecn_delivered.ce, 9);
	assert_int_equal(status(h).ecn_delivered.e0_bytes, 9 * MSS);
}

/* 3.2.3.1: fields of 24 bits go round too; shortened options leave counters. */
static void option_fields_wrap(void **state)
{
	struct harness *h = plain_client(state);
	struct seg_options opt = counters(0xfffff0, 0, 1);

	app_write(h, 40);
	forget(h);
	inject_opt(h, ACK | ACE(5), 1, 11, WND, 0, &opt);
	assert_int_equal(status(h).ecn_delivered.e0_bytes, 0xffffef);
	opt.ecn_e0b = 0x10;
	opt.ecn_n = 1;
	inject_opt(h, ACK | ACE(5), 1, 21, WND, 0, &opt);
	assert_int_equal(status(h).ecn_delivered.e0_bytes, 0x100000f);
	opt.ecn_order = 1;
	opt.ecn_e1b = 11;
	inject_opt(h, ACK | ACE(5), 1, 31, WND, 0, &opt);
	assert_int_equal(status(h).ecn_delivered.e1_bytes, 10);
	assert_int_equal(status(h).ecn_delivered.e0_bytes, 0x100000f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(server_answers), TEST(server_knows_all_requests),
		TEST(client_knows_all_answers), TEST(knob), TEST(syn_repeated),
		TEST(syn_ack_repeated), TEST(requests_repeated),
		TEST(simultaneous_open), TEST(syn_cookie), TEST(third_ack_tells),
		TEST(third_ack_is_read), TEST(ace_counts), TEST(marked_acks),
		TEST(option_fields), TEST(option_space), TEST(marks_reduce_once),
		TEST(superseded), TEST(ace_may_have_cycled), TEST(option_fields_wrap),
	};

	return cmocka_run_group_tests_name("accecn", tests, NULL, NULL);
}
