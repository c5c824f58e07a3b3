/*
 * Prints a queued message: its envelope as it lies in the spool, an empty line, the message to the byte.
 */
#ifndef PH_PMTACTL_CAT_H
#define PH_PMTACTL_CAT_H

#include "lib/conf/conf.h"
#include "lib/ctl/tree.h"

/* `place` is the server's answer to cat. */
int cat_print(const struct conf *c, const char *id, const struct tree *place, FILE *out,
    struct why *why) PH_MUST_CHECK;

#endif
