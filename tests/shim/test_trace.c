/* test_trace.c - the ladder, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "../../engine/addr.h"
#include "../../engine/segment.h"
#include "../../shim/trace.h"

static const struct trace_style plain = {.start_us = 1000000};
static char text[TRACE_LINE_MAX];

static const char *line(const struct trace_rec *rec, const struct trace_style *style)
{
	size_t n = trace_line(rec, style, text, sizeof(text));

	assert_int_equal(n, strlen(text));
	assert_int_equal(text[n - 1], '\n');
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	return text;
}

static struct segment seg(uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd)
{
	return (struct segment){.sport = 80, .dport = 40000, .flags = flags, .seq = seq,
				.ack = ack, .wnd = wnd, .opt.wscale = -1};
}

static struct trace_rec record(enum trace_kind kind, const struct segment *s,
			       enum tcp_state before, enum tcp_state after)
{
	struct trace_rec r = {.kind = kind, .time_us = 1012345, .conn = 3,
			      .before = before, .after = after};

	r.flow.local.port = 40000;
	r.flow.remote.port = 80;
	if (s)
		r.hdr_len_bytes = segment_build(s, r.hdr);
	return r;
}

static void know(struct trace_rec *r, uint32_t iss, uint32_t irs)
{
	r->iss = iss;
	r->irs = irs;
	r->iss_known = r->irs_known = true;
}

static struct ip_addr address(const char *a)
{
	struct ip_addr v6 = {.b = {[10] = 0xff, [11] = 0xff}};

	assert_int_equal(strchr(a, ':') ? inet_pton(AF_INET6, a, v6.b)
					: inet_pton(AF_INET, a, v6.b + 12), 1);
	return v6;
}

/* Who talks to whom is said when a connection begins, and only then. */
static void test_addresses(void **state)
{
	struct trace_rec r = record(TRACE_STATE, NULL, TCPS_CLOSED, TCPS_SYN_SENT);

	(void)state;
	r.flow.local.addr = address("192.0.2.1");
	r.flow.remote.addr = address("192.0.2.22");
	assert_string_equal(line(&r, &plain), " 0.012345 CLOSED -> SYN-SENT            "
					      "(192.0.2.1:40000 > 192.0.2.22:80)\n");
	r.flow.local.addr = r.flow.remote.addr = address("2001:db8::1");
	assert_non_null(strstr(line(&r, &plain),
			       "  ([2001:db8::1]:40000 > [2001:db8::1]:80)\n"));
	r.flow.local.addr = address("fe80::1");
	addr_set_scope(&r.flow.local.addr, 70000);
	assert_non_null(strstr(line(&r, &plain), "  ([fe80::1%70000]:40000 > ["));
	r.before = r.after;
	r.after = TCPS_ESTABLISHED;
	assert_null(strchr(line(&r, &plain), '['));
	r = record(TRACE_STATE, NULL, TCPS_CLOSED, TCPS_LISTEN);
	r.flow.remote.port = 0;
	assert_non_null(strstr(line(&r, &plain), "CLOSED -> LISTEN"));
	assert_non_null(strstr(text, "  ([::]:40000)\n"));
	r = record(TRACE_IN, NULL, TCPS_LISTEN, TCPS_SYN_RECEIVED);
	assert_non_null(strstr(line(&r, &plain), "  ([::]:40000 > [::]:80)\n"));
}

static void test_syn(void **state)
{
	struct segment s = seg(SEG_SYN, 4000000000u, 0, 64240);
	struct trace_rec r;

	(void)state;
	s.opt = (struct seg_options){.mss = 1460, .wscale = 7, .sack_ok = true,
				     .ts = true, .ts_val = 77};
	r = record(TRACE_OUT, &s, TCPS_CLOSED, TCPS_SYN_SENT);
	assert_string_equal(line(&r, &plain),
		" 0.012345 CLOSED -> SYN-SENT          --> SYN                "
		"0         -      0    64240  mss 1460, sackOK, ts 77 0, wscale 7"
		"  ([::]:40000 > [::]:80)\n");
}

/* The peer's SYN,ACK comes while IRS is not known yet; its window counts as it
 * stands. */
static void test_syn_ack(void **state)
{
	struct segment s = seg(SEG_SYN | SEG_ACK, 900, 101, 65535);
	struct trace_rec r = record(TRACE_IN, &s, TCPS_SYN_SENT, TCPS_ESTABLISHED);

	(void)state;
	r.iss = 100;
	r.iss_known = true;
	r.snd_wscale = 7;
	assert_string_equal(line(&r, &plain),
		" 0.012345 SYN-SENT -> ESTABLISHED     <-- SYN,ACK            "
		"0         1      0    65535\n");
}

