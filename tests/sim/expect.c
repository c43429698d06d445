/* expect.c - what must hold on these paths, by number. Algorithms that there are
 * not are not asked. */
#include <string.h>

#include "exchange.h"
#include "report.h"

#define MS 1000u

static const struct outcome *find(const struct report *r, const char *name, const char *cc)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!strcmp(r->outcome[i].of->name, name) && !strcmp(r->outcome[i].cc, cc))
			return &r->outcome[i];
	return NULL;
}

/* ---- bulk flows ------------------------------------------------------------------ */

static void expect_runs(struct report *r)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->outcome[i].res.error)
			report_check(r, false, "%s, %s: %s", r->outcome[i].of->name,
				     r->outcome[i].cc, r->outcome[i].res.error);
}

static void expect_goodput(struct report *r, const char *name, const char *cc, double least)
{
	const struct outcome *o = find(r, name, cc);

	if (o)
		report_check(r, o->res.goodput >= least,
			     "%s, %s: goodput of %.2f %%, at least %.0f %%", name, cc,
			     100 * o->res.goodput, 100 * least);
}

static void expect_share(struct report *r, const char *name, const char *cc, double most)
{
	const struct outcome *o = find(r, name, cc);

	if (o)
		report_check(r, o->res.share <= most,
			     "%s, %s: the larger share is %.1f %%, at most %.0f %%", name, cc,
			     100 * o->res.share, 100 * most);
}

/* Reordering by no more than a quarter of the RTT: before RACK has seen it (RFC
 * 8985 6.2 step 4) duplicate ACKs may once be taken for a loss, never after. */
static void expect_patience(struct report *r, const char *name, const char *cc)
{
	const struct outcome *o = find(r, name, cc);

	if (o)
		report_check(r, o->res.all.spurious <= 1 && !o->res.all.timeouts,
			     "%s, %s: %u spurious recoveries, at most one, the last at "
			     "%.1f s; %u RTOs, none", name, cc, o->res.all.spurious,
			     (double)o->res.flow[0].spurious_us / 1e6, o->res.all.timeouts);
}

/* RFC 3168: where the queue can mark, nothing needs to be sent again. */
static void expect_marks(struct report *r, const char *cc)
{
	const struct outcome *o = find(r, "codel-ecn", cc);

	if (o)
		report_check(r, o->res.there.marked && !o->res.all.retransmitted,
			     "codel-ecn, %s: %llu marks, some; %u segments resent, none", cc,
			     (unsigned long long)o->res.there.marked,
			     o->res.all.retransmitted);
}

/* ---- one lost packet ----------------------------------------------------------------- */

/* The last segment of a response is lost: the probe of RFC 8985 7 repairs it,
 * and the response comes later by less than two round trips and 10 ms. */
static void expect_tail(struct report *r, const char *cc, uint32_t rtt_us)
{
	struct exchange_plan p = {.cc = cc, .rtt_us = rtt_us, .request_bytes = 300,
				  .stays_open = true, .lose_from = 1};
	uint64_t worst_us = 0;
	unsigned timeouts = 0, worst = 0;

	for (unsigned segs = 2; segs <= 10; segs++) {
		struct exchange whole, x;

		p.response_bytes = 1448 * segs;
		p.lose_nth = 0;
		exchange_run(&p, &whole);
		p.lose_nth = whole.last_text[1];
		exchange_run(&p, &x);
		timeouts += x.timeouts + !!x.error;
		if (x.response_us - whole.response_us > worst_us) {
			worst_us = x.response_us - whole.response_us;
			worst = segs;
		}
	}
	report_check(r, worst_us < 2 * rtt_us + 10 * MS && !timeouts,
		     "lost tail, RTT %u ms, %s: repaired %.1f ms late (of %u segments), less "
		     "than 2 RTT + 10 ms; %u RTOs, none", rtt_us / MS, cc,
		     (double)worst_us / MS, worst, timeouts);
}

