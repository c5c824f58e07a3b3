/*
 * `digest`: the keyed hashes of a text that PowerMTA prints, for tokens in addresses. It asks no server.
 */
#ifndef PH_PMTACTL_DIGEST_H
#define PH_PMTACTL_DIGEST_H

#include "pmtactl/options.h"

/* "Result: HEX" to standard output; the exit status. */
int digest(const struct options *o);

#endif
