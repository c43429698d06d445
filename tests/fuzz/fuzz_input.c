/* fuzz_input.c - a whole engine under any sequence of packets, user calls and
 * steps of time.
 *
 * The input is a program for a small machine: its bytes choose operations and
 * their arguments. Packets are made in three ways: near what the connection
 * expects (its numbers are known from what the engine sent), any bytes with a
 * right checksum, and any bytes. After each operation everything that the engine
 * sends is read to the last byte, and what must always hold is checked; at the
 * end all connections are released and must die out.
 */
#include "fuzz.h"

#include <errno.h>

#include "../../engine/addr.h"
#include "../../engine/segment.h"

#define SLOTS 4
#define PAYLOAD_MAX 4096
#define MEMORY_MAX_BYTES (256u << 20)
#define END_STEPS_MAX 100000

struct peer { /* one per remote port */
	uint32_t seq, ack; /* that the engine's next input should carry */
	uint32_t ts_val;   /* newest from the engine */
	struct seg_options cookie; /* newest with one, RFC 7413 */
	bool heard;
};

struct machine {
	uint8_t tos; /* of the packet that comes next */
	struct engine *e;
	struct engine_config cfg;
	uint64_t now_us;
	struct endpoint local, remote;
	struct tcb *slot[SLOTS]; /* the user's connections */
	struct tcb *listener;
	struct peer peer[SLOTS]; /* remote port: remote.port + index */
	struct tcp_opts opts;
	uint32_t gso_max_bytes;
	uint8_t tcp[TCP_HDR_MAX + PAYLOAD_MAX];
};

static uint32_t sum_of_bytes; /* so that reading them is not optimized away */

/* ---- what comes out ------------------------------------------------------- */

static void hear(struct machine *m, const struct segment *s)
{
	struct peer *p = &m->peer[(uint16_t)(s->dport - m->remote.port) % SLOTS];

	p->heard = true;
	p->ack = s->seq + seg_len(s);
	if (s->flags & SEG_ACK)
		p->seq = s->ack;
	if (s->opt.ts)
		p->ts_val = s->opt.ts_val;
	if (s->opt.cookie_len_bytes)
		p->cookie = s->opt;
}

static void check_out(struct machine *m, const struct engine_pkt_out *o)
{
	uint32_t payload = 0;
	uint8_t hdr[TCP_HDR_MAX];
	struct segment s;
	uint16_t sum;

	check(o->hdr_len_bytes >= TCP_HDR_MIN && o->hdr_len_bytes <= TCP_HDR_MAX);
	check(o->payload_iovs >= 0 && o->payload_iovs <= 2);
	for (int i = 0; i < o->payload_iovs; i++) {
		payload += (uint32_t)o->payload[i].iov_len;
		for (size_t j = 0; j < o->payload[i].iov_len; j++)
			sum_of_bytes += ((const uint8_t *)o->payload[i].iov_base)[j];
	}
	check(payload == o->payload_len_bytes);
	check(m->gso_max_bytes || !segment_is_burst(o));
	memcpy(hdr, o->hdr, o->hdr_len_bytes);
	sum = segment_checksum(&o->src, &o->dst, hdr, o->hdr_len_bytes, NULL, 0);
	hdr[16] = (uint8_t)(sum >> 8);
	hdr[17] = (uint8_t)sum;
	check(segment_parse(&s, &o->src, &o->dst, hdr, o->hdr_len_bytes) == DROP_NONE);
	check(addr_eq(&o->src, &m->local.addr));
	check((s.flags & (SEG_SYN | SEG_RST)) != (SEG_SYN | SEG_RST));
	check(!(s.flags & SEG_SYN) || (!(s.flags & SEG_ACK) && m->opts.fastopen) || !payload);
	s.data_len_bytes = payload;
	hear(m, &s);
}

static void check_tcb(struct machine *m, const struct tcb *t)
{
	struct tcp_status st;
	struct iovec iov[2];
	uint32_t readable = 0;

	tcp_status(t, &st);
	check(st.state >= TCPS_ESTABLISHED && st.state <= TCPS_CLOSING);
	check(strlen(tcp_state_name(st.state)) > 3);
	for (int i = 0, n = tcp_recv_iov(t, iov); i < n; i++)
		readable += (uint32_t)iov[i].iov_len;
	check(readable == st.readable_bytes);
	check(st.state == TCPS_CLOSED || tcp_error(t) == 0);
	check(st.snd_wscale <= 14 && st.rcv_wscale <= 14);
	(void)m;
}

