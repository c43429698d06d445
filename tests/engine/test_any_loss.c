/* test_any_loss.c - two engines and a path of 50 ms that loses exactly one segment of
 * a connection, each in its turn: SYN, SYN,ACK, every segment of data in both
 * directions, every ACK, both FINs and the last ACK.
 *
 * What is repaired must be so no later than the timers allow: the initial RTO for the
 * handshake (RFC 6298 2.1), two round trips and a little for data (RFC 8985), and for
 * what is alone in flight 200 ms more, which a peer may delay its ACK. A lost ACK is
 * repaired by the next one, or costs what the segment that it was for would.
 */
#include "harness.h"

#define RTT_US (50 * US_PER_MS)
#define SLACK_US (10 * US_PER_MS)
/* What a smaller window costs afterwards: one segment on both sides after a lost SYN,ACK. */
#define WINDOW_US (5 * RTT_US)
#define REQUEST_BYTES (25 * 1448)
#define REPLY_BYTES (12 * 1448 + 100)
#define PACKETS_MAX 256
#define NONE UINT32_MAX

struct packet {
	uint64_t at_us;
	unsigned to;
	struct ip_addr src, dst;
	uint8_t tcp[1600];
	size_t len_bytes;
};

struct side {
	struct engine *e;
	struct tcb *listener, *t;
	uint32_t to_send, received;
	bool shut, eof, done;
};

struct lost { /* the one that was dropped */
	uint64_t at_us, repaired_us;
	unsigned from;
	uint32_t seq;
	uint32_t len_bytes;
	uint8_t flags;
};

struct world {
	uint64_t now_us;
	struct side side[2];
	struct packet q[PACKETS_MAX]; /* in the order of arrival */
	uint32_t head, n;
	uint32_t sent, drop;
	struct lost lost;
};

static struct endpoint endpoint_of(unsigned side)
{
	const uint8_t v4[2][4] = {{192, 0, 2, 1}, {192, 0, 2, 2}};

	return (struct endpoint){addr_from_v4(v4[side]), side ? 80 : 4000};
}

static void note_lost(struct world *w, unsigned from, const struct segment *s)
{
	if (w->sent++ == w->drop) {
		w->lost = (struct lost){.at_us = w->now_us, .from = from, .seq = s->seq,
					.len_bytes = s->data_len_bytes, .flags = s->flags};
		return;
	}
	if (w->lost.at_us && !w->lost.repaired_us && from == w->lost.from &&
	    s->seq == w->lost.seq && s->data_len_bytes >= w->lost.len_bytes &&
	    (s->flags & (SYN | FIN)) >= (w->lost.flags & (SYN | FIN)))
		w->lost.repaired_us = w->now_us;
}

static void send_packet(struct world *w, unsigned from, const struct engine_pkt_out *o)
{
	struct packet p = {.at_us = w->now_us + RTT_US / 2, .to = !from, .src = o->src,
			   .dst = o->dst, .len_bytes = o->hdr_len_bytes};
	uint16_t sum = segment_checksum(&o->src, &o->dst, o->hdr, o->hdr_len_bytes,
					o->payload, o->payload_iovs);
	uint32_t nth = w->sent;
	struct segment s;

	memcpy(p.tcp, o->hdr, o->hdr_len_bytes);
	p.tcp[16] = (uint8_t)(sum >> 8);
	p.tcp[17] = (uint8_t)sum;
	for (int i = 0; i < o->payload_iovs; i++) {
		memcpy(p.tcp + p.len_bytes, o->payload[i].iov_base, o->payload[i].iov_len);
		p.len_bytes += o->payload[i].iov_len;
	}
	assert_int_equal(segment_parse(&s, &o->src, &o->dst, p.tcp, p.len_bytes), DROP_NONE);
	note_lost(w, from, &s);
	if (nth == w->drop)
		return;
	assert_true(w->n - w->head < PACKETS_MAX);
	w->q[w->n++ % PACKETS_MAX] = p;
}

/* ---- the users: a request, a reply, then FIN and FIN ------------------------------- */

static void write_some(struct world *w, struct side *s)
{
	struct iovec iov[2];
	int n;

	while (s->to_send && (n = tcp_send_iov(s->t, s->to_send, iov)) > 0) {
		size_t len = 0;

		for (int i = 0; i < n; i++) {
			memset(iov[i].iov_base, 'x', iov[i].iov_len);
			len += iov[i].iov_len;
		}
		tcp_send_commit(s->t, len, w->now_us);
		s->to_send -= (uint32_t)len;
	}
}

static void read_some(struct world *w, struct side *s)
{
	struct iovec iov[2];
	size_t len = 0;
	int n = tcp_recv_iov(s->t, iov);

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (len)
		tcp_recv_done(s->t, len, w->now_us);
	s->received += (uint32_t)len;
}

