/* script.c - see script.h. Owns the parser and the table of what may be asked;
 * the harness does the work. */
#include <ctype.h>
#include <stdio.h>

#include "../../shim/config.h"
#include "harness.h"
#include "script.h"

#define WORDS_MAX 32

struct script {
	const char *path;
	int line;
	struct harness *h; /* NULL until the first line that needs it */
	struct config cfg;
	bool ts;
	struct tcp_opts opts;
	bool opts_set;
	struct tcp_path path_to_peer;
	uint16_t port;
	uint32_t irs;
	uint8_t tos; /* of the segment expected last */
};

static void fail_line(const struct script *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));

static void fail_line(const struct script *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_error("%s:%d: %s\n", s->path, s->line, text);
	_fail(s->path, s->line);
	abort(); /* not reached: cmocka jumps */
}

static struct harness *harness_of(struct script *s)
{
	struct harness *h = s->h;

	if (h)
		return h;
	h = s->h = harness_new(&s->cfg.engine);
	h->path = s->path_to_peer;
	h->syn.sack_ok = s->cfg.engine.sack;
	h->ts = s->ts;
	h->syn.ts = s->ts;
	h->irs = s->irs;
	h->remote.port = s->port;
	if (s->opts_set)
		h->opts = s->opts;
	return h;
}

/* ---- words and numbers ---------------------------------------------------- */

struct words {
	char *w[WORDS_MAX];
	int n, at;
};

static const char *next_word(struct script *s, struct words *w)
{
	if (w->at == w->n)
		fail_line(s, "something is missing at the end of the line");
	return w->w[w->at++];
}

static bool next_is(struct words *w, const char *what)
{
	if (w->at == w->n || strcmp(w->w[w->at], what) != 0)
		return false;
	w->at++;
	return true;
}

static uint32_t number(const struct script *s, const char *word)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (*end || !isdigit((unsigned char)*word))
		fail_line(s, "\"%s\" is no number", word);
	return (uint32_t)n;
}

static uint32_t next_number(struct script *s, struct words *w)
{
	return number(s, next_word(s, w));
}

static uint64_t time_us(const struct script *s, const char *word)
{
	char *end;
	double ms = strtod(word, &end);

	if (*end || ms < 0)
		fail_line(s, "\"%s\" is no time", word);
	return (uint64_t)(ms * 1000 + 0.5);
}

static const struct {
	const char *name;
	int err;
} errnos[] = {
	{"0", 0},
	{"EPIPE", EPIPE},
	{"EMSGSIZE", EMSGSIZE},
	{"ECONNRESET", ECONNRESET},
	{"ETIMEDOUT", ETIMEDOUT},
	{"ECONNREFUSED", ECONNREFUSED},
	{"EHOSTUNREACH", EHOSTUNREACH},
	{"ENETUNREACH", ENETUNREACH},
	{"EPROTO", EPROTO},
	{"EACCES", EACCES},
	{"ECONNABORTED", ECONNABORTED},
};

