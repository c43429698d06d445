/* names.c - owns the layout of our AF_UNIX names.
 *
 * A name is a NUL (the abstract namespace), the text "mytcp", the kind, and
 * fixed-size fields in the byte order of the host, which both sides share. Its
 * length is the kind's: a name of any other length is not ours. The signature is the
 * SipHash of all the rest.
 */
#include "names.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../engine/random.h"

#define PREFIX "\0mytcp"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

struct wire_endpoint {
	uint8_t addr[16];
	uint16_t port;
} __attribute__((packed));

struct wire_name {
	char prefix[PREFIX_LEN];
	uint8_t kind;
	uint8_t stack[16];
	uint64_t mac;
	uint64_t sock_id;
	uint8_t family;
	struct wire_endpoint local, remote;
	uint32_t pid;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_name) <=
	       sizeof(((struct sockaddr_un *)0)->sun_path), "it fits");

/* How much of struct wire_name a kind uses; 0: there is no such kind. */
static size_t wire_len(uint8_t kind)
{
	switch (kind) {
	case NAME_DRIVER:
	case NAME_CONTROL:
	case NAME_SPARE:
		return offsetof(struct wire_name, sock_id);
	case NAME_APP:
	case NAME_KEEPER:
	case NAME_PORT:
		return offsetof(struct wire_name, local);
	case NAME_ENGINE:
		return sizeof(struct wire_name);
	}
	return 0;
}

static void endpoint_encode(const struct endpoint *e, struct wire_endpoint *w)
{
	memcpy(w->addr, e->addr.b, sizeof(w->addr));
	w->port = e->port;
}

static void endpoint_decode(const struct wire_endpoint *w, struct endpoint *e)
{
	memcpy(e->addr.b, w->addr, sizeof(w->addr));
	e->port = w->port;
}

static bool is_signed(uint8_t kind)
{
	return kind == NAME_DRIVER || kind == NAME_CONTROL || kind == NAME_APP ||
	       kind == NAME_ENGINE;
}

static uint64_t mac_of(const struct wire_name *w, uint64_t pass)
{
	const uint64_t key[2] = {pass, pass};
	struct wire_name bare = *w;

	if (!is_signed(w->kind))
		return 0;
	bare.mac = 0;
	return siphash((const uint8_t *)key, &bare, wire_len(w->kind));
}

static struct wire_name wire(const struct name *n, uint64_t pass)
{
	struct wire_name w = {.kind = n->kind, .sock_id = n->sock_id,
			      .family = n->family, .pid = n->pid};

	memcpy(w.prefix, PREFIX, PREFIX_LEN);
	memcpy(w.stack, n->stack, sizeof(w.stack));
	endpoint_encode(&n->flow.local, &w.local);
	endpoint_encode(&n->flow.remote, &w.remote);
	w.mac = mac_of(&w, pass);
	return w;
}

socklen_t name_encode(const struct name *n, struct sockaddr_un *sun)
{
	struct wire_name w = wire(n, n->pass);
	size_t len = wire_len(w.kind);

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, &w, len);
	return offsetof(struct sockaddr_un, sun_path) + len;
}

socklen_t name_port(uint16_t port, struct sockaddr_un *sun)
{
	const struct name n = {.kind = NAME_PORT,
			       .sock_id = (uint64_t)geteuid() << 16 | port};

	return name_encode(&n, sun);
}

bool name_decode(const struct sockaddr_un *sun, socklen_t len, struct name *n)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	struct wire_name w = {0};

	if (len <= head + PREFIX_LEN || len > head + sizeof(w) ||
	    sun->sun_family != AF_UNIX)
		return false;
	memcpy(&w, sun->sun_path, len - head);
	if (memcmp(w.prefix, PREFIX, PREFIX_LEN) != 0 ||
	    len - head != wire_len(w.kind))
		return false;
	memset(n, 0, sizeof(*n));
	n->kind = w.kind;
	memcpy(n->stack, w.stack, sizeof(w.stack));
	n->sock_id = w.sock_id;
	n->family = w.family;
	n->pid = w.pid;
	n->mac = w.mac;
	endpoint_decode(&w.local, &n->flow.local);
	endpoint_decode(&w.remote, &n->flow.remote);
	return true;
}

bool name_is_signed(const struct name *n, uint64_t pass)
{
	return is_signed(n->kind) && wire(n, pass).mac == n->mac;
}
