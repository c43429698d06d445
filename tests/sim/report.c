/* report.c - every algorithm on every path of cases.c, measured.
 *
 *     report [--snapshot FILE] [--update] [--out FOLDER] [--only WORD]
 *
 * prints a table, holds it against the snapshot line by line, and holds the
 * expectations of expect.c. Time is virtual, so the numbers are always the same
 * for the same engine: a line that deviates is a change of behaviour, to be
 * understood and then taken with --update. --out writes report.md and what
 * gnuplot needs for its pictures.
 */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const head =
	"# case         cc     goodput%  resent%  queue_ms   p95_ms   jain  share%  rto  rec  spur  marks";

struct options {
	const char *snapshot, *out, *only;
	bool update;
};

const char *report_cc(unsigned i)
{
	static const char *const names[] = {"reno", "cubic", "bbr"};

	for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		if (lab_knows(names[k]) && i-- == 0)
			return names[k];
	return NULL;
}

void report_check(struct report *r, bool ok, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	*(ok ? &r->passed : &r->failed) += 1;
	printf("%s %s\n", ok ? "ok     " : "not ok ", text);
	if (r->md)
		fprintf(r->md, "- %s: %s\n", ok ? "holds" : "**fails**", text);
}

static void write_line(struct outcome *o)
{
	const struct lab_result *res = &o->res;

	snprintf(o->line, sizeof(o->line),
		 "%-14s %-6s %8.2f %8.3f %9.2f %8.2f %6.3f %7.1f %4u %4u %5u %6llu%s%s",
		 o->of->name, o->cc, 100 * res->goodput,
		 res->all.segs ? 100.0 * res->all.retransmitted / res->all.segs : 0.0,
		 res->wait_mean_ms, res->wait_p95_ms, res->jain, 100 * res->share,
		 res->all.timeouts, res->all.recoveries, res->all.spurious,
		 (unsigned long long)res->there.marked, res->error ? " " : "",
		 res->error ? res->error : "");
}

static void run_cases(struct report *r, const char *only)
{
	const char *cc;

	puts(head);
	for (const struct lab_case *c = lab_cases; c->name; c++)
		for (unsigned i = 0; (cc = report_cc(i)); i++) {
			struct outcome *o = &r->outcome[r->n];

			if (only && strcmp(only, c->name))
				continue;
			if (r->n++ == OUTCOMES_MAX)
				abort();
			o->of = c;
			o->cc = cc;
			c->fill(&o->plan, cc);
			lab_run(&o->plan, &o->res);
			write_line(o);
			puts(o->line);
			fflush(stdout);
		}
}

/* ---- the snapshot ------------------------------------------------------------- */

static int update_snapshot(const struct report *r, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	fprintf(f, "# written by: make sim-report UPDATE=1\n%s\n", head);
	for (unsigned i = 0; i < r->n; i++)
		fprintf(f, "%s\n", r->outcome[i].line);
	return fclose(f) ? -errno : 0;
}

/* Case and algorithm are the first two columns. */
static bool same_row(const char *a, const char *b)
{
	return !strncmp(a, b, strlen("# case         cc    "));
}

static bool read_row(const char *path, const char *line, char *old, size_t size)
{
	FILE *f = fopen(path, "r");
	bool found = false;

	while (f && !found && fgets(old, (int)size, f)) {
		old[strcspn(old, "\n")] = 0;
		found = same_row(old, line);
	}
	if (f)
		fclose(f);
	return found;
}

static void compare_snapshot(struct report *r, const char *path)
{
	char old[LINE_MAX_BYTES];
	unsigned differ = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const char *line = r->outcome[i].line;
		bool found = read_row(path, line, old, sizeof(old));

		if (found && !strcmp(old, line))
			continue;
		if (!differ++)
			printf("deviates from %s:\n  %s\n", path, head);
		if (found)
			printf("- %s\n", old);
		printf("+ %s\n", line);
	}
	report_check(r, !differ, "%u of %u lines as in %s%s", r->n - differ, r->n, path,
		     differ ? "; if that is meant: make sim-report UPDATE=1" : "");
}

/* ---- report.md ------------------------------------------------------------------ */

static FILE *open_md(const struct report *r, const char *folder)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/report.md", folder);
	f = fopen(path, "w");
	if (!f)
		return NULL;
	fputs("# Simulated paths\n\n"
	      "Goodput is the text delivered to the reader, of what the path can carry "
	      "of it; resent is of all segments with text; queue is the time that "
	      "packets waited at the bottleneck. RTOs, recoveries and, of these, those "
	      "that had nothing to repair are counts over the whole run.\n\n"
	      "| case | algorithm | goodput % | resent % | queue ms | p95 ms | Jain | "
	      "largest share % | RTOs | recoveries | spurious | marks |\n"
	      "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n", f);
	for (unsigned i = 0; i < r->n; i++) {
		char row[LINE_MAX_BYTES], *rest = row, *cell;

		memcpy(row, r->outcome[i].line, sizeof(row));
		while ((cell = strsep(&rest, " ")))
			if (*cell)
				fprintf(f, "| %s ", cell);
		fputs("|\n", f);
	}
	fputs("\n## Cases\n\n", f);
	for (const struct lab_case *c = lab_cases; c->name; c++)
		fprintf(f, "- %s: %s\n", c->name, c->about);
	fputs("\n## Expectations\n\n", f);
	return f;
}

static int run(struct report *r, const struct options *o)
{
	int err = 0;

	run_cases(r, o->only);
	if (o->out) {
		r->md = open_md(r, o->out);
		if (!r->md)
			return -errno;
	}
	if (!o->only)
		expect_all(r);
	if (o->out) {
		err = plot_all(r, o->out);
		if (fclose(r->md) && !err)
			err = -errno;
		r->md = NULL;
	}
	if (!err && o->update)
		err = update_snapshot(r, o->snapshot);
	if (o->snapshot)
		compare_snapshot(r, o->snapshot);
	return err;
}

static int usage(const char *name)
{
	fprintf(stderr, "usage: %s [--snapshot FILE [--update]] [--out FOLDER] [--only CASE]\n",
		name);
	return 2;
}

int main(int argc, char **argv)
{
	struct report r = {.outcome = calloc(OUTCOMES_MAX, sizeof(struct outcome))};
	struct options o = {0};
	int err;

	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (!strcmp(argv[i], "--update"))
			o.update = true;
		else if (!strcmp(argv[i], "--snapshot") && more)
			o.snapshot = argv[++i];
		else if (!strcmp(argv[i], "--out") && more)
			o.out = argv[++i];
		else if (!strcmp(argv[i], "--only") && more)
			o.only = argv[++i];
		else
			return usage(argv[0]);
	}
	if ((o.update && (!o.snapshot || o.only)) || !r.outcome)
		return usage(argv[0]);
	err = run(&r, &o);
	if (err)
		fprintf(stderr, "report: %s\n", strerror(-err));
	free(r.outcome);
	printf("%u passed, %u failed\n", r.passed, r.failed + !!err);
	return r.failed || err ? 1 : 0;
}