static int errno_of(const struct script *s, const char *name)
{
	for (unsigned i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
		if (!strcmp(errnos[i].name, name))
			return errnos[i].err;
	fail_line(s, "\"%s\" is no errno known here", name);
}

/* ---- segments ------------------------------------------------------------- */

static const char flag_names[] = "FSRPAUECN";
static const char *const ecn_names[] = {"", "ect1", "ect0", "ce"};

struct wanted {
	uint16_t flags;
	uint8_t ip_ecn;
	uint32_t seq, len_bytes, ack, wnd;
	uint16_t up;
	bool has_ack, has_wnd, has_opt, any_cookie;
	uint32_t ts_age_ms, ecr_age_ms;
	struct seg_options opt;
};

static uint16_t flags_of(const struct script *s, const char *word)
{
	uint16_t flags = 0;

	if (!strcmp(word, "-"))
		return 0;
	for (; *word; word++) {
		const char *at = strchr(flag_names, *word == '.' ? 'A' : *word);

		if (!at)
			fail_line(s, "'%c' is no flag", *word);
		flags |= (uint16_t)(1u << (at - flag_names));
	}
	return flags;
}

static bool is_ecn(const char *word, uint8_t *ip_ecn)
{
	for (uint8_t i = IP_ECT1; i <= IP_CE; i++)
		if (!strcmp(word, ecn_names[i])) {
			*ip_ecn = i;
			return true;
		}
	return false;
}

static struct seq_range range_of(const struct script *s, const char *word)
{
	struct seq_range r;
	char tail;

	if (sscanf(word, "%u-%u%c", &r.start, &r.end, &tail) != 2)
		fail_line(s, "\"%s\" is no range", word);
	return r;
}

static void take_accecn(struct script *s, struct words *w, struct seg_options *opt)
{
	opt->ecn = true;
	opt->ecn_n = 3;
	opt->ecn_e0b = next_number(s, w);
	opt->ecn_ceb = next_number(s, w);
	opt->ecn_e1b = next_number(s, w);
}

static void take_cookie(struct script *s, const char *word, struct wanted *want)
{
	struct seg_options *opt = &want->opt;
	unsigned byte;

	opt->fastopen = true;
	want->any_cookie = !strcmp(word, "any");
	if (want->any_cookie || !strcmp(word, "request"))
		return;
	for (; *word; word += 2) {
		if (opt->cookie_len_bytes == COOKIE_MAX_BYTES ||
		    sscanf(word, "%2x", &byte) != 1 || !word[1])
			fail_line(s, "that is no cookie");
		opt->cookie[opt->cookie_len_bytes++] = (uint8_t)byte;
	}
}

/* <mss 1460,sackok,wscale 7,sack 1-2>: commas and blanks both separate. */
static void take_options(struct script *s, struct words *w, struct wanted *want)
{
	want->has_opt = true;
	while (!next_is(w, ">")) {
		const char *name = next_word(s, w);

		if (!strcmp(name, "mss"))
			want->opt.mss = (uint16_t)next_number(s, w);
		else if (!strcmp(name, "wscale"))
			want->opt.wscale = (int8_t)next_number(s, w);
		else if (!strcmp(name, "sackok"))
			want->opt.sack_ok = true;
		else if (!strcmp(name, "ts"))
			want->opt.ts = true;
		else if (!strcmp(name, "uto"))
			want->opt.uto = (uint16_t)next_number(s, w);
		else if (!strcmp(name, "accecn"))
			take_accecn(s, w, &want->opt);
		else if (!strcmp(name, "fo"))
			take_cookie(s, next_word(s, w), want);
		else if (!strcmp(name, "ts-older"))
			want->ts_age_ms = next_number(s, w);
		else if (!strcmp(name, "echo-older"))
			want->ecr_age_ms = next_number(s, w);
		else if (!strcmp(name, "sack") && want->opt.sack_n < SACK_BLOCKS_MAX)
			want->opt.sack[want->opt.sack_n++] =
				range_of(s, next_word(s, w));
		else
			fail_line(s, "option \"%s\" is not known, or too much", name);
	}
}

static struct wanted segment_of(struct script *s, struct words *w)
{
	struct wanted want = {.opt = {.wscale = -1}};
	const char *place;
	char tail;

	want.flags = flags_of(s, next_word(s, w));
	place = next_word(s, w);
	if (sscanf(place, "%u+%u%c", &want.seq, &want.len_bytes, &tail) != 2)
		fail_line(s, "\"%s\" is not SEQ+LEN", place);
	while (w->at < w->n) {
		const char *name = next_word(s, w);

		if (!strcmp(name, "ack")) {
			want.has_ack = true;
			want.ack = next_number(s, w);
		} else if (!strcmp(name, "win")) {
			want.has_wnd = true;
			want.wnd = next_number(s, w);
		} else if (!strcmp(name, "up")) {
			want.up = (uint16_t)next_number(s, w);
		} else if (is_ecn(name, &want.ip_ecn)) {
			continue;
		} else if (!strcmp(name, "<")) {
			take_options(s, w, &want);
		} else {
			fail_line(s, "\"%s\" does not belong here", name);
		}
	}
	return want;
}

static void peer_sends(struct script *s, struct words *w)
{
	struct harness *h = harness_of(s);
	struct wanted want = segment_of(s, w);
	struct seg_options opt = want.opt;

	if ((want.flags & SYN) && !want.has_opt)
		opt = h->syn;
	if (h->ts) {
		opt.ts = true;
		opt.ts_val = h->ts_base + (uint32_t)(h->now_us / 1000) -
			     want.ts_age_ms;
		opt.ts_ecr = want.flags & ACK ? h->ts_recent - want.ecr_age_ms : 0;
	}
	h->tos = want.ip_ecn;
	h->up = want.up;
	inject_opt(h, want.flags, want.seq, want.ack,
		   want.has_wnd ? want.wnd : WND, want.len_bytes, &opt);
	h->tos = 0;
}

static bool same_sack(const struct seg_options *a, const struct seg_options *b)
{
	return a->sack_n == b->sack_n &&
	       !memcmp(a->sack, b->sack, a->sack_n * sizeof(a->sack[0]));
}

static bool same_accecn(const struct seg_options *a, const struct seg_options *b)
{
	return a->ecn == b->ecn &&
	       (!a->ecn || (a->ecn_e0b == b->ecn_e0b && a->ecn_ceb == b->ecn_ceb &&
			    a->ecn_e1b == b->ecn_e1b));
}

static bool same_cookie(const struct seg_options *is, const struct wanted *want)
{
	if (is->fastopen != want->opt.fastopen)
		return false;
	if (want->any_cookie)
		return is->cookie_len_bytes > 0;
	return is->cookie_len_bytes == want->opt.cookie_len_bytes &&
	       !memcmp(is->cookie, want->opt.cookie, is->cookie_len_bytes);
}

static uint16_t urgent_pointer(const struct got *g)
{
	return (uint16_t)(g->hdr[18] << 8 | g->hdr[19]);
}

static void describe(char *text, size_t size, const struct got *g)
{
	char flags[16];
	unsigned n = 0, used;

	for (unsigned i = 0; flag_names[i]; i++)
		if (g->flags & 1u << i)
			flags[n++] = flag_names[i];
	flags[n] = 0;
	used = (unsigned)snprintf(text, size, "> %s %u+%u ack %u win %u %s <",
				  n ? flags : "-", g->seq, g->len_bytes, g->ack, g->wnd,
				  ecn_names[g->tos & IP_ECN_MASK]);
	if (g->flags & URG)
		used += (unsigned)snprintf(text + used, size - used, "up %u,",
					   urgent_pointer(g));
	if (g->opt.fastopen)
		used += (unsigned)snprintf(text + used, size - used, "fo with %u bytes,",
					   g->opt.cookie_len_bytes);
	if (g->opt.mss)
		used += (unsigned)snprintf(text + used, size - used, "mss %u,", g->opt.mss);
	if (g->opt.sack_ok)
		used += (unsigned)snprintf(text + used, size - used, "sackok,");
	if (g->opt.ts)
		used += (unsigned)snprintf(text + used, size - used, "ts,");
	if (g->opt.wscale >= 0)
		used += (unsigned)snprintf(text + used, size - used, "wscale %d,",
					   g->opt.wscale);
	for (unsigned i = 0; i < g->opt.sack_n; i++)
		used += (unsigned)snprintf(text + used, size - used, "sack %u-%u,",
					   g->opt.sack[i].start, g->opt.sack[i].end);
	if (g->opt.uto)
		used += (unsigned)snprintf(text + used, size - used, "uto %u,", g->opt.uto);
	if (g->opt.ecn)
		used += (unsigned)snprintf(text + used, size - used, "accecn %u %u %u,",
					   g->opt.ecn_e0b, g->opt.ecn_ceb, g->opt.ecn_e1b);
	snprintf(text + used, size - used, ">");
}

static void engine_sent(struct script *s, struct words *w)
{
	struct harness *h = harness_of(s);
	struct wanted want = segment_of(s, w);
	const struct got *g;
	char text[256];

	if (!pending(h))
		fail_line(s, "the engine has sent nothing");
	g = &h->out[h->out_head++];
	s->tos = g->tos;
	describe(text, sizeof(text), g);
	if (g->time_us != h->now_us)
		fail_line(s, "%s came %.3f ms too early", text,
			  (double)(h->now_us - g->time_us) / 1000);
	if (g->flags != want.flags || (g->tos & IP_ECN_MASK) != want.ip_ecn ||
	    g->seq != want.seq ||
	    g->len_bytes != want.len_bytes || (want.has_ack && g->ack != want.ack) ||
	    (want.has_wnd && g->wnd != want.wnd) || urgent_pointer(g) != want.up)
		fail_line(s, "the engine sent %s", text);
	if (g->opt.mss != want.opt.mss || g->opt.wscale != want.opt.wscale ||
	    g->opt.sack_ok != want.opt.sack_ok || !same_sack(&g->opt, &want.opt) ||
	    g->opt.ts != (h->ts || want.opt.ts) || g->opt.uto != want.opt.uto ||
	    !same_accecn(&g->opt, &want.opt) || !same_cookie(&g->opt, &want))
		fail_line(s, "options: the engine sent %s", text);
}

/* ---- what must be true ------------------------------------------------------ */

#define STATUS(name, field, scale) \
	{name, offsetof(struct tcp_status, field), \
	 sizeof(((struct tcp_status *)0)->field), scale}

static const struct {
	const char *name;
	size_t offset, size;
	uint32_t scale; /* of the script's number */
} fields[] = {
	STATUS("cwnd", snd_cwnd_bytes, 1),
	STATUS("ssthresh", snd_ssthresh_bytes, 1),
	STATUS("mss", snd_mss, 1),
	STATUS("pmtu", path_mtu, 1),
	STATUS("rto_ms", rto_us, 1000),
	STATUS("srtt_ms", srtt_us, 1000),
	STATUS("backoff", backoff, 1),
	STATUS("recovery", recovery, 1),
	STATUS("unacked", unacked_segs, 1),
	STATUS("sacked", sacked_segs, 1),
	STATUS("lost", lost_segs, 1),
	STATUS("total_retrans", total_retrans, 1),
	STATUS("unacked_bytes", unacked_bytes, 1),
	STATUS("notsent_bytes", notsent_bytes, 1),
	STATUS("readable_bytes", readable_bytes, 1),
	STATUS("snd_wnd", snd_wnd_bytes, 1),
	STATUS("rcv_wnd", rcv_wnd_bytes, 1),
};

static bool check_field(struct script *s, const char *name, struct words *w)
{
	struct tcp_status st;
	uint64_t want, is = 0;
	unsigned i = 0;

	while (i < sizeof(fields) / sizeof(*fields) && strcmp(fields[i].name, name) != 0)
		i++;
	if (i == sizeof(fields) / sizeof(*fields))
		return false;
	st = status(harness_of(s));
	memcpy(&is, (char *)&st + fields[i].offset, fields[i].size);
	want = (uint64_t)next_number(s, w) * fields[i].scale;
	if (is != want)
		fail_line(s, "%s is %llu", name,
			  (unsigned long long)(is / fields[i].scale));
	return true;
}

static void check_state(struct script *s, const char *name)
{
	const char *is = tcp_state_name(state_of(harness_of(s)));

	pull(s->h);
	if (strcmp(is, name) != 0)
		fail_line(s, "the state is %s", is);
}

/* The rest of the line is the reason, as drop_name() has it. */
static void check_drop(struct script *s, struct words *w)
{
	const char *is = drop_name(harness_of(s)->drop);
	char want[128] = "";
	size_t used = 0;

	while (w->at < w->n)
		used += (size_t)snprintf(want + used, sizeof(want) - used, "%s%s",
					 used ? " " : "", next_word(s, w));
	if (strcmp(is, want) != 0)
		fail_line(s, "the last segment: %s", is);
}

static void check_event(struct script *s, const char *name)
{
	static const char *const names[] = {"established", "incoming", "readable",
					    "writable", "peer-closed", "error",
					    "closed"};
	struct harness *h = harness_of(s);
	unsigned i = 0, bit;

	while (i < sizeof(names) / sizeof(*names) && strcmp(names[i], name) != 0)
		i++;
	if (i == sizeof(names) / sizeof(*names))
		fail_line(s, "no event is called \"%s\"", name);
	pull(h);
	bit = 1u << i;
	if (!((h->ev | h->listener_ev) & bit))
		fail_line(s, "the event has not come");
	h->ev &= ~bit;
	h->listener_ev &= ~bit;
}

/* ---- settings ----------------------------------------------------------------- */

#define OPT(name) {#name, offsetof(struct tcp_opts, name), \
		   sizeof(((struct tcp_opts *)0)->name)}

