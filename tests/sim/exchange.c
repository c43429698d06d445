/* exchange.c - see exchange.h. */
#include <stdlib.h>
#include <string.h>

#include "exchange.h"

#define START_US 1000000u

enum { LOSS = 4 }; /* tcp_status.recovery */

struct observer {
	struct exchange *x;
	uint8_t recovery, backoff;
};

static void on_packet(void *arg, int from, const struct packet *k, enum fate f,
		      uint64_t waited_us)
{
	struct exchange *x = ((struct observer *)arg)->x;
	uint32_t n = ++x->packets[from];

	(void)f;
	(void)waited_us;
	if (n > EXCHANGE_PACKETS)
		abort();
	if (k->tcp[13] & SEG_SYN)
		x->handshake[from][n] = true;
	if (k->len_bytes > (k->tcp[12] >> 4) * 4u)
		x->last_text[from] = n;
}

static void on_step(void *arg, struct sim *s)
{
	struct observer *o = arg;
	struct user *server = &s->conn[0].user[1];
	struct tcp_status st;

	if (!server->t)
		return;
	tcp_status(server->t, &st);
	if (st.recovery == LOSS && (o->recovery != LOSS || st.backoff > o->backoff))
		o->x->timeouts++;
	o->recovery = st.recovery;
	o->backoff = st.backoff;
}

static void plan_users(struct sim *s, const struct exchange_plan *plan)
{
	struct user *u = s->conn[0].user;

	for (int side = 0; side < 2; side++) {
		u[side].plan = (struct user_plan){
			.total_bytes = side ? plan->response_bytes : plan->request_bytes,
			.answers_bytes = side ? plan->request_bytes : 0,
			.chunk_bytes = 1u << 20, .read_bytes = 1u << 20,
			.blind = true, .release_late = true,
		};
		u[side].plan.close_first = !plan->stays_open &&
					   plan->client_closes_first == (side == 0);
	}
}

static void build(struct sim *s, const struct exchange_plan *plan)
{
	struct net_params p = {.mtu_bytes = 1500, .gso_max_bytes = 65536};

	s->now_us = s->start_us = START_US;
	if (plan->stays_open)
		s->stop_us = START_US + 10000000;
	for (int side = 0; side < 2; side++) {
		p.dir[side].delay_us = plan->rtt_us / 2;
		p.dir[side].bottleneck = (struct bottleneck_params){
			.rate_bytes_s = 12500000, .queue_bytes = 1000000,
		};
	}
	p.dir[plan->lose_from].lose_nth = plan->lose_nth;
	sim_addresses(s, false);
	net_init(&s->net, &p, 1);
	s->net.verbose = plan->verbose;
	s->watch = watch_new(p.mtu_bytes);
	for (int side = 0; side < 2; side++) {
		engine_config_defaults(&s->cfg[side]);
		s->cfg[side].seed[0] = (uint8_t)(1 + side);
		strncpy(s->cfg[side].cc, plan->cc, sizeof(s->cfg[side].cc) - 1);
		sim_engine(s, side);
		sim_listen(s, side);
	}
	s->conns = 1;
	s->conn[0].opener = A_OPENS;
	s->conn[0].start_us = START_US;
	plan_users(s, plan);
}

void exchange_run(const struct exchange_plan *plan, struct exchange *x)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct observer o = {.x = x};
	struct user *u;

	if (!s)
		abort();
	u = s->conn[0].user;
	memset(x, 0, sizeof(*x));
	build(s, plan);
	s->net.watch = on_packet;
	s->on_step = on_step;
	s->net.watch_arg = s->on_step_arg = &o;
	sim_run(s);
	x->error = s->error;
	if (!x->error && (u[1].received != plan->request_bytes ||
			  u[0].received != plan->response_bytes))
		x->error = "not everything was received";
	x->request_us = u[1].received_us - START_US;
	x->response_us = u[0].received_us - START_US;
	x->client_us = u[0].released_us - START_US;
	x->server_us = u[1].released_us - START_US;
	x->rto_min_us = s->cfg[1].rto_min_ms * 1000;
	x->rto_initial_us = s->cfg[1].rto_initial_ms * 1000;
	x->delack_us = s->cfg[1].delack_ms * 1000;
	sim_free(s);
	free(s);
}
