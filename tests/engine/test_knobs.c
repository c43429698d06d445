/* test_knobs.c - what Linux has a sysctl for: each changes what the engine does, and
 * engine_configure() changes it while the engine runs. */
#include "harness.h"

static struct harness *with(void **state, void (*set)(struct engine_config *cfg))
{
	struct engine_config cfg;

	harness_config(&cfg);
	set(&cfg);
	return harness_again(state, &cfg);
}

/* ---- timeouts ------------------------------------------------------------------ */

static void lose_one(struct harness *h)
{
	establish_rtt(h, 10000);
	app_write(h, 100);
	expect(h, PSH | ACK, 1, 1, 100);
	time_to_segment_us(h, 10 * US_PER_S);
	forget(h);
	inject(h, ACK, 1, 101, WND, 0); /* a timeout has set ssthresh */
	forget(h);
}

/* How much longer the second timeout of a new segment is than the first, in tenths. */
static uint64_t growth(struct harness *h)
{
	uint64_t first, second;

	lose_one(h);
	app_write(h, 100);
	expect(h, PSH | ACK, 101, 1, 100);
	time_to_segment_us(h, 10 * US_PER_S);
	forget(h);
	first = time_to_segment_us(h, 10 * US_PER_S);
	forget(h);
	second = time_to_segment_us(h, 10 * US_PER_S);
	return second * 10 / first;
}

static void set_thin(struct engine_config *cfg)
{
	cfg->thin_linear = true;
}

static void thin_linear_timeouts(void **state)
{
	assert_in_range(growth(*state), 19, 21);
	assert_in_range(growth(with(state, set_thin)), 9, 11);
}

static void set_rack(struct engine_config *cfg)
{
	cfg->sack = cfg->rack = true;
}

static void set_no_probe(struct engine_config *cfg)
{
	set_rack(cfg);
	cfg->tlp = false;
}

static uint64_t silence_of_a_tail(struct harness *h)
{
	h->syn.sack_ok = true;
	establish_rtt(h, 10000);
	app_write(h, 3 * PEER_MSS); /* the ACK of one alone might be delayed */
	forget(h);
	return time_to_segment_us(h, 10 * US_PER_S);
}

static void early_retrans(void **state)
{
	uint64_t probe = silence_of_a_tail(with(state, set_rack));
	struct harness *h = with(state, set_no_probe);
	uint64_t rto = silence_of_a_tail(h);

	assert_true(probe < rto);
	assert_int_equal(status(h).timeouts, 1);
}

/* ---- losses --------------------------------------------------------------------- */

static void set_patient(struct engine_config *cfg)
{
	cfg->reordering_segs = 5;
}

static unsigned dupacks_to_repair(struct harness *h)
{
	unsigned n;

	establish_rtt(h, 10000);
	app_write(h, 8 * PEER_MSS);
	forget(h);
	for (n = 1; n <= 8; n++) {
		inject(h, ACK, 1, 1, WND, 0);
		pull(h);
		if (pending(h) && expect(h, ACK, ANY, 1, ANY)->seq == 1)
			return n;
		forget(h);
	}
	return 0;
}

static void reordering(void **state)
{
	assert_int_equal(dupacks_to_repair(*state), 3);
	assert_int_equal(dupacks_to_repair(with(state, set_patient)), 5);
}

/* ---- TIME-WAIT -------------------------------------------------------------------- */

static void set_no_time_wait(struct engine_config *cfg)
{
	cfg->tw_max = 0;
}

static void max_tw_buckets(void **state)
{
	struct harness *h = with(state, set_no_time_wait);

	reach(h, TCPS_FIN_WAIT_2);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect_state(h, TCPS_CLOSED);
	assert_int_equal(engine_stats(h->e)->time_wait, 0);
}

/* ---- the peer's SYN, its urgent pointer ------------------------------------------- */

static void set_reflect(struct engine_config *cfg)
{
	cfg->reflect_tos = true;
}