static void act(struct world *w, unsigned i)
{
	struct side *s = &w->side[i];
	uint32_t before = s->received;
	struct engine_event ev;

	while (engine_event(s->e, &ev)) {
		if (ev.what & TCP_EV_INCOMING)
			s->t = tcp_accept(s->listener, s);
		s->eof |= ev.tcb == s->t && (ev.what & TCP_EV_PEER_CLOSED);
		s->done |= ev.tcb == s->t && (ev.what & TCP_EV_CLOSED);
		assert_false(ev.what & TCP_EV_ERROR);
	}
	if (!s->t)
		return;
	read_some(w, s);
	if (i == 1 && before < REQUEST_BYTES && s->received == REQUEST_BYTES)
		s->to_send = REPLY_BYTES;
	write_some(w, s);
	if (!s->shut && (i == 0 ? s->received == REPLY_BYTES : s->eof)) {
		s->shut = true;
		tcp_shutdown(s->t, w->now_us);
	}
}

/* ---- time -------------------------------------------------------------------------- */

static void settle(struct world *w)
{
	struct engine_pkt_out out[4];
	int n;

	for (unsigned i = 0; i < 2; i++) {
		act(w, i);
		while ((n = engine_output(w->side[i].e, out, 4, w->now_us)) > 0)
			for (int k = 0; k < n; k++)
				send_packet(w, i, &out[k]);
		act(w, i);
	}
}

static void step(struct world *w)
{
	uint64_t at_us = ENGINE_NEVER;

	for (unsigned i = 0; i < 2; i++)
		if (engine_deadline(w->side[i].e) < at_us)
			at_us = engine_deadline(w->side[i].e);
	if (w->head < w->n && w->q[w->head % PACKETS_MAX].at_us <= at_us) {
		struct packet *p = &w->q[w->head++ % PACKETS_MAX];
		struct engine_pkt_in in = {.src = p->src, .dst = p->dst,
					   .path = {.mtu_bytes = 1500}, .tcp = p->tcp,
					   .tcp_len_bytes = p->len_bytes};

		w->now_us = p->at_us;
		engine_input(w->side[p->to].e, &in, w->now_us);
	} else {
		assert_true(at_us != ENGINE_NEVER);
		w->now_us = at_us > w->now_us ? at_us : w->now_us;
		for (unsigned i = 0; i < 2; i++)
			engine_expire(w->side[i].e, w->now_us);
	}
	settle(w);
}

/* The connection without its n-th segment; how long it took. */
static uint64_t run(struct world *w, uint32_t drop)
{
	const uint64_t start_us = 1000 * US_PER_S;
	struct flow flow = {endpoint_of(0), endpoint_of(1)};
	struct tcp_path path = {.mtu_bytes = 1500};
	struct endpoint here = endpoint_of(1);
	struct engine_config cfg;
	struct tcp_opts opts;

	*w = (struct world){.now_us = start_us, .drop = drop};
	for (unsigned i = 0; i < 2; i++) {
		engine_config_defaults(&cfg);
		cfg.seed[0] = (uint8_t)(1 + i);
		w->side[i].e = engine_new(&cfg, w->now_us);
		assert_non_null(w->side[i].e);
	}
	tcp_opts_defaults(w->side[1].e, &opts);
	assert_int_equal(tcp_listen(w->side[1].e, &here, 1, &opts, w, w->now_us,
				    &w->side[1].listener), 0);
	assert_int_equal(tcp_open(w->side[0].e, &flow, &path, &opts, w, w->now_us,
				  &w->side[0].t), 0);
	w->side[0].to_send = REQUEST_BYTES;
	settle(w);
	while (!w->side[0].done || !w->side[1].done) {
		step(w);
		assert_true(w->now_us < start_us + 20 * US_PER_S);
	}
	assert_int_equal(w->side[1].received, REQUEST_BYTES);
	assert_int_equal(w->side[0].received, REPLY_BYTES);
	for (unsigned i = 0; i < 2; i++)
		engine_free(w->side[i].e);
	return w->now_us - start_us;
}

static uint64_t allowed_us(const struct lost *lost)
{
	if (lost->flags & SYN)
		return US_PER_S;
	if (lost->flags & FIN || !lost->len_bytes)
		return 2 * RTT_US + 200 * US_PER_MS + SLACK_US;
	return 2 * RTT_US + SLACK_US;
}

static void each_segment(void **state)
{
	static struct world w;
	uint64_t undisturbed_us = run(&w, NONE), us;
	uint32_t n = w.sent, repaired = 0;

	(void)state;
	assert_true(n > 37 + 4);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t most_us, repair_us;

		us = run(&w, i);
		most_us = allowed_us(&w.lost);
		repair_us = w.lost.repaired_us ? w.lost.repaired_us - w.lost.at_us : 0;
		repaired += repair_us > 0;
		if (repair_us > most_us || (w.lost.len_bytes && !repair_us) ||
		    us > undisturbed_us + most_us + WINDOW_US) {
			print_error("segment %u of %u, flags %#x, %u bytes: repaired "
				    "after %.1f ms, %.1f ms in all instead of %.1f\n", i, n,
				    w.lost.flags, w.lost.len_bytes,
				    (double)repair_us / 1e3, (double)us / 1e3,
				    (double)undisturbed_us / 1e3);
			fail();
		}
	}
	assert_true(repaired >= 37 + 4); /* what has a sequence number */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_segment)};

	return cmocka_run_group_tests_name("any_loss", tests, NULL, NULL);
}
