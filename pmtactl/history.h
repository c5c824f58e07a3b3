/*
 * pmtactl history: what became of the mail to an address, from the accounting files. It reads them with the
 * caller's rights, the latest first; what waits still is told by list and explain.
 */
#ifndef PH_PMTACTL_HISTORY_H
#define PH_PMTACTL_HISTORY_H

#include "lib/conf/conf.h"
#include "lib/ctl/tree.h"

struct history {
	struct str address;
	size_t max;	  /* how many of the latest records, 0: 100 */
	bool is_thorough; /* all files, however long that takes */
};
/* -1 with `why`: they cannot be read. */
int history_read(
    const struct conf *c, const struct history *h, struct tree *t, struct why *why) PH_MUST_CHECK;
void history_print(const struct tree *t, FILE *out);

#endif
