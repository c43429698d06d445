/* test_icmp.c - what ICMP errors do to a connection: RFC 9293 3.9.2.2, RFC 5461,
 * RFC 5927, RFC 1191. */
#include "harness.h"

#define MSS PEER_MSS

/* RFC 9293 3.9.2.2, MUST-56: hard errors abort a connection that is being
 * opened; the user gets ICMP's errno. [SHLD-26] [MUST-54] */
static void hard_error_in_syn_sent(void **state)
{
	static const int errs[] = {ECONNREFUSED, EACCES};

	for (unsigned i = 0; i < 2; i++) {
		struct harness *h = harness_again(state, NULL);

		app_open(h);
		expect(h, SYN, 0, 0, 0);
		inject_icmp(h, 0, errs[i], 0);
		expect_state(h, TCPS_CLOSED);
		assert_int_equal(tcp_error(h->t), errs[i]);
		assert_true(events(h) & TCP_EV_ERROR);
		expect_none(h);
		assert_int_equal(engine_deadline(h->e), ENGINE_NEVER);
	}
}

/* A listener's child has no user. It ends by what ends Linux's, in both families, and
 * by nothing else: whoever forges such a message must not undo the handshake. */
static void errors_in_syn_received(void **state)
{
	static const struct { int err; bool ends_v4, ends_v6; } errs[] = {
		{ECONNREFUSED, false, true}, {ENOPROTOOPT, false, false},
		{EHOSTUNREACH, true, false}, {ENETUNREACH, true, false},
		{EACCES, false, true}, {EPROTO, true, true},
		{EHOSTDOWN, false, false}, {EOPNOTSUPP, false, false},
	};

	for (unsigned i = 0; i < 2 * sizeof(errs) / sizeof(errs[0]); i++) {
		struct harness *h = harness_again(state, NULL);
		bool v6 = i & 1, ends = v6 ? errs[i / 2].ends_v6 : errs[i / 2].ends_v4;

		if (v6) {
			h->local.addr = (struct ip_addr){{0x20, 1, [15] = 1}};
			h->remote.addr = (struct ip_addr){{0x20, 1, [15] = 2}};
		}
		app_listen(h, 4);
		inject(h, SYN, 0, 0, WND, 0);
		expect(h, SYN | ACK, 0, 1, 0);
		inject_icmp(h, 1, errs[i / 2].err, 0); /* not in flight: RFC 5927 4.1 */
		assert_int_equal(engine_stats(h->e)->half_open, 1);
		inject_icmp(h, 0, errs[i / 2].err, 0);
		assert_int_equal(engine_stats(h->e)->half_open, !ends);
		expect_none(h);
		if (ends)
			continue;
		assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
		h->t = tcp_accept(h->listener, h);
		assert_non_null(h->t);
		assert_int_equal(status(h).soft_error, 0);
	}
}

/* An open that crossed the peer's has a user. */
static void errors_when_syns_crossed(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject(h, SYN, 0, 0, WND, 0);
	expect(h, SYN | ACK, 0, 1, 0);
	expect_state(h, TCPS_SYN_RECEIVED);
	inject_icmp(h, 0, ECONNREFUSED, 0);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ECONNREFUSED);
}

/* Unreachable hosts and networks end an open at once, as in Linux. */
static void unreachable_in_syn_sent(void **state)
{
	static const int errs[] = {EHOSTUNREACH, ENETUNREACH};

	for (unsigned i = 0; i < 2; i++) {
		struct harness *h = harness_again(state, NULL);

		app_open(h);
		expect(h, SYN, 0, 0, 0);
		inject_icmp(h, 0, errs[i], 0);
		advance_us(h, 200 * US_PER_S); /* now or when the SYNs are used up */
		expect_state(h, TCPS_CLOSED);
		assert_int_equal(tcp_error(h->t), errs[i]);
	}
}

/* MUST-54, RFC 5461: an established connection survives, whatever it says ...
 * [MUST-54] [MUST-56] [SHLD-25] */
static void soft_errors_when_established(void **state)
{
	static const int errs[] = {EHOSTUNREACH, ENETUNREACH, ECONNREFUSED, EACCES, EPROTO};
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	expect(h, ACK, 1, 1, 100);
	for (unsigned i = 0; i < 5; i++) {
		inject_icmp(h, 1, errs[i], 0);
		expect_state(h, TCPS_ESTABLISHED);
	}
	assert_int_equal(tcp_error(h->t), 0);
	inject(h, ACK, 1, 101, WND, 0);
	expect_none(h);
	assert_int_equal(status(h).unacked_bytes, 0);
}

