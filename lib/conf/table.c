#include "lib/conf/conf_int.h"

#define IN(block) (UINT64_C(1) << CONF_BLOCK_##block)

static const struct conf_block_row blocks[CONF_N_BLOCKS] = {
#define BLOCK(id, tag, name, parents, many, help)                                                  \
	{tag, CONF_NAME_##name, parents, CONF_##many, help},
#include "lib/conf/blocks.def"
#undef BLOCK
};

static const struct conf_row rows[CONF_N_KEYS] = {
    {CONF_BLOCK_GLOBAL, CONF_NONE, "", CONF_TYPE_STR, "", "", CONF_REPLACE, CONF_RELOAD,
	CONF_HONOURED, ""},
#define DIRECTIVE(block, id, name, type, dflt, syntax, merge, reload, status, help)                \
	{CONF_BLOCK_##block, CONF_##block##_##id, name, CONF_TYPE_##type, dflt, syntax,            \
	    CONF_##merge, CONF_##reload, CONF_##status, help},
#include "lib/conf/directives.def"
#undef DIRECTIVE
};

_Static_assert(CONF_N_BLOCKS <= 64, "the blocks' bit sets");

const struct conf_row *
conf_row(enum conf_key k)
{
	return &rows[k < CONF_N_KEYS ? k : CONF_NONE];
}

const struct conf_block_row *
conf_block_row(enum conf_block b)
{
	return &blocks[b < CONF_N_BLOCKS ? b : CONF_BLOCK_GLOBAL];
}

const struct conf_row *
conf_row_find(enum conf_block b, struct str name)
{
	for (size_t i = 1; i < CONF_N_KEYS; i++)
		if (rows[i].block == b && str_ieq(str_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

enum conf_block
conf_block_find(struct str tag)
{
	if (str_ieq(tag, STR("sparkpost-analytics")))
		return CONF_BLOCK_SIGNALS;
	if (str_ieq(tag, STR("suppression-list")))
		return CONF_BLOCK_ADDRESSES;
	for (unsigned b = CONF_BLOCK_GLOBAL + 1; b < CONF_N_BLOCKS; b++)
		if (str_ieq(str_of(blocks[b].tag), tag))
			return (enum conf_block)b;
	return CONF_N_BLOCKS;
}

bool
conf_block_has(enum conf_block parent, enum conf_block child)
{
	return (blocks[child].parents & UINT64_C(1) << parent) != 0;
}

void
conf_ranges(struct conf_range r[CONF_N_BLOCKS])
{
	memset(r, 0, CONF_N_BLOCKS * sizeof r[0]);
	for (size_t i = CONF_N_KEYS - 1; i > 0; i--) {
		r[rows[i].block].first = (enum conf_key)i;
		r[rows[i].block].n++;
	}
}

bool
conf_block_is_idle(enum conf_block b, enum conf_status *status)
{
	bool any = false;

	*status = CONF_NOT_YET;
	for (size_t i = 1; i < CONF_N_KEYS; i++) {
		if (rows[i].block != b)
			continue;
		if (rows[i].status == CONF_HONOURED || rows[i].status == CONF_DEPRECATED)
			return false;
		if (!any || rows[i].status == CONF_NOT_YET)
			*status = rows[i].status;
		any = true;
	}
	return any;
}

enum conf_key
conf_next_key(enum conf_block block, enum conf_key after)
{
	for (size_t i = (size_t)after + 1; i < CONF_N_KEYS; i++)
		if (rows[i].block == block)
			return (enum conf_key)i;
	return CONF_NONE;
}

const char *
conf_key_name(enum conf_key k)
{
	return conf_row(k)->name;
}
