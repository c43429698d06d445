/* nofile.h - RLIMIT_NOFILE, which the program's fds and the driver's share
 * although they live in two tables.
 */
#ifndef MYTCP_NOFILE_H
#define MYTCP_NOFILE_H

#include <stdbool.h>
#include <sys/resource.h>

/* The driver ran into EMFILE: raises the soft limit to the hard one. false:
 * there is nothing to gain. */
bool nofile_raise(void);
/* The soft limit as the program set it: what getrlimit() must say, and where
 * the program's own calls must fail with EMFILE. */
rlim_t driver_nofile_soft(void);
/* Has nofile_raise() changed the limit? */
bool driver_nofile_raised(void);

#endif
