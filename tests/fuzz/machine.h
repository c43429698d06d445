/* machine.h - an engine under the fuzzer's hand, and the peers that it talks to.
 *
 * Peers are hostile, but know what the engine expects next: their numbers follow what
 * it sends. Slot i is the flow with the peer's port FIRST_PEER + i, from our port 80;
 * the last slot's is IPv6. What a peer sends as likely text is bytes that count up with
 * their sequence numbers, as the user's do with theirs: so each byte that comes out, on
 * either side, says whether it is in its place.
 */
#ifndef MYTCP_FUZZ_MACHINE_H
#define MYTCP_FUZZ_MACHINE_H

#include "fuzz.h"

#include <errno.h>

#include "../../engine/addr.h"
#include "../../engine/segment.h"

#define SLOTS 4
#define LISTENERS 2 /* at our IPv4 address, at "::" */
#define OUR_PORT 80
#define FIRST_PEER 0x1000
#define PAYLOAD_MAX 4096
#define MEMORY_MAX_BYTES (256u << 20)
#define END_STEPS_MAX 100000
#define TIMER_MAX_US (130 * 1000000ull) /* a timeout is at most rto_max_ms long */

struct peer { /* one per remote port */
	uint32_t seq, ack; /* that the engine's next input should carry */
	uint32_t ts_val;   /* newest from the engine */
	struct seg_options cookie; /* newest with one, RFC 7413 */
	bool heard;
	uint32_t iss;      /* of the engine's newest SYN */
	uint8_t text;      /* value of a byte less its number, once there was one */
	bool text_known;
};

struct machine {
	uint8_t tos; /* of the packet that comes next */
	struct engine *e;
	struct engine_config cfg;
	uint64_t now_us;
	struct user {
		struct tcb *t;
		uint8_t written;  /* the value of the next byte to write */
		uint8_t read;     /* of the one to come, once there was one */
		bool read_known;
	} slot[SLOTS];
	struct tcb *listener[LISTENERS];
	struct peer peer[SLOTS];
	bool any_text; /* there was text that does not count up */
	bool urgent;   /* bytes may be missing from a stream */
	struct tcp_opts opts;
	uint32_t gso_max_bytes;
	uint8_t tcp[TCP_HDR_MAX + PAYLOAD_MAX];
};

static inline struct ip_addr address_of(bool v6, uint8_t last)
{
	uint8_t v4[4] = {10, 0, 0, last};

	return v6 ? (struct ip_addr){{0xfd, [15] = last}} : addr_from_v4(v4);
}

static inline struct flow flow_of(unsigned i)
{
	bool v6 = i == SLOTS - 1;

	return (struct flow){{address_of(v6, 1), OUR_PORT},
			     {address_of(v6, 2), (uint16_t)(FIRST_PEER + i)}};
}

/* ---- what comes out ------------------------------------------------------- */

/* NULL: of no slot, but of a packet that came from anywhere. */
static inline struct peer *peer_of(struct machine *m, const struct engine_pkt_out *o,
				   const struct segment *s)
{
	uint16_t i = (uint16_t)(s->dport - FIRST_PEER);

	return i < SLOTS && addr_is_v4(&o->dst) == (i < SLOTS - 1) ? &m->peer[i] : NULL;
}

static inline void hear(struct machine *m, const struct engine_pkt_out *o,
			const struct segment *s)
{
	struct peer *p = peer_of(m, o, s);

	if (!p)
		return;
	if (s->flags & SEG_SYN && (!p->heard || p->iss != s->seq)) {
		p->iss = s->seq;
		p->text_known = false;
	}
	p->heard = true;
	p->ack = s->seq + seg_len(s);
	if (s->flags & SEG_ACK)
		p->seq = s->ack;
	if (s->opt.ts)
		p->ts_val = s->opt.ts_val;
	if (s->opt.cookie_len_bytes)
		p->cookie = s->opt;
}

/* The user's bytes count up, so the difference between a byte and its number is the
 * same for all of a connection, in whatever pieces and how often they leave. */
static inline void check_text(struct machine *m, const struct segment *s,
		       const struct engine_pkt_out *o)
{
	struct peer *p = peer_of(m, o, s);
	uint8_t seq = (uint8_t)(s->seq + (s->flags & SEG_SYN ? 1 : 0));

	for (int i = 0; p && i < o->payload_iovs; i++)
		for (size_t j = 0; j < o->payload[i].iov_len; j++, seq++) {
			uint8_t text = (uint8_t)(((const uint8_t *)o->payload[i].iov_base)[j] - seq);

			check(!p->text_known || p->text == text);
			p->text = text;
			p->text_known = true;
		}
}

