/* random.c - SipHash-2-4 (Aumasson and Bernstein, 2012) and what is made of it.
 *
 * Everything hashed under one key has a length or a first byte of its own, so
 * that the same key may serve several purposes and no output tells about
 * another: a prng counter is 8 bytes, a tag's message is longer than all others, the
 * message of a flow is FLOW_MSG_LEN, and that begins with its purpose.
 */
#include "random.h"

#include <endian.h>
#include <string.h>

#define FLOW_MSG_LEN (1 + 2 * (16 + 2))

enum flow_purpose { PURPOSE_ISS = 1, PURPOSE_TS = 2 };

static inline uint64_t load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline uint64_t rotl(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static inline void sip_rounds(uint64_t v[4], int n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t siphash(const uint8_t key[16], const void *data, size_t len_bytes)
{
	uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
	uint64_t v[4] = {
		k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
		k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
	};
	const uint8_t *p = data;
	uint64_t last = (uint64_t)len_bytes << 56;
	size_t left = len_bytes;

	for (; left >= 8; left -= 8, p += 8)
		sip_word(v, load_le64(p));
	while (left--)
		last |= (uint64_t)p[left] << (8 * left);
	sip_word(v, last);

	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t prng_next(struct prng *p)
{
	uint64_t counter = htole64(p->counter++);

	return siphash(p->key, &counter, sizeof(counter));
}

static uint64_t hash_flow(const uint8_t key[16], enum flow_purpose purpose,
			  const struct flow *f)
{
	uint8_t msg[FLOW_MSG_LEN] = {(uint8_t)purpose};

	_Static_assert(sizeof(*f) == FLOW_MSG_LEN - 1, "struct flow has no padding");
	memcpy(msg + 1, f, sizeof(*f));
	return siphash(key, msg, sizeof(msg));
}

uint64_t random_tag(const uint8_t key[16], const struct flow *f, uint32_t a,
		    uint32_t b)
{
	uint32_t numbers[2] = {htole32(a), htole32(b)};
	uint8_t msg[sizeof(*f) + sizeof(numbers)];

	memcpy(msg, f, sizeof(*f));
	memcpy(msg + sizeof(*f), numbers, sizeof(numbers));
	return siphash(key, msg, sizeof(msg));
}

uint32_t random_iss(const uint8_t key[16], const struct flow *f, uint64_t now_us)
{
	return (uint32_t)(now_us / 4) + (uint32_t)hash_flow(key, PURPOSE_ISS, f);
}

uint32_t random_ts_offset(const uint8_t key[16], const struct flow *f)
{
	return (uint32_t)hash_flow(key, PURPOSE_TS, f);
}
