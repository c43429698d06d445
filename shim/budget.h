/* budget.h - how many questions to the kernel the packets of strangers may cost.
 *
 * Who sends segments to nobody makes the stack ask whose they are. All may ask so often a
 * second, and one source address less than that, so that one who is noisy leaves something
 * for the others. Sources share a count where their hashes meet; nobody outside knows which.
 */
#ifndef MYTCP_BUDGET_H
#define MYTCP_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/engine.h"

#define BUDGET_ALL 500
#define BUDGET_ONE 100
#define BUDGET_SOURCES 256

struct budget {
	uint64_t second; /* that the counts are of */
	uint16_t all, one[BUDGET_SOURCES];
};

/* May a packet of this source's cost a question? Then it is counted. key: 16 bytes that
 * are secret. */
bool budget_take(struct budget *b, const uint8_t *key, const struct ip_addr *source,
		 uint64_t now_us);

#endif
