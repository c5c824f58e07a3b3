#include "lib/base/log.h"
#include "lib/conf/conf_int.h"

static const struct conf_value *
value_of(const struct conf_set *s, enum conf_key k)
{
	const struct conf_value *v;

	ph_assert(k > CONF_NONE && k < CONF_N_KEYS && conf_row(k)->block == s->kind);
	v = s->v[k - s->c->range[s->kind].first];
	return v != NULL ? v : &s->c->defaults[k];
}

static const struct conf_item *
first_of(const struct conf_set *s, enum conf_key k)
{
	static const struct conf_item none;
	const struct conf_value *v = value_of(s, k);

	return v->n == 0 ? &none : &v->items[0];
}

bool
conf_bool(const struct conf_set *s, enum conf_key k)
{
	enum conf_type t = conf_row(k)->type;

	ph_assert(t == CONF_TYPE_BOOL || t == CONF_TYPE_WHEN || t == CONF_TYPE_WORD);
	return first_of(s, k)->num != 0;
}

uint64_t
conf_u64(const struct conf_set *s, enum conf_key k)
{
	enum conf_type t = conf_row(k)->type;

	ph_assert(t == CONF_TYPE_NUMBER || t == CONF_TYPE_SIZE);
	return first_of(s, k)->num;
}

int64_t
conf_ms(const struct conf_set *s, enum conf_key k)
{
	enum conf_type t = conf_row(k)->type;

	ph_assert(t == CONF_TYPE_TIME || t == CONF_TYPE_TIMES || t == CONF_TYPE_WHEN);
	return first_of(s, k)->ms;
}

int
conf_enum(const struct conf_set *s, enum conf_key k)
{
	ph_assert(conf_row(k)->type == CONF_TYPE_WORD);
	return (int)first_of(s, k)->num;
}

struct conf_rate
conf_rate(const struct conf_set *s, enum conf_key k)
{
	enum conf_type t = conf_row(k)->type;

	ph_assert(t == CONF_TYPE_RATE || t == CONF_TYPE_VOLUME);
	return (struct conf_rate){.count = first_of(s, k)->num, .period_ms = first_of(s, k)->ms};
}

struct str
conf_str(const struct conf_set *s, enum conf_key k)
{
	return first_of(s, k)->text;
}

size_t
conf_n(const struct conf_set *s, enum conf_key k)
{
	return value_of(s, k)->n;
}

struct str
conf_item(const struct conf_set *s, enum conf_key k, size_t i)
{
	const struct conf_value *v = value_of(s, k);

	return i < v->n ? v->items[i].text : STR_NULL;
}

int64_t
conf_item_ms(const struct conf_set *s, enum conf_key k, size_t i)
{
	const struct conf_value *v = value_of(s, k);

	return i < v->n ? v->items[i].ms : 0;
}

bool
conf_is_set(const struct conf_set *s, enum conf_key k)
{
	return value_of(s, k)->at.line != 0;
}

static struct conf_origin
origin_of(const struct conf *c, struct conf_at at)
{
	if (at.line == 0 || at.file >= c->n_files)
		return (struct conf_origin){0};
	return (struct conf_origin){.file = c->files[at.file].path, .line = at.line};
}

struct conf_origin
conf_origin(const struct conf_set *s, enum conf_key k)
{
	return origin_of(s->c, value_of(s, k)->at);
}

struct conf_origin
conf_item_origin(const struct conf_set *s, enum conf_key k, size_t i)
{
	const struct conf_value *v = value_of(s, k);

	return i < v->n ? origin_of(s->c, v->items[i].at) : (struct conf_origin){0};
}

const struct conf_set *
conf_global(const struct conf *c)
{
	return c->blocks[0]->set;
}

static const struct conf_blk *
nth(const struct conf *c, enum conf_block block, size_t i)
{
	for (size_t j = 0; j < c->n_blocks; j++)
		if (c->blocks[j]->kind == block && !c->blocks[j]->is_dead && i-- == 0)
			return c->blocks[j];
	return NULL;
}

size_t
conf_n_blocks(const struct conf *c, enum conf_block block)
{
	size_t n = 0;

	for (size_t j = 0; j < c->n_blocks; j++)
		n += c->blocks[j]->kind == block && !c->blocks[j]->is_dead;
	return n;
}

const struct conf_set *
conf_merged(const struct conf *c, enum conf_block block)
{
	ph_assert(c->merged[block] != NULL);
	return c->merged[block];
}

const struct conf_set *
conf_block_at(const struct conf *c, enum conf_block block, size_t i)
{
	const struct conf_blk *b = nth(c, block, i);

	ph_assert(b != NULL);
	return b->set;
}

bool
conf_uses(const struct conf *c, enum conf_key k)
{
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_value *v = conf_blk_value(c->blocks[i], k);
		if (v != NULL && v->n > 0 && v->items[0].text.len > 0)
			return true;
	}
	return false;
}

static bool
says_any(struct conf_blk *b, const enum conf_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (conf_blk_value(b, keys[i]) != NULL)
			return true;
	return false;
}

const struct conf_set *
conf_block_saying(const struct conf *c, enum conf_block block, size_t *at,
    const enum conf_key *keys, size_t n, struct conf_origin *origin)
{
	while (*at < c->n_blocks) {
		struct conf_blk *b = c->blocks[(*at)++];

		if (b->kind != block || b->is_dead || !says_any(b, keys, n))
			continue;
		/* a <domain> by itself is seldom asked for: its set is made then */
		if (b->set == NULL)
			b->set = conf_set_new(c, block, &b, 1);
		*origin = (struct conf_origin){c->files[b->at.file].path, b->at.line};
		return b->set;
	}
	return NULL;
}

struct str
conf_block_name(const struct conf *c, enum conf_block block, size_t i)
{
	const struct conf_blk *b = nth(c, block, i);

	ph_assert(b != NULL);
	return b->name;
}

struct conf_origin
conf_block_origin(const struct conf *c, enum conf_block block, size_t i)
{
	const struct conf_blk *b = nth(c, block, i);

	ph_assert(b != NULL);
	return (struct conf_origin){.file = c->files[b->at.file].path, .line = b->at.line};
}

enum conf_block
conf_block_parent(const struct conf *c, enum conf_block block, size_t i, struct str *name)
{
	const struct conf_blk *b = nth(c, block, i), *parent;

	ph_assert(b != NULL);
	parent = c->blocks[b->parent];
	*name = parent->name;
	return parent->kind;
}
