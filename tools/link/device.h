/* device.h - a TUN device in a network namespace: one end of the link. */
#ifndef MYTCP_LINK_DEVICE_H
#define MYTCP_LINK_DEVICE_H

#include <stdint.h>

#include "options.h"

/* Makes the device, up and with its address, and returns its fd: nonblocking, a
 * packet per read or write. It is gone when the fd is closed. Negative errno: why
 * has the reason in one line. */
int device_open(const struct end *end, const char *name, uint32_t mtu_bytes,
		char why[WHY_MAX]);
/* Packets that the device dropped because nobody had read those before. */
uint64_t device_overruns(const struct end *end, const char *name);

#endif
