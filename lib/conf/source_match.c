#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define MATCH_MAX 128
#define MAX_NAMED 8 /* blocks of the names that are asked for */

struct range {
	struct net_cidr cidr;
	uint32_t blk;
};
struct cached {
	struct conf_set *set;
	uint32_t n;
	uint32_t list[MATCH_MAX + MAX_NAMED];
};
struct conf_sources {
	struct range *ranges; /* the longest first, of equal ones the newest */
	size_t n_ranges, cap_ranges;
	struct cached **sets; /* few: as many as there are combinations of blocks */
	size_t n_sets, cap_sets;
};

static int
by_bits(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->cidr.bits != y->cidr.bits)
		return x->cidr.bits > y->cidr.bits ? -1 : 1;
	return (x->blk < y->blk) - (x->blk > y->blk);
}

static bool
is_named(struct str name)
{
	return name.len > 0 && !ascii_is_digit(name.p[0]) && str_find(name, ':') == STR_NPOS &&
	       str_find(name, '/') == STR_NPOS;
}

void
conf_sources_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_sources *s = xcalloc(1, sizeof *s);

	c->sources = s;
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind != CONF_BLOCK_SOURCE || b->is_dead)
			continue;
		for (size_t j = 0; j < b->n_names; j++) {
			struct range r = {.blk = b->index};
			if (is_named(b->names[j]))
				continue;
			if (!net_cidr_parse(b->names[j], &r.cidr)) {
				conf_error(l, b->at,
				    "<source>: \"%.*s\" is neither an address, nor a CIDR block, "
				    "nor a name",
				    STR_ARG(b->names[j]));
				continue;
			}
			CONF_GROW(s->ranges, s->n_ranges, s->cap_ranges);
			s->ranges[s->n_ranges++] = r;
		}
	}
	if (s->n_ranges > 1)
		qsort(s->ranges, s->n_ranges, sizeof s->ranges[0], by_bits);
}

void
conf_sources_free(struct conf_sources **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n_sets; i++)
		free((*s)->sets[i]);
	free((*s)->sets);
	free((*s)->ranges);
	xfree(s);
}

static const struct conf_set *
set_of(const struct conf *c, const uint32_t *blks, uint32_t n)
{
	struct conf_sources *s = c->sources;
	struct conf_blk *list[MATCH_MAX + MAX_NAMED];
	struct cached *new;

	for (size_t i = 0; i < s->n_sets; i++)
		if (s->sets[i]->n == n && memcmp(s->sets[i]->list, blks, n * sizeof blks[0]) == 0)
			return s->sets[i]->set;
	new = xcalloc(1, sizeof *new);
	new->n = n;
	for (uint32_t i = 0; i < n; i++) {
		new->list[i] = blks[i];
		list[i] = c->blocks[blks[i]];
	}
	new->set = conf_set_new(c, CONF_BLOCK_SOURCE, list, n);
	CONF_GROW(s->sets, s->n_sets, s->cap_sets);
	s->sets[s->n_sets++] = new;
	return new->set;
}

static uint32_t
match_name(const struct conf *c, struct str name, uint32_t *list, uint32_t max)
{
	uint32_t n = 0;

	for (size_t i = c->n_blocks; i-- > 0 && n < max;)
		for (size_t j = 0;
		     c->blocks[i]->kind == CONF_BLOCK_SOURCE && j < c->blocks[i]->n_names; j++)
			if (str_ieq(c->blocks[i]->names[j], name) && n < max) {
				list[n++] = (uint32_t)i;
				break;
			}
	return n;
}

static uint32_t
match_addr(const struct conf *c, const struct net_addr *client, uint32_t *list)
{
	const struct conf_sources *s = c->sources;
	uint32_t n = 0;

	for (size_t i = 0; i < s->n_ranges && n < MATCH_MAX; i++)
		if (s->ranges[i].cidr.bits == 0 || net_cidr_has(&s->ranges[i].cidr, client))
			list[n++] = s->ranges[i].blk;
	return n;
}

const struct conf_set *
conf_source(const struct conf *c, const struct net_addr *client)
{
	uint32_t list[MATCH_MAX];
	uint32_t n = match_addr(c, client, list);

	return set_of(c, list, n);
}

const struct conf_set *
conf_source_named(const struct conf *c, struct str name)
{
	uint32_t list[8];
	uint32_t n = match_name(c, name, list, countof(list));

	return n == 0 ? NULL : set_of(c, list, n);
}

const struct conf_set *
conf_source_of(
    const struct conf *c, const struct str *names, size_t n_names, const struct net_addr *client)
{
	uint32_t list[MATCH_MAX + MAX_NAMED];
	uint32_t n = 0;

	for (size_t i = 0; i < n_names; i++)
		n += match_name(c, names[i], list + n, MAX_NAMED - n);
	n += match_addr(c, client, list + n);
	return set_of(c, list, n);
}

const struct conf_set *
conf_source_with(const struct conf *c, struct str name, const struct net_addr *client)
{
	return conf_source_of(c, &name, 1, client);
}
