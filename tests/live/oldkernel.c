/* oldkernel.c - oldkernel PROGRAM ARGS...: runs it as on a kernel without SO_PASSRIGHTS. */
#include <stdio.h>
#include <unistd.h>

#include "../shim/old_kernel.h"

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (old_kernel() == 0)
		execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
