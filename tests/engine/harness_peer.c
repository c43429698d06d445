/* harness_peer.c - the two hands that a test plays with: the peer, who sends any
 * segment, and the user. See harness.h. */
#include "harness.h"

#define SEG_BYTES_MAX (256u << 10)

/* ---- the peer ----------------------------------------------------------- */

size_t craft(struct harness *h, uint8_t *tcp, uint16_t flags, uint32_t seq,
	     uint32_t ack, uint32_t wnd, uint32_t len_bytes,
	     const struct seg_options *opt)
{
	struct peer *p = &h->peers[h->remote.port];
	struct segment s = {
		.sport = h->remote.port,
		.dport = h->local.port,
		.seq = h->irs + seq,
		.ack = flags & ACK ? p->iss + ack : 0,
		.flags = flags,
		.wnd = (uint16_t)wnd,
		.up = flags & URG ? h->up : 0,
		.opt = *opt,
	};
	uint8_t n;

	for (unsigned i = 0; i < s.opt.sack_n; i++) {
		s.opt.sack[i].start += p->iss;
		s.opt.sack[i].end += p->iss;
	}
	n = segment_build(&s, tcp);
	for (uint32_t i = 0; i < len_bytes; i++)
		tcp[n + i] = pattern_byte(seq + i + !!(flags & SYN));
	return n + len_bytes;
}

static struct engine_pkt_in packet_in(const struct harness *h, uint8_t *tcp,
				      size_t len_bytes, uint8_t hdr_len)
{
	struct iovec iov = {tcp + hdr_len, len_bytes - hdr_len};
	uint16_t sum;

	if (len_bytes >= TCP_HDR_MIN) {
		sum = segment_checksum(&h->remote.addr, &h->local.addr, tcp, hdr_len,
				       &iov, 1);
		tcp[16] = (uint8_t)(sum >> 8);
		tcp[17] = (uint8_t)sum;
	}
	return (struct engine_pkt_in){.src = h->remote.addr, .dst = h->local.addr,
				      .path = h->path, .tcp = tcp,
				      .tos = h->tos, .ttl = h->ttl, .ifindex = h->ifindex, .ask = h->ask,
				      .device_mtu_bytes = h->device_mtu_bytes,
				      .tcp_len_bytes = len_bytes};
}

enum drop inject_raw(struct harness *h, uint8_t *tcp, size_t len_bytes)
{
	struct engine_pkt_in in =
		packet_in(h, tcp, len_bytes, len_bytes < TCP_HDR_MIN ? 0 : TCP_HDR_MIN);

	h->drop = engine_input(h->e, &in, h->now_us);
	pull(h);
	return h->drop;
}

/* The window that the engine may use from now on. */
static void note_window(struct peer *p, uint16_t flags, uint32_t ack, uint32_t wnd,
			const struct seg_options *opt)
{
	if (flags & SYN) {
		p->wscale_in = opt->wscale;
		p->mss = opt->mss;
	}
	if (!(flags & SYN) && p->wscale_in >= 0 && p->wscale_out >= 0)
		wnd <<= p->wscale_in > 14 ? 14 : p->wscale_in;
	if (!(flags & ACK))
		return;
	if (!p->edge_known || seq_gt(ack + wnd, p->edge))
		p->edge = ack + wnd;
	p->edge_known = true;
}

enum drop inject_opt(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack,
		     uint32_t wnd, uint32_t len_bytes,
		     const struct seg_options *opt)
{
	static uint8_t tcp[SEG_BYTES_MAX];
	struct peer *p = &h->peers[h->remote.port];
	size_t len = craft(h, tcp, flags, seq, ack, wnd, len_bytes, opt);
	struct engine_pkt_in in =
		packet_in(h, tcp, len, (uint8_t)(len - len_bytes));

	p->irs = h->irs;
	if (!(flags & RST))
		note_window(p, flags, ack, wnd, opt);
	h->drop = engine_input(h->e, &in, h->now_us);
	pull(h);
	return h->drop;
}

enum drop inject(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack,
		 uint32_t wnd, uint32_t len_bytes)
{
	struct seg_options opt = {.wscale = -1};

	if (flags & SYN)
		opt = h->syn;
	if (h->ts) {
		opt.ts = true;
		opt.ts_val = h->ts_base + (uint32_t)(h->now_us / 1000);
		opt.ts_ecr = flags & ACK ? h->ts_recent : 0;
	}
	return inject_opt(h, flags, seq, ack, wnd, len_bytes, &opt);
}

