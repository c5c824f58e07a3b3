/*
 * pmtactl history: what became of the mail to an address, from the accounting files. It reads them all, with the
 * caller's rights; what waits still is told by list and explain.
 */
#ifndef PH_PMTACTL_HISTORY_H
#define PH_PMTACTL_HISTORY_H

#include "lib/conf/conf.h"
#include "lib/ctl/tree.h"

/* max: how many of the latest records, 0: 100. -1 with `why`: they cannot be read. */
int history_read(const struct conf *c, struct str address, size_t max, struct tree *t,
    struct why *why) PH_MUST_CHECK;
void history_print(const struct tree *t, FILE *out);

#endif
