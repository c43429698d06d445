/* ccfile.c - alone in using dlopen(): loads a congestion control from a file.
 *
 * Its code runs in the driver's thread. It is never unloaded: connections point
 * into it.
 */
#include "ccfile.h"

#include <dlfcn.h>
#include <stdio.h>

#include "../engine/engine.h"

const struct cc_ops *ccfile_load(const char *file, char *why, size_t why_size)
{
	void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const struct cc_ops *ops;
	const char *wrong;

	if (!object) {
		snprintf(why, why_size, "cc cannot be loaded: %s", dlerror());
		return NULL;
	}
	ops = dlsym(object, "mytcp_cc");
	if (!ops) {
		snprintf(why, why_size, "cc cannot be \"%s\": it exports no mytcp_cc", file);
		return NULL;
	}
	wrong = cc_check(ops);
	if (wrong) {
		snprintf(why, why_size, "cc cannot be \"%s\": %s", file, wrong);
		return NULL;
	}
	return ops;
}
