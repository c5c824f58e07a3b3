#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/conf/conf_int.h"

/* "ADDR [HOST]" */
static struct conf_source_host
source_host(struct conf *c, struct str text, struct str host)
{
	struct conf_source_host h = {.host = host};
	struct str word;

	if (str_next_word(&text, &word))
		net_addr_parse(word, &h.addr);
	if (str_next_word(&text, &word))
		h.host = word;
	return h;
}

/* b NULL: of the default VirtualMTA */
static void
set_sources(struct conf_load *l, struct conf_blk *b, struct conf_vmta *v)
{
	struct conf *c = l->c;
	const struct conf_value *own =
	    b == NULL ? NULL : conf_blk_value(b, CONF_VMTA_SMTP_SOURCE_HOST);
	struct str host = b == NULL ? STR_NULL : conf_str(b->set, CONF_VMTA_HOST_NAME);
	struct conf_source_host *list;

	if (conf_proxied_sources(l, b, v))
		return;
	if (host.len == 0)
		host = conf_str(conf_global(c), CONF_GLOBAL_HOST_NAME);
	if (own == NULL)
		own = conf_blk_value(c->blocks[0], CONF_GLOBAL_SMTP_SOURCE_HOST);
	if (own == NULL || own->n == 0)
		return;
	list = conf_mem(&c->mem, own->n * sizeof *list);
	for (uint32_t i = 0; i < own->n; i++)
		list[i] = source_host(c, own->items[i].text, host);
	v->sources = list;
	v->n_sources = own->n;
}

static const struct conf_vmta *
vmta_of(const struct conf *c, struct str name)
{
	uint32_t blk;

	if (!conf_names_get(c->names, name, &blk) || c->blocks[blk]->kind != CONF_BLOCK_VMTA)
		return NULL;
	return &c->vmtas[c->blocks[blk]->ordinal];
}

/* "VMTA [weight=N]"; unknown members are complained about in check.c */
static void
set_members(struct conf *c, struct conf_blk *b, struct conf_pool *p)
{
	const struct conf_value *v = conf_blk_value(b, CONF_POOL_VIRTUAL_MTA);
	struct conf_pool_member *list;

	if (v == NULL || v->n == 0)
		return;
	list = conf_mem(&c->mem, v->n * sizeof *list);
	for (uint32_t i = 0; i < v->n; i++) {
		struct str rest = v->items[i].text, name, word;
		struct conf_pool_member m = {.weight = 1};
		if (!str_next_word(&rest, &name) || (m.vmta = vmta_of(c, name)) == NULL)
			continue;
		if (str_next_word(&rest, &word) && str_has_prefix(word, STR("weight=")))
			parse_u32(str_skip(word, 7), 1, UINT32_MAX, &m.weight);
		list[p->n_members++] = m;
	}
	p->members = list;
}

void
conf_vmtas_build(struct conf_load *l)
{
	struct conf *c = l->c;
	size_t n_vmtas = conf_n_blocks(c, CONF_BLOCK_VMTA),
	       n_pools = conf_n_blocks(c, CONF_BLOCK_POOL);

	c->names = conf_names_new();
	c->vmtas = conf_mem(&c->mem, (n_vmtas + 1) * sizeof c->vmtas[0]);
	c->pools = conf_mem(&c->mem, (n_pools + 1) * sizeof c->pools[0]);
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind != CONF_BLOCK_VMTA || b->is_dead)
			continue;
		c->vmtas[c->n_vmtas] = (struct conf_vmta){.name = b->name, .set = b->set};
		b->ordinal = (uint32_t)c->n_vmtas;
		set_sources(l, b, &c->vmtas[c->n_vmtas++]);
		conf_names_put(c->names, b->name, b->index);
	}
	c->vmtas[c->n_vmtas] = (struct conf_vmta){0};
	set_sources(l, NULL, &c->vmtas[c->n_vmtas]);
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind != CONF_BLOCK_POOL || b->is_dead)
			continue;
		c->pools[c->n_pools] = (struct conf_pool){.name = b->name, .set = b->set};
		b->ordinal = (uint32_t)c->n_pools;
		set_members(c, b, &c->pools[c->n_pools++]);
		conf_names_put(c->names, b->name, b->index);
	}
}

const struct conf_vmta *
conf_vmta(const struct conf *c, struct str name)
{
	return vmta_of(c, name);
}

const struct conf_vmta *
conf_default_vmta(const struct conf *c)
{
	return &c->vmtas[c->n_vmtas];
}

const struct conf_pool *
conf_pool(const struct conf *c, struct str name)
{
	uint32_t blk;

	if (!conf_names_get(c->names, name, &blk) || c->blocks[blk]->kind != CONF_BLOCK_POOL)
		return NULL;
	return &c->pools[c->blocks[blk]->ordinal];
}

bool
conf_pool_has(const struct conf_pool *p, struct str vmta)
{
	for (size_t i = 0; i < p->n_members; i++)
		if (str_ieq(p->members[i].vmta->name, vmta))
			return true;
	return false;
}

size_t
conf_n_vmtas(const struct conf *c)
{
	return c->n_vmtas;
}

const struct conf_vmta *
conf_vmta_at(const struct conf *c, size_t i)
{
	ph_assert(i < c->n_vmtas);
	return &c->vmtas[i];
}

size_t
conf_n_pools(const struct conf *c)
{
	return c->n_pools;
}

const struct conf_pool *
conf_pool_at(const struct conf *c, size_t i)
{
	ph_assert(i < c->n_pools);
	return &c->pools[i];
}
