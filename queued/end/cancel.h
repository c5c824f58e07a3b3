/*
 * Deleting, and deleting what is being sent (allow-cancel-during-transfer). A recipient in flight is marked, and its
 * connection is told to end; whatever brings it back undelivered then ends it here. What the receiver has taken, or
 * refused for good, has ended already: it is never recorded as deleted. The mark lives in memory: a recipient that was
 * not stopped before a crash of queued is an ordinary one after it.
 */
#ifndef PH_QUEUED_END_CANCEL_H
#define PH_QUEUED_END_CANCEL_H

#include "queued/queue.h"

enum cancel_bit {
	CANCEL_ASKED = 1,
	CANCEL_QUIETLY = 2, /* without an accounting record */
	CANCEL_TELL = 4	    /* with a report to the sender */
};

/* A recipient that waits ends now; `bits` of enum cancel_bit. */
void cancel_now(uint32_t rcpt, unsigned bits);
/* Does the queue of one in flight allow to stop its transfer? */
bool cancel_is_allowed(uint32_t rcpt);
/* One in flight: ends when it comes back; with leave, its transfer is stopped, else only what was not begun. */
void cancel_ask(uint32_t rcpt, unsigned bits);
/* One in flight comes back undelivered. True: it was to be deleted, and ends. */
bool cancel_ends(struct queue *q, uint32_t rcpt);

#endif
