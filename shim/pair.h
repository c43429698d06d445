/* pair.h - bytes through the engine end of a pair.
 *
 * The byte that stays: the queue from the app end is never emptied while the
 * connection lives, so that the app end reads ECONNRESET and not a clean end
 * when the engine end is closed. Its last byte is taken with MSG_PEEK; *held
 * says how many bytes at the front of the queue (0 or 1) were taken already.
 */
#ifndef MYTCP_PAIR_H
#define MYTCP_PAIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What a full direction of a pair takes, see README.md, the byte that stays. */
#define PAIR_SNDBUF_BYTES 212992

/* What the accept hook sends: one byte that an fd travels with, the app end itself, and
 * one that stays. While the first is queued the app end is not closed, whoever closes it. */
#define PAIR_MARK_BYTES 2

/* Prepares an engine end. sndbuf_bytes: as in setsockopt(SO_SNDBUF). */
void pair_setup(int fd, uint32_t sndbuf_bytes);
/* Bytes in the queue from the app end, held ones included. */
uint32_t pair_queued(int fd);
/* Consumes n bytes from the front of the queue, or as many as there are. */
void pair_skip(int fd, uint32_t n);
/* Does the first byte carry ancillary data? Then it is the accept hook's mark
 * and not the app's data. The queue is not empty. */
bool pair_starts_with_mark(int fd);
/* Takes all of a mark but the byte that stays: true, and that is held. False: there is
 * none. The queue is not empty. */
bool pair_take_mark(int fd);
/* Moves bytes that are not held from the queue to iov: fresh is how many there
 * are, at least 1. Takes all it can but the last byte; if that is the only one,
 * takes it and leaves it held. Returns how many, 0 or a negative errno when the
 * queue does not hold what was said. *urgent: the app sent this one byte with
 * MSG_OOB. */
ssize_t pair_take(int fd, uint8_t *held, uint32_t fresh,
		  const struct iovec *iov, int iovs, bool *urgent);
/* Writes to the app end. How many bytes; -EAGAIN: it is full; -EPIPE: nobody
 * reads any more. */
ssize_t pair_give(int fd, const struct iovec *iov, int iovs);
/* The same for one byte of urgent data: 1 or a negative errno. */
ssize_t pair_give_urgent(int fd, uint8_t byte);
/* epoll's bits for fd as they are now. */
unsigned pair_bits(int fd);
/* Takes the pending error: ECONNRESET if the app end was closed with unread
 * data in it, 0 if there is none. */
int pair_error(int fd);

#endif
