/* test_scoreboard.c - the scoreboard against a byte-by-byte model of the same
 * rules (RFC 6675 4), with random operations and numbers that wrap around.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/scoreboard.h"
#include "../../engine/seq.h"
#include "rnd.h"

#define SPAN 4000
#define MSS 100

struct byte { /* what the model knows of one sequence number */
	bool sent, acked, sacked, lost, again;
};

struct model {
	struct byte b[SPAN];
	uint32_t base, una, nxt; /* offsets from base: una and nxt */
	uint32_t high_sacked;
};

static uint32_t model_pipe(const struct model *m)
{
	uint32_t pipe = 0;

	for (uint32_t i = m->una; i < m->nxt; i++)
		if (!m->b[i].sacked)
			pipe += !m->b[i].lost + m->b[i].again;
	return pipe;
}

static void assert_same(struct scoreboard *sb, const struct model *m)
{
	uint32_t at = m->una;
	uint32_t sacked = 0;

	assert_int_equal(sb->pipe_bytes, model_pipe(m));
	for (uint32_t i = 0; i < sb->n; i++) {
		const struct sent *r = &sb->rec[sb->head + i];

		assert_int_equal(r->start - m->base, at);
		assert_true(seq_lt(r->start, r->end));
		for (; at < r->end - m->base; at++) {
			assert_int_equal(m->b[at].sacked, !!(r->flags & SENT_SACKED));
			if (m->b[at].sacked)
				continue;
			assert_int_equal(m->b[at].lost, !!(r->flags & SENT_LOST));
			assert_int_equal(m->b[at].again,
					 !!(r->flags & SENT_RETRANSMITTED));
		}
		if (r->flags & SENT_SACKED)
			sacked += r->end - r->start;
	}
	assert_int_equal(at, m->nxt);
	assert_int_equal(sb->sacked_bytes, sacked);
}

static void sack_some(struct scoreboard *sb, struct bufpool *pool,
		      struct model *m, struct rnd *r)
{
	struct sb_acked res = {0};
	uint32_t from, to, fresh = 0;

	if (m->nxt - m->una < 2)
		return;
	from = m->una + 1 + rnd_below(r, m->nxt - m->una - 1);
	to = from + 1 + rnd_below(r, m->nxt - from);
	sb_sack(sb, pool, (struct seq_range){m->base + from, m->base + to}, &res);
	for (uint32_t i = from; i < to; i++) {
		fresh += !m->b[i].sacked;
		m->b[i].sacked = true;
	}
	assert_int_equal(res.sacked_bytes, fresh);
}

static void ack_some(struct scoreboard *sb, struct bufpool *pool,
		     struct model *m, struct rnd *r)
{
	uint32_t to = m->una + rnd_below(r, m->nxt - m->una + 1), fresh = 0;
	struct sb_acked res = {0};

	sb_ack(sb, pool, m->base + to, &res);
	for (uint32_t i = m->una; i < to; i++)
		fresh += !m->b[i].sacked;
	m->una = to;
	assert_int_equal(res.acked_bytes, fresh);
}

static void resend_one(struct scoreboard *sb, struct bufpool *pool,
		       struct model *m, uint64_t now_us)
{
	struct sent *rec = sb_next_lost(sb);

	if (!rec) {
		for (uint32_t i = m->una; i < m->nxt; i++)
			assert_false(m->b[i].lost && !m->b[i].again &&
				     !m->b[i].sacked);
		return;
	}
	assert_int_equal(sb_split(sb, pool, rec, MSS), 0);
	rec = sb_next_lost(sb);
	assert_true(rec->end - rec->start <= MSS);
	for (uint32_t i = m->una; i < rec->start - m->base; i++)
		assert_false(m->b[i].lost && !m->b[i].again && !m->b[i].sacked);
	for (uint32_t i = rec->start - m->base; i < rec->end - m->base; i++)
		m->b[i].again = true;
	sb_retransmitted(sb, rec, now_us);
}

static void lose_all(struct scoreboard *sb, struct model *m)
{
	sb_mark_all_lost(sb);
	for (uint32_t i = m->una; i < m->nxt; i++) {
		if (m->b[i].sacked)
			continue;
		m->b[i].lost = true;
		m->b[i].again = false;
	}
}

