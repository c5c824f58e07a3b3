/*
 * Was a message accepted? For who must know after a crash whether an id that it had chosen became durable: the pickup
 * directory, whose file may go only then and must not be sent twice. Slow (it reads what the writer has on disk): only
 * at a start, after journal_open() and before the first append, when nothing that answers it can have been written
 * over. It must never change anything.
 */
#ifndef PH_SPOOL_ACCEPTED_H
#define PH_SPOOL_ACCEPTED_H

#include "lib/base/base.h"

/*
 * Of an id that journal_new_id() gave. 1: it was, and that is on disk; 0: it was not; -1 with errno: the disk does not
 * say.
 */
int spool_was_accepted(int dirfd, uint64_t id) PH_MUST_CHECK;

#endif
