/* program.h - what is this program, and can the library be in it?
 *
 * For the launcher, and for every call of the program's that executes another one:
 * whoever the library is not in talks over the kernel's TCP, and says nothing.
 */
#ifndef MYTCP_PROGRAM_H
#define MYTCP_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
	PROGRAM_FITS,
	/* what is wrong with it, the kernel says when it is executed */
	PROGRAM_UNKNOWN,        /* it cannot be read, is none, is not there */
	PROGRAM_TRUNCATED,
	PROGRAM_NO_INTERPRETER, /* the script's first line names none */
	PROGRAM_LOST_INTERPRETER, /* or one that is not there */
	PROGRAM_TOO_DEEP,       /* interpreters of interpreters */
	/* from here on: it would run, on the kernel's TCP */
	PROGRAM_ALIEN,          /* another machine or word size */
	PROGRAM_STATIC,
	PROGRAM_OTHER_LIBC,
	PROGRAM_SETUID,
	PROGRAM_SETGID,
	PROGRAM_CAPABLE,        /* file capabilities */
	PROGRAM_OTHER_USER,     /* as the caller's real and effective ids differ */
	PROGRAM_GO,
};

#define PROGRAM_HEAD_MAX 256 /* so much of a script the kernel looks at */

struct program {
	enum program_kind kind;
	const char *path; /* of what would really run: a script's interpreter */
	char interpreter[PROGRAM_HEAD_MAX];
};

/* Looks at what execveat(dir, path, ..., flags) would run, and at the interpreter of
 * a script. as_execvp: what has no format is a script for /bin/sh.
 * Async-signal-safe, a child of vfork() included; errno is left alone. */
void program_look(struct program *p, int dir, const char *path, int flags, bool as_execvp);
/* The file that execvp(file) would run, into path. False: none. As above. */
bool program_search(const char *file, char *path, size_t size);

static inline bool program_misfits(const struct program *p)
{
	return p->kind >= PROGRAM_ALIEN;
}

/* It ends with an error of its own if it is told to preload the library. */
static inline bool program_chokes(const struct program *p)
{
	return p->kind == PROGRAM_OTHER_LIBC || p->kind == PROGRAM_ALIEN;
}

/* For one that misfits, what follows its name in a message. */
const char *program_reason(const struct program *p);
/* And what can be done. */
const char *program_remedy(const struct program *p);

#endif
