/*
 * The names of everything that can be configured: one enum value a block (blocks.def) and one a directive in a
 * block (directives.def). Nothing but the enums: what the rows mean is in table.h, how to ask is in conf.h.
 */
#ifndef PH_CONF_KEYS_H
#define PH_CONF_KEYS_H

enum conf_block {
#define BLOCK(id, tag, name, parents, many, help) CONF_BLOCK_##id,
#include "lib/conf/blocks.def"
#undef BLOCK
	CONF_N_BLOCKS
};

enum conf_key {
	CONF_NONE = 0,
#define DIRECTIVE(block, id, name, type, dflt, syntax, merge, reload, status, help)                \
	CONF_##block##_##id,
#include "lib/conf/directives.def"
#undef DIRECTIVE
	CONF_N_KEYS
};

#endif
