/* scoreboard.c - records of what is in flight; see scoreboard.h.
 *
 * Owns the array of records, a buffer from the pool. Invariants: sorted,
 * touching, never empty ranges; the sums in struct scoreboard equal what
 * account() adds up over all records; every change of a record's range or flags
 * happens between account(-1) and account(+1).
 */
#include "scoreboard.h"

#include <errno.h>
#include <string.h>

#include "minmax.h"
#include "seq.h"

/* More would be tiny pieces cut by a hostile peer, or a program that sends
 * single bytes without Nagle; then new data waits for acknowledgments. An ACK may cost
 * a look at each of them, so that a peer whose segments are small, who gets more of
 * them into a window, has fewer: some tens of megabytes of full segments for whoever
 * takes 1460 bytes, 48 kB for whoever takes 48. Bursts count as one. */
#define RECORDS_LEAST 1024u
#define RECORDS_MOST (1u << 15)
#define RECORDS_PER_BYTE 16u /* of a segment */

static uint32_t records_max(uint32_t seg_bytes)
{
	return min_u32(max_u32(RECORDS_PER_BYTE * seg_bytes, RECORDS_LEAST), RECORDS_MOST);
}

static uint32_t length(const struct sent *r)
{
	return r->end - r->start;
}

static bool is_lost(const struct sent *r)
{
	return (r->flags & (SENT_LOST | SENT_SACKED)) == SENT_LOST;
}

/* Its share of the pipe, RFC 6675 4 SetPipe(). */
static uint32_t in_pipe(const struct sent *r)
{
	if (r->flags & SENT_SACKED)
		return 0;
	return (r->flags & SENT_LOST ? 0 : length(r)) +
	       (r->flags & SENT_RETRANSMITTED ? length(r) : 0);
}

/* Lost, and its retransmission has not left yet. */
static bool is_waiting(const struct sent *r)
{
	return is_lost(r) && !(r->flags & SENT_RETRANSMITTED);
}

static void account(struct scoreboard *sb, const struct sent *r, int sign)
{
	uint32_t s = (uint32_t)sign;

	sb->pipe_bytes += s * in_pipe(r);
	if (r->flags & SENT_SACKED)
		sb->sacked_bytes += s * length(r);
	if (is_lost(r))
		sb->lost_bytes += s * length(r);
	if (is_waiting(r))
		sb->waiting_bytes += s * length(r);
	if (r->flags & SENT_NEWLY_LOST)
		sb->newly_lost_bytes += s * length(r);
}

static bool in_network(uint8_t flags)
{
	return !(flags & SENT_SACKED) &&
	       (flags & (SENT_LOST | SENT_RETRANSMITTED)) != SENT_LOST;
}

static void set_flags(struct scoreboard *sb, struct sent *r, uint8_t flags)
{
	account(sb, r, -1);
	if (flags & SENT_LOST && in_network(r->flags) && !in_network(flags) &&
	    !(flags & SENT_SACKED))
		flags |= SENT_NEWLY_LOST;
	r->flags = flags;
	if (is_waiting(r) && (!sb->waiting_bytes || seq_lt(r->start, sb->waiting_seq)))
		sb->waiting_seq = r->start;
	account(sb, r, 1);
}

/* Room for one more record, of such segments, behind the last one. */
static int make_room(struct scoreboard *sb, struct bufpool *pool, uint32_t seg_bytes)
{
	uint32_t cap = sb->mem_bytes / sizeof(*sb->rec), need_bytes;
	struct ring bigger = {0};
	struct iovec iov[2];
	int err;

	if (sb->n >= records_max(seg_bytes))
		return -ENOBUFS;
	if (sb->head + sb->n < cap)
		return 0;
	if (sb->head >= cap / 2 && sb->head) {
		memmove(sb->rec, sb->rec + sb->head, sb->n * sizeof(*sb->rec));
		sb->head = 0;
		return 0;
	}
	need_bytes = cap ? 2 * cap * (uint32_t)sizeof(*sb->rec) : BUF_MIN;
	err = ring_reserve(&bigger, pool, need_bytes);
	if (err)
		return err;
	ring_iov(&bigger, 0, bigger.size_bytes, iov);
	if (sb->n)
		memcpy(iov[0].iov_base, sb->rec + sb->head, sb->n * sizeof(*sb->rec));
	ring_release(&(struct ring){.data = (uint8_t *)sb->rec,
				    .size_bytes = sb->mem_bytes}, pool);
	sb->rec = iov[0].iov_base;
	sb->mem_bytes = bigger.size_bytes;
	sb->head = 0;
	return 0;
}

