/* script_segment.c - segments in the words of a script: what the peer sends, and
 * what the engine must have sent. */
#include <ctype.h>
#include <stdio.h>

#include "script_parts.h"

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
			script_fail(s, "'%c' is no flag", *word);
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
		script_fail(s, "\"%s\" is no range", word);
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
			script_fail(s, "that is no cookie");
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
			script_fail(s, "option \"%s\" is not known, or too much", name);
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
		script_fail(s, "\"%s\" is not SEQ+LEN", place);
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
			script_fail(s, "\"%s\" does not belong here", name);
		}
	}
	return want;
}

void peer_sends(struct script *s, struct words *w)
{
	struct harness *h = script_harness(s);
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

void describe(char *text, size_t size, const struct got *g)
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

void engine_sent(struct script *s, struct words *w)
{
	struct harness *h = script_harness(s);
	struct wanted want = segment_of(s, w);
	const struct got *g;
	char text[256];

	if (!pending(h))
		script_fail(s, "the engine has sent nothing");
	g = &h->out[h->out_head++];
	s->tos = g->tos;
	describe(text, sizeof(text), g);
	if (g->time_us != h->now_us)
		script_fail(s, "%s came %.3f ms too early", text,
			  (double)(h->now_us - g->time_us) / 1000);
	if (g->flags != want.flags || (g->tos & IP_ECN_MASK) != want.ip_ecn ||
	    g->seq != want.seq ||
	    g->len_bytes != want.len_bytes || (want.has_ack && g->ack != want.ack) ||
	    (want.has_wnd && g->wnd != want.wnd) || urgent_pointer(g) != want.up)
		script_fail(s, "the engine sent %s", text);
	if (g->opt.mss != want.opt.mss || g->opt.wscale != want.opt.wscale ||
	    g->opt.sack_ok != want.opt.sack_ok || !same_sack(&g->opt, &want.opt) ||
	    g->opt.ts != (h->ts || want.opt.ts) || g->opt.uto != want.opt.uto ||
	    !same_accecn(&g->opt, &want.opt) || !same_cookie(&g->opt, &want))
		script_fail(s, "options: the engine sent %s", text);
}
