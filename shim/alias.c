/* alias.c - owns which stacks a stack answers for.
 */
#include "alias.h"

#include <errno.h>
#include <string.h>

#include "stack.h"

static const struct alias *find(const struct stack *st, const uint8_t id[16])
{
	unsigned i;

	for (i = 0; i < st->aliases; i++)
		if (memcmp(st->alias[i].key.id, id, sizeof(st->id)) == 0)
			return &st->alias[i];
	return NULL;
}

static bool is_own(const struct stack *st, const uint8_t id[16])
{
	return memcmp(st->id, id, sizeof(st->id)) == 0;
}

bool alias_knows(const struct stack *st, const uint8_t id[16])
{
	return is_own(st, id) || find(st, id);
}

uint64_t alias_pass(const struct stack *st, const uint8_t id[16])
{
	const struct alias *a = find(st, id);

	return is_own(st, id) ? st->pass : a ? a->key.pass : 0;
}

bool alias_has_pass(const struct stack *st, uint64_t pass)
{
	unsigned i;

	for (i = 0; i < st->aliases; i++)
		if (st->alias[i].key.pass == pass)
			return true;
	return st->pass == pass;
}

bool alias_has_token(const struct stack *st, const uint8_t token[16])
{
	unsigned i;

	for (i = 0; i < st->aliases; i++)
		if (memcmp(st->alias[i].key.token, token, sizeof(st->token)) == 0)
			return true;
	return memcmp(st->token, token, sizeof(st->token)) == 0;
}

const uint8_t *alias_rest(const struct stack *st, const uint8_t id[16])
{
	static const uint8_t nobody[16];
	const struct alias *a = find(st, id);

	return a && memcmp(a->rest, nobody, sizeof(nobody)) != 0 ? a->rest : NULL;
}

int alias_add(struct stack *st, const struct stack_key *key, const uint8_t rest[16], int fd)
{
	struct alias *a = &st->alias[st->aliases];
	int err;

	if (st->aliases == ALIASES_MAX || alias_knows(st, key->id))
		return -ENOSPC;
	err = control_hear(&st->control, fd);
	if (err)
		return err;
	*a = (struct alias){.key = *key, .fd = fd};
	memcpy(a->rest, rest, sizeof(a->rest));
	st->aliases++;
	return 0;
}

void alias_drop(struct stack *st)
{
	control_unhear(&st->control, &st->alias[--st->aliases].fd);
}

bool alias_owns(const struct stack *st, const struct sock *s)
{
	return is_own(st, s->stack) || atomic_load(&s->heir) == alias_tag(st->id);
}
