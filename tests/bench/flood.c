/* flood DEVICE DESTINATION PORT KIND RATE SECONDS [SOURCE PORT] - sends RATE segments a
 * second to an IPv4 host on the link, for a bounded time, each with another source
 * address of 198.18.0.0/15 (RFC 2544: nobody is there), or all from the one source that
 * is given, as if they were of its connection. KIND: syn, ack, rst or data. Prints how
 * many have left. For network namespaces of one's own only: it opens a packet socket
 * and asks nobody.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define RATE_MAX 1000000
#define SECONDS_MAX 60
#define SOURCES (1u << 17)
#define IP_BYTES 20
#define DATA_BYTES 512
#define FRAME_MAX (sizeof(struct ether_header) + IP_BYTES + 40 + DATA_BYTES)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const struct kind {
	const char *name;
	uint8_t flags;
	size_t options, data;
} kinds[] = {
	{"syn", SYN, 20, 0},
	{"ack", ACK, 0, 0},
	{"rst", RST, 0, 0},
	{"data", ACK | PSH, 0, DATA_BYTES},
};

struct flood {
	int fd;
	const struct kind *kind;
	struct ether_header eth;
	uint8_t dst[4], src[4];
	uint16_t dport, sport;
	bool one_source;
	uint64_t random;
};

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* xorshift64*: what must differ, not what must be secret. */
static uint32_t rnd(struct flood *f)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return (uint32_t)(f->random * 0x2545f4914f6cdd1dull >> 32);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	return s;
}

static uint16_t folded(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~((s & 0xffff) + (s >> 16));
}

/* MSS, SACK permitted, timestamps, window scale: as Linux's SYN has them. */
static void syn_options(uint8_t *o, uint32_t ts)
{
	const uint8_t head[] = {2, 4, 5, 180, 4, 2, 8, 10}, tail[] = {0, 0, 0, 0, 1, 3, 3, 7};

	memcpy(o, head, sizeof(head));
	put32(o + 8, ts);
	memcpy(o + 12, tail, sizeof(tail));
}

/* Writes the next frame; its length. */
static size_t craft(struct flood *f, uint8_t *frame)
{
	const struct kind *k = f->kind;
	size_t tcp_len = 20 + k->options + k->data;
	uint8_t *ip = frame + sizeof(f->eth), *tcp = ip + IP_BYTES;

	memcpy(frame, &f->eth, sizeof(f->eth));
	memset(ip, 0, IP_BYTES + tcp_len);
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(IP_BYTES + tcp_len));
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	if (f->one_source)
		memcpy(ip + 12, f->src, 4);
	else
		put32(ip + 12, 198u << 24 | 18u << 16 | rnd(f) % SOURCES);
	memcpy(ip + 16, f->dst, 4);
	put16(ip + 10, folded(sum(ip, IP_BYTES, 0)));
	put16(tcp, f->one_source ? f->sport : 1024 + rnd(f) % 64000);
	put16(tcp + 2, f->dport);
	put32(tcp + 4, rnd(f));
	put32(tcp + 8, k->flags & ACK ? rnd(f) : 0);
	tcp[12] = (uint8_t)((20 + k->options) / 4 << 4);
	tcp[13] = k->flags;
	put16(tcp + 14, 64240);
	if (k->options)
		syn_options(tcp + 20, rnd(f));
	put16(tcp + 16, folded(sum(tcp, tcp_len,
				   sum(ip + 12, 8, IPPROTO_TCP + (uint32_t)tcp_len))));
	return sizeof(f->eth) + IP_BYTES + tcp_len;
}

static int send_batch(struct flood *f, int n)
{
	static uint8_t frames[BATCH][FRAME_MAX];
	struct mmsghdr msgs[BATCH] = {0};
	struct iovec iov[BATCH];
	int sent;

	for (int i = 0; i < n; i++) {
		iov[i] = (struct iovec){frames[i], craft(f, frames[i])};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(f->fd, msgs, (unsigned)n, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		fail("sendmmsg");
	return sent < 0 ? 0 : sent;
}

/* What is late by more than a batch is left out: the rate is a limit. */
static uint64_t run(struct flood *f, uint64_t rate, uint64_t seconds)
{
	uint64_t start = now_us(), end = start + seconds * 1000000, now, due = 0, left = 0;

	while ((now = now_us()) < end) {
		uint64_t want = (now - start) * rate / 1000000;

		if (want <= due) {
			usleep(rate < 100000 ? 500 : 100);
			continue;
		}
		if (want - due > 10 * BATCH)
			due = want - 10 * BATCH;
		left += (uint64_t)send_batch(f, want - due < BATCH ? (int)(want - due) : BATCH);
		due += want - due < BATCH ? want - due : BATCH;
	}
	return left;
}

/* The link addresses: the device's own, and that of the destination, which the kernel
 * finds out when something is sent there. */
static void resolve(struct flood *f, const char *device, const char *to)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device)};
	socklen_t len = sizeof(at);
	char line[256], address[64], mac[32];
	FILE *arp;

	f->fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(f->fd, (struct sockaddr *)&at, &len) != 0)
		fail(device);
	memcpy(f->eth.ether_shost, at.sll_addr, ETH_ALEN);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	arp = fopen("/proc/net/arp", "r");
	while (arp && fgets(line, sizeof(line), arp)) {
		struct ether_addr m;

		if (sscanf(line, "%63s %*s %*s %31s", address, mac) == 2 && !strcmp(address, to) &&
		    ether_aton_r(mac, &m)) {
			memcpy(f->eth.ether_dhost, &m, ETH_ALEN);
			fclose(arp);
			return;
		}
	}
	fprintf(stderr, "flood: no neighbour %s\n", to);
	exit(2);
}

int main(int argc, char **argv)
{
	struct flood f = {.random = now_us() << 20 | (uint64_t)getpid() | 1};
	uint64_t rate, seconds;

	if ((argc != 7 && argc != 9) || inet_pton(AF_INET, argv[2], f.dst) != 1 ||
	    (argc == 9 && inet_pton(AF_INET, argv[7], f.src) != 1)) {
		fprintf(stderr, "usage: flood DEVICE DESTINATION PORT syn|ack|rst|data RATE SECONDS [SOURCE PORT]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[4], kinds[i].name))
			f.kind = &kinds[i];
	f.dport = (uint16_t)atoi(argv[3]);
	rate = strtoul(argv[5], NULL, 10);
	seconds = strtoul(argv[6], NULL, 10);
	f.one_source = argc == 9;
	f.sport = f.one_source ? (uint16_t)atoi(argv[8]) : 0;
	if (!f.kind || !rate || rate > RATE_MAX || !seconds || seconds > SECONDS_MAX)
		return 2;
	resolve(&f, argv[1], argv[2]);
	printf("%llu\n", (unsigned long long)run(&f, rate, seconds));
	return 0;
}
