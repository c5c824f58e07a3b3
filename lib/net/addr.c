#include "lib/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lib/base/digits.h"
#include "lib/base/num.h"

static size_t
addr_len(const struct net_addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

bool
net_addr_parse(struct str s, struct net_addr *a)
{
	char text[INET6_ADDRSTRLEN];
	struct net_addr r = {0};
	bool is_v6 = str_find(s, ':') != STR_NPOS;

	if (s.len == 0 || s.len >= sizeof text || memchr(s.p, '\0', s.len) != NULL)
		return false;
	str_copy(text, sizeof text, s);
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text, r.bytes) != 1)
		return false;
	r.family = is_v6 ? 6 : 4;
	*a = r;
	return true;
}

/* parts "host:port", "[host]:port", "[host]" and "host"; a bare IPv6 address has no port. False: brackets that do not match. */
static bool
split_port(struct str s, struct str *host, struct str *port)
{
	size_t at;

	*port = STR_NULL;
	*host = s;
	if (s.len > 0 && s.p[0] == '[') {
		at = str_find(s, ']');
		if (at == STR_NPOS)
			return false;
		*host = str_sub(s, 1, at - 1);
		s = str_skip(s, at + 1);
		if (s.len == 0)
			return true;
		*port = str_skip(s, 1);
		return s.p[0] == ':' && str_find(*host, ':') != STR_NPOS;
	}
	at = str_find(s, ':');
	if (at == STR_NPOS || at != str_rfind(s, ':'))
		return true;
	*host = str_sub(s, 0, at);
	*port = str_skip(s, at + 1);
	return true;
}

bool
net_addr_parse_port(struct str s, struct net_addr *a)
{
	struct str host, port;
	struct net_addr r;
	uint32_t n = 0;

	if (!split_port(s, &host, &port) || !net_addr_parse(host, &r))
		return false;
	if (port.p != NULL && !parse_u32(port, 1, 65535, &n))
		return false;
	r.port = (uint16_t)n;
	*a = r;
	return true;
}

static void
mask_host_bits(struct net_cidr *c)
{
	for (uint32_t i = 0; i < sizeof c->addr.bytes; i++) {
		if (c->bits >= (i + 1) * 8)
			continue;
		if (c->bits <= i * 8)
			c->addr.bytes[i] = 0;
		else
			c->addr.bytes[i] &= (uint8_t)(0xff00 >> (c->bits - i * 8));
	}
}

/* "10", "10.1", "10.1.2", "10.1.2.3": missing octets are zero, as in "127/8" */
static bool
parse_short_v4(struct str s, struct net_addr *a)
{
	struct net_addr r = {.family = 4};
	struct str piece;
	uint32_t v, n = 0;

	while (str_next(&s, '.', &piece)) {
		if (n == 4 || piece.len > 3 || !parse_u32(piece, 0, 255, &v))
			return false;
		r.bytes[n++] = (uint8_t)v;
	}
	*a = r;
	return n > 0;
}

bool
net_cidr_parse(struct str s, struct net_cidr *c)
{
	struct net_cidr r = {0};
	size_t slash = str_find(s, '/');
	struct str addr = slash == STR_NPOS ? s : str_sub(s, 0, slash);
	uint32_t max;

	if (str_eq(s, STR("*"))) {
		*c = r;
		return true;
	}
	if (!net_addr_parse(addr, &r.addr) && (slash == STR_NPOS || !parse_short_v4(addr, &r.addr)))
		return false;
	max = r.addr.family == 4 ? 32 : 128;
	r.bits = max;
	if (slash != STR_NPOS && !parse_u32(str_skip(s, slash + 1), 0, max, &r.bits))
		return false;
	mask_host_bits(&r);
	*c = r;
	return true;
}

/* a client on a dual-stack socket is seen as ::ffff:192.0.2.1 */
static struct net_addr
unmap(const struct net_addr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct net_addr r = {.family = 4, .port = a->port};

	if (a->family != 6 || memcmp(a->bytes, mapped, sizeof mapped) != 0)
		return *a;
	memcpy(r.bytes, a->bytes + sizeof mapped, 4);
	return r;
}

