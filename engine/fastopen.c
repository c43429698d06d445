/* fastopen.c - TCP Fast Open, RFC 7413: data in the SYN, for a peer that can show
 * a cookie which it got at an address of its own.
 *
 * Client: owns the cache of cookies, one entry per address of a server, in a table
 * of fixed size where a newcomer takes the place of an older one. It remembers
 * failures too: where SYNs with data got lost twice in a row, they are left alone
 * for a while (4.1.3.1).
 *
 * Server: a cookie is a tag of both addresses, made as Linux makes it, so that servers
 * which are given the same key take each other's. A key that nobody has given is the
 * hour's, and the last hour's is the backup: nothing is kept. The child of a SYN with data skips the SYN queue: it is
 * in the accept queue at once and may be written to, but counts as pending at its
 * listener until the handshake is complete. One that was reset before that
 * keeps its place for a while: else spoofed SYNs, each with a spoofed RST, would
 * have no limit (4.1.2, 5.1).
 */
#include "tcb.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum { /* of tcp_fastopen */
	FASTOPEN_CLIENT = 0x1,
	FASTOPEN_SERVER = 0x2,
	FASTOPEN_CLIENT_NO_COOKIE = 0x4,
	FASTOPEN_SERVER_NO_COOKIE = 0x200,
	FASTOPEN_EVERY_LISTENER = 0x400,
};

#define EPOCH_US 3600000000ull
#define RESET_COUNTS_US 60000000ull

#define CACHE_N 256
#define FAILURES_MAX 2 /* in a row; then a pause, doubled by each further one */
#define PAUSE_US 60000000ull
#define PAUSE_DOUBLINGS 10

struct fastopen_entry {
	struct ip_addr server;
	uint16_t mss;
	uint8_t cookie_len_bytes; /* 0: none */
	uint8_t cookie[COOKIE_MAX_BYTES];
	uint8_t failures;
	uint64_t pause_until_us;
};

static struct fast *attach(struct tcb *t)
{
	if (!t->fast)
		t->fast = counted_alloc(sizeof(*t->fast), &t->e->stats.memory_bytes);
	return t->fast;
}

void fastopen_free(struct tcb *t)
{
	counted_free(t->fast, sizeof(*t->fast), &t->e->stats.memory_bytes);
	t->fast = NULL;
}

/* ---- the client's cache --------------------------------------------------------- */

void fastopen_free_cache(struct engine *e)
{
	counted_free(e->fast_cache, CACHE_N * sizeof(*e->fast_cache),
		     &e->stats.memory_bytes);
	e->fast_cache = NULL;
}

/* The entry of this server, or with make one that it may have; else NULL. */
static struct fastopen_entry *entry_of(struct engine *e, const struct ip_addr *server,
				       bool make)
{
	struct fastopen_entry *at;

	if (!e->fast_cache && make)
		e->fast_cache = counted_alloc(CACHE_N * sizeof(*e->fast_cache),
					      &e->stats.memory_bytes);
	if (!e->fast_cache)
		return NULL;
	at = &e->fast_cache[siphash(e->fast_key, server, sizeof(*server)) % CACHE_N];
	if (addr_eq(&at->server, server))
		return at;
	if (!make)
		return NULL;
	*at = (struct fastopen_entry){.server = *server};
	return at;
}

static void note_failure(struct fastopen_entry *at, uint64_t now_us)
{
	unsigned doublings;

	if (at->failures < UINT8_MAX)
		at->failures++;
	if (at->failures < FAILURES_MAX)
		return;
	doublings = at->failures - FAILURES_MAX;
	if (doublings > PAUSE_DOUBLINGS)
		doublings = PAUSE_DOUBLINGS;
	at->pause_until_us = now_us + (PAUSE_US << doublings);
}

/* ---- the client ------------------------------------------------------------------ */

/* What the SYN will have: a cookie and data, data alone, or the wish for a cookie. */
void fastopen_open(struct tcb *t, uint64_t now_us)
{
	uint16_t how = t->e->cfg.fastopen;
	struct fastopen_entry *at;

	if (!t->opts.fastopen || !(how & FASTOPEN_CLIENT))
		return;
	at = entry_of(t->e, &t->node.flow.remote.addr, false);
	if (at && now_us < at->pause_until_us)
		return;
	if (!attach(t))
		return;
	t->fast->asks = true;
	if (at && at->mss) {
		t->snd.peer_mss = at->mss;
		update_mss(t);
	}
	t->fast->data_ok = (at && at->cookie_len_bytes) ||
			   how & FASTOPEN_CLIENT_NO_COOKIE;
	t->fast->waits = t->fast->data_ok;
	t->fast_fail = t->fast->data_ok ? FASTOPEN_FAIL_NONE : FASTOPEN_FAIL_NO_COOKIE;
	t->syn_due = !t->fast->waits;
}

