/* fuzz_program.c - what a file is that somebody executes (shim/program.h): any bytes, and
 * programs that are put together so that it is known what is to be said of them.
 *
 * Whatever the file has, the answer is one of those there are, twice the same; no fd stays
 * open, and errno is as it was.
 */
#include "../../shim/program.h"

#include "fuzz.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

#define FILE_MAX 8192
#define SEGMENTS_MAX 6
#define SECTIONS "\0.text\0.shstrtab"

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct image {
	uint8_t bytes[FILE_MAX];
	size_t used;
	enum program_kind kind; /* what is to be said of it */
};

/* Where it has been put; or, where there is no more room, at the end of nothing. */
static size_t put(struct image *m, const void *data, size_t n, size_t gap)
{
	size_t at = m->used + gap;

	if (at + n > sizeof(m->bytes))
		return 0;
	memcpy(m->bytes + at, data, n);
	m->used = at + n;
	return at;
}

static ElfW(Phdr)
	segment(struct image *m, uint32_t type, const void *data, size_t n, size_t gap)
{
	return (ElfW(Phdr)){.p_type = type, .p_offset = put(m, data, n, gap), .p_filesz = n};
}

/* A name, once or never: what is linked with libc, with another one, or with none. */
static ElfW(Phdr) loader(struct image *m, uint8_t which, size_t gap)
{
	static const struct {
		const char *name;
		enum program_kind kind;
	} those[] = {
		{"/lib64/ld-linux-x86-64.so.2", PROGRAM_FITS},
		{"/lib/ld-musl-x86_64.so.1", PROGRAM_OTHER_LIBC},
		{"/lib/ld-uClibc.so.0", PROGRAM_OTHER_LIBC},
		{"/system/bin/linker64", PROGRAM_OTHER_LIBC},
	};

	m->kind = those[which % 4].kind;
	return segment(m, PT_INTERP, those[which % 4].name, strlen(those[which % 4].name) + 1,
		       gap);
}

static ElfW(Phdr) note(struct image *m, bool go, size_t gap)
{
	static const uint32_t head[3] = {4, 4, 4};
	uint8_t text[20] = {0};

	memcpy(text, head, sizeof(head));
	memcpy(text + sizeof(head), go ? "Go\0" : "GNU", 4);
	return segment(m, PT_NOTE, text, sizeof(text), gap);
}

static ElfW(Phdr) dynamic(struct image *m, bool named, size_t gap)
{
	ElfW(Dyn) d[3] = {{.d_tag = DT_HASH},
			  {.d_tag = named ? DT_SONAME : DT_STRTAB},
			  {.d_tag = DT_NULL}};

	return segment(m, PT_DYNAMIC, d, sizeof(d), gap);
}

/* The section that has the sections' names, of which Go's are some. */
static void add_sections(struct image *m, ElfW(Ehdr) * eh, uint8_t which, size_t gap)
{
	static const char *const names[] = {SECTIONS, SECTIONS "\0.gopclntab",
					    SECTIONS "\0.go.buildinfo"};
	static const size_t lens[] = {sizeof(SECTIONS), sizeof(SECTIONS) + 11,
				      sizeof(SECTIONS) + 14};
	ElfW(Shdr) sh[2] = {{0}};

	sh[1].sh_size = lens[which % 3];
	sh[1].sh_offset = put(m, names[which % 3], lens[which % 3], gap);
	eh->e_shoff = put(m, sh, sizeof(sh), 0);
	eh->e_shentsize = sizeof(sh[0]);
	eh->e_shnum = 2;
	eh->e_shstrndx = 1;
}

/* A program, of which the input says what it has, and how far apart. */
static void build(struct input *in, struct image *m)
{
	ElfW(Ehdr) eh = __ehdr_start;
	ElfW(Phdr) ph[SEGMENTS_MAX] = {{0}};
	uint8_t has = take8(in), which = take8(in), n = 0, i = 0;
	bool go = false, named = false;
	ElfW(Phdr) order[SEGMENTS_MAX];

	memset(m->bytes, 0, sizeof(m->bytes));
	m->used = sizeof(eh);
	m->kind = PROGRAM_STATIC;
	eh.e_type = has & 1 ? ET_DYN : ET_EXEC;
	eh.e_shoff = 0;
	if (has & 2)
		ph[n++] = loader(m, which, take8(in) * 4u);
	if (has & 4)
		ph[n++] = dynamic(m, named = which & 8, take8(in) * 4u);
	if (has & 8)
		ph[n++] = note(m, false, take8(in) * 4u);
	if (has & 16)
		ph[n++] = note(m, go = which & 4, take8(in));
	if (has & 32)
		add_sections(m, &eh, which >> 4, take8(in) * 8u);
	go |= has & 32 && (which >> 4) % 3;
	for (uint8_t turn = which >> 6; i < n; i++) /* their order means nothing */
		order[i] = ph[(i + turn) % n];
	eh.e_phentsize = (uint16_t)(sizeof(ph[0]) + (has >> 6) * 8);
	eh.e_phnum = n;
	eh.e_phoff = m->used;
	for (i = 0; i < n; i++)
		put(m, &order[i], sizeof(order[i]), i ? eh.e_phentsize - sizeof(ph[0]) : 0);
	if (has & 2)
		m->kind = m->kind == PROGRAM_FITS && go ? PROGRAM_GO : m->kind;
	else
		m->kind = named && has & 1 ? PROGRAM_FITS : PROGRAM_STATIC;
	memcpy(m->bytes, &eh, sizeof(eh));
}

/* Some bytes are others than they should be: nothing is known of it any more. */
static void spoil(struct input *in, struct image *m)
{
	while (in->left > 2) {
		uint16_t at = take16(in);

		m->bytes[at % (at & 0x8000 ? sizeof(ElfW(Ehdr)) : m->used)] ^= take8(in);
	}
	if (in->left)
		m->used = m->used * take8(in) / 256;
}

static void look_at(int fd, struct program *p, bool as_execvp)
{
	int next = dup(fd), after;

	close(next);
	errno = ENOTTY;
	program_look(p, fd, "", AT_EMPTY_PATH, as_execvp);
	check(errno == ENOTTY);
	after = dup(fd);
	check(after == next); /* none is left open */
	close(after);
	check(p->kind <= PROGRAM_GO && p->path);
	check(memchr(p->interpreter, '\0', sizeof(p->interpreter)) ||
	      p->path != p->interpreter);
	check(!program_misfits(p) || (program_reason(p) && program_remedy(p)));
}

static enum program_kind kind_of(const void *bytes, size_t n, bool as_execvp)
{
	int fd = memfd_create("program", MFD_CLOEXEC);
	struct program p, again;

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	look_at(fd, &p, as_execvp);
	look_at(fd, &again, as_execvp);
	check(p.kind == again.kind);
	close(fd);
	return p.kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	static struct image m;
	uint8_t how = take8(&in);

	if (how & 1) { /* as it is */
		kind_of(in.p, in.left, how & 2);
		return 0;
	}
	build(&in, &m);
	if (m.used < FILE_MAX)
		check(kind_of(m.bytes, m.used, how & 2) == m.kind);
	if (!in.left)
		return 0;
	spoil(&in, &m);
	kind_of(m.bytes, m.used, how & 2);
	return 0;
}
