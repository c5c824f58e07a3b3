/*
 * CIDR blocks of our own addresses become the addresses that this machine has: done once, where the text is read,
 * so that daemons without a network find them in the snapshot.
 */
#include <ifaddrs.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define ADDRESSES_MAX 4096

struct ours {
	struct net_addr *list;
	size_t n, cap;
};

static bool
is_there(const struct ours *o, const struct net_addr *a)
{
	for (size_t i = 0; i < o->n; i++)
		if (net_addr_eq(&o->list[i], a))
			return true;
	return false;
}

static bool
is_own_loopback(const struct net_addr *a)
{
	static const uint8_t v4[4] = {127, 0, 0, 1}, v6[16] = {[15] = 1};

	return a->family == 4 ? memcmp(a->bytes, v4, 4) == 0 : memcmp(a->bytes, v6, 16) == 0;
}

static void
find_ours(struct ours *o)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) == -1)
		return;
	for (struct ifaddrs *i = all; i != NULL && o->n < ADDRESSES_MAX; i = i->ifa_next) {
		struct net_addr a;
		if (i->ifa_addr == NULL ||
		    !net_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_storage), &a))
			continue;
		a.port = 0;
		if (is_own_loopback(&a) || is_there(o, &a))
			continue;
		CONF_GROW(o->list, o->n, o->cap);
		o->list[o->n++] = a;
	}
	freeifaddrs(all);
}

static void
check_ours(struct conf_load *l, struct conf_at at, const char *what, const struct net_addr *a)
{
	char text[NET_ADDR_TEXT];

	if ((l->how & CONF_ANY_ADDRESS) == 0 && !net_addr_is_local(a))
		conf_error(l, at, "%s: this machine does not have the address %s", what,
		    net_addr_text(a, text));
}

/* ---- smtp-source-host ---- */

static void
expand_item(
    struct conf_load *l, const struct ours *o, const struct conf_item *it, struct conf_value *to)
{
	struct conf *c = l->c;
	struct str rest = it->text, word;
	struct net_addr a;
	struct net_cidr cidr;
	uint32_t before = to->n;
	char addr[NET_ADDR_TEXT];

	str_next_word(&rest, &word);
	if (net_addr_parse(word, &a)) {
		check_ours(l, it->at, conf_key_name(to->key), &a);
		*conf_value_add(c, to) = *it;
		return;
	}
	if (!net_cidr_parse(word, &cidr))
		return;
	for (size_t i = 0; i < o->n; i++) {
		struct conf_item one = *it;
		char *text;
		if (!net_cidr_has(&cidr, &o->list[i]))
			continue;
		text = xasprintf("%s%.*s", net_addr_text(&o->list[i], addr), STR_ARG(rest));
		one.text = conf_mem_str(&c->mem, str_of(text));
		free(text);
		*conf_value_add(c, to) = one;
	}
	if (to->n == before && (l->how & CONF_ANY_ADDRESS) == 0)
		conf_error(l, it->at, "%s: this machine has no address in %.*s",
		    conf_key_name(to->key), STR_ARG(word));
}

static void
expand_sources(struct conf_load *l, const struct ours *o, struct conf_blk *b, enum conf_key k)
{
	struct conf_value *v = conf_blk_value(b, k), to = {.key = k};

	if (v == NULL)
		return;
	to.at = v->at;
	to.is_cleared = v->is_cleared;
	for (uint32_t i = 0; i < v->n; i++)
		expand_item(l, o, &v->items[i], &to);
	*v = to;
}

static void
expand_both(struct conf_load *l, const struct ours *o, struct conf_blk *b, enum conf_key direct,
    enum conf_key proxied)
{
	expand_sources(l, o, b, direct);
	expand_sources(l, o, b, proxied);
}

/* ---- listeners ---- */

/* The block under another name. */
static void
rename_block(struct conf *c, struct conf_blk *b, const struct net_addr *a)
{
	char text[NET_ADDR_TEXT];

	b->n_names = 0;
	conf_blk_add_name(c, b, str_of(net_addr_text_port(a, text)));
}

static void
clone_block(struct conf *c, const struct conf_blk *b, const struct net_addr *a)
{
	struct conf_blk *n = conf_blk_new(c, b->kind, b->parent, b->at);

	for (size_t i = 0; i < b->n_values; i++)
		*conf_blk_xvalue(n, b->values[i].key) = b->values[i];
	rename_block(c, n, a);
}

