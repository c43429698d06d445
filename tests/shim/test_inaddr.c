/* test_inaddr.c - addresses of AF_INET and AF_INET6 sockets on their way in and
 * out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../../engine/addr.h"
#include "../../shim/inaddr.h"

static struct sockaddr_in6 sin6(const char *text, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
	return a;
}

static const struct sock_opts both, v6only = {.v6only = true}, bound = {.ifindex = 7};

static struct endpoint v6_endpoint(const char *text, uint32_t scope)
{
	struct sockaddr_in6 a = sin6(text, 0);

	return (struct endpoint){.addr = addr_from_v6(&a.sin6_addr, scope), .port = 80};
}

static struct endpoint v4_endpoint(uint32_t addr, uint16_t port)
{
	addr = htonl(addr);
	return (struct endpoint){.addr = addr_from_v4(&addr), .port = port};
}

static int to_bind(const struct sock_opts *opts, const char *text, uint32_t scope,
		   struct endpoint *e)
{
	struct sockaddr_in6 a = sin6(text, 80);

	a.sin6_scope_id = scope;
	return inaddr_to_bind(AF_INET6, opts, (struct sockaddr *)&a, sizeof(a), e);
}

static int to_connect(const struct sock_opts *opts, const struct ip_addr *src,
		      const char *text, uint32_t scope, struct endpoint *e)
{
	struct sockaddr_in6 a = sin6(text, 80);

	a.sin6_scope_id = scope;
	return inaddr_to_connect(AF_INET6, opts, src, (struct sockaddr *)&a, sizeof(a),
				 e);
}

static void any_is_each_familys_own(void **state)
{
	const struct endpoint zero = {.port = 0}, v4 = v4_endpoint(0, 0);
	struct endpoint e = inaddr_any(AF_INET6);

	(void)state;
	assert_true(endpoint_eq(&e, &zero));
	e = inaddr_any(AF_INET);
	assert_true(endpoint_eq(&e, &v4));
}

static void names_come_out_in_the_sockets_family(void **state)
{
	const struct endpoint e = v4_endpoint(0x01020304, 0x5060);
	struct sockaddr_in6 want6 = sin6("::ffff:1.2.3.4", 0x5060), got6;
	struct sockaddr_in want = {.sin_family = AF_INET, .sin_port = htons(0x5060),
				   .sin_addr.s_addr = htonl(0x01020304)}, got;
	socklen_t len = sizeof(got6);

	(void)state;
	memset(&got6, 0xee, sizeof(got6));
	assert_int_equal(inaddr_put(AF_INET6, &e, (struct sockaddr *)&got6, &len), 0);
	assert_int_equal(len, sizeof(got6));
	assert_memory_equal(&got6, &want6, sizeof(want6));
	assert_int_equal(inaddr_put(AF_INET, &e, (struct sockaddr *)&got, &len), 0);
	assert_int_equal(len, sizeof(got));
	assert_memory_equal(&got, &want, sizeof(want));
}

/* The device is not in the address that programs see, but beside it. */
static void link_local_names_have_a_scope(void **state)
{
	const struct endpoint e = v6_endpoint("fe80::1234", 7);
	struct sockaddr_in6 want = sin6("fe80::1234", 80), got;
	socklen_t len = sizeof(got);

	(void)state;
	want.sin6_scope_id = 7;
	assert_int_equal(inaddr_put(AF_INET6, &e, (struct sockaddr *)&got, &len), 0);
	assert_memory_equal(&got, &want, sizeof(want));
}

