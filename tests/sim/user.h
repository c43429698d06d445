/* user.h - a program at one end of one connection: writes in chunks, reads in
 * chunks, pauses, closes early or late, all by a plan and its own chance.
 *
 * It acts only on events, like the real driver: one event that the engine fails
 * to report leaves it waiting for ever, and the simulation fails.
 */
#ifndef MYTCP_SIM_USER_H
#define MYTCP_SIM_USER_H

#include "net.h"

struct user_plan {
	uint32_t total_bytes;    /* to write */
	uint32_t chunk_bytes;    /* at most, per write */
	uint32_t write_pause_us; /* at most, between writes */
	uint32_t read_bytes;     /* at most, per read */
	uint32_t read_pause_us;
	unsigned stalls;         /* so often it stops reading for a long time ... */
	uint32_t stall_us;       /* ... of so much at most, and after that takes */
	unsigned trickles;       /* ... so often only a few bytes */
	uint32_t trickle_bytes;
	uint32_t answers_bytes; /* writes only after so much has come */
	bool blind;          /* no byte is looked at, chunks are always the largest */
	bool close_first;    /* CLOSE when all is written; else at the peer's FIN */
	bool release_early;  /* lets go when all is written */
	bool release_late;   /* waits for TCP_EV_CLOSED before it lets go */
	uint32_t oom_ppm;    /* so often there is no memory for a write */
	bool urgent;         /* some writes end with urgent data, others more to come */
	/* Changes its options midway, also to any of these algorithms; or NULL. */
	const struct engine_config *fiddles;
};

struct user {
	struct user_plan plan;
	struct rng rng;
	uint64_t key;     /* of the bytes it writes */
	uint64_t peer_key;
	struct tcb *t;    /* NULL before and after */
	uint64_t write_at_us, read_at_us;
	unsigned stalls, trickles; /* of the plan's, that were */
	uint32_t written, received;
	uint64_t received_us, released_us; /* when the last of it came; the end */
	bool ready;       /* may write: connected or connecting */
	bool established; /* may close: in SYN-SENT that would undo it */
	bool full;        /* waits for WRITABLE */
	bool readable, peer_closed, eof, shut, closed, released;
	const char *error; /* what went wrong, or NULL */
};
void user_event(struct user *u, unsigned what);
/* Does what is due. */
void user_run(struct user *u, uint64_t now_us);
/* When it wants to run again; ENGINE_NEVER: only an event can wake it. */
uint64_t user_wake_us(const struct user *u);

#endif