/* ... but it is the reason given when the retries are used up (3.9.2.2). [MUST-47] */
static void soft_error_is_remembered(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	inject_icmp(h, 1, EHOSTUNREACH, 0);
	advance_us(h, 4000 * US_PER_S);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), EHOSTUNREACH);
}

/* What has been overcome is not what ends the connection hours later. */
static void soft_error_is_forgotten(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	inject_icmp(h, 1, EHOSTUNREACH, 0);
	inject(h, ACK, 1, 101, WND, 0);
	assert_int_equal(status(h).soft_error, 0);
	app_write(h, 100);
	advance_us(h, 4000 * US_PER_S);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(tcp_error(h->t), ETIMEDOUT);
}

/* 3.9.1.8: soft errors, ICMP's and our own trouble with retransmissions, are told
 * to who asks, and disturb nobody else. [MUST-47] [SHLD-9] [SHLD-20] */
static void soft_errors_are_told_on_request(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	assert_int_equal(status(h).soft_error, 0);
	assert_int_equal(status(h).backoff, 0);
	events(h);
	inject_icmp(h, 1, EHOSTUNREACH, 0);
	assert_int_equal(status(h).soft_error, EHOSTUNREACH);
	advance_us(h, 4 * US_PER_S);
	assert_true(status(h).backoff >= 3);
	assert_int_equal(events(h), TCP_EV_TROUBLE);
	assert_int_equal(tcp_error(h->t), 0);
}

/* RFC 5927 4: a quoted number that is not outstanding proves a forgery. */
static void forged_errors(void **state)
{
	struct harness *h = *state;

	app_open(h);
	expect(h, SYN, 0, 0, 0);
	inject_icmp(h, 5, ECONNREFUSED, 0);
	inject_icmp(h, UINT32_MAX, ECONNREFUSED, 0);
	expect_state(h, TCPS_SYN_SENT);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	forget(h);
	app_write(h, 2 * MSS);
	forget(h);
	inject_icmp(h, 1 + 2 * MSS, EMSGSIZE, 600);
	inject_icmp(h, 0, EMSGSIZE, 600);
	inject_icmp(h, 1u << 30, EMSGSIZE, 600);
	expect_none(h);
	assert_int_equal(status(h).snd_mss, MSS);
}

static void error_for_nobody(void **state)
{
	struct harness *h = *state;

	inject_icmp(h, 0, ECONNREFUSED, 0);
	app_listen(h, 4);
	inject_icmp(h, 0, ECONNREFUSED, 0);
	expect_none(h);
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
}

/* RFC 1191 6.4: the MSS follows the path, what did not fit is sent again in
 * smaller pieces, and it is no sign of congestion. */
static void fragmentation_needed(void **state)
{
	struct harness *h = *state;
	uint32_t at = 1;

	establish(h);
	app_write(h, 3 * MSS);
	forget(h);
	h->path.mtu_bytes = 1000;
	inject_icmp(h, 1, EMSGSIZE, 1000);
	assert_int_equal(status(h).path_mtu, 1000);
	assert_int_equal(status(h).snd_mss, 960);
	while (pending(h)) {
		const struct got *g = expect(h, ACK, at, 1, ANY);

		assert_true(g->len_bytes <= 960);
		at += g->len_bytes;
	}
	assert_true(at > 1); /* at once, not after a timeout */
	for (unsigned i = 0; i < 20 && at < 1 + 3 * MSS; i++) {
		inject(h, ACK, 1, at, WND, 0);
		time_to_segment_us(h, 10 * US_PER_S);
		while (pending(h)) {
			const struct got *g = expect(h, ACK, ANY, 1, ANY);

			if (g->seq == at)
				at += g->len_bytes;
		}
	}
	assert_int_equal(at, 1 + 3 * MSS);
	assert_true(status(h).snd_cwnd_bytes >= 5 * MSS);
}

/* An error that tells a larger MTU, or none, or an absurd one. */
static void strange_mtus(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 2 * MSS);
	forget(h);
	inject_icmp(h, 1, EMSGSIZE, 9000);
	assert_int_equal(status(h).snd_mss, MSS);
	inject_icmp(h, 1, EMSGSIZE, 1);
	assert_true(status(h).snd_mss >= 28);
	inject_icmp(h, 1, EMSGSIZE, 0);
	assert_true(status(h).snd_mss >= 28);
	expect_state(h, TCPS_ESTABLISHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hard_error_in_syn_sent), TEST(unreachable_in_syn_sent),
		TEST(errors_in_syn_received), TEST(errors_when_syns_crossed),
		TEST(soft_errors_when_established), TEST(soft_error_is_remembered),
		TEST(soft_error_is_forgotten),
		TEST(soft_errors_are_told_on_request),
		TEST(forged_errors), TEST(error_for_nobody),
		TEST(fragmentation_needed), TEST(strange_mtus),
	};

	return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}