void sb_clear(struct scoreboard *sb, struct bufpool *pool)
{
	ring_release(&(struct ring){.data = (uint8_t *)sb->rec,
				    .size_bytes = sb->mem_bytes}, pool);
	*sb = (struct scoreboard){.work = sb->work};
}

int sb_push(struct scoreboard *sb, struct bufpool *pool, uint32_t start,
	    uint32_t end, uint16_t seg_bytes, uint64_t now_us)
{
	int err = make_room(sb, pool, seg_bytes);
	struct sent *r;

	if (err)
		return err;
	if (!sb->n)
		sb->resent_end = start;
	r = &sb->rec[sb->head + sb->n++];
	*r = (struct sent){.start = start, .end = end, .sent_us = now_us,
			   .seg_bytes = seg_bytes};
	account(sb, r, 1);
	return 0;
}

int sb_split(struct scoreboard *sb, struct bufpool *pool, struct sent *rec,
	     uint32_t len_bytes)
{
	uint32_t i = (uint32_t)(rec - sb->rec) - sb->head;
	int err;

	if (len_bytes >= length(rec))
		return 0;
	err = make_room(sb, pool, rec->seg_bytes);
	if (err)
		return err;
	rec = &sb->rec[sb->head + i];
	sb->work += sb->n - i;
	memmove(rec + 1, rec, (sb->n - i) * sizeof(*rec));
	sb->n++;
	rec[0].end = rec[1].start = rec[0].start + len_bytes;
	return 0; /* the sums are the same: both parts have the flags of the whole */
}

