/* test_lane.c - one direction of the emulated link, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/link/lane.h"

#define MS 1000000ull
#define S 1000000000ull
enum { PACKET = 1000, MANY = 100000 };

static const uint8_t zeroes[PACKET];

static enum lane_verdict put(struct lane *l, uint32_t number, size_t len, uint64_t now_ns)
{
	uint8_t data[2 * PACKET] = {0};

	memcpy(data, &number, sizeof(number));
	return lane_put(l, data, len, now_ns);
}

static uint32_t number_of(const struct lane_packet *k)
{
	uint32_t number;

	memcpy(&number, k->data, sizeof(number));
	return number;
}

/* The number of the next packet, which arrives exactly at this time. */
static uint32_t next_at(struct lane *l, uint64_t at_ns)
{
	struct lane_packet *k;
	uint32_t number;

	assert_null(lane_take(l, at_ns - 1));
	assert_int_equal(lane_next_ns(l), at_ns);
	k = lane_take(l, at_ns);
	assert_non_null(k);
	number = number_of(k);
	free(k);
	return number;
}

/* Each packet that came in or was made is somewhere. */
static void check_sums(const struct lane *l)
{
	const struct lane_stats *s = &l->stats;

	assert_int_equal(s->in_packets + s->duplicated,
			 s->out_packets + s->lost + s->burst_lost + s->queue_full +
				 s->too_big + s->no_room + l->heap_n + l->queued_packets);
}

static uint64_t take_all(struct lane *l, uint64_t now_ns)
{
	struct lane_packet *k;
	uint64_t n = 0;

	while ((k = lane_take(l, now_ns))) {
		free(k);
		n++;
	}
	return n;
}

static void plain(void **state)
{
	struct lane_params p = {0};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	assert_int_equal(lane_next_ns(&l), LANE_NEVER);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(put(&l, i, PACKET, 5 * MS), LANE_TAKEN);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(next_at(&l, 5 * MS), i);
	assert_int_equal(lane_next_ns(&l), LANE_NEVER);
	check_sums(&l);
	lane_free(&l);
}

/* 8 Mbit/s pass 1000 bytes per millisecond; 20 ms later they arrive. */
static void rate_and_delay(void **state)
{
	struct lane_params p = {.rate_bit_s = 8000000, .delay_ns = 20 * MS};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (uint32_t i = 0; i < 5; i++)
		put(&l, i, PACKET, 100 * MS);
	put(&l, 5, PACKET / 2, 100 * MS);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(next_at(&l, (121 + i) * MS), i);
	assert_int_equal(next_at(&l, 125 * MS + MS / 2), 5);
	put(&l, 6, PACKET, 200 * MS); /* an idle line is not saved up */
	assert_int_equal(next_at(&l, 221 * MS), 6);
	lane_free(&l);
}

/* Who comes late to take packets does not make the line slower. */
static void lateness_does_not_add_up(void **state)
{
	struct lane_params p = {.rate_bit_s = 8000000, .delay_ns = 20 * MS};
	uint64_t out = 0;
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (uint64_t now = 0; now < 10 * S; now += 3 * MS + MS / 3) {
		while (l.queued_packets < 20)
			put(&l, 0, PACKET, now);
		out += take_all(&l, now);
	}
	assert_in_range(out, 9970, 9980); /* of 10000, less the delay */
	assert_in_range(l.stats.late_max_ns, 3 * MS, 4 * MS);
	lane_free(&l);
}

static void queue_limits(void **state)
{
	struct lane_params p = {.rate_bit_s = 8000000, .queue.bytes = 4 * PACKET};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(put(&l, i, PACKET, 0), LANE_TAKEN);
	assert_int_equal(put(&l, 4, 1, 0), LANE_FULL);
	assert_int_equal(put(&l, 5, PACKET, MS - 1), LANE_FULL);
	assert_int_equal(put(&l, 6, PACKET, MS), LANE_TAKEN); /* one has left */
	assert_int_equal(l.stats.queue_full, 2);
	assert_int_equal(l.stats.queue_max_bytes, 4 * PACKET);
	check_sums(&l);
	lane_free(&l);

	p.queue = (struct lane_limit){.packets = 2};
	lane_init(&l, &p, 1, 0);
	put(&l, 0, 1, 0);
	put(&l, 1, PACKET, 0);
	assert_int_equal(put(&l, 2, 1, 0), LANE_FULL);
	lane_free(&l);
}

