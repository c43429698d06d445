/* fuzz.h - what the fuzzers share: a reader of the input, a check that stops
 * the process, and with -DSTANDALONE a main() that makes inputs of its own.
 *
 *     fuzz_x [SECONDS [SEED]]      (STANDALONE; default 10 s, a fixed seed)
 *     fuzz_x FILE...               (STANDALONE; replays what libFuzzer found)
 */
#ifndef MYTCP_FUZZ_H
#define MYTCP_FUZZ_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline uint16_t take16(struct input *in)
{
	uint16_t hi = take8(in);

	return (uint16_t)(hi << 8 | take8(in));
}

static inline uint32_t take32(struct input *in)
{
	uint32_t hi = take16(in);

	return hi << 16 | take16(in);
}

static inline void check_at(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d: %s does not hold\n", line, what);
	abort();
}
/* A macro for the text and the line. */
#define check(cond) check_at(cond, #cond, __LINE__)

#ifdef STANDALONE
static uint64_t seed_running;

/* Says how to see it again. */
static inline void crashed(int sig)
{
	fprintf(stderr, "signal %d; again with: 1 %llu\n", sig,
		(unsigned long long)seed_running);
	_exit(1);
}

static inline uint64_t next_random(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline int replay(const char *path)
{
	static uint8_t buf[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	return LLVMFuzzerTestOneInput(buf, n);
}

int main(int argc, char **argv)
{
	static uint8_t buf[4096];
	char *end = NULL;
	double seconds = argc > 1 ? strtod(argv[1], &end) : 10;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1, runs = 0;
	clock_t until;

	if (end && *end) {
		for (int i = 1; i < argc; i++)
			replay(argv[i]);
		return 0;
	}
	signal(SIGABRT, crashed);
	signal(SIGSEGV, crashed);
	until = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
	while (clock() < until) {
		uint64_t s = seed + runs;
		size_t n = next_random(&s) % sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)next_random(&s);
		seed_running = seed + runs;
		LLVMFuzzerTestOneInput(buf, n);
		runs++;
	}
	printf("%llu inputs passed\n", (unsigned long long)runs);
	return 0;
}
#endif

#endif
