/* fuzz_names.c - the names of AF_UNIX sockets that others may choose: what is taken
 * for one of ours says the same when it is written again, and what is written is taken.
 * A signature holds for its pass and for every bit of its name, and for nothing else.
 */
#include "../../shim/names.h"

#include "fuzz.h"

#include <stddef.h>

static void decode_any(struct input *in)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX}, again;
	struct name n, same;
	size_t len = in->left < sizeof(sun.sun_path) ? in->left : sizeof(sun.sun_path);
	socklen_t again_len;

	memcpy(sun.sun_path, in->p, len);
	if (!name_decode(&sun, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len), &n))
		return;
	again_len = name_encode(&n, &again);
	check(again_len > sizeof(sa_family_t) && again_len <= sizeof(again));
	check(name_decode(&again, again_len, &same));
	check(same.kind == n.kind && same.sock_id == n.sock_id && same.family == n.family);
	check(!memcmp(same.stack, n.stack, sizeof(n.stack)));
}

static void check_signature(struct input *in, const struct name *n,
			    const struct sockaddr_un *sun, socklen_t len)
{
	bool has_one = n->kind == NAME_DRIVER || n->kind == NAME_CONTROL ||
		       n->kind == NAME_APP || n->kind == NAME_ENGINE;
	size_t bits = (len - offsetof(struct sockaddr_un, sun_path)) * 8;
	struct name same;

	check(name_decode(sun, len, &same) && !same.pass);
	check(name_is_signed(&same, n->pass) == has_one);
	check(!name_is_signed(&same, n->pass ^ 1ull << take8(in) % 64));
	for (unsigned i = 0; i < 8; i++) {
		size_t bit = take16(in) % bits;
		struct sockaddr_un other = *sun;

		other.sun_path[bit / 8] ^= (char)(1 << bit % 8);
		check(!name_decode(&other, len, &same) || !name_is_signed(&same, n->pass));
	}
}

static void encode_any(struct input *in)
{
	static const enum name_kind kinds[] = {NAME_DRIVER, NAME_CONTROL, NAME_KEEPER,
					       NAME_SPARE,  NAME_PORT,	  NAME_APP,
					       NAME_ENGINE};
	struct name n = {.kind = kinds[take8(in) % 7]}, same;
	struct sockaddr_un sun;
	socklen_t len;

	n.family = take8(in) & 1 ? AF_INET : AF_INET6;
	n.sock_id = (uint64_t)take32(in) << 32 | take32(in);
	for (size_t i = 0; i < sizeof(n.stack); i++)
		n.stack[i] = take8(in);
	for (size_t i = 0; i < 16; i++) {
		n.flow.local.addr.b[i] = take8(in);
		n.flow.remote.addr.b[i] = take8(in);
	}
	n.flow.local.port = take16(in);
	n.flow.remote.port = take16(in);
	n.pid = take32(in);
	n.pass = (uint64_t)take32(in) << 32 | take32(in);
	len = name_encode(&n, &sun);
	check(len <= sizeof(sun) && name_decode(&sun, len, &same) && same.kind == n.kind);
	if (n.kind == NAME_ENGINE)
		check(!memcmp(&same.flow, &n.flow, sizeof(n.flow)) && same.family == n.family);
	check_signature(in, &n, &sun, len);
	for (socklen_t cut = 0; cut < len; cut++) /* in the middle of anything */
		name_decode(&sun, cut, &same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	decode_any(&in);
	encode_any(&in);
	return 0;
}
