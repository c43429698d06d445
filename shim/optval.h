/* optval.h - the values of socket options on their way in and out of the
 * program's memory, as Linux copies them. 0 or a negative errno value.
 */
#ifndef MYTCP_OPTVAL_H
#define MYTCP_OPTVAL_H

#include <stdint.h>
#include <sys/socket.h>

/* fd: see usermem.h. Every pointer to a value may be bad: -EFAULT. */

/* As much of src as *len allows; *len becomes what was copied. */
int optval_put(int fd, const void *src, size_t size, void *val, socklen_t *len);
int optval_put_int(int fd, int v, void *val, socklen_t *len);
/* IPPROTO_IP: a single byte when there is no room for an int and it fits. */
int optval_put_byte(int fd, int v, void *val, socklen_t *len);
/* The first size bytes of the value: -EINVAL if there are less. */
int optval_get(int fd, const void *val, socklen_t len, void *dst, size_t size);
int optval_get_int(int fd, const void *val, socklen_t len, int *v);
/* IPPROTO_IP: an int, a byte, or 0. */
int optval_get_byte(int fd, const void *val, socklen_t len, int *v);
/* A name, cut to size - 1 bytes, with zeroes behind it. */
int optval_get_name(int fd, const void *val, socklen_t len, char *name, size_t size);

/* SO_BINDTODEVICE: the name of a device, none for index 0. -ENODEV, -EINVAL. */
int optval_put_device(int fd, uint32_t ifindex, void *val, socklen_t *len);
int optval_get_device(int fd, const void *val, socklen_t len, uint32_t *ifindex);

#endif
