/* test_checksum.c - the checksums of segment.c: against captured packets and
 * against a naive sum. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "packets.h"

/* tcp's own checksum field counts as it is. */
static uint16_t naive_checksum(const struct ip_addr *src, const struct ip_addr *dst,
			       const uint8_t *tcp, size_t len)
{
	return (uint16_t)~naive_words(naive_pseudo(src, dst, len), tcp, len);
}

static void test_pseudo_sum(void **state)
{
	struct rnd rnd = {1};

	(void)state;
	assert_int_equal(segment_pseudo_sum(&v4_lo, &v4_lo, 40), 0xfe30);
	assert_int_equal(segment_pseudo_sum(&v4_lo, &v4_lo, 32), 0xfe28);
	assert_int_equal(segment_pseudo_sum(&v6_lo, &v6_lo, 40), 0x0030);
	for (int i = 0; i < 5000; i++) {
		struct ip_addr src = random_addr(&rnd), dst = random_addr(&rnd);
		size_t len = rnd_below(&rnd, 1u << rnd_below(&rnd, 20));

		assert_int_equal(segment_pseudo_sum(&src, &dst, len),
				 naive_pseudo(&src, &dst, len));
	}
}

/* The device of a link-local address is not in the packet. */
static void test_scope_is_not_summed(void **state)
{
	static const uint8_t bytes[16] = {0xfe, 0x80, [8] = 2, [15] = 9};
	struct ip_addr wire = addr_from_v6(bytes, 0), a = addr_from_v6(bytes, 0x01020304);
	struct ip_addr global = {{0x20, 1, 2, 3, 4, 5}};

	(void)state;
	assert_memory_equal(wire.b, bytes, 16);
	assert_int_equal(addr_scope(&a), 0x01020304);
	assert_int_equal(addr_scope(&wire), 0);
	assert_false(addr_eq(&a, &wire));
	assert_int_equal(segment_pseudo_sum(&a, &a, 40), naive_pseudo(&wire, &wire, 40));
	a = addr_wire(&a);
	assert_true(addr_eq(&a, &wire));
	/* other addresses have none */
	a = global;
	addr_set_scope(&a, 7);
	assert_true(addr_eq(&a, &global));
	assert_int_equal(addr_scope(&a), 0);
	a.b[0] = 0xfe;
	a.b[1] = 0xc0; /* site-local: beyond fe80::/10 */
	assert_false(addr_is_linklocal(&a));
	a.b[1] = 0xbf;
	assert_true(addr_is_linklocal(&a));
}

/* [MUST-2] */
static void test_checksum_of_captured(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(captured); i++) {
		const struct captured *c = &captured[i];
		size_t hdr_len = (c->tcp[12] >> 4) * 4u;
		struct iovec iov = {(uint8_t *)(uintptr_t)c->tcp + hdr_len,
				    c->len_bytes - hdr_len};

		assert_int_equal(segment_checksum(&v4_lo, &v4_lo, c->tcp, hdr_len,
						  &iov, 1), c->sum);
	}
}

/* Any length, any alignment, any split of the payload, odd ones included. */
static void test_checksum_against_naive(void **state)
{
	enum { ROOM = 4096 };
	struct rnd rnd = {2};

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct ip_addr src = random_addr(&rnd), dst = random_addr(&rnd);
		size_t hdr_len = 20 + 4 * rnd_below(&rnd, 11);
		size_t len = rnd_below(&rnd, i % 2 ? 70 : ROOM);
		size_t shift = rnd_below(&rnd, 8);
		size_t split = rnd_below(&rnd, (uint32_t)len + 1);
		uint8_t *tcp = malloc(shift + hdr_len + len); /* ends where ASan looks */
		uint8_t *at;
		struct iovec iov[2];
		uint16_t got;

		assert_non_null(tcp);
		at = tcp + shift;
		rnd_fill(&rnd, at, hdr_len + len);
		if (i % 5 == 0) /* carries */
			memset(at, 0xff, hdr_len + len);
		iov[0] = (struct iovec){at + hdr_len, split};
		iov[1] = (struct iovec){at + hdr_len + split, len - split};
		got = segment_checksum(&src, &dst, at, hdr_len, iov, 2);
		set_sum(at, 0);
		assert_int_equal(got, naive_checksum(&src, &dst, at, hdr_len + len));
		set_sum(at, got);
		assert_int_equal(naive_checksum(&src, &dst, at, hdr_len + len), 0);
		free(tcp);
	}
}

static void test_checksum_of_64k(void **state)
{
	enum { LEN = 65536 };
	uint8_t *tcp = malloc(LEN);
	struct iovec iov;
	uint16_t sum;

	(void)state;
	assert_non_null(tcp);
	memset(tcp, 0xff, LEN);
	iov = (struct iovec){tcp + 20, LEN - 20};
	sum = segment_checksum(&v6_lo, &v6_lo, tcp, 20, &iov, 1);
	set_sum(tcp, 0);
	assert_int_equal(sum, naive_checksum(&v6_lo, &v6_lo, tcp, LEN));
	assert_int_equal(segment_checksum(&v6_lo, &v6_lo, tcp, LEN, NULL, 0), sum);
	free(tcp);
}

/* [MUST-3] */
static void test_parse_checksum(void **state)
{
	struct segment s;

	(void)state;
	for (size_t i = 0; i < COUNT(captured); i++) {
		const struct captured *c = &captured[i];
		uint8_t tcp[64];

		memcpy(tcp, c->tcp, c->len_bytes);
		set_sum(tcp, c->sum);
		assert_int_equal(parse_copy(&v4_lo, tcp, c->len_bytes, &s), DROP_NONE);
		/* another address, another length */
		assert_int_equal(parse_copy(&v6_lo, tcp, c->len_bytes, &s),
				 DROP_CHECKSUM);
		assert_int_equal(parse_copy(&v4_lo, tcp, c->len_bytes - 1, &s),
				 c->tcp == linux_syn || c->tcp == linux_syn_ack ?
				 DROP_OFFSET : DROP_CHECKSUM);
		for (size_t bit = 0; bit < c->len_bytes * 8; bit++) {
			enum drop d;

			tcp[bit / 8] ^= (uint8_t)(1u << bit % 8);
			d = parse_copy(&v4_lo, tcp, c->len_bytes, &s);
			/* a changed offset may be impossible, too */
			assert_true(d == DROP_CHECKSUM ||
				    (bit / 8 == 12 && d == DROP_OFFSET));
			tcp[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	/* what was read before the checksum failed */
	assert_int_equal(segment_parse(&s, &v6_lo, &v6_lo, linux_hello,
				       sizeof(linux_hello)), DROP_CHECKSUM);
	assert_int_equal(s.dport, 5555);
	assert_int_equal(s.data_len_bytes, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pseudo_sum),
		cmocka_unit_test(test_scope_is_not_summed),
		cmocka_unit_test(test_checksum_of_captured),
		cmocka_unit_test(test_checksum_against_naive),
		cmocka_unit_test(test_checksum_of_64k),
		cmocka_unit_test(test_parse_checksum),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
