/* fuzz_maps.c - what a process in the background reads of itself: lines of
 * /proc/self/maps and the headers of ELF objects, which may be anybody's files.
 */
#include "../../shim/background.h"

#include "fuzz.h"

static void parse_line(const uint8_t *data, size_t size)
{
	char *line = calloc(1, size + 1); /* exact, for the sanitizer */
	struct map_line m;

	if (!line)
		abort();
	memcpy(line, data, size);
	if (map_line_parse(line, &m)) {
		check(m.start < m.end);
		check(strlen(m.perms) <= 4);
		check(m.name >= line && m.name <= line + size);
		check(strlen(m.name) <= size);
	}
	free(line);
}

static void read_headers(const uint8_t *data, size_t size)
{
	static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
	const unsigned long start = 0x7f0000000000;
	uint8_t *headers = calloc(1, size + 1);

	if (!headers)
		abort();
	memcpy(headers, data, size);
	elf_end(headers, size, start);
	if (size >= sizeof(magic))
		memcpy(headers, magic, sizeof(magic));
	elf_end(headers, size, start);
	free(headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] & 1)
		parse_line(data + 1, size - 1);
	else if (size)
		read_headers(data + 1, size - 1);
	return 0;
}