/* Index of the record that contains seq, or n. */
static uint32_t find(const struct scoreboard *sb, uint32_t seq)
{
	uint32_t lo = 0, hi = sb->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (seq_leq(sb->rec[sb->head + mid].end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* r, not sacked before, is delivered. overtaken: so was something behind it. */
static void note_delivered(struct sb_acked *res, const struct sent *r,
			   bool overtaken)
{
	const struct sent *newest = &res->newest;
	uint32_t seg_bytes = length(r) < r->seg_bytes ? length(r) : r->seg_bytes;

	if (!(r->flags & SENT_SACKED) &&
	    (newest->start == newest->end ||
	     sent_after(r->sent_us, r->end, newest->sent_us, newest->end)))
		res->newest = *r;
	if (seg_bytes > res->seg_bytes)
		res->seg_bytes = (uint16_t)seg_bytes;
	if (r->flags & SENT_EVER_RETRANS) {
		res->retransmitted = true;
		if (r->sent_us > res->repeated_us)
			res->repeated_us = r->sent_us;
		if (r->sent_us <= res->answerable_us &&
		    sent_after(r->sent_us, r->end, res->resent_us, res->resent_end)) {
			res->resent_us = r->sent_us;
			res->resent_end = r->end;
		}
		return;
	}
	res->reordered |= overtaken;
	if (!res->oldest_us || r->sent_us < res->oldest_us)
		res->oldest_us = r->sent_us;
	if (sent_after(r->sent_us, r->end, res->sent_us, res->sent_end)) {
		res->sent_us = r->sent_us;
		res->sent_end = r->end;
	}
}

/* As which len_bytes of it left. */
static uint32_t segments(const struct sent *r, uint32_t len_bytes)
{
	return (len_bytes + r->seg_bytes - 1) / r->seg_bytes;
}

void sb_ack(struct scoreboard *sb, struct bufpool *pool, uint32_t una,
	    struct sb_acked *res)
{
	bool any = sb->sacked_bytes > 0;

	while (sb->n) {
		struct sent *r = &sb->rec[sb->head];
		uint32_t cut;

		if (seq_leq(una, r->start))
			break;
		cut = seq_min(una, r->end) - r->start;
		if (!(r->flags & SENT_SACKED)) {
			res->acked_bytes += cut;
			res->delivered_segs += segments(r, cut);
			note_delivered(res, r, any && seq_lt(r->end, sb->high_sacked));
		}
		account(sb, r, -1);
		r->start += cut;
		if (r->start != r->end) {
			account(sb, r, 1);
			break;
		}
		sb->head++;
		sb->n--;
	}
	if (!sb->n)
		sb_clear(sb, pool);
}

/* The records from the first to the last become fewer: sacked neighbours are one. Those
 * behind them move up, or those before them down, whatever are fewer. */
static void merge_sacked(struct scoreboard *sb, uint32_t first, uint32_t last)
{
	struct sent *rec = &sb->rec[sb->head];
	uint32_t to = first, gone, behind = sb->n - last - 1;

	for (uint32_t i = first + 1; i <= last; i++) {
		if (!(rec[to].flags & rec[i].flags & SENT_SACKED)) {
			rec[++to] = rec[i];
			continue;
		}
		account(sb, &rec[to], -1);
		account(sb, &rec[i], -1);
		rec[to].end = rec[i].end;
		rec[to].flags = SENT_SACKED |
				((rec[to].flags | rec[i].flags) & SENT_EVER_RETRANS);
		account(sb, &rec[to], 1);
	}
	gone = last - to;
	sb->work += last - first + 1;
	if (!gone)
		return;
	sb->n -= gone;
	if (to + 1 < behind) {
		memmove(rec + gone, rec, (to + 1) * sizeof(*rec));
		sb->head += gone;
		sb->work += to + 1;
	} else {
		memmove(rec + to + 1, rec + last + 1, behind * sizeof(*rec));
		sb->work += behind;
	}
}

/* Of the segments of r, those that the block covers entirely: [from, to). */
static bool covered(const struct sent *r, struct seq_range block, uint32_t *from,
		    uint32_t *to)
{
	uint32_t before = 0, after = 0, part;

	if (seq_gt(block.start, r->start)) {
		before = block.start - r->start;
		part = before % r->seg_bytes;
		before += part ? r->seg_bytes - part : 0;
	}
	if (seq_lt(block.end, r->end)) {
		part = (block.end - r->start) % r->seg_bytes;
		after = r->end - block.end + part;
	}
	*from = r->start + before;
	*to = r->end - after;
	return before < length(r) && seq_lt(*from, *to);
}

/* The i-th record is sacked from now on. */
static void take_sacked(struct scoreboard *sb, uint32_t i, struct sb_acked *res)
{
	struct sent *r = &sb->rec[sb->head + i];
	bool any = sb->sacked_bytes > 0;

	note_delivered(res, r, any && seq_lt(r->end, sb->high_sacked));
	res->sacked_bytes += length(r);
	res->delivered_segs += segments(r, length(r));
	if (!any || seq_gt(r->end, sb->high_sacked))
		sb->high_sacked = r->end;
	set_flags(sb, r, r->flags | SENT_SACKED);
}

void sb_sack(struct scoreboard *sb, struct bufpool *pool,
	     struct seq_range block, struct sb_acked *res)
{
	uint32_t first = find(sb, block.start), i = first;
	bool any = false;

	for (; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];
		uint32_t from, to;

		if (seq_geq(r->start, block.end))
			break;
		sb->work++;
		if (r->flags & SENT_SACKED || !covered(r, block, &from, &to))
			continue;
		/* Without room for the parts the block is not used. */
		if (from != r->start) {
			if (sb_split(sb, pool, r, from - r->start))
				break;
			continue; /* the next turn sees the part behind */
		}
		if (sb_split(sb, pool, r, to - from))
			break;
		take_sacked(sb, i, res);
		any = true;
	}
	if (any)
		merge_sacked(sb, first ? first - 1 : 0, i < sb->n ? i : sb->n - 1);
}

bool sb_mark_lost_by_sack(struct scoreboard *sb, uint32_t mss_bytes,
			  unsigned dupthresh)
{
	uint32_t above_bytes = 0, i;
	unsigned ranges_above = 0;
	bool in_range = false;

	if (!sb->sacked_bytes)
		return false;
	for (i = find(sb, sb->high_sacked - 1) + 1; i-- > 0;) {
		struct sent *r = &sb->rec[sb->head + i];

		sb->work++;
		if (r->flags & SENT_SACKED) {
			above_bytes += length(r);
			ranges_above += !in_range;
			in_range = true;
			continue;
		}
		in_range = false;
		if (above_bytes <= (dupthresh - 1) * mss_bytes &&
		    ranges_above < dupthresh)
			continue;
		if (r->flags & SENT_LOST)
			break; /* and so are all below that are not sacked */
		set_flags(sb, r, r->flags | SENT_LOST);
	}
	return is_lost(&sb->rec[sb->head]);
}

void sb_mark_lost(struct scoreboard *sb, struct sent *rec)
{
	set_flags(sb, rec, (rec->flags | SENT_LOST) & (uint8_t)~SENT_RETRANSMITTED);
}

void sb_mark_head_lost(struct scoreboard *sb, struct bufpool *pool,
		       uint32_t mss_bytes)
{
	struct sent *r = sb_first(sb);

	if (!r || is_lost(r))
		return;
	(void)sb_split(sb, pool, r, mss_bytes); /* else: all of it is lost */
	sb_mark_lost(sb, sb_first(sb));
}

void sb_mark_all_lost(struct scoreboard *sb)
{
	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (!(r->flags & SENT_SACKED))
			sb_mark_lost(sb, r);
	}
}

void sb_unmark_lost(struct scoreboard *sb)
{
	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (r->flags & SENT_LOST)
			set_flags(sb, r, r->flags & (uint8_t)~SENT_LOST);
	}
}

