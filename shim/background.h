/* background.h - what a process that a stack was handed over to looks like, and
 * what it has: nothing of the program's.
 */
#ifndef MYTCP_BACKGROUND_H
#define MYTCP_BACKGROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stack;

/* In the constructor: what the program is called. */
void background_note_name(void);

/* Called once, in that process: a copy of the program, of pid `program`, with the
 * driver's thread as its only one. Afterwards it has its own session, the root as
 * its working directory, default actions for signals and none blocked (SIGPIPE is
 * ignored, SIGTERM remembered), a name in ps(1) that says what it is, of memory only that
 * of the driver and of what is linked, and of privileges those that sockets need. */
void background_become(struct stack *st, pid_t program);
/* Has there been a SIGTERM? */
bool background_told_to_end(void);

/* The rest is for tests. */

/* One line of /proc/PID/maps (proc_pid_maps(5)). */
struct map_line {
	unsigned long start, end, offset, inode;
	char perms[5];
	const char *name; /* "" if there is none */
};
/* line is cut at its newline. false: it is none. */
bool map_line_parse(char *line, struct map_line *m);
/* Where the ELF object (elf(5)) whose headers are at the beginning of a mapping
 * ends in memory; 0: there is none. */
unsigned long elf_end(const void *headers, size_t len_bytes, unsigned long start);

#endif
