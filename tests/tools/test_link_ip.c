/* test_link_ip.c - CE marks and ICMP answers of the emulated router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/link/ip.h"

/* An IPv4 header with its checksum, worked out by hand, from 10.0.0.1 to 10.0.0.2. */
static const uint8_t ip4[20] = {
	0x45, 0x02, 0x05, 0xdc, 0x00, 0x01, 0x40, 0x00, 0x40, 0x06,
	0x21, 0x17, 10, 0, 0, 1, 10, 0, 0, 2,
};

/* What RFC 1071 asks of a receiver. */
static uint16_t sum(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static void marks_ipv4(void **state)
{
	uint8_t p[sizeof(ip4)];

	(void)state;
	memcpy(p, ip4, sizeof(p));
	assert_int_equal(sum(p, sizeof(p)), 0xffff);
	assert_true(ip_mark_ce(p, sizeof(p)));
	assert_int_equal(p[1], 0x03);
	assert_int_equal(sum(p, sizeof(p)), 0xffff);
	assert_false(ip_mark_ce(p, sizeof(p))); /* it is marked */
	p[1] = 0xb8; /* a DSCP, and not ECN-capable */
	assert_false(ip_mark_ce(p, sizeof(p)));
	assert_int_equal(p[1], 0xb8);
	p[1] = 0xb9;
	assert_true(ip_mark_ce(p, sizeof(p)));
	assert_int_equal(p[1], 0xbb);
}

static void marks_ipv6(void **state)
{
	uint8_t p[40] = {0x6b, 0x9f, 0xff, 0xff}; /* traffic class 0xb9: ECT(1) */

	(void)state;
	assert_true(ip_mark_ce(p, sizeof(p)));
	assert_int_equal(p[0], 0x6b);
	assert_int_equal(p[1], 0xbf);
	p[1] = 0x8f;
	assert_false(ip_mark_ce(p, sizeof(p)));
	assert_int_equal(p[1], 0x8f);
}

static void marks_nothing_else(void **state)
{
	uint8_t p[40] = {0x45, 0x02};

	(void)state;
	for (size_t n = 0; n < 20; n++)
		assert_false(ip_mark_ce(p, n));
	p[0] = 0x44; /* a header of 16 bytes */
	assert_false(ip_mark_ce(p, 20));
	p[0] = 0x46; /* of 24 */
	assert_false(ip_mark_ce(p, 20));
	p[0] = 0x62, p[1] = 0x20;
	assert_false(ip_mark_ce(p, 39));
	p[0] = 0x12;
	assert_false(ip_mark_ce(p, 40));
}

static void too_big(void **state)
{
	uint8_t packet[1500] = {0}, out[IP_TOO_BIG_MAX_BYTES];
	size_t n;

	(void)state;
	memcpy(packet, ip4, sizeof(ip4));
	n = ip_too_big(out, packet, sizeof(packet), 1280);
	assert_int_equal(n, IP_TOO_BIG_MAX_BYTES);
	assert_int_equal(out[2] << 8 | out[3], n);
	assert_int_equal(sum(out, 20), 0xffff);
	assert_int_equal(sum(out + 20, n - 20), 0xffff);
	assert_memory_equal(out + 12, packet + 16, 4); /* back */
	assert_memory_equal(out + 16, packet + 12, 4);
	assert_int_equal(out[9], 1);
	assert_int_equal(out[20], 3);
	assert_int_equal(out[21], 4);
	assert_int_equal(out[26] << 8 | out[27], 1280);
	assert_memory_equal(out + 28, packet, n - 28);
	assert_int_equal(ip_too_big(out, packet, 60, 40), 88);
	packet[6] = 0; /* may be fragmented */
	assert_int_equal(ip_too_big(out, packet, sizeof(packet), 1280), 0);
	packet[6] = 0x40, packet[7] = 1; /* a later fragment */
	assert_int_equal(ip_too_big(out, packet, sizeof(packet), 1280), 0);
	packet[7] = 0, packet[9] = 1, packet[20] = 3; /* about an ICMP error */
	assert_int_equal(ip_too_big(out, packet, sizeof(packet), 1280), 0);
	packet[20] = 8; /* echo */
	assert_int_not_equal(ip_too_big(out, packet, sizeof(packet), 1280), 0);
	packet[0] = 0x60;
	assert_int_equal(ip_too_big(out, packet, sizeof(packet), 1280), 0);
	assert_int_equal(ip_too_big(out, packet, 0, 1280), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_ipv4),
		cmocka_unit_test(marks_ipv6),
		cmocka_unit_test(marks_nothing_else),
		cmocka_unit_test(too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
