/* test_scripts.c - every file of tests/engine/scripts is a test: see script.h. */
#include <glob.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static void play(void **state)
{
	script_play(*state);
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
	const char *pattern = argc > 1 ? argv[1] : "tests/engine/scripts/*.script";
	struct CMUnitTest *tests;
	glob_t found;
	int failed;

	if (glob(pattern, 0, NULL, &found))
		return 1;
	tests = calloc(found.gl_pathc, sizeof(*tests));
	if (!tests)
		return 1;
	for (size_t i = 0; i < found.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){
			.name = name_of(found.gl_pathv[i]),
			.test_func = play,
			.initial_state = found.gl_pathv[i],
		};
	failed = _cmocka_run_group_tests("scripts", tests, found.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&found);
	return failed;
}
