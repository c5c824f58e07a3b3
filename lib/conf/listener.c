#include "lib/base/log.h"
#include "lib/conf/conf_int.h"

static struct conf_listener
listener_of(struct conf *c, struct conf_blk *b)
{
	struct conf_listener ln = {.set = b->set};

	net_addr_parse_port(b->name, &ln.addr); /* was put into this form, see addresses.c */
	ln.source = conf_str(b->set, CONF_LISTENER_SOURCE);
	ln.vmta = conf_str(b->set, CONF_LISTENER_VIRTUAL_MTA);
	ln.origin = (struct conf_origin){.file = c->files[b->at.file].path, .line = b->at.line};
	return ln;
}

/* Nothing written: every address, port 25, or what the old directives say. */
static struct conf_listener
implicit(struct conf *c)
{
	const struct conf_set *g = conf_global(c);
	struct conf_listener ln = {.set = c->empty[CONF_BLOCK_LISTENER]};

	if (!net_addr_parse(conf_str(g, CONF_GLOBAL_SMTP_IP), &ln.addr))
		net_addr_parse(STR("0.0.0.0"), &ln.addr);
	ln.addr.port = (uint16_t)conf_u64(g, CONF_GLOBAL_SMTP_PORT);
	return ln;
}

void
conf_listeners_build(struct conf_load *l)
{
	struct conf *c = l->c;
	size_t n = conf_n_blocks(c, CONF_BLOCK_LISTENER);

	c->listeners = conf_mem(&c->mem, (n + 1) * sizeof c->listeners[0]);
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i]->kind == CONF_BLOCK_LISTENER && !c->blocks[i]->is_dead)
			c->listeners[c->n_listeners++] = listener_of(c, c->blocks[i]);
	if (c->n_listeners == 0)
		c->listeners[c->n_listeners++] = implicit(c);
}

size_t
conf_n_listeners(const struct conf *c)
{
	return c->n_listeners;
}

const struct conf_listener *
conf_listener_at(const struct conf *c, size_t i)
{
	ph_assert(i < c->n_listeners);
	return &c->listeners[i];
}