static const struct {
	const char *name;
	size_t offset, size;
} opt_names[] = {
	OPT(sndbuf_bytes), OPT(rcvbuf_bytes), OPT(mss_max_bytes), OPT(nodelay),
	OPT(cork), OPT(keepalive), OPT(keepalive_idle_s), OPT(keepalive_interval_s),
	OPT(keepalive_probes), OPT(user_timeout_ms), OPT(syn_retries),
	OPT(window_clamp_bytes), OPT(defer_accept_s), OPT(tos),
};

static void set_opt(struct script *s, struct words *w)
{
	const char *name = next_word(s, w);
	uint32_t value = next_number(s, w);
	struct harness *h = harness_of(s);
	unsigned i = 0;

	while (i < sizeof(opt_names) / sizeof(*opt_names) &&
	       strcmp(opt_names[i].name, name) != 0)
		i++;
	if (i == sizeof(opt_names) / sizeof(*opt_names))
		fail_line(s, "no option is called \"%s\"", name);
	if (h->t)
		tcp_get_opts(h->t, &h->opts);
	memcpy((char *)&h->opts + opt_names[i].offset, &value, opt_names[i].size);
	if (h->t)
		tcp_set_opts(h->t, &h->opts, h->now_us);
	pull(h);
}

static void set_knob(struct script *s, struct words *w)
{
	const char *name = next_word(s, w), *value = next_word(s, w);
	char why[512];

	if (s->h)
		fail_line(s, "too late to set %s", name);
	if (config_set(&s->cfg, FROM_OPTION, name, value, why, sizeof(why)))
		fail_line(s, "%s", why);
}

