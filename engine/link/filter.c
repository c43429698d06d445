/* filter.c - the sets of guarded ports, one for each family, and the BPF filters of
 * the raw sockets for them.
 *
 * A raw socket gets a copy of all TCP that arrives; the filter drops what is
 * not for a port of ours before it costs buffer space. ports->count is the
 * truth and decides in the end. The filter in force accepts a superset of it:
 * never fewer ports, and not more than a bounded number of stale ones, because
 * building a filter costs microseconds and short connections come and go.
 * Up to EXACT_MAX ports are compared one by one; for more the filter passes
 * the range from the lowest to the highest.
 *
 * Shedding. When SYNs arrive faster than they are taken, the socket's buffer overflows
 * and takes along what belongs to connections. So while it is more than half full, not
 * getting emptier, and of SYNs above all, the filter drops SYNs at random, each time half
 * of what passed before, and lets more in again when there is room. Those go on passing
 * that come from where connections have been accepted: the last KNOWN_MAX sources, by the
 * last 32 bits of their addresses.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "../segment.h"
#include "inside.h"

#define EXACT_MAX 32
#define STALE_MAX 16
#define MAP_WORDS (65536 / 64)
#define KNOWN_MAX 32
#define PASS_ALL 256
#define PASS_LEAST 16
#define LOOK_EVERY_MS 10

struct ports {
	int fd, family;          /* of the raw socket; fd -1: there is none */
	uint16_t count[65536];   /* guards that listen on the port */
	uint64_t map[MAP_WORDS]; /* bit set: count is not zero */
	unsigned n;              /* ports in the map */
	unsigned stale;          /* ports that left since the filter was built */
	/* the filter in force: exact_n single ports, or else lo to hi */
	uint16_t exact[EXACT_MAX];
	unsigned exact_n;
	uint16_t lo, hi;
	/* of SYNs pass that many of 256, and all of known sources */
	unsigned pass;
	uint32_t known[KNOWN_MAX];
	unsigned known_n, known_at;
	unsigned pkts, syns; /* taken since the last look */
	unsigned fill;       /* what it found */
	uint64_t look_ms;    /* the next one not before */
};

/* Fills exact[], exact_n, lo, hi from the map. */
static void ports_collect(struct ports *p)
{
	unsigned found = 0;

	p->lo = p->hi = 0;
	for (unsigned w = 0; w < MAP_WORDS; w++) {
		for (uint64_t bits = p->map[w]; bits; bits &= bits - 1) {
			uint16_t port = w * 64 + __builtin_ctzll(bits);

			if (found == 0)
				p->lo = port;
			p->hi = port;
			if (found < EXACT_MAX)
				p->exact[found] = port;
			found++;
		}
	}
	p->exact_n = found <= EXACT_MAX ? found : 0;
	p->stale = 0;
}

/* Behind the test of the port: what is to be accepted, but for SYNs that are shed. */
static unsigned accept_block(const struct ports *p, struct sock_filter *f)
{
	const unsigned source = p->family == V4 ? 12 : (unsigned)SKF_NET_OFF + 8 + 12;
	unsigned n = 0;

	if (p->pass < PASS_ALL) {
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SEG_SYN | SEG_ACK);
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SEG_SYN,
						      0, p->known_n + 5);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, source);
		for (unsigned i = 0; i < p->known_n; i++)
			f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->known[i],
							      p->known_n - i + 3, 0);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						      SKF_AD_OFF + SKF_AD_RANDOM);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PASS_ALL - 1);
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, p->pass, 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	return n;
}

/* A raw IPv4 socket's filter sees the IP header at offset 0, one of IPv6 what comes
 * after all headers. As the kernel's TCP does, it takes only what was addressed to
 * this host on the link layer. */
