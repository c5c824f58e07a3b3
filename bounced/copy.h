/*
 * A COPY of queued's: a message once more for other recipients, byte for byte behind a Delivered-To field of the address
 * that it came to. Nothing is ever reported about it, and no processor reads it again.
 */
#ifndef PH_BOUNCED_COPY_H
#define PH_BOUNCED_COPY_H

#include "bounced/compose.h"
#include "lib/spool/journal.h"

/*
 * Hands the copy to the journal under `token`; its fate comes from there. 1: done; 0: there is nothing to be copied (it
 * has been through here before, or has no recipient); -1 with `why`: it cannot be read.
 */
int copy_store(struct composer *c, struct journal *j, const struct ipc_copy *what,
    const struct str texts[2], void *token, struct why *why) PH_MUST_CHECK;

#endif
