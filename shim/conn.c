/* conn.c - owns what a connection does between its two sides.
 *
 * Facts arrive from both sides and are only noted; conn_step() then does what
 * the facts allow, in the order of a byte's way. So it does not matter in which
 * order two facts arrive, nor whether one is told twice.
 *
 * The app's side (the engine end of the pair):
 *
 *   bytes queued             into the send buffer, as far as it has room
 *   SHUT_WR                  the rest, then FIN
 *   SHUT_RD                  received data is discarded, nothing is closed
 *   ... and SHUT_WR          received data is answered with RST
 *   last copy closed         the rest, then FIN; the engine finishes alone
 *   ... with unread data, or with data of ours that never got there, or with
 *       SO_LINGER 0          RST at once (RFC 2525 2.17)
 *   ... with SO_LINGER       the connection stays until the FIN is acknowledged
 *   has read                 the receive queue, as far as the pair has room
 *
 * TCP's side (events of the tcb):
 *
 *   ESTABLISHED              SOCK_CONNECTED, then the filler is drained
 *   ERROR before that        SOCK_FAILED, then the engine end is closed
 *   READABLE                 into the pair, as far as it has room
 *   WRITABLE                 more from the pair
 *   PEER_CLOSED              all received data, then EOF
 *   ERROR                    SOCK_CLOSED; all received data, then the engine
 *                            end is closed with a byte unread: ECONNRESET
 *   ... after PEER_CLOSED    the same, but a reader (io.c) sees a clean end
 *   CLOSED                   once the app has got its EOF: a clean end
 *
 * An app end that was closed and one that is shut in both directions look alike
 * (EPOLLHUP). Both directions are shut also when the app has used SHUT_WR and we
 * have passed on EOF; see hup_means_gone().
 *
 * Invariants: over, or s and port are referred to; tcb is NULL only when over or
 * failed; fd is watched exactly while listener is NULL and the conn is not over;
 * the queue of a connection that is not over is not emptied once its first byte
 * was seen.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linger.h"
#include "listener.h"
#include "pair.h"

/* ---- birth and death ------------------------------------------------------- */

struct conn *conn_new(struct stack *st)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->h.kind = HANDLE_CONN;
	c->st = st;
	c->fd = -1;
	c->next = st->conns;
	if (c->next)
		c->next->prev = c;
	st->conns = c;
	return c;
}

int conn_watch(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};

	return epoll_ctl(c->st->pairs_fd, EPOLL_CTL_ADD, c->fd, &ev) ? -errno : 0;
}

static void unlink_conn(struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->st->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = c->st->dead;
	c->st->dead = c;
}

/* The connection is there, or never will be. */
static void opened(struct conn *c)
{
	if (!c->s || !atomic_exchange(&c->s->opening, 0))
		return;
	futex_wake_all(&c->s->opening);
}

/* The engine goes on alone; TCP_INFO shows how things were. */
static void let_go(struct conn *c)
{
	if (!c->tcb)
		return;
	if (c->s)
		tcp_status(c->tcb, &c->s->final);
	tcp_release(c->tcb, c->st->now_us);
	c->tcb = NULL;
}

void conn_end(struct conn *c)
{
	struct stack *st = c->st;

	c->over = true;
	linger_end(c);
	opened(c);
	let_go(c);
	if (c->fd >= 0)
		close(c->fd); /* which takes it out of the epoll set */
	c->fd = -1;
	if (c->listener)
		c->listener->limbo = NULL;
	c->listener = NULL;
	if (c->port)
		port_put(&st->ports, c->port);
	c->port = NULL;
	binding_free(st, c->binding);
	c->binding = NULL;
	if (c->s) {
		if (c->s->driver == &c->h)
			c->s->driver = NULL;
		sock_put(c->s);
	}
	c->s = NULL;
	unlink_conn(c);
}

void conn_free_dead(struct stack *st)
{
	struct conn *c;

	while ((c = st->dead)) {
		st->dead = c->next;
		free(c);
	}
}

/* Only from SOCK_CONNECTED: the hooks may have made s a fresh socket already. */
static void tell_closed(struct conn *c)
{
	enum sock_state state = SOCK_CONNECTED;

	atomic_compare_exchange_strong(&c->s->state, &state, SOCK_CLOSED);
}

void conn_reset(struct conn *c)
{
	if (c->tcb)
		tcp_abort(c->tcb, c->st->now_us);
	if (c->s)
		tell_closed(c);
	conn_end(c);
}

