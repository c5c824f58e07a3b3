#include "lib/conf/conf_int.h"

/* Other spellings, and old names that mean something we have. */
static const struct conf_alias aliases[] = {
#define ALIAS(block, name, key, target, format, status, help)                                      \
	{CONF_BLOCK_##block, name, CONF_##key, target, format, CONF_##status, help},
#include "lib/conf/aliases.def"
#undef ALIAS
};

const struct conf_alias *
conf_alias_at(size_t i)
{
	return i < countof(aliases) ? &aliases[i] : NULL;
}

const struct conf_alias *
conf_alias_find(enum conf_block b, struct str name)
{
	for (size_t i = 0; i < countof(aliases); i++)
		if (aliases[i].block == b && str_ieq(str_of(aliases[i].name), name))
			return &aliases[i];
	return NULL;
}