static inline void check_out(struct machine *m, const struct engine_pkt_out *o)
{
	struct ip_addr here = address_of(!addr_is_v4(&o->src), 1);
	uint32_t payload = 0;
	uint8_t hdr[TCP_HDR_MAX];
	struct segment s;
	uint16_t sum;

	check(o->hdr_len_bytes >= TCP_HDR_MIN && o->hdr_len_bytes <= TCP_HDR_MAX);
	check(o->payload_iovs >= 0 && o->payload_iovs <= 2);
	for (int i = 0; i < o->payload_iovs; i++)
		payload += (uint32_t)o->payload[i].iov_len;
	check(payload == o->payload_len_bytes);
	check(m->gso_max_bytes || !segment_is_burst(o));
	memcpy(hdr, o->hdr, o->hdr_len_bytes);
	sum = segment_checksum(&o->src, &o->dst, hdr, o->hdr_len_bytes, NULL, 0);
	hdr[16] = (uint8_t)(sum >> 8);
	hdr[17] = (uint8_t)sum;
	check(segment_parse(&s, &o->src, &o->dst, hdr, o->hdr_len_bytes) == DROP_NONE);
	check(addr_eq(&o->src, &here));
	check(addr_is_v4(&o->src) == addr_is_v4(&o->dst));
	check((s.flags & (SEG_SYN | SEG_RST)) != (SEG_SYN | SEG_RST));
	check(!(s.flags & SEG_SYN) || (!(s.flags & SEG_ACK) && m->opts.fastopen) || !payload);
	s.data_len_bytes = payload;
	hear(m, o, &s);
	check_text(m, &s, o);
}

/* Somebody must come back to a connection that waits for the network. */
static inline void check_timer(struct machine *m, const struct tcb *t,
			       const struct tcp_status *st)
{
	bool waits = st->unacked_bytes || (st->notsent_bytes && !st->snd_wnd_bytes) ||
		     (st->state == TCPS_SYN_SENT && !tcp_syn_waits(t)) || st->state == TCPS_LAST_ACK ||
		     st->state == TCPS_CLOSING || st->state == TCPS_FIN_WAIT_1;
	uint64_t at_us = engine_deadline(m->e);

	if (st->state == TCPS_CLOSED || st->state == TCPS_TIME_WAIT || !waits)
		return;
	check(at_us != ENGINE_NEVER);
	check(at_us <= m->now_us + TIMER_MAX_US);
}

static inline void check_tcb(struct machine *m, const struct tcb *t)
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
	check_timer(m, t, &st);
}

static inline void check_all(struct machine *m)
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
		if (m->slot[i].t)
			check_tcb(m, m->slot[i].t);
	check(st->lingering + st->time_wait <= st->connections);
	check(st->half_open <= st->connections);
	check(st->memory_bytes <= MEMORY_MAX_BYTES);
}

/* How a packet is given to the engine. */
enum {
	DELIVER_REFUSE = 1,  /* who is unknown gets a RST */
	DELIVER_YIELD = 2,   /* another stack has the port, too */
	DELIVER_NO_PATH = 4, /* it is looked up only when asked for */
	DELIVER_ASK = 8,
};

/* ---- what goes in ---------------------------------------------------------- */

/* What a driver does about an answer that asks. */
static inline void settle(struct machine *m, struct engine_pkt_in *in, enum drop d, uint8_t how)
{
	check(d < DROP_COUNT);
	if (d == DROP_ASK && how & DELIVER_YIELD) {
		engine_yield(m->e, in, m->now_us);
	} else if (d == DROP_ASK || d == DROP_NO_PATH) {
		check(d == DROP_ASK ? in->ask : !in->path.mtu_bytes);
		in->ask &= d != DROP_ASK;
		in->path = (struct tcp_path){1500, m->gso_max_bytes};
		settle(m, in, engine_input(m->e, in, m->now_us), how);
	} else if (how & DELIVER_REFUSE && (d == DROP_CLOSED || d == DROP_LISTEN_ACK)) {
		engine_refuse(m->e, in, m->now_us);
	}
}