static void forget(struct scoreboard *sb, struct model *m)
{
	/* what was lost before it was sacked is lost again: start clean */
	sb_forget_sack(sb);
	for (uint32_t i = m->una; i < m->nxt; i++)
		m->b[i].sacked = false;
	lose_all(sb, m);
}

static void random_operations(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct rnd r = {.state = seed};
		size_t memory_bytes = 0;
		struct bufpool pool;
		struct scoreboard sb = {0};
		struct model m = {.base = (uint32_t)rnd_u64(&r)};
		uint64_t now_us = 0;

		if (seed % 2)
			m.base = 0u - rnd_below(&r, SPAN); /* wraps on the way */
		bufpool_init(&pool, &memory_bytes);
		while (m.nxt < SPAN) {
			uint32_t len = 1 + rnd_below(&r, 3 * MSS);

			now_us++;
			switch (rnd_below(&r, 8)) {
			case 0:
			case 1:
			case 2:
				if (m.nxt + len > SPAN)
					len = SPAN - m.nxt;
				assert_int_equal(sb_push(&sb, &pool, m.base + m.nxt,
							 m.base + m.nxt + len,
							 1, now_us), 0);
				m.nxt += len;
				break;
			case 3:
				ack_some(&sb, &pool, &m, &r);
				break;
			case 4:
			case 5:
				sack_some(&sb, &pool, &m, &r);
				break;
			case 6:
				resend_one(&sb, &pool, &m, now_us);
				break;
			default:
				if (rnd_below(&r, 10) == 0)
					forget(&sb, &m);
				else
					lose_all(&sb, &m);
			}
			assert_same(&sb, &m);
		}
		sb_clear(&sb, &pool);
		bufpool_free(&pool);
		assert_int_equal(memory_bytes, 0);
	}
}

/* ---- RFC 6675 IsLost ----------------------------------------------------------- */

struct fixture {
	size_t memory_bytes;
	struct bufpool pool;
	struct scoreboard sb;
	struct sb_acked res;
};

static void send_segments(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(sb_push(&f->sb, &f->pool, i * MSS, (i + 1) * MSS,
					 MSS, i), 0);
}

static void sack_segments(struct fixture *f, unsigned from, unsigned to)
{
	sb_sack(&f->sb, &f->pool, (struct seq_range){from * MSS, to * MSS}, &f->res);
}

static void free_fixture(struct fixture *f)
{
	sb_clear(&f->sb, &f->pool);
	bufpool_free(&f->pool);
	assert_int_equal(f->memory_bytes, 0);
}

static const struct sent *record_of(const struct fixture *f, uint32_t seq)
{
	for (uint32_t i = 0; i < f->sb.n; i++)
		if (seq_lt(seq, f->sb.rec[f->sb.head + i].end))
			return &f->sb.rec[f->sb.head + i];
	fail();
	return NULL;
}

static bool lost(const struct fixture *f, unsigned i)
{
	return (record_of(f, i * MSS)->flags & (SENT_LOST | SENT_SACKED)) == SENT_LOST;
}

static void lost_by_bytes(void **state)
{
	struct fixture f = {0};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 10);
	sack_segments(&f, 1, 3); /* exactly (3 - 1) * SMSS: not more */
	assert_false(sb_mark_lost_by_sack(&f.sb, MSS, 3));
	sack_segments(&f, 3, 4);
	assert_true(sb_mark_lost_by_sack(&f.sb, MSS, 3));
	assert_true(lost(&f, 0));
	for (unsigned i = 4; i < 10; i++)
		assert_false(lost(&f, i));
	assert_int_equal(f.sb.pipe_bytes, 6 * MSS);
	free_fixture(&f);
}

static void lost_by_ranges(void **state)
{
	struct fixture f = {0};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(sb_push(&f.sb, &f.pool, i * MSS, (i + 1) * MSS, 1, i), 0);
	for (unsigned i = 1; i < 6; i += 2) { /* three islands of one byte */
		assert_false(sb_mark_lost_by_sack(&f.sb, MSS, 3));
		sb_sack(&f.sb, &f.pool,
			(struct seq_range){i * MSS, i * MSS + 1}, &f.res);
	}
	assert_true(sb_mark_lost_by_sack(&f.sb, MSS, 3));
	assert_true(lost(&f, 0));
	assert_false(lost(&f, 2)); /* 1 * MSS + 1: two islands are above it */
	free_fixture(&f);
}

