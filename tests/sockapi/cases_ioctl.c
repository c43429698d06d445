/* cases_ioctl.c - ioctl() and fcntl() of sockets: tcp(7), socket(7), netdevice(7). */
#include "sockapi.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>

#define BAD ((void *)8)

CASE(asks_for_bytes)
{
	int fd = joined(), n = -1;

	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	peer_send("hello");
	P(fd, POLLIN);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	R(ioctl(fd, SIOCINQ, &n));
	LOG("%d", n);
	B(fd, 2, MSG_PEEK);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	B(fd, 2, 0);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	R(write(fd, "out", 3));
	settle();
	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d", n);
	R(ioctl(fd, SIOCOUTQNSD, &n));
	LOG("%d", n);
	R(ioctl(fd, SIOCATMARK, &n));
	LOG("%d", n);
	R(ioctl(fd, FIONREAD, BAD));
	R(ioctl(fd, SIOCOUTQ, BAD));
	R(ioctl(fd, SIOCOUTQNSD, BAD));
	R(ioctl(fd, SIOCATMARK, BAD));
	peer_shutdown(SHUT_WR);
	P(fd, POLLRDHUP);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
	B(fd, 10, 0);
	R(ioctl(fd, FIONREAD, &n));
	LOG("%d", n);
}

CASE(asks_for_bytes_where_there_are_none)
{
	static const unsigned long requests[] = {FIONREAD, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK};
	int fresh = tcp(0), listens = listener(0), failed = tcp(0), n;
	unsigned i;

	to(failed, nobody());
	for (i = 0; i < 4; i++) {
		R(ioctl(fresh, requests[i], (n = -1, &n)));
		LOG("%d", n);
		R(ioctl(listens, requests[i], (n = -1, &n)));
		LOG("%d", n);
		R(ioctl(failed, requests[i], &n));
		R(ioctl(fresh, requests[i], BAD));
		R(ioctl(listens, requests[i], BAD));
	}
}

CASE(what_an_unread_send_buffer_holds)
{
	int fd = joined_with(SOCK_NONBLOCK), n;
	size_t sent = fill(fd);

	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d %d", n > 0, (size_t)n <= sent);
	peer_recv(sent);
	settle();
	R(ioctl(fd, SIOCOUTQ, &n));
	LOG("%d", n);
}

CASE(owners)
{
	int fd = tcp(0), n = -1;
	struct f_owner_ex owner = {F_OWNER_TID, -1};

	R(ioctl(fd, SIOCGPGRP, &n));
	LOG("%d", n);
	n = getpid();
	R(ioctl(fd, SIOCSPGRP, &n));
	n = 0;
	R(ioctl(fd, FIOGETOWN, &n));
	LOG("%d", n == getpid());
	n = -getpgrp();
	R(ioctl(fd, FIOSETOWN, &n));
	R(fcntl(fd, F_GETOWN) == -getpgrp());
	R(fcntl(fd, F_SETOWN, 0));
	R(fcntl(fd, F_GETOWN));
	R(fcntl(fd, F_GETOWN_EX, &owner));
	LOG("%d %d", owner.type, owner.pid);
	R(fcntl(fd, F_SETSIG, SIGUSR2));
	R(fcntl(fd, F_GETSIG) == SIGUSR2);
	R(ioctl(fd, SIOCSPGRP, BAD));
	R(ioctl(fd, SIOCGPGRP, BAD));
	n = 1 << 30;
	R(ioctl(fd, SIOCSPGRP, &n));
}

