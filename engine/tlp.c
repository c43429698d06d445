/* tlp.c - the tail loss probe, RFC 8985 7: it makes a silent peer say what it has
 * before the retransmission timer must guess.
 *
 * Our extension: recovery is probed too. Where more is lost than arrives, its ACKs and
 * retransmissions are lost as a rule, and RFC 8985 leaves every such silence to the
 * retransmission timer, whose minimum is made for delayed ACKs and thousands of times
 * the RTT of a short path. So while losses are being repaired, a silence of a PTO
 * lets the first segment out once more, the next one of twice as long, and so on up
 * to the RTO, which stays where it is. That is the exponential backoff of RFC 6298
 * (5.5), one segment at a time, without the minimum of (2.4); peers do not delay ACKs
 * while there is a hole (RFC 5681 4.2). News ends the series, and so does a timeout:
 * from then on, until something is acknowledged, there is only RFC 6298. For a moment
 * after recovery the same follows a tail loss probe that got no answer.
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
/* How long a path is held to be bad after the last recovery. */
#define LOSSY_US 1000000
/* Enough doublings to be beyond any RTO. */
#define SILENCES_MAX 20
/* 7.2: without an RTT. */
#define PTO_INITIAL_US 1000000

static uint32_t ack_delay_us(const struct tcb *t, bool alone)
{
	if (flight_bytes(t) > t->snd.mss)
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
	return rack_on(t) && t->e->cfg.tlp && t->recovery == RECOVERY_OPEN && flight_bytes(t) &&
	       t->snd.wnd && !t->snd.sb.sacked_bytes;
}

/* Is something being repaired, or was it a moment ago? */
static bool is_lossy(const struct tcb *t, uint64_t now_us)
{
	return t->recovery != RECOVERY_OPEN ||
	       (t->repair && now_us - t->repair->recovered_us < LOSSY_US);
}

/* The probe of recovery, after silences of PTO, 2 PTO, 4 PTO ... */
static void schedule_again(struct tcb *t, uint64_t now_us)
{
	uint64_t pto_us = 2ull * t->rtt.srtt_us + PTO_SLACK_US;
	uint64_t at_us = now_us + (pto_us << t->tlp.silences);

	if (rack_on(t) && t->e->cfg.tlp && t->rtt.srtt_us && flight_bytes(t) &&
	    t->snd.wnd && !t->snd.timeouts && at_us < t->timer_at[TIMER_REXMT])
		tcb_timer_set(t, TIMER_PROBE, at_us);
	else
		tcb_timer_stop(t, TIMER_PROBE);
}

void tlp_in_recovery(struct tcb *t, bool news, uint64_t now_us)
{
	if (news)
		t->tlp.silences = 0;
	schedule_again(t, now_us);
}

void tlp_schedule(struct tcb *t, bool alone, uint64_t now_us)
{
	uint64_t at_us;

	if (t->recovery != RECOVERY_OPEN)
		return; /* tlp_in_recovery() knows */
	t->tlp.silences = 0;
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
	bool again = t->recovery != RECOVERY_OPEN || t->tlp.out || t->tlp.sample_due;

	if (t->recovery == RECOVERY_OPEN && !may_probe(t))
		return;
	if (again && !is_lossy(t, now_us))
		return;
	if (again)
		t->tlp.silences += t->tlp.silences < SILENCES_MAX;
	else
		rexmt_timer_update(t, true, now_us);
	t->tlp_now = true;
	tcb_want_output(t);
}

void tlp_sent(struct tcb *t, bool again, uint64_t now_us)
{
	t->tlp.out = true;
	t->tlp.sample_due = true;
	t->tlp.again = again;
	t->tlp.end = t->snd.nxt;
	if (is_lossy(t, now_us)) {
		t->tlp.silences = 1;
		schedule_again(t, now_us);
	}
}

bool tlp_again(const struct tcb *t)
{
	return t->tlp.silences > 0;
}

void tlp_on_sample(struct tcb *t, uint32_t rtt_us, bool exact)
{
	uint32_t us = rtt_us > t->rtt.srtt_us ? rtt_us - t->rtt.srtt_us : 0;

	t->tlp.sample_due = false;
	/* Only what is last may have waited for company. */
	if (!exact || !t->rtt.srtt_us || flight_bytes(t))
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
