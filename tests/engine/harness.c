/* harness.c - see harness.h.
 *
 * Owns the virtual clock, the list of segments sent and, per peer port, what is
 * needed to make sequence numbers relative. Invariant: whatever the engine
 * sends passes check_segment() before a test sees it.
 */
#include <stdio.h>

#include "harness.h"

#define PEER_PORTS 65536
#define SEG_BYTES_MAX (256u << 10)

uint8_t pattern_byte(uint32_t n)
{
	return (uint8_t)(n * 167 + (n >> 8) * 13 + (n >> 16));
}

void harness_config(struct engine_config *cfg)
{
	engine_config_defaults(cfg);
	strcpy(cfg->cc, "reno");
	for (unsigned i = 0; i < sizeof(cfg->seed); i++)
		cfg->seed[i] = (uint8_t)(i * 7 + 1);
	cfg->timestamps = cfg->sack = cfg->window_scaling = false;
	cfg->sndbuf_bytes = cfg->rcvbuf_bytes = 2u << 20; /* no limit to most tests */
	cfg->quickacks = 0; /* ACKs wait where only the RFCs say so */
	cfg->trace = true;
}

struct harness *harness_new_at(const struct engine_config *cfg, uint64_t now_us)
{
	static const uint8_t here[4] = {192, 0, 2, 1}, there[4] = {198, 51, 100, 2};
	struct harness *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	if (cfg)
		h->cfg = *cfg;
	else
		harness_config(&h->cfg);
	h->peers = calloc(PEER_PORTS, sizeof(*h->peers));
	assert_non_null(h->peers);
	h->now_us = now_us;
	h->local = (struct endpoint){addr_from_v4(here), 4000};
	h->remote = (struct endpoint){addr_from_v4(there), 5000};
	h->path = (struct tcp_path){.mtu_bytes = 1500};
	h->irs = 0x10203040;
	h->syn = (struct seg_options){.mss = PEER_MSS, .wscale = -1};
	h->traced = TCPS_CLOSED;
	h->ts_base = 7000;
	h->e = engine_new(&h->cfg, h->now_us);
	assert_non_null(h->e);
	tcp_opts_defaults(h->e, &h->opts);
	return h;
}

struct harness *harness_new(const struct engine_config *cfg)
{
	return harness_new_at(cfg, 1000 * US_PER_S);
}

void harness_free(struct harness *h)
{
	if (!h)
		return;
	engine_free(h->e);
	free(h->peers);
	free(h->out);
	free(h);
}

int harness_setup(void **state)
{
	*state = harness_new(NULL);
	return 0;
}

int harness_teardown(void **state)
{
	harness_free(*state);
	return 0;
}

struct harness *harness_again(void **state, const struct engine_config *cfg)
{
	struct engine_config copy; /* cfg may be the old one's */

	if (cfg)
		copy = *cfg;
	harness_free(*state);
	*state = NULL;
	return *state = harness_new(cfg ? &copy : NULL);
}

static void fail_at(const char *file, int line)
{
	_fail(file, line);
}

static void print_got(const char *what, const struct got *g)
{
	static const char names[] = "FSRPAUECa";
	char flags[12];
	unsigned n = 0;

	for (unsigned i = 0; names[i]; i++)
		if (g->flags & 1 << i)
			flags[n++] = names[i];
	flags[n] = 0;
	print_error("%s %s seq=%u ack=%u wnd=%u len=%u at %.6f s\n", what, flags,
		    g->seq, g->ack, g->wnd, g->len_bytes, (double)g->time_us / 1e6);
}

/* What holds for every segment of every test: it fits the path and the peer's
 * MSS (RFC 9293 3.7.1, RFC 6691), it lies in the window the peer once offered
 * except for a probe of one byte (3.8.6.1), and the right edge of our own
 * window never moves left (3.8.6, SHLD-14). */
static void check_segment(struct harness *h, struct peer *p, const struct got *g)
{
	uint32_t ip_bytes = addr_is_v4(&g->flow.remote.addr) ? 20 : 40;
	uint32_t mss = p->mss ? p->mss : 536, end = g->seq + g->len_bytes;
	uint32_t wnd = g->wnd, offered, slack = 0;

	if (g->len_bytes) {
		assert_true(ip_bytes + g->hdr_len_bytes + g->len_bytes <= h->path.mtu_bytes);
		assert_true(g->hdr_len_bytes - TCP_HDR_MIN + g->len_bytes <= mss);
	}
	if (h->quiet || g->flags & RST)
		return;
	if (g->len_bytes && p->edge_known &&
	    seq_gt(end, p->edge) && !(g->len_bytes == 1 && end == p->edge + 1)) {
		print_got("beyond the peer's window:", g);
		fail_at(__FILE__, __LINE__);
	}
	if (!(g->flags & ACK))
		return;
	if (!(g->flags & SYN) && p->wscale_in >= 0 && p->wscale_out >= 0) {
		wnd <<= p->wscale_out;
		slack = (1u << p->wscale_out) - 1; /* RFC 7323 2.4: rounding */
	}
	offered = g->ack + wnd;
	if (p->offered_known && seq_lt(offered + slack, p->offered)) {
		print_got("window shrinks:", g);
		fail_at(__FILE__, __LINE__);
	}
	p->offered = offered;
	p->offered_known = true;
}

