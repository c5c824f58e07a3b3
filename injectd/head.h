/*
 * The header section of a message that is coming in: our fields on top, control fields taken out and their values
 * into the envelope, fields counted and removed as the client's <source> says. It must not change a byte of what
 * it lets pass.
 */
#ifndef PH_INJECTD_HEAD_H
#define PH_INJECTD_HEAD_H

#include "injectd/txn.h"

/*
 * Reads a header section (without the empty line) and stores what becomes of it. `has_more`: other text than an empty
 * line follows. A reason to refuse the message goes into t->fault.
 */
void head_process(struct txn *t, struct str head, bool has_more);

#endif
