/*
 * The scan of the spool at the start. Delivery goes on meanwhile, and so does acceptance: mail that comes by
 * message during the scan and is also seen by it is told apart by its id.
 */
#ifndef PH_QUEUED_RECOVER_H
#define PH_QUEUED_RECOVER_H

#include "lib/base/base.h"

void recover_start(void);
bool recover_is_running(void);
/* For a message that comes from an injector: did the scan bring it already? Remembers it while the scan runs. */
bool recover_knows(uint64_t id);

#endif
