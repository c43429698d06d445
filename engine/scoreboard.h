/* scoreboard.h - what was sent and is not yet acknowledged, piece by piece.
 *
 * A record covers one transmission: a range of sequence numbers (FIN counted,
 * SYN not: the handshake has its own), when it last left, and what became of
 * it. Records are sorted, touch each other, and together cover
 * [SND.UNA, SND.NXT). A SACK edge or a partial retransmission splits one.
 *
 * A record may be a burst of segments of seg_bytes each: a SACK block counts only
 * for the segments that it covers entirely, so there are never more records than
 * segments were sent. Sacked neighbours become one record.
 *
 * pipe is RFC 6675's estimate of the bytes in the network, kept as records
 * change: every record counts once unless it is sacked or lost, and once more
 * while a retransmission of it is outstanding.
 */
#ifndef MYTCP_SCOREBOARD_H
#define MYTCP_SCOREBOARD_H

#include "buf.h"
#include "segment.h"

enum {
	SENT_SACKED = 1 << 0,
	SENT_LOST = 1 << 1,          /* deemed lost, to be sent again */
	SENT_RETRANSMITTED = 1 << 2, /* sent again since it was deemed lost */
	SENT_EVER_RETRANS = 1 << 3,  /* no RTT samples from it (Karn) */
	SENT_APP_LIMITED = 1 << 4,   /* the user had kept us waiting (rate.c) */
	SENT_NEWLY_LOST = 1 << 5,    /* congestion control must be told */
};

/* The state of the connection's delivery when a record was sent (rate.c): the
 * low halves of its counters and times. */
struct sent_stamp {
	uint32_t delivered, lost;            /* bytes */
	uint32_t delivered_us, first_sent_us;
	uint32_t in_flight_bytes;            /* itself included */
};

struct sent {
	uint32_t start, end; /* [start, end) */
	uint64_t sent_us;    /* last transmission */
	struct sent_stamp stamp;
	uint16_t seg_bytes;  /* of the segments that it left in */
	uint8_t flags;
};

struct scoreboard {
	struct sent *rec; /* records are rec[head] .. rec[head + n - 1] */
	uint32_t head, n;
	uint32_t work; /* records looked at or moved, in all; the low half */
	uint32_t mem_bytes; /* size of the buffer that rec is */
	uint32_t pipe_bytes, sacked_bytes, lost_bytes;
	uint32_t newly_lost_bytes; /* in records of SENT_NEWLY_LOST */
	uint32_t waiting_bytes; /* lost, and not sent again yet */
	uint32_t waiting_seq;   /* none of them is below it */
	uint32_t resent_end;    /* nothing that was sent again ends behind it */
	uint32_t high_sacked; /* end of the highest sacked record, if any is */
};

/* What an acknowledgment did. */
struct sb_acked {
	uint64_t answerable_us; /* set by the caller: what was sent again later
				   than this is not what was answered (RFC 8985
				   6.2, step 2) */
	uint32_t acked_bytes;  /* cumulatively, of those not sacked before */
	uint32_t sacked_bytes; /* newly sacked */
	uint32_t delivered_segs; /* which both arrived as */
	uint64_t sent_us;      /* latest transmission time among the newly
				  acknowledged or sacked that were sent once;
				  0: none */
	uint64_t oldest_us;    /* the earliest of these times; 0: none */
	uint32_t sent_end;     /* where that record ended */
	uint64_t resent_us;    /* the same among those sent again, if answerable;
				  0: none */
	uint32_t resent_end;
	struct sent newest;    /* the one sent last among all of these */
	uint64_t repeated_us;  /* the same, answerable or not */
	uint16_t seg_bytes;    /* largest segment among all of these */
	bool advanced;         /* SND.UNA moved; set by the caller */
	bool retransmitted;    /* some of the newly acknowledged were sent again */
	bool reordered;        /* something sent once arrived after what was sent
				  behind it (RFC 8985 6.2, step 3) */
};

/* Appends what was just sent for the first time, in segments of seg_bytes;
 * touches the last record's end.
 * -ENOMEM, -ENOBUFS (too many records). */
int sb_push(struct scoreboard *sb, struct bufpool *pool, uint32_t start,
	    uint32_t end, uint16_t seg_bytes, uint64_t now_us);
/* SND.UNA becomes una. Gives the memory back when nothing is left. */
void sb_ack(struct scoreboard *sb, struct bufpool *pool, uint32_t una,
	    struct sb_acked *res);
/* One SACK block, checked by the caller to lie within [SND.UNA, SND.NXT]. */
void sb_sack(struct scoreboard *sb, struct bufpool *pool,
	     struct seq_range block, struct sb_acked *res);
/* RFC 6675 IsLost for all: marks records below which at least
 * dupthresh * mss bytes, or dupthresh discontiguous ranges, were sacked.
 * Returns whether the first record is lost. */
bool sb_mark_lost_by_sack(struct scoreboard *sb, uint32_t mss_bytes,
			  unsigned dupthresh);
/* Marks one record lost, be it a retransmission. */
void sb_mark_lost(struct scoreboard *sb, struct sent *rec);
/* Marks the first record lost, up to mss_bytes of it (NewReno). */
void sb_mark_head_lost(struct scoreboard *sb, struct bufpool *pool,
		       uint32_t mss_bytes);
/* Marks all lost that is not sacked, also what was sent again (RTO). */
void sb_mark_all_lost(struct scoreboard *sb);
/* It was a mistake: nothing is lost. What was sent again is still under way. */
void sb_unmark_lost(struct scoreboard *sb);
/* The peer gave up what it had sacked (RFC 2018 8). */
void sb_forget_sack(struct scoreboard *sb);
/* The first record that is lost and not sent again yet, or NULL. */
struct sent *sb_next_lost(struct scoreboard *sb);
/* The first record below what was sacked that is neither sacked nor lost nor was
 * sent again (RFC 6675 4 NextSeg (3)), or NULL. */
struct sent *sb_next_hole(struct scoreboard *sb);
/* The last one that is not sacked, or NULL. */
struct sent *sb_last_hole(struct scoreboard *sb);
/* The last record. There must be one. */
struct sent *sb_last(struct scoreboard *sb);
/* Was just sent again, up to len_bytes of it: the rest becomes a record of its
 * own. -ENOMEM, -ENOBUFS: then all of it must be sent. */
int sb_split(struct scoreboard *sb, struct bufpool *pool, struct sent *rec,
	     uint32_t len_bytes);
void sb_retransmitted(struct scoreboard *sb, struct sent *rec, uint64_t now_us);
/* The first record at or behind *i that is newly lost, and not any more after
 * this; NULL: there is none. *i, from 0, is where to go on. */
struct sent *sb_take_lost(struct scoreboard *sb, uint32_t *i);
/* Gives all memory back. */
void sb_clear(struct scoreboard *sb, struct bufpool *pool);

/* Was (us, end) sent after (than_us, than_end)? (RFC 8985 6.2) */
static inline bool sent_after(uint64_t us, uint32_t end, uint64_t than_us,
			      uint32_t than_end)
{
	return us > than_us || (us == than_us && (int32_t)(end - than_end) > 0);
}

static inline struct sent *sb_first(struct scoreboard *sb)
{
	return sb->n ? &sb->rec[sb->head] : NULL;
}

#endif
