/* test_usermem.c - pointers that lead nowhere are EFAULT in every call that follows
 * them, and what lies at the edge of a page is not missed.
 */
#include "hooked.h"

#include <sys/mman.h>

#include "../../shim/usermem.h"

#define BAD(n) ((void *)(uintptr_t)(n))

/* The page that can be used, with none before and none behind it. */
static char *lone_page(size_t *page)
{
	char *p;

	*page = sysconf(_SC_PAGESIZE);
	p = mmap(NULL, *page * 3, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + *page, *page, PROT_READ | PROT_WRITE), 0);
	return p + *page;
}

static void edges(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t page;
	char *p = lone_page(&page), word[4] = "abc";

	(void)state;
	assert_int_equal(user_readable(fd, p, 1), 0);
	assert_int_equal(user_readable(fd, p - 1, 2), -EFAULT);
	assert_int_equal(user_readable(fd, p + page - 1, 1), 0);
	assert_int_equal(user_readable(fd, p + page - 1, 2), -EFAULT);
	assert_int_equal(user_readable(fd, NULL, 0), 0);
	assert_int_equal(user_put(fd, p + page - 4, word, 4), 0);
	assert_memory_equal(p + page - 4, "abc", 4);
	assert_int_equal(user_put(fd, p + page - 3, word, 4), -EFAULT);
	assert_int_equal(user_put(fd, p - 1, word, 4), -EFAULT);
	assert_int_equal(user_get(fd, word, p + page - 4, 4), 0);
	assert_int_equal(mprotect(p, page, PROT_READ), 0);
	assert_int_equal(user_readable(fd, p, page), 0);
	assert_int_equal(user_put(fd, p, word, 1), -EFAULT);
	munmap(p - page, page * 3);
	close(fd);
}

static void bad_pointers(void **state)
{
	struct sockaddr_in sin;
	int fd = socket(AF_INET, SOCK_STREAM, 0), v = 0;
	socklen_t len = sizeof(v), negative = -1;

	(void)state;
	assert_fails(bind(fd, BAD(-1), 16), EFAULT);
	assert_fails(connect(fd, BAD(8), 16), EFAULT);
	assert_fails(connect(fd, BAD(8), 1000), EINVAL);
	assert_fails(connect(fd, NULL, 0), EINVAL);
	assert_fails(getsockname(fd, BAD(8), &len), EFAULT);
	assert_fails(getsockname(fd, (struct sockaddr *)&sin, BAD(1)), EFAULT);
	assert_fails(getsockname(fd, (struct sockaddr *)&sin, &negative), EINVAL);
	assert_fails(getpeername(fd, BAD(8), BAD(8)), ENOTCONN);
	assert_fails(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, BAD(8), &len), EFAULT);
	assert_fails(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, BAD(-1)), EFAULT);
	assert_fails(getsockopt(fd, SOL_SOCKET, SO_BROADCAST, BAD(8), &len), EFAULT);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, BAD(8), 4), EFAULT);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_LINGER, BAD(8), 8), EFAULT);
	assert_fails(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, BAD(8), 8), EFAULT);
	assert_fails(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, BAD(8), 8), EFAULT);
	assert_fails(setsockopt(fd, SOL_IP, IP_TOS, BAD(8), 1), EFAULT);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(edges),
		TEST(bad_pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
