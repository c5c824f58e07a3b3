/*
 * Which VirtualMTA or pool a message asks for: the header field's, the <pattern-list>'s, the listener's, the
 * source's. Only names are
 * chosen here; the member of a pool is queued's choice.
 */
#ifndef PH_INJECTD_VMTA_H
#define PH_INJECTD_VMTA_H

#include "injectd/txn.h"

/*
 * Sets t->vmta or t->pool (or neither: the default VirtualMTA), and the priority. `field` is the header field's value,
 * p NULL: there was none or it does not count; `head` the header section. -1 with
 * `why` (554 5.7.1) when the message is to be refused for it.
 */
int vmta_choose(struct txn *t, struct str field, struct str head, struct why *why) PH_MUST_CHECK;

#endif