static void test_relative_both_ways(void **state)
{
	struct segment s = seg(SEG_PSH | SEG_ACK, 100 + 50, 900 + 60, 500);
	struct trace_rec r = record(TRACE_OUT, &s, TCPS_ESTABLISHED, TCPS_ESTABLISHED);

	(void)state;
	know(&r, 100, 900);
	r.payload_len_bytes = 1448;
	r.snd_wscale = 1;
	r.rcv_wscale = 2;
	r.note = "retransmission";
	assert_string_equal(line(&r, &plain),
		" 0.012345 ESTABLISHED                 --> PSH,ACK           "
		"50        60   1448     2000  (retransmission)\n");
	r.kind = TRACE_IN;
	know(&r, 900, 100);
	r.note = NULL;
	assert_string_equal(line(&r, &plain),
		" 0.012345 ESTABLISHED                 <-- PSH,ACK           "
		"50        60   1448     1000\n");
}

/* Across the wrap of the sequence space, and one before the origin. */
static void test_relative_wraps(void **state)
{
	struct segment s = seg(SEG_ACK, 9, 899, 1);
	struct trace_rec r = record(TRACE_OUT, &s, TCPS_ESTABLISHED, TCPS_ESTABLISHED);

	(void)state;
	know(&r, UINT32_MAX, 900);
	assert_non_null(strstr(line(&r, &plain), " 10        -1 "));
}

/* Nothing is known of the connection: numbers as they are. */
static void test_unknown_origin(void **state)
{
	struct segment s = seg(SEG_RST, 4294967295u, 0, 0);
	struct trace_rec r = record(TRACE_IN, &s, TCPS_CLOSED, TCPS_CLOSED);

	(void)state;
	r.conn = 0;
	r.drop = DROP_CLOSED;
	line(&r, &plain);
	assert_non_null(strstr(text, " -  "));
	assert_non_null(strstr(text, "<-- RST        4294967295         -      0        0"));
	assert_non_null(strstr(text, "  DROP: "));
	assert_non_null(strstr(text, drop_name(DROP_CLOSED)));
}

static void test_sack_is_relative(void **state)
{
	struct segment s = seg(SEG_ACK, 901, 101, 10);
	struct trace_rec r;

	(void)state;
	s.opt.sack_n = 2;
	s.opt.sack[0] = (struct seq_range){1100, 2100};
	s.opt.sack[1] = (struct seq_range){4100, 5100};
	r = record(TRACE_IN, &s, TCPS_ESTABLISHED, TCPS_ESTABLISHED);
	know(&r, 100, 900);
	assert_non_null(strstr(line(&r, &plain), "  sack 1000:2000 4000:5000\n"));
	r = record(TRACE_OUT, &s, TCPS_ESTABLISHED, TCPS_ESTABLISHED);
	know(&r, 900, 100);
	assert_non_null(strstr(line(&r, &plain), "  sack 1000:2000 4000:5000\n"));
}

static void test_hostile_options(void **state)
{
	static const struct {
		uint8_t opt[8];
		const char *shown;
	} cases[] = {
		{{2, 0}, "bad option 2"},   {{2, 1}, "bad option 2"},
		{{2, 9}, "bad option 2"},   {{1, 1, 1, 1, 1, 1, 1, 5}, "bad option 5"},
		{{3, 2, 0}, "option 3"},    {{8, 4, 0, 0}, "option 8"},
		{{5, 2, 0}, "option 5"},    {{253, 4, 1, 2}, "option 253"},
		{{172, 8, 0, 0, 1, 0, 1, 0}, "accecn e0b 1 ceb 256"},
		{{174, 5, 0, 0, 7}, "accecn e1b 7"},
		{{5, 6, 0, 0, 0, 1}, "sack"}, {{0, 2, 1}, "  100"},
	};
	struct segment s = seg(SEG_ACK, 1, 1, 100);
	struct trace_rec r = record(TRACE_IN, &s, TCPS_ESTABLISHED, TCPS_ESTABLISHED);
	char expect[64];

	(void)state;
	r.hdr_len_bytes = 28;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(r.hdr + 20, cases[i].opt, 8);
		snprintf(expect, sizeof(expect), "%s\n", cases[i].shown);
		assert_non_null(strstr(line(&r, &plain), expect));
	}
}

static void test_state_and_timer(void **state)
{
	struct trace_rec r = record(TRACE_STATE, NULL, TCPS_TIME_WAIT, TCPS_CLOSED);

	(void)state;
	assert_string_equal(line(&r, &plain), " 0.012345 TIME-WAIT -> CLOSED\n");
	r = record(TRACE_TIMER, NULL, TCPS_SYN_SENT, TCPS_SYN_SENT);
	r.note = "RTO";
	assert_string_equal(line(&r, &plain),
			    " 0.012345 SYN-SENT                      (RTO)\n");
}

static void test_time(void **state)
{
	struct trace_rec r = record(TRACE_STATE, NULL, TCPS_CLOSED, TCPS_LISTEN);

	(void)state;
	r.time_us = 0;
	assert_int_equal(strncmp(line(&r, &plain), " 0.000000 ", 10), 0);
	r.time_us = 3601000001u;
	assert_int_equal(strncmp(line(&r, &plain), "3600.000001 ", 12), 0);
}

