/* test_pmtu.c - how large segments are: MSS (RFC 9293 3.7.1), ICMP (RFC 1191,
 * RFC 8201) with the checks of RFC 5927, and probes of RFC 4821. */
#include <netinet/in.h>

#include "harness.h"

#define HDRS 40u
#define MSS 1460u

static struct harness *again(void **state, uint8_t mtu_probing, bool sack)
{
	struct engine_config cfg;

	harness_config(&cfg);
	cfg.mtu_probing = mtu_probing;
	cfg.sack = sack;
	return harness_again(state, &cfg);
}

static struct harness *established(void **state, uint8_t mtu_probing)
{
	struct harness *h = again(state, mtu_probing, true);

	h->syn.sack_ok = true;
	establish(h);
	return h;
}

/* A router that drops what is larger than mtu, silently or not, and a peer that
 * takes the rest: for each segment an ACK, with SACK blocks. */
struct path {
	uint32_t mtu;
	bool icmp;
	struct seq_range have[64]; /* the first begins at 1 */
	unsigned n;
	uint32_t lost, largest;
};

static void merge(struct path *p, uint32_t start, uint32_t end)
{
	unsigned i = 0;

	while (i < p->n && seq_lt(p->have[i].end, start))
		i++;
	if (i < p->n && seq_geq(end, p->have[i].start)) {
		p->have[i].start = seq_min(start, p->have[i].start);
		p->have[i].end = seq_max(end, p->have[i].end);
		while (i + 1 < p->n && seq_geq(p->have[i].end, p->have[i + 1].start)) {
			p->have[i].end = seq_max(p->have[i].end, p->have[i + 1].end);
			memmove(&p->have[i + 1], &p->have[i + 2],
				(p->n - i - 2) * sizeof(p->have[0]));
			p->n--;
		}
		return;
	}
	assert_true(p->n < 64);
	memmove(&p->have[i + 1], &p->have[i], (p->n - i) * sizeof(p->have[0]));
	p->have[i] = (struct seq_range){start, end};
	p->n++;
}

static void answer(struct harness *h, struct path *p)
{
	struct seg_options opt = {.wscale = -1};

	for (unsigned i = 1; i < p->n && i < 4; i++)
		opt.sack[opt.sack_n++] = p->have[i];
	inject_opt(h, ACK, 1, p->have[0].end, WND, 0, &opt);
}

/* Lets all that is sent go over the path, until nothing is sent any more for half
 * a second, or max_us are over. */
static void carry(struct harness *h, struct path *p, uint64_t max_us)
{
	uint64_t end_us = h->now_us + max_us;

	if (!p->n)
		p->have[p->n++] = (struct seq_range){1, 1};
	while (h->now_us < end_us) {
		struct got g;

		if (!pending(h)) {
			advance_ms(h, 1);
			continue;
		}
		g = *expect(h, ACK, ANY, 1, ANY);
		if (g.len_bytes && HDRS + g.len_bytes > p->mtu && !g.may_fragment) {
			p->lost++;
			if (p->icmp)
				inject_icmp(h, g.seq, EMSGSIZE, p->mtu);
			continue;
		}
		if (!g.len_bytes)
			continue;
		if (g.len_bytes + HDRS > p->largest)
			p->largest = g.len_bytes + HDRS;
		merge(p, g.seq, g.seq + g.len_bytes);
		advance_us(h, 100);
		answer(h, p);
	}
}

/* ---- MSS ------------------------------------------------------------------------ */

/* [MUST-14] [MUST-67] [MAY-3] 3.7.1: the option says what we can receive; that is
 * a matter of the link, not of what the path towards the peer carries. */
static void option_says_the_link(void **state)
{
	struct harness *h = *state;

	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.mss, 1460);
	inject_icmp(h, 0, EMSGSIZE, 600);
	advance_ms(h, 1000);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.mss, 1460);
	assert_int_equal(status(h).path_mtu, 600);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	assert_int_equal(status(h).snd_mss, 560);
}

/* [MUST-15] [MUST-16] [SHLD-6] 3.7.1: the smallest of what the peer takes (536
 * unless it says more), the path carries and the user wants; options count. */