static void keep(struct harness *h, const struct got *g)
{
	if (h->out_head == h->out_n)
		h->out_head = h->out_n = 0;
	if (h->out_n == h->out_cap) {
		h->out_cap = h->out_cap ? h->out_cap * 2 : 64;
		h->out = realloc(h->out, h->out_cap * sizeof(*h->out));
		assert_non_null(h->out);
	}
	h->out[h->out_n++] = *g;
}

/* One segment as the wire carries it, parsed like the peer would. */
static void take_wire(struct harness *h, const struct engine_pkt_out *o,
		      uint8_t *hdr, uint8_t hdr_len, const struct iovec *iov, int iovs)
{
	static uint8_t wire[SEG_BYTES_MAX];
	struct got g = {.time_us = h->now_us, .hdr_len_bytes = hdr_len};
	uint16_t sum = segment_checksum(&o->src, &o->dst, hdr, hdr_len, iov, iovs);
	struct segment s;
	struct peer *p;
	size_t len = hdr_len;

	assert_int_equal(hdr[16] | hdr[17], 0);
	hdr[16] = (uint8_t)(sum >> 8);
	hdr[17] = (uint8_t)sum;
	memcpy(wire, hdr, hdr_len);
	for (int i = 0; i < iovs; i++) {
		assert_true(len + iov[i].iov_len <= sizeof(wire));
		memcpy(wire + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	assert_int_equal(segment_parse(&s, &o->src, &o->dst, wire, len), DROP_NONE);
	assert_int_equal(s.hdr_len_bytes, hdr_len);
	g.flow = (struct flow){{o->src, s.sport}, {o->dst, s.dport}};
	p = &h->peers[s.dport];
	if (s.flags & SYN) {
		if (!p->iss_known || p->iss != s.seq)
			p->edge_known = p->offered_known = false;
		p->iss = s.seq;
		p->iss_known = true;
		p->wscale_out = s.opt.wscale;
	}
	g.flags = s.flags;
	g.seq = s.seq - p->iss;
	g.ack = s.flags & ACK ? s.ack - p->irs : 0;
	g.wnd = s.wnd;
	g.tos = o->tos;
	g.no_flow_label = o->no_flow_label;
	g.ifindex = o->ifindex;
	g.may_fragment = o->may_fragment;
	g.len_bytes = s.data_len_bytes;
	g.opt = s.opt;
	for (unsigned i = 0; i < g.opt.sack_n; i++) {
		g.opt.sack[i].start -= p->irs;
		g.opt.sack[i].end -= p->irs;
	}
	memcpy(g.hdr, hdr, hdr_len);
	for (uint32_t i = 0; i < s.data_len_bytes; i++)
		if (s.data[i] != pattern_byte(g.seq + i + !!(s.flags & SYN))) {
			print_got("wrong byte in", &g);
			fail_at(__FILE__, __LINE__);
		}
	if (s.opt.ts)
		h->ts_recent = s.opt.ts_val;
	check_segment(h, p, &g);
	keep(h, &g);
}

static void take_packet(struct harness *h, const struct engine_pkt_out *o)
{
	size_t sum = 0;
	uint32_t off = 0;

	assert_true(o->hdr_len_bytes >= TCP_HDR_MIN && o->hdr_len_bytes <= TCP_HDR_MAX);
	assert_int_equal(o->hdr_len_bytes % 4, 0);
	for (int i = 0; i < o->payload_iovs; i++)
		sum += o->payload[i].iov_len;
	assert_int_equal(sum, o->payload_len_bytes);
	if (!h->path.gso_max_bytes)
		assert_false(segment_is_burst(o));
	else
		assert_true(o->payload_len_bytes <= h->path.gso_max_bytes ||
			    o->payload_len_bytes <= o->mss_bytes);
	do {
		uint8_t hdr[TCP_HDR_MAX];
		struct iovec iov[2];
		uint32_t len;
		int n = segment_cut(o, off, hdr, iov, &len);

		take_wire(h, o, hdr, o->hdr_len_bytes, iov, n);
		off += len;
	} while (off < o->payload_len_bytes);
}

void pull(struct harness *h)
{
	struct engine_pkt_out pkts[8];
	struct engine_event ev;
	struct trace_rec rec;
	int n;

	while ((n = engine_output(h->e, pkts, 8, h->now_us)) > 0)
		for (int i = 0; i < n; i++)
			take_packet(h, &pkts[i]);
	assert_int_equal(n, 0);
	while (engine_event(h->e, &ev)) {
		assert_ptr_equal(ev.user, h);
		assert_true(ev.what != 0);
		if (ev.tcb == h->listener)
			h->listener_ev |= ev.what;
		else if (ev.tcb == h->t)
			h->ev |= ev.what;
	}
	while (engine_trace(h->e, &rec)) {
		if (rec.note)
			h->note = rec.note;
		if (rec.kind == TRACE_STATE)
			assert_true(rec.before != rec.after);
		if (rec.before == rec.after)
			continue;
		h->traced = rec.after;
		h->seen_states |= 1u << rec.after;
	}
}

/* ---- time --------------------------------------------------------------- */

/* Goes to the next deadline if that is not after end; false if it is. */
static bool step(struct harness *h, uint64_t end_us)
{
	uint64_t at_us;

	pull(h);
	at_us = engine_deadline(h->e);
	if (at_us > end_us)
		return false;
	if (at_us > h->now_us)
		h->now_us = at_us;
	engine_expire(h->e, h->now_us);
	pull(h);
	/* What was due is done; else a driver would spin. */
	assert_true(engine_deadline(h->e) > h->now_us);
	return true;
}

void advance_us(struct harness *h, uint64_t us)
{
	uint64_t end_us = h->now_us + us;

	while (step(h, end_us))
		;
	h->now_us = end_us;
}

void advance_ms(struct harness *h, uint64_t ms)
{
	advance_us(h, ms * US_PER_MS);
}

uint64_t time_to_segment_us(struct harness *h, uint64_t max_us)
{
	uint64_t start_us = h->now_us;

	pull(h);
	while (!pending(h) && step(h, start_us + max_us))
		;
	if (!pending(h)) {
		print_error("no segment within %.3f s\n", (double)max_us / 1e6);
		fail_at(__FILE__, __LINE__);
	}
	return h->now_us - start_us;
}

uint64_t time_to_state_us(struct harness *h, enum tcp_state s, uint64_t max_us)
{
	uint64_t start_us = h->now_us;

	pull(h);
	while (state_of(h) != s && step(h, start_us + max_us))
		;
	expect_state(h, s);
	return h->now_us - start_us;
}

uint32_t pending(struct harness *h)
{
	pull(h);
	return h->out_n - h->out_head;
}

void forget(struct harness *h)
{
	pull(h);
	h->out_head = h->out_n = 0;
}

/* ---- expectations ------------------------------------------------------- */

const struct got *harness_expect(struct harness *h, uint16_t flags, uint32_t seq,
				 uint32_t ack, uint32_t len_bytes,
				 const char *file, int line)
{
	struct got want = {.flags = flags, .seq = seq, .ack = ack,
			   .len_bytes = len_bytes, .time_us = h->now_us};
	struct got *g = &h->last;
	uint16_t mask = flags & PSH ? 0xffff : (uint16_t)~PSH;

	if (!pending(h)) {
		print_got("nothing sent; expected", &want);
		fail_at(file, line);
	}
	*g = h->out[h->out_head++];
	if ((g->flags & mask) != flags || (seq != ANY && g->seq != seq) ||
	    (flags & ACK && ack != ANY && g->ack != ack) ||
	    (len_bytes != ANY && g->len_bytes != len_bytes) ||
	    g->flow.remote.port != h->remote.port ||
	    g->flow.local.port != h->local.port) {
		print_got("expected", &want);
		print_got("     got", g);
		while (h->out_head < h->out_n)
			print_got("    then", &h->out[h->out_head++]);
		fail_at(file, line);
	}
	return g;
}

void harness_expect_reset(struct harness *h, uint32_t seq, const char *file, int line)
{
	bool ack = pending(h) && h->out[h->out_head].flags & ACK;

	harness_expect(h, ack ? RST | ACK : RST, seq, ANY, 0, file, line);
}

void harness_expect_none(struct harness *h, const char *file, int line)
{
	if (!pending(h))
		return;
	while (h->out_head < h->out_n)
		print_got("unexpected", &h->out[h->out_head++]);
	fail_at(file, line);
}

void harness_expect_state(struct harness *h, enum tcp_state s, const char *file,
			  int line)
{
	enum tcp_state is;

	pull(h);
	is = state_of(h);
	if (is == s)
		return;
	print_error("state is %s, expected %s\n", tcp_state_name(is), tcp_state_name(s));
	fail_at(file, line);
}
