/* fuzz_input.c - a whole engine under any sequence of packets, user calls and
 * steps of time.
 *
 * The input is a program for a small machine (machine.h): its bytes choose operations
 * and their arguments. Packets are made in three ways: near what the connection
 * expects, any bytes with a right checksum, and any bytes. After each operation
 * everything that the engine sends is read to the last byte, and what must always hold
 * is checked; at the end all connections are released and must die out.
 */
#include "machine.h"

/* ---- user calls --------------------------------------------------------------- */

static void open_one(struct machine *m, struct input *in, unsigned i)
{
	struct flow f = flow_of(i);
	struct tcp_path path = {take8(in) & 1 ? take16(in) | 68u : 1500, m->gso_max_bytes};
	int err;

	if (m->slot[i].t)
		return;
	engine_gone_lately(m->e, &f, 0, m->now_us);
	m->slot[i] = (struct user){0};
	err = tcp_open(m->e, &f, &path, &m->opts, m, m->now_us, &m->slot[i].t);
	check(err == 0 || err == -EADDRINUSE);
	if (err)
		m->slot[i].t = NULL;
}

static void listen_or_stop(struct machine *m, struct input *in, unsigned i)
{
	struct endpoint at = {i ? (struct ip_addr){{0}} : address_of(false, 1), OUR_PORT};

	if (!m->listener[i]) {
		check(tcp_listen(m->e, &at, 1 + take8(in) % 4, &m->opts, m, m->now_us,
				 &m->listener[i]) == 0);
		check(engine_port_in_use(m->e, OUR_PORT, i));
	} else if (take8(in) < 20) {
		tcp_release(m->listener[i], m->now_us);
		m->listener[i] = NULL;
	} else {
		tcp_set_backlog(m->listener[i], 1 + take8(in) % 8);
		tcp_wait_elsewhere(m->listener[i], take8(in) % 2);
	}
}

static void accept_one(struct machine *m, unsigned i)
{
	for (unsigned k = 0; k < LISTENERS; k++)
		if (m->listener[k] && !m->slot[i].t)
			m->slot[i] = (struct user){.t = tcp_accept(m->listener[k], m)};
}

static void write_some(struct machine *m, struct input *in, struct user *u)
{
	size_t want = take16(in) + 1u, given = 0;
	struct iovec iov[2];
	struct tcb *t = u->t;
	int n = tcp_send_iov(t, want, iov);
	uint8_t text = u->written;

	check(n <= 2 && (n >= 0 || n == -EPIPE));
	for (int i = 0; i < n; i++) {
		for (size_t j = 0; j < iov[i].iov_len; j++)
			((uint8_t *)iov[i].iov_base)[j] = text++;
		given += iov[i].iov_len;
	}
	check(given <= want);
	if (n <= 0)
		return;
	want = take8(in);
	if (want & 1)
		given /= 2;
	u->written = (uint8_t)(u->written + given);
	if (want % 8 < 2)
		tcp_send_urgent(t, given, m->now_us);
	else if (want % 8 < 4)
		tcp_send_more(t, given, m->now_us);
	else
		tcp_send_commit(t, given, m->now_us);
}

/* Text counts up; without urgent data none of it is left out. */
static void check_read(struct machine *m, struct user *u, const uint8_t *text, size_t len)
{
	for (size_t j = 0; j < len; j++) {
		check(m->any_text || m->urgent || !u->read_known || text[j] == u->read);
		u->read = (uint8_t)(text[j] + 1);
		u->read_known = true;
	}
}

static void read_some(struct machine *m, struct input *in, struct user *u)
{
	size_t max = take16(in), have = 0;
	struct iovec iov[2];
	int n = tcp_recv_iov(u->t, iov), err;
	struct tcp_status st;
	uint8_t byte;

	err = tcp_recv_urgent(u->t, max & 1, &byte);
	check(err == 0 || err == -EAGAIN || err == -EINVAL);
	tcp_status(u->t, &st);
	check(!tcp_at_mark(u->t) || st.urgent_bytes == 1);
	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;

		if (len > max - have)
			len = max - have;
		check_read(m, u, iov[i].iov_base, len);
		have += len;
	}
	check(have <= st.readable_bytes);
	if (have)
		tcp_recv_done(u->t, have, m->now_us);
}

