/* watch.c - see watch.h. One struct side per flow and direction holds what that
 * side has promised and what it was told. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/segment.h"
#include "../../engine/seq.h"

#define FLOWS_MAX 64

struct side {
	bool syn;           /* has sent one; the next three come from it */
	int8_t wscale;
	uint16_t mss;
	uint32_t iss;
	bool offers;        /* offered is valid */
	uint32_t offered;   /* right edge of the window it offers */
	bool may_send;      /* edge is valid */
	uint32_t edge;      /* right edge it was told of */
	bool has_received;  /* high is valid */
	uint32_t high;      /* end of all that reached it */
};

struct watch {
	uint32_t mtu_bytes;
	bool cookies[2];    /* each minute's is another */
	unsigned n;
	struct {
		uint16_t port[2];
		struct side side[2];
	} flow[FLOWS_MAX];
};

struct watch *watch_new(uint32_t mtu_bytes)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->mtu_bytes = mtu_bytes;
	return w;
}

void watch_cookies(struct watch *w, int side)
{
	w->cookies[side] = true;
}

void watch_free(struct watch *w)
{
	free(w);
}

/* port0: of side 0. */
static struct side *sides(struct watch *w, uint16_t port0, uint16_t port1)
{
	unsigned i = 0;

	while (i < w->n && (w->flow[i].port[0] != port0 || w->flow[i].port[1] != port1))
		i++;
	if (i == FLOWS_MAX)
		abort();
	if (i == w->n) {
		w->n++;
		w->flow[i].port[0] = port0;
		w->flow[i].port[1] = port1;
	}
	return w->flow[i].side;
}

static uint32_t scale_of(const struct side *me, const struct side *peer, uint8_t flags)
{
	if (flags & SEG_SYN || me->wscale < 0 || peer->wscale < 0)
		return 0;
	return (uint32_t)me->wscale;
}

static const char *check_size(const struct watch *w, const struct side *peer,
			      const struct engine_pkt_out *o)
{
	uint32_t wire = o->payload_len_bytes, opts = o->hdr_len_bytes - TCP_HDR_MIN;
	uint32_t mss = peer->syn && peer->mss ? peer->mss : 536;

	if (wire > o->mss_bytes)
		wire = o->mss_bytes;
	if (o->hdr[13] & SEG_SYN)
		return NULL; /* it goes by the MSS of an earlier connection */
	if (wire && wire + opts > mss)
		return "payload is larger than the peer's MSS allows";
	if (wire && wire + opts + 40 > w->mtu_bytes)
		return "segment is larger than the path's MTU";
	if (o->hdr[16] | o->hdr[17])
		return "checksum field is not zero";
	return NULL;
}

/* RFC 9293 3.8.6: SND.UNA + SND.WND is the limit, but for a probe's one byte;
 * FIN needs no window. */
static const char *check_window(const struct side *me, const struct segment *s,
				uint32_t len_bytes)
{
	uint32_t end = s->seq + len_bytes;

	if (!len_bytes || !me->may_send || seq_leq(end, me->edge))
		return NULL;
	if (len_bytes == 1 && end == me->edge + 1)
		return NULL;
	return "data beyond the peer's window";
}

static const char *check_offer(struct side *me, const struct side *peer,
			       const struct segment *s)
{
	uint32_t shift, offered;

	if (!(s->flags & SEG_ACK) || s->flags & SEG_RST)
		return NULL;
	if (me->has_received && seq_gt(s->ack, me->high))
		return "ACK for what was never sent";
	shift = scale_of(me, peer, s->flags);
	offered = s->ack + ((uint32_t)s->wnd << shift);
	/* Rounding to the scale's unit may take back less than one unit. */
	if (me->offers && seq_lt(offered + (1u << shift) - 1, me->offered))
		return "right edge of the offered window moves left";
	if (!me->offers || seq_gt(offered, me->offered))
		me->offered = offered;
	me->offers = true;
	return NULL;
}

const char *watch_sent(struct watch *w, int from, const struct engine_pkt_out *o)
{
	uint8_t hdr[TCP_HDR_MAX];
	uint16_t sum = segment_checksum(&o->src, &o->dst, o->hdr, o->hdr_len_bytes, NULL, 0);
	struct segment s;
	struct side *both, *me, *peer;
	const char *bad;

	memcpy(hdr, o->hdr, o->hdr_len_bytes);
	hdr[16] = (uint8_t)(sum >> 8);
	hdr[17] = (uint8_t)sum;
	if (segment_parse(&s, &o->src, &o->dst, hdr, o->hdr_len_bytes))
		return "header is malformed";
	both = from ? sides(w, s.dport, s.sport) : sides(w, s.sport, s.dport);
	me = &both[from];
	peer = &both[!from];
	if (s.flags & SEG_SYN) {
		if (me->syn && me->iss != s.seq) {
			if (!w->cookies[from] || !(s.flags & SEG_ACK))
				return "a second ISN";
			me->may_send = peer->has_received = false;
		}
		me->syn = true;
		me->iss = s.seq;
		me->wscale = s.opt.wscale;
		if (s.opt.mss > me->mss) /* its user may change it in between */
			me->mss = s.opt.mss;
	}
	if ((bad = check_size(w, peer, o)))
		return bad;
	if ((bad = check_window(me, &s, o->payload_len_bytes)))
		return bad;
	return check_offer(me, peer, &s);
}

void watch_received(struct watch *w, int to, const struct ip_addr *src,
		    const struct ip_addr *dst, const uint8_t *tcp,
		    uint32_t len_bytes)
{
	struct side *both, *me, *peer;
	struct segment s;
	uint32_t end, edge;

	if (segment_parse(&s, src, dst, tcp, len_bytes))
		return;
	both = to ? sides(w, s.sport, s.dport) : sides(w, s.dport, s.sport);
	me = &both[to];
	peer = &both[!to];
	end = s.seq + seg_len(&s);
	if (!me->has_received || seq_gt(end, me->high))
		me->high = end;
	me->has_received = true;
	if (!(s.flags & SEG_ACK) || s.flags & SEG_RST)
		return;
	edge = s.ack + ((uint32_t)s.wnd << scale_of(peer, me, s.flags));
	if (!me->may_send || seq_gt(edge, me->edge))
		me->edge = edge;
	me->may_send = true;
}