void conn_forget(struct sock *s)
{
	struct conn *c = s->driver;

	if (c && c->h.kind == HANDLE_CONN && c->sock_id != atomic_load(&s->id))
		conn_end(c);
}

/* The program may try again, from the address that it has bound. */
void conn_connect_failed(struct conn *c, int err)
{
	struct sock *s = c->s;

	s->driver = c->binding;
	c->binding = NULL;
	atomic_store(&s->err, err);
	atomic_store(&s->state, SOCK_FAILED);
	held_look(c->st, s);
	conn_end(c);
}

/* ---- questions --------------------------------------------------------------- */

bool conn_readable(const struct conn *c)
{
	struct iovec iov[2];
	uint8_t urgent;

	return c->tcb && (tcp_recv_iov(c->tcb, iov) > 0 ||
			  (tcp_at_mark(c->tcb) && tcp_recv_urgent(c->tcb, true, &urgent) == 0));
}

static bool sends(const struct conn *c)
{
	return c->tcb && !c->connecting && !c->fin_queued && !c->failed;
}

/* Before the first byte is known for what it is, the queue is not touched. */
static bool takes(const struct conn *c)
{
	return sends(c) && c->bytes_in && !c->mark_due;
}

bool conn_receives(const struct conn *c)
{
	return c->tcb && !c->connecting && !c->app_gone && !c->app_reset;
}

static bool eof_due(const struct conn *c)
{
	return conn_receives(c) && c->peer_fin && !c->eof_passed && !c->failed &&
	       !conn_readable(c);
}

/* The app closed for good: does TCP answer with RST instead of FIN? */
static bool reset_due(const struct conn *c)
{
	const struct sock_opts *o = &c->s->opts;

	return c->app_reset ||
	       (c->app_gone && (conn_readable(c) || (o->linger && !o->linger_s)));
}

static bool fin_due(const struct conn *c)
{
	return sends(c) && c->app_eof && !c->bytes_in && !reset_due(c);
}

/* EPOLLHUP: both directions of the pair are shut. Without a shutdown() of the
 * program that explains it, every copy of the app end is closed. Where other
 * processes alone have copies it is taken for a close too: in both directions all is
 * said, so nobody can see the difference. */
static bool hup_means_gone(const struct conn *c)
{
	bool to_app = c->eof_passed || atomic_load(&c->s->shut_rd);

	return !atomic_load(&c->s->fds) || !to_app || !atomic_load(&c->s->shut_wr);
}

/* ---- the app's side ---------------------------------------------------------- */

void conn_note_bits(struct conn *c, unsigned bits)
{
	if (bits & EPOLLERR && pair_error(c->fd) == ECONNRESET)
		c->app_reset = true;
	if (bits & (EPOLLHUP | EPOLLRDHUP) && !c->writers_stopped)
		c->app_eof = true;
	if (bits & EPOLLHUP && hup_means_gone(c))
		c->app_gone = true;
	if (bits & EPOLLOUT)
		c->pair_full = false;
	c->bytes_in = true;
}

/* What comes first of an accepted app end is the accept hook's mark; without
 * hooks, in a process that inherited the listener, it is data. */
static void look_for_mark(struct conn *c)
{
	if (!c->mark_due || !c->bytes_in)
		return;
	if (!pair_queued(c->fd)) {
		c->bytes_in = false; /* until the next edge */
		return;
	}
	c->mark_due = false;
	if (pair_take_mark(c->fd))
		c->held = 1;
}

/* How many of the next bytes were sent alike: with MSG_MORE or without. (more_from is
 * written before more_to.) */
static uint32_t alike(const struct conn *c, uint32_t fresh, bool *more)
{
	uint64_t at = c->taken_bytes, to = atomic_load(&c->s->more_to);
	uint64_t from = atomic_load(&c->s->more_from), end;

	*more = from <= at && at < to;
	end = *more ? to : at < from ? from : UINT64_MAX;
	return end - at < fresh ? (uint32_t)(end - at) : fresh;
}

