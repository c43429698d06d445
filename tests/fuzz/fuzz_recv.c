/* fuzz_recv.c - what the link makes of a packet that the kernel hands it.
 *
 * recv.c is part of this program: a packet is put into a slot as recvmmsg() would,
 * with any length, flags and ancillary data, and rx_take() looks at it. The packet lies
 * on the heap and ends where it ends, so that a sanitizer sees the first byte too many.
 */
#include "../../engine/link/recv.c"

#include "fuzz.h"

#define PACKET_MAX 512

/* ---- what recv.c asks of its neighbours ---------------------------------------- */

bool ports_has(const struct link *l, int family, uint16_t port)
{
	(void)l;
	(void)family;
	return port & 1;
}

void ports_took(struct link *l, int family, unsigned pkts, unsigned syns, bool more)
{
	(void)l;
	(void)family;
	(void)pkts;
	(void)syns;
	(void)more;
}

bool route_accepts(struct link *l, struct engine_pkt_in *pkt)
{
	(void)l;
	pkt->device_mtu_bytes = 1500;
	return pkt->dst.b[15] != 99;
}

/* ---- ancillary data --------------------------------------------------------------- */

static void add_cmsg(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

static void tell_ip4(struct msghdr *m, struct input *in, const uint8_t *ip, size_t len)
{
	uint8_t how = take8(in);
	struct in_pktinfo info = {.ipi_ifindex = how & 3};

	if (how & 4)
		return;
	if (len >= IP4_HDR_BYTES)
		memcpy(&info.ipi_addr, ip + 16, 4);
	if (how & 8)
		info.ipi_addr.s_addr = take32(in);
	info.ipi_spec_dst = info.ipi_addr;
	if (how & 16)
		info.ipi_spec_dst.s_addr = take32(in);
	add_cmsg(m, how & 32 ? IPPROTO_IPV6 : IPPROTO_IP, how & 64 ? IP_TTL : IP_PKTINFO, &info,
		 sizeof(info));
}

static void tell_ip6(struct msghdr *m, struct input *in, struct sockaddr_in6 *from)
{
	uint8_t how = take8(in);
	struct in6_pktinfo info = {.ipi6_ifindex = how & 3};
	int tclass = take8(in), hops = take8(in);

	memset(from, 0, sizeof(*from));
	for (int i = 0; i < 16; i++) {
		from->sin6_addr.s6_addr[i] = take8(in);
		info.ipi6_addr.s6_addr[i] = take8(in);
	}
	if (how & 4)
		add_cmsg(m, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	if (!(how & 8))
		add_cmsg(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	if (how & 16)
		add_cmsg(m, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
}

/* ---- one packet --------------------------------------------------------------------- */

static void check_taken(const struct engine_pkt_in *p, const uint8_t *packet, size_t len)
{
	struct segment s;

	check(p->ifindex);
	check(p->tcp >= packet && p->tcp + p->tcp_len_bytes <= packet + len);
	check(p->tcp_len_bytes >= 4);
	check(addr_is_v4(&p->src) == addr_is_v4(&p->dst));
	segment_parse(&s, &p->src, &p->dst, p->tcp, p->tcp_len_bytes); /* reads all of it */
}

static void take_one(struct link *l, struct input *in)
{
	uint8_t how = take8(in), *packet;
	int family = how & 1 ? V6 : V4;
	size_t len = take16(in) % PACKET_MAX, n;
	struct mmsghdr *mm = &l->rx->msgs[0];
	struct engine_pkt_in p;

	packet = malloc(len ? len : 1);
	if (!packet)
		abort();
	n = len < in->left ? len : in->left;
	memset(packet, how, len);
	if (n)
		memcpy(packet, in->p, n);
	in->p += n;
	in->left -= n;
	if (family == V4 && !(how & 2) && len >= IP4_HDR_BYTES) { /* as the kernel lets it pass */
		packet[2] = (uint8_t)(len >> 8);
		packet[3] = (uint8_t)len;
		packet[0] = (uint8_t)(0x40 | (packet[0] & 15));
	}
	l->rx->iov[0].iov_base = packet;
	mm->msg_len = (unsigned)len;
	mm->msg_hdr.msg_flags = how & 4 ? MSG_TRUNC : 0;
	mm->msg_hdr.msg_controllen = 0;
	if (family == V4)
		tell_ip4(&mm->msg_hdr, in, packet, len);
	else
		tell_ip6(&mm->msg_hdr, in, &l->rx->from[0]);
	if (rx_take(l, family, 0, &p))
		check_taken(&p, packet, len);
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct link l;
	struct input in = {data, size};

	if (!l.rx && rx_open(&l) < 0)
		abort();
	while (in.left)
		take_one(&l, &in);
	return 0;
}