CASE(flags)
{
	int fd = tcp(0), on = 1, off = 0;

	R(ioctl(fd, FIONBIO, &on));
	LOG("%x", fcntl(fd, F_GETFL));
	R(accept(fd, NULL, NULL));
	R(ioctl(fd, FIONBIO, &off));
	LOG("%x", fcntl(fd, F_GETFL));
	R(ioctl(fd, FIOASYNC, &on));
	LOG("%x", fcntl(fd, F_GETFL));
	R(ioctl(fd, FIOASYNC, &off));
	LOG("%x", fcntl(fd, F_GETFL));
	R(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND | O_DIRECT));
	LOG("%x", fcntl(fd, F_GETFL));
	R(ioctl(fd, FIOCLEX));
	R(fcntl(fd, F_GETFD));
	R(ioctl(fd, FIONCLEX));
	R(fcntl(fd, F_GETFD));
	R(ioctl(fd, FIONBIO, BAD));
	R(ioctl(fd, FIOASYNC, BAD));
	R(ioctl(fd, FIOQSIZE, &on));
	R(ioctl(fd, TCGETS, buf));
	R(ioctl(fd, TIOCGWINSZ, buf));
	R(ioctl(fd, 0x12345678, buf));
	R(isatty(fd));
	R(lseek(fd, 0, SEEK_SET));
	R(fsync(fd));
	R(ftruncate(fd, 0));
	R(pread(fd, buf, 1, 0));
	R(pwrite(fd, buf, 1, 0));
	R(fcntl(fd, F_GETPIPE_SZ));
	R(fcntl(fd, F_GET_SEALS));
	R(fcntl(fd, 9999));
}

CASE(time_stamps)
{
	static const unsigned long requests[] = {SIOCGSTAMP_OLD, SIOCGSTAMPNS_OLD,
						 SIOCGSTAMP_NEW, SIOCGSTAMPNS_NEW};
	int fd = joined();
	unsigned i;

	for (i = 0; i < 4; i++)
		R(ioctl(fd, requests[i], buf));
	peer_send("x");
	P(fd, POLLIN);
	B(fd, 1, 0);
	for (i = 0; i < 4; i++) {
		R(ioctl(fd, requests[i], buf));
		R(ioctl(fd, requests[i], BAD));
	}
}

CASE(interfaces)
{
	static const unsigned long requests[] = {
		SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFADDR, SIOCGIFNETMASK,
		SIOCGIFBRDADDR, SIOCGIFDSTADDR, SIOCGIFHWADDR, SIOCGIFMETRIC, SIOCGIFTXQLEN,
		SIOCGIFMAP, SIOCGIFSLAVE, SIOCGIFPFLAGS, SIOCGIFENCAP, SIOCGIFCOUNT,
		SIOCGIFBR, SIOCGIFMEM, SIOCETHTOOL, SIOCGIFVLAN, SIOCBONDINFOQUERY,
	};
	static const char *const names[] = {"lo", "va", "nosuch0", ""};
	struct ifconf conf = {.ifc_len = 0, .ifc_buf = NULL};
	struct ifreq r;
	int fd = tcp(0);
	unsigned i, k;

	for (i = 0; i < 4; i++)
		for (k = 0; k < sizeof(requests) / sizeof(requests[0]); k++) {
			memset(&r, 0, sizeof(r));
			strcpy(r.ifr_name, names[i]);
			LOG("%s %lx", names[i], requests[k]);
			R(ioctl(fd, requests[k], &r));
			if (requests[k] != SIOCGIFHWADDR)
				LOG("%08x %08x", r.ifr_flags, r.ifr_addr.sa_family);
		}
	memset(&r, 0, sizeof(r));
	r.ifr_ifindex = 1;
	R(ioctl(fd, SIOCGIFNAME, &r));
	LOG("%s", r.ifr_name);
	r.ifr_ifindex = 9999;
	R(ioctl(fd, SIOCGIFNAME, &r));
	R(ioctl(fd, SIOCGIFCONF, &conf));
	LOG("%d", conf.ifc_len);
	conf.ifc_len = sizeof(struct ifreq);
	conf.ifc_req = &r;
	R(ioctl(fd, SIOCGIFCONF, &conf));
	LOG("%d %s", conf.ifc_len, r.ifr_name);
	R(ioctl(fd, SIOCGIFCONF, BAD));
	R(ioctl(fd, SIOCGIFADDR, BAD));
	R(ioctl(fd, SIOCGIFINDEX, NULL));
	memset(buf, 0, sizeof(struct arpreq));
	R(ioctl(fd, SIOCGARP, buf));
	memset(buf, 0, sizeof(struct rtentry));
	R(ioctl(fd, SIOCADDRT, buf));
	R(ioctl(fd, SIOCDELRT, buf));
	R(ioctl(fd, SIOCPROTOPRIVATE, buf));
	R(ioctl(fd, SIOCDEVPRIVATE, buf));
}