static void check_all(struct machine *m)
{
	const struct engine_stats *st = engine_stats(m->e);
	struct engine_pkt_out pkts[3];
	struct engine_event ev;
	struct trace_rec rec;
	int n;

	while ((n = engine_output(m->e, pkts, 3, m->now_us)) > 0)
		for (int i = 0; i < n; i++)
			check_out(m, &pkts[i]);
	while (engine_event(m->e, &ev))
		check(ev.tcb && ev.what);
	while (engine_trace(m->e, &rec))
		check(rec.hdr_len_bytes <= TCP_HDR_MAX);
	for (unsigned i = 0; i < SLOTS; i++)
		if (m->slot[i])
			check_tcb(m, m->slot[i]);
	check(st->lingering + st->time_wait <= st->connections);
	check(st->half_open <= st->connections);
	check(st->memory_bytes <= MEMORY_MAX_BYTES);
}

/* ---- what goes in ---------------------------------------------------------- */

static void deliver(struct machine *m, size_t len, bool fix, bool refuse)
{
	struct engine_pkt_in in = {.src = m->remote.addr, .dst = m->local.addr,
				   .path = {1500, m->gso_max_bytes},
				   .tcp_len_bytes = len, .tos = m->tos};
	uint8_t *copy = malloc(len ? len : 1); /* exact, for the sanitizer */
	enum drop d;

	if (!copy)
		abort();
	if (fix && len >= TCP_HDR_MIN) {
		struct iovec iov = {m->tcp + TCP_HDR_MIN, len - TCP_HDR_MIN};
		uint16_t sum = segment_checksum(&in.src, &in.dst, m->tcp, TCP_HDR_MIN,
						&iov, 1);

		m->tcp[16] = (uint8_t)(sum >> 8);
		m->tcp[17] = (uint8_t)sum;
	}
	memcpy(copy, m->tcp, len);
	in.tcp = copy;
	d = engine_input(m->e, &in, m->now_us);
	check(d < DROP_COUNT);
	if (refuse && (d == DROP_CLOSED || d == DROP_LISTEN_ACK))
		engine_refuse(m->e, &in, m->now_us);
	free(copy);
}

/* Mostly nothing, sometimes a little, rarely anything. */
static uint32_t deviation(struct input *in)
{
	uint8_t how = take8(in);

	if (how < 160)
		return 0;
	if (how < 240)
		return (uint32_t)(int8_t)take8(in) * (how & 1 ? 1 : 500);
	return take32(in);
}

static void random_options(struct input *in, const struct peer *p, struct seg_options *o)
{
	uint8_t which = take8(in), cookie = take8(in);

	*o = (struct seg_options){.wscale = -1};
	if (which & 1) {
		o->ts = true;
		o->ts_val = which & 2 ? take32(in) : 1000u + take8(in);
		o->ts_ecr = p->ts_val + deviation(in);
	}
	if (which & 4)
		o->mss = which & 8 ? take16(in) : 1460;
	if (which & 16)
		o->wscale = (int8_t)(take8(in) % 16);
	o->sack_ok = which & 32;
	o->fastopen = cookie < 64;
	if (o->fastopen && cookie & 32 && p->cookie.fastopen) {
		o->cookie_len_bytes = p->cookie.cookie_len_bytes;
		memcpy(o->cookie, p->cookie.cookie, sizeof(o->cookie));
	} else if (o->fastopen) {
		o->cookie_len_bytes = (uint8_t)(cookie / 4 & 7 ? 2 + (cookie / 4 & 7) * 2 : 0);
		memset(o->cookie, cookie, sizeof(o->cookie));
	}
	if (which & 64)
		for (o->sack_n = 0; o->sack_n < (which >> 7) + 1; o->sack_n++) {
			uint32_t start = p->ack - take16(in) % 20000;

			o->sack[o->sack_n] = (struct seq_range){start, start + take16(in) % 5000};
		}
}

/* A mark in the IP header, and feedback of marks. */
static void random_ecn(struct machine *m, struct input *in, struct segment *s)
{
	uint8_t which = take8(in);
	struct seg_options *o = &s->opt;

	m->tos = which & 3;
	if (which & 4)
		s->flags |= (take8(in) & 7) << ACE_SHIFT;
	if (!(which & 8))
		return;
	o->ecn = true;
	o->ecn_order = which >> 4 & 1;
	o->ecn_n = which >> 5 & 3;
	o->ecn_e0b = take16(in);
	o->ecn_ceb = take16(in);
	o->ecn_e1b = take16(in);
}

