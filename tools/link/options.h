/* options.h - the command line of mytcp-link. */
#ifndef MYTCP_LINK_OPTIONS_H
#define MYTCP_LINK_OPTIONS_H

#include "lane.h"

enum { SIDE_A, SIDE_B };

/* Where one end of the link is. */
struct end {
	const char *netns;   /* name or path; NULL: where we are */
	const char *address; /* "10.0.0.1/24"; NULL: none */
};

struct options {
	struct end end[2];
	struct lane_params lane[2]; /* of what enters at that side */
	bool icmp[2];               /* answer what is beyond mtu_bytes */
	const char *device;
	uint32_t device_mtu_bytes;
	uint64_t seed;
	bool json;
	const char *report;         /* a file; NULL: standard output */
	bool help, version;
	char **command;             /* NULL: none */
};

enum { WHY_MAX = 256 };

/* Fills o with defaults, then with argv, which it refers to. False: why has the
 * reason in one line. */
bool options_parse(struct options *o, int argc, char *argv[], char why[WHY_MAX]);
/* The options and what they mean, for --help. */
void options_help(void);

#endif