static void names_are_cut_to_the_room_there_is(void **state)
{
	const struct endpoint e = v4_endpoint(0x01020304, 80);
	uint8_t room[sizeof(struct sockaddr_in6)];
	struct sockaddr *addr = (struct sockaddr *)room;
	socklen_t len = 6;

	(void)state;
	memset(room, 0xee, sizeof(room));
	assert_int_equal(inaddr_put(AF_INET6, &e, addr, &len), 0);
	assert_int_equal(len, sizeof(struct sockaddr_in6));
	assert_int_equal(room[3], 80);
	assert_int_equal(room[6], 0xee);
	len = 0;
	assert_int_equal(inaddr_put(AF_INET, &e, addr, &len), 0);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	len = -1;
	assert_int_equal(inaddr_put(AF_INET6, &e, addr, &len), -EINVAL);
	assert_int_equal(inaddr_put(AF_INET6, &e, NULL, &len), -EFAULT);
	assert_int_equal(inaddr_put(AF_INET6, &e, addr, NULL), -EFAULT);
}

static void bind_takes_what_it_is_given(void **state)
{
	const struct endpoint v4 = v4_endpoint(0x7f000001, 80), any = {.port = 80};
	const struct endpoint global = v6_endpoint("2001:db8::1", 0);
	struct endpoint e;

	(void)state;
	assert_int_equal(to_bind(&both, "::ffff:127.0.0.1", 0, &e), 0);
	assert_true(endpoint_eq(&e, &v4));
	assert_int_equal(to_bind(&v6only, "::ffff:127.0.0.1", 0, &e), -EINVAL);
	assert_int_equal(to_bind(&both, "::", 0, &e), 0);
	assert_true(endpoint_eq(&e, &any));
	assert_int_equal(to_bind(&v6only, "::", 0, &e), 0);
	/* Whether it is a local address is for others to say; its scope nobody asks. */
	assert_int_equal(to_bind(&both, "2001:db8::1", 9, &e), 0);
	assert_true(endpoint_eq(&e, &global));
	assert_int_equal(to_bind(&both, "ff02::1", 9, &e), -EINVAL);
}

static void link_local_needs_a_device(void **state)
{
	const struct endpoint on7 = v6_endpoint("fe80::1", 7), on9 = v6_endpoint("fe80::1", 9);
	const struct ip_addr any6 = {{0}};
	struct sockaddr_in6 a = sin6("fe80::1", 80);
	struct endpoint e;

	(void)state;
	assert_int_equal(to_bind(&both, "fe80::1", 0, &e), -EINVAL);
	assert_int_equal(to_bind(&both, "fe80::1", 9, &e), 0);
	assert_true(endpoint_eq(&e, &on9));
	assert_int_equal(to_bind(&bound, "fe80::1", 0, &e), 0);
	assert_true(endpoint_eq(&e, &on7));
	assert_int_equal(to_bind(&bound, "fe80::1", 9, &e), 0);
	assert_true(endpoint_eq(&e, &on9));
	assert_int_equal(to_connect(&both, &any6, "fe80::1", 0, &e), -EINVAL);
	assert_int_equal(to_connect(&both, &any6, "fe80::1", 9, &e), 0);
	assert_true(endpoint_eq(&e, &on9));
	assert_int_equal(to_connect(&bound, &any6, "fe80::1", 0, &e), 0);
	assert_true(endpoint_eq(&e, &on7));
	assert_int_equal(to_connect(&bound, &any6, "fe80::1", 9, &e), -EINVAL);
	assert_int_equal(to_connect(&bound, &any6, "2001:db8::1", 9, &e), 0);
	/* RFC 2133's sockaddr_in6 ends before the scope. */
	a.sin6_scope_id = 9;
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, (struct sockaddr *)&a, 24, &e),
			 -EINVAL);
}

