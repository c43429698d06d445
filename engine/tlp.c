/* tlp.c - the tail loss probe, RFC 8985 7: it makes a silent peer say what it has
 * before the retransmission timer must guess.
 *
 * Owns t->tlp and TIMER_PROBE. output.c sends the probe when tlp_now is set.
 *
 * When an ACK has taken all but the tail of a flight, the clock of the tail is
 * not wound up from the beginning: the probe is due two round trips after the
 * tail left, but not sooner than one after the last news. For a single segment
 * the peer may delay its ACK (TLP.max_ack_delay). Each peer shows how long it
 * does; until it has, a segment that left alone is given the worst, and the tail
 * of a larger flight nothing, because most peers do not delay there.
 */
#include "tcb.h"

/* Where the peer's habit is not known. */
#define WORST_DELACK_US 200000
/* Slack for timers on both sides. */
#define PTO_SLACK_US 2000
/* 7.2: without an RTT. */
#define PTO_INITIAL_US 1000000

static uint32_t flight(const struct tcb *t)
{
	return t->snd.nxt - t->snd.una;
}

static uint32_t ack_delay_us(const struct tcb *t, bool alone)
{
	if (flight(t) > t->snd.mss)
		return 0;
	if (t->tlp.ack_delay_known)
		return t->tlp.ack_delay_us;
	return alone || t->tlp.misjudged ? WORST_DELACK_US : 0;
}

static uint64_t probe_time_us(const struct tcb *t, bool alone, uint64_t now_us)
{
	uint64_t srtt_us = t->rtt.srtt_us;
	uint64_t at_us = t->snd.last_us + 2 * srtt_us;

	if (!srtt_us)
		return now_us + PTO_INITIAL_US;
	if (at_us < now_us + srtt_us)
		at_us = now_us + srtt_us;
	return at_us + ack_delay_us(t, alone) + PTO_SLACK_US;
}

static bool may_probe(const struct tcb *t)
{
	return rack_on(t) && t->recovery == RECOVERY_OPEN && flight(t) &&
	       t->snd.wnd && !t->snd.sb.sacked_bytes;
}

void tlp_schedule(struct tcb *t, bool alone, uint64_t now_us)
{
	uint64_t at_us;

	if (!may_probe(t)) {
		tcb_timer_stop(t, TIMER_PROBE);
		return;
	}
	at_us = probe_time_us(t, alone, now_us);
	if (at_us > t->timer_at[TIMER_REXMT])
		at_us = t->timer_at[TIMER_REXMT];
	tcb_timer_set(t, TIMER_PROBE, at_us);
}

/* 7.3: one probe at a time, and none before the last has let an RTT be seen. */
void tlp_on_timer(struct tcb *t, uint64_t now_us)
{
	if (!may_probe(t) || t->tlp.out || t->tlp.sample_due)
		return;
	t->tlp_now = true;
	rexmt_timer_update(t, true, now_us);
	tcb_want_output(t);
}

void tlp_sent(struct tcb *t, bool again)
{
	t->tlp.out = true;
	t->tlp.sample_due = true;
	t->tlp.again = again;
	t->tlp.end = t->snd.nxt;
}

void tlp_on_sample(struct tcb *t, uint32_t rtt_us, bool exact)
{
	uint32_t us = rtt_us > t->rtt.srtt_us ? rtt_us - t->rtt.srtt_us : 0;

	t->tlp.sample_due = false;
	/* Only what is last may have waited for company. */
	if (!exact || !t->rtt.srtt_us || flight(t))
		return;
	if (!t->tlp.ack_delay_known || us > t->tlp.ack_delay_us)
		t->tlp.ack_delay_us = us;
	else
		t->tlp.ack_delay_us -= (t->tlp.ack_delay_us - us) / 8;
	t->tlp.ack_delay_known = true;
}

/* 7.4.2, TLP_process_ack() */
void tlp_on_ack(struct tcb *t, const struct seq_range *dsack, bool plain_dup,
		uint64_t now_us)
{
	if (!t->tlp.out || seq_lt(t->snd.una, t->tlp.end))
		return;
	if (!t->tlp.again) {
		t->tlp.out = false;
	} else if ((dsack && dsack->end == t->tlp.end) ||
		   (plain_dup && t->snd.una == t->tlp.end)) {
		t->tlp.out = false; /* both copies have arrived: it was delay */
		t->tlp.ack_delay_known = false;
		t->tlp.misjudged = true;
	} else if (seq_gt(t->snd.una, t->tlp.end)) {
		/* The probe repaired a loss of which nothing else will tell. */
		t->tlp.out = false;
		if (t->recovery == RECOVERY_OPEN)
			recovery_on_masked_loss(t, now_us);
	}
}