static void likely_packet(struct machine *m, struct input *in)
{
	static const uint8_t usual[16] = {
		SEG_ACK, SEG_ACK, SEG_ACK, SEG_ACK, SEG_ACK | SEG_PSH, SEG_SYN, SEG_SYN,
		SEG_SYN | SEG_ACK, SEG_SYN | SEG_ACK, SEG_FIN | SEG_ACK, SEG_FIN | SEG_ACK,
		SEG_RST, SEG_RST | SEG_ACK, SEG_ACK | SEG_URG, SEG_ACK | SEG_ECE, 0,
	};
	unsigned i = take8(in) % SLOTS;
	struct peer *p = &m->peer[i];
	uint8_t how = take8(in);
	struct segment s = {
		.sport = (uint16_t)(m->remote.port + i),
		.dport = m->local.port,
		.flags = how & 0x80 ? take16(in) & 0x1ff : usual[how & 15],
		.seq = p->seq + deviation(in),
		.ack = p->ack + deviation(in),
		.wnd = how & 0x40 ? take16(in) : 30000,
	};
	uint32_t len = how & 0x20 ? take16(in) % PAYLOAD_MAX : take8(in) % 4;
	uint8_t n;

	random_options(in, p, &s.opt);
	random_ecn(m, in, &s);
	n = segment_build(&s, m->tcp);
	memset(m->tcp + n, how, len);
	if (how & 0x10 && p->heard) /* the peer goes on from there */
		p->seq = s.seq + len;
	deliver(m, n + len, true, how & 1);
}

static void random_packet(struct machine *m, struct input *in, bool fix)
{
	size_t len = take8(in) % 100;

	for (size_t i = 0; i < len; i++)
		m->tcp[i] = take8(in);
	if (fix && len >= TCP_HDR_MIN) {
		m->tcp[0] = (uint8_t)(m->remote.port >> 8);
		m->tcp[1] = (uint8_t)(m->remote.port + (m->tcp[1] & 3));
		m->tcp[2] = (uint8_t)(m->local.port >> 8);
		m->tcp[3] = (uint8_t)m->local.port;
		m->tcp[12] = (uint8_t)((5 + len % 11) << 4);
	}
	deliver(m, len, fix, true);
}

static void random_icmp(struct machine *m, struct input *in)
{
	static const int errs[8] = {EHOSTUNREACH, ENETUNREACH, ECONNREFUSED, EACCES,
				    EPROTO, EMSGSIZE, EMSGSIZE, EMSGSIZE};
	unsigned i = take8(in) % SLOTS;
	struct engine_icmp msg = {.flow = {m->local, m->remote},
				  .err = errs[take8(in) % 8]};

	msg.flow.remote.port = (uint16_t)(m->remote.port + i);
	msg.seq = m->peer[i].ack - 1 + deviation(in);
	msg.mtu_bytes = take16(in);
	msg.pkt_bytes = take16(in);
	msg.local = msg.pkt_bytes & 1;
	engine_icmp(m->e, &msg, m->now_us);
}

/* ---- user calls --------------------------------------------------------------- */

static void open_one(struct machine *m, struct input *in, unsigned i)
{
	struct flow f = {m->local, m->remote};
	struct tcp_path path = {take8(in) & 1 ? take16(in) | 68u : 1500, m->gso_max_bytes};
	int err;

	if (m->slot[i])
		return;
	f.remote.port = (uint16_t)(f.remote.port + i);
	err = tcp_open(m->e, &f, &path, &m->opts, m, m->now_us, &m->slot[i]);
	check(err == 0 || err == -EADDRINUSE);
	if (err)
		m->slot[i] = NULL;
}

static void listen_or_stop(struct machine *m, struct input *in)
{
	if (!m->listener) {
		check(tcp_listen(m->e, &m->local, 1 + take8(in) % 4, &m->opts, m,
				 m->now_us, &m->listener) == 0);
	} else if (take8(in) < 20) {
		tcp_release(m->listener, m->now_us);
		m->listener = NULL;
	} else {
		tcp_set_backlog(m->listener, 1 + take8(in) % 8);
	}
}

static void accept_one(struct machine *m, unsigned i)
{
	if (m->listener && !m->slot[i])
		m->slot[i] = tcp_accept(m->listener, m);
}

static void write_some(struct machine *m, struct input *in, struct tcb *t)
{
	size_t want = take16(in) + 1u, given = 0;
	struct iovec iov[2];
	int n = tcp_send_iov(t, want, iov);

	check(n <= 2 && (n >= 0 || n == -EPIPE));
	for (int i = 0; i < n; i++) {
		memset(iov[i].iov_base, 0x55, iov[i].iov_len);
		given += iov[i].iov_len;
	}
	check(given <= want);
	if (n <= 0)
		return;
	want = take8(in);
	if (want & 1)
		given /= 2;
	if (want % 8 < 2)
		tcp_send_urgent(t, given, m->now_us);
	else if (want % 8 < 4)
		tcp_send_more(t, given, m->now_us);
	else
		tcp_send_commit(t, given, m->now_us);
}