static void take_bytes(struct conn *c)
{
	uint32_t queued = pair_queued(c->fd);
	uint32_t fresh = queued > c->held ? queued - c->held : 0;

	while (fresh) {
		struct iovec iov[2];
		bool urgent = false, more;
		int n = tcp_send_iov(c->tcb, alike(c, fresh, &more), iov);
		ssize_t got;

		if (n == -ENOMEM)
			conn_starved(c);
		if (n <= 0) {
			c->st->taking.c = NULL;
			return; /* until TCP_EV_WRITABLE or TCP_EV_ERROR, or a while later */
		}
		c->st->taking = (struct taking){c, iov[0].iov_base, fresh + c->held, c->held};
		got = pair_take(c->fd, &c->held, fresh, iov, n, &urgent);
		if (got < 0 && got != -EAGAIN)
			conn_starved(c);
		if (got <= 0)
			break; /* the queue does not hold what it said */
		if (urgent)
			tcp_send_urgent(c->tcb, got, c->st->now_us);
		else if (more)
			tcp_send_more(c->tcb, got, c->st->now_us);
		else
			tcp_send_commit(c->tcb, got, c->st->now_us);
		c->taken_bytes += got;
		fresh -= got;
	}
	c->st->taking.c = NULL;
	c->bytes_in = false; /* until the next edge */
}

#define STARVED_US 20000

void conn_starved(struct conn *c)
{
	c->starved = c->st->starved = true;
	stack_retry(c->st, STARVED_US);
}

void conn_repair(struct conn *c, const struct taking *t)
{
	uint32_t queued = pair_queued(c->fd), gone = t->queued - queued;
	struct iovec iov[2];

	if (tcp_send_iov(c->tcb, 1, iov) <= 0 || iov[0].iov_base != t->at)
		return; /* the engine has them */
	if (gone > t->queued) { /* others have written meanwhile */
		conn_reset(c);
		return;
	}
	if (gone > t->held)
		tcp_send_commit(c->tcb, gone - t->held, c->st->now_us);
	c->held = gone ? 0 : t->held;
}

/* Asks the epoll set for what we wait for, and only that: an app that reads
 * should not wake us for every chunk. */
