/* report.c - see report.h. Both forms come from one list of counters. */
#include "report.h"

#include <inttypes.h>

enum { LINES_MAX = 32 };

struct line {
	const char *name, *text;
	uint64_t value;
};

static uint64_t held(const struct lane *l)
{
	return l->heap_n + l->queued_packets;
}

static int lines(struct line out[LINES_MAX], const struct lane *l, uint64_t overruns)
{
	const struct lane_stats *s = &l->stats;
	uint64_t out_n = s->out_packets ? s->out_packets : 1;
	const struct line all[] = {
		{"in_packets", "packets in", s->in_packets},
		{"in_bytes", "bytes in", s->in_bytes},
		{"out_packets", "packets out", s->out_packets},
		{"out_bytes", "bytes out", s->out_bytes},
		{"held", "still under way", held(l)},
		{"lost", "lost at random", s->lost},
		{"burst_lost", "lost in bursts", s->burst_lost},
		{"queue_full", "dropped, queue full", s->queue_full},
		{"too_big", "dropped, beyond MTU", s->too_big},
		{"no_room", "dropped, no memory", s->no_room},
		{"overruns", "dropped by device", overruns},
		{"duplicated", "duplicated", s->duplicated},
		{"reordered", "held back", s->reordered},
		{"corrupted", "corrupted", s->corrupted},
		{"marked", "marked CE", s->marked},
		{"queue_max_packets", "longest queue, packets", s->queue_max_packets},
		{"queue_max_bytes", "longest queue, bytes", s->queue_max_bytes},
		{"late_max_us", "delivered late, max us", s->late_max_ns / 1000},
		{"late_mean_us", "delivered late, mean us", s->late_sum_ns / out_n / 1000},
	};
	int n = sizeof(all) / sizeof(all[0]);

	for (int i = 0; i < n; i++)
		out[i] = all[i];
	return n;
}

void report_text(FILE *f, const struct report *r)
{
	struct line ab[LINES_MAX], ba[LINES_MAX];
	int n = lines(ab, r->lane[0], r->overruns[0]);

	lines(ba, r->lane[1], r->overruns[1]);
	fprintf(f, "%-24s %15s %15s\n", "", "a to b", "b to a");
	for (int i = 0; i < n; i++)
		fprintf(f, "%-24s %15" PRIu64 " %15" PRIu64 "\n", ab[i].text, ab[i].value,
			ba[i].value);
	fprintf(f, "%.3f s, seed %" PRIu64 "\n", r->seconds, r->seed);
}

void report_json(FILE *f, const struct report *r)
{
	static const char *const names[] = {"ab", "ba"};
	struct line line[LINES_MAX];

	fprintf(f, "{\"seed\": %" PRIu64 ", \"seconds\": %.3f", r->seed, r->seconds);
	for (int side = 0; side < 2; side++) {
		int n = lines(line, r->lane[side], r->overruns[side]);

		fprintf(f, ",\n \"%s\": {", names[side]);
		for (int i = 0; i < n; i++)
			fprintf(f, "%s\"%s\": %" PRIu64, i ? ", " : "", line[i].name,
				line[i].value);
		fprintf(f, "}");
	}
	fprintf(f, "}\n");
}
