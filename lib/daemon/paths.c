#include "lib/daemon/paths.h"

#include "lib/base/xalloc.h"

struct str
paths_spool(const struct conf *c)
{
	/* the one-line `spool DIR` is such a block too */
	if (conf_n_blocks(c, CONF_BLOCK_SPOOL) == 0)
		return STR(PATHS_DEFAULT_SPOOL);
	return conf_block_name(c, CONF_BLOCK_SPOOL, 0);
}

char *
paths_in_spool(const struct conf *c, const char *name)
{
	struct str dir = paths_spool(c);

	return xasprintf("%.*s/%s", STR_ARG(dir), name);
}
