/* background.c - owns how a process in the background looks and what it keeps.
 *
 * It is a copy of the program, whose memory may be large and whose files may be
 * in use elsewhere. What it needs is little: the memory of the driver (mem.c), the
 * socks and the fd table, its thread's stack, which ends with the thread's
 * thread-local data, and the ELF objects, as libc and this library are among them.
 * Everything else is unmapped, so shared mappings and SysV segments, too, lose
 * one who is attached. From then on nobody here may call malloc(), dlopen() or
 * setlocale() in libc.
 */
#include "background.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "confine.h"
#include "fdtab.h"
#include "mem.h"
#include "real.h"
#include "stack.h"

/* ---- what it keeps --------------------------------------------------------------- */

struct keep {
	struct range {
		unsigned long start, end;
	} *range;
	size_t n, max;
	unsigned long object_end; /* of the ELF object at hand */
};

static void count_range(void *arg, const void *start, size_t len)
{
	struct keep *k = arg;

	(void)start;
	(void)len;
	k->max++;
}

static void add_range(void *arg, const void *start, size_t len)
{
	struct keep *k = arg;
	unsigned long from = (unsigned long)start;

	if (k->n < k->max)
		k->range[k->n++] = (struct range){from, from + len};
}

static void each_range(void (*fn)(void *arg, const void *start, size_t len), void *arg)
{
	mem_each(fn, arg);
	sockpool_each(fn, arg);
	fdtab_each(fn, arg);
}

/* The array itself is a piece of the memory that it lists. */
static bool keep_init(struct keep *k)
{
	*k = (struct keep){.max = 1};
	each_range(count_range, k);
	k->range = malloc(k->max * sizeof(*k->range));
	if (!k->range)
		return false;
	each_range(add_range, k);
	return true;
}

/* The lowest one that is not outside [from, to). */
static const struct range *first_kept(const struct keep *k, unsigned long from,
				      unsigned long to)
{
	const struct range *r, *first = NULL;

	for (r = k->range; r < k->range + k->n; r++)
		if (r->end > from && r->start < to && (!first || r->start < first->start))
			first = r;
	return first;
}

static void unmap_but(const struct keep *k, unsigned long from, unsigned long to)
{
	while (from < to) {
		const struct range *r = first_kept(k, from, to);
		unsigned long until = r ? r->start : to;

		if (until > from)
			munmap((void *)from, until - from);
		if (!r)
			return;
		from = r->end;
	}
}

/* ---- mappings -------------------------------------------------------------------- */

bool map_line_parse(char *line, struct map_line *m)
{
	char *p = line;
	size_t n;

	m->start = strtoul(p, &p, 16);
	if (*p++ != '-')
		return false;
	m->end = strtoul(p, &p, 16);
	if (*p++ != ' ' || strnlen(p, 5) < 5 || p[4] != ' ' || m->end <= m->start)
		return false;
	memcpy(m->perms, p, 4);
	m->perms[4] = '\0';
	m->offset = strtoul(p + 5, &p, 16);
	p = strchr(p + (*p == ' '), ' '); /* the device */
	if (!p)
		return false;
	m->inode = strtoul(p, &p, 10);
	n = strspn(p, " ");
	m->name = p + n;
	return true;
}

unsigned long elf_end(const void *headers, size_t len, unsigned long start)
{
	unsigned long low = ULONG_MAX, high = 0;
	ElfW(Ehdr) e; /* copies: a file may have them anywhere */
	ElfW(Phdr) p;

	if (len < sizeof(e))
		return 0;
	memcpy(&e, headers, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_phentsize != sizeof(p) ||
	    e.e_phoff > len || e.e_phnum > (len - e.e_phoff) / sizeof(p))
		return 0;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		memcpy(&p, (const char *)headers + e.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_LOAD)
			continue;
		if (p.p_vaddr < low)
			low = p.p_vaddr;
		if (p.p_vaddr + p.p_memsz > high)
			high = p.p_vaddr + p.p_memsz;
	}
	return high > low ? start + (high - (low & ~4095ul)) : 0;
}

/* By a system call: the file may have become shorter. -1: cannot tell. */
static int begins_object(struct keep *k, const struct map_line *m)
{
	char head[4096] __attribute__((aligned(16)));
	struct iovec to = {.iov_base = head, .iov_len = sizeof(head)};
	struct iovec from = {.iov_base = (void *)m->start, .iov_len = sizeof(head)};
	unsigned long end;
	ssize_t n;

	if (!m->inode || m->offset || m->perms[0] != 'r')
		return 0;
	n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	if (n < 0)
		return errno == EFAULT ? 0 : -1;
	end = elf_end(head, n, m->start);
	if (end)
		k->object_end = end;
	return end != 0;
}

