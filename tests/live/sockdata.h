/* sockdata.h - the cases of urgent data and of Fast Open, see sockcalls.c. */

/* ---- urgent data -------------------------------------------------------- */

static int at_mark(int fd)
{
	int yes = -1;

	return ioctl(fd, SIOCATMARK, &yes) == 0 ? yes : -1;
}

static void urgent_data(void)
{
	int fd = joined();

	T(recv(fd, buf, 1, MSG_OOB));
	T(tell(fd, "u"));
	bits(fd);
	T(at_mark(fd));
	T(recv(fd, buf, 10, MSG_OOB | MSG_PEEK));
	T(recv(fd, buf, 10, MSG_OOB));
	printf("    %c\n", buf[0]);
	T(recv(fd, buf, 10, MSG_OOB));
	T(recv(fd, buf, 10, 0));
	printf("    %.3s\n", buf);
	T(at_mark(fd));
	T(recv(fd, buf, 10, 0));
	printf("    %.2s\n", buf);
	T(at_mark(fd));
	bits(fd);
	close(fd);
}

static void urgent_data_in_line(void)
{
	int fd = joined(), one = 1;

	T(setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)));
	T(tell(fd, "u"));
	bits(fd);
	T(recv(fd, buf, 10, MSG_OOB));
	T(at_mark(fd));
	T(recv(fd, buf, 10, 0));
	printf("    %.3s\n", buf);
	T(at_mark(fd));
	T(recv(fd, buf, 10, 0));
	printf("    %.3s\n", buf);
	close(fd);
}

/* Commands are urgent too: the peer reads them in line, or does not see them. */
static void sends_urgent_data(void)
{
	int fd = joined();

	T(send(fd, "", 0, MSG_OOB));
	T(send(fd, "hh", 2, MSG_OOB));
	settle();
	T(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(fd, "i", 1, 0));
	settle();
	T(send(fd, "hh", 2, MSG_OOB));
	settle();
	T(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	T(shutdown(fd, SHUT_WR));
	T(send(fd, "h", 1, MSG_OOB | MSG_NOSIGNAL));
	close(fd);
}

/* ---- Fast Open ---------------------------------------------------------- */

static int send_fast(int fd, const char *what, const struct sockaddr_in *addr)
{
	return sendto(fd, what, strlen(what), MSG_FASTOPEN, (const struct sockaddr *)addr,
		      sizeof(*addr));
}

/* Did the SYN's data arrive? */
static bool syn_had_data(int fd)
{
	struct tcp_info i;
	socklen_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len);
	return i.tcpi_options & 32; /* TCPI_OPT_SYN_DATA */
}

/* The first one gets a cookie, the next ones use it. */
static void fast_open(void)
{
	const struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	int fd, i;

	for (i = 0; i < 3; i++) {
		fd = tcp(i == 2 ? SOCK_NONBLOCK : 0);
		T(send_fast(fd, "h", &peer));
		settle();
		T(read(fd, buf, sizeof(buf)));
		T(syn_had_data(fd));
		T(send_fast(fd, "h", &peer));
		T(send(fd, "h", 1, MSG_FASTOPEN));
		close(fd);
	}
	fd = tcp(0);
	T(send(fd, "h", 1, MSG_FASTOPEN));
	T(send_fast(fd, "h", &none));
	T(sendto(fd, "h", 1, MSG_FASTOPEN, (struct sockaddr *)&peer, 3));
	T(send_fast(fd, "hh", &peer));
	settle();
	T(read(fd, buf, sizeof(buf)));
	close(fd);
}

static void fast_open_connect(void)
{
	int fd = tcp(SOCK_NONBLOCK), one = 1;

	T(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
	T(to(fd, &peer));
	bits(fd);
	T(write(fd, "h", 1));
	settle();
	bits(fd);
	so_error(fd);
	T(read(fd, buf, sizeof(buf)));
	T(syn_had_data(fd));
	T(to(fd, &peer));
	T(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
	close(fd);
	fd = tcp(0); /* nothing is ever sent */
	T(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
	T(to(fd, &peer));
	close(fd);
}

static void fast_open_refused(void)
{
	int fd = tcp(0), one = 1;

	T(send_fast(fd, "h", &nobody));
	T(send_fast(fd, "h", &peer)); /* may be tried again */
	settle();
	T(read(fd, buf, sizeof(buf)));
	close(fd);
	fd = tcp(SOCK_NONBLOCK);
	T(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
	T(to(fd, &nobody));
	T(write(fd, "h", 1));
	settle();
	bits(fd);
	so_error(fd);
	T(write(fd, "h", 1));
	T(read(fd, buf, 1));
	close(fd);
}
