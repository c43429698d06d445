/* hooks_sys.c - the program's calls that end the process, and what stdio must
 * have written by then. Owns nothing.
 */
#include "hooks.h"

#include <stdlib.h>
#include <unistd.h>

#include "init.h"

EXPORT void _exit(int status)
{
	init_leave();
	real()->_exit(status);
}

EXPORT void _Exit(int status)
{
	init_leave();
	real()->_Exit(status);
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	if (fdtab_peek(fd))
		init_note_stdio();
	return real()->fdopen(fd, mode);
}
