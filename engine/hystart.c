/* hystart.c - see hystart.h. The names are those of RFC 9406 4.2.
 *
 * L, the bound on what one ack may add, is infinite here as for a paced sender:
 * receivers with GRO acknowledge tens of segments at once.
 */
#include "hystart.h"

#define MIN_RTT_THRESH_US 4000
#define MAX_RTT_THRESH_US 16000
#define MIN_RTT_DIVISOR 8
#define N_RTT_SAMPLE 8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS 5

static void start_round(struct hystart *h)
{
	h->last_min_us = h->this_min_us;
	h->this_min_us = 0;
	h->samples = 0;
	if (h->css_rounds)
		h->css_rounds++;
}

static void take_rtt(struct hystart *h, uint32_t rtt_us)
{
	if (!rtt_us)
		return;
	if (!h->this_min_us || rtt_us < h->this_min_us)
		h->this_min_us = rtt_us;
	if (h->samples < N_RTT_SAMPLE)
		h->samples++;
}

static bool delay_grew(const struct hystart *h)
{
	uint32_t thresh_us = h->last_min_us / MIN_RTT_DIVISOR;

	if (h->samples < N_RTT_SAMPLE || !h->last_min_us)
		return false;
	if (thresh_us < MIN_RTT_THRESH_US)
		thresh_us = MIN_RTT_THRESH_US;
	if (thresh_us > MAX_RTT_THRESH_US)
		thresh_us = MAX_RTT_THRESH_US;
	return h->this_min_us >= h->last_min_us + thresh_us;
}

uint32_t hystart_on_ack(struct hystart *h, const struct cc_ack *ack, bool *done)
{
	*done = false;
	if (ack->round_start)
		start_round(h);
	take_rtt(h, ack->rtt_us);
	if (!h->css_rounds) {
		if (!delay_grew(h))
			return ack->acked_bytes;
		h->css_base_us = h->this_min_us;
		h->css_rounds = 1; /* a part of a round counts as one */
	} else if (h->samples >= N_RTT_SAMPLE && h->this_min_us < h->css_base_us) {
		h->css_rounds = 0; /* it was jitter: back to slow start */
		return ack->acked_bytes;
	}
	*done = h->css_rounds > CSS_ROUNDS;
	return *done ? 0 : ack->acked_bytes / CSS_GROWTH_DIVISOR;
}
