/* driver.h - the thread that owns the engine, as the program's threads see it.
 *
 * Theory of operation
 *
 * One thread per process runs one libev loop around one engine and one link.
 * It has its own fd table. The program's threads talk to it through the pairs
 * (data) and through the commands below: each is put on a lock-free queue, the
 * loop is woken by ev_async, and the caller sleeps on a futex until the driver
 * has carried it out. They may be called from signal handlers and do not touch
 * errno; they return 0 or a negative errno value.
 */
#ifndef MYTCP_DRIVER_H
#define MYTCP_DRIVER_H

#include "config.h"
#include "leave.h"
#include "names.h"
#include "sock.h"

struct command;

/* Starts the thread if this process has none yet; waits until it is ready.
 * -EPERM: no CAP_NET_RAW; -EINVAL: a MYTCP_ variable is wrong (the reason was
 * printed on stderr, once); other errors of thread creation. */
int driver_start(void);
/* The same for an heir (heir.h): with its parent's settings, and without a word. */
int driver_start_as_heir(void);
/* This process's driver becomes an heir of that stack: estate_seek(). */
int driver_inherit(const struct stack_key *key);
/* That stack is gone: estate_heal(). */
int driver_revive(const struct stack_key *key);
/* Says on stderr, once, why driver_start() failed, for which it may leave it to the
 * caller: where a parent's stack may do instead. */
void driver_explain(int err);
/* Does this process own a running driver? Cheap; false after fork(). */
bool driver_is_mine(void);
/* Is it the driver itself that asks, on behalf of another process (control.c)? */
bool driver_is_this_thread(void);
/* In the child of a fork: forget the parent's driver. */
void driver_forget(void);

/* Before the program loses privileges, or its view of the file system: what the driver
 * will need of either, it takes now. False: there can be no driver (a setting is
 * wrong; that is said when it is to start). */
bool driver_before_drop(void);

/* A socket is made: it gets the sysctls' values of now, which are looked at again, once a
 * second at most. */
void driver_refresh(void);

/* Built-in settings, for a process that has sockets of other stacks only. */
void driver_defaults(void);
/* The settings of this process's driver, or its parent's; what is built in while there was
 * none. They stay as they are for a second at least, also when newer ones are shown. */
const struct config *driver_config(void);

/* How to know the stack of the process that this one was forked from, or of that
 * one's parent; NULL: there was none. For a child that cannot start its own. */
const struct stack_key *driver_parent(void);

/* The 16 bytes in all names of this stack, and the name to connect app ends to. */
const uint8_t *driver_stack_id(void);
uint64_t driver_pass(void);
socklen_t driver_listener_name(struct sockaddr_un *sun);

/* bind(2): reserves the port with a guard; s->local gets the result. -EALREADY: another
 * stack of this user's has sockets bound to that port: see control_door. */
int driver_bind(struct sock *s, const struct endpoint *local);
/* listen(2): the app end is an AF_UNIX listener named s->name already. Binds to
 * an ephemeral port if bind() was not called. Again: changes the backlog.
 * On success state is SOCK_LISTENING. */
int driver_listen(struct sock *s, int backlog);
/* Makes room in the driver's listener. -ESRCH: there is no driver. */
int driver_let_in(void);
/* connect(2): the app end, named s->name, is connected to the driver's listener
 * and filled already. On success state is SOCK_CONNECTING, or further. On error
 * the engine end is closed again and state is SOCK_FAILED. */
int driver_connect(struct sock *s, const struct endpoint *remote);
/* After accept(2) on a listener whose backlog_full is set. */
void driver_accept_kick(struct sock *listener);
/* The process has closed its last fd of s (after the real close()): an AF_UNIX
 * listener that nobody else holds stops listening. */
void driver_closed(struct sock *s);
/* Ends what s is, connection or listener, with RST where TCP has one. What bind()
 * made stays, or is made again; else s->bound becomes false. */
void driver_undo(struct sock *s);
/* s->opts have changed. */
void driver_set_opts(struct sock *s);
/* TCP_QUICKACK on a connection. */
void driver_quickack(struct sock *s, bool on);
/* TCP_INFO, SIOCOUTQ ... -ENOTCONN when there is no connection any more. */
int driver_status(struct sock *s, struct tcp_status *st);
/* Has the driver run a command (command.h), for what is not above; returns its
 * result. In the driver's thread, at once. -ESRCH: there is no driver. */
int driver_command(struct command *c);

/* Before the process ends, becomes another program, or needs to be alone with the
 * calling thread. If the stack is still needed it goes on in the background, else it
 * ends; in both cases the driver's threads are gone then. Where it cannot go on
 * elsewhere, LEAVE_EXIT waits until all that was written and every FIN is
 * acknowledged, or for MYTCP_LINGER_MS without any progress; the others leave the
 * driver as it is. So does LEAVE_EXEC if nobody needs the stack: exec may fail. */
void driver_leave(enum leave_why why);
/* The user of the process has changed, and with it that of the driver's thread. */
void driver_user_changed(void);
/* The driver's thread is about to be confined: whoever shares its memory and is not
 * ends before. */
void driver_before_confine(void);
/* The driver's thread, or the one that will start it, may not make every system call
 * any more (seccomp): trying to fork might be the end. */
void driver_confine(void);

#endif