static bool before_all(struct script *s, const char *verb, struct words *w)
{
	if (!strcmp(verb, "set"))
		set_knob(s, w);
	else if (!strcmp(verb, "virtual"))
		; /* for the player in real time: not for you */
	else if (!strcmp(verb, "peer") && next_is(w, "ts"))
		s->ts = s->cfg.engine.timestamps = true;
	else if (!strcmp(verb, "mtu"))
		s->path_to_peer.mtu_bytes = next_number(s, w);
	else if (!strcmp(verb, "gso"))
		s->path_to_peer.gso_max_bytes = next_number(s, w);
	else if (!strcmp(verb, "port"))
		s->port = (uint16_t)next_number(s, w);
	else if (!strcmp(verb, "isn"))
		s->irs = next_number(s, w);
	else
		return false;
	if (s->h) { /* another peer */
		s->h->remote.port = s->port;
		s->h->irs = s->irs;
	}
	return true;
}

/* ---- lines ---------------------------------------------------------------------- */

static void transfer(struct script *s, const char *verb, uint32_t want)
{
	uint32_t done = !strcmp(verb, "write") ? app_write(s->h, want)
					       : app_read(s->h, want);

	if (done != want)
		fail_line(s, "%s of %u gave %u", verb, want, done);
}

static void take_accepted(struct script *s)
{
	struct harness *h = s->h;

	h->t = h->listener ? tcp_accept(h->listener, h) : NULL;
	if (!h->t)
		fail_line(s, "nothing to accept");
	pull(h);
}