bool tcp_syn_waits(const struct tcb *t)
{
	return t->fast && t->fast->waits;
}

void tcp_syn_go(struct tcb *t)
{
	if (!tcp_syn_waits(t) || t->state != TCPS_SYN_SENT)
		return;
	t->fast->waits = false;
	t->syn_due = true;
	tcb_want_output(t);
}

/* ---- the option ------------------------------------------------------------------- */

static void ask(struct tcb *t, struct seg_options *o)
{
	struct fastopen_entry *at = entry_of(t->e, &t->node.flow.remote.addr, false);

	if (t->e->cfg.fastopen & FASTOPEN_CLIENT_NO_COOKIE)
		return;
	o->fastopen = true;
	if (!at || !t->fast->data_ok)
		return;
	o->cookie_len_bytes = at->cookie_len_bytes;
	memcpy(o->cookie, at->cookie, sizeof(o->cookie));
}

void fastopen_syn_option(struct tcb *t, struct seg_options *o)
{
	struct fast *f = t->fast;

	if (!f)
		return;
	if (f->asks && t->snd.nxt == t->snd.iss) /* the first SYN only, 4.1.3.1 */
		ask(t, o);
	if (!f->grants)
		return;
	o->fastopen = true;
	o->cookie_len_bytes = FASTOPEN_COOKIE_BYTES;
	memcpy(o->cookie, f->cookie, sizeof(f->cookie));
}

uint32_t fastopen_syn_data(const struct tcb *t, uint8_t hdr_len_bytes)
{
	uint32_t room = t->snd.mss;
	uint32_t options = hdr_len_bytes - TCP_HDR_MIN;
	uint32_t len = t->snd.data.len_bytes;

	if (!t->fast || !t->fast->asks || !t->fast->data_ok ||
	    t->snd.nxt != t->snd.iss || room <= options)
		return 0;
	return min_u32(len, room - options);
}

/* 4.1.3, 4.2.2: the server's answer to a SYN that asked or brought data. */
void fastopen_take_answer(struct tcb *t, const struct segment *s, uint64_t now_us)
{
	bool repeated = t->stat_total_retrans > 0;
	struct fastopen_entry *at;

	if (!t->fast || !t->fast->asks)
		return;
	at = entry_of(t->e, &t->node.flow.remote.addr, true);
	if (!at)
		return;
	at->mss = s->opt.mss;
	if (s->opt.cookie_len_bytes) {
		at->cookie_len_bytes = s->opt.cookie_len_bytes;
		memcpy(at->cookie, s->opt.cookie, sizeof(at->cookie));
	}
	if (repeated && !s->opt.cookie_len_bytes)
		note_failure(at, now_us);
	else
		at->failures = 0;
	if (seq_gt(s->ack, t->snd.iss + 1)) {
		t->syn_data = true;
		t->e->stats.fastopens_active++;
	} else if (t->fast->data_ok) {
		t->fast_fail = repeated ? FASTOPEN_FAIL_RESENT : FASTOPEN_FAIL_NOT_ACKED;
	}
}

/* ---- the server ---------------------------------------------------------------------- */

int tcp_set_fastopen_keys(struct tcb *listener, const struct fastopen_keys *keys)
{
	if (!keys->n && !listener->fast)
		return 0;
	if (!attach(listener))
		return -ENOMEM;
	listener->fast->keys = *keys;
	return 0;
}

/* An epoch's, of the seed. */
static void make_key(const struct engine *e, uint64_t epoch, uint8_t key[FASTOPEN_KEY_BYTES])
{
	for (uint8_t half = 0; half < 2; half++) {
		uint8_t msg[sizeof(epoch) + 1];
		uint64_t word;

		memcpy(msg, &epoch, sizeof(epoch));
		msg[sizeof(epoch)] = half;
		word = siphash(e->fast_key, msg, sizeof(msg));
		memcpy(key + half * sizeof(word), &word, sizeof(word));
	}
}

static struct fastopen_keys keys_of(const struct tcb *listener, uint64_t now_us)
{
	const struct engine *e = listener->e;
	uint64_t epoch = now_us / EPOCH_US;
	struct fastopen_keys k = {.n = epoch ? 2 : 1};

	if (listener->fast && listener->fast->keys.n)
		return listener->fast->keys;
	if (e->cfg.fastopen_keys.n)
		return e->cfg.fastopen_keys;
	make_key(e, epoch, k.key[0]);
	if (epoch)
		make_key(e, epoch - 1, k.key[1]);
	return k;
}

/* Linux, __tcp_fastopen_cookie_gen_cipher(): SipHash of the client's and the server's
 * address, as they are on the wire. */