/* The step of it that takes so much longer: the request's way, the response from
 * then on, the closing on either side. (An RTT that was measured over a loss may
 * slow down what comes after, where the algorithm paces by it.) */
static uint64_t later_us(const struct exchange *x, const struct exchange *whole)
{
	const int64_t steps_us[] = {
		(int64_t)(x->request_us - whole->request_us),
		(int64_t)(x->response_us - x->request_us) -
			(int64_t)(whole->response_us - whole->request_us),
		(int64_t)(x->client_us - x->response_us) -
			(int64_t)(whole->client_us - whole->response_us),
		(int64_t)(x->server_us - x->response_us) -
			(int64_t)(whole->server_us - whole->response_us),
	};
	int64_t most_us = 0;

	for (unsigned i = 0; i < 4; i++)
		if (steps_us[i] > most_us)
			most_us = steps_us[i];
	return (uint64_t)most_us;
}

/* What RFC 6298 allows: for a SYN the initial RTO (2.1), after which the window
 * begins at one segment (RFC 5681 3.1), so that slow start may take three more
 * round trips and wait for one delayed ACK. For all else the RTO, that is RTT +
 * rto_min on so steady a path, begun anew by the last ACK that came (5.3), which
 * may have been delayed. */
static uint64_t allowed_us(const struct exchange_plan *p, const struct exchange *whole)
{
	if (whole->handshake[p->lose_from][p->lose_nth])
		return whole->rto_initial_us + 3 * p->rtt_us + whole->delack_us + 5 * MS;
	return p->rtt_us + whole->delack_us + p->rtt_us + whole->rto_min_us + 5 * MS;
}

static void expect_any_loss(struct report *r, const char *cc, uint32_t rtt_us,
			    bool client_closes_first)
{
	struct exchange_plan p = {.cc = cc, .rtt_us = rtt_us, .request_bytes = 300,
				  .response_bytes = 20000,
				  .client_closes_first = client_closes_first};
	unsigned runs = 0, bad = 0;
	struct exchange whole;

	exchange_run(&p, &whole);
	for (p.lose_from = 0; p.lose_from < 2; p.lose_from++)
		for (p.lose_nth = 1; p.lose_nth <= whole.packets[p.lose_from]; p.lose_nth++) {
			uint64_t late_us, most_us = allowed_us(&p, &whole);
			struct exchange x;

			exchange_run(&p, &x);
			late_us = later_us(&x, &whole);
			runs++;
			if (!x.error && late_us <= most_us)
				continue;
			bad++;
			printf("%s's packet %u lost: %.1f ms late, at most %.1f ms%s%s\n",
			       p.lose_from ? "server" : "client", p.lose_nth,
			       (double)late_us / MS, (double)most_us / MS,
			       x.error ? ": " : "", x.error ? x.error : "");
		}
	report_check(r, runs && !bad && !whole.error,
		     "any packet lost, RTT %u ms, %s, %s closes first: %u of %u cost more than "
		     "the timers", rtt_us / MS, cc, client_closes_first ? "client" : "server",
		     bad, runs);
}

void expect_all(struct report *r)
{
	static const uint32_t rtts_us[] = {10 * MS, 40 * MS, 200 * MS};
	const char *cc;

	expect_runs(r);
	expect_goodput(r, "clean", "cubic", 0.95);
	expect_goodput(r, "clean", "bbr", 0.95);
	expect_goodput(r, "loss-1", "bbr", 0.85);
	expect_share(r, "two", "cubic", 0.60);
	expect_share(r, "two-slow", "cubic", 0.60);
	for (unsigned i = 0; (cc = report_cc(i)); i++) {
		expect_patience(r, "late", cc);
		expect_patience(r, "jitter", cc);
		expect_marks(r, cc);
		for (unsigned k = 0; k < 3; k++) {
			expect_tail(r, cc, rtts_us[k]);
			expect_any_loss(r, cc, rtts_us[k], false);
			expect_any_loss(r, cc, rtts_us[k], true);
		}
	}
}