static void test_truncated_header(void **state)
{
	struct trace_rec r = record(TRACE_IN, NULL, TCPS_CLOSED, TCPS_CLOSED);

	(void)state;
	r.hdr_len_bytes = 7;
	r.drop = DROP_SHORT;
	assert_non_null(strstr(line(&r, &plain), "<-- truncated segment  DROP: "));
}

static void test_numbered(void **state)
{
	struct trace_style style = {.start_us = 1000000, .numbered = true};
	struct trace_rec r = record(TRACE_STATE, NULL, TCPS_LAST_ACK, TCPS_CLOSED);

	(void)state;
	assert_string_equal(line(&r, &style),
			    " 0.012345 #3   40000>80    LAST-ACK -> CLOSED\n");
	r.flow.remote.port = 0;
	assert_string_equal(line(&r, &style),
			    " 0.012345 #3   40000>*     LAST-ACK -> CLOSED\n");
}

/* Colour adds escapes and nothing else, and every line ends without one. */
static void test_color(void **state)
{
	struct trace_style style = {.start_us = 1000000, .color = true};
	struct segment s = seg(SEG_FIN | SEG_ACK, 1, 1, 100);
	struct trace_rec r = record(TRACE_IN, &s, TCPS_FIN_WAIT_2, TCPS_TIME_WAIT);
	char stripped[TRACE_LINE_MAX], *o = stripped;
	bool open = false;

	(void)state;
	know(&r, 0, 0);
	r.note = "n";
	r.drop = DROP_WINDOW;
	line(&r, &style);
	for (const char *p = text; *p; p++) {
		if (*p != '\033') {
			*o++ = *p;
			continue;
		}
		open = strncmp(p, "\033[0m", 4);
		p = strchr(p, 'm');
	}
	*o = '\0';
	assert_false(open);
	assert_int_not_equal(strlen(stripped), strlen(text));
	assert_string_equal(line(&r, &plain), stripped);
	assert_null(strchr(text, '\033'));
}

/* The widest record fits; a small buffer is never overrun and keeps the newline. */
static void test_room(void **state)
{
	struct trace_style style = {.color = true, .numbered = true};
	struct segment s = seg(0xff, 0x80000000u, 0x80000000u, 65535);
	struct trace_rec r;
	char small[TRACE_LINE_MAX];
	size_t n;

	(void)state;
	s.opt = (struct seg_options){.wscale = -1, .sack_n = 4};
	for (int i = 0; i < 4; i++)
		s.opt.sack[i] = (struct seq_range){0xf0000000u, 0xf1000000u};
	r = record(TRACE_OUT, &s, TCPS_SYN_RECEIVED, TCPS_ESTABLISHED);
	r.time_us = UINT64_MAX;
	r.conn = UINT32_MAX;
	r.payload_len_bytes = UINT32_MAX;
	r.note = "a note about something of the usual length";
	r.drop = DROP_ACCEPT_QUEUE;
	assert_non_null(strstr(line(&r, &style), drop_name(DROP_ACCEPT_QUEUE)));
	for (size_t size = 0; size < sizeof(small); size++) {
		memset(small, '#', sizeof(small));
		n = trace_line(&r, &style, small, size);
		assert_true(n == 0 || n < size);
		assert_true(n == 0 || (small[n - 1] == '\n' && !small[n]));
		for (size_t i = size; i < sizeof(small); i++)
			assert_int_equal(small[i], '#');
	}
}

static size_t column(const char *l, const char *word)
{
	const char *p = strstr(l, word);

	assert_non_null(p);
	return (size_t)(p - l) + strlen(word);
}

/* The header's words end where the columns of numbers end. */
static void test_header(void **state)
{
	struct segment s = seg(SEG_ACK, 1, 22, 3333);
	struct trace_rec r = record(TRACE_OUT, &s, TCPS_ESTABLISHED, TCPS_ESTABLISHED);
	struct trace_style style = plain;
	char head[TRACE_LINE_MAX];
	size_t len;

	(void)state;
	know(&r, 0, 0);
	r.payload_len_bytes = 444;
	for (int numbered = 0; numbered < 2; numbered++) {
		style.numbered = numbered;
		len = trace_header(&style, head, sizeof(head));
		assert_int_equal(len, strlen(head));
		line(&r, &style);
		assert_int_equal(column(head, " seq"), column(text, "  1"));
		assert_int_equal(column(head, " ack"), column(text, " 22"));
		assert_int_equal(column(head, " len"), column(text, " 444"));
		assert_int_equal(column(head, " win"), column(text, " 3333"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_syn),
		cmocka_unit_test(test_syn_ack),
		cmocka_unit_test(test_relative_both_ways),
		cmocka_unit_test(test_relative_wraps),
		cmocka_unit_test(test_unknown_origin),
		cmocka_unit_test(test_sack_is_relative),
		cmocka_unit_test(test_hostile_options),
		cmocka_unit_test(test_state_and_timer),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_truncated_header),
		cmocka_unit_test(test_numbered),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