/* What was lost in between is found too, not only the first hole. */
static void several_holes(void **state)
{
	struct fixture f = {0};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 20);
	sack_segments(&f, 2, 5);
	assert_true(sb_mark_lost_by_sack(&f.sb, MSS, 3));
	sack_segments(&f, 7, 15);
	assert_true(sb_mark_lost_by_sack(&f.sb, MSS, 3));
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(lost(&f, i), i < 2 || i == 5 || i == 6);
	free_fixture(&f);
}

/* RTT samples: the latest transmission, never of what was sent twice. */
static void samples(void **state)
{
	struct fixture f = {.res.answerable_us = 100};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 4);
	sb_mark_head_lost(&f.sb, &f.pool, MSS);
	sb_retransmitted(&f.sb, sb_first(&f.sb), 100);
	sb_ack(&f.sb, &f.pool, MSS, &f.res);
	assert_true(f.res.retransmitted);
	assert_int_equal(f.res.sent_us, 0);
	sb_ack(&f.sb, &f.pool, 3 * MSS, &f.res);
	assert_int_equal(f.res.sent_us, 2);
	assert_int_equal(f.res.acked_bytes, 3 * MSS);
	free_fixture(&f);
}

/* A block counts only for whole segments of what left as a burst, so no peer makes
 * us keep more records than segments, whatever it writes into its blocks. */
static void whole_segments(void **state)
{
	struct fixture f = {0};
	const uint32_t n = 100;

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	assert_int_equal(sb_push(&f.sb, &f.pool, 0, n * MSS + 50, MSS, 1), 0);
	sb_sack(&f.sb, &f.pool, (struct seq_range){MSS + 1, 2 * MSS}, &f.res);
	sb_sack(&f.sb, &f.pool, (struct seq_range){MSS, 2 * MSS - 1}, &f.res);
	assert_int_equal(f.sb.n, 1);
	assert_int_equal(f.res.sacked_bytes, 0);
	sb_sack(&f.sb, &f.pool, (struct seq_range){MSS - 1, 3 * MSS + 1}, &f.res);
	assert_int_equal(f.res.sacked_bytes, 2 * MSS);
	assert_int_equal(f.sb.n, 3);
	/* the last is shorter */
	sb_sack(&f.sb, &f.pool, (struct seq_range){n * MSS, n * MSS + 50}, &f.res);
	assert_int_equal(f.res.sacked_bytes, 2 * MSS + 50);
	for (uint32_t i = 0; i < n * MSS; i++)
		sb_sack(&f.sb, &f.pool, (struct seq_range){i, i + 1}, &f.res);
	assert_int_equal(f.res.sacked_bytes, 2 * MSS + 50);
	assert_int_equal(f.sb.n, 4);
	free_fixture(&f);
}

/* Sacked neighbours are one record: what is kept, and walked over, grows with the
 * holes and not with the window. */
static void neighbours_merge(void **state)
{
	struct fixture f = {0};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 100);
	for (unsigned i = 99; i > 50; i--)
		sack_segments(&f, i, i + 1);
	assert_int_equal(f.sb.n, 52);
	for (unsigned i = 1; i < 50; i += 2)
		sack_segments(&f, i, i + 1);
	for (unsigned i = 2; i < 50; i += 2)
		sack_segments(&f, i, i + 1);
	assert_int_equal(f.sb.n, 4); /* a hole, a range, a hole, a range */
	assert_int_equal(f.sb.sacked_bytes, 98 * MSS);
	assert_int_equal(f.res.sacked_bytes, 98 * MSS);
	sack_segments(&f, 0, 100);
	assert_int_equal(f.sb.n, 1);
	assert_int_equal(f.sb.pipe_bytes, 0);
	free_fixture(&f);
}

/* RFC 8985 6.2, step 3: sent once, and delivered after what is behind it. */
static void reordering(void **state)
{
	struct fixture f = {0};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 10);
	sack_segments(&f, 2, 3);
	sack_segments(&f, 5, 6);
	assert_false(f.res.reordered);
	sb_mark_lost(&f.sb, sb_first(&f.sb));
	sb_retransmitted(&f.sb, sb_first(&f.sb), 100);
	sb_ack(&f.sb, &f.pool, MSS, &f.res); /* who knows which copy it was */
	assert_false(f.res.reordered);
	sack_segments(&f, 4, 5);
	assert_true(f.res.reordered);
	f.res.reordered = false;
	sb_ack(&f.sb, &f.pool, 3 * MSS, &f.res);
	assert_true(f.res.reordered);
	free_fixture(&f);
}

