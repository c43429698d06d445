/* conn_give.c - what TCP has received, on its way to the program. Owns nothing.
 *
 * Bytes go into the pair as far as it has room. Where nobody can read them any more
 * they are thrown away, or, when the program has also said that it will write no
 * more, answered with RST.
 */
#include <errno.h>
#include <time.h>

#include "conn.h"
#include "pair.h"

/* Realtime: it is for the program. */
static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static void discard(struct conn *c)
{
	struct iovec iov[2];
	uint8_t urgent;
	int n;

	if (tcp_at_mark(c->tcb))
		tcp_recv_urgent(c->tcb, false, &urgent);
	while ((n = tcp_recv_iov(c->tcb, iov)) > 0)
		tcp_recv_done(c->tcb, iov[0].iov_len + (n > 1 ? iov[1].iov_len : 0),
			      c->st->now_us);
}

static void give_failed(struct conn *c, int err)
{
	if (err == -EPIPE) {
		conn_note_bits(c, pair_bits(c->fd));
		c->app_deaf = !c->app_gone && !c->app_reset;
	} else if (err == -ECONNRESET) {
		c->app_reset = true; /* the kernel has told it to us only now */
	} else {
		c->pair_full = true;
		if (err != -EAGAIN)
			conn_starved(c);
	}
}

/* The urgent byte has its place in the stream, whether or not the app reads it
 * there: that the app end knows by itself (SO_OOBINLINE). */
static bool give_urgent(struct conn *c)
{
	uint8_t byte;
	ssize_t n;

	if (!tcp_at_mark(c->tcb) || tcp_recv_urgent(c->tcb, true, &byte) != 0)
		return true;
	n = pair_give_urgent(c->fd, byte);
	if (n == -EOPNOTSUPP) { /* before Linux 5.15: in line */
		const struct iovec iov = {.iov_base = &byte, .iov_len = 1};

		n = pair_give(c->fd, &iov, 1);
	}
	if (n < 0)
		give_failed(c, n);
	else
		tcp_recv_urgent(c->tcb, false, &byte);
	return n > 0;
}

/* Nobody can ever read them: as Linux in FIN-WAIT-1 and 2. */
static void refuse_bytes(struct conn *c)
{
	atomic_store(&c->s->err, ECONNRESET);
	conn_reset(c);
}

/* SO_RCVLOWAT: of fewer bytes poll() says nothing, so the app end must not have
 * them, but for those that a read asks for. A window that they close lets them pass. */
static bool held_back(const struct conn *c)
{
	struct tcp_status st;

	if (c->opts.rcvlowat <= 1 || !conn_receives(c) || c->peer_fin || c->failed ||
	    tcp_at_mark(c->tcb) || !atomic_load(&c->s->fds))
		return false;
	tcp_status(c->tcb, &st);
	return st.readable_bytes < (uint32_t)c->opts.rcvlowat &&
	       st.rcv_wnd_bytes > st.readable_bytes;
}

static void given(struct conn *c, size_t n)
{
	tcp_recv_done(c->tcb, n, c->st->now_us);
	if (c->opts.stamp)
		atomic_store(&c->s->stamp_ns, now_ns());
}

/* Cuts iov to what is wanted; how many of them are left. */
static int cut_to(uint32_t wanted, struct iovec iov[2], int n)
{
	if (n <= 0)
		return n;
	if (iov[0].iov_len > wanted)
		iov[0].iov_len = wanted;
	if (n > 1 && iov[1].iov_len > wanted - iov[0].iov_len)
		iov[1].iov_len = wanted - iov[0].iov_len;
	return wanted ? n : 0;
}

void conn_give(struct conn *c)
{
	bool held = held_back(c);
	struct iovec iov[2];
	uint32_t wanted;
	ssize_t n;

	while (conn_receives(c) && !c->pair_full && !c->app_deaf) {
		if (!give_urgent(c))
			continue;
		wanted = held ? atomic_load(&c->s->wanted) : UINT32_MAX;
		n = cut_to(wanted, iov, tcp_recv_iov(c->tcb, iov));
		if (n <= 0)
			return;
		c->st->giving = c;
		n = pair_give(c->fd, iov, n);
		if (n > 0)
			given(c, n);
		c->st->giving = NULL;
		if (n <= 0)
			give_failed(c, n);
		if (n > 0 && held) /* unless the read is over by now */
			atomic_compare_exchange_strong(&c->s->wanted, &wanted, wanted - n);
	}
	if (!conn_receives(c) || !c->app_deaf)
		return;
	if (c->fin_queued && conn_readable(c))
		refuse_bytes(c);
	else
		discard(c);
}
