/* test_background.c - what a process in the background keeps of the program's memory,
 * as the kernel and ELF describe it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "../../shim/background.h"

static bool parse(const char *text, struct map_line *m)
{
	static char line[256];

	strncpy(line, text, sizeof(line) - 1);
	return map_line_parse(line, m);
}

static void lines_of_maps(void **state)
{
	struct map_line m;

	(void)state;
	assert_true(parse("55d0e1a00000-55d0e1a02000 r--p 0001f000 fe:00 10977313        "
			  "           /usr/bin/a b", &m));
	assert_int_equal(m.start, 0x55d0e1a00000);
	assert_int_equal(m.end, 0x55d0e1a02000);
	assert_int_equal(m.offset, 0x1f000);
	assert_int_equal(m.inode, 10977313);
	assert_string_equal(m.perms, "r--p");
	assert_string_equal(m.name, "/usr/bin/a b");

	assert_true(parse("7f00-8f00 rw-s 00000000 00:01 5                          "
			  "/SYSV00000000 (deleted)", &m));
	assert_string_equal(m.perms, "rw-s");
	assert_true(parse("7ffc2e406000-7ffc2e427000 rw-p 00000000 00:00 0          "
			  "                [stack]", &m));
	assert_int_equal(m.inode, 0);
	assert_string_equal(m.name, "[stack]");
	assert_true(parse("7f9085df0000-7f9085e31000 rw-p 00000000 00:00 0 ", &m));
	assert_string_equal(m.name, "");
}

static void what_is_no_line(void **state)
{
	struct map_line m;

	(void)state;
	assert_false(parse("", &m));
	assert_false(parse("7f00", &m));
	assert_false(parse("7f00-7e00 rw-p 00000000 00:00 0", &m));
	assert_false(parse("7f00-8f00 rw", &m));
	assert_false(parse("7f00-8f00 rw-p 0", &m));
}

static struct {
	ElfW(Ehdr) e;
	ElfW(Phdr) p[3];
} object;

static void make_object(void)
{
	memset(&object, 0, sizeof(object));
	memcpy(object.e.e_ident, ELFMAG, SELFMAG);
	object.e.e_phoff = offsetof(__typeof__(object), p);
	object.e.e_phentsize = sizeof(object.p[0]);
	object.e.e_phnum = 3;
	object.p[0].p_type = object.p[1].p_type = PT_LOAD;
	object.p[0].p_memsz = 0x1000;
	object.p[1].p_vaddr = 0x3000;
	object.p[1].p_filesz = 0x100;
	object.p[1].p_memsz = 0x5000; /* .bss */
	object.p[2].p_type = PT_NOTE;
	object.p[2].p_vaddr = 0x100000;
	object.p[2].p_memsz = 0x1000;
}

static void an_object_reaches_to_the_end_of_its_bss(void **state)
{
	(void)state;
	make_object();
	assert_int_equal(elf_end(&object, sizeof(object), 0x70000000), 0x70008000);
	/* An executable at a fixed place. */
	object.p[0].p_vaddr = 0x400000;
	object.p[1].p_vaddr = 0x403000;
	assert_int_equal(elf_end(&object, sizeof(object), 0x400000), 0x408000);
}

static void what_is_no_object(void **state)
{
	(void)state;
	make_object();
	assert_int_equal(elf_end(&object, 10, 0x1000), 0);
	assert_int_equal(elf_end(&object, sizeof(object) - 1, 0x1000), 0);
	object.e.e_phoff = UINT64_MAX - 8;
	assert_int_equal(elf_end(&object, sizeof(object), 0x1000), 0);
	make_object();
	object.e.e_phnum = 0;
	assert_int_equal(elf_end(&object, sizeof(object), 0x1000), 0);
	make_object();
	object.e.e_ident[0] = 0;
	assert_int_equal(elf_end(&object, sizeof(object), 0x1000), 0);
}

/* The loader itself, and every object that it has loaded. */
static int compare(struct dl_phdr_info *info, size_t size, void *seen)
{
	unsigned long end = 0, got;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
			      info->dlpi_phdr[i].p_memsz;
	if (!info->dlpi_addr || info->dlpi_addr == getauxval(AT_SYSINFO_EHDR))
		return 0;
	got = elf_end((const void *)info->dlpi_addr, 4096, info->dlpi_addr);
	assert_int_equal(got, end);
	++*(int *)seen;
	return 0;
}

static void the_objects_of_this_process(void **state)
{
	int seen = 0;

	(void)state;
	dl_iterate_phdr(compare, &seen);
	assert_true(seen >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_maps),
		cmocka_unit_test(what_is_no_line),
		cmocka_unit_test(an_object_reaches_to_the_end_of_its_bss),
		cmocka_unit_test(what_is_no_object),
		cmocka_unit_test(the_objects_of_this_process),
	};

	return cmocka_run_group_tests_name("background", tests, NULL, NULL);
}
