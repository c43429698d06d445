/* script.c - see script.h. Owns the lines, the settings and the table of what may
 * be asked; segments are script_segment.c's, and the harness does the work. */
#include <ctype.h>
#include <stdio.h>

#include "script.h"
#include "script_parts.h"

void script_fail(const struct script *s, const char *fmt, ...)
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

struct harness *script_harness(struct script *s)
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
	return h;
}

/* ---- words and numbers ---------------------------------------------------- */

const char *next_word(struct script *s, struct words *w)
{
	if (w->at == w->n)
		script_fail(s, "something is missing at the end of the line");
	return w->w[w->at++];
}

bool next_is(struct words *w, const char *what)
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
		script_fail(s, "\"%s\" is no number", word);
	return (uint32_t)n;
}

uint32_t next_number(struct script *s, struct words *w)
{
	return number(s, next_word(s, w));
}

static uint64_t time_us(const struct script *s, const char *word)
{
	char *end;
	double ms = strtod(word, &end);

	if (*end || ms < 0)
		script_fail(s, "\"%s\" is no time", word);
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
	script_fail(s, "\"%s\" is no errno known here", name);
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
	st = status(script_harness(s));
	memcpy(&is, (char *)&st + fields[i].offset, fields[i].size);
	want = (uint64_t)next_number(s, w) * fields[i].scale;
	if (is != want)
		script_fail(s, "%s is %llu", name,
			  (unsigned long long)(is / fields[i].scale));
	return true;
}

static void check_state(struct script *s, const char *name)
{
	const char *is = tcp_state_name(state_of(script_harness(s)));

	pull(s->h);
	if (strcmp(is, name) != 0)
		script_fail(s, "the state is %s", is);
}

/* The rest of the line is the reason, as drop_name() has it. */
static void check_drop(struct script *s, struct words *w)
{
	const char *is = drop_name(script_harness(s)->drop);
	char want[128] = "";
	size_t used = 0;

	while (w->at < w->n)
		used += (size_t)snprintf(want + used, sizeof(want) - used, "%s%s",
					 used ? " " : "", next_word(s, w));
	if (strcmp(is, want) != 0)
		script_fail(s, "the last segment: %s", is);
}

static void check_event(struct script *s, const char *name)
{
	static const char *const names[] = {"established", "incoming", "readable",
					    "writable", "peer-closed", "error",
					    "closed"};
	struct harness *h = script_harness(s);
	unsigned i = 0, bit;

	while (i < sizeof(names) / sizeof(*names) && strcmp(names[i], name) != 0)
		i++;
	if (i == sizeof(names) / sizeof(*names))
		script_fail(s, "no event is called \"%s\"", name);
	pull(h);
	bit = 1u << i;
	if (!((h->ev | h->listener_ev) & bit))
		script_fail(s, "the event has not come");
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
	OPT(window_clamp_bytes), OPT(defer_accept_s),
	{"tos", offsetof(struct tcp_opts, ip.tos), 1},
};

static void set_opt(struct script *s, struct words *w)
{
	const char *name = next_word(s, w);
	uint32_t value = next_number(s, w);
	struct harness *h = script_harness(s);
	unsigned i = 0;

	while (i < sizeof(opt_names) / sizeof(*opt_names) &&
	       strcmp(opt_names[i].name, name) != 0)
		i++;
	if (i == sizeof(opt_names) / sizeof(*opt_names))
		script_fail(s, "no option is called \"%s\"", name);
	if (h->t)
		tcp_get_opts(h->t, &h->opts);
	memcpy((char *)&h->opts + opt_names[i].offset, &value, opt_names[i].size);
	h->opts.nodelay_asked += !strcmp(name, "nodelay");
	if (h->t)
		tcp_set_opts(h->t, &h->opts, h->now_us);
	pull(h);
}

static void set_knob(struct script *s, struct words *w)
{
	const char *name = next_word(s, w), *value = next_word(s, w);
	char why[512];

	if (s->h)
		script_fail(s, "too late to set %s", name);
	if (config_set(&s->cfg, FROM_OPTION, name, value, why, sizeof(why)))
		script_fail(s, "%s", why);
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
		script_fail(s, "%s of %u gave %u", verb, want, done);
}

static void take_accepted(struct script *s)
{
	struct harness *h = s->h;

	h->t = h->listener ? tcp_accept(h->listener, h) : NULL;
	if (!h->t)
		script_fail(s, "nothing to accept");
	pull(h);
}

static bool user_call(struct script *s, const char *verb, struct words *w)
{
	struct harness *h = script_harness(s);

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
			script_fail(s, "the last segment's TOS is %u", s->tos);
	} else if (!strcmp(verb, "error")) {
		if (tcp_error(s->h->t) != errno_of(s, next_word(s, w)))
			script_fail(s, "the error is %d", tcp_error(s->h->t));
	} else {
		return check_field(s, verb, w);
	}
	return true;
}

static void icmp_arrives(struct script *s, struct words *w)
{
	int err = errno_of(s, next_word(s, w));
	uint32_t seq = next_number(s, w);

	inject_icmp(script_harness(s), seq, err, next_is(w, "mtu") ? next_number(s, w) : 0);
}

static void expect_nothing(struct script *s)
{
	char text[256];

	if (!s->h || !pending(s->h))
		return;
	describe(text, sizeof(text), &s->h->out[s->h->out_head]);
	script_fail(s, "before this the engine sent %s, %.3f ms ago", text,
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
		script_fail(s, "too many words");
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
		advance_us(script_harness(s), us);
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
			script_fail(s, "\"%s\" is nothing that a script can say", verb);
	}
	if (w.at != w.n)
		script_fail(s, "\"%s\" is too much", w.w[w.at]);
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