static void
expand_listener_cidr(struct conf_load *l, const struct ours *o, struct conf_blk *b,
    const struct net_cidr *cidr, uint16_t port)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++) {
		struct net_addr a = o->list[i];
		a.port = port;
		if (!net_cidr_has(cidr, &a))
			continue;
		if (n++ == 0)
			rename_block(l->c, b, &a);
		else
			clone_block(l->c, b, &a);
	}
	if (n == 0 && (l->how & CONF_ANY_ADDRESS) == 0)
		conf_error(l, b->at, "smtp-listener: this machine has no address in \"%.*s\"",
		    STR_ARG(b->name));
}

/* "0/0:25", "10.0.0.0/8:25", "192.0.2.1:25", "[::1]:25", "*:25" */
static void
expand_listener(struct conf_load *l, const struct ours *o, struct conf_blk *b)
{
	static const uint8_t zero[16];
	size_t colon = str_rfind(b->name, ':');
	struct str addr = str_sub(b->name, 0, colon);
	struct net_addr a;
	struct net_cidr cidr;
	uint32_t port;

	if (colon == STR_NPOS || !parse_u32(str_skip(b->name, colon + 1), 1, 65535, &port)) {
		conf_error(
		    l, b->at, "smtp-listener: \"%.*s\" is not ADDRESS:PORT", STR_ARG(b->name));
		return;
	}
	if (addr.len > 1 && addr.p[0] == '[')
		addr = str_sub(addr, 1, addr.len - 2);
	if (net_addr_parse(addr, &a)) {
		a.port = (uint16_t)port;
		if (memcmp(a.bytes, zero, sizeof zero) != 0)
			check_ours(l, b->at, "smtp-listener", &a);
		rename_block(l->c, b, &a);
		return;
	}
	if (!net_cidr_parse(addr, &cidr)) {
		conf_error(l, b->at,
		    "smtp-listener: \"%.*s\" is neither an address nor a CIDR block",
		    STR_ARG(addr));
		return;
	}
	if (cidr.bits > 0) {
		expand_listener_cidr(l, o, b, &cidr, (uint16_t)port);
		return;
	}
	net_addr_parse(cidr.addr.family == 6 ? STR("::") : STR("0.0.0.0"), &a);
	a.port = (uint16_t)port;
	rename_block(l->c, b, &a);
}

/* One socket listens on every address; another on one of them and the same port could not be bound. */
static void
drop_covered(struct conf_load *l, struct conf_blk *b)
{
	static const uint8_t zero[16];
	struct net_addr a, other;

	if (!net_addr_parse_port(b->name, &a) || memcmp(a.bytes, zero, sizeof zero) == 0 ||
	    b->n_values > 0)
		return;
	for (size_t i = 0; i < l->c->n_blocks; i++) {
		const struct conf_blk *o = l->c->blocks[i];
		if (o->kind != CONF_BLOCK_LISTENER || o->is_dead ||
		    !net_addr_parse_port(o->name, &other) || other.port != a.port ||
		    other.family != a.family || memcmp(other.bytes, zero, sizeof zero) != 0)
			continue;
		conf_note(l, b->at, "smtp-listener: %.*s is part of %.*s of line %u",
		    STR_ARG(b->name), STR_ARG(o->name), o->at.line);
		b->is_dead = true;
		return;
	}
}

void
conf_addresses_expand(struct conf_load *l)
{
	struct conf *c = l->c;
	struct ours o = {0};
	size_t n = c->n_blocks; /* those that are added need nothing more */

	find_ours(&o);
	for (size_t i = 0; i < n; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind == CONF_BLOCK_LISTENER && b->n_names > 0)
			expand_listener(l, &o, b);
		else if (b->kind == CONF_BLOCK_GLOBAL)
			expand_both(l, &o, b, CONF_GLOBAL_SMTP_SOURCE_HOST,
			    CONF_GLOBAL_SMTP_PROXY_SOURCE_HOST);
		else if (b->kind == CONF_BLOCK_VMTA)
			expand_both(
			    l, &o, b, CONF_VMTA_SMTP_SOURCE_HOST, CONF_VMTA_SMTP_PROXY_SOURCE_HOST);
	}
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i]->kind == CONF_BLOCK_LISTENER)
			drop_covered(l, c->blocks[i]);
	free(o.list);
}
