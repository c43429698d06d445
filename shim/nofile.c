/* nofile.c - owns the difference between the process's soft RLIMIT_NOFILE and
 * the one that the program believes in.
 */
#include "nofile.h"

#include <stdatomic.h>

#include "real.h"

static _Atomic rlim_t own_soft; /* the program's, while raised */
static atomic_bool raised;

bool nofile_raise(void)
{
	struct rlimit lim;

	if (real()->getrlimit(RLIMIT_NOFILE, &lim) != 0 ||
	    lim.rlim_cur >= lim.rlim_max)
		return false;
	if (!atomic_load(&raised))
		atomic_store(&own_soft, lim.rlim_cur);
	lim.rlim_cur = lim.rlim_max;
	if (real()->setrlimit(RLIMIT_NOFILE, &lim) != 0)
		return false;
	atomic_store(&raised, true);
	return true;
}

bool driver_nofile_raised(void)
{
	return atomic_load(&raised);
}

rlim_t driver_nofile_soft(void)
{
	struct rlimit lim;

	if (atomic_load(&raised))
		return atomic_load(&own_soft);
	return real()->getrlimit(RLIMIT_NOFILE, &lim) == 0 ? lim.rlim_cur
							   : RLIM_INFINITY;
}
