/* segs.h - scripts in terms of full-sized segments, counted from 0. */
#ifndef MYTCP_TEST_SEGS_H
#define MYTCP_TEST_SEGS_H

#include "harness.h"

#define MSS PEER_MSS

enum { OPEN = 0, DISORDER = 1, REDUCING = 2, RECOVERY = 3, LOSS = 4 }; /* tcp_status */

static inline uint32_t seq_of(uint32_t segment)
{
	return 1 + segment * MSS;
}

/* n segments are written and leave, the first of them number from. */
static inline void send_segments(struct harness *h, uint32_t from, uint32_t n)
{
	assert_int_equal(app_write(h, n * MSS), n * MSS);
	for (uint32_t i = from; i < from + n; i++)
		expect(h, ACK, seq_of(i), 1, MSS);
	expect_none(h);
}

/* Everything before segment ack has arrived. */
static inline void ack_to(struct harness *h, uint32_t ack)
{
	inject(h, ACK, 1, seq_of(ack), WND, 0);
}

/* The same, and a block of segments [from, to). */
static inline void sack(struct harness *h, uint32_t ack, uint32_t from, uint32_t to)
{
	struct seg_options o = {.wscale = -1, .sack_n = 1};

	o.sack[0] = (struct seq_range){seq_of(from), seq_of(to)};
	inject_opt(h, ACK, 1, seq_of(ack), WND, 0, &o);
}

/* DSACK: segments [from, to) came twice; there may be another block [from2, to2). */
static inline void dsack2(struct harness *h, uint32_t ack, uint32_t from, uint32_t to,
			  uint32_t from2, uint32_t to2)
{
	struct seg_options o = {.wscale = -1, .sack_n = from2 < to2 ? 2 : 1};

	o.sack[0] = (struct seq_range){seq_of(from), seq_of(to)};
	o.sack[1] = (struct seq_range){seq_of(from2), seq_of(to2)};
	inject_opt(h, ACK, 1, seq_of(ack), WND, 0, &o);
}

static inline void dsack(struct harness *h, uint32_t ack, uint32_t from, uint32_t to)
{
	dsack2(h, ack, from, to, 0, 0);
}

/* How many of the segments that left are retransmissions below segment n. */
static inline uint32_t count_below(struct harness *h, uint32_t n)
{
	uint32_t below = 0;

	while (pending(h))
		below += expect(h, ACK, ANY, ANY, ANY)->seq < seq_of(n);
	return below;
}

/* Established over a path of rtt_us, with SACK; cfg NULL: harness_config(). */
static inline struct harness *start_sack(void **state, const struct engine_config *cfg,
					 uint64_t rtt_us)
{
	struct engine_config c;
	struct harness *h;

	if (cfg)
		c = *cfg;
	else
		harness_config(&c);
	c.sack = true;
	h = harness_again(state, &c);
	h->syn.sack_ok = true;
	establish_rtt(h, rtt_us);
	return h;
}

/* The same, having asked for ECN of RFC 3168, to which the peer agrees. */
static inline struct harness *start_ecn(void **state, uint64_t rtt_us)
{
	struct engine_config c;
	struct harness *h;

	harness_config(&c);
	c.sack = true;
	c.ecn = 1;
	h = harness_again(state, &c);
	h->syn.sack_ok = true;
	app_open(h);
	expect(h, SYN | ECE | CWR, 0, 0, 0);
	advance_us(h, rtt_us);
	inject(h, SYN | ACK | ECE, 0, 1, WND, 0);
	expect(h, ACK, 1, 1, 0);
	return h;
}
#endif
