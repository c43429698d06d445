/* plot.c - data for gnuplot, and the script that draws it: window, throughput and
 * queue over time. */
#include <errno.h>
#include <string.h>

#include "report.h"

#define PATH_BYTES 4096

static FILE *create(const char *folder, const char *name, const char *suffix)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
	return fopen(path, "w");
}

static void name_of(const struct outcome *o, char *name, size_t size)
{
	snprintf(name, size, "%s-%s", o->of->name, o->cc);
}

/* Columns: seconds, queue in ms, and per flow kB of window and Mbit/s. */
static int write_data(const struct outcome *o, const char *folder)
{
	const struct lab_result *res = &o->res;
	char name[100];
	FILE *f;

	name_of(o, name, sizeof(name));
	f = create(folder, name, ".dat");
	if (!f)
		return -errno;
	for (unsigned i = 1; i < res->samples; i++) {
		const struct lab_sample *a = &res->sample[i - 1], *b = a + 1;

		fprintf(f, "%.3f %.3f", (double)b->at_us / 1e6,
			(double)b->queue_bytes * 1e3 /
				(double)o->plan.rate_bytes_s);
		for (unsigned k = 0; k < o->plan.flows; k++)
			fprintf(f, " %.1f %.3f", b->cwnd_bytes[k] / 1e3,
				(double)(b->bytes[k] - a->bytes[k]) * 8 /
					(double)(b->at_us - a->at_us));
		fputc('\n', f);
	}
	return fclose(f) ? -errno : 0;
}

/* One line per outcome and flow; column: of the first flow. */
static void draw(FILE *gp, const char *title, const struct outcome *o, unsigned n,
		 unsigned column, bool per_flow)
{
	const char *before = "plot";

	fprintf(gp, "set ylabel '%s'\n", title);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < (per_flow ? o[i].plan.flows : 1); k++) {
			char name[100], number[16] = "";

			name_of(&o[i], name, sizeof(name));
			if (per_flow && o[i].plan.flows > 1)
				snprintf(number, sizeof(number), " (%u)", k + 1);
			fprintf(gp, "%s '%s.dat' using 1:%u with lines title '%s%s'", before,
				name, column + 2 * k,
				per_flow ? o[i].plan.flow[k].cc : o[i].cc, number);
			before = ",";
		}
	fputc('\n', gp);
}

static void picture(struct report *r, FILE *gp, const char *name, const struct outcome *o,
		    unsigned n)
{
	fprintf(gp, "set output '%s.svg'\nset multiplot layout 3,1 title '%s: %s'\n", name, name,
		o->of->about);
	draw(gp, "cwnd, kB", o, n, 3, true);
	draw(gp, "Mbit/s", o, n, 4, true);
	if (o->plan.net.dir[0].bottleneck.rate_bytes_s)
		draw(gp, "queue, ms", o, n, 2, false);
	fprintf(gp, "unset multiplot\n");
	fprintf(r->md, "![%s](%s.svg)\n\n", name, name);
}

/* The outcomes of one case lie side by side. */
static void pictures(struct report *r, FILE *gp)
{
	unsigned n;

	fputs("set terminal svg size 900,800 background 'white'\nset grid\n"
	      "set key outside right\nset xlabel 's'\nset lmargin 10\nset rmargin 18\nset yrange [0:*]\n", gp);
	for (unsigned i = 0; i < r->n; i += n) {
		struct outcome *o = &r->outcome[i];
		char name[100];

		n = 1;
		if (o->plan.flows > 1) {
			name_of(o, name, sizeof(name));
			picture(r, gp, name, o, 1);
			continue;
		}
		while (i + n < r->n && o[n].of == o->of)
			n++;
		picture(r, gp, o->of->name, o, n);
	}
}

int plot_all(struct report *r, const char *folder)
{
	FILE *gp = create(folder, "plots", ".gp");
	int err = 0;

	if (!gp)
		return -errno;
	fputs("\n## Window, throughput, queue\n\n", r->md);
	for (unsigned i = 0; i < r->n && !err; i++)
		err = write_data(&r->outcome[i], folder);
	pictures(r, gp);
	if (fclose(gp) && !err)
		err = -errno;
	return err;
}
