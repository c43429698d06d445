/* ccfile.h - a congestion control algorithm from a file (engine/cc.h). */
#ifndef MYTCP_CCFILE_H
#define MYTCP_CCFILE_H

#include <stddef.h>

#include "../engine/cc.h"

/* The table that this shared object exports as mytcp_cc, loaded for good. NULL:
 * why says in one line what is wrong. */
const struct cc_ops *ccfile_load(const char *file, char *why, size_t why_size);

#endif