static void read_some(struct machine *m, struct input *in, struct tcb *t)
{
	size_t max = take16(in), have = 0;
	struct iovec iov[2];
	int n = tcp_recv_iov(t, iov);
	struct tcp_status st;
	uint8_t byte;

	if (tcp_recv_urgent(t, max & 1, &byte) == 0)
		sum_of_bytes += byte;
	tcp_status(t, &st);
	check(!tcp_at_mark(t) || st.urgent_bytes == 1);
	for (int i = 0; i < n; i++) {
		have += iov[i].iov_len;
		for (size_t j = 0; j < iov[i].iov_len; j++)
			sum_of_bytes += ((const uint8_t *)iov[i].iov_base)[j];
	}
	check(have == st.readable_bytes);
	if (have)
		tcp_recv_done(t, have < max ? have : max, m->now_us);
}

static void more_options(struct machine *m, struct input *in, struct tcp_opts *o)
{
	uint8_t bits = take8(in);

	if (bits & 1)
		o->cc = cc_known(&m->cfg, take8(in) % 4); /* the last one: the default */
	if (bits & 2)
		o->mss_max_bytes = take16(in) % 1500;
	if (bits & 4)
		o->pacing_max_bytes_s = take16(in) * 16ull;
	if (bits & 8)
		o->ip.mtu_discover = o->ip6.mtu_discover = take8(in) % 6;
	if (bits & 16)
		o->pingpong = !o->pingpong;
	if (bits & 32) {
		o->keepalive_idle_s = take8(in);
		o->keepalive_interval_s = take8(in);
		o->keepalive_probes = take8(in);
	}
}

static void change_options(struct machine *m, struct input *in, struct tcb *t)
{
	uint8_t bits = take8(in);
	struct tcp_opts o;

	tcp_get_opts(t, &o);
	o.nodelay = bits & 1;
	o.cork = bits & 2;
	o.keepalive = bits & 4;
	o.oob_inline = bits & 8;
	o.user_timeout_ms = bits & 16 ? take16(in) * 100u : 0;
	o.window_clamp_bytes = bits & 32 ? take16(in) : 0;
	o.notsent_lowat_bytes = bits & 64 ? take16(in) : 0;
	o.fin_timeout_s = (int8_t)take8(in);
	o.sndbuf_bytes = take16(in);
	o.rcvbuf_bytes = take16(in);
	o.ip.tos = o.ip6.tos = take8(in);
	more_options(m, in, &o);
	tcp_set_opts(t, &o, m->now_us);
	if (bits & 128)
		tcp_quickack(t, bits & 1, m->now_us);
}

static void use_slot(struct machine *m, struct input *in, unsigned op, unsigned i)
{
	struct tcb *t = m->slot[i];

	if (!t)
		return;
	switch (op) {
	case 0:
	case 1:
		write_some(m, in, t);
		break;
	case 2:
	case 3:
		read_some(m, in, t);
		break;
	case 4:
		tcp_shutdown(t, m->now_us);
		break;
	case 5:
		change_options(m, in, t);
		break;
	case 6:
		if (take8(in) < 100)
			tcp_abort(t, m->now_us);
		break;
	default:
		m->slot[i] = NULL;
		tcp_release(t, m->now_us);
		break;
	}
}

static void pass_time(struct machine *m, struct input *in)
{
	uint64_t at_us = engine_deadline(m->e);

	if (take8(in) & 1 && at_us != ENGINE_NEVER && at_us > m->now_us)
		m->now_us = at_us;
	else
		m->now_us += 1ull << take8(in) % 36;
	engine_expire(m->e, m->now_us);
	check_all(m);
	check(engine_deadline(m->e) > m->now_us); /* or a driver would spin */
}

static void operate(struct machine *m, struct input *in)
{
	uint8_t op = take8(in);
	unsigned i = op >> 6;

	switch (op % 16) {
	case 0:
	case 1:
		pass_time(m, in);
		break;
	case 2:
		open_one(m, in, i);
		break;
	case 3:
		listen_or_stop(m, in);
		break;
	case 4:
		accept_one(m, i);
		break;
	case 5:
	case 6:
		use_slot(m, in, take8(in) % 8, i);
		break;
	case 7:
		random_packet(m, in, true);
		break;
	case 8:
		random_packet(m, in, false);
		break;
	case 9:
		random_icmp(m, in);
		break;
	default:
		likely_packet(m, in);
		break;
	}
}

