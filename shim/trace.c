/* trace.c - owns the ladder's layout: one engine_trace() record, one line.
 *
 *     time, [connection], state before -> after, arrow, flags, SEQ, ACK, length,
 *     window, options, addresses, note, reason of a drop
 *
 * The addresses are those of a connection or listener that begins.
 * SEQ and ACK count from the initial sequence number of the side that they
 * belong to, as far as it is known; the window is in bytes, scaling applied.
 * Lines are written piece by piece into the caller's buffer through struct
 * line; when it is full the rest is cut off, never the newline.
 */
#include "trace.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../engine/addr.h"
#include "../engine/segment.h"

enum { OPT_END, OPT_NOP, OPT_MSS, OPT_WSCALE, OPT_SACK_OK, OPT_SACK, OPT_TS = 8,
       OPT_ACCECN0 = 172, OPT_ACCECN1 = 174 };

struct line {
	char *buf;
	size_t len, room; /* room leaves space for a colour's end and newline */
	bool color;
};

#define DIM "2"
#define BOLD "1"
#define RED "31"
#define GREEN "32"
#define YELLOW "33"
#define CYAN "36"

__attribute__((format(printf, 2, 3)))
static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->buf + l->len, l->room - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n;
	if (l->len >= l->room)
		l->len = l->room - 1;
}

static void paint(struct line *l, const char *color)
{
	if (l->color)
		put(l, "\033[%sm", color);
}

static void unpaint(struct line *l)
{
	if (l->color)
		put(l, "\033[0m");
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* What sequence numbers of one direction count from. */
struct origin {
	uint32_t isn;
	bool known;
};

/* Relative to origin; just before it (a keep-alive's octet) it is negative. */
static void put_seq(struct line *l, uint32_t seq, struct origin o, int width)
{
	uint32_t rel = o.known ? seq - o.isn : seq;

	if (o.known && rel > UINT32_MAX - 65535)
		put(l, "%*" PRId32, width, (int32_t)rel);
	else
		put(l, "%*" PRIu32, width, rel);
}

static void put_sack(struct line *l, const uint8_t *p, size_t len, struct origin o)
{
	put(l, "sack");
	for (; len >= 8; p += 8, len -= 8) {
		put(l, " ");
		put_seq(l, get32(p), o, 0);
		put(l, ":");
		put_seq(l, get32(p + 4), o, 0);
	}
}

/* Three counters of 24 bits, or the first of them (RFC 9768 3.2.3). */
static void put_accecn(struct line *l, const uint8_t *p, size_t len)
{
	static const char *const name[] = {"e0b", "ceb", "e1b"};

	put(l, "accecn");
	for (unsigned i = 0; i < 3 && 5 + 3 * i <= len; i++)
		put(l, " %s %u", name[p[0] == OPT_ACCECN1 ? 2 - i : i],
		    (unsigned)p[2 + 3 * i] << 16 | get16(p + 3 + 3 * i));
}

/* One option of len bytes, kind and length included. */
static void put_option(struct line *l, const uint8_t *p, size_t len, struct origin o)
{
	if (p[0] == OPT_MSS && len == 4)
		put(l, "mss %u", get16(p + 2));
	else if (p[0] == OPT_WSCALE && len == 3)
		put(l, "wscale %u", p[2]);
	else if (p[0] == OPT_SACK_OK && len == 2)
		put(l, "sackOK");
	else if (p[0] == OPT_SACK && len > 2)
		put_sack(l, p + 2, len - 2, o);
	else if (p[0] == OPT_TS && len == 10)
		put(l, "ts %" PRIu32 " %" PRIu32, get32(p + 2), get32(p + 6));
	else if (p[0] == OPT_ACCECN0 || p[0] == OPT_ACCECN1)
		put_accecn(l, p, len);
	else
		put(l, "option %u", p[0]);
}

/* sacked: what SACK blocks count from, as the ACK field does. */
static void put_options(struct line *l, const struct trace_rec *rec,
			struct origin sacked)
{
	const uint8_t *p = rec->hdr + TCP_HDR_MIN;
	const uint8_t *end = rec->hdr + (rec->hdr_len_bytes < TCP_HDR_MAX
						 ? rec->hdr_len_bytes : TCP_HDR_MAX);
	const char *sep = "  ";

	while (p < end && *p != OPT_END) {
		if (*p == OPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p) {
			put(l, "%sbad option %u", sep, p[0]);
			return;
		}
		put(l, "%s", sep);
		put_option(l, p, p[1], sacked);
		p += p[1];
		sep = ", ";
	}
}

static void put_flags(struct line *l, uint16_t flags)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
		{SEG_SYN, "SYN"}, {SEG_FIN, "FIN"}, {SEG_RST, "RST"},
		{SEG_PSH, "PSH"}, {SEG_ACK, "ACK"}, {SEG_URG, "URG"},
		{SEG_ECE, "ECE"}, {SEG_CWR, "CWR"}, {SEG_AE, "AE"},
	};
	char text[40] = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & names[i].bit))
			continue;
		if (*text)
			strcat(text, ",");
		strcat(text, names[i].name);
	}
	put(l, "%-11s", *text ? text : "none");
}