void sb_forget_sack(struct scoreboard *sb)
{
	for (uint32_t i = 0; i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		set_flags(sb, r, r->flags & (uint8_t)~SENT_SACKED);
	}
}

struct sent *sb_take_lost(struct scoreboard *sb, uint32_t *i)
{
	for (; sb->newly_lost_bytes && *i < sb->n; (*i)++) {
		struct sent *r = &sb->rec[sb->head + *i];

		sb->work++;
		if (r->flags & SENT_NEWLY_LOST) {
			set_flags(sb, r, r->flags & (uint8_t)~SENT_NEWLY_LOST);
			return r;
		}
	}
	return NULL;
}

struct sent *sb_last(struct scoreboard *sb)
{
	return &sb->rec[sb->head + sb->n - 1];
}

struct sent *sb_next_lost(struct scoreboard *sb)
{
	if (!sb->waiting_bytes)
		return NULL;
	for (uint32_t i = find(sb, sb->waiting_seq); i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		sb->work++;
		if (!is_waiting(r))
			continue;
		sb->waiting_seq = r->start;
		return r;
	}
	return NULL;
}

struct sent *sb_next_hole(struct scoreboard *sb)
{
	for (uint32_t i = 0; sb->sacked_bytes && i < sb->n; i++) {
		struct sent *r = &sb->rec[sb->head + i];

		if (seq_geq(r->start, sb->high_sacked))
			break;
		if (!(r->flags & (SENT_SACKED | SENT_LOST | SENT_RETRANSMITTED)))
			return r;
	}
	return NULL;
}

struct sent *sb_last_hole(struct scoreboard *sb)
{
	for (uint32_t i = sb->n; i-- > 0;)
		if (!(sb->rec[sb->head + i].flags & SENT_SACKED))
			return &sb->rec[sb->head + i];
	return NULL;
}

void sb_retransmitted(struct scoreboard *sb, struct sent *rec, uint64_t now_us)
{
	rec->sent_us = now_us;
	sb->resent_end = seq_max(sb->resent_end, rec->end);
	set_flags(sb, rec, rec->flags | SENT_RETRANSMITTED | SENT_EVER_RETRANS);
}
