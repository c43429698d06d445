/* control.c - a connection and its congestion control: which algorithms there
 * are, which one it has, and how it changes.
 */
#include "tcb.h"

#include <errno.h>
#include <string.h>

/* ---- which there are --------------------------------------------------------- */

const struct cc_ops *cc_known(const struct engine_config *cfg, unsigned i)
{
	unsigned builtin = 0;

	while (cc_builtin(builtin))
		builtin++;
	if (i < builtin)
		return cc_builtin(i);
	return i - builtin < CC_LOADED_MAX ? cfg->cc_loaded[i - builtin] : NULL;
}

const struct cc_ops *cc_find(const struct engine_config *cfg, const char *name)
{
	const struct cc_ops *ops;

	for (unsigned i = 0; (ops = cc_known(cfg, i)); i++)
		if (!strcmp(ops->name, name))
			break;
	return ops;
}

int cc_register(struct engine_config *cfg, const struct cc_ops *ops)
{
	unsigned i = 0;

	if (cc_check(ops))
		return -EINVAL;
	if (cc_find(cfg, ops->name))
		return -EEXIST;
	while (i < CC_LOADED_MAX && cfg->cc_loaded[i])
		i++;
	if (i == CC_LOADED_MAX)
		return -ENOSPC;
	cfg->cc_loaded[i] = ops;
	return 0;
}

/* ---- which one a connection has ------------------------------------------------- */

/* The connection's own choice, the engine's, or the first there is. */
static const struct cc_ops *chosen(const struct tcb *t)
{
	const struct engine_config *cfg = &t->e->cfg;
	const struct cc_ops *ops = t->opts.cc ? t->opts.cc : cc_find(cfg, cfg->cc);

	return ops ? ops : cc_builtin(0);
}

static struct cc_start begin(struct tcb *t, uint64_t now_us)
{
	return (struct cc_start){.now_us = now_us,
				 .srtt_us = t->rtt.srtt_us,
				 .random = prng_next(&t->e->prng),
				 .sack = t->sack_ok};
}

void control_start(struct tcb *t, uint64_t now_us)
{
	struct cc_start start = begin(t, now_us);

	cc_begin(&t->cc, chosen(t), t->snd.mss, t->e->cfg.initcwnd_segs, &start,
		 &t->e->stats.memory_bytes);
	rate_init(t, now_us);
}

void control_change(struct tcb *t, uint64_t now_us)
{
	const struct cc_ops *ops = chosen(t);
	struct cc_start start;

	if (!t->cc.ops || t->cc.ops == ops)
		return;
	start = begin(t, now_us);
	start.live = true;
	if (cc_change(&t->cc, ops, &start, &t->e->stats.memory_bytes))
		return;
	undo_forget(t); /* the reaction was the other one's */
	if (ops->flags & CC_OWN_RECOVERY)
		prr_stop(t);
}

void control_end(struct tcb *t)
{
	cc_end(&t->cc, &t->e->stats.memory_bytes);
}

void control_status(const struct tcb *t, struct tcp_status *st)
{
	const struct cc *cc = &t->cc;

	st->cc = cc->ops ? cc->ops->name : chosen(t)->name;
	if (!cc->ops)
		return;
	st->pacing_bytes_s = pace_rate(t);
	st->delivery_bytes_s = t->rate.bytes_s;
	st->delivery_app_limited = t->bytes_app_limited;
	st->delivered_bytes = t->rate.delivered_bytes;
}
