/*
 * Addresses as values: IPv4 and IPv6 with an optional port, CIDR blocks, to and from text and sockaddr. No
 * look-ups, no allocation.
 */
#ifndef PH_NET_ADDR_H
#define PH_NET_ADDR_H

#include <sys/socket.h>

#include "lib/base/str.h"
#include "lib/ipc/structs.h"

struct net_addr {
	uint8_t bytes[16]; /* IPv4 in the first four */
	uint16_t port;	   /* host order, 0: none */
	uint8_t family;	   /* 4, 6, 0: none */
	uint8_t pad;
};
struct net_cidr {
	struct net_addr addr; /* host bits zero */
	uint32_t bits;
};
#define NET_ADDR_TEXT 64

/* "192.0.2.1", "2001:db8::1"; with brackets and port only in the _port form: "192.0.2.1:25", "[::1]:25". */
bool net_addr_parse(struct str s, struct net_addr *a);
bool net_addr_parse_port(struct str s, struct net_addr *a);
/* "10.0.0.0/8", "0/0", "127/8", a bare address; set host bits are masked away. "*" is 0/0 and matches both families. */
bool net_cidr_parse(struct str s, struct net_cidr *c);
bool net_cidr_has(const struct net_cidr *c, const struct net_addr *a);
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b); /* without port */

/* Into text[NET_ADDR_TEXT]; returns text. IPv6 as RFC 5952. family 0 gives "". */
const char *net_addr_text(const struct net_addr *a, char text[NET_ADDR_TEXT]);
const char *net_addr_text_port(const struct net_addr *a, char text[NET_ADDR_TEXT]);

bool net_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct net_addr *a);
socklen_t net_to_sockaddr(const struct net_addr *a, struct sockaddr_storage *ss);
void net_to_ipc(const struct net_addr *a, struct ipc_addr *i);
void net_from_ipc(const struct ipc_addr *i, struct net_addr *a);
bool net_addr_is_loopback(const struct net_addr *a);
/* Is it assigned to this machine now (127.0.0.0/8 counts)? */
bool net_addr_is_local(const struct net_addr *a);

#endif
