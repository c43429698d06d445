/* test_net.c - the link: what leaves one side, when it reaches the other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../engine/addr.h"
#include "net.h"

#define MS 1000u
#define PAYLOAD 1460u
#define WIRE (PAYLOAD + 40)

static uint8_t payload[16 * PAYLOAD];

/* From side from, with a number to be known by. */
static void send_burst(struct net *net, int from, uint32_t seq, uint32_t len_bytes,
		       uint8_t tos, uint64_t now_us)
{
	struct engine_pkt_out pkt = {.hdr_len_bytes = TCP_HDR_MIN, .tos = tos,
				     .mss_bytes = PAYLOAD, .payload_iovs = 1,
				     .payload_len_bytes = len_bytes};

	pkt.src = addr_from_v4((uint8_t[]){10, 0, 0, (uint8_t)(1 + from)});
	pkt.dst = addr_from_v4((uint8_t[]){10, 0, 0, (uint8_t)(2 - from)});
	pkt.hdr[6] = (uint8_t)(seq >> 8);
	pkt.hdr[7] = (uint8_t)seq;
	pkt.hdr[12] = 5 << 4;
	pkt.payload[0] = (struct iovec){payload, len_bytes};
	net_send(net, from, &pkt, now_us);
}

static void send_one(struct net *net, int from, uint32_t seq, uint64_t now_us)
{
	send_burst(net, from, seq, PAYLOAD, 0, now_us);
}

struct arrival {
	uint64_t at_us;
	int to;
	uint32_t seq, len_bytes;
	uint8_t tos;
};

/* The next one; at_us is ENGINE_NEVER when there is none. */
static struct arrival next(struct net *net)
{
	struct arrival a = {.at_us = net_next_us(net)};
	struct packet *k = net_receive(net, a.at_us);

	if (k) {
		a.to = k->to;
		a.seq = (uint32_t)(k->tcp[6] << 8 | k->tcp[7]);
		a.len_bytes = k->len_bytes - TCP_HDR_MIN;
		a.tos = k->tos;
		free(k);
	}
	return a;
}

static void start(struct net *net, const struct net_dir *there, const struct net_dir *back)
{
	struct net_params p = {.dir = {*there, *back}, .mtu_bytes = 1500};

	net_init(net, &p, 1);
}

static void test_asymmetric_delay(void **state)
{
	struct net_dir there = {.delay_us = 5 * MS}, back = {.delay_us = 70 * MS};
	struct arrival a;
	struct net net;

	(void)state;
	start(&net, &there, &back);
	send_one(&net, 1, 1, 1000);
	send_one(&net, 0, 2, 1000);
	a = next(&net);
	assert_int_equal(a.at_us, 1000 + 5 * MS);
	assert_int_equal(a.to, 1);
	a = next(&net);
	assert_int_equal(a.at_us, 1000 + 70 * MS);
	assert_int_equal(a.to, 0);
	assert_int_equal(next(&net).at_us, ENGINE_NEVER);
	net_free(&net);
}

/* A burst queues segment by segment, and its tail is what overflows. */
static void test_bursts_are_cut_at_the_bottleneck(void **state)
{
	struct net_dir there = {.bottleneck = {.rate_bytes_s = 1000000,
					       .queue_bytes = 4 * WIRE}};
	struct net_dir back = {0};
	struct net net;

	(void)state;
	start(&net, &there, &back);
	send_burst(&net, 0, 0, 7 * PAYLOAD, 0, 0);
	for (uint32_t i = 0; i < 5; i++) {
		struct arrival a = next(&net);

		assert_int_equal(a.seq, i * PAYLOAD);
		assert_int_equal(a.len_bytes, PAYLOAD);
		assert_int_equal(a.at_us, (i + 1) * WIRE);
	}
	assert_int_equal(next(&net).at_us, ENGINE_NEVER);
	assert_int_equal(net.dir[0].counts.overflowed, 2);
	assert_int_equal(net_sent(&net), 7);
	assert_int_equal(net_lost(&net), 2);
	net_free(&net);
}

static void test_lose_nth_of_one_direction(void **state)
{
	struct net_dir there = {.lose_nth = 3}, back = {0};
	struct net net;
	uint32_t seen[2] = {0};

	(void)state;
	start(&net, &there, &back);
	for (uint32_t i = 1; i <= 5; i++) {
		send_one(&net, 0, i, i);
		send_one(&net, 1, i, i);
	}
	for (int i = 0; i < 9; i++) {
		struct arrival a = next(&net);

		seen[a.to] |= 1u << a.seq;
	}
	assert_int_equal(seen[0], 0x3e);
	assert_int_equal(seen[1], 0x36);
	assert_int_equal(next(&net).at_us, ENGINE_NEVER);
	net_free(&net);
}

/* Acknowledgments of a whole slot arrive at its end, in order. */
static void test_gathered_arrive_together(void **state)
{
	struct net_dir there = {0}, back = {.delay_us = 1500, .gather_us = 10 * MS};
	struct net net;

	(void)state;
	start(&net, &there, &back);
	for (uint32_t i = 0; i < 20; i++)
		send_one(&net, 1, i, i * MS);
	for (uint32_t i = 0; i < 20; i++) {
		struct arrival a = next(&net);

		assert_int_equal(a.seq, i);
		assert_int_equal(a.at_us, (i * MS + 1500 + 9999) / 10000 * 10000);
	}
	net_free(&net);
}