/* ---- beginning and end ---------------------------------------------------------- */

/* What else an administrator may say. */
static void switches(struct engine_config *cfg, struct input *in)
{
	uint8_t bits = take8(in), limits = take8(in);

	strcpy(cfg->cc, cc_known(cfg, take8(in) % 3)->name);
	cfg->rack = bits & 1;
	cfg->frto = bits & 2;
	cfg->dsack = bits & 4;
	cfg->pacing = bits & 8;
	cfg->slow_start_after_idle = bits & 16;
	cfg->moderate_rcvbuf = bits & 32;
	cfg->rfc1337 = bits & 64;
	cfg->abort_on_overflow = bits & 128;
	if (limits & 1)
		cfg->rcv_total_bytes = take16(in);
	if (limits & 2)
		cfg->notsent_lowat_bytes = take16(in) + 1u;
	if (limits & 4)
		cfg->orphans_max = take8(in) % 3;
	if (limits & 8)
		cfg->max_syn_backlog = 1 + take8(in) % 4;
	if (limits & 16)
		cfg->base_mss_bytes = 48 + take16(in) % 2000;
	if (limits & 32)
		cfg->initcwnd_segs = 1 + take8(in) % 50;
	if (limits & 64)
		cfg->delack_ms = take8(in);
	cfg->syn_linear_timeouts = limits >> 5;
	cfg->tw_reuse = take8(in) % 3;
	cfg->quickacks = take8(in);
	cfg->rto_min_ms = 1 + take8(in);
}

static void set_up(struct machine *m, struct input *in)
{
	static const uint8_t here[4] = {10, 0, 0, 1}, there[4] = {10, 0, 0, 2};
	struct engine_config cfg;
	uint8_t flags = take8(in), fast;

	memset(m, 0, sizeof(*m));
	engine_config_defaults(&cfg);
	memset(cfg.seed, take8(in), sizeof(cfg.seed));
	cfg.timestamps = flags & 1;
	cfg.sack = flags & 2;
	cfg.window_scaling = flags & 4;
	cfg.trace = flags & 8;
	cfg.ecn = take8(in) % 7;
	cfg.mtu_probing = take8(in) % 3;
	fast = take8(in);
	cfg.fastopen = fast % 8 | (fast & 8 ? 0x200 : 0) | (fast & 16 ? 0x400 : 0);
	cfg.syncookies = (fast >> 5) % 3;
	cfg.uto = flags & 2;
	cfg.memory_max_bytes = flags & 4 ? 100000 : 0;
	cfg.half_open_max = 1 + take8(in) % 8;
	if (flags & 16)
		cfg.ooo_ranges_max = 1 + take8(in) % 4;
	m->gso_max_bytes = flags & 32 ? 65000 : 0;
	m->now_us = take32(in);
	m->local = (struct endpoint){addr_from_v4(here), 80};
	m->remote = (struct endpoint){addr_from_v4(there), 0x1000};
	switches(&cfg, in);
	m->cfg = cfg;
	m->e = engine_new(&cfg, m->now_us);
	if (!m->e)
		abort();
	tcp_opts_defaults(m->e, &m->opts);
	if (flags & 64) {
		m->opts.rcvbuf_bytes = take16(in) + 1u;
		m->opts.sndbuf_bytes = take16(in) + 1u;
	}
	m->opts.nodelay = flags & 128;
	m->opts.keepalive = flags & 1;
	m->opts.defer_accept_s = flags & 8 ? 3 : 0;
	m->opts.fastopen = fast & 1;
	m->opts.fastopen_queue = fast >> 4;
}

/* Nobody holds anything any more, nobody answers: all of it must end. */
static void die_out(struct machine *m)
{
	unsigned steps = 0;
	uint64_t at_us;

	for (unsigned i = 0; i < SLOTS; i++)
		if (m->slot[i])
			tcp_release(m->slot[i], m->now_us);
	if (m->listener)
		tcp_release(m->listener, m->now_us);
	memset(m->slot, 0, sizeof(m->slot));
	m->listener = NULL;
	check_all(m);
	while ((at_us = engine_deadline(m->e)) != ENGINE_NEVER) {
		check(++steps < END_STEPS_MAX);
		if (at_us > m->now_us)
			m->now_us = at_us;
		engine_expire(m->e, m->now_us);
		check_all(m);
	}
	check(engine_stats(m->e)->connections == 0);
	engine_free(m->e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct input in = {data, size};

	set_up(&m, &in);
	while (in.left) {
		operate(&m, &in);
		check_all(&m);
	}
	die_out(&m);
	return 0;
}
