/* program.c - looks at a program before it is executed. Owns nothing.
 *
 * It runs in children of vfork(), too: no memory but the stack, no call that is not
 * async-signal-safe. What is wanted is most often in the file's first kilobyte.
 *
 * The dynamic loader ignores LD_PRELOAD in silence in a program that has other rights
 * than the user that executes it (AT_SECURE), and so it is here (Linux,
 * cap_bprm_creds_from_file()): if its effective ids differ from the caller's real ones,
 * whether by the file's bits or because the caller's do already, or if the file gives
 * capabilities to somebody who is not root.
 *
 * A Go program is linked with libc where Go's own resolver was not enough (cgo), and
 * makes its system calls by itself all the same.
 */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "real.h"

#define INTERPRETERS_MAX 5 /* the kernel's limit */
#define NAMES_MAX 65536    /* so much of the sections' names is looked at */

struct file {
	int fd;
	size_t n; /* bytes in head */
	char head[1024];
};

/* The bytes at offset at, as many as there are. */
static size_t take(const struct file *f, void *to, size_t n, uint64_t at)
{
	ssize_t got;

	if (at < f->n && n <= f->n - at) {
		memcpy(to, f->head + at, n);
		return n;
	}
	if (at > INT64_MAX)
		return 0;
	got = pread(f->fd, to, n, (off_t)at);
	return got > 0 ? got : 0;
}

/* ---- ELF ---------------------------------------------------------------------------- */

/* Where the linker has put our own header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static bool find_segment(const struct file *f, const ElfW(Ehdr) *eh, uint32_t type,
			 unsigned *from, ElfW(Phdr) *ph)
{
	for (; *from < eh->e_phnum; (*from)++) {
		uint64_t at = eh->e_phoff + (uint64_t)*from * eh->e_phentsize;

		if (take(f, ph, sizeof(*ph), at) != sizeof(*ph))
			return false;
		if (ph->p_type == type) {
			(*from)++;
			return true;
		}
	}
	return false;
}

/* The loader itself, which is run with a program as its argument, has a name as a
 * library; what is linked statically has none, position independent or not. */
static bool is_loader(const struct file *f, const ElfW(Ehdr) *eh)
{
	ElfW(Dyn) d[32];
	unsigned from = 0;
	ElfW(Phdr) ph;
	size_t n;

	if (eh->e_type != ET_DYN || !find_segment(f, eh, PT_DYNAMIC, &from, &ph))
		return false;
	n = take(f, d, ph.p_filesz < sizeof(d) ? ph.p_filesz : sizeof(d), ph.p_offset);
	for (size_t i = 0; i < n / sizeof(d[0]) && d[i].d_tag != DT_NULL; i++)
		if (d[i].d_tag == DT_SONAME)
			return true;
	return false;
}

static bool is_other_libc(const char *loader)
{
	static const char *const others[] = {"ld-musl", "ld-uClibc", "/linker"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strstr(loader, others[i]))
			return true;
	return false;
}

/* The build id that Go's linker leaves, unless it was told to leave none. */
static bool has_go_note(const struct file *f, const ElfW(Ehdr) *eh)
{
	static const char type_and_name[] = "\4\0\0\0Go\0";
	uint32_t type = 4;
	char note[1024], wanted[sizeof(type_and_name)];
	unsigned from = 0;
	ElfW(Phdr) ph;

	memcpy(wanted, type_and_name, sizeof(wanted));
	memcpy(wanted, &type, sizeof(type)); /* this machine's order */
	while (find_segment(f, eh, PT_NOTE, &from, &ph)) {
		size_t n = ph.p_filesz < sizeof(note) ? ph.p_filesz : sizeof(note);

		n = take(f, note, n, ph.p_offset);
		if (memmem(note, n, wanted, sizeof(wanted)))
			return true;
	}
	return false;
}

