#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

struct conf_blk *
conf_blk_new(struct conf *c, enum conf_block kind, uint32_t parent, struct conf_at at)
{
	struct conf_blk *b = xcalloc(1, sizeof *b);

	*b = (struct conf_blk){
	    .kind = kind, .index = (uint32_t)c->n_blocks, .parent = parent, .at = at};
	CONF_GROW(c->blocks, c->n_blocks, c->cap_blocks);
	c->blocks[c->n_blocks++] = b;
	return b;
}

/* `*` among sources and 0/0 are the same client addresses. */
static struct str
canonical_name(enum conf_block kind, struct str name)
{
	return kind == CONF_BLOCK_SOURCE && str_eq(name, STR("*")) ? STR("0/0") : name;
}

void
conf_blk_add_name(struct conf *c, struct conf_blk *b, struct str name)
{
	struct str *names = conf_mem(&c->mem, (b->n_names + 1) * sizeof *names);
	struct buf whole;

	if (b->n_names > 0)
		memcpy(names, b->names, b->n_names * sizeof *names);
	names[b->n_names++] = conf_mem_str(&c->mem, canonical_name(b->kind, name));
	b->names = names;
	buf_init(&whole, 1024 * 1024);
	for (size_t i = 0; i < b->n_names; i++) {
		if (i > 0)
			buf_add_char(&whole, ' ');
		buf_add_str(&whole, names[i]);
	}
	b->name = conf_mem_str(&c->mem, buf_str(&whole));
	buf_clear(&whole);
}

struct conf_blk *
conf_blk_of(
    struct conf *c, enum conf_block kind, uint32_t parent, struct str name, struct conf_at at)
{
	struct conf_blk *b;

	if (kind == CONF_BLOCK_GLOBAL)
		return c->blocks[0];
	for (size_t i = 0; i < c->n_blocks; i++) {
		b = c->blocks[i];
		if (b->kind == kind && b->parent == parent && !b->is_dead &&
		    str_ieq(b->name, canonical_name(kind, name)))
			return b;
	}
	b = conf_blk_new(c, kind, parent, at);
	if (name.len > 0)
		conf_blk_add_name(c, b, name);
	return b;
}

/* Of two blocks for the same thing: the later one, unless nothing stands in it. */
static void
drop_one_of(struct conf_load *l, struct conf_blk *first, struct conf_blk *later)
{
	struct conf_blk *holds = later->n_values > 0 || first->n_values == 0 ? later : first;

	conf_note(l, later->at, "<%s %.*s> is there twice, first in line %u: the %s one holds",
	    conf_block_row(first->kind)->tag, STR_ARG(first->name), first->at.line,
	    holds == later ? "later" : "first");
	(holds == later ? first : later)->is_dead = true;
}

void
conf_blk_drop_repeated(struct conf_load *l)
{
	struct conf *c = l->c;

	for (size_t i = 1; i < c->n_blocks; i++)
		for (size_t j = 1; j < i && conf_block_row(c->blocks[i]->kind)->many == CONF_LAST;
		     j++)
			if (c->blocks[j]->kind == c->blocks[i]->kind && !c->blocks[j]->is_dead &&
			    !c->blocks[i]->is_dead &&
			    str_eq(c->blocks[i]->name, c->blocks[j]->name))
				drop_one_of(l, c->blocks[j], c->blocks[i]);
}

struct conf_value *
conf_blk_value(struct conf_blk *b, enum conf_key k)
{
	for (size_t i = 0; i < b->n_values; i++)
		if (b->values[i].key == k)
			return &b->values[i];
	return NULL;
}

struct conf_value *
conf_blk_xvalue(struct conf_blk *b, enum conf_key k)
{
	struct conf_value *v = conf_blk_value(b, k);

	if (v != NULL)
		return v;
	CONF_GROW(b->values, b->n_values, b->cap_values);
	b->values[b->n_values] = (struct conf_value){.key = k};
	return &b->values[b->n_values++];
}

bool
conf_blk_put(struct conf_load *l, struct conf_blk *b, const struct conf_row *row, struct str rest,
    struct conf_at at)
{
	struct conf_value *old = conf_blk_value(b, row->key), v = {.key = row->key};
	uint32_t first;
	struct why why;

	if (old != NULL)
		v = *old;
	first = row->merge == CONF_APPEND ? v.n : 0;
	if (conf_value_parse(l->c, row, rest, &v, &why) == -1) {
		/* an entry has no name: what it is says more */
		conf_error(l, at, "%s: %s", row->name[0] == '(' ? "/REGEX/ CATEGORY" : row->name,
		    why.text);
		return false;
	}
	v.at = at;
	for (uint32_t i = PH_MIN(first, v.n); i < v.n; i++) {
		v.items[i].at = at;
		v.items[i].seq = ++l->c->last_seq;
	}
	*conf_blk_xvalue(b, row->key) = v;
	return true;
}
