/* confine.h - what a process in the background may ask of the kernel.
 *
 * It has raw sockets and reads what the network sends, so it has no use for what a
 * program could do with its user's rights: a filter (seccomp(2)) lets it make the calls
 * that a stack makes, and lets it open files for reading only. All others say EPERM; none
 * of them is a reason to end a connection.
 */
#ifndef MYTCP_CONFINE_H
#define MYTCP_CONFINE_H

/* For the calling thread and what it forks, for good; no_new_privs must be set. Where the
 * kernel has no such filters, or the machine is none of those known here, nothing. */
void confine_background(void);

#endif