static void make_cookie(const uint8_t key[FASTOPEN_KEY_BYTES], const struct flow *flow,
			uint8_t cookie[FASTOPEN_COOKIE_BYTES])
{
	struct ip_addr pair[2] = {flow->remote.addr, flow->local.addr};
	uint8_t v4[8];
	uint64_t tag;

	addr_set_scope(&pair[0], 0);
	addr_set_scope(&pair[1], 0);
	memcpy(v4, pair[0].b + 12, 4);
	memcpy(v4 + 4, pair[1].b + 12, 4);
	tag = addr_is_v4(&pair[0]) ? siphash(key, v4, sizeof(v4))
				   : siphash(key, pair, sizeof(pair));
	tag = htole64(tag);
	memcpy(cookie, &tag, sizeof(tag));
}

/* Whose key has made the segment's cookie; keys->n: none's. */
static unsigned maker_of(const struct fastopen_keys *keys, const struct flow *flow,
			 const struct segment *s)
{
	uint8_t good[FASTOPEN_COOKIE_BYTES];
	unsigned i;

	if (s->opt.cookie_len_bytes != sizeof(good))
		return keys->n;
	for (i = 0; i < keys->n; i++) {
		make_cookie(keys->key[i], flow, good);
		if (memcmp(good, s->opt.cookie, sizeof(good)) == 0)
			break;
	}
	return i;
}

/* Requests that the listener may have pending; 0: it does not do Fast Open. */
static uint32_t limit_of(const struct tcb *listener)
{
	uint16_t how = listener->e->cfg.fastopen;

	if (!(how & FASTOPEN_SERVER))
		return 0;
	if (listener->opts.fastopen_queue > 0)
		return (uint32_t)listener->opts.fastopen_queue;
	return how & FASTOPEN_EVERY_LISTENER ? listener->accept_max : 0;
}

static uint32_t pending(struct tcb *listener, uint64_t now_us)
{
	struct fast *f = listener->fast;

	if (now_us >= f->resets_until_us)
		f->resets = 0;
	return f->pending + f->resets;
}

enum fastopen fastopen_judge(struct tcb *listener, const struct flow *flow,
			     const struct segment *s, uint64_t now_us)
{
	uint32_t limit = limit_of(listener);
	struct fastopen_keys keys;
	unsigned maker;

	if (!limit || !attach(listener) || pending(listener, now_us) >= limit)
		return FASTOPEN_NO;
	if (s->data_len_bytes && listener->e->cfg.fastopen & FASTOPEN_SERVER_NO_COOKIE)
		return FASTOPEN_TAKE;
	if (!s->opt.fastopen)
		return FASTOPEN_NO;
	keys = keys_of(listener, now_us);
	maker = maker_of(&keys, flow, s);
	if (maker == keys.n)
		return FASTOPEN_GRANT;
	return maker == 0 ? FASTOPEN_TAKE : FASTOPEN_TAKE_AND_GRANT;
}

void fastopen_accept(struct tcb *t, enum fastopen how, const struct segment *s,
		     uint64_t now_us)
{
	struct tcb *l = t->listener;

	if (how == FASTOPEN_NO || !attach(t))
		return;
	t->fast->grants = how != FASTOPEN_TAKE;
	if (t->fast->grants) {
		struct fastopen_keys keys = keys_of(l, now_us);

		make_cookie(keys.key[0], &t->node.flow, t->fast->cookie);
	}
	if (how == FASTOPEN_GRANT)
		return;
	t->fast->listener = l;
	l->fast->pending++;
	t->snd.wnd = t->snd.max_wnd = s->wnd;
	t->snd.wl1 = s->seq;
	t->snd.wl2 = t->snd.iss;
	tcb_timer_stop(t, TIMER_WAIT); /* TCP_DEFER_ACCEPT has what it wants */
	connection_start(t, now_us);
	listen_fast(t);
	if (!s->data_len_bytes)
		return;
	rcv_offer(t, true); /* as the SYN,ACK will: it takes what came already */
	take_text(t, s, now_us);
	t->syn_data = true;
	t->e->stats.fastopens_passive++;
}

/* It is pending no longer. */
static void leave(struct tcb *t)
{
	if (t->fast && t->fast->listener) {
		t->fast->listener->fast->pending--;
		t->fast->listener = NULL;
	}
}

void fastopen_done(struct tcb *t)
{
	leave(t);
	fastopen_free(t);
}

void fastopen_reset(struct tcb *t, uint64_t now_us)
{
	struct tcb *l = t->fast ? t->fast->listener : NULL;

	if (!l)
		return;
	leave(t);
	l->fast->resets++;
	l->fast->resets_until_us = now_us + RESET_COUNTS_US;
}

void fastopen_orphan(struct tcb *t, const struct tcb *listener)
{
	if (t->fast && t->fast->listener == listener)
		leave(t);
}