static void more_options(struct machine *m, struct input *in, struct tcp_opts *o)
{
	uint8_t bits = take8(in);

	if (bits & 1)
		o->cc = cc_known(&m->cfg, take8(in) % 4); /* the last one: the default */
	if (bits & 2)
		o->mss_max_bytes = take16(in) % 1500;
	if (bits & 4)
		o->pacing_max_bytes_s = take16(in) * 16ull;
	if (bits & 8)
		o->ip.mtu_discover = o->ip6.mtu_discover = take8(in) % 6;
	if (bits & 16)
		o->pingpong = !o->pingpong;
	if (bits & 32) {
		o->keepalive_idle_s = take8(in);
		o->keepalive_interval_s = take8(in);
		o->keepalive_probes = take8(in);
	}
}

static void change_options(struct machine *m, struct input *in, struct tcb *t)
{
	uint8_t bits = take8(in);
	struct tcp_opts o;

	tcp_get_opts(t, &o);
	o.nodelay = bits & 1;
	o.cork = bits & 2;
	o.keepalive = bits & 4;
	o.oob_inline = bits & 8;
	o.user_timeout_ms = bits & 16 ? take16(in) * 100u : 0;
	o.window_clamp_bytes = bits & 32 ? take16(in) : 0;
	o.notsent_lowat_bytes = bits & 64 ? take16(in) : 0;
	o.fin_timeout_s = (int8_t)take8(in);
	o.sndbuf_bytes = take16(in);
	o.rcvbuf_bytes = take16(in);
	o.ip.tos = o.ip6.tos = take8(in);
	more_options(m, in, &o);
	tcp_set_opts(t, &o, m->now_us);
	if (bits & 128)
		tcp_quickack(t, bits & 1, m->now_us);
}

static void use_slot(struct machine *m, struct input *in, unsigned op, unsigned i)
{
	struct tcb *t = m->slot[i].t;

	if (!t)
		return;
	switch (op) {
	case 0:
	case 1:
		write_some(m, in, &m->slot[i]);
		break;
	case 2:
	case 3:
		read_some(m, in, &m->slot[i]);
		break;
	case 4:
		tcp_shutdown(t, m->now_us);
		break;
	case 5:
		change_options(m, in, t);
		break;
	case 6:
		if (take8(in) < 100)
			tcp_abort(t, m->now_us);
		break;
	default:
		m->slot[i].t = NULL;
		tcp_release(t, m->now_us);
		break;
	}
}

/* The TIME-WAITs go to another engine, the rest is forgotten: as when a program ends
 * beside another one's process in the background. Some offers are nonsense. */
static void hand_over(struct machine *m, struct input *in)
{
	struct tcp_timewait tw[SLOTS + 1];
	size_t n = engine_timewaits(m->e, tw, SLOTS + 1);
	uint8_t which = take8(in);

	check(n <= SLOTS && n == engine_stats(m->e)->time_wait);
	engine_free(m->e);
	memset(m->slot, 0, sizeof(m->slot));
	memset(m->listener, 0, sizeof(m->listener));
	m->e = engine_new(&m->cfg, m->now_us);
	if (!m->e)
		abort();
	for (size_t i = 0; i < n; i++) {
		int err;

		if (which & 1)
			((uint8_t *)&tw[i])[take16(in) % offsetof(struct tcp_timewait, ts_ok)] = take8(in);
		err = engine_add_timewait(m->e, &tw[i], m->now_us);
		check(err == 0 || which & 1);
		check(engine_add_timewait(m->e, &tw[i], m->now_us) == (err ? err : -EADDRINUSE));
	}
}

static void pass_time(struct machine *m, struct input *in)
{
	uint64_t at_us = engine_deadline(m->e);

	if (take8(in) & 1 && at_us != ENGINE_NEVER && at_us > m->now_us)
		m->now_us = at_us;
	else
		m->now_us += 1ull << take8(in) % 36;
	engine_expire(m->e, m->now_us);
	check_all(m);
	check(engine_deadline(m->e) > m->now_us); /* or a driver would spin */
}

static void operate(struct machine *m, struct input *in)
{
	uint8_t op = take8(in);
	unsigned i = op >> 6;

	switch (op % 16) {
	case 0:
	case 1:
		pass_time(m, in);
		break;
	case 2:
		open_one(m, in, i);
		break;
	case 3:
		listen_or_stop(m, in, i % LISTENERS);
		break;
	case 4:
		accept_one(m, i);
		break;
	case 5:
	case 6:
		use_slot(m, in, take8(in) % 8, i);
		break;
	case 7:
		random_packet(m, in, true);
		break;
	case 8:
		random_packet(m, in, false);
		break;
	case 9:
		random_icmp(m, in);
		break;
	case 15:
		if (take8(in) < 40)
			hand_over(m, in);
		break;
	default:
		likely_packet(m, in);
		break;
	}
}