static void update_watch(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};

	if (c->over || c->watch_out == c->pair_full)
		return;
	c->watch_out = c->pair_full;
	if (c->watch_out)
		ev.events |= EPOLLOUT;
	epoll_ctl(c->st->pairs_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

/* ---- TCP's side ---------------------------------------------------------------- */

static void established(struct conn *c)
{
	if (!c->connecting)
		return;
	c->connecting = false;
	atomic_store(&c->s->state, SOCK_CONNECTED);
	if (c->filler) {
		pair_skip(c->fd, c->filler - 1);
		c->held = 1;
	}
	c->bytes_in = true;
}

void conn_open_fast(struct conn *c)
{
	atomic_store(&c->s->opening, 1);
	established(c);
}

static void tcp_failed(struct conn *c)
{
	int err = tcp_error(c->tcb);

	if (c->connecting) {
		conn_connect_failed(c, err);
		return;
	}
	/* A FIN that waits behind bytes in the pair: to the program this is LAST-ACK. */
	if (err == EPIPE && atomic_load(&c->s->shut_wr))
		err = ECONNRESET;
	c->failed = true;
	atomic_store(&c->s->err, err);
	tell_closed(c);
	opened(c);
	if (c->listener)
		conn_end(c); /* the app has not seen it yet */
}

/* The app gets what was received before the failure; meanwhile its writes must
 * not wait for room that nobody makes. */
static void finish_failed(struct conn *c)
{
	if (conn_readable(c)) {
		if (!c->writers_stopped)
			shutdown(c->fd, SHUT_RD);
		c->writers_stopped = true;
		return;
	}
	let_go(c);
	/* Before the mark is there, closing would look like a clean end. */
	if (c->mark_due)
		return;
	/* Without hooks an error would hide the end of what the peer has said. */
	if (c->peer_fin && !atomic_load(&c->s->fds))
		pair_skip(c->fd, pair_queued(c->fd));
	conn_end(c);
}

static void finish_clean(struct conn *c)
{
	tell_closed(c);
	pair_skip(c->fd, c->held);
	conn_end(c);
}

/* What was written before the close, and the FIN of a shutdown(), precede the RST: of
 * the kernel's TCP they would have left by now. */
static void say_the_last(struct conn *c)
{
	if (sends(c) && !c->bytes_in && atomic_load(&c->s->shut_wr)) {
		tcp_shutdown(c->tcb, c->st->now_us);
		c->fin_queued = true;
	}
	stack_send(c->st);
}

static void finish(struct conn *c)
{
	if (reset_due(c)) {
		say_the_last(c);
		conn_reset(c);
		return;
	}
	if (c->app_gone && linger_holds(c))
		return;
	if (c->app_gone && (c->fin_queued || c->failed))
		finish_clean(c);
	else if (c->failed)
		finish_failed(c);
	else if (c->finished && c->fin_queued && c->eof_passed)
		finish_clean(c);
}

void conn_step(struct conn *c)
{
	if (c->over || c->listener)
		return;
	look_for_mark(c);
	if (takes(c))
		take_bytes(c);
	if (fin_due(c)) {
		tcp_shutdown(c->tcb, c->st->now_us);
		c->fin_queued = true;
	}
	conn_give(c);
	if (c->over)
		return;
	if (eof_due(c)) {
		shutdown(c->fd, SHUT_WR);
		c->eof_passed = true;
	}
	if (c->app_gone)
		linger_begin(c);
	if (!c->connecting)
		finish(c);
	update_watch(c);
}

/* ---- facts and commands ---------------------------------------------------------- */

void conn_tcp_event(struct conn *c, unsigned what)
{
	if (c->over)
		return;
	if (what & TCP_EV_ESTABLISHED) {
		established(c);
		opened(c);
	}
	if (what & TCP_EV_PEER_CLOSED) {
		c->peer_fin = true;
		atomic_store(&c->s->peer_done, true);
	}
	if (what & TCP_EV_CLOSED)
		c->finished = true;
	if (what & TCP_EV_ERROR)
		tcp_failed(c);
	conn_step(c);
}

void conn_pair_event(struct conn *c, unsigned bits)
{
	if (c->over || c->listener)
		return;
	/* As in Linux: shutdown() in SYN-SENT ends the attempt; so does close(). */
	if (c->connecting && bits & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) {
		conn_connect_failed(c, ECONNRESET);
		return;
	}
	conn_note_bits(c, bits);
	conn_step(c);
}

static void retry(struct conn *c)
{
	if (!c->starved)
		return;
	c->starved = c->pair_full = false;
	c->bytes_in = true;
	conn_step(c);
}

void conn_retry_starved(struct stack *st)
{
	struct conn *c, *next;

	if (!st->starved)
		return;
	st->starved = false;
	for (c = st->conns; c; c = next) {
		next = c->next;
		retry(c);
	}
}

void conn_process_closed(struct conn *c)
{
	if (c->over || c->listener)
		return;
	c->bytes_in = true;
	look_for_mark(c); /* which would keep it open */
	conn_pair_event(c, pair_bits(c->fd));
}

/* What was written by now, be the edge of it seen or not: it is what TCP_NODELAY sends. */
static void take_what_waits(struct conn *c)
{
	c->bytes_in = true;
	look_for_mark(c);
	if (takes(c))
		take_bytes(c);
}

void conn_set_opts(struct conn *c, const struct sock_opts *opts)
{
	struct tcp_opts tcp;

	if (c->tcb && opts->tcp.rcvbuf_bytes != c->opts.tcp.rcvbuf_bytes)
		pair_setup(c->fd, conn_pair_sndbuf(opts));
	if (c->tcb && opts->tcp.nodelay_asked != c->opts.tcp.nodelay_asked)
		take_what_waits(c);
	c->opts = *opts;
	if (!c->tcb)
		return;
	stack_tcp_opts(c->st, opts, &tcp);
	tcp_set_opts(c->tcb, &tcp, c->st->now_us);
	conn_step(c);
}

static uint32_t untaken(const struct conn *c)
{
	uint32_t queued = c->connecting || c->fd < 0 ? 0 : pair_queued(c->fd);
	uint32_t held = c->held;

	if (queued && c->mark_due && pair_starts_with_mark(c->fd))
		held = PAIR_MARK_BYTES;
	return queued > held ? queued - held : 0;
}

int conn_status(const struct conn *c, struct tcp_status *status)
{
	if (!c->tcb)
		return -ENOTCONN;
	tcp_status(c->tcb, status);
	status->notsent_bytes += untaken(c);
	return 0;
}

bool conn_unsent(const struct conn *c)
{
	struct tcp_status status;

	if (conn_status(c, &status) != 0 || c->failed)
		return false;
	return status.unacked_bytes || status.notsent_bytes ||
	       (c->app_gone && !c->fin_queued);
}