bool
net_cidr_has(const struct net_cidr *c, const struct net_addr *a)
{
	uint32_t whole = c->bits / 8, rest = c->bits % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (c->addr.family == 0 && c->bits == 0)
		return true;
	if (c->addr.family != a->family || memcmp(c->addr.bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || ((c->addr.bytes[whole] ^ a->bytes[whole]) & mask) == 0;
}

bool
net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, addr_len(a)) == 0;
}

static void
put_ipv4(char *p, const uint8_t *bytes)
{
	for (unsigned i = 0; i < 4; i++) {
		p = digits_put_all(p, bytes[i]);
		*p++ = i < 3 ? '.' : '\0';
	}
}

const char *
net_addr_text(const struct net_addr *a, char text[NET_ADDR_TEXT])
{
	text[0] = '\0';
	if (a->family == 4)
		put_ipv4(text, a->bytes);
	else if (a->family == 6)
		inet_ntop(AF_INET6, a->bytes, text, NET_ADDR_TEXT);
	return text;
}

const char *
net_addr_text_port(const struct net_addr *a, char text[NET_ADDR_TEXT])
{
	char plain[NET_ADDR_TEXT], *p = text;

	net_addr_text(a, plain);
	if (a->family == 6)
		*p++ = '[';
	p = digits_put_text(p, plain);
	if (a->family == 6)
		*p++ = ']';
	if (a->family != 0) {
		*p++ = ':';
		p = digits_put_all(p, a->port);
	}
	*p = '\0';
	return text;
}

bool
net_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct net_addr *a)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct net_addr r = {0};

	if (len >= sizeof in && sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof in);
		r.family = 4;
		r.port = ntohs(in.sin_port);
		memcpy(r.bytes, &in.sin_addr, 4);
		*a = r;
		return true;
	}
	if (len >= sizeof in6 && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof in6);
		r.family = 6;
		r.port = ntohs(in6.sin6_port);
		memcpy(r.bytes, &in6.sin6_addr, 16);
		*a = unmap(&r);
		return true;
	}
	return false;
}

socklen_t
net_to_sockaddr(const struct net_addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};

	memset(ss, 0, sizeof *ss);
	if (a->family == 6) {
		memcpy(&in6.sin6_addr, a->bytes, 16);
		memcpy(ss, &in6, sizeof in6);
		return sizeof in6;
	}
	if (a->family != 4)
		return 0;
	memcpy(&in.sin_addr, a->bytes, 4);
	memcpy(ss, &in, sizeof in);
	return sizeof in;
}

void
net_to_ipc(const struct net_addr *a, struct ipc_addr *i)
{
	*i = (struct ipc_addr){.port = a->port, .family = a->family};
	memcpy(i->bytes, a->bytes, sizeof i->bytes);
}

void
net_from_ipc(const struct ipc_addr *i, struct net_addr *a)
{
	*a = (struct net_addr){.port = i->port, .family = i->family};
	if (a->family != 4 && a->family != 6)
		*a = (struct net_addr){0};
	memcpy(a->bytes, i->bytes, addr_len(a));
}

bool
net_addr_is_loopback(const struct net_addr *a)
{
	static const uint8_t v6[16] = {[15] = 1};

	if (a->family == 4)
		return a->bytes[0] == 127;
	return a->family == 6 && memcmp(a->bytes, v6, sizeof v6) == 0;
}

bool
net_addr_is_local(const struct net_addr *a)
{
	struct sockaddr_storage ss;
	struct net_addr any_port = *a;
	socklen_t len;
	bool ok;
	int fd;

	/* the kernel is asked, by a bind that sends nothing: an interface list would miss local routes */
	any_port.port = 0;
	len = net_to_sockaddr(&any_port, &ss);
	if (len == 0)
		return false;
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return false;
	ok = bind(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return ok;
}
