/* optval.h - the values of socket options on their way in and out of the
 * program's memory, as Linux copies them. 0 or a negative errno value.
 */
#ifndef MYTCP_OPTVAL_H
#define MYTCP_OPTVAL_H

#include <stdint.h>
#include <sys/socket.h>

/* As much of src as *len allows; *len becomes what was copied. */
int optval_put(const void *src, size_t size, void *val, socklen_t *len);
int optval_put_int(int v, void *val, socklen_t *len);
/* IPPROTO_IP: a single byte when there is no room for an int and it fits. */
int optval_put_byte(int v, void *val, socklen_t *len);
int optval_get_int(const void *val, socklen_t len, int *v);
/* IPPROTO_IP: an int, a byte, or 0. */
int optval_get_byte(const void *val, socklen_t len);

/* SO_BINDTODEVICE: the name of a device, none for index 0. -ENODEV, -EINVAL. */
int optval_put_device(uint32_t ifindex, void *val, socklen_t *len);
int optval_get_device(const void *val, socklen_t len, uint32_t *ifindex);

#endif