/* ---- beginning and end ---------------------------------------------------------- */

/* What else an administrator may say. */
static void switches(struct engine_config *cfg, struct input *in)
{
	uint8_t bits = take8(in), limits = take8(in);

	strcpy(cfg->cc, cc_known(cfg, take8(in) % 3)->name);
	cfg->rack = bits & 1;
	cfg->frto = bits & 2;
	cfg->dsack = bits & 4;
	cfg->pacing = bits & 8;
	cfg->slow_start_after_idle = bits & 16;
	cfg->moderate_rcvbuf = bits & 32;
	cfg->rfc1337 = bits & 64;
	cfg->abort_on_overflow = bits & 128;
	if (limits & 1)
		cfg->rcv_total_bytes = take16(in);
	if (limits & 2)
		cfg->notsent_lowat_bytes = take16(in) + 1u;
	if (limits & 4)
		cfg->orphans_max = take8(in) % 3;
	if (limits & 8)
		cfg->max_syn_backlog = 1 + take8(in) % 4;
	if (limits & 16)
		cfg->base_mss_bytes = 48 + take16(in) % 2000;
	if (limits & 32)
		cfg->initcwnd_segs = 1 + take8(in) % 50;
	if (limits & 64)
		cfg->delack_ms = take8(in);
	cfg->syn_linear_timeouts = limits >> 5;
	cfg->tw_reuse = take8(in) % 3;
	cfg->quickacks = take8(in);
	cfg->rto_min_ms = 1 + take8(in);
}

static void set_up(struct machine *m, struct input *in)
{
	struct engine_config cfg;
	uint8_t flags = take8(in), fast;

	memset(m, 0, sizeof(*m));
	engine_config_defaults(&cfg);
	memset(cfg.seed, take8(in), sizeof(cfg.seed));
	cfg.timestamps = flags & 1;
	cfg.sack = flags & 2;
	cfg.window_scaling = flags & 4;
	cfg.trace = flags & 8;
	cfg.ecn = take8(in) % 7;
	cfg.mtu_probing = take8(in) % 3;
	fast = take8(in);
	cfg.fastopen = fast % 8 | (fast & 8 ? 0x200 : 0) | (fast & 16 ? 0x400 : 0);
	cfg.fastopen_keys.n = (flags >> 6) % 3;
	cfg.syncookies = (fast >> 5) % 3;
	cfg.uto = flags & 2;
	cfg.memory_max_bytes = flags & 4 ? 100000 : 0;
	cfg.half_open_max = 1 + take8(in) % 8;
	if (flags & 16)
		cfg.ooo_ranges_max = 1 + take8(in) % 4;
	m->gso_max_bytes = flags & 32 ? 65000 : 0;
	m->now_us = take32(in);
	switches(&cfg, in);
	m->cfg = cfg;
	m->e = engine_new(&cfg, m->now_us);
	if (!m->e)
		abort();
	tcp_opts_defaults(m->e, &m->opts);
	if (flags & 64) {
		m->opts.rcvbuf_bytes = take16(in) + 1u;
		m->opts.sndbuf_bytes = take16(in) + 1u;
	}
	m->opts.nodelay = flags & 128;
	m->opts.keepalive = flags & 1;
	m->opts.defer_accept_s = flags & 8 ? 3 : 0;
	m->opts.fastopen = fast & 1;
	m->opts.fastopen_queue = fast >> 4;
}

/* Nobody holds anything any more, nobody answers: all of it must end. */
static void die_out(struct machine *m)
{
	unsigned steps = 0;
	uint64_t at_us;

	for (unsigned i = 0; i < SLOTS; i++)
		if (m->slot[i].t)
			tcp_release(m->slot[i].t, m->now_us);
	for (unsigned i = 0; i < LISTENERS; i++)
		if (m->listener[i])
			tcp_release(m->listener[i], m->now_us);
	memset(m->slot, 0, sizeof(m->slot));
	memset(m->listener, 0, sizeof(m->listener));
	check_all(m);
	while ((at_us = engine_deadline(m->e)) != ENGINE_NEVER) {
		check(++steps < END_STEPS_MAX);
		if (at_us > m->now_us)
			m->now_us = at_us;
		engine_expire(m->e, m->now_us);
		check_all(m);
	}
	check(engine_stats(m->e)->connections == 0);
	engine_free(m->e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct input in = {data, size};

	set_up(&m, &in);
	while (in.left) {
		operate(&m, &in);
		check_all(&m);
	}
	die_out(&m);
	return 0;
}
