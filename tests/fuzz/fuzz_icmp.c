/* fuzz_icmp.c - ICMP and ICMPv6 errors, of which the kernel has checked next to
 * nothing. icmp.c is part of this program, so that its parser can be called.
 *
 * The first byte says how much of the message is put right: its checksum, the headers
 * in front of and in the quoted packet. What is taken for an error about one of our
 * segments must be of the family, quote what was there, and have an errno; and it is
 * given to an engine, which has the flow.
 */
#include "../../engine/link/icmp.c"

#include "fuzz.h"

bool ports_has(const struct link *l, int family, uint16_t port)
{
	(void)l;
	(void)family;
	return port < 0x8000;
}

int tx_take_too_big(struct link *l, struct engine_icmp *msgs, int n)
{
	(void)l;
	(void)msgs;
	(void)n;
	return 0;
}

static void repair_ip4(uint8_t *ip, size_t len, uint8_t how)
{
	uint32_t sum = 0;

	if (len < IP4_HDR_BYTES + ICMP_HDR_BYTES + IP4_HDR_BYTES)
		return;
	if (how & 4)
		ip[0] = 0x45;
	if (how & 8) {
		uint8_t *quoted = ip + IP4_HDR_BYTES + ICMP_HDR_BYTES;

		quoted[0] = (uint8_t)(0x40 | (5 + (quoted[0] & 3)));
		quoted[6] = quoted[7] = 0;
		quoted[9] = IPPROTO_TCP;
		memcpy(quoted + 12, ip + 16, 4);
	}
	if (ip[0] != 0x45)
		return;
	ip[22] = ip[23] = 0;
	for (size_t i = IP4_HDR_BYTES; i < len; i++)
		sum += i & 1 ? ip[i] : ip[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	ip[22] = (uint8_t)(~sum >> 8);
	ip[23] = (uint8_t)~sum;
}

static void repair_ip6(uint8_t *icmp, size_t len, const struct in6_pktinfo *to)
{
	if (len < ICMP_HDR_BYTES + IP6_HDR_BYTES)
		return;
	icmp[8] = (uint8_t)(0x60 | (icmp[8] & 15));
	memcpy(icmp + ICMP_HDR_BYTES + 8, &to->ipi6_addr, 16);
}

static void tell_engine(struct engine_icmp *msg)
{
	struct tcp_path path = {1500, 0};
	struct engine_pkt_out pkts[2];
	struct engine_config cfg;
	struct tcp_opts opts;
	struct engine *e;
	struct tcb *t;

	engine_config_defaults(&cfg);
	e = engine_new(&cfg, 1000);
	if (!e)
		abort();
	tcp_opts_defaults(e, &opts);
	if (tcp_open(e, &msg->flow, &path, &opts, NULL, 1000, &t) == 0) {
		while (engine_output(e, pkts, 2, 1000) > 0)
			;
		msg->seq = get_be32(pkts[0].hdr + 4); /* in flight */
		engine_icmp(e, msg, 2000);
		while (engine_output(e, pkts, 2, 2000) > 0)
			;
	}
	engine_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = take8(&in), *copy;
	bool v6 = how & 1, taken;
	struct in6_pktinfo to = {.ipi6_ifindex = how & 16 ? 2 : 0};
	struct engine_icmp msg;

	to.ipi6_addr.s6_addr[0] = how & 32 ? 0xfe : 0x20;
	to.ipi6_addr.s6_addr[1] = 0x80;
	copy = malloc(in.left ? in.left : 1);
	if (!copy)
		abort();
	if (in.left)
		memcpy(copy, in.p, in.left);
	if (how & 2 && v6)
		repair_ip6(copy, in.left, &to);
	else if (how & 2)
		repair_ip4(copy, in.left, how);
	taken = v6 ? icmp6_parse(NULL, copy, in.left, &to, &msg)
		   : icmp4_parse(NULL, copy, in.left, &msg);
	if (taken) {
		check(msg.err > 0);
		check(addr_is_v4(&msg.flow.local.addr) == !v6);
		check(msg.flow.local.port < 0x8000);
		check(msg.err == EMSGSIZE || (!msg.mtu_bytes && !msg.pkt_bytes));
		tell_engine(&msg);
	}
	free(copy);
	return 0;
}