static void effective_mss_is_the_smallest(void **state)
{
	static const struct {
		uint16_t peer, user;
		uint32_t mtu;
		bool ts;
		uint16_t mss;
	} cases[] = {
		{1460, 0, 1500, false, 1460}, {1460, 0, 1500, true, 1448},
		{0, 0, 1500, false, 536},     {9000, 0, 1500, false, 1460},
		{1000, 0, 1500, true, 988},   {1460, 700, 1500, false, 700},
		{1460, 0, 1280, true, 1228},  {9000, 0, 9000, false, 8960},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine_config cfg;
		struct harness *h;

		harness_config(&cfg);
		cfg.timestamps = cases[i].ts;
		h = harness_again(state, &cfg);
		h->path.mtu_bytes = cases[i].mtu;
		h->opts.mss_max_bytes = cases[i].user;
		h->syn.mss = cases[i].peer;
		h->ts = cases[i].ts;
		establish(h);
		assert_int_equal(status(h).snd_mss, cases[i].mss);
		app_write(h, 20000);
		expect(h, ACK, 1, 1, cases[i].mss);
	}
}

/* [MUST-65] MSS stands on SYNs alone. */
static void no_option_later(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 3 * MSS);
	while (pending(h))
		assert_int_equal(expect(h, ACK, ANY, 1, ANY)->opt.mss, 0);
}

/* Loopback's MTU is 65536, an IPv4 packet ends at 65535. */
static void larger_than_a_packet(void **state)
{
	struct harness *h = *state;

	h->path.mtu_bytes = 65536;
	h->syn.mss = 65495;
	app_open(h);
	assert_int_equal(expect(h, SYN, 0, 0, 0)->opt.mss, 65495);
	inject(h, SYN | ACK, 0, 1, WND, 0);
	assert_int_equal(status(h).snd_mss, 65495);
}

/* ---- ICMP ------------------------------------------------------------------------ */

/* RFC 1191 6.4: DF is set always; told of a smaller MTU, only what was too large
 * is sent again, at once, and cwnd stays. */
static void told(void **state)
{
	struct harness *h = established(state, 0);

	app_write(h, 2 * MSS + 300);
	expect(h, ACK, 1, 1, MSS);
	expect(h, ACK, 1 + MSS, 1, MSS);
	assert_false(expect(h, ACK, 1 + 2 * MSS, 1, 300)->may_fragment);
	inject_icmp(h, 1, EMSGSIZE, 1000);
	assert_int_equal(status(h).snd_mss, 960);
	expect(h, ACK, 1, 1, 960);
	expect(h, ACK, 961, 1, 500);
	expect(h, ACK, 1 + MSS, 1, 960);
	expect(h, ACK, 961 + MSS, 1, 500);
	expect_none(h);
	assert_int_equal(status(h).snd_cwnd_bytes, 10 * MSS);
	assert_int_equal(status(h).snd_ssthresh_bytes, UINT32_MAX);
	assert_int_equal(status(h).recovery, 0);
}

/* RFC 1191 7.1: a router that tells no MTU. */
static void plateaus(void **state)
{
	static const uint32_t mtu[] = {1492, 1006, 552};
	struct harness *h = established(state, 0);

	app_write(h, 5 * MSS);
	for (unsigned i = 0; i < 3; i++) {
		forget(h);
		inject_icmp(h, 1, EMSGSIZE, 0);
		assert_int_equal(status(h).path_mtu, mtu[i]);
	}
	/* the packet itself tells more than what we think of the path */
	h = established(state, 0);
	app_write(h, 5 * MSS);
	forget(h);
	inject_too_big(h, 1, 1500, 1500, false);
	assert_int_equal(status(h).path_mtu, 1500);
	inject_too_big(h, 1, 0, 1006, false);
	assert_int_equal(status(h).path_mtu, 552);
}

/* RFC 1191 3: below 68 nothing is possible, and below 552 DF is given up instead;
 * RFC 8201 4: IPv6 has no path below 1280, and who says so is not believed. */
