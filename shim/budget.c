/* budget.c - counts the questions that strangers cost, by the second. */
#include "budget.h"

#include "../engine/random.h"

bool budget_take(struct budget *b, const uint8_t *key, const struct ip_addr *source,
		 uint64_t now_us)
{
	uint64_t second = now_us / 1000000 + 1;
	uint16_t *one = &b->one[siphash(key, source, sizeof(*source)) % BUDGET_SOURCES];

	if (b->second != second)
		*b = (struct budget){.second = second};
	if (b->all == BUDGET_ALL || *one == BUDGET_ONE)
		return false;
	b->all++;
	++*one;
	return true;
}