/* Sections that Go's runtime cannot do without, unless somebody has cut them off. */
static bool has_go_sections(const struct file *f, const ElfW(Ehdr) *eh)
{
	static const char *const sections[] = {".gopclntab", ".go.buildinfo"};
	enum { OVERLAP = 16 };
	char names[1024];
	ElfW(Shdr) sh;
	uint64_t at = eh->e_shoff + (uint64_t)eh->e_shstrndx * eh->e_shentsize;

	if (!eh->e_shoff || eh->e_shstrndx == SHN_UNDEF || eh->e_shstrndx >= SHN_LORESERVE ||
	    take(f, &sh, sizeof(sh), at) != sizeof(sh))
		return false;
	for (at = 0; at < sh.sh_size && at < NAMES_MAX; at += sizeof(names) - OVERLAP) {
		size_t n = sh.sh_size - at < sizeof(names) ? sh.sh_size - at : sizeof(names);

		n = take(f, names, n, sh.sh_offset + at);
		for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
			if (memmem(names, n, sections[i], strlen(sections[i])))
				return true;
	}
	return false;
}

/* ---- rights --------------------------------------------------------------------------- */

static bool gives_rights(int fd)
{
	struct statfs fs;

	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 &&
	       (fd < 0 || fstatfs(fd, &fs) < 0 || !(fs.f_flags & ST_NOSUID));
}

/* fd: -1 if st is all that could be had. */
static enum program_kind judge_rights(int fd, const struct stat *st)
{
	bool setuid = st->st_mode & S_ISUID;
	bool setgid = (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

	if ((setuid || setgid) && !gives_rights(fd))
		setuid = setgid = false;
	if (setuid && st->st_uid != getuid())
		return PROGRAM_SETUID;
	if (setgid && st->st_gid != getgid())
		return PROGRAM_SETGID;
	if ((!setuid && geteuid() != getuid()) || (!setgid && getegid() != getgid()))
		return PROGRAM_OTHER_USER;
	if (fd >= 0 && getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0 &&
	    gives_rights(fd))
		return PROGRAM_CAPABLE;
	return PROGRAM_FITS;
}

static enum program_kind judge_elf(const struct file *f, const struct stat *st)
{
	enum program_kind rights;
	char loader[PROGRAM_HEAD_MAX];
	unsigned from = 0;
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph;
	size_t n;

	if (f->n < sizeof(eh))
		return PROGRAM_TRUNCATED;
	memcpy(&eh, f->head, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] ||
	    eh.e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA] ||
	    eh.e_machine != __ehdr_start.e_machine)
		return PROGRAM_ALIEN;
	if (!find_segment(f, &eh, PT_INTERP, &from, &ph))
		return is_loader(f, &eh) ? judge_rights(f->fd, st) : PROGRAM_STATIC;
	n = ph.p_filesz < sizeof(loader) ? ph.p_filesz : sizeof(loader) - 1;
	loader[take(f, loader, n, ph.p_offset)] = '\0';
	if (is_other_libc(loader))
		return PROGRAM_OTHER_LIBC;
	rights = judge_rights(f->fd, st);
	if (rights == PROGRAM_FITS && (has_go_note(f, &eh) || has_go_sections(f, &eh)))
		return PROGRAM_GO;
	return rights;
}

/* ---- scripts -------------------------------------------------------------------------- */

/* The name after "#!" in f's first line, into p. */
static bool names_interpreter(const struct file *f, struct program *p)
{
	size_t n = f->n < PROGRAM_HEAD_MAX ? f->n : PROGRAM_HEAD_MAX - 1;
	char line[PROGRAM_HEAD_MAX], *name;

	memcpy(line, f->head, n);
	line[n] = '\0';
	name = line + 2 + strspn(line + 2, " \t");
	name[strcspn(name, " \t\n")] = '\0';
	strcpy(p->interpreter, name);
	p->path = p->interpreter;
	return *name;
}

