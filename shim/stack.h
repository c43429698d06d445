/* stack.h - what the driver's thread works on: one engine, one link, and the
 * program's sockets between them. Private to the driver's files; everything
 * here is called in the driver's thread unless it says otherwise.
 *
 * Order of work: facts come in (packets, edges of engine ends, commands,
 * timers), then stack_settle() lets the engine's events and output follow from
 * them, before the thread sleeps. Objects that end while others may still point
 * at them (the batch of edges at hand) are freed at the end of stack_settle().
 */
#ifndef MYTCP_STACK_H
#define MYTCP_STACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "alias.h"
#include "budget.h"
#include "command.h"
#include "config.h"
#include "control.h"
#include "estate.h"
#include "held.h"
#include "ladder.h"
#include "leave.h"
#include "legacy.h"
#include "loop.h"
#include "names.h"
#include "ports.h"
#include "sock.h"
#include "visitors.h"
#include "watcher.h"

/* What sock.driver and the user pointer of a tcb point at: the first member of
 * each of these. */
enum handle_kind {
	HANDLE_BINDING,  /* struct binding: bound, neither connected nor listening */
	HANDLE_CONN,     /* struct conn */
	HANDLE_LISTENER, /* struct listener */
	HANDLE_GROUP,    /* struct listener_group, of tcbs only */
};

struct handle {
	enum handle_kind kind;
};

/* bind(2) was called. A connection or listener that comes of it keeps it. */
struct binding {
	struct handle h;
	struct port *port; /* owned */
	struct control_door *door; /* or NULL */
};

struct conn;
struct listener;

/* Bytes that are on their way from a pair to the engine: for whom goes on with the
 * stack when its process was killed (watcher.h). */
struct taking {
	struct conn *c;  /* or NULL */
	const void *at;  /* free space of the send buffer */
	uint32_t queued; /* in the pair, of them */
	uint8_t held;    /* taken before */
};

struct stack {
	struct config cfg;
	uint8_t id[16];
	uint8_t token[16]; /* known to this process and those forked from it */
	uint64_t pass;
	struct alias alias[ALIASES_MAX]; /* so many are in use: */
	unsigned aliases;
	struct command_queue *commands;

	struct engine *engine;
	struct link *link;
	struct loop *loop;
	struct ladder ladder;
	struct ports ports;
	struct visitors visitors;
	int claim_fd; /* on the spare set that the link is made of, or -1 */
	struct control control;
	int pairs_fd; /* epoll set of all engine ends, edge-triggered; its data point
			 to the conn, or for the visitors' listener nowhere */

	struct conn *conns, *dead;
	struct conn *lingering; /* linger.c */
	struct listener *listeners;
	struct sock *held; /* held.c */

	uint64_t now_us;      /* monotonic; renewed by every callback of the loop */
	uint64_t retry_us;    /* when blocked listeners and starved connections try again,
				 or ENGINE_NEVER */
	uint64_t upkeep_us;   /* when stack_upkeep() runs, or ENGINE_NEVER */
	struct budget budget; /* of questions to the kernel about strays */
	struct leave leave;
	struct seek seek[ESTATE_SEEKS_MAX];
	struct legacy legacy;
	struct watcher watcher;
	struct taking taking;
	const struct conn *giving; /* some of its bytes are in the pair and in the engine */
	const struct engine_pkt_in *arriving; /* in the engine, or NULL */
	bool background;      /* in the process that it was handed over to */
	bool starved;         /* there are starved connections */
	bool in_turn;         /* between a callback of the loop and the end of settling */
	int proc_fd;          /* the directory /proc, or -1 */
	int keeper_fd;        /* the keeper's listener (keeper.c), or -1 */
	uint32_t offer_wait_us; /* keeper.c: between two offers */
	uint64_t offer_us;    /* the next one */
};

/* In the starter's thread. Takes the configuration; NULL: out of memory. */
struct stack *stack_new(const struct config *cfg, const struct stack_key *key,
			struct command_queue *commands);
/* In the driver's thread, which has its own fd table: opens everything.
 * 0 or a negative errno; the stack is to be freed in both cases. */
int stack_open(struct stack *st);
void stack_run(struct stack *st); /* until loop_stop() */
/* Connections that are still there are aborted. */
void stack_free(struct stack *st);

/* Every callback of the loop begins with it. */
void stack_update_now(struct stack *st);
/* Of the connection that a packet is for. */
struct flow stack_flow(const struct engine_pkt_in *pkt);
/* Sends what the engine has to send now, before the batch at hand is through. */
void stack_send(struct stack *st);
/* A blocked listener or a starved connection wants to be tried again in so many microseconds. */
void stack_retry(struct stack *st, uint32_t wait_us);
/* Something has to be looked after every now and then. */
void stack_upkeep_later(struct stack *st);
/* The same, but sooner. */
void stack_upkeep_soon(struct stack *st);

/* The name of something of this stack; s and flow may be NULL. */
socklen_t stack_name(const struct stack *st, enum name_kind kind, const struct sock *s,
		     const struct flow *flow, struct sockaddr_un *sun);
/* Options for the engine: the socket's where set, else the stack's. */
void stack_tcp_opts(const struct stack *st, const struct sock_opts *o,
		    struct tcp_opts *out);
void binding_free(struct stack *st, struct binding *b); /* b may be NULL */

/* Both sides know these. All of them are for commands. */
/* bind(2), and the same with a port in any case (IP_BIND_ADDRESS_NO_PORT). */
int stack_bind(struct stack *st, struct sock *s, const struct endpoint *local);
int stack_reserve(struct stack *st, struct sock *s, const struct endpoint *local);
void stack_undo(struct stack *st, struct sock *s);
void stack_closed(struct stack *st, struct sock *s);
void stack_set_opts(struct stack *st, struct sock *s);
void stack_quickack(struct stack *st, struct sock *s, bool on);
/* cfg: the settings so far, which become those of now. Has anything changed? */
bool stack_refresh(struct stack *st, struct config *cfg);
int stack_status(struct stack *st, struct sock *s, struct tcp_status *status);

#endif
