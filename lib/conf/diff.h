/*
 * What differs between two configurations as they are understood: spelling, order of blocks, comments and includes make
 * no difference, and that lines of one block changed places is not seen. For people who ask what a change will do;
 * passwords are left out. It reads no files.
 */
#ifndef PH_CONF_DIFF_H
#define PH_CONF_DIFF_H

#include "lib/conf/conf.h"

struct conf_difference {
	char *where; /* "<virtual-mta a> <domain *>", "" outside of blocks */
	char *text;  /* the directive as canonical text; "" the block itself */
	bool
	    is_new; /* in the second configuration, not in the first; otherwise the other way round */
};
struct conf_differences {
	struct conf_difference *list; /* by `where`, what went before what came */
	size_t n, cap;
};

void conf_diff(const struct conf *old, const struct conf *now, struct conf_differences *d);
void conf_diff_clear(struct conf_differences *d);

#endif