/* Those that are late are overtaken, by no more than was said. */
static void test_late_ones_are_overtaken(void **state)
{
	struct net_dir there = {.delay_us = 20 * MS, .late_ppm = 100000, .late_us = 10 * MS};
	struct net_dir back = {0};
	uint32_t late = 0, overtaken = 0, high = 0;
	struct net net;

	(void)state;
	start(&net, &there, &back);
	for (uint32_t i = 0; i < 10000; i++)
		send_one(&net, 0, i, i * 100);
	for (int i = 0; i < 10000; i++) {
		struct arrival a = next(&net);
		uint64_t took_us = a.at_us - a.seq * 100;

		assert_in_range(took_us, 20 * MS, 30 * MS);
		late += took_us > 20 * MS;
		overtaken += a.seq < high;
		high = a.seq > high ? a.seq : high;
	}
	assert_in_range(late, 900, 1100);
	assert_in_range(overtaken, 850, late);
	assert_int_equal(net_lost(&net), 0);
	net_free(&net);
}

static void test_loss_rate(void **state)
{
	struct net_dir there = {.loss_ppm = 10000}, back = {.loss_ppm = 500000};
	struct net net;

	(void)state;
	start(&net, &there, &back);
	for (uint32_t i = 0; i < 20000; i++) {
		send_one(&net, 0, i, i);
		send_one(&net, 1, i, i);
		while (next(&net).at_us != ENGINE_NEVER)
			;
	}
	assert_in_range(net.dir[0].counts.lost, 150, 250);
	assert_in_range(net.dir[1].counts.lost, 9700, 10300);
	net_free(&net);
}

/* RFC 3168 5: the CE mark reaches the receiver, and only on ECT. */
static void test_marks_arrive(void **state)
{
	struct net_dir there = {.bottleneck = {.rate_bytes_s = 1000000,
					       .queue_bytes = 1000000,
					       .codel = {5 * MS, 100 * MS}}};
	struct net_dir back = {0};
	unsigned marked = 0;
	struct net net;

	(void)state;
	start(&net, &there, &back);
	for (uint32_t i = 0; i < 300; i++)
		send_burst(&net, 0, i, PAYLOAD, i % 2 ? 0x2a : 0x28, i * MS);
	for (uint64_t n = 300 - net_lost(&net); n; n--) {
		struct arrival a = next(&net);

		if (a.seq % 2 == 0)
			assert_int_equal(a.tos, 0x28);
		else if (a.tos == 0x2b)
			marked++;
		else
			assert_int_equal(a.tos, 0x2a);
	}
	assert_true(marked > 0);
	assert_true(net.dir[0].counts.aqm_dropped > 0);
	assert_int_equal(net.dir[0].counts.marked, marked);
	net_free(&net);
}

static void test_policed(void **state)
{
	struct net_dir there = {.policer = {.rate_bytes_s = 1500000,
					    .bucket_bytes = 2 * WIRE}};
	struct net_dir back = {0};
	struct net net;

	(void)state;
	start(&net, &there, &back);
	send_burst(&net, 0, 0, 8 * PAYLOAD, 0, 0);
	send_one(&net, 0, 8, MS);
	send_one(&net, 0, 9, MS);
	assert_int_equal(net.dir[0].counts.policed, 7);
	net_free(&net);
}

/* What does not fit a link on the way comes back as a message about it. */
static void test_too_big(void **state)
{
	struct net_dir there = {.delay_us = MS, .mtu_bytes = WIRE - 1, .icmp_ppm = 1000000};
	struct net_dir back = {.delay_us = MS, .mtu_bytes = WIRE};
	struct packet *k;
	struct net net;

	(void)state;
	start(&net, &there, &back);
	send_one(&net, 0, 7, 500);
	k = net_receive(&net, 500 + MS);
	assert_non_null(k);
	assert_int_equal(k->to, 0);
	assert_int_equal(k->icmp_mtu_bytes, WIRE - 1);
	assert_int_equal(k->icmp_pkt_bytes, WIRE);
	assert_int_equal(k->tcp[7], 7);
	free(k);
	send_one(&net, 1, 8, 500); /* fits */
	assert_int_equal(next(&net).seq, 8);
	net.p.dir[0].icmp_ppm = 0; /* a black hole */
	send_one(&net, 0, 9, 500);
	send_burst(&net, 0, 10, PAYLOAD - 1, 0, 500);
	assert_int_equal(next(&net).seq, 10);
	assert_int_equal(next(&net).at_us, ENGINE_NEVER);
	assert_int_equal(net.dir[0].counts.too_big, 2);
	net_free(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asymmetric_delay),
		cmocka_unit_test(test_bursts_are_cut_at_the_bottleneck),
		cmocka_unit_test(test_lose_nth_of_one_direction),
		cmocka_unit_test(test_gathered_arrive_together),
		cmocka_unit_test(test_late_ones_are_overtaken),
		cmocka_unit_test(test_loss_rate),
		cmocka_unit_test(test_marks_arrive),
		cmocka_unit_test(test_policed),
		cmocka_unit_test(test_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
