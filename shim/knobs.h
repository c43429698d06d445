/* knobs.h - the table of knobs: every name that --set and MYTCP_ take, where its
 * value lives in struct config, what is possible, what it means, and which sysctl
 * of the kernel's TCP means the same. Private to config.c.
 */
#ifndef MYTCP_KNOBS_H
#define MYTCP_KNOBS_H

#include "config.h"

enum kind { KNOB_NUMBER, KNOB_SIZE, KNOB_SWITCH, KNOB_CC, KNOB_TRACE, KNOB_KEYS };

struct knob {
	const char *name;      /* as --set takes it; in capitals after MYTCP_ */
	enum kind kind;
	uint16_t offset, width; /* in struct config */
	uint64_t min, max;
	const char *meaning;
	const char *sysctl;    /* below net.ipv4; NULL: there is none */
	const char *sysctl6;   /* the same below net.ipv6 */
	unsigned word;         /* which of its numbers, from 0 */
	uint64_t (*ours)(uint64_t theirs); /* its number in our unit, if that differs */
};

extern const struct knob knobs[];
extern const size_t knobs_n;

#endif