/* Arrow to options: what was on the wire. */
static void put_segment(struct line *l, const struct trace_rec *rec)
{
	bool out = rec->kind == TRACE_OUT;
	uint16_t flags = (uint16_t)((rec->hdr[12] << 8 & SEG_AE) | rec->hdr[13]);
	struct origin ours = {rec->iss, rec->iss_known};
	struct origin theirs = {rec->irs, rec->irs_known};
	uint32_t wnd = get16(rec->hdr + 14);

	/* A SYN's number is its side's origin, known or not yet. */
	if (flags & SEG_SYN)
		*(out ? &ours : &theirs) = (struct origin){get32(rec->hdr + 4), true};
	/* The window field of a SYN is never scaled (RFC 7323 2.2). */
	else
		wnd <<= (out ? rec->rcv_wscale : rec->snd_wscale) & 15;

	paint(l, rec->drop ? RED : out ? CYAN : GREEN);
	put(l, "%s ", out ? "-->" : "<--");
	put_flags(l, flags);
	unpaint(l);
	put_seq(l, get32(rec->hdr + 4), out ? ours : theirs, 9);
	if (flags & SEG_ACK)
		put_seq(l, get32(rec->hdr + 8), out ? theirs : ours, 10);
	else
		put(l, "%10s", "-");
	put(l, "%7" PRIu32 "%9" PRIu32, rec->payload_len_bytes, wnd);
	put_options(l, rec, out ? theirs : ours);
}

static void put_state(struct line *l, const struct trace_rec *rec)
{
	char text[40];

	if (!rec->conn && rec->before == rec->after)
		strcpy(text, "-");
	else if (rec->before == rec->after)
		snprintf(text, sizeof(text), "%s", tcp_state_name(rec->after));
	else
		snprintf(text, sizeof(text), "%s -> %s",
			 tcp_state_name(rec->before), tcp_state_name(rec->after));
	if (rec->before != rec->after)
		paint(l, BOLD);
	put(l, "%-27s ", text);
	if (rec->before != rec->after)
		unpaint(l);
}

static void put_number(struct line *l, const struct trace_rec *rec)
{
	char peer[8] = "*"; /* a listener has none */

	if (rec->flow.remote.port)
		snprintf(peer, sizeof(peer), "%u", rec->flow.remote.port);
	put(l, "#%-3" PRIu32 " %5u>%-5s ", rec->conn, rec->flow.local.port, peer);
}

/* a.b.c.d:port, [v6]:port, [fe80::1%device]:port */
static void put_endpoint(struct line *l, const struct endpoint *e)
{
	struct ip_addr wire = addr_wire(&e->addr);
	uint32_t scope = addr_scope(&e->addr);
	char text[INET6_ADDRSTRLEN];

	if (addr_is_v4(&wire)) {
		put(l, "%s", inet_ntop(AF_INET, wire.b + 12, text, sizeof(text)));
	} else {
		put(l, "[%s", inet_ntop(AF_INET6, wire.b, text, sizeof(text)));
		if (scope)
			put(l, "%%%" PRIu32, scope);
		put(l, "]");
	}
	put(l, ":%u", e->port);
}

static bool begins(const struct trace_rec *rec)
{
	return rec->before != rec->after && rec->after != TCPS_CLOSED &&
	       (rec->before == TCPS_CLOSED || rec->before == TCPS_LISTEN);
}

static void put_flow(struct line *l, const struct flow *f)
{
	put(l, "  (");
	put_endpoint(l, &f->local);
	if (f->remote.port) { /* a listener has none */
		put(l, " > ");
		put_endpoint(l, &f->remote);
	}
	put(l, ")");
}

static size_t line_end(struct line *l)
{
	while (l->len > 0 && l->buf[l->len - 1] == ' ')
		l->len--;
	if (l->color && l->len == l->room - 1) { /* cut off, perhaps in a colour */
		memcpy(l->buf + l->len, "\033[0m", 4);
		l->len += 4;
	}
	l->buf[l->len++] = '\n';
	l->buf[l->len] = '\0';
	return l->len;
}

static bool line_begin(struct line *l, const struct trace_style *style, char *buf,
		       size_t size)
{
	const size_t tail = sizeof("\033[0m\n");

	if (size <= tail)
		return false;
	*l = (struct line){.buf = buf, .room = size - tail, .color = style->color};
	return true;
}

size_t trace_header(const struct trace_style *style, char *buf, size_t size)
{
	struct line l;

	if (!line_begin(&l, style, buf, size))
		return 0;
	paint(&l, DIM);
	put(&l, "%9s ", "time");
	if (style->numbered)
		put(&l, "%-4s %5s>%-5s ", "#", "local", "peer");
	put(&l, "%-27s %-15s%9s%10s%7s%9s  %s", "state", "segment", "seq", "ack",
	    "len", "win", "options");
	unpaint(&l);
	return line_end(&l);
}

size_t trace_line(const struct trace_rec *rec, const struct trace_style *style,
		  char *buf, size_t size)
{
	uint64_t us = rec->time_us > style->start_us ? rec->time_us - style->start_us : 0;
	struct line l;

	if (!line_begin(&l, style, buf, size))
		return 0;
	put(&l, "%2" PRIu64 ".%06" PRIu64 " ", us / 1000000, us % 1000000);
	if (style->numbered)
		put_number(&l, rec);
	put_state(&l, rec);
	if (rec->kind == TRACE_IN || rec->kind == TRACE_OUT) {
		if (rec->hdr_len_bytes >= TCP_HDR_MIN)
			put_segment(&l, rec);
		else
			put(&l, "%s truncated segment", rec->kind == TRACE_OUT ? "-->" : "<--");
	}
	if (begins(rec))
		put_flow(&l, &rec->flow);
	if (rec->note) {
		paint(&l, YELLOW);
		put(&l, "  (%s)", rec->note);
		unpaint(&l);
	}
	if (rec->drop) {
		paint(&l, RED);
		put(&l, "  DROP: %s", drop_name(rec->drop));
		unpaint(&l);
	}
	return line_end(&l);
}