/* Nothing but a file is opened: opening a device may do something. */
static bool open_file(struct file *f, int dir, const char *path, int flags, struct stat *st)
{
	char name[32];
	ssize_t n;

	flags &= AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
	if (fstatat(dir, path, st, flags) < 0 || !S_ISREG(st->st_mode))
		return false;
	if (flags & AT_EMPTY_PATH && !*path) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
		dir = AT_FDCWD;
		path = name;
	}
	f->n = 0;
	f->fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
		       (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
	if (f->fd < 0)
		return true; /* it may be executed, and not read */
	n = pread(f->fd, f->head, sizeof(f->head), 0);
	f->n = n > 0 ? n : 0;
	return true;
}

static void look(struct program *p, int dir, const char *path, int flags, bool as_execvp)
{
	struct file f;
	struct stat st;

	p->path = path;
	for (int depth = 0; depth < INTERPRETERS_MAX; depth++) {
		p->kind = depth ? PROGRAM_LOST_INTERPRETER : PROGRAM_UNKNOWN;
		if (!open_file(&f, dir, p->path, flags, &st))
			return;
		dir = AT_FDCWD;
		flags = 0;
		if (f.fd < 0) {
			p->kind = judge_rights(-1, &st);
			return;
		}
		p->kind = PROGRAM_UNKNOWN;
		if (f.n >= SELFMAG && !memcmp(f.head, ELFMAG, SELFMAG)) {
			p->kind = judge_elf(&f, &st);
			real()->close(f.fd);
			return;
		}
		real()->close(f.fd);
		if (f.n >= 2 && !memcmp(f.head, "#!", 2)) {
			p->kind = PROGRAM_NO_INTERPRETER;
			if (!names_interpreter(&f, p))
				return;
		} else if (as_execvp) {
			p->path = "/bin/sh";
			as_execvp = false;
		} else {
			return;
		}
	}
	p->kind = PROGRAM_TOO_DEEP;
}

void program_look(struct program *p, int dir, const char *path, int flags, bool as_execvp)
{
	int saved = errno;

	look(p, dir, path, flags, as_execvp);
	errno = saved;
}

static bool can_run(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

bool program_search(const char *file, char *path, size_t size)
{
	const char *dirs = getenv("PATH"), *end;
	int saved = errno;
	bool found = false;

	if (strchr(file, '/')) {
		snprintf(path, size, "%s", file);
		return *file;
	}
	for (dirs = dirs ? dirs : "/bin:/usr/bin"; *file && !found; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		snprintf(path, size, "%.*s%s%s", (int)(end - dirs), dirs, end > dirs ? "/" : "",
			 file);
		found = can_run(path);
		if (!*end)
			break;
	}
	errno = saved;
	return found;
}

/* ---- words ---------------------------------------------------------------------------- */

static const struct {
	const char *reason, *remedy;
} words[] = {
	[PROGRAM_ALIEN] = {"is for another machine or word size than libmytcp",
			   "build libmytcp for it"},
	[PROGRAM_STATIC] = {"is statically linked: no library can be preloaded into it",
			    "use a dynamically linked build"},
	[PROGRAM_OTHER_LIBC] = {"is linked with musl or another C library: libmytcp works "
				"with glibc programs", "use a build for glibc"},
	[PROGRAM_SETUID] = {"is setuid: libraries cannot be preloaded into it",
			    "run a copy of it without that bit"},
	[PROGRAM_SETGID] = {"is setgid: libraries cannot be preloaded into it",
			    "run a copy of it without that bit"},
	[PROGRAM_CAPABLE] = {"has file capabilities: libraries cannot be preloaded into it",
			     "run it as root, or a copy of it without them"},
	[PROGRAM_OTHER_USER] = {"would run with the rights of another user than its own: "
				"libraries cannot be preloaded into it",
				"let real and effective ids be the same"},
	[PROGRAM_GO] = {"is written in Go: it makes its system calls without libc, past any "
			"library", "use another program"},
};

const char *program_reason(const struct program *p)
{
	return words[p->kind].reason;
}

const char *program_remedy(const struct program *p)
{
	return words[p->kind].remedy;
}
