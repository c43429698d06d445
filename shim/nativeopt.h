/* nativeopt.h - what a TCP socket of the running kernel says of an option.
 *
 * For options that this TCP has no use for: which exist, what they may be, who may
 * set them and what is read back is then the kernel's word, whatever its version.
 * Asked is a socket that lives for the length of the call. Pointers are the
 * program's, and may be bad. 0 or a negative errno value; -ENOBUFS: no socket
 * could be had.
 */
#ifndef MYTCP_NATIVEOPT_H
#define MYTCP_NATIVEOPT_H

#include <stdint.h>
#include <sys/socket.h>

struct native_option {
	int family, level, name;
	const void *kept; /* what it was set to before, kept_len bytes; 0: never set */
	socklen_t kept_len;
};

int native_getsockopt(const struct native_option *o, void *val, socklen_t *len);
int native_setsockopt(const struct native_option *o, const void *val, socklen_t len);
/* Sets an int and says what it has become. */
int native_adjust(const struct native_option *set, int get_name, int v, int *is);

#endif
