/* cases_fastopen.c - TCP Fast Open. */
#include "sockapi.h"

static long send_fast(int fd, const char *what, uint16_t port)
{
	struct addr a = addr_of(there, port);

	return sendto(fd, what, strlen(what), MSG_FASTOPEN, &a.sa, a.len);
}

/* Did the SYN's data arrive? */
static bool syn_had_data(int fd)
{
	struct tcp_info i = {0};
	socklen_t len = sizeof(i);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len);
	return i.tcpi_options & 32; /* TCPI_OPT_SYN_DATA */
}

/* The first one gets a cookie, the next ones use it. */
CASE(fast_open)
{
	const struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	struct addr a = addr_of(there, peer_listen());
	int fd, i;

	for (i = 0; i < 3; i++) {
		fd = tcp(i == 2 ? SOCK_NONBLOCK : 0);
		R(send_fast(fd, "h", peer_listen()));
		peer_accept();
		peer_says(1);
		peer_send("hello");
		P(fd, POLLIN);
		B(fd, 100, 0);
		if (i)
			R(syn_had_data(fd));
		R(send_fast(fd, "h", peer_listen()));
		R(send(fd, "h", 1, MSG_FASTOPEN));
		close(fd);
	}
	fd = tcp(0);
	R(send(fd, "h", 1, MSG_FASTOPEN));
	R(sendto(fd, "h", 1, MSG_FASTOPEN, (const struct sockaddr *)&none, sizeof(none)));
	R(sendto(fd, "h", 1, MSG_FASTOPEN, &a.sa, 3));
	R(send_fast(fd, "hh", peer_listen()));
	peer_accept();
	peer_says(2);
}

CASE(fast_open_connect)
{
	int fd = tcp(0);

	R(send_fast(fd, "h", peer_listen())); /* for the cookie */
	peer_accept();
	close(fd);
	fd = tcp(SOCK_NONBLOCK);
	set_get(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	R(to(fd, peer_listen()));
	P(fd, 0);
	R(write(fd, "h", 1));
	peer_accept();
	peer_says(1);
	peer_send("hello");
	P(fd, POLLIN);
	E(fd);
	B(fd, 100, 0);
	R(syn_had_data(fd));
	R(to(fd, peer_listen()));
	set_get(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	fd = tcp(0); /* nothing is ever sent */
	set_get(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	R(to(fd, peer_listen()));
}

/* Lengths that are a key, or two; whose they are; and what is shown of them. */
CASE(fast_open_key)
{
	static const socklen_t lens[] = {0, 4, 15, 16, 17, 31, 32, 33};
	unsigned char key[33], got[40];
	socklen_t len;
	unsigned i, j;
	int fd = tcp(0);

	for (i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		R(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, lens[i]));
		for (j = 0; j < sizeof(lens) / sizeof(lens[0]); j++) {
			len = lens[j];
			memset(got, 0xee, sizeof(got));
			R(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len));
			R((long)len);
			R(memcmp(got, key, len));
			R(got[len]);
		}
	}
	R(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, NULL, 16));
	R(to(fd, peer_listen()));
	peer_accept();
	R(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 16));
	len = sizeof(got);
	R(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len));
	R((long)len);
}

CASE(fast_open_refused)
{
	int fd = tcp(0);

	R(send_fast(fd, "h", nobody()));
	R(send_fast(fd, "h", peer_listen())); /* may be tried again */
	peer_accept();
	peer_says(1);
	fd = tcp(SOCK_NONBLOCK);
	set_get(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	R(to(fd, nobody()));
	R(write(fd, "h", 1));
	P(fd, POLLERR);
	E(fd);
	R(write(fd, "h", 1));
	R(read(fd, buf, 1));
}