void refuse(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack,
	    uint32_t len_bytes)
{
	uint8_t tcp[TCP_HDR_MAX + 2048];
	struct seg_options opt = {.wscale = -1};
	size_t len = craft(h, tcp, flags, seq, ack, 0, len_bytes, &opt);
	struct engine_pkt_in in =
		packet_in(h, tcp, len, (uint8_t)(len - len_bytes));

	h->peers[h->remote.port].irs = h->irs;
	h->drop = engine_input(h->e, &in, h->now_us);
	assert_true(h->drop == DROP_CLOSED || h->drop == DROP_LISTEN_ACK);
	engine_refuse(h->e, &in, h->now_us);
	pull(h);
}

void yield(struct harness *h, uint16_t flags, uint32_t seq, uint32_t ack)
{
	uint8_t tcp[TCP_HDR_MAX];
	struct seg_options opt = {.wscale = -1};
	size_t len = craft(h, tcp, flags, seq, ack, WND, 0, &opt);
	struct engine_pkt_in in = packet_in(h, tcp, len, (uint8_t)len);

	in.ask = true;
	h->drop = engine_input(h->e, &in, h->now_us);
	assert_int_equal(h->drop, DROP_ASK);
	engine_yield(h->e, &in, h->now_us);
	pull(h);
}

void inject_icmp(struct harness *h, uint32_t seq, int err, uint32_t mtu_bytes)
{
	struct engine_icmp msg = {
		.flow = {h->local, h->remote},
		.seq = h->peers[h->remote.port].iss + seq,
		.err = err,
		.mtu_bytes = mtu_bytes,
	};

	engine_icmp(h->e, &msg, h->now_us);
	pull(h);
}

void inject_too_big(struct harness *h, uint32_t seq, uint32_t mtu_bytes,
		    uint32_t pkt_bytes, bool local)
{
	struct engine_icmp msg = {
		.flow = {h->local, h->remote},
		.seq = h->peers[h->remote.port].iss + seq,
		.err = EMSGSIZE,
		.mtu_bytes = mtu_bytes,
		.pkt_bytes = pkt_bytes,
		.local = local,
	};

	engine_icmp(h->e, &msg, h->now_us);
	pull(h);
}

/* ---- the user ----------------------------------------------------------- */

void app_open(struct harness *h)
{
	struct flow flow = {h->local, h->remote};

	h->written = h->read = 0;
	assert_int_equal(tcp_open(h->e, &flow, &h->path, &h->opts, h, h->now_us, &h->t), 0);
	assert_non_null(h->t);
	pull(h);
}

void app_listen(struct harness *h, int backlog)
{
	assert_int_equal(tcp_listen(h->e, &h->local, backlog, &h->opts, h, h->now_us,
				    &h->listener), 0);
	assert_non_null(h->listener);
	pull(h);
}

static void establish_by(struct harness *h, uint32_t wnd, uint64_t rtt_us)
{
	app_open(h);
	expect(h, SYN, 0, 0, 0);
	advance_us(h, rtt_us);
	assert_int_equal(inject(h, SYN | ACK, 0, 1, wnd, 0), DROP_NONE);
	expect(h, ACK, 1, 1, 0);
	expect_none(h);
	expect_state(h, TCPS_ESTABLISHED);
	assert_int_equal(events(h) & TCP_EV_ESTABLISHED, TCP_EV_ESTABLISHED);
}

void establish_wnd(struct harness *h, uint32_t wnd)
{
	establish_by(h, wnd, 0);
}

void establish(struct harness *h)
{
	establish_by(h, WND, 0);
}

void establish_rtt(struct harness *h, uint64_t rtt_us)
{
	establish_by(h, WND, rtt_us);
}

void establish_passive(struct harness *h)
{
	if (!h->listener)
		app_listen(h, 8);
	h->written = h->read = 0;
	assert_int_equal(inject(h, SYN, 0, 0, WND, 0), DROP_NONE);
	expect(h, SYN | ACK, 0, 1, 0);
	assert_int_equal(inject(h, ACK, 1, 1, WND, 0), DROP_NONE);
	expect_none(h);
	assert_int_equal(h->listener_ev & TCP_EV_INCOMING, TCP_EV_INCOMING);
	h->listener_ev = 0;
	h->t = tcp_accept(h->listener, h);
	assert_non_null(h->t);
	expect_state(h, TCPS_ESTABLISHED);
}