/* Memory is bounded although the delay holds more than the queue may. */
static void held_is_bounded(void **state)
{
	struct lane_params p = {.delay_ns = 60 * S};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (uint32_t i = 0; i < LANE_HELD_MAX_BYTES / PACKET + 10; i++)
		lane_put(&l, zeroes, PACKET, i);
	assert_in_range(l.held_bytes, LANE_HELD_MAX_BYTES - PACKET, LANE_HELD_MAX_BYTES);
	assert_int_equal(l.stats.no_room, 10 + (LANE_HELD_MAX_BYTES % PACKET ? 0 : 1));
	check_sums(&l);
	take_all(&l, 70 * S);
	assert_int_equal(l.held_bytes, 0);
	lane_free(&l);
}

/* Which of n packets are lost, one bit each. */
static void lost_of(const struct lane_params *p, uint64_t seed, uint64_t salt, uint32_t n,
		    uint8_t *bits)
{
	struct lane l;

	lane_init(&l, p, seed, salt);
	memset(bits, 0, n / 8);
	for (uint32_t i = 0; i < n; i++) {
		if (put(&l, i, 40, i) == LANE_LOST)
			bits[i / 8] |= (uint8_t)(1u << i % 8);
		take_all(&l, i);
	}
	check_sums(&l);
	lane_free(&l);
}

static void same_seed_same_losses(void **state)
{
	struct lane_params p = {.loss = 0.03};
	static uint8_t one[MANY / 8], two[MANY / 8];

	(void)state;
	lost_of(&p, 7, 0, MANY, one);
	lost_of(&p, 7, 0, MANY, two);
	assert_memory_equal(one, two, sizeof(one));
	/* What else goes wrong is independent. */
	p.duplicate = 0.5;
	p.corrupt = 0.5;
	p.reorder = 0.5;
	p.jitter_ns = 10;
	lost_of(&p, 7, 0, MANY, two);
	assert_memory_equal(one, two, sizeof(one));
	lost_of(&p, 8, 0, MANY, two);
	assert_memory_not_equal(one, two, sizeof(one));
	lost_of(&p, 7, 1, MANY, two); /* the other direction */
	assert_memory_not_equal(one, two, sizeof(one));
}

static void loss_rate(void **state)
{
	struct lane_params p = {.loss = 0.03, .duplicate = 0.1, .corrupt = 0.2, .reorder = 0.05};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 3, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		put(&l, i, 40, i);
		take_all(&l, i);
	}
	/* Five standard deviations around the mean. */
	assert_in_range(l.stats.lost, 3000 - 270, 3000 + 270);
	assert_in_range(l.stats.duplicated, 9700 - 475, 9700 + 475);
	assert_in_range(l.stats.corrupted, 19400 - 630, 19400 + 630);
	assert_in_range(l.stats.reordered, 4850 - 345, 4850 + 345);
	check_sums(&l);
	lane_free(&l);
}

/* P 1 % and R 25 %: bursts of four on average, 1/26 of all. */
static void burst_loss(void **state)
{
	struct lane_params p = {.burst_enter = 0.01, .burst_leave = 0.25};
	static uint8_t bits[MANY / 8];
	uint32_t lost = 0, bursts = 0;
	bool before = false;

	(void)state;
	lost_of(&p, 1, 0, MANY, bits);
	for (uint32_t i = 0; i < MANY; i++) {
		bool now = bits[i / 8] >> i % 8 & 1;

		lost += now;
		bursts += now && !before;
		before = now;
	}
	assert_in_range(lost, 3846 * 85 / 100, 3846 * 115 / 100);
	assert_in_range(lost * 100 / bursts, 360, 440);
}

static void duplicates(void **state)
{
	struct lane_params p = {.duplicate = 1, .rate_bit_s = 8000000};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	put(&l, 1, PACKET, 0);
	put(&l, 2, PACKET, 0);
	assert_int_equal(next_at(&l, 1 * MS), 1);
	assert_int_equal(next_at(&l, 2 * MS), 1);
	assert_int_equal(next_at(&l, 3 * MS), 2);
	assert_int_equal(next_at(&l, 4 * MS), 2);
	check_sums(&l);
	lane_free(&l);
}