static uint8_t tos_of_syn_ack(struct harness *h)
{
	h->tos = 0x48 | IP_CE; /* the mark is not the peer's wish */
	app_listen(h, 5);
	inject(h, SYN, 0, 0, WND, 0);
	return expect(h, SYN | ACK, 0, 1, 0)->tos;
}

static void reflect_tos(void **state)
{
	assert_int_equal(tos_of_syn_ack(*state), 0);
	assert_int_equal(tos_of_syn_ack(with(state, set_reflect)), 0x48);
}

static void set_stdurg(struct engine_config *cfg)
{
	cfg->stdurg = true;
}

/* The urgent byte of ten, whose pointer says 9. */
static int urgent_byte(struct harness *h)
{
	uint8_t byte = 0;

	establish(h);
	h->up = 9;
	inject(h, URG | ACK, 1, 1, WND, 10);
	assert_int_equal(tcp_recv_urgent(h->t, false, &byte), 0);
	return byte;
}

static void stdurg(void **state)
{
	assert_int_equal(urgent_byte(*state), pattern_byte(9));
	assert_int_equal(urgent_byte(with(state, set_stdurg)), pattern_byte(10));
}

/* ---- ECN --------------------------------------------------------------------------- */

static void set_ecn(struct engine_config *cfg)
{
	cfg->ecn = 1;
}

static void set_ecn_for_ever(struct engine_config *cfg)
{
	set_ecn(cfg);
	cfg->ecn_fallback = false;
}

static uint16_t second_syn(struct harness *h)
{
	app_open(h);
	expect(h, SYN | ECE | CWR, 0, 0, 0);
	time_to_segment_us(h, 10 * US_PER_S);
	pull(h);
	return expect(h, h->out[h->out_head].flags, 0, 0, 0)->flags;
}

static void ecn_fallback(void **state)
{
	assert_int_equal(second_syn(with(state, set_ecn)), SYN);
	assert_int_equal(second_syn(with(state, set_ecn_for_ever)), SYN | ECE | CWR);
}

/* ---- ACKs ---------------------------------------------------------------------------- */

static void set_thresh(struct engine_config *cfg)
{
	cfg->quickacks = 16;
	cfg->pingpong_thresh = 3;
}

/* Answers until the peer's text is not acknowledged at once. */
static unsigned answers_until_patient(struct harness *h)
{
	uint32_t in = 1, out = 1;

	establish(h);
	for (unsigned n = 0; n < 8; n++, in += 10, out += 10) {
		inject(h, PSH | ACK, in, out, WND, 10);
		pull(h);
		if (!pending(h))
			return n;
		forget(h);
		app_read(h, 10);
		app_write(h, 10);
		forget(h);
		advance_ms(h, 1);
	}
	return 8;
}

static void set_quick(struct engine_config *cfg)
{
	cfg->quickacks = 16;
}

static void pingpong_thresh(void **state)
{
	assert_int_equal(answers_until_patient(with(state, set_quick)), 1);
	assert_int_equal(answers_until_patient(with(state, set_thresh)), 3);
}

/* ---- while it runs -------------------------------------------------------------------- */

/* A connection keeps the buffer and the algorithm that it began with; what is looked up
 * when it is needed is the new value. The secrets stay. */
static void configured_again(void **state)
{
	struct harness *h = *state;
	struct engine_config cfg = h->cfg;
	struct tcp_status before, after;

	establish(h);
	before = status(h);
	strcpy(cfg.cc, "reno");
	cfg.rcvbuf_bytes *= 2;
	cfg.msl_ms = 1000;
	memset(cfg.seed, 0xff, sizeof(cfg.seed));
	engine_configure(h->e, &cfg);
	after = status(h);
	assert_string_equal(after.cc, before.cc);
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
	assert_int_equal(time_to_state_us(h, TCPS_CLOSED, 10 * US_PER_S), 2 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(thin_linear_timeouts), TEST(early_retrans),   TEST(reordering),
		TEST(max_tw_buckets),	    TEST(reflect_tos),	   TEST(stdurg),
		TEST(ecn_fallback),	    TEST(pingpong_thresh), TEST(configured_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
