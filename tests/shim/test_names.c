/* test_names.c - names of ours come back as they went in; others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "../../shim/names.h"

static struct name sample(enum name_kind kind)
{
	struct name n = {.kind = kind};

	memset(n.stack, 0xa5, sizeof(n.stack));
	if (kind == NAME_APP || kind == NAME_ENGINE) {
		n.sock_id = 0x123456789abcdef0;
		n.family = AF_INET6;
	}
	if (kind == NAME_ENGINE) {
		memset(&n.flow.local.addr, 1, sizeof(n.flow.local.addr));
		memset(&n.flow.remote.addr, 2, sizeof(n.flow.remote.addr));
		n.flow.local.port = 80;
		n.flow.remote.port = 65535;
	}
	return n;
}

static void assert_same(const struct name *a, const struct name *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_memory_equal(a->stack, b->stack, sizeof(a->stack));
	assert_true(a->sock_id == b->sock_id);
	assert_int_equal(a->family, b->family);
	assert_memory_equal(&a->flow.local.addr, &b->flow.local.addr, 16);
	assert_memory_equal(&a->flow.remote.addr, &b->flow.remote.addr, 16);
	assert_int_equal(a->flow.local.port, b->flow.local.port);
	assert_int_equal(a->flow.remote.port, b->flow.remote.port);
}

static const enum name_kind kinds[] = {NAME_DRIVER, NAME_CONTROL, NAME_APP,
				       NAME_ENGINE};

static void round_trip(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct name in = sample(kinds[i]), out;
		struct sockaddr_un sun;
		socklen_t len = name_encode(&in, &sun);

		assert_true(len <= sizeof(sun));
		assert_int_equal(sun.sun_path[0], 0);
		assert_true(name_decode(&sun, len, &out));
		assert_same(&in, &out);
	}
}

static void refuses_other_lengths(void **state)
{
	unsigned i;
	socklen_t cut;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct name in = sample(kinds[i]), out;
		struct sockaddr_un sun;
		socklen_t len = name_encode(&in, &sun);

		for (cut = 0; cut <= sizeof(sun); cut++)
			assert_int_equal(name_decode(&sun, cut, &out), cut == len);
	}
}

static void refuses_foreign_names(void **state)
{
	struct name in = sample(NAME_ENGINE), out;
	struct sockaddr_un sun;
	socklen_t len = name_encode(&in, &sun);

	(void)state;
	sun.sun_path[1] ^= 1;
	assert_false(name_decode(&sun, len, &out));
	sun.sun_path[1] ^= 1;
	sun.sun_path[6] = 'x'; /* no such kind */
	assert_false(name_decode(&sun, len, &out));
	sun.sun_path[6] = NAME_ENGINE;
	sun.sun_family = AF_INET;
	assert_false(name_decode(&sun, len, &out));
	sun.sun_family = AF_UNIX;
	assert_true(name_decode(&sun, len, &out));
}

/* Every bit of it counts, and no other pass will do. */
static void signatures(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct name in = sample(kinds[i]), out;
		struct sockaddr_un sun;
		socklen_t len, at;

		in.pass = 0x1122334455667788;
		in.pid = kinds[i] == NAME_ENGINE ? 4711 : 0;
		len = name_encode(&in, &sun);
		assert_true(name_decode(&sun, len, &out));
		assert_int_equal(out.pid, in.pid);
		assert_true(name_is_signed(&out, in.pass));
		assert_false(name_is_signed(&out, in.pass + 1));
		assert_false(name_is_signed(&out, 0));
		for (at = 8; at < len - offsetof(struct sockaddr_un, sun_path); at++) {
			sun.sun_path[at] ^= 0x40;
			assert_true(!name_decode(&sun, len, &out) ||
				    !name_is_signed(&out, in.pass));
			sun.sun_path[at] ^= 0x40;
		}
	}
}

/* The kernel takes them, and takes different ones at the same time. */
static void can_be_bound(void **state)
{
	struct name in = sample(NAME_APP);
	struct sockaddr_un sun, got;
	socklen_t len, got_len = sizeof(got);
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	len = name_encode(&in, &sun);
	assert_int_equal(bind(a, (struct sockaddr *)&sun, len), 0);
	assert_int_equal(getsockname(a, (struct sockaddr *)&got, &got_len), 0);
	assert_int_equal(got_len, len);
	assert_memory_equal(&got, &sun, len);
	assert_int_equal(bind(b, (struct sockaddr *)&sun, len), -1);
	in.sock_id++;
	len = name_encode(&in, &sun);
	assert_int_equal(bind(b, (struct sockaddr *)&sun, len), 0);
	close(a);
	close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(refuses_other_lengths),
		cmocka_unit_test(refuses_foreign_names),
		cmocka_unit_test(signatures),
		cmocka_unit_test(can_be_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