static void corruption_turns_one_bit(void **state)
{
	struct lane_params p = {.corrupt = 1};
	uint32_t first = 0;
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (int i = 0; i < 1000; i++) {
		struct lane_packet *k;
		int bits = 0;

		lane_put(&l, zeroes, PACKET, 0);
		k = lane_take(&l, 0);
		for (int b = 0; b < PACKET; b++)
			bits += __builtin_popcount(k->data[b]);
		assert_int_equal(bits, 1);
		for (int b = 0; b < PACKET / 2; b++)
			first += k->data[b] != 0;
		free(k);
	}
	assert_in_range(first, 420, 580); /* everywhere alike */
	assert_int_equal(l.stats.corrupted, 1000);
	lane_free(&l);
}

/* Held back by 10 ms, while one packet per millisecond comes. */
static void reordering(void **state)
{
	struct lane_params p = {.reorder = 0.01, .reorder_ns = 10 * MS, .delay_ns = 5 * MS};
	uint64_t due[2000];
	struct lane_packet *k;
	struct lane l;
	uint32_t late = 0;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (uint32_t i = 0; i < 2000; i++)
		put(&l, i, 40, i * MS);
	while ((k = lane_take(&l, 10 * S))) {
		due[number_of(k)] = k->due_ns;
		free(k);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		if (due[i] == (i + 15) * MS)
			late++;
		else
			assert_int_equal(due[i], (i + 5) * MS);
	}
	assert_in_range(late, 5, 45);
	assert_int_equal(late, l.stats.reordered);
	lane_free(&l);
}

static void jitter_keeps_the_order(void **state)
{
	struct lane_params p = {.jitter_ns = 5 * MS, .delay_ns = 10 * MS};
	struct lane_packet *k;
	struct lane l;
	uint64_t sum = 0;
	uint32_t next = 0;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (uint32_t i = 0; i < 1000; i++) /* slow enough to be independent */
		put(&l, i, 40, i * 10 * MS);
	while ((k = lane_take(&l, 100 * S))) {
		assert_int_equal(number_of(k), next);
		assert_in_range(k->due_ns - next * 10 * MS, 10 * MS, 15 * MS);
		sum += k->due_ns - next * 10 * MS;
		next++;
		free(k);
	}
	assert_in_range(sum / 1000, 12 * MS, 13 * MS);
	for (uint32_t i = 0; i < 1000; i++) /* and close together */
		put(&l, i, 40, 200 * S + i * 10000);
	for (next = 0; (k = lane_take(&l, 300 * S)); next++) {
		assert_int_equal(number_of(k), next);
		free(k);
	}
	assert_int_equal(next, 1000);
	lane_free(&l);
}

static void mtu(void **state)
{
	struct lane_params p = {.mtu_bytes = PACKET};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	assert_int_equal(put(&l, 0, PACKET, 0), LANE_TAKEN);
	assert_int_equal(put(&l, 1, PACKET + 1, 0), LANE_TOO_BIG);
	assert_int_equal(l.stats.too_big, 1);
	check_sums(&l);
	lane_free(&l);
}

static void ecn_marks(void **state)
{
	struct lane_params p = {.rate_bit_s = 8000000, .mark.packets = 2};
	uint8_t packet[40] = {0x45, 0x02};
	struct lane l;

	(void)state;
	lane_init(&l, &p, 1, 0);
	for (int i = 0; i < 5; i++)
		lane_put(&l, packet, sizeof(packet), 0);
	packet[1] = 0; /* not ECN-capable: let through as it is */
	lane_put(&l, packet, sizeof(packet), 0);
	for (int i = 0; i < 6; i++) {
		struct lane_packet *k = lane_take(&l, S);

		assert_int_equal(k->data[1], i < 3 ? 2 : i < 5 ? 3 : 0);
		free(k);
	}
	assert_int_equal(l.stats.marked, 2);
	lane_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(rate_and_delay),
		cmocka_unit_test(lateness_does_not_add_up),
		cmocka_unit_test(queue_limits),
		cmocka_unit_test(held_is_bounded),
		cmocka_unit_test(same_seed_same_losses),
		cmocka_unit_test(loss_rate),
		cmocka_unit_test(burst_loss),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(corruption_turns_one_bit),
		cmocka_unit_test(reordering),
		cmocka_unit_test(jitter_keeps_the_order),
		cmocka_unit_test(mtu),
		cmocka_unit_test(ecn_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
