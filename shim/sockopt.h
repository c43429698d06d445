/* sockopt.h - what a socket option is: one row of a table per option, one table
 * per level. An option without a row has no meaning here: what is set is kept, and
 * a socket of the kernel's TCP says what may be set and what is read back
 * (nativeopt.h). Private to the sockopt_*.c files and sockopt.c, which reads them.
 */
#ifndef MYTCP_SOCKOPT_H
#define MYTCP_SOCKOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "optval.h"
#include "sock.h"

enum opt_kind {
	OPT_INT,    /* within [min, max], else EINVAL */
	OPT_BOOL,   /* anything but 0 is 1 */
	OPT_BYTE,   /* as OPT_INT; one byte will do, as with all of IPPROTO_IP */
	OPT_CONST,  /* can only be asked for */
	OPT_NATIVE, /* the kernel's, on the app end */
	OPT_OWN,    /* by get and set; NULL: as an option that has no row */
	OPT_REFUSED, /* has a meaning that we do not give it: -dflt where the kernel
			would take it */
};

/* Where a value is: in s->opts at an offset, which the driver must know, or in
 * s->kept. Where the engine takes 0 for "as configured", that is what
 * getsockopt() shows of it: the uint32_t at an offset in engine_config. */
struct option {
	int level, name;
	enum opt_kind kind;
	int min, max, dflt;
	size_t at;
	bool not_empty;       /* OPT_BYTE: no value at all is -EINVAL, not 0 */
	uint8_t size;         /* of the member at at; 0: it is in s->kept */
	size_t configured;    /* 0: 0 is shown as 0 */
	int (*adjust)(int v); /* OPT_INT: what is kept of a value, if not itself */
	int (*get)(struct sock *s, int fd, void *val, socklen_t *len);
	int (*set)(struct sock *s, int fd, const void *val, socklen_t len);
};

#define OPT_MEMBER(m) \
	.at = offsetof(struct sock_opts, m), .size = sizeof(((struct sock_opts *)0)->m)
#define INT(lvl, nm, lo, hi, def) \
	{.level = lvl, .name = nm, .kind = OPT_INT, .min = lo, .max = hi, .dflt = def}
#define ADJUSTED(lvl, nm, lo, hi, fn, def) \
	{.level = lvl, .name = nm, .kind = OPT_INT, .min = lo, .max = hi, \
	 .dflt = def, .adjust = fn}
#define INT_OF(lvl, nm, lo, hi, m) \
	{.level = lvl, .name = nm, .kind = OPT_INT, .min = lo, .max = hi, OPT_MEMBER(m)}
#define INT_OR(lvl, nm, lo, hi, m, cfg) \
	{.level = lvl, .name = nm, .kind = OPT_INT, .min = lo, .max = hi, \
	 OPT_MEMBER(m), .configured = offsetof(struct engine_config, cfg)}
#define BOOL(lvl, nm, def) {.level = lvl, .name = nm, .kind = OPT_BOOL, .dflt = def}
#define BOOL_OF(lvl, nm, m) {.level = lvl, .name = nm, .kind = OPT_BOOL, OPT_MEMBER(m)}
#define CONST(lvl, nm, def) {.level = lvl, .name = nm, .kind = OPT_CONST, .dflt = def}
#define NATIVE(nm) {.level = SOL_SOCKET, .name = nm, .kind = OPT_NATIVE}
#define REFUSED(lvl, nm, err) {.level = lvl, .name = nm, .kind = OPT_REFUSED, .dflt = err}
#define OWN(lvl, nm, g, s) \
	{.level = lvl, .name = nm, .kind = OPT_OWN, .get = g, .set = s}

struct option_table {
	const struct option *rows;
	size_t n;
};

extern const struct option_table sockopt_socket; /* SOL_SOCKET */
extern const struct option_table sockopt_tcp;    /* IPPROTO_TCP */
extern const struct option_table sockopt_ip;     /* SOL_IP */
extern const struct option_table sockopt_ipv6;   /* SOL_IPV6 */

/* s->opts have changed: tells the driver, if it knows the socket. 0. */
int sockopt_changed(struct sock *s);
/* What the engine says of the connection of s; false: there is none, or it is
 * another process's. */
bool sockopt_status(struct sock *s, struct tcp_status *st);
/* The configuration of the stack that s belongs to. */
const struct engine_config *sockopt_engine_config(void);

/* IP_MTU and IPV6_MTU. */
int sockopt_get_mtu(struct sock *s, int fd, void *val, socklen_t *len);

/* Sets an option as one without a row. */
int sockopt_set_native(struct sock *s, int level, int name, const void *val,
		       socklen_t len);

static inline int sockopt_clamp(int v, int min, int max)
{
	return v < min ? min : v > max ? max : v;
}

#endif