static void floors(void **state)
{
	struct harness *h = established(state, 0);

	app_write(h, 5 * MSS);
	forget(h);
	inject_icmp(h, 1, EMSGSIZE, 300);
	assert_int_equal(status(h).path_mtu, 552);
	assert_true(expect(h, ACK, 1, 1, 512)->may_fragment);

	h = harness_again(state, NULL);
	h->local.addr = (struct ip_addr){{0x20, 1, [15] = 1}};
	h->remote.addr = (struct ip_addr){{0x20, 1, [15] = 2}};
	establish(h);
	app_write(h, 5 * 1440);
	expect(h, ACK, 1, 1, 1440);
	forget(h);
	inject_icmp(h, 1, EMSGSIZE, 1279);
	inject_icmp(h, 1, EMSGSIZE, 0);
	assert_int_equal(status(h).path_mtu, 1500);
	expect_none(h);
	inject_icmp(h, 1, EMSGSIZE, 1280);
	assert_int_equal(status(h).path_mtu, 1280);
	assert_false(expect(h, ACK, 1, 1, 1220)->may_fragment);
}

/* RFC 5927 7.2: while segments of that size arrive, the message is kept until a
 * timeout says the same, and forgotten when what it was about is acknowledged. */
static void doubted_while_data_arrives(void **state)
{
	struct harness *h = established(state, 0);
	const struct got *g = &h->last;

	app_write(h, 40 * MSS);
	forget(h);
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	forget(h);
	inject_icmp(h, 1 + 2 * MSS, EMSGSIZE, 600);
	expect_none(h);
	assert_int_equal(status(h).path_mtu, 1500);
	inject(h, ACK, 1, 1 + 4 * MSS, WND, 0);
	forget(h);
	time_to_segment_us(h, 10 * US_PER_S); /* the probe of a tail, then RTO */
	advance_ms(h, 2000);
	assert_int_equal(status(h).path_mtu, 1500);
	/* again, and now nothing arrives any more */
	h = established(state, 0);
	app_write(h, 40 * MSS);
	forget(h);
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	forget(h);
	inject_icmp(h, 1 + 2 * MSS, EMSGSIZE, 600);
	advance_ms(h, 3000);
	assert_int_equal(status(h).path_mtu, 600);
	while (pending(h))
		g = expect(h, ACK, ANY, 1, ANY);
	assert_true(g->len_bytes <= 560);
	/* larger than anything that arrived: believed at once */
	h = established(state, 0);
	app_write(h, 100);
	forget(h);
	inject(h, ACK, 1, 101, WND, 0);
	app_write(h, 3 * MSS);
	forget(h);
	inject_icmp(h, 101, EMSGSIZE, 600);
	assert_int_equal(status(h).path_mtu, 600);
}

/* RFC 5927 7.2: nor is a message about a packet that would have fitted. */
static void would_have_fitted(void **state)
{
	struct harness *h = established(state, 0);

	app_write(h, 500);
	forget(h);
	inject_too_big(h, 1, 1000, 540, false);
	inject_too_big(h, 1, 1000, 1000, false);
	assert_int_equal(status(h).path_mtu, 1500);
	inject_too_big(h, 1, 1000, 1001, false);
	assert_int_equal(status(h).path_mtu, 1000);
}

/* This host's own word is not doubted: the device has become smaller. */
static void local_word(void **state)
{
	struct harness *h = established(state, 0);

	app_write(h, 40 * MSS);
	forget(h);
	inject(h, ACK, 1, 1 + 2 * MSS, WND, 0);
	forget(h);
	inject_too_big(h, 1 + 2 * MSS, 1280, 1500, true);
	assert_int_equal(status(h).path_mtu, 1280);
}

/* RFC 1191 6.3: ten minutes later a larger size is tried, with one segment. */
static void raised_again(void **state)
{
	struct harness *h = established(state, 0);
	struct path p = {.mtu = 1000, .icmp = true};

	app_write(h, 100 * MSS);
	carry(h, &p, 2 * US_PER_S);
	assert_int_equal(status(h).path_mtu, 1000);
	p.mtu = 1400;
	advance_us(h, 500 * US_PER_S);
	app_write(h, 50 * MSS);
	carry(h, &p, 2 * US_PER_S);
	assert_int_equal(status(h).path_mtu, 1000);
	p.lost = 0;
	advance_us(h, 100 * US_PER_S);
	app_write(h, 50 * MSS);
	carry(h, &p, 2 * US_PER_S);
	assert_int_equal(p.lost, 1); /* the probe of 1500; then what was told */
	assert_int_equal(status(h).path_mtu, 1400);
	assert_int_equal(p.have[0].end, 1 + 200 * MSS);
}