static void reach_closing_side(struct harness *h, enum tcp_state s)
{
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 1, 0);
	if (s == TCPS_FIN_WAIT_1)
		return;
	if (s == TCPS_CLOSING) {
		inject(h, FIN | ACK, 1, 1, WND, 0);
		expect(h, ACK, 2, 2, 0);
		return;
	}
	inject(h, ACK, 1, 2, WND, 0);
	if (s == TCPS_FIN_WAIT_2)
		return;
	inject(h, FIN | ACK, 1, 2, WND, 0);
	expect(h, ACK, 2, 2, 0);
}

static void reach_closed_side(struct harness *h, enum tcp_state s)
{
	inject(h, FIN | ACK, 1, 1, WND, 0);
	expect(h, ACK, 1, 2, 0);
	if (s == TCPS_CLOSE_WAIT)
		return;
	app_shutdown(h);
	expect(h, FIN | ACK, 1, 2, 0);
}

void reach(struct harness *h, enum tcp_state s)
{
	switch (s) {
	case TCPS_CLOSED:
		break;
	case TCPS_LISTEN:
		app_listen(h, 8);
		break;
	case TCPS_SYN_SENT:
		app_open(h);
		expect(h, SYN, 0, 0, 0);
		break;
	case TCPS_SYN_RECEIVED:
		app_listen(h, 8);
		inject(h, SYN, 0, 0, WND, 0);
		expect(h, SYN | ACK, 0, 1, 0);
		break;
	case TCPS_ESTABLISHED:
		establish(h);
		break;
	case TCPS_CLOSE_WAIT:
	case TCPS_LAST_ACK:
		establish(h);
		reach_closed_side(h, s);
		break;
	default:
		establish(h);
		reach_closing_side(h, s);
		break;
	}
	expect_none(h);
	if (s != TCPS_CLOSED && s != TCPS_LISTEN)
		expect_state(h, s);
}

uint32_t app_write(struct harness *h, uint32_t len_bytes)
{
	uint32_t done = 0;

	while (done < len_bytes) {
		struct iovec iov[2];
		int n = tcp_send_iov(h->t, len_bytes - done, iov);
		size_t got = 0;

		assert_true(n >= 0 && n <= 2);
		if (!n)
			break;
		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < iov[i].iov_len; j++) {
				uint32_t at = 1 + h->written + (uint32_t)got++;

				((uint8_t *)iov[i].iov_base)[j] = pattern_byte(at);
			}
		assert_true(got > 0 && got <= len_bytes - done);
		tcp_send_commit(h->t, got, h->now_us);
		h->written += (uint32_t)got;
		done += (uint32_t)got;
	}
	pull(h);
	return done;
}

uint32_t app_read(struct harness *h, uint32_t max_bytes)
{
	uint32_t done = 0;

	while (done < max_bytes) {
		struct iovec iov[2];
		int n = tcp_recv_iov(h->t, iov);
		uint32_t took = 0;

		assert_true(n >= 0 && n <= 2);
		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < iov[i].iov_len && done + took < max_bytes; j++) {
				uint32_t at = 1 + h->read + took++;

				assert_int_equal(((uint8_t *)iov[i].iov_base)[j], pattern_byte(at));
			}
		if (!took)
			break;
		tcp_recv_done(h->t, took, h->now_us);
		h->read += took;
		done += took;
	}
	pull(h);
	return done;
}

void app_shutdown(struct harness *h)
{
	tcp_shutdown(h->t, h->now_us);
	pull(h);
}

void app_abort(struct harness *h)
{
	tcp_abort(h->t, h->now_us);
	pull(h);
}

void app_release(struct harness *h)
{
	pull(h);
	h->traced = state_of(h);
	tcp_release(h->t, h->now_us);
	h->t = NULL;
	pull(h);
}

unsigned events(struct harness *h)
{
	unsigned ev;

	pull(h);
	ev = h->ev;
	h->ev = 0;
	return ev;
}

struct tcp_status status(struct harness *h)
{
	struct tcp_status st;

	assert_non_null(h->t);
	tcp_status(h->t, &st);
	return st;
}

/* A connection that is the user's is asked; of any other the trace tells. */
enum tcp_state state_of(struct harness *h)
{
	return h->t ? status(h).state : h->traced;
}