static bool holds(const struct map_line *m, const void *p)
{
	return (unsigned long)p >= m->start && (unsigned long)p < m->end;
}

/* false: better leave everything as it is. */
static bool consider(struct keep *k, const struct map_line *m)
{
	int object;

	if (strcmp(m->name, "[heap]") != 0 && m->name[0] == '[' &&
	    strncmp(m->name, "[anon", 5) != 0)
		return true; /* the main thread's stack, vdso and the like */
	if (m->perms[3] == 's') {
		munmap((void *)m->start, m->end - m->start);
		return true;
	}
	if (holds(m, __builtin_thread_pointer()))
		return true;
	object = begins_object(k, m);
	if (object < 0)
		return false;
	unmap_but(k, m->start < k->object_end ? k->object_end : m->start, m->end);
	return true;
}

static int open_proc(const struct stack *st, const char *path)
{
	return st->proc_fd < 0 ? -1 : openat(st->proc_fd, path, O_RDONLY | O_CLOEXEC);
}

static void release_memory(const struct stack *st)
{
	int fd = open_proc(st, "self/maps");
	static char buf[2 * 4096 + 1]; /* room for the longest line */
	struct map_line m;
	struct keep k;
	size_t used = 0;
	ssize_t n;

	if (fd < 0 || !keep_init(&k))
		return;
	while ((n = read(fd, buf + used, sizeof(buf) - 1 - used)) > 0) {
		char *line = buf, *end;

		used += n;
		buf[used] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			if (!map_line_parse(line, &m) || !consider(&k, &m))
				goto out;
		}
		used -= line - buf;
		memmove(buf, line, used);
	}
out:
	free(k.range);
	close(fd);
}

/* ---- its name -------------------------------------------------------------------- */

/* At the beginning; it is where programs later write what they want ps(1) to show. */
static char program_name[32];

void background_note_name(void)
{
	snprintf(program_name, sizeof(program_name), "%s", program_invocation_short_name);
}

/* Where the kernel finds what ps(1) shows: fields 48 and 51 of /proc/PID/stat,
 * from the arguments' start to the environment's end. */
static bool find_arguments(const struct stack *st, char **start, char **end)
{
	char buf[2048], *p;
	int fd = open_proc(st, "self/stat"), field;
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	for (field = 2; p && field < 48; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return false;
	*start = (char *)strtoul(p, &p, 10);
	for (field++; p && field < 51; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return false;
	*end = (char *)strtoul(p, &p, 10);
	return *start && *end > *start + 1;
}

/* The kernel shows what has run over from the arguments into the environment. */
static void set_title(const struct stack *st, pid_t program)
{
	char title[128], *start, *end;
	size_t len;

	if (!find_arguments(st, &start, &end))
		return;
	len = end - start;
	snprintf(title, sizeof(title), "mytcp: connections of %s[%d]",
		 *program_name ? program_name : program_invocation_short_name, (int)program);
	memset(start, 0, len);
	snprintf(start, len, "%s", title);
}

/* ---- the rest -------------------------------------------------------------------- */

static struct stack *in_background;
static atomic_bool told_to_end;

static void on_term(int sig)
{
	int saved = errno;

	(void)sig;
	atomic_store(&told_to_end, true);
	loop_wake(in_background->loop);
	errno = saved;
}

bool background_told_to_end(void)
{
	return atomic_load(&told_to_end);
}

/* One that has come before may wait to be taken. */
static void reset_signals(struct stack *st)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL}, term = {.sa_handler = on_term};
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++) /* some cannot be set: they are libc's */
		sigaction(sig, &dfl, NULL);
	signal(SIGPIPE, SIG_IGN);
	in_background = st;
	sigaction(SIGTERM, &term, NULL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* What it parses comes from the network. For guards at ports below 1024, which others
 * may ask it for, it keeps the privilege. */
static void drop_privileges(void)
{
	const uint32_t keep = 1u << CAP_NET_RAW | 1u << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	real()->prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_capget, &h, d) != 0)
		return;
	d[0].effective = d[0].permitted &= keep;
	d[1].effective = d[1].permitted = 0;
	d[0].inheritable = d[1].inheritable = 0;
	syscall(SYS_capset, &h, d);
}

void background_become(struct stack *st, pid_t program)
{
	real()->setsid();
	if (chdir("/") != 0)
		return;
	if (strcmp(st->cfg.trace, "-") == 0) {
		ladder_close(&st->ladder);
		dup3(STDIN_FILENO, STDERR_FILENO, O_CLOEXEC);
	}
	reset_signals(st);
	if (!st->background) /* else it has one, from whom it goes on for */
		set_title(st, program);
	release_memory(st);
	drop_privileges();
	confine_background();
}