/* ---- IP_MTU_DISCOVER --------------------------------------------------------------- */

static void discover(void **state)
{
	static const struct {
		uint8_t how;
		bool df, believes;
	} cases[] = {
		{IP_PMTUDISC_DONT, false, true}, {IP_PMTUDISC_WANT, true, true},
		{IP_PMTUDISC_DO, true, true},    {IP_PMTUDISC_PROBE, true, false},
		{IP_PMTUDISC_INTERFACE, false, false},
		{IP_PMTUDISC_OMIT, false, false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_again(state, NULL);

		h->opts.ip.mtu_discover = cases[i].how;
		establish(h);
		app_write(h, 2 * MSS);
		assert_int_equal(expect(h, ACK, 1, 1, MSS)->may_fragment, !cases[i].df);
		inject_icmp(h, 1, EMSGSIZE, 1000);
		assert_int_equal(status(h).path_mtu, cases[i].believes ? 1000 : 1500);
	}
}

/* ---- probes, RFC 4821 -------------------------------------------------------------- */

/* A path that drops large packets in silence, mtu_probing 1: two timeouts, then
 * 1024 bytes (tcp_base_mss) work, and probes find how much it really carries. */
static void black_hole(void **state)
{
	static const uint32_t mtu[] = {1400, 1280, 1100, 1064};

	for (unsigned i = 0; i < 4; i++) {
		struct harness *h = established(state, 1);
		struct path p = {.mtu = mtu[i]};

		for (unsigned n = 0; n < 20; n++) {
			app_write(h, 20 * MSS);
			carry(h, &p, (n ? 1 : 5) * US_PER_S);
		}
		assert_int_equal(p.have[0].end, 1 + 400 * MSS);
		assert_in_range(status(h).path_mtu, mtu[i] - 7, mtu[i]);
		assert_int_equal(p.largest, status(h).path_mtu);
	}
}

/* Narrower than tcp_base_mss: DF is given up. */
static void narrow_black_hole(void **state)
{
	struct harness *h = established(state, 1);
	struct path p = {.mtu = 800};

	app_write(h, 50 * MSS);
	carry(h, &p, 60 * US_PER_S);
	assert_int_equal(p.have[0].end, 1 + 50 * MSS);
}

/* The only segment there is lies between what the path takes and tcp_base_mss. */
static void small_in_narrow_black_hole(void **state)
{
	struct harness *h = established(state, 1);
	struct path p = {.mtu = 700};

	app_write(h, 900);
	carry(h, &p, 60 * US_PER_S);
	assert_int_equal(p.have[0].end, 1 + 900);
}

/* mtu_probing 0: nothing is tried. */
static void black_hole_unprobed(void **state)
{
	struct harness *h = established(state, 0);
	struct path p = {.mtu = 1400};

	app_write(h, 50 * MSS);
	carry(h, &p, 60 * US_PER_S);
	assert_int_equal(p.have[0].end, 1);
	assert_int_equal(status(h).path_mtu, 1500);
}

/* Timeouts of small segments do not make a black hole. */
static void small_segments_lost(void **state)
{
	struct harness *h = established(state, 1);

	app_write(h, 500);
	advance_us(h, 20 * US_PER_S);
	assert_int_equal(status(h).path_mtu, 1500);
}

/* mtu_probing 2: from tcp_base_mss up; a lost probe is repaired at once and is no
 * congestion, in cwnd, ssthresh or state. */
static void always(void **state)
{
	struct harness *h = established(state, 2);
	struct path p = {.mtu = 1400};

	assert_int_equal(status(h).snd_mss, 1024);
	for (unsigned n = 0; n < 20; n++) {
		app_write(h, 20 * MSS);
		carry(h, &p, US_PER_S);
	}
	assert_int_equal(p.have[0].end, 1 + 400 * MSS);
	assert_in_range(status(h).path_mtu, 1393, 1400);
	assert_true(p.lost >= 1);
	assert_int_equal(status(h).snd_ssthresh_bytes, UINT32_MAX);

	h = established(state, 2); /* nothing in the way: one probe */
	p = (struct path){.mtu = 1500};
	app_write(h, 100 * MSS);
	carry(h, &p, 5 * US_PER_S);
	assert_int_equal(status(h).path_mtu, 1500);
	assert_int_equal(p.lost, 0);
}

/* The probe: as many segments follow as it takes to hear of its loss. */
static void probe_and_followers(void **state)
{
	struct harness *h = established(state, 2);
	const struct got *g;

	app_write(h, 3 * 1024); /* not enough to follow */
	for (unsigned i = 0; i < 3; i++)
		expect(h, ACK, ANY, 1, 1024);
	inject(h, ACK, 1, 1 + 3 * 1024, WND, 0);
	app_write(h, 8 * 1024);
	g = expect(h, ACK, 1 + 3 * 1024, 1, MSS);
	assert_string_equal(h->note, "path MTU probe");
	for (unsigned i = 0; i < 4; i++)
		g = expect(h, ACK, g->seq + g->len_bytes, 1, 1024);
}

/* TCP_MAXSEG set later: probes keep to it, and prove no more than they are. */
static void probes_keep_to_maxseg(void **state)
{
	struct harness *h = established(state, 2);
	struct path p = {.mtu = 1500};
	struct tcp_opts o;

	tcp_get_opts(h->t, &o);
	o.mss_max_bytes = 500;
	tcp_set_opts(h->t, &o, h->now_us);
	app_write(h, 20 * MSS);
	carry(h, &p, US_PER_S);
	assert_int_equal(p.largest, 500 + HDRS);
	assert_int_equal(status(h).path_mtu, 1024 + HDRS);
}

/* Something else is lost too: that is congestion, and says nothing of the probe. */
static void loss_beside_the_probe(void **state)
{
	struct harness *h = established(state, 2);
	struct seg_options opt = {.wscale = -1};
	uint32_t probe = 1;

	app_write(h, 20 * 1024);
	expect(h, ACK, probe, 1, MSS);
	for (unsigned i = 0; i < 8; i++)
		expect(h, ACK, probe + MSS + i * 1024, 1, 1024);
	forget(h);
	advance_ms(h, 50);
	opt.sack[opt.sack_n++] = (struct seq_range){probe + MSS + 1024, probe + MSS + 8 * 1024};
	inject_opt(h, ACK, 1, 1, WND, 0, &opt);
	advance_ms(h, 100);
	assert_true(status(h).snd_ssthresh_bytes < 10 * 1024);
	assert_int_equal(status(h).path_mtu, 1064);
}

/* Without SACK three duplicate ACKs tell of the probe. */
static void probe_lost_without_sack(void **state)
{
	struct harness *h = again(state, 2, false);
	const struct got *g = &h->last;

	establish(h);
	app_write(h, 20 * 1024);
	expect(h, ACK, 1, 1, MSS);
	forget(h);
	for (unsigned i = 0; i < 3; i++)
		inject(h, ACK, 1, 1, WND, 0);
	while (pending(h)) {
		g = expect(h, ACK, ANY, 1, ANY);
		if (g->seq == 1)
			break;
	}
	assert_int_equal(g->seq, 1);
	assert_int_equal(g->len_bytes, 1024);
	assert_int_equal(status(h).snd_ssthresh_bytes, UINT32_MAX);
	assert_int_equal(status(h).recovery, 0);
	for (unsigned i = 0; i < 5; i++)
		inject(h, ACK, 1, 1, WND, 0);
	assert_int_equal(status(h).snd_ssthresh_bytes, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(option_says_the_link), TEST(effective_mss_is_the_smallest),
		TEST(no_option_later), TEST(larger_than_a_packet), TEST(told),
		TEST(plateaus), TEST(floors), TEST(doubted_while_data_arrives),
		TEST(would_have_fitted), TEST(local_word), TEST(raised_again), TEST(discover),
		TEST(black_hole), TEST(narrow_black_hole),
		TEST(small_in_narrow_black_hole),
		TEST(black_hole_unprobed), TEST(small_segments_lost),
		TEST(always), TEST(probe_and_followers),
		TEST(probes_keep_to_maxseg), TEST(loss_beside_the_probe), TEST(probe_lost_without_sack),
	};

	return cmocka_run_group_tests_name("pmtu", tests, NULL, NULL);
}