/* Step 2: a retransmission that left too late for this answer tells nothing. */
static void unanswerable(void **state)
{
	struct fixture f = {.res.answerable_us = 99};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 3);
	sb_mark_lost(&f.sb, sb_first(&f.sb));
	sb_retransmitted(&f.sb, sb_first(&f.sb), 100);
	sb_ack(&f.sb, &f.pool, MSS, &f.res);
	assert_int_equal(f.res.resent_us, 0);
	assert_int_equal(f.res.repeated_us, 100);
	sb_mark_lost(&f.sb, sb_first(&f.sb));
	sb_retransmitted(&f.sb, sb_first(&f.sb), 98);
	sb_ack(&f.sb, &f.pool, 2 * MSS, &f.res);
	assert_int_equal(f.res.resent_us, 98);
	free_fixture(&f);
}

/* The loss was none: everything is in the network, what was repeated twice. */
static void unmark(void **state)
{
	struct fixture f = {0};

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	send_segments(&f, 4);
	sb_mark_all_lost(&f.sb);
	sb_retransmitted(&f.sb, sb_next_lost(&f.sb), 100);
	assert_int_equal(f.sb.pipe_bytes, MSS);
	sb_unmark_lost(&f.sb);
	assert_int_equal(f.sb.lost_bytes, 0);
	assert_int_equal(f.sb.pipe_bytes, 5 * MSS);
	assert_null(sb_next_lost(&f.sb));
	free_fixture(&f);
}

/* A peer that cuts us into single bytes gets no more than a bounded memory. */
static void bounded(void **state)
{
	struct fixture f = {0};
	const uint32_t end = 1 << 18;

	(void)state;
	bufpool_init(&f.pool, &f.memory_bytes);
	assert_int_equal(sb_push(&f.sb, &f.pool, 0, end, 1, 1), 0);
	for (uint32_t i = 1; i < end; i += 2)
		sb_sack(&f.sb, &f.pool, (struct seq_range){i, i + 1}, &f.res);
	assert_true(f.sb.n <= 1 << 15);
	assert_true(f.memory_bytes <= 4 << 20);
	sb_ack(&f.sb, &f.pool, end, &f.res);
	assert_int_equal(f.sb.n, 0);
	assert_int_equal(f.sb.pipe_bytes, 0);
	free_fixture(&f);
}

/* However many a block covers, each record is looked at and moved a few times at most;
 * and how many there may be depends on the size of the segments. */
static void work_is_linear(void **state)
{
	static const uint32_t sizes[][2] = {{48, 1024}, {536, 8576}, {1460, 23360},
					    {9000, 1u << 15}};
	size_t memory_bytes = 0;
	struct bufpool pool;

	(void)state;
	bufpool_init(&pool, &memory_bytes);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t mss = sizes[i][0], n = sizes[i][1], at = 7, before;
		struct scoreboard sb = {0};
		struct sb_acked res = {0};

		while (!sb_push(&sb, &pool, at, at + mss, (uint16_t)mss, 1))
			at += mss;
		assert_int_equal(sb.n, n);
		before = sb.work;
		sb_sack(&sb, &pool, (struct seq_range){7 + n / 4 * mss, 7 + n / 2 * mss}, &res);
		assert_int_equal(res.sacked_bytes, (n / 2 - n / 4) * mss);
		assert_int_equal(sb.n, n - (n / 2 - n / 4) + 1);
		assert_true(sb.work - before <= 2 * n);
		before = sb.work;
		sb_sack(&sb, &pool, (struct seq_range){7 + mss, 7 + (n - 1) * mss}, &res);
		assert_int_equal(sb.n, 3);
		assert_true(sb.work - before <= 2 * n);
		sb_clear(&sb, &pool);
	}
	bufpool_free(&pool);
	assert_int_equal(memory_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations),
		cmocka_unit_test(lost_by_bytes),
		cmocka_unit_test(lost_by_ranges),
		cmocka_unit_test(several_holes),
		cmocka_unit_test(samples),
		cmocka_unit_test(whole_segments),
		cmocka_unit_test(neighbours_merge),
		cmocka_unit_test(reordering),
		cmocka_unit_test(unanswerable),
		cmocka_unit_test(unmark),
		cmocka_unit_test(bounded),
		cmocka_unit_test(work_is_linear),
	};

	return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