static bool user_call(struct script *s, const char *verb, struct words *w)
{
	struct harness *h = harness_of(s);

	if (!strcmp(verb, "open"))
		app_open(h);
	else if (!strcmp(verb, "listen"))
		app_listen(h, w->at < w->n ? (int)next_number(s, w) : 8);
	else if (!strcmp(verb, "accept"))
		take_accepted(s);
	else if (!strcmp(verb, "write") || !strcmp(verb, "read"))
		transfer(s, verb, next_number(s, w));
	else if (!strcmp(verb, "shutdown"))
		app_shutdown(h);
	else if (!strcmp(verb, "close"))
		app_release(h);
	else if (!strcmp(verb, "abort"))
		app_abort(h);
	else if (!strcmp(verb, "opt"))
		set_opt(s, w);
	else
		return false;
	return true;
}

static bool check(struct script *s, const char *verb, struct words *w)
{
	if (!strcmp(verb, "state")) {
		check_state(s, next_word(s, w));
	} else if (!strcmp(verb, "event")) {
		check_event(s, next_word(s, w));
	} else if (!strcmp(verb, "drop")) {
		check_drop(s, w);
	} else if (!strcmp(verb, "tos")) {
		if (s->tos != next_number(s, w))
			fail_line(s, "the last segment's TOS is %u", s->tos);
	} else if (!strcmp(verb, "error")) {
		if (tcp_error(s->h->t) != errno_of(s, next_word(s, w)))
			fail_line(s, "the error is %d", tcp_error(s->h->t));
	} else {
		return check_field(s, verb, w);
	}
	return true;
}

