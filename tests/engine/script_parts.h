/* script_parts.h - what script.c and script_segment.c offer each other. */
#ifndef MYTCP_TEST_SCRIPT_PARTS_H
#define MYTCP_TEST_SCRIPT_PARTS_H

#include "../../shim/config.h"
#include "harness.h"

#define WORDS_MAX 32

struct script {
	const char *path;
	int line;
	struct harness *h; /* NULL until the first line that needs it */
	struct config cfg;
	bool ts;
	struct tcp_path path_to_peer;
	uint16_t port;
	uint32_t irs;
	uint8_t tos; /* of the segment expected last */
};

struct words {
	char *w[WORDS_MAX];
	int n, at;
};

/* ---- script.c ---------------------------------------------------------------- */

void script_fail(const struct script *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
struct harness *script_harness(struct script *s);
const char *next_word(struct script *s, struct words *w);
/* Takes the next word if it is this one. */
bool next_is(struct words *w, const char *what);
uint32_t next_number(struct script *s, struct words *w);

/* ---- script_segment.c ---------------------------------------------------------- */

/* "< FLAGS ..." and "> FLAGS ...", from behind the sign. */
void peer_sends(struct script *s, struct words *w);
void engine_sent(struct script *s, struct words *w);
/* A segment in the words of a script. */
void describe(char *text, size_t size, const struct got *g);

#endif