static inline void deliver(struct machine *m, unsigned i, size_t len, bool fix, uint8_t how)
{
	struct flow f = flow_of(i);
	struct engine_pkt_in in = {.src = f.remote.addr, .dst = f.local.addr,
				   .path = {1500, m->gso_max_bytes},
				   .tcp_len_bytes = len, .tos = m->tos,
				   .ask = how & DELIVER_ASK, .device_mtu_bytes = 1500};
	uint8_t *copy = malloc(len ? len : 1); /* exact, for the sanitizer */

	if (!copy)
		abort();
	if (how & DELIVER_NO_PATH)
		in.path = (struct tcp_path){0};
	if (fix && len >= TCP_HDR_MIN) {
		struct iovec iov = {m->tcp + TCP_HDR_MIN, len - TCP_HDR_MIN};
		uint16_t sum = segment_checksum(&in.src, &in.dst, m->tcp, TCP_HDR_MIN,
						&iov, 1);

		m->tcp[16] = (uint8_t)(sum >> 8);
		m->tcp[17] = (uint8_t)sum;
	}
	memcpy(copy, m->tcp, len);
	in.tcp = copy;
	settle(m, &in, engine_input(m->e, &in, m->now_us), how);
	free(copy);
}

/* Mostly nothing, sometimes a little, rarely anything. */
static inline uint32_t deviation(struct input *in)
{
	uint8_t how = take8(in);

	if (how < 160)
		return 0;
	if (how < 240)
		return (uint32_t)(int8_t)take8(in) * (how & 1 ? 1 : 500);
	return take32(in);
}

static inline void random_options(struct input *in, const struct peer *p, struct seg_options *o)
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
static inline void random_ecn(struct machine *m, struct input *in, struct segment *s)
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

static inline void likely_packet(struct machine *m, struct input *in)
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
		.sport = (uint16_t)(FIRST_PEER + i),
		.dport = OUR_PORT,
		.flags = how & 0x80 ? take16(in) & 0x1ff : usual[how & 15],
		.seq = p->seq + deviation(in),
		.ack = p->ack + deviation(in),
		.wnd = how & 0x40 ? take16(in) : 30000,
	};
	uint32_t len = how & 0x20 ? take16(in) % PAYLOAD_MAX : take8(in) % 4;
	uint8_t n;

	if (s.flags & SEG_URG) {
		s.up = how & 0x20 ? take16(in) : (uint16_t)len;
		m->urgent = true;
	}
	random_options(in, p, &s.opt);
	random_ecn(m, in, &s);
	n = segment_build(&s, m->tcp);
	for (uint32_t j = 0; j < len; j++)
		m->tcp[n + j] = (uint8_t)(s.seq + (s.flags & SEG_SYN ? 1 : 0) + j);
	if (how & 0x10 && p->heard) /* the peer goes on from there */
		p->seq = s.seq + len;
	deliver(m, i, n + len, true, take8(in));
}

static inline void random_packet(struct machine *m, struct input *in, bool fix)
{
	unsigned n = take8(in), len = n % 100, i = n / 100;

	for (size_t j = 0; j < len; j++)
		m->tcp[j] = take8(in);
	if (fix && len >= TCP_HDR_MIN) {
		m->tcp[0] = (uint8_t)(FIRST_PEER >> 8);
		m->tcp[1] = (uint8_t)(FIRST_PEER + (m->tcp[1] & 3));
		m->tcp[2] = OUR_PORT >> 8;
		m->tcp[3] = OUR_PORT & 0xff;
		m->tcp[12] = (uint8_t)((5 + len % 11) << 4);
	}
	m->any_text |= fix;
	deliver(m, i, len, fix, DELIVER_REFUSE);
}

static inline void random_icmp(struct machine *m, struct input *in)
{
	static const int errs[8] = {EHOSTUNREACH, ENETUNREACH, ECONNREFUSED, EACCES,
				    EPROTO, EMSGSIZE, EMSGSIZE, EMSGSIZE};
	unsigned i = take8(in) % SLOTS;
	struct engine_icmp msg = {.flow = flow_of(i), .err = errs[take8(in) % 8]};

	msg.seq = m->peer[i].ack - 1 + deviation(in);
	msg.mtu_bytes = take16(in);
	msg.pkt_bytes = take16(in);
	msg.local = msg.pkt_bytes & 1;
	engine_icmp(m->e, &msg, m->now_us);
}

#endif
