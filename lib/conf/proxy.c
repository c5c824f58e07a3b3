/* Source addresses behind proxies: use-proxy with its <proxy> blocks, and smtp-proxy-source-host. */
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define MAX_SOURCES 65536

struct list {
	struct conf_source_host *items;
	size_t n, cap;
};

static struct conf_blk *
find_proxy(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];

		if (b->kind == CONF_BLOCK_PROXY && !b->is_dead && str_ieq(b->name, name))
			return b;
	}
	return NULL;
}

/* the parser knows that it is one */
static struct net_addr
addr_maybe_port(struct str word)
{
	struct net_addr a = {0};

	if (!net_addr_parse_port(word, &a))
		net_addr_parse(word, &a);
	return a;
}

static void
add(struct list *to, const struct conf_source_host *h)
{
	if (to->n == MAX_SOURCES)
		return;
	CONF_GROW(to->items, to->n, to->cap);
	to->items[to->n++] = *h;
}

/* ---- use-proxy ---- */

/* "ADDRESS[:PORT] HOST" */
static void
add_client(struct list *to, struct str text, const struct conf_source_host *form)
{
	struct conf_source_host h = *form;
	struct str word;

	if (str_next_word(&text, &word))
		h.addr = addr_maybe_port(word);
	if (str_next_word(&text, &word))
		h.host = word;
	add(to, &h);
}

static void
add_proxy(struct conf_load *l, struct conf_blk *b, uint32_t rank, struct list *to)
{
	const struct conf_value *server = conf_blk_value(b, CONF_PROXY_SERVER),
				*clients = conf_blk_value(b, CONF_PROXY_CLIENT);
	struct conf_source_host form = {
	    .rank = rank, .proxy_version = (uint8_t)conf_u64(b->set, CONF_PROXY_PROTOCOL_VERSION)};

	if (server == NULL || server->n == 0 || clients == NULL || clients->n == 0) {
		conf_error(l, b->at, "<proxy %.*s> needs a server and a client", STR_ARG(b->name));
		return;
	}
	net_addr_parse_port(server->items[0].text, &form.proxy);
	for (uint32_t i = 0; i < clients->n; i++)
		add_client(to, clients->items[i].text, &form);
}

static bool
is_none(const struct conf_value *v)
{
	return v->n == 1 && str_ieq(v->items[0].text, STR("none"));
}

static void
add_proxies(struct conf_load *l, const struct conf_value *v, struct list *to)
{
	for (uint32_t i = 0; i < v->n; i++) {
		struct conf_blk *b = find_proxy(l->c, v->items[i].text);

		if (b != NULL) /* check.c says what is missing */
			add_proxy(l, b, i, to);
	}
}

/* ---- smtp-proxy-source-host ---- */

/* "LOCAL PROXY:PORT CLIENT[:PORT] HOST" */
static void
add_source(const struct conf_item *it, uint8_t version, struct list *to)
{
	struct str rest = it->text, word;
	struct conf_source_host h = {.proxy_version = version};

	if (str_next_word(&rest, &word))
		net_addr_parse(word, &h.local);
	if (str_next_word(&rest, &word))
		net_addr_parse_port(word, &h.proxy);
	if (str_next_word(&rest, &word))
		h.addr = addr_maybe_port(word);
	if (str_next_word(&rest, &word))
		h.host = word;
	add(to, &h);
}

static void
add_sources(const struct conf_value *v, uint8_t version, struct list *to)
{
	for (uint32_t i = 0; i < v->n; i++)
		add_source(&v->items[i], version, to);
}

/* ---- which ---- */

static const struct conf_value *
value(struct conf_blk *b, enum conf_key k)
{
	const struct conf_value *v = b == NULL ? NULL : conf_blk_value(b, k);

	return v == NULL || v->n == 0 ? NULL : v;
}

static void
check_exclusive(struct conf_load *l, struct conf_blk *b)
{
	const struct conf_value *own = value(b, CONF_VMTA_SMTP_PROXY_SOURCE_HOST);

	if (own != NULL &&
	    (value(b, CONF_VMTA_SMTP_SOURCE_HOST) != NULL || value(b, CONF_VMTA_USE_PROXY) != NULL))
		conf_error(l, own->at,
		    "smtp-proxy-source-host cannot stand beside smtp-source-host or use-proxy in "
		    "one <virtual-mta>");
}

static uint8_t
version_of(const struct conf_blk *b)
{
	return b == NULL ? 1 : (uint8_t)conf_u64(b->set, CONF_VMTA_PROXY_PROTOCOL);
}

/* a VirtualMTA's own sources, of whatever kind, come before the global ones */
static void
collect(struct conf_load *l, struct conf_blk *b, struct list *to)
{
	struct conf_blk *global = l->c->blocks[0];
	const struct conf_value *own = value(b, CONF_VMTA_USE_PROXY),
				*v = own != NULL ? own : value(global, CONF_GLOBAL_USE_PROXY);

	if (own == NULL && value(b, CONF_VMTA_SMTP_PROXY_SOURCE_HOST) != NULL)
		add_sources(value(b, CONF_VMTA_SMTP_PROXY_SOURCE_HOST), version_of(b), to);
	else if (own == NULL && value(b, CONF_VMTA_SMTP_SOURCE_HOST) != NULL)
		return;
	else if (v != NULL && !is_none(v))
		add_proxies(l, v, to);
	else if (v == NULL && value(global, CONF_GLOBAL_SMTP_PROXY_SOURCE_HOST) != NULL)
		add_sources(value(global, CONF_GLOBAL_SMTP_PROXY_SOURCE_HOST), version_of(b), to);
}

bool
conf_proxied_sources(struct conf_load *l, struct conf_blk *b, struct conf_vmta *v)
{
	struct list to = {0};
	struct conf_source_host *kept;

	if (b != NULL)
		check_exclusive(l, b);
	collect(l, b, &to);
	if (to.n == 0)
		return false;
	kept = conf_mem(&l->c->mem, to.n * sizeof *kept);
	memcpy(kept, to.items, to.n * sizeof *kept);
	v->sources = kept;
	v->n_sources = to.n;
	free(to.items);
	return true;
}