static void icmp_arrives(struct script *s, struct words *w)
{
	int err = errno_of(s, next_word(s, w));
	uint32_t seq = next_number(s, w);

	inject_icmp(harness_of(s), seq, err, next_is(w, "mtu") ? next_number(s, w) : 0);
}

static void expect_nothing(struct script *s)
{
	char text[256];

	if (!s->h || !pending(s->h))
		return;
	describe(text, sizeof(text), &s->h->out[s->h->out_head]);
	fail_line(s, "before this the engine sent %s, %.3f ms ago", text,
		  (double)(s->h->now_us - s->h->out[s->h->out_head].time_us) / 1000);
}

/* Words, with < and > and , apart; "ts>" is two. A lone < or > at the beginning
 * of a segment line is a word as well. */
static void split(struct script *s, char *line, char *room, size_t size,
		  struct words *w)
{
	size_t used = 0;

	*w = (struct words){.n = 0};
	line[strcspn(line, "#\n")] = 0;
	while (*line && w->n < WORDS_MAX) {
		size_t len = strcspn(line, " \t,<>");

		if (!len && (*line == '<' || *line == '>'))
			len = 1;
		if (len) {
			assert_true(used + len + 1 < size);
			w->w[w->n++] = memcpy(room + used, line, len);
			room[used + len] = 0;
			used += len + 1;
			line += len;
		} else {
			line++;
		}
	}
	if (*line)
		fail_line(s, "too many words");
}

static void play_line(struct script *s, char *line)
{
	struct words w;
	char room[1024];
	uint64_t us = 0;
	const char *verb;

	split(s, line, room, sizeof(room), &w);
	if (!w.n)
		return;
	if (w.w[0][0] == '+')
		us = time_us(s, next_word(s, &w) + 1);
	verb = next_word(s, &w);
	if (before_all(s, verb, &w))
		return;
	if (us)
		advance_us(harness_of(s), us);
	if (!strcmp(verb, ">")) {
		engine_sent(s, &w);
	} else {
		expect_nothing(s);
		if (!strcmp(verb, "<"))
			peer_sends(s, &w);
		else if (!strcmp(verb, "icmp"))
			icmp_arrives(s, &w);
		else if (strcmp(verb, "nothing") != 0 && !user_call(s, verb, &w) &&
			 !check(s, verb, &w))
			fail_line(s, "\"%s\" is nothing that a script can say", verb);
	}
	if (w.at != w.n)
		fail_line(s, "\"%s\" is too much", w.w[w.at]);
}

void script_play(const char *path)
{
	struct script s = {.path = path, .port = 5000, .irs = 0x10203040,
			   .path_to_peer = {.mtu_bytes = 1500}};
	FILE *f = fopen(path, "r");
	char line[512];

	assert_non_null(f);
	config_defaults(&s.cfg);
	harness_config(&s.cfg.engine);
	while (fgets(line, sizeof(line), f)) {
		s.line++;
		play_line(&s, line);
	}
	fclose(f);
	expect_nothing(&s);
	assert_non_null(s.h); /* a script without a deed proves nothing */
	harness_free(s.h);
}
