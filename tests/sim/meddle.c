/* meddle.c - see meddle.h. */
#include "meddle.h"

#include <string.h>

#include "../../engine/segment.h"

enum { OPT_END, OPT_NOP, ACCECN0 = 172, ACCECN1 = 174 };

static uint16_t flags_of(const uint8_t *tcp)
{
	return (uint16_t)((tcp[12] << 8 & SEG_AE) | tcp[13]);
}

/* Only those that ECN uses. */
static void set_flags(uint8_t *tcp, uint16_t flags)
{
	tcp[12] = (uint8_t)((tcp[12] & 0xfe) | (flags & SEG_AE) >> 8);
	tcp[13] = (uint8_t)((tcp[13] & ~(SEG_ECE | SEG_CWR)) | (flags & (SEG_ECE | SEG_CWR)));
}

static void strip_accecn(uint8_t *tcp, uint8_t hdr_len_bytes)
{
	uint8_t *p = tcp + TCP_HDR_MIN, *end = tcp + hdr_len_bytes;

	while (p < end && *p != OPT_END) {
		uint8_t len = *p == OPT_NOP ? 1 : p[1];

		if (*p == ACCECN0 || *p == ACCECN1)
			memset(p, OPT_NOP, len);
		p += len;
	}
}

void meddle(enum meddling how, struct meddle_state *m, struct rng *r, uint8_t *tcp,
	    uint8_t hdr_len_bytes, uint8_t *tos)
{
	uint16_t flags = flags_of(tcp);

	switch (how) {
	case MEDDLE_NOT:
		break;
	case MEDDLE_CLEAR:
		set_flags(tcp, 0);
		break;
	case MEDDLE_CLEAR_LATER:
		if (!(flags & SEG_SYN))
			set_flags(tcp, 0);
		break;
	case MEDDLE_MIRROR:
		if ((flags & (SEG_SYN | SEG_ACK)) == SEG_SYN)
			m->syn_flags = flags;
		else if (flags & SEG_SYN)
			set_flags(tcp, m->syn_flags);
		break;
	case MEDDLE_SCRAMBLE:
		if (!(flags & SEG_SYN))
			set_flags(tcp, (uint16_t)rng_next(r));
		break;
	case MEDDLE_STRIP:
		strip_accecn(tcp, hdr_len_bytes);
		break;
	case MEDDLE_BLEACH:
		*tos &= (uint8_t)~IP_ECN_MASK;
		break;
	case MEDDLE_MARK:
		*tos |= IP_CE;
		break;
	case MEDDLE_COUNT:
		break;
	}
}
