/* accecn.h - connections with Accurate ECN, for the tests of RFC 9768. */
#ifndef MYTCP_TEST_ACCECN_H
#define MYTCP_TEST_ACCECN_H

#include "harness.h"

#define MSS 1460u
#define ACE(n) ((uint16_t)((n) << ACE_SHIFT))
#define ACE_OF(g) (((g)->flags & ACE_FLAGS) >> ACE_SHIFT)
#define ALL (AE | CWR | ECE)

static inline struct harness *again(void **state, uint8_t ecn, bool options)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.ecn = ecn;
	cfg.sack = cfg.timestamps = options;
	return harness_again(state, &cfg);
}

/* What the peer's segments say besides. */
static inline struct seg_options counters(uint32_t e0b, uint32_t ceb, uint32_t e1b)
{
	return (struct seg_options){.wscale = -1, .ecn = true, .ecn_n = 3,
				    .ecn_e0b = e0b, .ecn_ceb = ceb, .ecn_e1b = e1b};
}

/* An active open that everybody agrees to. */
static inline struct harness *plain_client(void **state)
{
	struct harness *h = again(state, 3, false);
	struct seg_options opt = counters(1, 0, 1);

	opt.mss = PEER_MSS;
	app_open(h);
	forget(h);
	inject_opt(h, SYN | ACK | ACE(2), 0, 1, WND, 0, &opt);
	expect(h, ACK | ACE(2), 1, 1, 0);
	return h;
}

static inline struct harness *server(void **state, uint16_t flags, uint8_t tos)
{
	struct harness *h = again(state, 3, false);

	app_listen(h, 8);
	h->tos = tos;
	inject(h, SYN | flags, 0, 0, WND, 0);
	h->tos = 0;
	return h;
}

static inline void accept_with(struct harness *h, unsigned ace)
{
	struct seg_options opt = counters(1, 0, 1);

	inject_opt(h, ACK | ACE(ace), 1, 1, WND, 0, &opt);
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
}

static inline struct harness *ten_out(void **state)
{
	struct harness *h = plain_client(state);

	app_write(h, 30 * MSS);
	for (unsigned i = 0; pending(h); i++)
		assert_int_equal(expect(h, ACK | ACE(5), ANY, 1, ANY)->tos, IP_ECT0);
	return h;
}

#endif