static void bind_checks_length_and_family(void **state)
{
	struct sockaddr_in6 a = sin6("::", 80);
	struct sockaddr *addr = (struct sockaddr *)&a;
	struct endpoint e;

	(void)state;
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, NULL, 28, &e), -EFAULT);
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, addr, 23, &e), -EINVAL);
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, addr, 24, &e), 0);
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, addr, 129, &e), -EINVAL);
	assert_int_equal(inaddr_to_bind(AF_INET, &both, addr, 15, &e), -EINVAL);
	assert_int_equal(inaddr_to_bind(AF_INET, &both, addr, 28, &e), -EAFNOSUPPORT);
	a.sin6_family = AF_INET;
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, addr, 28, &e), -EAFNOSUPPORT);
	assert_int_equal(inaddr_to_bind(AF_INET, &both, addr, 16, &e), 0);
	/* AF_UNSPEC was good enough once, for IPv4's "any". */
	a.sin6_family = AF_UNSPEC;
	assert_int_equal(inaddr_to_bind(AF_INET6, &both, addr, 28, &e), -EAFNOSUPPORT);
	assert_int_equal(inaddr_to_bind(AF_INET, &both, addr, 16, &e), 0);
	a.sin6_flowinfo = 1; /* where sin_addr is */
	assert_int_equal(inaddr_to_bind(AF_INET, &both, addr, 16, &e), -EAFNOSUPPORT);
}

static void connect_goes_where_it_is_told(void **state)
{
	const struct ip_addr any6 = {{0}}, here = v4_endpoint(0x7f000001, 0).addr;
	const struct endpoint v4 = v4_endpoint(0x0a000001, 80), any4 = v4_endpoint(0, 80);
	const struct endpoint self = {.port = 80}, v6 = v6_endpoint("2001:db8::1", 0);
	struct endpoint e;

	(void)state;
	assert_int_equal(to_connect(&both, &any6, "::ffff:10.0.0.1", 0, &e), 0);
	assert_true(endpoint_eq(&e, &v4));
	assert_int_equal(to_connect(&v6only, &any6, "::ffff:10.0.0.1", 0, &e),
			 -ENETUNREACH);
	assert_int_equal(to_connect(&v6only, &any6, "2001:db8::1", 0, &e), 0);
	assert_true(endpoint_eq(&e, &v6));
	assert_int_equal(to_connect(&both, &any6, "::", 0, &e), 0);
	assert_true(endpoint_eq(&e, &self));
	assert_int_equal(to_connect(&both, &any6, "ff02::1", 9, &e), -ENETUNREACH);
	/* Bound to an IPv4 address, "any" is IPv4's. */
	assert_int_equal(to_connect(&both, &here, "::", 0, &e), 0);
	assert_true(endpoint_eq(&e, &any4));
}

static void connect_checks_length_and_family(void **state)
{
	const struct ip_addr any6 = {{0}};
	struct sockaddr_in6 a = sin6("::ffff:10.0.0.1", 80);
	struct sockaddr *addr = (struct sockaddr *)&a;
	struct endpoint e;

	(void)state;
	assert_int_equal(inaddr_to_connect(AF_INET6, &both, &any6, addr, 23, &e), -EINVAL);
	assert_int_equal(inaddr_to_connect(AF_INET6, &both, &any6, addr, 24, &e), 0);
	assert_int_equal(inaddr_to_connect(AF_INET, &both, &any6, addr, 28, &e),
			 -EAFNOSUPPORT);
	a.sin6_family = AF_INET;
	assert_int_equal(inaddr_to_connect(AF_INET6, &both, &any6, addr, 28, &e),
			 -EAFNOSUPPORT);
	assert_int_equal(inaddr_to_connect(AF_INET, &both, &any6, addr, 15, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_is_each_familys_own),
		cmocka_unit_test(names_come_out_in_the_sockets_family),
		cmocka_unit_test(link_local_names_have_a_scope),
		cmocka_unit_test(names_are_cut_to_the_room_there_is),
		cmocka_unit_test(bind_takes_what_it_is_given),
		cmocka_unit_test(link_local_needs_a_device),
		cmocka_unit_test(bind_checks_length_and_family),
		cmocka_unit_test(connect_goes_where_it_is_told),
		cmocka_unit_test(connect_checks_length_and_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