static int ports_attach(const struct ports *p)
{
	struct sock_filter f[EXACT_MAX + KNOWN_MAX + 16];
	struct sock_fprog prog = {.filter = f};
	unsigned n = 0;

	if (p->n == 0) {
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	} else {
		unsigned tests = p->exact_n ? p->exact_n : 2;

		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
						      SKF_AD_OFF + SKF_AD_PKTTYPE);
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST,
						      0, tests + 2);
		f[n++] = p->family == V4
			? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
			: (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2);
		for (unsigned i = 0; i < p->exact_n; i++)
			f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							      p->exact[i], tests - i, 0);
		if (p->exact_n == 0) {
			f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, p->lo,
							      0, 1);
			f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, p->hi,
							      0, 1);
		}
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
		n += accept_block(p, f + n);
	}
	prog.len = n;
	if (p->fd >= 0 &&
	    setsockopt(p->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	return 0;
}

static int ports_rebuild(struct ports *p)
{
	int err;

	ports_collect(p);
	err = ports_attach(p);
	if (err < 0) /* unknown: as if it passed nothing, so the next one tries again */
		p->exact_n = p->lo = p->hi = 0;
	return err;
}

static bool ports_filter_passes(const struct ports *p, uint16_t port)
{
	if (p->exact_n == 0)
		return p->hi && port >= p->lo && port <= p->hi;
	for (unsigned i = 0; i < p->exact_n; i++)
		if (p->exact[i] == port)
			return true;
	return false;
}

int ports_open(struct link *l)
{
	for (int i = 0; i < FAMILIES; i++) {
		struct ports *p = calloc(1, sizeof(*p));
		int err;

		if (!p)
			return -ENOMEM;
		l->ports[i] = p;
		p->family = i;
		p->pass = PASS_ALL;
		p->fd = raw_fd(l, i);
		err = ports_attach(p);
		if (err < 0)
			return err;
	}
	return 0;
}

void ports_close(struct link *l)
{
	for (int i = 0; i < FAMILIES; i++)
		free(l->ports[i]);
}

int ports_add(struct link *l, int family, uint16_t port)
{
	struct ports *p = l->ports[family];
	int err;

	if (p->count[port]++)
		return 0;
	p->map[port / 64] |= 1ull << port % 64;
	p->n++;
	if (ports_filter_passes(p, port))
		return 0;
	err = ports_rebuild(p);
	if (err < 0)
		ports_del(l, family, port);
	return err;
}

void ports_del(struct link *l, int family, uint16_t port)
{
	struct ports *p = l->ports[family];

	if (--p->count[port])
		return;
	p->map[port / 64] &= ~(1ull << port % 64);
	p->n--;
	p->stale++;
	/* Should this fail, the old filter passes more than needed. */
	if (p->n == 0 || p->stale > STALE_MAX + p->n)
		ports_rebuild(p);
}

bool ports_has(const struct link *l, int family, uint16_t port)
{
	return l->ports[family]->count[port] != 0;
}

/* ---- shedding ------------------------------------------------------------ */

/* How full the socket's buffer is, in 256ths; 0 when nobody knows. */
static unsigned fill_of(const struct ports *p)
{
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(mem);

	if (getsockopt(p->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0 || !mem[SK_MEMINFO_RCVBUF])
		return 0;
	return (unsigned)((uint64_t)mem[SK_MEMINFO_RMEM_ALLOC] * 256 / mem[SK_MEMINFO_RCVBUF]);
}

static void set_pass(struct ports *p, unsigned pass)
{
	p->pass = pass;
	ports_attach(p); /* should it fail, the old filter goes on */
}

void ports_took(struct link *l, int family, unsigned pkts, unsigned syns, bool more)
{
	struct ports *p = l->ports[family];
	unsigned fill;
	bool flood;

	p->pkts += pkts;
	p->syns += syns;
	if (!more || clock_ms() < p->look_ms)
		return;
	fill = fill_of(p);
	flood = p->syns > p->pkts / 2 && fill > 128 && fill >= p->fill;
	p->pkts = p->syns = 0;
	p->fill = fill;
	p->look_ms = clock_ms() + LOOK_EVERY_MS;
	if (flood && p->pass > PASS_LEAST)
		set_pass(p, p->pass / 2);
}

void link_know(struct link *l, const struct ip_addr *source)
{
	struct ports *p = l->ports[addr_family(source)];
	uint32_t end = get_be32(addr_wire(source).b + 12);

	for (unsigned i = 0; i < p->known_n; i++)
		if (p->known[i] == end)
			return;
	p->known[p->known_at++ % KNOWN_MAX] = end;
	if (p->known_n < KNOWN_MAX)
		p->known_n++;
}

bool link_sheds(const struct link *l)
{
	return l->ports[V4]->pass < PASS_ALL || l->ports[V6]->pass < PASS_ALL;
}

void link_relax(struct link *l)
{
	for (int i = 0; i < FAMILIES; i++) {
		struct ports *p = l->ports[i];

		unsigned more = fill_of(p) < 32 ? p->pass / 4 : 0, pass = p->pass + more;

		if (p->pass < PASS_ALL) /* and those that are known by now are let in */
			set_pass(p, pass < PASS_ALL ? pass : PASS_ALL);
	}
}
